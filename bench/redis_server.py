"""A Redis as Debian ships it, and what of it is missing on this machine."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.system.daemons import free_port, until

PROGRAM = "redis-server"
CLIENT = "redis"
SYNCED = ("--appendonly", "yes", "--appendfsync", "always")
"""Writes are on the disk before they are answered, as those of wrpme are."""


def missing(client: bool = True) -> str:
    """What to install first, redis-py only if the ``client`` is wanted; empty if all is there."""
    if shutil.which(PROGRAM) is None:
        return f"the program {PROGRAM} is missing: apt-get install {PROGRAM}"
    if client and importlib.util.find_spec(CLIENT) is None:
        return f"the package {CLIENT} is missing: pip install {CLIENT}"
    return ""


class Redis:
    """One server on the loopback with a port and a data directory of its own, on that processor core; it ends with
    this."""

    def __init__(self, directory: Path, *options: str, core: int) -> None:
        self.port = free_port()
        self._core = core
        self._directory = directory
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> Redis:
        program = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        program += ["--save", "", *self._options]
        with open(self._directory / "redis.log", "ab") as log:
            self.process = subprocess.Popen(
                program,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, {self._core}),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def until_served(self) -> None:
        """It answers."""

        async def attempt() -> bool:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return False
            writer.write(command(b"PING"))
            answer = await reader.readline()
            writer.close()
            return answer == b"+PONG\r\n"

        await until("a Redis that answers", attempt)

    def client(self) -> Any:
        """One of redis-py, which has no types that hold whether it is there or not."""
        import redis

        return redis.Redis(port=self.port)


def command(*words: bytes) -> bytes:
    """A request as it is on the wire."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
