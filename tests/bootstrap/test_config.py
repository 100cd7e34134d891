"""What ssh_config files say of a host, and what the topology says on top of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from wrpme.bootstrap.ssh import config
from wrpme.bootstrap.ssh.config import Settings, Target, jump_host, settings
from wrpme.errors import RemoteError

pytestmark = pytest.mark.asyncio


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "me")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setattr(config, "SYSTEM", tmp_path / "system")
    (tmp_path / ".ssh").mkdir()
    return tmp_path


WEB1 = Target("web1")


async def read(home: Path, text: str, target: Target = WEB1) -> Settings:
    (home / ".ssh/config").write_text(text)
    return await settings(target)


async def test_without_any_file(home: Path) -> None:
    found = await settings(Target("web1"))
    assert (found.host, found.port, found.user, found.address) == ("web1", 22, "me", "web1:22")
    assert (found.key_name, found.key_port) == ("web1", 22)
    assert (found.jumps, found.proxy, found.mode) == ("", "", "")
    assert found.known_files == (home / ".ssh/known_hosts", home / ".ssh/known_hosts2")
    assert found.system_known_files[0] == Path("/etc/ssh/ssh_known_hosts")
    assert found.key_files[0] == home / ".ssh/id_ed25519"
    assert not found.only_key_files
    assert found.agent == "/run/agent"
    assert (await settings(Target("fe80::1"))).address == "[fe80::1]:22"


async def test_what_the_files_say(home: Path) -> None:
    (home / "system").write_text("Host *\n User system\n ConnectTimeout 7\n HashKnownHosts yes\n")
    (home / ".ssh/more").write_text("Host web1\n HostKeyAlias %h-alias\n")
    found = await read(
        home,
        "Include more\n"
        "Host web1\n HostName 10.0.0.1\n Port 2022\n IdentityFile ~/.ssh/%h-key\n IdentitiesOnly yes\n"
        " IdentityAgent ~/agent\n UserKnownHostsFile ~/a %d/b-%h\n GlobalKnownHostsFile none\n"
        " StrictHostKeyChecking accept-new\n HostKeyAlgorithms ssh-ed25519\n"
        "Match host 10.0.0.1\n ProxyJump gate:2200\n"
        "Host other\n User wrong\n",
    )
    assert (found.host, found.port, found.user, found.address) == ("10.0.0.1", 2022, "system", "10.0.0.1:2022")
    assert found.key_port == 22, "an alias has no port"
    assert found.key_files == (home / ".ssh/10.0.0.1-key",)
    assert found.only_key_files
    assert found.agent == str(home / "agent")
    assert found.known_files == (home / "a", home / "b-10.0.0.1")
    assert found.system_known_files == ()
    assert (found.mode, found.jumps, found.connect_seconds) == ("accept-new", "gate:2200", 7.0)
    assert found.host_key_algorithms == "ssh-ed25519"


async def test_the_topology_has_the_last_word(home: Path) -> None:
    text = "Host *\n User other\n Port 2022\n ProxyJump gate\n ProxyCommand nc %h %p\n"
    found = await read(home, text, Target("web1", "root", 22, "a,b"))
    assert (found.user, found.port, found.jumps, found.proxy) == ("root", 22, "a,b", "")
    found = await read(home, text, Target("web1", jump="none"))
    assert (found.jumps, found.proxy) == ("", "")
    found = await read(home, "ProxyCommand nc %h $((%p + 1))\n")
    assert (found.jumps, found.proxy) == ("", "nc web1 $((22 + 1))")
    assert (await read(home, "ProxyCommand none\nIdentityFile none\nIdentityAgent none\n")).agent == ""


async def test_a_block_that_matches_at_the_end(home: Path) -> None:
    found = await read(home, "Host web1\n HostName 10.0.0.1\nMatch final host 10.0.0.1\n User late\n")
    assert (found.host, found.user) == ("10.0.0.1", "late")


@pytest.mark.parametrize(("word", "mode"), [("yes", "strict"), ("no", ""), ("off", ""), ("ask", "ask")])
async def test_no_file_switches_the_check_off(home: Path, word: str, mode: str) -> None:
    assert (await read(home, f"StrictHostKeyChecking {word}\n")).mode == mode


async def test_agents(home: Path) -> None:
    assert (await read(home, "IdentityAgent SSH_AUTH_SOCK\n")).agent == "/run/agent"
    assert (await read(home, "IdentityAgent $SSH_AUTH_SOCK\n")).agent == "/run/agent"
    assert (await read(home, "IdentityAgent $NOT_SET\n")).agent == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Host web1\n Port many\n",
            "~/.ssh/config line 2: Invalid Port value: many (it is a number from 1 to 65535, or",
        ),
        ("Match something web1\n", "~/.ssh/config line 1: Invalid match condition something"),
        ("ConnectTimeout 1x\n", "~/.ssh/config line 1: Invalid ConnectTimeout value: 1x (it is a time, such as 10, 5s"),
        ("UserKnownHostsFile ~/%Q\n", "%Q in ~/%Q is not supported"),
        ("CanonicalizeHostname yes\nCanonicalDomains example\n", "CanonicalizeHostname is not supported"),
        ("Include ~/.ssh/config\n", "~/.ssh/config line 1: files include each other in a circle"),
        ("Ciphers 3des-none\n", "wrpme has none of the algorithms in Ciphers 3des-none"),
        ('User "me\n', "~/.ssh/config line 1: No closing quotation"),
        ("Host\n", "~/.ssh/config line 1: Missing Host value"),
    ],
)
async def test_what_can_not_be_used(home: Path, text: str, said: str) -> None:
    with pytest.raises(RemoteError) as raised:
        await read(home, text)
    assert raised.value.sentence.startswith("web1: the configuration of ssh can't be used (")
    assert said in raised.value.sentence


async def test_jump_hosts(home: Path) -> None:
    found = await read(home, "", Target("web1", jump="a:22,me@b,ssh://you@[fe80::1]:2200", mode="strict"))
    last = jump_host(found)
    assert last == Target("fe80::1", "you", 2200, "a:22,me@b", "strict", (), ("web1",))
    middle = jump_host(await settings(last))
    assert middle == Target("b", "me", 0, "a:22", "strict", (), ("web1", "fe80::1"))
    first = jump_host(await settings(middle))
    assert first == Target("a", "", 22, "", "strict", (), ("web1", "fe80::1", "b"))
    pinned = await read(home, "", Target("web1", jump="a", mode="pin", pins=("SHA256:x",)))
    assert jump_host(pinned).mode == ""


@pytest.mark.parametrize("jump", ["a:b", "@a", "a,", "me@", "[::1"])
async def test_jump_hosts_that_can_not_be_read(home: Path, jump: str) -> None:
    with pytest.raises(RemoteError, match="is not of the form USER@HOST:PORT"):
        jump_host(await read(home, "", Target("web1", jump=jump)))


async def test_a_way_in_a_circle(home: Path) -> None:
    with pytest.raises(RemoteError, match="circle \\(web1 behind gate behind gate\\)"):
        jump_host(await read(home, "Host *\n ProxyJump gate\n", Target("gate", passed=("web1",))))
