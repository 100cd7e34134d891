"""Which of the changes that wait go into one view: at most some members join or return in one, in order of arrival.

A view of many joins takes long to compute and begins many copies at once; the rest waits for the next view without
cost. Deaths go together, however many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from wrpme.core.membership.draft import completeness
from wrpme.core.limits import MOVES_PER_VIEW_MAX
from wrpme.protocol.view import Back, NodeId, View
from wrpme.protocol.view_index import arcs_of, index_of


def first_returns(view: View, backs: Sequence[Back], dead: Collection[NodeId]) -> list[Back]:
    """Returns those of ``backs`` that the next view takes, which first marks the ``dead`` down: all voters, then others
    in their order.

    Of several holders of an arc that nobody holds any more the most complete has to win. So nobody returns before one
    that has more of such an arc and waits to return as well: they go in the same view, also where that makes more than
    the bound. So do all voters: one that stays down has no vote, and may be needed for the view after this one.
    """
    known = {back.node: back for back in backs}
    better = _better(view, known, dead)
    taken: dict[NodeId, Back] = {}
    for back in sorted(backs, key=lambda back: back.node not in view.voters):
        if back.node in taken:
            continue
        together = _closure(back.node, better, taken)
        fits = len(taken) + len(together) <= MOVES_PER_VIEW_MAX
        if fits or not taken or back.node in view.voters:
            taken.update((node, known[node]) for node in together)
    return list(taken.values())


def _closure(node: NodeId, better: Mapping[NodeId, set[NodeId]], taken: Collection[NodeId]) -> list[NodeId]:
    found = [node]
    for each in found:
        found += [other for other in sorted(better.get(each, ())) if other not in found and other not in taken]
    return found


def _better(view: View, backs: Mapping[NodeId, Back], dead: Collection[NodeId]) -> dict[NodeId, set[NodeId]]:
    """For each node that returns: those that have more than it of an arc that nobody holds."""
    found: dict[NodeId, set[NodeId]] = {}
    if len(backs) < 2:
        return found
    down = set(dead).union(backs, index_of(view).down)
    for arc in {arc.end: arc for node in backs for arc in arcs_of(view, node)}.values():
        rivals = [node for node in arc.holders if node in backs]
        if len(rivals) < 2 or any(node not in down for node in arc.holders):
            continue
        marks = {node: completeness(backs[node], arc) or (0, 0) for node in rivals}
        best = max(rivals, key=lambda node: marks[node])  # the first in the arc's order, among equals
        for node in rivals:
            if marks[node] < marks[best]:
                found.setdefault(node, set()).add(best)
    return found
