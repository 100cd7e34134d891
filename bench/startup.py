"""How long a single command of wrpmesh takes, beside a Python that does nothing but import asyncio and msgpack.

Usage: python bench/startup.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from wrpme import Client
from wrpme.local import LocalHive

RATIO_MAX = 4.0


def measure(rounds: int, *command: str) -> float:
    """The median time of a command, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return median(times)


async def prepare(hive: LocalHive) -> None:
    """A hive with one entry."""
    hive.start()
    await hive.until_stable(lambda line: None)
    async with Client(hive.addresses) as client:
        await client.update("x", b"content")


def main() -> int:
    """Prints the figures; 1 if the shell is slower than it may be."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    with tempfile.TemporaryDirectory() as directory:
        hive = LocalHive(Path(directory) / "hive", 1, print)
        try:
            asyncio.run(prepare(hive))
            base = measure(rounds, sys.executable, "-c", "import asyncio, msgpack")
            shell = measure(rounds, sys.executable, "-m", "wrpme.shell", "--daemon", hive.addresses[0], "get", "x")
        finally:
            hive.stop()
    print(f"python -c 'import asyncio, msgpack'  {1000 * base:6.1f} ms")
    print(f"wrpmesh get x                        {1000 * shell:6.1f} ms")
    print(f"ratio                                {shell / base:6.2f}, at most {RATIO_MAX:g}")
    return int(shell > RATIO_MAX * base)


if __name__ == "__main__":
    sys.exit(main())
