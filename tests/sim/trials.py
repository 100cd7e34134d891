"""What a hive that was stable has to bear next, with something that lasts: whatever can be served is served meanwhile.

A storm tells only whether the hive lies, and whether it heals when all is healed. These tell whether it waits for
something that it does not need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.sim.workload import Client
from wrpme.core.membership.paxos import is_quorum
from wrpme.protocol.view import NodeId, View

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.run import Run

SERVICE_SECONDS_MAX = 45.0
"""After a start nobody is suspected for ten seconds; then a few views."""
ENTRIES_TRIED_MAX = 12
Trial = Callable[["Run"], None]


def some_stay_away(run: Run) -> None:
    """Power loss of all, of which some never return: every entry of which a complete copy is there can be written."""
    world, random = run.world, run.world.random
    view = world.checks.newest()
    assert view is not None
    world.faults.disasters.lose_all_power()
    away = _expendable(run, view)
    for machine in away:
        machine.away = True
        if random.random() < 0.3:
            world.faults.disasters.wipe(machine)
    back = [machine for machine in world.machines if machine not in away]
    world.say(None, f"only {back} are started again")
    for machine in back:
        world.agenda.after(random.choice((0.5, 3.0, 15.0)) * random.random(), machine.start)
    world.agenda.run_until(world.agenda.now + 15.0)
    there = {machine.identity for machine in back}
    aliases = [alias for alias in run.workload.aliases if world.promises.needs(alias, view) & there]
    expect_service(run, aliases, back)


def _expendable(run: Run, view: View) -> list[Machine]:
    """Some machines without which there still is a quorum; as many as possible, as likely as any other number."""
    machines, random = list(run.world.machines), run.world.random
    for _ in range(20):
        away = random.sample(machines, random.randint(0, len(machines) - 1))
        missing: set[NodeId] = {machine.identity for machine in away}
        if is_quorum(view.voters, set(view.voters) - missing):
            return away
    return []


def a_disk_hangs(run: Run) -> None:
    """The disk of one machine takes nothing any more, without an error: all that another one holds can be written."""
    world = run.world
    view = world.checks.newest()
    assert view is not None
    machine = world.random.choice(world.machines)
    others = {other.identity for other in world.machines if other is not machine}
    if not is_quorum(view.voters, others.intersection(view.voters)):
        return
    machine.hang_disk(world.agenda.now + 10_000.0)
    world.agenda.run_until(world.agenda.now + 10.0)
    aliases = [alias for alias in run.workload.aliases if world.promises.needs(alias, view) & others]
    expect_service(run, aliases, [other for other in world.machines if other is not machine])


def expect_service(run: Run, aliases: list[str], machines: list[Machine]) -> None:
    """Some of these entries can be written, through these machines, within the time that the hive has for it."""
    world = run.world
    end = world.agenda.now + SERVICE_SECONDS_MAX
    for alias in world.random.sample(aliases, min(len(aliases), ENTRIES_TRIED_MAX)):
        told = ""
        while True:
            client = Client(run.workload, "trial", 1e9, max(1.0, end - world.agenda.now))
            asked = client.ask(alias, "update")
            world.agenda.run_until(end + 1.0, lambda asked=asked: asked.over)  # type: ignore[misc]
            told = asked.last or told
            if asked.result == "ok":
                break
            where = [
                (machine, machine.node.view.epoch if machine.node and machine.node.view else None)
                for machine in machines
            ]
            assert world.agenda.now < end, f"{alias} can't be written, though it is there: {told}; {where}"
            world.agenda.run_until(world.agenda.now + 0.5)
