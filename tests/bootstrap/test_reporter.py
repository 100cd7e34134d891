"""What an operator sees while hosts are worked on, on a terminal and elsewhere."""

from __future__ import annotations

import pytest

from tests.bootstrap.fleet_parts import Paper
from wrpme.bootstrap.reporter import LiveLines, PlainLines, harmless


async def _no(question: str) -> str:
    raise AssertionError(question)


async def _asked(shown: LiveLines) -> str:
    return await shown.ask("trust it? ")


def test_plain_lines_tell_each_step_once() -> None:
    pipe = Paper(terminal=False)
    shown = PlainLines(_no, False, pipe, pipe)
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


def test_logs_are_for_pipes_too() -> None:
    for kind in (PlainLines, LiveLines):
        pipe = Paper(terminal=False)
        kind(_no, False, pipe, Paper(terminal=True)).log(3, "10.0.0.1:1", 12, "a line")
        assert pipe.text() == "10.0.0.1:1    a line\n"


def test_a_node_has_its_colour_on_a_terminal_and_nothing_disturbs_that() -> None:
    terminal = Paper(terminal=True)
    shown = LiveLines(_no, False, terminal, terminal)
    shown.log(0, "10.0.0.1:1", 10, "evil \x1b[2J")
    shown.log(1, "10.0.0.2:1", 10, "good")
    first, second = terminal.text().splitlines()
    assert first == "\x1b[36m10.0.0.1:1\x1b[0m  evil \\x1b[2J"
    assert second.startswith("\x1b[33m")


def test_live_lines_are_drawn_anew_in_place() -> None:
    terminal = Paper(terminal=True)
    shown = LiveLines(_no, False, terminal, terminal)
    shown.step("a", "connecting")
    shown.step("b", "connecting")
    assert terminal.text() == "  a  connecting\n\x1b[1A\r\x1b[J  a  connecting\n  b  connecting\n"
    shown.ended("a", "joined the hive", "good")
    text = terminal.text()
    assert text.startswith("\x1b[2A\r\x1b[J\x1b[32m✓\x1b[0m a  joined the hive\x1b[2m  0.")
    assert text.endswith("\n  b  connecting\n")
    shown.close()
    assert terminal.text() == "\x1b[1A\r\x1b[J"


def test_a_terminal_that_takes_nothing_is_shown_the_newest_when_it_does() -> None:
    terminal = Paper(terminal=True)
    shown = LiveLines(_no, False, terminal, terminal)
    shown.step("a", "connecting")
    terminal.text()
    terminal.stalled = True
    for sent in range(100):
        shown.step("a", f"sending wrpme: {sent} of 100 MiB")
        shown.ended(f"b{sent}", "done", "same")
    assert len(terminal.waiting) == 1
    terminal.write()
    drawn = terminal.text()
    assert drawn.startswith("\x1b[1A\r\x1b[J") and drawn.endswith("\n  a  sending wrpme: 99 of 100 MiB\n")
    assert drawn.count(" b") == 100 and drawn.count("sending") == 1


@pytest.mark.asyncio
async def test_nothing_is_drawn_over_a_question() -> None:
    terminal = Paper(terminal=True)

    async def answer(question: str) -> str:
        assert question == "trust it? "
        shown.step("a", "connecting")
        shown.ended("b", "done", "same")
        assert terminal.text() == "\x1b[1A\r\x1b[J"
        return "yes"

    shown = LiveLines(answer, True, terminal, terminal)
    shown.step("a", "connecting")
    terminal.text()
    terminal.stalled = True
    assert await _asked(shown) == "yes", "what was drawn before is written before the question"
    terminal.write()
    assert "b  done" in terminal.text()


def test_what_comes_from_elsewhere_is_harmless() -> None:
    assert harmless("plain ü") == "plain ü"
    assert harmless("a\rb\x1b") == "a\\rb\\x1b"
