"""Large contents in a hive of three with three synced copies, beside ``scp`` over loopback: ``python -m bench.large``.

For each size the same bytes are copied with ``scp``, put and got, in turn and several times, each once through the node
that owns an entry and once through one that has to pass it on; last, puts and gets of both kinds at once. ``scp`` syncs
nothing and makes one copy. Printed are, for each kind of work: MiB a second, and as a ratio to the ``scp`` before it
(medians of the rounds); processor seconds of all nodes for each GiB, until they are quiet again, less what they use at
rest; the most anonymous memory that a node had above that at rest, over the bytes in flight; and small gets beside,
one each 10 ms at each node, most of them passed on. Last, how late the nodes' loops were, and whom they missed.

Nodes, client and ``scp`` may use all processor cores; the contents don't compress, unless ``--text`` is given.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.request import urlopen

from bench.beside import Beside, Seen
from bench.hive import end_by_signal, file_system, percentile, processor_seconds, running
from bench.scp import Scp
from tests.system.daemons import Daemons
from wrpme import Client
from wrpme.client.connection import Connection, dial
from wrpme.errors import WrpmeError, from_wire
from wrpme.limits import MIB
from wrpme.protocol.messages import Content, Failed, Get, Reply, Request, Update
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view import View
from wrpme.protocol.view_index import member, owner

NODES = 3
AT_ONCE = {1: 16, 8: 4, 64: 1}
"""By the size in MiB: how many requests are in flight."""
BYTES_AT_ONCE_MIN = 16 * MIB
TOTAL_MIB = 256
"""Of one piece of work."""
SMALL = [f"small/{number}" for number in range(60)]
SMALL_BYTES = 100
REST_SECONDS = 3.0
QUIET_SECONDS = 0.5
QUIET_SHARE = 0.1
QUIET_LOOKS_MAX = 10
"""After each work the nodes are waited for until they use less than that share of a core more than at rest."""
TIMEOUT_SECONDS = 120.0
MISSED = re.compile(r"no sign of|this node was .* late|was marked down|called down")
KINDS = ("scp", "put", "put, passed on", "get", "get, passed on", "both at once")
_BUCKET = re.compile(r'^wrpme_event_loop_lag_seconds_bucket\{le="([^"]+)"\} ([\d.]+)$', re.MULTILINE)


class Span(NamedTuple):
    """One piece of work: when it ran, and the processor seconds of the nodes from its begin until they were quiet."""

    kind: str
    since: float
    until: float
    quiet: float
    processor: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.until - self.since


class Caller:
    """Connections to all nodes; entries are asked for through their owner, or through another node."""

    def __init__(self, view: View, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self._connections: dict[str, Connection] = {}
        self._numbers = itertools.count(1)
        self._owners: dict[str, str] = {}
        for alias in contents:
            node = owner(view, view.arcs[arc_at(view, hash_of(alias.encode()))])
            found = member(view, node) if node else None
            assert found is not None, "a stable hive has an owner for each entry"
            self._owners[alias] = found.address

    async def open(self, addresses: Sequence[str]) -> None:
        """Connects to all nodes."""
        for address in addresses:
            connection = await dial(address, self)
            if isinstance(connection, WrpmeError):
                raise connection
            self._connections[address] = connection

    def close(self) -> None:
        """Ends all connections."""
        for connection in self._connections.values():
            connection.close()

    def heard(self, connection: Connection, reply: Reply) -> None:
        """Nothing is said unasked."""

    def closed(self, connection: Connection) -> None:
        """Each request under way says so itself."""

    async def all(self, at_once: int, works: Sequence[Callable[[], Awaitable[None]]]) -> None:
        """Does so many of these at a time."""
        due = iter(works)

        async def one_after_the_other() -> None:
            for work in due:
                await work()

        await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))

    async def put(self, alias: str, passed_on: bool) -> None:
        """Puts the content of this entry."""
        await self._ask(alias, passed_on, Update(next(self._numbers), alias.encode(), self.contents[alias]))

    async def get(self, alias: str, passed_on: bool) -> None:
        """Reads it, and looks whether it is the right one."""
        reply = await self._ask(alias, passed_on, Get(next(self._numbers), alias.encode()))
        if not isinstance(reply, Content) or reply.content != self.contents[alias]:
            raise SystemExit(f"{alias} has another content than was put")

    async def _ask(self, alias: str, passed_on: bool, request: Request) -> Reply:
        addresses = list(self._connections)
        address = self._owners[alias]
        if passed_on:
            address = addresses[(addresses.index(address) + 1) % len(addresses)]
        reply = await self._connections[address].send(request, asyncio.get_running_loop().time() + TIMEOUT_SECONDS)
        if isinstance(reply, Failed):
            raise from_wire(reply.code, reply.sentence)
        return reply


class Bench:
    """One hive, one size."""

    def __init__(self, asked: argparse.Namespace, size_mib: int, directory: Path) -> None:
        self.size_mib = size_mib
        self.count = max(1, TOTAL_MIB // size_mib)
        self.at_once = AT_ONCE.get(size_mib, max(1, BYTES_AT_ONCE_MIN // (size_mib * MIB)))
        self.spans: list[Span] = []
        self._used_at_rest = 0.0
        """Processor seconds of all nodes in a second, with the small gets."""
        self._rounds = asked.rounds
        self._kinds = asked.kinds
        self._directory = directory
        for name in ("from", "to"):
            (directory / name).mkdir()
        self._contents = {
            f"large/{size_mib}/{number}": content_of(size_mib, asked.text) for number in range(self.count)
        }
        self._files = [directory / "from" / str(number) for number in range(self.count)]
        for file, content in zip(self._files, self._contents.values(), strict=True):
            file.write_bytes(content)

    async def run(self, hive: Daemons) -> None:
        """Measures, and prints."""
        processes = [process.pid for process in hive.processes.values()]
        async with Client(hive.addresses, timeout=TIMEOUT_SECONDS) as client:
            await client.put_many({alias: bytes(SMALL_BYTES) for alias in SMALL})
            view = await client.view()
        caller = Caller(view, self._contents)
        await caller.open(hive.addresses)
        late_before = [await asyncio.to_thread(late, address) for address in hive.addresses]
        with Scp(self._directory) as scp:
            async with Beside(SMALL, hive.addresses, processes) as beside:
                since = time.perf_counter()
                before = processor_seconds(processes)
                await asyncio.sleep(REST_SECONDS)
                until = time.perf_counter()
                rest = since, until
                self._used_at_rest = (processor_seconds(processes) - before) / (until - since)
                for _ in range(self._rounds):
                    for kind in self._kinds:
                        if kind != "scp":
                            await self._span(processes, "scp", lambda: scp.copy(self._files, self._directory / "to"))
                            await self._span(processes, kind, self._work(caller, kind))
        caller.close()
        late_after = [await asyncio.to_thread(late, address) for address in hive.addresses]
        async with Client(hive.addresses) as client:
            epochs = (await client.view()).epoch - view.epoch
        self._print(beside.seen, rest)
        worst = max(map(worst_between, late_before, late_after))
        missed = sum(len(MISSED.findall(path.read_text())) for path in hive.directory.glob("*.log"))
        print(
            f"loops late by at most {worst * 1000:.0f} ms (looked at each second); lines that somebody was missed or "
        )
        print(f"late: {missed}; views that changed: {epochs}")

    def _work(self, caller: Caller, kind: str) -> Callable[[], Awaitable[object]]:
        aliases = list(self._contents)

        def put(alias: str, passed_on: bool) -> Callable[[], Awaitable[None]]:
            return lambda: caller.put(alias, passed_on)

        def get(alias: str, passed_on: bool) -> Callable[[], Awaitable[None]]:
            return lambda: caller.get(alias, passed_on)

        if kind == "both at once":
            half = len(aliases) // 2
            puts = [put(alias, index % 2 == 0) for index, alias in enumerate(aliases[:half])]
            gets = [get(alias, index % 2 == 0) for index, alias in enumerate(aliases[half:])]
            return lambda: asyncio.gather(caller.all(self.at_once, puts), caller.all(self.at_once, gets))
        word, _, passed = kind.partition(",")
        step = put if word == "put" else get
        return lambda: caller.all(self.at_once, [step(alias, bool(passed)) for alias in aliases])

    async def _span(self, processes: Sequence[int], kind: str, work: Callable[[], Awaitable[object]]) -> None:
        before, since = processor_seconds(processes), time.perf_counter()
        await work()
        until = time.perf_counter()
        await self._until_quiet(processes)
        print(f"  {self.size_mib} MiB {kind}: {until - since:.2f} s", file=sys.stderr, flush=True)
        self.spans.append(Span(kind, since, until, time.perf_counter(), processor_seconds(processes) - before))

    async def _until_quiet(self, processes: Sequence[int]) -> None:
        """LevelDB has compacted what was written, as far as that ends soon."""
        used = processor_seconds(processes)
        for _ in range(QUIET_LOOKS_MAX):
            await asyncio.sleep(QUIET_SECONDS)
            before, used = used, processor_seconds(processes)
            if used - before <= QUIET_SECONDS * (self._used_at_rest + QUIET_SHARE):
                return

    def _print(self, seen: Seen, rest: tuple[float, float]) -> None:
        own, total = seen.peaks(*rest), self.count * self.size_mib
        print(f"\n{self.size_mib} MiB, {self.at_once} at a time, {total} MiB each time, {self._rounds} rounds")
        print(f"{'':16}{'MiB/s':>8}{'of scp':>8}{'s/GiB':>8}{'memory':>8}{'small gets: median, 99 %, worst':>34}")
        for kind in KINDS:
            spans = [span for span in self.spans if span.kind == kind]
            if not spans:
                continue
            gets: list[float] = []
            for span in spans:
                gets += seen.latencies(span.since, span.until)
            gets.sort()
            told = " ".join(f"{1000 * percentile(gets, share):8.1f} ms" for share in (0.5, 0.99, 1.0))
            failed = sum(get < 0 for get in gets)
            rate = median(total / span.seconds for span in spans)
            columns = f"{'':8}{'':8}{'':8}"
            if kind != "scp":
                ratio = median(self._scp_before(span) / span.seconds for span in spans)
                used = sum(span.processor - self._used_at_rest * (span.quiet - span.since) for span in spans)
                flight = self.at_once * self.size_mib * MIB * (2 if kind.startswith("both") else 1)
                most = max(
                    peak - least for span in spans
                    for peak, least in zip(seen.peaks(span.since, span.quiet), own, strict=True)
                )  # fmt: skip
                columns = f"{ratio:8.2f}{used / len(spans) / total * 1024:8.2f}{most / flight:8.2f}"
            print(f"{kind:16}{rate:8.0f}{columns}{told:>34}" + (f"  {failed} failed" if failed else ""))

    def _scp_before(self, span: Span) -> float:
        return self.spans[self.spans.index(span) - 1].seconds


def content_of(size_mib: int, text: bool) -> bytes:
    """A content that does not compress, or one of words."""
    if not text:
        return os.urandom(size_mib * MIB)
    words = [f"{number:x}" * 2 for number in random.sample(range(1 << 20), 400)]
    page = " ".join(random.choices(words, k=MIB // 8)).encode().ljust(MIB, b".")[:MIB]
    return page * size_mib


def late(address: str) -> list[tuple[float, int]]:
    """How late the loop of a node was, as its metrics tell it: bounds in seconds, and how many were within."""
    with urlopen(f"http://{address}/metrics") as answer:
        found = _BUCKET.findall(answer.read().decode())
    return [(float(bound), int(float(count))) for bound, count in found]


def worst_between(before: Sequence[tuple[float, int]], after: Sequence[tuple[float, int]]) -> float:
    """The bound of the highest bucket that something fell into in between."""
    fell = dict(after)
    for bound, count in before:
        fell[bound] -= count
    bounds, worst, within = sorted(fell), 0.0, 0
    for bound in bounds:
        if fell[bound] > within:
            worst, within = bound, fell[bound]
    return worst


async def measure(asked: argparse.Namespace) -> None:
    """Prints a table for each size."""
    for size in asked.sizes:
        async with running(NODES, "--replication", "3", core=None, root=asked.root, lean=True) as hive:
            with tempfile.TemporaryDirectory(prefix="wrpme-bench-", dir=asked.root) as directory:
                await Bench(asked, size, Path(directory)).run(hive)
    print(f"data and copies on {file_system(asked.root)}")


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.large", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1, 8, 64], help="in MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--text", action="store_true", help="contents that compress")
    parser.add_argument("--root", type=Path, default=Path(), help="where data and copies are made, and removed")
    asked = parser.parse_args()
    asked.root = asked.root.resolve()
    end_by_signal()
    asyncio.run(measure(asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
