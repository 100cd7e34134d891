"""What a node says: messages, streams that leave as one, acknowledgements, answers."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.context_parts import A, B, C, view
from tests.harness import HIVE
from wrpme.core.context import NodeContext
from wrpme.core.io import ReplyTo, Send
from wrpme.core.outbox import NO_LIFE
from wrpme.errors import UnstableError
from wrpme.core.limits import COPY_SILENCE_SECONDS, STREAM_BYTES_USUAL, STREAMS_UNANSWERED_MAX
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import (
    Answer, AskView, Body, Done, Envelope, Failed, Forwarded, Stream, StreamAck, StreamAcks, Streams, Writes,
)  # fmt: skip
from wrpme.protocol.view import NOBODY, View


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
    fill(context)
    assert not context.outbox.may_stream(B, True, context.now)
    context.adopt(View(6, HIVE, 3, 1, view().members[:1], view().arcs, (A,)))
    assert context.outbox.may_stream(B, True, context.now)


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
    context.outbox.send_stream(B, stream(7), 65, context.now)
    context.outbox.send_stream(B, stream(8), 65, context.now)
    assert sent(context) == [], "the turn is not over"
    context.outbox.flush_messages(context.now)
    assert sent(context) == [
        ("host-b:1", Streams((stream(7), stream(8)), 1)),
        ("host-b:1", StreamAcks(tuple(acks), (), NO_LIFE)),
    ]
    context.outbox.flush_messages(context.now)
    assert sent(context) == []


def test_a_message_that_is_large_enough_leaves_at_once(context: NodeContext) -> None:
    context.adopt(view())
    context.outbox.send_stream(B, stream(7), 65, context.now)
    context.outbox.send_stream(B, stream(8, STREAM_BYTES_USUAL), STREAM_BYTES_USUAL, context.now)
    context.outbox.send_stream(B, stream(9), 65, context.now)
    assert sent(context) == [("host-b:1", Streams((stream(7), stream(8, STREAM_BYTES_USUAL)), 1))]
    context.outbox.flush_messages(context.now)
    assert sent(context) == [("host-b:1", Streams((stream(9),), 2))], "the order is kept"


# --- what is on its way ------------------------------------------------------------------------------------------


def fill(context: NodeContext) -> None:
    """As many messages as may be on their way to B."""
    for end in range(STREAMS_UNANSWERED_MAX):
        assert context.outbox.may_stream(B, True, context.now)
        context.outbox.send_stream(B, stream(end), 65, context.now)
        context.outbox.flush_messages(context.now)


def test_what_is_written_while_the_disk_works_leaves_with_the_next_batch(context: NodeContext) -> None:
    context.adopt(view())
    assert not context.outbox.may_stream(B, False, context.now)
    assert context.outbox.may_stream(B, True, context.now)


def test_who_had_not_answered_enough_by_then_is_sent_more_as_soon_as_it_has(context: NodeContext) -> None:
    context.adopt(view())
    fill(context)
    assert not context.outbox.may_stream(B, True, context.now) and context.outbox.is_behind
    assert context.outbox.on_answered(B, 1) is not None
    assert context.outbox.may_stream(B, False, context.now)
    context.outbox.send_stream(B, stream(9), 65, context.now)
    context.outbox.flush_messages(context.now)
    assert not context.outbox.is_behind


def test_an_answer_says_once_what_is_acknowledged(context: NodeContext) -> None:
    context.adopt(view())
    fill(context)
    answered = context.outbox.on_answered(B, 1)
    assert answered is not None and list(answered.acks) == [StreamAck(0, 1, 1, 1)]
    assert context.outbox.on_answered(B, 1) is None
    context.outbox.forget_streams(B)
    assert context.outbox.on_answered(B, 2) is None, "it may be lost, and is sent again under another number"


def test_who_does_not_answer_is_not_waited_for_for_ever(context: NodeContext) -> None:
    context.adopt(view())
    fill(context)
    late = context.now + COPY_SILENCE_SECONDS
    assert context.outbox.may_stream(B, True, late)
    context.outbox.forget_unanswered(late)
    assert context.outbox.on_answered(B, 1) is None


def test_answers_to_a_former_life_are_not_mixed_with_those_to_the_present_one(context: NodeContext) -> None:
    context.adopt(view())
    context.outbox.answer_streams(B, 1, 7)
    context.outbox.answer_streams(B, 2, 1)
    context.outbox.answer_streams(B, 2, -2)
    context.outbox.flush_messages(context.now)
    assert sent(context) == [("host-b:1", StreamAcks((), (1, -2), 2))]


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
