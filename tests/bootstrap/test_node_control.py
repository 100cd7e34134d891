"""A node is ready when it answers as that node of that hive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

import msgspec
import pytest

from tests.bootstrap.fleet_parts import HIVE, IDS, Agent, Shown, answers, figures, hive, session
from tests.bootstrap.plan_parts import inventory, record, topology
from wrpme.bootstrap.hosts import node_control, systemd_unit
from wrpme.bootstrap.limits import NODE_STOP_SECONDS, READY_SECONDS_MAX
from wrpme.errors import ConnectionError, RemoteError, TimeoutError
from wrpme.protocol.messages import Failed, Reply, Request

HOST = topology(1).hosts[0]
NODE = HOST.nodes[0]
READY = answers(hive(), {IDS[0]: figures(0)})
RUNS = {"pid": 42, "unit_state": "", "tail": "", "restarts": 0}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_control, "READY_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(node_control, "LOOK_AGAIN_SECONDS", 0.0)


async def until_ready(
    reply: Callable[[Request], Reply], wanted: str = "", why: str = "", state: dict[str, Any] = RUNS
) -> list[str]:
    agent = Agent(reply, state=state)

    await node_control.until_ready(session(HOST, agent, Shown()), NODE, wanted, lambda: why)
    return agent.asked


def waiting(request: Request) -> Reply:
    return Failed(request.id, 6, "10.0.0.1:5909 waits for a hive at 10.0.0.9:5909; nothing was changed, try again")


@pytest.mark.asyncio
async def test_it_is_waited_for_until_it_serves() -> None:
    count = 0

    def reply(request: Request) -> Reply:
        nonlocal count
        count += 1
        return (READY if count > 6 else waiting)(request)

    assert (await until_ready(reply, HIVE.hex())).count("ask") == 4


@pytest.mark.asyncio
async def test_a_node_of_another_hive_is_not_taken_for_it() -> None:
    with pytest.raises(RemoteError, match=r"10\.0\.0\.1: 10\.0\.0\.1:5909 is in another hive"):
        await until_ready(READY, "ab" * 16)


@pytest.mark.asyncio
async def test_another_node_is_not_taken_for_it() -> None:
    with pytest.raises(RemoteError, match=r"answers the node 10\.0\.0\.2:5909, not 10\.0\.0\.1:5909"):
        await until_ready(answers(hive(), {IDS[0]: figures(1)}))


@pytest.mark.asyncio
async def test_one_that_ended_says_why() -> None:
    gone = {"pid": None, "unit_state": "", "tail": "wrpmed: the port is taken\n", "restarts": 0}
    with pytest.raises(RemoteError, match=r"10\.0\.0\.1:5909 does not run: the port is taken"):
        await until_ready(waiting, state=gone)


@pytest.mark.asyncio
async def test_who_can_never_be_ready_is_not_waited_for() -> None:
    with pytest.raises(RemoteError, match=r"waits for its hive: 10.0.0.9 was to found it and failed"):
        await until_ready(waiting, why="10.0.0.9 was to found it and failed")


@pytest.mark.asyncio
async def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_control, "READY_SECONDS_MAX", 0.05)
    with pytest.raises(TimeoutError, match=r"runs, but is not ready after 0\.05 s: .* waits for a hive at 10\.0\.0\.9"):
        await until_ready(waiting)


def test_the_command_line_of_a_node() -> None:
    told = record(topology(1, 'advertise = "host.example:1"', "options = { grace = 30 }").hosts[0], ("a:1", "b:2"))
    assert node_control.arguments(told, "/nodes/a") == [
        "-a", "10.0.0.1:5909", "--advertise", "host.example:1", "--peer", "a:1", "--peer", "b:2", "--grace", "30",
    ]  # fmt: skip


def refused(request: Request) -> Reply:
    raise ConnectionError("10.0.0.1: 10.0.0.1:5909 does not answer (Connection refused); it may be starting")


def states(*told: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """One after the other, the last for ever."""
    coming = chain(told, repeat(told[-1]))
    return lambda **arguments: next(coming)


@pytest.mark.asyncio
async def test_a_member_that_does_not_serve_yet_is_not_ready() -> None:
    coming = chain(repeat(answers(hive(), {IDS[0]: figures(0, serving=False)}), 6), repeat(READY))
    assert (await until_ready(lambda request: next(coming)(request))).count("ask") == 4
    no_figures = answers(hive(), {})
    coming = chain(repeat(no_figures, 4), repeat(READY))
    assert (await until_ready(lambda request: next(coming)(request))).count("ask") == 3


@pytest.mark.asyncio
async def test_a_connection_that_ends_is_not_taken_for_a_node_that_does_not_answer() -> None:
    def gone(request: Request) -> Reply:
        raise RemoteError("10.0.0.1: the connection ended while `ask` ran there")

    with pytest.raises(RemoteError, match="the connection ended"):
        await until_ready(gone)


@pytest.mark.asyncio
async def test_one_that_ended_without_a_word_is_told_too() -> None:
    gone = {"pid": None, "unit_state": "failed", "tail": "", "restarts": 0}
    with pytest.raises(RemoteError, match=r"10\.0\.0\.1:5909 does not run: it left no word"):
        await until_ready(refused, state=gone)


BEGINS = {"pid": None, "unit_state": "activating", "tail": "of the life before", "restarts": 4}


async def awaited(state: Callable[..., dict[str, Any]], reply: Callable[[Request], Reply] = refused) -> int:
    """How often it is looked whether the node runs, until it is ready."""
    agent = Agent(reply, state=state)

    await node_control.until_ready(session(HOST, agent, Shown()), NODE)
    return agent.asked.count("state")


@pytest.mark.asyncio
async def test_systemd_may_take_its_time_to_begin_it() -> None:
    coming = chain(repeat(refused, 3), repeat(READY))
    assert await awaited(states(BEGINS, BEGINS, {**BEGINS, "pid": 42}), lambda request: next(coming)(request)) == 3


@pytest.mark.asyncio
async def test_one_that_systemd_begins_in_vain_again_and_again_is_not_waited_for() -> None:
    again = {**BEGINS, "tail": "wrpmed: the port is taken", "restarts": 5}
    with pytest.raises(RemoteError, match=r"10\.0\.0\.1:5909 does not run: the port is taken"):
        await awaited(states(BEGINS, {**BEGINS, "pid": 42}, again))


@pytest.mark.asyncio
async def test_how_long_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_control, "READY_LOOK_SECONDS", 2.0)

    async def test(reply: Callable[[Request], Reply]) -> float:
        begun = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError) as caught:
            await node_control.until_ready(session(HOST, Agent(reply, state=RUNS), Shown()), NODE)
        assert caught.value.sentence.startswith(
            "10.0.0.1: 10.0.0.1:5909 runs, but is not ready after 60 s: 10.0.0.1:5909 does not answer (Connection "
            "refused); see hive_logs, "
        )
        return asyncio.get_running_loop().time() - begun

    assert READY_SECONDS_MAX <= await test(refused) < READY_SECONDS_MAX + 2.0


@pytest.mark.asyncio
async def test_one_that_ended_last_is_not_said_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_control, "READY_SECONDS_MAX", 0.0)
    with pytest.raises(RemoteError, match="does not run: killed"):
        await awaited(states({"pid": None, "unit_state": "", "tail": "killed", "restarts": 0}))


async def action(agent: Agent, do: str) -> Any:
    """Returns what that function of ``node_control`` gives."""

    return await getattr(node_control, do)(session(HOST, agent, Shown()), NODE)


@pytest.mark.asyncio
async def test_start_and_stop_tell_what_they_found() -> None:
    agent = Agent(waiting, start={"pid": 42, "started": True}, stop={"was_running": True}, state=RUNS)
    await action(agent, "start")
    assert await action(agent, "stop") is True
    assert await action(agent, "runs") is True
    assert agent.given == [{"name": NODE.name}, {"name": NODE.name, "seconds": NODE_STOP_SECONDS}, {"name": NODE.name}]
    agent = Agent(waiting, stop={"was_running": False}, state={**RUNS, "pid": None})
    assert await action(agent, "stop") is False
    assert await action(agent, "runs") is False


@pytest.mark.asyncio
@pytest.mark.parametrize("service", ["system", "user", "process"])
async def test_a_node_is_configured_for_whatever_keeps_it_running(service: str) -> None:
    told = msgspec.structs.replace(record(HOST, ("a:1",)), service=service)
    agent = Agent(waiting, configure={"changed": True})

    async def test() -> bool:
        made = session(HOST, agent, Shown())
        made._inventory = inventory(HOST)
        return await node_control.configure(made, NODE, told)

    assert await test() is True
    (given,) = agent.given
    directory = f"/var/lib/wrpme/nodes/{NODE.name}"
    python = "/var/lib/wrpme/versions/0.1.0-aaaaaaaa/bin/python"
    assert given["run"] == systemd_unit.run_script(python, directory, ["-a", "10.0.0.1:5909", "--peer", "a:1"])
    assert msgspec.convert(given["record"], type(told)) == told
    if service == "process":
        assert given["unit"] is None
    else:
        assert given["unit"] == systemd_unit.unit(NODE.name, directory, user=service == "user", address="10.0.0.1:5909")
