"""A rolling change goes on only while the hive is stable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.bootstrap.fleet_parts import HIVE, IDS, Agent, Shown, answers, figures, hive, machine
from tests.bootstrap.plan_parts import topology
from wrpme.bootstrap import gate
from wrpme.errors import UnavailableError
from wrpme.messages import Failed, Reply, Request
from wrpme.view import Condition

HOSTS = topology(2).hosts
BOTH = {IDS[0]: figures(0), IDS[1]: figures(1)}


def condition(hear: Callable[[Request], Reply], wanted: str = "") -> Condition:
    async def test() -> Condition:
        return await gate.condition([machine(HOSTS[0], Agent(hear), Shown())], wanted)

    return asyncio.run(test())


def test_stable_is_when_all_have_heard_of_the_last_view() -> None:
    assert condition(answers(hive(), BOTH)).word == "stable"
    late = condition(answers(hive(), {**BOTH, IDS[1]: figures(1, epoch=2)}))
    assert late.word == "stabilizing" and "10.0.0.2:5909 has not heard" in late.sentence


def test_it_is_not_stable_while_somebody_is_down_silent_or_coming_back() -> None:
    assert condition(answers(hive(down=[1]), {IDS[0]: figures(0)})).word == "degraded"
    assert condition(answers(hive(), {IDS[0]: figures(0)})).word == "unavailable"
    assert condition(answers(hive(), {**BOTH, IDS[1]: figures(1, serving=False)})).word == "stabilizing"


def test_another_hive_opens_no_gate() -> None:
    assert condition(answers(hive(), BOTH), HIVE.hex()).word == "stable"
    other = condition(answers(hive(hive_id=b"x" * 16), BOTH), HIVE.hex())
    assert other.word == "unavailable" and "another hive" in other.sentence


def test_who_answers_first_is_asked() -> None:
    async def test() -> Condition:
        silent = Agent(lambda request: Failed(request.id, 6, "it waits for a hive"))
        machines = [
            machine(HOSTS[0], silent, Shown()), machine(HOSTS[1], Agent(answers(hive(), BOTH, me=1)), Shown()),
        ]  # fmt: skip
        return await gate.condition(machines)

    assert asyncio.run(test()).word == "stable"


def test_it_waits_while_the_hive_stabilizes_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "GATE_LOOK_SECONDS", 0.0)
    late = answers(hive(), {**BOTH, IDS[1]: figures(1, epoch=2)})
    asked = 0
    said: list[str] = []

    def hear(request: Request) -> Reply:
        nonlocal asked
        asked += 1
        return (late if asked <= 6 else answers(hive(), BOTH))(request)

    async def test() -> Condition:
        return await gate.until_stable([machine(HOSTS[0], Agent(hear), Shown())], said.append)

    assert asyncio.run(test()).word == "stable"
    assert len(said) == 2 and all("has not heard" in line for line in said)


def test_it_halts_where_the_hive_stays_degraded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "GATE_TROUBLE_SECONDS_MAX", 0.0)
    hear = answers(hive(down=[1]), {IDS[0]: figures(0)})

    async def test() -> None:
        await gate.until_stable([machine(HOSTS[0], Agent(hear), Shown())], lambda text: None)

    with pytest.raises(UnavailableError, match=r"the hive is degraded: 10\.0\.0\.2:5909 down"):
        asyncio.run(test())
