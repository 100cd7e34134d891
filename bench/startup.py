"""How long a single command of wrpmesh takes, beside a Python that does nothing but import asyncio and msgpack.

Usage: python -m bench.startup [ROUNDS]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from wrpme import Client
from wrpme.shell.local_hive import LocalHive

RATIO_MAX = 4.0


def measure(rounds: int, *commands: list[str]) -> list[float]:
    """The median time of each command, in seconds; in turn, so that what else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(rounds):
        for command, taken in zip(commands, times, strict=True):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - start)
    return [median(taken) for taken in times]


async def prepare(hive: LocalHive) -> None:
    """A hive with one entry."""
    hive.start()
    await hive.until_stable(lambda line: None)
    async with Client(hive.addresses) as client:
        await client.update("x", b"content")


def main() -> int:
    """Prints the figures; 1 if the shell is slower than it may be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=21)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        hive = LocalHive(Path(directory) / "hive", 1, print)
        try:
            asyncio.run(prepare(hive))
            nothing = [sys.executable, "-c", "import asyncio, msgpack"]
            get = [sys.executable, "-m", "wrpme.cli", "--daemon", hive.addresses[0], "get", "x"]
            base, shell = measure(rounds, nothing, get)
        finally:
            hive.stop()
    print(f"python -c 'import asyncio, msgpack'  {1000 * base:6.1f} ms")
    print(f"wrpmesh get x                        {1000 * shell:6.1f} ms")
    print(f"ratio                                {shell / base:6.2f}, at most {RATIO_MAX:g}")
    return int(shell > RATIO_MAX * base)


if __name__ == "__main__":
    sys.exit(main())
