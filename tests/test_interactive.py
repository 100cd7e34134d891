"""wrpmesh on a terminal: what is typed, what is kept, what is completed."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from wrpme.interactive import LineHistory, Terminal, history_path
from wrpme.limits import HISTORY_LINE_CHARACTERS_MAX, HISTORY_LINES_MAX


class Nodes:
    """All of a client that completion asks for."""

    known_addresses = ["127.0.0.1:5909", "127.0.0.1:5910"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def typed(keys: str, ask: Callable[[Terminal], Awaitable[str | None]] = Terminal.line) -> list[str | None]:
    """What the terminal gives for these keys, line by line, to the end of the input."""

    async def session(terminal: Terminal) -> list[str | None]:
        found: list[str | None] = []
        while not found or found[-1] is not None:
            found.append(await ask(terminal))
            if ask is not Terminal.line:
                break
        return found

    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        keyboard.send_text(keys)
        return asyncio.run(session(Terminal(Nodes())))  # type: ignore[arg-type]


CTRL_C, CTRL_D, TAB = "\x03", "\x04", "\t"


def test_lines_and_the_end() -> None:
    assert typed(f"get x\rput y  two words \r{CTRL_D}") == ["get x", "put y  two words ", None]


def test_ctrl_c_gives_up_the_line_and_not_the_shell() -> None:
    assert typed(f"remove_all{CTRL_C}count\r{CTRL_D}") == ["count", None]


def test_a_line_can_be_edited() -> None:
    assert typed(f"get y\x7fx\r{CTRL_D}") == ["get x", None]


def test_history_is_kept_between_sessions(home: Path) -> None:
    typed(f"get x\rget y\r{CTRL_D}")
    typed(f"count\r{CTRL_D}")
    assert history_path() == home / "wrpme" / "history"
    assert list(LineHistory(history_path()).load_history_strings()) == ["count", "get y", "get x"]
    assert stat.S_IMODE(history_path().stat().st_mode) == 0o600, "contents are nobody else's business"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (f"cou{TAB}", "count"),
        (f"node_status 127{TAB}09", "node_status 127.0.0.1:5909"),
    ],
)
def test_completion(keys: str, line: str) -> None:
    assert (typed(f"{keys}\r{CTRL_D}")[0] or "").strip() == line


@pytest.mark.parametrize(("keys", "answer"), [("yes\r", "yes"), (CTRL_C, ""), (CTRL_D, "")])
def test_a_confirmation_is_in_no_history(keys: str, answer: str) -> None:
    async def confirm(terminal: Terminal) -> str | None:
        return await terminal.confirmation("sure? ")

    assert typed(keys, confirm) == [answer]
    assert not history_path().exists()


# --- the file ----------------------------------------------------------------------------------------------------


def test_where_history_is_kept_without_a_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert history_path() == tmp_path / ".local" / "state" / "wrpme" / "history"


def test_the_newest_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history"
    history = LineHistory(path)
    for line in ("one", "  ", "two", "x" * (HISTORY_LINE_CHARACTERS_MAX + 1), "three"):
        history.store_string(line)
    assert list(LineHistory(path).load_history_strings()) == ["three", "two", "one"]


def test_a_long_history_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("".join(f"line {number}\n" for number in range(2 * HISTORY_LINES_MAX + 1)))
    found = list(LineHistory(path).load_history_strings())
    assert len(found) == HISTORY_LINES_MAX and found[0] == f"line {2 * HISTORY_LINES_MAX}"
    assert len(path.read_text().splitlines()) == HISTORY_LINES_MAX


def test_lines_that_are_no_utf_8_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(b"get \xff\nget x\n")
    assert list(LineHistory(path).load_history_strings()) == ["get x", "get \ufffd"]
    LineHistory(path).store_string("put \udcff 1")
    assert next(iter(LineHistory(path).load_history_strings())) == "put ? 1"


def test_a_home_that_can_not_be_written_is_put_up_with(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    history = LineHistory(blocked / "wrpme" / "history")
    history.store_string("get x")
    assert list(history.load_history_strings()) == []
    assert os.listdir(tmp_path) == ["file"]
