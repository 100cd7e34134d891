"""What the parts of a node stand on: the disk in order, messages to members, answers to whoever asked."""

from __future__ import annotations

from math import inf

import pytest

from tests.harness import HIVE, identity
from wrpme.core.context import NodeContext
from wrpme.core.io import Persist, ReplyTo, Say, Send, Settings
from wrpme.daemon.storage.store import MemoryStore
from wrpme.errors import UnstableError
from wrpme.limits import EVENTS_KEPT, STREAM_BYTES_USUAL
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import (
    Answer, AskView, Body, Done, Envelope, Failed, Forwarded, Stream, StreamAck, StreamAcks, Streams, Writes,
)  # fmt: skip
from wrpme.protocol.view import NOBODY, Arc, Member, State, View

A, B, C = (identity(name) for name in "abc")


def view(epoch: int = 5, incarnation: int = 1, b: State = State.UP, a: State = State.UP) -> View:
    members = (Member(A, incarnation, "host-a:1", 1, a), Member(B, 1, "host-b:1", 2, b))
    return View(epoch, HIVE, 3, 1, members, (Arc((1 << 64) - 1, 1, (A,)),), (A,))


@pytest.fixture
def context() -> NodeContext:
    return NodeContext(Settings(A, 1, "host-a:1"), MemoryStore(), 100.0)


def persists(context: NodeContext) -> list[Persist]:
    effects, context.outbox.effects = context.outbox.effects, []
    return [effect for effect in effects if isinstance(effect, Persist)]


# --- much at once ---


def test_answers_that_are_large_together_leave_in_several_messages(context: NodeContext) -> None:
    """A node may compare many arcs at once: what it hears back must fit into frames all the same."""
    context.adopt(view())
    have = tuple((b"k" * 1033, bytes(16)) for _ in range(256))
    for end in range(40):
        context.outbox.send_ack(B, StreamAck(end, 1, 1, 4, tuple(Answer(number, False, have) for number in range(4))))
    context.outbox.flush_messages(context.now)
    bodies = [body for _, body in sent(context)]
    assert len(bodies) > 5
    assert [ack.end for body in bodies if isinstance(body, StreamAcks) for ack in body.acks] == list(range(40))
    assert all(len(encode(body)) < 2 * STREAM_BYTES_USUAL for body in bodies)


def test_who_is_no_member_any_more_owes_nothing(context: NodeContext) -> None:
    context.adopt(view())
    context.outbox.send_stream(B, stream(7), context.now)
    context.outbox.flush_messages(context.now)
    assert not context.outbox.may_stream(B, context.now)
    context.adopt(View(6, HIVE, 3, 1, view().members[:1], view().arcs, (A,)))
    assert context.outbox.may_stream(B, context.now)


# --- the disk ----------------------------------------------------------------------------------------------------


def test_one_batch_is_on_its_way_and_the_next_one_gathers(context: NodeContext) -> None:
    assert context.commits.idle
    assert context.commits.write([(b"k1", b"1")]) == 1
    assert context.commits.write([(b"k2", None)]) == 1
    context.flush_disk()
    assert persists(context) == [Persist(1, [(b"k1", b"1"), (b"k2", None)], False)]
    assert context.commits.write([(b"k3", b"3")]) == 2
    context.flush_disk()
    context.flush_disk()
    assert persists(context) == [] and not context.commits.idle
    context.commits.on_persisted(1, context.now)
    context.flush_disk()
    assert persists(context) == [Persist(2, [(b"k3", b"3")], False)]
    context.commits.on_persisted(2, context.now)
    context.flush_disk()
    assert persists(context) == [] and context.commits.idle


def test_one_that_must_be_synced_makes_its_batch_so_and_no_other(context: NodeContext) -> None:
    context.commits.write([(b"k1", b"1")], must_sync=True)
    context.commits.write([(b"k2", b"2")])
    context.flush_disk()
    context.commits.write([(b"k3", b"3")])
    context.commits.on_persisted(1, context.now)
    context.flush_disk()
    assert [batch.must_sync for batch in persists(context)] == [True, False]


def test_what_waits_for_the_disk_is_done_in_order_and_not_before(context: NodeContext) -> None:
    done: list[str] = []
    context.commits.after_disk(lambda: done.append("at once: nothing is to be waited for"))
    assert len(done) == 1
    done.clear()
    context.commits.write([(b"k1", b"1")])
    context.commits.after_disk(lambda: done.append("first"))
    context.flush_disk()
    context.commits.after_disk(lambda: done.append("second, for the same batch"))
    context.commits.write([(b"k2", b"2")])
    context.commits.after_disk(lambda: done.append("third, for the next one"))
    assert done == []
    context.commits.on_persisted(1, context.now)
    assert done == ["first", "second, for the same batch"]
    context.flush_disk()
    context.commits.on_persisted(2, context.now)
    assert done[2:] == ["third, for the next one"]


def test_what_waited_may_write_and_wait_again(context: NodeContext) -> None:
    done: list[int] = []

    def first() -> None:
        context.commits.write([(b"k2", b"2")])
        context.commits.after_disk(lambda: done.append(2))

    context.commits.write([(b"k1", b"1")])
    context.commits.after_disk(first)
    context.flush_disk()
    context.commits.on_persisted(1, context.now)
    assert done == []
    context.flush_disk()
    context.commits.on_persisted(2, context.now)
    assert done == [2]


# --- the view ----------------------------------------------------------------------------------------------------


def test_a_node_lives_only_in_this_very_life(context: NodeContext) -> None:
    assert not context.lives
    context.adopt(view())
    assert context.lives and context.this_life and context.alive == {A, B}
    context.adopt(view(6, incarnation=2))
    assert not context.lives and not context.this_life, "the view means another life of it"
    context.adopt(view(7, a=State.DOWN))
    assert not context.lives and context.this_life, "down, but it has been there throughout"
    context.adopt(view(8))
    assert context.lives and context.this_life


def test_since_when_a_member_is_down(context: NodeContext) -> None:
    context.adopt(view(b=State.DOWN))
    context.now = 130.0
    context.adopt(view(6, b=State.DOWN))
    assert context.down_since == {B: 100.0}, "not since the last view"
    context.adopt(view(7))
    assert context.down_since == {}


def test_epochs_that_were_heard_of_are_kept_for_members_only(context: NodeContext) -> None:
    context.known_epochs = {B: 4, C: 4}
    context.adopt(view())
    assert context.known_epochs == {A: 5, B: 4}


# --- streams -----------------------------------------------------------------------------------------------------


def sent(context: NodeContext) -> list[tuple[str, Body]]:
    effects, context.outbox.effects = context.outbox.effects, []
    return [(effect.address, effect.envelope.body) for effect in effects if isinstance(effect, Send)]


def stream(end: int, size: int = 1) -> Stream:
    return Stream(end, 1, 1, 1, (Writes(((b"k", bytes(size)),)),))


def test_what_a_turn_has_for_a_node_is_one_message(context: NodeContext) -> None:
    context.adopt(view())
    acks = [StreamAck(9, 1, 1, 4), StreamAck(10, 1, 1, 1)]
    for ack in acks:
        context.outbox.send_ack(B, ack)
    context.outbox.send_stream(B, stream(7), context.now)
    context.outbox.send_stream(B, stream(8), context.now)
    assert sent(context) == [], "the turn is not over"
    context.outbox.flush_messages(context.now)
    assert sent(context) == [("host-b:1", Streams((stream(7), stream(8)))), ("host-b:1", StreamAcks(tuple(acks)))]
    context.outbox.flush_messages(context.now)
    assert sent(context) == []


def test_a_message_that_is_large_enough_leaves_at_once(context: NodeContext) -> None:
    context.adopt(view())
    context.outbox.send_stream(B, stream(7), context.now)
    context.outbox.send_stream(B, stream(8, STREAM_BYTES_USUAL), context.now)
    context.outbox.send_stream(B, stream(9), context.now)
    assert sent(context) == [("host-b:1", Streams((stream(7), stream(8, STREAM_BYTES_USUAL))))]
    context.outbox.flush_messages(context.now)
    assert sent(context) == [("host-b:1", Streams((stream(9),)))], "the order is kept"


def acks_sent(context: NodeContext, *acks: StreamAck) -> tuple[StreamAck, ...]:
    context.adopt(view())
    for ack in acks:
        context.outbox.send_ack(B, ack)
    context.outbox.flush_messages(context.now)
    ((_, body),) = sent(context)
    assert isinstance(body, StreamAcks)
    return body.acks


def test_of_one_run_the_last_acknowledgement_leaves_with_all_answers(context: NodeContext) -> None:
    first, second = Answer(1, True), Answer(2, False)
    acks = StreamAck(9, 1, 1, 1, (first,)), StreamAck(9, 1, 1, 2, (second,)), StreamAck(9, 1, 1, 3)
    assert acks_sent(context, *acks) == (StreamAck(9, 1, 1, 3, (first, second)),)


@pytest.mark.parametrize("other", [StreamAck(8, 1, 1, 2), StreamAck(9, 2, 1, 2), StreamAck(9, 1, 2, 2)])
def test_acknowledgements_of_other_runs_stand_by_themselves(context: NodeContext, other: StreamAck) -> None:
    assert acks_sent(context, StreamAck(9, 1, 1, 5), other) == (StreamAck(9, 1, 1, 5), other)


def test_a_refusal_carries_no_answers(context: NodeContext) -> None:
    assert acks_sent(context, StreamAck(9, 1, 1, 1, (Answer(1, True),)), StreamAck(9, 1, 1, -1)) == (
        StreamAck(9, 1, 1, -1),
    )


# --- to others ---------------------------------------------------------------------------------------------------


def test_a_message_says_who_where_and_of_which_view(context: NodeContext) -> None:
    context.outbox.send_to("host-b:1", AskView())
    context.adopt(view())
    context.outbox.send(B, AskView())
    context.outbox.send(C, AskView())
    assert context.outbox.effects == [
        Send("host-b:1", Envelope(b"", 1, A, 1, NOBODY, 0, AskView())),
        Send("host-b:1", Envelope(HIVE, 3, A, 1, B, 5, AskView())),
    ]


def test_an_address_for_a_sentence(context: NodeContext) -> None:
    context.adopt(view())
    assert context.address_of(B) == "host-b:1"
    assert context.address_of(C) == C.hex()[:8]


def test_answers_go_to_whoever_asked_and_back_on_the_same_connection(context: NodeContext) -> None:
    context.adopt(view())
    context.outbox.reply(7, Done(1))
    context.outbox.reply((8, B, 0), Done(2), valid_until=101.0)
    context.outbox.fail((8, B, 0), 3, UnstableError("try again"))
    assert context.outbox.effects == [
        ReplyTo(7, Done(1), inf),
        ReplyTo(8, context.outbox.envelope(B, Forwarded(Done(2))), 101.0),
        ReplyTo(8, context.outbox.envelope(B, Forwarded(Failed(3, UnstableError.code, "try again"))), inf),
    ]


def test_a_round_trip_is_learnt_and_one_late_answer_is_no_distance(context: NodeContext) -> None:
    assert context.round_trip((A, B, C)) == 0.0
    context.note_round_trip(B, 0.3)
    context.note_round_trip(C, 0.1)
    assert context.round_trip((B, C)) == 0.3 and context.round_trip((C,)) == 0.1
    context.note_round_trip(C, 60.0)
    assert 0.1 < context.round_trip((C,)) < 0.4
    for _ in range(20):
        context.note_round_trip(C, 0.1)
    assert abs(context.round_trip((C,)) - 0.1) < 0.01


def test_the_wall_clock_is_the_runners(context: NodeContext) -> None:
    context.wall_offset_milliseconds = 1_700_000_000_000.0
    assert context.wall() == 1_700_000_100_000.0


def test_a_story_is_bounded(context: NodeContext) -> None:
    for number in range(EVENTS_KEPT + 5):
        context.say("info", f"line {number}")
    assert len(context.story) == EVENTS_KEPT
    assert context.story[-1] == f"100.000 line {EVENTS_KEPT + 4}"
    assert context.outbox.effects[0] == Say("info", "line 0")


def test_what_was_settled_is_known_after_a_restart_and_of_parts_of_the_arc() -> None:
    store = MemoryStore()
    before = NodeContext(Settings(A, 1, "host-a:1"), store, 0.0)
    before.reconciled.note(0, 99, 7)
    before.flush_disk()
    store.write(persists(before)[0].operations, sync=True)
    after = NodeContext(Settings(A, 2, "host-a:1"), store, 0.0)
    known = after.reconciled
    assert (known.version(0, 99), known.version(50, 99), known.version(50, 100)) == (7, 7, 0)
    after.reconciled.forget(0, 99)
    after.flush_disk()
    store.write(persists(after)[0].operations, sync=True)
    assert NodeContext(Settings(A, 3, "host-a:1"), store, 0.0).reconciled.version(0, 99) == 0


def test_a_note_of_what_was_settled_goes_with_the_last_arc_that_needs_it(context: NodeContext) -> None:
    """Also one of a larger arc, which was divided since."""
    context.reconciled.note(0, 99, 7)
    context.reconciled.keep([(50, 60)])
    assert context.reconciled.version(50, 60) == 7
    context.reconciled.keep([(100, 120)])
    assert context.reconciled.version(50, 60) == 0
    context.flush_disk()
    (batch,) = persists(context)
    assert batch.operations[-1][1] is None
