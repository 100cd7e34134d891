"""Marks of stretches of the ring: they never claim more than is there."""

from __future__ import annotations

from wrpme.core.layout import MARK_PREFIX, mark_in, mark_key, mark_value, successor
from wrpme.core.replication.marks import NOTHING, Marks
from wrpme.daemon.storage.store import MemoryStore


def kept(store: MemoryStore) -> Marks:
    return Marks(mark_in(key, value) for key, value in store.scan(MARK_PREFIX, successor(MARK_PREFIX)))


def test_a_mark_is_written_with_the_batch_and_read_again() -> None:
    store, marks = MemoryStore(), Marks(())
    marks.note((0, 9), (3, 1))
    marks.note((0, 9), (3, 2))
    assert marks.of(0, 9) == (3, 2)
    assert marks.operations() == [(mark_key(0, 9), mark_value((3, 2)))]
    assert marks.operations() == [], "nothing new"
    marks.note((0, 9), (3, 3))
    store.write(marks.operations(), True)
    assert kept(store).of(0, 9) == (3, 3)


def test_a_stretch_of_several_has_the_lowest_and_one_with_a_gap_none() -> None:
    marks = Marks([(0, 9, (3, 7)), (10, 19, (4, 1)), (30, 39, (9, 9))])
    assert marks.of(2, 5) == (3, 7)
    assert marks.of(0, 19) == (3, 7)
    assert marks.of(12, 15) == (4, 1)
    assert marks.of(0, 39) == NOTHING
    assert marks.of(20, 25) == NOTHING


def test_a_new_stretch_takes_the_place_of_those_that_it_lies_over() -> None:
    store, marks = MemoryStore(), Marks(())
    marks.note((0, 9), (3, 7))
    marks.note((10, 19), (4, 1))
    store.write(marks.operations(), True)
    marks.note((5, 14), (5, 0))
    store.write(marks.operations(), True)
    for found in (marks, kept(store)):
        assert [found.of(*stretch) for stretch in ((0, 4), (5, 14), (15, 19))] == [(3, 7), (5, 0), (4, 1)]


def test_what_is_deleted_has_no_mark() -> None:
    store, marks = MemoryStore(), Marks(())
    marks.note((0, 19), (3, 7))
    store.write(marks.operations(), True)
    marks.note((0, 19), (3, 8))
    store.write(marks.forget(5, 9), True)
    store.write(marks.operations(), True)
    for found in (marks, kept(store)):
        assert [found.of(*stretch) for stretch in ((0, 4), (5, 9), (10, 19))] == [(3, 7), NOTHING, (3, 7)]
