"""wrpmed as it is, which notes how long each batch took on its way to the disk: ``bench.disk`` starts it. They are in a
file of the current directory."""

from __future__ import annotations

import os
import sys
import time
from array import array
from pathlib import Path

from wrpme.core.io import Operation
from wrpme.daemon.main import main
from wrpme.daemon.storage.leveldb import LevelStore


def command(*options: str) -> list[str]:
    """Starts it."""
    return [sys.executable, "-m", "bench.timed", *options]


def file_of(process: int) -> str:
    """Where that process writes."""
    return f"batches-{process}"


def batches_in(path: Path) -> list[tuple[float, float]]:
    """The seconds of each batch so far, and its bytes."""
    content = path.read_bytes()
    numbers = array("d", content[: len(content) // 16 * 16])
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def run() -> None:
    """Runs the daemon."""
    file = os.open(file_of(os.getpid()), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    write = LevelStore.write

    def timed(self: LevelStore, operations: list[Operation], sync: bool) -> None:
        begun = time.perf_counter()
        write(self, operations, sync)
        seconds = time.perf_counter() - begun
        os.write(file, array("d", (seconds, sum(len(key) + len(value or b"") for key, value in operations))).tobytes())

    LevelStore.write = timed  # type: ignore[method-assign]
    main()


if __name__ == "__main__":
    run()
