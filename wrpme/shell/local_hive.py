"""A hive on this machine for trials: its nodes are child processes on loopback, its data is in ``./hive``.

Each node keeps its directory and its port between runs, so a hive that is started again has its entries again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from itertools import count as count_from
from pathlib import Path
from time import monotonic

from wrpme import errors
from wrpme.client.client import Client
from wrpme.limits import LOCAL_NODES_MAX, STOP_SECONDS_MAX
from wrpme.shell.console import Console
from wrpme.shell.limits import LOCAL_ASK_SECONDS, LOCAL_START_SECONDS_MAX, PORTS_TRIED_MAX
from wrpme.protocol import health

HOST = "127.0.0.1"
PORT = 5909


class LocalHive:
    """``count`` nodes in ``directory``, or as many as it holds the data of; ``say`` takes lines for the operator.
    Nodes are numbered from 1.

    Raises:
        StorageError: the directory can't be used, or another shell uses it.
    """

    def __init__(self, directory: Path, count: int, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._say = say
        self._record = directory / "ports"
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._paused: set[int] = set()
        self._restarting: set[int] = set()
        self._stopped = False
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            kept = [int(path.name.removeprefix("node-")) for path in directory.glob("node-*") if path.is_dir()]
            self._ports = self._assign(max([count, *kept]))
        except BlockingIOError:
            raise errors.StorageError(
                f"another wrpmesh runs the hive in {directory.absolute()}; talk to it with wrpmesh --daemon {HOST}:PORT"
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise errors.StorageError(f"{directory.absolute()} can't be used for a hive ({reason})") from None
        self._kept = sorted(kept)
        if len(self._ports) > count:
            say(f"{directory} holds the data of {len(self._ports)} nodes, so all of them are started")

    @property
    def addresses(self) -> list[str]:
        """The addresses of all nodes, in the order of their numbers."""
        return [f"{HOST}:{port}" for port in self._ports.values()]

    def _assign(self, count: int) -> dict[int, int]:
        """Returns the port of each node: the one of the last run, else the next free one."""
        ports: dict[int, int] = {}
        if self._record.exists():
            lines = filter(None, self._record.read_text().split("\n"))
            ports = {int(number): int(port) for number, port in map(str.split, lines)}
        for number in range(1, count + 1):
            others = {port for other, port in ports.items() if other != number}
            wanted = ports.get(number) or next(port for port in count_from(PORT) if port not in others)
            ports[number] = _free_port(wanted, others)
            if ports[number] != wanted:
                self._say(f"port {wanted} is taken by another program: node {number} listens on {ports[number]}")
        return {number: ports[number] for number in sorted(ports)}

    def start(self) -> None:
        """Starts all nodes; the first one founds the hive where there is none yet.

        Raises:
            StartError: the system has no room for one more process.
        """
        for number in self._ports:
            self._launch(number, self._kept or [1])

    def _launch(self, number: int, peers: Iterable[int]) -> None:
        if self._stopped:
            raise errors.StartError("the hive has been stopped")
        log = self._directory / f"node-{number}.log"
        command = [sys.executable, "-m", "wrpme.daemon", "-a", self._address(number)]
        command += ["-r", str(self._directory / f"node-{number}"), "-l", str(log)]
        for other in peers:
            if other != number:
                command += ["--peer", self._address(other)]
        try:
            with open(log, "ab", opener=_private) as file:
                # A session of its own: Ctrl-C in the terminal is for the shell, which stops the nodes in its time.
                self._processes[number] = subprocess.Popen(
                    command,
                    env={name: value for name, value in os.environ.items() if not name.startswith("WRPME_")},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
        except OSError as error:
            raise errors.StartError(f"node {number} can't be started ({error.strerror or error})") from None

    async def until_stable(self, progress: Callable[[str], None]) -> None:
        """Returns when all nodes are up and the hive is stable.

        Raises:
            StartError: a node ended.
            TimeoutError: it took longer than ``LOCAL_START_SECONDS_MAX``.
        """
        end = monotonic() + LOCAL_START_SECONDS_MAX
        wanted = len(self._ports)
        state = "no node answers yet"
        async with Client(self.addresses, timeout=1.0) as client:
            while monotonic() < end:
                self._check_alive()
                try:
                    status = await client.hive_status()
                except errors.WrpmeError:
                    pass
                else:
                    now = status.view
                    up = sum(node.stats is not None and node.stats.epoch == now.epoch for node in status.nodes)
                    condition = health.condition(now)
                    if up == wanted and condition.word == "stable":
                        self._remember()
                        return
                    state = f"{up} of {wanted} nodes are up, {condition.word}"
                progress(f"starting a hive of {wanted} nodes: {state}")
                await asyncio.sleep(LOCAL_ASK_SECONDS)
        logs = self._directory.absolute()
        raise errors.TimeoutError(f"after {LOCAL_START_SECONDS_MAX:g} s: {state}; the logs are in {logs}")

    def _remember(self) -> None:
        self._record.write_text("".join(f"{number} {port}\n" for number, port in self._ports.items()))

    def _check_alive(self) -> None:
        for number, process in self._processes.items():
            code = process.poll()
            if code is not None:
                log = self._directory / f"node-{number}.log"
                said = log.read_text("utf-8", "replace").strip().split("\n")[-1] or f"it ended with code {code}"
                raise errors.StartError(f"node {number} at {HOST}:{self._ports[number]} does not run: {said}")

    # --- one node ------------------------------------------------------------------------------------------------

    def _address(self, number: int) -> str:
        return f"{HOST}:{self._ports[number]}"

    def number_at(self, address: str) -> int | None:
        """Returns the number of the node at that address, or None where this hive has no such node."""
        return next((number for number in self._ports if self._address(number) == address), None)

    def is_running(self, number: int) -> bool:
        """Returns whether the process of the node lives, paused or not."""
        process = self._processes.get(number)
        return process is not None and process.poll() is None

    def is_paused(self, number: int) -> bool:
        """Returns whether the process of the node lives and is paused."""
        return number in self._paused and self.is_running(number)

    def kill(self, number: int) -> None:
        """Kills the process of the node (SIGKILL).

        Raises:
            UsageError: it does not run.
        """
        self._running(number).kill()
        self._paused.discard(number)

    def pause(self, number: int) -> None:
        """Pauses the process of the node (SIGSTOP): it hangs, and its connections stay open.

        Raises:
            UsageError: it does not run, or is paused.
        """
        process = self._running(number)
        if self.is_paused(number):
            raise errors.UsageError(f"node {number} at {self._address(number)} is paused already")
        process.send_signal(signal.SIGSTOP)
        self._paused.add(number)

    def resume(self, number: int) -> None:
        """Resumes the process of the node (SIGCONT), for which no time has passed.

        Raises:
            UsageError: it does not run, or is not paused.
        """
        process = self._running(number)
        if not self.is_paused(number):
            raise errors.UsageError(f"node {number} at {self._address(number)} is not paused")
        process.send_signal(signal.SIGCONT)
        self._paused.discard(number)

    async def restart(self, number: int) -> None:
        """Starts the node, after a planned stop if it runs; returns when its process has begun.

        Raises:
            UsageError: it is being restarted already.
            StartError: its port is taken, or the system has no room for one more process.
        """
        port = self._port_of(number)
        if number in self._restarting:
            raise errors.UsageError(f"node {number} at {self._address(number)} is being restarted already")
        self._restarting.add(number)
        try:
            if self.is_running(number):
                await self._end(self._processes[number])
            self._paused.discard(number)
            if not _is_free(port):
                raise errors.StartError(f"node {number} can't be started: port {port} is taken by another program")
            self._launch(number, self._ports)
        finally:
            self._restarting.discard(number)

    async def _end(self, process: subprocess.Popen[bytes]) -> None:
        _ask_to_stop(process)
        end = monotonic() + STOP_SECONDS_MAX + 1
        while process.poll() is None:
            if monotonic() >= end:
                process.kill()
            await asyncio.sleep(LOCAL_ASK_SECONDS)

    def add(self) -> int:
        """Starts one more node, which joins the others and belongs to the hive from then on. Returns its number.

        Raises:
            UsageError: there are ``LOCAL_NODES_MAX``.
            StartError: no port is free, or the system has no room for one more process.
        """
        number = max(self._ports) + 1
        if len(self._ports) >= LOCAL_NODES_MAX:
            raise errors.UsageError(f"a hive on one machine has at most {LOCAL_NODES_MAX} nodes")
        used = set(self._ports.values())
        self._ports[number] = _free_port(next(port for port in count_from(PORT) if port not in used), used)
        try:
            self._launch(number, self._ports)
            self._remember()
        except errors.StartError:
            del self._ports[number]
            raise
        except OSError as error:
            raise errors.StorageError(f"{self._record} can't be written ({error.strerror or error})") from None
        return number

    def _port_of(self, number: int) -> int:
        port = self._ports.get(number)
        if port is None:
            raise errors.UsageError(f"there is no node {number} in this hive")
        return port

    def _running(self, number: int) -> subprocess.Popen[bytes]:
        port = self._port_of(number)
        if not self.is_running(number):
            raise errors.UsageError(f"node {number} at {HOST}:{port} does not run; restart it first")
        return self._processes[number]

    def stop(self) -> None:
        """Stops all nodes in a planned way, and kills those that have not ended after ``STOP_SECONDS_MAX``."""
        self._stopped = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave nodes behind
        for process in self._processes.values():
            _ask_to_stop(process)
        end = monotonic() + STOP_SECONDS_MAX + 1
        for process in self._processes.values():
            try:
                process.wait(max(0.0, end - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(self._lock)


def _ask_to_stop(process: subprocess.Popen[bytes]) -> None:
    """Sends SIGTERM, after SIGCONT: a paused process would not act on it."""
    process.send_signal(signal.SIGCONT)
    process.terminate()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _private(path: str, flags: int) -> int:
    """Opens a log; the mode of one that is made here is 0640 whatever the umask, as the daemon has it."""
    made = not os.path.lexists(path)
    file = os.open(path, flags, 0o640)
    if made:
        os.fchmod(file, 0o640)
    return file


def _free_port(wanted: int, others: set[int]) -> int:
    """Returns the wanted port, or the next one that is free and not among the others."""
    for port in range(wanted, wanted + PORTS_TRIED_MAX):
        if port not in others and _is_free(port):
            return port
    raise errors.StartError(f"no port from {wanted} to {wanted + PORTS_TRIED_MAX - 1} is free on {HOST}")


async def serve_local(count: int, session: Callable[[LocalHive], Awaitable[int]], console: Console) -> int:
    """Starts a hive of ``count`` nodes in ``./hive``, runs ``session`` with it, and stops the hive however that ends;
    where a defect ended it, a line tells that the nodes have ended, too. Returns the exit code of the session."""
    hive = LocalHive(Path("hive"), count, console.note)
    broke = False
    try:
        hive.start()
        await hive.until_stable(console.progress)
        nodes = ", ".join(hive.addresses)
        console.note(f"the hive is stable: {nodes}; data and logs are in ./hive")
        await console.drain()
        try:
            return await session(hive)
        except Exception:
            broke = True
            raise
    finally:
        console.progress("")
        hive.stop()
        if broke:
            console.note("the nodes of the hive have been stopped, too; their data and logs are in ./hive")
