"""A scan of many entries, and what others wait for meanwhile: ``python -m bench.scans``.

A hive of one node and a Redis have the same entries, and are scanned in turn: the aliases alone, and with contents
(Redis by SCAN, a thousand a call, and MGET of each page). Entries a second, processor time an entry as in
``python -m bench.entries``. Meanwhile, and at rest, another process gets one entry again and again, a millisecond after
the last answer. It tells the longest that it waited, the longest without the time in which the server or the one
that asks waited for a core, and the most processor time that the server used while one get waited: what its loop did
before it came to that get, whatever else the machine was busy with.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.hive import (
    Cost,
    as_client,
    beside,
    cost,
    each,
    end_by_signal,
    file_system,
    percentile,
    processor_seconds,
    until_quiet,
    running,
)
from bench.redis_server import SYNCED, Redis, command, missing
from wrpme import Client
from wrpme.protocol.codec import PREFACE, encode
from wrpme.protocol.messages import Get

CONTENT = b"x" * 100
FILLED_AT_ONCE = 1000
REST_SECONDS = 2.0
PAUSE_SECONDS = 0.001
NICE = -10
"""Of those who ping, where that may be: what scans must not keep them from their core."""
GOAL_SECONDS = 0.02


class Waits(NamedTuple):
    """Of gets of one entry, in seconds: half of them and 99 % waited at most so long, and the longest, also without the
    time in which either side waited for a core; and the most processor time that the server used meanwhile."""

    half: float
    most: float
    longest: float
    on_core: float
    loop: float


class Server(NamedTuple):
    """Who is measured; ``scans`` are by what they give."""

    name: str
    process: int
    pings: Pings
    scans: dict[str, Callable[[], Awaitable[int]]]


class Pings:
    """Another process that asks the server for one entry, between ``begin`` and ``end``. Used as a context manager."""

    def __init__(self, port: int, hello: bytes, frame: bytes, process: int) -> None:
        spawned = multiprocessing.get_context("spawn")
        self._here, there = spawned.Pipe()
        self._process = spawned.Process(target=ping, args=(there, port, hello, frame, process), daemon=True)

    def __enter__(self) -> Pings:
        self._process.start()
        self._here.recv()
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.kill()
        self._process.join()

    def begin(self) -> None:
        self._here.send(True)

    def end(self) -> Waits:
        self._here.send(False)
        found: Waits = self._here.recv()
        return found


def ping(told: Connection, port: int, hello: bytes, frame: bytes, process: int) -> None:
    """What the other process does."""
    with suppress(PermissionError):
        os.nice(NICE)
    asked = socket.create_connection(("127.0.0.1", port))
    asked.sendall(hello + frame)
    heard = 0
    while heard <= len(hello):  # a greeting as long as the own one, and the first answer, which comes in one piece
        heard += len(asked.recv(65_536))
    told.send(None)
    while told.recv():
        waits: list[float] = []
        loop = on_core = 0.0
        while not told.poll():
            queued, used, begun = queued_seconds(process), processor_seconds([process]), time.perf_counter()
            asked.sendall(frame)
            assert asked.recv(65_536), "the server has closed the connection"
            waits.append(time.perf_counter() - begun)
            loop = max(loop, processor_seconds([process]) - used)
            on_core = max(on_core, waits[-1] - (queued_seconds(process) - queued))
            time.sleep(PAUSE_SECONDS)
        told.recv()
        waits.sort()
        told.send(Waits(percentile(waits, 0.5), percentile(waits, 0.99), waits[-1], on_core, loop))


def queued_seconds(server: int) -> float:
    """How long the server's loop and this process have waited for a core that something else had."""
    return (
        sum(int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) for process in (server, os.getpid())) / 1e9
    )


async def server_of_hive(stack: AsyncExitStack, count: int, root: Path) -> Server:
    """A node with that many entries."""
    hive = await stack.enter_async_context(running(1, core=0, root=root))
    client = await stack.enter_async_context(Client(hive.addresses))
    for first in range(0, count, FILLED_AT_ONCE):
        names = range(first, min(count, first + FILLED_AT_ONCE))
        for outcome in await client.update_many({name(number): CONTENT for number in names}):
            if isinstance(outcome, Exception):
                raise outcome
    process = hive.processes[0].pid
    port = int(hive.addresses[0].rpartition(":")[2])
    pings = stack.enter_context(Pings(port, PREFACE, encode(Get(1, name(0).encode())), process))

    async def scan(contents: bool) -> int:
        found = 0
        async for _ in client.scan(contents=contents):
            found += 1
        return found

    return Server("wrpme", process, pings, {"aliases": partial(scan, False), "with contents": partial(scan, True)})


async def server_of_redis(stack: AsyncExitStack, count: int, root: Path) -> Server:
    """A Redis with the same."""
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="wrpme-bench-", dir=root))
    redis = stack.enter_context(Redis(Path(directory), *SYNCED, core=0))
    await redis.until_served()
    client = redis.client()
    for first in range(0, count, FILLED_AT_ONCE):
        client.mset({name(number): CONTENT for number in range(first, min(count, first + FILLED_AT_ONCE))})
    pings = stack.enter_context(Pings(redis.port, b"", command(b"GET", name(0).encode()), redis.pid))
    scans: dict[str, Callable[[], Awaitable[int]]] = {
        "aliases": partial(scan_redis, client, False),
        "with contents": partial(scan_redis, client, True),
    }
    return Server("Redis", redis.pid, pings, scans)


async def scan_redis(client: Any, contents: bool) -> int:
    """How many keys it gave; some may come twice."""
    found, cursor = 0, 0
    while True:
        cursor, keys = client.scan(cursor, count=FILLED_AT_ONCE)
        if contents:
            client.mget(keys)
        found += len(keys)
        if not cursor:
            return found


def name(number: int) -> str:
    return f"entry/{number:07}"


async def run(count: int, rounds: int, root: Path) -> None:
    """Prints the table."""
    async with AsyncExitStack() as stack:
        servers = [await server_of_hive(stack, count, root), await server_of_redis(stack, count, root)]
        for server in servers:
            await until_quiet(server.process)
        costs: defaultdict[tuple[str, str], list[Cost]] = defaultdict(list)
        waits: defaultdict[tuple[str, str], list[Waits]] = defaultdict(list)
        for _ in range(rounds):
            for what in ("at rest", *servers[0].scans):
                for server in servers:
                    server.pings.begin()
                    if what == "at rest":
                        await asyncio.sleep(REST_SECONDS)
                    else:
                        costs[server.name, what].append(
                            await cost([server.process], partial(scanned, server, what, count))
                        )
                    waits[server.name, what].append(server.pings.end())
    print(f"{count} entries of {len(CONTENT)} bytes, {rounds} rounds, {file_system(root)}")
    print(f"{'':20} {'':11}  client servers   ms 50 %   99 % longest  on core  processor    time  servers  both")
    for (server_name, what), found in waits.items():
        spent = costs.get((server_name, what))
        half, most = (median(wait[at] for wait in found) * 1000 for at in (0, 1))
        longest, on_core, loop = (max(wait[at] for wait in found) * 1000 for at in (2, 3, 4))
        figures = each(spent, count) if spent else " " * 30
        ratio = beside(spent, costs["Redis", what]) if spent and server_name != "Redis" else ""
        stalls = f"{half:7.2f} {most:6.2f} {longest:7.2f} {on_core:8.2f} {loop:10.2f}"
        print(f"{server_name} {what:14} {figures}   {stalls}   {ratio}")
    print(f"the goal is {GOAL_SECONDS * 1000:g} ms on a core")


async def scanned(server: Server, what: str, count: int) -> None:
    """All of them."""
    found = await server.scans[what]()
    assert found >= count, f"{server.name} gave {found} of {count} entries"


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.scans", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--root", type=Path, default=Path(), help="where the data directories are made, and removed")
    asked = parser.parse_args()
    end_by_signal()
    if what := missing():
        print(what, file=sys.stderr)
        return 1
    as_client()
    asyncio.run(run(asked.entries, asked.rounds, asked.root.resolve()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
