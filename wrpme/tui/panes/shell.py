"""The shell in a pane: a session as in line mode, with its lines from an input and its output in a log that scrolls. A
command runs beside the app; lines that are entered meanwhile wait for it."""

from __future__ import annotations

import asyncio
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Protocol

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Key, Paste
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from wrpme import __version__, errors
from wrpme.bootstrap.reporter import Ask, Reporter, StepWords, harmless
from wrpme.client.client import Client
from wrpme.protocol.quoting import SPACES, bytes_of, content_shown, quoted
from wrpme.shell.batch import END, GivenUp
from wrpme.shell.commands import Command
from wrpme.shell.completion import complete, completed, hint
from wrpme.shell.execute import Answer, Line
from wrpme.protocol.quoting import size_text
from wrpme.shell.format import escaped
from wrpme.shell.history import LineFile
from wrpme.shell.paste import pasted_lines
from wrpme.shell.session import Shell, internal
from wrpme.tui.dialogs import Secret
from wrpme.tui.limits import (
    PANE_ANSWER_BYTES_MAX,
    PANE_ENTRIES_MAX,
    PANE_LINE_BYTES_MAX,
    PANE_LINES_MAX,
    PANE_LINES_WAITING_MAX,
)
from wrpme.tui.panes.lines_view import LinesView
from wrpme.tui.state.lines import Part, Row, broken

PROMPT = "> "
WELCOME = f"wrpme {__version__}: help lists the commands, Esc leads to the panes, F1 tells all keys"
_REPORT_ROLES = {"good": "good", "bad": "bad", "same": "dim"}
NO_SHELL = "a replay has no hive to talk to: the shell is closed"


class Sink(Protocol):
    """The place that a session prints to."""

    def print(self, text: str, role: str = "text") -> None:
        """Prints one or more lines in the colour of that role."""

    def keep(self, value: bytes) -> None:
        """Keeps the value of an entry, which was printed, to be copied."""


class PaneReporter:
    """Prints the progress on other machines: steps in grey, results in their colours, log lines in the colour of their
    node. A step that only says how far the one before is, is left out."""

    can_ask = True

    def __init__(self, sink: Sink, ask: Ask) -> None:
        self._ask = ask
        self._sink = sink
        self._steps = StepWords()

    def step(self, host: str, text: str) -> None:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""
        if self._steps.is_new(host, text):
            self.say(f"{host}: {text}")

    def ended(self, host: str, text: str, how: str) -> None:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""
        self._steps.forget(host)
        self._sink.print(harmless(f"{host}: {text}"), _REPORT_ROLES[how])

    def say(self, text: str) -> None:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""
        self._sink.print(harmless(text), "dim")

    def log(self, number: int, name: str, width: int, line: str) -> None:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""
        self._sink.print(harmless(f"{name:<{width}}  {line}"), f"node{number}")

    async def drain(self) -> None:
        """Returns at once: the pane draws by itself."""

    async def ask(self, question: str) -> str:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""
        return await self._ask(question)

    def close(self) -> None:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""


class PaneConsole:
    """The :class:`wrpme.shell.session.Output` of a pane."""

    entries_max: int | None = PANE_ENTRIES_MAX

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def answer(self, answer: Answer, line_mode: bool) -> None:
        """Prints a result, escaped; of a long content the beginning."""
        if answer.content is not None:
            self._sink.print(_beginning(answer.content))
            self._sink.keep(answer.content)
        elif answer.text is not None:
            self._sink.print(escaped(answer.text))
        elif answer.lines:
            self._sink.print("\n".join(map(_line, answer.lines)))

    def error(self, error: errors.WrpmeError) -> None:
        """Prints an error: one line."""
        self._sink.print(escaped(" ".join(str(error).split("\n")), keep=""), "bad")

    def note(self, text: str) -> None:
        """Prints a sentence."""
        self._sink.print(escaped(text), "warn")

    async def drain(self) -> None:
        """Returns at once: the pane draws by itself."""

    def reporter(self, confirm: Callable[[str], Awaitable[str]]) -> Reporter:
        """Returns a reporter that prints into the pane."""
        return PaneReporter(self._sink, confirm)


def _beginning(content: bytes) -> str:
    if len(content) <= PANE_ANSWER_BYTES_MAX:
        return content_shown(content)
    rest = f"... {size_text(len(content))} in all; wrpmesh get ALIAS > FILE writes the whole of it"
    return f"{content_shown(_cut(content, PANE_ANSWER_BYTES_MAX))}\n{rest}"


def _line(line: Line) -> str:
    text = escaped(line.text, keep="")
    if line.content is None:
        return text
    content = _cut(line.content, PANE_LINE_BYTES_MAX)
    told = quoted(content) if line.in_quotes or not content else content_shown(content)
    more = f"... {size_text(len(line.content))} in all" if len(content) < len(line.content) else ""
    return " ".join(filter(None, (text, told, more)))


def _cut(content: bytes, size: int) -> bytes:
    """At most so many bytes of a content, without a part of a character at the end."""
    if len(content) <= size:
        return content
    text = getincrementaldecoder("utf-8")("surrogateescape").decode(content[:size])
    return bytes_of(text)


class PanePrompt:
    """The :class:`wrpme.shell.session.Prompt` of a pane: a queue of lines that were entered, and of pastes of several
    lines. The next line answers a question. ``show`` is called with a pasted line when its turn comes, ``sign`` with
    what stands before the next line; ``ask_secret`` opens a window for a password, and gives None where it was closed.
    """

    is_corrected = True

    def __init__(
        self,
        sink: Sink,
        show: Callable[[str], None],
        sign: Callable[[str], None],
        ask_secret: Callable[[str], Awaitable[str | None]],
    ) -> None:
        self._sink = sink
        self._ask_secret = ask_secret
        self._show = show
        self._sign = sign
        self._lines: asyncio.Queue[str | list[str] | None] = asyncio.Queue(PANE_LINES_WAITING_MAX)
        self._pasted: deque[str] = deque()
        self.asking = False

    def enter(self, line: str | list[str] | None) -> bool:
        """Adds a line, the lines of a paste, or None for the end of all; returns whether there was room."""
        if self._lines.full():
            return False
        self._lines.put_nowait(line)
        return True

    def forget(self) -> None:
        """Drops the lines that wait, but not those of the paste whose turn it is."""
        while not self._lines.empty():
            self._lines.get_nowait()

    async def line(self, sign: str = "") -> str | None:
        """Returns the next line."""
        self._sign(sign or PROMPT)
        while not self._pasted:
            entered = await self._lines.get()
            if not isinstance(entered, list):
                return entered
            self._pasted.extend(entered)
        line = self._pasted.popleft()
        self._show(line)
        return line

    async def confirmation(self, question: str) -> str:
        """Prints a question and returns the next line. Pasted lines are commands, and answer no question."""
        self._sink.print(question, "warn")
        self.asking = True
        try:
            entered = await self._lines.get()
        finally:
            self.asking = False
        if isinstance(entered, list):
            self._pasted.extend(entered)
            return ""
        return entered or ""

    async def secret(self, question: str) -> str:
        """Asks in a window of its own, and returns what is typed there, which no log or history has.

        Raises:
            GivenUp: the window was closed.
        """
        typed = await self._ask_secret(question)
        if typed is None:
            raise GivenUp
        return typed

    def drop_pasted(self) -> int:
        """Drops the pasted lines whose turn has not come, and returns how many they were."""
        count = len(self._pasted)
        self._pasted.clear()
        return count


class _Words(Suggester):
    """Suggests how the line may go on; it is shown in grey."""

    def __init__(self, pane: ShellPane) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._pane = pane

    async def get_suggestion(self, value: str) -> str | None:
        found = complete(value, self._pane.nodes) if value.strip() else []
        if not found:
            return self._pane.remembered(value)
        return value[: len(value) - len(value.split(" ")[-1])] + found[0]


class CommandInput(Input):
    """The line that is typed: Tab completes it, up and down walk through the history."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "history(-1)", "history", key_display="↑"),
        Binding("down", "history(1)", "later", show=False),
        Binding("tab", "complete", "complete", key_display="Tab"),
        Binding("ctrl+c", "interrupt", "interrupt", key_display="Ctrl+C"),
        Binding("ctrl+l", "clear_log", "clear", show=False),
        Binding("pageup", "scroll_log(-1)", "scroll", show=False),
        Binding("pagedown", "scroll_log(1)", "scroll", show=False),
    ]

    def __init__(self, pane: ShellPane) -> None:
        super().__init__(suggester=_Words(pane), select_on_focus=False)
        self._pane = pane

    async def _on_key(self, event: Key) -> None:
        """Handles the keys at once. As bindings they would wait for their turn, and be overtaken by what is typed after
        them."""
        now: dict[str, Callable[[], None]] = {
            "enter": self._pane.enter_typed,
            "tab": self.action_complete,
            "up": lambda: self.action_history(-1),
            "down": lambda: self.action_history(1),
            "ctrl+c": self.action_interrupt,
        }
        if event.key in now:
            event.stop()
            event.prevent_default()
            now[event.key]()
        else:
            await super()._on_key(event)

    def _on_paste(self, event: Paste) -> None:
        """Gives the paste to the pane; Textual itself would take its first line."""
        event.stop()
        event.prevent_default()
        self._pane.paste(event.text)

    @property
    def _value(self) -> Text:
        """The line as it is drawn, with a sign in the place of each character that could not be seen."""
        return Text("".join(map(_sign, self.value)), no_wrap=True, overflow="ignore", end="")

    def action_complete(self) -> None:
        """Completes the line."""
        self._pane.complete()

    def action_history(self, step: int) -> None:
        """Walks through the history."""
        self._pane.walk(step)

    def action_interrupt(self) -> None:
        """Copies what is selected, else interrupts."""
        if self.selected_text:
            self.action_copy()
        else:
            self._pane.interrupt()

    def action_clear_log(self) -> None:
        """Clears the log."""
        self._pane.answers.clear()

    def action_scroll_log(self, pages: int) -> None:
        """Scrolls the log by pages."""
        self._pane.answers.action_scroll_pages(pages)


def _sign(character: str) -> str:
    """A character of one cell in the place of one that could not be seen."""
    if character.isprintable() or character in SPACES:
        return character
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


class Answers(LinesView):
    """The log of what was entered and answered, broken anew for each width. It takes no keys, because the line below it
    does."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[Part] = deque(maxlen=PANE_LINES_MAX)
        self._width = 0

    def add(self, text: str, role: str) -> None:
        """Adds one or more lines at the end, and scrolls there."""
        fresh = [(line, role) for line in text.split("\n")]
        full = len(self._lines) + len(fresh) > PANE_LINES_MAX
        self._lines += fresh
        if full or not self._width:
            self._break()
        else:
            self.append_rows(self._rows(fresh))
        self._to_end()

    def action_scroll_pages(self, pages: int) -> None:
        """Scrolls by pages."""
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def clear(self) -> None:
        """Removes all lines."""
        self._lines.clear()
        self._break()

    def on_resize(self) -> None:
        """Breaks the lines for the new width."""
        if self.columns != self._width:
            self._break()
        self._to_end()

    def _rows(self, lines: Iterable[Part]) -> list[Row]:
        return [row for text, role in lines for row in broken((), text.expandtabs(), role, self._width)]

    def _break(self) -> None:
        self._width = max(0, self.columns)
        if self._width:
            self.show_rows(self._rows(self._lines))

    def _to_end(self) -> None:
        self.call_after_refresh(self.scroll_end, animate=False)


class ShellPane(Vertical):
    """The log, the line that is typed, and help for it. Without a ``client`` (a replay) it takes no commands."""

    DEFAULT_CSS = """
    ShellPane { height: 1fr; }
    ShellPane Horizontal { height: 1; }
    ShellPane Label { width: auto; color: $primary; text-style: bold; }
    ShellPane CommandInput { height: 1; border: none; padding: 0; background: $background; width: 1fr; }
    ShellPane CommandInput:focus { border: none; background-tint: $foreground 5%; }
    ShellPane #hint { height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Ran(Message):
        """Sent when a command has ended."""

        def __init__(self, command: Command) -> None:
            super().__init__()
            self.command = command

    class Left(Message):
        """Sent when ``exit`` was entered."""

    def __init__(self, client: Client | None, history: LineFile, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._client = client
        self._history = history
        self._lines = deque(history.load(), history.lines_max)
        self._at = 0
        self._typed = ""
        self._prompt = PanePrompt(self, self._show_entered, self._show_sign, self._ask_secret)
        self._sign = PROMPT
        self._label = Label(PROMPT)
        self._shell: Shell | None = None
        self._command: Command | None = None
        self.answers = Answers()
        self.value: bytes | None = None
        """The value that was printed last."""
        self._input = CommandInput(self)
        self._hint = Static("", id="hint", markup=False)

    @property
    def nodes(self) -> list[str]:
        """The addresses for completion."""
        return self._client.known_addresses if self._client is not None else []

    def compose(self) -> ComposeResult:
        """Yields the log, the line, and the help for it."""
        yield self.answers
        with Horizontal():
            yield self._label
            yield self._input
        yield self._hint

    def on_mount(self) -> None:
        """Begins the session."""
        if self._client is None:
            self._input.disabled = True
            self._say_beside(NO_SHELL)
        else:
            self._shell = Shell(self._client, PaneConsole(self), self._prompt, self._around_command)
            self.run_worker(self._session(self._shell), name="shell", exit_on_error=False)
            self._show_hint()
            self.print(WELCOME, "dim")

    async def _ask_secret(self, question: str) -> str | None:
        return await self.app.push_screen_wait(Secret(question))

    async def _session(self, shell: Shell) -> None:
        while True:
            try:
                await shell.lines()
                self.post_message(self.Left())
                return
            except Exception as error:
                PaneConsole(self).error(internal(error))

    # --- what the session tells ----------------------------------------------------------------------------------

    def print(self, text: str, role: str = "text") -> None:
        """See :class:`Sink`."""
        self.answers.add(text, role)

    def keep(self, value: bytes) -> None:
        """See :class:`Sink`."""
        self.value = value

    @contextmanager
    def _around_command(self, command: Command) -> Iterator[None]:
        """Within it the command runs, and the pane says so."""
        self._command = command
        self._show_hint()
        try:
            yield
        finally:
            self._command = None
            self._show_hint()
            self.post_message(self.Ran(command))

    # --- what is typed -------------------------------------------------------------------------------------------

    def focus_line(self) -> None:
        """Moves the keyboard to the line."""
        self._input.focus()

    @property
    def has_focus_line(self) -> bool:
        """Whether the keyboard is at the line."""
        return self._input.has_focus

    @property
    def is_empty(self) -> bool:
        """Whether nothing is typed."""
        return not self._input.value

    def put(self, line: str) -> None:
        """Types a line, to be looked at before it is entered."""
        self._input.value = line
        self._input.cursor_position = len(line)
        self.focus_line()

    def enter_typed(self) -> None:
        """Enters the line that is typed."""
        line, self._input.value = self._input.value, ""
        self.enter(line)

    def enter(self, line: str) -> None:
        """Enters a line, to be carried out in its turn."""
        line = line.replace("\n", " ").replace("\r", " ")
        asked = self._prompt.asking
        if not self._prompt.enter(line):
            self.print(f"{PANE_LINES_WAITING_MAX} lines wait already: this one was not taken", "bad")
            return
        self._show_entered(line, remembered=not asked)
        self._at, self._typed = 0, ""

    def _show_entered(self, line: str, remembered: bool = True) -> None:
        """Prints a line that was entered, and keeps it in the history unless it answers a question."""
        self.answers.add(self._sign + escaped(line), "bold")
        if remembered and self._history.keeps(line):
            self._history.append(line)
            self._lines.append(line)

    def _show_sign(self, sign: str) -> None:
        """Shows what stands before the line that is typed."""
        if sign != self._sign:
            self._sign = sign
            self._label.update(sign)
            self._show_hint()

    def paste(self, text: str) -> None:
        """Types a paste of one line; of several ones enters all, to be carried out in their turn. A question is
        answered by what is typed: there a paste is one line."""
        typed = self._input
        start, end = sorted(typed.selection)
        lines = pasted_lines(text, typed.value[:start], typed.value[end:])
        if len(lines) == 1 or self._prompt.asking:
            typed.replace(" ".join(pasted_lines(text)), start, end)
        elif self._prompt.enter(lines):
            typed.value = ""
            self._at, self._typed = 0, ""
        else:
            self.print(f"{PANE_LINES_WAITING_MAX} lines wait already: this paste was not taken", "bad")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Shows help for what is typed."""
        event.stop()
        self._show_hint()

    def _say_beside(self, text: str) -> None:
        self._hint.update(text, layout=False)  # its place is the same whatever it says

    def _show_hint(self) -> None:
        line = self._input.value
        if self._sign != PROMPT and not line:
            self._say_beside(f"an operation of the batch; {END} alone carries it out, Ctrl-C gives it up")
        elif self._command is not None and not line:
            self._say_beside(f"{self._command.name} runs; Ctrl-C interrupts it")
        else:
            self._say_beside(hint(line) or "a command, Tab completes, help lists all; Esc leaves the shell")

    def complete(self) -> None:
        """Completes the line as far as it is certain, else lists all that it may become."""
        line, choices = completed(self._input.value, self.nodes)
        self._input.value = line
        self._input.cursor_position = len(line)
        if choices:
            self._say_beside("  ".join(choices))

    def walk(self, step: int) -> None:
        """Replaces the line by an earlier or later one that begins as what was typed."""
        if not self._at:
            self._typed = self._input.value
        found = [line for line in self._lines if line.startswith(self._typed)]
        self._at = max(0, min(len(found), self._at - step))
        line = found[-self._at] if self._at else self._typed
        self._input.value = line
        self._input.cursor_position = len(line)

    def interrupt(self) -> None:
        """Interrupts the command that runs and drops the lines that wait; if none runs, empties the line."""
        if self._command is not None and self._shell is not None:
            self._prompt.forget()
            if self._prompt.asking:
                self._prompt.enter("")
            self._shell.interrupt()
        else:
            self._input.value = ""

    def on_key(self, event: Key) -> None:
        """Leaves on Ctrl-D in an empty line, as line mode does."""
        if event.key == "ctrl+d" and self.is_empty and self._client is not None:
            event.stop()
            self._prompt.enter(None)

    def remembered(self, value: str) -> str | None:
        """Returns the latest line of the history that begins so."""
        if not value:
            return None
        return next((line for line in reversed(self._lines) if line.startswith(value)), None)
