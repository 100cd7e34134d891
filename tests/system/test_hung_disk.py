"""A disk that hangs under a real node: the hive goes on without it and says why, and the node comes back by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, environment, until, until_stable
from wrpme import Client, errors
from wrpme.protocol.ring import arc_at, hash_of, owner_among
from wrpme.protocol.view import State, View
from wrpme.protocol.view_index import live


class HangingDaemons(Daemons):
    """Nodes whose disks can be made to hang."""

    def start(self, index: int, prepare: Callable[[], None] | None = None) -> None:
        peers = [option for peer in self.addresses[:index] for option in ("--peer", peer)]
        options = ["-a", self.addresses[index], "-l", f"{index}.log", *peers, *self.options]
        with open(self.directory / f"{index}.err", "ab") as out:
            self.processes[index] = subprocess.Popen(
                [sys.executable, "-m", "tests.system.hanging_node", *options],
                cwd=self.directory, env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=prepare,
            )  # fmt: skip

    def mark(self, index: int) -> Path:
        return self.directory / f"{self.addresses[index].rpartition(':')[2]}.hangs"

    def log(self, index: int) -> str:
        return (self.directory / f"{index}.log").read_text("utf-8")


def state_of(now: View, address: str) -> State:
    return next(member.state for member in now.members if member.address == address)


@pytest.mark.asyncio
async def test_the_hive_goes_on_without_a_disk_that_hangs(tmp_path: Path) -> None:
    daemons = HangingDaemons(tmp_path, 3, "--replication", "3")
    with daemons:
        daemons.start_all(range(3))
        await scenario(daemons)
        daemons.check_alive()


async def scenario(daemons: HangingDaemons) -> None:
    senior, others = daemons.addresses[0], daemons.addresses[1:]
    async with Client(others, timeout=20.0) as client:
        now = await until_stable(client, 3)
        owned = [alias for number in range(200) if (alias := f"k{number}") and owner(now, alias) == senior][:20]
        assert owned
        for alias in owned:
            await client.put(alias, b"1")
        daemons.mark(0).touch()
        with suppress(errors.IndeterminateError):  # it was on its way when the disk began to hang
            await client.update(owned[0], b"2")
        for alias in owned:
            await client.update(alias, b"2")
        assert state_of((await client.hive_status()).view, senior) is State.DOWN
        assert f"the disk of {senior} has taken nothing for 2 s" in daemons.log(0)
        assert f"{senior} is down: its own disk takes nothing" in daemons.log(1)
        async with Client([senior], timeout=20.0) as lonely:
            assert await lonely.get(owned[0]) == b"2", "who knows only this node hears from it where to go"
        daemons.mark(0).unlink()
        await until("the node is back", lambda: back(client, senior))
        await until_stable(client, 3)
        assert [await client.get(alias) for alias in owned] == [b"2"] * len(owned)
    assert f"the disk of {senior} goes on" in daemons.log(0)


async def back(client: Client, address: str) -> bool:
    return state_of((await client.hive_status()).view, address) is State.UP


def owner(now: View, alias: str) -> str:
    arc = now.arcs[arc_at(now, hash_of(alias.encode()))]
    node = owner_among(live(now), arc)
    return next(member.address for member in now.members if member.id == node)
