"""Fixtures of the tests that log in to machines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bootstrap.logins import Logins
from tests.bootstrap.ssh_hosts import SshHosts


@pytest.fixture(scope="module")
def three_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    with SshHosts(tmp_path_factory.mktemp("hosts"), 3) as made:
        yield made


@pytest.fixture
def logins(three_hosts: SshHosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logins]:
    """On those, with the client as it was made, whatever the test before did to it."""
    hosts = three_hosts
    monkeypatch.setenv("HOME", str(hosts.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    ssh = hosts.home / ".ssh"
    kept = {path: path.read_bytes() for path in (ssh / "id_ed25519", ssh / "id_ed25519.pub")}
    hosts.trust_all()
    yield Logins(hosts)
    for path in ssh.iterdir():
        path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)
        path.chmod(0o600)
