"""Values of entries that were read or overwritten lately, in front of the store: a look at its tables costs a read more
than all the rest of it.

Only an owner that serves looks here, and only at entries that no pending write overlays. What is here is as it is in
the store then: a write takes its entry out before it is applied, and whoever becomes an owner begins with nothing.
"""

from __future__ import annotations

from itertools import islice

from wrpme.core.io import Reader

HOT_VALUE_BYTES_MAX = 4096
"""Larger ones are not kept: to read them costs little beside what else they cost."""
HOT_EXTRA_BYTES = 170
"""What Python and the mapping take for an entry beside its key and value."""
DROPPED_ENTRIES = 64
"""So many go at once, the oldest first."""


class HotValues:
    """``values`` are by key; they take about ``bytes``, and at most ``bytes_max``."""

    def __init__(self, reader: Reader, bytes_max: int) -> None:
        self.values: dict[bytes, bytes] = {}
        self.bytes = 0
        self.bytes_max = bytes_max
        self.misses = 0
        """Reads that had to look into the store."""
        self._read = reader.stored

    def get(self, key: bytes) -> bytes | None:
        """The value of an entry, or None: from the store if it is not here, and kept here from now on."""
        known = self.values.get(key)
        if known is not None:
            return known
        self.misses += 1
        value = self._read(key)
        if value is not None:
            self.keep(key, value)
        return value

    def keep(self, key: bytes, value: bytes) -> None:
        """The store has this value; it is not here."""
        if len(value) > HOT_VALUE_BYTES_MAX:
            return
        self.values[key] = value
        self.bytes += len(key) + len(value) + HOT_EXTRA_BYTES
        if self.bytes > self.bytes_max:
            for oldest in list(islice(self.values, DROPPED_ENTRIES)):
                self.forget(oldest)

    def forget(self, key: bytes) -> None:
        """The entry is about to change."""
        value = self.values.pop(key, None)
        if value is not None:
            self.bytes -= len(key) + len(value) + HOT_EXTRA_BYTES

    def clear(self) -> None:
        """This node becomes the owner of some arc: what it has known of that as a former one may have changed."""
        self.values.clear()
        self.bytes = 0
