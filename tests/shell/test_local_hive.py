"""The hive that wrpmesh starts itself, with real nodes on loopback."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrpme import Client, errors
from wrpme.shell import local_hive
from wrpme.shell.local_hive import LocalHive

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
"""The program runs in other directories, whether wrpme is installed or not."""
PROGRAM = (
    "import sys; from wrpme import cli; from wrpme.shell import local_hive; local_hive.PORT = int(sys.argv.pop(1)); "
    "cli.main()"
)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """The first of a few ports that nobody uses, so that tests may run side by side."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    monkeypatch.setattr(local_hive, "PORT", number)
    return number


@pytest.fixture
def taken(port: int) -> Iterator[int]:
    """The first port is somebody else's."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        yield port


async def run(hive: LocalHive, alias: str, content: bytes | None) -> bytes:
    """Starts the hive, writes an entry or reads it, and stops the hive."""
    try:
        hive.start()
        await hive.until_stable(lambda line: None)
        async with Client(hive.addresses) as client:
            if content is not None:
                await client.put(alias, content)
            return await client.get(alias)
    finally:
        hive.stop()


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """The end of a hive ignores Ctrl-C; tests go on after it."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.asyncio
async def test_a_hive_that_is_started_again_has_its_entries(tmp_path: Path, port: int) -> None:
    said: list[str] = []
    first = LocalHive(tmp_path / "hive", 2, said.append)
    assert first.addresses[0] == f"127.0.0.1:{port}"
    assert await run(first, "x", b"kept") == b"kept"
    again = LocalHive(tmp_path / "hive", 1, said.append)  # the second node holds data, too
    assert again.addresses == first.addresses
    assert await run(again, "x", None) == b"kept"
    assert said[-1:] == [f"{tmp_path}/hive holds the data of 2 nodes, so all of them are started"]


def test_a_port_that_is_taken_is_told_and_passed_over(tmp_path: Path, taken: int) -> None:
    said: list[str] = []
    hive = LocalHive(tmp_path / "hive", 1, said.append)
    hive.stop()
    number = int(hive.addresses[0].split(":")[1])
    assert number > taken
    assert said == [f"port {taken} is taken by another program: node 1 listens on {number}"]


def test_one_shell_at_a_time(tmp_path: Path, port: int) -> None:
    first = LocalHive(tmp_path / "hive", 1, print)
    with pytest.raises(errors.StorageError, match="another wrpmesh runs the hive"):
        LocalHive(tmp_path / "hive", 1, print)
    first.stop()
    LocalHive(tmp_path / "hive", 1, print).stop()


def test_a_directory_that_can_not_be_used(tmp_path: Path, port: int) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.StorageError, match="can't be used for a hive"):
        LocalHive(tmp_path / "file", 1, print)
    (tmp_path / "hive").mkdir()
    (tmp_path / "hive" / "ports").write_text("what")
    with pytest.raises(errors.StorageError, match="can't be used for a hive"):
        LocalHive(tmp_path / "hive", 1, print)


@pytest.mark.asyncio
async def test_a_node_that_does_not_start_is_quoted(tmp_path: Path, port: int) -> None:
    (tmp_path / "hive" / "node-1").mkdir(parents=True)
    (tmp_path / "hive" / "node-1" / "CURRENT").write_text("nonsense")
    hive = LocalHive(tmp_path / "hive", 1, print)
    with pytest.raises(errors.StartError, match=f"node 1 at 127.0.0.1:{port} does not run: .*node-1"):
        await run(hive, "x", None)


# --- one node ----------------------------------------------------------------------------------------------------


async def keys(hive: LocalHive) -> None:
    """Each key of the dashboard once, on real nodes."""
    hive.start()
    await hive.until_stable(lambda line: None)
    first, second, third = hive.addresses
    async with Client([first], timeout=20) as client:

        async def lives() -> dict[str, int]:
            return {member.address: member.incarnation for member in (await client.node_topology(first)).members}

        for number in range(20):
            await client.put(f"x{number}", b"kept")
        hive.kill(2)
        while hive.is_running(2):
            await asyncio.sleep(0)
        with pytest.raises(errors.UsageError, match=f"node 2 at {second} does not run; restart it first"):
            hive.kill(2)
        await hive.restart(2)
        await client.wait_stable(20)

        hive.pause(3)
        assert hive.is_paused(3) and hive.is_running(3)
        with pytest.raises(errors.UsageError, match=f"node 3 at {third} is paused already"):
            hive.pause(3)
        hive.resume(3)
        assert (await client.node_status(third))["address"] == third and not hive.is_paused(3)
        with pytest.raises(errors.UsageError, match=f"node 3 at {third} is not paused"):
            hive.resume(3)

        before = await lives()
        hive.pause(1)
        await hive.restart(1)  # a paused one is woken, stops as planned, and comes back
        await client.wait_stable(20)
        after = await lives()
        assert [address for address in hive.addresses if before[address] != after[address]] == [first]
        assert {await client.get(f"x{number}") for number in range(20)} == {b"kept"}

        assert hive.add() == 4 and hive.number_at(hive.addresses[3]) == 4
        await hive.until_stable(lambda line: None)
        assert set(await lives()) == set(hive.addresses)


@pytest.mark.asyncio
async def test_kill_pause_resume_restart_add(tmp_path: Path, port: int) -> None:
    hive = LocalHive(tmp_path / "hive", 3, print)
    addresses = hive.addresses
    try:
        await keys(hive)
        hive.kill(2)
        hive.pause(3)
    finally:
        hive.stop()
    assert not any(hive.is_running(number) for number in range(1, 5)), "killed and paused ones have ended, too"
    with pytest.raises(errors.StartError, match="has been stopped"):
        await hive.restart(2)
    again = LocalHive(tmp_path / "hive", 1, print)
    assert again.addresses[:3] == addresses and len(again.addresses) == 4, "the added one belongs to it"
    again.stop()


@pytest.mark.asyncio
async def test_what_is_asked_of_a_node_that_is_not_there(tmp_path: Path, port: int) -> None:
    hive = LocalHive(tmp_path / "hive", 1, print)
    try:
        assert hive.number_at(f"127.0.0.1:{port - 1}") is None and hive.number_at(hive.addresses[0]) == 1
        assert not hive.is_running(2) and not hive.is_running(1)
        for key in (hive.kill, hive.pause, hive.resume):
            with pytest.raises(errors.UsageError, match="there is no node 2"):
                key(2)
        with pytest.raises(errors.UsageError, match="there is no node 2"):
            await hive.restart(2)
    finally:
        hive.stop()


@pytest.mark.asyncio
async def test_a_port_that_was_taken_meanwhile(tmp_path: Path, port: int) -> None:
    hive = LocalHive(tmp_path / "hive", 1, print)
    try:
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            with pytest.raises(errors.StartError, match=f"node 1 can't be started: port {port} is taken"):
                await hive.restart(1)
            assert not hive.is_running(1)
    finally:
        hive.stop()


def test_no_room_for_one_more(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hive = LocalHive(tmp_path / "hive", 1, print)
    try:
        monkeypatch.setattr(local_hive, "LOCAL_NODES_MAX", 1)
        with pytest.raises(errors.UsageError, match="at most 1 nodes"):
            hive.add()
        monkeypatch.setattr(local_hive, "LOCAL_NODES_MAX", 2)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
        with pytest.raises(errors.StartError, match=r"node 2 can't be started \(No such file"):
            hive.add()
        assert hive.addresses == [f"127.0.0.1:{port}"]
    finally:
        hive.stop()


# --- the shell on it ---------------------------------------------------------------------------------------------


def test_a_single_command_on_a_hive_of_its_own(tmp_path: Path, port: int) -> None:
    for command, out in (["put", "x", "1"], b""), (["get", "x"], b"1"):
        arguments = [sys.executable, "-c", PROGRAM, str(port), "--hive", "2", *command]
        done = subprocess.run(arguments, capture_output=True, timeout=60, check=True, cwd=tmp_path, env=ENVIRONMENT)
        assert done.stdout == out and b"the hive is stable: 127.0.0.1:" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_nodes_as_well(tmp_path: Path, port: int, number: signal.Signals) -> None:
    arguments = [sys.executable, "-c", PROGRAM, str(port), "--hive", "1"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, cwd=tmp_path, env=ENVIRONMENT)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"put x 1\nget x\n")
    process.stdin.flush()
    assert select.select([process.stdout], [], [], 30)[0] and os.read(process.stdout.fileno(), 100) == b"1\n"
    process.send_signal(number)
    code = process.wait(30)  # its input is open to the end
    _, err = process.communicate()
    assert code == 128 + number and err.count(b"\n") == 1  # the line that says it is stable
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
