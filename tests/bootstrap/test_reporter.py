"""What an operator sees while hosts are worked on, on a terminal and elsewhere."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator

import pytest

from wrpme.bootstrap.reporter import LiveLines, PlainLines, harmless


async def _no(question: str) -> str:
    raise AssertionError(question)


async def _asked(shown: LiveLines) -> str:
    return await shown.ask("trust it? ")


class Pipe:
    """Two ends of a pipe or a terminal; what was written to it."""

    def __init__(self, terminal: bool) -> None:
        self.reading, self.writing = pty.openpty() if terminal else os.pipe()
        if terminal:
            tty.setraw(self.writing)

    def text(self) -> str:
        os.write(self.writing, b"\0")
        taken = b""
        while not taken.endswith(b"\0"):
            taken += os.read(self.reading, 65536)
        return taken[:-1].decode()

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(terminal=False)
    yield made
    made.close()


@pytest.fixture
def terminal() -> Iterator[Pipe]:
    made = Pipe(terminal=True)
    yield made
    made.close()


def test_plain_lines_tell_each_step_once(pipe: Pipe) -> None:
    shown = PlainLines(_no, False, out=pipe.writing, err=pipe.writing)
    shown.step("a", "connecting")
    shown.step("a", "sending wrpme: 0.0 of 5.0 MiB")
    shown.step("b", "connecting")
    shown.step("a", "sending wrpme: 2.0 of 5.0 MiB")
    shown.ended("a", "joined the hive", "good")
    shown.ended("b", "no route; look at the network", "bad")
    assert pipe.text().splitlines() == [
        "a: connecting",
        "a: sending wrpme: 0.0 of 5.0 MiB",
        "b: connecting",
        "a: joined the hive",
        "b: failed: no route; look at the network",
    ]


def test_logs_are_for_pipes_too(pipe: Pipe) -> None:
    PlainLines(_no, False, out=pipe.writing).log(3, "10.0.0.1:1", 12, "a line")
    assert pipe.text() == "10.0.0.1:1    a line\n"


def test_a_node_has_its_colour_on_a_terminal_and_nothing_disturbs_that(terminal: Pipe) -> None:
    shown = LiveLines(_no, False, out=terminal.writing, err=terminal.writing)
    shown.log(0, "10.0.0.1:1", 10, "evil \x1b[2J")
    shown.log(1, "10.0.0.2:1", 10, "good")
    first, second = terminal.text().splitlines()
    assert first == "\x1b[36m10.0.0.1:1\x1b[0m  evil \\x1b[2J"
    assert second.startswith("\x1b[33m")


def test_a_reader_that_has_gone_ends_it() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        PlainLines(_no, False, out=writing).log(0, "a", 1, "line")
    PlainLines(_no, False, err=writing).say("nobody needs to read this")
    os.close(writing)


def test_live_lines_are_drawn_anew_in_place(terminal: Pipe) -> None:
    shown = LiveLines(_no, False, err=terminal.writing)
    shown.step("a", "connecting")
    shown.step("b", "connecting")
    assert terminal.text() == "  a  connecting\n\x1b[1A\r\x1b[J  a  connecting\n  b  connecting\n"
    shown.ended("a", "joined the hive", "good")
    text = terminal.text()
    assert text.startswith("\x1b[2A\r\x1b[J\x1b[32m✓\x1b[0m a  joined the hive\x1b[2m  0.")
    assert text.endswith("\n  b  connecting\n")
    shown.close()
    assert terminal.text() == "\x1b[1A\r\x1b[J"


@pytest.mark.asyncio
async def test_nothing_is_drawn_over_a_question(terminal: Pipe) -> None:
    async def answer(question: str) -> str:
        assert question == "trust it? "
        shown.step("a", "connecting")
        shown.ended("b", "done", "same")
        assert terminal.text() == "\x1b[1A\r\x1b[J"
        return "yes"

    shown = LiveLines(answer, True, err=terminal.writing)
    shown.step("a", "connecting")
    terminal.text()
    assert await _asked(shown) == "yes"
    assert "b  done" in terminal.text()


def test_what_comes_from_elsewhere_is_harmless() -> None:
    assert harmless("plain ü") == "plain ü"
    assert harmless("a\rb\x1b") == "a\\rb\\x1b"
