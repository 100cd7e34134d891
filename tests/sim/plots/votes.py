"""Plots of votes: two views of one epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.faults import VOTES
from tests.sim.plots.cast import QUIET_SECONDS, join_through
from tests.sim.stage import Missed, Stage
from wrpme.protocol import view_index
from wrpme.protocol.messages import Accept, NextView, Prepare, WholeView

if TYPE_CHECKING:
    from tests.sim.machine import Machine

VIEWS = (NextView, WholeView)


def _three_voters(s: Stage) -> tuple[Machine, Machine, Machine, int]:
    """In any order, and the epoch that they decide next."""
    s.wait(QUIET_SECONDS)
    first, second, third = s.random.sample(s.others(), 3)
    return first, second, third, s.view().epoch + 1


def _has_accepted(machine: Machine, epoch: int) -> bool:
    state = machine.node.voter.state if machine.node is not None else None
    return state is not None and state.epoch == epoch and state.accepted is not None


def split_vote(s: Stage) -> None:
    """One value is accepted by its proposer alone, another one by the two others later and at a higher ballot; who has
    decided that falls silent, and the two that are left have one of each."""
    a, b, c, epoch = _three_voters(s)
    silent = s.lose_between([a], [b, c], Accept)
    join_through(s, 3, a)
    s.until(lambda: _has_accepted(a, epoch))
    apart = [s.lose_between([a], [b, c], VOTES), s.lose_between([b, c], [a], VOTES)]
    untold = s.lose_between([b], [a, c], VIEWS)
    mute = s.lose_between([c], [a, b], (Prepare, Accept))
    join_through(s, 4, b)
    s.until(lambda: s.has(b, epoch))
    s.cut(b, s.others(b))
    s.let(silent, *apart, untold, mute)
    s.until(lambda: s.has(a, epoch) and s.has(c, epoch))
    s.heal(b, s.others(b))


def _decided_at(s: Stage, a: Machine, b: Machine, c: Machine, epoch: int) -> None:
    """One knows what was decided, and is cut off; another one has accepted it, the third one knows nothing of it."""
    rules = [s.lose_between([a], [c], Accept), s.lose_between([a], [b, c], VIEWS)]
    join_through(s, 3, a)
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
    join_through(s, 4, c)
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


def forgotten_start(s: Stage) -> None:
    """A node starts again on a copy of its directory that lacks its last life, and all who had heard of that life are
    started again, too: nobody but the directory itself can know that it is older."""
    s.until(s.run.is_stable, 20.0)
    machine = s.machines[1]
    alias = next(one for one in s.run.workload.aliases if machine in s.holders(one))
    s.done(alias)
    machine.crash()
    old = machine.disk.copy()
    machine.start()
    s.until(lambda: machine.node is not None and machine.node.context.lives and s.run.is_stable(), 20.0)
    s.done(alias)
    (second,) = (one for one in s.holders(alias) if one is not machine)
    first = next(one for one in s.others(machine, second))
    second.crash()
    s.wait(0.3)
    machine.crash(power=True)
    machine.replace_disk(old)
    s.world.promises.distrusted.add(machine.identity)
    second.start()  # it is taken back before anybody misses the other one, which is preferred to it
    s.until(lambda: second.node is not None and second.node.context.lives, 20.0)
    s.until(lambda: machine.identity not in view_index.live(s.view()), 20.0)
    s.wait(0.5)
    for other in (first, second):
        other.crash()
        other.start()
    machine.start()
    machine.crash()  # its first start has the number of the life that it lacks, and is refused for that
    machine.start()
    s.wait(6.0)


def old_directory(s: Stage) -> None:
    """The only one who knows a decision falls silent, and the other one who accepted it starts again on an older copy
    of its directory."""
    a, b, c, _ = _three_voters(s)
    old = b.disk.copy()
    join_through(s, 4, a)
    s.until(s.run.is_stable, 20.0)
    if len(s.view().voters) > 3:  # a further voter would have to be silent, too
        s.machines[4].crash()
        s.machines[4].away = True
        s.until(lambda: len(s.view().voters) == 3, 20.0)
    s.wait(1.0)
    _decided_at(s, a, b, c, s.view().epoch + 1)
    epoch = s.view().epoch
    b.crash(power=True)
    b.replace_disk(old)
    s.world.promises.distrusted.add(b.identity)
    b.start()
    s.wait(6.0)
    s.heal(a, s.others(a))
    s.until(lambda: s.has(c, epoch))
