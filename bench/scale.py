"""A hive of N nodes on this machine, all started at once, and what it bears: ``python -m bench.scale N``.

Printed are the seconds from the first process to a stable hive of N; the processor time and the memory of a node that
nobody asks anything; the seconds until all entries are served again after a tenth of the nodes was killed at once, and
until the hive is stable after they were started again; and the same after all nodes were killed at once and started at
once. Nothing is waited for longer than ``--patience``: what is not there then is said, and the rest is not tried.

``--busy K`` has K processes beside it that do nothing but compute.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.hive import end_by_signal, file_system, processor_seconds
from tests.system.daemons import Daemons
from wrpme import Client, WrpmeError
from wrpme.core.limits import SUSPECT_NOBODY_SECONDS
from wrpme.limits import REPLICATION_MAX
from wrpme.protocol import health, view_index

ENTRIES = 1000
POLL_SECONDS = 0.25
IDLE_SECONDS = 10.0
ASKED_AT_ONCE = 100
ANSWER_SECONDS = 2.0
"""Longer than this no request of a sweep is waited for."""
PROCESSES_MAX = 300
CLEAN_SWEEPS = 2
"""So many in a row: an owner whose lease has not run out yet serves for a moment more."""


class OfOneFounder(Daemons):
    """All know the founder, and nobody else."""

    def known_to(self, index: int) -> list[str]:
        return self.addresses[: min(index, 1)]


class Missed(Exception):
    """It was not there in time."""


async def until(what: str, patience: float, attempt: Callable[[], Awaitable[tuple[bool, str]]]) -> float:
    """The seconds until the attempt was a success; its words are the last that is known where it was none."""
    begun, told = time.monotonic(), "nobody answers"
    while time.monotonic() - begun < patience:
        try:
            async with asyncio.timeout(patience - (time.monotonic() - begun)):
                done, told = await attempt()
        except WrpmeError as error:
            done, told = False, str(error)
        except TimeoutError:
            break
        if done:
            return time.monotonic() - begun
        await asyncio.sleep(POLL_SECONDS)
    raise Missed(f"{what}: not after {patience:.0f} s; {told}")


async def until_condition(daemons: Daemons, word: str, members: int, patience: float) -> float:
    """Until the hive says that word, and all nodes that run have that view and serve."""
    async with Client(daemons.addresses, timeout=ANSWER_SECONDS) as client:

        async def attempt() -> tuple[bool, str]:
            daemons.check_running()
            status = await client.hive_status()
            now, told = status.view, [node.stats for node in status.nodes]
            serving = sum(one is not None and one.serving and one.epoch == now.epoch for one in told)
            condition = health.condition(now)
            up = len(view_index.live(now))
            words = f"{up} of {len(now.members)} members up, {serving} serve view {now.epoch}; {condition.word}"
            there = len(now.members) == members and serving == len(daemons.processes)
            return there and condition.word == word, f"{words}: {condition.sentence[:120]}"

        return await until(f"a {word} hive of {members}", patience, attempt)


class Entries:
    """A thousand entries, and what of them is served."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._room = asyncio.Semaphore(ASKED_AT_ONCE)

    async def write(self) -> None:
        await asyncio.gather(*(self._write(number) for number in range(ENTRIES)))

    async def _write(self, number: int) -> None:
        async with self._room:
            await self._client.update(f"entry/{number}", f"content {number}".encode())

    async def _reads(self, number: int) -> bool:
        async with self._room:
            try:
                return await self._client.get(f"entry/{number}") == f"content {number}".encode()
            except WrpmeError:
                return False

    async def until_served(self, patience: float) -> float:
        """The seconds until the last failure of all that were read again and again."""
        begun = last = time.monotonic()
        clean = 0

        async def sweep() -> tuple[bool, str]:
            nonlocal last, clean
            served = sum(await asyncio.gather(*(self._reads(number) for number in range(ENTRIES))))
            if served < ENTRIES:
                last, clean = time.monotonic(), 0
            else:
                clean += 1
            return clean == CLEAN_SWEEPS, f"{served} of {ENTRIES} entries are served"

        await until("all entries", patience, sweep)
        return last - begun


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes compute meanwhile."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


async def idle(daemons: Daemons) -> str:
    """What a node takes that has nothing to do: percent of a core, and memory."""
    pids = [process.pid for process in daemons.processes.values()]
    before, begun = [processor_seconds([pid]) for pid in pids], time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    spent = time.monotonic() - begun
    shares = [100 * (processor_seconds([pid]) - since) / spent for pid, since in zip(pids, before, strict=True)]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    mib = [count * os.sysconf("SC_PAGE_SIZE") / (1 << 20) for count in pages]
    return (
        f"a node at rest: {statistics.mean(shares):.2f} % of a core (most {max(shares):.2f} %), "
        f"{statistics.mean(mib):.0f} MiB (most {max(mib):.0f} MiB)"
    )


async def choose(client: Client, daemons: Daemons, draw: random.Random, count: int) -> list[int]:
    """Who is killed: so many that of every arc a holder is left, else some entries have to wait for their return."""
    now = await client.view()
    address = {member.id: member.address for member in now.members}
    while True:
        victims = draw.sample(range(len(daemons.addresses)), count)
        lost = {daemons.addresses[index] for index in victims}
        if not any({address[node] for node in arc.holders} <= lost for arc in now.arcs):
            return victims


async def measure(daemons: Daemons, asked: argparse.Namespace) -> None:
    """All of it, in order; each line when it is known."""
    count, patience = asked.nodes, asked.patience
    everybody = range(count)

    def say(line: str) -> None:
        print(line, flush=True)

    begun = time.monotonic()
    daemons.start_all(everybody)
    launched = time.monotonic() - begun
    stable = launched + await until_condition(daemons, "stable", count, patience)
    say(f"started within {launched:.1f} s: stable after {stable:.1f} s")
    say(await idle(daemons))
    async with Client(daemons.addresses, timeout=ANSWER_SECONDS) as client:
        entries = Entries(client)
        await entries.write()
        youngest = max(daemons.started.values())
        await asyncio.sleep(max(0.0, youngest + SUSPECT_NOBODY_SECONDS + 0.5 - time.monotonic()))
        victims = await choose(client, daemons, random.Random(asked.seed), max(1, count // 10))
        daemons.kill(*victims)
        seconds = await entries.until_served(patience)
        say(f"{len(victims)} killed at once: all entries served again after {seconds:.1f} s")
        seconds += await until_condition(daemons, "degraded", count, patience)
        daemons.start_all(victims)
        seconds = await until_condition(daemons, "stable", count, patience)
        say(f"these started again: stable after {seconds:.1f} s")
        daemons.kill(*everybody)
        begun = time.monotonic()
        daemons.start_all(random.Random(asked.seed).sample(everybody, count))
        launched = time.monotonic() - begun
        stable = launched + await until_condition(daemons, "stable", count, patience)
        read = await entries.until_served(patience)
        say(f"all killed, and started within {launched:.1f} s: stable after {stable:.1f} s, and then "
            f"all {ENTRIES} entries read, the last failure after {read:.1f} s")  # fmt: skip
        daemons.check_alive()


def main() -> int:
    """Prints the figures; 1 where something was not there in time."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nodes", type=int, metavar="N")
    parser.add_argument("--replication", type=int, default=3)
    parser.add_argument("--busy", type=int, default=0, metavar="K", help="processes that compute beside it (0)")
    parser.add_argument("--patience", type=float, default=60.0, metavar="SECONDS", help="for each thing (60)")
    parser.add_argument("--seed", type=int, default=1, help="who is killed")
    parser.add_argument("--root", type=Path, default=Path("/tmp"), help="where the data directories are made")
    asked = parser.parse_args()
    if not 2 <= asked.nodes <= PROCESSES_MAX:
        parser.error(f"N is 2 to {PROCESSES_MAX}: each node is a process of this machine")
    if not 1 <= asked.replication <= REPLICATION_MAX:
        parser.error(f"--replication is 1 to {REPLICATION_MAX}")
    if asked.busy < 0:
        parser.error("--busy is 0 or more")
    if not asked.root.is_dir():
        parser.error(f"--root: there is no directory {asked.root}")
    end_by_signal()
    beside = f", {asked.busy} busy processes beside them" if asked.busy else ""
    print(f"{asked.nodes} nodes, {asked.replication} copies, {os.cpu_count()} processors{beside}, "
          f"data on {file_system(asked.root)}", flush=True)  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="wrpme-bench-", dir=asked.root.resolve()) as directory,
        OfOneFounder(Path(directory), asked.nodes, "--replication", str(asked.replication)) as daemons,
        busy(asked.busy),
    ):
        try:
            asyncio.run(measure(daemons, asked))
        except (Missed, WrpmeError, AssertionError) as missed:  # the latter: a node has ended, which Daemons notices
            print(f"MISSED: {missed}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
