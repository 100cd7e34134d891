"""What goes on on other machines, as lines of the shell's pane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from wrpme.bootstrap.reporter import PlainLines, harmless

if TYPE_CHECKING:
    from wrpme.tui.panes.shell import Sink

_ROLES = {"good": "good", "bad": "bad", "same": "dim"}


class PaneReporter(PlainLines):
    """A :class:`wrpme.bootstrap.reporter.Reporter`: steps in grey, what is done in its colour, logs in that of their
    node."""

    def __init__(self, sink: Sink, ask: Callable[[str], Awaitable[str]]) -> None:
        super().__init__(ask, can_ask=True)
        self._sink = sink

    def ended(self, host: str, text: str, how: str) -> None:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""
        self._sink.print(harmless(f"{host}: {text}"), _ROLES[how])

    def say(self, text: str) -> None:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""
        self._sink.print(harmless(text), "dim")

    def log(self, number: int, name: str, width: int, line: str) -> None:
        """See :class:`wrpme.bootstrap.reporter.Reporter`."""
        self._sink.print(harmless(f"{name:<{width}}  {line}"), f"node{number}")
