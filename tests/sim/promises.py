"""What was destroyed on purpose, and so what the hive can still be held to: the bookkeeping of a run.

A disk is gone, lied, or is an older one only where a complete copy of all that it held is left on another; where that
can't be, because somebody said so on purpose, nothing is judged but that the hive becomes stable again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wrpme.core.layout import key_range
from wrpme.core.membership.paxos import is_quorum
from wrpme.protocol.ring import arc_at, arc_start, hash_of
from wrpme.protocol.view import Arc, NodeId, View

if TYPE_CHECKING:
    from tests.sim.disk import Disk
    from tests.sim.machine import Machine
    from tests.sim.world import World


class Promises:
    """See the module."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.destroyed: dict[NodeId, Disk] = {}
        """What was on the disks that nobody will ever see again, by the id of their node."""
        self.distrusted: set[NodeId] = set()
        """Nodes that have lost what their disk had said to be safe, and may not know it."""

    def ids(self) -> set[NodeId]:
        """Of all nodes whose disks are there, whether a process runs on them or not."""
        return {machine.identity for machine in self.world.machines if machine.identity}

    def trusted(self) -> set[NodeId]:
        """Of all whose disks hold what they said that they hold."""
        return self.ids() - self.distrusted

    def complete(self, arc: Arc) -> set[NodeId]:
        """Who has a complete copy of it, and is there."""
        return self.trusted().intersection(arc.holders)

    def may_destroy(self, machine: Machine) -> bool:
        """Whether nothing acknowledged depends on the disk of that machine alone, nor a quorum, where there is no
        operator who goes on without."""
        view = self.world.checks.newest()
        if view is None or not machine.identity:
            return False
        left = self.trusted() - {machine.identity}
        if not is_quorum(view.voters, left.intersection(view.voters)) and not self.world.faults.mixture.beyond_quorum:
            return False
        return all(machine.identity not in arc.holders or len(self.complete(arc)) > 1 for arc in view.arcs)

    def destroy(self, machine: Machine) -> None:
        """The disk is gone for ever."""
        self.destroyed[machine.identity] = machine.disk

    def trust_again(self) -> None:
        """The hive is stable: every copy has been compared with one that is complete, or made of it."""
        self.distrusted.clear()

    def gone(self, view: View) -> set[NodeId]:
        """Members that never return."""
        return {member.id for member in view.members} - self.ids()

    def needs(self, alias: str, view: View) -> set[NodeId]:
        """Who can serve an entry, as of that view."""
        return self.complete(view.arcs[arc_at(view, hash_of(alias.encode()))])

    def give_up(self, view: View, nodes: set[NodeId]) -> None:
        """An operator says that these never return: where one of them had what nobody else has, promises are void."""
        for index, arc in enumerate(view.arcs):
            if set(arc.holders) <= nodes and not self._is_elsewhere(view, index, arc):
                self.world.say(None, f"what was up to {arc.end:016x} is lost, as an operator said so")
                self.world.checks.lossy = True

    def _is_elsewhere(self, view: View, index: int, arc: Arc) -> bool:
        """Whether a disk has all that the last holders had, though the hive does not count it as a holder."""
        low, high = key_range(arc_start(view, index), arc.end)
        lost = [dict(self.destroyed[node].scan(low, high)) for node in arc.holders if node in self.destroyed]
        return any(
            dict(machine.disk.scan(low, high)) == copy
            for machine in self.world.machines
            if machine.identity in self.trusted()
            for copy in lost
        )
