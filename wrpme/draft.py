"""A view being changed: the changes one by one, as :func:`wrpme.view.apply` puts them in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from wrpme import ring
from wrpme.limits import ARCS_PER_MEMBER_MAX, MEMBERS_MAX, VOTERS_MAX
from wrpme.picture import (
    NOBODY, Activated, Arc, Back, Down, Elect, Expel, Forget, Join, Leave, Member, NodeId, State, Synced, View,
)  # fmt: skip
from wrpme.placement import Placement
from wrpme.ring import owner_among


def synced_fits(report: Synced, arc: Arc, owner: NodeId | None, incarnation: int) -> bool:
    """Whether a report that a copy is complete is about this very state of the arc, by its owner in this very life."""
    return (
        arc.version == report.version
        and report.node in arc.incoming
        and report.reporter == owner
        and report.incarnation == incarnation
    )


NOTHING = (0, 0)


def completeness(back: Back, arc: Arc) -> tuple[int, int] | None:
    """How complete the copy of a returning node is, see :class:`wrpme.picture.Mark`; None where it did not say so of
    the arc as it is now."""
    for mark in back.marks:
        if mark.end == arc.end and mark.version == arc.version:
            return mark.written, mark.sequence
    return None


class Draft:
    """``epoch`` is that of the view to come; ``changed`` tells whether anything differs from ``base``."""

    def __init__(self, base: View) -> None:
        self.base = base
        self.epoch = base.epoch + 1
        self.members = {found.id: found for found in base.members}
        self.arcs = list(base.arcs)
        self.voters = list(base.voters)
        self.changed = False
        self._elected = False

    def view(self) -> View:
        """The view as it is now."""
        if len(self.arcs) > ARCS_PER_MEMBER_MAX * len(self.members):
            self._merge()
        base = self.base
        members = tuple(sorted(self.members.values(), key=lambda found: (found.joined, found.id)))
        return View(
            self.epoch, base.hive, base.generation, base.replication, members, tuple(self.arcs), tuple(self.voters),
            base.branch,
        )  # fmt: skip

    def seniority(self, node: NodeId) -> tuple[int, NodeId]:
        """For sorting: who joined first comes first."""
        known = self.members.get(node)
        return (known.joined if known else self.epoch, node)

    def live(self) -> frozenset[NodeId]:
        """Ids of the members that are not down."""
        return frozenset(found.id for found in self.members.values() if found.state is not State.DOWN)

    def _member(self, node: NodeId, incarnation: int, state: State) -> Member | None:
        """The member in that very life and state."""
        known = self.members.get(node)
        return known if known and known.incarnation == incarnation and known.state is state else None

    # --- life and death ------------------------------------------------------------------------------------------

    def down(self, changes: Sequence[Down]) -> None:
        """All at once, as one set: none of them is chosen to hold what another one leaves."""
        dead = {
            change.node
            for change in changes
            if (known := self.members.get(change.node))
            and known.state is not State.DOWN
            and known.incarnation == change.incarnation
        }
        if not dead:
            return
        self._leave_arcs(dead)
        for node in dead:
            self.members[node] = replace(self.members[node], state=State.DOWN)
        self.voters = [voter for voter in self.voters if voter not in dead] or self.voters
        self.changed = True

    def back(self, changes: Sequence[Back]) -> None:
        """All at once: first as if down, as one set. Then each holds again what nobody else does, and receives what it
        shall hold. Where several return to an arc that nobody holds, the most complete copy wins."""
        returning: dict[NodeId, Back] = {}
        for change in sorted(changes, key=lambda change: change.incarnation):
            if self._returns(change):
                returning[change.node] = change
        if not returning:
            return
        self._leave_arcs({node for node in returning if self.members[node].state is not State.DOWN})
        leaving = {node for node in returning if self.members[node].state is State.LEAVING}
        for node, change in returning.items():
            self.members[node] = replace(
                self.members[node], state=State.DOWN, incarnation=change.incarnation, address=change.address
            )
        self._hold_again(returning)
        for node in returning:
            state = State.LEAVING if node in leaving else State.UP
            self.members[node] = replace(self.members[node], state=state)
        self.voters = [voter for voter in self.voters if voter in self.live()] or self.voters
        for node in sorted(returning, key=self.seniority):
            self._place(newcomer=node)
        self.changed = True

    def _returns(self, change: Back) -> bool:
        """Whether the change fits: a newer life, or the same one that was taken for dead and asks of this very view."""
        known = self.members.get(change.node)
        if known is None or change.incarnation < known.incarnation:
            return False
        if known.state is not State.DOWN:
            return change.incarnation > known.incarnation
        return change.incarnation > known.incarnation or change.epoch == self.base.epoch

    def _hold_again(self, returning: Mapping[NodeId, Back]) -> None:
        """As long as all who return are down themselves: the last owner may be another one."""
        alive = self.live()
        known = {arc.end: arc for arc in self.base.arcs}  # of these the marks tell: deaths may have changed them since
        for index, arc in enumerate(self.arcs):
            if alive.intersection(arc.holders):
                continue
            candidates = [node for node in arc.holders if node in returning]
            if candidates:  # the last owner comes first, and wins among equals
                told = known.get(arc.end, arc)
                marks = [completeness(returning[node], told) or NOTHING for node in candidates]
                self._set_holders(index, (candidates[marks.index(max(marks))],), arc.incoming)

    # --- coming and going for good -------------------------------------------------------------------------------

    def join(self, change: Join) -> None:
        """A new member, which receives its share."""
        if change.node in self.members or len(self.members) >= MEMBERS_MAX:
            return
        self.members[change.node] = Member(change.node, change.incarnation, change.address, self.epoch, State.UP)
        self._place(newcomer=change.node)
        self.changed = True

    def leave(self, change: Leave) -> None:
        """Others receive what it holds; it stays a member until nothing depends on it. The last one can't leave."""
        known = self._member(change.node, change.incarnation, State.UP)
        if known is None or all(found is known or found.state is not State.UP for found in self.members.values()):
            return
        self.members[change.node] = replace(known, state=State.LEAVING)
        self._place()
        self.changed = True

    def expel(self, change: Expel) -> None:
        """Not where it is a last holder; nobody while more than a third of the hive is down."""
        known = self._member(change.node, change.incarnation, State.DOWN)
        if known is None or not any(change.node in arc.wanted for arc in self.arcs):
            return
        down = sum(found.state is State.DOWN for found in self.members.values())
        if 3 * down > len(self.members) or any(change.node in arc.holders for arc in self.arcs):
            return
        self._place(change.node)
        self.changed = True

    def forget(self, change: Forget) -> None:
        """What it held alone starts again from the copies that were chosen, where one was empty. Void if the arcs are
        others than the choice was made for: the operator was told another price."""
        known = self._member(change.node, change.incarnation, State.DOWN)
        alive = self.live()
        if known is None or not any(found.state is State.UP for found in self.members.values()):
            return
        chosen = {(choice.end, choice.version): choice.node for choice in change.choices}
        last = [index for index, arc in enumerate(self.arcs) if arc.holders == (change.node,)]
        sources = [chosen.get((self.arcs[index].end, self.arcs[index].version)) for index in last]
        if any(source is None or (source != NOBODY and source not in alive) for source in sources):
            return
        for index, source in zip(last, sources, strict=True):
            self._set_holders(index, (source or self._least_loaded(),), ())
        for index, arc in enumerate(self.arcs):
            if change.node in arc.holders:
                self._set_holders(index, tuple(node for node in arc.holders if node != change.node), ())
        self._place(change.node)
        self.members.pop(change.node, None)
        self.voters = [voter for voter in self.voters if voter != change.node] or self.voters
        self.changed = True

    def _least_loaded(self) -> NodeId:
        load = ring.owned(self.arcs)
        up = [found.id for found in self.members.values() if found.state is State.UP]
        return min(up, key=lambda node: (load.get(node, 0), self.seniority(node)))

    def part(self) -> None:
        """Who goes for good is removed once nothing depends on it; the last voters wait for another one."""
        parts: set[NodeId] = set()
        for arc in self.arcs:
            parts.update(arc.holders, arc.incoming, arc.prev, arc.wanted)
        for node, found in list(self.members.items()):
            if found.state is State.UP or node in parts:
                continue
            voters = [voter for voter in self.voters if voter != node]
            if node in self.voters and not self.live().intersection(voters).intersection(self.base.voters):
                continue
            self.voters = voters
            del self.members[node]
            self.changed = True

    # --- copies --------------------------------------------------------------------------------------------------

    def synced(self, change: Synced) -> None:
        """Incoming becomes holder; who is one too many goes; the wanted order decides the owner."""
        index = self._arc_ending(change.end)
        if index is None or change.node not in self.live():
            return
        arc = self.arcs[index]
        owner = owner_among(self.live(), arc)
        if owner is None or not synced_fits(change, arc, owner, self.members[owner].incarnation):
            return
        self._set_holders(index, *self._wanted_holders(replace(arc, holders=(*arc.holders, change.node))))
        self.changed = True

    def activated(self, change: Activated) -> None:
        """Nobody can believe any more to be the owner but the owner."""
        index = self._arc_ending(change.end)
        if index is None:
            return
        arc = self.arcs[index]
        if arc.version != change.version or not arc.prev:
            return
        if owner_among(self.live(), arc) == change.reporter:
            if self.members[change.reporter].incarnation == change.incarnation:
                self.arcs[index] = replace(arc, prev=(), settled=((arc.end, arc.version),))
                self.changed = True

    def elect(self, change: Elect) -> None:
        """At most one a view: a newcomer that falls silent at once costs one vote, and not the quorum."""
        known = self.members.get(change.node)
        if self._elected or change.node in self.voters or known is None or known.state is not State.UP:
            return
        if not self.live().intersection(self.voters):
            return
        if len(self.voters) < VOTERS_MAX:
            self.voters.append(change.node)
            self.changed = self._elected = True

    def _arc_ending(self, end: int) -> int | None:
        index = next((index for index, arc in enumerate(self.arcs) if arc.end >= end), None)
        return index if index is not None and self.arcs[index].end == end else None

    def _set_holders(self, index: int, holders: tuple[NodeId, ...], incoming: tuple[NodeId, ...]) -> None:
        """Former owners are remembered: one that does not know it yet may still serve."""
        arc = self.arcs[index]
        prev = list(arc.prev)
        last_owner = owner_among(self.live(), arc) or arc.holders[0]
        if last_owner not in prev:
            prev.append(last_owner)
        prev = [node for node in prev if node != holders[0]]
        self.arcs[index] = replace(arc, version=self.epoch, holders=holders, incoming=incoming, prev=tuple(prev))

    def _leave_arcs(self, dead: set[NodeId]) -> None:
        alive = self.live() - dead
        for index, arc in enumerate(self.arcs):
            holders = tuple(node for node in arc.holders if node in alive) or arc.holders
            incoming = tuple(node for node in arc.incoming if node not in dead)
            if holders[0] != arc.holders[0]:
                self._set_holders(index, holders, incoming)
            elif holders != arc.holders or incoming != arc.incoming:
                self.arcs[index] = replace(arc, version=self.epoch, holders=holders, incoming=incoming)

    def _place(self, without: NodeId = NOBODY, newcomer: NodeId = NOBODY) -> None:
        """Decides anew who shall hold what, and lets holders and incoming follow as far as they can now."""
        sharers = [
            found for found in self.members.values() if found.state is not State.LEAVING and found.id != without
        ]
        alive = self.live()
        before = {arc.end: arc for arc in self.arcs}
        placement = Placement(
            self.arcs, sharers, self.base.replication, lambda arc: owner_among(alive, arc) is not None
        )
        starts = {arc.end: ring.first_in(self.arcs, index) for index, arc in enumerate(self.arcs)}
        self.arcs = placement.settle(newcomer)
        for index, arc in enumerate(self.arcs):
            known = before.get(arc.end)
            if known is None or starts[arc.end] != ring.first_in(self.arcs, index):
                self.arcs[index] = replace(arc, version=self.epoch)
            holders, incoming = self._wanted_holders(arc)
            if (holders, incoming) != (arc.holders, arc.incoming):
                self._set_holders(index, holders, incoming)

    def _wanted_holders(self, arc: Arc) -> tuple[tuple[NodeId, ...], tuple[NodeId, ...]]:
        """Holders, the wanted ones first and none too many, and incoming. Where all holders are down they all wait."""
        alive = self.live()
        if not alive.intersection(arc.holders):
            return arc.holders, tuple(node for node in arc.incoming if node in arc.wanted)
        ordered = [node for node in arc.wanted if node in arc.holders]
        ordered += [node for node in arc.holders if node not in arc.wanted]
        holders = tuple(ordered[: max(1, len(arc.wanted))])
        return holders, tuple(node for node in arc.wanted if node in alive and node not in holders)

    def _merge(self) -> None:
        """Neighbours that nothing tells apart become one arc: churn leaves no fragments for ever."""
        merged: list[Arc] = []
        for index, arc in enumerate(self.arcs):
            first = ring.first_in(self.arcs, index)
            last = merged[-1] if merged else None
            if (
                last
                and (last.holders, last.wanted) == (arc.holders, arc.wanted)
                and not (last.incoming or last.prev or arc.incoming or arc.prev)
            ):
                merged[-1] = replace(arc, version=self.epoch, settled=_joined(last, arc, first))
            else:
                merged.append(replace(arc, settled=ring.settled_of(arc, first)))
        self.arcs = merged


def _joined(left: Arc, right: Arc, first: int) -> tuple[tuple[int, int], ...]:
    """What is settled in two arcs that become one: each stretch keeps its version. ``right`` begins at ``first``."""
    joined: list[tuple[int, int]] = []
    for end, version in (*(left.settled or ((left.end, 0),)), *(ring.settled_of(right, first) or ((right.end, 0),))):
        if joined and joined[-1][1] == version:
            joined.pop()
        joined.append((end, version))
    return tuple(joined)
