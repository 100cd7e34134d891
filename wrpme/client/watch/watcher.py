"""Watching a hive: one connection to every node, from which views, events and figures come by themselves.

One of the nodes, the *home*, tells what all of them could tell; when it is gone another one does, and nothing is told
twice. Who can't be reached is tried again and again; what such a node has to say is asked for through the home. It
never gives up: that all are gone is something to see as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from ssl import SSLContext
from types import TracebackType

import msgspec

from wrpme import errors
from wrpme.client.access.credentials import Credentials
from wrpme.client.connection import Connection, dial
from wrpme.client.limits import (
    WATCH_ADDRESSES_MAX, WATCH_LATE_SECONDS, WATCH_LOOK_SECONDS, WATCH_RETRY_SECONDS_MAX, WATCH_RETRY_SECONDS_MIN,
    WATCH_SILENT_SECONDS, WATCH_THROUGH_SECONDS,
)  # fmt: skip
from wrpme.client.one_loop import OneLoop
from wrpme.client.watch.buffer import ShedBuffer
from wrpme.client.watch.records import StatsSeen, Gone, EventSeen, Missed, Reached, ViewSeen, WatchRecord
from wrpme.protocol import view_index
from wrpme.protocol.messages import Failed, GetStatus, Reply, Text, Told, ViewIs, Watch
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import State, View

_FIGURES = msgspec.json.Decoder(NodeStats)


class _Node:
    """A node that is watched, and the connection to it. ``ways`` are the addresses under which it is dialled."""

    def __init__(self, watcher: Watcher, address: str) -> None:
        self.address = address
        self.ways = [address]
        self.connection: Connection | None = None
        self.task: asyncio.Task[None] | None = None
        self.heard_at = 0.0
        self.reached: bool | None = None
        """None until it was reached or given up for the first time."""
        self.stats: NodeStats | None = None
        self.ahead_since: float | None = None
        """Since when it has a later view than is known here."""
        self.floor = 0
        """What happened to the hive up to this epoch is known already."""
        self.number = 0
        """Of the last event that it told in this life."""
        self.asked_at = 0.0
        """When its figures were asked for through another node."""
        self.watch_id = 0
        self.hurry = asyncio.Event()
        """Set where there is reason to try again at once."""
        self._watcher = watcher

    def heard(self, connection: Connection, reply: Reply) -> None:
        """See :class:`wrpme.client.connection.Owner`."""
        if connection is self.connection:
            self.heard_at = asyncio.get_running_loop().time()
            self._watcher.heard(self, reply)

    def closed(self, connection: Connection) -> None:
        """See :class:`wrpme.client.connection.Owner`."""
        if connection is self.connection:
            self.connection = None
            self._watcher.lost(self)


class Watcher:
    """An asynchronous iterator over :data:`wrpme.client.watch.records.WatchRecord`, without an end but :meth:`aclose`.

    It begins with the first record that is asked for. Whoever does not read for long misses some, and is told so.
    """

    def __init__(
        self, addresses: Iterable[str], context: SSLContext | None = None, credentials: Credentials | None = None
    ) -> None:
        self._given = tuple(dict.fromkeys(addresses))
        self._context = context
        self._credentials = credentials
        self._known: dict[str, None] = {}
        self._nodes: dict[str, _Node] = {}
        self._home: _Node | None = None
        self._view: View | None = None
        self._epoch_told = 0
        self._through: dict[int, tuple[_Node, str]] = {}
        self._ids = count(1)
        self._buffer = ShedBuffer()
        self._news = asyncio.Event()
        self._loop = OneLoop()
        self._look: asyncio.Task[None] | None = None
        self._lonely_since: float | None = None
        self._ended = False

    # --- for whoever reads ---------------------------------------------------------------------------------------

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> WatchRecord:
        self._loop.running()
        while not self._buffer.records:
            if self._ended:
                raise StopAsyncIteration
            if self._look is None:
                self._look = asyncio.create_task(self._look_after())
                self._watch(self._given)
            self._news.clear()
            await self._news.wait()
        return self._buffer.records.popleft()

    async def __aenter__(self) -> Watcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends all connections, and the iteration; may be called twice."""
        self._loop.running()
        self._ended = True
        connections = [node.connection for node in self._nodes.values() if node.connection is not None]
        tasks = [node.task for node in self._nodes.values() if node.task is not None]
        if self._look is not None:
            tasks.append(self._look)
        for node in list(self._nodes.values()):
            self._drop(node)
        if self._look is not None:
            self._look.cancel()
        await asyncio.gather(*tasks, *(one.ended for one in connections), return_exceptions=True)
        self._buffer = ShedBuffer()
        self._news.set()

    def _see(self, record: WatchRecord) -> None:
        if not self._ended:
            self._buffer.put(record)
            self._news.set()

    # --- connections ---------------------------------------------------------------------------------------------

    def _watch(self, addresses: Iterable[str]) -> None:
        """From now on also these; who comes or goes, it is tried for ever."""
        for address in addresses:
            self._known.pop(address, None)
            self._known[address] = None
            if address not in self._nodes:
                node = self._nodes[address] = _Node(self, address)
                node.task = asyncio.create_task(self._attend(node))
        while len(self._known) > WATCH_ADDRESSES_MAX:
            del self._known[next(iter(self._known))]

    def _drop(self, node: _Node) -> None:
        """It is watched no longer."""
        if self._nodes.get(node.address) is node:
            del self._nodes[node.address]
        if node.task is not None:
            node.task.cancel()
        connection, node.connection = node.connection, None
        if connection is not None:
            connection.close()
        if node is self._home:
            self._home = None
            self._find_home()

    async def _attend(self, node: _Node) -> None:
        """Keeps a connection to the node for as long as it is watched."""
        pause = WATCH_RETRY_SECONDS_MIN
        for attempt in count():
            outcome = await dial(node.ways[attempt % len(node.ways)], node, self._context, self._credentials)
            if isinstance(outcome, Connection):
                self._connected(node, outcome)
                await asyncio.shield(outcome.ended)
                if node.reached:
                    pause = WATCH_RETRY_SECONDS_MIN
                reason = outcome.reason.sentence
            else:
                reason = outcome.sentence
            if node.reached is not False:
                node.reached = False
                self._see(Gone(_now(), node.address, reason))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await node.hurry.wait()
            node.hurry.clear()
            pause = min(WATCH_RETRY_SECONDS_MAX, 2 * pause)

    def _connected(self, node: _Node, connection: Connection) -> None:
        if not connection.usable:
            return
        node.connection = connection
        node.heard_at = asyncio.get_running_loop().time()
        node.ahead_since = None
        if self._home is None:
            self._home = node
        self._ask(node)

    def _ask(self, node: _Node) -> None:
        if node.connection is not None:
            node.floor, node.watch_id = self._epoch_told, next(self._ids)
            node.connection.say(Watch(node.watch_id, hive=node is self._home))

    def lost(self, node: _Node) -> None:
        """Its connection has ended."""
        if node is self._home:
            self._home = None
            self._find_home()

    def _find_home(self) -> None:
        """Of those who answer, the one that seems to know best."""
        hive = self._view.hive.hex() if self._view is not None else ""

        def knows(node: _Node) -> tuple[bool, bool, int]:
            stats = node.stats
            return (stats.hive == hive, stats.serving, stats.epoch) if stats else (False, False, 0)

        there = [node for node in self._nodes.values() if node.connection is not None]
        if there and self._home is None:
            self._home = max(there, key=knows)
            self._ask(self._home)

    # --- what is told --------------------------------------------------------------------------------------------

    def heard(self, node: _Node, reply: Reply) -> None:
        """A node says something."""
        if isinstance(reply, ViewIs):
            member = view_index.member(reply.view, reply.node)
            if self._is_at(node, member.address if member is not None else node.address):
                self._on_view(node, reply.view)
        elif isinstance(reply, Told):
            try:
                stats = _FIGURES.decode(reply.stats) if reply.stats else None
            except msgspec.MsgspecError as error:
                self._refuse(node, f"{node.address} told no proper figures ({error})")
                return
            if stats is not None and self._is_foreign(node, stats):
                self._refuse(node, f"{node.address} is a node of another hive now")
            elif self._is_at(node, stats.address if stats is not None else node.address):
                self._on_told(node, reply, stats)
        elif isinstance(reply, Text):
            self._on_stats_through(node, reply)
        elif isinstance(reply, Failed):
            if self._through.pop(reply.id, None) is None and reply.id == node.watch_id:
                self._refuse(node, reply.sentence)

    def _refuse(self, node: _Node, sentence: str) -> None:
        if node.connection is not None:
            node.connection.close(errors.ConnectionError(sentence))

    def _is_at(self, node: _Node, address: str) -> bool:
        """The node has said where it is: from here on it is called so. False: it is watched under that already."""
        if address != node.address:
            other = self._nodes.get(address)
            if other is not None and other.connection is not None:
                self._drop(node)
                return False
            if other is not None:
                self._drop(other)
            self._nodes.pop(node.address, None)
            node.ways = [node.ways[0], address]
            node.address = address
            self._nodes[address] = node
            self._known[address] = None
        if not node.reached:
            node.reached = True
            self._see(Reached(_now(), address))
        return True

    def _on_view(self, node: _Node, view: View) -> None:
        known = self._view
        if node is not self._home:
            return
        if known is not None and known.hive == view.hive:
            if view_index.age(view) <= view_index.age(known):
                return
        elif known is not None:
            self._epoch_told = node.floor = 0
        lives = {member.incarnation for member in known.members if member.state is not State.DOWN} if known else set()
        self._view = view
        self._see(ViewSeen(_now(), node.address, view))
        addresses = {member.address for member in view.members}
        self._watch(addresses)
        for other in [other for other in self._nodes.values() if other.address not in addresses]:
            self._drop(other)
        for member in view.members:
            if member.state is not State.DOWN and member.incarnation not in lives:
                self._nodes[member.address].hurry.set()

    def _on_told(self, node: _Node, told: Told, stats: NodeStats | None) -> None:
        if stats is not None:
            before = node.stats
            if before is None or (before.id, before.incarnation) != (stats.id, stats.incarnation):
                node.number = 0
        now = _now()
        if told.missed:
            self._see(Missed(now, node.address, told.missed))
        for event in told.events:
            if event.hive:
                if node is self._home and event.epoch > node.floor:
                    self._epoch_told = max(self._epoch_told, event.epoch)
                    self._see(EventSeen(now, node.address, event))
            elif event.number > node.number:
                node.number = event.number
                self._see(EventSeen(now, node.address, event))
        if stats is not None:
            node.stats = stats
            self._compare(node, stats)
            self._see(StatsSeen(now, node.address, stats))

    def _is_foreign(self, node: _Node, stats: NodeStats) -> bool:
        hive = self._view.hive.hex() if self._view is not None else ""
        return node is not self._home and bool(hive and stats.hive) and stats.hive != hive

    def _compare(self, node: _Node, stats: NodeStats) -> None:
        """Whether the node has a later view than is known here."""
        known = view_index.age(self._view) if self._view is not None else (0, 0, 0)
        if (stats.generation, stats.branch, stats.epoch) <= known:
            node.ahead_since = None
        elif node.ahead_since is None:
            node.ahead_since = node.heard_at

    def _on_stats_through(self, node: _Node, reply: Text) -> None:
        target, address = self._through.pop(reply.id, (None, ""))
        if target is None or target.connection is not None or self._nodes.get(address) is not target:
            return
        try:
            stats = _FIGURES.decode(reply.text)
        except msgspec.MsgspecError:
            return
        self._see(StatsSeen(_now(), address, stats, through=node.address))

    # --- time ----------------------------------------------------------------------------------------------------

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(WATCH_LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            for node in list(self._nodes.values()):
                if node.connection is not None and now - node.heard_at > WATCH_SILENT_SECONDS:
                    self._refuse(node, f"{node.address} has told nothing for {WATCH_SILENT_SECONDS:g} s")
            self._change_home(now)
            self._ask_through(now)
            self._look_everywhere(now)

    def _change_home(self, now: float) -> None:
        """Another node has a later view, and this one does not bring it."""
        for node in self._nodes.values():
            since = node.ahead_since
            if since is not None and now - since > WATCH_LATE_SECONDS and node.connection is not None:
                node.ahead_since = now
                former, self._home = self._home, node
                self._ask(node)
                if former is not None and former is not node:
                    self._ask(former)
                return

    def _ask_through(self, now: float) -> None:
        """Figures of nodes that are up, and can't be reached from here."""
        home = self._home
        if self._view is None or home is None or home.connection is None:
            return
        for member in self._view.members:
            node = self._nodes.get(member.address)
            if member.state is State.DOWN or node is None or node.reached is not False:
                continue
            if now - node.asked_at >= WATCH_THROUGH_SECONDS:
                node.asked_at = now
                for number in [number for number, asked in self._through.items() if asked[0] is node]:
                    del self._through[number]
                number = next(self._ids)
                self._through[number] = (node, member.address)
                home.connection.say(GetStatus(number, member.id))

    def _look_everywhere(self, now: float) -> None:
        """Where nobody answers for a while: at all addresses that were ever known."""
        if any(node.connection is not None for node in self._nodes.values()):
            self._lonely_since = None
        elif self._lonely_since is None:
            self._lonely_since = now
        elif now - self._lonely_since > WATCH_SILENT_SECONDS:
            self._watch([*self._given, *self._known])


def _now() -> float:
    """Seconds since 1970, to the millisecond."""
    return round(time.time(), 3)
