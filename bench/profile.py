"""Where the processor time of an operation goes: ``python -m bench.profile``.

Puts of new entries of 100 bytes, gets, and both in turn, synced, over plain connections to the owners, at one node and
at three with one, two and three copies; all nodes on one core, the client on another. Per operation, of all nodes
together: processor time by stage, user and system; system calls; messages between nodes; and how many writes are in a
batch for the disk, in a message to a holder, and in a disk sync.

Two hives do the same work in turns. One is as it is: the clocks of its processes tell what all of it takes; then the
same again while perf counts system calls, and again while it samples what the kernel does, which tells the system time
of each stage. In the other hive the functions at the borders of the stages are timed (``bench.stages``): what the
timing itself takes is measured there and taken off. How far the sum of the stages is from the truth of the first hive
is printed with each table. Rates are not printed: they would be those of the machine at that moment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import uvloop

from bench import perf, profiled
from bench.hive import as_client, end_by_signal, processor_seconds, running
from bench.perf import Watch
from bench.stages import LOOP, RECEIVE, STAGES, Snapshot, together
from tests.system.daemons import Daemons, until
from wrpme import Client
from wrpme.protocol import codec
from wrpme.protocol.messages import Content, Done, Get, Put, Reply, Request
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view import View
from wrpme.protocol.view_index import member, owner

HIVES = ((1, 1), (3, 1), (3, 2), (3, 3))
"""Nodes and copies; one node keeps one copy, whatever its hive is set to."""
WORKS = ("put", "get", "mixed")
CONTENT = b"x" * 100
SHOWN_MICROSECONDS = 0.005
NOT_TRAFFIC = ("Heartbeat", "HeartbeatAck")


class Asking(asyncio.Protocol):
    """A connection that keeps ``depth`` requests in flight of those that it is given."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._decoder: codec.Decoder[Reply] = codec.Decoder(Reply)
        self._requests: Iterator[Request] = iter(())
        self._in_flight = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has transports of its own
        self._transport.write(codec.PREFACE)

    def data_received(self, data: bytes) -> None:
        for reply in self._decoder.feed(data):
            self._in_flight -= 1
            if not isinstance(reply, Done | Content) and not self._done.done():
                self._done.set_exception(AssertionError(f"an operation failed: {reply}"))
        self._fill()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or EOFError("the daemon closed the connection"))

    async def all(self, requests: Iterator[Request]) -> None:
        """Asks what the iterator gives, which others may share, until nothing is left."""
        self._requests = requests
        self._done = asyncio.get_running_loop().create_future()
        self._fill()
        await self._done

    def _fill(self) -> None:
        frames = []
        while self._in_flight < self._depth and (request := next(self._requests, None)) is not None:
            self._in_flight += 1
            frames.append(codec.encode(request))
        if frames:
            self._transport.write(b"".join(frames))
        elif not self._in_flight and not self._done.done():
            self._done.set_result(None)


class Spent(NamedTuple):
    """Processor seconds of all nodes, user and system, and their system calls that read or write."""

    user: float
    system: float
    both: float
    calls: float


def spent(processes: Sequence[int]) -> Spent:
    """So far; user and system by the ticks of the kernel, both together by its clocks. Where there is no perf, calls
    that read or write, of files and sockets, are all that the kernel tells of system calls."""
    ticks = os.sysconf("SC_CLK_TCK")
    fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in processes]
    user, system = (sum(int(of[index]) for of in fields) / ticks for index in (11, 12))
    done = [line.split() for each in processes for line in Path(f"/proc/{each}/io").read_text().splitlines()]
    calls = sum(int(count) for name, count in done if name in ("syscr:", "syscw:"))
    return Spent(user, system, processor_seconds(processes), calls)


class Side:
    """One of the two hives, with what it is asked next."""

    def __init__(self, hive: Daemons, view: View) -> None:
        self.hive = hive
        self.processes = [process.pid for process in hive.processes.values()]
        self._connections: dict[str, list[Asking]] = {}
        self._view = view
        self._put = 0

    async def connect(self, connections: int, depth: int) -> None:
        """To each node so many connections, each with so many requests in flight."""
        loop = asyncio.get_running_loop()
        for address in self.hive.addresses:
            host, port = address.rsplit(":", 1)
            made = [await loop.create_connection(lambda: Asking(depth), host, int(port)) for _ in range(connections)]
            self._connections[address] = [asking for _, asking in made]

    def requests(self, work: str, count: int) -> dict[str, list[Request]]:
        """By the address of the owner. What is got was put before."""
        found: dict[str, list[Request]] = {address: [] for address in self.hive.addresses}
        there = self._put
        for number in range(count):
            is_get = work == "get" or (work == "mixed" and number % 2)
            if not is_get:
                self._put += 1
            alias = b"entry:%d" % (1 + number * 7919 % there if is_get else self._put)
            view = self._view
            node = owner(view, view.arcs[arc_at(view, hash_of(alias))])
            assert node is not None
            at = member(view, node)
            assert at is not None
            found[at.address].append(Get(number, alias) if is_get else Put(number, alias, CONTENT))
        return found

    async def work(self, work: str, count: int) -> Spent:
        """Carries it out; gives what it took."""
        shared = {address: iter(requests) for address, requests in self.requests(work, count).items()}
        before = spent(self.processes)
        await asyncio.gather(
            *(asking.all(shared[address]) for address, of in self._connections.items() for asking in of)
        )
        after = spent(self.processes)
        return Spent(*(now - then for now, then in zip(after, before, strict=True)))

    async def snapshot(self) -> list[Snapshot]:
        """What each process counted so far."""
        paths = [self.hive.directory / profiled.file_of(process) for process in self.processes]
        for process, path in zip(self.processes, paths, strict=True):
            path.unlink(missing_ok=True)
            os.kill(process, signal.SIGUSR2)
        return [await until("a snapshot", lambda path=path: _read(path)) for path in paths]  # type: ignore[misc]

    async def timed(self, work: str, count: int) -> Snapshot:
        """Carries it out; gives what it took by stage, without what a snapshot takes."""
        first, before = await self.snapshot(), await self.snapshot()
        await self.work(work, count)
        after = await self.snapshot()
        return together(
            [*after, *before, *before, *first], [1] * len(after) + [-1] * 2 * len(before) + [1] * len(first)
        )


async def _read(path: Path) -> Snapshot | None:
    return msgspec.json.decode(path.read_bytes(), type=Snapshot) if path.exists() else None


class Measured(NamedTuple):
    """Of one work: what so many ``operations`` took in each way, in the turn in the middle; ``sampled`` is all zero
    where there is no perf, which saw them in all turns together, so many as ``watched``."""

    operations: int
    alone: Spent
    sampled: Spent
    stages: Snapshot
    watched: int
    watch: Watch


async def measured(plain: Side, watched: Side, work: str, count: int, turns: int, has_perf: bool) -> Measured:
    """The same work in turns, in each way."""
    alone, sampled, snapshots, watch = [], [], [], Watch()
    for side in (plain, watched):
        await side.work(work, count // 2)
    with tempfile.TemporaryDirectory(prefix="wrpme-bench-") as directory:
        for _ in range(turns):
            alone.append(await plain.work(work, count))
            snapshots.append(await watched.timed(work, count))
            if has_perf:
                with perf.counting(plain.processes, Path(directory), watch):
                    await plain.work(work, count)
                with perf.sampling(plain.processes, Path(directory), watch):
                    sampled.append(await plain.work(work, count))
    middle = sorted(alone, key=lambda each: each.both)[turns // 2]
    middle_sampled = sorted(sampled, key=lambda each: each.both)[turns // 2] if sampled else Spent(0.0, 0.0, 0.0, 0.0)
    stages = sorted(snapshots, key=lambda each: each.process)[turns // 2]
    return Measured(count, middle, middle_sampled, stages, count * turns, watch)


# --- what is printed ---------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """Microseconds for an operation; ``system`` is the part of the kernel, as far as perf tells."""

    stage: str
    micros: float
    system: float
    calls: float


def rows(found: Measured) -> list[Row]:
    """By stage. The loop reads from sockets before it calls what is timed: that is no time of the loop itself, but of
    the stage that it is for."""
    operations, samples = found.operations, found.watch.samples
    share = found.alone.both / samples.total * 1e6 / operations if samples.total else 0.0
    system = {stage: samples.stages[stage] * share for stage in STAGES}
    micros = {stage: nanoseconds / operations / 1e3 for stage, nanoseconds in found.stages.stages.items()}
    micros[RECEIVE] += system[RECEIVE]
    micros[LOOP] -= system[RECEIVE]
    calls = found.stages.calls
    return [Row(stage, micros[stage], system[stage], calls.get(stage, 0) / operations) for stage in STAGES]


def shown(found: Measured) -> Iterator[str]:
    """The lines of one table."""
    operations, alone, stages = found.operations, found.alone, found.stages
    each = 1e6 / operations
    timed, cost = stages.process / operations / 1e3, stages.cost / operations / 1e3
    table = rows(found)
    total = sum(row.micros for row in table)
    samples = found.watch.samples
    kernel = 1 - samples.user / samples.total if samples.total else alone.system / max(1e-9, alone.user + alone.system)
    micros = alone.both * each
    yield f"  processor time {micros:.1f} us (user {micros * (1 - kernel):.1f}, system {micros * kernel:.1f})" + (
        f"; {found.sampled.both * each:.1f} us while it is sampled" if samples.total else ""
    )
    yield (
        f"  timed by stage {timed:.1f} us, less {cost:.1f} us that the timing takes: the sum of the stages is"
        f" {total:.1f} us, {total / micros:.2f} of what it takes untimed"
    )
    yield f"  {'stage':22}{'us':>8}{'user':>8}{'system':>8}{'share':>8}{'calls':>8}"
    for row in table:
        share = f"{100 * row.micros / total:.0f} %"
        user = max(0.0, row.micros - row.system)
        if abs(row.micros) < SHOWN_MICROSECONDS:
            continue
        yield f"  {row.stage:22}{row.micros:8.2f}{user:8.2f}{row.system:8.2f}{share:>8}{row.calls:8.2f}"
    if samples.total:
        where = ", ".join(
            f"{call} {count / samples.total * micros:.1f} us" for call, count in samples.calls.most_common(9)
        )
        yield f"  in the kernel (of {samples.total} samples): {where}"
        counts = found.watch.counts
        named = [(name, count) for name, count in counts.most_common() if count >= found.watched / 200]
        others = 2 * counts[perf.ALL] - sum(count for _, count in named)
        told = [
            f"{name} {count / found.watched:.2f}" for name, count in [*named, ("others", others)] if name != perf.ALL
        ]
        yield f"  system calls {counts[perf.ALL] / found.watched:.2f}: {', '.join(told)}"
    else:
        yield f"  system calls that read or write {alone.calls / operations:.2f}"
    yield f"  {_gathered(found)}"


def _gathered(found: Measured) -> str:
    """How many writes go together."""
    stages, operations = found.stages, found.operations
    writes, batches, syncs = (stages.counts.get(name, 0) for name in ("writes", "disk batches", "disk syncs"))
    messages = {
        name.removeprefix("message "): count for name, count in stages.counts.items() if name.startswith("message ")
    }
    streams, streamed = messages.get("Streams", 0), stages.counts.get("streamed writes", 0)
    traffic = sum(count for name, count in messages.items() if name not in NOT_TRAFFIC)
    said = [f"writes in a batch {_ratio(writes, batches)}, in a message to a holder {_ratio(streamed, streams)}"]
    said.append(f"in a disk sync {_ratio(writes, syncs)}")
    if counted := found.watch.counts["fdatasync"]:
        untimed = round(writes / operations * found.watched)
        said.append(f"in the hive that is not timed {_ratio(untimed, counted)} (by its calls of fdatasync)")
    if writes:
        said.append(f"a write is {stages.counts['disk operations'] / writes:.1f} keys of the store")
    named = ", ".join(
        f"{name} {count / operations:.3f}" for name, count in sorted(messages.items()) if count >= operations / 2000
    )
    said.append(f"messages between nodes {traffic / operations:.3f}" + (f" ({named})" if named else ""))
    return "; ".join(said)


def _ratio(count: int, of: int) -> str:
    return f"{count / of:.1f}" if of else "none"


def by_function(found: Measured) -> Iterator[str]:
    """The same by function; without what the kernel does for the loop, and what no function is watched for."""
    for name, nanoseconds in sorted(found.stages.functions.items(), key=lambda pair: -pair[1]):
        if (micros := nanoseconds / found.operations / 1e3) >= SHOWN_MICROSECONDS:
            yield f"  {micros:8.2f} us  {name}"


def in_short(measurements: Mapping[str, Measured]) -> Iterator[str]:
    """One line for each: beside the first hive that did the same work, and how many writes went together."""
    first: dict[str, float] = {}
    yield f"\n{'':26}{'us':>8}{'ratio':>8}{'calls':>8}{'batch':>8}{'message':>8}{'sync':>8}{'stages':>8}"
    for title, found in measurements.items():
        counts, work = found.stages.counts, title.rpartition(" ")[2]
        micros = found.alone.both / found.operations * 1e6
        ratio = micros / first.setdefault(work, micros)
        calls = found.watch.counts[perf.ALL] / found.watched or found.alone.calls / found.operations
        batch, message, sync = (
            _ratio(counts.get(name, 0), counts.get(of, 0))
            for name, of in (
                ("writes", "disk batches"),
                ("streamed writes", "message Streams"),
                ("writes", "disk syncs"),
            )
        )
        whole = sum(found.stages.stages.values()) / found.operations / 1e3 / micros
        yield f"{title:26}{micros:8.1f}{ratio:8.2f}{calls:8.2f}{batch:>8}{message:>8}{sync:>8}{whole:8.2f}"
    yield (
        "us: processor time of all nodes for an operation; ratio: to the first hive; calls: of the system;\n"
        "batch, message, sync: writes in each; stages: their sum, to what it takes untimed"
    )


async def of_hive(nodes: int, copies: int, asked: argparse.Namespace, has_perf: bool) -> dict[str, Measured]:
    """Prints the tables of one size of hive; gives what they are of."""
    measurements: dict[str, Measured] = {}
    options = ("--replication", str(copies))
    async with AsyncExitStack() as stack:
        sides = []
        for hive in (
            running(nodes, *options, core=0, lean=True),
            running(nodes, *options, core=0, lean=True, command=profiled.command),
        ):
            daemons = await stack.enter_async_context(hive)
            async with Client(daemons.addresses) as client:
                sides.append(Side(daemons, await client.view()))
        for side in sides:
            await side.connect(asked.connections, asked.depth)
            await side.work("put", asked.operations)
        for work in asked.works:
            found = await measured(sides[0], sides[1], work, asked.operations, asked.turns, has_perf)
            title = f"{nodes} node{'s' * (nodes > 1)}, R {copies}, {work}"
            in_flight = f"{asked.connections} connections to each node x {asked.depth} in flight"
            print(f"\n{title}: {found.operations} operations, {in_flight}")
            print(*shown(found), *(by_function(found) if asked.functions else ()), sep="\n", flush=True)
            measurements[title] = found
    return measurements


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--operations", type=int, default=10_000, help="in a turn (10,000)")
    parser.add_argument("--turns", type=int, default=3, help="of each way (3)")
    parser.add_argument("--connections", type=int, default=16, help="to each node (16)")
    parser.add_argument("--depth", type=int, default=4, help="requests in flight on each connection (4)")
    parser.add_argument("--works", nargs="*", default=list(WORKS), choices=WORKS, help="which work")
    parser.add_argument("--hives", nargs="*", default=[f"{nodes}x{copies}" for nodes, copies in HIVES], metavar="NxR")
    parser.add_argument("--functions", action="store_true", help="also by function")
    asked = parser.parse_args()
    as_client()
    lacking = perf.missing()
    if lacking:
        print(f"{lacking}: system calls are those that read or write, by /proc, and no stage has its system time")
    else:
        print("system calls are counted by perf stat, system time by stage is sampled by perf record")
    measurements: dict[str, Measured] = {}
    for hive in asked.hives:
        nodes, copies = map(int, hive.split("x"))
        measurements |= await of_hive(nodes, copies, asked, not lacking)
    print(*in_short(measurements), sep="\n")


if __name__ == "__main__":
    end_by_signal()
    uvloop.run(main())
