"""How long entries are not served when their owner dies, and what clients see of it: ``python -m bench.failover``.

A hive of three nodes at the default replication, callers of the client library at work. In each round one of the nodes,
any of them, is killed (``--stop``: stopped as planned, by SIGTERM). One entry in each arc that it owned is read and
written again and again through the other two, without the retries of the client library: printed is the longest time
that any of them was not served. Then the node is started again, and the next round begins when the hive is stable and
no node is younger than 10 s, as before that nobody is suspected.

``--rolling`` stops and starts one node after the other instead, as an upgrade does: no operation of a client may fail.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.callers import Callers
from bench.hive import end_by_signal, file_system, percentile
from bench.probe import Aliases, Probes
from tests.system.daemons import Daemons, until_stable
from wrpme import Client
from wrpme.core.limits import SUSPECT_NOBODY_SECONDS
from wrpme.protocol.view_index import member_at

GOAL_SECONDS = 3.0
NODES = 3
ENTRIES = 1000
CALLERS = 16
LOAD_SECONDS = 1.0
"""Of work before a node dies."""
PATIENCE_SECONDS = 60.0
SENTENCES_SHOWN = 3


class Totals:
    """Of all rounds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.operations = 0
        self.failed: Counter[str] = Counter()
        self.wrong = 0

    def add(self, label: str, callers: Callers, wrong: int = 0) -> None:
        """Adds a round, and prints it."""
        counts = callers.counts
        counts.wrong += wrong
        self.operations += counts.operations
        self.failed += counts.failed
        self.wrong += counts.wrong
        print(f"{label}; clients: {counts}", flush=True)
        for sentence in counts.sentences[:SENTENCES_SHOWN]:
            print(f"    {sentence}")


async def old_enough(daemons: Daemons) -> None:
    """Nobody is suspected by a node that has only just started."""
    youngest = max(daemons.started.values())
    await asyncio.sleep(max(0.0, youngest + SUSPECT_NOBODY_SECONDS + 0.5 - time.monotonic()))


async def fail_once(daemons: Daemons, client: Client, index: int, aliases: Aliases, stop: bool) -> tuple[float, int]:
    """The longest time that an entry of the node was not served, in seconds; and how many answers were wrong."""
    view = await until_stable(client, NODES, daemons.check_running)
    found = member_at(view, daemons.addresses[index])
    assert found is not None
    others = [address for address in daemons.addresses if address != found.address]
    async with Probes(aliases.of_arcs(view, found.id), others) as probes:
        start = time.perf_counter()
        gaps = asyncio.create_task(probes.longest_gaps(start))
        await asyncio.to_thread(daemons.terminate if stop else daemons.kill, index)
        probes.over()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return max(await gaps), probes.wrong


async def failovers(daemons: Daemons, asked: argparse.Namespace, totals: Totals) -> None:
    """All rounds."""
    chooser, aliases = random.Random(asked.seed), Aliases()
    async with Client(daemons.addresses) as client, Client(daemons.addresses) as watcher:
        callers = Callers(client, CALLERS, ENTRIES, asked.seed)
        for number in range(1, asked.rounds + 1):
            await until_stable(watcher, NODES, daemons.check_running)
            await old_enough(daemons)
            callers.start()
            await asyncio.sleep(LOAD_SECONDS)
            index = chooser.randrange(NODES)
            seconds, wrong = await fail_once(daemons, watcher, index, aliases, asked.stop)
            await callers.stop()
            totals.seconds.append(seconds)
            totals.add(f"round {number}: node {index} {seconds * 1000:6.0f} ms", callers, wrong)
            daemons.start(index)
        await until_stable(watcher, NODES, daemons.check_running)


async def rolling(daemons: Daemons, asked: argparse.Namespace, totals: Totals) -> None:
    """Each round stops and starts every node, one after the other, the hive stable in between."""
    async with Client(daemons.addresses) as client, Client(daemons.addresses) as watcher:
        callers = Callers(client, CALLERS, ENTRIES, asked.seed)
        await until_stable(watcher, NODES, daemons.check_running)
        for number in range(1, asked.rounds + 1):
            callers.start()
            for index in range(NODES):
                await asyncio.to_thread(daemons.terminate, index)
                daemons.start(index)
                await until_stable(watcher, NODES, daemons.check_running)
            await callers.stop()
            totals.add(f"round {number}: {NODES} nodes restarted", callers)


def conclude(asked: argparse.Namespace, totals: Totals) -> int:
    """Prints what all rounds together were; 1 where a goal is missed."""
    missed = bool(totals.wrong)
    if totals.seconds:
        times = sorted(totals.seconds)
        half = percentile(times, 0.5)
        goal = "" if asked.stop else f"; the goal is a median of {GOAL_SECONDS:g} s"
        print(f"not served: min {times[0]:.3f} s, median {half:.3f} s, max {times[-1]:.3f} s{goal}")
        missed |= half > GOAL_SECONDS and not asked.stop
    words = ", ".join(f"{count} {word}" for word, count in sorted(totals.failed.items()))
    failed, indeterminate = totals.failed.total(), totals.failed["indeterminate"]
    print(
        f"clients: {totals.operations} operations, {failed} failed, {indeterminate} of these indeterminate"
        f"{f' ({words})' if words else ''}; {totals.wrong} wrong answers"
    )
    if asked.stop or asked.rolling:
        print("the goal is that no operation fails")
        missed |= failed > 0
    return int(missed)


def main() -> int:
    """Prints the figures; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="which node dies in which round")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--stop", action="store_true", help="planned stops, by SIGTERM")
    how.add_argument("--rolling", action="store_true", help="restart all nodes, one after the other")
    parser.add_argument("--root", type=Path, default=Path(), help="where the data directories are made, and removed")
    asked = parser.parse_args()
    end_by_signal()
    totals = Totals()
    print(f"{NODES} nodes, {CALLERS} callers, data on {file_system(asked.root)}")
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=asked.root.resolve()) as directory,
        Daemons(Path(directory), NODES) as daemons,
    ):
        daemons.start_all(range(NODES))
        asyncio.run((rolling if asked.rolling else failovers)(daemons, asked, totals))
    return conclude(asked, totals)


if __name__ == "__main__":
    sys.exit(main())
