"""Messages with many requests, and transactions, on their way through the nodes."""

from __future__ import annotations

import pytest

from tests.core.test_router import in_flight, owned_by
from tests.harness import Hive, hive_of, identity, word_of
from wrpme.core import router as routers
from wrpme.core.io import LinkDown, ReplyTo
from wrpme.core.limits import ANSWER_BYTES_USUAL
from wrpme.daemon.runner import lapsed
from wrpme.limits import MANY_BYTES_MAX, MANY_REQUESTS_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_REQUESTS_MAX
from wrpme.protocol.messages import (
    Content, Done, EntryReply, EntryRequest, Failed, Forward, Forwarded, Get, GetUpdate, Many, Put, Results,
    Transaction, Update,
)  # fmt: skip


@pytest.fixture
def hive() -> Hive:
    return hive_of("a", "b")


def many(hive: Hive, name: str, owner: str, *requests: EntryRequest) -> tuple[EntryReply, ...]:
    reply = hive.ask(name, Many(7, identity(owner), requests))
    assert isinstance(reply, Results) and reply.id == 7
    return reply.replies


def test_each_request_is_answered_in_its_place(hive: Hive) -> None:
    mine, other = owned_by(hive, "a"), owned_by(hive, "b")
    replies = many(hive, "a", "a", Put(1, mine, b"1"), Get(2, mine), Put(3, mine, b""), Get(4, other), Get(5, b""))
    assert replies[:2] == (Done(1), Content(2, b"1"))
    assert [word_of(reply) for reply in replies] == ["", "", "already_exists", "unstable", "usage"]
    assert not any(isinstance(body, Forward) for _, _, body in hive.sent)


def test_it_is_passed_on_as_one_message(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    large = bytes(2 * ANSWER_BYTES_USUAL)
    replies = many(hive, "a", "b", Put(1, alias, large), Get(2, alias), GetUpdate(3, alias, b"new"))
    assert replies == (Done(1), Content(2, large), Content(3, large))
    assert sum(isinstance(body, Forward) for _, _, body in hive.sent) == 1
    assert in_flight(hive, "a") == (0, 0, 0)


def test_contents_that_have_no_room_are_refused_by_themselves(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routers, "MANY_BYTES_MAX", 100)
    alias = owned_by(hive, "a")
    many(hive, "a", "a", Put(1, alias, bytes(40)))
    replies = many(hive, "a", "a", *(Get(2, alias),) * 3, GetUpdate(3, alias, b""), Update(4, alias, b"end"))
    assert [word_of(reply) for reply in replies] == ["", "", "busy", "busy", ""]
    assert hive.ask("a", Get(5, alias)) == Content(5, b"end")


@pytest.mark.parametrize(
    "requests", [(), (Get(1, b"x"),) * (MANY_REQUESTS_MAX + 1), (Put(1, b"x", bytes(MANY_BYTES_MAX)),)]
)
def test_a_message_has_bounds(hive: Hive, requests: tuple[EntryRequest, ...]) -> None:
    assert word_of(hive.ask("a", Many(7, identity("a"), requests))) == "too_large"


def test_writes_that_were_lost_on_the_way_are_indeterminate_and_reads_are_not(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    hive.nodes["a"].context.linked["b"] = True
    hive.drop = lambda source, target, body: isinstance(body, Forwarded)
    requests = (
        Many(1, identity("b"), (Get(1, alias),)),
        Many(2, identity("b"), (Get(1, alias), Update(1, alias, b""))),
    )
    read, write = (hive.send("a", request) for request in requests)
    hive.go(0.1)
    hive.event("a", LinkDown("b", "connection reset"))
    assert word_of(hive.replies[read]) == "unstable"
    assert word_of(hive.replies[write]) == "indeterminate"


def tagged(alias: bytes) -> bytes:
    return b"{%b}:x" % alias


def test_a_transaction_goes_to_the_owner_of_its_tag(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    requests = (Put(1, alias, b"1"), Put(2, tagged(alias), b"2"), Get(3, alias))
    assert hive.ask("a", Transaction(8, requests)) == Results(8, (Done(1), Done(2), Content(3, b"1")))
    assert hive.ask("b", Get(4, tagged(alias))) == Content(4, b"2")
    failed = hive.ask("a", Transaction(9, requests))
    assert isinstance(failed, Failed) and failed.id == 9 and failed.operation == 0
    assert in_flight(hive, "a") == (0, 0, 0)


def test_a_large_answer_of_a_transaction_is_asked_for_with_room(hive: Hive) -> None:
    alias, large = owned_by(hive, "b"), bytes(3 * ANSWER_BYTES_USUAL)
    hive.ask("a", Put(1, alias, large))
    assert hive.ask("a", Transaction(8, (Get(1, alias),))) == Results(8, (Content(1, large),))
    assert in_flight(hive, "a") == (0, 0, 0)


def test_entries_that_are_not_together_are_named(hive: Hive) -> None:
    reply = hive.ask("a", Transaction(8, (Get(1, b"{x}a"), Get(2, b"{x}b"), Get(3, b"{y}c"))))
    assert isinstance(reply, Failed) and word_of(reply) == "apart"
    assert '"{x}a" and "{y}c" are not together' in reply.sentence


def test_a_node_that_knows_no_view_says_so_whatever_the_entries(hive: Hive) -> None:
    alias = owned_by(hive, "b")
    hive.nodes["a"].context.view = None
    session = hive.send("a", Transaction(8, (Get(1, alias), Get(2, tagged(alias)))))
    assert word_of(hive.replies[session]) == "unstable"


@pytest.mark.parametrize(
    ("requests", "word"),
    [
        ((), "usage"),
        ((Get(1, b"x"),) * (TRANSACTION_REQUESTS_MAX + 1), "usage"),
        ((Put(1, b"x", bytes(TRANSACTION_BYTES_MAX)),), "too_large"),
        ((Get(1, b"x"), Get(1, b"")), "usage"),
    ],
)
def test_a_transaction_has_bounds(hive: Hive, requests: tuple[EntryRequest, ...], word: str) -> None:
    assert word_of(hive.ask("a", Transaction(7, requests))) == word


def test_only_what_was_read_under_a_lease_lapses_with_it() -> None:
    reply = Results(7, (Done(1), Failed(2, 3, "there is one"), Content(3, b"x")))
    effect = ReplyTo(1, reply, 5.0, (1, 2))
    instead = lapsed(effect.reply, effect.leased)
    assert isinstance(instead, Results) and instead.replies[0] == Done(1)
    assert [word_of(part) for part in instead.replies] == ["", "unstable", "unstable"]
