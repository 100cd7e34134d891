"""The keys of a mapping in their order, for scans that go through it a piece at a time while it changes.

Nothing is kept as long as nobody asks; then the keys are sorted once, and what is added joins them a few hundred at a
time. A scan of a small part costs no more than that part, however many keys there are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from heapq import merge

ADDED_MAX = 512
"""Keys that are sorted in for each scan anew, before they are put in their places."""


FORGET_MAX = 16 * ADDED_MAX
"""Keys that came since the last scan, before all is forgotten: nobody seems to scan any more."""


class Order:
    """Of the keys of ``known``, which tells by :meth:`added` of each that comes; one that goes need not be told."""

    def __init__(self, known: Collection[bytes]) -> None:
        self._known = known
        self._sorted: list[bytes] | None = None
        self._added: list[bytes] = []

    def added(self, key: bytes) -> None:
        """A key that may not have been there before."""
        if self._sorted is not None:
            self._added.append(key)
            if len(self._added) > FORGET_MAX:
                self._forget()

    def between(self, low: bytes, high: bytes) -> Iterator[bytes]:
        """The keys in ``[low, high)`` that are there, in order; the mapping must not grow meanwhile."""
        if not self._known:
            self._forget()
            return
        keys = self._keys()
        last = b""
        for key in merge(_from(keys, low), sorted(key for key in self._added if key >= low)):
            if key >= high:
                return
            if key != last and key in self._known:
                last = key
                yield key

    def _forget(self) -> None:
        self._sorted = None
        self._added.clear()

    def _keys(self) -> list[bytes]:
        keys = self._sorted
        if keys is None or len(keys) > 2 * len(self._known) + ADDED_MAX:
            keys = self._sorted = sorted(self._known)
            self._added.clear()
        elif len(self._added) > ADDED_MAX:
            keys += self._added  # two runs, the first in order: sorting them is little more than merging them
            keys.sort()
            self._added.clear()
        return keys


def _from(keys: list[bytes], low: bytes) -> Iterator[bytes]:
    for at in range(bisect_left(keys, low), len(keys)):
        yield keys[at]
