"""What TLS costs beside the same without it: ``python -m bench.tls``.

Hives of one node and of three, one of each with plain connections and one with TLS between nodes and to its client;
the nodes run on one core, the client on another. For get and update of 100 bytes and of 16 KiB, 64 in flight:
operations per second, and the processor time of all nodes and of the client for each, in turns in the same run. Then
what a connection costs that is opened, asks once and is closed. A ratio is that of TLS to plain.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from statistics import median

from bench.hive import Cost, cost, running
from tests.certificates import Authority
from wrpme import Client
from wrpme.files.certificates import TlsFiles

SIZES = (100, 16 * 1024)
ALIASES = [f"entry:{number}" for number in range(500)]
IN_FLIGHT = 64
TURNS = 5
CONNECTIONS = 60


async def worked(client: Client, word: str, content: bytes, count: int) -> None:
    """So many operations, with so many in flight."""
    left = iter(range(count))

    async def one() -> None:
        for number in left:
            alias = ALIASES[number % len(ALIASES)]
            await (client.get(alias) if word == "get" else client.update(alias, content))

    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))


async def connected(addresses: Sequence[str], tls: TlsFiles | None) -> None:
    """A client that asks once, so many times."""
    for _ in range(CONNECTIONS):
        async with Client(addresses, tls=tls) as client:
            await client.get(ALIASES[0])


async def compare(
    what: str, count: int, works: Sequence[tuple[Sequence[int], Callable[[], Awaitable[object]]]]
) -> None:
    """Prints one line: of plain work, and of the same with TLS, each with the processes that serve it."""
    turns: list[list[Cost]] = [[], []]
    for _, work in works:
        await work()
    for _ in range(TURNS):
        for side, (servers, work) in enumerate(works):
            turns[side].append(await cost(servers, work))
    rates = [median(count / turn.seconds for turn in side) for side in turns]
    nodes = [median(turn.servers / count * 1e6 for turn in side) for side in turns]
    clients = [median(turn.client / count * 1e6 for turn in side) for side in turns]
    print(
        f"{what:24} {rates[0]:8,.0f}/s with TLS {rates[1]:8,.0f}/s: {rates[1] / rates[0]:.2f}   "
        f"nodes {nodes[0]:6.1f} us with TLS {nodes[1]:6.1f} us: {nodes[1] / nodes[0]:.2f}   "
        f"client {clients[0]:6.1f} us with TLS {clients[1]:6.1f} us: {clients[1] / clients[0]:.2f}",
        flush=True,
    )


async def of_hives(count: int, files: TlsFiles, operations: int) -> None:
    options = ["--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca]
    trust = TlsFiles(ca=files.ca)
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(running(count, core=0))
        secured = await stack.enter_async_context(running(count, "--tls-mode", "prefer", *options, core=0))
        hives = ((plain, None), (secured, trust))
        servers = [[process.pid for process in hive.processes.values()] for hive, _ in hives]
        clients = [await stack.enter_async_context(Client(hive.addresses, tls=tls)) for hive, tls in hives]
        name = f"{count} node{'s' * (count > 1)}"
        for size in SIZES:
            content = os.urandom(size)
            for word in ("update", "get"):
                works = [
                    (pids, partial(worked, client, word, content, operations))
                    for pids, client in zip(servers, clients, strict=True)
                ]
                await compare(f"{name}  {word} {size} B", operations, works)
        opened = [
            (pids, partial(connected, hive.addresses, tls)) for pids, (hive, tls) in zip(servers, hives, strict=True)
        ]
        await compare(f"{name}  a connection", CONNECTIONS, opened)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=4000, help="in a turn (4000)")
    operations = parser.parse_args().operations
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="wrpme-bench-") as directory:
        files = Authority(Path(directory)).issue("node")
        for count in (1, 3):
            await of_hives(count, files, operations)


if __name__ == "__main__":
    asyncio.run(main())
