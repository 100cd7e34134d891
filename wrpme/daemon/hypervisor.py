"""Reads what a hypervisor tells a virtual machine of its own pauses.

The VMClock page (include/uapi/linux/vmclock-abi.h of Linux, since 6.13) has two counters in memory, cheap to look at:
one changes when the machine was moved to another host or its clock was disrupted otherwise, the other when it was
loaded from a snapshot. Neither tells how long that took.

The generation id of virtual machines (VMGENID) is for the kernel alone: no interface of it reaches a process.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable

PATH = "/dev/vmclock0"
_MAGIC = b"VCLK"
_VERSION = 1
_DISRUPTION = slice(16, 24)
_GENERATION = slice(104, 112)
"""Zero where the hypervisor does not count that."""


def disruptions(path: str = PATH) -> Callable[[], bytes] | None:
    """Returns a function whose result changes each time the machine's clock was disrupted, or None where nobody tells,
    or this user may not read it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        page = mmap.mmap(file, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ)
    except (OSError, ValueError):
        return None
    finally:
        os.close(file)
    if page[:4] != _MAGIC or int.from_bytes(page[8:10], "little") != _VERSION:
        page.close()
        return None
    whole = int.from_bytes(page[4:8], "little") >= _GENERATION.stop
    return (lambda: page[_DISRUPTION] + page[_GENERATION]) if whole else (lambda: page[_DISRUPTION])
