"""Real daemons for tests: child processes on ports of their own, waited for by what they answer, always ended."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

from tests.system import forked
from tests.system.forked import Forked
from wrpme import Client, WrpmeError
from wrpme.protocol import health
from wrpme.protocol.view import View

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 60.0
"""On a busy machine; nothing is expected to need it."""
POLL_SECONDS = 0.05
LOG_LINES_SHOWN = 60
PORTS = range(12_000, 30_000)
"""Below those that systems give to outgoing connections: a node that is down must find its port free again."""

R = TypeVar("R")
_random = random.Random(os.getpid())
_given: set[int] = set()
"""Of thousands two may well be the same, and who starts second finds it taken."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on now, and that was given to nobody else here."""
    while True:
        port = _random.choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            _given.add(port)
            return port


def environment(source: Path = ROOT) -> dict[str, str]:
    """For programs of the wrpme in that directory."""
    return {**os.environ, "PYTHONPATH": str(source)}


def wrpmed(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wrpme.daemon", *arguments]


def wrpmesh(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wrpme.cli", *arguments]


def finished(
    arguments: Sequence[str], given: bytes | None = None, directory: Path | None = None, source: Path = ROOT
) -> subprocess.CompletedProcess[bytes]:
    """A command that has run to its end, with these bytes or nothing on its standard input."""
    return subprocess.run(
        arguments,
        cwd=directory,
        env=environment(source),
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


async def until(what: str, attempt: Callable[[], Awaitable[R | None]], seconds: float = PATIENCE_SECONDS) -> R:
    """Polls until the attempt gives something else than None or False; errors of the hive count as not yet."""
    end = monotonic() + seconds
    last: object = None
    while monotonic() < end:
        try:
            result = await attempt()
        except WrpmeError as error:
            last = error
        else:
            if result is not None and result is not False:
                return result
        await asyncio.sleep(POLL_SECONDS)
    raise AssertionError(f"after {seconds:g} s still not: {what}" + (f" (last: {last})" if last else ""))


async def until_stable(client: Client, count: int, check: Callable[[], None] = lambda: None) -> View:
    """The view, once it has that many members and the hive is stable; every member has adopted it and serves:
    after a power loss the last view, in which all were up, is there before the hive is."""

    async def attempt() -> View | None:
        check()
        status = await client.hive_status()
        now = status.view
        told = [node.stats for node in status.nodes]
        serving = all(stats is not None and stats.serving and stats.epoch == now.epoch for stats in told)
        return now if len(now.members) == count and serving and health.condition(now).word == "stable" else None

    return await until(f"a stable hive of {count}", attempt)


class Daemons:
    """Nodes in one directory; node 0 founds the hive, the others know all that were there before them. They are forked
    from a process that has loaded wrpmed, unless they are ``lean``: then each has the memory of a daemon alone, and is
    started by that ``command``."""

    def __init__(
        self,
        directory: Path,
        count: int,
        *options: str,
        addresses: Sequence[str] = (),
        lean: bool = False,
        command: Callable[..., list[str]] = wrpmed,
    ) -> None:
        self.directory = directory
        self.addresses = list(addresses) or [f"127.0.0.1:{free_port()}" for _ in range(count)]
        self.processes: dict[int, subprocess.Popen[bytes] | Forked] = {}
        self.started: dict[int, float] = {}
        self.advertised: list[str] = []
        """Where others reach these nodes, if not at their addresses."""
        self.sources: dict[int, Path] = {}
        """Where the wrpme of a node is, if it is another one than this."""
        self.options = options
        """Of wrpmed, for nodes that are started from now on."""
        self._lean = lean
        self._command = command

    def known_to(self, index: int) -> list[str]:
        """The addresses that it is started with."""
        return (self.advertised or self.addresses)[:index]

    def start(self, index: int, prepare: Callable[[], None] | None = None) -> None:
        """Starts it; where it stands with the hive is for the caller to wait for. ``prepare`` is called in the new
        process before it is a node."""
        assert index not in self.processes
        peers = [option for peer in self.known_to(index) for option in ("--peer", peer)]
        if self.advertised:
            peers += ["--advertise", self.advertised[index]]
        options = ["-a", self.addresses[index], "-l", f"{index}.log", *peers, *self.options]
        source = self.sources.get(index, ROOT)
        with open(self.directory / f"{index}.err", "ab") as errors:
            if self._lean or prepare or source != ROOT:
                self.processes[index] = subprocess.Popen(
                    self._command(*options),
                    cwd=self.directory,
                    env=environment(source),
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    preexec_fn=prepare,
                )
            else:
                self.processes[index] = forked.wrpmed(options, errors, self.directory, environment())
        self.started[index] = monotonic()

    def kill(self, *indexes: int) -> None:
        """kill -9, and gone when it returns; several at once is a power loss."""
        for index in indexes:
            self.processes[index].kill()
        for index in indexes:
            self.processes.pop(index).wait()

    def terminate(self, *indexes: int) -> None:
        """Planned stops, all at once; each must end with 0."""
        for index in indexes:
            self.processes[index].send_signal(signal.SIGTERM)
        for index in indexes:
            assert self.processes.pop(index).wait(PATIENCE_SECONDS) == 0, f"node {index}"

    def start_all(self, order: Iterable[int]) -> None:
        for index in order:
            self.start(index)

    async def until_stable(self, count: int | None = None) -> View:
        """See :func:`until_stable`; through any node."""
        async with Client(self.addresses, timeout=2.0) as client:
            return await until_stable(client, count or len(self.processes), self.check_running)

    def check_running(self) -> None:
        """All that were started run."""
        for index, process in self.processes.items():
            assert process.poll() is None, f"node {index} ended with {process.poll()}"

    async def all_stable(self, count: int) -> None:
        """Starts whoever does not run, also if the test before failed, and waits until all are stable."""
        self.start_all(index for index in range(count) if index not in self.processes)
        await self.until_stable(count)

    def check_alive(self) -> None:
        """All that were started run, and no log has a traceback."""
        self.check_running()
        for index in range(len(self.addresses)):
            for path in (self.directory / f"{index}.err", self.directory / f"{index}.log"):
                text = path.read_text("utf-8", "replace") if path.exists() else ""
                assert "Traceback" not in text and "defect" not in text, f"{path.name}: {text[-2000:]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        if error is not None:
            self._show_logs()

    def _show_logs(self) -> None:
        for index, address in enumerate(self.addresses):
            for path in (self.directory / f"{index}.err", self.directory / f"{index}.log"):
                if path.exists() and (lines := path.read_text("utf-8", "replace").splitlines()):
                    print(f"--- node {index}, {address}: {path.name}", *lines[-LOG_LINES_SHOWN:], sep="\n")


@contextmanager
def stable_hive(directory: Path, count: int) -> Iterator[Daemons]:
    """A hive that tests share: it is stable, and after them all of it still runs, without a defect."""
    with Daemons(directory, count) as daemons:
        asyncio.run(daemons.all_stable(count))
        yield daemons
        daemons.check_alive()
