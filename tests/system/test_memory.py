"""Large contents in real processes: what waits is bounded, and nobody is taken for dead while they travel."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, until
from tests.system.raw import Wire
from wrpme import Client
from wrpme.errors import BusyError
from wrpme.core.limits import SUSPECT_NOBODY_SECONDS
from wrpme.limits import MIB
from wrpme.protocol import view_index
from wrpme.protocol import codec, ring
from wrpme.protocol.messages import Content, Failed, Get, Reply, Request, Update
from wrpme.protocol.view import View

pytestmark = pytest.mark.asyncio

PEAK_MIB_MAX = 600
"""It is far more where an answer is made, and kept, for each of the requests: 1,600 for the first reader alone."""
FAR_REQUESTS = 200
NEAR_REQUESTS = 500
TIMEOUT_SECONDS = 60.0


def peak_mib(process: int) -> int:
    """The most memory that a process had."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def owned_by(now: View, address: str) -> bytes:
    """An alias that this node owns."""
    member = view_index.member_at(now, address)
    aliases = (b"k%d" % number for number in range(10_000))
    owners = ((alias, view_index.owner(now, now.arcs[ring.arc_at(now, ring.hash_of(alias))])) for alias in aliases)
    return next(alias for alias, owner in owners if member is not None and owner == member.id)


def answers(wire: Wire, count: int) -> list[Reply]:
    """So many answers, read as they come."""
    found: list[Reply] = []
    while len(found) < count:
        found += wire._decoder.feed(wire.socket.recv(1 << 18))
    return found


def say(wire: Wire, *requests: Request) -> None:
    wire.socket.sendall(b"".join(codec.encode(request) for request in requests))


async def slow_readers(daemons: Daemons) -> None:
    """One asks for much through the wrong node, one for an entry that is being written; neither reads at first."""
    daemons.start_all(range(2))
    now = await daemons.until_stable()
    near, far = (owned_by(now, address) for address in daemons.addresses)
    async with Client(daemons.addresses, timeout=TIMEOUT_SECONDS) as client:
        content = bytes(8 * MIB)
        await client.put(far, content)
        with Wire(daemons.addresses[0]) as slow, Wire(daemons.addresses[0]) as waiting:
            say(slow, *(Get(number, far) for number in range(1, FAR_REQUESTS + 1)))
            reads = (Get(number, near) for number in range(2, NEAR_REQUESTS + 1))
            say(waiting, Update(1, near, bytes(2 * MIB)), *reads)

            async def far_is_asked() -> bool:
                return (await client.get(near)) == bytes(2 * MIB) and (await client.get(far)) == content

            await until("both entries are there for others", far_is_asked)
            found = await asyncio.to_thread(answers, slow, FAR_REQUESTS)
            assert {reply.id for reply in found} == set(range(1, FAR_REQUESTS + 1)), "each is answered"
            assert any(isinstance(reply, Content) for reply in found)
            for reply in found:
                busy = isinstance(reply, Failed) and reply.code == BusyError.code
                assert busy or (isinstance(reply, Content) and reply.content == content)
            found = await asyncio.to_thread(answers, waiting, NEAR_REQUESTS)
            assert sum(isinstance(reply, Content) for reply in found) == NEAR_REQUESTS - 1
    for process in daemons.processes.values():
        assert peak_mib(process.pid) < PEAK_MIB_MAX


async def test_slow_readers_do_not_cost_memory(tmp_path: Path) -> None:
    with Daemons(tmp_path, 2, "--replication", "1", lean=True) as daemons:
        await slow_readers(daemons)
        daemons.check_alive()


async def large_writes(daemons: Daemons) -> None:
    daemons.start_all(range(3))
    now = await daemons.until_stable()
    await asyncio.sleep(SUSPECT_NOBODY_SECONDS)  # younger nodes take nobody for dead
    async with Client(daemons.addresses, timeout=TIMEOUT_SECONDS) as client:
        contents = {f"large/{number}": bytes([number]) * (4 * MIB) for number in range(12)}
        contents |= {f"huge/{number}": bytes([number]) * (16 * MIB) for number in range(2)}
        await asyncio.gather(*(client.put(alias, content) for alias, content in contents.items()))
        assert (await client.view()).epoch == now.epoch, "nobody was taken for dead"
        for alias, content in contents.items():
            assert await client.get(alias) == content


async def test_many_large_writes_at_once_kill_nobody(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3, "--replication", "3") as daemons:
        await large_writes(daemons)
        daemons.check_alive()
