"""Several lines at once: pasted on a terminal, they are commands one after the other until one fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from wrpme import errors
from wrpme.shell.batch import GivenUp
from wrpme.shell.execute import Answer
from wrpme.shell.history import LineFile
from wrpme.shell.paste import left_text, pasted_lines
from wrpme.shell.prompt import Terminal
from wrpme.shell.session import Shell


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("get x", ["<get x>"]),
        ("get x\n", ["<get x>"]),
        ("get x\nget y", ["<get x", "get y>"]),
        ("get x\r\nget y\r\n", ["<get x", "get y", ">"]),
        ("get x\rget y", ["<get x", "get y>"]),
        ("a\u2028b\x85c\x0bd\x0ce", ["<a\u2028b\x85c\x0bd\x0ce>"]),
        ("\n", ["<>"]),
        ("", ["<>"]),
    ],
)
def test_lines_of_a_paste(text: str, lines: list[str]) -> None:
    assert pasted_lines(text, "<", ">") == lines


def test_what_was_left_is_a_sentence() -> None:
    assert left_text(1) == "1 more line that waited was not carried out"
    assert left_text(1234) == "1,234 more lines that waited were not carried out"


class FakeClient:
    """Holds entries."""

    known_addresses: list[str] = []

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}

    async def put(self, alias: bytes, content: bytes) -> None:
        if (name := alias.decode()) in self.entries:
            raise errors.AlreadyExistsError(f'there is an entry "{name}"')
        self.entries[name] = content

    async def remove_all(self) -> Any:
        raise AssertionError("nobody said yes")


class Notes:
    """What was printed."""

    entries_max = None

    def __init__(self) -> None:
        self.told: list[str] = []
        self.then: Callable[[], None] = lambda: None
        """Called once something was left."""

    def answer(self, answer: Answer, line_mode: bool) -> None: ...

    async def drain(self) -> None: ...

    def error(self, error: errors.WrpmeError) -> None:
        self.told.append(str(error).partition(":")[0])

    def note(self, text: str) -> None:
        self.told.append(text)
        self.then()

    def reporter(self, confirm: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeInput]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        yield keyboard


async def session(keyboard: PipeInput, keys: str) -> tuple[dict[str, bytes], list[str]]:
    client, notes = FakeClient(), Notes()
    keyboard.send_text(keys + "\x04")
    await Shell(client, notes, Terminal(client)).lines()  # type: ignore[arg-type]
    return client.entries, notes.told


MEANT = b"\x03\x04\x08\t\n\r\x0f\x11\x12\x13\x16\x1a\x1b\x1d"
"""Keys that end a line, search, or take the next key: Ctrl-Q and Ctrl-V type it as it is, and it is seen as ^X."""


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


@pytest.mark.asyncio
async def test_pasted_lines_are_commands_one_after_the_other(keyboard: PipeInput) -> None:
    entries, told = await session(keyboard, paste('put a 1\nput b two words\nput "c d" "3\\n"'))
    assert (entries, told) == ({"a": b"1", "b": b"two words", "c d": b"3\n"}, [])
    assert LineFile.of_user().load() == ["put a 1", "put b two words", 'put "c d" "3\\n"']


@pytest.mark.asyncio
async def test_a_paste_stops_at_the_first_line_that_fails(keyboard: PipeInput) -> None:
    entries, told = await session(keyboard, paste("put a 1\nput a 2\nput b 3\nput c 4\n") + "put d 5\r")
    assert entries == {"a": b"1", "d": b"5"}
    assert told == ["already_exists", "2 more lines that waited were not carried out"]
    entries, told = await session(keyboard, paste("nonsense\nput b 3"))
    assert (entries, told) == ({}, ["no_such_command", "1 more line that waited was not carried out"])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ("put a 2\rput b 3\rput c 4\r", "2 more lines that waited were not carried out"),
        ("put a 2\rput b 3\rput c", "2 more lines that waited were not carried out"),
        ("nonsense\rput b 3\r", "1 more line that waited was not carried out"),
    ],
)
async def test_lines_that_no_brackets_are_around_stop_there_too(keyboard: PipeInput, keys: str, left: str) -> None:
    client, notes = FakeClient(), Notes()
    keyboard.send_text("put a 1\r" + keys)
    notes.then = lambda: keyboard.send_text("put d 5\r\x04")
    await Shell(client, notes, Terminal(client)).lines()  # type: ignore[arg-type]
    assert client.entries == {"a": b"1", "d": b"5"} and notes.told[1:] == [left]


@pytest.mark.asyncio
async def test_the_end_of_the_input_stays_the_end(keyboard: PipeInput) -> None:
    entries, told = await session(keyboard, "nonsense\rput b 3\r")
    assert entries == {} and told == ["no_such_command", "1 more line that waited was not carried out"]


@pytest.mark.asyncio
async def test_a_paste_that_waits_shows_that_the_terminal_has_brackets(keyboard: PipeInput) -> None:
    entries, told = await session(keyboard, "nonsense\rput a 1\r" + paste("put b 2\nput c 3"))
    assert len(entries) == 3 and told == ["no_such_command"]


@pytest.mark.asyncio
async def test_one_line_is_typed_and_waits_for_enter(keyboard: PipeInput) -> None:
    assert await session(keyboard, paste("put a 1\n") + "\x15") == ({}, [])
    entries, _ = await session(keyboard, "put a 3\x1b[D" + paste("12") + "\r")
    assert entries == {"a": b"123"}, "where the cursor is"


@pytest.mark.asyncio
async def test_a_paste_into_a_search_is_searched_for(keyboard: PipeInput) -> None:
    entries, told = await session(keyboard, "put a 1\r\x12" + paste("put\na") + "\r\x15put c 3\r")
    assert (entries, told) == ({"a": b"1", "c": b"3"}, [])


@pytest.mark.asyncio
async def test_a_pasted_line_answers_no_question(keyboard: PipeInput) -> None:
    entries, told = await session(keyboard, paste("put a 1\nremove_all\nyes\nput b 2") + "no\r")
    assert entries == {"a": b"1"} and told == ["usage", "2 more lines that waited were not carried out"]


@pytest.mark.asyncio
async def test_exit_leaves_the_rest(keyboard: PipeInput) -> None:
    entries, told = await session(keyboard, paste("put a 1\nexit\nput b 2"))
    assert entries == {"a": b"1"} and told == ["1 more line that waited was not carried out"]


@pytest.mark.asyncio
@pytest.mark.parametrize("code", sorted(set(range(0x20)) - set(MEANT)))
async def test_no_control_character_is_typed(keyboard: PipeInput, code: int) -> None:
    keyboard.send_text(f"get a{chr(code)}\r")
    line = await Terminal(FakeClient()).line()  # type: ignore[arg-type]
    assert line is not None and line.isprintable()


@pytest.mark.asyncio
async def test_ctrl_z_suspends(keyboard: PipeInput, monkeypatch: pytest.MonkeyPatch) -> None:
    suspended: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *to: suspended.append(to))
    keyboard.send_text("get\x1a x\r")
    assert await Terminal(FakeClient()).line() == "get x" and suspended == [(0, signal.SIGTSTP)]  # type: ignore[arg-type]
    keyboard.send_text("\x1ano\r")
    assert await Terminal(FakeClient()).confirmation("sure? ") == "no" and len(suspended) == 2  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_a_batch_is_pasted_whole_and_given_up_by_a_key(keyboard: PipeInput) -> None:
    """Its lines have a sign of their own, pasted or typed."""
    terminal = Terminal(FakeClient())  # type: ignore[arg-type]
    keyboard.send_text(paste("put a 1\nget a\n.") + "get b\x03")
    assert [await terminal.line(". ") for _ in range(3)] == ["put a 1", "get a", "."]
    with pytest.raises(GivenUp):
        await terminal.line(". ")
    keyboard.send_text("get c\r")
    assert await terminal.line() == "get c" and terminal.is_corrected
