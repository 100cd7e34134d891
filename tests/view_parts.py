"""Views made by hand: nodes are numbers, ``n3`` is the address of the fourth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from random import Random

from wrpme.core.membership import transitions as views
from wrpme.limits import REPLICATION_MAX
from wrpme.protocol import health, view_index
from wrpme.protocol import ring
from wrpme.protocol.view import (
    Activated, Arc, Back, Change, Choice, Down, Elect, Expel, Forget, Join, Leave, Mark, NodeId, Replicate, State,
    Synced, View,
)  # fmt: skip

HIVE = b"h" * 16


def id_of(number: int) -> NodeId:
    return b"%03d" % number + bytes(13)


def join(number: int) -> Join:
    return Join(id_of(number), 1, f"n{number}")


def down(number: int) -> Down:
    return Down(id_of(number), 1)


def back(number: int, incarnation: int, epoch: int = 0) -> Back:
    return Back(id_of(number), incarnation, f"n{number}", epoch)


def next_view(view: View, *changes: Change) -> View:
    """The next view; there has to be one, and it has to be a good one."""
    after = views.apply(view, changes)
    assert after is not None, f"{changes} changed nothing"
    views.validate(after)
    return after


def live_owner(view: View, arc: Arc) -> NodeId:
    """The owner; of an arc that nobody serves the first holder, which is no owner."""
    return view_index.owner(view, arc) or arc.holders[0]


def incarnation(view: View, node: NodeId) -> int:
    found = view_index.member(view, node)
    assert found is not None
    return found.incarnation


def sync_all(view: View) -> View:
    """Every copy is complete."""
    reports = [
        Synced(arc.end, arc.version, node, live_owner(view, arc), incarnation(view, live_owner(view, arc)))
        for arc in view.arcs
        for node in arc.incoming
    ]
    return next_view(view, *reports) if reports else view


def activate_all(view: View) -> View:
    """Every owner serves."""
    reports = [
        Activated(arc.end, arc.version, live_owner(view, arc), incarnation(view, live_owner(view, arc)))
        for arc in view.arcs
        if arc.prev
    ]
    return next_view(view, *reports) if reports else view


def settle(view: View) -> View:
    """All come back, all copies end: the hive has to become stable."""
    dead = [member for member in view.members if member.state is State.DOWN]
    if dead:
        view = next_view(view, *(Back(member.id, member.incarnation + 1, member.address) for member in dead))
    for _ in range(view.replication + 2):
        view = activate_all(sync_all(view))
    assert health.condition(view).word == "stable", health.condition(view)
    return view


@cache
def grown(count: int, elect: bool = True) -> View:
    """A stable hive that grew node by node."""
    view = views.found(HIVE, id_of(0), 1, "n0", 1)
    for number in range(1, count):
        view = settle(next_view(view, join(number)))
        if elect:
            view = views.apply(view, [Elect(id_of(number))]) or view
    return view


def touched(before: View, after: View) -> set[int]:
    """Ends of the arcs whose version changed."""
    versions = {arc.end: arc.version for arc in before.arcs}
    return {arc.end for arc in after.arcs if versions.get(arc.end) != arc.version}


def shares(view: View) -> dict[NodeId, int]:
    """Slots by owner."""
    found = {member.id: 0 for member in view.members}
    for index, arc in enumerate(view.arcs):
        found[live_owner(view, arc)] += ring.width(view.arcs, index)
    return found


# --- any life ----------------------------------------------------------------------------------------------------


def any_changes(view: View, random: Random, newest: int) -> list[Change]:
    """Changes of each kind that may fit the view, or nearly do."""
    one, other = random.choice(view.members), random.choice(view.members)
    arc = random.choice(view.arcs)
    moving = [arc for arc in view.arcs if arc.incoming]
    copied = random.choice(moving) if moving else arc
    owned = random.choice([arc for arc in view.arcs if arc.prev] or [arc])
    its_owner = live_owner(view, owned)
    shift = random.choice((0, 0, 0, 1, -1))
    last = [arc for arc in view.arcs if arc.holders == (one.id,)]
    source = random.choice((b"", other.id))
    marks = tuple(Mark(arc.end, arc.version, random.randrange(5), 1) for arc in view.arcs if one.id in arc.holders)
    return [
        Join(id_of(newest), 1, f"n{newest}"), Join(one.id, 1, one.address),
        Down(one.id, one.incarnation + min(0, shift)),
        Back(one.id, one.incarnation + shift + 1, one.address, 0, marks),
        Back(one.id, one.incarnation, one.address, view.epoch + shift),
        Leave(one.id, one.incarnation), Leave(other.id, other.incarnation + shift),
        Expel(one.id, one.incarnation), Expel(other.id, other.incarnation + shift), Elect(one.id),
        Forget(one.id, one.incarnation, tuple(Choice(arc.end, arc.version, source) for arc in last)),
        Forget(one.id, one.incarnation),
        Replicate(random.randint(1, REPLICATION_MAX), view.replication + max(0, shift)),
        *(Synced(copied.end, copied.version + shift, new, live_owner(view, copied), 1) for new in copied.incoming),
        *(
            Synced(found.end, found.version, new, live_owner(view, found), incarnation(view, live_owner(view, found)))
            for found in moving
            for new in found.incoming
        ),
        Activated(owned.end, owned.version + shift, its_owner, incarnation(view, its_owner)),
        Activated(arc.end, arc.version, one.id, one.incarnation),
    ]  # fmt: skip


def any_life(seed: int, replication: int, steps: int = 40, most: int = 8) -> Iterator[tuple[View, list[Change], View]]:
    """``(view, changes, next view)`` of a hive to which anything happens; it comes to rest now and then."""
    random = Random(seed)
    view = views.found(HIVE, id_of(0), 1, "n0", replication)
    for newest in range(1, steps + 1):
        changes = any_changes(view, random, newest)
        chosen = random.sample(changes, random.randint(1, min(4, len(changes))))
        if len(view.members) >= most:
            chosen = [change for change in chosen if not isinstance(change, Join)]
        if random.random() < 0.3:
            chosen = [
                Activated(arc.end, arc.version, live_owner(view, arc), incarnation(view, live_owner(view, arc)))
                for arc in view.arcs
                if arc.prev
            ] or chosen
        elif random.random() < 0.2:
            chosen = [change for change in changes if isinstance(change, Synced)] or chosen
        after = views.apply(view, chosen)
        if after is not None:
            yield view, chosen, after
            view = after
