"""One seed from start to verdict: a scenario is drawn, things go wrong, everything is healed, and all must be well."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim import bounds
from tests.sim.checks import assert_same
from tests.sim.linear import is_linearizable
from tests.sim.machine import WALL_MILLISECONDS
from tests.sim.network import Habits
from tests.sim.rest import assert_at_rest
from tests.sim.scenario import draw
from tests.sim.workload import Asked, Client
from tests.sim.world import World
from wrpme.core.layout import ENTRIES, HINTS, expiry_in, hint_of, indexed_expiry, key_range
from wrpme.protocol.health import condition
from wrpme.protocol.messages import Count, Number
from wrpme.protocol.ring import CURSOR_BITS, arc_start
from wrpme.protocol.view import NOBODY

STABLE_SECONDS_MAX = 150.0
"""Virtual seconds from healing to stable: twice the longest wait of a node that was taken for dead again and again."""
READ_SECONDS_MAX = 20.0
EXPIRED_SECONDS_MAX = 5.0
"""In a stable hive, where nothing is written."""


class SimulationError(AssertionError):
    """A rule was broken; the text has the seed, the end of the schedule and the story."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run was worth."""

    seed: int
    seconds: float
    steps: int
    operations: int
    undecided: int
    """Histories that were too tangled to judge."""


class Run:
    """See the module; ``corner`` is one of :data:`tests.sim.scenario.CORNERS`, or the seed chooses."""

    def __init__(self, seed: int, trace: bool = False, corner: str = "") -> None:
        self.corner = corner
        self.world = World(seed, trace)
        self.scenario = draw(self.world, corner)
        bounds.check(self.scenario.bounds)  # here: what is wrong with a test is no rule that the hive broke
        self.workload = self.scenario.workload
        self.missed = False
        """What its plot needs has not come about."""

    # --- the run -------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Until the verdict.

        Raises:
            SimulationError: the hive broke a rule.
        """
        world = self.world
        try:
            with bounds.small(self.scenario.small, self.scenario.bounds):
                self._storm()
                self._calm()
            undecided = self._judge()
        except Exception as error:
            raise SimulationError(self._story(error)) from error
        return Outcome(world.seed, world.agenda.now, world.agenda.done, self.workload.served, undecided)

    def _storm(self) -> None:
        world = self.world
        world.checks.watch_copies()
        if self.scenario.plot is not None:
            self.scenario.plot(self)
            return
        if self.scenario.replicates:
            world.replicator.begin()
        if self.scenario.limits:
            world.limiter.begin()
        if self.scenario.guests:
            world.guests.begin()
        world.agenda.run_until(self.scenario.quiet_seconds)
        world.faults.begin(self.scenario.storm_seconds)
        world.agenda.run_until(world.agenda.now + self.scenario.storm_seconds)

    def _calm(self) -> None:
        """Everything heals, the hive becomes stable, and every entry can be read."""
        world = self.world
        loses = world.habits.lost > 0
        self._heal(restart=world.random.random() < 0.5)
        if self.scenario.trial is not None:
            self.scenario.trial(self)
            self._heal(restart=False)
        self.workload.active = False
        if self.scenario.batches is not None:
            self.scenario.batches.active = False
        world.agenda.run_until(world.agenda.now + 13.0)
        if self.scenario.batches is not None:
            self.scenario.batches.end()
        self._look_for_expired()  # before they are read: whoever asks for what has expired removes it
        found = sum(self._read(alias) for alias in self.workload.aliases)
        if not world.checks.lossy:
            counted = self._count()
            assert counted == found, f"{counted} entries are counted, {found} are read"
            self._list()
            self._compare_copies()
            if self.workload.followers is not None:
                self.workload.followers.compare()
        world.agenda.run_until(world.agenda.now + 1.0)  # a last look finds what has expired, and has it removed
        for machine in world.machines:
            assert machine.node is not None
            # Here a connection that lasts may lose an answer, which no real one does; the second level looks at these.
            machine.node.router._forwards.clear()
            if loses:  # single messages: so news of what is settled, too, of which no sender hears that they are lost
                for replica in machine.node.table.mine:
                    replica.writes.received.clear()
                    replica.writes.arrived.clear()
            assert_at_rest(machine, machine.node, machine.disk.seen)

    def _look_for_expired(self) -> None:
        """What has expired is removed everywhere, also if nobody asks for it."""
        for machine in self.world.machines:
            late_seconds = EXPIRED_SECONDS_MAX + self.world.skew_seconds + self.world.lag_seconds
            until = min(machine.wall(), WALL_MILLISECONDS + 1000.0 * self.world.agenda.now) - 1000.0 * late_seconds
            expiries = {key: expiry_in(value) for key, value in machine.disk.seen.scan(*ENTRIES)}
            late = [key[9:] for key, expiry in expiries.items() if 0 < expiry < until]
            assert not late, f"{machine} still has {late[:3]}, which have expired long ago"
            hints = [key for key, _ in machine.disk.seen.scan(*HINTS)]
            wanted = sorted(hint_of(expiry, key) for key, expiry in expiries.items() if expiry)
            assert hints == wanted, f"{machine} has the hints {hints}, but should have {wanted}"
            index = {key[1:]: indexed_expiry(value) for key, value in machine.disk.seen.scan(b"a", b"b")}
            assert index == {key[9:]: expiry for key, expiry in expiries.items()}, f"the index of {machine} is wrong"

    def _heal(self, restart: bool) -> None:
        world = self.world
        world.faults.heal_all(restart)
        world.replicator.end()
        world.limiter.end()
        world.guests.end()
        world.habits = Habits()
        world.operator.begin()
        world.agenda.run_until(world.agenda.now + 9.0)
        end = world.agenda.now + STABLE_SECONDS_MAX
        while not self.is_stable():
            assert world.agenda.now < end, f"not stable {STABLE_SECONDS_MAX} s after everything was healed"
            for machine in world.machines:
                if machine.node is None:  # a stop that was planned before took until now
                    machine.start()
            world.agenda.run_until(world.agenda.now + 0.25)
        world.operator.end()
        world.promises.trust_again()

    def _compare_copies(self) -> None:
        """All holders of an arc have the same of it on their disks."""
        world = self.world
        view = world.checks.newest()
        assert view is not None
        machines = {machine.identity: machine for machine in world.machines}
        for index, arc in enumerate(view.arcs):
            wanted = min(view.replication, len(view.members))
            assert len(arc.holders) == wanted, f"{len(arc.holders)} of {wanted} copies of the arc up to {arc.end:016x}"
            low, high = key_range(arc_start(view, index), arc.end)
            copies = {machines[node]: dict(machines[node].disk.seen.scan(low, high)) for node in arc.holders}
            owner, first = next(iter(copies.items()))
            for machine, copy in copies.items():
                assert_same(owner, first, machine, copy)

    def is_stable(self) -> bool:
        """All nodes have the same view, and it is whole."""
        there = [machine for machine in self.world.machines if not machine.away]
        views = [machine.node.view if machine.node is not None else None for machine in there]
        first = views[0]
        if first is None or any(view != first for view in views) or any(machine.paused for machine in there):
            return False
        return condition(first).word == "stable" and len(first.members) == len(views)

    def _read(self, alias: str) -> bool:
        """A last ``get``; whether there is such an entry."""
        world = self.world
        asked: Asked = Client(self.workload, "last", 1.0, READ_SECONDS_MAX).ask(alias, "get")
        world.agenda.run_until(world.agenda.now + READ_SECONDS_MAX + 1, lambda: asked.over)
        assert asked.result in ("ok", "not_found"), f"{alias} can't be read in a stable hive: {asked.last}"
        return asked.result == "ok"

    def _count(self) -> int:
        world = self.world
        total = 0

        def hear(reply: object) -> None:
            nonlocal total
            assert isinstance(reply, Number), f"a count in a stable hive was answered with {reply}"
            total += reply.number

        for machine in world.machines:
            assert machine.node is not None and machine.node.view is not None
            machine.node.validate()
            machine.node.status()
            machine.request(world.open_session(hear), Count(1, NOBODY, machine.node.view.epoch))
        world.agenda.run_until(world.agenda.now + 0.1)
        return total

    def _list(self) -> None:
        """All that there is, from all nodes; the judge compares it with what was read."""
        world = self.world
        for machine in world.machines:
            assert machine.node is not None and machine.node.view is not None
            self.workload.scans.page(machine, machine.identity, machine.node.view, "", "")
        walked = len(self.workload.scans.walked)
        self.workload.scans.walk(world.machines[0], 0, 3)
        world.agenda.run_until(world.agenda.now + 0.1)

        def is_over() -> bool:
            return any(page.last == 1 << CURSOR_BITS for page in self.workload.scans.walked[walked:])

        world.agenda.run_until(world.agenda.now + READ_SECONDS_MAX, is_over)
        assert is_over(), "who goes through a stable hive does not come to an end"

    def _judge(self) -> int:
        undecided = 0
        if self.world.checks.lossy:
            return 0
        self.workload.deadlines.judge(self.workload.histories, self.world.skew_seconds, self.world.lag_seconds)
        self.workload.scans.judge(self.workload.histories)
        self.workload.versions.judge()
        if self.workload.followers is not None:
            self.workload.followers.judge(self.workload.histories)
        for alias, history in self.workload.histories.items():
            verdict = is_linearizable(history)
            assert verdict is not False, f"the history of {alias} is not linearizable"
            undecided += verdict is None
        if self.scenario.batches is not None:
            undecided += self.scenario.batches.judge()
        return undecided

    # --- the story -----------------------------------------------------------------------------------------------

    def _story(self, error: Exception) -> str:
        world = self.world
        text = f"{type(error).__name__}: {error}"
        lines = [f"seed {world.seed} at {world.agenda.now:.4f} s: {text}", "", "the end of the schedule:"]
        lines += list(world.lines)[-60:]
        for alias in self.workload.aliases:
            if alias in text:
                lines += ["", f"the history of {alias}:"]
                lines += [_told(operation) for operation in self.workload.histories[alias]]
                for machine in world.machines:
                    if machine.node is not None:
                        lines += ["", f"{machine} on {alias}:", *machine.node.story(alias.encode())[-30:]]
        corner = f" --corner {self.corner}" if self.corner else ""
        lines += ["", f"replay it: python -m tests.sim --seed {world.seed}{corner} --trace"]
        return "\n".join(lines)


def _told(operation: object) -> str:
    return str(operation).replace("                ", "")[:240]
