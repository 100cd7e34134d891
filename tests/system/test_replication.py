"""More copies and fewer, as docs/operations.md says it, with real daemons and the real shell, under writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, finished, wrpmesh
from wrpme import Client, WrpmeError

RECIPE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
PAUSE_SECONDS = 0.005


class Writer:
    """Adds entries all the time; it knows those that were acknowledged."""

    def __init__(self, client: Client) -> None:
        self.acknowledged: list[str] = []
        self._client = client
        self._enough = False
        self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        number = 0
        while not self._enough:
            number += 1
            try:
                await self._client.put(f"entry/{number}", b"%d" % number)
            except WrpmeError:  # nobody knows whether it was carried out, as its node was killed
                continue
            self.acknowledged.append(f"entry/{number}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def end(self) -> None:
        self._enough = True
        await self._task


async def shell(daemons: Daemons, *words: str, given: bytes | None = None) -> tuple[int, str, str]:
    command = [*wrpmesh("--daemon", daemons.addresses[0], "--timeout", "30"), *words]
    done = await asyncio.to_thread(finished, command, given)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def check_copies(daemons: Daemons, client: Client, copies: int) -> None:
    view = await daemons.until_stable(3)
    assert view.replication == copies and {len(arc.holders) for arc in view.arcs} == {copies}
    assert not (await client.verify()).differences


@pytest.mark.asyncio
async def test_more_copies_and_fewer_while_entries_are_written_and_a_node_is_killed(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3, "--replication", "2") as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        async with Client(daemons.addresses, timeout=15.0) as client:
            writer = Writer(client)
            while len(writer.acknowledged) < 100:
                await asyncio.sleep(0.02)

            raising = asyncio.create_task(shell(daemons, "set_replication", "3"))
            while (await client.node_topology(daemons.addresses[2])).replication != 3:  # also on the disk of that one
                await asyncio.sleep(0.002)
            daemons.kill(2)
            daemons.start(2)
            code, told, _ = await raising
            assert code == 0 and told.startswith("the hive keeps 3 copies of each entry")
            await check_copies(daemons, client, 3)
            code, told, _ = await shell(daemons, "set_replication", "3")
            assert (code, told) == (0, "the hive keeps 3 copies of each entry\n") and told in RECIPE

            code, _, refused = await shell(daemons, "set_replication", "1", given=b"no\n")
            assert code == 2 and "set_replication was not carried out: it takes the word yes, or --yes" in refused
            assert (await client.view()).replication == 3
            code, told, _ = await shell(daemons, "set_replication", "--yes", "1")
            assert (code, told) == (0, "the hive keeps 1 copy of each entry\n") and told in RECIPE
            await check_copies(daemons, client, 1)

            code, told, progress = await shell(daemons, "set_replication", "2")
            assert (code, told) == (0, "the hive keeps 2 copies of each entry\n")
            assert not progress or progress.startswith("hive: copying, ")
            await writer.end()
            await check_copies(daemons, client, 2)
            contents = await client.get_many(writer.acknowledged)
            assert contents == [name.removeprefix("entry/").encode() for name in writer.acknowledged]
        daemons.check_alive()
        log = (tmp_path / "2.log").read_text()
        assert "and --replication asks for 2: leave --replication out, or change the hive" in log
        assert "an operator wants 1 copy of each entry, instead of 3" in log
