"""The terminal application: takes what a watcher sees, and shows it.

Views and events are shown as they come, figures with the next beat; nothing that takes time is done here: commands and
requests run in workers. Whatever goes wrong ends in a sentence, with the terminal as it was.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import SIG_DFL, SIGCONT, SIGHUP, SIGTSTP, signal
from time import monotonic, time
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider

from wrpme import errors
from wrpme.client.client import Client
from wrpme.client.watch.records import StatsSeen, WatchRecord
from wrpme.limits import CLOSE_SECONDS_MAX
from wrpme.protocol import ring
from wrpme.protocol.quoting import shown
from wrpme.protocol.view import NodeId
from wrpme.shell.commands import Command
from wrpme.protocol.quoting import size_text
from wrpme.shell.history import LineFile
from wrpme.shell.local_hive import LocalHive
from wrpme.tui.action_runner import ActionRunner
from wrpme.tui.command_palette import PaletteProvider
from wrpme.tui.keys import TIME
from wrpme.tui.limits import BEAT_SECONDS, COPY_BYTES_MAX, IGNORED_BYTES_SHOWN_MAX, TIME_STEP_SECONDS
from wrpme.tui.main_screen import MainScreen
from wrpme.tui.node.screen import NodeScreen
from wrpme.tui.node.source import HiveSource
from wrpme.tui.panes.key_bar import KeyBar
from wrpme.tui.state.format import counted
from wrpme.tui.state.recording import Recorder
from wrpme.tui.state.scene import Mode, Scene, Way
from wrpme.tui.state.timeline import Timeline
from wrpme.tui.terminal.ascii import Ascii, knows_utf8
from wrpme.tui.terminal.driver import Terminal
from wrpme.tui.terminal.palette import THEMES
from wrpme.tui.terminal.roles import PREFIX, depth_of, textual_themes

_THROUGH_TIME = {key.action.removeprefix("app.").split("(")[0] for key in TIME}
Watch = Callable[[], AsyncIterator[WatchRecord]]


class Dashboard(App[int]):
    """The application. ``watch`` yields watch records; ``client`` carries out commands, and is None in a replay, which
    shows only what ``timeline`` has; ``local`` is the hive, if this program started it; ``recorder`` keeps the watch
    records. ``ascii`` says that the terminal shows nothing else; ``notice`` is a sentence to begin with. The result is
    the exit code."""

    TITLE = "wrpme"
    CSS_PATH = None
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+z", "suspend_process", "suspend", show=False, system=True, priority=True)
    ]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {PaletteProvider}
    NOTIFICATION_TIMEOUT = 6.0

    def __init__(
        self,
        timeline: Timeline,
        *,
        client: Client | None = None,
        watch: Watch | None = None,
        local: LocalHive | None = None,
        recorder: Recorder | None = None,
        history: LineFile | None = None,
        ascii: bool | None = None,
        notice: str = "",
        clock: Callable[[], float] = time,
    ) -> None:
        super().__init__(driver_class=Terminal)
        self.ascii = not knows_utf8(os.environ) if ascii is None else ascii
        if self.ascii:
            self._filters.append(Ascii())
        self.timeline = timeline
        self.client = client
        self.local = local
        self.recorder = recorder
        self.history = history or LineFile.of_user()
        self.runner = ActionRunner(self, client, local)
        self.source = HiveSource(self)
        self.clock = clock
        self.crash: Exception | None = None
        self.scene: Scene = timeline.scene(clock())
        self._watch = watch
        self._notice = notice
        self._dirty = False
        self._due = False
        self._record_failed = False
        self._beat_at = 0.0
        self._tell_ignored_at = 0.0
        for theme in textual_themes(depth_of(self)):
            self.register_theme(theme)
        self.theme = PREFIX + next(iter(THEMES))

    @property
    def plain(self) -> bool:
        """Whether the ring is drawn with letters: without colours, or without UTF-8."""
        return self.ascii or self.no_color

    def get_default_screen(self) -> MainScreen:
        """Returns the main screen."""
        return MainScreen(self)

    def _note(self) -> str:
        """Returns what the banner shows beside the figures: whether a record is made, or played."""
        timeline = self.timeline
        if timeline.mode is Mode.REPLAY:
            return f"playing {timeline.speed:g}x" if timeline.playing else "held"
        if self.recorder is not None:
            return f"recording, {size_text(self.recorder.bytes)}"
        return "recording stopped" if self._record_failed else ""

    def on_mount(self) -> None:
        """Begins the watch."""
        if self._watch is not None:
            self.run_worker(self._take_all(self._watch), name="watch", exit_on_error=False)
        self.set_interval(BEAT_SECONDS, self._beat)
        self._beat_at = monotonic()
        self.call_after_refresh(self.show_now)
        if self._notice:
            self.notify(self._notice, severity="warning", timeout=60, markup=False)

    def on_resize(self) -> None:
        """Draws everything, also if the size is as before: it may have been another one in between."""
        self.refresh()

    # --- what is seen --------------------------------------------------------------------------------------------

    async def _take_all(self, watch: Watch) -> None:
        try:
            async for record in watch():
                self.take(record)
        except Exception as error:
            self._handle_exception(error)

    def take(self, record: WatchRecord) -> None:
        """Takes a watch record: it goes to the timeline and to the recorder, and is shown at once or with the next
        beat."""
        self.timeline.take(record)
        if self.recorder is not None:
            self._keep(self.recorder, record)
        self._dirty = True
        if not isinstance(record, StatsSeen) and not self._due:
            self._due = True
            self.call_next(self._show_due)

    def _keep(self, recorder: Recorder, record: WatchRecord) -> None:
        try:
            recorder.take(record)
        except errors.WrpmeError as error:
            self.recorder, self._record_failed = None, True
            self.notify(str(error), severity="error", timeout=60, markup=False)

    def _show_due(self) -> None:
        self._due = False
        self.show_now()

    def _beat(self) -> None:
        """Shows figures and ages that have changed, and lets a replay go on."""
        self._look_at_terminal()
        now = monotonic()
        passed, self._beat_at = now - self._beat_at, now
        moved = self.timeline.advance(passed)
        whole_second = int(now) != int(now - passed)
        if self._dirty or moved or whole_second:
            self.show_now()

    def _look_at_terminal(self) -> None:
        driver = self._driver
        if not isinstance(driver, Terminal):
            return
        if driver.gone:
            self.exit(128 + SIGHUP)
        elif driver.behind and driver.takes_again:
            driver.behind = False
            self.refresh()
        if monotonic() >= self._tell_ignored_at and (ignored := driver.take_ignored()):
            self._tell_ignored_at = monotonic() + self.NOTIFICATION_TIMEOUT
            self.notify(ignored_text(ignored), severity="warning", markup=False)

    @property
    def main(self) -> MainScreen:
        """The main screen, below all others."""
        return next(screen for screen in self.screen_stack if isinstance(screen, MainScreen))

    def show_now(self) -> None:
        """Shows the moment that the timeline is at."""
        if not self.is_running or not self.screen_stack:
            return
        self._dirty = False
        self.main.banner.note = self._note()
        self.scene = self.timeline.scene(self.clock())
        for screen in self.screen_stack:
            if isinstance(screen, MainScreen | NodeScreen) and screen.is_mounted:
                screen.show(self.scene)

    def show_way(self, command: Command) -> None:
        """Shows on the ring the way of the request that a command made."""
        scene = self.scene
        if not command.alias or self.client is None or scene.mode is not Mode.LIVE:
            return
        slot = ring.slot_of(ring.position_of(scene, command.alias))
        arc = next((arc for arc in scene.arcs if arc.first <= slot < arc.end), None)
        if arc is None:
            return
        at = {node.address: index for index, node in enumerate(scene.nodes)}
        owner = arc.holders[0] if arc.served and arc.holders else -1
        asked = at.get(self.client.answered_by, owner) if command.name != "locate" else -1
        self.main.ring.show_way(Way(shown(command.alias), slot, asked, owner, arc.holders[1:]))

    # --- time ----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Returns whether a key leads anywhere from the time that is shown; while typing none of time does."""
        if action in _THROUGH_TIME and isinstance(self.screen, MainScreen) and self.screen.typing:
            return False
        return self.of_use(action) and super().check_action(action, parameters)

    def of_use(self, action: str) -> bool:
        """Returns whether an action leads anywhere from the time that is shown."""
        if action in ("now", "later", "next_event"):
            return self.timeline.mode is not Mode.LIVE
        return action != "faster" or self.timeline.mode is Mode.REPLAY

    def action_earlier(self) -> None:
        """Goes into the past."""
        self.timeline.back(TIME_STEP_SECONDS)
        self.show_now()

    def action_later(self) -> None:
        """Goes towards now."""
        self.timeline.forward(TIME_STEP_SECONDS)
        self.show_now()

    def action_previous_event(self) -> None:
        """Goes to the event before."""
        self.timeline.previous_event()
        self.show_now()

    def action_next_event(self) -> None:
        """Goes to the event after."""
        self.timeline.next_event()
        self.show_now()

    def action_now(self) -> None:
        """Goes back to now, in a replay to its end."""
        self.timeline.to_now()
        self.show_now()

    def action_faster(self, step: int) -> None:
        """Changes the speed of a replay."""
        self.timeline.faster(step)
        self.show_now()

    # --- the clipboard -------------------------------------------------------------------------------------------

    def on_text_selected(self) -> None:
        """Copies what was selected with the mouse, as the button is let go."""
        text = self.screen.get_selected_text()
        if text and text.strip():
            self.copy(text, counted(len(text), "character", "characters"))
            self.screen.clear_selection()

    def copy(self, text: str, what: str) -> None:
        """Hands a text to the clipboard of the terminal (OSC 52), and says that ``what`` was copied."""
        size = len(text.encode("utf-8", "surrogateescape"))
        if size <= COPY_BYTES_MAX:
            self.copy_to_clipboard(text)
            self._say(f"copied {what}")
        else:
            most = size_text(COPY_BYTES_MAX)
            self._say(f"not copied: {size_text(size)}, a clipboard takes {most}; wrpmesh get ALIAS > FILE")

    def copy_to_clipboard(self, text: str) -> None:
        """Hands a text to the clipboard of the terminal, bit for bit also where it is no UTF-8."""
        self._clipboard = text
        if self._driver is not None:
            data = b64encode(text.encode("utf-8", "surrogateescape")).decode()
            self._driver.write(f"\x1b]52;c;{data}\a")

    def _say(self, text: str) -> None:
        bars = self.screen.query(KeyBar)
        for bar in bars:
            bar.say(text)
        if not bars:
            self.notify(text, markup=False)

    # --- screens -------------------------------------------------------------------------------------------------

    def open_node(self, node: NodeId, panel: str = "") -> None:
        """Opens the screen of a node, at the panel of that name or at its first."""
        self.push_screen(NodeScreen(node, self.source, panel))

    def type_command(self, line: str) -> None:
        """Puts a line into the shell, from whichever screen."""
        while self.screen is not self.main:
            self.pop_screen()
        self.main.shell.put(line)

    def next_theme(self) -> None:
        """Changes to the next theme: dark, light, high contrast."""
        names = [PREFIX + name for name in THEMES]
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]

    def leave(self) -> None:
        """Closes the application."""
        self.exit(0)

    async def action_quit(self) -> None:
        """Closes the application (Ctrl+Q)."""
        self.leave()

    # --- when it breaks ------------------------------------------------------------------------------------------

    def _handle_exception(self, error: Exception) -> None:
        """Keeps an unexpected error, so that :func:`run` makes a sentence of it in the place of a traceback on the
        operator's screen."""
        if self.crash is None:
            self.crash = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """Ends the app without the picture that Textual would print of a crash, and keeps what it says of it."""
        if self.crash is None:
            self.crash = RuntimeError("; ".join(map(str, renderables)))
        self._close_messages_no_wait()


def ignored_text(ignored: bytes) -> str:
    """Returns the sentence about typed bytes that are no UTF-8."""
    beginning = "".join(f"\\x{byte:02x}" for byte in ignored[:IGNORED_BYTES_SHOWN_MAX])
    more = " ..." if len(ignored) > IGNORED_BYTES_SHOWN_MAX else ""
    count = "a byte that is no UTF-8 was" if len(ignored) == 1 else f"{len(ignored)} bytes that are no UTF-8 were"
    return f"{count} ignored: {beginning}{more}; the terminal has to send UTF-8"


def crash_file() -> Path:
    """Returns the path of the file for the details of a crash."""
    return LineFile.of_user().path.with_name("crash.log")


def crash_error(error: Exception) -> errors.InternalError:
    """Writes the details of a crash into a file, and returns the sentence about it."""
    path = crash_file()
    where = f"; the details are in {path}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), "utf-8", "replace")
    except OSError:
        where = ""
    return errors.InternalError(
        f"{type(error).__name__}: {error}; this is a defect of the dashboard, please report it{where}; wrpmesh without "
        "--tui goes on working"
    )


async def run(app: Dashboard) -> int:
    """Runs the app to its end, and returns the exit code. Whoever asks the app to end gives it one, so that an end
    without a code is a crash, whatever brought it about.

    Raises:
        InternalError: it crashed; the terminal is as it was before.
    """
    running = asyncio.ensure_future(app.run_async())
    try:
        code = await asyncio.shield(running)
    except asyncio.CancelledError:  # which Textual swallows at some moments, and goes on
        app.exit()
        await asyncio.wait([running], timeout=CLOSE_SECONDS_MAX)
        running.cancel()
        raise
    except errors.WrpmeError:
        raise
    except Exception as error:
        raise crash_error(app.crash or error) from None
    finally:
        for number in (SIGTSTP, SIGCONT):  # Textual's handlers would set up the terminal once more
            signal(number, SIG_DFL)
    if app.crash is not None:
        raise crash_error(app.crash)
    if code is None:
        raise crash_error(RuntimeError("it has ended, and nothing tells why"))
    return code
