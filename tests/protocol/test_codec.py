"""Frames: every message comes out as it went in however its bytes are cut, and nothing that anybody sends does more
than end the connection with one of two errors."""

from __future__ import annotations

from itertools import pairwise
from struct import pack
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.samples import (
    BODIES, CHANGES, FOR_SERVER, ID, ITEMS, PROPOSAL, REPLIES, REPLY_SAMPLES, REQUESTS, BODY_SAMPLES, ITEM_SAMPLES,
)  # fmt: skip
from wrpme import limits
from wrpme.errors import ProtocolError, TooLargeError
from wrpme.limits import FRAME_BYTES_MAX
from wrpme.protocol import codec
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.identities import Where
from wrpme.protocol.messages import Content, Envelope, Get, Inbound, Put, Reply

untimed = settings()
"""A busy machine is no error."""
SIDES: list[tuple[Any, list[Any]]] = [(Inbound, FOR_SERVER), (Reply, REPLY_SAMPLES)]
EACH = [(kinds, one) for kinds, samples in SIDES for one in samples]
SHORT = [(kinds, one) for kinds, one in EACH if "70000" not in str((kinds, one))]
FOREIGN = [
    b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"-ERR unknown command\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"WRPME/3\n",
    b"wrpme/1\n",
    b"\x00",
    b"\n",
]


def frame(payload: bytes) -> bytes:
    return pack(">I", len(payload)) + payload


def packed(value: object) -> bytes:
    return frame(msgspec.msgpack.encode(value))


def fed(decoder: Decoder[Any], pieces: list[bytes]) -> list[Any]:
    return [message for piece in pieces for message in decoder.feed(piece)]


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[low:high] for low, high in pairwise(places)]


def test_the_samples_are_of_every_kind() -> None:
    assert {type(one) for one in FOR_SERVER if not hasattr(one, "body")} == set(REQUESTS)
    assert {type(one) for one in REPLY_SAMPLES} == set(REPLIES)
    assert {type(one) for one in BODY_SAMPLES} == set(BODIES)
    assert {type(one) for one in ITEM_SAMPLES} == set(ITEMS)
    assert {type(one) for one in PROPOSAL.changes} == set(CHANGES)


def test_round_trip() -> None:
    for kinds, message in EACH:
        data = encode(message)
        assert Decoder[Any](kinds, preface=False).feed(data) == [message]
        assert Decoder[Any](kinds).feed(PREFACE + data + data) == [message, message]


def test_byte_by_byte() -> None:
    for kinds, message in SHORT:
        data = PREFACE + encode(message)
        decoder = Decoder[Any](kinds)
        for at in range(len(data) - 1):
            assert decoder.feed(data[at : at + 1]) == [], message
        assert decoder.feed(data[-1:]) == [message]
        assert decoder.pending_bytes == 0, message


@pytest.mark.parametrize(("kinds", "samples"), SIDES)
@untimed
@given(data=st.data())
def test_any_order_in_any_pieces(kinds: Any, samples: list[Any], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(samples), max_size=6))
    stream = PREFACE + b"".join(map(encode, chosen))
    places = data.draw(st.lists(st.integers(0, 1 << 20), max_size=12))
    decoder = Decoder[Any](kinds)
    assert fed(decoder, cut(stream, places)) == chosen
    assert decoder.pending_bytes == decoder.wanted_bytes == 0


@untimed
@given(
    number=st.integers(0, (1 << 64) - 1),
    alias=st.binary(),
    content=st.binary(),
    expiry=st.integers(-(1 << 63), (1 << 63) - 1),
)
def test_any_values(number: int, alias: bytes, content: bytes, expiry: int) -> None:
    put = Put(number, alias, content, expiry)
    assert Decoder[Any](Inbound, preface=False).feed(encode(put)) == [put]


# --- bad input ---------------------------------------------------------------------------------------------------


def survives(kinds: Any, pieces: list[bytes], preface: bool) -> None:
    """Messages, or one of the two errors; the frame that has begun is never beyond the bound."""
    decoder = Decoder[Any](kinds, preface)
    try:
        fed(decoder, pieces)
    except (ProtocolError, TooLargeError) as error:
        assert error.sentence
    else:
        assert decoder.wanted_bytes <= codec.HEADER_BYTES + FRAME_BYTES_MAX


@pytest.mark.parametrize("kinds", [Inbound, Reply])
@untimed
@given(noise=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=4))
def test_random_bytes(kinds: Any, noise: bytes, places: list[int]) -> None:
    survives(kinds, cut(noise, places), preface=True)
    survives(kinds, cut(PREFACE + noise, places), preface=True)
    survives(kinds, cut(frame(noise), places), preface=False)


@pytest.mark.parametrize(("kinds", "samples"), SIDES)
@untimed
@given(data=st.data())
def test_damaged_messages(kinds: Any, samples: list[Any], data: st.DataObject) -> None:
    good = bytearray(encode(data.draw(st.sampled_from(samples))))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    survives(kinds, [bytes(good)], preface=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("kinds", [Inbound, Reply])
@untimed
@given(tag=st.integers(0, 130), fields=st.lists(JSON, max_size=7))
def test_well_formed_nonsense(kinds: Any, tag: int, fields: list[object]) -> None:
    survives(kinds, [packed([tag, *fields])], preface=False)
    survives(kinds, [packed(fields)], preface=False)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x90",
        b"\xc0",
        b"\x93\x01\x01",
        encode(Envelope(ID, 1, ID, 1, ID, 1, Where(0.5, "ab")))[codec.HEADER_BYTES :].replace(b"ab", b"\xff\xfe"),
        b"\x93\x01\x01\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff\x01",
        b"\xdf\xff\xff\xff\xff",
        msgspec.msgpack.encode([1, "1", b"alias"]),
        msgspec.msgpack.encode([1, 1, "alias"]),
        msgspec.msgpack.encode([1, -1.5, b"alias"]),
        msgspec.msgpack.encode([1, 1]),
        msgspec.msgpack.encode([999, 1, b"alias"]),
        msgspec.msgpack.encode(["Get", 1, b"alias"]),
        msgspec.msgpack.encode({"id": 1}),
        msgspec.msgpack.encode([64, 1]),
        msgspec.msgpack.encode([1, 1, b"alias"]) + b"\x00",
        msgspec.msgpack.encode([100, ID, 1, ID, 1, ID, 1, [999]]),
        b"\x91" * 200_000,
        b"\x93\x01\x01" + b"\x91" * 200_000,
        b"\x93\x01\x01\xc4\x01a" + b"\x91" * 200_000,
        b"\x94\x01\x01\xc4\x01a" + b"\x91" * 200_000 + b"\xc0",
    ],
    ids=lambda payload: payload[:12].hex(),
)
def test_malformed_messages(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="malformed"):
        Decoder[Any](Inbound, preface=False).feed(frame(payload))


def test_what_came_before_a_malformed_message_is_lost_with_the_connection() -> None:
    decoder = Decoder[Any](Inbound, preface=False)
    with pytest.raises(ProtocolError):
        decoder.feed(encode(Get(1, b"a")) + frame(b"\xc1"))


CUT_EACH_BYTES = 100
"""From either end of a message it is cut after each byte."""


def shorter(length: int) -> list[int]:
    """So many bytes may be left: any near both ends, and within a long content some, where one is like the next."""
    within = range(CUT_EACH_BYTES, length - CUT_EACH_BYTES, 101)
    return sorted({*range(min(length, CUT_EACH_BYTES)), *within, *range(max(0, length - CUT_EACH_BYTES), length)})


def test_a_frame_cut_short_in_itself() -> None:
    for kinds, message in SHORT:
        payload = encode(message)[codec.HEADER_BYTES :]
        for size in shorter(len(payload)):
            with pytest.raises(ProtocolError):
                Decoder[Any](kinds, preface=False).feed(frame(payload[:size]))


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert Decoder[Any](Inbound, preface=False).feed(packed([1, 7, b"alias", False, "new field"])) == [Get(7, b"alias")]


@pytest.mark.parametrize("foreign", FOREIGN, ids=repr)
def test_foreign_protocols_are_known_by_their_first_bytes(foreign: bytes) -> None:
    with pytest.raises(ProtocolError, match="does not speak the wrpme protocol"):
        Decoder[Any](Inbound).feed(foreign)
    with pytest.raises(ProtocolError, match="does not speak the wrpme protocol"):
        fed(Decoder[Any](Inbound), [foreign[at : at + 1] for at in range(len(foreign))])


def test_the_former_release_is_known() -> None:
    for said in (b"WRPME/1\n", b"wrpmed: this port speaks the wrpme protocol, use wrpmesh\n"):
        check_former([said])
        check_former([said[at : at + 1] for at in range(len(said))])


def check_former(pieces: list[bytes]) -> None:
    with pytest.raises(ProtocolError, match=r"an earlier release \(WRPME/1\), and this one WRPME/2: upgrade it"):
        fed(Decoder[Any](Inbound), pieces)


def test_what_a_foreign_protocol_said_is_shown() -> None:
    with pytest.raises(ProtocolError, match=r"it began with 'HTTP/1.1 400 Bad Request'$"):
        Decoder[Any](Reply).feed(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n")


@pytest.mark.parametrize("size", [FRAME_BYTES_MAX + 1, 0x7FFF_FFFF, 0xFFFF_FFFF])
@pytest.mark.parametrize("pieces", [1, 4])
def test_a_frame_that_claims_too_much(size: int, pieces: int) -> None:
    header = pack(">I", size)
    decoder = Decoder[Any](Inbound, preface=False)
    with pytest.raises(TooLargeError, match=f"claims {size} bytes"):
        fed(decoder, [header] if pieces == 1 else [header[at : at + 1] for at in range(4)])


def test_a_frame_of_the_largest_size_may_begin() -> None:
    decoder = Decoder[Any](Inbound, preface=False)
    assert decoder.feed(pack(">I", FRAME_BYTES_MAX) + b"x") == []
    assert decoder.wanted_bytes == codec.HEADER_BYTES + FRAME_BYTES_MAX
    assert decoder.pending_bytes == codec.HEADER_BYTES + 1


def test_a_message_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "FRAME_BYTES_MAX", 100)
    with pytest.raises(TooLargeError, match="over the limit of 100 bytes"):
        encode(Content(1, bytes(101)))


def test_the_largest_requests_fit_a_frame() -> None:
    both = 2 * limits.CONTENT_BYTES_MAX + limits.ALIAS_BYTES_MAX
    assert both + 100 < FRAME_BYTES_MAX < 1 << 32
