"""Watching a real hive: its nodes die, hang and return, and whoever watches sees it, in Python and in lines."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.system.daemons import PATIENCE_SECONDS, Daemons, environment, wrpmesh
from wrpme import BlockingClient, Client
from wrpme.client.watch.records import EventSeen, Gone, Reached, StatsSeen, ViewSeen, WatchRecord, from_line
from wrpme.client.watch.watcher import Watcher
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import State


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemons(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemons]:
    with Daemons(tmp_path_factory.mktemp("watch"), 3, "--grace", "600") as made:
        made.start_all(range(3))
        await made.until_stable(3)
        yield made


@pytest_asyncio.fixture
async def hive(daemons: Daemons) -> AsyncIterator[Daemons]:
    """It is stable with all nodes; after the test they run without a defect."""
    await daemons.all_stable(3)
    yield daemons
    daemons.check_alive()


class Seen:
    """What was seen so far."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.all: list[WatchRecord] = []
        self.stats: dict[str, NodeStats] = {}

    async def until(self, reached: Callable[[WatchRecord], bool]) -> WatchRecord:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                record = await anext(self._watcher)
                self.all.append(record)
                if isinstance(record, StatsSeen):
                    self.stats[record.node] = record.stats
                if reached(record):
                    return record

    async def happens(self, kind: str, node: str) -> EventSeen:
        """The next of that kind about that node."""
        found = await self.until(
            lambda one: isinstance(one, EventSeen) and (one.event.kind, one.event.node) == (kind, node)
        )
        assert isinstance(found, EventSeen)
        return found

    def gone(self, node: str) -> list[Gone]:
        return [one for one in self.all if isinstance(one, Gone) and one.node == node]

    def count(self, kind: str, node: str) -> int:
        return sum(isinstance(one, EventSeen) and (one.event.kind, one.event.node) == (kind, node) for one in self.all)


@asynccontextmanager
async def watched(hive: Daemons, first: int) -> AsyncIterator[tuple[Client, Seen]]:
    """Until all tell; the one at which it begins is the home."""
    async with Client(hive.addresses[first]) as client, client.watch() as watcher:
        seen = Seen(watcher)
        await seen.until(lambda _: set(seen.stats) == set(hive.addresses))
        yield client, seen


@pytest.mark.asyncio
async def test_the_log_of_a_node(hive: Daemons) -> None:
    async with Client(hive.addresses) as client:
        for index, address in enumerate(hive.addresses):
            lines = await client.log_of(address)
            assert lines == (hive.directory / f"{index}.log").read_text().splitlines()
            assert "wrpmed" in lines[0] and any("serving at" in line for line in lines)


def answered(stats: dict[str, NodeStats]) -> int:
    return sum(count for one in stats.values() for _, count in one.latency)


def put(stats: dict[str, NodeStats]) -> int:
    return sum(one.operations.get("Put", 0) for one in stats.values())


def entries(stats: dict[str, NodeStats]) -> int:
    return sum(one.entries for one in stats.values())


@pytest.mark.asyncio
async def test_figures_are_those_of_the_machine(hive: Daemons) -> None:
    async with watched(hive, 0) as (client, seen):
        before = dict(seen.stats)
        for number in range(100):
            await client.put(f"k{number}", bytes(1000))
            await client.get(f"k{number}")
        await seen.until(
            lambda _: (
                answered(seen.stats) >= answered(before) + 200
                and put(seen.stats) == put(before) + 100
                and entries(seen.stats) == entries(before) + 100
            )
        )
        for address, stats in seen.stats.items():
            assert stats.memory_bytes > 10_000_000 and stats.disk_free_bytes > 0, address
            assert stats.sent_bytes > 10_000 and stats.received_bytes > 10_000 and stats.sessions >= 1
            assert len(stats.neighbours) == 2 and stats.lease_seconds is not None


def test_for_programs_without_asyncio(hive: Daemons) -> None:
    with BlockingClient(hive.addresses[0]) as client:
        nodes: set[str] = set()
        for record in client.watch():
            nodes.update({record.node} if isinstance(record, StatsSeen) else ())
            if nodes == set(hive.addresses):
                break
        assert client.log_of(hive.addresses[1])


# --- in lines ----------------------------------------------------------------------------------------------------


def begin(hive: Daemons) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        wrpmesh("--daemon", hive.addresses[0], "watch"), env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_lines_come_at_once_and_end_with_a_signal(hive: Daemons, number: int, code: int) -> None:
    process = begin(hive)
    assert process.stdout is not None
    seen: list[WatchRecord] = []
    while {one.node for one in seen if isinstance(one, StatsSeen)} != set(hive.addresses):
        line = process.stdout.readline()
        assert json.loads(line)["saw"], "each line is whole"
        seen.append(from_line(line))
    process.send_signal(number)
    rest, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, errors) == (code, b"")
    assert all(from_line(line) for line in rest.splitlines())


def test_a_reader_that_has_seen_enough(hive: Daemons) -> None:
    shell = " ".join(wrpmesh("--daemon", hive.addresses[0], "watch"))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{shell} | head -n 3"], env=environment(), capture_output=True,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (141, 3, b"")


@pytest.mark.asyncio
async def test_who_is_frozen_while_it_watches_costs_the_hive_nothing(hive: Daemons) -> None:
    frozen = begin(hive)
    try:
        async with watched(hive, 0) as (client, seen):
            assert frozen.stdout is not None
            await asyncio.to_thread(frozen.stdout.readline)
            frozen.send_signal(signal.SIGSTOP)
            memory = {address: stats.memory_bytes for address, stats in seen.stats.items()}
            for number in range(50):
                await client.update("x", b"%d" % number)
                first = len(seen.all)
                await seen.until(
                    lambda _, first=first: (
                        {one.node for one in seen.all[first:] if isinstance(one, StatsSeen)}  # type: ignore[misc]
                        == set(hive.addresses)
                    )
                )
            grown = {address: seen.stats[address].memory_bytes - memory[address] for address in memory}
            assert max(grown.values()) < 8_000_000, grown
            frozen.send_signal(signal.SIGCONT)
    finally:
        frozen.kill()
        frozen.communicate()


# --- nodes die ---------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_home_is_killed_and_returns(hive: Daemons) -> None:
    dead = hive.addresses[1]
    async with watched(hive, 1) as (client, seen):
        await client.put("home", b"1")
        assert client.answered_by in hive.addresses
        hive.kill(1)
        await seen.until(lambda one: isinstance(one, Gone) and one.node == dead)
        down = await seen.happens("down", dead)
        assert down.node != dead and down.event.hive
        view = [one for one in seen.all if isinstance(one, ViewSeen)][-1].view
        assert {member.address for member in view.members if member.state is State.DOWN} == {dead}
        hive.start(1)
        began, served = len(seen.all), seen.count("serving", dead)

        def returned(
            _: WatchRecord,
        ) -> bool:  # it is reached, and says so itself, before or after others say it is back
            reached = any(isinstance(one, Reached) and one.node == dead for one in seen.all[began:])
            return reached and seen.count("back", dead) == 1 and seen.count("serving", dead) > served

        await seen.until(returned)
        (back,) = (one for one in seen.all if isinstance(one, EventSeen) and one.event.kind == "back")
        assert back.event.seconds > 0
        assert [seen.count(kind, dead) for kind in ("down", "back")] == [1, 1], "nothing twice"


@pytest.mark.asyncio
async def test_a_node_that_hangs_is_told_of_by_others(hive: Daemons) -> None:
    hung = hive.addresses[2]
    async with watched(hive, 0) as (_, seen):
        hive.processes[2].send_signal(signal.SIGSTOP)
        try:
            await seen.until(lambda _: bool(seen.gone(hung)) and seen.count("down", hung) == 1)
            assert "has told nothing" in seen.gone(hung)[0].reason
        finally:
            hive.processes[2].send_signal(signal.SIGCONT)
        await seen.until(lambda _: seen.count("cut_off", hung) == seen.count("back", hung) == 1)
        assert seen.count("suspected", hung) >= 1


@pytest.mark.asyncio
async def test_all_die_and_return(hive: Daemons) -> None:
    async with watched(hive, 0) as (_, seen):
        hive.kill(0, 1, 2)
        gone: set[str] = set()

        def all_gone(one: WatchRecord) -> bool:
            gone.update({one.node} if isinstance(one, Gone) else ())
            return gone == set(hive.addresses)

        await seen.until(all_gone)
        hive.start_all(range(3))
        seen.stats.clear()
        await seen.until(lambda _: set(seen.stats) == set(hive.addresses))
