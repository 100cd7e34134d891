"""Plots of what an operator does, and of what he has to be told."""

from __future__ import annotations

from functools import partial

from tests.sim.plots.cast import QUIET_SECONDS, all_written, newly_joined
from tests.sim.stage import Missed, Stage
from wrpme.core.layout import ENTRIES
from wrpme.protocol.messages import HeartbeatAck, Streams
from wrpme.protocol.view import State


def given_up(s: Stage) -> None:
    """The only node with all entries is gone for ever. Of those that are left one has just restarted, and has all that
    was ever written; the other one has joined, and has received nothing."""
    all_written(s)
    keeper, again = s.random.sample(s.others(), 2)
    s.lose_between(s.machines, s.machines, Streams)
    newcomer = newly_joined(s)
    s.until(lambda: newcomer.identity in s.view().voters)
    again.crash()
    s.wait(0.05)
    again.start()
    s.until(lambda: all(arc.holders == (keeper.identity,) for arc in s.view().arcs))
    s.wait(0.5)
    keeper.crash(power=True)
    keeper.away = True
    s.until(lambda: s.is_down(keeper), 20.0)  # who has just started suspects nobody
    s.faults.disasters.lose_for_ever(keeper)
    s.world.operator.begin()
    s.until(lambda: all(member.state is State.UP for member in s.view().members), 40.0)
    s.world.operator.end()
    if s.world.checks.lossy:
        raise Missed
    s.wait(2.0)
    s.read(*s.run.workload.aliases)


def given_up_while_one_returns(s: Stage) -> None:
    """Of five nodes three are gone for ever, the last holder of all among them. Of the two that are left one has all
    that was ever written, and has just started again: without a quorum it can't be taken back. The other one has
    joined, and has received nothing; there an operator recovers."""
    all_written(s)
    keeper, again, *rest = s.random.sample(s.others(), 4)
    s.lose_between(s.machines, s.machines, Streams)
    here = newly_joined(s)
    s.until(lambda: here.identity in s.view().voters)
    for machine in (again, *rest):
        machine.crash()
        s.wait(0.05)
        machine.start()
        s.until(lambda machine=machine: machine.node is not None and machine.node.context.lives)  # type: ignore[misc]
    s.until(lambda: all(arc.holders == (keeper.identity,) for arc in s.view().arcs))
    s.wait(3.0)
    for machine in (keeper, *rest):
        machine.crash(power=True)
        machine.away = True
        s.faults.disasters.lose_for_ever(machine)
    again.crash()
    again.start()
    s.until(lambda: here.node is not None and here.node.lifecycle.quorum(), 20.0)
    s.wait(5.0)
    view, operator = s.view(), s.world.operator
    operator._ask_holdings(view, partial(operator._recover_now, here, here.life, view))
    s.until(lambda: s.view().generation > view.generation, 5.0)
    s.until(lambda: all(member.state is State.UP for member in s.view().members), 20.0)
    if s.world.checks.lossy:
        raise Missed
    s.wait(2.0)
    s.read(*s.run.workload.aliases)


def wrong_clock(s: Stage) -> None:
    """A wall clock is wrong, and right again: a node tells which."""
    all_written(s)
    machine = s.random.choice(s.others())
    ahead = s.random.choice((-1, 1)) * s.random.uniform(2.0, 3600.0)
    s.world.skew_seconds += abs(ahead)

    def tells() -> bool:
        nodes = [one.node for one in s.others(machine) if one.node is not None]
        return any(apart.address == machine.address for node in nodes for apart in node._clocks.apart)

    machine.wall_ahead = ahead
    s.expect(tells, f"nobody says that the clock of {machine} is wrong", 5.0)
    machine.wall_ahead = 0.0
    s.expect(lambda: not tells(), f"the clock of {machine} is right again, and nobody says so", 5.0)


def clock_of_a_start(s: Stage) -> None:
    """A node starts again with a wall clock that is hours ahead, and is asked for an entry that it alone has, before
    anybody has told it what another clock shows."""
    all_written(s)
    alias = s.random.choice(s.run.workload.aliases)
    s.done(alias, "remove")
    written = s.ask(alias, "put", lives=3600.0)
    s.until(lambda: written.over)
    owner = s.owner(alias)
    others = s.others(owner)
    untold = s.lose_between(others, [owner], HeartbeatAck)
    owner.crash()
    owner.wall_ahead = 7200.0
    s.wait(0.05)
    owner.start()
    s.until(lambda: (replica := s.replica_or_none(owner, alias)) is not None and replica.serving, 20.0)
    s.ask(alias, "get")
    s.wait(0.2)
    s.let(untold)
    s.wait(5.0)
    owner.wall_ahead = 0.0
    s.wait(5.0)
    s.read(alias)


def all_expire(s: Stage) -> None:
    """All entries expire at once: each node has as many hints of others as of its own."""
    s.wait(QUIET_SECONDS)
    asked = [s.ask(alias, "put", lives=3.0) for alias in s.run.workload.aliases]
    s.until(lambda: all(one.result == "ok" for one in asked))
    s.wait(3.5)
    disks = [machine.disk for machine in s.machines]
    held = "what expired is still there"
    s.expect(lambda: not any(next(disk.seen.scan(*ENTRIES), None) for disk in disks), held, 4.0)


def reached_by_the_operator(s: Stage) -> None:
    """One node of three is gone for ever, and the other two can't reach each other: an operator who reaches both gives
    the one that is gone up at one of them."""
    all_written(s)
    here, there, gone = s.random.sample(s.others(), 3)
    s.cut(here, [there])
    gone.crash()
    gone.away = True
    s.faults.disasters.lose_for_ever(gone)
    s.until(lambda: here.node is not None and here.node.lifecycle.quorum(), 20.0)
    s.wait(5.0)
    view, operator = s.view(), s.world.operator
    operator._ask_holdings(view, partial(operator._recover_now, here, here.life, view))
    s.wait(3.0)
    s.heal(here, [there])
    s.wait(8.0)
    s.read(*s.run.workload.aliases)
