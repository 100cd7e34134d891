"""Nodes whose addresses or directories are not what they were: moved, copied, lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, finished, free_port, until, until_stable, wrpmesh
from wrpme import Client
from wrpme.errors import AnotherHiveError
from wrpme.protocol import health

pytestmark = pytest.mark.asyncio

ENTRIES = 60


def directory_of(hive: Daemons, index: int) -> Path:
    return hive.directory / "db" / hive.addresses[index].replace(":", "-")


def log_of(hive: Daemons, index: int) -> str:
    return (hive.directory / f"{index}.log").read_text("utf-8", "replace")


async def fill(client: Client) -> None:
    for number in range(ENTRIES):
        await client.put(f"entry/{number}", b"%d" % number)


async def check(client: Client) -> None:
    for number in range(ENTRIES):
        assert await client.get(f"entry/{number}") == b"%d" % number


async def degraded(client: Client) -> bool:
    return health.condition(await client.view()).word == "degraded"


async def begun(hive: Daemons) -> None:
    hive.start_all(range(3))
    await hive.until_stable()
    async with Client(hive.addresses) as client:
        await fill(client)


async def test_a_hive_whose_addresses_all_changed_comes_back(tmp_path: Path) -> None:
    """After a power loss, with right peers; nothing is left of the addresses that the views have."""

    with Daemons(tmp_path, 3, "--replication", "2") as hive:
        await begun(hive)
        hive.kill(0, 1, 2)
        for index in range(3):
            former = directory_of(hive, index)
            hive.addresses[index] = f"127.0.0.1:{free_port()}"
            former.rename(directory_of(hive, index))
        hive.start_all((2, 0, 1))
        now = await hive.until_stable()
        assert {member.address for member in now.members} == set(hive.addresses)
        async with Client(hive.addresses) as client:
            await check(client)
        hive.check_alive()


async def test_a_copy_of_a_directory_beside_its_original_is_set_aside(tmp_path: Path) -> None:
    """With one copy of each entry: taken for the original, it would have brought back what was written over."""

    with Daemons(tmp_path, 3, "--replication", "1") as hive:
        await begun(hive)
        hive.kill(1)
        hive.addresses.append(f"127.0.0.1:{free_port()}")
        shutil.copytree(directory_of(hive, 1), directory_of(hive, 3))
        hive.start(1)
        async with Client(hive.addresses[:3]) as client:
            await until_stable(client, 3)
            for number in range(0, ENTRIES, 2):
                await client.update(f"entry/{number}", b"later")
            hive.start(3)
            await until_stable(client, 4)
            for number in range(ENTRIES):
                assert await client.get(f"entry/{number}") == (b"%d" % number if number % 2 else b"later")
        assert "older copy" in log_of(hive, 3) and "was set aside as" in log_of(hive, 3)
        assert Path(f"{directory_of(hive, 3)}.former-1").is_dir()
        hive.check_alive()


async def test_a_founder_that_lost_its_directory_is_no_trap(tmp_path: Path) -> None:
    """Its own command founds another hive at its address: clients that know all addresses write nothing there."""

    with Daemons(tmp_path, 3, "--replication", "2") as hive:
        await begun(hive)
        hive.kill(0)
        shutil.rmtree(directory_of(hive, 0))
        hive.start(0)

        async def founded() -> bool:
            return log_of(hive, 0).count("serving at") == 2

        await until("another hive", founded)
        async with Client(hive.addresses) as client:
            with pytest.raises(AnotherHiveError, match="the daemons given are of different hives"):
                await client.update("entry/0", b"lost")
        given = [part for address in hive.addresses for part in ("--daemon", address)]
        told = finished(wrpmesh(*given, "update", "entry/0", "lost"), directory=tmp_path)
        assert told.returncode == 1 and told.stderr.startswith(b"another_hive: the daemons given"), told.stderr
        async with Client(hive.addresses[1:]) as client:

            async def noticed() -> bool:
                status = await client.hive_status()
                troubles = [one for node in status.nodes if node.stats for one in node.stats.troubles]
                return any(f"at {hive.addresses[0]}, the address of node" in one for one in troubles)

            await until("the others notice it", noticed)
            await until("a quorum goes on", lambda: degraded(client))
            await check(client)
        async with Client(hive.addresses[0]) as client:
            assert await client.count() == 0, "what it founded got nothing"
        assert "nodes of another hive" in log_of(hive, 0)
        hive.check_alive()
