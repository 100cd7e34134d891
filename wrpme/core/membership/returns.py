"""When a member may come back, and who is marked down in the same view: pure questions of a voter.

A hive whose nodes all lost their power still calls all of them up. So none of them is let back before it is known of
every other holder of its arcs whether it is there: else it would give its arcs to nodes that never come. And where
several of them return to an arc that nobody holds any more, the one with the most complete copy has to win, so all
that are on their way are waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from wrpme.core.membership.draft import completeness
from wrpme.protocol.view import Arc, Back, Down, NodeId, State, View
from wrpme.protocol.view_index import index_of


def gone(view: View, heard: Mapping[NodeId, int], is_over: bool) -> list[Down]:
    """Members that the view calls up and that are not: those that were heard in a newer life, and, once the time for
    being heard ``is_over``, those that were not heard at all."""
    found: list[Down] = []
    for member in view.members:
        if member.state is not State.DOWN:
            life = heard.get(member.id)
            if (life is None and is_over) or (life is not None and life > member.incarnation):
                found.append(Down(member.id, member.incarnation))
    return found


def ready(
    view: View,
    backs: Collection[Back],
    heard: Mapping[NodeId, int],
    dead: Collection[NodeId],
    is_coming: Callable[[NodeId], bool],
) -> list[Back]:
    """Those that may be in the next view, which marks the ``dead`` down first. ``is_coming`` tells of a node that is no
    up member whether its own return is to be waited for."""
    known = {back.node: back for back in backs}
    index = index_of(view)
    down = index.down.union(dead)
    found = dict(known)
    held = {node: [arc for arc in map(index.table.arc, index.parts(node)) if node in arc.holders] for node in known}

    def fits(node: NodeId) -> bool:
        return all(_fits(arc, node, known, found, heard, down, is_coming) for arc in held[node])

    looked_at = set(found)
    while looked_at:
        void = [node for node in looked_at if not fits(node)]
        for node in void:
            del found[node]
        # Whoever is waited for with it waits, too.
        looked_at = {other for node in void for arc in held[node] for other in arc.holders if other in found}
    return list(found.values())


def _fits(
    arc: Arc,
    node: NodeId,
    known: Mapping[NodeId, Back],
    found: Mapping[NodeId, Back],
    heard: Mapping[NodeId, int],
    down: Collection[NodeId],
    is_coming: Callable[[NodeId], bool],
) -> bool:
    """Whether enough is known of the other holders of an arc for this one to return to it."""
    others = [other for other in arc.holders if other != node]
    if any(other not in heard and other not in down for other in others):
        return False
    if any(other not in down for other in others):
        return True
    rivals = [other for other in others if is_coming(other)]
    if not rivals:
        return True
    return (
        all(rival in found and completeness(known[rival], arc) is not None for rival in rivals)
        and completeness(known[node], arc) is not None
    )
