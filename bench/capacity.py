"""How many machines a hive needs, and how large: ``python -m bench.capacity [PART...] [--write]``.

It measures what entries, connections and nodes take of disk and memory, and what operations take of the processor and
the network (``bench.footprint``), on real daemons of this machine. ``--write`` keeps that in ``bench/capacity.json``
and puts the tables into ``docs/capacity.md``; a part that is not asked for stays as it was measured last. ``--stored``
does not measure, and prints what is kept. None of the figures is a time by the clock, so that other work on the machine
changes little. All parts take some six minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench import footprint
from bench.footprint import ALIAS_BYTES, CLIENTS, NODES, Connected, Disk, Growth, Memory, Rest, Spread, Work
from bench.hive import as_client, end_by_signal, file_system
from wrpme.limits import KIB, MIB

DOCUMENT = Path(__file__).parent.parent / "docs" / "capacity.md"
STORED = Path(__file__).parent / "capacity.json"


class Measured(msgspec.Struct):
    """All rows, and in words the machine that each part was measured on."""

    machines: dict[str, str] = {}
    disk: list[Disk] = []
    memory: list[Memory] = []
    growth: list[Growth] = []
    connections: list[Connected] = []
    rest: list[Rest] = []
    work: list[Work] = []
    spread: list[Spread] = []


class Sizes(NamedTuple):
    """How much is done: bytes of entries of 100 bytes, 1 KiB and 16 KiB; entries of a node by the bytes of each;
    connections of each kind; nodes of hives at rest, and of those that are busy; operations of a round, and rounds."""

    loads: dict[int, int]
    entries: dict[int, tuple[int, ...]]
    connections: dict[str, int]
    nodes: tuple[int, ...]
    spread: tuple[int, ...]
    operations: int
    rounds: int


FULL = Sizes(
    {100: 24 * MIB, KIB: 48 * MIB, 16 * KIB: 64 * MIB},
    {100: (100_000, 1_000_000), KIB: (30_000, 200_000)},
    {"client": 1000, "Redis client": 1000, "follower of a prefix": 1000, "watcher of the hive": 60},
    (1, 3, 10),
    (3, 6, 12, 18),
    2000,
    3,
)
QUICK = Sizes(
    {100: MIB, KIB: MIB, 16 * KIB: MIB},
    {100: (1000, 10_000), KIB: (1000, 3000)},
    {"client": 50, "Redis client": 50, "follower of a prefix": 50, "watcher of the hive": 10},
    (1, 3),
    (3, 4),
    200,
    1,
)


# --- what is needed ----------------------------------------------------------------------------------------------


class Needed(NamedTuple):
    """Of a hive: microseconds of the processor for a put and a get, cores that are busy, bytes of disk; the nodes that
    are needed for the processor and for the disk, and for both; then of each node, with all of them there, the part of
    its core that is busy, its bytes of disk, and the bytes a second that nodes send each other."""

    put: float
    get: float
    cores: float
    disk_bytes: float
    nodes_for_processor: int
    nodes_for_disk: int
    nodes: int
    busy: float
    disk_bytes_each: float
    sent_bytes_each: float


def needed(
    measured: Measured,
    *,
    puts: float,
    gets: float,
    content_bytes: int,
    data_bytes: float,
    replication: int,
    disk_bytes: float,
    free: float = 0.5,
    dead: int = 1,
) -> Needed:
    """Returns what so many puts and gets a second need, and so many bytes of aliases and contents.

    A node has one core, of which the part ``free`` is left, and ``disk_bytes`` for its data; that many ``dead`` nodes
    are missing, and the others still suffice. A put and a get cost what they cost in a hive of three, of the busiest
    node; more in a larger hive, where fewer requests share a message; and above that what more they cost a node with
    many entries. The disk is what LevelDB needs at most while all is written anew.

    Raises:
        ValueError: nothing as large was measured, or not with so many copies; or all is to be left free.
    """
    if not 0 <= free < 1:
        raise ValueError(f"free is a part of a core, 0 to less than 1, and not {free:g}")
    rows = [_work(measured, what, content_bytes, replication) for what in ("put", "get")]
    kind, alone = rows[0].content_bytes, _work(measured, "put", rows[0].content_bytes, 1)
    fuller = replication * _fuller(measured, "put_many", kind), _fuller(measured, "get", kind)

    def each(nodes: int) -> tuple[float, float]:
        put, get = (
            row.busiest * row.nodes * _larger(measured, row.what, nodes) + more
            for row, more in zip(rows, fuller, strict=True)
        )
        return put, get

    def cores(nodes: int) -> float:
        put, get = each(nodes)
        return (puts * put + gets * get) / 1e6

    disk = next(row for row in measured.disk if row.content_bytes == kind and not row.compresses)
    total = data_bytes * replication * disk.most / (disk.replication * (disk.content_bytes + ALIAS_BYTES))
    for_processor = dead + next(count for count in itertools.count(1) if cores(count) <= count * (1 - free))
    for_disk = dead + ceil(total / disk_bytes)
    nodes = max(for_processor, for_disk, replication + dead)
    sent, busy = puts * (rows[0].sent - alone.sent) / nodes, cores(nodes)
    return Needed(*each(nodes), busy, total, for_processor, for_disk, nodes, busy / nodes, total / nodes, sent)


def _larger(measured: Measured, what: str, nodes: int) -> float:
    """How many times as much an operation costs in a hive of that many nodes as in the smallest that was measured. It
    goes on as between the largest two, up to what an operation costs that is alone in the hive."""
    rows = [row for row in measured.spread if row.what == what]
    many = sorted((row.nodes, row.all) for row in rows if row.in_flight > 1)
    (first, low), (last, high) = next(
        (pair for pair in itertools.pairwise(many) if nodes <= pair[1][0]), tuple(many[-2:])
    )
    cost = low + (high - low) * (max(nodes, first) - first) / (last - first)
    return min([cost, *(row.all for row in rows if row.in_flight == 1)]) / many[0][1]


def _work(measured: Measured, what: str, content_bytes: int, replication: int) -> Work:
    """The row of the smallest contents that are as large."""
    rows = [
        row
        for row in measured.work
        if row.what == what and row.sync and row.replication == replication and row.content_bytes >= content_bytes
    ]
    if not rows:
        raise ValueError(f"no {what} of {content_bytes} bytes with {replication} copies was measured")
    return min(rows, key=lambda row: row.content_bytes)


def _fuller(measured: Measured, what: str, content_bytes: int) -> float:
    """How much more an operation costs a node with many entries than one with few."""
    rows = [row.microseconds for row in measured.growth if (row.what, row.content_bytes) == (what, content_bytes)]
    return max(0.0, rows[-1] - rows[0])


# --- the document ------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" if line[0] != "---" else f"|{'|'.join(line)}|" for line in lines)


def number(value: float) -> str:
    """To three digits, if it is below 100."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def size(content_bytes: int) -> str:
    return f"{content_bytes // KIB} KiB" if content_bytes >= KIB else f"{content_bytes} bytes"


def disk_table(measured: Measured) -> str:
    rows = [(f"{size(row.content_bytes)}, {'text' if row.compresses else 'random'}", f"{row.entries:,}", *_disk(row))
            for row in measured.disk if row.nodes == 1]  # fmt: skip
    return table(("content", "entries", *DISK_HEAD), rows)


def copies_table(measured: Measured) -> str:
    rows = [(row.replication, f"{row.entries:,}", *_disk(row)) for row in measured.disk if row.nodes == NODES]
    return table(("copies", "entries", *DISK_HEAD), rows)


DISK_HEAD = ("loaded", "most while written again", "after that", "compacted", "us, loaded", "us, written again")


def _disk(row: Disk) -> list[str]:
    whole = row.content_bytes + ALIAS_BYTES
    loaded, most, again, compacted = (
        f"{each:,.0f} ({number(each / whole)})" for each in (row.loaded, row.most, row.written_again, row.compacted)
    )
    return [loaded, most, again, compacted, number(row.load), number(row.again)]


def memory_table(measured: Measured) -> str:
    rows = [
        (f"{size(row.content_bytes)}" if row.entries else "", row.state, f"{row.entries:,}", number(row.own),
         number(row.resident), number(row.shared_out))
        for row in measured.memory
    ]  # fmt: skip
    return table(("content", "node", "entries", "own MiB", "resident MiB (RSS)", "MiB (PSS)"), rows)


def growth_table(measured: Measured) -> str:
    rows = [(f"`{row.what}`", size(row.content_bytes), f"{row.entries:,}", number(row.microseconds))
            for row in measured.growth]  # fmt: skip
    return table(("operation", "content", "entries of the node", "us for each"), rows)


def connections_table(measured: Measured) -> str:
    rows = [(row.kind, f"{row.connections:,}", number(row.kib), number(row.microseconds))
            for row in measured.connections]  # fmt: skip
    return table(("connection", "of them", "KiB for each", "us of the processor a second for each"), rows)


def rest_table(measured: Measured) -> str:
    rows = [(row.nodes, number(row.own), number(row.resident), number(row.most), number(row.shared_out),
             f"{row.percent:.2f} %", number(row.sent)) for row in measured.rest]  # fmt: skip
    return table(
        ("nodes", "own MiB", "resident MiB (RSS)", "most", "MiB (PSS)", "of a core", "KiB a second sent"), rows
    )


def work_table(measured: Measured) -> str:
    rows = []
    for row in measured.work:
        base = next(one for one in measured.work if _same(one, row) and one.replication == 1)
        rows.append((f"`{row.what}`" + ("" if row.sync else ", `--no-sync`"), size(row.content_bytes), row.replication,
                     number(row.all), number(row.busiest), f"{number(row.all / base.all)}",
                     f"{1e6 / row.all:,.0f}"))  # fmt: skip
    head = ("operation", "content", "copies", "us of all nodes", "of the busiest", "times one copy",
            "operations a core-second")  # fmt: skip
    return table(head, rows)


def _same(one: Work, other: Work) -> bool:
    return (one.what, one.content_bytes, one.sync) == (other.what, other.content_bytes, other.sync)


def nodes_table(measured: Measured) -> str:
    rows = [(f"`{row.what}`", row.nodes, row.in_flight, number(row.all), number(row.busiest * row.nodes / row.all))
            for row in sorted(measured.spread, key=lambda row: row.what, reverse=True)]  # fmt: skip
    return table(("operation", "nodes", "requests in flight", "us of all nodes", "the busiest, times the mean"), rows)


def network_table(measured: Measured) -> str:
    rows = []
    for row in measured.work:
        if row.sync and row.what.startswith("put") and row.replication > 1:
            base = next(one for one in measured.work if _same(one, row) and one.replication == 1)
            between = row.sent - base.sent
            copies = (row.replication - 1) * (row.content_bytes + ALIAS_BYTES)
            rows.append((f"`{row.what}`", size(row.content_bytes), row.replication, number(between),
                         number(between / copies)))  # fmt: skip
    return table(("operation", "content", "copies", "bytes between nodes", "times alias + content of each copy"), rows)


EXAMPLE: dict[str, Any] = {
    "puts": 20_000, "gets": 0, "content_bytes": KIB, "data_bytes": 200e9, "replication": 3, "disk_bytes": 500e9,
}  # fmt: skip


def example(measured: Measured) -> str:
    """The words of what :func:`needed` says."""
    asked, found = EXAMPLE, needed(measured, **EXAMPLE)
    rows = [
        (f"microseconds of all nodes for a put, with {found.nodes} nodes", number(found.put)),
        ("cores that are busy", number(found.cores)),
        ("nodes of one core, half of it left free, and one more", found.nodes_for_processor),
        ("GB of disk at most, of all nodes", f"{found.disk_bytes / 1e9:,.0f}"),
        (f"nodes with {asked['disk_bytes'] / 1e9:.0f} GB for it, and one more", found.nodes_for_disk),
        ("**nodes**", f"**{found.nodes}**"),
        ("of each, while none is dead: busy part of its core", f"{found.busy:.0%}"),
        ("GB of disk at most", f"{found.disk_bytes_each / 1e9:,.0f}"),
        ("MB a second that it sends to others", number(found.sent_bytes_each / 1e6)),
    ]
    load = f"{asked['puts']:,} puts a second of {size(asked['content_bytes'])}"
    return table((f"{load}, {asked['replication']} copies, {asked['data_bytes'] / 1e9:.0f} GB", "needs"), rows)


TABLES: dict[str, tuple[str, Callable[[Measured], str]]] = {
    "disk": ("disk", disk_table),
    "copies": ("disk", copies_table),
    "memory": ("memory", memory_table),
    "growth": ("memory", growth_table),
    "connections": ("connections", connections_table),
    "rest": ("rest", rest_table),
    "work": ("work", work_table),
    "nodes": ("nodes", nodes_table),
    "network": ("work", network_table),
    "example": ("", example),
}
"""Each table of the document, with the part that measures it."""


def shown(name: str, measured: Measured) -> str:
    """A table under the command that measured it, and on what."""
    part, made = TABLES[name]
    above = f"`python -m bench.capacity {part}`; {measured.machines.get(part, '')}:\n\n" if part else ""
    return above + made(measured)


def filled(text: str, measured: Measured) -> str:
    """The document with its tables brought up to date."""
    for name in TABLES:
        begin, end = f"<!-- capacity: {name} -->", "<!-- end -->"
        places = re.findall(re.escape(begin) + r".*?" + re.escape(end), text, re.DOTALL)
        assert len(places) == 1, f"docs/capacity.md has {len(places)} places for the table of {name}"
        text = text.replace(places[0], f"{begin}\n{shown(name, measured)}\n{end}")
    return text


def stored() -> Measured:
    """What was measured last."""
    return msgspec.json.decode(STORED.read_bytes(), type=Measured) if STORED.exists() else Measured()


# --- measuring ---------------------------------------------------------------------------------------------------


def machine(root: Path) -> str:
    """In words."""
    binding = "plyvel-next" if sys.version_info >= (3, 12) else "plyvel"
    leveldb = import_module(binding.replace("-", "_")).__leveldb_version__
    kind = file_system(root).partition(" on ")[0]
    return (
        f"{os.cpu_count()} processor cores, {platform.system()}, Python {platform.python_version()}, "
        f"{binding} {version(binding)} with LevelDB {leveldb}, uvloop {version('uvloop')}, data on {kind}"
    )


async def measure_disk(measured: Measured, sizes: Sizes, root: Path) -> None:
    measured.disk = [
        await footprint.disk(root, 1, 1, content_bytes, compresses, load)
        for content_bytes, load in sizes.loads.items()
        for compresses in (False, True)
    ]
    for replication in range(1, NODES + 1):
        measured.disk.append(await footprint.disk(root, NODES, replication, KIB, False, sizes.loads[KIB]))


async def measure_memory(measured: Measured, sizes: Sizes, root: Path) -> None:
    measured.memory, measured.growth = [], []
    for content_bytes, counts in sizes.entries.items():
        memory, growth = await footprint.entries_of_a_node(root, counts, content_bytes)
        measured.memory += memory[bool(measured.memory) :]  # an empty node is the same with contents of any size
        measured.growth += growth


async def measure_connections(measured: Measured, sizes: Sizes, root: Path) -> None:
    """All at once: they are idle."""
    kinds = sizes.connections.items()
    measured.connections = list(
        await asyncio.gather(*(footprint.connections(root, kind, count) for kind, count in kinds))
    )


async def measure_rest(measured: Measured, sizes: Sizes, root: Path) -> None:
    measured.rest = [await footprint.at_rest(root, nodes, min(nodes, NODES)) for nodes in sizes.nodes]


async def measure_nodes(measured: Measured, sizes: Sizes, root: Path) -> None:
    """With as many requests in flight for each node, and at last with one in the whole hive."""
    hives = [(nodes, nodes * CLIENTS // NODES) for nodes in sizes.spread]
    measured.spread = []
    for nodes, clients in [(NODES, 1), *hives]:
        count = sizes.operations * (2 if nodes > NODES else 1) if clients > 1 else sizes.operations // 4
        measured.spread += await footprint.spread(root, nodes, clients, KIB, count, sizes.rounds)


async def measure_work(measured: Measured, sizes: Sizes, root: Path) -> None:
    measured.work = await footprint.works(root, (100, KIB), True, sizes.operations, sizes.rounds)
    measured.work += await footprint.works(root, (100,), False, sizes.operations, sizes.rounds, ("put", "put_many"))


MEASURES = {"disk": measure_disk, "memory": measure_memory, "connections": measure_connections, "rest": measure_rest,
            "work": measure_work, "nodes": measure_nodes}  # fmt: skip


def main() -> int:
    """Measures, prints and keeps it."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(MEASURES)} (all)")
    parser.add_argument("--write", action="store_true", help="keep it, and put it into docs/capacity.md")
    parser.add_argument("--stored", action="store_true", help="don't measure, take what is kept")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it works")
    parser.add_argument("--entries", type=int, default=0, help="the node with a million gets so many after that")
    parser.add_argument("--root", type=Path, default=Path(), help="where the data directories are made, and removed")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(MEASURES):
        parser.error(f"there is no part {min(unknown)}")
    if asked.quick and asked.write:
        parser.error("what --quick measures is not worth keeping: leave out --quick or --write")
    sizes = QUICK if asked.quick else FULL
    if asked.entries:
        few, many = sizes.entries[100]
        if asked.entries < many + few or asked.write:
            parser.error(f"--entries is {many + few} at least, and not for --write")
        sizes.entries[100] = (few, many, asked.entries)
    root, measured = asked.root.resolve(), stored()
    end_by_signal()
    if asked.stored:
        print(*(shown(name, measured) for name in TABLES if name != "example"), sep="\n\n", end="\n\n")
    else:
        as_client()
        for part in asked.parts or MEASURES:
            asyncio.run(MEASURES[part](measured, sizes, root))
            measured.machines[part] = machine(root)
            print(
                *(shown(name, measured) + "\n" for name, (of, _) in TABLES.items() if of == part), sep="\n", flush=True
            )
    print(shown("example", measured))
    if asked.write:
        STORED.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n")
        DOCUMENT.write_text(filled(DOCUMENT.read_text("utf-8"), measured), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
