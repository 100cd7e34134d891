"""Hosts worked on side by side."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
import pytest

from tests.bootstrap.fleet_parts import Agent, Shown
from tests.bootstrap.fleet_parts import session as session_of
from tests.bootstrap.plan_parts import inventory, topology
from wrpme.bootstrap.hosts.agent_client import AgentClient
from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.limits import HOSTS_AT_ONCE_MAX
from wrpme.bootstrap.ssh.connector import Connector
from wrpme.errors import HostKeyError, LockedError, RemoteError
from wrpme.protocol.messages import Reply, Request


@pytest.mark.asyncio
async def test_what_breaks_on_one_host_does_not_stop_the_others() -> None:
    shown = Shown()

    async def work(session: HostSession) -> None:
        if session.name == "10.0.0.2":
            raise RemoteError("10.0.0.2: no route; look at the network")
        session.finish("done")

    async with Fleet(topology().hosts, shown) as fleet:
        await fleet.each(work)
        assert [session.name for session in fleet.sound] == ["10.0.0.1", "10.0.0.3"]
        await fleet.each(work)
        with pytest.raises(RemoteError, match=r"^remote: 10\.0\.0\.2: no route"):
            fleet.raise_broken("hive_apply")
    assert shown.lines.count("10.0.0.2: bad: no route; look at the network") == 1, "the broken one is left alone then"
    assert shown.lines.count("10.0.0.1: good: done") == 2
    assert shown.lines[-1] == "closed"


@pytest.mark.asyncio
async def test_several_errors_are_counted_and_named() -> None:
    async def work(session: HostSession) -> None:
        raise HostKeyError(f"{session.name}: a changed key")

    with pytest.raises(RemoteError, match=r"failed on 3 of 3 hosts: 10\.0\.0\.1, 10\.0\.0\.2, 10\.0\.0\.3"):
        async with Fleet(topology().hosts, Shown()) as fleet:
            await fleet.each(work)
            fleet.raise_broken("hive_apply")


@pytest.mark.asyncio
async def test_no_more_at_a_time_than_are_allowed() -> None:
    at_work = most = 0

    async def work(session: HostSession) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _ in range(5):
            await asyncio.sleep(0)
        at_work -= 1

    async with Fleet(topology(HOSTS_AT_ONCE_MAX + 8).hosts, Shown()) as fleet:
        await fleet.each(work)
    assert most == HOSTS_AT_ONCE_MAX


@pytest.mark.asyncio
async def test_a_defect_comes_out_as_itself() -> None:
    async def work(session: HostSession) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with Fleet(topology().hosts, Shown()) as fleet:
            await fleet.each(work)


@pytest.mark.asyncio
async def test_nothing_is_raised_where_nothing_is_broken() -> None:
    async with Fleet(topology().hosts, Shown()) as fleet:
        fleet.raise_broken("hive_apply")


@pytest.mark.asyncio
async def test_a_defect_ends_the_work_of_the_others_and_blames_no_host() -> None:
    shown = Shown()
    ended: list[str] = []

    async def work(session: HostSession) -> None:
        if session.name == "10.0.0.2":
            raise ZeroDivisionError
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(session.name)

    with pytest.raises(ZeroDivisionError):
        async with Fleet(topology().hosts, shown) as fleet:
            await fleet.each(work)
    assert sorted(ended) == ["10.0.0.1", "10.0.0.3"]
    assert shown.lines == ["closed"]


class Door:
    """In the place of a connector."""

    closed = False

    async def close(self) -> None:
        self.closed = True


def silent(request: Request) -> Reply:
    raise AssertionError(request)


@pytest.mark.asyncio
async def test_an_interruption_ends_all_work_and_all_connections() -> None:
    shown, door = Shown(), Door()

    agents = [Agent(silent) for _ in range(3)]
    begun = asyncio.Barrier(4)

    async def work(session: HostSession) -> None:
        await begun.wait()
        await asyncio.Event().wait()

    async def command() -> None:
        async with Fleet(topology().hosts, shown) as fleet:
            fleet.connector = cast(Connector, door)
            for session, agent in zip(fleet.sessions, agents, strict=True):
                session._agent = cast(AgentClient, agent)
            await fleet.each(work)

    running = asyncio.create_task(command())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(agent.asked == ["close"] for agent in agents)
    assert door.closed
    assert shown.lines == ["closed"]


@pytest.mark.asyncio
async def test_who_interrupts_once_more_waits_for_no_agent() -> None:
    shown, door = Shown(), Door()

    closing = asyncio.Event()

    class Stuck(Agent):
        async def close(self) -> None:
            closing.set()
            await asyncio.Event().wait()

    async def command() -> None:
        async with Fleet(topology().hosts, shown) as fleet:
            fleet.connector = cast(Connector, door)
            fleet.sessions[0]._agent = cast(AgentClient, Stuck(silent))

    running = asyncio.create_task(command())
    await closing.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert door.closed
    assert shown.lines == ["closed"]


@pytest.mark.asyncio
async def test_an_agent_that_ends_badly_keeps_no_other_connection() -> None:
    door, sound = Door(), Agent(silent)

    class Broken(Agent):
        async def close(self) -> None:
            raise OSError("gone")

    async with Fleet(topology().hosts, Shown()) as fleet:
        fleet.connector = cast(Connector, door)
        fleet.sessions[0]._agent = cast(AgentClient, Broken(silent))
        fleet.sessions[1]._agent = cast(AgentClient, sound)
    assert sound.asked == ["close"]
    assert door.closed


@pytest.mark.asyncio
async def test_looking_asks_for_the_nodes_of_the_host_and_compares_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    host = topology().hosts[0]
    found = msgspec.structs.replace(inventory(host), clock=105.0)
    agent = Agent(silent, look=msgspec.to_builtins(found))
    times = iter([100.0, 104.0])
    monkeypatch.setattr("time.time", lambda: next(times))

    made = session_of(host, agent, Shown())
    assert await made.take_inventory() == found == made.inventory
    assert made.clock_ahead_seconds == 3.0, "the answer was made half way"
    assert agent.given == [{"directory": "", "nodes": {host.nodes[0].name: {"address": ("10.0.0.1", 5909)}}}]


@pytest.mark.asyncio
async def test_one_machine_under_two_names_is_told_from_another_operator() -> None:
    mine = "me@here, hive_apply (process 1)"

    async def lock(holder: str) -> None:
        def locked(**arguments: object) -> dict[str, object]:
            raise LockedError(f"10.0.0.1: {holder} is at work there")

        await session_of(topology().hosts[0], Agent(silent, lock=locked), Shown()).take_lock(mine)

    with pytest.raises(LockedError, match="you@there"):
        await lock("you@there, hive_upgrade (process 2)")
    with pytest.raises(RemoteError, match=r"^remote: 10\.0\.0\.1 is the same machine as another host of the file"):
        await lock(mine)
