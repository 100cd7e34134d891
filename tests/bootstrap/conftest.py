"""Fixtures of the tests that log in to machines, and the loops of those that talk to stubs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.bootstrap.logins import Logins
from tests.bootstrap.ssh_hosts import SshHosts
from tests.stub_node import JumpLoop, complaints_of

JUMPING = (
    "test_check.py",
    "test_commands.py",
    "test_managed_tls.py",
    "test_operator.py",
    "test_rotate.py",
    "test_node_control.py",
    "test_results.py",
    "test_stability.py",
)
"""The tests of these files run in time that jumps: they wait for stubs only."""


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"loop": JumpLoop if item.path.name in JUMPING else asyncio.SelectorEventLoop}


@pytest.fixture(autouse=True)
def no_complaints(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Of those that talk to stubs only."""
    yield
    assert request.path.name not in JUMPING or not complaints_of(caplog)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of what is sent to hosts, one for all workers: what is made at once by several is made well."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "bundles"


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
