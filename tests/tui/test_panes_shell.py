"""The shell in a pane, driven by keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from wrpme import errors
from wrpme.client.cluster import Removed
from wrpme.protocol.quoting import named
from wrpme.shell.history import LineFile
from wrpme.tui.limits import PANE_ANSWER_BYTES_MAX
from wrpme.tui.dialogs import Secret
from wrpme.tui.panes.shell import NO_SHELL, Answers, CommandInput, PaneReporter, ShellPane


class FakeClient:
    """Holds entries; ``slow`` never answers until it is let go."""

    known_addresses: list[str] = ["192.168.1.1:5909", "192.168.1.2:5909"]

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.let_go = asyncio.Event()

    async def get(self, alias: bytes) -> bytes:
        if alias == b"slow":
            await self.let_go.wait()
        if alias not in self.entries:
            raise errors.NotFoundError(f"there is no entry {named(alias)}")
        return self.entries[alias]

    async def put(self, alias: bytes, content: bytes) -> None:
        self.entries[alias] = content

    async def remove_all(self) -> Removed:
        count = len(self.entries)
        self.entries.clear()
        return Removed(count)

    async def count(self) -> int:
        raise ZeroDivisionError("a defect")


class PaneApp(App[None]):
    """Nothing but the pane."""

    def __init__(self, client: Any, history: Path) -> None:
        super().__init__()
        self.pane = ShellPane(client, LineFile(history))
        self.left = 0
        self.ran: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_shell_pane_ran(self, event: ShellPane.Ran) -> None:
        self.ran.append(event.command.name)

    def on_shell_pane_left(self) -> None:
        self.left += 1

    @property
    def printed(self) -> list[str]:
        return ["".join(text for text, _ in row).rstrip() for row in self.pane.query_one(Answers).rows][1:]

    @property
    def typed(self) -> str:
        return self.pane.query_one(CommandInput).value


@asynccontextmanager
async def in_pane(
    directory: Path, client: object | None = None, replay: bool = False
) -> AsyncIterator[tuple[PaneApp, Pilot[None]]]:
    app = PaneApp(None if replay else client or FakeClient(), directory / "history")
    async with app.run_test(size=(80, 20)) as pilot:
        app.pane.focus_line()
        yield app, pilot


async def enter(pilot: Pilot[None], *lines: str) -> None:
    for line in lines:
        pilot.app.query_one(CommandInput).insert_text_at_cursor(line)
        await pilot.press("enter")
    for _ in range(3):
        await pilot.pause()


@pytest.mark.asyncio
async def test_the_transcript(tmp_path: Path) -> None:
    async with in_pane(tmp_path) as (app, pilot):
        await enter(pilot, "put entry this is my entry", "get entry", "get other")
        assert app.printed == [
            "> put entry this is my entry", "> get entry", "> get other",
            "this is my entry", 'not_found: there is no entry "other"',
        ] or app.printed == [
            "> put entry this is my entry", "> get entry", "this is my entry", "> get other",
            'not_found: there is no entry "other"',
        ]  # fmt: skip
        assert app.ran == ["put", "get", "get"]


@pytest.mark.asyncio
async def test_wrong_lines_are_one_sentence_and_a_defect_too(tmp_path: Path) -> None:
    async with in_pane(tmp_path) as (app, pilot):
        await enter(pilot, "nonsense", "get", "count", "version")
        printed = "\n".join(app.printed)
        assert "no_such_command: there is no command" in printed and "usage: get needs ALIAS" in printed
        assert "internal: ZeroDivisionError: a defect" in printed and "wrpme 0." in printed, "it goes on after all"


@pytest.mark.asyncio
async def test_a_command_that_waits_holds_nothing_up_but_the_lines_after_it(tmp_path: Path) -> None:
    client = FakeClient()

    async with in_pane(tmp_path, client) as (app, pilot):
        client.entries[b"slow"] = b"at last"
        await enter(pilot, "get slow", "put a 1")
        assert b"a" not in client.entries
        await pilot.press("x")
        assert app.typed == "x", "typing goes on"
        client.let_go.set()
        await enter(pilot)
        assert "at last" in app.printed and client.entries[b"a"] == b"1"


@pytest.mark.asyncio
async def test_ctrl_c_interrupts_and_drops_what_waits(tmp_path: Path) -> None:
    client = FakeClient()

    async with in_pane(tmp_path, client) as (app, pilot):
        await enter(pilot, "get slow", "put a 1")
        await pilot.press("ctrl+c")
        await enter(pilot, "put b 2")
        assert list(client.entries) == [b"b"]
        await pilot.press("h", "i", "ctrl+c")
        assert app.typed == ""


@pytest.mark.asyncio
async def test_a_question_takes_the_next_line(tmp_path: Path) -> None:
    client = FakeClient()

    async with in_pane(tmp_path, client) as (app, pilot):
        await enter(pilot, "put a 1", "remove_all")
        assert any("type yes" in line for line in app.printed)
        await enter(pilot, "no")
        assert client.entries and any("was not carried out" in line for line in app.printed)
        await enter(pilot, "remove_all", "yes")
        assert not client.entries and "1 entry removed" in app.printed
        await enter(pilot, "put a 1", "remove_all")
        await pilot.press("ctrl+c")
        await enter(pilot, "version")
        assert client.entries, "Ctrl-C is no yes"
        await pilot.press("up", "up")
        assert app.typed == "remove_all", "answers are no history"


@pytest.mark.asyncio
async def test_tab_completes_commands_and_addresses(tmp_path: Path) -> None:
    async with in_pane(tmp_path) as (app, pilot):
        await pilot.press(*"stop", "tab")
        assert app.typed == "stop_node "
        await pilot.press("tab")
        assert app.typed == "stop_node 192.168.1."
        await pilot.press("2", "tab")
        assert app.typed == "stop_node 192.168.1.2:5909 "


@pytest.mark.asyncio
async def test_history_is_walked_by_what_is_typed_and_kept(tmp_path: Path) -> None:
    async with in_pane(tmp_path) as (_app, pilot):
        await enter(pilot, "put a 1", "get a", "put b 2")
    async with in_pane(tmp_path) as (app, pilot):
        await pilot.press("up")
        assert app.typed == "put b 2"
        await pilot.press("down")
        assert app.typed == ""
        await pilot.press(*"get", "up")
        assert app.typed == "get a"
        await pilot.press("up")
        assert app.typed == "get a", "there is no earlier one"


@pytest.mark.asyncio
async def test_help_stands_beside_what_is_typed(tmp_path: Path) -> None:
    async with in_pane(tmp_path) as (app, pilot):
        await pilot.press(*"cas ")
        await pilot.pause()
        assert "COMPARAND" in str(app.pane.query_one("#hint").render())


@pytest.mark.asyncio
async def test_a_long_content_is_shown_from_its_beginning_and_codes_are_escaped(tmp_path: Path) -> None:
    client = FakeClient()

    async with in_pane(tmp_path, client) as (app, pilot):
        client.entries[b"long"] = b"x" * (3 * PANE_ANSWER_BYTES_MAX)
        client.entries[b"code"] = b"\x1b[2J[bold]"
        await enter(pilot, "get code", "get long")
        assert '"\\x1b[2J[bold]"' in app.printed
        assert sum(line.count("x" * 70) for line in app.printed) <= PANE_ANSWER_BYTES_MAX // 70
        assert app.printed[-1].startswith("... 192.0 KiB in all")


@pytest.mark.asyncio
async def test_exit_and_ctrl_d_leave(tmp_path: Path) -> None:
    async with in_pane(tmp_path) as (app, pilot):
        await enter(pilot, "exit")
        assert app.left == 1
    async with in_pane(tmp_path) as (app, pilot):
        await pilot.press("x", "ctrl+d")
        await pilot.pause()
        assert app.left == 0, "only on an empty line"
        await pilot.press("backspace", "ctrl+d")
        await pilot.pause()
        assert app.left == 1


@pytest.mark.asyncio
async def test_a_replay_has_no_shell(tmp_path: Path) -> None:
    async with in_pane(tmp_path, replay=True) as (app, _pilot):
        assert app.pane.query_one(CommandInput).disabled
        assert NO_SHELL in str(app.pane.query_one("#hint").render())


# --- what goes on on other machines -----------------------------------------------------------------------------


class Sink:
    """What was printed, with its colour."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def print(self, text: str, role: str = "text") -> None:
        self.lines.append((text, role))

    def keep(self, value: bytes) -> None:
        raise AssertionError("no value is printed here")


async def _yes(question: str) -> str:
    return f"{question}yes"


def test_steps_results_and_logs_have_their_colours() -> None:
    sink = Sink()
    shown = PaneReporter(sink, _yes)
    shown.step("a", "sending wrpme: 0.0 of 5.0 MiB")
    shown.step("a", "sending wrpme: 2.0 of 5.0 MiB")
    shown.ended("a", "joined the hive", "good")
    shown.ended("b", "no route \x1b[2J", "bad")
    shown.ended("c", "nothing to do", "same")
    shown.log(2, "10.0.0.1:1", 12, "a line")
    assert sink.lines == [
        ("a: sending wrpme: 0.0 of 5.0 MiB", "dim"),
        ("a: joined the hive", "good"),
        ("b: no route \\x1b[2J", "bad"),
        ("c: nothing to do", "dim"),
        ("10.0.0.1:1    a line", "node2"),
    ]


@pytest.mark.asyncio
async def test_somebody_is_there_to_answer() -> None:
    shown = PaneReporter(Sink(), _yes)
    assert shown.can_ask
    assert await shown.ask("trust it? ") == "trust it? yes"


@pytest.mark.asyncio
async def test_a_password_is_asked_for_in_a_window_and_is_in_no_log(tmp_path: Path) -> None:
    class Users(FakeClient):
        def __init__(self) -> None:
            super().__init__()
            self.set: list[tuple[object, ...]] = []

        async def set_password(self, name: str, password: str, keep: bool) -> None:
            self.set.append((name, password, keep))

    client = Users()
    async with in_pane(tmp_path, client) as (app, pilot):
        for last in ("enter", "escape"):
            await enter(pilot, "user_password ann")
            for key in ("enter", last):
                asked = app.screen
                assert isinstance(asked, Secret) and isinstance(app.focused, Input) and app.focused.password
                await pilot.press(*"horse", key)
                await pilot.pause()
            await enter(pilot)
        assert client.set == [("ann", "horse", False)]
        assert app.printed == [
            "> user_password ann", "> user_password ann", "user_password was given up; nothing was sent"
        ]  # fmt: skip
        assert (tmp_path / "history").read_text() == "user_password ann\nuser_password ann\n"
