"""The disk of a node over time, and a node with many entries: ``python -m bench.disk``.

``writes``: in a set of ``--set`` bytes entries are overwritten, and some removed and put again, until that were
``--bytes``, by callers of ``update_many`` and ``remove_many`` who wait for nothing but the answers. Printed are the
bytes of the data directory as a multiple of the set, how long batches took on their way through LevelDB to the disk,
beside a plain write and a sync on the same disk meanwhile, and what was written to the disk for each byte that was
given. How fast that goes depends on the machine, and on what else it does; a stall of LevelDB takes seconds on any.

``entries``: a node with ``--entries`` of 100 bytes, whose directory is written in the order of its keys before it
starts, beside one with 10,000: how long a start takes after ``kill -9``, until a get is answered, the memory, and how
long a get takes of one caller, when all has been read before. The first start counts all entries, as after an update
of a version that kept no counts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from bench import timed
from bench.footprint import ALIAS_BYTES, Contents, alias, checked, disk_bytes, ids, memory_mib
from bench.hive import end_by_signal, file_system, percentile, processor_seconds, running
from tests.system.daemons import Daemons, until
from wrpme import Client
from wrpme.core.io import Operation
from wrpme.core.layout import COUNTS_LIFE_KEY, key_of, value_of
from wrpme.daemon.storage import leveldb
from wrpme.errors import IndeterminateError
from wrpme.limits import KIB
from wrpme.protocol.ring import hash_of

PARTS = ("writes", "entries")
CALLERS = 4
CALL_BYTES = 256 * KIB
REMOVED_SHARE = 0.1
STALL_SECONDS = 0.1
SAMPLE_SECONDS = 0.25
PLAIN_SECONDS = 0.5
TENTHS = 10
FEW_ENTRIES = 10_000
GETS = 3000
ROUNDS = 10
FILL_ENTRIES = 10_000
PATIENCE_SECONDS = 120.0


# --- written again and again -------------------------------------------------------------------------------------


class Plain:
    """Writes and syncs a file beside the data directory now and then, in a thread."""

    def __init__(self, directory: Path) -> None:
        self.seconds = list[float]()
        self._path = directory / "plain"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Plain:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        content = os.urandom(CALL_BYTES)
        file = os.open(self._path, os.O_CREAT | os.O_WRONLY)
        while not self._over.wait(PLAIN_SECONDS):
            begun = time.perf_counter()
            os.pwrite(file, content, 0)
            os.fdatasync(file)
            self.seconds.append(time.perf_counter() - begun)
        os.close(file)


class Set:
    """The entries of the set, which callers write and remove; each has entries of its own."""

    def __init__(self, client: Client, set_bytes: int, size: int, compresses: bool) -> None:
        self.client = client
        self.count = set_bytes // (size + ALIAS_BYTES)
        self.bytes = self.count * (size + ALIAS_BYTES)
        self.written = 0
        """Bytes of aliases and contents that were written or removed."""
        self._size, self._compresses = size, compresses
        self._contents, self._random = Contents(1), random.Random(2)
        self._step = max(1, min(1000, CALL_BYTES // size))

    async def update(self, numbers: list[int]) -> None:
        contents = {alias(at): self._contents.one(self._size, self._compresses) for at in numbers}
        while True:
            try:
                checked(await self.client.update_many(contents))
                break
            except IndeterminateError:  # a machine that stood still for seconds; once more does no harm
                continue
        self.written += len(contents) * (self._size + ALIAS_BYTES)

    async def load(self) -> None:
        """Each entry once, in an order that is none of the store's."""
        for first in range(0, self.count, CALLERS * self._step):
            end = min(self.count, first + CALLERS * self._step)
            parts = [list(range(first + at, end, CALLERS)) for at in range(CALLERS)]
            await asyncio.gather(*(self.update(part) for part in parts if part))

    async def change(self, until: int) -> None:
        """All callers at work, until so much was written."""

        async def caller(place: int) -> None:
            own = range(place, self.count, CALLERS)
            while self.written < until:
                numbers = self._random.sample(own, min(len(own), self._step))
                if self._random.random() < REMOVED_SHARE:
                    await self.client.remove_many([alias(at) for at in numbers])
                    self.written += len(numbers) * (self._size + ALIAS_BYTES)
                await self.update(numbers)

        await asyncio.gather(*map(caller, range(CALLERS)))


def written_to_disk(process: int) -> int:
    """Bytes that the system wrote for it, or will."""
    lines = Path(f"/proc/{process}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def all_cores(process: int) -> None:
    """All its threads may run where the system likes."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), range(os.cpu_count() or 1))


def in_words(seconds: list[float]) -> str:
    """Of how long things took: in the middle, of the slowest, and how many took too long."""
    some = sorted(1000 * one for one in seconds)
    shares = "  ".join(f"{percentile(some, share):8.1f}" for share in (0.5, 0.99, 0.999, 1.0))
    late = sum(one > STALL_SECONDS for one in seconds)
    return f"{len(some):9,}  {shares}  {late:6,}"


async def writes(asked: argparse.Namespace) -> None:
    """Prints what became of the disk meanwhile."""
    options = ("--replication", "1")
    async with running(1, *options, core=0, root=asked.root, lean=True, command=timed.command) as hive:
        (process,) = ids(hive)
        all_cores(process)
        async with Client(hive.addresses, timeout=PATIENCE_SECONDS) as client:
            entries = Set(client, asked.set, asked.content, asked.text)
            kind = "text" if asked.text else "random"
            print(f"{entries.count:,} entries of {asked.content:,} {kind} bytes, {file_system(asked.root)}", flush=True)
            await entries.load()
            file = hive.directory / timed.file_of(process)
            before, begun, used = len(timed.batches_in(file)), time.monotonic(), processor_seconds([process])
            to_disk, first = written_to_disk(process), entries.written
            ratios = list[tuple[float, float]]()
            with Plain(hive.directory) as plain:
                work = asyncio.ensure_future(entries.change(first + asked.bytes))
                while not work.done():
                    await asyncio.wait([work], timeout=SAMPLE_SECONDS)
                    done = (entries.written - first) / asked.bytes
                    ratios.append((done, disk_bytes(hive) / entries.bytes))
                await work
            given, seconds = entries.written - first, time.monotonic() - begun
            used, to_disk = processor_seconds([process]) - used, written_to_disk(process) - to_disk
            batches = timed.batches_in(file)[before:]
    peaks = [max((ratio for at, ratio in ratios if tenth <= TENTHS * at), default=0.0) for tenth in range(TENTHS)]
    tenths = [
        max((ratio for at, ratio in ratios if tenth <= TENTHS * at < tenth + 1), default=0.0) for tenth in range(TENTHS)
    ]
    print(f"written and removed  {given / 1e6:,.0f} MB, {given / 1e6 / seconds:.1f} MB a second")
    print("disk/data            " + " ".join(f"{ratio:.2f}" for ratio in tenths) + f", at most {max(peaks):.2f}")
    print(f"to the disk          {to_disk / given:.2f} bytes for each byte")
    print(f"processor            {1e6 * used / given * KIB:.1f} us for each KiB")
    print(f"bytes of a batch     {median(size for _, size in batches):,.0f}")
    print("ms                      number    median        99%      99.9%     worst  > 100")
    print(f"batches              {in_words([seconds for seconds, _ in batches])}")
    print(f"a plain write        {in_words(plain.seconds)}", flush=True)


# --- a node with many entries ------------------------------------------------------------------------------------


def fill(directory: Path, count: int, size: int) -> None:
    """Entries and their index, in the order of the keys, where no node is at work."""
    store = leveldb.open_store(str(directory))
    operations: list[Operation] = [(COUNTS_LIFE_KEY, None)]  # what is kept there does not count these
    draw = random.Random(3)

    def put(key: bytes, value: bytes) -> None:
        operations.append((key, value))
        if len(operations) >= FILL_ENTRIES:
            store.write(operations, sync=False)
            operations.clear()

    for number in range(count):
        put(b"a" + alias(number).encode(), b"")
    for place in sorted(hash_of(alias(number).encode()) << 32 | number for number in range(count)):
        name = alias(place & 0xFFFF_FFFF).encode()
        put(key_of(place >> 32, name), value_of((1, 1), 0, draw.randbytes(size)))
    store.write(operations, sync=True)
    store.close()


async def until_served(hive: Daemons, count: int) -> str:
    """Seconds from the start of the process until it answers a get, and what of the processor that took."""
    begun = time.monotonic()
    hive.start(0)
    async with Client(hive.addresses, timeout=PATIENCE_SECONDS) as client:
        await until("the last entry is served", lambda: client.get(alias(count - 1)), PATIENCE_SECONDS)
        seconds = time.monotonic() - begun
        return f"served after {seconds:6.2f} s, {processor_seconds(ids(hive)):6.2f} s of the processor"


@asynccontextmanager
async def filled(root: Path, count: int, size: int, tell: Callable[[str], None]) -> AsyncIterator[Daemons]:
    """A node with so many entries, all of which were read."""
    async with running(1, "--replication", "1", core=0, root=root, lean=True) as hive:
        hive.terminate(0)
        (directory,) = (hive.directory / "db").iterdir()
        await asyncio.to_thread(fill, directory, count, size)
        told = f"{count:12,} entries, {disk_bytes(hive) / 1e6:,.0f} MB"
        tell(f"{told}, first start:        {await until_served(hive, count)}")
        hive.kill(0)
        tell(f"{told}, after kill -9:      {await until_served(hive, count)}")
        hive.terminate(0)
        tell(f"{told}, after a planned end: {await until_served(hive, count)}")
        async with Client(hive.addresses, timeout=PATIENCE_SECONDS) as client:
            assert await client.count() == count, "all are there"
        yield hive


async def gets(client: Client, numbers: list[int]) -> list[float]:
    """How long each took, one after the other."""
    found = list[float]()
    for number in numbers:
        begun = time.perf_counter()
        await client.get(alias(number))
        found.append(time.perf_counter() - begun)
    return found


async def warm(hive: Daemons, client: Client, count: int) -> None:
    """What the node may read is in the system's memory, and much of it was."""
    for path in (hive.directory / "db").rglob("*.ldb"):
        await asyncio.to_thread(path.read_bytes)
    for _ in range(20):
        assert None not in await client.get_many([alias(random.randrange(count)) for _ in range(1000)])


async def entries(asked: argparse.Namespace) -> None:
    """Prints start-up, memory, and the latency of gets beside that of few entries."""

    def tell(line: str) -> None:
        print(line, flush=True)

    size = 100 - ALIAS_BYTES
    async with (
        filled(asked.root, FEW_ENTRIES, size, tell) as few,
        filled(asked.root, asked.entries, size, tell) as many,
        Client(few.addresses, timeout=PATIENCE_SECONDS) as of_few,
        Client(many.addresses, timeout=PATIENCE_SECONDS) as of_many,
    ):
        tell(f"{asked.entries:12,} entries, memory {memory_mib(ids(many)[0])[2]:6.1f} MiB own after the start")
        sides = ((few, of_few, FEW_ENTRIES), (many, of_many, asked.entries))
        for hive, client, count in sides:
            await warm(hive, client, count)
        times: list[list[float]] = [[], []]
        used = [0.0, 0.0]
        for _ in range(ROUNDS):  # in turn, so that what else the machine does meets both
            for at, (hive, client, count) in enumerate(sides):
                before = processor_seconds(ids(hive))
                times[at] += await gets(client, [random.randrange(count) for _ in range(GETS // ROUNDS)])
                used[at] += processor_seconds(ids(hive)) - before
        for at, (hive, _, count) in enumerate(sides):
            some = sorted(1e6 * one for one in times[at])
            resident, _, own = memory_mib(ids(hive)[0])
            tell(f"{count:12,} entries, memory {own:6.1f} MiB own, {resident:6.1f} MiB resident")
            tell(f"{count:12,} entries, a get {median(some):6.0f} us, 99% {percentile(some, 0.99):6.0f} us")
            tell(f"{count:12,} entries, a get {1e6 * used[at] / len(some):6.1f} us of the processor of the node")
        tell(
            f"ratio of the medians {median(times[1]) / median(times[0]):.2f}, of the processor {used[1] / used[0]:.2f}"
        )


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.disk", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all of them")
    parser.add_argument("--set", type=float, default=1e9, help="bytes of the set that is written again (1e9)")
    parser.add_argument("--bytes", type=float, default=1e10, help="bytes that are written (1e10)")
    parser.add_argument("--content", type=int, default=KIB, help="bytes of a content (1024)")
    parser.add_argument("--text", action="store_true", help="of contents that compress")
    parser.add_argument("--entries", type=int, default=10_000_000, help="of the node with many (10000000)")
    parser.add_argument("--root", type=Path, default=Path(), help="where the data directories are made, and removed")
    asked = parser.parse_args()
    asked.root, asked.set, asked.bytes = asked.root.resolve(), int(asked.set), int(asked.bytes)
    end_by_signal()
    for part in asked.parts:
        asyncio.run({"writes": writes, "entries": entries}[part](asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
