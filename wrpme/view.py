"""The view and its changes: pure functions ``View -> View``.

Every node computes the next view from the one before and the decided changes, so all of this must be a function of
its arguments alone. The rules, and the invariants that they keep, are in docs/how-it-works.md, "Views":

- arcs tile the ring; holders are distinct and never empty; no down holder stands beside a live one;
- voters are up (the last ones stay voters when nobody is left);
- what changed of an arc (boundaries, holders, order, incoming, incarnation of one of these) has version = epoch.

A change that does not fit the view it meets is void, and is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from wrpme import ring
from wrpme.limits import ARCS_PER_MEMBER_MAX, MEMBERS_MAX, SLOTS, VOTERS_MAX
from wrpme.picture import Activated, Arc, Back, Change, Down, Elect, Join, Member, NodeId, State, Synced, View

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(View).decode
_ORDER: dict[type[Change], int] = {Down: 0, Back: 1, Join: 2, Synced: 3, Activated: 4, Elect: 5}


def found(hive: bytes, node: NodeId, incarnation: int, address: str, replication: int) -> View:
    """The first view of a new hive."""
    member = Member(node, incarnation, address, 1, State.UP)
    return View(1, hive, 1, replication, (member,), ring.whole_ring(node, 1), (node,))


def digest(view: View) -> bytes:
    """Equal digests, equal views."""
    return blake2b(_ENCODE(view), digest_size=16).digest()


def pack(view: View) -> bytes:
    """The view for the disk."""
    return _ENCODE(view)


def unpack(raw: bytes) -> View:
    """The view from the disk; raises msgspec.MsgspecError if it is none."""
    return _DECODE(raw)


def member(view: View, node: NodeId) -> Member | None:
    """The member of that id."""
    return next((found for found in view.members if found.id == node), None)


def member_at(view: View, address: str) -> Member | None:
    """The member at that address; where a dead one had it before, the living one."""
    at = [found for found in view.members if found.address == address]
    return min(at, key=lambda found: (found.state is State.DOWN, -found.joined)) if at else None


def live(view: View) -> frozenset[NodeId]:
    """Ids of the members that are not down."""
    return frozenset(found.id for found in view.members if found.state is not State.DOWN)


def owner(view: View, arc: Arc) -> NodeId | None:
    """The first live holder; None while all are down."""
    return owner_among(live(view), arc)


def owner_among(alive: frozenset[NodeId], arc: Arc) -> NodeId | None:
    """The first holder that is among the living."""
    return next((holder for holder in arc.holders if holder in alive), None)


def synced_fits(report: Synced, arc: Arc, owner: NodeId | None, incarnation: int) -> bool:
    """Whether a report that a copy is complete is about this very state of the arc, by its owner in this very life."""
    return (
        arc.version == report.version
        and report.node in arc.incoming
        and report.reporter == owner
        and report.incarnation == incarnation
    )


def apply(view: View, changes: Iterable[Change]) -> View | None:
    """The next view; None if no change has any effect."""
    draft = _Draft(view)
    ordered = sorted(changes, key=lambda change: _ORDER[type(change)])
    draft.down([change for change in ordered if isinstance(change, Down)])
    backs = [change for change in ordered if isinstance(change, Back)]
    for back in sorted(backs, key=lambda change: draft.seniority(change.node)):
        draft.back(back)
    for change in ordered:
        if isinstance(change, Join):
            draft.join(change)
        elif isinstance(change, Synced):
            draft.synced(change)
        elif isinstance(change, Activated):
            draft.activated(change)
    for change in ordered:
        if isinstance(change, Elect):
            draft.elect(change)
    return draft.view() if draft.changed else None


def has_effect(view: View, change: Change) -> bool:
    """Whether the change would make a difference to this view."""
    return apply(view, (change,)) is not None


class Condition(msgspec.Struct, frozen=True):
    """How the hive is: ``word`` is one of stable, stabilizing, degraded, unavailable."""

    word: str
    sentence: str


def condition(view: View) -> Condition:
    """What an operator needs to know first, from the view alone."""
    alive = live(view)
    down = [found.address for found in view.members if found.state is State.DOWN]
    waiting = {holder for arc in view.arcs if owner_among(alive, arc) is None for holder in arc.holders}
    if waiting:
        slots = sum(
            ring.width(view.arcs, index) for index, arc in enumerate(view.arcs) if owner_among(alive, arc) is None
        )
        names = ", ".join(found.address for found in view.members if found.id in waiting)
        share = 100 * slots / SLOTS
        one, returns = ("it", "returns") if len(waiting) == 1 else ("they", "return")
        return Condition(
            "unavailable", f"{share:.0f} % of the ring is on {names}, down; served again when {one} {returns}"
        )
    if down:
        return Condition("degraded", f"{', '.join(down)} down; all data is served")
    moving = sum(bool(arc.incoming) for arc in view.arcs)
    if moving:
        return Condition("stabilizing", f"{moving} of {len(view.arcs)} arcs are being copied")
    changing = sum(bool(arc.prev) for arc in view.arcs)
    if changing:
        return Condition("stabilizing", f"{changing} of {len(view.arcs)} arcs change their owner")
    count = len(view.members)
    everything = "1 node is up" if count == 1 else f"all {count} nodes are up and every arc has its copies"
    return Condition("stable", everything)


def validate(view: View) -> None:
    """Raises AssertionError where a view breaks its invariants."""
    alive = live(view)
    ends = [arc.end for arc in view.arcs]
    assert ends == sorted(set(ends)) and ends[-1] == ring.RING - 1, "arcs tile the ring"
    for arc in view.arcs:
        assert arc.holders and len(set(arc.holders)) == len(arc.holders), "holders are distinct and never empty"
        up = [holder in alive for holder in arc.holders]
        assert all(up) or not any(up), "no down holder stands beside a live one"
        assert not set(arc.incoming) & set(arc.holders), "who holds an arc does not receive it"
        assert arc.version <= view.epoch, "versions do not run ahead"
    up_voters = [voter in alive for voter in view.voters]
    assert view.voters and (all(up_voters) or not any(up_voters)), "voters are up, or the last ones"


class _Draft:
    """A view being changed; ``epoch`` is that of the view to come."""

    def __init__(self, base: View) -> None:
        self.base = base
        self.epoch = base.epoch + 1
        self.members = {found.id: found for found in base.members}
        self.arcs = list(base.arcs)
        self.voters = list(base.voters)
        self.changed = False
        self.elected = False

    def view(self) -> View:
        if len(self.arcs) > ARCS_PER_MEMBER_MAX * len(self.members):
            self._merge()
        base = self.base
        members = tuple(sorted(self.members.values(), key=lambda found: (found.joined, found.id)))
        return View(
            self.epoch, base.hive, base.generation, base.replication, members, tuple(self.arcs), tuple(self.voters)
        )

    def seniority(self, node: NodeId) -> tuple[int, NodeId]:
        known = self.members.get(node)
        return (known.joined if known else self.epoch, node)

    def live(self) -> frozenset[NodeId]:
        return frozenset(found.id for found in self.members.values() if found.state is not State.DOWN)

    # --- changes -------------------------------------------------------------------------------------------------

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

    def back(self, change: Back) -> None:
        known = self.members.get(change.node)
        if known is None or change.incarnation < known.incarnation:
            return
        if known.state is not State.DOWN:
            if change.incarnation == known.incarnation:
                return
            self._leave_arcs({change.node})
        elif change.incarnation == known.incarnation and change.epoch != self.base.epoch:
            return
        self.members[change.node] = replace(
            known, state=State.DOWN, incarnation=change.incarnation, address=change.address
        )
        alive = self.live()
        for index, arc in enumerate(self.arcs):  # as long as it is down itself: the last owner may be another one
            if change.node in arc.holders and not alive.intersection(arc.holders):
                self._set_holders(index, (change.node,), arc.incoming)
        self.members[change.node] = replace(self.members[change.node], state=State.UP)
        self.voters = [voter for voter in self.voters if voter in self.live()] or self.voters
        self._place(change.node)
        self.changed = True

    def join(self, change: Join) -> None:
        if change.node in self.members or len(self.members) >= MEMBERS_MAX:
            return
        self.members[change.node] = Member(change.node, change.incarnation, change.address, self.epoch, State.UP)
        self._place(change.node)
        self.changed = True

    def synced(self, change: Synced) -> None:
        index = self._arc_ending(change.end)
        if index is None or change.node not in self.live():
            return
        arc = self.arcs[index]
        owner = owner_among(self.live(), arc)
        if owner is None or not synced_fits(change, arc, owner, self.members[owner].incarnation):
            return
        incoming = tuple(node for node in arc.incoming if node != change.node)
        if len(arc.holders) < self.base.replication:
            holders = (*arc.holders, change.node)
        else:
            load = ring.loads(self.arcs)
            leaver = max(arc.holders, key=lambda node: (load.get(node, 0), self.seniority(node)))
            holders = tuple(change.node if node == leaver else node for node in arc.holders)
        self._set_holders(index, holders, incoming)
        self.changed = True

    def activated(self, change: Activated) -> None:
        index = self._arc_ending(change.end)
        if index is None:
            return
        arc = self.arcs[index]
        if arc.version != change.version or not arc.prev:
            return
        if owner_among(self.live(), arc) == change.reporter:
            if self.members[change.reporter].incarnation == change.incarnation:
                self.arcs[index] = replace(arc, prev=())
                self.changed = True

    def elect(self, change: Elect) -> None:
        """At most one a view: a newcomer that falls silent at once costs one vote, and not the quorum."""
        alive = self.live()
        if self.elected or change.node in self.voters or change.node not in alive:
            return
        if not alive.intersection(self.voters):
            return
        if len(self.voters) < VOTERS_MAX:
            self.voters.append(change.node)
            self.elected = self.changed = True

    # --- arcs ----------------------------------------------------------------------------------------------------

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
        self.arcs[index] = Arc(arc.end, self.epoch, holders, incoming, tuple(prev))

    def _leave_arcs(self, dead: set[NodeId]) -> None:
        alive = self.live() - dead
        for index, arc in enumerate(self.arcs):
            holders = tuple(node for node in arc.holders if node in alive) or arc.holders
            incoming = tuple(node for node in arc.incoming if node not in dead)
            if holders[0] != arc.holders[0]:
                self._set_holders(index, holders, incoming)
            elif holders != arc.holders or incoming != arc.incoming:
                self.arcs[index] = replace(arc, version=self.epoch, holders=holders, incoming=incoming)

    def _place(self, node: NodeId) -> None:
        """Slices for a node that has less than its share become incoming for it."""
        alive = self.live()
        sharers = [found for found in self.members.values() if found.state is not State.LEAVING]
        seniority = {found.id: found.joined for found in sharers}
        cuts = ring.plan(
            self.arcs, node, SLOTS // len(sharers), lambda arc: owner_among(alive, arc) is not None, seniority
        )
        arcs: list[Arc] = []
        for index, arc in enumerate(self.arcs):
            head, tail = cuts.get(index, (0, 0))
            if not head and not tail:
                arcs.append(arc)
                continue
            size = ring.width(self.arcs, index)
            start = arc.end + 1 - size * ring.SLOT
            ends = [start + head * ring.SLOT - 1, arc.end - tail * ring.SLOT]
            taken = replace(arc, version=self.epoch, incoming=(node,))
            if head:
                arcs.append(replace(taken, end=ends[0]))
            if head + tail < size:
                arcs.append(replace(arc, version=self.epoch, end=ends[1]))
            if tail:
                arcs.append(taken)
        self.arcs = arcs

    def _merge(self) -> None:
        """Neighbours that nothing tells apart become one arc: churn leaves no fragments for ever."""
        merged: list[Arc] = []
        for arc in self.arcs:
            last = merged[-1] if merged else None
            if last and last.holders == arc.holders and not (last.incoming or last.prev or arc.incoming or arc.prev):
                merged[-1] = replace(arc, version=self.epoch)
            else:
                merged.append(arc)
        self.arcs = merged
