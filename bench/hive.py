"""What benchmarks share: a hive that is up, percentiles, what the system says of disks and processes,
and what work costs beside the same work of another program."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.request import urlopen

from tests.system.daemons import Daemons, wrpmed

_BATCHES = re.compile(r"^wrpme_sync_duration_seconds_count(?:{[^}]*})? (\S+)$", re.MULTILINE)


@asynccontextmanager
async def running(
    count: int,
    *options: str,
    core: int | None,
    root: Path | None = None,
    lean: bool = False,
    command: Callable[..., list[str]] = wrpmed,
) -> AsyncIterator[Daemons]:
    """A stable hive of ``count`` daemons, all of them on that processor core, if one is given; its data, which is kept
    below ``root``, goes away with it. What ``lean`` ones are, and what ``command`` starts, Daemons says."""
    with (
        tempfile.TemporaryDirectory(prefix="wrpme-bench-", dir=root) as directory,
        Daemons(Path(directory), count, *options, lean=lean, command=command) as daemons,
    ):
        daemons.start_all(range(count))
        if core is not None:
            for process in daemons.processes.values():
                os.sched_setaffinity(process.pid, {core})
        await daemons.until_stable()
        yield daemons


def percentile(sorted_values: list[float], share: float) -> float:
    """The value below which that share of the values lies; ``nan`` of none."""
    if not sorted_values:
        return float("nan")
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def file_system(directory: Path) -> str:
    """The kind of file system that a directory is on, and its device."""
    best, shown = "", "an unknown file system"
    for line in Path("/proc/mounts").read_text().splitlines():
        device, at, kind = line.split()[:3]
        if directory.resolve().is_relative_to(at) and len(at) >= len(best):
            best, shown = at, f"{kind} on {device}"
    return shown


def processor_seconds(processes: Iterable[int]) -> float:
    """The processor time that these processes have used, all their threads, user and system, and that of those which
    they have started and which have ended."""
    ended = 0
    running = 0.0
    for process in processes:
        ended += sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[13:15]))
        running += time.clock_gettime(~process << 3 | 2)  # its clock, as clock_getcpuclockid(3) gives it: no ticks
    return running + ended / os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Of one piece of work: its seconds, and the processor seconds of this process, the client, and of the servers."""

    seconds: float
    client: float
    servers: float


async def cost(servers: Sequence[int], work: Callable[[], Awaitable[object]]) -> Cost:
    """Does it once; ``servers`` are the ids of their processes."""
    there, here, begun = processor_seconds(servers), time.process_time(), time.perf_counter()
    await work()
    seconds, used = time.perf_counter() - begun, time.process_time() - here
    return Cost(seconds, used, processor_seconds(servers) - there)


def each(costs: Sequence[Cost], count: int) -> str:
    """The median of their seconds, as a rate, and their mean processor time, for each of the ``count`` things that a
    piece of work is about."""
    client, servers = (sum(times) / len(costs) / count * 1e6 for times in list(zip(*costs, strict=True))[1:])
    return f"{count / median(one.seconds for one in costs):9,.0f}/s  us {client:6.1f} {servers:6.1f}"


def beside(ours: Sequence[Cost], others: Sequence[Cost]) -> str:
    """The ratios to the same work of another program, done in turn: above 1 is in favour of ours."""
    rate = median(other.seconds / our.seconds for our, other in zip(ours, others, strict=True))
    servers = sum(one.servers for one in others) / max(1e-9, sum(one.servers for one in ours))
    both = sum(one.client + one.servers for one in others) / sum(one.client + one.servers for one in ours)
    return f"{rate:5.2f} {servers:8.2f} {both:5.2f}"


def disk_batches(addresses: Iterable[str]) -> int:
    """How many batches these nodes have written since their start, by their metrics."""
    count = 0
    for address in addresses:
        with urlopen(f"http://{address}/metrics") as answer:
            count += sum(int(float(found)) for found in _BATCHES.findall(answer.read().decode()))
    return count


def as_client() -> None:
    """This process runs on the last core, servers run on the first; it may have all files that the system allows."""
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))


def end_by_signal() -> None:
    """SIGTERM ends a benchmark as Ctrl-C does: with all processes that it started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


async def until_quiet(process: int) -> None:
    """What was written is in its place: the process has nothing to do any more."""
    used = processor_seconds([process])
    while True:
        await asyncio.sleep(1.0)
        before, used = used, processor_seconds([process])
        if used - before <= 0.05:
            return
