"""Many entries at once beside single ones: how much faster, and at how much processor time of client and nodes.

Usage: python -m bench.entries [ROUNDS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median

from bench.hive import end_by_signal, processor_seconds, running
from wrpme import Client

ENTRIES = 1000
CONTENT = b"x" * 100
NODES = 3


async def measure(
    rounds: int, processes: list[int], ways: dict[str, Callable[[], Awaitable[object]]]
) -> dict[str, tuple[float, float, float]]:
    """Of each way the median seconds, and the processor seconds of the client and of the nodes, a round. In turn, so
    that what else the machine does meets all of them."""
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            nodes, here, begun = processor_seconds(processes), time.process_time(), time.perf_counter()
            await way()
            seconds, used = time.perf_counter() - begun, time.process_time() - here
            taken[name].append((seconds, used, processor_seconds(processes) - nodes))
    return {
        name: (
            median(each[0] for each in found),
            sum(each[1] for each in found) / rounds,
            sum(each[2] for each in found) / rounds,
        )
        for name, found in taken.items()
    }


async def compare(rounds: int) -> None:
    """Prints the table."""
    async with running(NODES, "--no-sync", core=0) as daemons, Client(daemons.addresses) as client:
        aliases = [f"entry-{number}" for number in range(ENTRIES)]
        contents = dict.fromkeys(aliases, CONTENT)
        batch = {f"{{tag}}{number}": CONTENT for number in range(ENTRIES)}

        async def one_by_one() -> None:
            for alias in aliases:
                await client.get(alias)

        async def in_flight() -> None:
            await asyncio.gather(*(client.get(alias) for alias in aliases))

        async def updates() -> None:
            await asyncio.gather(*(client.update(alias, CONTENT) for alias in aliases))

        async def transaction() -> None:
            async with client.batch() as together:
                for alias, content in batch.items():
                    together.update(alias, content)

        await client.update_many(contents)
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "get, one after the other": one_by_one,
            "get, all in flight": in_flight,
            "get_many": lambda: client.get_many(aliases),
            "update, all in flight": updates,
            "update_many": lambda: client.update_many(contents),
            "a transaction": transaction,
        }
        found = await measure(rounds, [process.pid for process in daemons.processes.values()], ways)
        print(f"{ENTRIES} entries of {len(CONTENT)} bytes, {NODES} nodes, {rounds} rounds")
        for name, (seconds, here, nodes) in found.items():
            slow = found["update, all in flight" if "get" not in name else "get, all in flight"][0]
            each = (
                f"{here / ENTRIES * 1e6:.0f} us of the client and {nodes / ENTRIES * 1e6:.0f} us of the nodes an entry"
            )
            print(f"{name:26} {seconds * 1000:8.1f} ms, {slow / seconds:5.2f} x; {each}")


def main() -> int:
    """Prints the figures."""
    end_by_signal()
    asyncio.run(compare(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
    return 0


if __name__ == "__main__":
    sys.exit(main())
