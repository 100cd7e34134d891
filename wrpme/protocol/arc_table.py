"""The arcs of a view with what is looked up in them, kept as they change: each step costs what it changes.

A table belongs to one view or to one draft of the next one. That of a view is never changed: a draft, and whoever
applies a patch, begins with a copy, which is made of copies of lists and dictionaries alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeVar

from wrpme.protocol.ring import SLOT
from wrpme.protocol.view import Arc, NodeId

_Key = TypeVar("_Key", NodeId, int)
_ANY = Arc(0, 0, ())
_NOWHERE: frozenset[int] = frozenset()


def named(arc: Arc) -> set[NodeId]:
    """All whom an arc depends on, or who wait for it."""
    return {*arc.holders, *arc.incoming, *arc.prev, *arc.wanted}


def lacks_copies(arc: Arc, alive: frozenset[NodeId]) -> bool:
    """Whether fewer live nodes hold the arc than shall."""
    return sum(node in alive for node in arc.holders) < len(arc.wanted)


def alike(left: Arc, right: Arc) -> bool:
    """Whether nothing tells two neighbours apart and nothing is on its way: they may become one."""
    return (
        left.holders == right.holders
        and left.wanted == right.wanted
        and not (left.incoming or left.prev or right.incoming or right.prev)
    )


def _add(counts: dict[_Key, int], key: _Key, amount: int) -> None:
    """What has come to nothing is left out, so that equal tables are equal however they came about."""
    total = counts.get(key, 0) + amount
    if total:
        counts[key] = total
    else:
        counts.pop(key, None)


class ArcTable:
    """``arcs`` in the order of the ring, ``ends`` their ends; everything else follows from these and from who is
    alive."""

    def __init__(self, arcs: Iterable[Arc], alive: frozenset[NodeId]) -> None:
        self.arcs: list[Arc] = list(arcs)
        self.ends: list[int] = [arc.end for arc in self.arcs]
        self.alive = alive
        self.owning: dict[NodeId, int] = {}
        """Slots by future owner."""
        self.holding: dict[NodeId, int] = {}
        """Slots by who shall hold them."""
        self.sizes: dict[int, int] = {}
        """How many arcs shall have so many holders."""
        self.copied = self.changing = 0
        """How many arcs are being copied, and how many change their owner."""
        self.receiving: dict[NodeId, int] = {}
        """How many arcs are being copied to each node,"""
        self.taking: dict[NodeId, int] = {}
        """and of how many it becomes the owner."""
        self.lacking = 0
        """Slots that fewer live nodes hold than shall."""
        self.unserved: set[int] = set()
        """Ends of the arcs without a live holder,"""
        self.unserved_slots = 0
        """their slots,"""
        self.waiting: dict[NodeId, int] = {}
        """and how many of them each of their holders has."""
        self.joints: set[int] = set()
        """Ends of the arcs that nothing tells apart from the next one."""
        self.before: dict[int, Arc | None] = {}
        """By its end each arc that was touched since the table was copied, as it was then."""
        self.shifted: set[int] = set()
        """Ends of the arcs that begin elsewhere since then."""
        self._parts: dict[NodeId, frozenset[int]] = {}
        found: dict[NodeId, list[int]] = {}
        for at, arc in enumerate(self.arcs):
            self._count(at, 1)
            for node in named(arc):
                found.setdefault(node, []).append(arc.end)
            if at and alike(self.arcs[at - 1], arc):
                self.joints.add(self.arcs[at - 1].end)
        self._parts = {node: frozenset(ends) for node, ends in found.items()}

    def copy(self) -> ArcTable:
        """A table to be changed."""
        made = ArcTable((), self.alive)
        made.arcs, made.ends = list(self.arcs), list(self.ends)
        made.owning, made.holding = self.owning.copy(), self.holding.copy()
        made.sizes = self.sizes.copy()
        made.receiving, made.taking = self.receiving.copy(), self.taking.copy()
        made.copied, made.changing, made.lacking = self.copied, self.changing, self.lacking
        made.unserved, made.unserved_slots = self.unserved.copy(), self.unserved_slots
        made.waiting, made.joints, made._parts = self.waiting.copy(), self.joints.copy(), self._parts.copy()
        return made

    # --- what is asked -------------------------------------------------------------------------------------------

    def parts(self, node: NodeId) -> frozenset[int]:
        """Ends of the arcs that name the node."""
        return self._parts.get(node, _NOWHERE)

    def all_named(self) -> set[NodeId]:
        """Everybody that some arc names."""
        return set(self._parts)

    def at(self, end: int) -> int | None:
        """Index of the arc with that end."""
        index = bisect_left(self.ends, end)
        return index if index < len(self.ends) and self.ends[index] == end else None

    def arc(self, end: int) -> Arc:
        """The arc with that end; or, where none ends there, the one around it."""
        return self.arcs[bisect_left(self.ends, end)]

    def arc_and_width(self, end: int) -> tuple[Arc, int]:
        """The arc with that end, and its slots."""
        index = bisect_left(self.ends, end)
        return self.arcs[index], (end - (self.ends[index - 1] if index else -1)) // SLOT

    def is_new(self, end: int) -> bool:
        """Whether an arc ends there since the table was copied."""
        return self.before.get(end, _ANY) is None

    def first(self, end: int) -> int:
        """The first position of the arc with that end."""
        index = bisect_left(self.ends, end)
        return self.ends[index - 1] + 1 if index else 0

    def width(self, end: int) -> int:
        """Slots of the arc with that end."""
        return self._width(bisect_left(self.ends, end))

    def _width(self, index: int) -> int:
        return (self.ends[index] - (self.ends[index - 1] if index else -1)) // SLOT

    # --- what is changed -----------------------------------------------------------------------------------------

    def put(self, arc: Arc) -> None:
        """The arc with that end is this one from now on; where none ended there, the one around it is cut."""
        end = arc.end
        index = bisect_left(self.ends, end)
        if index < len(self.ends) and self.ends[index] == end:
            former, slots = self.arcs[index], self._width(index)
            self.before.setdefault(end, former)
            self._count_state(former, slots, -1)
            self.arcs[index] = arc
            self._count_state(arc, slots, 1)
            if former.wanted != arc.wanted:
                self._count_wanted(former.wanted, slots, -1)
                self._count_wanted(arc.wanted, slots, 1)
            self._name(end, named(former), named(arc))
        else:
            self.before.setdefault(end, None)
            cut = index < len(self.ends)
            if cut:
                self._count(index, -1)
                self.shifted.add(self.ends[index])
            self.arcs.insert(index, arc)
            self.ends.insert(index, end)
            self._count(index, 1)
            if cut:
                self._count(index + 1, 1)
            self._name(end, set(), named(arc))
        self._join(index - 1)
        self._join(index)

    def drop(self, end: int) -> None:
        """No arc ends there any more: what it was belongs to the next one."""
        index = self.at(end)
        if index is None:
            return
        arc = self.arcs[index]
        self.before.setdefault(end, arc)
        follows = index + 1 < len(self.ends)
        self._count(index, -1)
        if follows:
            self._count(index + 1, -1)
            self.shifted.add(self.ends[index + 1])
        del self.arcs[index], self.ends[index]
        if follows:
            self._count(index, 1)
        self._name(end, named(arc), set())
        self.joints.discard(end)
        self._join(index - 1)

    def live(self, alive: frozenset[NodeId]) -> None:
        """Others are alive from now on: the arcs that name them count anew."""
        ends: set[int] = set()
        for node in alive ^ self.alive:
            ends |= self.parts(node)
        counted = [self.arc_and_width(end) for end in ends]
        for arc, slots in counted:
            self._count_state(arc, slots, -1)
        self.alive = alive
        for arc, slots in counted:
            self._count_state(arc, slots, 1)

    def changes(self) -> tuple[tuple[Arc, ...], tuple[int, ...]]:
        """Arcs that are new or differ since the table was copied, and ends where none ends any more."""
        changed: list[Arc] = []
        gone: list[int] = []
        for end, former in sorted(self.before.items()):
            index = self.at(end)
            if index is None:
                if former is not None:
                    gone.append(end)
            elif self.arcs[index] != former:
                changed.append(self.arcs[index])
        return tuple(changed), tuple(gone)

    def _count(self, index: int, sign: int) -> None:
        """Counts an arc in (1), or out (-1) before it changes."""
        arc, slots = self.arcs[index], self._width(index)
        self._count_wanted(arc.wanted, slots, sign)
        self._count_state(arc, slots, sign)

    def _count_wanted(self, wanted: tuple[NodeId, ...], slots: int, sign: int) -> None:
        _add(self.sizes, len(wanted), sign)
        if wanted:
            _add(self.owning, wanted[0], sign * slots)
            for node in wanted:
                _add(self.holding, node, sign * slots)

    def _count_state(self, arc: Arc, slots: int, sign: int) -> None:
        if arc.incoming:
            self.copied += sign
            for node in arc.incoming:
                _add(self.receiving, node, sign)
        live = 0
        for node in arc.holders:
            live += node in self.alive
        if arc.prev:
            self.changing += sign
            if live:  # then the first one is: no down holder stands beside a live one
                _add(self.taking, arc.holders[0], sign)
        if live < len(arc.wanted):
            self.lacking += sign * slots
        if not live:
            self.unserved_slots += sign * slots
            (self.unserved.add if sign > 0 else self.unserved.discard)(arc.end)
            for node in arc.holders:
                _add(self.waiting, node, sign)

    def _name(self, end: int, before: set[NodeId], after: set[NodeId]) -> None:
        for node in before - after:
            left = self._parts.get(node, _NOWHERE) - {end}
            if left:
                self._parts[node] = left
            else:
                self._parts.pop(node, None)
        for node in after - before:
            self._parts[node] = self._parts.get(node, _NOWHERE) | {end}

    def _join(self, index: int) -> None:
        """Looks anew whether an arc and the next one are alike."""
        if 0 <= index < len(self.arcs):
            follows = index + 1 < len(self.arcs)
            if follows and alike(self.arcs[index], self.arcs[index + 1]):
                self.joints.add(self.ends[index])
            else:
                self.joints.discard(self.ends[index])
