"""Another release, TLS, and other certificates: one node after the other, under load."""

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


def test_from_none_to_tls_alone_and_back(operator: Operator) -> None:
    """Clients without TLS work up to prefer, and those with it from there on, also as the hive gets its admin and loses
    him again; the keys stay on their hosts."""
    hosts = operator.hosts
    file = operator.directory / "hive.toml"
    plain = file.read_text()

    def secured(*lines: str) -> None:
        file.write_text("\n".join(["[tls]", "managed = true", *lines, "", plain]))

    secured('mode = "prefer"')
    with _Working(operator):
        operator.wrpmesh("hive_apply", FILE).ok()
    secured()
    with _Working(operator) as load:  # with the CA that wrpmesh finds by itself
        operator.wrpmesh("hive_apply", FILE).ok()
        assert "takes TLS only" in operator.on(1, "--tls-ca", "none", "get", "entry").failed()
        assert operator.on(1, "whoami").ok().out.strip() == "operator, admin"
        (ca,) = hosts.home.glob(".config/wrpme/hives/*/ca.pem")
        assert "this hive has users" in operator.on(1, "--tls-ca", str(ca), "get", "entry").failed()
        password = ca.with_name("operator.password").read_text().strip()
        before = {number: daemons(hosts, number) for number in THREE}
        shown = {number: _certificate(operator, number) for number in THREE}
        assert "all 3 nodes have new keys" in operator.wrpmesh("hive_rotate", FILE).ok().out
        load.more()
        assert "step 1 of 2" in operator.wrpmesh("hive_rotate", "--ca", FILE).ok().out
        load.more()
        assert "step 2 of 2" in operator.wrpmesh("hive_rotate", "--ca", "--yes", FILE).ok().out
        load.more()
        assert all(_certificate(operator, number) != shown[number] for number in THREE)
        assert {number: daemons(hosts, number) for number in THREE} == before, "nothing was restarted for it"
        assert operator.on(2, "get", "entry").ok().out == "content"
        secured('mode = "prefer"')
        assert "the user operator is removed" in operator.wrpmesh("hive_apply", FILE).ok().err
    assert not any(password in _log(operator, number) for number in THREE)
    keys = [path for path in hosts.home.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert [path.parent.parent.name for path in keys if ".ssh" not in path.parts] == ["hives"], "the CA's, and no other"
    file.write_text(plain)
    with _Working(operator, "--tls-ca", "none"):
        operator.wrpmesh("hive_apply", FILE).ok()
    assert operator.on(3, "get", "entry").ok().out == "content", "wrpmesh knows that there is no TLS any more"


def _log(operator: Operator, number: int) -> str:
    (log,) = operator.hosts.path(number, "/var/lib/wrpme/nodes").glob("*/log")
    return log.read_text()


def _certificate(operator: Operator, number: int) -> bytes:
    (pair,) = operator.hosts.path(number, "/var/lib/wrpme/nodes").glob("*/tls/node.pem")
    assert pair.stat().st_mode & 0o777 == 0o600
    return pair.read_bytes()


class _Working:
    """A shell that works until the end of the context, and before and after each change."""

    def __init__(self, operator: Operator, *words: str) -> None:
        self._load = _Load(operator, 1, *words)

    def __enter__(self) -> _Working:
        self.more()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.more()
        finally:
            self._load.end()

    def more(self) -> None:
        """It has carried out some more."""
        self._load.until(self._load.count + 10)


class _Load:
    """Updates and gets through one shell, one after the other, until it is ended; each must succeed."""

    def __init__(self, operator: Operator, number: int, *words: str) -> None:
        told = [*words, *(f"--daemon={host}:{PORT}" for host in operator.hosts.addresses)]
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
