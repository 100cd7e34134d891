"""The space of what was removed: given back in slices, beside everything else, and never in the way of the end."""

from __future__ import annotations

import threading

from tests.daemon_parts import PATIENCE_SECONDS
from wrpme.daemon.storage.compaction import Compaction

SLICES = [(b"a", b"b"), (b"b", b"c"), (b"c", b"d")]


class Store:
    """Each slice waits for a permit, and tells when it is begun."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.compacted: list[bytes] = []
        self.room = True
        self.rounds = 0

    def slices(self) -> list[tuple[bytes, bytes]]:
        self.rounds += 1
        return SLICES

    def has_room(self) -> bool:
        return self.room

    def compact(self, low: bytes, high: bytes) -> None:
        self.begun.release()
        assert self.permits.acquire(timeout=PATIENCE_SECONDS)
        self.compacted.append(low)

    def let(self, count: int) -> None:
        """So many slices are begun, and written."""
        for _ in range(count):
            assert self.begun.acquire(timeout=PATIENCE_SECONDS)
            self.permits.release()


def still() -> float:
    """A clock that stands still: no pauses."""
    return 0.0


def test_all_slices_once_and_once_more_if_it_is_asked_meanwhile() -> None:
    store = Store()
    made = Compaction(store, still)
    made.ask()
    store.let(1)
    for _ in range(5):
        made.ask()
    store.let(5)
    assert made.close(PATIENCE_SECONDS)
    assert store.compacted == [b"a", b"b", b"c"] * 2


def test_the_end_waits_for_one_slice_and_no_more() -> None:
    store = Store()
    made = Compaction(store, still)
    made.ask()
    assert store.begun.acquire(timeout=PATIENCE_SECONDS)
    assert not made.close(0.0), "the store must not be closed yet"
    store.permits.release()
    assert made.close(PATIENCE_SECONDS)
    assert store.compacted == [b"a"]


def test_without_room_nothing_is_written() -> None:
    store = Store()
    store.room = False
    rounds = threading.Semaphore(0)
    store.slices = lambda: rounds.release() or SLICES  # type: ignore[method-assign,func-returns-value]
    made = Compaction(store, still)
    made.ask()
    assert rounds.acquire(timeout=PATIENCE_SECONDS)
    assert made.close(PATIENCE_SECONDS) and store.compacted == []


def test_who_was_never_asked_has_no_thread() -> None:
    before = threading.active_count()
    made = Compaction(Store())
    assert made.close(0.0) and threading.active_count() == before


def test_it_rests_longer_than_it_works() -> None:
    store = Store()
    times = iter([100.0, 100.0 + PATIENCE_SECONDS])
    made = Compaction(store, lambda: next(times))
    made.ask()
    store.let(len(SLICES))
    made.ask()
    assert not store.begun.acquire(timeout=0.0), "a pause of several times as long"
    assert made.close(PATIENCE_SECONDS) and store.rounds == 1
