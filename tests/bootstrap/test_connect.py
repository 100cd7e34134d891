"""Logins at real OpenSSH servers: who gets in, whose key is trusted, and what is said when it does not work."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.logins import Logins, Operator, Outcome, host, probed
from tests.bootstrap.ssh_hosts import CLIENT_ADDRESS, NOBODY_THERE, USER, SshHosts, fingerprint, make_key
from wrpme.bootstrap import connect
from wrpme.bootstrap.connect import Connector
from wrpme.errors import HostKeyError, RemoteError

ONE, TWO, THREE = "192.168.1.1", "192.168.1.2", "192.168.1.3"
MODES = ["", "ask", "strict", "accept-new"]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    with SshHosts(tmp_path_factory.mktemp("hosts"), 3) as made:
        yield made


@pytest.fixture
def logins(hosts: SshHosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logins]:
    """The client as it was made, whatever the test before did to it."""
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


def configure(hosts: SshHosts, text: str) -> None:
    (hosts.home / ".ssh/config").write_text(text)


def known(hosts: SshHosts) -> str:
    file = hosts.home / ".ssh/known_hosts"
    return file.read_text() if file.exists() else ""


# --- logging in ------------------------------------------------------------------------------------------------------


def test_known_hosts_are_logged_in_to_side_by_side(logins: Logins) -> None:
    outcomes = logins.each(host(ONE), host(TWO, USER), host(THREE, mode="strict"))
    assert outcomes == [
        Outcome(None, "root", "host1", CLIENT_ADDRESS),
        Outcome(None, USER, "host2", CLIENT_ADDRESS),
        Outcome(None, "root", "host3", CLIENT_ADDRESS),
    ]
    assert {f"connecting to {ONE}:22", "logging in as root", f"logging in as {USER}"} <= set(logins.steps)


def test_as_ssh_config_says(logins: Logins, hosts: SshHosts, tmp_path: Path) -> None:
    shutil.move(hosts.home / ".ssh/id_ed25519", hosts.home / ".ssh/elsewhere")
    hosts.configure_sshd(2, "Port 22", "Port 2022")
    (hosts.home / ".ssh/known_hosts").unlink()
    (hosts.home / ".ssh/others").write_text(f"second {hosts.host_key(2)}\n")
    configure(
        hosts,
        "Include more*\nHost web\n HostName 192.168.1.2\n User operator\n Port 2022\n HostKeyAlias second\n"
        "Match originalhost web\n UserKnownHostsFile ~/.ssh/others\n",
    )
    (hosts.home / ".ssh/more.conf").write_text("IdentityFile ~/.ssh/elsewhere\n")
    assert logins.one(host("web", "")) == Outcome(None, USER, "host2", CLIENT_ADDRESS)
    assert logins.one(host("web", "root", 22)).user == "root", "the topology has the last word"
    hosts.configure_sshd(2)


def test_a_configuration_that_makes_no_sense(logins: Logins, hosts: SshHosts) -> None:
    configure(hosts, "Host *\n Port ssh\n")
    said = logins.one(host(ONE)).sentence
    assert said.startswith(f"{ONE}: the configuration of ssh can't be used (~/.ssh/config line 2: Invalid Port")


def test_keys_of_an_agent(logins: Logins, hosts: SshHosts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ssh, path = hosts.home / ".ssh", str(tmp_path / "agent")
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        agent.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        make_key(tmp_path / "other")
        for key in (tmp_path / "other", ssh / "id_ed25519"):
            subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True)
        (ssh / "id_ed25519").unlink()
        assert [outcome.user for outcome in logins.each(host(ONE), host(TWO))] == ["root", "root"]
        configure(hosts, "IdentitiesOnly yes\nIdentityFile ~/.ssh/nothing\n")
        assert "there is none in ssh-agent or ~/.ssh" in logins.one(host(ONE)).sentence
        configure(hosts, "IdentityAgent none\n")
        assert "there is none in ssh-agent or ~/.ssh" in logins.one(host(ONE)).sentence
        agent.terminate()


# --- host keys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["", "ask", "strict"])
def test_a_new_key_and_nobody_to_ask(logins: Logins, hosts: SshHosts, mode: str) -> None:
    hosts.trust_none()
    outcome = logins.one(host(ONE, mode=mode))
    assert isinstance(outcome.error, HostKeyError)
    shown = fingerprint(hosts.host_key(1))
    because = "only known keys are accepted" if mode == "strict" else "there is nobody to ask"
    assert outcome.sentence.startswith(f"{ONE}: the host key is not known, and {because}: {ONE}:22 shows ED25519")
    assert f'host_key = "{shown}"' in outcome.sentence
    assert known(hosts) == ""
    assert "logging in as root" not in logins.steps


def test_new_keys_are_asked_about_one_at_a_time_and_kept(logins: Logins, hosts: SshHosts) -> None:
    hosts.trust_none()
    operator = Operator(lambda question: "no" if THREE in question else "yes")
    outcomes = logins.each(host(ONE), host(TWO), host(THREE), operator=operator)
    assert [outcome.hostname for outcome in outcomes] == ["host1", "host2", ""]
    assert f"{THREE}: the host key of {THREE}:22" in outcomes[2].sentence
    assert "was not trusted" in outcomes[2].sentence
    assert len(operator.questions) == 3
    asked = next(question for question in operator.questions if ONE in question)
    assert f"ED25519 {fingerprint(hosts.host_key(1))}" in asked
    assert "~/.ssh/known_hosts" in asked
    assert sorted(known(hosts).splitlines()) == [
        f"{name} {' '.join(hosts.host_key(number).split()[:2])}" for number, name in ((1, ONE), (2, TWO))
    ]
    assert (hosts.home / ".ssh/known_hosts").stat().st_mode & 0o777 == 0o600
    silent = Operator(lambda question: "no")
    assert logins.one(host(ONE), silent).hostname == "host1"
    assert silent.questions == []


@pytest.mark.parametrize("answer", ["", "y", "no", "YES!", "yes please"])
def test_only_yes_trusts(logins: Logins, hosts: SshHosts, answer: str) -> None:
    hosts.trust_none()
    assert isinstance(logins.one(host(ONE), Operator(lambda _: answer)).error, HostKeyError)
    assert known(hosts) == ""


def test_a_machine_with_two_names_is_asked_about_by_each(logins: Logins, hosts: SshHosts) -> None:
    hosts.trust_none()
    configure(hosts, f"Host a b\n HostName {ONE}\n")
    operator = Operator(lambda _: "yes")
    assert [outcome.hostname for outcome in logins.each(host("a"), host("b"), operator=operator)] == ["host1", "host1"]
    assert len(operator.questions) == 1, "both are looked up as 192.168.1.1"


def test_accept_new_accepts_once(logins: Logins, hosts: SshHosts) -> None:
    hosts.trust_none()
    (hosts.home / ".ssh/known_hosts").write_text("no newline at the end")
    assert logins.one(host(ONE, mode="accept-new")).hostname == "host1"
    assert known(hosts).startswith(f"no newline at the end\n{ONE} ssh-ed25519 ")
    assert logins.one(host(ONE, mode="strict")).hostname == "host1"


def test_a_key_that_can_not_be_kept_is_not_accepted(logins: Logins, hosts: SshHosts) -> None:
    hosts.trust_none()
    configure(hosts, "UserKnownHostsFile /proc/version\n")
    said = logins.one(host(ONE, mode="accept-new")).sentence
    assert "can't be kept in /proc/version" in said


@pytest.mark.parametrize("mode", MODES)
def test_a_changed_key_is_refused_in_every_mode(logins: Logins, hosts: SshHosts, mode: str) -> None:
    before = hosts.host_key(1)
    (hosts.home / ".ssh/known_hosts").write_text(f"# a comment\n{ONE} {make_key(hosts.home / '.ssh/false')}\n")
    false = fingerprint((hosts.home / ".ssh/false.pub").read_text())
    operator = Operator(lambda _: "yes")
    outcome = logins.one(host(ONE, mode=mode), operator)
    assert isinstance(outcome.error, HostKeyError)
    assert outcome.sentence.startswith(f"{ONE}: the host key has changed: {ONE}:22 shows ED25519 {fingerprint(before)}")
    assert f"line 2 of ~/.ssh/known_hosts has ED25519 {false}" in outcome.sentence
    assert f"ssh-keygen -R {ONE}" in outcome.sentence
    assert operator.questions == []


@pytest.mark.parametrize("mode", MODES)
def test_a_key_of_another_type_has_changed_too(logins: Logins, hosts: SshHosts, mode: str) -> None:
    make_key(hosts.home / ".ssh/false", "ecdsa")
    (hosts.home / ".ssh/known_hosts").write_text(f"{ONE} {(hosts.home / '.ssh/false.pub').read_text()}")
    said = logins.one(host(ONE, mode=mode), Operator(lambda _: "yes")).sentence
    assert "the host key has changed" in said
    assert "known_hosts has ECDSA SHA256:" in said


def test_a_host_is_asked_for_the_type_of_key_that_is_known(logins: Logins, hosts: SshHosts) -> None:
    for kind in ("rsa", "ecdsa"):
        make_key(hosts.path(3, f"/etc/ssh/ssh_host_{kind}_key"), kind)
    kinds = ("ed25519", "rsa", "ecdsa")
    hosts.configure_sshd(3, *(f"HostKey /etc/ssh/ssh_host_{kind}_key" for kind in kinds))
    for kind in kinds:
        (hosts.home / ".ssh/known_hosts").write_text(f"{THREE} {hosts.host_key(3, kind)}\n")
        assert logins.one(host(THREE, mode="strict")).hostname == "host3"
    hosts.trust_none()
    for kind in kinds:
        pin = fingerprint(hosts.host_key(3, kind))
        assert logins.one(host(THREE, pins=(pin,))).hostname == "host3", "a pin may be of any of its keys"
    said = logins.one(host(THREE, pins=("SHA256:wrong",))).sentence
    assert f"shows ED25519 {fingerprint(hosts.host_key(3))}, and SHA256:wrong is pinned" in said
    assert known(hosts) == ""
    hosts.configure_sshd(3)


def test_a_pin_needs_no_known_hosts(logins: Logins, hosts: SshHosts) -> None:
    hosts.trust_none()
    pin = fingerprint(hosts.host_key(1))
    assert logins.one(host(ONE, mode="pin", pins=("SHA256:other", pin))).hostname == "host1"
    outcome = logins.one(host(TWO, mode="pin", pins=(pin,)), Operator(lambda _: "yes"))
    assert isinstance(outcome.error, HostKeyError)
    assert f"{TWO}: the host key is not the pinned one" in outcome.sentence
    assert fingerprint(hosts.host_key(2)) in outcome.sentence
    assert pin in outcome.sentence


def test_a_revoked_key(logins: Logins, hosts: SshHosts) -> None:
    with (hosts.home / ".ssh/known_hosts").open("a") as file:
        file.write(f"@revoked * {hosts.host_key(1)}\n")
    for wanted in (host(ONE), host(ONE, mode="accept-new"), host(ONE, pins=(fingerprint(hosts.host_key(1)),))):
        said = logins.one(wanted, Operator(lambda _: "yes")).sentence
        assert "is marked as revoked by line 4 of ~/.ssh/known_hosts" in said
    assert logins.one(host(TWO)).hostname == "host2"


def test_a_certificate_of_an_authority(logins: Logins, hosts: SshHosts) -> None:
    authority = make_key(hosts.home / ".ssh/authority")
    key = hosts.path(2, "/etc/ssh/ssh_host_ed25519_key")
    signing = ["ssh-keygen", "-q", "-s", str(hosts.home / ".ssh/authority"), "-I", "host2", "-h", "-n", TWO]
    subprocess.run([*signing, f"{key}.pub"], check=True, capture_output=True)
    hosts.configure_sshd(2, "HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub")
    assert logins.one(host(TWO)).hostname == "host2", "who knows the key needs no authority"
    (hosts.home / ".ssh/known_hosts").write_text(f"@cert-authority 192.168.1.* {authority}\n")
    assert logins.one(host(TWO, mode="strict")).hostname == "host2"
    assert "the host key is not known" in logins.one(host(ONE, mode="strict")).sentence
    configure(hosts, f"Host other\n HostName {TWO}\n HostKeyAlias 192.168.1.9\n")
    outcome = logins.one(host("other", mode="strict"))
    assert isinstance(outcome.error, HostKeyError)
    assert "the host key or certificate of 192.168.1.2:22 is not accepted" in outcome.sentence
    hosts.configure_sshd(2)


def test_no_known_hosts_file_at_all_trusts_nobody(logins: Logins, hosts: SshHosts) -> None:
    configure(hosts, "UserKnownHostsFile none\nGlobalKnownHostsFile none\nStrictHostKeyChecking no\n")
    assert isinstance(logins.one(host(ONE)).error, HostKeyError)
    operator = Operator(lambda _: "yes")
    assert logins.one(host(ONE), operator).hostname == "host1"
    assert len(operator.questions) == 1


# --- jump hosts ------------------------------------------------------------------------------------------------------


def test_hosts_behind_a_jump_host_share_one_connection_to_it(logins: Logins, hosts: SshHosts) -> None:
    before = hosts.log(1).count("Accepted publickey")
    outcomes = logins.each(host(TWO, jump=f"{USER}@{ONE}"), host(THREE, jump=f"{USER}@{ONE}"))
    assert [(outcome.hostname, outcome.client) for outcome in outcomes] == [("host2", ONE), ("host3", ONE)]
    assert hosts.log(1).count("Accepted publickey") == before + 1


def test_the_jump_host_of_ssh_config(logins: Logins, hosts: SshHosts) -> None:
    configure(
        hosts,
        f"Host gate\n HostName {ONE}\n User root\nHost {TWO}\n ProxyJump gate\nHost {THREE}\n ProxyJump gate,{TWO}\n",
    )
    assert logins.one(host(TWO)).client == ONE
    assert logins.one(host(THREE)).client == TWO
    assert logins.one(host(THREE, jump="none")).client == CLIENT_ADDRESS


def test_jump_hosts_are_verified_too(logins: Logins, hosts: SshHosts) -> None:
    hosts.trust_none()
    outcome = logins.one(host(TWO, jump=ONE, pins=(fingerprint(hosts.host_key(2)),)))
    assert isinstance(outcome.error, HostKeyError)
    assert outcome.sentence.startswith(
        f"{TWO}: it can't be reached through its jump host; {ONE}: the host key is not known"
    )
    operator = Operator(lambda _: "yes")
    outcomes = logins.each(host(TWO, jump=ONE), host(THREE, jump=ONE), operator=operator)
    assert [outcome.hostname for outcome in outcomes] == ["host2", "host3"]
    assert len(operator.questions) == 3


def test_what_a_jump_host_can_not_do(logins: Logins, hosts: SshHosts) -> None:
    outcomes = logins.each(host(TWO, jump="10.1.1.1"), host(ONE))
    assert outcomes[0].sentence.startswith(
        f"{TWO}: it can't be reached through its jump host; 10.1.1.1: there is no route to 10.1.1.1:22"
    )
    assert outcomes[1].hostname == "host1", "others are not held up by it"
    said = logins.one(host(TWO, port=999, jump=ONE)).sentence
    assert said.startswith(f"{TWO}: its jump host {ONE} can't connect to {TWO}:999 (Connection refused)")
    hosts.configure_sshd(1, "AllowTcpForwarding no")
    assert "passes no connections on" in logins.one(host(TWO, jump=ONE)).sentence
    hosts.configure_sshd(1)
    configure(hosts, f"Host *\n ProxyJump {ONE}\n")
    assert f"leads in a circle ({ONE} behind {ONE})" in logins.one(host(ONE)).sentence
    assert "is not of the form" in logins.one(host(ONE, jump="a:b:c")).sentence


def test_a_jump_host_that_has_gone_is_logged_in_to_again(logins: Logins, hosts: SshHosts) -> None:
    async def twice(connector: Connector) -> list[Outcome]:
        first = await connector.connect(host(TWO, jump=ONE), logins.steps.append)
        await asyncio.to_thread(hosts.drop_connections, 1)
        await first.wait_closed()
        second = await connector.connect(host(TWO, jump=ONE), logins.steps.append)
        return [await probed(second)]

    assert logins.within(twice)[0].client == ONE


def test_through_a_proxy_command(logins: Logins, hosts: SshHosts, tmp_path: Path) -> None:
    script = tmp_path / "relay.py"
    script.write_text(
        "import os, socket, sys, threading\n"
        "os.write(2, b'a word of the proxy\\n')\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): s.sendall(data)\n"
        "    os._exit(0)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): os.write(1, data)\n"
    )
    configure(
        hosts,
        f"Host {ONE}\n ProxyCommand {sys.executable} {script} %h $((20 + 2))\nHost {TWO}\n ProxyCommand false %h\n",
    )
    assert logins.one(host(ONE)) == Outcome(None, "root", "host1", CLIENT_ADDRESS)
    said = logins.one(host(TWO)).sentence
    assert said == f"{TWO}: no SSH server answered through its ProxyCommand; try that by hand: false {TWO}"


# --- what can go wrong -----------------------------------------------------------------------------------------------


def test_machines_that_are_not_reached(logins: Logins, hosts: SshHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "SSH_CONNECT_SECONDS_MAX", 4.0)
    hosts.mute(3)
    wanted = [host("no-such-machine.invalid"), host(NOBODY_THERE), host("10.1.1.1"), host(ONE, port=999), host(THREE)]
    wanted.append(host("localhost", port=999))
    outcomes = logins.each(*wanted)
    hosts.unmute(3)
    said = [outcome.sentence for outcome in outcomes]
    assert said[0].startswith("no-such-machine.invalid: the name no-such-machine.invalid is not known (")
    assert said[1].startswith(f"{NOBODY_THERE}: there is no route to {NOBODY_THERE}:22 (No route to host)")
    assert said[2].startswith("10.1.1.1: there is no route to 10.1.1.1:22 (Network is unreachable)")
    assert said[3].startswith(f"{ONE}: {ONE}:999 refuses connections, so no sshd listens there")
    assert said[4].startswith(f"{THREE}: nothing answered at {THREE}:22 within 4 s")
    assert said[5].startswith("localhost: localhost:999 refuses connections"), "it has two addresses"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (b"220 mail.example ready\r\n", "ended the connection before it said that it is an SSH server"),
        (b"", "ended the connection before it said that it is an SSH server"),
        (b"SSH-1.5-old\r\n", "is no SSH server that can be talked to (Unsupported SSH version)"),
        (b"SSH-2.0-strange\r\n", "ended before the login"),
        (None, "takes connections, but no SSH server answered there within 1 s"),
    ],
)
def test_what_is_no_ssh_server(
    logins: Logins, monkeypatch: pytest.MonkeyPatch, words: bytes | None, expected: str
) -> None:
    monkeypatch.setattr(connect, "SSH_LOGIN_SECONDS_MAX", 1.0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if words is None:
            await reader.read()
        else:
            writer.write(words)
            await writer.drain()
            await reader.readline()
        writer.close()

    async def against_it(connector: Connector) -> list[Outcome]:
        server = await asyncio.start_server(answer, CLIENT_ADDRESS, 0)
        port = server.sockets[0].getsockname()[1]
        try:
            await connector.connect(host(CLIENT_ADDRESS, port=port), logins.steps.append)
        except RemoteError as error:
            return [Outcome(error)]
        finally:
            server.close()
        raise AssertionError

    assert expected in logins.within(against_it)[0].sentence


def test_a_login_that_is_refused(logins: Logins, hosts: SshHosts) -> None:
    ssh = hosts.home / ".ssh"
    public = make_key(ssh / "id_ed25519")
    make_key(ssh / "id_ecdsa", "ecdsa", "a passphrase")
    said = logins.one(host(ONE)).sentence
    assert said.startswith(f"{ONE}: the login of root at {ONE}:22 was refused, with the keys ~/.ssh/id_ed25519 ED25519")
    assert fingerprint(public) in said
    assert "not tried: ~/.ssh/id_ecdsa has a passphrase (run ssh-add ~/.ssh/id_ecdsa first)" in said
    assert f"ssh-copy-id root@{ONE}" in said
    (ssh / "id_ed25519").unlink()
    assert "there is none in ssh-agent or ~/.ssh; not tried: ~/.ssh/id_ecdsa" in logins.one(host(ONE)).sentence


def test_too_many_keys(logins: Logins, hosts: SshHosts) -> None:
    hosts.configure_sshd(1, "MaxAuthTries 2")
    names = [f"~/.ssh/key{number}" for number in range(4)]
    for number in range(4):
        make_key(hosts.home / f".ssh/key{number}")
    configure(hosts, "".join(f"IdentityFile {name}\n" for name in names))
    said = logins.one(host(ONE)).sentence
    assert "was refused after too many keys had been tried (~/.ssh/key0 ED25519 SHA256:" in said
    assert "IdentitiesOnly yes" in said
    hosts.configure_sshd(1)


def test_no_algorithm_in_common(logins: Logins, hosts: SshHosts) -> None:
    hosts.configure_sshd(1, "Ciphers aes128-ctr")
    configure(hosts, "Ciphers aes256-gcm@openssh.com\n")
    assert "no algorithm in common with the SSH server at 192.168.1.1:22" in logins.one(host(ONE)).sentence
    hosts.configure_sshd(1)


def test_more_hosts_than_a_server_takes_at_once(logins: Logins) -> None:
    """sshd turns away some of more than 10 that are not logged in yet, and all of more than 100."""
    outcomes = logins.each(*(host(ONE) for _ in range(24)))
    assert [outcome.hostname for outcome in outcomes] == ["host1"] * 24


def test_a_connection_that_dies(logins: Logins, hosts: SshHosts) -> None:
    async def work(connector: Connector) -> list[Outcome]:
        connection = await connector.connect(host(ONE), logins.steps.append)
        process = await connection.create_process("cat")
        await asyncio.to_thread(hosts.drop_connections, 1)
        done = await process.wait()
        assert done.exit_status is None
        return [Outcome()]

    logins.within(work)


def test_a_file_that_is_no_key_and_one_that_is_none_of_ours(logins: Logins, hosts: SshHosts) -> None:
    (hosts.home / ".ssh/id_ecdsa").write_text("this is no key\n")
    assert logins.one(host(ONE)).hostname == "host1"
    (hosts.home / ".ssh/id_ed25519").unlink()
    assert "~/.ssh/id_ecdsa is no private key" in logins.one(host(ONE)).sentence
