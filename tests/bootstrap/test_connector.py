"""Logins at real OpenSSH servers: who gets in, through whom, and what is said when it does not work."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bootstrap.logins import ONE, THREE, TWO, Logins, Operator, Outcome, host, probed
from tests.bootstrap.ssh_hosts import CLIENT_ADDRESS, NOBODY_THERE, USER, fingerprint, make_key
from wrpme.bootstrap.ssh import connector as connect
from wrpme.bootstrap.ssh.connector import Connector
from wrpme.errors import HostKeyError, RemoteError


# --- logging in ------------------------------------------------------------------------------------------------------


def test_known_hosts_are_logged_in_to_side_by_side(logins: Logins) -> None:
    outcomes = logins.each(host(ONE), host(TWO, USER), host(THREE, mode="strict"))
    assert outcomes == [
        Outcome(None, "root", "host1", CLIENT_ADDRESS),
        Outcome(None, USER, "host2", CLIENT_ADDRESS),
        Outcome(None, "root", "host3", CLIENT_ADDRESS),
    ]
    assert {f"connecting to {ONE}:22", "logging in as root", f"logging in as {USER}"} <= set(logins.steps)


def test_as_ssh_config_says(logins: Logins, tmp_path: Path) -> None:
    hosts = logins.hosts
    shutil.move(hosts.home / ".ssh/id_ed25519", hosts.home / ".ssh/elsewhere")
    hosts.configure_sshd(2, "Port 22", "Port 2022")
    (hosts.home / ".ssh/known_hosts").unlink()
    (hosts.home / ".ssh/others").write_text(f"second {hosts.host_key(2)}\n")
    logins.configure(
        "Include more*\nHost web\n HostName 192.168.1.2\n User operator\n Port 2022\n HostKeyAlias second\n"
        "Match originalhost web\n UserKnownHostsFile ~/.ssh/others\n",
    )
    (hosts.home / ".ssh/more.conf").write_text("IdentityFile ~/.ssh/elsewhere\n")
    assert logins.one(host("web", "")) == Outcome(None, USER, "host2", CLIENT_ADDRESS)
    assert logins.one(host("web", "root", 22)).user == "root", "the topology has the last word"
    hosts.configure_sshd(2)


def test_a_configuration_that_makes_no_sense(logins: Logins) -> None:
    logins.configure("Host *\n Port many\n")
    said = logins.one(host(ONE)).sentence
    assert said.startswith(f"{ONE}: the configuration of ssh can't be used (~/.ssh/config line 2: Invalid Port")


def test_keys_of_an_agent(logins: Logins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hosts = logins.hosts
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
        logins.configure("IdentitiesOnly yes\nIdentityFile ~/.ssh/nothing\n")
        assert "there is none in ssh-agent or ~/.ssh" in logins.one(host(ONE)).sentence
        logins.configure("IdentityAgent none\n")
        assert "there is none in ssh-agent or ~/.ssh" in logins.one(host(ONE)).sentence
        agent.terminate()


# --- jump hosts ------------------------------------------------------------------------------------------------------


def test_hosts_behind_a_jump_host_share_one_connection_to_it(logins: Logins) -> None:
    hosts = logins.hosts
    before = hosts.log(1).count("Accepted publickey")
    outcomes = logins.each(host(TWO, jump=f"{USER}@{ONE}"), host(THREE, jump=f"{USER}@{ONE}"))
    assert [(outcome.hostname, outcome.client) for outcome in outcomes] == [("host2", ONE), ("host3", ONE)]
    assert hosts.log(1).count("Accepted publickey") == before + 1


def test_the_jump_host_of_ssh_config(logins: Logins) -> None:
    logins.configure(
        f"Host gate\n HostName {ONE}\n User root\nHost {TWO}\n ProxyJump gate\nHost {THREE}\n ProxyJump gate,{TWO}\n",
    )
    assert logins.one(host(TWO)).client == ONE
    assert logins.one(host(THREE)).client == TWO
    assert logins.one(host(THREE, jump="none")).client == CLIENT_ADDRESS


def test_jump_hosts_are_verified_too(logins: Logins) -> None:
    hosts = logins.hosts
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


def test_a_jump_host_that_is_not_trusted_is_asked_about_once(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.trust_none()
    operator = Operator(lambda _: "no")

    async def one_after_the_other(connector: Connector) -> list[Outcome]:
        for behind in (TWO, THREE):
            with pytest.raises(HostKeyError, match=f"{behind}: .*; {ONE}: .* was not trusted"):
                await connector.connect(host(behind, jump=ONE), logins.steps.append)
        return []

    logins.within(one_after_the_other, operator)
    assert len(operator.questions) == 1


def test_what_a_jump_host_can_not_do(logins: Logins) -> None:
    hosts = logins.hosts
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
    logins.configure(f"Host *\n ProxyJump {ONE}\n")
    assert f"leads in a circle ({ONE} behind {ONE})" in logins.one(host(ONE)).sentence
    assert "is not of the form" in logins.one(host(ONE, jump="a:b:c")).sentence


def test_a_jump_host_that_has_gone_is_logged_in_to_again(logins: Logins) -> None:
    hosts = logins.hosts

    async def twice(connector: Connector) -> list[Outcome]:
        first = await connector.connect(host(TWO, jump=ONE), logins.steps.append)
        await asyncio.to_thread(hosts.drop_connections, 1)
        await first.wait_closed()
        second = await connector.connect(host(TWO, jump=ONE), logins.steps.append)
        return [await probed(second)]

    assert logins.within(twice)[0].client == ONE


def test_through_a_proxy_command(logins: Logins, tmp_path: Path) -> None:
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
    logins.configure(
        f"Host {ONE}\n ProxyCommand {sys.executable} {script} %h $((20 + 2))\nHost {TWO}\n ProxyCommand false %h\n",
    )
    assert logins.one(host(ONE)) == Outcome(None, "root", "host1", CLIENT_ADDRESS)
    said = logins.one(host(TWO)).sentence
    assert said == f"{TWO}: no SSH server answered through its ProxyCommand; try that by hand: false {TWO}"


# --- what can go wrong -----------------------------------------------------------------------------------------------


def test_machines_that_are_not_reached(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = logins.hosts
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


def test_a_login_that_is_refused(logins: Logins) -> None:
    hosts = logins.hosts
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


def test_a_login_that_does_not_end(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = logins.hosts
    slow = "AuthorizedKeysCommand /usr/bin/sleep 1000"
    hosts.configure_sshd(1, "AuthorizedKeysFile none", slow, "AuthorizedKeysCommandUser root")
    with ThreadPoolExecutor(1) as pool:

        def step(text: str) -> None:
            if text.startswith("logging in"):
                pool.submit(hosts.drop_connections, 1)

        async def dropped(connector: Connector) -> list[Outcome]:
            with pytest.raises(RemoteError) as raised:
                await connector.connect(host(ONE), step)
            return [Outcome(raised.value)]

        assert f"the connection ended during the login of root at {ONE}:22" in logins.within(dropped)[0].sentence
    monkeypatch.setattr(connect, "SSH_LOGIN_SECONDS_MAX", 0.5)
    assert f"the login of root at {ONE}:22 was not over after 0.5 s" in logins.one(host(ONE)).sentence
    hosts.configure_sshd(1)


def test_too_many_keys(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.configure_sshd(1, "MaxAuthTries 2")
    names = [f"~/.ssh/key{number}" for number in range(4)]
    for number in range(4):
        make_key(hosts.home / f".ssh/key{number}")
    logins.configure("".join(f"IdentityFile {name}\n" for name in names))
    said = logins.one(host(ONE)).sentence
    assert "was refused after too many keys had been tried (~/.ssh/key0 ED25519 SHA256:" in said
    assert "IdentitiesOnly yes" in said
    hosts.configure_sshd(1)


def test_no_algorithm_in_common(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.configure_sshd(1, "Ciphers aes128-ctr")
    logins.configure("Ciphers aes256-gcm@openssh.com\n")
    assert "no algorithm in common with the SSH server at 192.168.1.1:22" in logins.one(host(ONE)).sentence
    hosts.configure_sshd(1)


def test_more_hosts_than_a_server_takes_at_once(logins: Logins) -> None:
    """sshd turns away some of more than 10 that are not logged in yet, and all of more than 100."""
    outcomes = logins.each(*(host(ONE) for _ in range(24)))
    assert [outcome.hostname for outcome in outcomes] == ["host1"] * 24


def test_a_connection_that_dies(logins: Logins) -> None:
    hosts = logins.hosts

    async def work(connector: Connector) -> list[Outcome]:
        connection = await connector.connect(host(ONE), logins.steps.append)
        process = await connection.create_process("cat")
        await asyncio.to_thread(hosts.drop_connections, 1)
        done = await process.wait()
        assert done.exit_status is None
        return [Outcome()]

    logins.within(work)


def test_a_network_that_dies(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = logins.hosts
    monkeypatch.setattr(connect, "SSH_KEEPALIVE_SECONDS", 0.2)

    async def work(connector: Connector) -> list[Outcome]:
        connection = await connector.connect(host(THREE), logins.steps.append)
        process = await connection.create_process("cat")
        await asyncio.to_thread(hosts.mute, 3)
        assert (await process.wait()).exit_status is None
        assert connection.is_closed()
        return []

    logins.within(work)
    hosts.unmute(3)


def test_who_gives_up_leaves_nothing_behind(logins: Logins) -> None:
    hosts = logins.hosts
    hosts.mute(3)

    async def work(connector: Connector) -> list[Outcome]:
        begun = asyncio.Event()

        def step(text: str) -> None:
            begun.set()

        ways = (host(THREE), host(TWO, jump=THREE), host(THREE, jump=ONE), host(TWO, jump=ONE))
        waiting = [asyncio.create_task(connector.connect(one, step)) for one in ways]
        await begun.wait()
        for task in waiting[:3]:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert [task.cancelled() for task in waiting[:3]] == [True] * 3
        outcome = await probed(waiting[3].result())
        await connector.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return [outcome]

    assert logins.within(work)[0].client == ONE, "who waits for the same jump host is not held up"
    hosts.unmute(3)


def test_a_file_that_is_no_key_and_one_that_is_none_of_ours(logins: Logins) -> None:
    hosts = logins.hosts
    (hosts.home / ".ssh/id_ecdsa").write_text("this is no key\n")
    assert logins.one(host(ONE)).hostname == "host1"
    (hosts.home / ".ssh/id_ed25519").unlink()
    assert "~/.ssh/id_ecdsa is no private key" in logins.one(host(ONE)).sentence
