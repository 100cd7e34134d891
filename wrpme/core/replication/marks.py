"""How complete this node's copies are: for each stretch of the ring the version of the last write that it received.

An acknowledgement needs the disk of every holder, so each holder that was there throughout has every acknowledged
write. A disk may lose the end of what it said was written; then another holder's copy is better, and its mark is
higher. A mark travels to the disk with the very batch that it tells of: a log that is cut loses both.
"""

from __future__ import annotations

from collections.abc import Iterable

from wrpme.core.io import Operation
from wrpme.core.layout import Version, mark_key, mark_value

NOTHING: Version = (0, 0)


class Marks:
    """``known`` are stretches (first and last position) with their marks, as they are on the disk; none overlap."""

    def __init__(self, known: Iterable[tuple[int, int, Version]]) -> None:
        self._known: dict[tuple[int, int], Version] = {(first, last): version for first, last, version in known}
        self._fresh: dict[tuple[int, int], Version] = {}
        self._keys: dict[tuple[int, int], bytes] = {}
        """Of stretches that were noted: it is the same ones all the time."""

    def note(self, stretch: tuple[int, int], version: Version) -> None:
        """This node has all writes of the stretch up to this one, once the batch that gathers is on the disk."""
        self._fresh[stretch] = version

    def operations(self) -> list[Operation]:
        """For the batch that leaves for the disk: what was noted since the last one."""
        found: list[Operation] = []
        for stretch, version in self._fresh.items():
            if stretch not in self._known:
                found += self._carve(*stretch)
            self._known[stretch] = version
            key = self._keys.get(stretch)
            if key is None:
                key = self._keys[stretch] = mark_key(*stretch)
            found.append((key, mark_value(version)))
        self._fresh.clear()
        return found

    def forget(self, first: int, last: int) -> list[Operation]:
        """What lies in this stretch is about to be deleted: no mark tells of it any more."""
        if not self._known and not self._fresh:
            return []
        for stretch in [known for known in self._fresh if first <= known[1] and known[0] <= last]:
            del self._fresh[stretch]
        return self._carve(first, last)

    def of(self, first: int, last: int) -> Version:
        """The mark of a stretch: where it consists of several, or a part has none, the lowest."""
        found: list[Version] = []
        covered = 0
        for (low, high), version in {**self._known, **self._fresh}.items():
            if low <= last and first <= high:
                found.append(version)
                covered += min(high, last) - max(low, first) + 1
        return min(found) if found and covered >= last - first + 1 else NOTHING

    def _carve(self, first: int, last: int) -> list[Operation]:
        """Takes a stretch out of those that are known; what is left of these keeps its mark."""
        found: list[Operation] = []
        for low, high in [known for known in self._known if first <= known[1] and known[0] <= last]:
            version = self._known.pop((low, high))
            self._keys.pop((low, high), None)
            found.append((mark_key(low, high), None))
            for rest in ((low, first - 1), (last + 1, high)):
                if rest[0] <= rest[1]:
                    self._known[rest] = version
                    found.append((mark_key(*rest), mark_value(version)))
        return found
