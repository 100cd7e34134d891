"""What systemd is told: by the notifier alone, of a node whose outlook is set, and by real daemons."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon_parts import PATIENCE_SECONDS, ServiceManager
from tests.harness import HIVE, Hive, hive_of
from tests.system.daemons import environment, free_port, wrpmed
from wrpme.daemon.limits import LOG_LINE_CHARACTERS_MAX
from wrpme.daemon.systemd import Manager, manager, outlook
from wrpme.limits import LEASE_SECONDS


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[ServiceManager]:
    with ServiceManager(tmp_path / "notify") as made:
        yield made


@contextmanager
def node(directory: Path, systemd: ServiceManager, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon that ``systemd`` has started, and that is to say every 0.1 s that it lives."""
    asked = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "300000"}
    with subprocess.Popen(wrpmed(*options), cwd=directory, env={**environment(), **asked}) as process:
        try:
            yield process
        finally:
            process.kill()


# --- the environment -------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_environment_is_read_once(systemd: ServiceManager) -> None:
    names = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "300000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    found = manager(names)
    assert names == {"HOME": "/"}, "what is meant for this process is not passed on"

    found.start(lambda: (False, "starting"))
    assert systemd.hears("STATUS") == "STATUS=starting"
    assert systemd.hears("WATCHDOG=1")
    found.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1234"])
async def test_where_nobody_asks_nothing_is_done(address: str) -> None:
    found = manager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"} if address else {})
    found.start(lambda: pytest.fail("nobody wants to know"))
    found.follow(lambda: pytest.fail("nobody wants to know"))
    found.adopted()
    found.stopping()
    found.close()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "watchdog",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}],
    ids=["none", "0", "no number", "of another process"],
)
async def test_no_watchdog(systemd: ServiceManager, watchdog: dict[str, str]) -> None:
    found = manager({"NOTIFY_SOCKET": systemd.address, **watchdog})
    found.start(lambda: (True, "stable"))
    for _ in range(10):
        await asyncio.sleep(0)
    found.stopping()
    found.close()
    assert systemd.heard() == ["READY=1\nSTATUS=stable", "STOPPING=1"]


@pytest.mark.asyncio
async def test_a_socket_without_a_file() -> None:
    with ServiceManager(f"@wrpme/test/{os.getpid()}") as systemd:
        found = Manager(systemd.address)
        found.start(lambda: (True, "stable"))
        found.close()
        assert systemd.heard() == ["READY=1\nSTATUS=stable"]


# --- what is told, and when ------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_only_news_is_told(systemd: ServiceManager) -> None:
    now = (False, "starting")
    found = Manager(systemd.address)
    found.start(lambda: now)
    for next_ in ((False, "waiting"), (False, "waiting"), (True, "stable")):
        now = next_
        found.adopted()
        await asyncio.sleep(0)
    assert systemd.heard() == ["STATUS=starting", "STATUS=waiting", "READY=1\nSTATUS=stable"]
    now = (True, "stabilizing")
    found.adopted()
    await asyncio.sleep(0)
    assert systemd.heard() == [], "views may come many in a second; a line is said once in one"
    now = (False, "waiting")
    found.look()
    now = (True, "waiting")
    found.look()
    assert systemd.heard() == ["STATUS=waiting"], "it is ready once"
    found.follow(lambda: (False, "one\nREADY=1 " + "x" * 9999))
    (line,) = systemd.heard()
    assert "\n" not in line
    assert len(line) <= LOG_LINE_CHARACTERS_MAX + 20
    found.close()


@pytest.mark.asyncio
async def test_what_the_manager_does_not_take_is_said_again(systemd: ServiceManager) -> None:
    now = (False, "0")
    found = Manager(systemd.address)
    found.start(lambda: now)
    for number in range(1, 5000):  # more than waits in a socket
        now = (False, str(number))
        found.look()
    now = (True, "stable")
    found.look()
    waiting = systemd.heard()
    assert len(waiting) < 5000
    assert "READY=1" not in waiting[-1]
    found.look()
    assert systemd.heard() == ["READY=1\nSTATUS=stable"]
    found.close()


@pytest.mark.asyncio
async def test_a_manager_that_is_gone_is_let_be(tmp_path: Path) -> None:
    found = Manager(str(tmp_path / "nobody"), 60.0)
    found.start(lambda: (True, "stable"))
    found.stopping()
    found.close()


# --- how a node is ---------------------------------------------------------------------------------------------------


def test_a_node_that_waits_joins_and_stops() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    look = outlook(hive.nodes["a"])
    assert look() == (False, "founding a hive")
    hive.go(1)
    assert look() == (True, "stable: 1 node is up")
    hive.start("b", "a")
    hive.cut("a", "b")
    hive.go(3)
    assert outlook(hive.nodes["b"])() == (False, "waiting for a hive at a")
    hive.heal()
    hive.stable("a", "b")
    assert look() == (True, "stable: all 2 nodes are up and every arc has its copies")
    hive.nodes["b"].lifecycle.stop()
    assert outlook(hive.nodes["b"])() == (False, "stopping: the hive is told first")


def test_a_node_that_leaves_says_so() -> None:
    hive = hive_of("a", "b", "c")
    hive.nodes["c"].lifecycle.leave()
    assert outlook(hive.nodes["c"])() == (
        True,
        "leaving the hive for good; stable: all 3 nodes are up and every arc has its copies",
    )


def test_a_node_that_is_alone_says_what_it_lacks() -> None:
    hive = hive_of("a", "b", "c")
    look = outlook(hive.nodes["a"])
    hive.kill("b")
    hive.kill("c")
    hive.go(10 * LEASE_SECONDS)
    serves, line = look()
    assert serves
    assert line.startswith("no change of the hive can be decided: this node sees 1 of 3 voters; it waits for b, c")
    hive.start("a")
    hive.go(1)
    serves, line = outlook(hive.nodes["a"])()
    assert not serves
    assert line.startswith("waiting to be taken back by the hive: ")


def test_a_node_whose_leases_have_run_out_does_not_serve() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    hive.kill("b")
    hive.kill("c")
    hive.go(10 * LEASE_SECONDS)
    serves, line = outlook(hive.nodes["a"])()
    assert not serves and line.startswith("no change of the hive can be decided: ")


# --- real daemons ----------------------------------------------------------------------------------------------------


def test_a_daemon_is_ready_when_it_serves(tmp_path: Path, systemd: ServiceManager) -> None:
    first, second = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with (
        ServiceManager(tmp_path / "other") as other,
        node(tmp_path, other, "-a", second, "--peer", first, "-r", "second") as joining,
    ):
        other.hears(f"STATUS=waiting for a hive at {first}")
        other.hears("WATCHDOG=1")
        with node(tmp_path, systemd, "-a", first, "-r", "first") as founder:
            alone = "stable: 1 node is up; 1 copy of each entry, not 2, until more nodes join"
            assert systemd.hears("READY=1") == f"READY=1\nSTATUS={alone}"
            other.hears("READY=1")
            assert sum("READY=1" in line for line in other.said) == 1
            other.hears("STATUS=stable: all 2 nodes are up and every arc has its copies")
            joining.send_signal(signal.SIGTERM)
            other.hears("STOPPING=1")
            assert joining.wait(PATIENCE_SECONDS) == 0
            systemd.hears(f"STATUS=degraded: {second} down")
            founder.send_signal(signal.SIGTERM)
            assert founder.wait(PATIENCE_SECONDS) == 0
    assert f"STATUS=opening the data directory {tmp_path}/second" in other.said[0]


def test_a_daemon_that_hangs_pings_no_more_and_says_where_it_hung(tmp_path: Path, systemd: ServiceManager) -> None:
    asked = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "300000"}
    command = wrpmed("-a", f"127.0.0.1:{free_port()}", "--transient")
    with subprocess.Popen(command, cwd=tmp_path, env={**environment(), **asked}, stderr=subprocess.PIPE) as process:
        systemd.hears("READY=1")
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        systemd.heard()
        assert not systemd.heard()
        process.send_signal(signal.SIGABRT)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == -signal.SIGABRT
    assert b"Fatal Python error: Aborted" in said
    assert b"run_until_complete" in said or b"in _serve" in said
