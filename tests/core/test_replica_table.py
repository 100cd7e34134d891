"""The replicas of a node follow its views."""

from __future__ import annotations

from itertools import count as numbers

from msgspec.structs import replace

from tests.harness import hive_of
from tests.replica_parts import END, A, B, Bench, view_of
from wrpme.core.layout import key_of
from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.messages import (
    Done, Put,
)  # fmt: skip
from wrpme.protocol.view import Arc, View

HALF = ring.end_of_slot(SLOTS // 2)
WHOLE = (Arc(END, 1, (A,)),)


def with_arcs(view: View, *arcs: Arc) -> View:
    return replace(view, arcs=arcs)


def alias_in(first: int, last: int) -> bytes:
    return next(b"k%d" % number for number in numbers() if first <= ring.hash_of(b"k%d" % number) <= last)


# --- arcs that are divided, and joined again ----------------------------------------------------------------------


def test_a_divided_arc_keeps_its_pending_writes() -> None:
    made = Bench(WHOLE[0], (A,))
    left, right = alias_in(0, HALF), alias_in(HALF + 1, END)
    sessions = [made[A].ask(Put(1, left, b"1")), made[A].ask(Put(2, right, b"2"))]
    divided = with_arcs(view_of(WHOLE[0], 2), Arc(HALF, 2, (A,)), Arc(END, 2, (A,), (B,)))
    made[A].adopt(divided)
    assert [replica.first for replica in made[A].table.mine] == [0, HALF + 1]
    assert [len(replica.writes.queue) for replica in made[A].table.mine] == [1, 1]
    made.settle()
    assert [made[A].replies[session] for session in sessions] == [Done(1), Done(2)]
    assert set(made[A].stored()) == {left, right}
    made[A].tick()
    made.settle()
    joined = with_arcs(view_of(WHOLE[0], 3), Arc(END, 3, (A,)))
    third = made[A].table.at(0)
    assert third is not None
    third.execute(99, Put(3, alias_in(0, HALF) + b"x", b""), key_of(5, b"a"))
    made[A].collect()
    made[A].adopt(joined)
    assert len(made[A].table.mine) == 1 and len(made[A].replica.writes.queue) == 1
    made.settle()
    assert made[A].replies[99] == Done(3)


def test_replicas_that_go_on_keep_what_they_have() -> None:
    made = Bench(WHOLE[0], (A,), with_arcs(view_of(WHOLE[0]), Arc(HALF, 1, (A,)), Arc(END, 1, (A,))))
    left = made[A].table.mine[0]
    made[A].adopt(with_arcs(view_of(WHOLE[0], 2), Arc(HALF, 1, (A,)), Arc(END, 2, (A,), (B,))))
    assert made[A].table.mine[0] is left and left.serving


def test_each_position_has_the_replica_of_its_arc() -> None:
    made = Bench(WHOLE[0], (A,), with_arcs(view_of(WHOLE[0]), Arc(HALF, 1, (A,)), Arc(END, 1, (B,))))
    table = made[A].table
    assert table.at(0) is table.at(HALF) is table.ending(HALF) is not None
    assert table.at(HALF + 1) is table.at(END) is None
    assert table.ending(HALF - 1) is None and table.ending(END) is None


# --- whole nodes -------------------------------------------------------------------------------------------------


def test_counts_are_taken_from_the_disk_at_the_start() -> None:
    hive = hive_of("a")
    for number in range(30):
        hive.ask("a", Put(1, b"k%d" % number, b"12345"))
    hive.kill("a")
    hive.start("a")
    hive.stable("a")
    entries = sum(len(b"k%d" % number) + 5 for number in range(30))
    told = hive.nodes["a"].status()
    assert (told.share, told.entries, told.bytes) == (1.0, 30, entries)
