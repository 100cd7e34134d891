"""A machine that computes is busy: what comes meanwhile waits, its clock goes on, its timers are late.

What an event costs is known when it was handled (:mod:`tests.sim.prices`); until that time is over the machine does
nothing else. What it says leaves at the end of its turn, which is an event of its own, behind all that waited when the
turn began: so it is with the loop of a daemon, too.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from heapq import heapreplace
from math import inf

from tests.sim.checks import Checks
from tests.sim.clock import Clock
from tests.sim.machine import Machine
from tests.sim.prices import Meter
from tests.sim.world import World
from wrpme.core.io import ComputeView, Effect, Input, Woken
from wrpme.core.membership.compute import compute
from wrpme.daemon.limits import COMPUTED_HERE_MEMBERS_MAX
from wrpme.limits import LATE_SECONDS, LEASE_SECONDS
from wrpme.protocol.messages import Envelope, Request
from wrpme.protocol.view import Change, Down

TURNS_A_GLANCE = 64
PROCESS_SECONDS = 0.3
"""What a Python computes from its start until it has a node."""


class BusyMachine(Machine):
    """``factor``: by so much it is slower than the machine that prices were measured on."""

    world: BusyWorld

    def __init__(self, world: World, index: int, clock: Clock, peers: tuple[str, ...], sync: bool) -> None:
        super().__init__(world, index, clock, peers, sync)
        self.factor = 1.0
        self.inbox: deque[Callable[[], None]] = deque()
        self._works = False
        self._wakes = False
        self._busy_until = 0.0
        self.computed: Counter[str] = Counter()
        """Seconds by kind, since somebody last cleared it."""
        self._shared_until = 0.0
        """Until then a thread of the process computes."""
        self._late_until = -inf
        """This node was late, and marks nobody down up to then."""
        self.world.at[self.address] = self

    def start(self) -> None:
        if self.node is None and not self.away:
            self.inbox.clear()
            self._works = self._wakes = False
            meter = self.world.meter
            meter.begin()
            self._busy_until = self.world.agenda.now + PROCESS_SECONDS * self.factor
            super().start()
            self._pay()

    def feed(self, event: Input) -> None:
        if self.node is not None:
            self._queue(lambda: self._feed(event))

    def _feed(self, event: Input) -> None:
        self._note_lateness()
        super().feed(event)

    def _note_lateness(self) -> None:
        if self.node is not None:
            now = self.local()
            if now - self.node.context.heartbeats.due > LATE_SECONDS:
                self._late_until = now + LEASE_SECONDS

    def request(self, session: int, request: Request) -> None:
        if self.node is not None:
            self._queue(lambda: super(BusyMachine, self).request(session, request))

    def _turn_ends_soon(self, life: int) -> None:
        self._queue(lambda: self._end_turn(life))

    def _wake(self, life: int, due: float) -> None:
        if self.life == life and self.node is not None and self._alarm_at == due and not self._wakes:
            self._wakes = True
            self._queue(self._woken)

    def _woken(self) -> None:
        self._wakes = False
        self._alarm_at = 0.0
        if self.node is not None and self._now() >= self.node.wake_at:
            self._feed(Woken())
        else:
            self._set_alarm()

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, ComputeView) and self.node is not None:
            self.world.asked += 1
            if self._now() < self._late_until:
                self._judge_deaths(effect.changes)
        super()._carry_out(effect)

    def _judge_deaths(self, changes: Sequence[Change]) -> None:
        """What a node heard, or not, while it was late is held against nobody: it knows only who started again, or says
        itself that it stops."""
        assert self.node is not None
        heard, returning = self.node.context.heard, self.node.voter._backs
        for change in changes:
            if isinstance(change, Down) and not (change.planned or change.hung):
                life = heard.get(change.node, 0)
                if change.node in returning:
                    life = max(life, returning[change.node][0].incarnation)
                assert life > change.incarnation, f"{self} was late itself, and marks {change.node.hex()[:8]} down"

    def _computed(self, life: int, asked: ComputeView) -> None:
        """In turn; or, as the daemon does it with a large hive, in a thread, which shares the processor with the
        loop."""
        if self.life != life or len(asked.view.members) <= COMPUTED_HERE_MEMBERS_MAX:
            self._queue(lambda: super(BusyMachine, self)._computed(life, asked))
            return
        world, meter = self.world, self.world.meter
        spent, parts = meter.spent, meter.parts
        meter.begin()
        computed = compute(asked)
        seconds = 2 * meter.spent * self.factor
        meter.spent, meter.parts = spent, parts
        self._shared_until = max(self._shared_until, world.agenda.now + seconds)
        world.agenda.after(seconds, lambda: self.feed(computed) if self.life == life else None)

    def _queue(self, what: Callable[[], None]) -> None:
        self.inbox.append(what)
        if not self._works:
            self._works = True
            self._work_later()

    def _work_later(self) -> None:
        life = self.life
        self.world.agenda.at(self._busy_until, lambda: self._work(life))

    def _work(self, life: int) -> None:
        if self.life != life:
            return
        if self.paused:
            self._backlog.append(lambda: self._work(life))
            return
        self.world.meter.begin()
        self.inbox.popleft()()
        if self.life != life:
            return
        self._pay()
        self._works = bool(self.inbox)
        if self._works:
            self._work_later()

    def _pay(self) -> None:
        """What was spent takes its time here."""
        world = self.world
        spent, now = world.meter.spent, world.agenda.now
        shared = 2 if now < self._shared_until else 1
        begins = max(now, self._busy_until)
        if world.processors:  # all machines are processes of one, and wait for each other
            begins = max(begins, world.processors[0])
            heapreplace(world.processors, begins + spent)
        self._busy_until = begins + spent * self.factor * shared
        for kind, seconds in world.meter.parts:
            self.computed[kind] += seconds  # type: ignore[assignment]
        if spent > world.longest:
            world.longest, world.longest_parts = spent, Counter()
            for kind, seconds in world.meter.parts:
                world.longest_parts[kind] += seconds  # type: ignore[assignment]


class BusyWorld(World):
    """Where all machines are of that kind; they never move, and are found by their address at once."""

    made_of = BusyMachine

    def __init__(self, seed: int, meter: Meter, trace: bool = False) -> None:
        super().__init__(seed, trace)
        self.meter = meter
        self.at: dict[str, Machine] = {}
        self.longest = 0.0
        """Seconds of the dearest event so far, on a usual machine."""
        self.longest_parts: Counter[str] = Counter()
        """What it was spent on."""
        self.asked = 0
        """How many views were to be computed."""
        self.processors: list[float] = []
        """Where all machines share some: until when each of them is busy."""
        self.checks = Glance(self)
        vars(self)["through_codec"] = _as_it_is  # nodes share what they say to each other

    def at_address(self, address: str) -> Machine | None:
        return self.at.get(address)


class Glance(Checks):
    """As there are so many turns, not after each of them."""

    _turns = 0

    def turn(self, machine: Machine) -> None:
        self._turns += 1
        if not self._turns % TURNS_A_GLANCE:
            super().turn(machine)


def _as_it_is(envelope: Envelope) -> Envelope:
    return envelope
