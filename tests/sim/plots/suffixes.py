"""Plots of suffixes: what former owners and holders hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sim.batches import NAMES, Batches
from tests.sim.plots.cast import WATCHED_SECONDS, all_written, cast, join_through, served_anew
from tests.sim.serial import Step
from tests.sim.stage import Stage
from wrpme.protocol.messages import Streams, Suffix

if TYPE_CHECKING:
    from tests.sim.machine import Machine

NEVER_SECONDS = 1e9


def late_heir(s: Stage) -> None:
    """Writes have reached one holder and not the next owner, when the owner dies."""
    alias, owner, heir, other = cast(s)
    s.lose_between([owner], [heir], Streams)
    version = s.arc(alias).version
    one_by_one = s.random.random() < 0.5
    for written in s.of_arc(alias)[:6]:
        s.ask(written)
        if one_by_one:
            s.wait(0.01)
            s.until(lambda written=written: s.reached(owner, other, written))  # type: ignore[misc]
            s.wait(0.1)
    if not one_by_one:
        s.until(lambda: all(s.received(other, written) for written in s.of_arc(alias)[:6]))
    owner.crash()
    owner.away = True
    served_anew(s, alias, version)
    s.read(*s.of_arc(alias)[:6])


def two_writes_of_one_entry(s: Stage) -> None:
    """Of two writes of an entry the first has reached one holder, and the next owner none, when the owner stops."""
    alias, owner, heir, other = cast(s)
    version = s.arc(alias).version
    there = s.random.random() < 0.5
    if not there:
        s.done(alias, "remove")
    s.until(lambda: not s.received(heir, alias))
    s.lose_between([owner], [heir], Streams)
    s.ask(alias, "update" if there else "put")
    s.until(lambda: s.received(other, alias))
    s.wait(0.1)
    s.lose_between([owner], [other], Streams)
    s.ask(alias, s.random.choice(("update", "remove")))
    s.until(lambda: s.replica(owner, alias).writes.sequence >= 2 or len(s.replica(owner, alias).writes.queue) >= 2)
    owner.stop()
    served_anew(s, alias, version)
    s.read(alias)


def divided(s: Stage) -> None:
    """Writes have reached one holder and not the other one; the owner falls silent, and before that is known a node
    joins, for which arcs are divided."""
    _, owner, heir, other = cast(s)
    mine = [alias for alias in s.run.workload.aliases if s.owner(alias) is owner]
    s.lose_between([owner], [heir], Streams)
    for alias in mine:
        s.ask(alias)
    s.until(lambda: all(s.received(other, alias) for alias in mine))
    s.cut(owner, s.others(owner))
    join_through(s, 3, other)
    s.until(lambda: s.is_down(owner))
    s.wait(2.0 + WATCHED_SECONDS)
    s.read(*mine)
    s.heal(owner, s.others(owner))


def _transaction_begun(s: Stage, reaches_one: bool) -> tuple[str, Machine, Machine, Machine]:
    """A tag with its three holders, the first of which is the owner: it has begun a transaction of three entries, which
    has reached the last one of the three, or none, and not the one between."""
    all_written(s)
    batches = s.run.scenario.batches = Batches(s.world, 0, 1, NEVER_SECONDS)
    tag, client = batches.choose(), batches.clients[0]
    owner, first, second = s.holders(tag)
    missed, last = s.random.sample((first, second), 2)
    s.lose_between([owner], [missed] if reaches_one else [missed, last], Streams)
    steps = tuple(Step("update", f"{{{tag}}}{name}", b"1") for name in NAMES)
    client.ask(tag, steps, together=True, patience=60.0)
    s.until(lambda: s.replica(last, tag).writes.arrived if reaches_one else s.replica(owner, tag).writes.queue)
    return tag, owner, missed, last


def _dies(s: Stage, machine: Machine) -> None:
    machine.crash()
    machine.away = True


def _hears_one_message(s: Stage, alias: str, owner: Machine, heir: Machine, other: Machine) -> None:
    """The owner of the entry dies, and of what the heir sends on only the first message arrives."""
    version = s.arc(alias).version

    def is_later_part(body: Any) -> bool:
        return any(stream.version > version and stream.first > 1 for stream in body.streams)

    def has_begun() -> bool:
        replica = s.replica(other, alias)
        return replica.arc.version > version and replica.receiver is not None and replica.receiver._taken > 0

    s.lose_between([heir], [other], Streams, is_later_part)
    _dies(s, owner)
    s.until(has_begun, 20.0)


def _both_are_lost(s: Stage, owner: Machine, heir: Machine) -> None:
    _dies(s, heir)
    s.until(lambda: s.is_down(owner) and s.is_down(heir), 20.0)
    s.wait(3.0 + WATCHED_SECONDS)


def divided_transaction(s: Stage) -> None:
    """A transaction has reached the heir and not the other holder when the owner dies. The heir sends it on, but only
    its first message arrives before the heir dies too."""
    tag, owner, other, heir = _transaction_begun(s, reaches_one=True)
    _hears_one_message(s, tag, owner, heir, other)
    s.wait(0.05)
    _both_are_lost(s, owner, heir)


def part_of_a_suffix(s: Stage) -> None:
    """Writes have reached the heir and not the other holder when the owner dies. The heir sends them on, but only its
    first message arrives, and it is asked for all of them before it dies too."""
    alias, owner, heir, other = cast(s)
    mine = s.of_arc(alias)[:6]
    s.lose_between([owner], [other], Streams)
    for written in mine:
        s.ask(written)
    s.until(lambda: all(s.received(heir, written) for written in mine))
    _hears_one_message(s, alias, owner, heir, other)
    for written in mine:
        s.ask(written, "get")
    s.wait(0.3)
    _both_are_lost(s, owner, heir)
    s.read(*mine)


def half_a_suffix(s: Stage) -> None:
    """An owner is asked to stop while a transaction has reached nobody else. It hands it over in parts, and dies when
    the first one has arrived."""
    tag, owner, *_ = _transaction_begun(s, reaches_one=False)
    version = s.arc(tag).version
    s.lose_between([owner], s.others(owner), Suffix, lambda body: body.after != b"")
    owner.stop()

    def has_begun() -> bool:
        if s.arc(tag).version == version:
            return False
        replica = s.replica(s.owner(tag), tag)
        return replica.arc.version > version and replica._suffixes.cursor(owner.identity) != b""

    s.until(has_begun, 20.0)
    _dies(s, owner)
    served_anew(s, tag, version)


def first_message_only(s: Stage) -> None:
    """What one holder alone has, beside the owner, is on its way to it once more at a new version, in several messages,
    of which the first one arrives before the owner dies."""
    alias, owner, heir, other = cast(s)
    aliases = s.of_arc(alias)[:8]
    s.lose_between([owner], [heir], Streams)
    for written in aliases:
        s.ask(written)
    s.until(lambda: all(s.received(other, written) for written in aliases))
    version = s.arc(alias).version

    def is_later_part(body: Any) -> bool:
        return any(stream.version > version and stream.first > 1 for stream in body.streams)

    s.lose_between([owner], [other], Streams, is_later_part)
    newcomer = s.machines[3]
    newcomer.away = False
    newcomer.start()

    def has_begun() -> bool:
        for written in aliases:
            replica = s.replica(other, written)
            if replica.arc.version > version and replica.receiver is not None and replica.receiver._taken:
                return True
        return False

    s.until(has_begun)
    s.wait(0.1)
    owner.crash()
    owner.away = True
    s.until(lambda: s.is_down(owner))
    s.wait(3.0 + WATCHED_SECONDS)
    s.read(*aliases)
