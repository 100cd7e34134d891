"""What a benchmark sends its requests to: a hive, by frames laid out beforehand; and the caller that sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, cast

from wrpme.errors import UnstableError
from wrpme.protocol import codec
from wrpme.protocol.messages import Content, Done, Failed, Get, GetView, Reply, Update, ViewIs
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view import View
from wrpme.protocol.view_index import member, owner

CONTENT_BYTES = 100
ENDED = "the connection ended"

Answered = Callable[[bytes | None, str], None]
"""Told how a request ended: what was read, None for a write; and what went wrong, empty if nothing did."""


class Target(Protocol):
    """Takes one request at a time; ``answered`` is told how it ended."""

    answered: Answered

    def put(self, alias: bytes, content: bytes) -> None:
        """Adds or replaces; a content has ``CONTENT_BYTES``."""

    def get(self, alias: bytes) -> None:
        """Reads."""

    def close(self) -> None:
        """Ends it; nobody is told."""


def unheard(content: bytes | None, error: str) -> None:
    """For a target whose answers nobody waits for."""


class Routes:
    """Which node owns a key, as the last view that was fetched says."""

    def __init__(self, aliases: Sequence[bytes], view: View) -> None:
        self._positions = {alias: hash_of(alias) for alias in aliases}
        self.owners: dict[bytes, str] = {}
        self.learn(view)

    def learn(self, view: View) -> None:
        """From here on this view counts; a key that has no live owner in it stays where it was."""
        for alias, position in self._positions.items():
            node = owner(view, view.arcs[arc_at(view, position)])
            found = member(view, node) if node else None
            if found:
                self.owners[alias] = found.address


class HiveConnection(asyncio.Protocol):
    """One connection of a client to one node."""

    def __init__(self, target: HiveTarget) -> None:
        self._target = target
        self._decoder: codec.Decoder[Reply] = codec.Decoder(Reply)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has transports of its own
        self.transport.write(codec.PREFACE)

    def data_received(self, data: bytes) -> None:
        for reply in self._decoder.feed(data):
            self._target.heard(self, reply)

    def connection_lost(self, error: Exception | None) -> None:
        self._target.answered(None, ENDED)


class HiveTarget:
    """A hive as one client sees it: a connection to each node; asked is the owner of the key."""

    def __init__(self, routes: Routes, aliases: Sequence[bytes]) -> None:
        self.answered: Answered = unheard
        self._routes = routes
        self._connections: dict[str, HiveConnection] = {}
        self._pending = (b"", b"")
        self._gets = {alias: codec.encode(Get(1, alias)) for alias in aliases}
        self._puts: dict[bytes, tuple[bytes, bytes]] = {}
        placeholder = b"\xa5" * CONTENT_BYTES
        for alias in aliases:
            head, _, tail = codec.encode(Update(1, alias, placeholder)).partition(placeholder)
            self._puts[alias] = (head, tail)

    async def open(self, addresses: Sequence[str]) -> None:
        """Connects to all of them."""
        loop = asyncio.get_running_loop()
        for address in addresses:
            host, port = address.rsplit(":", 1)
            _, connection = await loop.create_connection(lambda: HiveConnection(self), host, int(port))
            self._connections[address] = connection

    def put(self, alias: bytes, content: bytes) -> None:
        head, tail = self._puts[alias]
        self._ask(alias, head + content + tail)

    def get(self, alias: bytes) -> None:
        self._ask(alias, self._gets[alias])

    def close(self) -> None:
        self.answered = unheard
        for connection in self._connections.values():
            connection.transport.abort()

    def _ask(self, alias: bytes, frame: bytes) -> None:
        self._pending = (alias, frame)
        self._connections[self._routes.owners[alias]].transport.write(frame)

    def heard(self, connection: HiveConnection, reply: Reply) -> None:
        """What was refused while the hive changes is asked again, of the owner in the view of the node that refused."""
        if isinstance(reply, Content):
            self.answered(reply.content, "")
        elif isinstance(reply, Done):
            self.answered(None, "")
        elif isinstance(reply, ViewIs):
            self._routes.learn(reply.view)
            self._ask(*self._pending)
        elif isinstance(reply, Failed) and reply.code == UnstableError.code:
            connection.transport.write(codec.encode(GetView(1)))
        else:
            self.answered(None, reply.sentence if isinstance(reply, Failed) else f"not a reply to this: {reply}")


@dataclass
class SlotCounts:
    """What the callers of one measurement saw; ``said`` is the last error."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    wrong: int = 0
    said: str = ""


class Caller:
    """One client with keys of its own, so that it knows what a get must give; one request in flight."""

    def __init__(self, target: Target, aliases: Sequence[bytes], seed: int) -> None:
        self.target = target
        self._aliases = aliases
        self._random = Random(seed)
        self._last: dict[bytes, bytes | None] = {}
        self._number = 0
        self._asked, self._reading, self._sent = b"", False, 0.0

    async def fill(self) -> None:
        """Puts each of its keys once."""
        tally = SlotCounts()
        due = iter(self._aliases[1:])

        def ask() -> bool:
            alias = next(due, None)
            if alias is not None:
                self._put(alias)
            return alias is not None

        await self._run(tally, lambda: self._put(self._aliases[0]), ask)
        if tally.errors:
            raise SystemExit(f"the filling failed: {tally.said}")

    async def measure(self, tally: SlotCounts, reads: float, until: float) -> None:
        """Asks until that time of ``time.perf_counter``; that share of the requests are gets, the others puts."""

        def ask() -> bool:
            if time.perf_counter() >= until:
                return False
            self._any(reads)
            return True

        await self._run(tally, lambda: self._any(reads), ask)

    async def _run(self, tally: SlotCounts, first: Callable[[], None], ask: Callable[[], bool]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def answered(content: bytes | None, error: str) -> None:
            self._account(tally, content, error)
            if error == ENDED:
                done.set_exception(EOFError("a node closed the connection"))
                self.target.answered = unheard
            elif not ask():
                done.set_result(None)
                self.target.answered = unheard

        self.target.answered = answered
        first()
        await done

    def _account(self, tally: SlotCounts, content: bytes | None, error: str) -> None:
        if not error:
            tally.latencies.append(time.perf_counter() - self._sent)
            expected = self._last[self._asked]
            tally.wrong += self._reading and expected is not None and content != expected
            return
        tally.errors += 1
        tally.said = error
        if not self._reading:
            self._last[self._asked] = None  # nobody knows which content it has now

    def _any(self, reads: float) -> None:
        alias = self._aliases[int(self._random.random() * len(self._aliases))]
        if self._random.random() >= reads:
            self._put(alias)
        else:
            self._asked, self._reading, self._sent = alias, True, time.perf_counter()
            self.target.get(alias)

    def _put(self, alias: bytes) -> None:
        self._number += 1
        content = (b"%s %d " % (alias, self._number)).ljust(CONTENT_BYTES, b".")
        self._last[alias] = content
        self._asked, self._reading, self._sent = alias, False, time.perf_counter()
        self.target.put(alias, content)
