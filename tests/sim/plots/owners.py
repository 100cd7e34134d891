"""Plots of owners that come back, and of words that arrive late."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.sim.plots.cast import cast, served_anew, told
from tests.sim.stage import Missed, Rule, Stage
from wrpme.core.replication.replica import Role
from wrpme.protocol.messages import Accept, GetSuffix, Prepare, Report, Streams, Suffix
from wrpme.protocol.view import Activated, Back, Synced

if TYPE_CHECKING:
    from tests.sim.machine import Machine


def returned_owner(s: Stage) -> None:
    """An owner has started again and gets its arc back; who was it meanwhile hears nothing of that, and what it once
    handed over arrives once more."""
    alias, owner, heir, _ = cast(s)
    suffixes = s.hear_of([heir], [owner], Suffix)
    _start_again(s, owner, heir, alias)
    s.until(lambda: s.owner(alias) is owner and s.replica(owner, alias).serving, 10.0)
    s.wait(0.5)
    said = list(suffixes.kept)
    _start_again(s, owner, heir, alias)
    s.wait(3 * s.world.habits.latency)
    s.cut(heir, s.others(heir))
    s.until(lambda: s.arc(alias).holders[0] == owner.identity and s.replica(owner, alias).role is Role.OWNER)
    for _, envelope in said:
        s.faults.say_late(envelope)
    s.wait(3.0)
    s.heal(heir, s.others(heir))


def _start_again(s: Stage, owner: Machine, heir: Machine, alias: str) -> None:
    """Its process ends and starts; until the next owner has reported that its copy is complete."""

    def is_complete(body: Any) -> bool:
        return any(
            isinstance(change, Synced) and change.node == owner.identity and change.end == s.arc(alias).end
            for change in body.changes
        )

    reported = s.hear_of([heir], s.machines, Report, is_complete)
    owner.crash()
    s.wait(0.05)
    owner.start()
    s.until(lambda: reported.kept, 10.0)


def late_question(s: Stage) -> None:
    """An owner has asked for the second part of a suffix, and has become the owner once more since, when that question
    arrives again; what is answered is at the end of another suffix."""
    alias, owner, heir, other = cast(s)
    aliases = s.of_arc(alias)
    questions = s.hear_of([heir], [other], GetSuffix, lambda body: bool(body.after))
    version = _dies_with_writes(s, owner, heir, other, aliases)
    served_anew(s, alias, version)
    asked = [envelope for _, envelope in questions.kept]
    s.let(*s.faults.rules)
    owner.start()
    s.until(s.run.is_stable, 20.0)
    if s.holders(alias) != [owner, heir, other]:
        raise Missed
    first = s.lose_between([other], [heir], Suffix, lambda body: body.end == s.arc(alias).end and not body.after)
    version = _dies_with_writes(s, owner, heir, other, aliases)
    s.until(lambda: s.replica(other, alias).arc.version == s.replica(heir, alias).arc.version > version)
    for envelope in asked:
        s.faults.say_late(envelope)
    s.wait(0.5)
    s.let(first)
    served_anew(s, alias, version)
    s.read(*aliases)


def _dies_with_writes(s: Stage, owner: Machine, heir: Machine, other: Machine, aliases: list[str]) -> int:
    """An owner ends when all these writes have reached one holder and not the next owner; gives the version of the arc,
    which has another owner."""
    s.lose_between([owner], [heir], Streams)
    for written in aliases:
        s.ask(written)
    version = s.arc(aliases[0]).version
    s.until(lambda: len(s.replica(owner, aliases[0]).writes.queue) >= len(aliases))
    s.until(lambda: all(s.reached(owner, other, written) for written in aliases))
    owner.crash()
    s.until(lambda: s.arc(aliases[0]).version > version and s.owner(aliases[0]) is not owner)
    return version


def revived(s: Stage) -> None:
    """An owner was taken for dead and has come back; it is cut off once more, with a write on its way, and what it said
    to come back arrives once more when it has been taken for dead again, and does not know."""
    alias, owner, _, _ = cast(s)
    others = s.others(owner)
    said = s.hear_of([owner], s.machines, Report, told(Back))
    s.cut(owner, others)
    s.until(lambda: s.is_down(owner))
    s.wait(1.0)
    s.heal(owner, others)
    s.until(lambda: s.owner(alias) is owner and s.replica(owner, alias).serving, 20.0)
    s.wait(1.0)
    s.lose_between([owner], others, Streams)
    s.ask(alias, at=owner)
    s.until(lambda: s.replica(owner, alias).writes.queue)
    s.cut(owner, others)
    s.until(lambda: s.is_down(owner) and s.owner(alias) is not owner)
    s.until(lambda: s.replica(s.owner(alias), alias).serving and not s.arc(alias).prev, 10.0)
    s.wait(2.0)  # the connections are given up by now
    s.deliver(said)
    with suppress(Missed):  # nobody revives it
        s.until(lambda: not s.is_down(owner), 2.0)
    s.heal(owner, others)
    s.wait(3.0)
    s.read(alias)


def untaken(s: Stage) -> None:
    """An owner falls silent with a write that nobody has; who serves after it is not known to do so when the former
    owner is back, so that it is asked for its suffix after all."""
    alias, owner, heir, _ = cast(s)
    others = s.others(owner)
    lost = s.lose_between([owner], others, Streams)
    s.ask(alias, at=owner)
    s.until(lambda: s.replica(owner, alias).writes.queue)
    unsaid = [s.lose_between([heir], others, Report, told(Activated))]
    unsaid.append(s.lose_between([heir], others, (Prepare, Accept)))
    s.cut(owner, others)
    s.until(lambda: s.is_down(owner))
    s.until(lambda: s.owner(alias) is heir and s.replica(heir, alias).serving, 5.0)
    s.wait(0.5)
    s.heal(owner, others)
    s.until(lambda: not s.is_down(owner), 10.0)
    s.until(lambda: s.replica(heir, alias).serving and owner.identity in s.arc(alias).incoming)
    s.let(lost, *unsaid)
    s.wait(2.0)
    s.read(alias)


def stopped_in_takeover(s: Stage) -> None:
    """The heir has removed an entry, of which the owner, who is to take over again, has an older write and not that
    removal; the owner falls silent, and the heir stops as planned while it waits for what the owner has, and takes
    back another node meanwhile."""
    alias, owner, heir, other = cast(s, lambda owner, heir: heir is s.machines[0])
    other.stop()
    s.until(lambda: s.is_down(other))
    _start_again(s, owner, heir, alias)
    written = s.ask(alias, at=heir)
    s.until(lambda: s.received(owner, alias))
    lost = s.lose_between([heir], [owner], (Streams, Suffix))
    s.until(lambda: written.result == "ok")
    s.ask(alias, "remove", at=heir)
    s.until(lambda: len(s.replica(heir, alias).writes.queue) >= 1)
    s.until(lambda: s.arc(alias).holders[0] == owner.identity and s.replica(heir, alias).role is not Role.OWNER)
    s.cut(heir, [owner])
    s.until(lambda: s.is_down(owner))
    if s.replica(heir, alias).serving:
        raise Missed
    heir.stop()
    s.until(lambda: s.is_down(heir))
    other.start()  # so that one more view is decided, and the heir's disk has something to do
    s.until(lambda: heir.node is None, 10.0)
    s.heal(heir, [owner])
    s.let(lost)
    s.wait(1.0)  # so that the connections of before are given up
    unsaid = Rule(lambda machine, envelope: machine is owner and isinstance(envelope.body, Report))
    s.faults.rules.append(unsaid)  # or it is taken back first, and asked for nothing
    heir.start()
    s.until(lambda: s.replica_or_none(heir, alias) is not None and s.replica(heir, alias).serving, 10.0)
    s.let(unsaid)
    s.until(s.run.is_stable, 30.0)
    s.read(alias)
