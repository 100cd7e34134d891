"""A view being changed: the changes one by one, as :mod:`wrpme.core.membership.transitions` puts them in order.

For each kind of change there is one predicate, which says whether it fits the view as it is now, and one step, which
carries it out if it does. A predicate costs no more than a look at the arcs of the node that it is about; a step costs
what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from wrpme.core.membership.placement import Placement
from wrpme.core.limits import ARCS_PER_MEMBER_MAX, VOTERS_MAX
from wrpme.limits import MEMBERS_MAX, REPLICATION_MAX
from wrpme.protocol import ring
from wrpme.protocol.access.users import USERS_MAX, Role, User, wrong_user
from wrpme.protocol.arc_table import ArcTable
from wrpme.protocol.ring import owner_among
from wrpme.protocol.view import (
    NOBODY, Activated, Arc, Back, Change, Down, DropUser, Elect, Expel, Forget, Join, Leave, Member, NodeId, Patch,
    PutUser, Replicate, State, Synced, View,
)  # fmt: skip
from wrpme.protocol.view_index import index_of, seniority


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
    """How complete the copy of a returning node is, see :class:`wrpme.protocol.view.Mark`; None where it did not say
    so of the arc as it is now."""
    for mark in back.marks:
        if mark.end == arc.end and mark.version == arc.version:
            return mark.written, mark.sequence
    return None


class Draft:
    """``epoch`` is that of the view to come; ``changed`` tells whether anything differs from ``base``. Until then the
    ``index`` is that of ``base`` itself, and must not be changed."""

    def __init__(self, base: View) -> None:
        self.base = base
        self.epoch = base.epoch + 1
        self.index = index_of(base)
        self.voters = list(base.voters)
        self.replication = base.replication
        self.users: dict[str, User] | None = None
        """By name; None while nobody has changed them."""
        self.changed = False
        self._elected = False

    def result(self) -> tuple[View, Patch] | None:
        """The view as it is now, and what makes it of ``base``; None if nothing was changed."""
        if not self.changed:
            return None
        if len(self.table.arcs) > ARCS_PER_MEMBER_MAX * len(self.members):
            self._merge()
        users = [self.users[name] for name in sorted(self.users)] if self.users is not None else None
        return (
            self.index.view(self.base, self.voters, self.replication, users),
            self.index.patch(self.base, self.voters, self.replication, users),
        )

    @property
    def members(self) -> Mapping[NodeId, Member]:
        """The members as they are now."""
        return self.index.members

    @property
    def table(self) -> ArcTable:
        """The arcs as they are now."""
        return self.index.table

    def live(self) -> frozenset[NodeId]:
        """Ids of the members that are not down."""
        return self.index.alive

    def _begin(self) -> None:
        if not self.changed:
            self.index = self.index.copy()
            self.changed = True

    def _member(self, node: NodeId, incarnation: int, state: State) -> Member | None:
        """The member in that very life and state."""
        known = self.members.get(node)
        return known if known and known.incarnation == incarnation and known.state is state else None

    def _set_state(self, node: NodeId, state: State) -> None:
        self.index.put(replace(self.members[node], state=state))

    def fits(self, change: Change) -> bool:
        """Whether the change would make a difference now. Any does where somebody only waits for a view to go."""
        predicates: dict[type[Any], Any] = {
            Down: self._dies, Back: self._returns, Join: self._joins, Forget: self._is_forgotten,
            Expel: self._is_expelled, Leave: self._leaves, Synced: self._is_synced, Activated: self._is_activated,
            Elect: self._is_elected, Replicate: self._is_replicated, PutUser: self._is_put, DropUser: self._is_dropped,
        }  # fmt: skip
        return bool(predicates[type(change)](change)) or any(map(self._may_go, self._out_of_use()))

    # --- life and death ------------------------------------------------------------------------------------------

    def _dies(self, change: Down) -> bool:
        known = self.members.get(change.node)
        return known is not None and known.state is not State.DOWN and known.incarnation == change.incarnation

    def down(self, changes: Sequence[Down]) -> None:
        """All at once, as one set: none of them is chosen to hold what another one leaves."""
        dead = {change.node for change in changes if self._dies(change)}
        if not dead:
            return
        self._begin()
        self._leave_arcs(dead)
        for node in dead:
            self._set_state(node, State.DOWN)
        self.voters = [voter for voter in self.voters if voter not in dead] or self.voters

    def _returns(self, change: Back) -> bool:
        """Whether the change fits: a newer life, or the same one that was taken for dead and asks of this very view."""
        known = self.members.get(change.node)
        if known is None or change.incarnation < known.incarnation or (self._users() and not change.secured):
            return False
        if change.known not in (0, known.incarnation):
            # It has to see the life that this view names before it may go on from it: only the directory itself knows
            # whether it has lived that, or is an older copy.
            return False
        if known.state is not State.DOWN:
            return change.incarnation > known.incarnation
        return change.incarnation > known.incarnation or change.epoch == self.base.epoch

    def back(self, changes: Sequence[Back]) -> None:
        """All at once: first as if down, as one set. Then each holds again what nobody else does, and receives what it
        shall hold. Where several return to an arc that nobody holds, the most complete copy wins."""
        returning: dict[NodeId, Back] = {}
        for change in sorted(changes, key=lambda change: change.incarnation):
            if self._returns(change):
                returning[change.node] = change
        if not returning:
            return
        self._begin()
        self._leave_arcs({node for node in returning if self.members[node].state is not State.DOWN})
        leaving = {node for node in returning if self.members[node].state is State.LEAVING}
        for node, change in returning.items():
            known = self.members[node]
            self.index.put(
                replace(
                    known, state=State.DOWN, incarnation=change.incarnation, address=change.address,
                    secured=change.secured,
                )
            )  # fmt: skip
        self._hold_again(returning)
        for node in returning:
            self._set_state(node, State.LEAVING if node in leaving else State.UP)
        self.voters = [voter for voter in self.voters if voter in self.live()] or self.voters
        placement = self._placement()
        for node in sorted(returning, key=lambda node: seniority(self.members[node])):
            self._place(placement, self.table.parts(node), node)

    def _hold_again(self, returning: Mapping[NodeId, Back]) -> None:
        """As long as all who return are down themselves: the last owner may be another one."""
        alive, base = self.live(), index_of(self.base).table
        for end in sorted(set().union(*(self.table.parts(node) for node in returning))):
            arc = self.table.arc(end)
            if not alive.isdisjoint(arc.holders):
                continue
            candidates = [node for node in arc.holders if node in returning]
            if candidates:  # the last owner comes first, and wins among equals
                told = base.arc(end)  # of this the marks tell: deaths may have changed the arc since
                marks = [completeness(returning[node], told) or NOTHING for node in candidates]
                self._set_holders(end, (candidates[marks.index(max(marks))],), arc.incoming)

    # --- coming and going for good -------------------------------------------------------------------------------

    def _joins(self, change: Join) -> bool:
        secured = change.secured or not self._users()
        return change.node not in self.members and len(self.members) < MEMBERS_MAX and secured

    def join(self, change: Join) -> None:
        """A new member, which receives its share."""
        if not self._joins(change):
            return
        self._begin()
        self.index.put(Member(change.node, change.incarnation, change.address, self.epoch, State.UP, change.secured))
        self._place(self._placement(), (), change.node)

    def _leaves(self, change: Leave) -> bool:
        """The last one that is up can't leave."""
        up = len(self.members) - len(self.index.down) - len(self.index.leaving)
        return self._member(change.node, change.incarnation, State.UP) is not None and up > 1

    def leave(self, change: Leave) -> None:
        """Others receive what it holds; it stays a member until nothing depends on it."""
        if not self._leaves(change):
            return
        self._begin()
        self._set_state(change.node, State.LEAVING)
        self._place(self._placement(), self.table.parts(change.node))

    def _is_expelled(self, change: Expel) -> bool:
        """Not where it is a last holder; nobody while more than a third of the hive is down."""
        known = self._member(change.node, change.incarnation, State.DOWN)
        if known is None or 3 * len(self.index.down) > len(self.members):
            return False
        arcs = [self.table.arc(end) for end in self.table.parts(change.node)]
        wanted = any(change.node in arc.wanted for arc in arcs)
        return wanted and not any(change.node in arc.holders for arc in arcs)

    def expel(self, change: Expel) -> None:
        """Others shall hold what it should; it is a member until nothing depends on it."""
        if not self._is_expelled(change):
            return
        self._begin()
        self._place(self._placement(change.node), self.table.parts(change.node))

    def _sources(self, change: Forget) -> dict[int, NodeId | None]:
        """By end each arc that the node alone holds, and where it starts again; None where nobody chose that."""
        chosen = {(choice.end, choice.version): choice.node for choice in change.choices}
        arcs = [self.table.arc(end) for end in sorted(self.table.parts(change.node))]
        return {arc.end: chosen.get((arc.end, arc.version)) for arc in arcs if arc.holders == (change.node,)}

    def _is_forgotten(self, change: Forget) -> bool:
        """Void if the arcs are others than the choice was made for: the operator was told another price."""
        up = len(self.members) - len(self.index.down) - len(self.index.leaving)
        if self._member(change.node, change.incarnation, State.DOWN) is None or not up:
            return False
        sources = self._sources(change).values()
        return all(source is not None and (source == NOBODY or source in self.live()) for source in sources)

    def forget(self, change: Forget) -> None:
        """What it held alone starts again from the copies that were chosen, where one was empty."""
        if not self._is_forgotten(change):
            return
        self._begin()
        sources, named = self._sources(change), self.table.parts(change.node)
        load = ring.owned(self.table.arcs) if NOBODY in sources.values() else {}
        for end, source in sources.items():
            holder = source or self._least_loaded(load)
            load[holder] = load.get(holder, 0) + self.table.width(end)
            self._set_holders(end, (holder,), ())
        for end in sorted(named):
            holders = self.table.arc(end).holders
            if change.node in holders:
                self._set_holders(end, tuple(node for node in holders if node != change.node), ())
        self._place(self._placement(change.node), named)
        self.index.drop(change.node)
        self.voters = [voter for voter in self.voters if voter != change.node] or self.voters

    def _least_loaded(self, load: Mapping[NodeId, int]) -> NodeId:
        up = [found for found in self.index.order if found.state is State.UP]
        return min(up, key=lambda found: load.get(found.id, 0)).id

    def _out_of_use(self) -> list[NodeId]:
        """Who goes for good, or is dead, and nothing depends on it; the senior ones first."""
        found = [node for node in self.index.down | self.index.leaving if not self.table.parts(node)]
        return sorted(found, key=lambda node: seniority(self.members[node]))

    def _may_go(self, node: NodeId) -> bool:
        """The last voters wait for another one, which has to have voted for the present view already."""
        others = [voter for voter in self.voters if voter != node]
        return node not in self.voters or not self.live().intersection(others).isdisjoint(self.base.voters)

    def part(self) -> None:
        """Who goes for good is removed once nothing depends on it."""
        for node in self._out_of_use():
            if self._may_go(node):
                self._begin()
                self.voters = [voter for voter in self.voters if voter != node]
                self.index.drop(node)

    # --- copies --------------------------------------------------------------------------------------------------

    def _is_synced(self, change: Synced) -> bool:
        at = self.table.at(change.end)
        if at is None or change.node not in self.live():
            return False
        arc = self.table.arcs[at]
        owner = owner_among(self.live(), arc)
        return owner is not None and synced_fits(change, arc, owner, self.members[owner].incarnation)

    def synced(self, change: Synced) -> None:
        """Incoming becomes holder; who is one too many goes; the wanted order decides the owner."""
        if self._is_synced(change):
            self._begin()
            arc = self.table.arc(change.end)
            holders, incoming = self._wanted_holders(replace(arc, holders=(*arc.holders, change.node)))
            self._set_holders(change.end, holders, incoming)

    def _is_activated(self, change: Activated) -> bool:
        at = self.table.at(change.end)
        if at is None:
            return False
        arc = self.table.arcs[at]
        if arc.version != change.version or not arc.prev or owner_among(self.live(), arc) != change.reporter:
            return False
        return self.members[change.reporter].incarnation == change.incarnation

    def activated(self, change: Activated) -> None:
        """Nobody can believe any more to be the owner but the owner."""
        if self._is_activated(change):
            self._begin()
            arc = self.table.arc(change.end)
            self.table.put(replace(arc, prev=(), settled=((arc.end, arc.version),)))

    def _is_elected(self, change: Elect) -> bool:
        """At most one a view: a newcomer that falls silent at once costs one vote, and not the quorum."""
        known = self.members.get(change.node)
        if self._elected or change.node in self.voters or known is None or known.state is not State.UP:
            return False
        return len(self.voters) < VOTERS_MAX and not self.live().isdisjoint(self.voters)

    def elect(self, change: Elect) -> None:
        """One more voter."""
        if self._is_elected(change):
            self._begin()
            self.voters.append(change.node)
            self._elected = True

    def _is_replicated(self, change: Replicate) -> bool:
        """Void where somebody else has asked for another number meanwhile."""
        return change.known == self.replication != change.replication and 1 <= change.replication <= REPLICATION_MAX

    def replicate(self, change: Replicate) -> None:
        """Of each entry there shall be so many copies. Further ones are made of what is there; those that are too many
        are dropped where that leaves as many, and elsewhere once a copy that is on its way is complete."""
        if self._is_replicated(change):
            self._begin()
            self.replication = change.replication
            self._place(self._placement(), ())

    # --- users ---------------------------------------------------------------------------------------------------

    def _users(self) -> Mapping[str, User]:
        return {user.name: user for user in self.base.users} if self.users is None else self.users

    def _is_put(self, change: PutUser) -> bool:
        """Not where somebody else has changed him meanwhile. The first one is an admin, and comes where all nodes,
        those that are down too, take nothing but TLS: else passwords would be asked for in plain words."""
        users = self._users()
        known = users.get(change.user.name)
        if change.known != (known.changed if known is not None else 0) or wrong_user(change.user):
            return False
        if known is not None:
            return change.user.role is Role.ADMIN or known.role is not Role.ADMIN
        if not users and not (change.user.role is Role.ADMIN and all(found.secured for found in self.index.order)):
            return False
        return len(users) < USERS_MAX

    def put_user(self, change: PutUser) -> None:
        """A user is new, or another than before."""
        if self._is_put(change):
            self._begin()
            made = replace(change.user, changed=self.epoch)
            self.users = {**self._users(), made.name: made}

    def _is_dropped(self, change: DropUser) -> bool:
        """The last admin goes when nobody else is left, or with all others: then the hive asks nobody any more."""
        users = self._users()
        if not change.name:
            return bool(users) and self.users is None and change.known == self.base.users_since
        known = users.get(change.name)
        if known is None or known.changed != change.known:
            return False
        return len(users) == 1 or any(user.role is Role.ADMIN for name, user in users.items() if name != change.name)

    def drop_user(self, change: DropUser) -> None:
        """There is no such user any more."""
        if self._is_dropped(change):
            self._begin()
            left = {name: user for name, user in self._users().items() if name != change.name}
            self.users = left if change.name else {}

    # --- arcs ----------------------------------------------------------------------------------------------------

    def _set_holders(self, end: int, holders: tuple[NodeId, ...], incoming: tuple[NodeId, ...]) -> None:
        """Former owners are remembered: one that does not know it yet may still serve."""
        arc = self.table.arc(end)
        prev = list(arc.prev)
        last_owner = owner_among(self.live(), arc) or arc.holders[0]
        if last_owner not in prev:
            prev.append(last_owner)
        prev = [node for node in prev if node != holders[0]]
        self.table.put(replace(arc, version=self.epoch, holders=holders, incoming=incoming, prev=tuple(prev)))

    def _leave_arcs(self, dead: set[NodeId]) -> None:
        """While the dead are still alive in the index: who owned an arc last is among them."""
        alive = self.live() - dead
        for end in sorted(set().union(*(self.table.parts(node) for node in dead))):
            arc = self.table.arc(end)
            holders = tuple(node for node in arc.holders if node in alive) or arc.holders
            incoming = tuple(node for node in arc.incoming if node not in dead)
            if holders[0] != arc.holders[0]:
                self._set_holders(end, holders, incoming)
            elif holders != arc.holders or incoming != arc.incoming:
                self.table.put(replace(arc, version=self.epoch, holders=holders, incoming=incoming))

    def _placement(self, without: NodeId = NOBODY) -> Placement:
        sharers = [found for found in self.index.order if found.state is not State.LEAVING and found.id != without]
        return Placement(self.table, sharers, self.replication)

    def _place(self, placement: Placement, ends: Iterable[int], newcomer: NodeId = NOBODY) -> None:
        """Decides anew who shall hold what, and lets holders and incoming follow as far as they can now: where
        something else is wanted, and at these ``ends``. Elsewhere they have followed already."""
        self.table.shifted.clear()
        placement.touched.clear()
        placement.settle(newcomer)
        for end in sorted(placement.touched | self.table.shifted | set(ends)):
            arc = self.table.arc(end)
            if end in self.table.shifted or self.table.is_new(end):
                arc = replace(arc, version=self.epoch)
                self.table.put(arc)
            holders, incoming = self._wanted_holders(arc)
            if (holders, incoming) != (arc.holders, arc.incoming):
                self._set_holders(end, holders, incoming)

    def _wanted_holders(self, arc: Arc) -> tuple[tuple[NodeId, ...], tuple[NodeId, ...]]:
        """Holders, the wanted ones first and none too many, and incoming. Where all holders are down they all wait."""
        alive = self.live()
        if alive.isdisjoint(arc.holders):
            return arc.holders, tuple(node for node in arc.incoming if node in arc.wanted)
        ordered = [node for node in arc.wanted if node in arc.holders]
        ordered += [node for node in arc.holders if node not in arc.wanted]
        holders = tuple(ordered[: max(1, len(arc.wanted))])
        return holders, tuple(node for node in arc.wanted if node in alive and node not in holders)

    def _merge(self) -> None:
        """Neighbours that nothing tells apart become one arc, until there are few enough: churn leaves no fragments for
        ever."""
        table, most = self.table, ARCS_PER_MEMBER_MAX * len(self.members)
        for end in sorted(table.joints):
            if len(table.arcs) <= most:
                break
            left, first = table.arc(end), table.first(end)
            table.drop(end)
            right = table.arc(end + 1)
            table.put(replace(right, version=self.epoch, settled=_joined(left, first, right)))


def _joined(left: Arc, first: int, right: Arc) -> tuple[tuple[int, int], ...]:
    """What is settled in two arcs that become one: each stretch keeps its version. ``left`` begins at ``first``."""
    joined: list[tuple[int, int]] = []
    for end, version in (*ring.settled_of(left, first), *ring.settled_of(right, left.end + 1)):
        if joined and joined[-1][1] == version:
            joined.pop()
        joined.append((end, version))
    return tuple(joined)
