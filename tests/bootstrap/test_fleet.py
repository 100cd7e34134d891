"""Hosts worked on side by side."""

from __future__ import annotations

import asyncio

import pytest

from tests.bootstrap.fleet_parts import Shown
from tests.bootstrap.plan_parts import topology
from wrpme.bootstrap.fleet import Fleet, Machine
from wrpme.errors import HostKeyError, RemoteError
from wrpme.limits import HOSTS_AT_ONCE_MAX


def test_what_breaks_on_one_host_does_not_stop_the_others() -> None:
    shown = Shown()

    async def work(machine: Machine) -> None:
        if machine.name == "10.0.0.2":
            raise RemoteError("10.0.0.2: no route; look at the network")
        machine.finish("done")

    async def test() -> None:
        async with Fleet(topology().hosts, shown) as fleet:
            await fleet.each(work)
            assert [machine.name for machine in fleet.sound] == ["10.0.0.1", "10.0.0.3"]
            await fleet.each(work)
            with pytest.raises(RemoteError, match=r"^remote: 10\.0\.0\.2: no route"):
                fleet.raise_broken("hive_apply")

    asyncio.run(test())
    assert shown.lines.count("10.0.0.2: bad: no route; look at the network") == 1, "the broken one is left alone then"
    assert shown.lines.count("10.0.0.1: good: done") == 2
    assert shown.lines[-1] == "closed"


def test_several_errors_are_counted_and_named() -> None:
    async def work(machine: Machine) -> None:
        raise HostKeyError(f"{machine.name}: a changed key")

    async def test() -> None:
        async with Fleet(topology().hosts, Shown()) as fleet:
            await fleet.each(work)
            fleet.raise_broken("hive_apply")

    with pytest.raises(RemoteError, match=r"failed on 3 of 3 hosts: 10\.0\.0\.1, 10\.0\.0\.2, 10\.0\.0\.3"):
        asyncio.run(test())


def test_no_more_at_a_time_than_are_allowed() -> None:
    at_work = most = 0

    async def work(machine: Machine) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _ in range(5):
            await asyncio.sleep(0)
        at_work -= 1

    async def test() -> None:
        async with Fleet(topology(HOSTS_AT_ONCE_MAX + 8).hosts, Shown()) as fleet:
            await fleet.each(work)

    asyncio.run(test())
    assert most == HOSTS_AT_ONCE_MAX


def test_a_defect_comes_out_as_itself() -> None:
    async def work(machine: Machine) -> None:
        raise ZeroDivisionError

    async def test() -> None:
        async with Fleet(topology().hosts, Shown()) as fleet:
            await fleet.each(work)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(test())
