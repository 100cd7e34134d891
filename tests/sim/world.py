"""The heap of things to come, the machines, and what lies between them. No clock, task or socket: only the seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from tests.sim.checks import Checks
from tests.sim.clock import RATE_MAX, RATE_MIN, Agenda, Clock
from tests.sim.faults import Faults
from tests.sim.machine import Machine
from tests.sim.network import Habits, Proof
from tests.sim.operator import Operator
from tests.sim.promises import Promises
from tests.sim.guests import Guests
from tests.sim.limiter import Limiter
from tests.sim.replicator import Replicator
from wrpme.protocol.messages import Envelope

LINES_KEPT = 400


class World:
    """Everything of one run."""

    made_of = Machine

    def __init__(self, seed: int, trace: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.agenda = Agenda()
        self.habits = Habits()
        self.replication = 1
        self.grace_seconds = 60.0
        self.machines: list[Machine] = []
        self.cuts: set[tuple[int, int]] = set()
        """Pairs of machines (from, to) between which nothing travels that way."""
        self.through_codec = Proof()
        self.faults = Faults(self)
        self.checks = Checks(self)
        self.promises = Promises(self)
        self.operator = Operator(self)
        self.replicator = Replicator(self)
        self.limiter = Limiter(self)
        self.guests = Guests(self)
        self._addresses = 0
        self.lines: deque[str] = deque(maxlen=None if trace else LINES_KEPT)
        self.trace = trace
        self.moment_times: list[float] = []
        """The true time of each moment so far."""
        self.skew_seconds = 0.3
        """The time that life spans go by is at most so far away from the true time."""
        self.lag_seconds = 0.0
        """It may be behind by so much more: of two wall clocks nobody knows which one is wrong."""
        self.on_end: list[Callable[[Machine], None]] = []
        """Called when a process has ended."""
        self._sessions: dict[int, Callable[[object], None]] = {}
        self._session = 0

    def moment(self) -> int:
        """A number for each call and return of a client, in their order."""
        self.moment_times.append(self.agenda.now)
        return len(self.moment_times)

    def add_machine(self, peers: tuple[str, ...], sync: bool) -> Machine:
        """One more; nothing runs on it yet."""
        clock = Clock(self.random.uniform(0, 1000), self.random.uniform(RATE_MIN, RATE_MAX))
        machine = self.made_of(self, len(self.machines), clock, peers, sync)
        self.machines.append(machine)
        return machine

    def at_address(self, address: str) -> Machine | None:
        """The machine there."""
        return next((machine for machine in self.machines if machine.address == address), None)

    def new_address(self) -> str:
        """Where nobody has been before."""
        self._addresses += 1
        return f"10.0.{1 + self._addresses // 200}.{self._addresses % 200 + 1}:5909"

    # --- sessions ------------------------------------------------------------------------------------------------

    def open_session(self, answer: Callable[[object], None]) -> int:
        """A number for one end of a connection, and what takes what is said there."""
        self._session += 1
        self._sessions[self._session] = answer
        return self._session

    def close_session(self, session: int) -> None:
        """Nothing more arrives there."""
        self._sessions.pop(session, None)

    def say_to(self, machine: Machine, session: int, reply: object) -> None:
        """An answer leaves a machine."""
        answer = self._sessions.get(session)
        if answer is not None:
            answer(reply)

    def hears(self, machine: Machine, envelope: Envelope, address: str) -> bool:
        """Whether a node hears what comes from a connection whose certificate names the host of that address alone:
        no node that is where it says is ever refused."""
        if machine.node is None:
            return False
        found = machine.node.objection(envelope, lambda asked: asked == address)
        if found is not None and found.closes:
            raise AssertionError(f"{machine} refuses {envelope}: {found.sentence}")
        return found is None

    def process_ended(self, machine: Machine) -> None:
        """A process is no more; its clients learn it in their own time."""
        for told in self.on_end:
            told(machine)

    # --- cuts ----------------------------------------------------------------------------------------------------

    def cut(self, source: Machine, target: Machine) -> None:
        """From now on nothing travels this way."""
        self.say(None, f"cut {source} -> {target}")
        self.cuts.add((source.index, target.index))
        for here, there in ((source, target), (target, source)):
            link = here.links.get(there.address)
            if link is not None:
                link.bears_a_cut()

    def heal(self, source: Machine, target: Machine) -> None:
        """The way is open again."""
        if (source.index, target.index) in self.cuts:
            self.say(None, f"heal {source} -> {target}")
            self.cuts.remove((source.index, target.index))
            link = source.links.get(target.address)
            for lane in link.lanes if link is not None else ():
                lane.healed()

    # --- the story -----------------------------------------------------------------------------------------------

    def say(self, machine: Machine | None, line: str) -> None:
        """For the story of this run."""
        told = f"{self.agenda.now:9.4f} {machine if machine is not None else '--'} {line}"
        self.lines.append(told)
        if self.trace:
            print(told)
