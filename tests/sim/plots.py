"""Plots: for each of these rules the schedule in which it is needed, see :mod:`tests.sim.stage`.

Chance brings such schedules together once in many thousand seeds, or never. What a seed chooses is who plays whom, the
clocks, the disks and the latencies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.sim.faults import VOTES
from tests.sim.network import Habits
from tests.sim.stage import Missed, Stage, carries
from wrpme.messages import (
    Accept, BeaconAck, Committed, Envelope, Item, NextView, Prepare, Report, Stream, StreamAcks, Streams, Tail,
    WholeView, Writes,
)  # fmt: skip
from wrpme.picture import Activated, Back, Synced
from wrpme.replica import Role

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.run import Run

Plot = Callable[["Run"], None]
VIEWS = (NextView, WholeView)
QUIET_SECONDS = 12.0
"""From then on nodes are suspected."""
WATCHED_SECONDS = 1.0
"""Until then copies are compared."""


def _told(kind: type[Any]) -> Callable[[Any], bool]:
    """Of reports: whether they have such a change."""
    return lambda body: any(isinstance(change, kind) for change in body.changes)


def played(steps: Callable[[Stage], None]) -> Plot:
    """The plot as a run has it."""

    def plot(run: Run) -> None:
        run.world.faults.begin()
        stage = Stage(run)
        try:
            steps(stage)
        except Missed:
            run.world.say(None, "what the plot needs has not come about")
            run.missed = True
        stage.let(*list(run.world.faults.rules))

    return plot


# --- votes -------------------------------------------------------------------------------------------------------


def _three_voters(s: Stage) -> tuple[Machine, Machine, Machine, int]:
    """In any order, and the epoch that they decide next."""
    s.wait(QUIET_SECONDS)
    first, second, third = s.random.sample(s.others(), 3)
    return first, second, third, s.view().epoch + 1


def _has_accepted(machine: Machine, epoch: int) -> bool:
    state = machine.node.council.state if machine.node is not None else None
    return state is not None and state.epoch == epoch and state.accepted is not None


def _join_through(s: Stage, newcomer: int, voter: Machine) -> None:
    """One more node wants in, and only that voter hears of it."""
    machine = s.machines[newcomer]
    machine.peers, machine.away = (voter.address,), False
    machine.start()


def split_vote(s: Stage) -> None:
    """One value is accepted by its proposer alone, another one by the two others later and at a higher ballot; who has
    decided that falls silent, and the two that are left have one of each."""
    a, b, c, epoch = _three_voters(s)
    silent = s.lose_between([a], [b, c], Accept)
    _join_through(s, 3, a)
    s.until(lambda: _has_accepted(a, epoch))
    apart = [s.lose_between([a], [b, c], VOTES), s.lose_between([b, c], [a], VOTES)]
    untold = s.lose_between([b], [a, c], VIEWS)
    mute = s.lose_between([c], [a, b], (Prepare, Accept))
    _join_through(s, 4, b)
    s.until(lambda: s.has(b, epoch))
    s.cut(b, s.others(b))
    s.let(silent, *apart, untold, mute)
    s.until(lambda: s.has(a, epoch) and s.has(c, epoch))
    s.heal(b, s.others(b))


def _decided_at(s: Stage, a: Machine, b: Machine, c: Machine, epoch: int) -> None:
    """One knows what was decided, and is cut off; another one has accepted it, the third one knows nothing of it."""
    rules = [s.lose_between([a], [c], Accept), s.lose_between([a], [b, c], VIEWS)]
    _join_through(s, 3, a)
    s.until(lambda: s.has(a, epoch))
    if not _has_accepted(b, epoch):
        raise Missed
    s.cut(a, s.others(a))
    s.let(*rules)


def known_to_one(s: Stage) -> None:
    """The only one who knows a decision falls silent; who wants something else meets it at the other one."""
    a, b, c, epoch = _three_voters(s)
    mute = s.lose_between([b], [a, c], (Prepare, Accept))
    _decided_at(s, a, b, c, epoch)
    _join_through(s, 4, c)
    s.until(lambda: s.has(c, epoch))
    s.let(mute)
    s.heal(a, s.others(a))
    s.until(lambda: s.has(a, epoch + 1))


def forgetful_voter(s: Stage) -> None:
    """The only one who knows a decision falls silent, and the other one who accepted it starts again."""
    a, b, c, epoch = _three_voters(s)
    _decided_at(s, a, b, c, epoch)
    b.crash()
    s.wait(0.05)
    b.start()
    s.until(lambda: s.has(c, epoch))
    s.heal(a, s.others(a))
    s.until(lambda: s.has(a, epoch + 1))


# --- tails -------------------------------------------------------------------------------------------------------


def _all_written(s: Stage) -> None:
    s.wait(QUIET_SECONDS)
    asked = [s.ask(alias, "put") for alias in s.run.workload.aliases]
    s.until(lambda: all(one.result == "ok" for one in asked))
    s.wait(0.5)  # and everybody knows that all have it


def _cast(
    s: Stage, fits: Callable[[Machine, Machine], bool] = lambda owner, heir: True
) -> tuple[str, Machine, Machine, Machine]:
    """An entry with its first three holders in their order, of which the first two fit; all entries are written."""
    _all_written(s)
    aliases = [alias for alias in s.run.workload.aliases if fits(*s.holders(alias)[:2])]
    s.random.shuffle(aliases)
    if not aliases:
        raise Missed
    alias = max(aliases, key=lambda one: len(s.of_arc(one)))
    owner, *others = s.holders(alias)
    if len(others) < 2:
        raise Missed
    return alias, owner, others[0], others[1]


def _served_anew(s: Stage, alias: str, version: int) -> None:
    """The arc has a new version, and its owner serves."""
    s.until(lambda: s.arc(alias).version > version and s.replica(s.owner(alias), alias).serving, 15.0)
    s.wait(WATCHED_SECONDS)


def late_heir(s: Stage) -> None:
    """Writes have reached one holder and not the next owner, when the owner dies."""
    alias, owner, heir, other = _cast(s)
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
    _served_anew(s, alias, version)
    s.read(*s.of_arc(alias)[:6])


def two_writes_of_one_entry(s: Stage) -> None:
    """Of two writes of an entry the first has reached one holder, and the next owner none, when the owner stops."""
    alias, owner, heir, other = _cast(s)
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
    s.until(lambda: s.replica(owner, alias).sequence >= 2 or len(s.replica(owner, alias).queue) >= 2)
    owner.stop()
    _served_anew(s, alias, version)
    s.read(alias)


def divided(s: Stage) -> None:
    """Writes have reached one holder and not the other one; the owner falls silent, and before that is known a node
    joins, for which arcs are divided."""
    _, owner, heir, other = _cast(s)
    mine = [alias for alias in s.run.workload.aliases if s.owner(alias) is owner]
    s.lose_between([owner], [heir], Streams)
    for alias in mine:
        s.ask(alias)
    s.until(lambda: all(s.received(other, alias) for alias in mine))
    s.cut(owner, s.others(owner))
    _join_through(s, 3, other)
    s.until(lambda: s.is_down(owner))
    s.wait(2.0 + WATCHED_SECONDS)
    s.read(*mine)
    s.heal(owner, s.others(owner))


def first_message_only(s: Stage) -> None:
    """What one holder alone has, beside the owner, is on its way to it once more at a new version, in several messages,
    of which the first one arrives before the owner dies."""
    alias, owner, heir, other = _cast(s)
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
            if replica.arc.version > version and replica.sink is not None and replica.sink._taken:
                return True
        return False

    s.until(has_begun)
    s.wait(0.1)
    owner.crash()
    owner.away = True
    s.until(lambda: s.is_down(owner))
    s.wait(3.0 + WATCHED_SECONDS)
    s.read(*aliases)


# --- who speaks for whom -----------------------------------------------------------------------------------------


def returned_owner(s: Stage) -> None:
    """An owner has started again and gets its arc back; who was it meanwhile hears nothing of that, and what it once
    handed over arrives once more."""
    alias, owner, heir, _ = _cast(s)
    for final in (False, True):
        heard = s.hear(lambda machine, envelope: machine is heir and isinstance(envelope.body, Tail))
        reported = s.hear(
            lambda machine, envelope: machine is heir and isinstance(envelope.body, Report) and any(
                isinstance(change, Synced) and change.node == owner.identity and change.end == s.arc(alias).end
                for change in envelope.body.changes
            )
        )
        if final:
            break
        owner.crash()
        s.wait(0.05)
        owner.start()
        s.until(lambda: reported.kept, 10.0)
        s.until(lambda: s.owner(alias) is owner and s.replica(owner, alias).serving, 10.0)
        s.wait(0.5)
        tails = [kept for kept in heard.kept if kept[1].destination == owner.identity]
    owner.crash()
    s.wait(0.05)
    owner.start()
    s.until(lambda: reported.kept, 10.0)
    s.wait(3 * s.world.habits.latency)
    s.cut(heir, s.others(heir))
    s.until(lambda: s.arc(alias).holders[0] == owner.identity and s.replica(owner, alias).role is Role.OWNER)
    for _, envelope in tails:
        s.faults.say_late(envelope)
    s.wait(3.0)
    s.heal(heir, s.others(heir))


def revived(s: Stage) -> None:
    """An owner was taken for dead and has come back; it is cut off once more, with a write on its way, and what it said
    to come back arrives once more when it has been taken for dead again, and does not know."""
    alias, owner, heir, _ = _cast(s)
    others = s.others(owner)
    said = s.hear(
        lambda machine, envelope: machine is owner and isinstance(envelope.body, Report) and _told(Back)(envelope.body)
    )
    s.cut(owner, others)
    s.until(lambda: s.is_down(owner))
    s.wait(1.0)
    s.heal(owner, others)
    s.until(lambda: s.owner(alias) is owner and s.replica(owner, alias).serving, 20.0)
    s.wait(1.0)
    s.lose_between([owner], others, Streams)
    s.ask(alias, at=owner)
    s.until(lambda: s.replica(owner, alias).queue)
    s.cut(owner, others)
    s.until(lambda: s.is_down(owner) and s.owner(alias) is not owner)
    s.until(lambda: s.replica(s.owner(alias), alias).serving and not s.arc(alias).prev, 10.0)
    s.wait(2.0)  # the connections are given up by now
    s.deliver(said)
    s.until(lambda: not s.is_down(owner), 2.0)
    s.heal(owner, others)
    s.wait(3.0)
    s.read(alias)


def untaken(s: Stage) -> None:
    """An owner falls silent with a write that nobody has; who serves after it is not known to do so when the former
    owner is back, so that it is asked for its tail after all."""
    alias, owner, heir, _ = _cast(s)
    others = s.others(owner)
    lost = s.lose_between([owner], others, Streams)
    s.ask(alias, at=owner)
    s.until(lambda: s.replica(owner, alias).queue)
    unsaid = [s.lose_between([heir], others, Report, _told(Activated)), s.lose_between([heir], others, (Prepare, Accept))]
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


# --- leases ------------------------------------------------------------------------------------------------------


def seen_by_one(s: Stage) -> None:
    """An owner is seen by one other holder and not by the next owner, which is its senior; as soon as it is taken for
    dead it hears nothing any more."""

    def is_junior(owner: Machine, heir: Machine) -> bool:
        joined = {member.id: (member.joined, member.id) for member in s.view().members}
        return joined[owner.identity] > joined[heir.identity]

    _, owner, heir, _ = _cast(s, is_junior)
    s.cut(owner, [heir])
    s.until(lambda: s.is_down(owner))
    s.cut(owner, s.others(owner, heir))
    s.wait(4.0)
    s.heal(owner, s.others(owner))


def late_acknowledgement(s: Stage) -> None:
    """What the others acknowledged arrives when they have not heard of the owner for long."""
    _, owner, _, _ = _cast(s)
    others = s.others(owner)
    late = s.lose_between(others, [owner], BeaconAck)
    s.wait(0.6)
    s.cut(owner, others)
    s.wait(1.4)
    s.deliver(late)
    s.wait(4.0)
    s.heal(owner, others)


def _newcomer(s: Stage) -> Machine:
    machine = s.machines[-1]
    machine.peers = tuple(other.address for other in s.others())
    machine.away = False
    machine.start()
    return machine


def _reports(s: Stage, node: Machine) -> Callable[[], tuple[Machine, Synced] | None]:
    """Who has reported first that this node has a complete copy of an arc with entries, and of which."""
    aliases = s.run.workload.aliases
    heard = s.hear(
        lambda machine, envelope: isinstance(envelope.body, Report) and any(
            isinstance(change, Synced) and change.node == node.identity for change in envelope.body.changes
        )
    )

    def found() -> tuple[Machine, Synced] | None:
        for machine, envelope in heard.kept:
            for change in envelope.body.changes:  # type: ignore[union-attr]
                if isinstance(change, Synced) and any(s.arc(alias).end == change.end for alias in aliases):
                    return machine, change
        return None

    return found


def silent_giver(s: Stage) -> None:
    """Who gave a node its arc falls silent as it has reported the copy to be complete."""
    _all_written(s)
    newcomer = _newcomer(s)
    found = _reports(s, newcomer)
    s.until(found)
    giver = found()
    assert giver is not None
    s.world.checks.positions = [giver[1].end]
    s.wait(3 * s.world.habits.latency)
    s.cut(giver[0], s.others(giver[0]))
    s.wait(7.0)
    s.heal(giver[0], s.others(giver[0]))


def _given_back(s: Stage, fits: Callable[[int, Machine], object]) -> Machine:
    """A node joins, gets a part of an arc, leaves, and falls silent as another one has it back: whoever fits to its end,
    and may have been the owner before."""
    _all_written(s)
    newcomer = _newcomer(s)
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
    heard = s.hear(
        lambda machine, envelope: machine is node and isinstance(envelope.body, Report)
        and _told(Synced)(envelope.body)
    )
    return lambda: heard.kept


def old_word(s: Stage) -> None:
    """...and what it reported of its first activation arrives once more."""
    said = s.hear(lambda machine, envelope: isinstance(envelope.body, Report) and _told(Activated)(envelope.body))

    def say_again(end: int, owner: Machine) -> bool:
        there = [
            envelope for machine, envelope in said.kept
            if machine is owner and isinstance(envelope.body, Report)
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
    _join_through(s, len(s.machines) - 2, s.random.choice(s.others(newcomer)))
    s.wait(4.0)
    s.heal(newcomer, s.others(newcomer))


# --- copies ------------------------------------------------------------------------------------------------------


def _at_the_last_answer(s: Stage, receiver: Machine) -> tuple[Machine, str]:
    """A copy of an arc with entries waits for its last answers, all of which say that what was filled in is there: its
    owner, and an entry there."""
    found: list[tuple[Machine, str]] = []

    def look() -> bool:
        for alias in s.run.workload.aliases:
            owner = next(
                (one for one in s.others(receiver) if one.node and s.replica_or_none(one, alias) is not None
                 and s.replica(one, alias).serving), None,
            )
            copy = s.replica(owner, alias).copies.get(receiver.identity) if owner is not None else None
            if owner is not None and copy is not None and copy.phase.value == "running":
                left = copy._open.values()
                if copy.cursor >= copy.replica.high and not copy._again and left:
                    if all(hasattr(item, "pairs") for item, _ in left):
                        found.append((owner, alias))
                        return True
        return False

    s.until(look)
    return found[0]


def lost_on_the_way(s: Stage) -> None:
    """A write before the last answers of a copy is on its way to the receiver, and does not arrive there."""
    _all_written(s)
    newcomer = _newcomer(s)
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
    _all_written(s)
    newcomer = _newcomer(s)
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
    alias, owner, heir, _ = _cast(s)
    aliases = s.of_arc(alias)[:8]
    slow = s.lose_between([heir], [owner], StreamAcks)
    s.ask(aliases[0])
    s.until(lambda: slow.kept)
    asked = [s.ask(written) for written in aliases[1:]]
    s.until(lambda: len(s.replica(owner, alias).queue) >= len(aliases))
    last = s.replica(owner, alias).queue[-1].key[9:].decode()
    lost = s.lose_between([owner], [heir], Streams, carries(last))
    s.faults.rules.remove(slow)
    s.deliver(slow)
    s.until(lambda: lost.kept)
    s.wait(0.1)
    s.let(lost)
    s.expect(lambda: all(one.result == "ok" for one in asked), "a write has not come to its end", 6.0)


def swept_and_copied(s: Stage) -> None:
    """A node joins, and leaves when what it took over is just being wiped where it came from, and will return."""
    _all_written(s)
    newcomer = _newcomer(s)
    s.until(lambda: any(one.node and one.node.table.sweep.wiped for one in s.others(newcomer)))
    newcomer.leave()
    s.until(lambda: all(newcomer.identity not in arc.holders for arc in s.view().arcs), 20.0)
    s.wait(2.0)
    s.read(*s.run.workload.aliases)


def handed_over_twice(s: Stage) -> None:
    """A former owner still owes a write, which the new one has taken and whose entry is removed since; that is not in a
    view when the new owner starts again, and asks for the tail once more."""
    _all_written(s)
    newcomer = _newcomer(s)
    others = s.others(newcomer)
    found = _reports(s, newcomer)
    s.until(found)
    giver = found()
    assert giver is not None
    owner, end = giver[0], giver[1].end
    held_up = [s.lose_between([one], s.others(one), VOTES) for one in s.others()]
    alias = s.random.choice([alias for alias in s.run.workload.aliases if s.arc(alias).end == end])
    s.lose_between([newcomer], [owner], StreamAcks)
    s.ask(alias, at=owner)
    s.until(lambda: s.replica(owner, alias).queue and s.reached(owner, newcomer, alias))
    s.lose_between([newcomer], others, Report, _told(Activated))
    s.lose_between([newcomer], others, (Prepare, Accept))
    s.lose_between([newcomer], [owner], Committed)
    s.let(*held_up)
    s.until(lambda: s.owner(alias) is newcomer and s.replica(newcomer, alias).serving)
    s.done(alias, "get_remove")
    version = s.arc(alias).version
    newcomer.crash()
    s.wait(0.05)
    newcomer.start()
    _served_anew(s, alias, version)
    s.read(alias)


def staged(steps: Callable[[Stage], None], **other: Any) -> dict[str, Any]:
    """The fields of a scenario for it."""
    fields: dict[str, Any] = {
        "nodes": 3, "start_seconds": (0.1, 0.5), "quiet_seconds": 0.0, "storm_seconds": 0.0, "disk_seconds": 0.002,
        "padding_bytes": 0, "clients": 0, "think_seconds": 1.0, "habits": Habits(latency=0.002), "replication": 3,
        "small": True, "entries": 40, "plot": played(steps),
    }  # fmt: skip
    return fields | other


PLOTS: dict[str, dict[str, Any]] = {
    "split_vote": staged(split_vote, nodes=5, late=2, replication=1),
    "known_to_one": staged(known_to_one, nodes=5, late=2, replication=1),
    "forgetful_voter": staged(forgetful_voter, nodes=4, late=1, replication=1),
    "late_heir": staged(late_heir),
    "two_writes": staged(two_writes_of_one_entry),
    "divided": staged(divided, nodes=4, late=1),
    "first_message": staged(first_message_only, nodes=4, late=1),
    "returned_owner": staged(returned_owner),
    "revived": staged(revived),
    "untaken": staged(untaken, nodes=5),
    "seen_by_one": staged(seen_by_one),
    "late_acknowledgement": staged(late_acknowledgement),
    "silent_giver": staged(silent_giver, nodes=4, late=1, replication=1),
    "old_word": staged(old_word, nodes=3, late=1, replication=1),
    "joined_meanwhile": staged(
        joined_meanwhile, nodes=4, late=2, replication=1, bounds={"ARCS_PER_MEMBER_MAX": 1}
    ),
    "lost_on_the_way": staged(lost_on_the_way, nodes=4, late=1, replication=1),
    "answers_of_before": staged(answers_of_before, nodes=4, late=1, replication=1),
    "last_part_lost": staged(last_part_lost),
    "swept_and_copied": staged(
        swept_and_copied, nodes=2, late=1, replication=1, disk_seconds=0.1, entries=120
    ),
    "handed_over_twice": staged(handed_over_twice, nodes=4, late=1, replication=1),
}
