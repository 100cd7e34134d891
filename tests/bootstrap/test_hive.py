"""Three machines with nothing but sshd and Debian's Python become a hive, grow, change over, and are bare again."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.hives import PORT, Operator, daemons
from tests.bootstrap.ssh_hosts import SshHosts
from tests.hive.daemons import ROOT

MAY_CHANGE = ("/log", "/data", "/out")
"""What a node that runs writes itself."""


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    directory = tmp_path_factory.mktemp("hive")
    with SshHosts(directory / "hosts", 4) as hosts:
        yield Operator(hosts, directory)


def _made(operator: Operator, number: int) -> dict[str, str]:
    """Every file of that host, but for what its node writes itself."""
    found = operator.hosts.files(number)
    return {path: what for path, what in found.items() if not _of_the_node(path)}


def _of_the_node(path: str) -> bool:
    if "/nodes/" not in path:
        return False
    return any(path.partition("/nodes/")[2].partition("/")[2].startswith(one[1:]) for one in MAY_CHANGE)


def test_from_bare_machines_to_a_hive_and_back(operator: Operator) -> None:
    hosts = operator.hosts
    bare = {number: hosts.files(number) for number in hosts.numbers}
    file = operator.topology([1, 2, 3])

    planned = operator.wrpmesh("hive_plan", file).ok()
    assert "founds the hive" in planned.out
    assert planned.out.count("joins the hive") == 2
    assert {number: hosts.files(number) for number in hosts.numbers} == bare, "a plan changes nothing"

    applied = operator.wrpmesh("hive_apply", file).ok()
    assert "the hive is stable: all 3 nodes are up" in applied.out, applied
    operator.on(2, "put", "entry", "thisismyentry").ok()
    assert operator.on(3, "get", "entry").ok().out == "thisismyentry"

    made = {number: _made(operator, number) for number in (1, 2, 3)}
    processes = {number: hosts.processes(number) for number in (1, 2, 3)}
    again = operator.wrpmesh("hive_apply", file).ok()
    assert again.out.count("nothing to do") == 3
    assert {number: _made(operator, number) for number in (1, 2, 3)} == made
    assert {number: hosts.processes(number) for number in (1, 2, 3)} == processes

    wider = operator.topology([1, 2, 3, 4])
    grown = operator.wrpmesh("hive_apply", wider).ok()
    assert "all 4 nodes are up" in grown.out, grown
    assert {number: daemons(hosts, number) for number in (1, 2, 3)} == {
        number: sorted(found) for number, found in processes.items()
    }, "those that were there go on"
    assert operator.on(4, "get", "entry").ok().out == "thisismyentry"

    stopped = operator.wrpmesh("hive_stop", wider).ok()
    assert stopped.out.count("stopped") == 4
    assert not any(daemons(hosts, number) for number in hosts.numbers)
    operator.wrpmesh("hive_start", wider).ok()
    assert operator.on(1, "get", "entry").ok().out == "thisismyentry"

    refused = operator.wrpmesh("hive_destroy", wider, given=b"no\n")
    assert refused.failed().startswith("usage: hive_destroy was not carried out")
    assert operator.on(1, "get", "entry").ok().out == "thisismyentry"
    operator.wrpmesh("hive_destroy", wider, given=b"yes\n").ok()
    assert {number: hosts.files(number) for number in hosts.numbers} == bare
    assert not any(hosts.processes(number) for number in hosts.numbers)


def test_upgrade_under_load_fails_nothing(operator: Operator, tmp_path: Path) -> None:
    hosts = operator.hosts
    file = operator.topology([1, 2, 3])
    operator.wrpmesh("hive_apply", file).ok()
    shutil.copytree(ROOT / "wrpme", tmp_path / "wrpme", ignore=shutil.ignore_patterns("__pycache__"))
    version = tmp_path / "wrpme" / "version_of_the_test.py"
    version.write_text('"""Another release."""\n')
    before = {number: daemons(hosts, number) for number in (1, 2, 3)}

    loads = [_Load(operator, number) for number in (1, 2, 3)]
    for load in loads:
        load.until(20)
    upgraded = Operator(hosts, operator.directory, tmp_path).wrpmesh("hive_upgrade", file).ok()
    assert "3 nodes upgraded" in upgraded.out, upgraded
    for load in loads:
        load.until(load.count + 20)
    for load in loads:
        load.end()
    after = {number: daemons(hosts, number) for number in (1, 2, 3)}
    assert all(len(found) == 1 and found != before[number] for number, found in after.items())
    assert "nothing to do" in Operator(hosts, operator.directory, tmp_path).wrpmesh("hive_upgrade", file).ok().out
    operator.wrpmesh("hive_destroy", file, "--yes").ok()


class _Load:
    """Updates and gets through one shell, one after the other, until it is ended; each must succeed."""

    def __init__(self, operator: Operator, number: int) -> None:
        daemons_told = [f"--daemon={host}:{PORT}" for host in operator.hosts.addresses[:3]]
        self._process = subprocess.Popen(
            operator.command(*daemons_told),
            env=operator.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._number = number
        self._stopping = threading.Event()
        self._more = threading.Condition()
        self.count = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        while not self._stopping.is_set():
            content = f"{self._number}-{self.count}"
            alias = f"load{self._number}-{self.count % 50}"
            self._process.stdin.write(f"update {alias} {content}\nget {alias}\n".encode())
            self._process.stdin.flush()
            if self._process.stdout.readline().decode().strip() != content:
                break
            with self._more:
                self.count += 1
                self._more.notify_all()
        self._process.stdin.close()

    def until(self, count: int) -> None:
        """So many were carried out."""
        with self._more:
            assert self._more.wait_for(lambda: self.count >= count, 60), self._failure()

    def end(self) -> None:
        """Nothing has failed."""
        self._stopping.set()
        self._thread.join()
        assert self._process.wait(60) == 0, self._failure()

    def _failure(self) -> str:
        assert self._process.stderr is not None
        self._process.kill()
        return self._process.stderr.read().decode()
