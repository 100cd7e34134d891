"""What a hive takes: disk and memory for its entries, connections and nodes, processor time and bytes on the network
for an operation. ``bench.capacity`` prints it.

Each function measures one part on real daemons, all on the first core, and returns rows. None of the figures is a time
by the clock: other processes may use the machine.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec

from bench.hive import processor_seconds, running, until_quiet
from tests.system.daemons import Daemons, environment
from wrpme import Client, WrpmeError
from wrpme.limits import KIB, MIB
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.messages import Content, Follow, Following, Get, Reply, ViewIs, Watch
from wrpme.protocol.view import View

NODES = 3
CLIENTS = 64
"""Of a hive of three; each has one request in flight."""
GETS = 10_000
REST_SECONDS = 3.0
SAMPLE_SECONDS = 0.2
BATCH_BYTES = 2 * MIB
ALIAS_BYTES = 15
WORKS = ("put", "get", "put_many", "get_many")
PATIENCE_SECONDS = 60.0
FIRST_CONNECTIONS = 4
"""What a node makes once, for the first connections of a kind, is no cost of each."""


Given = TypeVar("Given")


class Disk(msgspec.Struct, frozen=True):
    """Bytes for each entry in all data directories of a hive: once loaded, the most while all were written a second
    time, after that, and once compacted; and microseconds of the processor of all nodes for each entry that was
    written, what LevelDB did later included, the first time and the second."""

    content_bytes: int
    compresses: bool
    nodes: int
    replication: int
    entries: int
    loaded: float
    most: float
    written_again: float
    compacted: float
    load: float
    again: float


class Memory(msgspec.Struct, frozen=True):
    """Of one node in MiB: what it has resident, its share of what processes share, and what is its own and no file."""

    state: str
    content_bytes: int
    entries: int
    resident: float
    shared_out: float
    own: float


class Connected(msgspec.Struct, frozen=True):
    """KiB of memory and microseconds of the processor in a second, for each of so many idle connections of a kind."""

    kind: str
    connections: int
    kib: float
    microseconds: float


class Rest(msgspec.Struct, frozen=True):
    """A node of a hive that nobody asks anything: MiB, also the most that one has resident, percent of a core, and KiB
    a second that it sends."""

    nodes: int
    resident: float
    shared_out: float
    own: float
    most: float
    percent: float
    sent: float


class Work(msgspec.Struct, frozen=True):
    """Microseconds of the processor for one operation: of all nodes, and of the busiest; and the bytes that all nodes
    sent for it, answers included."""

    what: str
    content_bytes: int
    replication: int
    sync: bool
    nodes: int
    all: float
    busiest: float
    sent: float


class Spread(msgspec.Struct, frozen=True):
    """Microseconds of the processor for one operation in hives of several sizes, of all nodes, and of the busiest; with
    so many requests in flight in the whole hive."""

    what: str
    nodes: int
    in_flight: int
    all: float
    busiest: float


class Growth(msgspec.Struct, frozen=True):
    """Microseconds of the processor of one node for an operation, what LevelDB did later included: a ``get`` of a node
    with so many entries, a ``put_many`` on the way to that number from the one before."""

    what: str
    content_bytes: int
    entries: int
    microseconds: float


class Contents:
    """Contents that don't compress are random, those that do are pieces of a text of a few hundred words."""

    def __init__(self, seed: int) -> None:
        draw = self._random = random.Random(seed)
        words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randrange(2, 10))) for _ in range(400)]
        self._text = " ".join(draw.choices(words, k=200_000)).encode()

    def one(self, size: int, compresses: bool) -> bytes:
        if not compresses:
            return self._random.randbytes(size)
        at = self._random.randrange(len(self._text) - size)
        return self._text[at : at + size]


def alias(number: int) -> str:
    return f"entry/{number:0{ALIAS_BYTES - 6}d}"


def ids(daemons: Daemons) -> list[int]:
    """Of the processes."""
    return [process.pid for process in daemons.processes.values()]


def checked(outcomes: Iterable[int | WrpmeError]) -> None:
    """All were carried out."""
    for outcome in outcomes:
        if isinstance(outcome, WrpmeError):
            raise outcome


async def write(client: Client, numbers: range, size: int, compresses: bool, contents: Contents) -> None:
    """Adds or replaces these entries, some at a time."""
    step = max(1, min(5000, BATCH_BYTES // size))
    for first in range(numbers.start, numbers.stop, step):
        part = range(first, min(numbers.stop, first + step))
        checked(await client.update_many({alias(at): contents.one(size, compresses) for at in part}))


async def read(client: Client, numbers: Sequence[int], step: int = 5000) -> None:
    """Gets these entries, some at a time."""
    for first in range(0, len(numbers), step):
        assert None not in await client.get_many([alias(at) for at in numbers[first : first + step]])


async def all_quiet(daemons: Daemons) -> None:
    """No node has anything to do any more."""
    await asyncio.gather(*map(until_quiet, ids(daemons)))


# --- disk --------------------------------------------------------------------------------------------------------


def disk_bytes(daemons: Daemons) -> int:
    """Of all files in the data directories; one that goes meanwhile counts nothing."""
    total = 0
    for path in (daemons.directory / "db").rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


async def most_while(daemons: Daemons, work: Awaitable[None]) -> int:
    """The most bytes on disk until the work was done and no node had anything to do."""

    async def done() -> None:
        await work
        await all_quiet(daemons)

    task, most = asyncio.ensure_future(done()), 0
    while not task.done():
        most = max(most, disk_bytes(daemons))
        await asyncio.wait([task], timeout=SAMPLE_SECONDS)
    await task
    return max(most, disk_bytes(daemons))


async def disk(root: Path, nodes: int, replication: int, size: int, compresses: bool, load_bytes: int) -> Disk:
    """Loads entries of that many bytes together, writes all anew, and compacts what is there after a planned stop."""
    count, contents = load_bytes // (size + ALIAS_BYTES), Contents(size)
    async with running(nodes, "--replication", str(replication), core=0, root=root) as hive:
        async with Client(hive.addresses, timeout=PATIENCE_SECONDS) as client:
            begun = processor_seconds(ids(hive))
            await write(client, range(count), size, compresses, contents)
            await all_quiet(hive)
            loaded, then = disk_bytes(hive), processor_seconds(ids(hive))
            most = await most_while(hive, write(client, range(count), size, compresses, contents))
            written_again, end = disk_bytes(hive), processor_seconds(ids(hive))
        hive.terminate(*range(nodes))
        for directory in (hive.directory / "db").iterdir():
            program = "import sys; from wrpme.daemon.data.main import main; sys.exit(main())"
            command = [sys.executable, "-c", program, "compact", str(directory)]
            await asyncio.to_thread(subprocess.run, command, env=environment(), check=True, capture_output=True)
        compacted = disk_bytes(hive)
    each = [total / count for total in (loaded, most, written_again, compacted)]
    used = [1e6 * seconds / count for seconds in (then - begun, end - then)]
    return Disk(size, compresses, nodes, replication, count, *each, *used)


# --- memory ------------------------------------------------------------------------------------------------------


def memory_mib(process: int) -> tuple[float, float, float]:
    """Resident, the proportional part of it, and that which is no file."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return kib["Rss"] / KIB, kib["Pss"] / KIB, kib["Anonymous"] / KIB


async def entries_of_a_node(root: Path, counts: Sequence[int], size: int) -> tuple[list[Memory], list[Growth]]:
    """One node that gets ever more entries, which are read then; at last it is started again."""
    rows, growth, contents, asked = list[Memory](), list[Growth](), Contents(1), random.Random(1)

    async def note(state: str, count: int) -> None:
        await all_quiet(hive)
        rows.append(Memory(state, size, count, *memory_mib(ids(hive)[0])))

    async def each(work: Awaitable[None], count: int) -> float:
        before = processor_seconds(ids(hive))
        await work
        await all_quiet(hive)
        return 1e6 * (processor_seconds(ids(hive)) - before) / count

    async with running(1, "--replication", "1", core=0, root=root, lean=True) as hive:
        await note("empty", 0)
        async with Client(hive.addresses, timeout=PATIENCE_SECONDS) as client:
            for former, count in itertools.pairwise([0, *counts]):
                written = await each(write(client, range(former, count), size, False, contents), count - former)
                growth.append(Growth("put_many", size, count, written))
                await note("loaded", count)
                await read(client, range(count))
                await note("all read", count)
                single = [asked.randrange(count) for _ in range(GETS)]
                growth.append(Growth("get", size, count, await each(gets(client, single), len(single))))
        hive.terminate(0)
        hive.start(0)
        await hive.until_stable()
        await note("started again", counts[-1])
    return rows, growth


async def gets(client: Client, numbers: Sequence[int]) -> None:
    """Single ones, by as many callers as there are clients elsewhere."""
    await in_turn([client] * CLIENTS, [alias(number) for number in numbers], Client.get)


async def in_turn(
    clients: Sequence[Client], things: Iterable[Given], call: Callable[[Client, Given], Awaitable[object]]
) -> None:
    """Each client makes one call after the other, until all is done."""
    due = iter(things)

    async def caller(client: Client) -> None:
        for thing in due:
            await call(client, thing)

    await asyncio.gather(*map(caller, clients))


async def hear(address: str, first: bytes, is_answer: Callable[[bytes], bool]) -> asyncio.StreamWriter:
    """A connection that has said that, and was answered."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4 * KIB)
    writer.write(first)
    heard = b""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_answer(heard):
            heard += (more := await reader.read(4 * KIB))
            assert more, "the node closed the connection"
    return writer


def answered(kind: type[Reply]) -> Callable[[bytes], bool]:
    """Whether a node said something of that kind."""
    return lambda heard: any(isinstance(one, kind) for one in Decoder[Reply](Reply).feed(heard))


def kinds(view: View) -> dict[str, tuple[bytes, Callable[[bytes], bool]]]:
    """What connections of each kind say first."""
    follow = Follow(1, view.members[0].id, view.epoch, b"entry/")
    return {
        "client": (PREFACE + encode(Get(1, b"entry")), answered(Content)),
        "Redis client": (b"*1\r\n$4\r\nPING\r\n", lambda heard: heard == b"+PONG\r\n"),
        "follower of a prefix": (PREFACE + encode(follow), answered(Following)),
        "watcher of the hive": (PREFACE + encode(Watch(1, True)), answered(ViewIs)),
    }


async def connections(root: Path, kind: str, count: int) -> Connected:
    """What so many idle connections take of a node that has one entry."""
    async with running(1, "--replication", "1", core=0, root=root, lean=True) as hive:
        async with Client(hive.addresses, timeout=PATIENCE_SECONDS) as client:
            await client.update("entry", b"content")
            first, is_answer = kinds(await client.view())[kind]
        writers = [await hear(hive.addresses[0], first, is_answer) for _ in range(FIRST_CONNECTIONS)]
        before, idle = await _rest(hive)
        writers += [await hear(hive.addresses[0], first, is_answer) for _ in range(count)]
        after, busy = await _rest(hive)
        hive.check_running()
        for writer in writers:
            writer.transport.abort()
    return Connected(kind, count, (after - before) * KIB / count, max(0.0, 1e6 * (busy - idle) / count))


async def _rest(hive: Daemons) -> tuple[float, float]:
    """The MiB of its first node, and its processor seconds for each second in which it is let alone."""
    await asyncio.sleep(1.0)
    before, begun = processor_seconds(ids(hive)), time.monotonic()
    await asyncio.sleep(REST_SECONDS)
    used = (processor_seconds(ids(hive)) - before) / (time.monotonic() - begun)
    return memory_mib(ids(hive)[0])[0], used


async def sent_bytes(client: Client, view: View) -> int:
    """By all nodes over all their connections."""
    status = await client.hive_status()
    told = [node.stats for node in status.nodes]
    assert all(told) and len(told) == len(view.members), "each node tells"
    return sum(stats.sent_bytes for stats in told if stats)


async def at_rest(root: Path, nodes: int, replication: int) -> Rest:
    """Hives that are asked nothing."""
    async with running(nodes, "--replication", str(replication), core=0, root=root, lean=True) as hive:
        async with Client(hive.addresses, timeout=PATIENCE_SECONDS) as client:
            view = await client.view()
            await asyncio.sleep(2.0)
            before, used, begun = await sent_bytes(client, view), processor_seconds(ids(hive)), time.monotonic()
            await asyncio.sleep(REST_SECONDS)
            seconds = time.monotonic() - begun
            used = processor_seconds(ids(hive)) - used
            sent = await sent_bytes(client, view) - before
        resident, shared_out, own = (sum(column) / nodes for column in zip(*map(memory_mib, ids(hive)), strict=True))
        most = max(memory_mib(process)[0] for process in ids(hive))
    return Rest(nodes, resident, shared_out, own, most, 100 * used / seconds / nodes, sent / seconds / nodes / KIB)


# --- work --------------------------------------------------------------------------------------------------------


class Loaded:
    """A hive, its clients, and the pieces of work on entries of one size; those that put give each entry a new name."""

    def __init__(self, hive: Daemons, clients: Sequence[Client], view: View, count: int) -> None:
        self.hive, self.client, self.view = hive, clients[0], view
        self.idle_bytes = 0.0
        self._clients, self._count = clients, count
        self._names, self._contents = itertools.count(), Contents(2)
        self._last = list[str]()

    def new(self, size: int) -> dict[str, bytes]:
        self._last = [alias(next(self._names)) for _ in range(self._count)]
        return {name: self._contents.one(size, False) for name in self._last}

    async def put(self, size: int) -> None:
        await in_turn(self._clients, self.new(size).items(), lambda client, entry: client.put(*entry))

    async def get(self, size: int) -> None:
        await in_turn(self._clients, self._last, lambda client, name: client.get(name))

    async def put_many(self, size: int) -> None:
        new = list(self.new(size).items())
        for first in range(0, len(new), 1000):
            checked(await self.client.put_many(dict(new[first : first + 1000])))

    async def get_many(self, size: int) -> None:
        for first in range(0, len(self._last), 1000):
            assert None not in await self.client.get_many(self._last[first : first + 1000])

    async def cost(self, work: Callable[[int], Awaitable[None]], size: int) -> tuple[float, float, float]:
        """For each operation: seconds of all nodes, seconds of the busiest, bytes sent by all, heartbeats left out."""
        sent, begun = await sent_bytes(self.client, self.view), time.monotonic()
        before = [processor_seconds([process]) for process in ids(self.hive)]
        await work(size)
        await asyncio.sleep(0.05)  # what the copies do after the answer is a part of it
        used = [processor_seconds([process]) - since for process, since in zip(ids(self.hive), before, strict=True)]
        idle = self.idle_bytes * (time.monotonic() - begun)
        sent = await sent_bytes(self.client, self.view) - sent
        return sum(used) / self._count, max(used) / self._count, (sent - idle) / self._count


@asynccontextmanager
async def loaded(
    root: Path, replication: int, sync: bool, count: int, nodes: int = NODES, clients: int = CLIENTS
) -> AsyncIterator[Loaded]:
    """A hive that has done nothing so far."""
    options = ("--replication", str(replication), *(() if sync else ("--no-sync",)))
    async with running(nodes, *options, core=0, root=root) as hive, AsyncExitStack() as stack:
        one_each = [Client(hive.addresses, timeout=PATIENCE_SECONDS) for _ in range(clients)]
        open_ = [await stack.enter_async_context(client) for client in one_each]
        one = Loaded(hive, open_, await open_[0].view(), count)
        before, begun = await sent_bytes(one.client, one.view), time.monotonic()
        await asyncio.sleep(REST_SECONDS / 2)
        one.idle_bytes = (await sent_bytes(one.client, one.view) - before) / (time.monotonic() - begun)
        yield one


async def spread(root: Path, nodes: int, clients: int, size: int, count: int, rounds: int) -> list[Spread]:
    """Puts and gets in a hive of that many nodes, and three copies; the median of the rounds without the first."""
    found = defaultdict[str, list[tuple[float, float, float]]](list)
    async with loaded(root, NODES, True, count, nodes, clients) as hive:
        for number, name in itertools.product(range(rounds + 1), ("put", "get")):
            cost = await hive.cost(getattr(hive, name), size)
            if number:
                found[name].append(cost)
    medians = {name: [1e6 * median(column) for column in zip(*costs, strict=True)] for name, costs in found.items()}
    return [Spread(name, nodes, clients, all_, busiest) for name, (all_, busiest, _) in medians.items()]


async def works(
    root: Path, sizes: Sequence[int], sync: bool, count: int, rounds: int, names: Sequence[str] = WORKS
) -> list[Work]:
    """The same work with each number of copies, in turn, so that what else the machine does meets all of them. Of each
    figure it is the median of the rounds; the first round finds nothing in any cache, and is not counted."""
    found = defaultdict[tuple[str, int, int], list[tuple[float, float, float]]](list)
    async with AsyncExitStack() as stack:
        hives = {
            replication: await stack.enter_async_context(loaded(root, replication, sync, count))
            for replication in range(1, NODES + 1)
        }
        for size, number in itertools.product(sizes, range(rounds + 1)):
            for name in names:
                for replication, hive in hives.items():
                    cost = await hive.cost(getattr(hive, name), size)
                    if number:
                        found[name, size, replication].append(cost)
    rows = []
    for (name, size, replication), costs in found.items():
        all_, busiest, sent = (median(column) for column in zip(*costs, strict=True))
        rows.append(Work(name, size, replication, sync, NODES, 1e6 * all_, 1e6 * busiest, sent))
    return rows
