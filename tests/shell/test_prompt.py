"""wrpmesh on a terminal: what is typed, what is kept, what is completed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from wrpme.shell.console import Console
from wrpme.shell.history import LineFile
from wrpme.shell.prompt import Terminal

pytestmark = pytest.mark.asyncio


class Nodes:
    """All of a client that completion asks for."""

    known_addresses = ["127.0.0.1:5909", "127.0.0.1:5910"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


async def typed(keys: str, ask: Callable[[Terminal], Awaitable[str | None]] = Terminal.line) -> list[str | None]:
    """What the terminal gives for these keys, line by line, to the end of the input."""
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        keyboard.send_text(keys)
        terminal = Terminal(Nodes())  # type: ignore[arg-type]
        found: list[str | None] = []
        while not found or found[-1] is not None:
            found.append(await ask(terminal))
            if ask is not Terminal.line:
                break
        return found


CTRL_C, CTRL_D, TAB = "\x03", "\x04", "\t"


async def test_lines_and_the_end() -> None:
    assert await typed(f"get x\rput y  two words \r{CTRL_D}") == ["get x", "put y  two words ", None]


async def test_ctrl_c_gives_up_the_line_and_not_the_shell() -> None:
    assert await typed(f"remove_all{CTRL_C}count\r{CTRL_D}") == ["count", None]


async def test_a_line_can_be_edited() -> None:
    assert await typed(f"get y\x7fx\r{CTRL_D}") == ["get x", None]


async def test_history_is_kept_between_sessions(home: Path) -> None:
    await typed(f"get x\rget y\r{CTRL_D}")
    await typed(f"count\r{CTRL_D}")
    assert LineFile.of_user().path.is_relative_to(home)
    assert LineFile.of_user().load() == ["get x", "get y", "count"]
    assert await typed(f"\x1b[A\x1b[A\x1b[A\r{CTRL_D}") == ["get x", None], "three lines up"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (f"cou{TAB}", "count"),
        (f"node_status 127{TAB}09", "node_status 127.0.0.1:5909"),
    ],
)
async def test_completion(keys: str, line: str) -> None:
    assert ((await typed(f"{keys}\r{CTRL_D}"))[0] or "").strip() == line


async def test_completion_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hive.toml").touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other.toml").touch()
    assert (await typed(f"hive_apply hi{TAB}\r{CTRL_D}"))[0] == "hive_apply hive.toml"
    assert (await typed(f"hive_logs deep/{TAB} --si{TAB}\r{CTRL_D}"))[0] == "hive_logs deep/other.toml --since"
    assert (await typed(f"get hi{TAB}\r{CTRL_D}"))[0] == "get hi"


@pytest.mark.parametrize(("keys", "answer"), [("yes\r", "yes"), (CTRL_C, ""), (CTRL_D, "")])
async def test_a_confirmation_is_in_no_history(keys: str, answer: str) -> None:
    async def confirm(terminal: Terminal) -> str | None:
        return await terminal.confirmation("sure? ")

    assert await typed(keys, confirm) == [answer]
    assert not LineFile.of_user().path.exists()


async def test_a_dumb_terminal_is_sent_no_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    ours, theirs = os.openpty()
    console = Console(theirs, theirs)
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        keyboard.send_text("get x\r")
        assert await Terminal(Nodes(), console.stream).line() == "get x"  # type: ignore[arg-type]
    console.note("the end")
    console.finish()
    seen = b""
    while not seen.endswith(b"the end\r\n"):
        seen += os.read(ours, 65_536)
    assert b"\x1b" not in seen
    os.close(ours)
    os.close(theirs)
