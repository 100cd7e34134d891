"""When a member may come back, and who is marked down in the same view: pure questions of a voter.

A hive whose nodes all lost their power still calls all of them up. So none of them is let back before it is known of
every other holder of its arcs whether it is there: else it would give its arcs to nodes that never come. And where
several of them return to an arc that nobody holds any more, the one with the most complete copy has to win, so all
that are on their way are waited for. For the same reason one that has restarted is not marked down beside a holder that
the view calls up and nobody has heard: that one may come with a log that a lying disk has cut.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set

from wrpme.core.membership.draft import completeness
from wrpme.protocol.view import Arc, Back, Down, NodeId, State, View
from wrpme.protocol.view_index import arcs_of, index_of

_Question = tuple[tuple[Back, ...], Set[NodeId], Set[NodeId], Set[NodeId]]
_NOBODY: frozenset[NodeId] = frozenset()


class Returns:
    """Who may return to one view. What follows from the view alone is worked out when it is asked for, once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._arcs: dict[NodeId, list[Arc]] = {}
        self._companions: dict[NodeId, frozenset[NodeId]] = {}
        self._down = index_of(view).down
        self._asked: _Question | None = None
        self._ready: list[Back] = []

    def arcs(self, node: NodeId) -> list[Arc]:
        """The arcs that the node holds."""
        found = self._arcs.get(node)
        if found is None:
            found = self._arcs[node] = [arc for arc in arcs_of(self.view, node) if node in arc.holders]
        return found

    def companions(self, node: NodeId) -> frozenset[NodeId]:
        """All who hold one of these arcs as well."""
        found = self._companions.get(node)
        if found is None:
            found = self._companions[node] = _NOBODY.union(*(arc.holders for arc in self.arcs(node))) - {node}
        return found

    def is_accounted(self, node: NodeId, heard: Set[NodeId], dead: Set[NodeId]) -> bool:
        """Whether all who hold arcs of the node as well were heard, or are down."""
        return all(other in heard or other in dead or other in self._down for other in self.companions(node))

    def ready(
        self, backs: Collection[Back], heard: Iterable[NodeId], dead: Iterable[NodeId], coming: Set[NodeId]
    ) -> list[Back]:
        """Those that may be in the next view, which marks the ``dead`` down first. ``heard`` are all that gave a sign
        of life; of those that are no up members, the return of who is ``coming`` is to be waited for.

        A voter asks this again and again while it waits, and mostly nothing has changed: then the answer is the same.
        """
        asked = (tuple(backs), frozenset(heard), frozenset(dead), coming)
        if asked != self._asked:
            self._asked, self._ready = asked, self._work_out(*asked)
        return self._ready

    def _work_out(
        self, backs: Collection[Back], heard: Set[NodeId], dead: Set[NodeId], coming: Set[NodeId]
    ) -> list[Back]:
        known = {back.node: back for back in backs}
        down = self._down | dead
        found = dict(known)

        def fits(node: NodeId) -> bool:
            # Mostly somebody is still to be heard of: then nothing else is looked at.
            return (
                self.is_accounted(node, heard, dead)
                and all(self.is_accounted(other, heard, dead) for other in self.companions(node) & dead & heard)
                and all(_fits(arc, node, known, found, down, coming) for arc in self.arcs(node))
            )

        looked_at = set(found)
        while looked_at:
            void = [node for node in looked_at if not fits(node)]
            for node in void:
                del found[node]
            # Whoever is waited for with it waits, too.
            looked_at = {other for node in void for other in self.companions(node) if other in found}
        return list(found.values())


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


def _fits(
    arc: Arc,
    node: NodeId,
    known: Mapping[NodeId, Back],
    found: Mapping[NodeId, Back],
    down: Set[NodeId],
    coming: Set[NodeId],
) -> bool:
    """Whether a node may return to an arc of whose other holders it is known that they are down, or were heard."""
    others = [other for other in arc.holders if other != node]
    if any(other not in down for other in others):
        return True
    rivals = [other for other in others if other in coming]
    if not rivals:
        return True
    return (
        all(rival in found and completeness(known[rival], arc) is not None for rival in rivals)
        and completeness(known[node], arc) is not None
    )
