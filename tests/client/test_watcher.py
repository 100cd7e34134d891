"""Watching a hive of stubs, in time that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from tests.samples import VIEW
from tests.stub_node import Answer, StubNode, jumped, view_of
from wrpme import Client
from wrpme.client.limits import (
    WATCH_LATE_SECONDS, WATCH_RETRY_SECONDS_MAX, WATCH_SILENT_SECONDS, WATCH_THROUGH_SECONDS,
)  # fmt: skip
from wrpme.client.watch.records import StatsSeen, Gone, EventSeen, Reached, ViewSeen, WatchRecord
from wrpme.client.watch.watcher import Watcher
from wrpme.errors import BusyError
from wrpme.daemon.limits import WATCH_SECONDS
from wrpme.protocol.codec import encode
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.messages import Failed, GetStatus, Request, Text, Told, ViewIs, Watch
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import Member, State

pytestmark = pytest.mark.asyncio

S = TypeVar("S")
PATIENCE_SECONDS = 60.0
"""Of time that jumps."""


class Teller(StubNode):
    """A node that tells its figures twice a second; ``past`` is what it remembers."""

    def __init__(self, name: str) -> None:
        super().__init__(self._answer, name.encode() * 16)
        self.life = 1
        self.past: list[ClusterEvent] = []
        self.silent = False
        self.refusal: Failed | None = None
        self.figures_text: str | None = None

    async def __aenter__(self) -> Teller:
        await super().__aenter__()
        self._ticks = asyncio.create_task(self._tick())
        return self

    def die(self) -> None:
        super().die()
        self._ticks.cancel()

    @property
    def watches(self) -> list[bool]:
        """Whether each that watches wants the hive."""
        return [session.watch.hive for session in self.sessions if session.watch is not None]

    def stats(self) -> str:
        if self.figures_text is not None:
            return self.figures_text
        view = self.view
        hive, epoch, generation = (view.hive.hex(), view.epoch, view.generation) if view else ("", 0, 0)
        told = NodeStats(
            self.address, epoch, "up", "0", 1.0, 0.5, 0, 0, True, id=self.node.hex(), incarnation=self.life,
            hive=hive, generation=generation,
        )  # fmt: skip
        return msgspec.json.encode(told).decode()

    def happens(self, *events: ClusterEvent) -> None:
        """Remembers them, and tells those who watch."""
        self.past += events
        for session in self.sessions:
            if session.watch is not None:
                told = tuple(one for one in events if session.watch.hive or not one.hive)
                session.transport.write(encode(Told(session.watch.id, told)))

    def adopts(self) -> None:
        """Tells its view to those who want it."""
        for session in self.sessions:
            if session.watch is not None and session.watch.hive and self.view is not None:
                session.transport.write(encode(ViewIs(session.watch.id, self.node, self.view)))

    def _answer(self, request: Request) -> Answer:
        if isinstance(request, GetStatus):
            return Text(request.id, f'{{"of": "{request.node.decode()}"}}')
        assert isinstance(request, Watch)
        if self.refusal is not None:
            return replace(self.refusal, id=request.id)
        past = tuple(one for one in self.past if request.hive or not one.hive)
        told = Told(request.id, past, self.stats())
        if request.hive and self.view is not None:
            return (ViewIs(request.id, self.node, self.view), told)
        return told

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for session in self.sessions:
                if session.watch is not None and not self.silent:
                    session.transport.write(encode(Told(session.watch.id, (), self.stats())))


class Seen:
    """What was seen so far."""

    def __init__(self, *addresses: str) -> None:
        self.watcher = Watcher(addresses)
        self.all: list[WatchRecord] = []

    async def __aenter__(self) -> Seen:
        await self.watcher.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.watcher.aclose()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not reached():
                self.all.append(await anext(self.watcher))

    async def for_(self, seconds: float) -> None:
        """All that is seen in that time."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self.all.append(await anext(self.watcher))
        except TimeoutError:
            pass

    def of(self, kind: type[S], node: StubNode | None = None) -> list[S]:
        return [one for one in self.all if isinstance(one, kind) and (node is None or one.node == node.address)]

    async def stats_of(self, *nodes: StubNode) -> None:
        """Waits until these have told theirs, from now on."""
        begin = len(self.all)
        await self.until(lambda: {node.address for node in nodes} <= {
            one.node for one in self.all[begin:] if isinstance(one, StatsSeen) and not one.through
        })  # fmt: skip


def event(number: int, epoch: int = 1, hive: bool = False) -> ClusterEvent:
    return ClusterEvent(number, 0, "heard", epoch, "x", f"{number}", hive=hive)


def numbers(happened: Sequence[EventSeen]) -> list[int]:
    return [one.event.number for one in happened]


@asynccontextmanager
async def a_hive() -> AsyncIterator[tuple[Teller, Teller, Teller]]:
    """A hive of three."""
    async with Teller("a") as a, Teller("b") as b, Teller("c") as c:
        view_of([a, b, c])
        yield a, b, c


# --- what is seen ------------------------------------------------------------------------------------------------


async def test_one_address_suffices_to_see_all() -> None:
    async with a_hive() as (a, b, c):
        a.past, b.past = [event(1, hive=True), event(2)], [event(1, hive=True), event(2)]
        async with Seen(a.address) as seen:
            await seen.stats_of(a, b, c)
            assert [type(one) for one in seen.all[:5]] == [Reached, ViewSeen, EventSeen, EventSeen, StatsSeen]
            assert [one.view for one in seen.of(ViewSeen)] == [a.view]
            assert (numbers(seen.of(EventSeen, a)), numbers(seen.of(EventSeen, b))) == ([1, 2], [2]), "the hive's once"
            assert {one.node for one in seen.of(Reached)} == {a.address, b.address, c.address}
            assert (a.watches, b.watches, c.watches) == ([True], [False], [False])
        assert not seen.of(Gone)


async def test_a_node_is_called_as_the_hive_calls_it() -> None:
    async with a_hive() as (a, b, c), Seen(f"localhost:{a.address.rpartition(':')[2]}", b.address) as seen:
        await seen.stats_of(a, b, c)
        await seen.for_(1.0)
        assert {one.node for one in seen.all} == {a.address, b.address, c.address}
        assert all(len(node.sessions) == 1 for node in (a, b, c)), "and has one connection"


async def test_the_home_dies_and_another_one_tells_what_is_new() -> None:
    async with a_hive() as (a, b, c):
        shared = [event(1, 1, hive=True), event(2, 2, hive=True)]
        for node in (a, b, c):
            node.past = list(shared)
        async with Seen(a.address) as seen:
            await seen.stats_of(a, b, c)
            a.die()
            await seen.until(lambda: any(b.watches + c.watches))
            (home,) = [node for node in (b, c) if any(node.watches)]
            view_of([a, b, c], epoch=3, down=[a])
            home.adopts()
            home.happens(event(3, 3, hive=True))
            await seen.until(lambda: 3 in numbers(seen.of(EventSeen)))
            assert numbers(seen.of(EventSeen)) == [1, 2, 3], "nothing twice"
            assert [one.view.epoch for one in seen.of(ViewSeen)] == [1, 3]
            assert seen.of(ViewSeen)[-1].node == home.address
            assert [one.node for one in seen.of(Gone)] == [a.address]


async def test_after_a_reconnection_nothing_is_repeated_but_what_a_new_life_tells() -> None:
    async with a_hive() as (a, b, c):
        b.past = [event(1), event(2)]
        async with Seen(a.address) as seen:
            await seen.stats_of(a, b, c)
            b.past.append(event(3))
            b.sessions[0].transport.abort()
            await seen.until(lambda: len(seen.of(Reached, b)) == 2)
            await seen.stats_of(b)
            assert numbers(seen.of(EventSeen, b)) == [1, 2, 3] and len(seen.of(Gone, b)) == 1
            b.life, b.past = 2, [event(1), event(2)]
            b.sessions[0].transport.abort()
            await seen.stats_of(b)
            assert numbers(seen.of(EventSeen, b)) == [1, 2, 3, 1, 2]


async def test_a_view_that_the_home_does_not_bring_is_asked_for_where_it_is_known() -> None:
    async with a_hive() as (a, b, c), Seen(a.address) as seen:
        await seen.stats_of(a, b, c)
        assert c.view is not None
        c.view = replace(c.view, epoch=7)
        await seen.until(lambda: len(seen.of(ViewSeen)) == 2)
        assert seen.of(ViewSeen)[-1].node == c.address and seen.of(ViewSeen)[-1].view.epoch == 7
        await seen.for_(WATCH_LATE_SECONDS)
        assert (a.watches, c.watches) == ([False], [True]), "from there views come from now on"


async def test_who_has_no_view_is_no_home_for_long() -> None:
    async with a_hive() as (a, b, c):
        a.view = None
        async with Seen(a.address, b.address) as seen:
            await seen.until(lambda: bool(seen.of(ViewSeen)))
            assert seen.of(ViewSeen)[0].node in (b.address, c.address)


async def test_members_that_come_are_watched_and_those_that_went_are_not() -> None:
    async with a_hive() as (a, b, c):
        view_of([a, b])
        async with Seen(a.address) as seen:
            await seen.stats_of(a, b)
            view_of([a, c], epoch=2)
            a.adopts()
            await seen.stats_of(c)
            while b.sessions:
                await asyncio.sleep(0)
            await seen.for_(3 * WATCH_RETRY_SECONDS_MAX)
            assert b.sessions_opened == 1 and not seen.of(Gone, b), "it is none of ours any more"


async def test_a_member_that_is_back_is_looked_for_at_once() -> None:
    async with a_hive() as (a, b, c), Seen(a.address) as seen:
        await seen.stats_of(a, b, c)
        b.die()
        view_of([a, b, c], epoch=2, down=[b])
        a.adopts()
        await seen.for_(20.0)  # the pause between two attempts has grown
        async with b:
            began = jumped()
            back = view_of([a, b, c], epoch=3)
            members = [replace(member, incarnation=2) for member in back.members]
            a.view = replace(back, members=tuple(members))
            a.adopts()
            await seen.until(lambda: len(seen.of(Reached, b)) == 2)
            assert jumped() - began < WATCH_RETRY_SECONDS_MAX / 2


# --- who is not heard --------------------------------------------------------------------------------------------


async def test_a_silent_node_is_gone_and_its_figures_come_through_another() -> None:
    async with a_hive() as (a, b, c), Seen(a.address) as seen:
        await seen.stats_of(a, b, c)
        b.silent, b.refusal = True, Failed(0, BusyError.code, "too many watch this node")
        a.script = lambda request: Text(request.id, b.stats()) if isinstance(request, GetStatus) else a._answer(request)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await seen.until(lambda: bool(seen.of(Gone, b)))
        assert loop.time() - began >= WATCH_SILENT_SECONDS - WATCH_SECONDS
        assert seen.of(Gone, b)[0].reason == f"{b.address} has told nothing for {WATCH_SILENT_SECONDS:g} s"
        await seen.for_(10.0)
        through = [one for one in seen.of(StatsSeen, b) if one.through]
        assert {one.through for one in through} == {a.address}
        assert 8 <= len(through) <= 10.0 / WATCH_THROUGH_SECONDS + 1
        assert {request.node for request in a.seen_of(GetStatus)} == {b.node}
        assert len(seen.of(Gone, b)) == 1, "once, however often it is tried"
        b.silent, b.refusal = False, None
        await seen.stats_of(b)
        assert len(seen.of(Reached, b)) == 2
        before = len(a.seen_of(GetStatus))
        await seen.for_(5.0)
        assert len(a.seen_of(GetStatus)) == before, "it tells itself"


async def test_nobody_is_asked_about_a_node_that_is_down() -> None:
    async with a_hive() as (a, b, c):
        b.die()
        view_of([a, b, c], down=[b])
        async with Seen(a.address) as seen:
            await seen.until(lambda: bool(seen.of(Gone, b)))
            await seen.for_(5.0)
            assert not a.seen_of(GetStatus)


async def test_who_does_not_answer_delays_nobody() -> None:
    async with a_hive() as (a, b, c):
        b.greeting = b""  # takes connections, and says nothing
        async with Seen(b.address, a.address) as seen:
            began = jumped()
            await seen.stats_of(a, c)
            assert jumped() - began < WATCH_SECONDS
            await seen.until(lambda: bool(seen.of(Gone, b)))
            assert "no answer within" in seen.of(Gone, b)[0].reason


@pytest.mark.parametrize("stats", ["", "{", "[]", '{"address": 1}'])
async def test_who_tells_nonsense_is_gone_and_the_others_are_not(stats: str) -> None:
    async with a_hive() as (a, b, c), Seen(a.address) as seen:
        await seen.stats_of(a, b, c)
        b.figures_text = stats
        if not stats:
            b.sessions[0].transport.write(b"\0\0\0\1\xff")
        await seen.until(lambda: bool(seen.of(Gone, b)))
        reason = seen.of(Gone, b)[0].reason
        assert "no proper figures" in reason if stats else "malformed" in reason
        await seen.stats_of(a, c)


async def test_when_all_are_gone_every_address_that_was_ever_known_is_tried() -> None:
    async with a_hive() as (a, b, c):
        view_of([a, b])
        async with Seen(a.address) as seen:
            await seen.stats_of(a, b)
            view_of([a, c], epoch=2)
            a.adopts()
            await seen.stats_of(c)
            for node in (a, b, c):
                node.die()
            await seen.until(lambda: {one.node for one in seen.of(Gone)} >= {a.address, c.address})
            await seen.for_(60.0)
            assert len(seen.of(Gone, a)) == 1
            view_of([b], epoch=3)
            async with b:  # it was no member of the last view that was seen
                await seen.stats_of(b)
                assert seen.of(ViewSeen)[-1].view.epoch == 3


async def test_nobody_there_is_something_to_see_too() -> None:
    async with a_hive() as (a, _b, _c):
        a.die()
        async with Seen(a.address) as seen:
            await seen.for_(30.0)
            assert [type(one) for one in seen.all] == [Gone]
            assert seen.of(Gone)[0].reason == f"{a.address} (connection refused)"
            async with a:
                await seen.stats_of(a)


async def test_a_node_of_another_hive_at_that_address_is_not_ours() -> None:
    async with a_hive() as (a, b, c), Seen(a.address) as seen:
        await seen.stats_of(a, b, c)
        b.view = replace(VIEW, hive=b"z" * 16)
        b.sessions[0].transport.abort()
        await seen.for_(10.0)
        assert len(seen.of(Gone, b)) == len(seen.of(Reached, b)) == 1
        begin = len(seen.all)
        await seen.for_(5.0)
        assert not [
            one for one in seen.all[begin:] if isinstance(one, StatsSeen) and one.node == b.address and not one.through
        ]
        assert len(seen.of(ViewSeen)) == 1 and b.sessions_opened > 2, "it is tried again, as it may be put right"


async def test_a_hive_that_began_anew_at_the_same_addresses_is_seen() -> None:
    async with a_hive() as (a, b, c), Seen(a.address) as seen:
        await seen.stats_of(a, b, c)
        fresh = view_of([a, b])
        members = tuple(Member(node.node, 2, node.address, 1, State.UP) for node in (a, b))
        for node in (a, b, c):
            node.die()
        async with a, b:
            a.view = b.view = replace(fresh, hive=b"z" * 16, members=members)
            a.life = b.life = 2
            a.past = b.past = [event(1, hive=True)]
            await seen.stats_of(a, b)
            assert seen.of(ViewSeen)[-1].view.hive == b"z" * 16
            assert numbers(seen.of(EventSeen)) == [1], "its epochs begin anew, too"


# --- the end ------------------------------------------------------------------------------


async def test_it_ends_when_it_is_closed_and_with_its_client() -> None:
    async with a_hive() as (a, b, c):
        client = Client(a.address)
        one, two = client.watch(), client.watch()
        assert isinstance(await anext(one), Reached) and isinstance(await anext(two), Reached)

        async def rest(watcher: Watcher) -> int:
            return len([record async for record in watcher])

        reading = asyncio.create_task(rest(one))
        while len(a.sessions) < 2:
            await asyncio.sleep(0)
        await two.aclose()
        await two.aclose()
        assert await rest(two) == 0, "what was not read is gone"
        assert not reading.done()
        await client.close()
        await reading
        for node in (a, b, c):
            while node.sessions:
                await asyncio.sleep(0)


async def test_a_watch_does_not_disturb_the_requests_of_its_client() -> None:
    async with a_hive() as (a, _b, _c), Client(a.address) as client, client.watch() as watcher:
        await anext(watcher)
        assert await client.view() == a.view
        assert client.answered_by == "", "that was no entry"
