"""A backup of a whole hive and its way back, beside many reads and writes: ``python -m bench.backup``.

A hive of three on the first core gets so many entries; then ``get_many`` reads all, ``wrpmesh hive_backup`` saves all,
``hive_restore --replace`` brings all back (to compare them is a part of it), and ``put_many`` has written all before.
Printed are entries a second, processor time for each entry of the client and of the servers, the most memory that the
client had, and the rate as a ratio: a backup to ``get_many``, a restore to ``put_many``, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from bench.hive import Cost, as_client, cost, end_by_signal, file_system, running
from tests.system.daemons import Daemons, environment, wrpmesh
from wrpme import Client

NODES = 3
BATCH = 5000
CONTENT_BYTES = 100


def alias(number: int) -> str:
    return f"entry/{number:09d}"


async def write(client: Client, entries: int) -> None:
    """Puts all, some at a time."""
    for first in range(0, entries, BATCH):
        numbers = range(first, min(entries, first + BATCH))
        outcomes = await client.put_many({alias(at): b"%0*d" % (CONTENT_BYTES, at) for at in numbers})
        assert all(isinstance(outcome, int) for outcome in outcomes), "each of them is there"


async def read(client: Client, entries: int) -> None:
    """Gets all, some at a time."""
    for first in range(0, entries, BATCH):
        found = await client.get_many([alias(at) for at in range(first, min(entries, first + BATCH))])
        assert None not in found, "each of them is there"


async def command(hive: Daemons, memory: list[int], *words: str) -> None:
    """Runs a command of the shell; ``memory`` gets the most KiB that it had."""
    told = wrpmesh("--daemon", hive.addresses[0], "--timeout", "60", *words)
    process = await asyncio.create_subprocess_exec(
        *told,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    most = 0
    while process.returncode is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            most = max(most, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(process.wait())), 0.05)
        except (FileNotFoundError, ProcessLookupError):
            await process.wait()
        except TimeoutError:
            continue
    assert process.returncode == 0, f"{words[0]} failed: {await process.stdout.read() if process.stdout else b''!r}"
    memory.append(most)


async def measure(asked: argparse.Namespace) -> None:
    """Prints the table."""
    count, memory = asked.entries, list[int]()
    async with running(NODES, "--replication", "2", core=0, root=asked.root) as hive:
        servers = [process.pid for process in hive.processes.values()]
        with tempfile.TemporaryDirectory(dir=asked.root) as directory:
            file = str(Path(directory) / "hive.backup")
            async with Client(hive.addresses, timeout=60.0) as client:
                put = await cost(servers, lambda: write(client, count))
                get = await cost(servers, lambda: read(client, count))
            saved = await _of_command(hive, servers, memory, "hive_backup", file)
            restored = await _of_command(hive, servers, memory, "hive_restore", "--replace", file)
            size = os.path.getsize(file)
    print(f"{count:,} entries of {CONTENT_BYTES} bytes, {NODES} nodes, 2 copies, {file_system(asked.root)}")
    print(f"{'':14}{'a second':>12}{'client us':>11}{'servers us':>12}{'ratio':>8}{'memory':>10}")
    for name, one, other, most in (
        ("put_many", put, put, 0), ("get_many", get, get, 0), ("hive_backup", saved, get, memory[0]),
        ("hive_restore", restored, put, memory[1]),
    ):  # fmt: skip
        used = f"{1e6 * one.client / count:11.1f}{1e6 * one.servers / count:12.1f}"
        told = f"{most / 1024:6.0f} MiB" if most else ""
        print(f"{name:14}{count / one.seconds:12,.0f}{used}{other.seconds / one.seconds:8.2f}{told:>10}")
    print(f"the file has {size / count:.0f} bytes for each entry")


async def _of_command(hive: Daemons, servers: list[int], memory: list[int], *words: str) -> Cost:
    """What it costs; its client is another process than this one."""
    before = os.times()
    found = await cost(servers, lambda: command(hive, memory, *words))
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return found._replace(client=used)


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.backup", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--root", type=Path, default=Path(), help="where data and backup are made, and removed")
    asked = parser.parse_args()
    asked.root = asked.root.resolve()
    end_by_signal()
    as_client()
    asyncio.run(measure(asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
