"""Plots of leases: two that serve at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.sim.plots.cast import all_written, cast, join_through, newly_joined, reports, told
from tests.sim.stage import Missed, Stage
from wrpme.protocol.messages import HeartbeatAck, Report
from wrpme.protocol.view import Activated, Synced

if TYPE_CHECKING:
    from tests.sim.machine import Machine


def seen_by_one(s: Stage) -> None:
    """An owner is seen by one other holder and not by the next owner, which is its senior; as soon as it is taken for
    dead it hears nothing any more."""

    def is_junior(owner: Machine, heir: Machine) -> bool:
        joined = {member.id: (member.joined, member.id) for member in s.view().members}
        return joined[owner.identity] > joined[heir.identity]

    _, owner, heir, _ = cast(s, is_junior)
    s.cut(owner, [heir])
    s.until(lambda: s.is_down(owner))
    s.cut(owner, s.others(owner, heir))
    s.wait(4.0)
    s.heal(owner, s.others(owner))


def late_acknowledgement(s: Stage) -> None:
    """What the others acknowledged arrives when they have not heard of the owner for long."""
    _, owner, _, _ = cast(s)
    others = s.others(owner)
    late = s.lose_between(others, [owner], HeartbeatAck)
    s.wait(0.6)
    s.cut(owner, others)
    s.wait(1.4)
    s.deliver(late)
    s.wait(4.0)
    s.heal(owner, others)


def silent_giver(s: Stage) -> None:
    """Who gave a node its arc falls silent as it has reported the copy to be complete."""
    all_written(s)
    newcomer = newly_joined(s)
    found = reports(s, newcomer)
    s.until(found)
    giver = found()
    assert giver is not None
    s.world.checks.positions = [giver[1].end]
    s.wait(3 * s.world.habits.latency)
    s.cut(giver[0], s.others(giver[0]))
    s.wait(7.0)
    s.heal(giver[0], s.others(giver[0]))


def _given_back(s: Stage, fits: Callable[[int, Machine], object]) -> Machine:
    """A node joins, gets a part of an arc, leaves, and falls silent as another one has it back: whoever fits to its
    end, and may have been the owner before."""
    all_written(s)
    newcomer = newly_joined(s)
    s.until(s.run.is_stable, 20.0)
    newcomer.leave()
    found = _reports_of(s, newcomer)
    s.until(found, 10.0)
    s.wait(3 * s.world.habits.latency)
    s.cut(newcomer, s.others(newcomer))
    view = s.view()
    s.until(lambda: s.view() is not view)
    owners = [arc for arc in s.view().arcs if newcomer.identity in arc.prev]
    if not any(fits(arc.end, s.machine(arc.holders[0])) for arc in owners):
        raise Missed
    return newcomer


def _reports_of(s: Stage, node: Machine) -> Callable[[], object]:
    """Whether this node has reported that another one has a complete copy."""
    heard = s.hear_of([node], s.machines, Report, told(Synced))
    return lambda: heard.kept


def old_word(s: Stage) -> None:
    """...and what it reported of its first takeover arrives once more."""
    said = s.hear_of(s.machines, s.machines, Report, told(Activated))

    def say_again(end: int, owner: Machine) -> bool:
        there = [
            envelope
            for machine, envelope in said.kept
            if machine is owner
            and isinstance(envelope.body, Report)
            and any(isinstance(change, Activated) and change.end == end for change in envelope.body.changes)
        ]
        for envelope in there:
            s.faults.say_late(envelope)
        return bool(there)

    newcomer = _given_back(s, say_again)
    s.wait(4.0)
    s.heal(newcomer, s.others(newcomer))


def joined_meanwhile(s: Stage) -> None:
    """...and another node joins just then."""
    newcomer = _given_back(s, lambda end, owner: True)
    join_through(s, len(s.machines) - 2, s.random.choice(s.others(newcomer)))
    s.wait(4.0)
    s.heal(newcomer, s.others(newcomer))
