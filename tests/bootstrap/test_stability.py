"""A rolling change goes on only while the hive is stable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import chain, repeat
from typing import cast

import msgspec
import pytest

from tests.bootstrap.fleet_parts import HIVE, IDS, Agent, Shown, answers, figures, hive, session
from tests.bootstrap.plan_parts import topology
from wrpme.bootstrap.hosts.agent_client import AgentClient
from wrpme.bootstrap.hosts.fleet import Fleet
from wrpme.bootstrap.limits import DEGRADED_SECONDS_MAX, STABILIZING_SECONDS_MAX
from wrpme.bootstrap.rollout import stability
from wrpme.errors import RemoteError, TimeoutError, UnavailableError
from wrpme.protocol.health import Condition
from wrpme.protocol.messages import Failed, GetView, Reply, Request

pytestmark = pytest.mark.asyncio

HOSTS = topology(2).hosts
BOTH = {IDS[0]: figures(0), IDS[1]: figures(1)}


async def condition(reply: Callable[[Request], Reply], wanted: str = "") -> Condition:
    return await stability.condition([session(HOSTS[0], Agent(reply), Shown())], wanted)


async def test_stable_is_when_all_have_heard_of_the_last_view() -> None:
    assert (await condition(answers(hive(), BOTH))).word == "stable"
    late = await condition(answers(hive(), {**BOTH, IDS[1]: figures(1, epoch=2)}))
    assert late.word == "stabilizing" and "10.0.0.2:5909 has not heard" in late.sentence


async def test_it_is_not_stable_while_somebody_is_down_silent_or_coming_back() -> None:
    assert (await condition(answers(hive(down=[1]), {IDS[0]: figures(0)}))).word == "degraded"
    assert (await condition(answers(hive(), {IDS[0]: figures(0)}))).word == "unavailable"
    assert (await condition(answers(hive(), {**BOTH, IDS[1]: figures(1, serving=False)}))).word == "stabilizing"


async def test_another_hive_opens_no_gate() -> None:
    assert (await condition(answers(hive(), BOTH), HIVE.hex())).word == "stable"
    other = await condition(answers(hive(hive_id=b"x" * 16), BOTH), HIVE.hex())
    assert other.word == "unavailable" and "another hive" in other.sentence


async def test_who_answers_first_is_asked() -> None:
    async def test() -> Condition:
        silent = Agent(lambda request: Failed(request.id, 6, "it waits for a hive"))
        sessions = [
            session(HOSTS[0], silent, Shown()), session(HOSTS[1], Agent(answers(hive(), BOTH, me=1)), Shown()),
        ]  # fmt: skip
        return await stability.condition(sessions)

    assert (await test()).word == "stable"


async def test_it_waits_while_the_hive_stabilizes_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "STABILITY_LOOK_SECONDS", 0.0)
    late = answers(hive(), {**BOTH, IDS[1]: figures(1, epoch=2)})
    asked = 0
    said: list[str] = []

    def reply(request: Request) -> Reply:
        nonlocal asked
        asked += 1
        return (late if asked <= 6 else answers(hive(), BOTH))(request)

    async def test() -> Condition:
        return await stability.until_stable([session(HOSTS[0], Agent(reply), Shown())], said.append)

    assert (await test()).word == "stable"
    assert len(said) == 2 and all("has not heard" in line for line in said)


async def test_it_halts_where_the_hive_stays_degraded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "DEGRADED_SECONDS_MAX", 0.0)
    reply = answers(hive(down=[1]), {IDS[0]: figures(0)})

    with pytest.raises(UnavailableError, match=r"the hive is degraded: 10\.0\.0\.2:5909 down"):
        await stability.until_stable([session(HOSTS[0], Agent(reply), Shown())], lambda text: None)


def waits_for_a_hive(request: Request) -> Reply:
    return Failed(request.id, 6, "it waits for a hive")


def gone(request: Request) -> Reply:
    raise RemoteError("10.0.0.1: the connection ended while `ask` ran there")


async def test_a_host_that_is_gone_does_not_hide_the_hive() -> None:
    async def test(*reply: Callable[[Request], Reply]) -> Condition:
        sessions = [session(host, Agent(one), Shown()) for host, one in zip(HOSTS, reply, strict=True)]
        return await stability.condition(sessions)

    assert (await test(gone, answers(hive(), BOTH, me=1))).word == "stable"
    nobody = await test(waits_for_a_hive, gone)
    assert nobody == Condition("unavailable", "10.0.0.1: the connection ended while `ask` ran there")
    assert await stability.condition([]) == Condition("unavailable", "no node answers")


async def test_the_node_of_another_hive_is_passed_over_for_the_next() -> None:
    async def test() -> Condition:
        other = Agent(answers(hive(hive_id=b"x" * 16, down=[1]), {IDS[0]: figures(0)}))
        mine = Agent(answers(hive(), BOTH, me=1))
        sessions = [session(HOSTS[0], other, Shown()), session(HOSTS[1], mine, Shown())]
        return await stability.condition(sessions, HIVE.hex())

    assert (await test()).word == "stable"


async def test_a_node_that_is_ahead_of_the_one_that_is_asked_keeps_it_closed() -> None:
    ahead = await condition(answers(hive(epoch=3), {**BOTH, IDS[1]: figures(1, epoch=4)}))
    assert ahead.word == "stabilizing"


async def test_without_a_quorum_a_view_is_worth_nothing() -> None:
    alone = msgspec.structs.replace(figures(1), quorum="this node reaches 1 of 3 voters")
    found = await condition(answers(hive(), {**BOTH, IDS[1]: alone}))
    assert found == Condition("unavailable", "10.0.0.2:5909 reaches 1 of 3 voters")


# --- in time that jumps: one look every 10 s ---------------------------------------------------------------------

LOOK_SECONDS = 10.0
STABLE = answers(hive(), BOTH)
LATE = answers(hive(), {**BOTH, IDS[1]: figures(1, epoch=2)})
DEGRADED = answers(hive(down=[1]), {IDS[0]: figures(0)})
ReplyTo = Callable[[Request], Reply]


@pytest.fixture
def ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "STABILITY_LOOK_SECONDS", LOOK_SECONDS)


def looks(seconds: float) -> int:
    return round(seconds / LOOK_SECONDS)


async def passed(*moments: tuple[ReplyTo, int]) -> tuple[float, str]:
    """Returns when the wait ends (s) and what it says; each moment lasts for so many looks, the last one for ever."""
    coming = chain(*(repeat(reply, count) for reply, count in moments), repeat(moments[-1][0]))
    now = moments[0][0]

    def reply(request: Request) -> Reply:
        nonlocal now
        if isinstance(request, GetView):
            now = next(coming)
        return now(request)

    begun = asyncio.get_running_loop().time()
    try:
        found = await stability.until_stable([session(HOSTS[0], Agent(reply), Shown())], lambda text: None)
        said = found.word
    except (UnavailableError, TimeoutError) as error:
        said = f"{error.word}: {error.sentence}"
    return asyncio.get_running_loop().time() - begun, said


@pytest.mark.usefixtures("ten_seconds")
async def test_trouble_that_passes_in_time_halts_nothing() -> None:
    most = looks(DEGRADED_SECONDS_MAX) - 1
    seconds, said = await passed((DEGRADED, most), (STABLE, 1))
    assert said == "stable"
    assert seconds < DEGRADED_SECONDS_MAX
    assert (await passed((gone, most), (STABLE, 1)))[1] == "stable", "nobody may answer for a while"


@pytest.mark.usefixtures("ten_seconds")
@pytest.mark.parametrize("trouble", [DEGRADED, gone, waits_for_a_hive])
async def test_trouble_that_stays_halts_it(trouble: ReplyTo) -> None:
    seconds, said = await passed((trouble, 1))
    assert said.startswith("unavailable: the hive is ")
    assert DEGRADED_SECONDS_MAX <= seconds < DEGRADED_SECONDS_MAX + LOOK_SECONDS
    seconds, said = await passed((LATE, 20), (trouble, 1))
    assert said.startswith("unavailable: the hive is ")
    assert seconds >= 20 * LOOK_SECONDS


@pytest.mark.usefixtures("ten_seconds")
async def test_while_it_stabilizes_it_is_waited_for_much_longer() -> None:
    most = looks(STABILIZING_SECONDS_MAX) - 2
    assert (await passed((LATE, most), (STABLE, 1)))[1] == "stable"
    several = [(DEGRADED, 5), (LATE, 1), (DEGRADED, 5), (LATE, 1), (DEGRADED, 5), (STABLE, 1)]
    assert (await passed(*several))[1] == "stable", "it is getting on each time"


@pytest.mark.usefixtures("ten_seconds")
async def test_but_not_for_ever() -> None:
    seconds, said = await passed((LATE, 1))
    assert said.startswith("timeout: the hive is still stabilizing after 60 min: 10.0.0.2:5909 has not heard of")
    assert STABILIZING_SECONDS_MAX <= seconds < STABILIZING_SECONDS_MAX + LOOK_SECONDS


async def test_the_whole_hive_has_a_step_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "DEGRADED_SECONDS_MAX", 0.0)

    async def test(reply: ReplyTo, shown: Shown) -> Condition:
        async with Fleet(HOSTS, shown) as fleet:
            fleet.sessions[0].fail(RemoteError("10.0.0.1: no route"))
            fleet.sessions[1]._agent = cast(AgentClient, Agent(reply))
            return await stability.whole_hive(fleet)

    shown = Shown()
    assert (await test(answers(hive(), BOTH, me=1), shown)).word == "stable"
    assert not any(line.startswith("the hive: ") for line in shown.lines), "it is told as the result"
    shown = Shown()
    with pytest.raises(UnavailableError):
        await test(DEGRADED, shown)
    assert shown.lines[1].startswith("the hive: waiting until the hive is stable: degraded, 10.0.0.2:5909 down")
    assert shown.lines[2:] == ["closed"], "the error is told by who catches it"
