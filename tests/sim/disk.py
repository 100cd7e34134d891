"""A disk in virtual time: what a node reads at once, and what is left after a crash or a power loss."""

from __future__ import annotations

from collections.abc import Iterator

from wrpme.effects import Operation, Persist
from wrpme.store import MemoryStore


class Disk:
    """A :class:`wrpme.store.Store`. ``seen`` is what the process reads, ``safe`` what a power loss leaves. With
    ``sync`` off they differ by the batches that were written and never synced. One batch at a time is on its way."""

    def __init__(self, sync: bool) -> None:
        self.sync = sync
        self.seen = MemoryStore()
        self.safe = self.seen if sync else MemoryStore()
        self.under_way: Persist | None = None
        self._unsynced: list[list[Operation]] = []

    def get(self, key: bytes) -> bytes | None:
        return self.seen.get(key)

    def scan(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self.seen.scan(low, high)

    def write(self, operations: list[Operation], sync: bool) -> None:
        """At once, as a process does it before it has a node."""
        self.seen.write(operations, True)
        if not self.sync:
            self._unsynced.append(operations)
            if sync:
                for batch in self._unsynced:
                    self.safe.write(batch, True)
                self._unsynced.clear()

    def close(self) -> None:
        """Nothing to end."""

    def begin(self, batch: Persist) -> None:
        """The node hands a batch over."""
        assert self.under_way is None, "one batch at a time is on its way to the disk"
        self.under_way = batch

    def finish(self) -> Persist:
        """The batch that was on its way is written, and synced where it has to be."""
        batch = self.under_way
        assert batch is not None
        self.under_way = None
        self.write(batch.operations, batch.must_sync)
        return batch

    def crash(self, arrives: bool) -> Persist | None:
        """The process ends; the batch on its way ``arrives`` or not. Gives it if it does."""
        if self.under_way is not None and arrives:
            return self.finish()
        self.under_way = None
        return None

    def lose_power(self) -> None:
        """What was not synced is gone; the process has crashed already."""
        self._unsynced.clear()
        if not self.sync:
            self.seen = MemoryStore()
            self.seen.write(list(self.safe.scan(b"", b"\xff")), True)
