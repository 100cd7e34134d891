"""Who shall hold which arc: the wanted holders in their order, the first of them the owner to be.

Works on the arcs' ``wanted`` alone; who holds what now follows it step by step, see :mod:`wrpme.draft`. Everything
is a function of its arguments, as every node computes it for itself.

- Each arc wants min(R, nodes) holders, on different hosts where the addresses allow it.
- Ownership is levelled first, by slices (:func:`wrpme.ring.plan`); then the copies, by whole arcs as far as they fit.
- Only what must move moves: whoever has enough keeps what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from wrpme import ring
from wrpme.limits import SLOTS, STRETCHES_USUAL
from wrpme.picture import NOBODY, Arc, Member, NodeId

ROUNDS_MAX = 16
"""One that gives may have less than its share afterwards, and a node gets no more than some stretches in a round."""


class Placement:
    """``sharers`` are the members that shall hold something; ``movable`` says of which arcs copies can be made."""

    def __init__(
        self, arcs: Sequence[Arc], sharers: Sequence[Member], replication: int, movable: Callable[[Arc], bool]
    ) -> None:
        self.arcs = list(arcs)
        self._sharers = sorted(sharers, key=lambda member: (member.joined, member.id))
        self._ids = {member.id for member in sharers}
        self._seniority = {member.id: member.joined for member in sharers}
        self._host = {member.id: member.address.rpartition(":")[0] for member in sharers}
        self._copies = min(replication, len(self._sharers))
        self._fair = SLOTS // len(self._sharers)
        self._movable = movable
        self._crowding_matters = len(set(self._host.values())) >= self._copies

    def settle(self, newcomer: NodeId = NOBODY) -> list[Arc]:
        """Everybody that is no sharer is dropped, every arc gets as many copies as it can, all get their share; where
        there is a newcomer, only it does."""
        self._drop()
        self._fill()
        takers = [member.id for member in self._sharers if newcomer in (NOBODY, member.id)]
        for _ in range(ROUNDS_MAX):
            before = self.arcs
            self._level(takers, lambda: ring.loads(self.arcs), self._fair, self._own)
            self._level(takers, self.loads, self._copies * self._fair, self._copy)
            if self.arcs == before:
                break
        return self.arcs

    @staticmethod
    def _level(
        takers: list[NodeId], loads: Callable[[], dict[NodeId, int]], fair: int, take: Callable[[NodeId], None]
    ) -> None:
        load = loads()
        for node in takers:
            if fair - load.get(node, 0) > fair // 50:
                take(node)
                load = loads()

    def loads(self) -> dict[NodeId, int]:
        """Slots of which each sharer shall have a copy."""
        found = dict.fromkeys((member.id for member in self._sharers), 0)
        for index, arc in enumerate(self.arcs):
            slots = ring.width(self.arcs, index)
            for node in arc.wanted:
                found[node] = found.get(node, 0) + slots
        return found

    # --- as many copies as there can be --------------------------------------------------------------------------

    def _drop(self) -> None:
        for index, arc in enumerate(self.arcs):
            kept = tuple(node for node in arc.wanted if node in self._ids)[: self._copies]
            if kept != arc.wanted:
                self.arcs[index] = replace(arc, wanted=kept)

    def _fill(self) -> None:
        load = self.loads()
        for index, arc in enumerate(self.arcs):
            wanted = arc.wanted
            while len(wanted) < self._copies:
                free = [member.id for member in self._sharers if member.id not in wanted]
                best = min(
                    free,
                    key=lambda node: (self._crowded(wanted, node), load[node], self._seniority[node], node),
                )
                wanted = (*wanted, best)
                load[best] += ring.width(self.arcs, index)
            if wanted != arc.wanted:
                self.arcs[index] = replace(arc, wanted=wanted)

    def _crowded(self, others: Sequence[NodeId], node: NodeId) -> bool:
        """Whether one of the others is on the host of this node, though there are hosts enough."""
        return self._crowding_matters and any(
            self._host.get(other) == self._host[node] for other in others if other != node
        )

    # --- owners --------------------------------------------------------------------------------------------------

    def _own(self, node: NodeId) -> None:
        """Slices for a node that owns less than its share: of arcs that it has a copy of, then of others."""
        self._take(node, lambda arc: node in arc.wanted and self._movable(arc))
        self._take(node, lambda arc: node not in arc.wanted and self._fits(arc, node))

    def _fits(self, arc: Arc, node: NodeId) -> bool:
        return self._movable(arc) and not self._crowded(self._without_one(arc, node), node)

    def _take(self, node: NodeId, chosen: Callable[[Arc], bool]) -> None:
        cuts = ring.plan(self.arcs, node, self._fair, chosen, self._seniority)
        if not cuts:
            return
        load = self.loads()
        arcs: list[Arc] = []
        for index, arc in enumerate(self.arcs):
            head, tail = cuts.get(index, (0, 0))
            if not head and not tail:
                arcs.append(arc)
                continue
            size = ring.width(self.arcs, index)
            start = arc.end + 1 - size * ring.SLOT
            taken = replace(arc, wanted=(node, *self._without_one(arc, node, load)))
            for giver in set(arc.wanted).difference(taken.wanted):
                load[giver] -= head + tail
            if head:
                arcs.append(replace(taken, end=start + head * ring.SLOT - 1))
            if head + tail < size:
                arcs.append(replace(arc, end=arc.end - tail * ring.SLOT))
            if tail:
                arcs.append(taken)
        self.arcs = arcs

    def _without_one(self, arc: Arc, node: NodeId, load: dict[NodeId, int] | None = None) -> tuple[NodeId, ...]:
        """The wanted ones beside ``node``: where that makes one too many, the one on its host or with most goes."""
        others = [other for other in arc.wanted if other != node]
        if len(others) >= self._copies:
            weights = load or {}
            others.remove(
                max(
                    others,
                    key=lambda other: (
                        self._crowding_matters and self._host.get(other) == self._host[node],
                        weights.get(other, 0),
                        self._seniority.get(other, 0),
                        other,
                    ),
                )
            )
        return tuple(others)

    # --- further copies ------------------------------------------------------------------------------------------

    def _copy(self, node: NodeId) -> None:
        """Copies for a node that has fewer than its share, in the place of those that have most."""
        self.arcs = list(self.arcs)
        fair = self._copies * self._fair
        load = self.loads()
        cuts = 0
        while fair - load[node] > fair // 50:
            want = fair - load[node]
            found = self._largest(node, load, fair, want)
            if found is None:
                return
            index, giver, slots = found
            if slots < ring.width(self.arcs, index):
                cuts += 1
                if cuts > STRETCHES_USUAL:
                    return
                self._split(index, slots)
                index += 1
            arc = self.arcs[index]
            wanted = tuple(node if other == giver else other for other in arc.wanted)
            self.arcs[index] = replace(arc, wanted=wanted)
            load[node] += slots
            load[giver] -= slots

    def _largest(
        self, node: NodeId, load: dict[NodeId, int], fair: int, want: int
    ) -> tuple[int, NodeId, int] | None:
        """Index, giver and slots of the largest copy that ``node`` may take: whole arcs first, of whoever has most."""
        slack = fair // 50
        best: tuple[tuple[bool, int, int, int, int, NodeId], int, NodeId, int] | None = None
        for index, arc in enumerate(self.arcs):
            if node in arc.wanted or not self._movable(arc):
                continue
            size = ring.width(self.arcs, index)
            for giver in arc.wanted[1:]:
                excess = load[giver] - fair + slack
                others = [other for other in arc.wanted if other != giver]
                slots = min(size, want, excess)
                if slots <= 0 or self._crowded(others, node):
                    continue
                order = (slots == size, load[giver], slots, -index, self._seniority.get(giver, 0), giver)
                if best is None or order > best[0]:
                    best = (order, index, giver, slots)
        return best[1:] if best is not None else None

    def _split(self, index: int, slots: int) -> None:
        """The last ``slots`` of an arc become one of their own, behind the rest of it."""
        arc = self.arcs[index]
        self.arcs[index : index + 1] = [replace(arc, end=arc.end - slots * ring.SLOT), arc]
