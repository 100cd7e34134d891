"""One arc that two or three nodes hold: who must have a write before it is answered, and the suffixes of all of
them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.harness import word_of
from tests.replica_parts import END, THREE, TWO, A, B, Bench, C, deliver_to, held, suffix_of, view_of, waiting
from wrpme.core.layout import key_of, operations_for, value_of
from wrpme.core.replication import sender
from wrpme.core.replication import stream as streams
from wrpme.core.replication.replica import Role
from wrpme.core.limits import COPY_SILENCE_SECONDS, PROMISE_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.messages import (
    Committed, Content, Counts, Done, Get, GetSuffix, Item, Pair, Put, Remove, Stream, StreamAck, Suffix, Update,
    Writes,
)  # fmt: skip
from wrpme.protocol.ring import hash_of
from wrpme.protocol.view import Activated, Arc, NodeId


def pair(alias: bytes, number: int, content: bytes = b"") -> Pair:
    return key_of(hash_of(alias), alias), value_of((1, number), 0, content)


def stream(version: int, run: int, first: int, *items: Item, settled: int = 0) -> Stream:
    return Stream(END, version, run, first, items, settled)


# --- a write -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [A, B, C])
def test_a_write_is_answered_when_every_holder_has_it_on_disk(last: NodeId) -> None:
    made = held()
    session = made[A].ask(Put(7, b"x", b"1"))
    for node in (B, C):
        deliver_to(made, node)
    for node in (A, B, C):
        if node != last:
            made[node].drain()
    deliver_to(made, A)
    assert session not in made[A].replies, "one of the three disks has not taken it"
    made[last].drain()
    deliver_to(made, A)
    assert made[A].replies[session] == Done(7)
    assert [made[node].stored() for node in (A, B, C)] == [{b"x": ((1, 1), b"1")}] * 3


def test_a_holder_that_has_not_answered_holds_up_every_write() -> None:
    made = held()
    session = made[A].ask(Put(7, b"x", b"1"))
    deliver_to(made, B)
    for node in (A, B):
        made[node].drain()
    deliver_to(made, A)
    assert session not in made[A].replies and waiting(made, Stream) == [(A, C)]
    made.settle()
    assert made[A].replies[session] == Done(7)


def test_a_reader_waits_for_all_holders_too() -> None:
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    read = made[A].ask(Get(2, b"x"))
    made[A].drain()
    deliver_to(made, B)
    made[B].drain()
    deliver_to(made, A)
    assert read not in made[A].replies
    made.settle()
    assert made[A].replies[read] == Content(2, b"1")


@pytest.mark.parametrize("silent", [B, C])
def test_the_lease_needs_every_other_holder(silent: NodeId) -> None:
    made = held()
    made.now += LEASE_SECONDS - 0.01
    assert word_of(made[A].replies[made[A].ask(Get(1, b"x"))]) == "not_found"
    heartbeats = made[A].context.heartbeats
    heartbeats.acknowledged(B if silent == C else C, made.now, made.now)
    made.now += 0.01
    assert "lost sight of b, c" in made[A].fails(made[A].ask(Get(1, b"x")))
    heartbeats.acknowledged(silent, made.now, made.now)
    assert word_of(made[A].replies[made[A].ask(Get(1, b"x"))]) == "not_found"


def test_what_is_lost_on_the_way_to_a_holder_is_sent_again() -> None:
    made = held()
    session = made[A].ask(Put(7, b"x", b"1"))
    made.wire.clear()
    made.settle()
    assert session not in made[A].replies
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert made[A].replies[session] == Done(7)


# --- what a holder takes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (C, stream(1, 9, 1, Writes((pair(b"lie", 1),)))),
        (A, stream(2, 9, 1, Writes((pair(b"lie", 1),)))),
        (A, stream(0, 9, 1, Writes((pair(b"lie", 1),)))),
        (A, stream(1, 9, 2, Writes((pair(b"lie", 1),)))),
        (A, stream(1, 0, 1, Writes((pair(b"lie", 1),)))),
    ],
    ids=["another node", "a later version", "an earlier version", "not from its beginning", "an earlier run"],
)
def test_a_holder_takes_nothing_else(source: NodeId, message: Stream) -> None:
    made = held()
    made[B].hear(source, message)
    made[B].drain()
    assert b"lie" not in made[B].stored() and suffix_of(made[B]) == set()
    made.settle()
    session = made[A].ask(Put(1, b"x", b"1"))
    made.settle()
    assert made[A].replies[session] == Done(1), "the honest stream goes on"


def test_a_holder_acknowledges_only_the_next_items_and_only_once_they_are_on_its_disk() -> None:
    made = held()
    run = made[A].replica.copies[B]._stream.run
    made[B].hear(A, stream(1, run, 3, Writes((pair(b"later", 2),))))
    made[B].drain()
    assert [body.upto for _, _, body in made.wire if isinstance(body, StreamAck)] == [1], "a gap"
    made.wire.clear()
    made[B].hear(A, stream(1, run, 2, Writes((pair(b"x", 1),)), Writes((pair(b"y", 2),))))
    assert not waiting(made, StreamAck), "it is not on disk"
    made[B].drain()
    assert [body.upto for _, _, body in made.wire if isinstance(body, StreamAck)] == [3]
    assert set(made[B].stored()) == {b"x", b"y"}


def test_a_holder_does_not_acknowledge_what_it_had_not_on_disk_before_the_version_changed() -> None:
    made = held(TWO)
    session = made[A].ask(Put(7, b"x", b"1"))
    deliver_to(made, B)
    made[B].adopt(view_of(replace(TWO, version=2), 2))
    made[B].drain()
    assert not waiting(made, StreamAck) and b"x" in made[B].stored()
    made[A].drain()
    assert session not in made[A].replies


# --- the suffix of a holder ----------------------------------------------------------------------------------------


def test_the_suffix_of_a_holder_is_what_it_does_not_know_to_be_acknowledged_by_all() -> None:
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    deliver_to(made, B)
    assert suffix_of(made[B]) == {b"x"}, "not on its disk yet"
    made[B].drain()
    assert suffix_of(made[B]) == {b"x"}, "on its own disk is not on all"
    made.settle()
    assert suffix_of(made[B]) == {b"x"}, "nobody told it"
    made[A].ask(Put(1, b"y", b"1"))
    made.settle()
    assert suffix_of(made[B]) == suffix_of(made[C]) == {b"y"}, "the next write tells of the one before"


def test_where_nothing_more_is_written_the_owner_tells_by_itself_and_once() -> None:
    made = held()
    for alias in (b"x", b"y", b"z"):
        made[A].ask(Put(1, alias, b"1"))
    made.settle()
    assert suffix_of(made[B]) and made[A].table.busy, "it has to be woken for it"
    made[A].tick(again=True)
    made.settle()
    assert suffix_of(made[B]) == suffix_of(made[C]) == set()
    made[A].tick(again=True)
    assert not made.wire and not made[A].table.busy, "once is enough"


def test_the_suffix_does_not_shrink_while_one_holder_has_not_acknowledged() -> None:
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    deliver_to(made, B)
    made[A].drain()
    made[B].drain()
    deliver_to(made, A)
    made[A].ask(Put(1, b"y", b"1"))
    made[A].tick(again=True)
    deliver_to(made, B)
    assert suffix_of(made[B]) == {b"x", b"y"}


def test_what_one_write_settles_says_nothing_of_those_after_it() -> None:
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    deliver_to(made, B)
    deliver_to(made, C)
    made[B].drain()
    deliver_to(made, A)
    made[A].ask(Put(2, b"y", b"1"))
    deliver_to(made, B)
    for node in (C, A):
        made[node].drain()
    deliver_to(made, A)
    assert made[A].replica.writes.committed == 1, "x is acknowledged by all, y not by c"
    made[B].drain()
    deliver_to(made, A)
    made[A].ask(Put(3, b"z", b"1"))
    deliver_to(made, B)
    assert suffix_of(made[B]) == {b"y", b"z"}


# --- a new owner, and the suffixes of all ---------------------------------------------------------------------------


def test_a_write_that_one_holder_alone_received_is_on_all_after_the_owner_died() -> None:
    """Nobody knows whether it was answered: so it was."""
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    deliver_to(made, C)
    made.wire.clear()
    del made.sides[A]
    dead = view_of(Arc(END, 2, (B, C), (), (A,), wanted=(A, B, C)), 2, down=(A,))
    made.adopt(dead, B, C)
    made.now += PROMISE_SECONDS
    made[B].tick(again=True)
    made.settle()
    made.lease(B, C)
    assert made[B].replica.serving
    assert made[B].replies[made[B].ask(Get(2, b"x"))] == Content(2, b"1")
    assert made[B].stored() == made[C].stored() == {b"x": ((1, 1), b"1")}


def test_the_new_owner_waits_for_the_suffix_of_every_live_holder() -> None:
    made = held()
    dead = view_of(Arc(END, 2, (B, C), (), (A,), wanted=(A, B, C)), 2, down=(A,))
    made[B].adopt(dead)
    made.now += PROMISE_SECONDS
    made[B].tick(again=True)
    assert "waits for c before it serves" in made[B].fails(made[B].ask(Get(1, b"x")))
    made.settle()
    assert not made[B].replica.serving, "c has not adopted the view"
    made.adopt(dead, C)
    made.settle()
    assert made[B].replica.serving


def test_the_highest_version_of_all_suffix_is_put_on_every_holder() -> None:
    made = held()
    for node, pairs in {
        A: (pair(b"p", 1, b"a"), pair(b"q", 4, b"latest")), B: (pair(b"p", 2, b"b"),), C: (pair(b"p", 3, b"latest"),)
    }.items():  # fmt: skip
        made[node].replica.writes.receive(9, pairs)
        made[node].collect()
        made[node].drain()
    made.wire.clear()
    made.adopt(view_of(Arc(END, 2, (B, C, A), (), (A,), wanted=(B, C, A)), 2))
    made.settle()
    assert made[B].replica.serving
    for node in (A, B, C):
        assert {alias: content for alias, (_, content) in made[node].stored().items()} == {
            b"p": b"latest", b"q": b"latest"
        }  # fmt: skip


def test_a_removal_that_the_new_owner_never_had_goes_to_the_others() -> None:
    """The owner has neither the entry nor its removal; a holder that has the entry must hear of it all the same."""
    made = held()
    made[A].store.write(operations_for(*pair(b"x", 1)), True)
    made[C].store.write(operations_for(*pair(b"x", 1)), True)
    for node in (A, C):
        made[node].context.slots.add(hash_of(b"x"), 1, 1)
    made[A].ask(Remove(1, b"x"))
    made.wire.clear()
    made.adopt(view_of(Arc(END, 2, (B, C, A), (), (A,), wanted=(B, C, A)), 2))
    made.settle()
    assert made[B].replica.serving
    assert made[A].stored() == made[B].stored() == made[C].stored() == {}
    assert [made[node].replica.counts() for node in (A, B, C)] == [(0, 0)] * 3


def test_what_the_suffix_brought_is_read_only_when_all_have_it() -> None:
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    deliver_to(made, B)
    made.wire.clear()
    made.adopt(view_of(Arc(END, 2, (B, C, A), (), (A,), wanted=(B, C, A)), 2))
    while not made[B].replica.serving:
        made.deliver()
    made.lease(B, A, C)
    made[B].drain()
    read = made[B].ask(Get(2, b"x"))
    assert read not in made[B].replies, "the others could still come up without it"
    assert made[B].context.outbox.reports == [], "and nobody is told to forget the former owner"
    made.settle()
    assert made[B].replies[read] == Content(2, b"1")
    assert made[B].context.outbox.reports == [Activated(END, 2, B, 1)]


def test_a_later_write_of_an_entry_never_falls_back_behind_an_earlier_one_of_the_suffix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (sender, streams):
        monkeypatch.setattr(module, "STREAM_BYTES_USUAL", 1)  # each write a message of its own
    made = held()
    for number in range(3):
        made[A].ask(Update(1, b"x", b"%d" % number))
        made[A].drain()
        deliver_to(made, C)
        made[C].drain()
        deliver_to(made, A)
    assert made[C].stored()[b"x"][1] == b"2"
    made.wire.clear()
    made.adopt(view_of(Arc(END, 2, (A, B, C), wanted=(A, B, C)), 2))
    contents = []
    while made.wire or any(made[node].under_way for node in (A, B, C)):
        made.deliver()
        for node in (A, B, C):
            made[node].persist()
        contents.append(made[C].replica.writes.current(pair(b"x", 1)[0]))
    versions = [value[:16] for value in contents if value is not None]
    assert versions == sorted(versions) and made[C].stored()[b"x"][1] == b"2"


def test_a_holder_that_has_all_suffix_hands_over_nothing_of_before() -> None:
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    deliver_to(made, B)
    made.wire.clear()
    made.adopt(view_of(replace(THREE, version=2), 2))
    assert suffix_of(made[B]) == {b"x"}
    made.settle()
    made[A].tick(again=True)
    made.settle()
    assert [suffix_of(made[node]) for node in (A, B, C)] == [set()] * 3


def test_what_the_owner_knows_to_be_settled_no_suffix_of_a_holder_brings_back() -> None:
    """A copy of the stream is late: a holder still has in its suffix what was removed since, at a settled version."""
    made = held()
    made.adopt(view_of(Arc(END, 3, (B, C, A), (), (A,), wanted=(B, C, A)), 3))
    made.settle()
    assert made[B].replica.serving
    made.adopt(view_of(Arc(END, 4, (C, B, A), (), (A, B), wanted=(C, B, A)), 4))
    made[C].hear(A, Suffix(END, 4, (pair(b"x", 1),)))
    made.settle()
    assert made[C].replica.serving and made[C].stored() == {}, "c learnt from b's stream that 3 was settled"


def _removed_behind_the_back_of_a_former_owner() -> Bench:
    """A wrote x, B took it over and removed it since, and all of that is settled; A heard of none of it."""
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    made.wire.clear()
    made.lost = (Committed,)
    made.adopt(view_of(Arc(END, 3, (B, C), (A,), (A,), wanted=(B, C, A)), 3))
    made.settle()
    made.lease(B, C, A)
    removed = made[B].ask(Remove(2, b"x"))
    made.quiet(B)
    assert made[B].replies[removed] == Done(2) and made[A].stored() == {}, "the copy is complete"
    assert not made[A].replica.settled, "its client still waits"
    made.adopt(view_of(Arc(END, 4, (B, C), (A,), (), (B, C, A), ((END, 3),)), 4), B, C)
    return made


def test_what_the_view_calls_settled_no_former_owner_hands_over() -> None:
    made = _removed_behind_the_back_of_a_former_owner()
    made.wire.clear()
    made.adopt(view_of(Arc(END, 5, (B, A), (), (), (B, A), ((END, 3),)), 5))
    assert [body.pairs for source, _, body in made.wire if source == A and isinstance(body, Suffix)] == [()]
    made.settle()
    assert made[B].replica.serving and made[B].stored() == made[A].stored() == {}


def test_what_the_view_calls_settled_an_owner_takes_from_nobody() -> None:
    made = _removed_behind_the_back_of_a_former_owner()
    made.adopt(view_of(Arc(END, 5, (B, C), (), (), (B, C), ((END, 3),)), 5), B, C)
    made.wire.clear()
    made[B].hear(C, Suffix(END, 5, (pair(b"x", 1),)))
    made.settle()
    assert made[B].replica.serving and made[B].stored() == {}


def test_what_the_view_calls_settled_a_former_owner_does_not_put_on_others_itself() -> None:
    made = _removed_behind_the_back_of_a_former_owner()
    made.adopt(view_of(Arc(END, 5, (A, C), (), (B,), (A, C, B), ((END, 3),)), 5))
    made.settle()
    assert made[A].replica.serving and b"x" not in made[C].stored()
    assert made[A].replies[1] == Done(1), "B had its suffix"
    made.lease(A, C)
    asked = made[A].ask(Get(9, b"x"))
    made.settle()
    assert "no entry" in made[A].fails(asked)


# --- a planned stop ----------------------------------------------------------------------------------------------


def test_a_planned_stop_has_its_pending_writes_answered_by_the_next_owner() -> None:
    made = held()
    sessions = [made[A].ask(Put(number, b"k%d" % number, b"1")) for number in range(1, 4)]
    deliver_to(made, C)
    made.wire.clear()
    made.adopt(view_of(Arc(END, 2, (B, C), (), (A,), wanted=(A, B, C)), 2, down=(A,)))
    assert made.role(A) is Role.FORMER and not made[A].replica.settled
    assert sorted(waiting(made, Suffix)) == [(A, B), (C, B)], "it need not be outwaited"
    made[A].drain()
    deliver_to(made, B)
    assert made[B].replica.serving and not any(session in made[A].replies for session in sessions)
    deliver_to(made, C)
    made[B].drain()
    deliver_to(made, B)
    assert not waiting(made, Committed), "c has it not on disk"
    made.settle()
    assert [made[A].replies[session] for session in sessions] == [Done(1), Done(2), Done(3)]
    assert made[A].replica.settled, "now it may go"
    assert set(made[B].stored()) == set(made[C].stored()) == {b"k1", b"k2", b"k3"}


def test_all_stop_at_once_and_what_was_begun_is_answered() -> None:
    made = held(TWO)
    session = made[A].ask(Put(7, b"x", b"1"))
    made.adopt(view_of(TWO, 2, down=(A, B)), A, B)
    assert made.role(A) is made.role(B) is Role.ASLEEP
    deliver_to(made, B)
    made[A].drain()
    deliver_to(made, A)
    assert session not in made[A].replies, "b's disk does not have it"
    made.settle()
    assert made[A].replies[session] == Done(7)
    assert made[B].stored() == made[A].stored() == {b"x": ((1, 1), b"1")}
    refused = made[A].ask(Put(8, b"y", b"1"))
    assert word_of(made[A].replies[refused]) == "unstable", "nothing new is begun"


def test_who_stops_before_it_has_taken_over_ends_nothing() -> None:
    """A owned the arc, was to hand it over to B, and is alone again before it did; B has an older write of the entry,
    which it is asked for by whoever serves next, and which A's own removal must then outrank or never have been."""
    made = held(TWO)
    session = made[A].ask(Put(7, b"x", b"1"))
    made.settle()
    session = made[A].ask(Remove(8, b"x"))
    made.wire.clear()
    made.adopt(view_of(Arc(END, 2, (B, A), (), (A,), wanted=(B, A)), 2))
    made.wire.clear()
    made.adopt(view_of(Arc(END, 3, (A,), (), (B,), wanted=(B, A)), 3, down=(B,)), A)
    assert made.role(A) is Role.OWNER and not made[A].replica.serving, "B's suffix is missing"
    made.adopt(view_of(Arc(END, 3, (A,), (), (B,), wanted=(B, A)), 4, down=(A, B)), A)
    made[A].drain()
    assert made.role(A) is Role.ASLEEP and session not in made[A].replies


def test_a_committed_of_another_version_or_node_ends_nothing() -> None:
    made = held()
    session = made[A].ask(Put(7, b"x", b"1"))
    made.wire.clear()
    made.adopt(view_of(Arc(END, 2, (B, C), (), (A,), wanted=(A, B, C)), 2, down=(A,)))
    for source, version in ((C, 2), (B, 1), (B, 3)):
        made[A].hear(source, Committed(END, version))
    assert session not in made[A].replies and GetSuffix in {type(body) for _, _, body in made.wire}
    made[A].hear(B, Committed(END, 2))
    assert made[A].replies[session] == Done(7)


def test_the_stream_of_a_holder_begins_with_what_the_suffix_held_and_says_when_that_is_all() -> None:
    made = held()
    made[A].ask(Put(1, b"x", b"1"))
    made.wire.clear()
    made.adopt(view_of(replace(THREE, version=2), 2))
    while not made[A].replica.serving:
        made.deliver()
    kinds = [[type(item) for item in body.items] for _, _, body in made.wire if isinstance(body, Stream)]
    firsts = [body.first for _, _, body in made.wire if isinstance(body, Stream)]
    assert (kinds, firsts) == ([[Writes, Counts]] * 2, [1, 1])


def test_a_large_suffix_is_acknowledged_write_by_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the suffix's writes is overwritten by the last one: a part that arrived says nothing of the rest."""
    made = held(TWO)
    monkeypatch.setattr(sender, "STREAM_BYTES_USUAL", 1000)
    made[A].ask(Update(1, b"x", b"1"))
    second = made[A].ask(Update(2, b"y", bytes(1500)))
    made[A].ask(Update(3, b"x", bytes(1500)))
    made.wire.clear()
    made.adopt(view_of(replace(TWO, version=2), 2))
    while not made[A].replica.serving:
        made.deliver()
    made[A].drain()
    (first, *_) = [sent for sent in made.wire if isinstance(sent[2], Stream)]
    items = [body.items for _, _, body in made.wire if isinstance(body, Stream)]
    made.wire.clear()
    assert isinstance(first[2], Stream)
    made[B].hear(A, replace(first[2], items=first[2].items[:1]))  # the second part is late
    made[B].drain()
    deliver_to(made, A)
    assert b"y" not in made[B].stored()
    assert second not in made[A].replies, items
