"""Many entries at once, followed and scanned, beside Redis: ``python -m bench.entries``.

Redis syncs each write, as wrpme does, and is asked through redis-py. Each round does the same work on a hive of one
node, on one of three with two copies of each entry, and on Redis, in turn, so that what else the machine does meets all
of them; all servers run on one core, the clients on another. A rate is that of the median round; processor time is that
of all rounds, in microseconds for each entry: of the client, and of all processes of the servers, user and system. The
ratios are those of Redis to wrpme in the same run: in time, in processor time of the servers, and in that of both
sides. Above 1 is in favour of wrpme. Redis keeps no copies and no order of its keys, and MSET is a transaction.

The parts: ``many`` is a thousand entries together, beside a thousand single ones; ``follow`` is ``bench.follow``, and
``scan`` is ``bench.scans``, which say what they print.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import follow, scans
from bench.hive import Cost, as_client, beside, cost, each, end_by_signal, file_system, running
from bench.redis_server import SYNCED, Redis, missing
from wrpme import BlockingClient, Client, WrpmeError

ENTRIES = 1000
CONTENT = b"x" * 100
PARTS = ("many", "follow", "scan")

Work = Callable[[], Awaitable[object]]


class Way(NamedTuple):
    """One way to do a piece of work; ``peer`` is the name of that which Redis does."""

    name: str
    servers: Sequence[int]
    work: Work
    peer: str = ""


def ways_of_hive(client: Client, blocking: BlockingClient, nodes: Sequence[int]) -> list[Way]:
    """All that is measured of one hive; those that put give each entry a new name."""
    aliases = [f"entry-{number}" for number in range(ENTRIES)]
    contents = dict.fromkeys(aliases, CONTENT)
    together = [f"{{tag}}{number}" for number in range(ENTRIES)]
    rounds = itertools.count()

    def new() -> dict[str, bytes]:
        number = next(rounds)
        return {f"new-{number}-{alias}": CONTENT for alias in aliases}

    async def one_by_one() -> None:
        for alias in aliases:
            await client.get(alias)

    async def gets() -> None:
        await asyncio.gather(*(client.get(alias) for alias in aliases))

    async def updates() -> None:
        await asyncio.gather(*(client.update(alias, CONTENT) for alias in aliases))

    async def transaction() -> None:
        async with client.batch() as batch:
            for alias in together:
                batch.update(alias, CONTENT)

    async def put_many() -> None:
        checked(await client.put_many(new()))

    async def update_many() -> None:
        checked(await client.update_many(contents))

    async def blocking_gets() -> None:
        assert blocking.get_many(aliases).count(CONTENT) == ENTRIES

    async def blocking_puts() -> None:
        checked(blocking.put_many(new()))

    named = f", {len(nodes)} node" + "s" * (len(nodes) > 1)
    return [
        Way("get, one after the other" + named, nodes, one_by_one, "GET, one after the other"),
        Way("get, all in flight" + named, nodes, gets, "GET, in a pipeline"),
        Way("get_many" + named, nodes, lambda: client.get_many(aliases), "MGET"),
        Way("get_many, blocking" + named, nodes, blocking_gets, "MGET"),
        Way("update, all in flight" + named, nodes, updates, "SET, in a pipeline"),
        Way("put_many" + named, nodes, put_many, "MSET"),
        Way("put_many, blocking" + named, nodes, blocking_puts, "MSET"),
        Way("update_many" + named, nodes, update_many, "MSET, of keys there"),
        Way("a transaction" + named, nodes, transaction, "MSET, of keys there"),
    ]


def checked(outcomes: Sequence[int | WrpmeError]) -> None:
    """All were carried out."""
    for outcome in outcomes:
        if isinstance(outcome, WrpmeError):
            raise outcome


def ways_of_redis(client: Any, server: int) -> list[Way]:
    """The same of Redis."""
    keys = [f"entry-{number}" for number in range(ENTRIES)]
    contents = dict.fromkeys(keys, CONTENT)
    rounds = itertools.count()

    def one_by_one() -> None:
        for key in keys:
            client.get(key)

    def pipelined(ask: Callable[[Any, str], object]) -> None:
        with client.pipeline(transaction=False) as pipeline:
            for key in keys:
                ask(pipeline, key)
            pipeline.execute()

    def new() -> None:
        number = next(rounds)
        client.mset({f"new-{number}-{key}": CONTENT for key in keys})

    async def awaited(call: Callable[[], object]) -> None:
        call()

    calls: dict[str, Callable[[], object]] = {
        "GET, one after the other": one_by_one,
        "GET, in a pipeline": lambda: pipelined(lambda pipeline, key: pipeline.get(key)),
        "MGET": lambda: client.mget(keys),
        "SET, in a pipeline": lambda: pipelined(lambda pipeline, key: pipeline.set(key, CONTENT)),
        "MSET": new,
        "MSET, of keys there": lambda: client.mset(contents),
    }
    client.mset(contents)
    return [Way(name, [server], partial(awaited, call)) for name, call in calls.items()]


async def many(rounds: int, root: Path) -> None:
    """Prints the table."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="wrpme-bench-", dir=root))
        redis = stack.enter_context(Redis(Path(directory), *SYNCED, core=0))
        await redis.until_served()
        ways = ways_of_redis(redis.client(), redis.pid)
        for count in (1, 3):
            hive = await stack.enter_async_context(running(count, core=0, root=root))
            client = await stack.enter_async_context(Client(hive.addresses))
            blocking = stack.enter_context(BlockingClient(hive.addresses))
            checked(await client.update_many(dict.fromkeys((f"entry-{number}" for number in range(ENTRIES)), CONTENT)))
            ways += ways_of_hive(client, blocking, [process.pid for process in hive.processes.values()])
        costs: defaultdict[str, list[Cost]] = defaultdict(list)
        for number in range(rounds + 1):
            for way in ways:
                found = await cost(way.servers, way.work)
                if number:  # the first makes connections
                    costs[way.name].append(found)
    print(f"{ENTRIES} entries of {len(CONTENT)} bytes, synced writes, {rounds} rounds, {file_system(root)}")
    print(f"{'':36} {'':11}  client servers    time  servers  both")
    for way in ways:
        ratio = beside(costs[way.name], costs[way.peer]) + f"  x {way.peer}" if way.peer else ""
        print(f"{way.name:36} {each(costs[way.name], ENTRIES)}   {ratio}")


async def measure(asked: argparse.Namespace) -> None:
    """All parts that were asked for."""
    for part in asked.parts:
        print(f"--- {part}", flush=True)
        if part == "many":
            await many(asked.rounds, asked.root)
        elif part == "follow":
            await follow.run([1, 100, 10_000], asked.seconds)
        else:
            await scans.run(asked.entries, asked.scans, asked.root)


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.entries", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all of them")
    parser.add_argument("--rounds", type=int, default=20, help="of a thousand entries (20)")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each number of followers (5)")
    parser.add_argument("--entries", type=int, default=500_000, help="that are scanned (500000)")
    parser.add_argument("--scans", type=int, default=3, help="of each kind (3)")
    parser.add_argument("--root", type=Path, default=Path(), help="where the data directories are made, and removed")
    asked = parser.parse_args()
    asked.root = asked.root.resolve()
    end_by_signal()
    if set(asked.parts) != {"follow"} and (what := missing()):
        print(what, file=sys.stderr)
        return 1
    as_client()
    asyncio.run(measure(asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
