"""What can be wrong with a host: one sentence for each, which names it and says what to do; nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.hives import PORT, Operator
from tests.bootstrap.ssh_hosts import SshHosts, fingerprint, make_key

HOST = "192.168.1.1"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Operator]:
    directory = tmp_path_factory.mktemp("failures")
    with SshHosts(directory / "hosts", 2) as hosts:
        yield Operator(hosts, directory, cache=bundles)


@pytest.fixture(autouse=True)
def bare(operator: Operator) -> Iterator[None]:
    """The host is as bare afterwards as before."""
    hosts = operator.hosts
    before = hosts.files(1, "/var/lib", "/root")
    yield
    assert hosts.files(1, "/var/lib", "/root") == before
    hosts.until_idle(1)


def apply(operator: Operator, *lines: str) -> str:
    """The sentence with which an application to the first host fails; its node has these lines in the file."""
    return operator.wrpmesh("hive_apply", operator.topology((1,), *lines)).failed()


def test_the_wrong_key_is_pinned(operator: Operator, tmp_path: Path) -> None:
    pinned = fingerprint(make_key(tmp_path / "other"))
    sentence = apply(operator, f'host_key = "{pinned}"')
    assert sentence.startswith(f"host_key: {HOST}: "), sentence
    assert pinned in sentence and fingerprint(operator.hosts.host_key(1)) in sentence


@pytest.mark.parametrize("mode", ["strict", "ask", "accept-new", "pin"])
def test_a_changed_host_key_is_refused_in_every_mode(operator: Operator, mode: str) -> None:
    hosts = operator.hosts
    known = (hosts.home / ".ssh/known_hosts").read_text()
    old = fingerprint(hosts.host_key(1))
    new = fingerprint(hosts.replace_host_key(1))
    defaults = [f'host_keys = "{mode}"', *([f'host_key = "{old}"'] if mode == "pin" else [])]
    sentence = apply(operator, *defaults)
    assert sentence.startswith(f"host_key: {HOST}: "), sentence
    assert old in sentence and new in sentence
    assert (hosts.home / ".ssh/known_hosts").read_text() == known
    hosts.trust_all()


@pytest.mark.parametrize("mode", ["strict", "ask", ""])
def test_an_unknown_host_without_a_terminal(operator: Operator, mode: str) -> None:
    hosts = operator.hosts
    hosts.trust_none()
    sentence = apply(operator, *([f'host_keys = "{mode}"'] if mode else []))
    assert sentence.startswith(f"host_key: {HOST}: "), sentence
    assert fingerprint(hosts.host_key(1)) in sentence
    assert not (hosts.home / ".ssh/known_hosts").exists()
    hosts.trust_all()


def test_a_refused_login(operator: Operator) -> None:
    hosts = operator.hosts
    allowed = hosts.path(1, "/etc/ssh/authorized_keys")
    before = allowed.read_text()
    allowed.write_text("")
    sentence = apply(operator)
    allowed.write_text(before)
    assert sentence.startswith(f"remote: {HOST}: "), sentence
    assert "root" in sentence and "ssh-copy-id" in sentence


def test_no_python(operator: Operator) -> None:
    operator.hosts.hide_python(1)
    sentence = apply(operator)
    operator.hosts.usual_python(1)
    assert sentence.startswith(f"remote: {HOST}: "), sentence
    assert "no Python 3.11 or later" in sentence and "install it" in sentence


def test_an_old_python(operator: Operator) -> None:
    operator.hosts.old_python(1)
    sentence = apply(operator)
    operator.hosts.usual_python(1)
    assert sentence.startswith(f"remote: {HOST}: "), sentence
    assert "3.9.2" in sentence and "3.11" in sentence


@pytest.mark.parametrize("kib", [0, 512, 40 * 1024])
def test_a_full_disk(operator: Operator, kib: int) -> None:
    """Too full from the beginning, or for what is sent; nothing is left there."""
    hosts = operator.hosts
    hosts.small_disk(1, kib or 64)
    if not kib:
        hosts.run(1, "dd", "if=/dev/zero", "of=/var/lib/filler", check=False)
    before = hosts.files(1, "/var/lib")
    sentence = apply(operator)
    assert hosts.files(1, "/var/lib") == before
    hosts.usual_disk(1)
    assert sentence.startswith((f"remote: {HOST}: ", f"disk_full: {HOST}: ")), sentence
    assert "/var/lib" in sentence and "make room" in sentence


def test_a_busy_port(operator: Operator) -> None:
    hosts = operator.hosts
    program = (
        "import signal, socket; s = socket.create_server(('192.168.1.1', 5909)); print(flush=True); signal.pause()"
    )
    hosts.run(1, "sh", "-c", f'setsid python3 -c "{program}" >/tmp/began 2>&1 </dev/null & '
              "until [ -s /tmp/began ]; do :; done; rm /tmp/began")  # fmt: skip
    (pid,) = hosts.processes(1)
    sentence = apply(operator)
    hosts.kill(1, pid)
    assert sentence.startswith(f"remote: {HOST}: the port of {HOST}:{PORT} is taken by python3"), sentence
    assert f"process {pid}" in sentence or f"pid {pid}" in sentence


def test_no_route(operator: Operator) -> None:
    operator.hosts.network.run("hub", "ip", "route", "add", "unreachable", f"{HOST}/32")
    sentence = apply(operator)
    operator.hosts.network.run("hub", "ip", "route", "delete", "unreachable", f"{HOST}/32")
    assert sentence.startswith(f"remote: {HOST}: "), sentence
    assert "route" in sentence


def test_one_broken_host_does_not_stop_the_other(operator: Operator) -> None:
    hosts = operator.hosts
    hosts.stop_sshd(2)
    file = operator.topology((1, 2))
    lone = operator.wrpmesh("hive_apply", file)
    assert "only 1 of 2" in lone.err, "half of the hosts is too little to found a hive"
    hosts.start_sshd(2)
    operator.wrpmesh("hive_apply", file).ok()
    hosts.stop_sshd(2)
    changed = operator.wrpmesh("hive_apply", operator.topology((1, 2), "options = { grace = 30 }"))
    assert changed.failed().startswith("remote: 192.168.1.2: ")
    assert re.search(r"192\.168\.1\.1: .* restarted with other options", changed.err), changed
    hosts.start_sshd(2)
    operator.wrpmesh("hive_destroy", file, "--yes").ok()
