"""What goes wrong when: drawn from the seed, so that every run has its own mixture."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from tests.sim.dances import Dances
from tests.sim.disasters import Disasters
from wrpme.core.io import Persist, Received
from wrpme.protocol.messages import (
    Accept, Accepted, HeartbeatAck, Committed, Envelope, GetSuffix, NextView, Prepare, Promise, Rejected, Report,
    StreamAcks, Streams, Suffix, WholeView, Writes,
)  # fmt: skip
from wrpme.protocol.view import NodeId, Synced

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.stage import Rule
    from tests.sim.world import World

VOTES = (Prepare, Promise, Accept, Accepted, Rejected, NextView, WholeView)

WORDS = (Report, HeartbeatAck, GetSuffix, Suffix, Committed)


def _writes(body: Streams) -> bool:
    return any(isinstance(item, Writes) for stream in body.streams for item in stream.items)


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
    usurp: float = 0.0
    forget_one: float = 0.0
    sleep: float = 0.0
    revive: float = 0.0
    """Faults in a row, see :mod:`tests.sim.dances`."""
    echo_activated: bool = False
    """What an owner reported of its takeover arrives once more when it could be taken for a later one."""
    squeeze: float = 0.0
    """Writes of a node reach one other first late, then none, and then it stops, dies or is cut off."""
    stop_many: float = 0.0
    """Several are asked to stop at about the same time, often all."""
    crash_at_view: float = 0.0
    """A node is killed as it has adopted a view and told nobody, and is soon started again."""
    isolate_at_synced: float = 0.0
    """An owner is cut off from everybody just after it has reported a copy to be complete."""
    crash_after_synced: float = 0.0
    """An owner is killed just after it has reported a copy to be complete."""
    late_words: float = 0.0
    """A report, an acknowledgement of a heartbeat, or what a former owner and a new one say to each other arrives once
    more, seconds later."""
    crash_mid_write: float = 0.0
    """An owner is killed when a write has left for some holders, and not for this one."""
    cut_mid_write: float = 0.0
    """An owner is cut off at such a moment."""
    stop_mid_write: float = 0.0
    """An owner is asked to stop at such a moment."""
    lag_mid_write: float = 0.0
    """A write is late on its way to one holder, and what follows it."""
    hang_at_clock: float = 0.0
    """A node hangs after it has looked at its clock, and before it reads what was asked for."""
    lost_votes: float = 0.0
    """Messages of a vote that are lost, so that several proposers are at it."""
    outage: float = 0.0
    wiped: float = 0.0
    """Of those who stay away after an outage so many come back with an empty disk."""
    beyond_quorum: bool = False
    """Also where a quorum is gone for ever with it, so that an operator has to recover the hive."""
    empty: float = 0.0
    liar: float = 0.0
    hung: float = 0.0
    lane: float = 0.0
    stall_former: float = 0.0
    """A former owner that still owes answers hears nothing on the control lanes, and soon another node stops."""
    lost_answer: float = 0.0
    """A connection breaks just before the answer of who receives a copy."""
    lost: float = 0.0
    pause_all: float = 0.0
    frozen: float = 0.0
    wall: float = 0.0
    wall_seconds: float = 0.0
    """By so much wall clocks are wrong at most."""
    one_clock: bool = False
    """Only that of the second machine is ever set."""
    move: float = 0.0
    move_all: float = 0.0
    snapshot: float = 0.0

    def mid_write(self) -> bool:
        """Whether anything happens when a write leaves."""
        return bool(self.crash_mid_write or self.cut_mid_write or self.stop_mid_write or self.lag_mid_write)


KINDS = (
    "crash", "power", "blackout", "stop", "leave", "cut", "isolate", "hang", "reset", "stop_many", "squeeze", "usurp",
    "forget_one", "sleep", "revive",
)  # fmt: skip
DISASTERS = (
    "outage", "empty", "liar", "hung", "lane", "lost", "pause_all", "frozen", "wall", "move", "move_all", "snapshot",
)  # fmt: skip
"""Further kinds of blows, see :mod:`tests.sim.disasters`."""


class Faults:
    """``active`` until everything is healed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.active = False
        self.mixture = Mixture()
        self.disk_base = 0.002
        self.ends_at = inf
        """When the storm is over."""
        self.losing: dict[tuple[int, str], type[Any]] = {}
        """By machine and address the kind of message that is lost next, and its connection with it."""
        self.disasters = Disasters(self)
        self.dances = Dances(world)
        self.rules: list[Rule] = []
        """Messages that a plot loses, see :mod:`tests.sim.stage`."""
        self._late: dict[tuple[int, NodeId], float] = {}
        """By machine and receiver: until when its streams do not arrive there."""

    # --- asked by machines ---------------------------------------------------------------------------------------

    def disk_seconds(self, machine: Machine) -> float:
        """How long this batch takes."""
        random = self.world.random.random
        if self.active and self.mixture.slow_disk and random() < self.mixture.slow_disk:
            seconds = random() * random() * 2.0
            if self.mixture.crash_at_slow and random() < self.mixture.crash_at_slow:
                life = machine.life
                self.world.agenda.after(seconds * random(), lambda: self.kill(machine, life))
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
        if self.active:
            self.dances.adopted(machine)
        if self.active and self.mixture.blackout_at_view:
            busy = any(other.disk.under_way is not None for other in self.world.machines if other is not machine)
            if busy and self.world.random.random() < self.mixture.blackout_at_view:
                self.world.agenda.after(0.0, self._blackout)
        if self.active and self.mixture.crash_at_view and self.world.random.random() < self.mixture.crash_at_view:
            life, seconds = machine.life, self.world.random.choice((0.005, 0.05, 0.3))
            self.world.agenda.after(0.0, lambda: self.kill(machine, life, seconds))
        if self.active and self.mixture.stall_former and machine.node is not None:
            owes = any(replica.writes.owed for replica in machine.node.table.mine)
            if owes and self.world.random.random() < self.mixture.stall_former:
                self.disasters.stall_former(machine)

    def sending(self, machine: Machine, envelope: Envelope) -> float:
        """A message leaves: a good moment to kill the node that it is about. Gives how late it shall be; never where it
        is lost."""
        if self.rules and any(rule.takes(machine, envelope) for rule in self.rules):
            return inf
        if not self.active:
            return 0.0
        mixture, random, body = self.mixture, self.world.random, envelope.body
        self.dances.sending(machine, envelope)
        if mixture.lost_votes and isinstance(body, VOTES) and random.random() < mixture.lost_votes:
            return inf
        if type(body) is Report:
            self._reporting(machine, body)
        if mixture.late_words and isinstance(body, WORDS) and random.random() < mixture.late_words:
            self.world.agenda.after(random.uniform(0.5, 6.0), lambda: self.say_late(envelope))
        if self._late and type(body) is Streams:
            until = self._late.get((machine.index, envelope.destination), 0.0)
            if until > self.world.agenda.now:
                return until - self.world.agenda.now
        if type(body) is Streams and mixture.mid_write() and _writes(body):
            return self._writing(machine)
        if mixture.crash_at_synced and type(body) is Report and random.random() < mixture.crash_at_synced:
            for change in body.changes:
                if isinstance(change, Synced) and (victim := self._with_id(change.node)) and victim is not machine:
                    self.world.agenda.after(0.0, victim.crash)
                    self.restart(victim, random.choice((0.002, 0.02, 0.2)) * (0.5 + random.random()))
                    return random.choice((0.0, 1.0)) * random.random()
        if mixture.hang_at_stream and type(body) is Streams and random.random() < mixture.hang_at_stream:
            if victim := self._with_id(envelope.destination):
                victim.pause(random.uniform(2.2, 4.5))
        return 0.0

    def _writing(self, machine: Machine) -> float:
        """A write leaves: a good moment to kill or cut off its owner, while this holder does not have it yet."""
        mixture, world, random, life = self.mixture, self.world, self.world.random, machine.life
        chance = random.random()
        soon = random.choice((0.0, 0.002, 0.02, 0.1))
        if chance < mixture.crash_mid_write:
            world.agenda.after(soon, lambda: self.kill(machine, life))
        elif chance < mixture.crash_mid_write + mixture.cut_mid_write:
            world.agenda.after(soon, lambda: self._cut_off(machine, random.uniform(1.0, 6.0)))
        elif chance < mixture.crash_mid_write + mixture.cut_mid_write + mixture.stop_mid_write:
            world.agenda.after(soon, lambda: self.stop_soon(machine, life))
        elif random.random() >= mixture.lag_mid_write:
            return 0.0
        return random.choice((0.2, 1.0)) * random.uniform(0.5, 1.0)

    def stop_soon(self, machine: Machine, life: int) -> None:
        """It is asked to stop, and starts again when it has."""
        if self.active and machine.life == life:
            machine.stop()
            self.restart(machine, 0.7)
            self.restart(machine, 6.5)

    def _cut_off(self, machine: Machine, seconds: float) -> None:
        self.cut_between(machine, [other for other in self.world.machines if other is not machine], seconds)

    def cut_between(self, machine: Machine, others: list[Machine], seconds: float) -> None:
        """Nothing travels between the machine and these, in either way."""
        pairs = [(machine, other) for other in others]
        self._cut_for(pairs + [(there, here) for here, there in pairs], seconds)

    def stall(self, machine: Machine, receiver: NodeId, seconds: float) -> None:
        """What the machine writes does not arrive there for so long."""
        self._late[machine.index, receiver] = self.world.agenda.now + seconds

    def hangs_at_clock(self, machine: Machine) -> bool:
        """Whether the machine hangs as it has just looked at its clock."""
        mixture, random = self.mixture, self.world.random
        if not self.active or not mixture.hang_at_clock or random.random() >= mixture.hang_at_clock:
            return False
        machine.pause(random.uniform(0.1, 5.0))
        return True

    def _reporting(self, machine: Machine, report: Report) -> None:
        """Something is reported: a good moment to cut off or kill the reporter."""
        mixture, world, random, life = self.mixture, self.world, self.world.random, machine.life
        if not any(isinstance(change, Synced) for change in report.changes):
            return
        soon = world.habits.latency * 2 + 0.001
        if mixture.isolate_at_synced and random.random() < mixture.isolate_at_synced:
            world.agenda.after(soon, lambda: self._cut_off(machine, random.uniform(5.0, 9.0)))
        elif mixture.crash_after_synced and random.random() < mixture.crash_after_synced:
            world.agenda.after(soon, lambda: self.kill(machine, life, random.uniform(2.0, 8.0)))

    def say_late(self, envelope: Envelope) -> None:
        """It arrives now, on whatever way it took so long."""
        target = self._with_id(envelope.destination)
        if self.active and target is not None:
            target.feed(Received(self.world.open_session(lambda reply: None), envelope))

    def loses(self, machine: Machine, address: str, envelope: Envelope) -> bool:
        """Whether the connection breaks just before this message."""
        mixture, body = self.mixture, envelope.body
        if self.active and mixture.lost_answer and type(body) is StreamAcks and any(ack.answers for ack in body.acks):
            return self.world.random.random() < mixture.lost_answer
        kind = self.losing.get((machine.index, address))
        if kind is not type(body):
            return False
        del self.losing[machine.index, address]
        return True

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

    def begin(self, seconds: float = inf) -> None:
        """From now on things go wrong, for so long."""
        self.active = True
        self.ends_at = self.world.agenda.now + seconds
        for machine in self.world.machines:
            machine.disk.lies = bool(self.mixture.liar)
        self._next()

    def _next(self) -> None:
        self.world.agenda.after(self.world.random.expovariate(1 / self.mixture.blow_seconds), self._blow)

    def _blow(self) -> None:
        if not self.active:
            return
        kinds = (*KINDS, *DISASTERS)
        weights = [getattr(self.mixture, kind) for kind in kinds]
        if any(weights):
            kind = self.world.random.choices(kinds, weights)[0]
            if kind in DISASTERS:
                getattr(self.disasters, kind)()
            else:
                getattr(self, f"_{kind}")()
        self._next()

    def any(self) -> Machine | None:
        """Some machine on which a process runs."""
        running = [machine for machine in self.world.machines if machine.node is not None]
        return self.world.random.choice(running) if running else None

    def _absence(self) -> float:
        """How long a process is away: often shorter than a lease, sometimes longer than the hive's patience."""
        random = self.world.random
        return random.choice((random.uniform(0.01, 0.3), random.uniform(0.1, 2.0), random.uniform(2.0, 14.0)))

    def restart(self, machine: Machine, seconds: float) -> None:
        """Its next life begins in so many seconds."""

        def start() -> None:
            if self.active:
                machine.start()

        self.world.agenda.after(seconds, start)

    def _lose(self, machine: Machine, life: int) -> None:
        if self.active and machine.life == life and machine.node is not None:
            self.mark_lossy(machine)
            machine.crash(power=True)
            self.restart(machine, self._absence())

    def mark_lossy(self, machine: Machine) -> None:
        """It loses what was not synced, and may."""
        if not machine.disk.sync:
            self.world.checks.lossy = True

    def kill(self, machine: Machine, life: int, seconds: float | None = None) -> None:
        """That very process ends, and another one starts later."""
        if self.active and machine.life == life and machine.node is not None:
            machine.crash()
            self.restart(machine, self._absence() if seconds is None else seconds)

    def _crash(self) -> None:
        if machine := self.any():
            machine.crash()
            self.restart(machine, self._absence())

    def _power(self) -> None:
        if machine := self.any():
            self._lose(machine, machine.life)

    def _blackout(self) -> None:
        if not self.active:
            return
        self.world.say(None, "blackout")
        for machine in self.world.machines:
            if machine.node is not None:
                self.mark_lossy(machine)
                machine.crash(power=True)
                self.restart(machine, self.world.random.choice((0.1, 1.0, 15.0)) * self.world.random.random())

    def _stop(self) -> None:
        if machine := self.any():
            machine.stop()
            self.restart(machine, 1.0)
            self.restart(machine, 6.0 + self._absence())

    def _squeeze(self) -> None:
        world, random = self.world, self.world.random
        owners = [
            (machine, [node for node in replica.arc.holders if node != machine.identity])
            for machine in world.machines
            if machine.node is not None and not machine.paused
            for replica in machine.node.table.mine
            if replica.serving and len(replica.arc.holders) > 1
        ]
        if not owners:
            return
        machine, others = random.choice(owners)  # the first of these will be the next owner
        life, until = machine.life, world.agenda.now + 3.0
        self._late[machine.index, others[0]] = until
        first, then = random.uniform(0.02, 0.4), random.choice((0.01, 0.05, 0.2))
        world.agenda.after(first, lambda: self._late.update({(machine.index, other): until for other in others}))

        def end() -> None:
            what = random.random()
            if what < 0.3:
                self._cut_off(machine, random.uniform(2.0, 5.0))
            elif what < 0.6:
                self.kill(machine, life, random.uniform(0.1, 4.0))
            else:
                self.stop_soon(machine, life)

        world.agenda.after(first + then, end)

    def _usurp(self) -> None:
        self.dances.usurp()

    def _forget_one(self) -> None:
        self.dances.forget_one()

    def _revive(self) -> None:
        self.dances.revive()

    def _sleep(self) -> None:
        self.dances.sleep()

    def _stop_many(self) -> None:
        running = [machine for machine in self.world.machines if machine.node is not None]
        random = self.world.random
        some = running if random.random() < 0.5 else random.sample(running, random.randint(0, len(running)))
        for machine in some:
            self.world.agenda.after(random.random() * 0.08, machine.stop)
            self.restart(machine, random.uniform(0.8, 3.0))
            self.restart(machine, 6.0 + random.uniform(0.0, 3.0))

    def _leave(self) -> None:
        machine = self.any()
        if machine is not None:
            machine.leave()
            self.restart(machine, self.world.random.uniform(3.0, 12.0))

    def _hang(self) -> None:
        if machine := self.any():
            machine.pause(self.world.random.choice((0.1, 0.5, 2.0, 6.0)) * (0.5 + self.world.random.random() / 2))

    def _reset(self) -> None:
        machine = self.any()
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

    def _cut_for(self, pairs: list[tuple[Machine, Machine]], seconds: float | None = None) -> None:
        world = self.world
        if seconds is None:
            seconds = world.random.choice((0.5, 3.0, 12.0)) * (0.3 + world.random.random())
        for source, target in pairs:
            world.cut(source, target)

        def heal() -> None:
            for source, target in pairs:
                world.heal(source, target)

        world.agenda.after(seconds, heal)

    # --- the end -------------------------------------------------------------------------------------------------

    def heal_all(self, restart: bool) -> None:
        """Nothing goes wrong any more, and everything runs; with ``restart`` everything is started anew."""
        self.active = False
        world = self.world
        world.say(None, "everything is healed")
        self.losing.clear()
        self.rules.clear()
        for machine in world.machines:
            machine.away = False
            machine.wall_ahead = 0.0
            machine.disk.hangs_until = min(machine.disk.hangs_until, world.agenda.now)
            machine.free_disk()
            for other in world.machines:
                world.heal(machine, other)
        order = list(world.machines)
        world.random.shuffle(order)
        for machine in order:
            if restart:
                machine.crash()
            world.agenda.after(world.random.random() * 2, machine.start)
            world.agenda.after(8.0, machine.start)  # where a planned stop was still under way
