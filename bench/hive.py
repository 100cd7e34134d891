"""What benchmarks share: a hive that is up, and percentiles."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.hive.daemons import Daemons


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
