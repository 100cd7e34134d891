"""Operations per second and latency of one daemon, synced writes: ``python -m bench.load``.

The daemon runs on one core, this client on another. The client speaks the protocol itself over plain connections (the
client library costs more per request than the daemon, and would be what is measured); ``--library`` measures it too.
Each line: what was done, over how many connections, how many requests of each in flight, operations per second,
the 50th, 99th and 99.9th percentile of the latency in milliseconds; and what does not depend on what else the machine
does: microseconds of processor time of all daemons for an operation, and for updates how many are in a batch.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import msgspec
import uvloop

from bench.footprint import ids
from bench.hive import disk_batches, percentile, processor_seconds, running
from tests.system.daemons import Daemons
from wrpme import Client
from wrpme.errors import NotFoundError
from wrpme.protocol import codec
from wrpme.protocol.messages import Content, Done, Failed, Get, Reply, Request, Update
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view_index import member, owner

CONTENT = b"x" * 100


class Load(asyncio.Protocol):
    """One connection that keeps ``depth`` requests in flight until ``until``."""

    def __init__(self, make: Callable[[int], Request], depth: int, until: float, latencies: list[float]) -> None:
        self.make, self.depth, self.until, self.latencies = make, depth, until, latencies
        self.decoder: codec.Decoder[Reply] = codec.Decoder(Reply)
        self.sent: dict[int, float] = {}
        self.number = 0
        self.errors = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has transports of its own
        self.transport.write(codec.PREFACE)
        self._fill()

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        for reply in self.decoder.feed(data):
            self.latencies.append(now - self.sent.pop(reply.id))
            if not isinstance(reply, Done | Content):
                self.errors += 1
                if isinstance(reply, Failed):
                    print("error:", reply.sentence)
        self._fill()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or EOFError("the daemon closed the connection"))

    def _fill(self) -> None:
        now = time.perf_counter()
        frames = []
        while now < self.until and len(self.sent) < self.depth:
            self.number += 1
            self.sent[self.number] = now
            frames.append(codec.encode(msgspec.structs.replace(self.make(self.number), id=self.number)))
        if frames:
            self.transport.write(b"".join(frames))
        elif not self.sent and not self.done.done():
            self.done.set_result(None)
            self.transport.close()


async def measure(
    name: str, hive: Daemons, make: Callable[[int], Request], connections: int, depth: int, seconds: float
) -> float:
    """Prints one line of what the first node was asked; gives operations per second."""
    host, port = hive.addresses[0].rsplit(":", 1)
    batches, used = disk_batches(hive.addresses), processor_seconds(ids(hive))
    latencies: list[float] = []
    start = time.perf_counter()
    loop = asyncio.get_running_loop()
    loads = [
        (await loop.create_connection(lambda: Load(make, depth, start + seconds, latencies), host, int(port)))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(load.done for load in loads))
    spent, used = time.perf_counter() - start, processor_seconds(ids(hive)) - used
    batches = disk_batches(hive.addresses) - batches
    latencies.sort()
    rate = len(latencies) / spent
    shown = "  ".join(f"{percentile(latencies, share) * 1000:8.2f}" for share in (0.5, 0.99, 0.999))
    errors = sum(load.errors for load in loads)
    cost = f"us {used / len(latencies) * 1e6:6.1f}"
    if "get" not in name:
        cost += f"   in a batch {len(latencies) / max(1, batches):5.1f}"
    print(f"{name:28} {connections:5} x {depth:<4} {rate:10,.0f}/s   ms {shown}   errors {errors}   {cost}", flush=True)
    return rate


async def library(address: str, aliases: list[bytes], seconds: float) -> None:
    """The same through the client library: 50 callers of one client."""
    async with Client([address]) as client:
        until, count = time.perf_counter() + seconds, 0

        async def caller(offset: int) -> None:
            nonlocal count
            at = offset
            while time.perf_counter() < until:
                with suppress(NotFoundError):
                    await client.get(aliases[at % len(aliases)])
                at += 1
                count += 1

        start = time.perf_counter()
        await asyncio.gather(*(caller(offset * 97) for offset in range(50)))
        print(f"{'get, client library':28}    50 callers {count / (time.perf_counter() - start):10,.0f}/s")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--depth", type=int, default=16)
    parser.add_argument("--library", action="store_true")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {os.cpu_count() - 1 if os.cpu_count() else 0})  # type: ignore[operator]
    aliases = [b"entry:%d" % number for number in range(20_000)]
    async with running(1, core=0) as one:
        put = lambda number: Update(0, aliases[number * 7919 % len(aliases)], CONTENT)  # noqa: E731
        get = lambda number: Get(0, aliases[number * 7919 % len(aliases)])  # noqa: E731
        await measure("fill", one, put, 10, 200, 3.0)
        for depth in (1, asked.depth):
            await measure("get", one, get, asked.connections, depth, asked.seconds)
            await measure("update, synced", one, put, asked.connections, depth, asked.seconds)
        await measure("get, many connections", one, get, 1000, 1, asked.seconds)
        if asked.library:
            await library(one.addresses[0], aliases, asked.seconds)
    async with running(2, core=0) as two:
        async with Client(two.addresses) as client:
            view = await client.view()
        near = next(found.id for found in view.members if found.address == two.addresses[0])
        far = [alias for alias in aliases if owner(view, view.arcs[arc_at(view, hash_of(alias))]) != near]
        assert member(view, near) is not None and far
        far_put = lambda number: Update(0, far[number * 7919 % len(far)], CONTENT)  # noqa: E731
        far_get = lambda number: Get(0, far[number * 7919 % len(far)])  # noqa: E731
        await measure("fill, through another node", two, far_put, 10, 200, 3.0)
        for depth in (1, asked.depth):
            how = (asked.connections, depth, asked.seconds)
            await measure("get, through another node", two, far_get, *how)
            await measure("update, through another node", two, far_put, *how)


if __name__ == "__main__":
    uvloop.run(main())
