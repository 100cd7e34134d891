"""Links between two daemons over loopback, with nodes that do as they are told."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from tests.daemon_parts import PATIENCE_SECONDS, Daemon, daemon, envelope
from wrpme.core.io import (
    Memory, Effect, Input, LinkDown, LinkUp, NotSent, Received, ReplyTo, Send, SendToAll, StopAsked, TurnEnded,
)  # fmt: skip
from wrpme.daemon.limits import LINK_IDLE_SECONDS, MESSAGE_BYTES_MAX
from wrpme.daemon.net import peers
from wrpme.daemon.net.peers import LANES
from wrpme.daemon.net.names import Names
from wrpme.errors import BusyError
from wrpme.limits import FRAME_BYTES_MAX, MIB
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.identities import Publication, Published, Refused
from wrpme.protocol.messages import (
    AskView, Body, Content, Envelope, Failed, Forward, Forwarded, GetSuffix, Put,
)  # fmt: skip

pytestmark = pytest.mark.asyncio


def tell(d: Daemon, address: str, *bodies: Body) -> None:
    """The node of ``d`` sends these now."""

    def answer(event: Input) -> list[Effect]:
        if isinstance(event, StopAsked):
            d.node.on_input = lambda event: []
            return [Send(address, envelope(body)) for body in bodies]
        return []

    d.node.on_input = answer
    d.runner._handle(StopAsked())  # any event will do


def large(number: int, size: int = 10) -> Forward:
    return Forward(Put(number, b"x", bytes(size)))


async def test_the_first_messages_wait_for_the_link() -> None:
    async with daemon() as a, daemon() as b:
        tell(a, b.address, AskView(), large(1), GetSuffix(1, 2), large(2))
        await b.node.until(lambda: len(b.node.bodies()) == 4)
        assert await a.node.hears(LinkUp) == LinkUp(b.address)
        heard = b.node.heard(Received)
        lanes = {event.session for event in heard}
        assert len(lanes) == 2
        bulk = [event for event in heard if isinstance(event.envelope.body, Forward)]
        assert len({event.session for event in bulk}) == 1
        assert [event.envelope.body for event in bulk] == [large(1), large(2)], "in order within a lane"
        tell(a, b.address, GetSuffix(3, 4))
        await b.node.until(lambda: len(b.node.bodies()) == 5)
        assert len({event.session for event in b.node.heard(Received)}) == 2, "the link is kept"


async def test_an_answer_comes_back_on_the_same_connection() -> None:
    async with daemon() as a, daemon() as b:
        b.node.on_input = lambda event: (
            [ReplyTo(event.session, envelope(Refused(1, "no")))] if isinstance(event, Received) else []
        )
        tell(a, b.address, AskView())
        event = await a.node.hears(Received)
        assert event.envelope.body == Refused(1, "no")
        b.node.on_input = lambda event: []
        a.node.on_input = lambda event: []
        a.runner._carry_out(ReplyTo(event.session, envelope(AskView())), 0.0)
        tell(a, b.address)
        await b.node.until(lambda: len(b.node.bodies()) == 2)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_who_is_not_there_yet_is_dialled_again() -> None:
    async with daemon() as a, daemon(listening=False) as b:
        port = unused_port()
        address = f"127.0.0.1:{port}"
        tell(a, address, AskView())
        assert await a.node.hears(LinkDown) == LinkDown(address, "connection refused")
        tell(a, address, GetSuffix(1, 1))  # dropped: nobody knows when it could leave
        assert (await a.node.hears(NotSent)).envelope.body == GetSuffix(1, 1)
        assert await a.node.hears(LinkDown, 3) == LinkDown(address, "connection refused")
        await b.listen(port)
        assert await a.node.hears(LinkUp) == LinkUp(address)
        tell(a, address, GetSuffix(2, 2))
        await b.node.hears(Received)
        assert b.node.bodies() == [GetSuffix(2, 2)]
        await b.stop_listening()


async def test_what_goes_apart_does_not_wait_behind_what_is_large() -> None:
    async with daemon() as a, daemon() as b:
        tell(a, b.address, large(0))
        await b.node.until(lambda: len(b.node.bodies()) == 1)
        link = a.runner.links._links[b.address]
        link._lanes[1].pause_writing()  # as when the other side takes no more of it
        tell(a, b.address, large(1))
        a.runner.links.send(Send(b.address, envelope(large(2)), apart=True), a.runner.clock())
        a.runner.flush()
        await b.node.until(lambda: len(b.node.bodies()) == 2)
        assert b.node.bodies() == [large(0), large(2)]
        link._lanes[1].resume_writing()
        await b.node.until(lambda: len(b.node.bodies()) == 3)


async def test_large_answers_come_also_while_large_requests_wait_to_leave() -> None:
    async with daemon() as a, daemon() as b:
        tell(a, b.address, large(0))
        await b.node.until(lambda: len(b.node.bodies()) == 1)
        (event,) = b.node.heard(Received)
        a.runner.links._links[b.address]._lanes[1].pause_writing()  # as when the other side takes no more of it
        tell(a, b.address, large(1, 2 * MIB))
        for number in (2, 3):
            b.runner._carry_out(ReplyTo(event.session, envelope(Forwarded(Content(number, bytes(2 * MIB))))), 0.0)
            b.runner.flush()
            await a.node.until(lambda count=number - 1: len(a.node.bodies()) == count)  # type: ignore[misc]


async def test_a_link_that_breaks_is_told_and_made_again() -> None:
    async with daemon() as a, daemon() as b:
        tell(a, b.address, AskView(), large(1))
        await b.node.until(lambda: len(b.node.bodies()) == 2)
        for number in (0, 1):
            lanes = sorted(b.runner.server.sessions, key=lambda session: session.number)
            lanes[-2:][number].abort()  # one lane alone takes the link down
            down = await a.node.hears(LinkDown, number + 1)
            assert down.address == b.address
            assert down.reason in ("the connection was reset", "it closed the connection")
            await a.node.hears(LinkUp, number + 2)
        tell(a, b.address, GetSuffix(2, 2), large(2))
        await b.node.until(lambda: GetSuffix(2, 2) in b.node.bodies() and large(2) in b.node.bodies())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the wrpme protocol, it began with 'HTTP/1.1 400 Bad"),
        (b"-ERR unknown command 'WRPME/1'\r\n", 'does not speak the wrpme protocol, it began with "-ERR unknown'),
        (b"", "it closed the connection"),
        (PREFACE + encode(Failed(0, BusyError.code, "there are too many")), "there are too many"),
        (PREFACE + b"\0\0\0\1\xc1", "a message is malformed"),
        (PREFACE + b"\xff\xff\xff\xff", "a frame claims 4294967295 bytes"),
    ],
)
async def test_who_speaks_otherwise_is_told(said: bytes, reason: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(PREFACE))
        writer.write(said)
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"127.0.0.1:{other.sockets[0].getsockname()[1]}"
    async with daemon() as a:
        tell(a, address, AskView())
        assert reason in (await a.node.hears(LinkDown)).reason
        await a.node.hears(LinkDown, 2)
        if not said.startswith(PREFACE):
            assert a.node.heard(LinkUp) == []
    other.close()


async def test_who_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "CONNECT_SECONDS_MAX", 0.05)

    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        async with daemon() as a:
            tell(a, address, AskView())
            assert (await a.node.hears(LinkDown)).reason == "it takes the connection but says nothing"
            await a.node.hears(LinkDown, 2)


async def test_a_name_that_is_not_known() -> None:
    async with daemon() as a:
        tell(a, "no-such-host.invalid:5909", AskView())
        reason = (await a.node.hears(LinkDown)).reason
        assert reason in ("the name can't be resolved", "its name was not resolved within 5 s")
        tell(a, "nonsense", AskView())
        await a.node.hears(LinkDown, 2)
        await a.node.until(lambda: any("has no port" in event.reason for event in a.node.heard(LinkDown)))


async def test_a_name_server_that_is_slow_delays_only_those_whom_it_keeps_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with daemon() as a, daemon() as b:
        answers = threading.Event()

        def look_up(name: str) -> list[str]:
            answers.wait(PATIENCE_SECONDS)
            return ["127.0.0.1"]

        a.runner.links.names = Names(look_up)
        named = f"b.example:{b.port}"
        tell(a, named, AskView())
        tell(a, b.address, GetSuffix(1, 1))
        assert await a.node.hears(LinkUp) == LinkUp(b.address)
        assert a.node.heard(LinkDown) == []
        answers.set()
        assert await a.node.hears(LinkUp, 2) == LinkUp(named)
        await b.node.until(lambda: AskView() in b.node.bodies())


async def test_of_the_numbers_of_a_host_each_is_tried() -> None:
    async with daemon() as a, daemon() as b:
        a.runner.links.names = Names(lambda name: ["127.0.0.2", "127.0.0.1"])
        tell(a, f"b.example:{b.port}", AskView())
        assert await a.node.hears(LinkUp) == LinkUp(f"b.example:{b.port}")
        assert a.node.heard(LinkDown) == []


async def test_what_waits_for_a_slow_node_is_bounded() -> None:
    stalled = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PREFACE)
        await stalled.wait()  # and reads no further
        writer.close()

    slow = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1024)
    address = f"127.0.0.1:{slow.sockets[0].getsockname()[1]}"
    async with daemon() as a:
        a.runner.process.memory = Memory(link=1 << 20)
        tell(a, address, AskView(), large(0, 3 << 20))
        await a.node.hears(LinkUp)
        link = a.runner.links._links[address]
        for number in range(200):
            tell(a, address, large(number, 100_000))
            assert link._lanes[1].unsent_bytes <= 1 << 20
            await asyncio.sleep(0)
        assert 0.8 * (1 << 20) < a.runner.links.waiting_bytes <= 1 << 20
        told = [event.envelope.body for event in a.node.heard(NotSent)]
        assert large(0, 3 << 20) in told, "of what found no room the node is told, also before the link was up"
        assert large(199, 100_000) in told and large(0, 100_000) not in told
        tell(a, address, GetSuffix(1, 1))
        assert link._lanes[0].gathered_bytes > 0, "the other lane is free"
        stalled.set()
    slow.close()


async def test_of_what_is_too_large_for_a_frame_the_node_is_told() -> None:
    async with daemon() as a, daemon() as b:
        tell(a, b.address, large(1))
        await b.node.hears(Received)
        content = bytes(FRAME_BYTES_MAX)
        for size in (0, len(content)):  # also where it is found out only when it is its turn
            a.runner._carry_out(Send(b.address, envelope(Forward(Put(7, b"x", content))), size), 0.0)
            tell(a, b.address, large(2))
            event = await a.node.hears(NotSent, 2 if size else 1)
            assert isinstance(event.envelope.body, Forward) and event.envelope.body.request.id == 7
        await b.node.until(lambda: b.node.bodies() == [large(1), large(2), large(2)])
        assert any("was not sent" in line for line in a.log.lines)


async def test_a_link_that_nobody_needs_is_closed() -> None:
    async with daemon() as a, daemon() as b:
        a.now = 100.0
        tell(a, b.address, AskView())
        await a.node.hears(LinkUp)
        await b.node.until(lambda: len(b.runner.server.sessions) == len(LANES) and len(b.node.bodies()) == 1)
        a.now += LINK_IDLE_SECONDS + 1
        a.runner.links.tick(a.now)
        await b.node.until(lambda: not b.runner.server.sessions)
        assert a.node.heard(LinkDown) == []
        tell(a, b.address, GetSuffix(1, 1))
        await b.node.until(lambda: GetSuffix(1, 1) in b.node.bodies())


async def test_nobody_is_dialled_for_ever() -> None:
    async with daemon() as a:
        address = f"127.0.0.1:{unused_port()}"
        a.now = 100.0
        tell(a, address, AskView())
        await a.node.hears(LinkDown, 2)
        a.now += LINK_IDLE_SECONDS + 1
        a.runner.links.tick(a.now)
        assert a.runner.links._links == {}


async def test_a_turn_of_messages_is_one_write() -> None:
    async with daemon() as a, daemon() as b:
        tell(a, b.address, AskView())
        await b.node.hears(Received)
        turns: list[int] = []

        def count(event: Input) -> list[Effect]:
            if isinstance(event, TurnEnded):
                turns.append(len(b.node.bodies()))
            return []

        b.node.on_input = count
        tell(a, b.address, *(GetSuffix(number, number) for number in range(100)))
        await b.node.until(lambda: len(b.node.bodies()) == 101)
        await asyncio.sleep(0)
        assert next(heard for heard in turns if heard > 1) == 101


# --- what clients published ------------------------------------------------------------------------------------------


def publish(d: Daemon, content: bytes, *addresses: str) -> None:
    published = Published((Publication(b"channel", content),))
    d.runner._carry_out(SendToAll(addresses, envelope(published)), d.runner.clock())


def contents(d: Daemon) -> list[bytes]:
    return [one.content for body in d.node.bodies() if isinstance(body, Published) for one in body.messages]


async def test_what_is_published_reaches_all_also_where_it_is_large() -> None:
    async with daemon() as a, daemon() as b, daemon() as c:
        publish(a, b"1", b.address, c.address)
        publish(a, bytes(MESSAGE_BYTES_MAX), b.address, c.address)
        publish(a, b"3", b.address)
        await b.node.until(lambda: contents(b) == [b"1", bytes(MESSAGE_BYTES_MAX), b"3"])
        await c.node.until(lambda: contents(c) == [b"1", bytes(MESSAGE_BYTES_MAX)])
        assert not a.node.heard(NotSent) and not a.log.lines


async def test_what_is_published_waits_for_requests_and_is_dropped_where_too_much_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "LINK_PUBLISHED_BYTES_MAX", 20 * MIB)
    reads = asyncio.Event()
    heard: list[Body] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PREFACE)
        await reads.wait()
        decoder: Decoder[Envelope] = Decoder(Envelope)
        while data := await reader.read(1 << 20):
            heard.extend(one.body for one in decoder.feed(data))
        writer.close()

    slow = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1024)
    address = f"127.0.0.1:{slow.sockets[0].getsockname()[1]}"
    async with daemon() as a:
        tell(a, address, AskView())
        await a.node.hears(LinkUp)
        for number in range(50):
            publish(a, bytes([number]) * MIB, address)
            a.runner.flush()
            await asyncio.sleep(0)
        tell(a, address, large(1, 2 * MIB), large(2, 2 * MIB))
        assert len(a.log.lines) >= 1 and "takes more slowly what is published here than it comes" in a.log.lines[0]
        assert not a.node.heard(NotSent), "what is dropped is nothing that the node waits for"
        reads.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while a.runner.links._links[address]._behind:
                await asyncio.sleep(0)
            publish(a, b"last", address)
            a.runner.flush()
            while not isinstance(heard[-1], Published) or heard[-1].messages[0].content != b"last":
                await asyncio.sleep(0)
        kinds = [type(body) for body in heard if not isinstance(body, AskView)]
        first = kinds.index(Forward)
        assert 0 < first < len(kinds) - 5, "the requests overtook what was published before them"
        numbers = [body.messages[0].content[0] for body in heard if isinstance(body, Published)][:-1]
        assert numbers == list(range(len(numbers))) and 20 < len(numbers) < 50, "the first are kept, in order"
    slow.close()


async def test_what_is_published_while_a_node_is_away_never_reaches_it() -> None:
    async with daemon() as a, daemon(listening=False) as b:
        port = unused_port()
        address = f"127.0.0.1:{port}"
        publish(a, b"1", address)
        await a.node.hears(LinkDown)
        publish(a, b"2", address)
        await b.listen(port)
        await a.node.hears(LinkUp)
        publish(a, b"3", address)
        a.runner.flush()
        await b.node.until(lambda: contents(b) == [b"3"])
        assert not a.node.heard(NotSent)
        await b.stop_listening()
