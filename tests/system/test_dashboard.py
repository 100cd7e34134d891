"""The dashboard on a real hive, on a real terminal: what the operator sees when nodes die and return."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
import pytest_asyncio

from tests.system.daemons import PATIENCE_SECONDS, Daemons, environment, wrpmesh
from tests.system.test_tutorial import unavailable
from tests.system.tmux import POLL_SECONDS, SHELL_READY, Tmux, missing

LEFT_CLEAN = "0010"
"""No alternate screen, no mouse, a cursor, no keypad mode."""


@pytest.fixture(autouse=True)
def _tmux() -> None:
    if why := missing():
        unavailable(why)


def at_prompt(lines: list[str]) -> bool:
    shown = [line for line in lines if line.strip()]
    return bool(shown) and shown[-1].strip() == SHELL_READY.strip()


def sized(rows: int) -> Callable[[list[str]], bool]:
    return lambda lines: len(lines) >= rows


def opened(tmux: Tmux, daemons: Daemons, *options: str) -> None:
    tmux.start(wrpmesh("--tui", "--daemon", daemons.addresses[0], *options))
    tmux.until_text("STABLE", "3 nodes", "every arc has its copies")


def enter(tmux: Tmux, line: str) -> None:
    tmux.press(line, "Enter")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hive(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemons]:
    with Daemons(tmp_path_factory.mktemp("dashboard"), 3) as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        yield daemons


@pytest_asyncio.fixture
async def daemons(hive: Daemons) -> AsyncIterator[Daemons]:
    """It is stable with all nodes; after the test they run without a defect."""
    await hive.all_stable(3)
    yield hive
    hive.check_alive()


def test_a_node_dies_and_returns_then_all(daemons: Daemons, tmp_path: Path) -> None:
    name = daemons.addresses[2].split(":")[1]
    with Tmux(tmp_path) as tmux:
        opened(tmux, daemons)
        enter(tmux, "put entry thisismyentry")
        enter(tmux, "get entry")
        tmux.until("the content", lambda lines: "thisismyentry" in [line.strip() for line in lines])
        daemons.kill(2)
        tmux.until(
            "that it is suspected, silent or down",
            lambda lines: any(
                name in line and any(word in line for word in ("suspected", "no answer", "down")) for line in lines
            ),
        )
        tmux.until_text("DEGRADED", f"{daemons.addresses[2]} down", "all data is served")
        tmux.until("it in the events", lambda lines: any(f"{name} is down" in line for line in lines))
        enter(tmux, "get entry")
        tmux.until("it again", lambda lines: [line.strip() for line in lines].count("thisismyentry") == 2)
        daemons.start(2)
        tmux.until_text("STABLE", "all 3 nodes are up")
        daemons.kill(0, 1, 2)
        tmux.until_text("DISCONNECTED")
        daemons.start_all(range(3))
        tmux.until_text("STABLE")
        tmux.press("exit", "Enter")
        tmux.until("the shell's prompt", at_prompt)
        assert tmux.modes == LEFT_CLEAN


def test_every_size_and_plain_terminals(daemons: Daemons, tmp_path: Path) -> None:
    with Tmux(tmp_path, values={"LANG": "C", "NO_COLOR": "1"}) as tmux:
        opened(tmux, daemons)
        shown = "\n".join(tmux.lines)
        assert shown.isascii(), "no sign that the terminal can't show"
        for columns, rows in ((80, 24), (200, 60), (40, 12), (20, 6), (120, 40)):
            tmux.resize(columns, rows)
            tmux.until(f"{columns} columns", sized(rows))
        tmux.until_text("STABLE", "SHELL", "NODES", "EVENTS")
        tmux.press("", "C-q")
        tmux.until("the shell's prompt", at_prompt)


def test_signals_and_crashes_leave_the_terminal_clean(daemons: Daemons, tmp_path: Path) -> None:
    with Tmux(tmp_path) as tmux:
        opened(tmux, daemons)
        os.kill(tmux.child, signal.SIGTERM)
        tmux.until("the shell's prompt", at_prompt)
        assert tmux.modes == LEFT_CLEAN
        broken = (
            "import sys; from wrpme.tui.panes import columns, lists; from wrpme.cli import main\n"
            "columns.ordered = lambda *a: 1 / 0\n"
            f"sys.argv = ['wrpmesh', '--tui', '--daemon', '{daemons.addresses[0]}']; main()"
        )
        (tmp_path / "broken.py").write_text(broken)
        tmux.start([wrpmesh()[0], str(tmp_path / "broken.py")])
        lines = tmux.until("a sentence, and the prompt", lambda lines: at_prompt(lines) and "defect" in str(lines))
        assert tmux.modes == LEFT_CLEAN
        assert "Traceback" not in str(lines) and "internal: ZeroDivisionError" in str(lines)
        assert "Traceback" in (tmp_path / ".local/state/wrpme/crash.log").read_text()


def test_what_was_recorded_is_shown_again(daemons: Daemons, tmp_path: Path) -> None:
    with Tmux(tmp_path) as tmux:
        opened(tmux, daemons, "--record", "incident")
        daemons.kill(1)
        tmux.until_text("DEGRADED")
        tmux.press("exit", "Enter")
        tmux.until("the shell's prompt", at_prompt)
        tmux.start(wrpmesh("--tui", "--replay", "incident"))
        tmux.until_text("REPLAY")
        tmux.until_text("DEGRADED", f"{daemons.addresses[1]} down")
        tmux.press("q")
        tmux.until("the shell's prompt", at_prompt)
        daemons.start(1)


@pytest.mark.parametrize("closed", [False, True], ids=["SIGTERM", "closed"])
def test_a_terminal_that_takes_nothing_any_more_keeps_no_process(
    daemons: Daemons, tmp_path: Path, closed: bool
) -> None:
    command = wrpmesh("--tui", "--daemon", daemons.addresses[0])
    pid, terminal = pty.fork()
    if not pid:
        os.execvpe(command[0], command, {**environment(), "HOME": str(tmp_path), "TERM": "xterm"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    shown = b""
    while b"STABLE" not in shown:
        shown += os.read(terminal, 65536)
    os.set_blocking(terminal, False)
    os.write(terminal, b"\x1b")
    for number in range(2000):  # each of them draws, and nobody reads it
        with suppress(BlockingIOError):
            os.write(terminal, b"jk"[number % 2 : number % 2 + 1])
        if number % 100 == 0:
            assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    if closed:
        os.close(terminal)
    else:
        os.kill(pid, signal.SIGTERM)
    end = monotonic() + PATIENCE_SECONDS
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0) and monotonic() < end:
        sleep(POLL_SECONDS)
    if ended == (0, 0):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert ended != (0, 0), "it does not end"
    assert os.waitstatus_to_exitcode(ended[1]) == 128 + (signal.SIGHUP if closed else signal.SIGTERM)
