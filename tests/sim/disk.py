"""A disk in virtual time: what a node reads at once, and what is left after a crash or a power loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from wrpme.core.io import Operation, Persist
from wrpme.daemon.storage.store import MemoryStore

JOURNAL_BATCHES = 64


class Disk:
    """A :class:`wrpme.daemon.storage.store.Store`. ``seen`` is what the process reads, ``safe`` what a power loss
    leaves. With ``sync`` off they differ by the batches that were written and never synced. One batch at a time is on
    its way."""

    def __init__(self, sync: bool) -> None:
        self.sync = sync
        self.seen = MemoryStore()
        self.safe = self.seen if sync else MemoryStore()
        self.under_way: Persist | None = None
        self.hangs_until = 0.0
        """True time before which nothing is written: the disk stands still, and says nothing."""
        self.lies = False
        """What it did lately can be undone, see :meth:`cut`."""
        self._unsynced: list[list[Operation]] = []
        self._journal: deque[tuple[list[Operation], bool]] = deque(maxlen=JOURNAL_BATCHES)

    def get(self, key: bytes) -> bytes | None:
        return self.seen.get(key)

    def stored(self, key: bytes) -> bytes | None:
        return self.seen.get(key)

    def scan(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self.seen.scan(low, high)

    def scan_stored(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self.seen.scan(low, high)

    def snapshot(self) -> MemoryStore:
        return self.seen.snapshot()

    def write(self, operations: list[Operation], sync: bool) -> None:
        """At once, as a process does it before it has a node."""
        if self.lies:
            former = {key: self.seen.get(key) for key, _ in operations}
            self._journal.append((list(former.items()), sync))
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
            self.seen = self.safe.snapshot()

    def cut(self, batches: int) -> int:
        """The disk had said that these last batches were safe, and they are not; gives how many it took back. Votes,
        views and the identity stay: nobody can agree with one who has forgotten what it said."""
        done = 0
        while done < batches and self._journal and not self._journal[-1][1]:
            self.seen.write(self._journal.pop()[0], True)
            done += 1
        return done

    def copy(self) -> Disk:
        """Another disk with the same on it, as of now."""
        other = Disk(self.sync)
        other.seen = self.seen.snapshot()
        other.safe = other.seen if self.sync else self.safe.snapshot()
        return other
