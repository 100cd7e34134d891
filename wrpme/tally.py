"""How many entries, and how many bytes of them, lie in which slot of the ring: counts without a scan."""

from __future__ import annotations

from array import array

from wrpme.entries import HEADER_BYTES
from wrpme.limits import SLOTS
from wrpme.ring import slot_of


def size_of(key: bytes, value: bytes) -> int:
    """Bytes of an entry that are its user's: alias and content."""
    return len(key) - 9 + len(value) - HEADER_BYTES


class Tally:
    """Counts of one node, by slot."""

    def __init__(self) -> None:
        self._entries = array("q", bytes(8 * SLOTS))
        self._bytes = array("q", bytes(8 * SLOTS))

    def add(self, position: int, entries: int, size: int) -> None:
        """Changes the counts of the slot of a position."""
        slot = slot_of(position)
        self._entries[slot] += entries
        self._bytes[slot] += size

    def between(self, first: int, last: int) -> tuple[int, int]:
        """Entries and bytes of the positions from ``first`` to ``last``, which are bounds of slots."""
        begin, end = slot_of(first), slot_of(last) + 1
        return sum(self._entries[begin:end]), sum(self._bytes[begin:end])
