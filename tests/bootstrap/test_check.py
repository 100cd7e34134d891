"""What hive_check says, in words; on real hosts it is in the tutorial."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.bootstrap.plan_parts import BARE, topology
from tests.bootstrap.fleet_parts import answers, hive
from tests.bootstrap.stub_hosts import BOTH, StubHosts
from wrpme.bootstrap.rollout.check import OPEN_NOTE, Finding, check_text
from wrpme.bootstrap.rollout.plan import ENDS_AT_LOGOUT
from wrpme.errors import RemoteError

FIRST, SECOND, THIRD = topology().hosts


def test_host_by_host_in_the_order_of_the_file() -> None:
    well, ill = Finding(), Finding()
    well.rows += [("Python", "3.11.2"), ("10.0.0.1:5909", "its port is free")]
    ill.rows.append(("Python", "3.11.2"))
    ill.problems.append("its clock is 10.00 s behind this machine: set up NTP on it")
    broken = {THIRD: RemoteError("10.0.0.3: no route; look at the network")}
    assert check_text((FIRST, SECOND, THIRD), {SECOND: ill, FIRST: well}, dict(broken)).splitlines() == [
        "10.0.0.1: all is well",
        "  Python         3.11.2",
        "  10.0.0.1:5909  its port is free",
        "10.0.0.2: not as it should be",
        "  Python  3.11.2",
        "  ! its clock is 10.00 s behind this machine: set up NTP on it",
        "10.0.0.3: can't be used",
        "  ! 10.0.0.3: no route; look at the network",
    ]


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StubHosts:
    return StubHosts(monkeypatch, tmp_path)


async def problems(hosts: StubHosts) -> list[str]:
    """Those of the first host."""
    with suppress(RemoteError):
        await hosts.run("hive_check")
    first, _, _ = hosts.shown[0].partition("\n10.0.0.2: ")
    return [line.removeprefix("  ! ") for line in first.splitlines() if line.startswith("  ! ")]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"clock": 5.0}, "behind this machine: entries expire at other times there; set up NTP on it"),
        ({"writable": "/srv is on a read-only file system"}, "/srv is on a read-only file system"),
        ({"free_bytes": 1000}, "the disk of /var/lib/wrpme is full; make room, or name another directory"),
        ({"survives": False}, ENDS_AT_LOGOUT),
    ],
)
async def test_what_is_wrong_with_a_machine(hosts: StubHosts, changes: dict[str, Any], what: str) -> None:
    hosts.seen = lambda found: replace(found, **changes)
    (problem,) = await problems(hosts)
    assert what in problem


@pytest.mark.asyncio
async def test_what_is_wrong_with_a_node(hosts: StubHosts) -> None:
    hosts.found["10.0.0.1"] = replace(BARE, port="taken", holder="nginx (pid 12)")
    said = "10.0.0.1:5909: its port is taken by nginx (pid 12); end that, or give the node another port"
    assert await problems(hosts) == [said]
    hosts.found["10.0.0.1"] = replace(BARE, address_local=False)
    assert await problems(hosts) == ["10.0.0.1:5909 is no address of this machine; a node listens on one of its own"]
    hosts.found["10.0.0.1"] = replace(BARE, port="unbindable", holder="user me may not listen at port 80")
    assert await problems(hosts) == ["10.0.0.1:5909 can't be listened at: user me may not listen at port 80"]


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["timeout", "unreachable", "unresolved"])
async def test_hosts_that_do_not_reach_each_other(hosts: StubHosts, how: str) -> None:
    hosts.reached = how
    (problem,) = await problems(hosts)
    assert problem.startswith("from here 10.0.0.2:5909 can't be reached (")


@pytest.mark.asyncio
async def test_what_is_well(hosts: StubHosts) -> None:
    hosts.configured()
    hosts.seen = lambda found: replace(found, lock="you@there, hive_upgrade (process 2)")
    hosts.reached = "refused"
    assert await problems(hosts) == []
    rows = [" ".join(line.split()) for line in hosts.shown[0].splitlines()]
    assert rows[0] == "10.0.0.1: all is well"
    for row in (
        "reached as root, host",
        "host key ssh-ed25519 SHA256:abc",
        "Python 3.11.2, /usr/bin/python3",
        "services setsid and a pid file: there is no systemd",
        "lock held by you@there, hive_upgrade (process 2)",
        "wrpme 0.1.0-aaaaaaaa, is there",
        "10.0.0.1:5909 runs, process 42",
        "to 10.0.0.2:5909 reachable, nothing listens yet",
    ):
        assert row in rows


@pytest.mark.asyncio
async def test_a_hive_that_anybody_may_change_is_noted(hosts: StubHosts) -> None:
    hosts.configured()
    await hosts.run("hive_check")
    assert hosts.shown[1:] == [OPEN_NOTE] and "wrpmesh user_add --role admin NAME adds the first" in OPEN_NOTE
    hosts.shown.clear()
    await hosts.run("hive_check", "-q")
    assert hosts.shown == [], "it is nothing that is wrong"
    hosts.answer = lambda me: answers(replace(hive(), users_since=3), BOTH, me)
    await hosts.run("hive_check")
    assert len(hosts.shown) == 1


@pytest.mark.asyncio
async def test_a_release_that_can_not_be_had_is_a_problem_and_no_end(hosts: StubHosts) -> None:
    hosts.refuse.add("10.0.0.1 bundle")
    assert await problems(hosts) == ["no bundle today"]
    assert hosts.shown[0].count("its port is free") == 2, "the rest is looked at all the same"
