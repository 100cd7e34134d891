"""A disk that is full: the node says so, answers every client at once, and comes back by itself when there is space."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemon_parts import ServiceManager
from tests.system.daemons import Daemons, environment, free_port, until, wrpmed
from wrpme import Client, WrpmeError
from wrpme.errors import DiskFullError
from wrpme.limits import DISK_FREE_BYTES_MIN, MIB

DISK_BYTES = 2 * DISK_FREE_BYTES_MIN
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small disk")


class SmallDisk:
    """Memory that is mounted at a directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self._ballast = directory / "ballast"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(directory)], check=True)

    def fill(self) -> None:
        """Not one more byte."""
        with open(self._ballast, "ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def empty(self) -> None:
        self._ballast.unlink()

    def leave_free(self, size: int) -> None:
        os.truncate(self._ballast, max(0, self._ballast.stat().st_size - size))

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.directory)], check=True)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path / "db")
    yield made
    made.unmount()


async def fails(client: Client) -> bool:
    """Whether the node serves nothing since its disk is full; writes until it is so."""
    try:
        await client.update("trouble", os.urandom(100_000))
    except DiskFullError:
        return True
    return False


def log_of(hive: Daemons, index: int = 0) -> str:
    return (hive.directory / f"{index}.log").read_text()


@pytest.mark.asyncio
@pytest.mark.parametrize("options", [(), ("--no-sync",)], ids=["synced", "no-sync"])
async def test_a_node_leaves_service_and_returns(tmp_path: Path, disk: SmallDisk, options: tuple[str, ...]) -> None:
    with Daemons(tmp_path, 1, *options) as hive:
        hive.start(0)
        await hive.until_stable(1)
        acknowledged: dict[str, bytes] = {}
        async with Client(hive.addresses, timeout=5.0) as client:
            for number in range(50):
                acknowledged[f"before-{number}"] = content = os.urandom(1000)
                await client.put(f"before-{number}", content)
            disk.fill()
            for number in range(1000):
                content = os.urandom(20_000)
                try:
                    await client.put(f"during-{number}", content)
                except WrpmeError:
                    break
                acknowledged[f"during-{number}"] = content
            else:
                raise AssertionError("the disk is not full")
            await until("the error of a full disk", lambda: fails(client))
            with pytest.raises(DiskFullError, match=r"is full .* free at least 32 MiB"):
                await client.get("before-0")
            disk.leave_free(DISK_FREE_BYTES_MIN // 2)
            with pytest.raises(DiskFullError):
                await client.get("before-0")
            disk.empty()

            async def back() -> bool:
                return await client.get("before-0") == acknowledged["before-0"]

            await until("the node is back", back)
            for alias, content in acknowledged.items():
                assert await client.get(alias) == content, alias
            await client.update("after", b"works")
        hive.check_alive()
        hive.terminate(0)
        log = log_of(hive)
        assert log.count("is full") <= 3, "it is said once for each time"
        assert "has space again; the node returns" in log
        assert "start 2" in log


@pytest.mark.asyncio
async def test_a_node_that_is_started_on_a_full_disk(tmp_path: Path, disk: SmallDisk) -> None:
    with Daemons(tmp_path, 1) as hive:
        disk.fill()
        hive.start(0)
        async with Client(hive.addresses, timeout=5.0) as client:
            await until("the error of a full disk", lambda: fails(client))
            disk.empty()
            await hive.until_stable(1)
            await client.put("entry", b"content")
        hive.terminate(0)
        hive.start(0)
        await hive.until_stable(1)
        hive.check_alive()


@pytest.mark.asyncio
async def test_a_bystander_can_be_stopped(tmp_path: Path, disk: SmallDisk) -> None:
    with Daemons(tmp_path, 1) as hive:
        disk.fill()
        hive.start(0)
        async with Client(hive.addresses, timeout=5.0) as client:
            await until("the error of a full disk", lambda: fails(client))
        hive.terminate(0)
        assert log_of(hive).count("is full") == 1


def test_systemd_is_told_why_a_node_is_not_ready(tmp_path: Path, disk: SmallDisk) -> None:
    with ServiceManager(tmp_path / "notify") as systemd:
        asked = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "300000"}
        command = wrpmed("-a", f"127.0.0.1:{free_port()}", "-r", str(disk.directory / "node"))
        disk.fill()
        with subprocess.Popen(command, cwd=tmp_path, env={**environment(), **asked}) as process:
            try:
                systemd.hears("STATUS=the disk of the data directory")
                for _ in range(3):
                    systemd.hears("WATCHDOG=1")
                assert not any("READY=1" in said for said in systemd.said), "it serves nothing"
                disk.empty()
                systemd.hears("READY=1\nSTATUS=stable")
            finally:
                process.kill()


@pytest.mark.asyncio
async def test_the_hive_goes_on_and_takes_it_back(tmp_path: Path) -> None:
    async def written(client: Client) -> bool:
        for number in range(100):
            try:
                await client.update(f"during-{number}", os.urandom(20_000))
            except DiskFullError:
                return True
        return False

    with Daemons(tmp_path, 2, "--replication", "1") as hive:
        disk = SmallDisk(tmp_path / "db" / hive.addresses[1].replace(":", "-"))
        try:
            hive.start_all((0, 1))
            await hive.until_stable(2)
            acknowledged: dict[str, bytes] = {}
            async with Client(hive.addresses[:1], timeout=20.0) as client:
                for number in range(200):
                    acknowledged[f"before-{number}"] = content = os.urandom(500)
                    await client.put(f"before-{number}", content)
                disk.fill()
                async with Client(hive.addresses[1:], timeout=5.0) as other:
                    await until("the error of a full disk", lambda: written(other))
                disk.empty()
                await hive.until_stable(2)
                for alias, content in acknowledged.items():
                    assert await client.get(alias) == content, alias
            hive.check_alive()
            assert "has space again; the node returns" in log_of(hive, 1)
        finally:
            hive.kill(*list(hive.processes))
            disk.unmount()


@pytest.mark.asyncio
@pytest.mark.parametrize("killed", [False, True], ids=["at once", "after a kill"])
async def test_the_space_of_what_was_removed_returns(tmp_path: Path, killed: bool) -> None:
    """Also where the node had no time for it."""

    def used(hive: Daemons) -> int:
        found = 0
        for path in (hive.directory / "db").rglob("*"):
            with suppress(FileNotFoundError):
                found += path.stat().st_size
        return found

    with Daemons(tmp_path, 1) as hive:
        hive.start(0)
        await hive.until_stable(1)
        async with Client(hive.addresses, timeout=20.0) as client:
            for number in range(30):
                await client.put(f"large-{number}", os.urandom(2 * MIB))
            assert used(hive) > 50 * MIB
            removed = await client.remove_all()
            assert removed == 30 and removed.exact
            if killed:
                hive.kill(0)
                hive.start(0)
                await hive.until_stable(1)

            async def returned() -> bool:
                return used(hive) < 20 * MIB

            await until("the space returns", returned)
            assert await client.count() == 0
        hive.check_alive()
