"""How many entries, and how many bytes of them, lie in which slot of the ring: counts without a scan.

They are on the disk as well, so that a start need not read all entries: a *table* of all slots, and the *changes* since
it was written. The changes of a batch are one value of that very batch, so whatever a crash leaves, the counts are
those of the entries that it leaves. From time to time a new table takes the place of the old one and its changes.

A version of wrpme that keeps no counts may have written to the directory in between. So it is noted which start wrote
them: where that is not the start before this one, all is counted anew.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from struct import Struct

from wrpme.core.io import Operation, Reader
from wrpme.core.layout import (
    COUNTS_CHANGES_PREFIX, COUNTS_KEY, COUNTS_LIFE_KEY, ENTRIES, HEADER_BYTES, counts_changes_key, hash_in, successor,
)  # fmt: skip
from wrpme.core.limits import COUNTS_CHANGES_BYTES_MAX, COUNTS_CHANGES_MAX
from wrpme.limits import SLOTS
from wrpme.protocol.ring import slot_of

_LIFE = Struct(">Q")
_SLOT_BITS = SLOTS.bit_length() - 1
_TABLE_BYTES = 2 * 8 * SLOTS


def known_counts(reader: Reader, lives: Sequence[int]) -> SlotCounts:
    """Of all that a store has: as they are kept there where the start before the last of ``lives`` wrote them, else as
    a scan finds them."""
    kept = kept_counts(reader, lives[-2]) if len(lives) > 1 else None
    if kept is not None:
        return kept
    counts = counts_of(reader)
    counts._changes = len(_changes_in(reader))
    counts._is_kept = not (counts.entries or counts._changes or reader.get(COUNTS_LIFE_KEY))
    return counts


def kept_counts(reader: Reader, life: int) -> SlotCounts | None:
    """As they are kept there, if the start with that incarnation wrote them."""
    if reader.get(COUNTS_LIFE_KEY) != _LIFE.pack(life):
        return None
    kept = SlotCounts()
    return kept if kept._load(reader.get(COUNTS_KEY), _changes_in(reader)) else None


def _changes_in(reader: Reader) -> list[bytes]:
    return [value for _, value in reader.scan(COUNTS_CHANGES_PREFIX, successor(COUNTS_CHANGES_PREFIX))]


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
    """Counts of one node, by slot. Each change is made when the entry is put into the gathering batch."""

    def __init__(self) -> None:
        self._entries = array("q", bytes(8 * SLOTS))
        self._bytes = array("q", bytes(8 * SLOTS))
        self.entries = self.bytes = 0
        """All that is there."""
        self.removed = self.removed_bytes = 0
        """What has gone since somebody set this to 0."""
        self._is_kept = True
        """What the disk has, and the fresh changes, are together these counts."""
        self._fresh = array("q")
        """The changes that are in no batch yet, each as one number."""
        self._changes = self._changes_bytes = 0
        """How many values of changes are on the disk, or on their way, and how large they are."""
        self._life = b""
        """Of this start, once its counts are to be kept."""
        self._began = False

    def add(self, position: int, entries: int, size: int) -> None:
        """Changes the counts of the slot of a position by -1, 0 or 1 entries, and some bytes."""
        slot = slot_of(position)
        self._entries[slot] += entries
        self._bytes[slot] += size
        self.entries += entries
        self.bytes += size
        if self._life:
            self._fresh.append((size << 2 | entries + 1) << _SLOT_BITS | slot)
        if entries < 0:
            self.removed -= entries
        if size < 0:
            self.removed_bytes -= size

    def between(self, first: int, last: int) -> tuple[int, int]:
        """Entries and bytes of the positions from ``first`` to ``last``, which are bounds of slots."""
        begin, end = slot_of(first), slot_of(last) + 1
        return sum(self._entries[begin:end]), sum(self._bytes[begin:end])

    # --- on the disk -------------------------------------------------------------------------------------------------

    def begin(self, life: int) -> None:
        """From the next batch on, the counts on the disk are those of this start, whose incarnation is ``life``."""
        self._life = _LIFE.pack(life)

    def operations(self) -> list[Operation]:
        """For the batch that leaves for the disk: what was changed since the last one, or a new table."""
        found: list[Operation] = []
        if self._life and not self._began:
            found.append((COUNTS_LIFE_KEY, self._life))
            self._began = True
        if not self._life or (self._is_kept and not self._fresh):
            return found
        fresh, self._fresh = _portable(self._fresh), array("q")
        number = self._changes
        is_short = number < COUNTS_CHANGES_MAX and self._changes_bytes + len(fresh) <= COUNTS_CHANGES_BYTES_MAX
        if is_short and self._is_kept:
            self._changes += 1
            self._changes_bytes += len(fresh)
            return [*found, (counts_changes_key(number), fresh)]
        self._changes = self._changes_bytes = 0
        self._is_kept = True
        return [*found, (COUNTS_KEY, self._table()), *((counts_changes_key(old), None) for old in range(number))]

    def _table(self) -> bytes:
        return _portable(self._entries) + _portable(self._bytes)

    def _load(self, table: bytes | None, changes: Sequence[bytes]) -> bool:
        """Takes what is on the disk; returns whether it can be read."""
        if (table is not None and len(table) != _TABLE_BYTES) or any(len(value) % 8 for value in changes):
            return False
        if table is not None:
            self._entries, self._bytes = _read(table[: 8 * SLOTS]), _read(table[8 * SLOTS :])
            self.entries, self.bytes = sum(self._entries), sum(self._bytes)
        for value in changes:
            for change in _read(value):
                slot, change = change & SLOTS - 1, change >> _SLOT_BITS
                entries, size = (change & 3) - 1, change >> 2
                self._entries[slot] += entries
                self._bytes[slot] += size
                self.entries += entries
                self.bytes += size
        self._changes, self._changes_bytes = len(changes), sum(map(len, changes))
        return True


def _portable(numbers: array[int]) -> bytes:
    """As a machine of any kind reads them."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _read(value: bytes) -> array[int]:
    numbers = array("q", value)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
