"""Counts by slot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wrpme.core.layout import key_of, operations_for, removal, value_of
from wrpme.core.stats.slot_counts import SlotCounts, counts_of, user_bytes_of
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
