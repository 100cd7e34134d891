"""Counts by slot."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrpme.core.io import Operation
from wrpme.core.layout import (
    COUNTS_CHANGES_PREFIX, COUNTS_KEY, ENTRIES, key_of, operations_for, removal, successor, value_of,
)  # fmt: skip
from wrpme.core.stats import slot_counts as module
from wrpme.core.stats.slot_counts import SlotCounts, counts_of, known_counts, user_bytes_of
from wrpme.daemon.storage.store import MemoryStore
from wrpme.limits import SLOTS
from wrpme.protocol.ring import RING, SLOT, end_of_slot


def test_the_size_of_an_entry_is_what_its_user_gave() -> None:
    key = key_of(1, b"alias")
    assert user_bytes_of(key, len(value_of((9, 9), 99, b"content"))) == len("alias") + len("content")
    assert user_bytes_of(key, len(removal((9, 9)))) == len("alias")


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 50)), max_size=30), st.integers(0, 99), st.integers(1, 50))
def test_a_range_has_the_sum_of_its_slots(entries: list[tuple[int, int]], begin: int, count: int) -> None:
    slot_counts = SlotCounts()
    for slot, size in entries:
        slot_counts.add(slot * SLOT + size, 1, size)
    inside = [size for slot, size in entries if begin <= slot < begin + count]
    assert slot_counts.between(begin * SLOT, end_of_slot(begin + count)) == (len(inside), sum(inside))


def test_what_is_there_and_what_has_gone() -> None:
    slot_counts = SlotCounts()
    slot_counts.add(0, 1, 10)
    slot_counts.add(RING - 1, 1, 20)
    assert (slot_counts.entries, slot_counts.bytes, slot_counts.removed, slot_counts.removed_bytes) == (2, 30, 0, 0)
    slot_counts.add(0, 0, -5)
    slot_counts.add(RING - 1, -1, -20)
    assert (slot_counts.entries, slot_counts.bytes, slot_counts.removed, slot_counts.removed_bytes) == (1, 5, 1, 25)


def test_the_tally_of_a_store() -> None:
    store = MemoryStore()
    for number in range(9):
        store.write(operations_for(key_of(number * SLOT, b"k%d" % number), value_of((1, 1), 7, b"12345")), True)
    found = counts_of(store)
    assert (found.entries, found.bytes) == (9, 9 * 7) == found.between(0, RING - 1)


def test_the_ends_of_the_ring() -> None:
    slot_counts = SlotCounts()
    slot_counts.add(0, 1, 10)
    slot_counts.add(RING - 1, 1, 20)
    assert slot_counts.between(0, RING - 1) == (2, 30)
    assert slot_counts.between(end_of_slot(SLOTS - 1) + 1, RING - 1) == (1, 20)
    slot_counts.add(0, -1, -10)
    assert slot_counts.between(0, end_of_slot(1)) == (0, 0)


# --- on the disk -------------------------------------------------------------------------------------------------


class Written:
    """What a node does with its entries: they and their counts go into one batch after the other."""

    def __init__(self, store: MemoryStore, lives: list[int]) -> None:
        self.store = store
        self.counts = known_counts(store, lives)
        self.counts.begin(lives[-1])
        self.gathering: list[Operation] = []
        self.entries = dict(store.scan(*ENTRIES))

    def put(self, number: int, size: int | None) -> None:
        """Or removes, of no size."""
        position = number * SLOT * 7
        key, held = key_of(position, b"k%d" % number), self.entries.pop(key_of(position, b"k%d" % number), None)
        value = None if size is None else value_of((1, 1), 0, bytes(size))
        before, after = ((0, 0) if each is None else (1, user_bytes_of(key, len(each))) for each in (held, value))
        if value is not None:
            self.entries[key] = value
        self.gathering.append((key, value))
        self.counts.add(position, after[0] - before[0], after[1] - before[1])

    def flush(self) -> None:
        self.gathering += self.counts.operations()
        self.store.write(self.gathering, True)
        self.gathering = []


def values_of_changes(store: MemoryStore) -> int:
    return len(list(store.scan(COUNTS_CHANGES_PREFIX, successor(COUNTS_CHANGES_PREFIX))))


def assert_known(store: MemoryStore, lives: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a look at the entries the counts are those that a look at them gives."""
    counted = counts_of(store)
    with monkeypatch.context() as patched:
        patched.setattr(module, "counts_of", lambda reader: pytest.fail("all entries were read"))
        known = known_counts(store, lives)
    assert (known.entries, known.bytes) == (counted.entries, counted.bytes)
    assert known._table() == counted._table()


changes = st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 70_000)), min_size=1, max_size=4)


@settings(max_examples=40)
@given(st.lists(st.lists(changes, min_size=1, max_size=6), min_size=1, max_size=4), st.integers(0, 3))
def test_after_a_crash_the_counts_are_those_of_what_is_left(
    lives: list[list[list[tuple[int, int | None]]]], most: int
) -> None:
    """In each life some batches reach the disk, and the changes after the last one are lost."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "COUNTS_CHANGES_MAX", most)
        store = MemoryStore()
        for life, batches in enumerate(lives, 1):
            node = Written(store, list(range(1, life + 1)))
            for batch in batches:
                for number, size in batch:
                    node.put(number, size)
                node.flush()
                assert values_of_changes(store) <= most
            node.put(3, 12_345)
            assert_known(store, [life, life + 1], monkeypatch)


def test_a_table_takes_the_place_of_many_bytes_of_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTS_CHANGES_BYTES_MAX", 32)
    store = MemoryStore()
    node = Written(store, [1])
    found = []
    for number in range(7):
        node.put(number, 9)
        node.flush()
        found.append(values_of_changes(store))
    assert found == [1, 2, 3, 4, 0, 1, 2]
    assert_known(store, [1, 2], monkeypatch)


def test_where_another_version_wrote_in_between_all_is_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows nothing of counts, and its start is one that they were not kept in."""
    store = MemoryStore()
    node = Written(store, [1])
    node.put(1, 5)
    node.flush()
    for number in range(20, 25):
        store.write(operations_for(key_of(number, b"k%d" % number), value_of((1, 1), 0, b"12345")), True)
    node = Written(store, [1, 2, 3])
    assert node.counts.entries == 6
    node.put(2, 5)
    node.flush()
    assert values_of_changes(store) == 0, "nothing is left of what was wrong"
    assert_known(store, [3, 4], monkeypatch)


def test_what_cannot_be_read_is_counted_anew() -> None:
    store = MemoryStore()
    node = Written(store, [1])
    node.put(1, 5)
    node.flush()
    store.write([(COUNTS_KEY, b"short")], True)
    assert known_counts(store, [1, 2]).entries == 1


def test_a_node_that_keeps_nothing_writes_no_counts() -> None:
    counts = SlotCounts()
    counts.add(0, 1, 10)
    assert counts.operations() == []
