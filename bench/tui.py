"""The dashboard as an operator meets it, on a real terminal and a real hive: ``python -m bench.tui``.

Prints, each beside its goal: how long a picture of the ring takes; the processor time of the app on a quiet hive of
three nodes and on one that serves 10,000 operations a second; from the start to the ring on the screen; from a decided
view to the changed screen; from a key to its effect; and what an hour of events leaves in memory. The exit code is 1
if a goal is missed.

The app runs at 120 x 40 on a pseudo-terminal of its own, the clocks compared are those of one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from statistics import median

from bench import tui_memory, tui_ring
from bench.hive import end_by_signal, percentile, processor_seconds, running
from tests.system.daemons import Daemons, environment, wrpmesh
from wrpme import Client
from wrpme.client.watch.records import EventSeen, WatchRecord

COLUMNS, ROWS = 120, 40
QUIET_SHARE_MAX = 0.03
LOADED_SHARE_MAX = 0.10
VIEW_SECONDS_MAX = 0.150
KEY_SECONDS_MAX = 0.050
START_SECONDS_MAX = 1.5
REST_SECONDS = 0.3
"""Once nothing was written for so long, what was begun is drawn."""
DEATH_SECONDS_MAX = 3.0
OPERATIONS_PER_SECOND = 10_000
_CODES = re.compile(rb"\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b\][^\x07]*\x07")


class App:
    """wrpmesh on a pseudo-terminal; what it writes comes as text without codes."""

    def __init__(self, pid: int, terminal: int) -> None:
        self.pid = pid
        self._terminal = terminal
        self._loop = asyncio.get_running_loop()
        self._text = b""
        self._news = asyncio.Event()
        self._loop.add_reader(terminal, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._terminal, 1 << 16)
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._terminal)
            return
        self._text = (self._text + data)[-(1 << 20) :]
        self._news.set()

    def close(self) -> None:
        """Nothing more is read."""
        self._loop.remove_reader(self._terminal)

    def press(self, keys: bytes) -> None:
        """Types; what was written before is forgotten."""
        self._text = b""
        self._news.clear()
        os.write(self._terminal, keys)

    async def until(self, pattern: bytes, seconds: float = 30.0) -> float:
        """When (wall clock) what it has written since the last key has the pattern."""
        async with asyncio.timeout(seconds):
            while re.search(pattern, _CODES.sub(b"", self._text)) is None:
                self._news.clear()
                await self._news.wait()
        return time.time()

    async def at_rest(self, seconds: float) -> None:
        """Nothing is written for so long."""
        while True:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return

    async def processor_share(self, seconds: float) -> float:
        """Of one core, over that time."""
        before, began = processor_seconds([self.pid]), time.monotonic()
        await asyncio.sleep(seconds)
        return (processor_seconds([self.pid]) - before) / (time.monotonic() - began)


@contextmanager
def opened(*options: str) -> Iterator[App]:
    """The dashboard with these options; it is ended and waited for."""
    with tempfile.TemporaryDirectory(prefix="wrpme-bench-") as home:
        values = {**environment(), "HOME": home, "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor"}
        for name in ("NO_COLOR", "LC_ALL", "XDG_STATE_HOME"):
            values.pop(name, None)
        command = wrpmesh("--tui", *options)
        pid, terminal = pty.fork()
        if not pid:
            os.execvpe(command[0], command, values)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        app = App(pid, terminal)
        try:
            yield app
        finally:
            app.close()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)


class Report:
    """Prints figures beside their goals, and remembers whether one was missed."""

    def __init__(self) -> None:
        self.missed = 0

    def line(self, what: str, value: float, goal: float, unit: str, scale: float = 1.0) -> None:
        """One figure."""
        missed = value > goal
        self.missed += missed
        shown = f"{value * scale:9.2f} {unit:3}   goal: under {goal * scale:g} {unit}{'   MISSED' if missed else ''}"
        print(f"{what:56}{shown}", flush=True)


async def measure_start(report: Report, daemons: Daemons, rounds: int) -> None:
    """From the command to the ring with its nodes."""
    times = []
    for _ in range(rounds):
        began = time.time()
        with opened("--daemon", daemons.addresses[0]) as app:
            times.append(await app.until(rb"STABLE.*3 nodes") - began)
    report.line("from the start to the ring on the screen, median", median(times), START_SECONDS_MAX, "s")


async def measure_processor(report: Report, daemons: Daemons, seconds: float) -> None:
    """Quiet, then under load; the load comes from callers of the library, at a steady rate."""
    with opened("--daemon", daemons.addresses[0]) as app:
        await app.until(rb"STABLE")
        await asyncio.sleep(3.0)  # what it does once, at its start, is not what is measured
        share = await app.processor_share(seconds)
        report.line("processor, three quiet nodes", share, QUIET_SHARE_MAX, "%", 100.0)
        load = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.tui", "--load", *daemons.addresses, "--seconds", f"{seconds + 6:g}",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert load.stdout is not None
        await load.stdout.readline()  # it has begun
        share = await app.processor_share(seconds)
        out, _ = await load.communicate()
        rate = float(out)
        report.line(f"processor, {rate:,.0f} operations a second", share, LOADED_SHARE_MAX, "%", 100.0)


async def load(addresses: list[str], seconds: float) -> None:
    """Makes ``OPERATIONS_PER_SECOND`` gets, or as many as there can be; says that it has begun,
    and then how many it were."""
    async with Client(addresses) as client:
        for number in range(100):
            await client.update(f"entry-{number}", b"x" * 100)
        print("begun", flush=True)
        count, began = 0, time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            wanted = int(passed * OPERATIONS_PER_SECOND) - count
            if wanted <= 0:
                await asyncio.sleep(0.005)
                continue
            batch = min(wanted, 500)
            await asyncio.gather(*(client.get(f"entry-{(count + at) % 100}") for at in range(batch)))
            count += batch
    print(count / seconds)


async def measure_view(report: Report, daemons: Daemons, rounds: int) -> None:
    """From a view that a node has decided to its epoch on the screen: a node stops as planned, and starts again."""
    delays = []
    with opened("--daemon", daemons.addresses[0]) as app:
        async with Client(daemons.addresses[0]) as client:
            for _ in range(rounds):
                await app.until(rb"STABLE")
                await daemons.until_stable(3)
                epoch = (await client.view()).epoch
                await app.at_rest(REST_SECONDS)
                app.press(b"")
                async with client.watch() as watching:
                    await anext(watching)  # from here on nothing is missed
                    await client.stop_node(daemons.addresses[2])
                    seen = await app.until(rb"epoch %d" % (epoch + 1))
                    delays.append(seen - await _decided(watching, epoch + 1))
                daemons.processes.pop(2).wait()
                daemons.start(2)
                await daemons.until_stable(3)
    delays.sort()
    report.line(f"from a decided view to the screen, median of {rounds}", median(delays), VIEW_SECONDS_MAX, "ms", 1e3)
    report.line("the same, the slowest", delays[-1], VIEW_SECONDS_MAX, "ms", 1000.0)


async def _decided(watching: AsyncIterator[WatchRecord], epoch: int) -> float:
    """When (wall clock of the node, milliseconds) the view of that epoch was adopted by whoever told it first."""
    async for sighting in watching:
        if isinstance(sighting, EventSeen) and sighting.event.kind == "view":
            if sighting.event.epoch == epoch:
                return sighting.event.at / 1000
    raise AssertionError("a watch does not end")


async def measure_death(report: Report, daemons: Daemons, rounds: int) -> None:
    """From kill -9 of a node to the first word of it on the screen."""
    delays = []
    for _ in range(rounds):
        with opened("--daemon", daemons.addresses[0]) as app:
            await app.until(rb"STABLE")
            await app.at_rest(REST_SECONDS)
            app.press(b"")
            killed = time.time()
            daemons.kill(2)
            row = re.escape(daemons.addresses[2].encode()) + rb" +(suspected|no answer|down)"  # in the table of nodes
            delays.append(await app.until(row) - killed)
        daemons.start(2)
        await daemons.until_stable(3)
    report.line(f"from kill -9 to the word on the screen, slowest of {rounds}", max(delays), DEATH_SECONDS_MAX, "s")


async def measure_keys(report: Report, daemons: Daemons, rounds: int) -> None:
    """From a key to what it writes: letters in the shell, and moves of the cursor in the table of nodes."""
    for what, prepare, keys in (
        ("a letter in the shell", b"", [b"x", b"\x7f"]),
        ("the cursor in the nodes, with the ring", b"\x1b", [b"j", b"k"]),
    ):
        with opened("--daemon", daemons.addresses[0]) as app:
            await app.until(rb"STABLE")
            if prepare:
                app.press(prepare)
            await app.at_rest(REST_SECONDS)
            delays = []
            for number in range(rounds):
                await app.at_rest(0.08)
                began = time.time()
                app.press(keys[number % 2])
                delays.append(await app.until(rb"[^\s]") - began)
            delays.sort()
        report.line(f"from a key to its effect: {what}, median", median(delays), KEY_SECONDS_MAX, "ms", 1000.0)
        report.line("  the 99th percentile", percentile(delays, 0.99), KEY_SECONDS_MAX, "ms", 1000.0)


async def measure(report: Report, asked: argparse.Namespace) -> None:
    """All that needs a hive."""
    async with running(3, core=0) as daemons:
        for process in daemons.processes.values():
            os.sched_setaffinity(process.pid, range(os.cpu_count() or 1))
        await measure_start(report, daemons, 5)
        await measure_keys(report, daemons, asked.rounds * 10)
        await measure_view(report, daemons, asked.rounds)
        await measure_death(report, daemons, 3)
        await measure_processor(report, daemons, asked.seconds)


def main() -> int:
    """Prints all figures; 1 if a goal was missed."""
    end_by_signal()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement of the processor")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--load", nargs="+", metavar="HOST:PORT", help="only make the load")
    asked = parser.parse_args()
    if asked.load:
        asyncio.run(load(asked.load, asked.seconds))
        return 0
    report = Report()
    asyncio.run(measure(report, asked))
    print("\nThe ring:")
    tui_ring.main()
    print("\nMemory:")
    missed = tui_memory.main()
    return int(report.missed > 0 or missed > 0)


if __name__ == "__main__":
    sys.exit(main())
