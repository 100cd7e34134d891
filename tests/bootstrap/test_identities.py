"""Which keys a login may try, in which order, and what is said of those that it may not."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.ssh_hosts import fingerprint, make_key, unavailable
from wrpme.bootstrap.ssh import config, identities
from wrpme.bootstrap.ssh.config import Target, settings
from wrpme.bootstrap.ssh.identities import LoginKeys, Offer

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def keys_can_be_made() -> None:
    if shutil.which("ssh-keygen") is None:
        unavailable("there is no command ssh-keygen")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(config, "SYSTEM", tmp_path / "system")
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture
def agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = home / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield path
        process.terminate()


async def offered(home: Path, text: str = "") -> Offer:
    (home / ".ssh/config").write_text(text)
    keys = LoginKeys()
    try:
        found = await settings(Target("web1"))
        assert (await keys.offer(found)).named == (await keys.offer(found)).named
        return await keys.offer(found)
    finally:
        await keys.close()


def add(path: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(path)], check=True, capture_output=True)


async def test_the_usual_files(home: Path) -> None:
    assert await offered(home) == Offer()
    public = make_key(home / ".ssh/id_ecdsa", "ecdsa")
    found = await offered(home)
    assert found.named == (f"~/.ssh/id_ecdsa ECDSA {fingerprint(public)}",)
    assert found.left_out == ()
    assert len(found.keys) == 1


async def test_files_that_can_not_be_used(home: Path) -> None:
    make_key(home / ".ssh/id_ed25519", passphrase="a passphrase")
    (home / ".ssh/id_rsa").write_text("nothing")
    (home / ".ssh/id_ecdsa").mkdir()
    found = await offered(home)
    assert found.keys == ()
    assert found.left_out == (
        "~/.ssh/id_ed25519 has a passphrase (run ssh-add ~/.ssh/id_ed25519 first)",
        "~/.ssh/id_ecdsa can't be read (Is a directory)",
        "~/.ssh/id_rsa is no private key that can be read (Invalid private key)",
    )


async def test_a_certificate_goes_with_its_key(home: Path) -> None:
    make_key(home / "authority")
    make_key(home / ".ssh/id_ed25519")
    signing = ["ssh-keygen", "-q", "-s", str(home / "authority"), "-I", "me", "-n", "root"]
    subprocess.run([*signing, str(home / ".ssh/id_ed25519.pub")], check=True, capture_output=True)
    ((_, certificate),) = (await offered(home)).keys
    assert certificate == str(home / ".ssh/id_ed25519-cert.pub")


@pytest.mark.usefixtures("agent")
async def test_the_order_of_openssh(home: Path) -> None:
    prints = {}
    for name in ("configured", "unknown", "held", "file"):
        prints[name] = fingerprint(make_key(home / name))
    for name in ("unknown", "held", "configured"):
        add(home / name)
    (home / "held").unlink()
    files = "IdentityFile ~/file\nIdentityFile ~/held.pub\nIdentityFile ~/configured\n"
    found = await offered(home, files)
    assert [name.rpartition("ED25519 ")[2] for name in found.named] == [
        f"{prints['held']} of ssh-agent",
        f"{prints['configured']} of ssh-agent",
        f"{prints['unknown']} of ssh-agent",
        prints["file"],
    ]
    only = await offered(home, f"{files}IdentitiesOnly yes\n")
    assert len(only.named) == 3
    assert not any(prints["unknown"] in name for name in only.named)


@pytest.mark.usefixtures("agent")
async def test_a_key_with_a_passphrase_that_the_agent_has(home: Path) -> None:
    public = make_key(home / ".ssh/id_ed25519")
    add(home / ".ssh/id_ed25519")
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", str(home / ".ssh/id_ed25519")]
    subprocess.run(change, check=True, capture_output=True)
    found = await offered(home)
    assert (found.named, found.left_out) == ((f"ED25519 {fingerprint(public)} of ssh-agent",), ())


async def test_agents_that_do_not_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "gone"))
    (said,) = (await offered(home)).left_out
    assert said.startswith("ssh-agent at ~/gone does not answer (")
    monkeypatch.setattr(identities, "SSH_AGENT_SECONDS_MAX", 0.05)

    async def silent() -> Offer:
        server = await asyncio.start_unix_server(lambda reader, writer: None, str(home / "silent"))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "silent"))
        keys = LoginKeys()
        try:
            return await keys.offer(await settings(Target("web1")))
        finally:
            await keys.close()
            server.close()

    assert (await silent()).left_out == ("ssh-agent at ~/silent does not answer (timeout)",)
