"""Leaving, forgetting, recovering and verifying, as a client asks for them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, free_port, until
from wrpme import Client, errors
from wrpme.protocol.view import State

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def a_hive(directory: Path, count: int, *options: str) -> AsyncIterator[tuple[Daemons, Client]]:
    """So many real daemons on loopback, and a client of theirs."""
    with Daemons(directory, count, *options) as daemons:
        daemons.start_all(range(count))
        await daemons.until_stable()
        async with Client(daemons.addresses, timeout=15.0) as client:
            yield daemons, client


async def test_what_is_refused(tmp_path: Path) -> None:
    async with a_hive(tmp_path, 2) as (daemons, client):
        with pytest.raises(errors.UsageError, match="no node of this hive"):
            await client.leave("127.0.0.1:1")
        with pytest.raises(errors.UsageError, match="is not down"):
            await client.forget(daemons.addresses[1])
        with pytest.raises(errors.UsageError, match="is not down"):
            await client.price_of(daemons.addresses[1])
        with pytest.raises(errors.UsageError, match="nothing to recover"):
            await client.recover()
        with pytest.raises(errors.UsageError, match="a hive keeps 1 to 5 copies of each entry, not 6"):
            await client.set_replication(6)


async def test_of_two_who_want_another_number_of_copies_one_is_told_so(tmp_path: Path) -> None:
    """And one who wants more than there are nodes, how many there are."""
    async with a_hive(tmp_path, 2) as (_, client):
        told: list[str] = []
        both = [client.set_replication(1), client.set_replication(3)]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, errors.UsageError)]
        kept = (await client.view()).replication
        assert len(refused) == 1 and "somebody else has" in refused[0].sentence
        assert f"keeps {kept} cop" in refused[0].sentence and isinstance(outcomes[0 if kept == 1 else 1], str)
        assert await client.set_replication(1) == "the hive keeps 1 copy of each entry"
        assert await client.set_replication(4, told.append) == (
            "the hive keeps 4 copies of each entry, as far as it can; it is stable: all 2 nodes are up and every arc "
            "has its copies; 2 copies of each entry, not 4, until more nodes join"
        )
        assert all(line.startswith("copying, ") and line.endswith(" arcs are done") for line in told)


async def test_what_is_given_up_with_a_last_holder(tmp_path: Path) -> None:
    async with a_hive(tmp_path, 2, "--replication", "1") as (daemons, client):
        for number in range(60):
            await client.put(f"entry/{number}", b"1")
        daemons.terminate(1)
        price = await client.price_of(daemons.addresses[1])
        assert abs(price.loss.share - 0.5) < 0.1 and price.loss.share == price.loss.empty and not price.loss.sources
        lost = f"of {100 * price.loss.share:.1f} % of the ring"
        assert price.words == f"{lost} no living node has a copy: it starts again empty"
        with pytest.raises(errors.UnavailableError, match="is down"):
            await client.verify()
        await client.forget(daemons.addresses[1])
        await client.wait_stable()
        left = await client.count()
        assert 0 < left < 60 and left == (await client.verify()).entries


async def test_what_a_node_has_that_was_stopped_itself_is_not_given_up(tmp_path: Path) -> None:
    """All were stopped as planned, so the last view has all of them down, also the one that goes on; where it was the
    first to go, it is told that its copy is taken."""

    async with a_hive(tmp_path, 3, "--replication", "3") as (daemons, client):
        for number in range(20):
            await client.put(f"entry/{number}", b"1")
        daemons.terminate(0, 1, 2)
        daemons.start(0)
        async with Client(daemons.addresses[:1], timeout=5.0) as alone:
            sentence = await until("it recovers", alone.recover)
            assert "begins here with 1 of 3 nodes" in sentence
            assert "empty" not in sentence
            assert await until("it serves", alone.count) == 20


async def test_copies_are_compared_while_a_node_joins(tmp_path: Path) -> None:
    async with a_hive(tmp_path, 3) as (daemons, client):
        for number in range(200):
            await client.put(f"entry/{number}", b"1")
        await client.view()
        daemons.addresses.append(f"127.0.0.1:{free_port()}")
        daemons.start(3)
        joining = True
        while joining:
            found = await client.verify()
            assert (found.entries, found.differences) == (200, ())
            joining = len((await client.view()).members) < 4
        await daemons.until_stable()
        found = await client.verify()
        assert (found.entries, found.differences) == (200, ()) and found.copies == found.arcs


async def test_the_dead_node_is_forgotten_where_a_new_one_runs_at_its_address(tmp_path: Path) -> None:
    """As after its disk was lost: the id of the lost directory is down, beside the node that took its place."""

    async with a_hive(tmp_path, 3) as (daemons, client):
        address = daemons.addresses[2]
        former = next(one.id for one in (await client.view()).members if one.address == address)
        daemons.kill(2)
        (root,) = (path for path in (tmp_path / "db").iterdir() if path.name.endswith(address.rpartition(":")[2]))
        shutil.rmtree(root)
        daemons.start(2)

        async def beside_each_other() -> bool:
            there = [one for one in (await client.view()).members if one.address == address]
            return len(there) == 2 and any(one.state is State.DOWN for one in there)

        await until("the lost one is down, the new one there", beside_each_other)
        await client.forget(address)
        (left,) = (one for one in (await client.view()).members if one.address == address)
        assert left.id != former and left.state is State.UP
        await client.wait_stable()
