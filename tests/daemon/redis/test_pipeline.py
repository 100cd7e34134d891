"""The order of commands and answers, whatever the node does with what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from tests.daemon.redis.acted import NODE, VIEW
from wrpme.daemon.net.redis.channels import Kind
from wrpme.daemon.net.redis.client import Client
from wrpme.daemon.net.redis.pipeline import PATIENCE_SECONDS, Pipeline
from wrpme.daemon.net.redis.commands.table import begin
from wrpme.errors import IndeterminateError, MismatchError, NotFoundError, UnavailableError, UnstableError, WrpmeError
from wrpme.protocol.messages import (
    Content, Done, Failed, Get, GetView, Number, Remove, RemoveAll, Request, Results, Transaction, Update, ViewIs,
)  # fmt: skip


class Way:
    """Keeps what is handed in and answered; pauses end when the test says so."""

    def __init__(self) -> None:
        self.client = Client(1, "", lambda: 1_000_000)
        self.pipeline = Pipeline(self.client, self, begin)
        self.requests: list[Any] = []
        self.entries: dict[bytes, bytes] | None = None
        """What can be read at once, if anything can be."""
        self.elsewhere: set[bytes] = set()
        self.bursts: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        self.said = b""
        self.room = True
        self.seconds = self.heard_at = 0.0
        self.host = self
        self.has_lapsed = False
        self.due: list[Callable[[], None]] = []
        self.pauses: list[float] = []
        self.at_once: Callable[[Any], Any] | None = None

    def hand_in(self, requests: list[Request]) -> None:
        if self.at_once is None:
            self.requests += requests
            return
        for request in requests:
            self.pipeline.replied(self.at_once(request))

    def get(self, session: int, aliases: list[bytes], now: float) -> tuple[list[bytes | None], float]:
        found: list[bytes | None] = []
        for alias in aliases:
            if self.entries is None or alias in self.elsewhere:
                break
            found.append(self.entries.get(alias))
        return found, now

    def update(self, number: int, pairs: list[tuple[bytes, bytes]]) -> int:
        begun = 0
        for alias, _ in pairs:
            if self.entries is None or alias in self.elsewhere:
                break
            begun += 1
        if begun:
            self.bursts.append((number, pairs[:begun]))
        return begun

    def answer(self, answer: bytes) -> None:
        self.said += answer

    def has_room(self) -> bool:
        return self.room

    def now(self) -> float:
        return self.seconds

    def lapsed(self) -> bool:
        return self.has_lapsed

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.pauses.append(seconds)
        self.due.append(call)

    def take(self, *lines: str) -> None:
        self.pipeline.take([line.encode().split(b" ") for line in lines])

    def pause_ends(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()

    def reply(self, index: int, reply: Any) -> None:
        """To the request that was handed in as that."""
        self.pipeline.replied(type(reply)(self.requests[index].id, *_fields(reply)[1:]))

    def fails(self, index: int, error: WrpmeError) -> None:
        self.pipeline.replied(Failed(self.requests[index].id, error.code, error.sentence))

    def kinds(self) -> list[tuple[type, bytes]]:
        return [(type(request), request.alias) for request in self.requests]


def _fields(reply: Any) -> list[Any]:
    return [getattr(reply, name) for name in reply.__struct_fields__]


@pytest.fixture
def way() -> Way:
    return Way()


UNSTABLE = UnstableError("not now")


def test_answers_are_in_the_order_of_the_commands(way: Way) -> None:
    way.take("GET a", "PING", "GET b", "ECHO x")
    assert [request.alias for request in way.requests] == [b"a", b"b"], "handed in together"
    way.reply(1, Content(0, b"2"))
    assert way.said == b""
    assert way.pipeline.parked_bytes > 0
    way.reply(0, Content(0, b"1"))
    assert way.said == b"$1\r\n1\r\n+PONG\r\n$1\r\n2\r\n$1\r\nx\r\n"
    assert way.pipeline.parked_bytes == 0 and not way.pipeline.waits_for_answers


def test_several_requests_are_one_answer(way: Way) -> None:
    way.take("MGET a b", "DEL a b", "GET c")
    assert len(way.requests) == 5
    for index in (4, 3, 1):
        way.reply(index, Content(0, b"%d" % index) if index != 3 else Done(0))
    way.fails(0, NotFoundError("no"))
    assert way.said == b"*2\r\n$-1\r\n$1\r\n1\r\n"
    way.fails(2, NotFoundError("no"))
    assert way.said.endswith(b":1\r\n$1\r\n4\r\n")


def test_a_command_of_several_steps_is_alone(way: Way) -> None:
    way.take("GET a", "SET a 5 GET", "GET a")
    assert way.kinds() == [(Get, b"a")]
    way.reply(0, Content(0, b"1"))
    assert len(way.requests) == 2, "its first step"
    way.reply(1, Content(0, b"1", b"v" * 16))
    assert len(way.requests) == 3
    way.fails(2, MismatchError("another version"))
    way.reply(3, Content(0, b"2", b"w" * 16))
    assert way.requests[4].version == b"w" * 16
    way.reply(4, Done(0))
    assert way.said == b"$1\r\n1\r\n$1\r\n2\r\n"
    assert way.kinds()[5] == (Get, b"a"), "what follows it"


def test_what_is_refused_for_a_moment_is_asked_again(way: Way) -> None:
    way.take("SET a 1", "GET b")
    way.fails(0, UNSTABLE)
    way.take("GET c")
    assert len(way.requests) == 2, "nothing further is handed in"
    way.reply(1, Content(0, b"b"))
    way.pause_ends()
    assert way.kinds()[2:] == [(Update, b"a")], "and not what was carried out"
    way.reply(2, Done(0))
    assert way.said == b"+OK\r\n$1\r\nb\r\n"
    assert way.kinds()[3:] == [(Get, b"c")]


def test_what_was_read_behind_a_refused_write_is_read_again(way: Way) -> None:
    way.take("SET a 1", "GET a")
    way.fails(0, UNSTABLE)
    way.reply(1, Content(0, b"old"))
    way.pause_ends()
    assert way.kinds()[2:] == [(Update, b"a"), (Get, b"a")]
    way.reply(2, Done(0))
    way.reply(3, Content(0, b"1"))
    assert way.said == b"+OK\r\n$1\r\n1\r\n"


def test_a_write_is_not_carried_out_behind_a_later_one(way: Way) -> None:
    way.take("SET a 1", "SET a 2", "GET b")
    way.fails(0, UNSTABLE)
    way.reply(1, Done(0))
    way.fails(2, UNSTABLE)
    way.pause_ends()
    assert way.kinds()[3:] == [(Get, b"b")]
    way.reply(3, Content(0, b"b"))
    assert way.said.startswith(b"-TRYAGAIN not now; what you sent after it was carried out")
    assert way.said.endswith(b"\r\n+OK\r\n$1\r\nb\r\n")


def test_of_several_requests_only_those_that_were_refused_are_asked_again(way: Way) -> None:
    way.take("DEL a b c")
    way.reply(0, Done(0))
    way.fails(1, UNSTABLE)
    way.reply(2, Done(0))
    way.pause_ends()
    assert way.kinds()[3:] == [(Remove, b"b")]
    way.reply(3, Done(0))
    assert way.said == b":3\r\n"


@pytest.mark.parametrize("command", ["GET a", "SET a 1", "SET a 1 GET", "MGET a a"])
def test_patience_ends(way: Way, command: str) -> None:
    way.at_once = lambda request: Failed(request.id, UNSTABLE.code, UNSTABLE.sentence)
    way.take(command)
    while not way.said:
        way.seconds += 1.0
        assert way.seconds <= PATIENCE_SECONDS + 2.0
        way.pause_ends()
    assert way.said == b"-TRYAGAIN not now\r\n"
    assert way.pauses == sorted(way.pauses) and way.pauses[0] < way.pauses[-1]
    way.at_once = lambda request: Content(request.id, b"x")
    way.take("GET b")
    assert way.said.endswith(b"\r\n$1\r\nx\r\n")


def test_a_write_that_takes_longer_than_the_patience_was_carried_out(way: Way) -> None:
    """A disk may hang for so long."""
    way.take("SET a 5 GET", "SET a 6 GET")
    way.reply(0, Content(0, b"1", b"v" * 16))
    way.seconds += 2 * PATIENCE_SECONDS
    way.reply(1, Done(0))
    assert way.said == b"$1\r\n1\r\n"
    way.reply(2, Content(0, b"5", b"w" * 16))
    way.seconds += 2 * PATIENCE_SECONDS
    way.fails(3, MismatchError("another version"))
    assert way.said.endswith(b"\r\n-TRYAGAIN others change the entry all the time; nothing was changed, try again\r\n")
    assert not way.pipeline.waits_for_answers and len(way.requests) == 4


@pytest.mark.parametrize("command", ["SET a 1", "MSET a 1", "SET a 1 GET", "INCRBYFLOAT a 1"])
@pytest.mark.parametrize(
    ("error", "word"), [(IndeterminateError("x"), b"INDETERMINATE"), (UnavailableError("x"), b"CLUSTERDOWN")]
)
def test_what_is_not_asked_again(way: Way, command: str, error: WrpmeError, word: bytes) -> None:
    way.at_once = lambda request: (
        Content(request.id, b"1", b"v" * 16)
        if isinstance(request, Get)
        else Failed(request.id, error.code, error.sentence)
    )
    way.take(command)
    assert way.said == b"-%b x\r\n" % word
    assert not way.due


def test_a_size_is_asked_again_whatever_became_of_the_question(way: Way) -> None:
    way.take("STRLEN a")
    way.fails(0, IndeterminateError("the connection broke"))
    way.pause_ends()
    way.reply(1, Number(0, 3))
    assert way.said == b":3\r\n"


def test_all_is_removed_again_whatever_became_of_it(way: Way) -> None:
    way.take("FLUSHALL")
    way.reply(0, ViewIs(0, NODE, VIEW))
    way.fails(1, IndeterminateError("the connection broke"))
    way.pause_ends()
    way.reply(2, ViewIs(0, NODE, VIEW))
    assert [type(request) for request in way.requests] == [GetView, RemoveAll, GetView, RemoveAll]
    way.reply(3, Number(0, 3))
    assert way.said == b"+OK\r\n"


def test_what_was_read_under_a_lease_that_has_run_out_is_read_again(way: Way) -> None:
    way.take("GET a")
    way.seconds = 5.0
    way.pipeline.replied(Content(way.requests[0].id, b"old"), 4.0)
    assert way.said == b""
    way.pause_ends()
    way.pipeline.replied(Content(way.requests[1].id, b"new"), 6.0)
    assert way.said == b"$3\r\nnew\r\n"


def test_what_was_read_before_all_leases_lapsed_is_read_again(way: Way) -> None:
    way.take("GET a", "GET b")
    way.has_lapsed = True
    way.pipeline.replied(Content(way.requests[1].id, b"old"), 9.0)
    way.has_lapsed = False
    way.pipeline.replied(Content(way.requests[0].id, b"a"), 9.0)
    way.pause_ends()
    way.pipeline.replied(Content(way.requests[2].id, b"new"), 9.0)
    assert way.said == b"$1\r\na\r\n$3\r\nnew\r\n"


def test_a_scan_begins_again_in_another_view(way: Way) -> None:
    way.take("DBSIZE")
    way.fails(0, UNSTABLE)
    way.pause_ends()
    assert len(way.requests) == 2 and type(way.requests[1]) is type(way.requests[0])


def test_nothing_begins_where_there_is_no_room(way: Way) -> None:
    way.room = False
    way.take("GET a", "PING")
    assert not way.requests and len(way.said) == 0
    way.room = True
    way.pipeline.go_on()
    way.reply(0, Content(0, b"1"))
    assert way.said == b"$1\r\n1\r\n+PONG\r\n"


def test_what_an_exec_of_many_keys_holds_is_answered_as_one_array(way: Way) -> None:
    way.at_once = lambda request: (
        Done(request.id) if isinstance(request, Update) else Content(request.id, request.alias)
    )
    way.take("MULTI", "SET a 1", "GET b", "PING", "EXEC", "GET c")
    assert way.said == b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n$1\r\nb\r\n+PONG\r\n$1\r\nc\r\n"


def test_answers_that_are_not_wanted(way: Way) -> None:
    way.at_once = lambda request: Content(request.id, request.alias)
    way.take("CLIENT REPLY OFF", "GET a", "PING", "CLIENT REPLY ON", "CLIENT REPLY SKIP", "GET b", "GET c")
    assert way.said == b"+OK\r\n$1\r\nc\r\n"


def test_after_quit_nothing_is_carried_out(way: Way) -> None:
    way.take("QUIT", "SET a 1")
    assert way.said == b"+OK\r\n" and not way.requests


def test_at_the_end_nothing_is_said_of_what_has_no_answer(way: Way) -> None:
    way.take("SET a 1", "PING")
    way.fails(0, UNSTABLE)
    way.pipeline.end()
    assert way.said == b""
    other = Way()
    other.room = False
    other.take("PING", "GET a")
    other.pipeline.end()
    assert other.said == b""
    other.pipeline.go_on()
    assert not other.requests
    assert other.now() < inf


# --- what is published -----------------------------------------------------------------------------------------------


@pytest.fixture
def published(way: Way) -> list[bytes]:
    """What an observer hears of channel ``c``, as it is published."""
    heard: list[bytes] = []
    observer = Client(2, "", lambda: 0)
    observer.push = lambda frame: heard.append(frame.split(b"\r\n")[-2])
    way.client.channels.subscribe(observer, Kind.CHANNEL, b"c", bool)
    return heard


def test_what_is_published_waits_until_what_was_said_before_is_done(way: Way, published: list[bytes]) -> None:
    way.take("SET a 1", "PUBLISH c changed", "PING")
    assert len(way.requests) == 1 and way.said == b"" and not published
    way.reply(0, Done(0))
    assert way.said == b"+OK\r\n:1\r\n+PONG\r\n" and published == [b"changed"]


def test_what_a_transaction_publishes_is_published_once_it_is_carried_out(way: Way, published: list[bytes]) -> None:
    attempts: list[Transaction] = []

    def node(request: Any) -> Any:
        if isinstance(request, Transaction):
            assert not published, "it is not carried out yet"
            attempts.append(request)
            return Results(request.id, ()) if len(attempts) == 3 else Failed(request.id, MismatchError.code, "changed")
        if isinstance(request, Get):
            return Content(request.id, b"1", b"v" * 16)
        return Number(request.id, 0, version=b"v" * 16)

    way.at_once = node
    way.take("MULTI", "INCR {t}a", "PUBLISH c changed", "GET {t}a", "EXEC")
    assert len(attempts) == 3
    assert way.said.endswith(b"*3\r\n:2\r\n:1\r\n$1\r\n2\r\n") and published == [b"changed"]


def test_confirmations_are_said_whether_answers_are_wanted_or_not(way: Way) -> None:
    way.take("CLIENT REPLY OFF", "SUBSCRIBE a", "PING", "UNSUBSCRIBE a", "CLIENT REPLY ON")
    assert way.said == b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n+OK\r\n"


def test_nothing_is_told_within_the_answer_of_an_exec(way: Way) -> None:
    way.take("HELLO 3", "SUBSCRIBE c", "MULTI", "GET a", "PUBLISH c x", "GET b", "EXEC")
    assert way.said.endswith(b"*3\r\n")
    said, told = len(way.said), list[bytes]()

    def tell() -> int:
        told.append(way.said[said:])
        return 0

    way.client.tell = tell
    way.reply(0, Content(0, b"1"))
    assert not told and way.client.inside == 1
    way.reply(1, Content(0, b"2"))
    assert told == [b"$1\r\n1\r\n:1\r\n$1\r\n2\r\n"] and way.client.inside == 0


def test_a_publisher_waits_where_the_channels_are_behind(way: Way, published: list[bytes]) -> None:
    way.client.channels.waits = lambda publisher: True  # type: ignore[method-assign]
    way.take("PUBLISH c x", "PING")
    assert way.said == b"" and not published
    way.client.channels.waits = lambda publisher: False  # type: ignore[method-assign]
    way.pipeline.go_on()
    assert way.said == b":1\r\n+PONG\r\n" and published == [b"x"]


# --- the fast path ---------------------------------------------------------------------------------------------------


def at_once(way: Way, *elsewhere: bytes, **entries: bytes) -> None:
    way.entries, way.elsewhere = {name.encode(): content for name, content in entries.items()}, set(elsewhere)


def test_plain_reads_are_answered_at_once(way: Way) -> None:
    at_once(way, a=b"1", b=b"")
    way.take("GET a", "get none", "GET b")
    assert way.said == b"$1\r\n1\r\n$-1\r\n$0\r\n\r\n" and not way.requests
    way.client.speak(True)
    way.take("GET none")
    assert way.said.endswith(b"_\r\n") and way.client.last == b"GET"


def test_what_can_not_be_read_at_once_is_asked_and_what_follows_too(way: Way) -> None:
    at_once(way, b"far", a=b"1")
    way.take("GET a", "GET far", "GET a", "PING")
    assert way.said == b"$1\r\n1\r\n" and way.kinds() == [(Get, b"far"), (Get, b"a")]
    way.reply(1, Content(0, b"2"))
    way.reply(0, Content(0, b"x"))
    assert way.said == b"$1\r\n1\r\n$1\r\nx\r\n$1\r\n2\r\n+PONG\r\n"


def test_updates_are_one_burst_and_reads_behind_them_wait(way: Way) -> None:
    at_once(way, a=b"1")
    way.take("SET a 1", "set b 2", "GET a", "SET c 3")
    assert way.bursts == [(1, [(b"a", b"1"), (b"b", b"2")])] and way.kinds() == [(Get, b"a"), (Update, b"c")]
    way.take("SET d 4")
    assert way.bursts[1:] == [(5, [(b"d", b"4")])], "numbers go on behind those of a burst"
    way.reply(0, Content(0, b"1"))
    way.reply(1, Done(0))
    assert way.pipeline.burst_done(5, (), 0.0) == 1
    assert way.said == b""
    assert way.pipeline.burst_done(1, (), 0.0) == 2
    assert way.said == b"+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n+OK\r\n"
    assert way.pipeline.parked_bytes == 0 and not way.pipeline.waits_for_answers


@pytest.mark.parametrize(
    "first", ["MULTI", "CLIENT REPLY OFF", "CLIENT REPLY SKIP", "SUBSCRIBE x", "WATCH a", "SET far 1 GET"]
)
def test_nothing_is_fast_where_more_than_a_command_counts(way: Way, first: str) -> None:
    at_once(way, b"far", a=b"1")
    way.take(first)
    way.take("SET a 1", "GET a")
    assert not way.bursts and b"$1\r\n1" not in way.said


def test_of_a_burst_what_failed_is_said_and_the_others_are_done(way: Way) -> None:
    at_once(way)
    way.take("SET a 1", "SET b 2", "SET c 3")
    error = IndeterminateError("x")
    assert way.pipeline.burst_done(1, [Failed(1, error.code, error.sentence)], 0.0) == 3
    assert way.said == b"+OK\r\n-INDETERMINATE x\r\n+OK\r\n" and way.pipeline.parked_bytes == 0


def test_of_a_burst_what_was_refused_for_a_moment_is_asked_again(way: Way) -> None:
    at_once(way)
    way.take("SET a 1", "SET b 2")
    error = UnstableError("x")
    way.pipeline.burst_done(1, [Failed(1, error.code, error.sentence)], 0.0)
    assert way.said == b"+OK\r\n"
    way.take("SET c 3")
    assert len(way.bursts) == 1, "what follows waits for it"
    way.pause_ends()
    assert way.requests == [Update(3, b"b", b"2")]
    way.reply(0, Done(0))
    assert len(way.bursts) == 1 and way.requests[1:] == [Update(4, b"c", b"3")]
    way.reply(1, Done(0))
    assert way.said == b"+OK\r\n+OK\r\n+OK\r\n"


def test_what_a_burst_overtook_is_not_asked_again(way: Way) -> None:
    at_once(way, b"far")
    way.take("SET far 1", "GET x")
    way.take("SET far 2")
    way.elsewhere.clear()
    way.take("SET far 3", "SET b 4")
    way.pipeline.burst_done(4, (), 0.0)
    way.fails(0, UnstableError("x"))
    way.reply(1, Content(0, b"x"))
    way.reply(2, Done(0))
    assert way.said.startswith(b"-TRYAGAIN x; what you sent after it was carried out, so it was not tried again\r\n")
    assert way.said.endswith(b"$1\r\nx\r\n+OK\r\n+OK\r\n+OK\r\n") and not way.due


def test_a_burst_has_answers_to_the_end_of_the_connection(way: Way) -> None:
    at_once(way)
    way.take("SET a 1", "SET b 2")
    way.pipeline.drop()
    assert way.pipeline.burst_done(1, (), 0.0) == 0 and way.said == b""
