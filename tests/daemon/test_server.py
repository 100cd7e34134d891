"""What clients may do to a daemon, over loopback, with a node that does as it is told."""

from __future__ import annotations

import asyncio
import struct
from unittest.mock import Mock

import pytest

from tests.daemon_parts import PATIENCE_SECONDS, Daemon, Raw, closed, daemon, echo, envelope, silence, turns_of
from wrpme.core.io import Adopted, Effect, Memory, Received, ReplyTo, HostRequest, TurnEnded
from wrpme.daemon import limits
from wrpme.daemon.limits import (
    PARTIAL_FRAME_SECONDS_MAX, SESSION_OUTBOX_BYTES_MAX, SESSION_REQUESTS_MAX, WIRE_TURN_BYTES,
)  # fmt: skip
from wrpme.daemon.net import server
from wrpme.errors import BusyError, ProtocolError, TooLargeError, UnstableError
from wrpme.core.limits import ANSWERS_BYTES_MAX
from wrpme.limits import FRAME_BYTES_MAX
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.messages import AskView, Content, Done, Failed, Get, GetView, Notice, Put, Request, ViewIs
from wrpme.protocol.view import View

pytestmark = pytest.mark.asyncio

assert PATIENCE_SECONDS > limits.LINGER_SECONDS


def failure(reply: object) -> Failed:
    assert isinstance(reply, Failed)
    return reply


# --- how it should be ------------------------------------------------------------------------------------------------


async def test_requests_are_answered() -> None:
    async with daemon() as d, Raw(d.port) as client:
        client.say(Get(1, b"one"), Put(2, b"two", b"2"), preface=True)
        assert await client.replies(2) == [Content(1, b"one"), Done(2)]
        client.say(Get(3, b"three"))
        assert await client.reply() == Content(3, b"three")


async def test_byte_by_byte() -> None:
    async with daemon() as d, Raw(d.port) as client:
        for byte in PREFACE + encode(Get(1, b"one")):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert await client.reply() == Content(1, b"one")


async def test_answers_of_one_turn_leave_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async with daemon() as d, Raw(d.port) as client:
        turns = turns_of(d.node)
        client.say(*(Get(number, b"x") for number in range(100)), preface=True)
        assert len(await client.replies(100)) == 100
        assert turns[0] == 100, "one TurnEnded after all that came in together"


async def test_the_end_of_a_session_is_told() -> None:
    async with daemon() as d:
        async with Raw(d.port) as client:
            client.say(Get(1, b"one"), preface=True)
            await client.reply()
            session = d.node.requests[0][0]
        await d.node.until(lambda: closed(d.node, session))
        async with Raw(d.port) as other:
            other.say(Get(1, b"one"), preface=True)
            await other.reply()
            assert d.node.requests[1][0] != session, "no number is used twice"
            assert d.runner.process.sessions == 1


async def test_envelopes_are_answered_on_their_session() -> None:
    async with daemon() as d, Raw(d.port) as peer:
        d.node.on_input = lambda event: [ReplyTo(event.session, event.envelope)] if isinstance(event, Received) else []
        peer.say(envelope(AskView()), preface=True)
        assert await peer.reply() == envelope(AskView())


async def test_large_frames_are_read_one_in_a_turn_and_what_is_small_does_not_wait_for_them() -> None:
    async with daemon() as d, Raw(d.port) as heartbeats, Raw(d.port) as other:
        heartbeats.say(envelope(AskView()), preface=True)
        other.say(Get(1, b"x"), preface=True)
        await other.reply()
        await d.node.hears(Received)
        turns: list[int] = []
        heard: list[int] = []
        large = encode(Put(1, b"x", bytes(4 << 20)))

        def on_request(session: int, request: Request) -> list[Effect]:
            turns[-1] += len(request.content) if isinstance(request, Put) else 0
            return echo(session, request)

        def on_input(event: object) -> list[Effect]:
            if isinstance(event, Received):
                heard.append(len(turns))
            elif isinstance(event, TurnEnded):
                turns.append(0)
            return []

        turns.append(0)
        d.node.on_request, d.node.on_input = on_request, on_input
        clients = [Raw(d.port) for _ in range(4)]
        for client in clients:
            await client.__aenter__()
            client.writer.write(PREFACE + large + large[:1000])
        for client in clients:
            client.writer.write(large[1000:])
        for _ in range(20):
            heartbeats.say(envelope(AskView()))
        for client in clients:
            assert await client.replies(2) == [Done(1), Done(1)]
        await d.node.until(lambda: len(heard) == 20)
        assert max(turns) <= 4 << 20 and sum(turns) == 8 * (4 << 20), "never two in one turn"
        assert d.runner.server.partial_bytes == 0
        for client in clients:
            client.writer.close()


async def test_a_large_frame_that_is_malformed_gets_one_answer() -> None:
    async with daemon() as d, Raw(d.port) as client:
        client.say(Get(1, b"one"), preface=True)
        await client.reply()
        client.writer.write(frame(b"\x93\x7f\x05" + bytes(1 << 20)) + encode(Get(2, b"two")))
        refusal = failure(await client.reply())
        assert (refusal.id, refusal.code) == (0, ProtocolError.code)
        assert await client.rest() == b"" and d.runner.server.partial_bytes == 0


async def test_followers_are_told_of_epochs() -> None:
    view = View(1, b"h" * 16, 1, 1, (), (), ())

    def answer(session: int, request: Request) -> list[Effect]:
        if isinstance(request, GetView):
            follows: list[Effect] = [HostRequest(session, request)] if request.follow else []
            return [*follows, ReplyTo(session, ViewIs(request.id, b"n" * 16, view))]
        return [Adopted(7), *echo(session, request)]

    async with daemon() as d, Raw(d.port) as follower, Raw(d.port) as other:
        d.node.on_request = answer
        follower.say(GetView(1, follow=True), preface=True)
        assert isinstance(await follower.reply(), ViewIs)
        other.say(GetView(1), preface=True)
        assert isinstance(await other.reply(), ViewIs)
        other.say(Get(2, b"two"))
        assert await other.reply() == Content(2, b"two")
        assert await follower.reply() == Notice(0, 7)


async def test_an_answer_under_a_lapsed_lease_does_not_leave() -> None:
    async with daemon() as d, Raw(d.port) as client:

        def answer(session: int, request: Request) -> list[Effect]:
            assert isinstance(request, Get)
            reply = Content(request.id, b"")
            return [ReplyTo(session, reply, valid_until=99.0 if request.alias == b"late" else 101.0)]

        d.now = 100.0
        await round_trips(d)  # so that it has got over the jump of its clock
        d.node.on_request = answer
        client.say(Get(1, b"early"), Get(2, b"late"), Get(3, b"early"), preface=True)
        first, second, third = await client.replies(3)
        assert first == Content(1, b"")
        assert failure(second).id == 2
        assert failure(second).code == UnstableError.code
        assert third == Content(3, b"")


# --- bounds ----------------------------------------------------------------------------------------------------------


async def round_trips(d: Daemon, count: int = 5) -> None:
    """So that whatever the daemon was about to do has been done."""
    async with Raw(d.port) as other:
        other.say(preface=True)
        for number in range(count):
            other.say(Put(number, b"round-trip", b""))
            await other.reply()


async def test_who_takes_nothing_of_a_large_answer_is_let_go() -> None:
    async with daemon() as d, Raw(d.port) as slow, Raw(d.port) as other:
        content = bytes(32 << 20)
        d.now = d.runner.clock()
        d.node.on_request = lambda session, request: (
            [ReplyTo(session, Content(request.id, content))] if request.id == 7 else echo(session, request)
        )
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        slow.say(Get(7, b"large"), preface=True)
        await d.node.until(lambda: bool(d.node.requests))
        await round_trips(d, 20)
        assert d.runner.process.answers_bytes >= len(content)
        assert d.node.process.room_for_answers() == ANSWERS_BYTES_MAX - d.runner.process.answers_bytes
        other.say(Get(1, b"one"), preface=True)
        assert await other.reply() == Content(1, b"one")
        d.now += limits.SLOW_READER_SECONDS_MAX - 1
        d.runner.server.tick(d.now)
        await round_trips(d)
        assert d.runner.process.answers_bytes >= len(content)
        d.now += limits.SESSION_SWEEP_SECONDS + 2
        d.runner.server.tick(d.now)
        await d.node.until(lambda: closed(d.node, d.node.requests[0][0]))
        assert d.runner.process.answers_bytes == 0 and "has taken nothing" in d.log.lines[-1]
        other.say(Get(2, b"two"))
        assert await other.reply() == Content(2, b"two"), "a quiet connection may stay"


async def test_only_so_many_requests_of_a_session_wait() -> None:
    async with daemon() as d, Raw(d.port) as client:
        d.node.on_request = lambda session, request: (
            echo(session, request) if isinstance(request, Put) else silence(session, request)
        )
        total = 3 * SESSION_REQUESTS_MAX
        client.say(*(Get(number, b"x") for number in range(total)), preface=True)

        def waiting() -> list[tuple[int, Request]]:
            return [(session, request) for session, request in d.node.requests if isinstance(request, Get)]

        await d.node.until(lambda: len(waiting()) >= SESSION_REQUESTS_MAX)
        await round_trips(d)
        assert len(waiting()) == SESSION_REQUESTS_MAX
        d.node.on_request = echo
        session = waiting()[0][0]
        answers = [effect for session, request in waiting() for effect in echo(session, request)]
        d.node.on_input = lambda event: [answers.pop(0)] if answers and isinstance(event, TurnEnded) else []
        client.say(Get(total, b"y"))  # and all goes on, one answer a turn at first
        for _ in range(SESSION_REQUESTS_MAX):
            await round_trips(d, 1)
            if not answers:
                break
        replies = await client.replies(total + 1)
        assert sorted(reply.id for reply in replies if isinstance(reply, Content)) == list(range(total + 1))
        assert session == waiting()[-1][0]


async def test_answers_that_nobody_reads_are_bounded() -> None:
    async with daemon() as d, Raw(d.port) as client:
        content = bytes(10_000)
        peak = 0

        def answer(session: int, request: Request) -> list[Effect]:
            nonlocal peak
            for wire in d.runner.server.sessions:
                assert wire.transport is not None
                peak = max(peak, wire.gathered_bytes + wire.transport.get_write_buffer_size())
            return [ReplyTo(session, Content(request.id, content))]

        d.node.on_request = answer
        total = 10_000
        client.say(*(Get(number, b"x") for number in range(total)), preface=True)
        await client.writer.drain()
        await round_trips(d)
        assert len(d.node.requests) < total, "the rest waits until answers are taken"
        replies = await client.replies(total)
        assert [reply.id for reply in replies if isinstance(reply, Content)] == list(range(total))
        assert peak < 3 * SESSION_OUTBOX_BYTES_MAX


async def test_too_many_clients() -> None:
    async with daemon(clients_max=2) as d:
        async with Raw(d.port) as one, Raw(d.port) as two, Raw(d.port) as three, Raw(d.port) as node:
            for client in (one, two):
                client.say(Get(1, b"x"), preface=True)
                assert await client.reply() == Content(1, b"x")
            three.say(Get(1, b"x"), preface=True)
            refusal = failure(await three.reply())
            assert (refusal.id, refusal.code) == (0, BusyError.code)
            assert "--sessions" in refusal.sentence
            assert await three.rest() == b""
            node.say(envelope(AskView()), preface=True)
            await d.node.hears(Received)  # other nodes are not shut out by clients
            one.say(Get(2, b"x"))
            assert await one.reply() == Content(2, b"x")
        await d.node.until(lambda: d.runner.process.sessions == 0)
        async with Raw(d.port) as again:
            again.say(Get(1, b"x"), preface=True)
            assert await again.reply() == Content(1, b"x")


async def test_where_all_places_are_taken_the_oldest_that_said_nothing_goes() -> None:
    async with (
        daemon(sessions_max=3) as d, Raw(d.port) as client, Raw(d.port) as greeted, Raw(d.port) as silent,
    ):  # fmt: skip
        client.say(Get(1, b"x"), preface=True)
        assert await client.reply() == Content(1, b"x")
        greeted.say(preface=True)
        assert await greeted.reader.readexactly(len(PREFACE)) == PREFACE
        async with Raw(d.port) as node:
            node.say(envelope(AskView()), preface=True)
            await d.node.hears(Received)
            assert await first_end(greeted, silent) in (greeted, silent)
            async with Raw(d.port) as another:
                another.say(envelope(AskView()), preface=True)
                await d.node.hears(Received, 2)
                await first_end(greeted)
                await first_end(silent)
                client.say(Get(2, b"x"))
                assert await client.reply() == Content(2, b"x")
        assert any("said nothing yet" in line for line in d.log.lines)


async def first_end(*connections: Raw) -> Raw:
    """The first of them that was ended by the other side."""
    reading = {asyncio.ensure_future(made.reader.read()): made for made in connections}
    async with asyncio.timeout(PATIENCE_SECONDS):
        done, rest = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    return reading[done.pop()]


async def test_where_all_have_spoken_who_comes_last_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SESSIONS_REFUSED_MAX", 1)

    async with daemon(sessions_max=2) as d, Raw(d.port) as one, Raw(d.port) as two:
        for client in (one, two):
            client.say(Get(1, b"x"), preface=True)
            assert await client.reply() == Content(1, b"x")
        async with Raw(d.port) as three:
            assert failure(await three.reply()).code == BusyError.code
            async with Raw(d.port) as four, Raw(d.port):
                await first_end(four)
        one.say(Get(2, b"x"))
        assert await one.reply() == Content(2, b"x")


# --- bad manners -----------------------------------------------------------------------------------------------------

FOREIGNERS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"WRPME/3\n",
    b"WRPMX",
    b"\0",
    b"\xff" * 100_000,
]


@pytest.mark.parametrize("loop_reads", [WIRE_TURN_BYTES, 100], ids=["much", "little"])
async def test_a_connection_that_is_handed_over_is_read_on(loop_reads: int) -> None:
    """However much came with its first words."""
    async with daemon() as d:
        session, transport = d.runner.server.accept(), Mock(is_closing=Mock(return_value=False))
        transport.get_extra_info.return_value = None
        session.connection_made(transport)
        session.data_received(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$%d\r\n" % WIRE_TURN_BYTES + b"x" * loop_reads)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        said = [name for name, *_ in transport.method_calls if name.endswith("_reading")]
        assert not said or said[-1] == "resume_reading"


@pytest.mark.parametrize("said", FOREIGNERS, ids=repr)
async def test_another_protocol_gets_one_plain_line(said: bytes) -> None:
    async with daemon() as d, Raw(d.port) as client:
        client.writer.write(said)
        assert await client.rest() == server.FOREIGN
        assert len(d.log.lines) == 1
        what = "it speaks TLS" if said.startswith(b"\x16") else "does not speak the wrpme protocol"
        assert what in d.log.lines[0]
        await round_trips(d)


async def test_the_former_release_hears_in_its_own_words_what_to_do() -> None:
    async with daemon() as d, Raw(d.port) as client:
        client.writer.write(b"WRPME/1\n")
        said = await client.rest()
        assert said.startswith(b"WRPME/1\n")
        (failed,) = Decoder[Failed](Failed, preface=False).feed(said[8:])
        assert failed == Failed(0, ProtocolError.code, server.TO_FORMER)
        assert "an earlier release (WRPME/1)" in d.log.lines[0]
        await round_trips(d)


async def test_another_protocol_byte_by_byte() -> None:
    async with daemon() as d, Raw(d.port) as client:
        for byte in b"WRPMESH":
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert await client.rest() == server.FOREIGN


def frame(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


MALFORMED = [
    (frame(b""), ProtocolError),
    (frame(b"\xc1"), ProtocolError),
    (frame(b"random bytes, no msgpack"), ProtocolError),
    (frame(b"\x93\x01\x05"), ProtocolError),
    (frame(b"\x93\x7f\x05\xa1x"), ProtocolError),
    (frame(b"\x93\x01\x05\xa2\xff\xfe"), ProtocolError),
    (frame(b"\x91" * 100_000), ProtocolError),
    (frame(encode(Content(1, b""))[4:]), ProtocolError),
    (struct.pack(">I", FRAME_BYTES_MAX + 1), TooLargeError),
    (struct.pack(">I", 0xFFFF_FFFF) + b"x" * 1000, TooLargeError),
]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("said", "error"), MALFORMED, ids=[repr(said[:20]) for said, _ in MALFORMED])
async def test_a_malformed_message_gets_one_answer(
    said: bytes, error: type[ProtocolError | TooLargeError], apart: bool
) -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        other.say(Get(1, b"before"), preface=True)
        assert await other.reply() == Content(1, b"before")
        if apart:
            client.say(Get(1, b"one"), preface=True)
            assert await client.reply() == Content(1, b"one")
            client.writer.write(said)
        else:
            client.writer.write(PREFACE + said)
        refusal = failure(await client.reply())
        assert (refusal.id, refusal.code) == (0, error.code)
        client.say(Get(2, b"more"))
        assert await client.rest() == b""
        assert len(d.log.lines) == 1
        assert d.log.lines[0].startswith("info closed the connection from 127.0.0.1:")
        other.say(Get(2, b"after"))
        assert await other.reply() == Content(2, b"after")
        assert d.runner.server.partial_bytes == 0


async def test_half_a_frame_and_then_nothing() -> None:
    async with daemon() as d, Raw(d.port) as half, Raw(d.port) as mute, Raw(d.port) as idle, Raw(d.port) as started:
        idle.say(Get(1, b"one"), preface=True)
        assert await idle.reply() == Content(1, b"one")
        half.say(Get(1, b"one"), preface=True)
        assert await half.reply() == Content(1, b"one")
        started.writer.write(PREFACE[:1])
        half.writer.write(encode(Put(2, b"two", bytes(1000)))[:500])
        await half.writer.drain()
        await round_trips(d)
        assert d.runner.server.partial_bytes == 500
        begin = d.now = d.runner.clock()
        d.now = begin + PARTIAL_FRAME_SECONDS_MAX - 1
        d.runner.server.tick(d.now)
        half.writer.write(encode(Put(2, b"two", bytes(1000)))[500:600])
        await half.writer.drain()
        await round_trips(d)
        assert d.runner.server.partial_bytes == 600
        d.now = begin + PARTIAL_FRAME_SECONDS_MAX + limits.SESSION_SWEEP_SECONDS
        d.runner.server.tick(d.now)
        assert await started.rest() == server.FOREIGN, "nobody can tell what it begins"
        d.now = begin + 2 * PARTIAL_FRAME_SECONDS_MAX + limits.SESSION_SWEEP_SECONDS
        d.runner.server.tick(d.now)
        refusal = failure(await half.reply())
        assert "has not gone on" in refusal.sentence
        assert await half.rest() == b""
        assert d.runner.server.partial_bytes == 0
        idle.say(Get(2, b"two"))
        assert await idle.reply() == Content(2, b"two"), "a quiet connection may stay"
        mute.say(Get(3, b"one"), preface=True)
        assert await mute.reply() == Content(3, b"one"), "and one that has said nothing yet: a pool opened it"


async def test_partial_frames_of_all_connections_are_bounded() -> None:
    async with daemon() as d, Raw(d.port) as one, Raw(d.port) as two:
        d.runner.process.memory = Memory(frames=100_000)
        one.writer.write(PREFACE + encode(Put(1, b"one", bytes(80_000)))[:60_000])
        await d.node.until(lambda: True)
        await round_trips(d, 20)
        assert d.runner.server.partial_bytes == 60_000
        two.writer.write(PREFACE + encode(Put(1, b"two", bytes(80_000)))[:60_000])
        assert failure(await two.reply()).code == BusyError.code
        assert await two.rest() == b""
        assert d.runner.server.partial_bytes == 60_000
        one.writer.write(encode(Put(1, b"one", bytes(80_000)))[60_000:])
        assert await one.reply() == Done(1)
        assert d.runner.server.partial_bytes == 0


async def test_a_client_that_vanishes_in_the_middle() -> None:
    async with daemon() as d:
        async with Raw(d.port) as client:
            client.writer.write(PREFACE + encode(Put(1, b"one", bytes(1000)))[:500])
            await client.writer.drain()
            await round_trips(d)
            assert d.runner.server.partial_bytes == 500
            client.writer.transport.abort()
        await d.node.until(lambda: not d.runner.server.sessions)
        assert d.runner.server.partial_bytes == 0
        assert d.runner.process.sessions == 0
        assert d.log.lines == []


async def test_many_bad_connections_do_not_fill_the_log() -> None:
    async with daemon() as d:
        d.now = 1000.0
        for _ in range(3 * limits.THROTTLE_LINES_MAX):
            async with Raw(d.port) as client:
                client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
                await client.rest()
        assert len(d.log.lines) == limits.THROTTLE_LINES_MAX
        d.now = 1100.0
        d.runner.server.tick(d.now)
        assert "20 more lines" in d.log.lines[-1]


async def test_who_goes_while_it_is_refused_is_let_go() -> None:
    """Of uvloop a transport closes as soon as it can't write, and raises whatever is asked of it then."""
    async with daemon() as d:
        transport = Mock(get_write_buffer_size=lambda: 0)
        transport.is_closing.return_value = False
        transport.write.side_effect = lambda word: setattr(transport.is_closing, "return_value", True)
        transport.write_eof.side_effect = RuntimeError("the handler is closed")
        session = d.runner.server.accept()
        session.connection_made(transport)
        session.data_received(b"\0\0\0\0")
        assert session.ended and transport.write.called and not transport.write_eof.called
        session.connection_lost(None)
