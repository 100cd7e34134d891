"""The storage seam: what a daemon or a simulation gives to its node to read from, and carries its writes out on.

A store maps keys to values, both bytes, in order of the keys. A batch is applied whole or not at all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Protocol

from wrpme.core.io import Operation, Reader


class Store(Reader, Protocol):
    """A :class:`Reader` that can be written. Reading and one write may go on at the same time in two threads where
    the implementation says so. A scan that is held open while something is written gives no key twice and none out of
    order; whether it sees what was written is open."""

    def write(self, operations: list[Operation], sync: bool) -> None:
        """Applies the batch, in order; with ``sync`` it is on the disk afterwards, and so is all that came before it.

        Raises:
            StorageError: nothing of the batch may be taken as written, and the store takes no further batch.
        """

    def close(self) -> None:
        """Ends the use of the store; closing twice does no harm."""


class MemoryStore:
    """A store that lives as long as its process: for ``--transient`` and simulations. For one thread only."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._changes = 0

    def get(self, key: bytes) -> bytes | None:
        """Returns the value, or None."""
        return self._values.get(key)

    def stored(self, key: bytes) -> bytes | None:
        """Returns the value, or None."""
        return self._values.get(key)

    def scan(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yields keys and values with ``low <= key < high``, in order."""
        keys, values = self._keys, self._values
        at = bisect_left(keys, low)
        changes = self._changes
        while at < len(keys):
            key = keys[at]
            if key >= high:
                return
            yield key, values[key]
            if changes == self._changes:
                at += 1
            else:
                changes = self._changes
                at = bisect_right(keys, key)

    def scan_stored(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yields the same."""
        return self.scan(low, high)

    def snapshot(self) -> MemoryStore:
        """Returns a copy."""
        copy = MemoryStore()
        copy._keys, copy._values = list(self._keys), dict(self._values)
        return copy

    def write(self, operations: list[Operation], sync: bool) -> None:
        """Applies the batch; there is no disk to wait for."""
        values = self._values
        for key, value in operations:
            if value is not None:
                if key not in values:
                    insort(self._keys, key)
                values[key] = value
            elif values.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
        self._changes += 1

    def close(self) -> None:
        """Does nothing."""
