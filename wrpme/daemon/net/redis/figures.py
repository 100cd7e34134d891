"""What the door counts of commands, for INFO: how often each was called, how long it took, how it failed.

A command takes from when it is begun, which is after those before it where it has to wait for them, until its answer is
there. One that was not begun, as it had the wrong number of arguments, was rejected; one that was answered with an
error failed, whatever the error.
"""

from __future__ import annotations

from collections.abc import Iterator

from wrpme.protocol.histogram import Latency, quantile

ERRORS_MAX = 128
"""Kinds of errors that are told apart, as in Redis; there are few but for what was queued with EXEC."""
_PERCENTILES = (50.0, 99.0, 99.9)


class CommandFigures:
    """Of one command; ``seconds`` is the sum."""

    __slots__ = ("calls", "failed", "latency", "rejected", "seconds")

    def __init__(self) -> None:
        self.calls = self.rejected = self.failed = 0
        self.seconds = 0.0
        self.latency = Latency()


class Figures:
    """Of one node, since its start or since they were set back."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self._commands: dict[str, CommandFigures] = {}
        self._errors: dict[str, int] = {}

    def answered(self, name: str, answer: bytes, seconds: float, count: int = 1) -> None:
        """So many calls of a command have this answer, each after so long; ``name`` is empty where none was begun."""
        failed = answer.startswith(b"-")
        if name:
            figures = self._commands.get(name) or self._of(name)
            figures.calls += count
            figures.seconds += seconds * count
            figures.latency.add(seconds, count)
            if failed:
                figures.failed += count
        if failed:
            word = answer[1:64].split(b" ", 1)[0].split(b"\r", 1)[0].decode("utf-8", "replace")
            if word in self._errors or len(self._errors) < ERRORS_MAX:
                self._errors[word] = self._errors.get(word, 0) + count

    def rejected(self, name: str) -> None:
        """A command was not begun."""
        self._of(name).rejected += 1

    def _of(self, name: str) -> CommandFigures:
        figures = self._commands.get(name)
        if figures is None:  # of those that there are, so that their number is bounded
            figures = self._commands[name] = CommandFigures()
        return figures

    def by_name(self) -> Iterator[tuple[str, CommandFigures]]:
        """All commands that were called, in order."""
        return iter(sorted(self._commands.items()))

    @property
    def calls(self) -> int:
        """Commands that were begun and are answered."""
        return sum(figures.calls for figures in self._commands.values())

    @property
    def errors(self) -> int:
        """Answers that were errors."""
        return sum(self._errors.values())

    def commandstats(self) -> Iterator[tuple[str, str]]:
        """Lines of that section of INFO."""
        for name, found in sorted(self._commands.items()):
            microseconds = int(found.seconds * 1e6)
            each = microseconds / found.calls if found.calls else 0.0
            yield (
                f"cmdstat_{name}",
                f"calls={found.calls},usec={microseconds},usec_per_call={each:.2f},"
                f"rejected_calls={found.rejected},failed_calls={found.failed}",
            )

    def latencystats(self) -> Iterator[tuple[str, str]]:
        """Lines of that section of INFO."""
        for name, found in sorted(self._commands.items()):
            if found.calls:
                pairs = found.latency.pairs()
                told = (f"p{percent:g}={1e6 * (quantile(pairs, percent / 100) or 0.0):.3f}" for percent in _PERCENTILES)
                yield f"latency_percentiles_usec_{name}", ",".join(told)

    def errorstats(self) -> Iterator[tuple[str, str]]:
        """Lines of that section of INFO."""
        return ((f"errorstat_{word}", f"count={count}") for word, count in sorted(self._errors.items()))
