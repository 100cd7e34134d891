"""Logins that fail on this side, though the server takes the key: it is said which key, and what is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from asyncssh.sk_eddsa import _SKEd25519Key

from tests.bootstrap.logins import ONE, Logins, host
from tests.bootstrap.ssh_hosts import fingerprint
from wrpme.bootstrap.ssh import identities


@pytest.fixture
def hardware_key(logins: Logins) -> Iterator[str]:
    """A key whose private half is in hardware that is not here, and that opens root on the first host."""
    plain = asyncssh.generate_private_key("ssh-ed25519")
    key = _SKEd25519Key(plain.public_data[-32:], "ssh:", 1, b"handle")
    public = key.export_public_key().decode().strip()
    path = logins.hosts.home / ".ssh/id_ed25519_sk"
    path.write_bytes(key.export_private_key("openssh"))
    path.chmod(0o600)
    authorized = logins.hosts.path(1, "/etc/ssh/authorized_keys")
    usual = authorized.read_text()
    authorized.write_text(f"{public}\n")
    yield fingerprint(public)
    authorized.write_text(usual)


def test_a_key_in_hardware_without_fido2(logins: Logins, hardware_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "has_fido2", lambda: False)
    said = logins.one(host(ONE)).sentence
    assert f"not tried: ~/.ssh/id_ed25519_sk {identities.NO_FIDO2}" in said
    (logins.hosts.home / ".ssh/id_ed25519").unlink()
    said = logins.one(host(ONE)).sentence
    assert f"there is none in ssh-agent or ~/.ssh; not tried: ~/.ssh/id_ed25519_sk {identities.NO_FIDO2}" in said


def test_a_key_in_hardware_that_is_not_here(logins: Logins, hardware_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "has_fido2", lambda: True)
    said = logins.one(host(ONE)).sentence
    assert said.startswith(
        f"{ONE}: the login of root at {ONE}:22 failed on this side: its SSH server takes the key, but the hardware of "
        f"~/.ssh/id_ed25519_sk did not sign ("
    )


def test_an_agent_that_declines_to_sign(logins: Logins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ssh, path = logins.hosts.home / ".ssh", str(tmp_path / "agent")
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        agent.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        subprocess.run(["ssh-add", "-q", "-c", str(ssh / "id_ed25519")], check=True, capture_output=True)
        shown = fingerprint((ssh / "id_ed25519.pub").read_text())
        (ssh / "id_ed25519").unlink()
        said = logins.one(host(ONE)).sentence
        agent.terminate()
    assert said == (
        f"{ONE}: the login of root at {ONE}:22 failed on this side: its SSH server takes the key, but ssh-agent "
        f"declined to sign with ED25519 {shown} (Unable to sign with requested key)"
    )
