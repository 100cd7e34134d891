"""The tutorial to the letter: three machines, one hive, one shell. And the same on one machine, in any start order."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from tests.system.daemons import PATIENCE_SECONDS, ROOT, Daemons, environment, until, wrpmed, wrpmesh
from tests.system.netns import Namespaces, NamespacesError, missing
from tests.system.terminal import Session
from wrpme import Client

HOSTS = ["192.168.1.1", "192.168.1.2", "192.168.1.3"]
TUTORIAL = (ROOT / "docs" / "quick-tutorial.md").read_text("utf-8")
LOCAL = ["127.0.0.1:5909", "127.0.0.1:5910", "127.0.0.1:5911"]


def unavailable(reason: str) -> NoReturn:
    """Where namespaces can't be had the test is skipped, but not in CI."""
    assert os.environ.get("CI") != "true", reason
    pytest.skip(reason)


@pytest.fixture
def network() -> Iterator[Namespaces]:
    if reason := missing():
        unavailable(reason)
    try:
        with Namespaces(HOSTS) as made:
            yield made
    except NamespacesError as error:
        unavailable(str(error))


class Machines:
    """The daemons of the tutorial, one in each namespace."""

    def __init__(self, network: Namespaces, directory: Path, arguments: dict[int, list[str]]) -> None:
        self.network = network
        self._arguments = arguments
        self._directory = directory
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int) -> None:
        """In a terminal's stead stderr is a file: with -o the log goes there."""
        command = [*self.network.inside(str(number)), *wrpmed(*self._arguments[number], "-o")]
        with open(self._directory / f"{number}.log", "ab") as log:
            self._running[number] = subprocess.Popen(command, cwd=self._directory, env=environment(), stderr=log)

    async def until_serving(self) -> None:
        """Returns once each has said so in its log, as the tutorial has the reader wait for it."""

        async def said() -> bool:
            return all("serving at" in (self._directory / f"{one}.log").read_text("utf-8") for one in self._arguments)

        await until("all three serve", said)

    def kill(self, number: int) -> None:
        process = self._running.pop(number)
        process.kill()
        process.wait()

    def stop_all(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            assert process.wait(PATIENCE_SECONDS) == 0
        self._running.clear()

    def __enter__(self) -> Machines:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        if error[0] is not None:
            for log in sorted(self._directory.glob("*.log")):
                print(f"--- {log.name}", log.read_text("utf-8", "replace"), sep="\n")


def shell(network: Namespaces, number: int, directory: Path, daemon: str) -> Session:
    return Session([*network.inside(str(number)), *wrpmesh("--daemon", daemon)], directory)


def until_screen(session: Session, line: str, pattern: str) -> str:
    """Types the line again and again, as an operator who waits does, until it shows that."""
    for _ in range(1000):
        shown = "\n".join(session.enter(line)[1:])
        if re.search(pattern, shown):
            return shown
    raise AssertionError(f"{line} never showed {pattern}, but {shown}")


def transcripts() -> list[tuple[str, list[list[str]]]]:
    """Of the quick tutorial, on three machines: what wrpmesh is started with, and each line typed with its output."""
    found = []
    for block in re.findall(r"^```\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL):
        start = re.match(r"192\.168\.1\.\d\$ wrpmesh --daemon (\S+)\n", block)
        if start is not None:
            steps = [("> " + step).splitlines() for step in block[start.end() :].split("> ")[1:]]
            found.append((start[1], steps))
    return found


def comparable(lines: list[str]) -> list[str]:
    """Figures and the width of columns differ from run to run, words and addresses do not."""
    return [re.sub(r"\s+", " ", re.sub(r"(?<![\w.:])\d+(\.\d+)?(?![\w.:])", "N", line)) for line in lines]


def play(session: Session, steps: list[list[str]]) -> None:
    """To the letter, up to ``exit``; of a table of figures the words."""
    for shown in steps[:-1]:
        line = shown[0].removeprefix("> ")
        got = session.enter(line)
        assert got == shown if line != "hive_status" else comparable(got) == comparable(shown)
    assert steps[-1] == ["> exit"]
    assert session.leave() == 0


@pytest.mark.asyncio
async def test_the_tutorial(network: Namespaces, tmp_path: Path) -> None:
    commands = re.findall(r"^    192\.168\.1\.(\d)\$ wrpmed (.*)$", TUTORIAL, re.MULTILINE)
    assert [number for number, _ in commands] == ["1", "2", "3"]
    (at_first, first_steps), (at_third, third_steps) = transcripts()
    with Machines(network, tmp_path, {int(number): words.split() for number, words in commands}) as machines:
        for number in (1, 2, 3):
            machines.start(number)
        await machines.until_serving()
        with shell(network, 1, tmp_path, at_first) as first:
            play(first, first_steps)
        with shell(network, 3, tmp_path, at_third) as third:
            play(third, third_steps)
        kill_and_bring_back(network, machines, tmp_path)
        machines.stop_all()


def kill_and_bring_back(network: Namespaces, machines: Machines, directory: Path) -> None:
    """The node with the entry: another one serves it, and it is there after the node's return."""
    with ExitStack() as sessions:
        first, third = (
            sessions.enter_context(shell(network, number, directory, f"{HOSTS[number - 1]}:5909")) for number in (1, 3)
        )
        content = first.enter("get entry")[1:]
        owner = re.search(r"192\.168\.1\.[123]", "\n".join(first.enter("locate entry")))
        assert owner is not None
        victim = HOSTS.index(owner[0]) + 1
        other = third if victim == 1 else first
        machines.kill(victim)
        assert other.enter("get entry") == ["> get entry", *content], "another holder serves it"
        until_screen(other, "hive_status", rf"{re.escape(owner[0])}:5909 +down")
        machines.start(victim)
        assert other.enter("wait_stable 20") == ["> wait_stable 20"]
        assert other.enter("get entry") == ["> get entry", *content], "the failed node is back with its data"
        assert first.leave() == 0
        assert third.leave() == 0


def port_is_free(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return False
    return True


@pytest.fixture
def the_ports() -> Iterator[None]:
    """For one test at a time, also of another run of the tests on this machine."""
    with open(Path(tempfile.gettempdir()) / f"wrpme-tests-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.asyncio
@pytest.mark.usefixtures("the_ports")
async def test_on_one_machine_in_any_order(tmp_path: Path) -> None:
    """Ports 5909 to 5911, all started in one directory without ``-r``; whoever founds the hive comes first, in the
    middle or last."""
    if not all(map(port_is_free, LOCAL)):
        unavailable(f"something else listens on one of {', '.join(LOCAL)}")
    for number, order in enumerate(((0, 1, 2), (2, 0, 1), (2, 1, 0))):
        directory = tmp_path / str(number)
        directory.mkdir()
        with Daemons(directory, 3, addresses=LOCAL) as daemons:
            await first_entry(daemons, order)
            assert sorted(path.name for path in (directory / "db").iterdir()) == [
                address.replace(":", "-") for address in LOCAL
            ]
            daemons.terminate(0, 1, 2)
            daemons.check_alive()


async def first_entry(daemons: Daemons, order: tuple[int, ...]) -> None:
    """The nodes join; an entry that is put through the first is there through the third alone."""
    daemons.start_all(order)
    await daemons.until_stable(3)
    async with Client(LOCAL[0]) as client:
        await client.put("entry", b"this is my entry")
    async with Client(LOCAL[2]) as client:
        assert await client.get("entry") == b"this is my entry"
