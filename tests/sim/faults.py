"""What goes wrong when: drawn from the seed, so that every run has its own mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wrpme.effects import Persist
from wrpme.messages import Envelope, Report, Streams
from wrpme.picture import NodeId, Synced

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World



@dataclass(slots=True)
class Mixture:
    """Weights of what happens at each blow, and probabilities of what happens in between."""

    crash: float = 0.0
    power: float = 0.0
    blackout: float = 0.0
    stop: float = 0.0
    leave: float = 0.0
    cut: float = 0.0
    isolate: float = 0.0
    hang: float = 0.0
    reset: float = 0.0
    blow_seconds: float = 3.0
    """Mean time between two blows."""
    slow_disk: float = 0.0
    crash_at_slow: float = 0.0
    """A node is killed while its disk is slow, with what gathered meanwhile."""
    hang_mid_turn: float = 0.0
    crash_at_write: float = 0.0
    """Power loss of a machine while a vote or a view is on its way to its disk."""
    crash_at_synced: float = 0.0
    """A node is killed, and soon started again, just as its copy is reported to be complete."""
    hang_at_stream: float = 0.0
    """A node hangs long enough to be taken for dead while it receives a copy."""
    echo: float = 0.0
    """What was copied at an older version arrives once more just when it could be taken for something new."""
    blackout_at_view: float = 0.0
    """Power loss of all while one has adopted a view and another has a write on its way to the disk."""


KINDS = ("crash", "power", "blackout", "stop", "leave", "cut", "isolate", "hang", "reset")


class Faults:
    """``active`` until everything is healed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.active = False
        self.mixture = Mixture()
        self.disk_base = 0.002
        self._slow: dict[int, float] = {}

    # --- asked by machines ---------------------------------------------------------------------------------------

    def disk_seconds(self, machine: Machine) -> float:
        """How long this batch takes."""
        random = self.world.random.random
        if self.active and self.mixture.slow_disk and random() < self.mixture.slow_disk:
            seconds = random() * random() * 2.0
            if self.mixture.crash_at_slow and random() < self.mixture.crash_at_slow:
                life = machine.life
                self.world.agenda.after(seconds * random(), lambda: self._kill(machine, life))
            return seconds
        return self.disk_base * (0.5 + random())

    def mid_turn(self, machine: Machine) -> bool:
        """Whether the machine hangs just before what it says leaves."""
        mixture, random = self.mixture, self.world.random
        if not self.active or not mixture.hang_mid_turn or random.random() >= mixture.hang_mid_turn:
            return False
        machine.pause(random.uniform(0.1, 4.0))
        return True

    def persisting(self, machine: Machine, batch: Persist) -> None:
        """A batch is on its way: a good moment for a power loss."""
        if self.active and batch.must_sync and self.mixture.crash_at_write:
            if self.world.random.random() < self.mixture.crash_at_write:
                life = machine.life
                delay = self.world.random.choice((0.0002, 0.001, 0.003))
                self.world.agenda.after(delay, lambda: self._lose(machine, life))

    def adopted(self, machine: Machine) -> None:
        """A node has a new view while others still write: a good moment for a blackout."""
        if self.active and self.mixture.blackout_at_view:
            busy = any(other.disk.under_way is not None for other in self.world.machines if other is not machine)
            if busy and self.world.random.random() < self.mixture.blackout_at_view:
                self.world.agenda.after(0.0, self._blackout)

    def sending(self, machine: Machine, envelope: Envelope) -> float:
        """A message leaves: a good moment to kill the node that it is about. Gives how late it shall be."""
        if not self.active:
            return 0.0
        mixture, random, body = self.mixture, self.world.random, envelope.body
        if mixture.crash_at_synced and type(body) is Report and random.random() < mixture.crash_at_synced:
            for change in body.changes:
                if isinstance(change, Synced) and (victim := self._with_id(change.node)) and victim is not machine:
                    self.world.agenda.after(0.0, victim.crash)
                    self._restart(victim, random.choice((0.002, 0.02, 0.2)) * (0.5 + random.random()))
                    return random.choice((0.0, 1.0)) * random.random()
        if mixture.hang_at_stream and type(body) is Streams and random.random() < mixture.hang_at_stream:
            if victim := self._with_id(envelope.destination):
                victim.pause(random.uniform(2.2, 4.5))
        return 0.0

    def _with_id(self, node: NodeId) -> Machine | None:
        for machine in self.world.machines:
            if machine.node is not None and machine.node.settings.id == node:
                return machine
        return None

    def echo(self, source: Machine, target: Machine, heard: Streams) -> Envelope | None:
        """A message of a copy has arrived: what was sent at an older version, and could be taken for the next one now,
        arrives once more."""
        if not self.active or not self.mixture.echo or self.world.random.random() >= self.mixture.echo:
            return None
        link = source.links.get(target.address)
        following = {stream.end: stream for stream in heard.streams}
        for envelope in link.copying if link is not None else ():
            for old in envelope.body.streams if isinstance(envelope.body, Streams) else ():
                now = following.get(old.end)
                if now is not None and old.version < now.version:
                    if old.first <= now.first + len(now.items) < old.first + len(old.items):
                        return envelope
        return None

    # --- blows ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """From now on things go wrong."""
        self.active = True
        self._next()

    def _next(self) -> None:
        self.world.agenda.after(self.world.random.expovariate(1 / self.mixture.blow_seconds), self._blow)

    def _blow(self) -> None:
        if not self.active:
            return
        weights = [getattr(self.mixture, kind) for kind in KINDS]
        if any(weights):
            kind = self.world.random.choices(KINDS, weights)[0]
            getattr(self, f"_{kind}")()
        self._next()

    def _any(self) -> Machine | None:
        running = [machine for machine in self.world.machines if machine.node is not None]
        return self.world.random.choice(running) if running else None

    def _absence(self) -> float:
        """How long a process is away: often shorter than a lease, sometimes longer than the hive's patience."""
        random = self.world.random
        return random.choice((random.uniform(0.01, 0.3), random.uniform(0.1, 2.0), random.uniform(2.0, 14.0)))

    def _restart(self, machine: Machine, seconds: float) -> None:
        def start() -> None:
            if self.active:
                machine.start()

        self.world.agenda.after(seconds, start)

    def _lose(self, machine: Machine, life: int) -> None:
        if self.active and machine.life == life and machine.node is not None:
            self._mark_lossy(machine)
            machine.crash(power=True)
            self._restart(machine, self._absence())

    def _mark_lossy(self, machine: Machine) -> None:
        if not machine.disk.sync:
            self.world.checks.lossy = True

    def _kill(self, machine: Machine, life: int) -> None:
        if self.active and machine.life == life and machine.node is not None:
            machine.crash()
            self._restart(machine, self._absence())

    def _crash(self) -> None:
        if machine := self._any():
            machine.crash()
            self._restart(machine, self._absence())

    def _power(self) -> None:
        if machine := self._any():
            self._lose(machine, machine.life)

    def _blackout(self) -> None:
        if not self.active:
            return
        self.world.say(None, "blackout")
        for machine in self.world.machines:
            if machine.node is not None:
                self._mark_lossy(machine)
                machine.crash(power=True)
                self._restart(machine, self.world.random.choice((0.1, 1.0, 15.0)) * self.world.random.random())

    def _stop(self) -> None:
        if machine := self._any():
            machine.stop()
            self._restart(machine, 6.0 + self._absence())

    def _leave(self) -> None:
        machine = self._any()
        if machine is not None:
            machine.leave()
            self._restart(machine, self.world.random.uniform(3.0, 12.0))

    def _hang(self) -> None:
        if machine := self._any():
            machine.pause(self.world.random.choice((0.1, 0.5, 2.0, 6.0)) * (0.5 + self.world.random.random() / 2))

    def _reset(self) -> None:
        machine = self._any()
        if machine is not None and machine.links:
            link = self.world.random.choice(list(machine.links.values()))
            link.notices(0.0, "connection reset")

    def _cut(self) -> None:
        machines, random = self.world.machines, self.world.random
        if len(machines) > 1:
            source, target = random.sample(machines, 2)
            pairs = [(source, target)] if random.random() < 0.5 else [(source, target), (target, source)]
            self._cut_for(pairs)

    def _isolate(self) -> None:
        machines, random = self.world.machines, self.world.random
        if len(machines) > 1:
            some = random.sample(machines, random.randint(1, max(1, len(machines) // 2)))
            rest = [machine for machine in machines if machine not in some]
            out = [(a, b) for a in some for b in rest]
            back = [(b, a) for a in some for b in rest]
            self._cut_for(random.choice((out, back, out + back, out + back)))

    def _cut_for(self, pairs: list[tuple[Machine, Machine]]) -> None:
        world = self.world
        for source, target in pairs:
            world.cut(source, target)

        def heal() -> None:
            for source, target in pairs:
                world.heal(source, target)

        world.agenda.after(world.random.choice((0.5, 3.0, 12.0)) * (0.3 + world.random.random()), heal)

    # --- the end -------------------------------------------------------------------------------------------------

    def heal_all(self, restart: bool) -> None:
        """Nothing goes wrong any more, and everything runs; with ``restart`` everything is started anew."""
        self.active = False
        world = self.world
        world.say(None, "everything is healed")
        for machine in world.machines:
            for other in world.machines:
                world.heal(machine, other)
        order = list(world.machines)
        world.random.shuffle(order)
        for machine in order:
            if restart:
                machine.crash()
            world.agenda.after(world.random.random() * 2, machine.start)
            world.agenda.after(8.0, machine.start)  # where a planned stop was still under way
