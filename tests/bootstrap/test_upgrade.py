"""Another release, one node after the other, under load."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.hives import PORT, Operator, daemons
from tests.bootstrap.ssh_hosts import SshHosts
from tests.system.daemons import ROOT

THREE = (1, 2, 3)
FILE = "hive.toml"
PAUSE_SECONDS = 0.03
"""Between two updates of one shell: the nodes are upgraded under load, and the machine has time for other tests."""


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Operator]:
    """Its hive runs, and has an entry."""
    directory = tmp_path_factory.mktemp("upgrade")
    with SshHosts(directory / "hosts", 3) as hosts:
        made = Operator(hosts, directory, cache=bundles)
        made.wrpmesh("hive_apply", made.topology(THREE)).ok()
        made.on(1, "put", "entry", "content").ok()
        yield made


def release(directory: Path, change: str) -> Path:
    """A copy of the product that differs in one line."""
    shutil.copytree(ROOT / "wrpme", directory / "wrpme")
    with open(directory / "wrpme/daemon/main.py", "a") as file:
        file.write(f"\n{change}\n")
    return directory


def test_it_halts_at_a_node_that_does_not_come_back(operator: Operator, tmp_path: Path) -> None:
    hosts = operator.hosts
    broken = Operator(hosts, operator.directory, release(tmp_path, 'raise SystemExit("no such release")'))
    before = {number: daemons(hosts, number) for number in THREE}
    sentence = broken.wrpmesh("hive_upgrade", FILE).failed()
    assert sentence.startswith("remote: hive_upgrade halted at 192.168.1.1:5909 on 192.168.1.1: "), sentence
    assert "no such release" in sentence
    assert "no node was upgraded before it, 2 after it are left as they are" in sentence
    assert [daemons(hosts, number) for number in (2, 3)] == [before[2], before[3]]
    assert operator.on(2, "get", "entry").ok().out == "content"
    assert "1 node upgraded" in operator.wrpmesh("hive_upgrade", FILE).ok().out, "the release before brings it back"
    assert "all 3 nodes are up" in operator.wrpmesh("hive_apply", FILE).ok().out


def test_under_load_no_operation_fails(operator: Operator, tmp_path: Path) -> None:
    hosts = operator.hosts
    before = {number: daemons(hosts, number) for number in THREE}
    newer = Operator(hosts, operator.directory, release(tmp_path, "# another release"))
    loads = [_Load(operator, number) for number in THREE]
    for load in loads:
        load.until(20)
    upgraded = newer.wrpmesh("hive_upgrade", FILE).ok()
    assert "3 nodes upgraded" in upgraded.out, upgraded
    for load in loads:
        load.until(load.count + 20)
    for load in loads:
        load.end()
    after = {number: daemons(hosts, number) for number in THREE}
    assert all(len(found) == 1 and found != before[number] for number, found in after.items())
    assert "nothing to do" in newer.wrpmesh("hive_upgrade", FILE).ok().out
    assert {number: daemons(hosts, number) for number in THREE} == after


class _Load:
    """Updates and gets through one shell, one after the other, until it is ended; each must succeed."""

    def __init__(self, operator: Operator, number: int) -> None:
        told = [f"--daemon={host}:{PORT}" for host in operator.hosts.addresses]
        typed, typing = os.pipe()
        reading, shown = os.pipe()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end
        self._process = operator.start(told, (typed, shown, self._errors.fileno()))
        os.close(typed)
        os.close(shown)
        self._typing, self._reading = os.fdopen(typing, "w"), os.fdopen(reading)
        self._number = number
        self._stopping = threading.Event()
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self.count = 0
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            content = f"{self._number}-{self.count}"
            alias = f"load{self._number}-{self.count % 50}"
            self._typing.write(f"update {alias} {content}\nget {alias}\n")
            self._typing.flush()
            if self._reading.readline().strip() != content:
                break
            with self._more:
                self.count += 1
                self._more.notify_all()
        self._typing.close()

    def until(self, count: int) -> None:
        """So many were carried out."""
        with self._more:
            assert self._more.wait_for(lambda: self.count >= count, 60), self._failure()

    def end(self) -> None:
        """Nothing has failed."""
        self._stopping.set()
        self._thread.join()
        assert self._process.wait(60) == 0, self._failure()
        self._reading.close()
        self._errors.close()

    def _failure(self) -> str:
        self._process.kill()
        self._errors.seek(0)
        return self._errors.read()
