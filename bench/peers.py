"""The same work on a hive and on etcd, three nodes each, synced writes: ``python -m bench.peers``.

Both run on this machine in rounds, one after the other, never both at a time: each round starts a new cluster on empty
directories of the same file system, fills it, warms it up, and measures puts (updates of random keys), gets, and both
mixed. A client has one request in flight and asks again as soon as it is answered. Both kinds of client are as light as
their protocol allows, so that it is the servers that are measured. A client of etcd has one connection, spread evenly
over the members; one of wrpme has one to each node and asks the owner of the key, as the client library does. Every key
belongs to one client, which knows what it put there last: a get that gives anything else counts as wrong.

The columns ``client`` and ``servers`` are the processor time that a request cost, in microseconds: in the one process
that all the clients share, and in those of the three nodes together.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import uvloop

from bench.etcd import Etcd, EtcdConnection
from bench.hive import end_by_signal, file_system, percentile, processor_seconds
from bench.target import Caller, HiveTarget, Routes, SlotCounts, Target
from tests.system.daemons import Daemons

GOAL_RATIO = 2.0
GOAL_WORKS = ("put", "get")
NODES = 3
WARM_SECONDS = 2.0
PATIENCE_SECONDS = 120.0


class NodeStats(NamedTuple):
    """One measurement: per second, milliseconds, counts, microseconds of processor per request."""

    rate: float
    half: float
    most: float
    errors: int
    wrong: int
    client: float
    servers: float


async def etcd_targets(etcd: Etcd, clients: int) -> list[Target]:
    """Connections that are spread over the members evenly."""
    loop = asyncio.get_running_loop()
    targets: list[Target] = []
    for number in range(clients):
        address = etcd.addresses[number % NODES]
        host, port = address.rsplit(":", 1)
        _, connection = await loop.create_connection(partial(EtcdConnection, address), host, int(port))
        await connection.ready
        targets.append(connection)
    return targets


async def hive_targets(daemons: Daemons, slices: Sequence[Sequence[bytes]]) -> list[Target]:
    """One connection to each node for each client."""
    view = await daemons.until_stable()
    targets: list[Target] = []
    for aliases in slices:
        target = HiveTarget(Routes(aliases, view), aliases)
        await target.open(daemons.addresses)
        targets.append(target)
    return targets


async def measure(callers: Sequence[Caller], reads: float, seconds: float, servers: Sequence[int]) -> NodeStats:
    """That share of gets for so long; ``servers`` are the ids of their processes."""
    tally = SlotCounts()
    client_before, servers_before = time.process_time(), processor_seconds(servers)
    start = time.perf_counter()
    async with asyncio.timeout(seconds + PATIENCE_SECONDS):
        await asyncio.gather(*(caller.measure(tally, reads, start + seconds) for caller in callers))
    spent = time.perf_counter() - start
    tally.latencies.sort()
    count = max(1, len(tally.latencies))
    if tally.said:
        print(f"the last error: {tally.said}", flush=True)
    return NodeStats(
        len(tally.latencies) / spent,
        percentile(tally.latencies, 0.5) * 1e3,
        percentile(tally.latencies, 0.99) * 1e3,
        tally.errors,
        tally.wrong,
        (time.process_time() - client_before) / count * 1e6,
        (processor_seconds(servers) - servers_before) / count * 1e6,
    )


async def work(
    targets: Sequence[Target], slices: Sequence[Sequence[bytes]], asked: argparse.Namespace, servers: Sequence[int]
) -> dict[str, NodeStats]:
    """Fills, warms up and measures one cluster."""
    callers = [
        Caller(target, aliases, seed) for seed, (target, aliases) in enumerate(zip(targets, slices, strict=True))
    ]
    try:
        await asyncio.gather(*(caller.fill() for caller in callers))
        await measure(callers, 0.5, WARM_SECONDS, servers)
        mixed = asked.reads / 100
        works = {"put": 0.0, "get": 1.0, f"{asked.reads:g} % get": mixed}
        return {name: await measure(callers, reads, asked.seconds, servers) for name, reads in works.items()}
    finally:
        for target in targets:
            target.close()


def etcd_round(directory: Path, slices: Sequence[Sequence[bytes]], asked: argparse.Namespace) -> dict[str, NodeStats]:
    """A new etcd, measured and ended."""

    async def run(etcd: Etcd) -> dict[str, NodeStats]:
        await etcd.until_healthy()
        servers = [process.pid for process in etcd.processes]
        return await work(await etcd_targets(etcd, len(slices)), slices, asked, servers)

    with Etcd(directory, NODES) as etcd:
        return uvloop.run(run(etcd))


def hive_round(directory: Path, slices: Sequence[Sequence[bytes]], asked: argparse.Namespace) -> dict[str, NodeStats]:
    """A new hive, measured and ended."""

    async def run(daemons: Daemons) -> dict[str, NodeStats]:
        targets = await hive_targets(daemons, slices)
        return await work(targets, slices, asked, [process.pid for process in daemons.processes.values()])

    with Daemons(directory, NODES, "--replication", str(asked.replication)) as daemons:
        daemons.start_all(range(NODES))
        return uvloop.run(run(daemons))


def show(name: str, what: str, stats: NodeStats) -> None:
    """One line."""
    print(
        f"{name:14} {what:10} {stats.rate:9,.0f}/s   ms {stats.half:7.2f} {stats.most:7.2f}   "
        f"errors {stats.errors:3} wrong {stats.wrong:3}   us {stats.client:5.0f} {stats.servers:5.0f}",
        flush=True,
    )


def medians(measured: Sequence[NodeStats]) -> NodeStats:
    """Of each figure; errors and wrong answers are added up."""
    rate, half, most, errors, wrong, client, servers = zip(*measured, strict=True)
    return NodeStats(median(rate), median(half), median(most), sum(errors), sum(wrong), median(client), median(servers))


def conclude(results: dict[tuple[str, str], list[NodeStats]]) -> int:
    """Prints medians and ratios; 1 if the goal is missed, or an answer was wrong or missing."""
    print("\nmedians")
    missed = False
    for what in dict.fromkeys(what for _, what in results):
        etcd, hive = medians(results["etcd", what]), medians(results["wrpme", what])
        show("etcd", what, etcd)
        show("wrpme", what, hive)
        ratio = hive.rate / etcd.rate
        goal = f", the goal is {GOAL_RATIO:g}" if what in GOAL_WORKS else ""
        print(f"wrpme/etcd     {what:10} {ratio:9.2f}{goal}")
        missed |= what in GOAL_WORKS and ratio < GOAL_RATIO
        missed |= bool(hive.errors or hive.wrong or etcd.errors or etcd.wrong)
    return int(missed)


def main() -> int:
    """Prints the figures of each round and the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--reads", type=float, default=80.0, help="percentage of gets in the mixed work")
    parser.add_argument("--replication", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--root", type=Path, default=Path(), help="where the data directories are made, and removed")
    asked = parser.parse_args()
    end_by_signal()
    keys = [f"entry:{number:06}".encode() for number in range(max(asked.keys, asked.clients))]
    slices = [keys[number :: asked.clients] for number in range(asked.clients)]
    print(f"{asked.clients} clients, {len(keys)} keys, {NODES} nodes, data on {file_system(asked.root)}, "
          f"{os.cpu_count()} processors")  # fmt: skip
    print(f"{'':37}   {'50 %':>10} {'99 %':>7}   {'':19}   client servers")
    results: dict[tuple[str, str], list[NodeStats]] = defaultdict(list)
    for number in range(1, asked.rounds + 1):
        for name, measured in (("etcd", etcd_round), ("wrpme", hive_round)):
            with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.root.resolve()) as directory:
                for what, stats in measured(Path(directory), slices, asked).items():
                    show(f"{name}, round {number}", what, stats)
                    results[name, what].append(stats)
    return conclude(results)


if __name__ == "__main__":
    sys.exit(main())
