"""The view and its changes: pure functions ``View -> View``.

Every node computes the next view from the one before and the decided changes, so all of this must be a function of
its arguments alone. The rules, and the invariants that they keep, are in docs/how-it-works.md, "Views":

- arcs tile the ring; holders are distinct and never empty; no down holder stands beside a live one;
- voters are up (the last ones stay voters when nobody is left);
- what changed of an arc (boundaries, holders, order, incoming, incarnation of one of these) has version = epoch.

A change that does not fit the view it meets is void, and is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace

from wrpme.core.membership.draft import Draft
from wrpme.core.membership.placement import Placement
from wrpme.core.limits import VOTERS_MAX
from wrpme.protocol import ring
from wrpme.protocol.arc_table import ArcTable
from wrpme.protocol.view import (
    Activated, Arc, Back, Change, Choice, Down, DropUser, Elect, Expel, Forget, Join, Leave, Member, NodeId, Patch,
    PutUser, Replicate, State, Synced, View,
)  # fmt: skip
from wrpme.protocol.view_index import BRANCHES, live, users_changed

_ORDER: dict[type[Any], int] = {
    kind: place
    for place, kind in enumerate(
        (Down, Back, Join, Forget, Expel, Leave, Synced, Activated, Replicate, Elect, DropUser, PutUser)
    )
}


def found(hive: bytes, node: NodeId, incarnation: int, address: str, replication: int, secured: bool = False) -> View:
    """The first view of a new hive."""
    member = Member(node, incarnation, address, 1, State.UP, secured)
    return View(1, hive, 1, replication, (member,), ring.whole_ring(node, 1), (node,), tags=True)


def next_view(view: View, changes: Iterable[Change]) -> tuple[View, Patch] | None:
    """The next view, and what makes it of this one; None if no change has any effect."""
    draft = Draft(view)
    ordered = sorted(changes, key=lambda change: _ORDER[type(change)])
    draft.down([change for change in ordered if isinstance(change, Down)])
    draft.back([change for change in ordered if isinstance(change, Back)])
    steps: dict[type[Any], Callable[[Any], None]] = {
        Join: draft.join,
        Forget: draft.forget,
        Expel: draft.expel,
        Leave: draft.leave,
        Synced: draft.synced,
        Activated: draft.activated,
        Replicate: draft.replicate,
        Elect: draft.elect,
        PutUser: draft.put_user,
        DropUser: draft.drop_user,
    }
    for change in ordered:
        if type(change) in steps:
            steps[type(change)](change)
    draft.part()
    return draft.result()


def apply(view: View, changes: Iterable[Change]) -> View | None:
    """The next view alone."""
    made = next_view(view, changes)
    return made[0] if made is not None else None


def fits(view: View, change: Change) -> bool:
    """Whether the change would make a difference to this view: a question to what is looked up in it, no new view."""
    return Draft(view).fits(change)


def difference(before: View, after: View) -> Patch:
    """Returns what makes ``after`` of ``before``, which is the view before it in the same generation."""
    members = {found.id: found for found in before.members}
    arcs = {arc.end: arc for arc in before.arcs}
    kept = {found.id for found in after.members}
    ends = {arc.end for arc in after.arcs}
    return Patch(
        tuple(found for found in after.members if members.get(found.id) != found),
        tuple(node for node in members if node not in kept),
        tuple(arc for arc in after.arcs if arcs.get(arc.end) != arc),
        tuple(end for end in arcs if end not in ends),
        after.voters if after.voters != before.voters else (),
        after.replication if after.replication != before.replication else 0,
        *users_changed(before.users, after.users),
    )


def recover(
    view: View, me: Member, seen: Collection[NodeId], choices: Collection[Choice] = (),
    returning: Collection[NodeId] = (),
) -> View:  # fmt: skip
    """The first view of a new generation, by the operator's word that all are dead but ``me``, the ``seen``, which go
    on as they are, and the ``returning``, which answer and have to come back first: what these hold stays, the rest
    starts again from the copies that were chosen, or empty. Nobody who answers is left out: what only it has would be
    set aside with it."""
    epoch = view.epoch + 1
    members = tuple(
        replace(me, joined=found.joined, state=State.UP)
        if found.id == me.id
        else (found if found.id in seen else replace(found, state=State.DOWN))
        for found in view.members
        if found.id == me.id or found.id in seen or found.id in returning
    )
    ids = [found.id for found in members]
    alive = [found.id for found in members if found.state is not State.DOWN]
    # One that has to come back first may have the only copy: the arc waits for it, and does not start empty elsewhere.
    chosen = {(choice.end, choice.version): choice.node for choice in choices if choice.node in ids}
    arcs: list[Arc] = []
    for arc in view.arcs:
        living = tuple(node for node in arc.holders if node in alive)
        waiting = tuple(node for node in arc.holders if node in ids)
        former = chosen.get((arc.end, arc.version)) or next((node for node in arc.wanted if node in alive), me.id)
        prev = tuple(dict.fromkeys((*arc.prev, *arc.holders[:1])))
        held = living or waiting or (former,)
        former_owners = tuple(node for node in prev if node != held[0])
        arcs.append(Arc(arc.end, epoch, held, (), former_owners, held, arc.settled))
    sharers = [found for found in members if found.state is not State.LEAVING]
    table = ArcTable(arcs, frozenset(alive))
    Placement(table, sharers, view.replication).settle()
    arcs = [_as_placed(arc, alive) for arc in table.arcs]
    voters = tuple(dict.fromkeys((me.id, *(node for node in view.voters if node in alive))))[:VOTERS_MAX]
    generation, branch = view.generation + 1, _branch(me)
    made = replace(view, epoch=epoch, generation=generation, members=members, voters=voters, branch=branch)
    return replace(made, arcs=tuple(arcs))


def _branch(me: Member) -> int:
    """Another one for each life of each node, as far as so many bits can tell them apart."""
    named = blake2b(me.id + me.incarnation.to_bytes(8, "big"), digest_size=8).digest()
    return int.from_bytes(named, "big") % (BRANCHES - 1) + 1


def _as_placed(arc: Arc, alive: Collection[NodeId]) -> Arc:
    """Holders as far as they are there; who shall hold it and lives receives it, unless all holders have to return."""
    if arc.holders[0] not in alive:
        return arc
    ordered = [node for node in arc.wanted if node in arc.holders]
    ordered += [node for node in arc.holders if node not in arc.wanted]
    holders = tuple(ordered[: max(1, len(arc.wanted))])
    prev = tuple(node for node in dict.fromkeys((*arc.prev, arc.holders[0])) if node != holders[0])
    incoming = tuple(node for node in arc.wanted if node in alive and node not in holders)
    return replace(arc, holders=holders, incoming=incoming, prev=prev)


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
        assert set(arc.incoming) <= set(arc.wanted) & alive, "who receives an arc lives, and shall hold it"
        assert arc.wanted and len(set(arc.wanted)) == len(arc.wanted), "who shall hold an arc is named once"
        assert len(arc.holders) <= len(arc.wanted) or not any(up), "holders beyond the wanted number are dropped"
        assert arc.version <= view.epoch, "versions do not run ahead"
    up_voters = [voter in alive for voter in view.voters]
    assert view.voters and (all(up_voters) or not any(up_voters)), "voters are up, or the last ones"
