"""How batches reach the store without holding up the loop: one at a time, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

from wrpme.core.io import Operation
from wrpme.daemon.storage.compaction import Compactable, Compaction
from wrpme.daemon.storage.store import Store
from wrpme.errors import StorageError

Done = Callable[[BaseException | None], None]
"""Told, on the loop, when the batch is written, or why it is not."""


class Disk(Protocol):
    """What carries out batches. The next one is given only after the last one is done."""

    def write(self, operations: list[Operation], sync: bool, done: Done) -> None:
        """Begins to write the batch; see :meth:`wrpme.daemon.storage.store.Store.write`."""

    def compact(self) -> None:
        """Gives the space of what was removed back soon, beside whatever is written."""

    def close(self, seconds: float) -> bool:
        """Waits for the batch that is being written; returns whether it came to an end in that time."""


class DirectDisk:
    """Writes to a store in memory: at once, and tells in the next turn."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, operations: list[Operation], sync: bool, done: Done) -> None:
        """See :class:`Disk`."""
        self._store.write(operations, sync)
        asyncio.get_running_loop().call_soon(done, None)

    def compact(self) -> None:
        """Does nothing: what is removed from memory is gone."""

    def close(self, seconds: float) -> bool:
        """Returns True, as nothing is ever under way."""
        return True


class DiskStore(Store, Compactable, Protocol):
    """A store that a :class:`ThreadDisk` writes."""


class ThreadDisk:
    """Writes in a thread of its own. The thread is a daemon: a disk that hangs can't keep the process from ending."""

    def __init__(self, store: DiskStore) -> None:
        self._store = store
        self._compaction = Compaction(store)
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[list[Operation], bool, Done] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    def write(self, operations: list[Operation], sync: bool, done: Done) -> None:
        """See :class:`Disk`."""
        self._queue.put((operations, sync, done))

    def compact(self) -> None:
        """See :class:`Disk`."""
        self._compaction.ask()

    def close(self, seconds: float) -> bool:
        """See :class:`Disk`."""
        self._queue.put(None)
        compacted = self._compaction.close(seconds)
        self._thread.join(seconds)
        return compacted and not self._thread.is_alive()

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            operations, sync, done = task
            failure: BaseException | None = None
            try:
                self._store.write(operations, sync)
            except BaseException as error:  # of whatever kind: the loop has to hear of it
                failure = error
            self._loop.call_soon_threadsafe(done, failure)


def is_expected(error: BaseException) -> bool:
    """Returns whether a disk may well do that, as opposed to a defect of ours."""
    return isinstance(error, StorageError | OSError | MemoryError)
