"""What each request does to one entry: the whole table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import word_of
from tests.replica_parts import Moment
from wrpme.core.layout import value_of, version_bytes
from wrpme.core.replication.operations import Write, decide
from wrpme.limits import CONTENT_BYTES_MAX, EXPIRY_MILLISECONDS_MAX, NUMBER_MAX, NUMBER_MIN
from wrpme.protocol.messages import (
    NO_VERSION, READS, Add, Append, Cas, CasVersion, Content, Done, EntryRequest, Exists, Expire, Failed, Get,
    GetExpire, GetExpiry, GetRange, GetRemove, GetUpdate, Number, Put, Remove, RemoveIf, RemoveVersion, SetRange, Touch,
    Update,
)  # fmt: skip

NOW = Moment(1_000_000.0, 1_000_000.0)
HELD = value_of((3, 4), 0, b"old")
MORTAL = value_of((3, 4), 2_000_000, b"old")
SAME, OTHER = version_bytes((3, 4)), version_bytes((3, 5))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Get(7, b"x"), Content(7, b"old")),
        (Update(7, b"x", b"new"), Write(b"new", 0, Done(7))),
        (GetUpdate(7, b"x", b"new"), Write(b"new", 0, Content(7, b"old"))),
        (GetRemove(7, b"x"), Write(None, 0, Content(7, b"old"))),
        (Cas(7, b"x", b"new", b"old"), Write(b"new", 0, Content(7, b"old"))),
        (Remove(7, b"x"), Write(None, 0, Done(7))),
        (RemoveIf(7, b"x", b"old"), Write(None, 0, Done(7))),
        (GetExpiry(7, b"x"), Number(7, 0)),
        (Expire(7, b"x", 1_500_000), Write(b"old", 1_500_000, Done(7))),
        (Expire(7, b"x", 500, relative=True), Write(b"old", 1_000_500, Done(7))),
        (Expire(7, b"x", 0), Write(b"old", 0, Done(7))),
        (Get(7, b"x", versioned=True), Content(7, b"old", SAME)),
        (Append(7, b"x", b"er"), Write(b"older", 0, Number(7, 5))),
        (Append(7, b"x", b""), Number(7, 3)),
        (SetRange(7, b"x", 1, b"dd"), Write(b"odd", 0, Number(7, 3))),
        (SetRange(7, b"x", 0, b"b"), Write(b"bld", 0, Number(7, 3))),
        (SetRange(7, b"x", 5, b"!"), Write(b"old\0\0!", 0, Number(7, 6))),
        (SetRange(7, b"x", 9, b""), Number(7, 3)),
        (GetExpire(7, b"x", 500, relative=True), Write(b"old", 1_000_500, Content(7, b"old"))),
        (GetExpire(7, b"x", 1), Write(None, 0, Content(7, b"old"))),
        (Exists(7, b"x"), Number(7, 1)),
        (Touch(7, b"x"), Write(b"old", 0, Done(7))),
        (CasVersion(7, b"x", b"new", SAME), Write(b"new", 0, Done(7))),
        (RemoveVersion(7, b"x", SAME), Write(None, 0, Done(7))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_on_an_entry(request_: EntryRequest, expected: object) -> None:
    assert decide(request_, HELD, NOW) == expected


@pytest.mark.parametrize(
    "request_",
    [
        Get(7, b"x"), GetUpdate(7, b"x", b"new"), GetRemove(7, b"x"), Cas(7, b"x", b"new", b"old"), Remove(7, b"x"),
        RemoveIf(7, b"x", b"old"), Expire(7, b"x", 0), Expire(7, b"x", -1), GetExpiry(7, b"x"), GetRange(7, b"x", 0, 1),
        GetExpire(7, b"x", 0), Touch(7, b"x"), CasVersion(7, b"x", b"new", SAME), RemoveVersion(7, b"x", SAME),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_where_there_is_none(request_: EntryRequest) -> None:
    reply = decide(request_, None, NOW)
    assert isinstance(reply, Failed)
    assert (reply.id, word_of(reply)) == (7, "not_found")
    assert '"x"' in reply.sentence


def test_put_and_update_add() -> None:
    assert decide(Put(7, b"x", b"new"), None, NOW) == Write(b"new", 0, Done(7))
    assert decide(Update(7, b"x", b""), None, NOW) == Write(b"", 0, Done(7))
    assert decide(Append(7, b"x", b"new"), None, NOW) == Write(b"new", 0, Number(7, 3))
    assert decide(SetRange(7, b"x", 2, b"new"), None, NOW) == Write(b"\0\0new", 0, Number(7, 5))
    assert decide(SetRange(7, b"x", 2, b""), None, NOW) == Number(7, 0)
    assert decide(Add(7, b"x", -3), None, NOW) == Write(b"-3", 0, Number(7, -3))
    assert decide(CasVersion(7, b"x", b"new", NO_VERSION), None, NOW) == Write(b"new", 0, Done(7))
    assert decide(Exists(7, b"x"), None, NOW) == Number(7, 0)


@pytest.mark.parametrize(
    ("content", "number", "expected"),
    [
        (b"0", 1, 1), (b"41", 1, 42), (b"-1", 1, 0), (b"%d" % NUMBER_MAX, -1, NUMBER_MAX - 1),
        (b"%d" % (NUMBER_MAX - 1), 1, NUMBER_MAX), (b"%d" % NUMBER_MIN, NUMBER_MAX, -1), (b"7", 0, 7),
        (b"%d" % NUMBER_MAX, 1, None), (b"%d" % NUMBER_MIN, -1, None), (b"%d" % (NUMBER_MAX + 1), -1, None),
        (b"", 1, None), (b"1 ", 1, None), (b"+1", 1, None), (b"1\n", 1, None), (b"0x1", 1, None), (b"1.0", 1, None),
        (b"--1", 1, None), ("\u0661".encode(), 1, None), (b"9" * 40, 1, None),
    ],
)  # fmt: skip
def test_only_whole_numbers_of_64_bits_are_added_to(content: bytes, number: int, expected: int | None) -> None:
    outcome = decide(Add(7, b"x", number), value_of((3, 4), 2_000_000, content), NOW)
    if expected is None:
        assert isinstance(outcome, Failed) and word_of(outcome) == "number"
    else:
        assert outcome == Write(b"%d" % expected, 2_000_000, Number(7, expected)), "it keeps its life span"


@given(st.binary(max_size=6), st.integers(-9, 9), st.integers(-9, 9))
def test_a_range_is_a_slice_whose_end_is_included(content: bytes, first: int, last: int) -> None:
    expected = bytes(
        byte
        for at, byte in enumerate(content)
        if at >= (first if first >= 0 else len(content) + first) and at <= (last if last >= 0 else len(content) + last)
    )
    assert decide(GetRange(7, b"x", first, last), value_of((3, 4), 0, content), NOW) == Content(7, expected)


def test_what_is_added_to_keeps_its_life_span_unless_it_is_given_another_one() -> None:
    number = value_of((3, 4), 2_000_000, b"1")
    assert decide(Append(7, b"x", b"0"), number, NOW) == Write(b"10", 2_000_000, Number(7, 2))
    assert decide(Append(7, b"x", b"0", 3_000_000, 0), number, NOW) == Write(b"10", 3_000_000, Number(7, 2))
    assert decide(Add(7, b"x", 1, 0, 0), number, NOW) == Write(b"2", 0, Number(7, 2))
    assert decide(Add(7, b"x", 1, 0, 500), number, NOW) == Write(b"2", 1_000_500, Number(7, 2))
    assert decide(SetRange(7, b"x", 0, b"2"), number, NOW) == Write(b"2", 2_000_000, Number(7, 1))
    assert decide(Touch(7, b"x"), number, NOW) == Write(b"1", 2_000_000, Done(7))


def test_no_content_grows_beyond_the_limit() -> None:
    large = value_of((3, 4), 0, bytes(CONTENT_BYTES_MAX - 1))
    outcome = decide(Append(7, b"x", b"ab"), large, NOW)
    assert isinstance(outcome, Failed) and word_of(outcome) == "too_large"
    outcome = decide(Append(7, b"x", b"a"), large, NOW)
    assert isinstance(outcome, Write) and outcome.reply == Number(7, CONTENT_BYTES_MAX)


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (Put(7, b"x", b"new"), "already_exists"),
        (Put(7, b"x", b"old"), "already_exists"),
        (Cas(7, b"x", b"new", b"other"), "mismatch"),
        (Cas(7, b"x", b"new", b""), "mismatch"),
        (RemoveIf(7, b"x", b"ol"), "mismatch"),
        (CasVersion(7, b"x", b"new", OTHER), "mismatch"),
        (CasVersion(7, b"x", b"new", NO_VERSION), "mismatch"),
        (CasVersion(7, b"x", b"new", b""), "mismatch"),
        (RemoveVersion(7, b"x", OTHER), "mismatch"),
        (Add(7, b"x", 1), "number"),
        (Expire(7, b"x", -1), "usage"),
        (Expire(7, b"x", EXPIRY_MILLISECONDS_MAX + 1), "usage"),
        (Expire(7, b"x", EXPIRY_MILLISECONDS_MAX, relative=True), "usage"),
        (Expire(7, b"x", -2_000_000, relative=True), "usage"),
    ],
)
def test_what_an_entry_refuses(request_: EntryRequest, word: str) -> None:
    reply = decide(request_, HELD, NOW)
    assert isinstance(reply, Failed)
    assert (reply.id, word_of(reply)) == (7, word)


def test_a_new_content_has_a_new_life_span() -> None:
    assert decide(Update(7, b"x", b"new"), MORTAL, NOW) == Write(b"new", 0, Done(7))
    assert decide(Update(7, b"x", b"new", 3_000_000), MORTAL, NOW) == Write(b"new", 3_000_000, Done(7))
    assert decide(Cas(7, b"x", b"new", b"old", 5), MORTAL, NOW) == Write(b"new", 5, Content(7, b"old"))
    assert decide(GetUpdate(7, b"x", b"new", 6), MORTAL, NOW) == Write(b"new", 6, Content(7, b"old"))
    assert decide(Put(7, b"x", b"new", 8), None, NOW) == Write(b"new", 8, Done(7))


def test_the_life_span_of_an_entry() -> None:
    assert decide(GetExpiry(7, b"x"), MORTAL, NOW) == Number(7, 2_000_000)
    assert decide(Expire(7, b"x", EXPIRY_MILLISECONDS_MAX), HELD, NOW) == Write(
        b"old", EXPIRY_MILLISECONDS_MAX, Done(7)
    )


@pytest.mark.parametrize("milliseconds", [1, 999_999, 1_000_000])
def test_a_life_that_ends_in_the_past_ends_now(milliseconds: int) -> None:
    assert decide(Expire(7, b"x", milliseconds), HELD, NOW) == Write(None, 0, Done(7))


def test_no_time_from_now_is_no_eternity() -> None:
    """Whoever means for ever says it as a point in time; from now on, 0 milliseconds are over at once."""
    assert decide(Expire(7, b"x", 0, relative=True), HELD, NOW) == Write(None, 0, Done(7))


REQUESTS: st.SearchStrategy[EntryRequest] = st.one_of(
    st.builds(Get, st.just(7), st.just(b"x")),
    st.builds(Put, st.just(7), st.just(b"x"), st.binary(max_size=2)),
    st.builds(Update, st.just(7), st.just(b"x"), st.binary(max_size=2)),
    st.builds(GetUpdate, st.just(7), st.just(b"x"), st.binary(max_size=2)),
    st.builds(GetRemove, st.just(7), st.just(b"x")),
    st.builds(Cas, st.just(7), st.just(b"x"), st.binary(max_size=2), st.binary(max_size=1)),
    st.builds(Remove, st.just(7), st.just(b"x")),
    st.builds(RemoveIf, st.just(7), st.just(b"x"), st.binary(max_size=1)),
    st.builds(Expire, st.just(7), st.just(b"x"), st.integers(-5, 5), st.booleans()),
    st.builds(GetExpiry, st.just(7), st.just(b"x")),
    st.builds(Add, st.just(7), st.just(b"x"), st.integers(-2, 2)),
    st.builds(Append, st.just(7), st.just(b"x"), st.binary(max_size=2)),
    st.builds(GetRange, st.just(7), st.just(b"x"), st.integers(-2, 2), st.integers(-2, 2)),
    st.builds(SetRange, st.just(7), st.just(b"x"), st.integers(0, 2), st.binary(max_size=2)),
    st.builds(GetExpire, st.just(7), st.just(b"x"), st.integers(-5, 5), st.booleans()),
    st.builds(Exists, st.just(7), st.just(b"x")),
    st.builds(Touch, st.just(7), st.just(b"x")),
    st.builds(CasVersion, st.just(7), st.just(b"x"), st.binary(max_size=2), st.sampled_from((NO_VERSION, OTHER))),
    st.builds(RemoveVersion, st.just(7), st.just(b"x"), st.sampled_from((NO_VERSION, OTHER))),
)


@given(REQUESTS, st.none() | st.binary(max_size=1))
def test_reads_write_nothing_and_failures_change_nothing(request_: EntryRequest, content: bytes | None) -> None:
    held = None if content is None else value_of((1, 1), 0, content)
    outcome = decide(request_, held, NOW)
    if isinstance(outcome, Write):
        assert not isinstance(request_, READS)
        assert not isinstance(outcome.reply, Failed) and outcome.reply.id == 7
    else:
        assert outcome.id == 7
