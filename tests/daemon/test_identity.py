from __future__ import annotations

from random import Random

import pytest

from wrpme.core.io import Operation
from wrpme.daemon.limits import STARTS_MAX
from wrpme.daemon.storage.identity import KEY, LIVES_KEPT, LIVES_KEY, next_life
from wrpme.daemon.storage.store import MemoryStore
from wrpme.errors import StorageError


class Watched(MemoryStore):
    """Remembers whether each write was synced."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[bool] = []

    def write(self, operations: list[Operation], sync: bool) -> None:
        self.synced.append(sync)
        super().write(operations, sync)


def test_the_id_stays_and_the_incarnation_grows() -> None:
    store = Watched()
    random = Random(1).randbytes
    lives = [next_life(store, random) for _ in range(5)]
    assert len({life.id for life in lives}) == 1
    assert len(lives[0].id) == 16
    assert [life.starts for life in lives] == [1, 2, 3, 4, 5]
    assert [life.incarnation >> 32 for life in lives] == [1, 2, 3, 4, 5]
    assert sorted(life.incarnation for life in lives) == [life.incarnation for life in lives]
    assert store.synced == [True] * 5


def test_a_directory_knows_its_last_lives() -> None:
    store, random = MemoryStore(), Random(6).randbytes
    lives = [next_life(store, random) for _ in range(LIVES_KEPT + 3)]
    incarnations = tuple(life.incarnation for life in lives)
    assert lives[0].lives == incarnations[:1] and lives[4].lives == incarnations[:5]
    assert lives[-1].lives == incarnations[-LIVES_KEPT:]


def test_a_directory_of_before_knows_the_lives_from_now_on() -> None:
    store = MemoryStore()
    store.write([(KEY, b"x" * 16 + (7).to_bytes(4, "big"))], sync=True)
    life = next_life(store, Random(7).randbytes)
    assert life.starts == 8 and life.lives == (life.incarnation,)


def test_a_copy_does_not_know_the_lives_of_after_it_was_made() -> None:
    store, random = MemoryStore(), Random(8).randbytes
    next_life(store, random)
    copy = MemoryStore()
    copy.write([(key, store.get(key)) for key in (KEY, LIVES_KEY)], sync=True)
    meanwhile = next_life(store, random).incarnation
    assert meanwhile not in next_life(copy, random).lives and meanwhile in next_life(store, random).lives


def test_two_starts_from_one_copy_differ() -> None:
    random = Random(2).randbytes
    first, second = MemoryStore(), MemoryStore()
    next_life(first, random)
    held = first.get(KEY)
    assert held is not None
    second.write([(KEY, held)], sync=True)
    assert next_life(first, random).incarnation != next_life(second, random).incarnation


def test_all_is_a_function_of_the_random_source() -> None:
    assert next_life(MemoryStore(), Random(3).randbytes) == next_life(MemoryStore(), Random(3).randbytes)


@pytest.mark.parametrize("held", [b"", b"x" * 19, b"x" * 21])
def test_a_damaged_identity_is_refused(held: bytes) -> None:
    store = MemoryStore()
    store.write([(KEY, held)], sync=True)
    with pytest.raises(StorageError):
        next_life(store, Random(4).randbytes)
    assert store.get(KEY) == held


def test_a_damaged_record_of_lives_is_refused() -> None:
    store = MemoryStore()
    store.write([(LIVES_KEY, b"x" * 5)], sync=True)
    with pytest.raises(StorageError):
        next_life(store, Random(4).randbytes)


def test_the_count_of_starts_has_an_end() -> None:
    store = MemoryStore()
    store.write([(KEY, b"x" * 16 + STARTS_MAX.to_bytes(4, "big"))], sync=True)
    with pytest.raises(StorageError):
        next_life(store, Random(5).randbytes)
