"""kill -9 of any node at any moment, many times in a row under writes, at one copy of each entry: what it held is
unavailable and said to be, everything else is served, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from statistics import median
from time import monotonic

import pytest

from tests.system.daemons import Daemons, until, until_stable
from tests.system.raw import Wire
from wrpme import Client, errors
from wrpme.core.limits import SUSPECT_NOBODY_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol import ring
from wrpme.protocol.messages import Content, Failed, Get, Reply
from wrpme.protocol.view import View

NODES = 4
KILLS = int(os.environ.get("WRPME_KILLS", "8"))
SEED = 1
WRITERS = 6
PAUSE_SECONDS = 0.01
"""Between two writes of one writer: a node dies under writes, and the machine has time for other tests."""
ALIASES_EACH = 25
PROBES = 40
LOOK_SECONDS = 0.2
"""Between two looks through all living nodes at what is served, until all of them know of the death."""
OLD_SECONDS = SUSPECT_NOBODY_SECONDS + 1
"""A node of this age may take another one for dead."""
NOTICED_SECONDS_MAX = 15.0
"""The goal is 3 s, and the times are printed; more than this is no busy machine any more."""
UNSTABLE_SECONDS_MAX = 10.0
MAY_HAPPEN = (errors.UnavailableError, errors.IndeterminateError, errors.ConnectionError, errors.TimeoutError)


def probe(number: int) -> str:
    return f"probe/{number}"


def probe_content(number: int) -> bytes:
    return f"of probe {number}".encode()


class Writers:
    """Counters, each written by one task only: the value in the hive is the last acknowledged one or a later attempt
    that nobody knows the end of."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._enough = asyncio.Event()
        self.acknowledged: dict[str, int] = {}
        self.attempted: dict[str, int] = {}
        self.writes = 0
        self.failures: dict[str, int] = {}
        self._tasks = [asyncio.create_task(self._write(writer)) for writer in range(WRITERS)]

    async def _write(self, writer: int) -> None:
        number = 0
        while not self._enough.is_set():
            number += 1
            alias = f"counter/{writer}/{number % ALIASES_EACH}"
            self.attempted[alias] = number
            try:
                await self._client.update(alias, str(number).encode())
            except MAY_HAPPEN as error:
                self.failures[error.word] = self.failures.get(error.word, 0) + 1
            else:
                self.acknowledged[alias] = number
                self.writes += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def until_more(self, count: int) -> None:
        """Returns after so many further acknowledged writes."""
        goal = self.writes + count

        async def reached() -> bool:
            self.check_running()
            return self.writes >= goal

        await until(f"{count} more writes", reached)

    def check_running(self) -> None:
        """Raises what ended a writer, if something did."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self) -> None:
        self._enough.set()
        await asyncio.gather(*self._tasks)

    async def check(self, client: Client) -> None:
        """No acknowledged write is lost, and nothing is there that nobody wrote."""
        for alias, acknowledged in list(self.acknowledged.items()):
            found = int(await client.get(alias))
            assert acknowledged <= found <= self.attempted[alias], f"{alias} is {found}, acknowledged {acknowledged}"


def ask(address: str, numbers: list[int]) -> list[Reply]:
    """The answers of exactly this node."""
    with Wire(address) as wire:
        replies = wire.ask([Get(number + 1, probe(number).encode()) for number in numbers])
    return [replies[number + 1] for number in numbers]


def check_served(address: str, numbers: list[int]) -> None:
    """Through exactly this node; what it did not carry out and asks to be tried again is tried again, as every client
    does."""
    deadline = monotonic() + UNSTABLE_SECONDS_MAX
    while numbers:
        again = []
        for number, reply in zip(numbers, ask(address, numbers), strict=True):
            if isinstance(reply, Failed) and reply.code == errors.UnstableError.code and monotonic() < deadline:
                again.append(number)
            else:
                assert reply == Content(number + 1, probe_content(number)), f"through {address}: {reply}"
        numbers = again


def names_the_dead(address: str, numbers: list[int], dead: str) -> bool:
    """Whether this node answers ``unavailable`` for all of these; until then it refuses, and never says
    ``not_found``."""
    replies = ask(address, numbers)
    for reply in replies:
        assert isinstance(reply, Failed), f"{dead} is dead, but through {address}: {reply}"
        assert reply.code in (errors.UnavailableError.code, errors.UnstableError.code), f"through {address}: {reply}"
        if reply.code == errors.UnavailableError.code:
            assert dead in reply.sentence
    return all(reply.code == errors.UnavailableError.code for reply in replies if isinstance(reply, Failed))


def probes_of(now: View, address: str) -> tuple[list[int], list[int]]:
    """Those that live on that node, and all others."""
    member = view_index.member_at(now, address)
    assert member is not None
    there = [
        number
        for number in range(PROBES)
        if now.arcs[ring.arc_at(now, ring.hash_of(probe(number).encode()))].holders[0] == member.id
    ]
    return there, [number for number in range(PROBES) if number not in there]


async def choose(daemons: Daemons, chance: random.Random) -> int:
    """A node to kill; another one is old enough to notice."""

    async def attempt() -> list[int] | None:
        old = {index for index, started in daemons.started.items() if monotonic() - started >= OLD_SECONDS}
        return [index for index in range(NODES) if old - {index}] or None

    return chance.choice(await until("a node that is old enough", attempt))


async def kill_one(daemons: Daemons, victim: int, client: Client) -> float:
    """Gives the seconds until all others say that its entries are unavailable; theirs are served all along."""
    dead = daemons.addresses[victim]
    gone, left = probes_of(await client.view(), dead)
    living = [address for address in daemons.addresses if address != dead]
    daemons.kill(victim)
    killed = monotonic()

    async def attempt() -> bool:
        noticed = True
        for address in living:
            await asyncio.to_thread(check_served, address, left)
            noticed &= await asyncio.to_thread(names_the_dead, address, gone, dead)
        if not noticed:
            await asyncio.sleep(LOOK_SECONDS)
        return noticed

    await until(f"{dead} is known to be dead", attempt, NOTICED_SECONDS_MAX)
    return monotonic() - killed


async def scenario(daemons: Daemons) -> list[float]:
    """All kills; how long each took to be noticed, in seconds."""
    chance = random.Random(SEED)
    times: list[float] = []
    daemons.start_all(range(NODES))
    await daemons.until_stable()
    async with Client(daemons.addresses, timeout=5.0) as client:
        for number in range(PROBES):
            await client.put(probe(number), probe_content(number))
        writers = Writers(client)
        for _ in range(KILLS):
            victim = await choose(daemons, chance)
            await writers.until_more(chance.randint(1, 500))
            times.append(await kill_one(daemons, victim, client))
            await writers.until_more(chance.randint(1, 100))
            daemons.start(victim)
            await until_stable(client, NODES)
            for address in daemons.addresses:
                await asyncio.to_thread(check_served, address, list(range(PROBES)))
            writers.check_running()
            await writers.check(client)
        await writers.end()
        await writers.check(client)
        print(f"{writers.writes} acknowledged writes; failed: {writers.failures}")
    return times


@pytest.mark.asyncio
async def test_kills_in_a_row_lose_nothing(tmp_path: Path) -> None:
    with Daemons(tmp_path, NODES, "--replication", "1") as daemons:
        times = await scenario(daemons)
        print(f"seconds until noticed: {min(times):.1f} to {max(times):.1f}, median {median(times):.1f}")
        daemons.check_alive()
