"""Both faces of wrpmesh in a real terminal: bytes that are no keys, pastes, Ctrl-Z and SIGSTOP."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, wrpmesh
from tests.system.test_dashboard import at_prompt
from tests.system.test_tutorial import unavailable
from tests.system.tmux import Tmux, missing


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if why := missing():
        unavailable(why)
    with Tmux(tmp_path) as tmux:
        yield tmux


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    (tmp_path / "nodes").mkdir()
    with Daemons(tmp_path / "nodes", 1, "--transient") as daemons:
        daemons.start(0)
        asyncio.run(daemons.until_stable())
        yield daemons
        daemons.check_alive()


def last(*words: str) -> Callable[[list[str]], bool]:
    """The last lines of the screen that hold anything."""
    return lambda lines: [line for line in lines if line.strip()][-len(words) :] == list(words)


def stopped(tmux: Tmux) -> None:
    tmux.until("that it is stopped", lambda lines: at_prompt(lines) and "Stopped" in "\n".join(lines))
    tmux.press("clear", "Enter")
    tmux.until("an empty screen", lambda lines: at_prompt(lines) and "Stopped" not in "\n".join(lines))
    tmux.press("fg", "Enter")


def test_the_dashboard(tmux: Tmux, daemons: Daemons) -> None:
    tmux.start(wrpmesh("--tui", "--daemon", daemons.addresses[0]))
    tmux.until_text("STABLE", "help lists the commands")
    for code in ("80", "ff fe", "c3 28", "1b 5b 4d 20 80 21", "1b 5b 4d 20 ff ff"):
        tmux._run("send-keys", "-H", *code.split())
    tmux.press("", "C-c")
    tmux.press("put entry a", "Enter")
    tmux.press("get entry", "Enter")
    tmux.until_text("> get entry")
    tmux.press("", "C-z")
    stopped(tmux)
    tmux.until_text("STABLE", "> get entry")
    os.kill(tmux.child, signal.SIGSTOP)
    stat = Path(f"/proc/{tmux.child}/stat")
    tmux.until("that it is stopped", lambda lines: stat.read_text().split()[2] == "T")
    tmux.press("", "Enter")
    tmux.press("printf '\\033[2J\\033[Hnothing'", "Enter")
    tmux.until("another picture", lambda lines: "STABLE" not in "\n".join(lines))
    tmux.press("fg", "Enter")
    tmux.until_text("STABLE", "> get entry")
    tmux.press("version", "Enter")
    tmux.until_text("> version")
    tmux.press("", "C-q")
    tmux.until("the shell's prompt", at_prompt)


def test_line_mode(tmux: Tmux, daemons: Daemons, tmp_path: Path) -> None:
    tmux.start(wrpmesh("--daemon", daemons.addresses[0]))
    tmux.until("a prompt", last(">"))
    tmux.press("get half", "C-z")
    stopped(tmux)
    tmux.until("the line again", last("> get half"))
    os.kill(tmux.child, signal.SIGSTOP)
    stopped(tmux)
    tmux.press("way")
    tmux.until("the line again", last("> get halfway"))
    tmux.press("", "Enter")
    tmux.until("no such entry", last('not_found: there is no entry "halfway"', ">"))
    (tmp_path / "paste").write_text("put a 1\nget a\nget b\nput c 3\nput d 4\n")
    tmux._run("load-buffer", str(tmp_path / "paste"))
    tmux._run("paste-buffer", "-p")
    tmux.until(
        "the first lines, the error, and what was left",
        last(
            "> put a 1", "> get a", "1", "> get b", 'not_found: there is no entry "b"',
            "2 more lines that waited were not carried out", ">",
        ),
    )  # fmt: skip
    tmux.press("exit", "Enter")
    tmux.until("the shell's prompt", at_prompt)
