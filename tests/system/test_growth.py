"""A hive that holds data grows under load, and is stopped, cut off from power and started again as a whole."""

from __future__ import annotations

import asyncio
from math import sqrt
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, until_stable
from tests.system.raw import Wire
from wrpme import Client
from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.messages import Content, Get
from wrpme.protocol.view import NodeId, View

ENTRIES = 5_000
SIGMAS = 5
FAIR = 0.05
LOADERS = 8


def content_of(number: int) -> bytes:
    return f"content of {number}".encode()


async def fill(client: Client) -> None:
    """Puts all entries, many at a time."""

    async def some(first: int) -> None:
        for number in range(first, ENTRIES, 100):
            await client.put(f"entry/{number}", content_of(number))

    await asyncio.gather(*(some(first) for first in range(100)))


async def check_shares(client: Client, count: int) -> None:
    """Every node has its fair share of the ring, and of the entries what chance gives for that share."""
    status = await client.hive_status()
    total = 0
    for node in status.nodes:
        stats = node.stats
        assert stats is not None, node.error
        assert abs(stats.share * count - 1) <= FAIR, f"{stats.address} has {stats.share:.4f} of the ring"
        expected = ENTRIES * stats.share
        spread = sqrt(expected * (1 - stats.share))
        assert abs(stats.entries - expected) <= SIGMAS * spread, f"{stats.address} has {stats.entries} entries"
        total += stats.entries
    assert total == ENTRIES


def owners(view: View) -> list[NodeId]:
    """The owner of each slot."""
    found: list[NodeId] = []
    for index, arc in enumerate(view.arcs):
        found += [arc.holders[0]] * ring.width(view.arcs, index)
    assert len(found) == SLOTS
    return found


def check_moved(before: View, after: View) -> None:
    """What the new node has, and nothing else, has another owner than before."""
    (new,) = {member.id for member in after.members} - {member.id for member in before.members}
    moved = [now for old, now in zip(owners(before), owners(after), strict=True) if old != now]
    assert set(moved) == {new}
    assert abs(len(moved) / SLOTS * len(after.members) - 1) <= FAIR


class Load:
    """Reads and writes without a pause until it is told to end; every answer is checked."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._enough = asyncio.Event()
        self.operations = 0
        self._tasks = [asyncio.create_task(self._work(worker)) for worker in range(LOADERS)]

    async def _work(self, worker: int) -> None:
        number = worker
        while not self._enough.is_set():
            number = (number + 7 * LOADERS) % ENTRIES
            alias = f"entry/{number}"
            if self.operations % 2:
                assert await self._client.get(alias) == content_of(number)
            else:
                assert await self._client.get_update(alias, content_of(number)) == content_of(number)
            self.operations += 1

    async def end(self) -> None:
        """Raises whatever any request raised."""
        self._enough.set()
        await asyncio.gather(*self._tasks)


def check_readable(daemons: Daemons, times: int) -> None:
    """Every entry through so many nodes, and as many entries through each."""
    count = len(daemons.addresses)
    for index, address in enumerate(daemons.addresses):
        asked = [number for number in range(ENTRIES) if (number + index) % count < times]
        with Wire(address) as wire:
            replies = wire.ask([Get(number, b"entry/%d" % number) for number in asked])
        assert len(replies) == len(asked)
        wrong = [reply for number, reply in replies.items() if reply != Content(number, content_of(number))]
        assert not wrong, f"{len(wrong)} wrong answers through {address}, such as {wrong[0]}"


async def grow(daemons: Daemons) -> None:
    """Three nodes, filled; then the fourth."""
    daemons.start_all(range(3))
    before = await daemons.until_stable(3)
    async with Client(daemons.addresses[:3]) as client:
        await fill(client)
        await check_shares(client, 3)
        load = Load(client)
        daemons.start(3)
        after = await until_stable(client, 4)
        await load.end()
        print(f"{load.operations} operations while the fourth node joined, none failed")
        check_moved(before, after)
        await check_shares(client, 4)


@pytest.mark.asyncio
async def test_a_hive_grows_and_comes_back(tmp_path: Path) -> None:
    with Daemons(tmp_path, 4) as daemons:
        await grow(daemons)
        check_readable(daemons, times=4)
        daemons.terminate(0, 1, 2, 3)
        daemons.start_all([2, 0, 3, 1])
        await daemons.until_stable(4)
        check_readable(daemons, times=1)
        daemons.kill(0, 1, 2, 3)
        daemons.start_all([3, 1, 2, 0])
        await daemons.until_stable(4)
        check_readable(daemons, times=1)
        daemons.check_alive()
