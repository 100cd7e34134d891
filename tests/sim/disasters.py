"""Outages as operators know them: of the power, of disks, of single connections, of clocks and of addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.disk import Disk
from wrpme.core.membership.paxos import is_quorum
from wrpme.core.membership.view_log import ViewLog
from wrpme.protocol.messages import (
    Accepted, HeartbeatAck, Committed, Forwarded, NextView, Promise, Report, StreamAcks, Suffix, WholeView,
)  # fmt: skip

if TYPE_CHECKING:
    from tests.sim.faults import Faults
    from tests.sim.machine import Machine

STALL_SECONDS = (0.4, 3.0)
HUNG_SECONDS = (3.0, 30.0)
LOST_KINDS = (
    StreamAcks, StreamAcks, Forwarded, Suffix, Committed, NextView, WholeView, Report, Promise, Accepted, HeartbeatAck,
)  # fmt: skip
SOON_SECONDS = 4.0
"""Who has a complete copy is back by then where another one's disk lied: longer nobody is waited for."""


class Disasters:
    """Each function is one kind of blow of :class:`tests.sim.faults.Mixture`."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.world = faults.world
        self.snapshots: dict[int, tuple[bytes, Disk]] = {}
        self._moved: set[int] = set()

    def _running(self) -> list[Machine]:
        return [machine for machine in self.world.machines if machine.node is not None]

    def lose_all_power(self) -> list[Machine]:
        """Gives those that ran."""
        self.world.say(None, "power loss of all")
        hit = self._running()
        for machine in hit:
            self.faults.mark_lossy(machine)
            machine.crash(power=True)
        return hit

    # --- power ---------------------------------------------------------------------------------------------------

    def outage(self) -> None:
        """Power loss of all; some stay away for long or until everything heals, and one may come back empty."""
        random, promises = self.world.random, self.world.promises
        hit = self.lose_all_power()
        random.shuffle(hit)
        away = random.randint(0, len(hit) - 1) if hit and not promises.distrusted else 0
        for machine in hit[:away]:
            machine.away = random.random() < 0.5
            if random.random() < self.faults.mixture.wiped:
                self.wipe(machine)
            self.faults.restart(machine, random.uniform(8.0, 25.0))
        for machine in hit[away:]:
            self.faults.restart(machine, random.choice((0.1, 1.0, SOON_SECONDS)) * random.random())

    def wipe(self, machine: Machine) -> bool:
        """Its disk is replaced by an empty one, and it is started by its own command with its peers, as an operator
        should; not where something depends on that disk alone."""
        if machine.node is not None or not self.world.promises.may_destroy(machine):
            return False
        self.lose_for_ever(machine)
        return True

    def lose_for_ever(self, machine: Machine) -> None:
        """Whatever depends on it."""
        self.world.say(machine, "has an empty disk from now on")
        self.world.promises.destroy(machine)
        machine.peers = machine.peers or self.addresses_beside(machine)
        machine.replace_disk(Disk(machine.disk.sync))

    def empty(self) -> None:
        """One machine loses its disk, alone."""
        machine = self.faults.any()
        if machine is not None and self.world.promises.may_destroy(machine):
            machine.crash(power=True)
            self.wipe(machine)
            self.faults.restart(machine, self.world.random.uniform(0.1, 12.0))

    def addresses_beside(self, machine: Machine) -> tuple[str, ...]:
        """Those of all other machines."""
        return tuple(other.address for other in self.world.machines if other is not machine)

    def liar(self) -> None:
        """Power loss of all, and the disk of one had said too much: its last batches are gone."""
        random, promises = self.world.random, self.world.promises
        hit = self.lose_all_power()
        others = [machine for machine in hit if promises.distrusted <= {machine.identity}]
        machine = random.choice(others) if others else None
        if machine is not None and machine.disk.sync and self._is_not_alone(machine):
            batches = machine.disk.cut(random.choice((1, 3, 10, 40)))
            self.world.say(machine, f"has lost its last {batches} batches")
            promises.distrusted.add(machine.identity)
            self.world.checks.disk_changed(machine)
        for machine in hit:
            self.faults.restart(machine, random.choice((0.1, 1.0, SOON_SECONDS)) * random.random())

    def _is_not_alone(self, machine: Machine) -> bool:
        view, promises = self.world.checks.newest(), self.world.promises
        return view is not None and all(
            machine.identity not in arc.holders or promises.complete(arc) - {machine.identity} for arc in view.arcs
        )

    # --- disks ---------------------------------------------------------------------------------------------------

    def hung(self) -> None:
        """A disk says nothing for long, or until the storm ends."""
        machine, random, now = self.faults.any(), self.world.random, self.world.agenda.now
        if machine is not None:
            seconds = random.uniform(*HUNG_SECONDS) if random.random() < 0.7 else self.faults.ends_at - now
            machine.hang_disk(min(now + seconds, self.faults.ends_at))

    # --- connections ---------------------------------------------------------------------------------------------

    def lane(self) -> None:
        """The control or the bulk lane of one link, or of all links to one node, carries nothing; the other does."""
        random = self.world.random
        target = self.faults.any()
        links = [link for machine in self._running() for link in machine.links.values()]
        links = [link for link in links if link.target is target and link.lanes]
        if not links:
            return
        chosen = links if random.random() < 0.5 else [random.choice(links)]
        which, seconds = random.choice((0, 0, 1)), random.uniform(*STALL_SECONDS)
        self.world.say(target, f"gets nothing on {len(chosen)} {('control', 'bulk')[which]} lanes for {seconds:.2f} s")
        for link in chosen:
            link.lanes[which].stall(seconds)

    def stall_former(self, former: Machine) -> None:
        """Nothing on the control lanes to a former owner, so that it does not hear that all it began was ended."""
        random = self.world.random
        seconds = random.uniform(0.4, 2.0)
        self.world.say(former, f"hears nothing as a former owner for {seconds:.2f} s")
        for machine in self._running():
            link = machine.links.get(former.address)
            if link is not None and link.lanes:
                link.lanes[0].stall(seconds)

        def stop() -> None:
            others = [machine for machine in self._running() if machine is not former and not machine.stopping]
            if self.faults.active and len(others) > 1:
                other = random.choice(others)
                other.stop()
                self.faults.restart(other, random.uniform(6.0, 9.0))

        self.world.agenda.after(seconds * random.uniform(0.2, 1.1), stop)

    def lost(self) -> None:
        """The next message of one kind on one link is lost with its connection, once."""
        machine = self.faults.any()
        if machine is not None and machine.links:
            address = self.world.random.choice(sorted(machine.links))
            kind = self.world.random.choice(LOST_KINDS)
            self.world.say(machine, f"loses its next {kind.__name__} to {address} with the connection")
            self.faults.losing[machine.index, address] = kind

    # --- time ----------------------------------------------------------------------------------------------------

    def pause_all(self) -> None:
        """All machines stand still at once, and go on at about the same time."""
        random = self.world.random
        seconds = random.choice((0.5, 2.0, 5.0, 20.0)) * (0.5 + random.random())
        for machine in self._running():
            machine.pause(seconds + random.choice((0.0, 0.01, 0.5)) * random.random())

    def frozen(self) -> None:
        """A virtual machine is paused, and its monotonic clock with it; its wall clock is right at once afterwards."""
        machine = self.faults.any()
        if machine is not None:
            machine.pause(self.world.random.uniform(1.0, 8.0), frozen=True)

    def wall(self) -> None:
        """A wall clock is set, forwards or backwards, by as much as they may differ in this run."""
        machines, random = self.world.machines, self.world.random
        machine = machines[1] if self.faults.mixture.one_clock else random.choice(machines)
        if self.faults.mixture.one_clock and self.faults.mixture.stop and machine.node is None:
            return  # one whose clock was set then can't know it if it comes back alone, as the others were stopped
        machine.wall_ahead = random.choice((0.01, 1.0)) * random.uniform(-1.0, 1.0) * self.faults.mixture.wall_seconds
        self.world.say(machine, f"has a wall clock that is {machine.wall_ahead:+.3f} s ahead")

    # --- addresses and directories -------------------------------------------------------------------------------

    def move(self) -> None:
        """A machine comes back at another address. Where others have moved too it is told where they are, as an
        operator has to: those that are down may all have moved, and then nobody knows anybody's address."""
        machine = self.faults.any()
        if machine is not None:
            machine.crash()
            self._give_address(machine, self.world.new_address())
            if self._moved - {machine.index}:
                machine.peers = self.addresses_beside(machine)
            self.faults.restart(machine, self.world.random.uniform(0.1, 6.0))

    def move_all(self) -> None:
        """After a power loss all come back at other addresses, or with those of others; each is told its new peers."""
        random, machines = self.world.random, self.world.machines
        hit = self.lose_all_power()
        addresses = [machine.address for machine in machines]
        if random.random() < 0.5:
            random.shuffle(addresses)
        else:
            addresses = [self.world.new_address() for _ in machines]
        if len(hit) == len(machines):
            for machine, address in zip(machines, addresses, strict=True):
                self._give_address(machine, address)
            for machine in machines:
                machine.peers = self.addresses_beside(machine)
        for machine in hit:
            self.faults.restart(machine, 3.0 * random.random())

    def _give_address(self, machine: Machine, address: str) -> None:
        self.world.say(machine, f"is at {address} from now on")
        machine.address = address
        self._moved.add(machine.index)

    def snapshot(self) -> None:
        """Somebody copies the directory of a node that is down, or puts such a copy in the place of the newer one."""
        random = self.world.random
        machine = self.faults.any()
        if machine is None:
            return
        identity, disk = self.snapshots.get(machine.index, (b"", None))
        machine.crash()  # what it had not synced is not lost: this is about the copy alone
        usable = disk is not None and identity == machine.identity and self._needs_others(disk, identity)
        if disk is None or not usable or not self.world.promises.may_destroy(machine):
            self.snapshots[machine.index] = machine.identity, machine.disk.copy()
        else:
            self.world.say(machine, "has an older copy of its directory from now on")
            self.world.promises.destroy(machine)
            del self.snapshots[machine.index]
            machine.replace_disk(disk)
            self.world.promises.distrusted.add(machine.identity)
        self.faults.restart(machine, random.uniform(0.1, 3.0))

    @staticmethod
    def _needs_others(disk: Disk, identity: bytes) -> bool:
        """Whether a node with that directory can decide nothing before it has heard of others how old it is."""
        view = ViewLog(disk).load()
        return view is not None and not is_quorum(view.voters, {identity})
