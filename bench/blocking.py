"""What the blocking client costs beside the asynchronous one, one request in flight: ``python -m bench.blocking``.

The daemons run on one core, the clients on another. For a hive of one node and one of three, each without TLS and with
it, for get and update: the operations per second of both clients and their processor time per operation, in turns in
the same run, and the ratios. A ratio above 1 is in favour of the blocking client.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.hive import running
from tests.certificates import Authority
from wrpme import BlockingClient, Client, TlsFiles

CONTENT = b"x" * 100
ALIASES = [f"entry:{number}" for number in range(2000)]
TURNS = 5
Turn = tuple[float, float]
"""Operations per second, and microseconds of the processor per operation."""


def rated(began: tuple[float, float], operations: int) -> Turn:
    """What that many operations cost since then."""
    return operations / (time.perf_counter() - began[0]), (time.process_time() - began[1]) / operations * 1e6


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


async def turn_of_async(client: Client, word: str, seconds: float) -> Turn:
    count, began = 0, now()
    while time.perf_counter() < began[0] + seconds:
        alias = ALIASES[count % len(ALIASES)]
        await (client.get(alias) if word == "get" else client.update(alias, CONTENT))
        count += 1
    return rated(began, count)


def turn_of_blocking(client: BlockingClient, word: str, seconds: float) -> Turn:
    count, began = 0, now()
    while time.perf_counter() < began[0] + seconds:
        alias = ALIASES[count % len(ALIASES)]
        if word == "get":
            client.get(alias)
        else:
            client.update(alias, CONTENT)
        count += 1
    return rated(began, count)


async def compare(addresses: Sequence[str], tls: TlsFiles | None, word: str, seconds: float) -> None:
    """Prints one line."""
    async with Client(addresses, tls=tls) as client:
        with BlockingClient(addresses, tls=tls) as blocking:
            for alias in ALIASES:
                await client.update(alias, CONTENT)
            turn_of_blocking(blocking, word, seconds / 4)  # its connections are made
            turns = [
                (await turn_of_async(client, word, seconds), turn_of_blocking(blocking, word, seconds))
                for _ in range(TURNS)
            ]
    rates = [median(turn[side][0] for turn in turns) for side in (0, 1)]
    costs = [median(turn[side][1] for turn in turns) for side in (0, 1)]
    speed = median(blocking[0] / asynchronous[0] for asynchronous, blocking in turns)
    cost = median(asynchronous[1] / blocking[1] for asynchronous, blocking in turns)
    print(
        f"{len(addresses)} nodes  {'TLS' if tls else 'plain':6} {word:7} async {rates[0]:8,.0f}/s {costs[0]:6.1f} us   "
        f"blocking {rates[1]:8,.0f}/s {costs[1]:6.1f} us   ratio of rates {speed:.2f}, of processor time {cost:.2f}",
        flush=True,
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    with tempfile.TemporaryDirectory(prefix="wrpme-bench-") as directory:
        files = Authority(Path(directory)).issue("node")
        options = [
            "--tls-mode",
            "prefer",
            "--tls-cert",
            files.certificate,
            "--tls-key",
            files.key,
            "--tls-ca",
            files.ca,
        ]
        for count in (1, 3):
            for tls in (None, TlsFiles(ca=files.ca)):
                async with running(count, *(options if tls else ()), core=0) as hive:
                    for word in ("get", "update"):
                        await compare(hive.addresses, tls, word, asked.seconds)


if __name__ == "__main__":
    asyncio.run(main())
