"""All nodes lose their power at once, and not all of them return: what complete copies hold is served."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, until, until_stable
from wrpme import Client
from wrpme.protocol import health

pytestmark = pytest.mark.asyncio

ENTRIES = 60


def content_of(number: int) -> bytes:
    return f"content of {number}".encode()


async def _fill(daemons: Daemons, count: int) -> None:
    daemons.start_all(range(count))
    async with Client(daemons.addresses, timeout=20) as client:
        await until_stable(client, count)
        for number in range(ENTRIES):
            await client.put(f"entry/{number}", content_of(number))


async def _all_is_served(addresses: list[str]) -> None:
    async with Client(addresses, timeout=20) as client:

        async def served() -> bool:
            status = await client.hive_status()
            serving = [node.stats.serving for node in status.nodes if node.stats is not None]
            enough = serving.count(True) >= min(2, len(addresses))
            return enough and health.condition(status.view).word == "degraded"

        await until("all data is served without the node that stays away", served)
        for number in range(ENTRIES):
            assert await client.get(f"entry/{number}") == content_of(number)


@pytest.mark.parametrize(
    ("count", "copies", "returning"),
    [(3, 3, (0, 1)), (3, 2, (2, 1)), (2, 2, (0,))],
    ids=["three copies, two return", "two copies, two return", "the senior of two returns"],
)
async def test_those_that_return_serve_all_that_they_hold(
    tmp_path: Path, count: int, copies: int, returning: tuple[int, ...]
) -> None:
    with Daemons(tmp_path, count, "--replication", str(copies)) as daemons:
        await _fill(daemons, count)
        daemons.kill(*range(count))
        daemons.start_all(returning)
        await _all_is_served([daemons.addresses[index] for index in returning])


async def test_one_returns_with_an_empty_disk(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3, "--replication", "3") as daemons:
        await _fill(daemons, 3)
        daemons.kill(0, 1, 2)
        shutil.rmtree(tmp_path / "db" / daemons.addresses[2].replace(":", "-"))
        daemons.start_all((2, 0, 1))
        await _all_is_served(daemons.addresses)
