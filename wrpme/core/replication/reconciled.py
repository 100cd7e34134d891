"""Up to which version of an arc all uncommitted writes were reconciled: the notes of a primary, in memory and on disk.

A former primary that hears of this late must not hand over, or put on others, what was reconciled long ago.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from wrpme.core.group_commit import GroupCommit
from wrpme.core.io import Reader
from wrpme.core.layout import SETTLED_PREFIX, settled_in, settled_key, settled_value, successor


class Reconciled:
    """One note for each stretch of positions (first and last)."""

    def __init__(self, reader: Reader, commits: GroupCommit) -> None:
        self._commits = commits
        self._known: dict[tuple[int, int], int] = {}
        for key, value in reader.scan(SETTLED_PREFIX, successor(SETTLED_PREFIX)):
            first, last, version = settled_in(key, value)
            self._known[first, last] = version

    def version(self, first: int, last: int) -> int:
        """The version at which this arc, or one that it is part of, was reconciled last; 0 where nobody knows."""
        found = (at for (low, high), at in self._known.items() if low <= first and last <= high)
        return max(found, default=0)

    def note(self, first: int, last: int, version: int) -> None:
        """Into the gathering batch."""
        self._known[first, last] = version
        self._commits.write([(settled_key(first, last), settled_value(version))])

    def forget(self, first: int, last: int) -> None:
        """No former owner can hand over anything any more."""
        if self._known:
            self._drop([known for known in self._known if first <= known[0] and known[1] <= last])

    def keep(self, open_arcs: Collection[tuple[int, int]]) -> None:
        """Only in these arcs somebody may still hand over something: what was noted of others, also of larger ones that
        were divided since, is of no use."""
        self._drop(
            [
                (low, high)
                for low, high in self._known
                if not any(first <= high and low <= last for first, last in open_arcs)
            ]
        )

    def _drop(self, notes: Sequence[tuple[int, int]]) -> None:
        for first, last in notes:
            del self._known[first, last]
            self._commits.write([(settled_key(first, last), None)])
