"""The ring: where an alias lies, and which slices a node shall get.

Consistent hashing (Karger et al. 1997) with an explicit table of arcs: placement is computed once, when a view is
made, and read everywhere else. Boundaries of arcs are multiples of 1/``SLOTS`` of the ring, and no arc lies over
position 0, so the arcs of a view are plain ascending ranges.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

from wrpme.errors import TooLargeError, UsageError
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, SLOTS, STRETCHES_MAX, STRETCHES_USUAL
from wrpme.picture import Arc, NodeId, View

RING = 1 << 64
SLOT = RING // SLOTS
_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


def check_alias(alias: str) -> bytes:
    """The alias in UTF-8.

    Raises:
        UsageError: it is empty, or has spaces or control characters.
        TooLargeError: it is over ``ALIAS_BYTES_MAX`` bytes.
    """
    if not alias:
        raise UsageError("an alias has at least one character")
    if _FORBIDDEN.search(alias):
        raise UsageError(f"the alias {alias[:40]!r} has a space or a control character, which no alias may have")
    try:
        encoded = alias.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the alias {alias[:40]!r} is not valid text, an alias is UTF-8") from None
    if len(encoded) > ALIAS_BYTES_MAX:
        raise TooLargeError(f"the alias has {len(encoded)} bytes, the limit is {ALIAS_BYTES_MAX}")
    return encoded


def check_content(content: bytes) -> None:
    """Raises TooLargeError if the content is over ``CONTENT_BYTES_MAX`` bytes."""
    if len(content) > CONTENT_BYTES_MAX:
        raise TooLargeError(f"the content has {len(content)} bytes, the limit is {CONTENT_BYTES_MAX} (64 MiB)")


def hash_of(alias: str | bytes) -> int:
    """The position of an alias on the ring: 64 bits of BLAKE2b over its UTF-8."""
    encoded = alias.encode() if isinstance(alias, str) else alias
    return int.from_bytes(blake2b(encoded, digest_size=8).digest(), "big")


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
    return next((holder for holder in arc.holders if holder in alive), None)


def first_in(arcs: Sequence[Arc], index: int) -> int:
    """The first position of an arc."""
    return arcs[index - 1].end + 1 if index else 0


def settled_at(arc: Arc, position: int) -> int:
    """The version from which on a write of a tail at that position of the arc may still count; see :class:`Arc`."""
    return next((version for end, version in arc.settled if position <= end), 0)


def settled_of(arc: Arc, first: int) -> tuple[tuple[int, int], ...]:
    """What is settled in the arc that begins at ``first``, without what lies outside of it."""
    return tuple((min(end, arc.end), version) for end, version in arc.settled if end >= first and version)


def arc_start(view: View, index: int) -> int:
    """The first position of an arc of a view."""
    return first_in(view.arcs, index)


def width(arcs: Sequence[Arc], index: int) -> int:
    """Size of an arc in slots."""
    return (arcs[index].end + 1 - first_in(arcs, index)) // SLOT


def whole_ring(node: NodeId, epoch: int) -> tuple[Arc, ...]:
    """The arcs of a hive of one node."""
    part = SLOTS // STRETCHES_USUAL
    ends = [end_of_slot((i + 1) * part) for i in range(STRETCHES_USUAL)]
    return tuple(Arc(end, epoch, (node,), wanted=(node,)) for end in ends)


def future_owner(arc: Arc) -> NodeId:
    """Who will own the arc when what is on its way has arrived."""
    return arc.wanted[0]


def owned(arcs: Sequence[Arc]) -> dict[NodeId, int]:
    """Slots by present owner; of an arc without a live holder, by the one that was it last."""
    found: dict[NodeId, int] = {}
    for index, arc in enumerate(arcs):
        found[arc.holders[0]] = found.get(arc.holders[0], 0) + width(arcs, index)
    return found


def loads(arcs: Sequence[Arc]) -> dict[NodeId, int]:
    """Slots by future owner."""
    found: dict[NodeId, int] = {}
    for index, arc in enumerate(arcs):
        owner = future_owner(arc)
        found[owner] = found.get(owner, 0) + width(arcs, index)
    return found


def stretches(arcs: Sequence[Arc], node: NodeId) -> int:
    """How many contiguous stretches of the circle a node will own."""
    mine = [future_owner(arc) == node for arc in arcs]
    starts = sum(now and not before for before, now in zip([mine[-1], *mine], mine, strict=False))
    return starts or int(mine[0])


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


Cuts = dict[int, list[int]]
"""By index of an arc: how many slots leave at its head and at its tail."""


def plan(
    arcs: Sequence[Arc], node: NodeId, fair: int, movable: Callable[[Arc], bool], seniority: Mapping[NodeId, int]
) -> Cuts:
    """Which slices ``node`` shall own so that it has its ``fair`` share (slots) and the others are levelled.

    Taken from the most loaded, in at most ``STRETCHES_MAX`` stretches: with few givers several slices from each, with
    many a stretch lies over the boundary between two of them.
    """
    load = loads(arcs)
    want = fair - load.get(node, 0)
    if want <= fair // 50:
        return {}
    of: dict[NodeId, list[int]] = {}
    for index, arc in enumerate(arcs):
        giver = future_owner(arc)
        if giver != node and movable(arc):
            of.setdefault(giver, []).append(index)
    givers = sorted(of, key=lambda giver: (-load[giver], seniority.get(giver, 0), giver))
    amounts = gives([load[giver] for giver in givers], [load[giver] for giver in givers], want)
    givers = [giver for giver, amount in zip(givers, amounts, strict=True) if amount]
    budget = max(1, STRETCHES_MAX - stretches(arcs, node))
    if len(givers) > budget:
        return _straddle(arcs, of, givers, load, want, budget)
    cuts: Cuts = {}
    for total in range(max(len(givers), min(budget, STRETCHES_USUAL)), budget + 1):
        cuts = {}
        for rank, (giver, amount) in enumerate(zip(givers, filter(None, amounts), strict=True)):
            slices = (total + len(givers) - 1 - rank) // len(givers)
            largest = sorted(of[giver], key=lambda index: (-width(arcs, index), index))[:slices]
            widths = [width(arcs, index) for index in largest]
            for index, slots in zip(largest, gives(widths, widths, amount), strict=True):
                if slots:
                    cuts[index] = [0, slots]
        if sum(tail for _, tail in cuts.values()) >= want:
            break
    return cuts


def _straddle(
    arcs: Sequence[Arc],
    of: dict[NodeId, list[int]],
    givers: list[NodeId],
    load: dict[NodeId, int],
    want: int,
    budget: int,
) -> Cuts:
    """One stretch over each of up to ``budget`` boundaries between two givers, so that twice as many give: each of
    them is cut once."""
    allowed = {index for giver in givers for index in of[giver]}
    sides: list[tuple[NodeId, int, int]] = []
    used: set[NodeId] = set()
    need = want // len(givers) + 1
    for giver in givers:
        if budget == 0:
            break
        if giver in used:
            continue
        budget -= 1
        used.add(giver)
        best: tuple[int, int, int, int] | None = None
        for index in of[giver]:
            for mine, other, side in ((index, index + 1, 1), (index, index - 1, 0)):
                if other in allowed and future_owner(arcs[other]) not in used:
                    got = min(need, width(arcs, mine)) + min(need, width(arcs, other))
                    found = (got, load[future_owner(arcs[other])], mine, side)
                    best = max(best, found) if best else found
        if best is None:
            sides.append((giver, max(of[giver], key=lambda index: width(arcs, index)), 1))
            continue
        _, _, mine, side = best
        other = mine + 1 if side else mine - 1
        partner = future_owner(arcs[other])
        used.add(partner)
        sides += [(giver, mine, side), (partner, other, 1 - side)]
    sides.sort(key=lambda found: (-load[found[0]], found[1]))
    cuts: Cuts = {}
    caps = [width(arcs, index) for _, index, _ in sides]
    for (_, index, side), slots in zip(sides, gives([load[giver] for giver, _, _ in sides], caps, want), strict=True):
        if slots:
            cuts.setdefault(index, [0, 0])[side] = slots
    return cuts
