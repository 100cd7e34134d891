"""Followers of entries beside subscribers of Redis: ``python -m bench.follow [--seconds N] [--followers N...]``.

One node in memory and one Redis in memory, one writer with 64 requests in flight, and raw followers of one prefix,
which read and do nothing with it. Redis has no followers: its writer sets a key and publishes its name, and nobody
hears of what was published while he was away; ours are told the alias and the version. For each number of followers, in
turn: puts per second, changes told per second (of an entry that was written again before it was told, only the later
change), the processor time of the server for each put, and for each change that a follower was told; how many puts
there are beside those without any follower; and how many followers lost their place. The last column is the processor
time of Redis to that of wrpme for each change told: above 1 is in favour of wrpme.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from bench.hive import as_client, end_by_signal, processor_seconds, running, until_quiet
from bench.redis_server import Redis, command, missing
from wrpme import Client
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.messages import Changes, Follow, FollowEnded, Following, Reply
from wrpme.protocol.view import View

IN_FLIGHT = 64
ALIASES = 1000
CONTENT = bytes(100)
CHANNEL = b"entries"
ROOM = 100
"""Connections beside those of the followers."""


@dataclass
class Tally:
    """What followers heard: ``changes`` and ``first_bytes`` the first of them, who speaks for all, ``bytes`` all."""

    changes: int = 0
    first_bytes: int = 0
    bytes: int = 0
    lost: int = 0


class Connection(asyncio.Protocol):
    """A follower of some kind; ``begin`` asks, and ``ready`` is done when it is told from then on."""

    def __init__(self, tally: Tally, is_first: bool) -> None:
        self.tally = tally
        self.is_first = is_first
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            self.heard_at_first(data)
            return
        self.tally.bytes += len(data)
        if self.is_first:
            self.tally.first_bytes += len(data)
        self.heard(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.tally.lost += 1

    def heard_at_first(self, data: bytes) -> None:
        raise NotImplementedError

    def heard(self, data: bytes) -> None:
        raise NotImplementedError


class Follower(Connection):
    """Of a node. All get the same bytes, so that only the first one's are decoded; of the others it is enough to know
    whether they end with what tells that they were too slow."""

    def __init__(self, tally: Tally, is_first: bool, view: View) -> None:
        super().__init__(tally, is_first)
        self._view = view
        self._decoder: Decoder[Reply] = Decoder(Reply)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(PREFACE + encode(Follow(1, self._view.members[0].id, self._view.epoch, b"")))

    def heard_at_first(self, data: bytes) -> None:
        for reply in self._decoder.feed(data):
            assert isinstance(reply, Following), f"it is not told: {reply}"
            self._slow = encode(FollowEnded(0, reply.channel, True))
            self.ready.set_result(None)

    def heard(self, data: bytes) -> None:
        if not self.is_first:
            self.tally.lost += data.endswith(self._slow)
            return
        for reply in self._decoder.feed(data):
            if isinstance(reply, Changes):
                self.tally.changes += len(reply.changes)
            elif isinstance(reply, FollowEnded):
                self.tally.lost += 1


class Subscriber(Connection):
    """Of Redis; each message has as many bytes."""

    MESSAGE = len(command(b"message", CHANNEL, b"entry/000"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(command(b"SUBSCRIBE", CHANNEL))

    def heard_at_first(self, data: bytes) -> None:
        self.ready.set_result(None)

    def heard(self, data: bytes) -> None:
        if self.is_first:
            self.tally.changes = self.tally.first_bytes // self.MESSAGE


@dataclass
class Server:
    """Who tells: how to follow it, and how to write to it for so many seconds, which gives how often."""

    name: str
    process: int
    port: int
    follow: Callable[[Tally, bool], Connection]
    write: Callable[[float], Awaitable[int]]
    without: float = 0.0
    """Puts per second without followers."""
    told: dict[int, float] = field(default_factory=dict)
    """Processor seconds for each change told, by the number of followers."""


def alias(number: int) -> str:
    return f"entry/{number % ALIASES:03}"


async def write_to_hive(client: Client, seconds: float) -> int:
    """How many writes were acknowledged in that time."""
    end, done = time.monotonic() + seconds, 0

    async def one(number: int) -> None:
        nonlocal done
        while time.monotonic() < end:
            await client.update(alias(number), CONTENT)
            number += IN_FLIGHT
            done += 1

    await asyncio.gather(*(one(number) for number in range(IN_FLIGHT)))
    return done


async def write_to_redis(port: int, seconds: float) -> int:
    """The same; each write is published."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    end, done = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for number in range(done, done + IN_FLIGHT):
            key = alias(number).encode()
            writer.write(command(b"SET", key, CONTENT) + command(b"PUBLISH", CHANNEL, key))
        for _ in range(2 * IN_FLIGHT):
            assert not (await reader.readuntil(b"\r\n")).startswith(b"-")
        done += IN_FLIGHT
    writer.close()
    return done


async def measure(server: Server, count: int, seconds: float) -> None:
    """Prints a row."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    followers: list[Connection] = []
    for number in range(count):
        made = await loop.create_connection(
            lambda is_first=number == 0: server.follow(tally, is_first),  # type: ignore[misc]
            "127.0.0.1",
            server.port,
        )
        followers.append(made[1])
    await asyncio.gather(*(follower.ready for follower in followers))
    before, begun = processor_seconds([server.process]), time.monotonic()
    puts = await server.write(seconds)
    took, used = time.monotonic() - begun, processor_seconds([server.process]) - before
    lost = tally.lost
    for follower in followers:
        follower.transport.abort()
    rate = puts / took
    server.without = server.without or rate
    told = tally.changes * tally.bytes / max(1, tally.first_bytes)
    each = ""
    if told:
        server.told[count] = used / told
        each = f"{used / told * 1e6:8.3f}"
    rates = f"{rate:8,.0f} {tally.changes / took:9,.0f} {told / took:11,.0f}"
    ratio = rate / server.without
    print(f"{count:9} {server.name} {rates} {used / puts * 1e6:9.1f} {each:>8} {ratio:6.2f} {lost:5}", end="")
    await until_quiet(server.process)  # it takes leave of them


async def server_of_hive(stack: AsyncExitStack, most: int) -> Server:
    """A node with room for so many followers."""
    hive = await stack.enter_async_context(running(1, "--transient", "--sessions", str(most + ROOM), core=0))
    client = await stack.enter_async_context(Client(hive.addresses))
    view = await client.view()
    return Server(
        "wrpme",
        hive.processes[0].pid,
        int(hive.addresses[0].rpartition(":")[2]),
        lambda tally, is_first: Follower(tally, is_first, view),
        lambda seconds: write_to_hive(client, seconds),
    )


async def server_of_redis(stack: AsyncExitStack, most: int) -> Server:
    """A Redis with as much."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wrpme-bench-")))
    redis = stack.enter_context(Redis(directory, "--maxclients", str(most + ROOM), core=0))
    await redis.until_served()
    return Server("Redis", redis.pid, redis.port, Subscriber, lambda seconds: write_to_redis(redis.port, seconds))


async def run(counts: Sequence[int], seconds: float) -> None:
    """Prints the table; without Redis, if that is missing."""
    most = max(counts, default=0)
    async with AsyncExitStack() as stack:
        servers = []
        if what := missing(client=False):
            print(what)
        else:
            servers.append(await server_of_redis(stack, most))
        servers.append(await server_of_hive(stack, most))
        for server in servers:
            await server.write(1.0)
        print("followers          puts/s changes/s      told/s  us a put  us told  ratio  lost  Redis/wrpme")
        for count in (0, *counts, 0):
            for server in servers:
                await measure(server, count, seconds)
                other = servers[0].told.get(count) if server is not servers[0] else None
                print(f"  {other / server.told[count]:11.2f}" if other else "", flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.follow", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each row (5)")
    parser.add_argument("--followers", type=int, nargs="*", default=[1, 100, 10_000], help="how many (1 100 10000)")
    options = parser.parse_args()
    end_by_signal()
    as_client()
    asyncio.run(run(options.followers, options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
