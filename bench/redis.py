"""The Redis door beside Redis itself: ``python -m bench.redis``.

A hive of one node and a redis-server, both with each write on the disk before it is answered (``appendonly yes``,
``appendfsync always``), each on the first core, take the same load of redis-benchmark in turn, on the last core: 50
connections, contents of 100 bytes, one command after the other and 16 at a time. The rate is that of the median round;
processor time is that of the server in all rounds, user and system, in microseconds for each command. The ratios are
those of Redis to wrpme in the same run, in rate and in processor time: above 1 is in favour of wrpme.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import shutil
import sys
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from statistics import median

from bench.hive import Cost, as_client, cost, end_by_signal, file_system, running
from bench.redis_server import SYNCED, Redis, missing

PROGRAM = "redis-benchmark"
CONNECTIONS = 50
CONTENT_BYTES = 100
KEYS = 100_000
DEPTHS = (1, 16)
TESTS = ("set", "get")


async def load(port: int, test: str, depth: int, count: int) -> None:
    """Lets redis-benchmark do so many commands; raises OSError where it does not end well."""
    options = ["-p", str(port), "-t", test, "-P", str(depth), "-n", str(count), "-c", str(CONNECTIONS)]
    options += ["-d", str(CONTENT_BYTES), "-r", str(KEYS), "--csv"]
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    rows = list(csv.reader(io.StringIO(said.decode())))
    if process.returncode or len(rows) < 2 or any("rror" in cell for row in rows for cell in row):
        raise OSError(f"{PROGRAM} says: {said.decode().strip()}")


async def measure(asked: argparse.Namespace) -> None:
    """Prints the table."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="wrpme-bench-", dir=asked.root))
        redis = stack.enter_context(Redis(Path(directory), *SYNCED, core=0))
        await redis.until_served()
        hive = await stack.enter_async_context(running(1, core=0, root=asked.root))
        (process,) = hive.processes.values()
        servers = {
            "redis-server": (redis.port, redis.pid),
            "wrpmed": (int(hive.addresses[0].rpartition(":")[2]), process.pid),
        }
        print(f"{CONNECTIONS} connections, {CONTENT_BYTES} bytes, synced writes, {file_system(asked.root)}")
        print(f"{'':14}{'wrpmed':>12}{'us':>8}{'redis-server':>15}{'us':>8}{'rate':>9}{'processor':>11}")
        for depth in DEPTHS:
            for test in TESTS:
                costs: defaultdict[str, list[Cost]] = defaultdict(list)
                for number in range(asked.rounds + 1):
                    for name, (port, pid) in servers.items():
                        count = asked.commands * (4 if depth > 1 else 1)
                        found = await cost([pid], partial(load, port, test, depth, count))
                        if number:  # the first finds nothing in any cache
                            costs[name].append(found)
                print(line(f"{test.upper()} x {depth}", costs["wrpmed"], costs["redis-server"], count), flush=True)


def line(name: str, ours: list[Cost], others: list[Cost], count: int) -> str:
    """A row of the table."""
    told = ""
    for costs, width in ((ours, 12), (others, 15)):
        each = sum(one.servers for one in costs) / len(costs) / count
        told += f"{count / median(one.seconds for one in costs):{width - 2},.0f}/s{1e6 * each:8.1f}"
    rate = median(other.seconds / our.seconds for our, other in zip(ours, others, strict=True))
    used = sum(one.servers for one in others) / sum(one.servers for one in ours)
    return f"{name:14}{told}{rate:9.2f}{used:11.2f}"


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.redis", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--commands", type=int, default=50_000, help="of each round, four times as many in pipelines")
    parser.add_argument("--rounds", type=int, default=5, help="of each load (5)")
    parser.add_argument("--root", type=Path, default=Path(), help="where the data directories are made, and removed")
    asked = parser.parse_args()
    asked.root = asked.root.resolve()
    end_by_signal()
    what = missing(client=False) or (
        "" if shutil.which(PROGRAM) else f"the program {PROGRAM} is missing: apt-get install redis-tools"
    )
    if what:
        print(what, file=sys.stderr)
        return 1
    as_client()
    asyncio.run(measure(asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
