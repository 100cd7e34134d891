"""The condition of the hive during a rolling change, which takes its next step only when the hive is stable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wrpme import errors
from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.hosts.probe import probe_hive
from wrpme.bootstrap.limits import DEGRADED_SECONDS_MAX, STABILITY_LOOK_SECONDS, STABILIZING_SECONDS_MAX
from wrpme.protocol.address import listed
from wrpme.protocol.health import Condition
from wrpme.protocol.stats import HiveStatus, condition_of


async def status(sessions: list[HostSession], hive: str = "") -> HiveStatus | str:
    """Returns that hive (by its id in hex; any, if empty) as the first node that answers sees it, or why none does."""
    why = "no node answers"
    for session in sessions:
        for node in session.host.nodes:
            try:
                found = await probe_hive(session.agent, node.address, node.name)
            except errors.WrpmeError as error:
                why = error.sentence
                continue
            if hive in ("", found.view.hive.hex()):
                return found
            why = f"{node.address} is in another hive ({found.view.hive.hex()[:8]}) than the other nodes ({hive[:8]})"
    return why


async def condition(sessions: list[HostSession], hive: str = "") -> Condition:
    """Returns the condition of the hive: it is stable only if every member knows the last view. For ``hive`` see
    :func:`status`."""
    found = await status(sessions, hive)
    if isinstance(found, str):
        return Condition("unavailable", found)
    now = condition_of(found)
    late = [node.member.address for node in found.nodes if node.stats and node.stats.epoch != found.view.epoch]
    if now.word == "stable" and late:
        have = "has" if len(late) == 1 else "have"
        return Condition("stabilizing", f"{listed(late)} {have} not heard of the last change yet")
    return now


async def until_stable(sessions: list[HostSession], say: Callable[[str], None], hive: str = "") -> Condition:
    """Waits until the hive is stable; for ``hive`` see :func:`status`. ``say`` is called with what it waits for.

    Raises:
        UnavailableError: the hive was degraded or unavailable for all of ``DEGRADED_SECONDS_MAX``.
        TimeoutError: the hive was stabilizing for longer than ``STABILIZING_SECONDS_MAX``.
    """
    loop = asyncio.get_running_loop()
    begun = well = loop.time()
    while True:
        now = await condition(sessions, hive)
        if now.word == "stable":
            return now
        say(f"waiting until the hive is stable: {now.word}, {now.sentence}")
        if now.word == "stabilizing":
            well = loop.time()
        if loop.time() - well >= DEGRADED_SECONDS_MAX:
            raise errors.UnavailableError(f"the hive is {now.word}: {now.sentence}")
        if loop.time() - begun >= STABILIZING_SECONDS_MAX:
            minutes = STABILIZING_SECONDS_MAX / 60
            raise errors.TimeoutError(f"the hive is still {now.word} after {minutes:g} min: {now.sentence}")
        await asyncio.sleep(STABILITY_LOOK_SECONDS)


async def whole_hive(fleet: Fleet, hive: str = "") -> Condition:
    """Waits until the hive is stable, which the operator sees as a step of its own; for ``hive`` see :func:`status`.

    Raises:
        WrpmeError: see :func:`until_stable`.
    """
    return await until_stable(fleet.sound, lambda text: fleet.reporter.step("the hive", text), hive)
