"""What the figures of a node tell of its process and its disk.

The disk is looked at in a thread of its own, one look after the other: where it hangs, nothing else does.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from wrpme.core.io import ProcessStats
from wrpme.daemon.disk_full import free_bytes
from wrpme.daemon.limits import DISK_LOOK_SECONDS


class Machine:
    """Started and closed once a process; ``root`` is the data directory, empty where there is none."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._disk = (0, 0)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="machine", daemon=True)

    def start(self) -> None:
        """Looks from now on."""
        if self._root:
            self._thread.start()

    def stats(self) -> ProcessStats:
        """Of this moment; of the disk those of the last look."""
        used, free = self._disk
        return ProcessStats(memory_bytes=memory_bytes(), disk_bytes=used, disk_free_bytes=free)

    def close(self) -> None:
        """No further look is begun."""
        self._closed.set()

    def _work(self) -> None:
        while not self._closed.is_set():
            self._disk = (directory_bytes(self._root), free_bytes(self._root) or 0)
            self._closed.wait(DISK_LOOK_SECONDS)


def directory_bytes(path: str) -> int:
    """Sizes of all files in a directory and below; what goes away meanwhile does not count."""
    total = 0
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += directory_bytes(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def memory_bytes() -> int:
    """What this process has in memory; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
