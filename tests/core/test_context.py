"""What the parts of a node stand on: the disk in order, messages to members, answers to whoever asked."""

from __future__ import annotations

from math import inf

import pytest

from tests.harness import HIVE, identity
from wrpme.core.context import Ground
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
def ground() -> Ground:
    return Ground(Settings(A, 1, "host-a:1"), MemoryStore(), 100.0)


def persists(ground: Ground) -> list[Persist]:
    effects, ground.effects = ground.effects, []
    return [effect for effect in effects if isinstance(effect, Persist)]


# --- much at once ---


def test_answers_that_are_large_together_leave_in_several_messages(ground: Ground) -> None:
    """A node may compare many arcs at once: what it hears back must fit into frames all the same."""
    ground.adopt(view())
    have = tuple((b"k" * 1033, bytes(16)) for _ in range(256))
    for end in range(40):
        ground.send_ack(B, StreamAck(end, 1, 1, 4, tuple(Answer(number, False, have) for number in range(4))))
    ground.flush_messages()
    bodies = [body for _, body in sent(ground)]
    assert len(bodies) > 5
    assert [ack.end for body in bodies if isinstance(body, StreamAcks) for ack in body.acks] == list(range(40))
    assert all(len(encode(body)) < 2 * STREAM_BYTES_USUAL for body in bodies)


def test_who_is_no_member_any_more_owes_nothing(ground: Ground) -> None:
    ground.adopt(view())
    ground.send_stream(B, stream(7))
    ground.flush_messages()
    assert not ground.may_stream(B)
    ground.adopt(View(6, HIVE, 3, 1, view().members[:1], view().arcs, (A,)))
    assert ground.may_stream(B)


# --- the disk ----------------------------------------------------------------------------------------------------


def test_one_batch_is_on_its_way_and_the_next_one_gathers(ground: Ground) -> None:
    assert ground.idle
    assert ground.write([(b"k1", b"1")]) == 1
    assert ground.write([(b"k2", None)]) == 1
    ground.flush()
    assert persists(ground) == [Persist(1, [(b"k1", b"1"), (b"k2", None)], False)]
    assert ground.write([(b"k3", b"3")]) == 2
    ground.flush()
    ground.flush()
    assert persists(ground) == [] and not ground.idle
    ground.on_persisted(1)
    ground.flush()
    assert persists(ground) == [Persist(2, [(b"k3", b"3")], False)]
    ground.on_persisted(2)
    ground.flush()
    assert persists(ground) == [] and ground.idle


def test_one_that_must_be_synced_makes_its_batch_so_and_no_other(ground: Ground) -> None:
    ground.write([(b"k1", b"1")], must_sync=True)
    ground.write([(b"k2", b"2")])
    ground.flush()
    ground.write([(b"k3", b"3")])
    ground.on_persisted(1)
    ground.flush()
    assert [batch.must_sync for batch in persists(ground)] == [True, False]


def test_what_waits_for_the_disk_is_done_in_order_and_not_before(ground: Ground) -> None:
    done: list[str] = []
    ground.after_disk(lambda: done.append("at once: nothing is to be waited for"))
    assert len(done) == 1
    done.clear()
    ground.write([(b"k1", b"1")])
    ground.after_disk(lambda: done.append("first"))
    ground.flush()
    ground.after_disk(lambda: done.append("second, for the same batch"))
    ground.write([(b"k2", b"2")])
    ground.after_disk(lambda: done.append("third, for the next one"))
    assert done == []
    ground.on_persisted(1)
    assert done == ["first", "second, for the same batch"]
    ground.flush()
    ground.on_persisted(2)
    assert done[2:] == ["third, for the next one"]


def test_what_waited_may_write_and_wait_again(ground: Ground) -> None:
    done: list[int] = []

    def first() -> None:
        ground.write([(b"k2", b"2")])
        ground.after_disk(lambda: done.append(2))

    ground.write([(b"k1", b"1")])
    ground.after_disk(first)
    ground.flush()
    ground.on_persisted(1)
    assert done == []
    ground.flush()
    ground.on_persisted(2)
    assert done == [2]


# --- the view ----------------------------------------------------------------------------------------------------


def test_a_node_lives_only_in_this_very_life(ground: Ground) -> None:
    assert not ground.lives
    ground.adopt(view())
    assert ground.lives and ground.this_life and ground.alive == {A, B}
    ground.adopt(view(6, incarnation=2))
    assert not ground.lives and not ground.this_life, "the view means another life of it"
    ground.adopt(view(7, a=State.DOWN))
    assert not ground.lives and ground.this_life, "down, but it has been there throughout"
    ground.adopt(view(8))
    assert ground.lives and ground.this_life


def test_since_when_a_member_is_down(ground: Ground) -> None:
    ground.adopt(view(b=State.DOWN))
    ground.now = 130.0
    ground.adopt(view(6, b=State.DOWN))
    assert ground.down_since == {B: 100.0}, "not since the last view"
    ground.adopt(view(7))
    assert ground.down_since == {}


def test_epochs_that_were_heard_of_are_kept_for_members_only(ground: Ground) -> None:
    ground.known_epochs = {B: 4, C: 4}
    ground.adopt(view())
    assert ground.known_epochs == {A: 5, B: 4}


# --- streams -----------------------------------------------------------------------------------------------------


def sent(ground: Ground) -> list[tuple[str, Body]]:
    effects, ground.effects = ground.effects, []
    return [(effect.address, effect.envelope.body) for effect in effects if isinstance(effect, Send)]


def stream(end: int, size: int = 1) -> Stream:
    return Stream(end, 1, 1, 1, (Writes(((b"k", bytes(size)),)),))


def test_what_a_turn_has_for_a_node_is_one_message(ground: Ground) -> None:
    ground.adopt(view())
    acks = [StreamAck(9, 1, 1, 4), StreamAck(10, 1, 1, 1)]
    for ack in acks:
        ground.send_ack(B, ack)
    ground.send_stream(B, stream(7))
    ground.send_stream(B, stream(8))
    assert sent(ground) == [], "the turn is not over"
    ground.flush_messages()
    assert sent(ground) == [("host-b:1", Streams((stream(7), stream(8)))), ("host-b:1", StreamAcks(tuple(acks)))]
    ground.flush_messages()
    assert sent(ground) == []


def test_a_message_that_is_large_enough_leaves_at_once(ground: Ground) -> None:
    ground.adopt(view())
    ground.send_stream(B, stream(7))
    ground.send_stream(B, stream(8, STREAM_BYTES_USUAL))
    ground.send_stream(B, stream(9))
    assert sent(ground) == [("host-b:1", Streams((stream(7), stream(8, STREAM_BYTES_USUAL))))]
    ground.flush_messages()
    assert sent(ground) == [("host-b:1", Streams((stream(9),)))], "the order is kept"


def acks_sent(ground: Ground, *acks: StreamAck) -> tuple[StreamAck, ...]:
    ground.adopt(view())
    for ack in acks:
        ground.send_ack(B, ack)
    ground.flush_messages()
    ((_, body),) = sent(ground)
    assert isinstance(body, StreamAcks)
    return body.acks


def test_of_one_run_the_last_acknowledgement_leaves_with_all_answers(ground: Ground) -> None:
    first, second = Answer(1, True), Answer(2, False)
    acks = StreamAck(9, 1, 1, 1, (first,)), StreamAck(9, 1, 1, 2, (second,)), StreamAck(9, 1, 1, 3)
    assert acks_sent(ground, *acks) == (StreamAck(9, 1, 1, 3, (first, second)),)


@pytest.mark.parametrize("other", [StreamAck(8, 1, 1, 2), StreamAck(9, 2, 1, 2), StreamAck(9, 1, 2, 2)])
def test_acknowledgements_of_other_runs_stand_by_themselves(ground: Ground, other: StreamAck) -> None:
    assert acks_sent(ground, StreamAck(9, 1, 1, 5), other) == (StreamAck(9, 1, 1, 5), other)


def test_a_refusal_carries_no_answers(ground: Ground) -> None:
    assert acks_sent(ground, StreamAck(9, 1, 1, 1, (Answer(1, True),)), StreamAck(9, 1, 1, -1)) == (
        StreamAck(9, 1, 1, -1),
    )


# --- to others ---------------------------------------------------------------------------------------------------


def test_a_message_says_who_where_and_of_which_view(ground: Ground) -> None:
    ground.send_to("host-b:1", AskView())
    ground.adopt(view())
    ground.send(B, AskView())
    ground.send(C, AskView())
    assert ground.effects == [
        Send("host-b:1", Envelope(b"", 1, A, 1, NOBODY, 0, AskView())),
        Send("host-b:1", Envelope(HIVE, 3, A, 1, B, 5, AskView())),
    ]


def test_an_address_for_a_sentence(ground: Ground) -> None:
    ground.adopt(view())
    assert ground.address_of(B) == "host-b:1"
    assert ground.address_of(C) == C.hex()[:8]


def test_answers_go_to_whoever_asked_and_back_on_the_same_connection(ground: Ground) -> None:
    ground.adopt(view())
    ground.reply(7, Done(1))
    ground.reply((8, B, 0), Done(2), valid_until=101.0)
    ground.fail((8, B, 0), 3, UnstableError("try again"))
    assert ground.effects == [
        ReplyTo(7, Done(1), inf),
        ReplyTo(8, ground.envelope(B, Forwarded(Done(2))), 101.0),
        ReplyTo(8, ground.envelope(B, Forwarded(Failed(3, UnstableError.code, "try again"))), inf),
    ]


def test_a_round_trip_is_learnt_and_one_late_answer_is_no_distance(ground: Ground) -> None:
    assert ground.round_trip((A, B, C)) == 0.0
    ground.note_round_trip(B, 0.3)
    ground.note_round_trip(C, 0.1)
    assert ground.round_trip((B, C)) == 0.3 and ground.round_trip((C,)) == 0.1
    ground.note_round_trip(C, 60.0)
    assert 0.1 < ground.round_trip((C,)) < 0.4
    for _ in range(20):
        ground.note_round_trip(C, 0.1)
    assert abs(ground.round_trip((C,)) - 0.1) < 0.01


def test_the_wall_clock_is_the_runners(ground: Ground) -> None:
    ground.wall_offset_milliseconds = 1_700_000_000_000.0
    assert ground.wall() == 1_700_000_100_000.0


def test_a_story_is_bounded(ground: Ground) -> None:
    for number in range(EVENTS_KEPT + 5):
        ground.say("info", f"line {number}")
    assert len(ground.story) == EVENTS_KEPT
    assert ground.story[-1] == f"100.000 line {EVENTS_KEPT + 4}"
    assert ground.effects[0] == Say("info", "line 0")


def test_what_was_settled_is_known_after_a_restart_and_of_parts_of_the_arc() -> None:
    store = MemoryStore()
    before = Ground(Settings(A, 1, "host-a:1"), store, 0.0)
    before.note_settled(0, 99, 7)
    before.flush()
    store.write(persists(before)[0].operations, sync=True)
    after = Ground(Settings(A, 2, "host-a:1"), store, 0.0)
    assert (after.settled_at(0, 99), after.settled_at(50, 99), after.settled_at(50, 100)) == (7, 7, 0)
    after.forget_settled(0, 99)
    after.flush()
    store.write(persists(after)[0].operations, sync=True)
    assert Ground(Settings(A, 3, "host-a:1"), store, 0.0).settled_at(0, 99) == 0


def test_a_note_of_what_was_settled_goes_with_the_last_arc_that_needs_it(ground: Ground) -> None:
    """Also one of a larger arc, which was divided since."""
    ground.note_settled(0, 99, 7)
    ground.keep_settled([(50, 60)])
    assert ground.settled_at(50, 60) == 7
    ground.keep_settled([(100, 120)])
    assert ground.settled_at(50, 60) == 0
    ground.flush()
    (batch,) = persists(ground)
    assert batch.operations[-1][1] is None
