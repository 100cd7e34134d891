"""Those who watch a node, over loopback, with a node that does as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from tests.daemon_parts import PATIENCE_SECONDS, Daemon, Raw, daemon, echo
from tests.samples import VIEW
from wrpme.core.io import Adopted, Effect, Exit, ReplyTo, Emit, HostRequest
from wrpme.daemon.limits import WATCH_BEHIND_BYTES_MAX, WATCH_EVENTS_MAX
from wrpme.daemon.net import watchers
from wrpme.daemon.net.connection import Wire
from wrpme.daemon.net.watchers import Watcher
from wrpme.errors import BusyError
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.messages import Content, Done, Failed, Get, Put, Reply, Request, Told, ViewIs, Watch

NEVER = 1e6


def event(number: int, hive: bool = False, sentence: str = "") -> ClusterEvent:
    return ClusterEvent(number, 0, "heard", 1, "a", sentence or f"{number}", hive=hive)


def watched(d: Daemon, *past: ClusterEvent) -> None:
    """The node remembers that; a put makes happen what it is an alias of, by number."""

    def on_request(session: int, request: Request) -> list[Effect]:
        if isinstance(request, Watch):
            return [HostRequest(session, request)]
        if isinstance(request, Put):
            return [Emit(event(int(request.alias), hive=request.content == b"hive")), ReplyTo(session, Done(1))]
        return echo(session, request)

    d.node.events = list(past)
    d.node.on_request = on_request


async def told(client: Raw) -> Told:
    reply = await client.reply()
    assert isinstance(reply, Told), reply
    return reply


def numbers(told: Told) -> list[int]:
    return [event.number for event in told.events]


@pytest.fixture(autouse=True)
def rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """NodeStats come when a test wants them."""
    monkeypatch.setattr(watchers, "WATCH_SECONDS", NEVER)


@pytest.mark.asyncio
async def test_a_watcher_of_the_hive_is_told_the_view_and_all_that_is_remembered_at_once() -> None:
    async with daemon() as d, Raw(d.port) as client:
        watched(d, event(1, hive=True), event(2))
        d.node.view = VIEW
        client.say(Watch(5, hive=True), preface=True)
        assert await client.reply() == ViewIs(5, b"n" * 16, VIEW)
        first = await told(client)
        assert first.id == 5 and numbers(first) == [1, 2] and json.loads(first.stats)["told"] == 1


@pytest.mark.asyncio
async def test_another_one_is_told_of_the_node_alone() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        watched(d, event(1, hive=True), event(2))
        d.node.view = VIEW
        client.say(Watch(5), preface=True)
        assert numbers(await told(client)) == [2]
        other.say(Put(1, b"3", b"hive"), Put(1, b"4", b""), preface=True)
        assert numbers(await told(client)) == [4]


@pytest.mark.asyncio
async def test_what_happens_in_a_turn_is_told_at_its_end_in_one_message() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        watched(d)
        client.say(Watch(5, hive=True), preface=True)
        await told(client)
        other.say(Put(1, b"1", b"hive"), Put(1, b"2", b""), preface=True)
        later = await told(client)
        assert numbers(later) == [1, 2] and not later.stats


@pytest.mark.asyncio
async def test_views_come_as_they_are_adopted_and_the_first_one_when_there_is_one() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as plain:
        watched(d)
        client.say(Watch(5, hive=True), preface=True)
        plain.say(Watch(6), preface=True)
        assert (await told(client)).stats and (await told(plain)).stats, "figures there are without a view"
        d.node.view = VIEW
        d.node.on_input = lambda given: [Adopted(9), Emit(event(1, hive=True)), Emit(event(2))]
        async with Raw(d.port) as other:
            other.say(Get(1, b"x"), preface=True)
            await other.reply()
        d.node.on_input = lambda given: []
        assert isinstance(await client.reply(), ViewIs), "the view, then what it means"
        assert numbers(await told(client))[:2] == [1, 2]
        assert numbers(await told(plain))[0] == 2


@pytest.mark.asyncio
async def test_figures_are_made_once_for_all_and_not_at_all_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "WATCH_SECONDS", 0.01)
    async with daemon() as d:
        watched(d)
        async with Raw(d.port) as one, Raw(d.port) as two:
            one.say(Watch(5), preface=True)
            two.say(Watch(6), preface=True)
            seen = [[json.loads((await told(client)).stats)["told"] for _ in range(6)] for client in (one, two)]
            assert len(set(seen[0][2:]) & set(seen[1])) >= 3, "the very same"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while d.runner._watchers._alarm is not None:
                await asyncio.sleep(0)
        assert not d.runner._watchers._watchers, "who is gone is forgotten"


@pytest.mark.asyncio
async def test_requests_on_the_same_connection_are_answered_meanwhile() -> None:
    async with daemon() as d, Raw(d.port) as client:
        watched(d)
        client.say(Watch(5), Get(6, b"x"), preface=True)
        replies = await client.replies(2)
        assert Content(6, b"x") in replies and any(isinstance(reply, Told) for reply in replies)
        (session,) = d.runner.server.sessions
        assert session.waiting == 0, "a watch is no request that waits"


@pytest.mark.asyncio
async def test_who_watches_again_on_the_same_connection_is_told_so_from_then_on() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        watched(d, event(1, hive=True))
        client.say(Watch(5), preface=True)
        assert numbers(await told(client)) == []
        client.say(Watch(6, hive=True))
        again = await told(client)
        assert (again.id, numbers(again)) == (6, [1])
        other.say(Put(1, b"2", b"hive"), preface=True)
        once = await told(client)
        assert (once.id, numbers(once)) == (6, [2])


@pytest.mark.asyncio
async def test_there_are_no_more_watchers_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "WATCHERS_MAX", 1)
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        watched(d)
        client.say(Watch(5), preface=True)
        await told(client)
        other.say(Watch(6), Get(7, b"x"), preface=True)
        refused = await other.reply()
        assert isinstance(refused, Failed) and (refused.id, refused.code) == (6, BusyError.code)
        assert "watched by 1 already" in refused.sentence
        assert await other.reply() == Content(7, b"x"), "the connection is as good as before"


@pytest.mark.asyncio
async def test_who_does_not_read_costs_nothing_and_is_told_what_it_missed() -> None:
    """It is told nothing more as soon as it is behind; when it has read, the latest view, and how many events are
    not among those that are left."""

    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        watched(d)
        d.node.view = VIEW
        client.say(Watch(5, hive=True), preface=True)
        assert isinstance(await client.reply(), ViewIs)
        await told(client)
        (watcher,) = d.runner._watchers._watchers.values()
        sent = 0
        while not watcher.behind:  # nobody reads, until the system's buffers are full, and ours
            sent += 1
            d.runner._watchers.happened(event(sent, sentence="x" * 10_000))
            d.runner._watchers.end_turn()
            d.runner.flush()
            await asyncio.sleep(0)
        more = 3 * WATCH_EVENTS_MAX
        for number in range(sent + 1, sent + more + 1):
            d.runner._watchers.happened(event(number))
            d.runner._watchers.adopted()
        d.runner._watchers.end_turn()
        transport = watcher._wire.transport
        assert transport is not None
        assert transport.get_write_buffer_size() < WATCH_BEHIND_BYTES_MAX + 20_000, "nothing more was written"
        assert len(watcher.events) == WATCH_EVENTS_MAX
        other.say(Get(1, b"x"), preface=True)
        assert await other.reply() == Content(1, b"x"), "others are served"
        seen: list[int] = []
        while len(seen) < sent:
            seen += numbers(await told(client))
        assert seen == list(range(1, sent + 1))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while watcher.behind:
                await asyncio.sleep(0)
        d.runner._watchers._tick()
        assert isinstance(await client.reply(), ViewIs), "the latest view, once"
        last = await told(client)
        assert last.missed == more - WATCH_EVENTS_MAX and last.stats
        assert numbers(last) == list(range(sent + last.missed + 1, sent + more + 1))


@pytest.mark.asyncio
async def test_a_stop_ends_the_watch_with_a_sentence() -> None:
    async with daemon() as d, Raw(d.port) as client, Raw(d.port) as other:
        watched(d)
        client.say(Watch(5), preface=True)
        await told(client)
        d.node.on_input = lambda given: [Emit(event(9)), Exit(0)]
        other.say(Get(1, b"x"), preface=True)
        assert numbers(await told(client)) == [9], "the last word too"
        await d.finished()
        closing = asyncio.ensure_future(d.runner.close())
        farewell = await client.reply()
        assert isinstance(farewell, Failed) and farewell.id == 0 and "has stopped" in farewell.sentence
        await closing


class _Full:
    """As much of a transport as a watcher looks at."""

    def __init__(self) -> None:
        self.unsent = 0

    def get_write_buffer_size(self) -> int:
        return self.unsent


class _Node:
    events: Sequence[ClusterEvent] = ()

    def stats(self, now: float) -> str:
        return "{}"

    def view_for(self, number: int) -> ViewIs | None:
        return None


def test_what_waits_for_the_end_of_the_turn_counts_as_not_taken() -> None:
    class Host:
        def __init__(self) -> None:
            self.dirty: list[Wire] = []

    wire = Wire(1, Host())  # type: ignore[arg-type]
    wire.transport = _Full()  # type: ignore[assignment]
    watcher = Watcher(wire, Watch(1))
    sent: list[Reply] = []
    watcher._put = sent.append  # type: ignore[method-assign,assignment]
    watcher.tell(_Node(), "{}")
    assert len(sent) == 1
    wire.gathered_bytes = WATCH_BEHIND_BYTES_MAX + 1
    watcher.tell(_Node(), "{}")
    assert len(sent) == 1 and watcher.behind
