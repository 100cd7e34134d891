"""Our end of the agent, on real hosts: what it says of each that does not do as it should, and that nothing is left."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.bootstrap.agent.agents import FAKE_DAEMON, NODE, PORT, WAITS
from tests.bootstrap.hives import daemons
from tests.bootstrap.logins import ONE, Logins, host
from tests.bootstrap.ssh_hosts import USER, until
from tests.system.daemons import PATIENCE_SECONDS
from wrpme import errors
from wrpme.bootstrap.hosts import agent_client
from wrpme.bootstrap.hosts.agent_client import AgentClient
from wrpme.bootstrap.ssh.connector import Connector
from wrpme.bootstrap.topology.file import Host
from wrpme.errors import LockedError, RemoteError, WrpmeError

BASE = "/var/lib/wrpme"
NODES = {NODE: {"address": ["127.0.0.1", PORT]}}


def on(logins: Logins, work: Callable[[AgentClient], Awaitable[None]], user: str = "root", python: str = "") -> None:
    """Does that with the agent on the first host, and sees that nothing of it stays there."""

    async def whole() -> None:
        connector = Connector()
        try:
            where = Host(name=ONE, user=user, python=python)
            opened = await AgentClient.open(await connector.connect(where, lambda _: None), where)
            try:
                await work(opened)
            finally:
                await opened.close()
        finally:
            await connector.close()

    logins.hosts.in_client_network(whole)


def sentence(logins: Logins, work: Callable[[AgentClient], Awaitable[None]] | None = None, python: str = "") -> str:
    """The one line of the error that comes of that."""

    async def nothing(_: AgentClient) -> None:
        pass

    with pytest.raises(RemoteError) as caught:
        on(logins, work or nothing, python=python)
    assert "\n" not in caught.value.sentence
    assert caught.value.sentence.startswith(f"{ONE}: ")
    return caught.value.sentence.removeprefix(f"{ONE}: ")


def look(opened: AgentClient, directory: str = "") -> Awaitable[dict[str, object]]:
    return opened.call("look", directory=directory, nodes=NODES)


def lock(opened: AgentClient, seconds: float = 0.0) -> Awaitable[dict[str, object]]:
    return opened.call("lock", directory="", text="jane@desk", seconds=seconds)


@pytest.fixture
def bashrc(logins: Logins) -> Callable[[str], None]:
    """Writes what root's login shell does first."""

    def write(text: str) -> None:
        logins.hosts.path(1, "/root/.bashrc").write_text(text)

    return write


@pytest.fixture(autouse=True)
def nothing_is_left(logins: Logins) -> Iterator[None]:
    yield
    hosts = logins.hosts
    hosts.run(1, "rm", "-rf", BASE, "/root/bundle", "/root/.bashrc")
    try:
        hosts.until_idle(1)
    finally:
        for pid in hosts.processes(1):  # of a test that failed: the others are not to wait for it
            hosts.kill(1, pid)


# --- the start -------------------------------------------------------------------------------------------------------


def test_what_goes_through_the_login_shell_means_the_same_to_each() -> None:
    for text in (agent_client.FIND, agent_client.LOAD):
        assert not set(text) & set(agent_client.UNSAFE)


def test_hello_and_host_key(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        assert opened.hello["user"] == "root"
        assert opened.hello["hostname"] == "host1"
        assert opened.hello["python"] >= [3, 11]
        assert re.fullmatch(r"ssh-ed25519 SHA256:\S{43}", opened.host_key)
        assert (await look(opened))["directory"] == BASE

    on(logins, work)


def test_another_user(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        assert opened.hello["user"] == USER
        assert (await look(opened))["directory"] == f"/home/{USER}/.local/share/wrpme"

    on(logins, work, user=USER)


def test_a_login_script_that_writes_and_ends_no_line(logins: Logins, bashrc: Callable[[str], None]) -> None:
    bashrc('echo Welcome; echo "{}"; printf "no end of line"; echo disturbing >&2')

    async def work(opened: AgentClient) -> None:
        assert (await look(opened))["exists"] is False

    on(logins, work)


@pytest.mark.parametrize("text", ['{"hello":', '{"hello": 1}', '{"hello": [1, 2', "[1]", "\\xff\\xfe"])
def test_a_login_script_that_writes_what_looks_like_a_hello(
    logins: Logins, bashrc: Callable[[str], None], text: str
) -> None:
    bashrc(f"printf '{text}\\n'")

    async def work(opened: AgentClient) -> None:
        assert opened.hello["hostname"] == "host1"

    on(logins, work)


@pytest.mark.parametrize("script", ["read x", "read x; read y", "head -c 3 >/dev/null", "exec </dev/null"])
def test_a_login_script_that_reads(logins: Logins, bashrc: Callable[[str], None], script: str) -> None:
    bashrc(script)
    assert sentence(logins) == (
        "its login scripts read the input of the session, which is meant for wrpme; let them read nothing where no "
        "terminal is"
    )


def test_a_login_script_that_leaves_a_writer_behind(logins: Logins, bashrc: Callable[[str], None]) -> None:
    bashrc("(while test -d /root/writing; do echo '[1]'; sleep 0.01; done) &")
    logins.hosts.path(1, "/root/writing").mkdir()

    async def work(opened: AgentClient) -> None:
        while True:
            await look(opened)

    try:
        said = sentence(logins, work)
    finally:
        logins.hosts.path(1, "/root/writing").rmdir()
    assert said == (
        "its answer to `look` is no answer: b'[1]'; see whether a login script has left something running that writes"
    )


def test_a_login_script_that_never_ends_writing(logins: Logins, bashrc: Callable[[str], None]) -> None:
    bashrc("yes")
    said = sentence(logins)
    assert said == "its login scripts write without an end; let them write nothing where no terminal is"


def test_a_login_script_that_waits(
    logins: Logins, bashrc: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_client, "AGENT_START_SECONDS_MAX", 0.5)
    monkeypatch.setattr(agent_client, "AGENT_END_SECONDS_MAX", 0.1)
    bashrc("sleep 1")
    assert sentence(logins) == (
        "its SSH server answers, but no Python could be started there within 0.5 s; see whether it is overloaded, or "
        "its login scripts wait for something"
    )
    subprocess.run([*logins.hosts.inside(1), "sh", "-c", "while pgrep -x sleep; do sleep 0.1; done"], check=True)


def test_a_login_that_runs_nothing(logins: Logins, bashrc: Callable[[str], None]) -> None:
    bashrc("echo This account is not available; exit 1")
    assert sentence(logins) == ("its user root can't run Python there (status 1): This account is not available")


def test_no_python(logins: Logins) -> None:
    logins.hosts.hide_python(1)
    try:
        said = sentence(logins)
    finally:
        logins.hosts.usual_python(1)
    assert said == (
        "it has no Python 3.11 or later: install it (on Debian: apt install python3), or say with `python` where one is"
    )


def test_an_old_python(logins: Logins) -> None:
    logins.hosts.old_python(1)
    try:
        said = sentence(logins)
        named = sentence(logins, python="/usr/bin/python3")
    finally:
        logins.hosts.usual_python(1)
    assert re.match(r"its Python is 3\.9\.\d+ \(/\S+\), and wrpme needs 3\.11 or later: install it", said), said
    assert re.match(r"/usr/bin/python3 is Python 3\.9\.\d+; wrpme needs 3\.11 or later: name such a one", named), named


def test_the_python_that_the_file_names(logins: Logins) -> None:
    logins.hosts.run(1, "ln", "-s", "/usr/bin/python3", "/opt/a python")

    async def work(opened: AgentClient) -> None:
        assert opened.hello["executable"] == "/opt/a python"

    on(logins, work, python="/opt/a python")
    assert sentence(logins, python="/opt/none") == (
        "there is no /opt/none, or it can't be run; wrpme needs 3.11 or later: name such a one with `python`"
    )
    assert "can't have a character of" in sentence(logins, python="/opt/it's")


def test_a_python_that_lacks_half_of_its_library(logins: Logins) -> None:
    fake = logins.hosts.path(1, "/opt/python")
    fake.write_text('#!/bin/sh\nexec /usr/bin/python3 -I -B -c "import json_is_not_there"\n')
    fake.chmod(0o755)
    assert sentence(logins, python="/opt/python") == (
        "its Python lacks the module 'json_is_not_there'; install a whole one (on Debian: apt install python3)"
    )


def test_no_terminal_whatever_the_users_configuration_says(logins: Logins) -> None:
    logins.configure("Host *\n  RequestTTY force\n")

    async def work(opened: AgentClient) -> None:
        assert (await look(opened))["exists"] is False

    on(logins, work)


# --- requests --------------------------------------------------------------------------------------------------------


def test_errors_have_their_class_and_their_host(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        await look(opened)
        with pytest.raises(errors.ConnectionError) as refused:
            await opened.call("ask", address=["127.0.0.1", 1], frames="", count=1, seconds=5)
        assert refused.value.sentence == f"{ONE}: 127.0.0.1:1 does not answer (Connection refused)"
        with pytest.raises(RemoteError, match="not configured here"):
            await lock(opened)
            await opened.call("start", name=NODE)
        with pytest.raises(errors.InternalError):
            await opened.call("dance")

    on(logins, work)


def test_requests_at_once_wait_for_each_other(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        found = await asyncio.gather(*(look(opened, f"/srv/{number}") for number in range(20)))
        assert [one["directory"] for one in found] == [f"/srv/{number}" for number in range(20)]

    on(logins, work)


def test_a_long_answer(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        await lock(opened)
        await opened.call("configure", name=NODE, record={"service": "process"}, run="", unit=None)
        text = "line ü\n" * 700_000
        logins.hosts.path(1, f"{BASE}/nodes/{NODE}/log").write_text(text)
        answer = await opened.call(
            "log", name=NODE, offset=None, inode=None, lines=10_000_000, bytes_max=16 * 1024 * 1024
        )
        assert answer["text"] == text
        await opened.call("remove", name=NODE, data=True)

    on(logins, work)


def test_two_operators(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        await lock(opened)
        connector = Connector()
        other = await AgentClient.open(await connector.connect(host(ONE), lambda _: None), host(ONE))
        with pytest.raises(LockedError) as caught:
            await lock(other)
        assert caught.value.sentence.startswith(f"{ONE}: jane@desk is at work there; wait until that is done")
        waiting = asyncio.create_task(other.call("lock", directory="", text="joe", seconds=PATIENCE_SECONDS))
        await opened.close()
        await waiting
        await other.close()
        await connector.close()

    on(logins, work)


def test_a_client_that_is_gone_holds_no_lock(logins: Logins) -> None:
    async def dies(opened: AgentClient) -> None:
        await lock(opened)
        opened._connection.abort()

    on(logins, dies)

    async def work(opened: AgentClient) -> None:
        await lock(opened, PATIENCE_SECONDS)

    on(logins, work)


def test_the_connection_ends_in_the_middle(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        await lock(opened)
        connector = Connector()
        other = await AgentClient.open(await connector.connect(host(ONE), lambda _: None), host(ONE))
        waiting = asyncio.ensure_future(lock(other, 60.0))
        await asyncio.to_thread(logins.hosts.drop_connections, 1)
        try:
            await waiting
        finally:
            await other.close()
            await connector.close()

    said = sentence(logins, work)
    assert said.startswith("the connection ended while `lock` ran there"), said
    assert said.endswith("; what was done stays, and the same command goes on from there"), said


def test_after_the_end_every_request_says_so(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        await asyncio.to_thread(logins.hosts.drop_connections, 1)
        with pytest.raises(RemoteError):
            await look(opened)
        await look(opened)

    assert sentence(logins, work).startswith("the connection has ended (")


def test_the_agent_is_killed(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        await lock(opened)
        await asyncio.to_thread(logins.hosts.run, 1, "pkill", "-KILL", "python3")
        await look(opened)

    assert re.match(r"the agent ended with status 137 while `look` ran: ", sentence(logins, work))
    logins.hosts.run(1, "rm", "-r", BASE)


def test_no_answer_in_time(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(opened: AgentClient) -> None:
        pid = next(pid for pid, line in logins.hosts.processes(1).items() if line.startswith("python3"))
        await asyncio.to_thread(logins.hosts.run, 1, "kill", "-STOP", str(pid))
        monkeypatch.setattr(agent_client, "AGENT_CALL_SECONDS_MAX", 0.2)
        monkeypatch.setattr(agent_client, "AGENT_END_SECONDS_MAX", 0.2)
        try:
            await look(opened)
        finally:
            await asyncio.to_thread(logins.hosts.run, 1, "kill", "-CONT", str(pid))

    assert sentence(logins, work) == "no answer to `look` within 0.2 s; see whether it is overloaded"


def test_beats_keep_it_alive(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_client, "AGENT_BEAT_SECONDS", 0.001)

    async def work(opened: AgentClient) -> None:
        for _ in range(20):
            await look(opened)

    on(logins, work)


def test_a_daemon_lives_on_and_keeps_no_session(logins: Logins) -> None:
    node = f"{BASE}/nodes/{NODE}"

    async def begin(opened: AgentClient) -> None:
        await lock(opened)
        run = FAKE_DAEMON.format(node=node, python="/usr/bin/python3", program=f"print(1, flush=True); {WAITS}")
        await opened.call("configure", name=NODE, record={"service": "process"}, run=run, unit=None)
        await opened.call("start", name=NODE)

    on(logins, begin)
    until("what was started is what it becomes", lambda: len(daemons(logins.hosts, 1)) == 1)

    async def end(opened: AgentClient) -> None:
        await lock(opened)
        assert (await opened.call("start", name=NODE))["started"] is False
        assert (await opened.call("stop", name=NODE, seconds=PATIENCE_SECONDS))["how"] == "stopped"

    on(logins, end)


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle"
    path.write_bytes(os.urandom(3_000_000))
    return path


def test_a_file_is_whole_or_not_there(logins: Logins, bundle: Path) -> None:
    async def work(opened: AgentClient) -> None:
        heard: list[int] = []
        await opened.send(bundle, "/root/bundle", heard.append)
        assert heard == sorted(heard)
        assert heard[-1] == 3_000_000
        assert logins.hosts.path(1, "/root/bundle").read_bytes() == bundle.read_bytes()
        bundle.write_bytes(b"another")
        await opened.send(bundle, "/root/bundle", heard.append)
        assert logins.hosts.path(1, "/root/bundle").read_bytes() == b"another"
        assert not logins.hosts.path(1, "/root/bundle.part").exists()

    on(logins, work)


def test_the_disk_is_full(logins: Logins, bundle: Path) -> None:
    logins.hosts.small_disk(1, 1024, "/srv")
    try:

        async def work(opened: AgentClient) -> None:
            await opened.send(bundle, "/srv/bundle", lambda _: None)

        said = sentence(logins, work)
        assert list(logins.hosts.path(1, "/srv").iterdir()) == []
    finally:
        logins.hosts.usual_disk(1, "/srv")
    assert re.fullmatch(
        r"the disk is full at /srv: 2\.9 MiB are to be sent, \d\.\d MiB are free, \d\.\d MiB had "
        r"arrived and were removed; make room there and give the command again",
        said,
    ), said


def test_a_place_that_can_not_be_written(logins: Logins, bundle: Path) -> None:
    async def work(opened: AgentClient) -> None:
        await opened.send(bundle, "/nowhere/bundle", lambda _: None)

    assert sentence(logins, work) == "/nowhere/bundle.part can't be written by SFTP (No such file)"


def test_the_connection_ends_while_a_file_is_sent(logins: Logins, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(50_000_000))

    async def work(opened: AgentClient) -> None:
        begun = asyncio.Event()
        sending = asyncio.create_task(opened.send(large, "/root/bundle", lambda _: begun.set()))
        await begun.wait()
        await asyncio.to_thread(logins.hosts.drop_connections, 1)
        await sending

    assert sentence(logins, work).startswith("the connection ended while /root/bundle")
    assert not logins.hosts.path(1, "/root/bundle").exists()
    logins.hosts.path(1, "/root/bundle.part").unlink()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "Subsystem sftp /nowhere",
            "its SSH server has no SFTP, which files are sent by; give it one (in sshd_config: Subsystem sftp "
            "internal-sftp)",
        ),
        (
            "MaxSessions 1",
            "its SSH server opens no SFTP for us (open failed); two are needed at a time: see MaxSessions, "
            "ForceCommand and PermitOpen in its sshd_config",
        ),
    ],
)
def test_a_server_without_sftp(logins: Logins, bundle: Path, line: str, said: str) -> None:
    config = logins.hosts.path(1, "/etc/ssh/sshd_config")
    logins.hosts.stop_sshd(1)
    usual = config.read_text()
    kept = [each for each in usual.splitlines() if each.split()[0] != line.split()[0]]
    config.write_text("\n".join([line, *kept, ""]))
    logins.hosts.start_sshd(1)
    try:

        async def work(opened: AgentClient) -> None:
            await opened.send(bundle, "/root/bundle", lambda _: None)

        assert sentence(logins, work) == said
    finally:
        logins.hosts.stop_sshd(1)
        config.write_text(usual)
        logins.hosts.start_sshd(1)


@pytest.mark.parametrize("line", ["MaxSessions 0", "ForceCommand internal-sftp"])
def test_a_server_that_runs_nothing(logins: Logins, line: str) -> None:
    logins.hosts.configure_sshd(1, line)
    try:
        said = sentence(logins)
    finally:
        logins.hosts.configure_sshd(1)
    if line == "MaxSessions 0":
        assert said.startswith("its SSH server opens no session for us (")
    else:
        assert said.startswith("its user root can't run Python there (status 1): "), said


def test_every_error_is_one_of_ours(logins: Logins) -> None:
    async def work(opened: AgentClient) -> None:
        for do in ("look", "lock", "start", "log"):
            with pytest.raises(WrpmeError):
                await opened.call(do)

    on(logins, work)
