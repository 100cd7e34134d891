"""HTTP on a real connection to a runner: what is answered, what is refused, and that it costs nobody else anything."""

from __future__ import annotations

import asyncio

import pytest

from tests.daemon.http.talk import MEASURED, STATS, answer, asked, request
from tests.daemon_parts import PATIENCE_SECONDS, Daemon, Raw, daemon
from wrpme.daemon import limits
from wrpme.daemon.net.http import connections, session
from wrpme.daemon.net.redis import session as redis_session
from wrpme.protocol.messages import Content, Get

pytestmark = pytest.mark.asyncio


async def until_left(d: Daemon, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(d.runner.server.sessions) > count:
            await asyncio.sleep(0)


async def test_a_connection_asks_one_thing_after_the_other() -> None:
    async with daemon() as d, Raw(d.port) as raw:
        for path, status in (("/live", 200), ("/ready?full", 200), ("/", 404), ("http://node/live", 200)):
            assert (await asked(raw, path)).status == status
        raw.writer.write(request("/live", "HEAD") + request("/live"))
        head = await answer(raw, has_text=False)
        full = await answer(raw)
        assert head.headers == full.headers and full.text == "this process runs\n"
        assert d.runner.process.sessions == 0, "no client of the hive loses its place"


async def test_what_is_malformed_behind_a_request_for_headers_alone_is_told_so() -> None:
    async with daemon() as d, Raw(d.port) as raw:
        raw.writer.write(request("/live", "HEAD") + b"GET /live HTTP/1.1\r\nno colon\r\n\r\n")
        await answer(raw, has_text=False)
        refused = await answer(raw)
        assert refused.status == 400 and "no request of HTTP/1.1" in refused.text
        assert await raw.rest() == b"" and not d.runner.finished.done()


async def test_it_may_come_byte_by_byte() -> None:
    async with daemon() as d, Raw(d.port) as raw:
        for byte in request("/live"):
            raw.writer.write(bytes([byte]))
            await raw.writer.drain()
        assert (await answer(raw)).status == 200


async def test_of_many_at_once_each_is_answered_in_a_few_turns_while_others_are_served() -> None:
    async with daemon() as d, Raw(d.port) as raw, Raw(d.port) as client:
        d.node.figures = STATS, MEASURED
        raw.writer.write(request("/metrics") * 200)
        client.say(Get(1, b"one"), preface=True)
        assert await client.reply() == Content(1, b"one")
        texts = {(await answer(raw)).text for _ in range(200)}
        assert len(texts) == 1, "figures are made once for all"


async def test_who_takes_nothing_is_not_answered_any_further() -> None:
    async with daemon() as d, Raw(d.port) as raw:
        d.node.figures = STATS, MEASURED
        await asked(raw, "/live")
        (held,) = d.runner.server.sessions
        raw.writer.write(request("/metrics") * 20_000)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (held._held and (held.outbox or held._paused)):
                await asyncio.sleep(0)
        assert held.unsent_bytes < 2 * limits.SESSION_OUTBOX_BYTES_MAX
        for _ in range(50):
            assert (await answer(raw)).status == 200


async def test_the_connection_ends_when_it_asks_for_that() -> None:
    async with daemon() as d, Raw(d.port) as raw, Raw(d.port) as old:
        raw.writer.write(request("/live", "GET", "Connection: close") + request("/live"))
        old.writer.write(b"GET /live HTTP/1.0\r\n\r\n")
        assert (await raw.rest()).count(b"HTTP/1.1 200") == (await old.rest()).count(b"HTTP/1.1 200") == 1
        assert not d.log.lines


BAD = [
    (b"GET /live HTTP/1.1\r\n\r\n", 400, "mandatory Host"),
    (b"GET /live HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400, "no request of HTTP/1.1"),
    (request("/live", "GET", "Content-Length: x"), 400, "Content-Length"),
    (request("/live", "GET", "Content-Length: 5") + b"hello", 413, "no body"),
    (request("/live", "GET", "Transfer-Encoding: chunked"), 413, "no body"),
    (request("/live", "POST", "Content-Length: 100000000") + b"x" * 1_000_000, 405, "only read from"),
    (request("/live", "DELETE"), 405, "only read from"),
    (request("/live", "GET", "A: " + "a" * limits.HTTP_HEADER_BYTES_MAX)[:-2], 431, "more than 16384 bytes"),
]


@pytest.mark.parametrize(("said", "status", "part"), BAD, ids=lambda part: repr(part)[:40])
async def test_what_is_wrong_is_said_before_the_connection_is_closed(said: bytes, status: int, part: str) -> None:
    async with daemon() as d, Raw(d.port) as raw:
        raw.writer.write(said)
        told = await answer(raw)
        assert told.status == status and part in told.text and told.text.count("\n") == 1
        assert told.headers["connection"] == "close" and not await raw.rest()
        assert ("allow" in told.headers) == (status == 405)
        assert len(d.log.lines) == 1 and part in d.log.lines[0]


async def test_a_request_that_does_not_go_on_is_ended_and_so_is_a_connection_that_asks_nothing() -> None:
    async with daemon() as d, Raw(d.port) as half, Raw(d.port) as idle:
        await asked(idle, "/live")
        half.writer.write(b"GET /live HTTP/1.1\r\nHost: x\r\n")
        await asked(idle, "/live")
        (first, second) = d.runner.server.sessions
        now = d.runner.clock()
        for each in (first, second):
            each.check_progress(now + limits.PARTIAL_FRAME_SECONDS_MAX - 1)
        assert not first.ended and not second.ended
        for each in (first, second):
            each.check_progress(now + limits.PARTIAL_FRAME_SECONDS_MAX + 2)
        assert (await answer(half)).status == 408
        assert (await asked(idle, "/live")).status == 200
        for each in list(d.runner.server.sessions):
            each.check_progress(d.runner.clock() + limits.HTTP_IDLE_SECONDS + 1)
        assert not await idle.rest()


async def test_one_connection_asks_so_often_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HTTP_REQUESTS_MAX", 3)
    async with daemon() as d, Raw(d.port) as raw:
        raw.writer.write(request("/live") * 5)
        assert (await raw.rest()).count(b"HTTP/1.1 200") == 3


async def test_those_that_are_opened_only_to_be_held_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither who collects figures, nor a client of the hive or of Redis."""
    monkeypatch.setattr(connections, "HTTP_CONNECTIONS_MAX", 8)
    async with daemon(clients_max=4, sessions_max=20) as d:
        held = [await Raw(d.port).__aenter__() for _ in range(100)]
        for raw in held:
            raw.writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        async with Raw(d.port) as scraper, Raw(d.port) as client, Raw(d.port) as redis:
            assert (await asked(scraper, "/live")).status == 200
            client.say(Get(1, b"one"), preface=True)
            redis.writer.write(b"PING\r\n")
            assert await client.reply() == Content(1, b"one")
            assert await redis.reader.readexactly(7) == b"+PONG\r\n"
            assert sum(isinstance(each, redis_session.RedisSession) for each in d.runner.server.sessions) == 1
            assert len(d.runner.server.sessions) <= 20
        assert all("HTTP connection" in line or "said nothing" in line for line in d.log.lines)
        for raw in held:
            raw.writer.close()
