"""Nodes that are far from each other, 300 ms there and back, with some first packets lost: a hive like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.daemons import Daemons, until, until_stable
from tests.system.far import Distance
from wrpme import Client

ONE_WAY_SECONDS = 0.15
NODES = 3


async def scenario(daemons: Daemons) -> None:
    ways = [Distance(int(address.rpartition(":")[2]), ONE_WAY_SECONDS, lossy=3) for address in daemons.addresses]
    for way in ways:
        await way.open()
    far = daemons.advertised = [way.address for way in ways]
    try:
        for index in range(NODES):
            daemons.start(index)
        async with Client(far, timeout=20.0) as client:
            await until_stable(client, NODES, daemons.check_running)
            await client.put("entry", b"1")
            assert await client.get("entry") == b"1"
            daemons.kill(1)

            async def another_owner() -> bool:
                for number in range(12):
                    await client.update(f"k{number}", b"2")
                return True

            await until("all is served without the dead one", another_owner)
            daemons.start(1)
            await until_stable(client, NODES, daemons.check_running)
            assert await client.get("entry") == b"1"
    finally:
        for way in ways:
            await way.close()


@pytest.mark.asyncio
async def test_nodes_that_are_far_from_each_other(tmp_path: Path) -> None:
    with Daemons(tmp_path, NODES, "--replication", "2") as daemons:
        await scenario(daemons)
        daemons.check_alive()
