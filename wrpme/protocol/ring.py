"""The ring: where an alias lies, and which slices a node shall get.

Consistent hashing (Karger et al. 1997) with an explicit table of arcs: placement is computed once, when a view is
made, and read everywhere else. Boundaries of arcs are multiples of 1/``SLOTS`` of the ring, and no arc lies over
position 0, so the arcs of a view are plain ascending ranges.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from wrpme.limits import SLOTS
from wrpme.protocol.view import Arc, NodeId, View

RING = 1 << 64
SLOT = RING // SLOTS
STRETCHES_FIRST = 8
"""The first node has the ring in so many arcs: wide enough that later nodes can take from them."""


def hash_of(alias: bytes) -> int:
    """64 bits of BLAKE2b over an alias, or over its tag: a position on the ring."""
    return int.from_bytes(blake2b(alias, digest_size=8).digest(), "big")


def digest_of(alias: bytes) -> bytes:
    """The same as its 8 bytes, big endian."""
    return blake2b(alias, digest_size=8).digest()


def tag_of(alias: bytes) -> bytes:
    """What of an alias is hashed where aliases have tags: what stands between the first ``{`` and the next ``}`` after
    it, if that is something; else the alias."""
    first = alias.find(b"{")
    if first >= 0:
        end = alias.find(b"}", first + 1)
        if end > first + 1:
            return alias[first + 1 : end]
    return alias


class Placed(Protocol):
    """A view, or what is shown of one."""

    @property
    def tags(self) -> bool:
        """Whether aliases have tags there."""


def position_of(view: Placed | None, alias: bytes) -> int:
    """The position of an entry in the hive of that view. Aliases with one tag have one position, so that their entries
    are always together on one arc; in a hive without tags, and where no view is known yet, the whole alias counts."""
    return hash_of(tag_of(alias) if view is not None and view.tags else alias)


CURSOR_BITS = 53
"""Of a cursor: as many as a number has exactly in every language."""
_IN_BUCKET_BITS = 13
_BUCKET_BITS = 64 - (CURSOR_BITS - _IN_BUCKET_BITS)


def cursor_of(position: int, alias: bytes) -> int:
    """Where an entry comes in the order of the ring, for who goes through all entries and keeps nothing but a number:
    40 bits of its position, which tell its slot and more, and 13 of the hash of its alias, so that the entries of one
    tag, which all have one position, do not come all at once."""
    return bucket_of(position) << _IN_BUCKET_BITS | hash_of(alias) & ((1 << _IN_BUCKET_BITS) - 1)


def bucket_of(position: int) -> int:
    """The first 40 bits of a position, below which the order of the ring is another one."""
    return position >> _BUCKET_BITS


def cursor_at(position: int) -> int:
    """The first cursor that is of a position or behind it, where that is the first of a bucket."""
    return bucket_of(position) << _IN_BUCKET_BITS


def position_at(cursor: int) -> int:
    """The first position that a cursor is of."""
    return cursor >> _IN_BUCKET_BITS << _BUCKET_BITS


def slot_of(position: int) -> int:
    """The slot, 0 to ``SLOTS`` - 1, of a position."""
    return position // SLOT


def end_of_slot(count: int) -> int:
    """The last position of the first ``count`` slots."""
    return count * SLOT - 1


def _end(arc: Arc) -> int:
    return arc.end


def arc_at(view: View, position: int) -> int:
    """Index of the arc that a position lies in."""
    return bisect_left(view.arcs, position, key=_end)


def owner_among(alive: frozenset[NodeId], arc: Arc) -> NodeId | None:
    """The first holder that is among the living."""
    for holder in arc.holders:
        if holder in alive:
            return holder
    return None


def first_in(arcs: Sequence[Arc], index: int) -> int:
    """The first position of an arc."""
    return arcs[index - 1].end + 1 if index else 0


def settled_at(arc: Arc, position: int) -> int:
    """The version from which on a write of a suffix at that position of the arc may still count; see :class:`Arc`."""
    return next((version for end, version in arc.settled if position <= end), 0)


def settled_of(arc: Arc, first: int) -> tuple[tuple[int, int], ...]:
    """What is settled in the arc that begins at ``first``, without what lies outside of it, up to its end. A stretch of
    which nothing is settled has the version 0: without it, it would have that of the stretch behind it."""
    found: list[tuple[int, int]] = []
    for end, version in (*arc.settled, (arc.end, 0)):
        if end >= first and (not found or found[-1][0] < arc.end):
            found.append((min(end, arc.end), version))
    return tuple(found)


def arc_start(view: View, index: int) -> int:
    """The first position of an arc of a view."""
    return first_in(view.arcs, index)


def width(arcs: Sequence[Arc], index: int) -> int:
    """Size of an arc in slots."""
    return (arcs[index].end + 1 - first_in(arcs, index)) // SLOT


def whole_ring(node: NodeId, epoch: int) -> tuple[Arc, ...]:
    """The arcs of a hive of one node."""
    part = SLOTS // STRETCHES_FIRST
    ends = [end_of_slot((i + 1) * part) for i in range(STRETCHES_FIRST)]
    return tuple(Arc(end, epoch, (node,), wanted=(node,)) for end in ends)


def owned(arcs: Sequence[Arc]) -> dict[NodeId, int]:
    """Slots by present owner; of an arc without a live holder, by the one that was it last."""
    found: dict[NodeId, int] = {}
    for index, arc in enumerate(arcs):
        found[arc.holders[0]] = found.get(arc.holders[0], 0) + width(arcs, index)
    return found


def gives(amounts: Sequence[int], caps: Sequence[int], want: int) -> list[int]:
    """How much each takes off, at most its cap, so that ``want`` comes together and the highest are levelled."""

    def taken(level: int) -> list[int]:
        return [min(cap, max(0, amount - level)) for amount, cap in zip(amounts, caps, strict=True)]

    low, high = 0, max(amounts, default=0)
    while low < high:  # the highest level that still gives enough
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(taken(middle)) >= want else (low, middle - 1)
    result = taken(low)
    surplus = sum(result) - want
    for index in reversed(range(len(result))):
        if surplus > 0 and result[index] > 0:
            result[index] -= 1
            surplus -= 1
    return result
