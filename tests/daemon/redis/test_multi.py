"""Transactions: what EXEC asks of a node, and what it answers when that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.daemon.redis.test_pipeline import Way
from wrpme.daemon.net.redis.commands import table
from wrpme.daemon.net.redis.client import Options
from wrpme.errors import ApartError, MismatchError, TooLargeError, WrpmeError
from wrpme.protocol.messages import (
    Append, Content, Done, Exists, Failed, Get, GetExpiry, IfVersion, Number, Remove, Transaction, Update,
)  # fmt: skip


class Store:
    """Entries with versions; ``refuse`` so many transactions as if another had changed something."""

    def __init__(self, **entries: bytes) -> None:
        self.entries = {name.encode(): content for name, content in entries.items()}
        self.versions = dict.fromkeys(self.entries, b"%016d" % 1)
        self.transactions: list[tuple[Any, ...]] = []
        self.refuse = 0
        self.writes_between = 0
        """So many times another one writes after a content was read, and before the life span is."""

    def change(self, key: bytes, content: bytes) -> None:
        self.entries[key] = content
        self.versions[key] = b"%016d" % (int(self.versions.get(key, b"1")) + 1)

    def __call__(self, request: Any) -> Any:
        if isinstance(request, Transaction):
            self.transactions.append(tuple(type(part) for part in request.requests))
            if self.refuse:
                self.refuse -= 1
                return Failed(request.id, MismatchError.code, "another version", 0)
            for part in request.requests:
                if isinstance(part, Update):
                    self.change(part.alias, part.content)
                elif isinstance(part, Remove):
                    del self.entries[part.alias]
            return Done(request.id)
        content = self.entries.get(request.alias)
        if isinstance(request, Exists):
            return Number(request.id, int(content is not None))
        if isinstance(request, Append):
            return Number(request.id, len(content or b""))
        if content is None:
            return Failed(request.id, 2, "there is none")
        if isinstance(request, GetExpiry):
            told = self.versions[request.alias]
            if self.writes_between:
                self.writes_between -= 1
                self.change(request.alias, content)
                told = self.versions[request.alias]
            return Number(request.id, 0, version=told)
        return Content(request.id, content, self.versions[request.alias])


def made(store: Store) -> Way:
    way = Way()
    way.at_once = store
    return way


def test_commands_on_one_tag_are_one_transaction() -> None:
    store = Store(a=b"1", b=b"x")
    way = made(store)
    way.take("MULTI", "INCR a", "GET a", "INCR a", "SET a 7 NX", "DEL a", "EXEC")
    assert way.said.endswith(b"*5\r\n:2\r\n$1\r\n2\r\n:3\r\n$-1\r\n:1\r\n")
    assert store.transactions == [(IfVersion, Remove)] and b"a" not in store.entries


def test_an_error_of_one_command_leaves_the_others() -> None:
    store = Store(**{"{t}a": b"x"})
    way = made(store)
    way.take("MULTI", "INCR {t}a", "SET {t}b 2", "EXEC")
    assert way.said.endswith(b"*2\r\n-ERR value is not an integer or out of range\r\n+OK\r\n")
    assert store.transactions == [(IfVersion, IfVersion, Update)]


def test_it_is_done_again_where_another_changed_something() -> None:
    store = Store(**{"{t}a": b"1"})
    store.refuse = 2
    way = made(store)
    way.take("MULTI", "INCR {t}a", "SET {t}b 2", "EXEC")
    assert way.said.endswith(b"*2\r\n:2\r\n+OK\r\n")
    assert len(store.transactions) == 3


@pytest.mark.parametrize("three", [False, True])
def test_it_is_null_where_a_watched_entry_changed(three: bool) -> None:
    store = Store(a=b"1")
    way = made(store)
    way.client.speak(three)
    way.take("WATCH a")
    store.change(b"a", b"2")
    way.take("MULTI", "SET a 3", "EXEC", "MULTI", "SET a 4", "GET a", "EXEC")
    null = b"_\r\n" if three else b"*-1\r\n"
    assert way.said == b"+OK\r\n+OK\r\n+QUEUED\r\n" + null + b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n4\r\n"


def test_a_watched_entry_that_stays_or_is_unwatched() -> None:
    store = Store(a=b"1")
    way = made(store)
    way.take("WATCH a", "MULTI", "SET a 3", "EXEC", "WATCH a", "UNWATCH")
    store.change(b"a", b"9")
    way.take("MULTI", "GET a", "EXEC", "WATCH none", "MULTI", "GET none", "EXEC")
    assert way.said.count(b"*-1") == 0 and way.said.endswith(b"*1\r\n$-1\r\n")


@pytest.mark.parametrize("look", ["GET a", "MGET b a", "STRLEN a", "EXISTS a", "TTL a", "SETNX a 1", "SET a 5 NX GET"])
def test_an_entry_that_came_and_was_seen_and_went_has_changed(look: str) -> None:
    store = Store()
    way = made(store)
    way.take("WATCH a", "GET a", "EXISTS a")
    store.change(b"a", b"2")
    way.take(look)
    store.entries.pop(b"a")
    way.take("MULTI", "SET a 3", "EXEC")
    assert way.said.endswith(b"+QUEUED\r\n*-1\r\n") and not store.transactions


def test_an_entry_that_was_not_there_and_is_not() -> None:
    way = made(Store())
    way.take("WATCH a", "GET a", "EXISTS a", "STRLEN a", "MULTI", "SET a 3", "EXEC")
    assert way.said.endswith(b"+QUEUED\r\n*1\r\n+OK\r\n")


def test_keys_of_several_tags() -> None:
    store = Store(a=b"1")
    way = made(store)
    way.at_once = lambda request: Done(request.id) if isinstance(request, Update) else store(request)
    way.take("MULTI", "SET a 1", "SET b 2", "EXEC")
    assert way.said.endswith(b"*2\r\n+OK\r\n+OK\r\n") and not store.transactions
    way.take("WATCH a", "MULTI", "SET b 2", "EXEC", "MULTI", "EXEC")
    assert b"-CROSSSLOT Keys in request" in way.said and way.said.endswith(b"+OK\r\n*0\r\n")


def test_what_is_wrong_is_said_at_once_and_ends_it() -> None:
    way = made(Store(a=b"1"))
    way.take("EXEC", "DISCARD", "MULTI", "MULTI", "GET", "WATCH a", "GET a", "EXEC", "GET a")
    assert way.said == (
        b"-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n+OK\r\n-ERR MULTI calls can not be nested\r\n"
        b"-ERR wrong number of arguments for 'get' command\r\n-ERR WATCH inside MULTI is not allowed\r\n+QUEUED\r\n"
        b"-EXECABORT Transaction discarded because of previous errors.\r\n$1\r\n1\r\n"
    )


def test_what_is_queued_and_watched_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FRAME_BYTES_MAX", 1000)
    way = made(Store())
    way.take("MULTI", *(["SET a 1"] * 100), "EXEC")
    assert b"-ERR more was queued since MULTI" in way.said and way.said.endswith(b"because of previous errors.\r\n")
    way.take("WATCH " + " ".join(map(str, range(1001))))
    assert way.said.endswith(b"-ERR at most 1000 keys are watched\r\n")


def test_discard_forgets_what_is_watched() -> None:
    store = Store(a=b"1")
    way = made(store)
    way.take("WATCH a", "MULTI", "DISCARD")
    store.change(b"a", b"2")
    way.take("MULTI", "GET a", "EXEC")
    assert way.said.endswith(b"*1\r\n$1\r\n2\r\n")
    assert type(store(Get(1, b"a"))) is Content


def test_a_life_span_is_that_of_the_content_that_was_read() -> None:
    store = Store(**{"{t}a": b"1"})
    way = made(store)
    store.writes_between = 2
    way.take("MULTI", "APPEND {t}a 2", "SET {t}b y", "EXEC")
    assert store.writes_between == 0 and store.entries == {b"{t}a": b"12", b"{t}b": b"y"}
    assert len(store.transactions) == 1, "what was read is not tried before all of it is of one version"


CROSS_SLOT = b"-CROSSSLOT Keys in request don't hash to the same slot\r\n"


def test_an_mset_of_one_tag_is_one_transaction() -> None:
    store = Store()
    way = made(store)
    way.take("MSET {t}a 1 {t}b 2 {t}a 3")
    assert way.said == b"+OK\r\n" and store.transactions == [(Update, Update)]
    assert store.entries == {b"{t}a": b"3", b"{t}b": b"2"}


@pytest.mark.parametrize("error", [ApartError("apart"), TooLargeError("8 MiB")])
@pytest.mark.parametrize("is_strict", [False, True])
def test_an_mset_that_can_be_no_transaction(error: WrpmeError, is_strict: bool) -> None:
    way = Way()
    way.client.options = Options(strict=is_strict)
    way.take("MSET {t}a 1 {t}b 2")
    (asked,) = way.requests
    assert type(asked) is Transaction
    way.fails(0, error)
    if is_strict:
        assert way.said == (CROSS_SLOT if isinstance(error, ApartError) else b"-ERR 8 MiB\r\n")
        return
    assert [(type(part), part.alias) for part in way.requests[1:]] == [(Update, b"{t}a"), (Update, b"{t}b")]
    way.reply(1, Done(0))
    way.reply(2, Done(0))
    assert way.said == b"+OK\r\n"


@pytest.mark.parametrize(
    "lines",
    [["MSET a 1 b 2"], ["MSETEX 2 a 1 b 2 EX 5"], ["MULTI", "SET a 1", "INCR b", "EXEC"], ["MULTI", "DBSIZE", "EXEC"]],
)
def test_a_strict_node_does_nothing_by_halves(lines: list[str]) -> None:
    way = Way()
    way.client.options = Options(strict=True)
    way.take(*lines)
    assert not way.requests and way.said.endswith(CROSS_SLOT)
    way.take("GET a", "MSET c 1")
    assert way.kinds() == [(Get, b"a"), (Update, b"c")], "one key is never too many"
