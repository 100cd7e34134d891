"""Probes: one entry for each arc of a node, read and written again and again through the other nodes."""

from __future__ import annotations

import asyncio
import itertools
import time
from bisect import bisect_left
from collections.abc import Sequence

from bench.callers import Entry
from wrpme.client.connection import Connection, dial
from wrpme.errors import NotFoundError, WrpmeError, from_wire
from wrpme.protocol.messages import Content, Failed, Get, Reply, Request, Update
from wrpme.protocol.ring import arc_start, hash_of
from wrpme.protocol.view import NodeId, View
from wrpme.protocol.view_index import owner

PAUSE_SECONDS = 0.01
DEADLINE_SECONDS = 1.0
CANDIDATES = 40_000
"""Aliases that are made at a time."""


class Aliases:
    """Finds an alias that lies in an arc, however narrow that is."""

    def __init__(self) -> None:
        self._sorted: list[tuple[int, str]] = []

    def of_arcs(self, view: View, node: NodeId) -> list[str]:
        """One in each arc that the node owns."""
        owned = [index for index, arc in enumerate(view.arcs) if owner(view, arc) == node]
        return [self._between(arc_start(view, index), view.arcs[index].end) for index in owned]

    def _between(self, first: int, last: int) -> str:
        while True:
            at = bisect_left(self._sorted, (first, ""))
            if at < len(self._sorted) and self._sorted[at][0] <= last:
                return self._sorted[at][1]
            names = (f"probe:{len(self._sorted) + number}" for number in range(CANDIDATES))
            self._sorted = sorted([*self._sorted, *((hash_of(name.encode()), name) for name in names)])


class Probes:
    """Asks each of the entries through the nodes at ``addresses``, the first through the first, and so on.

    Used as an async context manager; ``wrong`` counts contents that can't be."""

    def __init__(self, aliases: Sequence[str], addresses: Sequence[str]) -> None:
        self.entries = [Entry(alias) for alias in aliases]
        self.wrong = 0
        self._addresses = addresses
        self._connections: list[Connection] = []
        self._numbers = itertools.count(1)
        self._over = asyncio.Event()

    async def __aenter__(self) -> Probes:
        for address in self._addresses:
            connection = await dial(address, self)
            if isinstance(connection, WrpmeError):
                raise connection
            self._connections.append(connection)
        await asyncio.gather(*(self._until_written(entry, index) for index, entry in enumerate(self.entries)))
        return self

    async def __aexit__(self, *raised: object) -> None:
        for connection in self._connections:
            connection.close()

    def heard(self, connection: Connection, reply: Reply) -> None:
        """Probes follow no views: they ask nodes that may have to pass them on."""

    def closed(self, connection: Connection) -> None:
        """Each request under way says so itself."""

    def over(self) -> None:
        """The node is gone: who is served once more from here on is done."""
        self._over.set()

    async def longest_gaps(self, start: float) -> list[float]:
        """For each entry the longest time, from ``start`` or a success to the next success, of reads and writes alike.

        Ends with the first success after ``over``."""
        return await asyncio.gather(*(self._gap(entry, index, start) for index, entry in enumerate(self.entries)))

    async def _gap(self, entry: Entry, index: int, start: float) -> float:
        longest, last = 0.0, start
        while True:
            was_over = self._over.is_set()
            await self._until_read(entry, index)
            await self._until_written(entry, index)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
            if was_over:
                return longest
            await asyncio.sleep(PAUSE_SECONDS)

    async def _until_read(self, entry: Entry, index: int) -> None:
        while True:
            try:
                content = await self._ask(index, Get(next(self._numbers), entry.alias.encode()))
            except WrpmeError:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self.wrong += not entry.read(content)
                return

    async def _until_written(self, entry: Entry, index: int) -> None:
        while True:
            content = entry.following()
            try:
                await self._ask(index, Update(next(self._numbers), entry.alias.encode(), content))
            except WrpmeError as error:
                entry.wrote(content, error)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                entry.wrote(content, None)
                return

    async def _ask(self, index: int, request: Request) -> bytes | None:
        connection = self._connections[index % len(self._connections)]
        if not connection.usable:
            raise SystemExit(f"{connection.address} closed the connection of the probes")
        reply = await connection.send(request, asyncio.get_running_loop().time() + DEADLINE_SECONDS)
        if isinstance(reply, Failed):
            if reply.code == NotFoundError.code:
                return None
            raise from_wire(reply.code, reply.sentence)
        return reply.content if isinstance(reply, Content) else None
