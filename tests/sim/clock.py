"""Things to come in order of time, and the clocks of machines, which run apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

RATE_MIN, RATE_MAX = 0.9757, 1.0243
"""Any two clocks drift at most 5 % apart."""


@dataclass(slots=True)
class Clock:
    """A machine's own monotonic clock, as a line over the true time; both in seconds. It stands still while a virtual
    machine is paused, and its line is another one afterwards."""

    offset: float
    rate: float
    stopped: float | None = None
    """The true time since when it stands still."""

    def local(self, true: float) -> float:
        """What it shows at that true time."""
        return self.offset + self.rate * (true if self.stopped is None else self.stopped)

    def stop(self, true: float) -> None:
        """From now on it stands still."""
        self.stopped = true

    def go(self, true: float) -> None:
        """It runs on from where it stood, and knows nothing of the time between."""
        if self.stopped is not None:
            self.offset -= self.rate * (true - self.stopped)
            self.stopped = None

    def true(self, local: float) -> float:
        """When it shows that."""
        return (local - self.offset) / self.rate


class Agenda:
    """The heap of (time, sequence, what to do); ``now`` is the true time in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Not before that time, nor before now; at equal times in the order of asking."""
        heappush(self._heap, (time if time > self.now else self.now, next(self._numbers), what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """In so many seconds."""
        self.at(self.now + seconds, what)

    def run_until(self, end: float, enough: Callable[[], bool] | None = None) -> bool:
        """Does all that comes before ``end``, or until it is ``enough``; whether it was."""
        heap = self._heap
        while heap and heap[0][0] <= end:
            self.now, _, what = heappop(heap)
            self.done += 1
            what()
            if enough is not None and enough():
                return True
        self.now = max(self.now, end)
        return False
