"""Large contents within messages: the bytes of any encoder, and nothing copied on the way out or in."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest

from wrpme.core.layout import value_of
from wrpme.limits import LARGE_BYTES, MIB
from wrpme.protocol.codec import Decoder, Later, encode, encode_pieces
from wrpme.protocol.frames.large import Arrived, Unread
from wrpme.protocol.messages import (
    Body, Cas, Content, Envelope, Forward, Forwarded, Get, Inbound, Put, Reply, Stream, Streams, Transaction, Update,
    Writes,
)  # fmt: skip

LARGE = Random(1).randbytes(LARGE_BYTES + 17)
OTHER = Random(2).randbytes(LARGE_BYTES)
READ_BYTES = 200_000
MARK = b"\xffwrpme large\xff  0"


def between(body: Body) -> Envelope:
    return Envelope(b"h" * 16, 1, b"a" * 16, 1, b"b" * 16, 3, body)


def stream(*contents: bytes) -> Streams:
    pairs = tuple((b"key%d" % number, content) for number, content in enumerate(contents))
    return Streams((Stream(1, 2, 3, 4, (Writes(pairs),)),))


MESSAGES = [
    Put(1, b"a", LARGE, 5, -1, True),
    Update(1, b"a" * 4000, LARGE),
    Cas(1, b"a", LARGE, OTHER),
    Transaction(1, (Update(1, b"a", LARGE), Get(2, b"b"), Put(3, b"c", OTHER))),
    between(Forward(Update(1, b"a", LARGE), 16384)),
    between(Forwarded(Content(1, LARGE, b"v" * 16))),
    between(stream(LARGE, b"small", OTHER, b"")),
    between(stream(*(bytes([number]) * 1000 for number in range(255)), LARGE)),
    between(stream(*(bytes([number % 256]) * 100 for number in range(4000)))),
    Update(1, b"a", LARGE[:-16] + MARK),
    Update(1, MARK, LARGE),
]  # fmt: skip


def read(message: object, step: int) -> tuple[object, object]:
    """What is read of a message and a small one behind it, which come in pieces."""
    data = encode(message) + encode(Get(9, b"behind"))  # type: ignore[arg-type]
    decoder: Decoder[object] = Decoder(Inbound, preface=False)
    found: list[object] = []
    for at in range(0, len(data), step):
        found += decoder.feed(data[at : at + step])
    assert decoder.pending_bytes == 0
    first, behind = found
    return first, behind


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(getattr(message, "body", message)).__name__)
def test_they_come_and_go_as_with_any_encoder(message: object) -> None:
    assert b"".join(map(bytes, encode_pieces(message))) == encode(message)  # type: ignore[arg-type]
    for step in (READ_BYTES, 1 << 16, 4093):
        first, behind = read(message, step)
        assert encode(first) == encode(message) and behind == Get(9, b"behind")  # type: ignore[arg-type]
        assert b"".join(map(bytes, encode_pieces(first))) == encode(message), "it can be passed on"  # type: ignore[arg-type]


def test_each_byte_may_come_by_itself() -> None:
    decoder: Decoder[object] = Decoder(Inbound, preface=False)
    data = encode(between(stream(LARGE)))
    found: list[object] = []
    for at in range(300):
        found += decoder.feed(data[at : at + 1])
    found += decoder.feed(data[300:-20])
    for at in range(len(data) - 20, len(data)):
        found += decoder.feed(data[at : at + 1])
    assert found == [between(stream(LARGE))]


def test_what_leaves_is_the_content_itself() -> None:
    pieces = encode_pieces(between(stream(LARGE, OTHER)))
    assert [any(piece is content for piece in pieces) for content in (LARGE, OTHER)] == [True, True]


def test_nothing_is_copied_of_what_arrived() -> None:
    """Neither when it becomes a message, nor when it becomes a value."""
    content = bytes(4 * MIB)
    for message in (Update(1, b"a", content), between(Forward(Put(1, b"a", content))), between(stream(content))):
        data, decoder = encode(message), Decoder[object](Inbound, preface=False)
        tracemalloc.start()
        try:
            found: list[object] = []
            for at in range(0, len(data), READ_BYTES):
                found += decoder.feed_lazily(data[at : at + READ_BYTES])
            (later,) = found
            assert isinstance(later, Later)
            had = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            arrived = later.message()
            request = arrived.body.request if isinstance(getattr(arrived, "body", None), Forward) else arrived
            if isinstance(request, Update | Put):
                assert isinstance(request.content, Arrived)
                value_of((1, 2), 3, request.content)
            more = tracemalloc.get_traced_memory()[1] - had
        finally:
            tracemalloc.stop()
        assert len(content) <= had < 1.5 * len(content) and more < len(content) // 4


def test_what_arrived_can_still_be_passed_on_when_it_is_a_value() -> None:
    first, _ = read(Update(1, b"a", LARGE), READ_BYTES)
    assert isinstance(first, Update) and isinstance(first.content, Arrived)
    view = first.content.view
    assert value_of((1, 2), 3, first.content) == value_of((1, 2), 3, LARGE)
    assert bytes(view) == LARGE == bytes(first.content) and len(first.content) == len(LARGE)


def test_of_several_requests_each_has_bytes() -> None:
    first, _ = read(MESSAGES[3], READ_BYTES)
    assert first == MESSAGES[3]


def test_a_content_that_is_read_while_it_leaves() -> None:
    read_parts: list[int] = []

    def parts() -> object:
        for number in range(3):
            read_parts.append(number)
            yield bytes([number]) * MIB

    reply: Reply = Content(1, Unread(3 * MIB, parts), b"v")  # type: ignore[arg-type]
    pieces = encode_pieces(reply)
    assert not read_parts, "it is not read before it leaves"
    whole = b"".join(bytes([number]) * MIB for number in range(3))
    assert b"".join(map(bytes, pieces)) == encode(Content(1, whole, b"v")) == encode(reply)
