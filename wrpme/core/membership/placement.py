"""Who shall hold which arc: the wanted holders in their order, the first of them the owner to be.

Works on the arcs' ``wanted`` alone; who holds what now follows it step by step, see
:mod:`wrpme.core.membership.draft`. Everything is a function of its arguments, and costs what changes: only the arcs of
those that give are looked at.

- Each arc wants min(R, nodes) holders, on different hosts where the addresses allow it.
- Who has too little takes from the ``GIVERS_MAX`` that have most, down to one level: ownership first, then copies.
- Whole arcs are taken before parts of arcs, and of those alike the ones of nodes that share arcs with the taker
  already: the fewer nodes one shares arcs with, the fewer heartbeats it sends, and the rarer three nodes that die at
  once are all holders of one arc ("Copysets", Cidon and others 2013).
- Only what must move moves: whoever has enough keeps what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush, nsmallest

from msgspec.structs import replace

from wrpme.core.limits import GIVERS_MAX
from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.arc_table import ArcTable
from wrpme.protocol.view import NOBODY, Arc, Member, NodeId

_LACK_PART = 25
"""A node takes when it lacks more than one such part of its fair share: what is nearer is not worth moving data."""
_CLOSE_PART = 100
"""It takes until it lacks no more than this."""
_MORE_PART = 50
"""Who gets what another one leaves may exceed its fair share by so much, if that keeps its neighbours few."""


class Placement:
    """Changes ``table``. ``sharers`` are the members that shall hold something."""

    def __init__(self, table: ArcTable, sharers: Sequence[Member], replication: int) -> None:
        self.table = table
        self.touched: set[int] = set()
        """Ends of the arcs of which something else is wanted now."""
        self._joined = {member.id: member.joined for member in sharers}
        self._host = {member.id: member.address.rpartition(":")[0] for member in sharers}
        self._copies = min(replication, len(sharers))
        self._fair = SLOTS // len(sharers)
        hosts = len(set(self._host.values()))
        self._crowding_matters = 1 < self._copies <= hosts < len(sharers)
        self._near: dict[NodeId, set[NodeId]] = {}
        self._ownerless: set[int] = set()
        self._least: list[tuple[int, int, NodeId]] = []

    def settle(self, newcomer: NodeId = NOBODY) -> None:
        """Everybody that is no sharer is dropped, every arc gets as many copies as it can, all get their share; where
        there is a newcomer, only it does."""
        self._fill(self._drop())
        takers = sorted(self._joined, key=self._seniority) if newcomer == NOBODY else [newcomer]
        owning, holding, copies = self.table.owning, self.table.holding, self._copies * self._fair
        for node in takers:
            if node in self._joined:
                if self._fair - owning.get(node, 0) > self._fair // _LACK_PART:
                    self._own(node)
                if copies - holding.get(node, 0) > copies // _LACK_PART:
                    self._hold(node)

    def _seniority(self, node: NodeId) -> tuple[int, NodeId]:
        return self._joined[node], node

    def _put(self, arc: Arc, wanted: tuple[NodeId, ...]) -> None:
        self.table.put(replace(arc, wanted=wanted))
        self.touched.add(arc.end)
        for node in wanted:
            if node in self._near:
                self._near[node].update(wanted)

    def _take(self, arc: Arc, slots: int, wanted: tuple[NodeId, ...]) -> None:
        """Of the last ``slots`` of an arc something else is wanted; the rest of it stays before them."""
        if slots < self.table.width(arc.end):
            rest = arc.end - slots * ring.SLOT
            self.table.put(replace(arc, end=rest))
            self.touched.add(rest)
        self._put(arc, wanted)

    def _neighbours(self, node: NodeId) -> set[NodeId]:
        """Whom the node shall share arcs with, as far as was looked."""
        found = self._near.get(node)
        if found is None:
            found = self._near[node] = set()
            for end in self.table.parts(node):
                wanted = self.table.arc(end).wanted
                if node in wanted:
                    found.update(wanted)
        return found

    def _crowded(self, others: Sequence[NodeId], node: NodeId) -> bool:
        """Whether one of the others is on the host of this node, though there are hosts enough."""
        return self._crowding_matters and any(self._host[other] == self._host[node] for other in others)

    # --- as many copies as there can be --------------------------------------------------------------------------

    def _drop(self) -> list[int]:
        """Ends of the arcs that lack somebody then, or have somebody too many. Where somebody is dropped they are cut
        so that each part is little for those who get it; where another number is wanted the widest come first, so that
        what is left for the end is little."""
        table, short = self.table, set[int]()
        for node in sorted(table.all_named() - self._joined.keys()):
            for end in sorted(table.parts(node)):
                arc = table.arc(end)
                if node in arc.wanted:
                    short.update(self._without(arc, node))
        others: list[int] = []
        if len(table.arcs) - table.sizes.get(self._copies, 0) != len(short):
            others = [arc.end for arc in table.arcs if len(arc.wanted) != self._copies and arc.end not in short]
            others.sort(key=table.width, reverse=True)
        return [*sorted(short), *others]

    def _without(self, arc: Arc, node: NodeId) -> list[int]:
        """Drops a node from what an arc wants."""
        most = max(1, self._fair // GIVERS_MAX)
        ends: list[int] = []
        while True:
            slots = min(most, self.table.width(arc.end))
            before = arc.end - slots * ring.SLOT
            is_last = slots == self.table.width(arc.end)
            self._take(arc, slots, tuple(other for other in arc.wanted if other != node))
            ends.append(arc.end)
            if arc.wanted[0] == node:
                self._ownerless.add(arc.end)
            if is_last:
                return ends
            arc = self.table.arc(before)

    def _owner_first(self, arc: Arc, nodes: Sequence[NodeId]) -> list[NodeId]:
        """The next owner before the others: of those that own no more than their share one that holds the arc already;
        else the one that owns least."""
        owning = self.table.owning
        slots = self.table.width(arc.end)

        def order(node: NodeId) -> tuple[bool, bool, int, int]:
            owned = owning.get(node, 0)
            return owned + slots > self._fair, node not in arc.holders, owned, nodes.index(node)

        first = min(nodes, key=order)
        return [first, *(node for node in nodes if node != first)]

    def _fill(self, short: Sequence[int]) -> None:
        for end in short:
            arc = self.table.arc(end)
            wanted = arc.wanted if len(arc.wanted) <= self._copies else self._fewer(arc)
            while len(wanted) < self._copies:
                wanted = (*wanted, self._further(wanted, self.table.width(end)))
            if end in self._ownerless:
                wanted = tuple(self._owner_first(arc, wanted))
            self._put(arc, wanted)
        self._ownerless.clear()

    def _fewer(self, arc: Arc) -> tuple[NodeId, ...]:
        """Who stays of those who shall hold an arc and are too many: the next owner as before, and of the others, on
        further hosts, those that are there and have it; of those alike the ones that have least."""
        kept = [arc.wanted[0]]

        def order(node: NodeId) -> tuple[bool, bool, int, int]:
            is_down, lacks = node not in self.table.alive, node not in arc.holders
            return is_down, lacks, self.table.holding[node], arc.wanted.index(node)

        for node in sorted(arc.wanted[1:], key=order):
            if len(kept) < self._copies and not self._crowded(kept, node):
                kept.append(node)
        return tuple(sorted(kept, key=arc.wanted.index))

    def _further(self, wanted: tuple[NodeId, ...], slots: int) -> NodeId:
        """One more for an arc of so many slots: a neighbour of those that are there, if it has room; else whoever has
        least."""
        holding, fair = self.table.holding, self._copies * self._fair
        near: dict[NodeId, int] = {}
        for other in wanted:
            for node in self._neighbours(other):
                near[node] = near.get(node, 0) + 1
        room = fair + fair // _MORE_PART - slots
        fit = [
            node for node in near
            if node in self._joined and node not in wanted and holding.get(node, 0) <= room
            and not self._crowded(wanted, node)
        ]  # fmt: skip
        if fit:
            return min(fit, key=lambda node: (-near[node], holding.get(node, 0), self._seniority(node)))
        return self._emptiest(wanted)

    def _emptiest(self, wanted: tuple[NodeId, ...]) -> NodeId:
        holding = self.table.holding
        if not self._least:
            self._least = [(holding.get(node, 0), joined, node) for node, joined in self._joined.items()]
            heapify(self._least)
        passed: list[tuple[int, int, NodeId]] = []
        found = crowded = NOBODY
        while self._least and not found:
            slots, joined, node = heappop(self._least)
            if slots != holding.get(node, 0):
                heappush(self._least, (holding.get(node, 0), joined, node))
                continue
            passed.append((slots, joined, node))
            if node not in wanted:
                if not self._crowded(wanted, node):
                    found = node
                crowded = crowded or node
        for entry in passed:
            heappush(self._least, entry)
        return found or crowded

    # --- a fair share for each -----------------------------------------------------------------------------------

    def _level(self, slots: dict[NodeId, int], node: NodeId, want: int) -> int:
        """Down to where the few that have most would give ``want`` slots together."""
        most = nsmallest(GIVERS_MAX, (-amount for giver, amount in slots.items() if giver != node))
        amounts = [-amount for amount in most]
        taken = ring.gives(amounts, amounts, want)
        return min((amount - gift for amount, gift in zip(amounts, taken, strict=True) if gift), default=0)

    @staticmethod
    def _givers(slots: dict[NodeId, int], node: NodeId, level: int) -> list[tuple[int, NodeId]]:
        """Those above the level, as a heap: the first one has most."""
        heap = [(-amount, giver) for giver, amount in slots.items() if amount > level and giver != node]
        heapify(heap)
        return heap

    def _own(self, node: NodeId) -> None:
        """Ownership for a node that has too little: of arcs that it has a copy of, or instead of one that has many."""
        table, want = self.table, self._fair - self.table.owning.get(node, 0)
        level = self._level(table.owning, node, want)
        missing = self._copies * self._fair - table.holding.get(node, 0)
        copies_level = self._level(table.holding, node, missing) if missing > 0 else SLOTS
        heap = self._givers(table.owning, node, level)
        while heap and want > self._fair // _CLOSE_PART:
            amount, giver = heappop(heap)
            found = self._best_owned(node, giver, min(want, -amount - level), copies_level)
            if found is None:
                continue
            arc, slots, others = found
            self._take(arc, slots, (node, *others))
            want -= slots
            if table.owning.get(giver, 0) > level:
                heappush(heap, (-table.owning[giver], giver))

    def _best_owned(
        self, node: NodeId, giver: NodeId, most: int, copies_level: int
    ) -> tuple[Arc, int, tuple[NodeId, ...]] | None:
        """The arc that ``giver`` shall own which suits ``node`` best, how much of it, and who stays beside it."""
        table, near = self.table, self._neighbours(node)
        best: tuple[tuple[bool, bool, int, int, int], Arc, int, tuple[NodeId, ...]] | None = None
        for end in table.parts(giver):
            arc, width = table.arc_and_width(end)
            wanted = arc.wanted
            if wanted[0] != giver or end in table.unserved:
                continue
            slots, has_room = min(width, most), True
            goes = node if node in wanted else self._who_goes(wanted, node)
            others = tuple([other for other in wanted if other != goes])
            if goes != node:
                if self._crowding_matters and self._crowded(others, node):
                    continue
                room = table.holding[goes] - copies_level
                has_room = room >= min(slots, max(1, self._fair // _MORE_PART))
                slots = min(slots, room) if has_room else slots
            known = len(near.intersection(others))
            order = (has_room, slots == width, known - len(others), slots, -end)
            if best is None or order > best[0]:
                best = (order, arc, slots, others)
        return best[1:] if best is not None else None

    def _who_goes(self, wanted: Sequence[NodeId], node: NodeId) -> NodeId:
        """In whose place ``node`` comes: the one on its host, or that has most."""
        holding, host = self.table.holding, self._host[node]
        if self._crowding_matters:
            beside = [one for one in wanted if self._host[one] == host]
            wanted = beside or wanted
        return max(wanted, key=lambda one: (holding[one], self._joined[one], one))

    def _hold(self, node: NodeId) -> None:
        """Copies for a node that has too few, in the place of those that have most."""
        table, fair = self.table, self._copies * self._fair
        want = fair - table.holding.get(node, 0)
        level = self._level(table.holding, node, want)
        heap = self._givers(table.holding, node, level)
        while heap and want > fair // _CLOSE_PART:
            amount, giver = heappop(heap)
            found = self._best_held(node, giver, min(want, -amount - level))
            if found is None:
                continue
            arc, slots = found
            wanted = [node if other == giver else other for other in arc.wanted]
            if giver == arc.wanted[0]:
                wanted = self._owner_first(arc, wanted)
            self._take(arc, slots, tuple(wanted))
            want -= slots
            if table.holding.get(giver, 0) > level:
                heappush(heap, (-table.holding[giver], giver))

    def _best_held(self, node: NodeId, giver: NodeId, most: int) -> tuple[Arc, int] | None:
        """The arc that ``giver`` shall hold which suits ``node`` best, and how much of it: rather one that the giver
        shall not own."""
        table, near, holding = self.table, self._neighbours(node), self.table.holding
        best: tuple[tuple[bool, bool, int, int, int, int], Arc, int] | None = None
        for end in table.parts(giver):
            arc, width = table.arc_and_width(end)
            wanted = arc.wanted
            if giver not in wanted or node in wanted or end in table.unserved:
                continue
            if self._crowding_matters and self._crowded([other for other in wanted if other != giver], node):
                continue
            slots = min(width, most)
            known, load = 0, 0
            for other in wanted:
                if other != giver:
                    known += other in near
                    load += holding[other]
            order = (giver != wanted[0], slots == width, known, slots, load, -end)
            if best is None or order > best[0]:
                best = (order, arc, slots)
        return best[1:] if best is not None else None
