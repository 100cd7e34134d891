"""What each request does to one entry: the whole table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import word_of
from wrpme.core.layout import value_of
from wrpme.core.replication.operations import Write, decide
from wrpme.limits import EXPIRY_MILLISECONDS_MAX
from wrpme.protocol.messages import (
    READS, Cas, Content, Done, EntryRequest, Expire, Failed, Get, GetExpiry, GetRemove, GetUpdate, Number, Put, Remove,
    RemoveIf, Update,
)  # fmt: skip

NOW = 1_000_000.0
HELD = value_of((3, 4), 0, b"old")
MORTAL = value_of((3, 4), 2_000_000, b"old")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Get(7, "x"), Content(7, b"old")),
        (Update(7, "x", b"new"), Write(b"new", 0, Done(7))),
        (GetUpdate(7, "x", b"new"), Write(b"new", 0, Content(7, b"old"))),
        (GetRemove(7, "x"), Write(None, 0, Content(7, b"old"))),
        (Cas(7, "x", b"new", b"old"), Write(b"new", 0, Content(7, b"old"))),
        (Remove(7, "x"), Write(None, 0, Done(7))),
        (RemoveIf(7, "x", b"old"), Write(None, 0, Done(7))),
        (GetExpiry(7, "x"), Number(7, 0)),
        (Expire(7, "x", 1_500_000), Write(b"old", 1_500_000, Done(7))),
        (Expire(7, "x", 500, relative=True), Write(b"old", 1_000_500, Done(7))),
        (Expire(7, "x", 0), Write(b"old", 0, Done(7))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_on_an_entry(request_: EntryRequest, expected: object) -> None:
    assert decide(request_, HELD, NOW) == expected


@pytest.mark.parametrize(
    "request_",
    [
        Get(7, "x"), GetUpdate(7, "x", b"new"), GetRemove(7, "x"), Cas(7, "x", b"new", b"old"), Remove(7, "x"),
        RemoveIf(7, "x", b"old"), Expire(7, "x", 0), Expire(7, "x", -1), GetExpiry(7, "x"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_where_there_is_none(request_: EntryRequest) -> None:
    reply = decide(request_, None, NOW)
    assert isinstance(reply, Failed)
    assert (reply.id, word_of(reply)) == (7, "not_found")
    assert '"x"' in reply.sentence


def test_put_and_update_add() -> None:
    assert decide(Put(7, "x", b"new"), None, NOW) == Write(b"new", 0, Done(7))
    assert decide(Update(7, "x", b""), None, NOW) == Write(b"", 0, Done(7))


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (Put(7, "x", b"new"), "already_exists"),
        (Put(7, "x", b"old"), "already_exists"),
        (Cas(7, "x", b"new", b"other"), "mismatch"),
        (Cas(7, "x", b"new", b""), "mismatch"),
        (RemoveIf(7, "x", b"ol"), "mismatch"),
        (Expire(7, "x", -1), "usage"),
        (Expire(7, "x", EXPIRY_MILLISECONDS_MAX + 1), "usage"),
        (Expire(7, "x", EXPIRY_MILLISECONDS_MAX, relative=True), "usage"),
        (Expire(7, "x", -2_000_000, relative=True), "usage"),
    ],
)
def test_what_an_entry_refuses(request_: EntryRequest, word: str) -> None:
    reply = decide(request_, HELD, NOW)
    assert isinstance(reply, Failed)
    assert (reply.id, word_of(reply)) == (7, word)


def test_a_new_content_has_a_new_life_span() -> None:
    assert decide(Update(7, "x", b"new"), MORTAL, NOW) == Write(b"new", 0, Done(7))
    assert decide(Update(7, "x", b"new", 3_000_000), MORTAL, NOW) == Write(b"new", 3_000_000, Done(7))
    assert decide(Cas(7, "x", b"new", b"old", 5), MORTAL, NOW) == Write(b"new", 5, Content(7, b"old"))
    assert decide(GetUpdate(7, "x", b"new", 6), MORTAL, NOW) == Write(b"new", 6, Content(7, b"old"))
    assert decide(Put(7, "x", b"new", 8), None, NOW) == Write(b"new", 8, Done(7))


def test_the_life_span_of_an_entry() -> None:
    assert decide(GetExpiry(7, "x"), MORTAL, NOW) == Number(7, 2_000_000)
    assert decide(Expire(7, "x", EXPIRY_MILLISECONDS_MAX), HELD, NOW) == Write(b"old", EXPIRY_MILLISECONDS_MAX, Done(7))


@pytest.mark.parametrize("milliseconds", [1, 999_999, 1_000_000])
def test_a_life_that_ends_in_the_past_ends_now(milliseconds: int) -> None:
    assert decide(Expire(7, "x", milliseconds), HELD, NOW) == Write(None, 0, Done(7))


def test_no_time_from_now_is_no_eternity() -> None:
    """Whoever means for ever says it as a point in time; from now on, 0 milliseconds are over at once."""
    assert decide(Expire(7, "x", 0, relative=True), HELD, NOW) == Write(None, 0, Done(7))


REQUESTS: st.SearchStrategy[EntryRequest] = st.one_of(
    st.builds(Get, st.just(7), st.just("x")),
    st.builds(Put, st.just(7), st.just("x"), st.binary(max_size=2)),
    st.builds(Update, st.just(7), st.just("x"), st.binary(max_size=2)),
    st.builds(GetUpdate, st.just(7), st.just("x"), st.binary(max_size=2)),
    st.builds(GetRemove, st.just(7), st.just("x")),
    st.builds(Cas, st.just(7), st.just("x"), st.binary(max_size=2), st.binary(max_size=1)),
    st.builds(Remove, st.just(7), st.just("x")),
    st.builds(RemoveIf, st.just(7), st.just("x"), st.binary(max_size=1)),
    st.builds(Expire, st.just(7), st.just("x"), st.integers(-5, 5), st.booleans()),
    st.builds(GetExpiry, st.just(7), st.just("x")),
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
