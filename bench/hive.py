"""What benchmarks share: a hive that is up, percentiles, what the system says of disks and processes."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.system.daemons import Daemons


@asynccontextmanager
async def running(count: int, *options: str, core: int) -> AsyncIterator[Daemons]:
    """A stable hive of ``count`` daemons, all of them on that processor core; its data goes away with it."""
    with (
        tempfile.TemporaryDirectory(prefix="wrpme-bench-") as directory,
        Daemons(Path(directory), count, *options) as daemons,
    ):
        daemons.start_all(range(count))
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
    """The processor time that these processes have used, all their threads, user and system."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def end_by_signal() -> None:
    """SIGTERM ends a benchmark as Ctrl-C does: with all processes that it started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
