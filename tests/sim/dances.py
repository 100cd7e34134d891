"""Faults in a row, each at the very moment that the one before has made: what chance alone would hardly ever bring
together. A dance begins with an owner and the other holders of one of its arcs; what it meets there is left to chance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from wrpme.core.replication.replica import Replica
from wrpme.protocol.messages import Envelope, Report
from wrpme.protocol.view import Activated, Back, Synced
from wrpme.protocol.view_index import owner as owner_in

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

Watcher = Callable[["Machine"], bool]
SAID_MAX = 60


class Dances:
    """``on_adopted`` and ``on_report`` are asked at each view that a machine adopts, and at each report that it sends,
    until they give True."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.on_adopted: list[Watcher] = []
        self.on_report: list[Callable[[Machine, Report], bool]] = []
        self._said: list[tuple[Envelope, Activated]] = []

    def adopted(self, machine: Machine) -> None:
        """A machine has a new view."""
        if self.world.faults.mixture.echo_activated:
            self._say_again(machine)
        self.on_adopted = [watcher for watcher in self.on_adopted if not watcher(machine)]

    def sending(self, machine: Machine, envelope: Envelope) -> None:
        """A message leaves."""
        if isinstance(envelope.body, Report):
            report = envelope.body
            self._said += [(envelope, change) for change in report.changes if isinstance(change, Activated)]
            self._said = self._said[-SAID_MAX:]
            self.on_report = [watcher for watcher in self.on_report if not watcher(machine, report)]

    def _say_again(self, machine: Machine) -> None:
        """A report that former owners can be forgotten arrives once more when it could be taken for one of now."""
        view = machine.node.view if machine.node is not None else None
        for envelope, change in self._said if view is not None else ():
            assert view is not None
            for arc in view.arcs:
                if arc.end == change.end and arc.prev and arc.version > change.version:
                    if owner_in(view, arc) == change.reporter:
                        self.world.agenda.after(0.0, partial(self.world.faults.say_late, envelope))

    def _owned(self, holders: int) -> tuple[Machine, list[Machine]] | None:
        """The owner of an arc with so many holders at least, and the others in their order."""
        machines = {machine.identity: machine for machine in self.world.machines if machine.node is not None}
        found: list[tuple[Machine, Replica]] = [
            (machine, replica)
            for machine in machines.values()
            if machine.node is not None and not machine.paused
            for replica in machine.node.table.mine
            if replica.serving and len(replica.arc.holders) >= holders
            if all(node in machines for node in replica.arc.holders)
        ]
        if not found:
            return None
        owner, replica = self.world.random.choice(found)
        return owner, [machines[node] for node in replica.arc.holders if node != owner.identity]

    def usurp(self) -> None:
        """An owner is seen by the next one alone, and taken for dead by the others; just as the next one knows that, it
        starts again or stops, and the owner of before hears nothing any more."""
        found, world = self._owned(2), self.world
        if found is None or len(world.machines) < 3:
            return
        owner, (heir, *_) = found
        seconds = world.random.uniform(6.0, 9.0)
        blind = [machine for machine in world.machines if machine not in (owner, heir)]
        world.faults.cut_between(owner, blind, seconds)
        stops, life = world.random.random() < 0.4, heir.life
        until = world.agenda.now + 6.0

        def is_heir(machine: Machine) -> bool:
            node = machine.node
            if world.agenda.now > until or heir.life != life:
                return True
            if machine is not heir or node is None or owner.identity in node.context.alive:
                return False
            world.faults.cut_between(owner, [heir], 6.0)
            if stops:
                world.faults.stop_soon(heir, life)
            else:
                world.agenda.after(0.0, lambda: world.faults.kill(heir, life, world.random.choice((0.02, 0.1))))
            return True

        self.on_adopted.append(is_heir)

    def forget_one(self) -> None:
        """What is written reaches one holder late; another one starts again, gets its copy anew, and just as that is
        reported to be complete the owner dies."""
        found, world = self._owned(3), self.world
        if found is None:
            return
        owner, others = found
        world.random.shuffle(others)
        late, again = others[:2]
        world.faults.stall(owner, late.identity, 5.0)
        life, of_again = owner.life, again.life
        world.agenda.after(0.3, lambda: world.faults.kill(again, of_again, 0.02))
        until = world.agenda.now + 5.0

        def is_reported(machine: Machine, report: Report) -> bool:
            if world.agenda.now > until or owner.life != life:
                return True
            names = any(isinstance(change, Synced) and change.node == again.identity for change in report.changes)
            if machine is not owner or not names:
                return False
            world.agenda.after(0.03, lambda: world.faults.kill(owner, life, 4.0))
            return True

        self.on_report.append(is_reported)

    def sleep(self) -> None:
        """A node returns and receives its copy; before that is complete all stop, with writes on their way."""
        found, world = self._owned(3), self.world
        if found is None:
            return
        owner, others = found
        world.random.shuffle(others)
        first, returning = others[:2]
        world.faults.kill(returning, returning.life, 2.5)
        until = world.agenda.now + 8.0

        def receives(machine: Machine) -> bool:
            node = machine.node
            if world.agenda.now > until:
                return True
            if machine is not owner or node is None:
                return False
            if not any(returning.identity in replica.arc.incoming for replica in node.table.mine):
                return False
            for other in others:
                world.faults.stall(owner, other.identity, 4.0)
            for machine in world.machines:
                world.agenda.after(0.15 + world.random.random() * 0.05, machine.stop)
            for machine, seconds in ((first, 1.5), (returning, 3.0), (owner, 5.0)):
                world.faults.restart(machine, seconds)
                world.faults.restart(machine, 6.5)
            return True

        self.on_adopted.append(receives)

    def revive(self) -> None:
        """An owner is taken for dead and comes back; cut off once more, with writes on their way, it is taken for dead
        again, and only then what it said to come back arrives once more."""
        found, world = self._owned(2), self.world
        if found is None or len(world.machines) < 3:
            return
        owner, life = found[0], found[0].life
        others = [machine for machine in world.machines if machine is not owner]
        said: list[Envelope] = []
        world.faults.cut_between(owner, others, 3.5)

        def comes_back(machine: Machine, report: Report) -> bool:
            for change in report.changes if machine is owner else ():
                if isinstance(change, Back) and machine.node is not None:
                    said.extend(
                        machine.node.context.outbox.envelope(other.identity, Report((change,))) for other in others
                    )
                    return True
            return owner.life != life

        def cut_again() -> None:
            if owner.life == life:
                world.faults.cut_between(owner, others, 5.5)
                for envelope in said:
                    world.agenda.after(4.6, partial(world.faults.say_late, envelope))

        self.on_report.append(comes_back)
        world.agenda.after(world.random.uniform(6.0, 7.0), cut_again)
