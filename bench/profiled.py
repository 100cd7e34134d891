"""wrpmed as it is, with the processor time of its stages taken: ``bench.profile`` starts it. SIGUSR2 writes what was
counted so far to a file of the current directory."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from bench.stages import Account
from wrpme.daemon.main import main


def command(*options: str) -> list[str]:
    """Starts it."""
    return [sys.executable, "-m", "bench.profiled", *options]


def file_of(process: int) -> str:
    """Where that process writes."""
    return f"profile-{process}.json"


def write(account: Account) -> None:
    """Writes what was counted; the loop calls it, as inside of what is watched the account is not complete."""
    disk = next((thread for thread in threading.enumerate() if thread.name == "disk"), None)
    in_disk = 0
    if disk is not None and disk.ident is not None:
        in_disk = time.clock_gettime_ns(time.pthread_getcpuclockid(disk.ident))
    snapshot = account.snapshot(time.thread_time_ns(), in_disk, time.process_time_ns())
    path = Path(file_of(os.getpid()))
    path.with_suffix(".new").write_bytes(msgspec.json.encode(snapshot))
    path.with_suffix(".new").rename(path)


def run() -> None:
    """Runs the daemon."""
    account = Account()
    account.install()

    def soon(_number: object, _frame: object) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(write, account)

    signal.signal(signal.SIGUSR2, soon)
    main()


if __name__ == "__main__":
    run()
