"""Keeps writes as fast as LevelDB merges its tables, so that it never stops them.

What is written gathers in tables of level 0. LevelDB merges them in one thread, beside all other merges, which may have
their turn first; where 12 of them lie there it takes no further write until that is done, and that may be 10 s later: a
node whose disk takes nothing for so long is marked down. When it stops, and what it merges first, is compiled in. So
writes wait a little here, long before: they go on at the rate at which the last such tables were merged, and more
slowly with each table more than usual. Where the tables are merged in time nothing waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import inf
from time import monotonic

from wrpme.daemon.limits import (
    PACE_BYTES_PER_SECOND_MIN, PACE_LOOK_BYTES, PACE_SECONDS_MAX, PACE_TABLES_MIN, PACE_TABLES_USUAL,
)  # fmt: skip

_GROWTH = 1.25
"""What was merged in time is tried a little faster;"""
_SHRINKAGE = 0.65
"""with each table that is too many it goes on so much more slowly."""
_SECONDS_MIN = 0.001
_wait = threading.Event().wait


class Pace:
    """``tables`` gives how many tables lie in level 0, and ``wait`` sleeps. All calls are made by the thread that
    writes."""

    def __init__(
        self,
        tables: Callable[[], int],
        clock: Callable[[], float] = monotonic,
        wait: Callable[[float], object] = _wait,
    ) -> None:
        self._tables = tables
        self._clock = clock
        self._wait = wait
        self._rate = inf
        """Bytes in a second while more than ``PACE_TABLES_MIN`` tables lie there."""
        self._known = 0
        self._due = self._since = self._merged_at = clock()
        """When the next batch may begin, when the last table came, and when the last ones were merged."""
        self._of_table = self._of_merge = 0
        """What was written since then."""
        self._of_look = 0
        """What was written since the tables were counted."""

    def before_write(self) -> None:
        """Waits until it is time for the next batch."""
        if (seconds := self._due - self._clock()) > 0:
            self._wait(seconds)

    def wrote(self, size: int) -> None:
        """A batch of so many bytes was written."""
        self._of_look += size
        if self._of_look < PACE_LOOK_BYTES and self._known <= PACE_TABLES_MIN:
            return
        now, tables = self._clock(), self._tables()
        size, self._of_look = self._of_look, 0
        self._of_table += size
        self._of_merge += size
        if tables < self._known:
            if self._rate < inf:
                self._rate = _GROWTH * max(self._rate, self._of_merge / max(now - self._merged_at, _SECONDS_MIN))
            self._of_merge, self._merged_at = 0, now
        elif tables > self._known and tables > PACE_TABLES_USUAL:
            found = min(self._rate, self._of_table / max(now - self._since, _SECONDS_MIN))
            self._rate = max(PACE_BYTES_PER_SECOND_MIN, _SHRINKAGE * found)
        if tables != self._known:
            self._known, self._of_table, self._since = tables, 0, now
        if tables > PACE_TABLES_MIN:
            self._due = min(max(self._due, now) + size / self._rate, now + PACE_SECONDS_MAX)
