"""The terminal of a tab, with programs on it that are simpler than the dashboard."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.system.daemons import PATIENCE_SECONDS
from wrpme import errors
from wrpme.tui.limits import TAB_KEYS_BYTES_MAX
from wrpme.tui.web import tab as tab_module
from wrpme.tui.web.tab import Tab, open_tab

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def opened(program: str, columns: int = 80, rows: int = 24) -> AsyncIterator[Tab]:
    """A tab with a program of Python, which says ``ready`` when it is."""
    tab = await open_tab([sys.executable, "-c", program], columns, rows)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield tab
    finally:
        with suppress(OSError):
            await tab.close()


async def drawn(tab: Tab, until: str) -> str:
    """All that is drawn up to there, or to the end."""
    text = ""
    while until not in text and (data := await tab.drawn()):
        text += data.decode()
    assert until in text, text
    return text


async def test_a_program_has_a_terminal_of_that_size_and_is_told_of_another() -> None:
    program = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
while True:
    print("size", *os.get_terminal_size(), flush=True)
    signal.sigwait([signal.SIGWINCH])
"""
    async with opened(program, 100, 30) as tab:
        await drawn(tab, "size 100 30")
        tab.resize(70, 20)
        await drawn(tab, "size 70 20")
        tab.resize(100_000, 0)
        await drawn(tab, "size 1000 1")


async def test_keys_go_in_also_more_than_a_terminal_takes_at_once() -> None:
    program = """
import sys, tty
tty.setraw(0)
print("ready", flush=True)
print("count", len(sys.stdin.buffer.read(1_000_000)), flush=True)
"""
    async with opened(program) as tab:
        await drawn(tab, "ready")
        tab.type(b"x" * 999_999)
        tab.type(b"y")
        await drawn(tab, "count 1000000")


async def test_what_a_program_does_not_take_is_dropped() -> None:
    async with opened("import signal, tty; tty.setraw(0); print('ready', flush=True); signal.pause()") as tab:
        await drawn(tab, "ready")
        for _ in range(3):
            tab.type(b"x" * (TAB_KEYS_BYTES_MAX - 100))
        assert len(tab._keys) < TAB_KEYS_BYTES_MAX


async def test_the_end_of_a_program_is_told_after_all_that_it_drew() -> None:
    async with opened("print('the last words ' * 1000)") as tab:
        text = await drawn(tab, "\n")
        while data := await tab.drawn():
            text += data.decode()
        assert text.count("the last words") == 1000
        tab.type(b"nobody")
        tab.resize(10, 10)


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_program_ends_with_its_tab(stubborn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hears that its terminal is gone; if it does not care, it is killed."""
    monkeypatch.setattr(tab_module, "TAB_CLOSE_SECONDS_MAX", 0.2 if stubborn else 60.0)
    program = f"""
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
print("ready", flush=True)
signal.sigwait([signal.SIGHUP])
open({str(tmp_path / "told")!r}, "w").close()
while {stubborn}: signal.pause()
"""
    async with opened(program) as tab:
        await drawn(tab, "ready\r\n")  # the whole line: a terminal closed in the midst of it fails the program's print
        await tab.close()
        assert await tab._process.wait() == (-signal.SIGKILL if stubborn else 0)
        assert (tmp_path / "told").exists()


async def test_the_environment_is_that_of_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "linux", "LC_ALL": "C", "COLUMNS": "7", "TMUX": "x", "WRPME_TIMEOUT": "3"}.items():
        monkeypatch.setenv(name, value)
    names = ("TERM", "LC_ALL", "COLUMNS", "TMUX", "WRPME_TIMEOUT", "COLORTERM")
    async with opened(f"import os; print([os.environ.get(name) for name in {names}])") as tab:
        assert "['xterm-256color', 'C.UTF-8', None, None, '3', 'truecolor']" in await drawn(tab, "]")


async def test_no_room_for_another_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.listdir("/proc/self/fd")

    async def refused(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refused)
    with pytest.raises(errors.StartError, match=r"no dashboard can be started \(Resource temporarily unavailable\)"):
        await open_tab(["true"], 80, 24)
    assert len(os.listdir("/proc/self/fd")) == len(before)
