"""A real redis-server beside a hive, and a connection to either on which commands are said as they are."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self


from tests.programs import program
from tests.system.daemons import PATIENCE_SECONDS, free_port

Command = list[bytes]


def missing() -> str:
    """Why there is no redis-server here, or an empty text."""
    return "" if shutil.which("redis-server") else "there is no redis-server here"


def needed() -> None:
    """Skips a test that compares with a Redis where there is none; fails it where all has to be run."""
    program("redis-server")


class RedisServer:
    """Keeps nothing on disk; ends with the test."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        options = ["--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", str(directory)]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """kill -9, and gone when it returns."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        end = monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                assert monotonic() < end and self._process.poll() is None, "redis-server does not start"
                sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Said:
    """A connection on which commands are answered with bytes, nothing of them interpreted."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()

    def say(self, *commands: Command) -> list[bytes]:
        """Returns the answers to commands that are said in one piece."""
        self._socket.sendall(b"".join(encoded(command) for command in commands))
        return [self._answer() for _ in commands]

    def _answer(self) -> bytes:
        line = self._file.readline()
        assert line.endswith(b"\r\n"), "the connection ended"
        if line[:1] in (b"$", b"=", b"!"):
            size = int(line[1:])
            return line if size < 0 else line + self._file.read(size + 2)
        parts = int(line[1:]) * (2 if line[:1] == b"%" else 1) if line[:1] in b"*~%" else 0
        return line + b"".join(self._answer() for _ in range(max(parts, 0)))


def encoded(command: Command) -> bytes:
    """A command as clients say it."""
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command)
