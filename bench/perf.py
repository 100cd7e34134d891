"""System calls, and where processor time goes below the processes, as perf counts and samples them. It needs the right
to trace (root, usually); without it there is only what /proc tells."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.stages import DISK, HAND_OVER, LOOP, RECEIVE, SEND

CALLS = (
    "epoll_wait", "epoll_pwait", "epoll_ctl", "read", "recvfrom", "recvmsg", "write", "writev", "sendmsg", "sendto",
    "futex", "fdatasync", "fsync", "pread64", "openat", "clock_gettime", "getrusage", "sched_yield", "io_uring_enter",
    "getpid", "mmap", "munmap", "madvise", "brk", "ioctl", "fcntl", "select", "poll", "nanosleep", "clock_nanosleep",
)  # fmt: skip
"""Those that have a line of their own."""
ALL = "sys_enter"
"""All of them together."""
EVENTS = Path("/sys/kernel/tracing/events/syscalls")
SAMPLES_PER_SECOND = 1997
NO_CALL = "no call (interrupts, faults, switches)"
_KERNEL = 1 << 63
_ENTRY = re.compile(r"(?:__x64_sys_|__arm64_sys_|__se_sys_|__do_sys_|ksys_)(\w+)")
_ENTERED = ("do_syscall_64", "entry_SYSCALL_64_after_hwframe", "el0_svc")
_LOCKS = re.compile(r"futex|lll_lock|sem_|cond_|mutex")
_WRAPPER = re.compile(r"(?:__GI_)?_*(?:libc_)?([a-z]\w*?)(?:@.*)?$")
_HEAD = re.compile(r"\s*(\d+)/(\d+)\s*$")
_STAGE_OF = {
    **dict.fromkeys(("epoll_wait", "epoll_pwait", "epoll_ctl", "io_uring_enter"), LOOP),
    **dict.fromkeys(("recvfrom", "recvmsg"), RECEIVE),
    **dict.fromkeys(("sendmsg", "sendto"), SEND),
    **dict.fromkeys(("futex", "sched_yield"), HAND_OVER),
    **dict.fromkeys(("fdatasync", "fsync", "openat", "close", "unlink", "rename"), DISK),
    "pread64": "decide",
}


class Samples:
    """Where processes were when they were looked at, so many times in ``total``: outside of the kernel (``user``), or
    in which of the system ``calls``, and for which of the ``stages`` that is. Interrupts, page faults and switches to
    other processes, which come anywhere, are for none."""

    def __init__(self) -> None:
        self.total = 0
        self.user = 0
        self.calls: Counter[str] = Counter()
        self.stages: Counter[str] = Counter()

    def add(self, stack: Sequence[tuple[int, str]], in_loop: bool) -> None:
        """One look: the addresses and their names, innermost first."""
        self.total += 1
        if not stack or not stack[0][0] & _KERNEL:
            self.user += 1
            return
        names = [name for address, name in stack if address & _KERNEL]
        call = next((found[1] for name in names if (found := _ENTRY.match(name))), "")
        if not call and len(stack) > len(names) and any(name in _ENTERED for name in names):
            call = _called_by(stack[len(names)][1])
        self.calls[call or NO_CALL] += 1
        if any(name.startswith("eventfd_") for name in names):
            stage = HAND_OVER
        elif call in ("read", "write", "writev"):
            stage = (RECEIVE if call == "read" else SEND) if in_loop else DISK
        else:
            stage = _STAGE_OF.get(call, "" if in_loop else DISK)
        if stage:
            self.stages[stage] += 1


def _called_by(name: str) -> str:
    """The system call that a function of the C library makes: on the way in and out the kernel names none."""
    if _LOCKS.search(name):
        return "futex"
    found = _WRAPPER.match(name)
    return found[1] if found is not None and found[1] in CALLS else ""


def samples_in(lines: Iterable[str]) -> Samples:
    """What ``perf script -F pid,tid,ip,sym`` printed."""
    found = Samples()
    stack: list[tuple[int, str]] = []
    head: re.Match[str] | None = None
    for line in (*lines, ""):
        if line.strip():
            if (begun := _HEAD.match(line)) is not None:
                head, stack = begun, []
            elif head is not None:
                address, _, name = line.strip().partition(" ")
                stack.append((int(address, 16), name))
        elif head is not None:
            found.add(stack, head[1] == head[2])
            head = None
    return found


def counts_in(lines: Iterable[str]) -> dict[str, int]:
    """What ``perf stat -x,`` printed."""
    counts: dict[str, int] = {}
    for line in lines:
        fields = line.split(",")
        if len(fields) > 2 and fields[0].isdigit():
            counts[fields[2].rpartition("sys_enter_")[2].rpartition(":")[2]] = int(fields[0])
    return counts


def missing() -> str:
    """Why there is no perf here; empty if there is."""
    if shutil.which("perf") is None:
        return "there is no perf here"
    tried = subprocess.run(
        ["perf", "stat", "-e", "raw_syscalls:sys_enter", "--", "true"], capture_output=True, text=True, check=False
    )
    return "" if tried.returncode == 0 else "perf may not trace here"


class Watch:
    """What perf said; complete when the watching has ended."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.samples = Samples()


@contextmanager
def counting(processes: Sequence[int], directory: Path, watch: Watch) -> Iterator[None]:
    """Counts the system calls of the processes as long as this lasts."""
    told = directory / "perf.stat"
    events = [f"raw_syscalls:{ALL}", *(f"syscalls:sys_enter_{name}" for name in CALLS if _is_traced(name))]
    with _running(["perf", "stat", "-x,", "-o", str(told), "-e", ",".join(events)], processes):
        yield
    watch.counts.update(counts_in(told.read_text().splitlines()))


@contextmanager
def sampling(processes: Sequence[int], directory: Path, watch: Watch) -> Iterator[None]:
    """Looks where the processes are as long as this lasts."""
    data = directory / "perf.data"
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_PER_SECOND), "-g", "-o", str(data)]
    with _running(record, processes):
        yield
    script = ["perf", "script", "-i", str(data), "-F", "pid,tid,ip,sym"]
    lines = subprocess.run(script, capture_output=True, text=True, errors="replace", check=False).stdout.splitlines()
    found = samples_in(lines)
    watch.samples.total += found.total
    watch.samples.user += found.user
    watch.samples.calls.update(found.calls)
    watch.samples.stages.update(found.stages)


def _is_traced(name: str) -> bool:
    return (EVENTS / f"sys_enter_{name}").exists()


@contextmanager
def _running(command: Sequence[str], processes: Sequence[int]) -> Iterator[None]:
    """It is attached when this begins, and ends with it: perf lasts as long as the command that it runs."""
    program = subprocess.Popen(
        [*command, "-p", ",".join(map(str, processes)), "--", "sh", "-c", "echo; read end"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert program.stdout is not None
    program.stdout.readline()
    try:
        yield
    finally:
        program.communicate(b"\n")
