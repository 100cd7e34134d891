"""What goes on on other machines, in the shell's pane."""

from __future__ import annotations

import asyncio

from wrpme.tui.panes.reporter import PaneReporter


class Sink:
    """What was printed, with its colour."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def print(self, text: str, role: str = "text") -> None:
        self.lines.append((text, role))


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


def test_somebody_is_there_to_answer() -> None:
    shown = PaneReporter(Sink(), _yes)
    assert shown.can_ask
    assert asyncio.run(shown.ask("trust it? ")) == "trust it? yes"
