"""A node is ready when it answers as that node of that hive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.bootstrap.fleet_parts import HIVE, IDS, Agent, Shown, answers, figures, hive, machine
from tests.bootstrap.plan_parts import record, topology
from wrpme.bootstrap import nodes
from wrpme.errors import RemoteError, TimeoutError
from wrpme.messages import Failed, Reply, Request

HOST = topology(1).hosts[0]
NODE = HOST.nodes[0]
READY = answers(hive(), {IDS[0]: figures(0)})
RUNS = {"pid": 42, "unit_state": "", "tail": "", "restarts": 0}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "READY_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(nodes, "LOOK_AGAIN_SECONDS", 0.0)


def until_ready(
    hear: Callable[[Request], Reply], wanted: str = "", why: str = "", state: dict[str, Any] = RUNS
) -> list[str]:
    agent = Agent(hear, state=state)

    async def test() -> None:
        await nodes.until_ready(machine(HOST, agent, Shown()), NODE, wanted, lambda: why)

    asyncio.run(test())
    return agent.asked


def waiting(request: Request) -> Reply:
    return Failed(request.id, 6, "10.0.0.1:5909 waits for a hive at 10.0.0.9:5909; nothing was changed, try again")


def test_it_is_waited_for_until_it_serves() -> None:
    count = 0

    def hear(request: Request) -> Reply:
        nonlocal count
        count += 1
        return (READY if count > 6 else waiting)(request)

    assert until_ready(hear, HIVE.hex()).count("ask") == 4


def test_a_node_of_another_hive_is_not_taken_for_it() -> None:
    with pytest.raises(RemoteError, match=r"10\.0\.0\.1: 10\.0\.0\.1:5909 is in another hive"):
        until_ready(READY, "ab" * 16)


def test_another_node_is_not_taken_for_it() -> None:
    with pytest.raises(RemoteError, match=r"answers the node 10\.0\.0\.2:5909, not 10\.0\.0\.1:5909"):
        until_ready(answers(hive(), {IDS[0]: figures(1)}))


def test_one_that_ended_says_why() -> None:
    gone = {"pid": None, "unit_state": "", "tail": "wrpmed: the port is taken\n", "restarts": 0}
    with pytest.raises(RemoteError, match=r"10\.0\.0\.1:5909 does not run: the port is taken"):
        until_ready(waiting, state=gone)


def test_who_can_never_be_ready_is_not_waited_for() -> None:
    with pytest.raises(RemoteError, match=r"waits for its hive: 10.0.0.9 was to found it and failed"):
        until_ready(waiting, why="10.0.0.9 was to found it and failed")


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "READY_SECONDS_MAX", 0.05)
    with pytest.raises(TimeoutError, match=r"runs, but is not ready after 0\.05 s: .* waits for a hive at 10\.0\.0\.9"):
        until_ready(waiting)


def test_the_command_line_of_a_node() -> None:
    told = record(topology(1, 'advertise = "host.example:1"', "options = { grace = 30 }").hosts[0], ("a:1", "b:2"))
    assert nodes.arguments(told) == [
        "-a", "10.0.0.1:5909", "--advertise", "host.example:1", "--peer", "a:1", "--peer", "b:2", "--grace", "30",
    ]  # fmt: skip
