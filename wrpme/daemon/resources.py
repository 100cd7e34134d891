"""What the process and its disk have: memory, space used and space free, for the figures of a node.

The disk is looked at in a thread of its own, one look after the other: where it hangs, nothing else does.
"""

from __future__ import annotations

import os
import resource
import threading
from collections import Counter
from contextlib import suppress

from msgspec.structs import replace

from wrpme.core.io import ProcessStats
from wrpme.daemon.limits import DISK_LOOK_SECONDS
from wrpme.limits import DISK_FREE_BYTES_MIN


def no_core_dumps() -> None:
    """Lets the system write no image of this process to a disk if it crashes: there would be keys in it."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


class Machine:
    """Is started and closed once a process; ``root`` is the data directory, empty where there is none."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._disk = ProcessStats()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="machine", daemon=True)

    def start(self) -> None:
        """Looks at the disk from now on."""
        if self._root:
            self._thread.start()

    def stats(self) -> ProcessStats:
        """Returns the memory of this moment, and what the last look at the disk found."""
        return replace(self._disk, memory_bytes=memory_bytes())

    def close(self) -> None:
        """Begins no further look."""
        self._closed.set()

    def _work(self) -> None:
        while not self._closed.is_set():
            sizes = directory_sizes(self._root)
            self._disk = ProcessStats(
                disk_bytes=sum(sizes.values()),
                disk_free_bytes=free_bytes(self._root) or 0,
                table_bytes=sizes[".ldb"] + sizes[".sst"],
                log_bytes=sizes[".log"],
            )
            self._closed.wait(DISK_LOOK_SECONDS)


def directory_sizes(path: str) -> Counter[str]:
    """Returns the sizes of all files in a directory and below, by the ending of their names; what goes away meanwhile
    does not count."""
    sizes: Counter[str] = Counter()
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    sizes += directory_sizes(entry.path)
                else:
                    sizes[os.path.splitext(entry.name)[1]] += entry.stat(follow_symlinks=False).st_size
    return sizes


def free_bytes(directory: str) -> int | None:
    """Returns what this user may still write on the disk of the directory, which need not be there yet; None where the
    system does not tell."""
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def has_space(directory: str) -> bool:
    """Returns whether a node may come back on the disk of the directory. A quota is only met by trying."""
    free = free_bytes(directory)
    return free is None or free >= DISK_FREE_BYTES_MIN


def memory_bytes() -> int:
    """Returns what this process has in memory; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
