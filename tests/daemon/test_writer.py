"""Batches on their way to the store: in order, off the loop, and with their failures told."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.daemon_parts import PATIENCE_SECONDS
from wrpme.core.io import Operation
from wrpme.daemon.storage.store import MemoryStore
from wrpme.daemon.storage.writer import DirectDisk, Disk, ThreadDisk, is_expected
from wrpme.errors import StorageError


class WatchedStore(MemoryStore):
    """Remembers who wrote what; an empty batch fails, and ``gate`` holds a thread back."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[str, int, bool]] = []
        self.compacted: list[bytes] = []
        self.gate = threading.Event()
        self.gate.set()

    def slices(self) -> list[tuple[bytes, bytes]]:
        return [(b"a", b"b"), (b"b", b"c")]

    def has_room(self) -> bool:
        return True

    def compact(self, low: bytes, high: bytes) -> None:
        self.gate.wait(PATIENCE_SECONDS)
        self.compacted.append(low)

    def write(self, operations: list[Operation], sync: bool) -> None:
        self.gate.wait(PATIENCE_SECONDS)
        self.batches.append((threading.current_thread().name, len(operations), sync))
        if not operations:
            raise StorageError("it is full")
        super().write(operations, sync)


async def written(disk: Disk, operations: list[Operation], sync: bool = True) -> BaseException | None:
    outcome: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
    disk.write(operations, sync, outcome.set_result)
    assert not outcome.done(), "it is told in a later turn"
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await outcome


@pytest.mark.asyncio
async def test_in_a_thread_of_its_own() -> None:
    store = WatchedStore()
    disk = ThreadDisk(store)
    assert await written(disk, [(b"a", b"1")]) is None
    assert store.get(b"a") == b"1"
    assert isinstance(await written(disk, [], sync=False), StorageError)
    assert await written(disk, [(b"a", None)], sync=False) is None
    assert store.batches == [("disk", 1, True), ("disk", 0, False), ("disk", 1, False)]
    assert disk.close(PATIENCE_SECONDS)


@pytest.mark.asyncio
async def test_closing_waits_for_the_batch_that_is_written() -> None:
    store = WatchedStore()
    disk = ThreadDisk(store)
    store.gate.clear()
    disk.write([(b"a", b"1")], True, lambda failure: None)
    assert not disk.close(0.0), "it is not at rest"
    store.gate.set()
    assert disk.close(PATIENCE_SECONDS)
    assert store.get(b"a") == b"1"


@pytest.mark.asyncio
async def test_what_was_removed_is_given_back_beside_writes_and_before_the_end() -> None:
    store = WatchedStore()
    disk = ThreadDisk(store)
    store.gate.clear()
    disk.compact()
    assert not disk.close(0.0), "it is not at rest"
    store.gate.set()
    assert disk.close(PATIENCE_SECONDS)
    assert len(store.compacted) <= 1, "the end waits for one slice at most"


@pytest.mark.asyncio
async def test_in_memory_at_once() -> None:
    store = WatchedStore()
    disk = DirectDisk(store)
    assert await written(disk, [(b"a", b"1")]) is None
    assert store.batches[0][0] == threading.current_thread().name
    assert disk.close(0.0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(StorageError("full"), True), (OSError(28, "full"), True), (MemoryError(), True), (KeyError("defect"), False)],
)
def test_what_a_disk_may_do(error: Exception, expected: bool) -> None:
    assert is_expected(error) is expected
