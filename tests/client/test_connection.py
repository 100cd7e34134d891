"""One connection of a client: deadlines, many requests at a time, nodes that hang."""

from __future__ import annotations

import asyncio

import pytest

from tests.stub_node import StubNode, content, silent, view_of
from wrpme import Client, errors
from wrpme.client import dispatcher
from wrpme.client.connection import Connection, dial
from wrpme.limits import CONTENT_BYTES_MAX
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import Content, Done, Get, GetView, Notice, Put, Reply, Request, Told, Watch

pytestmark = pytest.mark.asyncio

# --- timeouts --------------------------------------------------------------------------------------------------------


async def test_a_read_without_an_answer_times_out() -> None:
    async with StubNode(silent) as node, Client(node.address, timeout=3.0) as client:
        with pytest.raises(errors.TimeoutError, match="did not answer in the time given"):
            await client.get("x")
        node.script = content
        assert await client.get("x") == b"x"


async def test_a_write_without_an_answer_is_indeterminate() -> None:
    async with StubNode(silent) as node, Client(node.address, timeout=3.0) as client:
        with pytest.raises(errors.IndeterminateError, match="may or may not have been carried out"):
            await client.put("x", b"1")


async def test_a_write_that_never_left_is_no_more_than_a_timeout() -> None:
    async with StubNode(silent) as node, Client(node.address, timeout=3.0) as client:
        with pytest.raises(errors.TimeoutError):
            await client.get("x")
        node.sessions[0].transport.pause_reading()
        large = bytes(CONTENT_BYTES_MAX)
        outcomes = await asyncio.gather(
            client.put("a", large), client.put("b", large), client.put("c", b""), return_exceptions=True
        )
        assert isinstance(outcomes[0], errors.IndeterminateError)
        assert all(isinstance(outcome, errors.TimeoutError) for outcome in outcomes[1:])
        assert "nothing was sent" in str(outcomes[2])


async def test_deadlines_of_many_requests_are_each_kept() -> None:
    loop = asyncio.get_running_loop()
    async with StubNode(silent) as node, Client(node.address) as client:
        view_of([node])
        ends: list[tuple[float, float]] = []

        async def ask(seconds: float) -> None:
            start = loop.time()
            with pytest.raises(errors.TimeoutError):
                request = Get(client._dispatcher.next_id(), b"x")
                await client._dispatcher.ask(request, Content, deadline=start + seconds)
            ends.append((seconds, loop.time() - start))

        await asyncio.gather(*(ask(seconds) for seconds in (5.0, 1.0, 3.0, 1.0, 0.2)))
        assert [seconds for seconds, _ in ends] == [0.2, 1.0, 1.0, 3.0, 5.0]
        assert all(seconds <= took < seconds + 0.2 for seconds, took in ends)


async def test_a_node_that_hangs_is_given_up() -> None:
    async with StubNode(silent) as hung, StubNode(content) as two, Client([hung.address, two.address]) as client:
        reading, writing = asyncio.create_task(client.get("x")), asyncio.create_task(client.put("y", b""))
        assert await reading == b"x"
        with pytest.raises(errors.IndeterminateError, match=r"has said nothing for 4\.5 s"):
            await writing
        assert not two.seen_of(Put)


async def test_a_slow_node_that_lives_is_waited_for() -> None:
    loop = asyncio.get_running_loop()

    def late(request: Request) -> None:
        loop.call_later(9.0, lambda: node.sessions[0].transport.write(encode(content(request))))

    async with StubNode(late) as node, Client(node.address) as client:
        view_of([node])
        assert await client.get("x") == b"x"
        assert len(node.seen_of(Get)) == 1 and len(node.seen_of(GetView)) > 3


# --- many at a time --------------------------------------------------------------------------------------------------


async def test_replies_are_matched_whatever_their_order() -> None:
    held: list[Request] = []

    def collect(request: Request) -> None:
        held.append(request)
        if len(held) == 500:
            for waiting in reversed(held):
                node.sessions[0].transport.write(encode(content(waiting)))

    async with StubNode(content) as node, Client(node.address) as client:
        await client.get("first")
        node.script = collect
        aliases = [f"x{number}" for number in range(500)]
        contents = await asyncio.gather(*map(client.get, aliases))
        assert contents == [alias.encode() for alias in aliases]
        assert node.sessions_opened == 1


async def test_requests_beyond_the_bound_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "CLIENT_REQUESTS_MAX", 3)

    most = 0

    def answer(request: Request) -> Reply:
        nonlocal most
        most = max(most, in_flight())
        return content(request)

    def in_flight() -> int:
        return client._dispatcher._pool.ready(node.address).in_flight  # type: ignore[union-attr]

    async with StubNode(content) as node, Client(node.address) as client:
        await client.get("first")
        node.script = answer
        assert len(await asyncio.gather(*(client.get(f"x{number}") for number in range(50)))) == 50
        assert most <= 4  # three, and the question for the view


async def test_a_cancelled_request_leaves_no_trace() -> None:
    async with StubNode(content) as node, Client(node.address) as client:
        await client.get("first")
        unsent = asyncio.create_task(client.put("x", b""))
        await asyncio.sleep(0)  # it stands in the outbox, and the turn has not ended
        unsent.cancel()
        assert await client.get("y") == b"y"
        assert not node.seen_of(Put)
        node.script = silent
        sent = asyncio.create_task(client.get("z"))
        while not any(request.alias == b"z" for request in node.seen_of(Get)):
            await asyncio.sleep(0)
        sent.cancel()
        node.script = content
        assert await client.get("y") == b"y"


async def test_what_no_request_waits_for_goes_to_the_owner_in_its_order() -> None:
    class Listener:
        def __init__(self) -> None:
            self.replies: list[Reply] = []

        def heard(self, connection: Connection, reply: Reply) -> None:
            self.replies.append(reply)

        def closed(self, connection: Connection) -> None:
            self.replies.append(Done(99))

    async with StubNode(lambda request: (Told(request.id), Told(request.id, missed=1), Notice(0, 5))) as node:
        listener = Listener()
        connection = await dial(node.address, listener)
        assert isinstance(connection, Connection)
        connection.say(Watch(7))
        while len(listener.replies) < 3:
            await asyncio.sleep(0)
        assert listener.replies == [Told(7), Told(7, missed=1), Notice(0, 5)]
        connection.close(errors.ConnectionError("enough"))
        await connection.ended
        assert listener.replies[3:] == [Done(99)] and connection.reason.sentence == "enough"
        connection.say(Watch(8))  # to nobody
