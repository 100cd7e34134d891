"""Daemons for a benchmark: child processes on free loopback ports, with their data in a directory that goes away."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from wrpme import Client, WrpmeError


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Daemons:
    """A hive of ``count`` daemons; with ``core``, all of them on that processor core."""

    def __init__(self, count: int, *options: str, core: int | None = None) -> None:
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(count)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._options = options
        self._core = core
        self._directory = tempfile.TemporaryDirectory(prefix="wrpme-bench-")

    def start(self, index: int) -> None:
        """Starts one node; the first founds the hive, the others join it."""
        address = self.addresses[index]
        peers = [option for peer in self.addresses if peer != address for option in ("--peer", peer)] if index else []
        log = Path(self._directory.name) / f"{index}.log"
        command = [sys.executable, "-m", "wrpme.daemon", "-a", address, "-l", str(log), *peers, *self._options]
        process = subprocess.Popen(command, cwd=self._directory.name, env={**os.environ, "PYTHONPATH": os.getcwd()})
        self.processes[address] = process
        if self._core is not None:
            os.sched_setaffinity(process.pid, {self._core})

    def kill(self, address: str) -> None:
        """kill -9, and waits until it is gone."""
        process = self.processes.pop(address)
        process.kill()
        process.wait()

    async def __aenter__(self) -> Daemons:
        for index in range(len(self.addresses)):
            self.start(index)
        for _ in range(200):  # until the first answers, at most 10 s
            try:
                async with Client(self.addresses, timeout=20) as client:
                    await client.wait_stable(20)
                    while len((await client.view()).members) < len(self.addresses):
                        await asyncio.sleep(0.05)
                    await client.wait_stable(20)
                    return self
            except WrpmeError:
                await asyncio.sleep(0.05)
        raise SystemExit("the daemons do not answer; see their log")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait()
        self._directory.cleanup()


def percentile(sorted_values: list[float], share: float) -> float:
    """The value below which that share of the values lies; ``nan`` of none."""
    if not sorted_values:
        return float("nan")
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]
