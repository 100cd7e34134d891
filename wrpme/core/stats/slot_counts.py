"""How many entries, and how many bytes of them, lie in which slot of the ring: counts without a scan."""

from __future__ import annotations

from array import array

from wrpme.core.io import Reader
from wrpme.core.layout import ENTRIES, HEADER_BYTES, hash_in
from wrpme.limits import SLOTS
from wrpme.protocol.ring import slot_of


def counts_of(reader: Reader) -> SlotCounts:
    """Of all that a store has: every entry is read once, but for what is large."""
    counts = SlotCounts()
    for key, value in reader.scan_stored(*ENTRIES):
        counts.add(hash_in(key), 1, user_bytes_of(key, len(value)))
    return counts


def user_bytes_of(key: bytes, value_bytes: int) -> int:
    """Bytes of an entry that are its user's, alias and content; its value has so many."""
    return len(key) - 9 + value_bytes - HEADER_BYTES


class SlotCounts:
    """Counts of one node, by slot."""

    def __init__(self) -> None:
        self._entries = array("q", bytes(8 * SLOTS))
        self._bytes = array("q", bytes(8 * SLOTS))
        self.entries = self.bytes = 0
        """All that is there."""
        self.removed = self.removed_bytes = 0
        """What has gone since somebody set this to 0."""

    def add(self, position: int, entries: int, size: int) -> None:
        """Changes the counts of the slot of a position."""
        slot = slot_of(position)
        self._entries[slot] += entries
        self._bytes[slot] += size
        self.entries += entries
        self.bytes += size
        if entries < 0:
            self.removed -= entries
        if size < 0:
            self.removed_bytes -= size

    def between(self, first: int, last: int) -> tuple[int, int]:
        """Entries and bytes of the positions from ``first`` to ``last``, which are bounds of slots."""
        begin, end = slot_of(first), slot_of(last) + 1
        return sum(self._entries[begin:end]), sum(self._bytes[begin:end])
