"""Redis clients at a daemon over loopback, with a node that does as it is told: the bounds of every session hold."""

from __future__ import annotations

import asyncio

import pytest

from tests.daemon_parts import PATIENCE_SECONDS, Raw, closed, daemon, echo, silence, turns_of
from wrpme.core.io import Deliver, Effect, Exit, Publish, ReplyTo, SessionClosed, StopAsked
from wrpme.daemon.limits import PARTIAL_FRAME_SECONDS_MAX, SUBSCRIBER_BEHIND_BYTES_MAX
from wrpme.daemon.net.server import FOREIGN
from wrpme.errors import UnstableError
from wrpme.limits import CONTENT_BYTES_MAX, MIB
from wrpme.protocol.identities import Publication, Published
from wrpme.protocol.messages import Content, Done, Failed, Get, Request, Update

pytestmark = pytest.mark.asyncio


async def answer(client: Raw, size: int) -> bytes:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await client.reader.readexactly(size)


async def hears(client: Raw, expected: bytes) -> None:
    assert await answer(client, len(expected)) == expected


async def test_commands_are_requests_of_a_session() -> None:
    async with daemon() as d, Raw(d.port) as client:
        client.writer.write(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nset b 1\r\nPING\r\n")
        await hears(client, b"$1\r\na\r\n+OK\r\n+PONG\r\n")
        assert [request for _, request in d.node.requests] == [Get(1, b"a"), Update(2, b"b", b"1")]
        assert d.runner.process.stats().sessions == d.runner.process.stats().redis_sessions == 1
        assert list(d.runner.process.clients) == [d.node.requests[0][0]]
        session = d.node.requests[0][0]
        client.writer.close()
        await d.node.until(lambda: closed(d.node, session))
        assert d.runner.process.stats().sessions == d.runner.process.stats().redis_sessions == 0
        assert not d.runner.server.sessions


async def test_what_one_read_brought_is_one_turn() -> None:
    async with daemon() as d, Raw(d.port) as client:
        turns = turns_of(d.node)
        client.writer.write(b"GET x\r\n" * 100)
        await hears(client, b"$1\r\nx\r\n" * 100)
        assert turns[0] == 100


async def test_byte_by_byte() -> None:
    async with daemon() as d, Raw(d.port) as client:
        for byte in b"GET a\r\n*1\r\n$4\r\nPING\r\n":
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        await hears(client, b"$1\r\na\r\n+PONG\r\n")


async def test_a_large_value_comes_and_goes() -> None:
    content = bytes(CONTENT_BYTES_MAX)
    async with daemon() as d, Raw(d.port) as client:
        d.node.on_request = lambda session, request: (
            [ReplyTo(session, Content(request.id, content))] if isinstance(request, Get) else echo(session, request)
        )
        client.writer.write(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n" % len(content) + content + b"\r\nGET a\r\n")
        await hears(client, b"+OK\r\n$%d\r\n" % len(content) + content + b"\r\n")
        assert d.node.requests[0][1] == Update(1, b"a", content)
        assert d.runner.server.partial_bytes == 0


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (b"*1\r\n:1\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\n$3\r\nGET\r\n" + b"*x\r\n", b"-ERR wrong number of arguments for 'get' command\r\n"),
        (b"'a\r\n", FOREIGN),
        (b"a 'b\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"GET a\r\nPOST /\r\nSET a b\r\n", b"$1\r\na\r\n" + FOREIGN),
        (b"POST / HTTP/1.1\r\n\r\nSET a b\r\n", b"HTTP/1.1 400 "),
    ],
)
async def test_nonsense_gets_one_sentence(said: bytes, word: bytes) -> None:
    async with daemon() as d, Raw(d.port) as client:
        client.writer.write(said)
        assert (await client.rest()).startswith(word)
        assert not any(isinstance(request, Update) for _, request in d.node.requests)
        assert len(d.log.lines) == 1, d.log.lines


async def test_there_are_so_many_clients_and_no_more() -> None:
    async with daemon(clients_max=1) as d, Raw(d.port) as one, Raw(d.port) as other:
        one.writer.write(b"PING\r\n")
        await hears(one, b"+PONG\r\n")
        other.writer.write(b"PING\r\n")
        assert (await other.rest()).startswith(b"-ERR max number of clients reached")


async def test_a_command_that_does_not_go_on_is_given_up() -> None:
    async with daemon() as d, Raw(d.port) as client:
        d.now = d.runner.clock()
        client.writer.write(b"PING\r\n*2\r\n$3\r\nGET\r\n$100\r\nabc")
        await hears(client, b"+PONG\r\n")
        while not d.runner.server.partial_bytes:
            await asyncio.sleep(0)
        d.now += 2 * PARTIAL_FRAME_SECONDS_MAX
        d.runner.server.tick(d.now)
        assert (await client.rest()).startswith(b"-ERR Protocol error: a message has not gone on")
        assert d.runner.server.partial_bytes == 0


async def test_who_does_not_read_is_read_no_further() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        content = bytes(MIB)

        def large(session: int, request: Request) -> list[Effect]:
            return [ReplyTo(session, Content(request.id, content))]

        d.node.on_request = large
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(b"GET a\r\n" * 200)
        await d.node.until(lambda: bool(d.node.requests))
        for _ in range(20):
            other.writer.write(b"PING\r\n")
            await hears(other, b"+PONG\r\n")
        assert len(d.node.requests) < 50, "what was said is kept, and not carried out"
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await hears(client, (b"$%d\r\n" % len(content) + content + b"\r\n") * 200)


async def test_answers_without_the_node_are_bounded_too() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(b"COMMAND DOCS\r\n" * 2000)
        for _ in range(50):
            other.writer.write(b"PING\r\n")
            await hears(other, b"+PONG\r\n")
        assert d.runner.process.answers_bytes < 8 * MIB
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        client.writer.write(b"QUIT\r\n")
        assert (await client.rest()).endswith(b"+OK\r\n")


async def test_a_pipeline_goes_on_behind_answers_that_are_late() -> None:
    async with daemon() as d, Raw(d.port) as client:
        d.node.on_request = silence
        client.writer.write(b"SET a 1\r\nGETSET a 2\r\nPING\r\n")
        await d.node.until(lambda: len(d.node.requests) == 1)
        session, first = d.node.requests[0]
        d.node.on_input = lambda event: [ReplyTo(session, Done(first.id))] if isinstance(event, StopAsked) else []
        d.node.on_request = lambda session, request: (
            [ReplyTo(session, Content(request.id, b"1", b"v" * 16))]
            if isinstance(request, Get)
            else [ReplyTo(session, Done(request.id))]
        )
        d.runner._handle(StopAsked())
        await hears(client, b"+OK\r\n$1\r\n1\r\n+PONG\r\n")


async def test_an_answer_under_a_lapsed_lease_does_not_leave() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        d.now = 100.0
        for _ in range(5):
            other.writer.write(b"PING\r\n")
            await hears(other, b"+PONG\r\n")
        valid = [99.0, 101.0]
        d.node.on_request = lambda session, request: [
            ReplyTo(session, Content(request.id, b"%d" % len(valid)), valid_until=valid.pop(0))
        ]
        client.writer.write(b"GET a\r\n")
        await hears(client, b"$1\r\n1\r\n")


async def test_an_answer_does_not_leave_where_the_clock_jumped_after_it_was_read() -> None:
    async with daemon() as d, Raw(d.port) as client:
        d.now = 100.0
        client.writer.write(b"PING\r\n")
        await hears(client, b"+PONG\r\n")
        answers = [b"old", b"new"]

        def read(session: int, request: Request) -> list[Effect]:
            effects: list[Effect] = [ReplyTo(session, Content(request.id, answers.pop(0)), valid_until=1000.0)]
            if answers:
                d.wall_seconds += 60.0  # the machine slept, and the node's clock did not count that
            return effects

        d.node.on_request = read
        client.writer.write(b"GET a\r\n")
        await hears(client, b"$3\r\nnew\r\n")


async def test_at_a_planned_stop_connections_end_without_a_word() -> None:
    async with daemon() as d, Raw(d.port) as idle, Raw(d.port) as waiting:
        idle.writer.write(b"PING\r\n")
        await hears(idle, b"+PONG\r\n")
        d.node.on_request = lambda session, request: (
            [ReplyTo(session, Failed(request.id, UnstableError.code, "not now"))]
            if request.id == 2
            else echo(session, request)
        )
        waiting.writer.write(b"GET a\r\nGET b\r\nPING\r\n")
        await d.node.until(lambda: len(d.node.requests) == 2)
        d.runner._finish(Exit(0))
        closing = asyncio.create_task(d.runner.close())
        assert await idle.rest() == b"" and await waiting.rest() == b"$1\r\na\r\n"
        await closing


async def test_a_client_ends_another_and_then_itself() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        other.writer.write(b"PING\r\n")
        await hears(other, b"+PONG\r\n")
        port = other.writer.get_extra_info("sockname")[1]
        client.writer.write(b"CLIENT KILL ADDR 127.0.0.1:%d LADDR 127.0.0.1:%d\r\n" % (port, d.port))
        await hears(client, b":1\r\n")
        assert await other.rest() == b""
        client.writer.write(b"CLIENT KILL TYPE normal SKIPME no\r\nPING\r\n")
        assert await client.rest() == b":1\r\n"


# --- what is published -----------------------------------------------------------------------------------------------

SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"


def message(content: bytes, sign: bytes = b"*") -> bytes:
    return sign + b"3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n%b\r\n" % (len(content), content)


def publication(content: bytes) -> bytes:
    return b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%d\r\n%b\r\n" % (len(content), content)


async def subscribe(client: Raw) -> None:
    client.writer.write(b"SUBSCRIBE c\r\n")
    await hears(client, SUBSCRIBED)


async def test_subscribers_are_told_and_the_node_is_asked_nothing_but_to_tell_others() -> None:
    async with daemon() as d, Raw(d.port) as one, Raw(d.port) as other, Raw(d.port) as publisher:
        await subscribe(one)
        other.writer.write(b"HELLO 3\r\n")
        assert (await answer(other, 4)).startswith(b"%7")
        other.writer.write(b"PSUBSCRIBE ?\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await other.reader.readuntil(b">3\r\n$10\r\npsubscribe\r\n$1\r\n?\r\n:1\r\n")
        publisher.writer.write(b"PUBLISH c 1\r\nPUBLISH c 2\r\nPUBLISH none 3\r\n")
        await hears(publisher, b":2\r\n:2\r\n:0\r\n")
        await hears(one, message(b"1") + message(b"2"))
        pattern = b">4\r\n$8\r\npmessage\r\n$1\r\n?\r\n$1\r\nc\r\n$1\r\n%d\r\n"
        await hears(other, pattern % 1 + pattern % 2)
        told = await d.node.hears(Publish)
        assert [one.content for one in told.published.messages] == [b"1", b"2", b"3"], "all of a turn together"
        assert not d.node.requests


async def test_what_other_nodes_published_is_told() -> None:
    async with daemon() as d, Raw(d.port) as client:
        await subscribe(client)
        published = Published((Publication(b"c", b"1"), Publication(b"c", b"2", True), Publication(b"c", b"3")))
        d.node.on_input = lambda event: [Deliver(published)] if isinstance(event, StopAsked) else []
        d.runner._handle(StopAsked())
        await hears(client, message(b"1") + message(b"3"))
        assert not d.node.heard(Publish)


async def test_who_listens_no_more_is_told_nothing_more() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as publisher:
        client.writer.write(b"SUBSCRIBE c\r\nPING\r\nRESET\r\nPING\r\n")
        await hears(client, SUBSCRIBED + b"*2\r\n$4\r\npong\r\n$0\r\n\r\n+RESET\r\n+PONG\r\n")
        await subscribe(client)
        client.writer.close()
        await d.node.until(lambda: bool(d.node.heard(SessionClosed)))
        publisher.writer.write(b"PUBLISH c x\r\nPUBSUB CHANNELS\r\n")
        await hears(publisher, b":0\r\n*0\r\n")


async def test_a_subscriber_that_does_not_read_is_closed_and_nobody_waits_for_it() -> None:
    async with daemon() as d, Raw(d.port) as slow, Raw(d.port) as quick, Raw(d.port) as publisher:
        await subscribe(slow)
        await subscribe(quick)
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        content = bytes(MIB)
        counts = [2]
        while counts[-1] == 2 and len(counts) < 200:
            publisher.writer.write(publication(content))
            async with asyncio.timeout(PATIENCE_SECONDS):
                counts.append(int((await publisher.reader.readline())[1:]))
            await hears(quick, message(content))
        assert counts[-1] == 1
        assert d.node.process.answers_bytes < SUBSCRIBER_BEHIND_BYTES_MAX // 2, "it takes no room of answers"
        (line,) = d.log.lines
        assert "closed the connection from 127.0.0.1" in line and "takes what is published more slowly" in line
        await d.node.until(lambda: d.runner._channels.behind_bytes == 0)


async def test_a_subscriber_that_reads_slowly_hears_all_of_it_in_order() -> None:
    async with daemon() as d, Raw(d.port) as slow, Raw(d.port) as publisher:
        await subscribe(slow)
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        contents = [b"%d" % number * 10_000 for number in range(400)]
        for content in contents:
            publisher.writer.write(publication(content))
        await hears(publisher, b":1\r\n" * len(contents))
        assert d.runner._channels.behind_bytes > MIB
        slow.writer.write(b"PING\r\nUNSUBSCRIBE\r\n")
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await hears(slow, b"".join(map(message, contents)) + b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
        await hears(slow, b"*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n")
        assert d.runner._channels.behind_bytes == 0


async def test_a_publisher_goes_on_when_what_it_published_has_been_told() -> None:
    """More than may be told in one turn: the rest of what was said waits for it."""
    patterns = [b"*" * count for count in range(1, 21)]
    confirmation = b"*3\r\n$10\r\npsubscribe\r\n$%d\r\n%b\r\n:%d\r\n"
    told = b"*4\r\n$8\r\npmessage\r\n$%d\r\n%b\r\n$1\r\nc\r\n$3\r\n%d\r\n"
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as publisher:
        client.writer.write(b"PSUBSCRIBE " + b" ".join(patterns) + b"\r\n")
        await hears(client, b"".join(confirmation % (len(one), one, len(one)) for one in patterns))
        numbers = range(100, 900)
        publisher.writer.write(b"".join(b"PUBLISH c %d\r\n" % number for number in numbers) + b"PING\r\n")
        await hears(publisher, b":20\r\n" * len(numbers) + b"+PONG\r\n")
        await hears(client, b"".join(told % (len(one), one, number) for number in numbers for one in patterns))


async def test_nothing_is_told_within_the_array_of_an_exec() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as publisher:
        d.node.on_request = silence
        client.writer.write(b"HELLO 3\r\nSUBSCRIBE c\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await client.reader.readuntil(b"$1\r\nc\r\n:1\r\n")
        client.writer.write(b"MULTI\r\nGET a\r\nPUBLISH c 1\r\nGET b\r\nEXEC\r\n")
        await hears(client, b"+OK\r\n" + b"+QUEUED\r\n" * 3 + b"*3\r\n")
        publisher.writer.write(b"PUBLISH c 2\r\n")
        await hears(publisher, b":1\r\n")
        reply_to: list[Effect] = [
            ReplyTo(session, Content(request.id, b"x")) for session, request in d.node.requests[:1]
        ]
        d.node.on_request = echo
        d.node.on_input = lambda event: reply_to if isinstance(event, StopAsked) else []
        d.runner._handle(StopAsked())
        await hears(client, b"$1\r\nx\r\n:1\r\n$1\r\nb\r\n" + message(b"2", b">") + message(b"1", b">"))
