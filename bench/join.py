"""From the start of the third node's process until the hive is stable with it.

Usage: python -m bench.join [ROUNDS]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench.hive import percentile
from tests.system.daemons import Daemons, until_stable
from wrpme import Client

GOAL_SECONDS = 1.0
ENTRIES = 1000


async def join_once(daemons: Daemons) -> float:
    """The seconds that it took the third node; the other two hold entries, part of which move."""
    daemons.start_all([0, 1])
    await daemons.until_stable(2)
    async with Client(daemons.addresses[:2]) as client:
        await asyncio.gather(*(client.put(f"entry/{number}", b"content") for number in range(ENTRIES)))
        start = time.perf_counter()
        daemons.start(2)
        await until_stable(client, 3, daemons.check_running)
        return time.perf_counter() - start


def main() -> int:
    """Prints the figures; 1 if half of the rounds took longer than the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=7)
    rounds = parser.parse_args().rounds
    times: list[float] = []
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="wrpme-bench-") as directory, Daemons(Path(directory), 3) as daemons:
            times.append(asyncio.run(join_once(daemons)))
        print(f"round {number}: the third node joined a hive with {ENTRIES} entries in {times[-1]:.2f} s")
    times.sort()
    print(f"fastest {times[0]:.2f} s, median {percentile(times, 0.5):.2f} s, slowest {times[-1]:.2f} s")
    print(f"the goal is {GOAL_SECONDS:g} s")
    return int(percentile(times, 0.5) > GOAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
