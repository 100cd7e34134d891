"""What must be true after each step, looked at only where something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.machine import Machine
from wrpme.core.io import Operation
from wrpme.core.layout import ENTRIES, Version, content_in, hash_in, version_in
from wrpme.core.replication.replica import Replica, Role
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view import View

if TYPE_CHECKING:
    from tests.sim.world import World

VALIDATED_ONE_IN = 32
SAMPLED_MAX = 8
WATCH_SECONDS = 0.25


def assert_same(owner: object, mine: dict[bytes, bytes], other: object, theirs: dict[bytes, bytes]) -> None:
    """Raises AssertionError naming the entries that two copies differ in."""
    differing = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
    told = [(key[9:].decode(), mine.get(key, b"")[24:48], theirs.get(key, b"")[24:48]) for key in differing]
    assert not differing, f"the copies of {owner} and {other} differ: {told[:3]}"


class Checks:
    """Each raises AssertionError."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.views: dict[tuple[bytes, int, int], View] = {}
        self.positions: list[int] = []
        self.lossy = False
        """A power loss took what was not synced, as ``--no-sync`` allows: acknowledged writes may be gone."""
        self._epochs: dict[int, tuple[bytes, int]] = {}
        self._versions: dict[tuple[int, bytes], Version] = {}
        self._on_disk: dict[bytes, tuple[bytes, Version, set[int]]] = {}
        """By content the key and version of its write, and on whose disks it has been."""
        self._countdown = VALIDATED_ONE_IN

    def sample(self, aliases: list[str]) -> None:
        """Whether two nodes serve at once is looked at where these entries live."""
        self.positions = [hash_of(alias.encode()) for alias in aliases[:SAMPLED_MAX]]

    # --- views ---------------------------------------------------------------------------------------------------

    def adopted(self, machine: Machine) -> None:
        """One epoch, one view; and epochs only grow, over restarts too."""
        node = machine.node
        assert node is not None and node.view is not None
        view = node.view
        key = (view.hive, view.generation, view.epoch)
        known = self.views.setdefault(key, view)
        assert known is view or known == view, f"two views of epoch {view.epoch}:\n{known}\n{view}"
        before = self._epochs.get(machine.index)
        if before is not None and before[0] == view.hive:
            assert view.epoch >= before[1], f"{machine} adopts epoch {view.epoch} after {before[1]}"
        self._epochs[machine.index] = (view.hive, view.epoch)
        former = self.views.get((view.hive, view.generation, view.epoch - 1))
        if former is not None:
            more = set(view.voters) - set(former.voters)
            assert len(more) <= 1, f"view {view.epoch} has {len(more)} new voters"
            self.world.replicator.adopted(former, view)
        self.world.say(machine, f"adopts view {view.epoch}")

    def newest(self) -> View | None:
        """The last view that anybody adopted."""
        return max(self.views.values(), key=lambda view: (view.generation, view.epoch), default=None)

    def disk_changed(self, machine: Machine) -> None:
        """Another disk is in the machine, or what is on it has been changed: it says nothing of what was before."""
        self._epochs.pop(machine.index, None)
        for mark in [mark for mark in self._versions if mark[0] == machine.index]:
            del self._versions[mark]
        for _, _, where in self._on_disk.values() if not machine.identity else ():
            where.discard(machine.index)
        for key, value in machine.disk.scan(*ENTRIES):
            version = version_in(value)
            self._versions[machine.index, key] = version
            self._on_disk.setdefault(content_in(value)[:24], (key, version, set()))[2].add(machine.index)

    def set_aside(self, machine: Machine) -> None:
        """A node that the hive counts on keeps its data, unless that is known to be an old copy."""
        view = self.newest()
        listed = view is not None and machine.identity in {member.id for member in view.members}
        assert not listed or machine.identity in self.world.promises.distrusted, f"{machine} is a member, and gives up"

    # --- serving -------------------------------------------------------------------------------------------------

    def turn(self, machine: Machine) -> None:
        """After a node's turn."""
        node = machine.node
        if node is None:
            return
        self._countdown -= 1
        if not self._countdown:
            self._countdown = VALIDATED_ONE_IN
            node.validate()
        served = machine.serving(self.positions)
        for other in self.world.machines if served else ():
            if other is not machine:
                both = other.serving(served)
                assert not both, f"{machine} and {other} both serve {both[0]:016x}"

    # --- copies --------------------------------------------------------------------------------------------------

    def watch_copies(self) -> None:
        """Now and then: beside what is on its way, all holders have the same on their disks."""
        for machine in self.world.machines:
            if machine.node is not None and not machine.paused:
                for replica in machine.node.table.mine:
                    if replica.serving and replica.copies:
                        self._compare_holders(machine, replica)
        self.world.agenda.after(WATCH_SECONDS, self.watch_copies)

    def _compare_holders(self, owner: Machine, replica: Replica) -> None:
        waiting = {*replica.writes.unwritten(), *(pending.key for pending in replica.writes.queue)}
        mine = dict(owner.disk.seen.scan(replica.writes.low, replica.writes.high))
        for other in self.world.machines:
            copy = replica.copies.get(other.identity) if other.node is not None else None
            if other.node is None or copy is None or not copy.is_complete:
                continue
            there = other.node.table.ending(replica.arc.end)
            if there is None or there.arc != replica.arc or there.receiver is None:
                continue
            if there.role in (Role.HOLDER, Role.INCOMING):
                out = waiting | there.writes.unwritten()
                here = {key: value for key, value in mine.items() if key not in out}
                theirs = other.disk.seen.scan(replica.writes.low, replica.writes.high)
                assert_same(owner, here, other, {key: value for key, value in theirs if key not in out})

    # --- the disk ------------------------------------------------------------------------------------------------

    def written(self, machine: Machine, operations: list[Operation]) -> None:
        """A batch is on a machine's disk."""
        node = machine.node
        view = node.view if node is not None else None
        for key, value in operations:
            if key[:1] != b"e":
                continue
            mark = (machine.index, key)
            if value is None:
                self._versions.pop(mark, None)
                continue
            version, before = version_in(value), self._versions.get(mark)
            known = self._on_disk.setdefault(content_in(value)[:24], (key, version, set()))
            known[2].add(machine.index)
            self._versions[mark] = version
            if before is not None and version < before and view is not None and node is not None:
                holders = view.arcs[arc_at(view, hash_in(key))].holders
                assert node.settings.id not in holders, f"{machine} puts {version} of {key[9:]!r} over {before}"

    def acknowledged(self, content: bytes) -> None:
        """A client hears that its write was carried out."""
        if self.lossy:
            return
        assert content[:24] in self._on_disk, f"{content[:24]!r} was acknowledged before it was on any disk"
        key, version, where = self._on_disk[content[:24]]
        view = self.newest()
        if view is None:
            return
        arc = view.arcs[arc_at(view, hash_in(key))]
        if arc.version == version[0]:
            for machine in self.world.machines:
                if machine.identity in arc.holders:
                    told = f"{content[:24]!r} was acknowledged before it was on the disk of the holder {machine}"
                    assert machine.index in where, told
