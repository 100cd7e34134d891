"""A numbered stream over a network that loses, doubles and reorders."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from wrpme.core.replication.stream import Outgoing, bytes_of, take
from wrpme.core.limits import STREAM_BYTES_USUAL
from wrpme.protocol.messages import Counts, Item, Stream, Writes


def item(text: bytes) -> Writes:
    return Writes(((b"k", text),))


def push(stream: Outgoing, one: Item) -> int:
    return stream.push(one, bytes_of(one))


def fresh(stream: Outgoing) -> list[Stream]:
    return [message for message, _ in stream.fresh()]


def again(stream: Outgoing) -> list[Stream]:
    return [message for message, _ in stream.again()]


def test_items_are_numbered_from_one_and_sent_once() -> None:
    stream = Outgoing(99, 7, 3)
    assert [push(stream, item(b"a")), push(stream, item(b"b"))] == [1, 2]
    assert fresh(stream) == [Stream(99, 7, 3, 1, (item(b"a"), item(b"b")))]
    assert fresh(stream) == []
    push(stream, item(b"c"))
    assert fresh(stream) == [Stream(99, 7, 3, 3, (item(b"c"),))]


def test_what_is_not_acknowledged_is_sent_again() -> None:
    stream = Outgoing(99, 7, 3)
    for text in (b"a", b"b", b"c"):
        push(stream, item(text))
    assert stream.take(1)
    assert not stream.all_acknowledged
    assert again(stream) == [Stream(99, 7, 3, 2, (item(b"b"), item(b"c")))]
    assert fresh(stream) == [], "what was sent again is not fresh"
    assert stream.take(3)
    assert stream.all_acknowledged and again(stream) == [] and stream.bytes == 0


def test_acknowledgements_that_say_nothing_new() -> None:
    stream = Outgoing(99, 7, 3)
    push(stream, item(b"a"))
    assert not stream.take(0)
    assert not stream.take(2), "of what was never sent"
    assert stream.take(1)
    assert not stream.take(1)


def test_bytes_of_what_is_not_acknowledged() -> None:
    stream = Outgoing(99, 7, 3)
    push(stream, item(bytes(100)))
    push(stream, Counts())
    assert stream.bytes == bytes_of(item(bytes(100))) + bytes_of(Counts())
    assert bytes_of(item(bytes(100))) == bytes_of(item(b"")) + 100
    stream.take(1)
    assert stream.bytes == bytes_of(Counts())


def test_a_message_ends_with_the_item_that_makes_it_large() -> None:
    stream = Outgoing(99, 7, 3)
    for size in (10, STREAM_BYTES_USUAL, 10, 10):
        push(stream, item(bytes(size)))
    assert [(message.first, len(message.items)) for message in fresh(stream)] == [(1, 2), (3, 2)]


def test_every_message_tells_what_is_settled() -> None:
    stream = Outgoing(99, 7, 3)
    for text in (b"a", b"b"):
        push(stream, item(text))
    assert [message.settled for message in fresh(stream)] == [0]
    stream.settle(1)
    push(stream, item(b"c"))
    assert [message.settled for message in [*fresh(stream), *again(stream)]] == [1, 1]


def test_news_are_a_message_that_costs_no_number() -> None:
    stream = Outgoing(99, 7, 3)
    push(stream, item(b"a"))
    fresh(stream)
    stream.take(1)
    stream.settle(1)
    assert stream.news() == Stream(99, 7, 3, 2, (), 1)
    assert stream.all_acknowledged and take(stream.news(), 7, 3, 1) == ([], 1)
    push(stream, item(b"b"))
    assert [message.first for message in fresh(stream)] == [2]


def test_a_receiver_takes_nothing_but_the_next_of_its_run() -> None:
    message = Stream(99, 7, 3, 4, (item(b"d"), item(b"e")))
    assert take(message, 7, 3, 3) == ([(4, item(b"d")), (5, item(b"e"))], 5)
    assert take(message, 7, 3, 4) == ([(5, item(b"e"))], 5)
    assert take(message, 7, 3, 5) == ([], 5)
    assert take(message, 7, 3, 9) == ([], 9)
    assert take(message, 7, 3, 2) == ([], 2), "a gap"
    assert take(message, 8, 3, 3) == ([], 3), "another version"
    assert take(message, 7, 2, 3) == ([], 3), "another run"


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("pfadDk"), st.integers(0, 50)), max_size=60))
def test_everything_arrives_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    stream = Outgoing(99, 7, 3)
    pushed: list[Item] = []
    taken: list[Item] = []
    on_their_way: list[Stream] = []
    upto = 0

    def deliver(message: Stream) -> None:
        nonlocal upto
        items, upto = take(message, 7, 3, upto)
        assert [number for number, _ in items] == list(range(len(taken) + 1, upto + 1))
        taken.extend(found for _, found in items)

    for kind, pick in steps:
        if kind == "p":
            pushed.append(item(b"%d" % len(pushed)))
            push(stream, pushed[-1])
        elif kind == "f":
            on_their_way += fresh(stream)
        elif kind == "a":
            on_their_way += again(stream)
        elif kind == "k":
            stream.take(min(upto, pick))
        elif on_their_way:
            message = on_their_way[pick % len(on_their_way)]
            if kind == "D":
                on_their_way.remove(message)
            deliver(message)
        assert taken == pushed[: len(taken)]
    for message in again(stream):
        deliver(message)
    stream.take(upto)
    assert taken == pushed and stream.all_acknowledged
