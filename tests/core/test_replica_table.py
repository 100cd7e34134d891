"""The replicas of a node follow its views."""

from __future__ import annotations

from itertools import count as numbers

from msgspec.structs import replace

from tests.harness import hive_of
from tests.replica_parts import END, A, B, Bench, view_of
from wrpme.core.layout import key_of
from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.messages import Done, Put, Stream, StreamAck, StreamAcks
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


# --- messages of streams, and their numbers ----------------------------------------------------------------------


def followed() -> Bench:
    """A is the owner and B the holder of the one arc; a write of A has arrived at B, and is not on its disk yet."""
    made = Bench(Arc(END, 1, (A, B)))
    made.settle()
    made.lease(A, B)
    return made


def streams_of(made: Bench, alias: bytes) -> Stream:
    made[A].ask(Put(1, alias, b"1"))
    made[A].drain()
    (stream,) = [body for _, _, body in made.wire if isinstance(body, Stream)]
    made.wire.clear()
    return stream


def test_a_message_that_was_taken_whole_is_acknowledged_by_its_number() -> None:
    made = followed()
    stream = streams_of(made, b"x")
    made[B].table.on_streams(A, 1, (stream,), 5)
    made[B].collect()
    assert not made.wire, "it is not on disk"
    made[B].drain()
    assert made.wire == [(B, A, StreamAcks((), (5,), 1))]


def test_of_a_message_that_follows_on_a_gap_nothing_is_acknowledged_by_its_number() -> None:
    made = followed()
    stream = replace(streams_of(made, b"x"), first=9)
    made[B].table.on_streams(A, 1, (stream,), 5)
    made[B].collect()
    made[B].drain()
    (ack,) = [body for _, _, body in made.wire if isinstance(body, StreamAck)]
    assert ack.upto == 1 and not [
        body for _, _, body in made.wire if isinstance(body, StreamAcks) and 5 in body.numbers
    ]


def test_a_run_that_is_given_up_before_the_disk_has_it_is_not_acknowledged() -> None:
    made = followed()
    stream = streams_of(made, b"x")
    made[B].table.on_streams(A, 1, (stream,), 5)
    made[B].collect()
    made[B].adopt(view_of(Arc(END, 2, (A, B)), 2))
    made.wire.clear()
    made[B].drain()
    assert [body for _, _, body in made.wire if isinstance(body, StreamAck | StreamAcks)] == [StreamAcks((), (-5,), 1)]


def test_numbers_of_a_former_life_acknowledge_nothing() -> None:
    """This life has sent other writes under the same numbers."""
    made = followed()
    session = made[A].ask(Put(1, b"x", b"1"))
    made[A].drain()
    (number,) = made[A].context.outbox._unanswered[B]
    made[A].table.on_acks(B, StreamAcks((), (number,), 2))
    made[A].collect()
    assert session not in made[A].replies
    made[A].table.on_acks(B, StreamAcks((), (number,), 1))
    made[A].collect()
    assert made[A].replies[session] == Done(1)
