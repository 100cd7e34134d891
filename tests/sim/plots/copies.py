"""Plots of streams and copies, and of what is wiped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sim.faults import VOTES
from tests.sim.plots.cast import all_written, cast, newly_joined, reports, served_anew, told
from tests.sim.stage import Missed, Stage, carries
from wrpme.protocol.messages import Accept, Committed, Item, Prepare, Report, Stream, StreamAcks, Streams, Writes
from wrpme.protocol.view import Activated, Synced

if TYPE_CHECKING:
    from tests.sim.machine import Machine


def _at_the_last_answer(s: Stage, receiver: Machine) -> tuple[Machine, str]:
    """A copy of an arc with entries waits for its last answers, all of which say that what was filled in is there: its
    owner, and an entry there."""
    found: list[tuple[Machine, str]] = []

    def look() -> bool:
        for alias in s.run.workload.aliases:
            owner = next(
                (
                    one
                    for one in s.others(receiver)
                    if one.node and s.replica_or_none(one, alias) is not None and s.replica(one, alias).serving
                ),
                None,
            )
            copy = s.replica(owner, alias).copies.get(receiver.identity) if owner is not None else None
            if owner is not None and copy is not None and copy.phase.value == "running":
                left = copy._open.values()
                if copy.cursor >= copy.writes.high and not copy._again and left:
                    if all(hasattr(item, "pairs") for item, _ in left):
                        found.append((owner, alias))
                        return True
        return False

    s.until(look)
    return found[0]


def lost_on_the_way(s: Stage) -> None:
    """A write before the last answers of a copy is on its way to the receiver, and does not arrive there."""
    all_written(s)
    newcomer = newly_joined(s)
    owner, alias = _at_the_last_answer(s, newcomer)
    late = s.lose_between([newcomer], [owner], StreamAcks)
    s.lose_between([owner], [newcomer], Streams, carries(alias, lambda stream, item: isinstance(item, Writes)))
    s.done(alias)
    s.until(lambda: late.kept)
    s.wait(0.05)
    s.faults.rules.remove(late)
    s.deliver(late)
    if s.random.random() < 0.5:
        s.wait(0.2)
        newcomer.crash()
        newcomer.away = True
        s.until(lambda: s.is_down(newcomer))
        s.expect_write(alias)
    else:
        s.wait(1.5)
        s.read(alias)


def answers_of_before(s: Stage) -> None:
    """The last answers of a run of a copy arrive when the next run has come to the same place, and after a write."""
    all_written(s)
    newcomer = newly_joined(s)
    owner, alias = _at_the_last_answer(s, newcomer)
    copy = s.replica(owner, alias).copies[newcomer.identity]
    run = copy._stream.run

    def is_later(stream: Stream, item: Item) -> bool:
        return isinstance(item, Writes) or stream.run != run

    def of_that_run(body: Any) -> bool:
        return any(ack.run == run for ack in body.acks)

    late = s.lose_between([newcomer], [owner], StreamAcks, of_that_run)
    s.lose_between([owner], [newcomer], Streams, carries(alias, is_later))
    s.done(alias)
    s.until(lambda: late.kept)
    s.until(lambda: copy._stream.run != run and any(hasattr(item, "pairs") for item, _ in copy._open.values()))
    s.deliver(late)
    s.wait(0.9)
    s.read(alias)


def last_part_lost(s: Stage) -> None:
    """Of several messages with writes for a holder the last is lost with its connection."""
    alias, owner, heir, _ = cast(s)
    aliases = s.of_arc(alias)[:8]
    slow = s.lose_between([heir], [owner], StreamAcks)
    s.ask(aliases[0])
    s.until(lambda: slow.kept)
    asked = [s.ask(written) for written in aliases[1:]]
    s.until(lambda: len(s.replica(owner, alias).writes.queue) >= len(aliases))
    last = s.replica(owner, alias).writes.queue[-1].key[9:].decode()
    lost = s.lose_between([owner], [heir], Streams, carries(last))
    s.faults.rules.remove(slow)
    s.deliver(slow)
    s.until(lambda: lost.kept)
    s.wait(0.1)
    s.let(lost)
    s.expect(lambda: all(one.result == "ok" for one in asked), "a write has not come to its end", 6.0)


def swept_and_copied(s: Stage) -> None:
    """A node joins, and leaves when what it took over is just being wiped where it came from, and will return."""
    all_written(s)
    newcomer = newly_joined(s)
    s.until(lambda: any(one.node and one.node.table.wiping.wiped for one in s.others(newcomer)))
    newcomer.leave()
    s.until(lambda: all(newcomer.identity not in arc.holders for arc in s.view().arcs), 20.0)
    s.wait(2.0)
    s.read(*s.run.workload.aliases)


def handed_over_twice(s: Stage) -> None:
    """A former owner still owes a write, which the new one has taken and whose entry is removed since; that is not in a
    view when the new owner starts again, and asks for the suffix once more."""
    all_written(s)
    newcomer = newly_joined(s)
    others = s.others(newcomer)
    found = reports(s, newcomer)
    s.until(found)
    giver = found()
    assert giver is not None
    owner, end = giver[0], giver[1].end
    held_up = [s.lose_between([one], s.others(one), VOTES) for one in s.others()]
    alias = s.random.choice([alias for alias in s.run.workload.aliases if s.arc(alias).end == end])
    s.lose_between([newcomer], [owner], StreamAcks)
    s.ask(alias, at=owner)
    s.until(lambda: s.replica(owner, alias).writes.queue and s.reached(owner, newcomer, alias))
    s.lose_between([newcomer], others, Report, told(Activated))
    s.lose_between([newcomer], others, (Prepare, Accept))
    s.lose_between([newcomer], [owner], Committed)
    s.let(*held_up)
    s.until(lambda: s.owner(alias) is newcomer and s.replica(newcomer, alias).serving)
    s.done(alias, "get_remove")
    version = s.arc(alias).version
    newcomer.crash()
    s.wait(0.05)
    newcomer.start()
    served_anew(s, alias, version)
    s.read(alias)


def reported_and_forgotten(s: Stage) -> None:
    """An owner has reported a copy, and adopts a view of something else before the report arrives; then it writes."""
    all_written(s)
    newcomer = newly_joined(s)
    elect = s.view().voters
    aliases = s.run.workload.aliases

    def of_no_voter() -> list[str]:
        return [
            alias
            for alias in aliases
            if newcomer.identity in s.arc(alias).incoming and s.owner(alias).identity not in elect
        ]

    s.until(of_no_voter)
    alias = s.random.choice(of_no_voter())
    owner, end = s.owner(alias), s.arc(alias).end

    def of_the_arc(body: Any) -> bool:
        return any(isinstance(change, Synced) and change.end == end for change in body.changes)

    late = s.lose_between([owner], s.others(owner), Report, of_the_arc)
    s.until(lambda: late.kept)
    version, victim = (
        s.arc(alias).version,
        s.random.choice([one for one in s.others(owner, newcomer) if one not in s.holders(alias)]),
    )
    victim.crash()
    victim.away = True
    s.until(lambda: s.is_down(victim) and s.has(owner, s.view().epoch), 12.0)
    if s.arc(alias).version != version:
        raise Missed
    s.lose_between([owner], [newcomer], Streams)
    s.ask(alias, at=owner)
    s.wait(0.3)
    s.faults.rules.remove(late)
    s.deliver(late)
    s.wait(1.5)
    s.read(alias)
