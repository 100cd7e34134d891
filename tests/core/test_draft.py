"""Every change of the view at one, two and three copies: what becomes of holders, incoming, versions and members."""

from __future__ import annotations

from itertools import chain
from random import Random

import pytest
from msgspec.structs import replace

from tests.view_parts import any_changes, any_life
from wrpme.core.membership import transitions as views
from wrpme.core.membership.draft import Draft
from wrpme.core.limits import ARCS_PER_MEMBER_MAX
from wrpme.limits import SLOTS
from wrpme.protocol import health, view_index
from wrpme.protocol import ring
from wrpme.protocol.view import (
    NOBODY, Activated, Arc, Back, Change, Choice, Down, Elect, Expel, Forget, Join, Leave, NodeId, State, Synced, View,
)  # fmt: skip

COPIES = pytest.mark.parametrize("replication", [1, 2, 3])


def node(number: int) -> NodeId:
    return bytes([number]) * 16


def after(view: View, *changes: Change) -> View:
    """The next view, which validates; a version is new exactly where something of the arc is."""
    following = views.apply(view, changes)
    assert following is not None, "it has an effect"
    views.validate(following)
    before = {(ring.arc_start(view, index), arc.end): arc for index, arc in enumerate(view.arcs)}
    incarnations = {member.id: member.incarnation for member in view.members}
    for index, arc in enumerate(following.arcs):
        known = before.get((ring.arc_start(following, index), arc.end))
        same = known is not None and (known.holders, known.incoming) == (arc.holders, arc.incoming)
        parts = (*arc.holders, *arc.incoming)
        lives = {member.id: member.incarnation for member in following.members}
        same = same and all(incarnations.get(part) == lives.get(part) for part in parts)
        if not same:
            assert arc.version == following.epoch, "what changed has a new version"
    return following


def incarnation(view: View, who: NodeId) -> int:
    found = view_index.member(view, who)
    assert found is not None
    return found.incarnation


def settled(view: View) -> View:
    """Everything on its way has arrived, and who can vote does."""
    for _ in range(200):
        changes: list[Change] = []
        for arc in view.arcs:
            owner = view_index.owner(view, arc)
            if owner is not None:
                life = incarnation(view, owner)
                changes += [Synced(arc.end, arc.version, new, owner, life) for new in arc.incoming[:1]]
                changes += [Activated(arc.end, arc.version, owner, life)] * bool(arc.prev)
        changes += [Elect(member.id) for member in view.members if member.id not in view.voters]
        changes += [Leave(one.id, one.incarnation) for one in view.members if one.state is State.LEAVING]
        following = views.apply(view, changes)
        if following is None:
            return view
        views.validate(following)
        view = following
    raise AssertionError("it never comes to rest")


def hive(count: int, replication: int) -> View:
    view = views.found(b"h" * 16, node(1), 1, "h1:1", replication)
    for number in range(2, count + 1):
        view = settled(after(view, Join(node(number), 1, f"h{number}:1")))
    assert health.condition(view).word == "stable"
    return view


@COPIES
def test_who_is_down_leaves_arcs_that_others_hold_and_waits_with_the_rest(replication: int) -> None:
    view = hive(4, replication)
    down = after(view, Down(node(2), 1))
    for before, now in zip(view.arcs, down.arcs, strict=True):
        others = tuple(holder for holder in before.holders if holder != node(2))
        assert now.holders == (others or before.holders)
        assert now.wanted == before.wanted, "it is waited for"
        if before.holders[0] == node(2) and others:
            assert now.prev == (node(2),)


@COPIES
def test_a_set_that_dies_at_once_waits_together(replication: int) -> None:
    view = hive(3, replication)
    down = after(view, *(Down(node(number), 1) for number in (1, 2, 3)))
    assert [arc.holders for arc in down.arcs] == [arc.holders for arc in view.arcs]
    assert down.voters == view.voters, "the last voters stay"
    back = after(down, Back(node(2), 2, "h2:1"))
    for before, now in zip(view.arcs, back.arcs, strict=True):
        if node(2) in before.holders:
            assert now.holders == (node(2),), "it is the live one, and those down with it are dropped"


@pytest.mark.parametrize(("known", "taken"), [(0, True), (1, True), (2, False), (9, False)])
def test_who_comes_back_has_seen_the_life_that_the_view_names(known: int, taken: bool) -> None:
    """Its directory alone knows whether it has lived that; a node of a former release says nothing of it."""
    view = hive(3, 2)
    back = Back(node(2), 3, "h2:1", known=known)
    assert (views.apply(view, (back,)) is not None) is taken


@COPIES
def test_who_comes_back_receives_what_it_shall_hold(replication: int) -> None:
    view = hive(4, replication)
    back = after(after(view, Down(node(3), 1)), Back(node(3), 2, "h3:1"))
    for before, now in zip(view.arcs, back.arcs, strict=True):
        if node(3) in before.holders:
            others = len(before.holders) > 1
            assert (node(3) in now.incoming) is others and (node(3) in now.holders) is not others
    assert [arc.holders for arc in settled(back).arcs] == [arc.holders for arc in view.arcs], "all as it was"


@COPIES
def test_a_quick_restart_counts_as_a_death(replication: int) -> None:
    view = hive(3, replication)
    back = after(view, Back(node(2), 2, "h2:1"))
    for before, now in zip(view.arcs, back.arcs, strict=True):
        if node(2) in before.holders:
            assert now.version == back.epoch
            assert now.holders == (node(2),) if len(before.holders) == 1 else node(2) in now.incoming


@COPIES
def test_leaving_to_the_end(replication: int) -> None:
    view = hive(4, replication)
    leaving = after(view, Leave(node(1), 1))
    found = view_index.member(leaving, node(1))
    assert found is not None and found.state is State.LEAVING
    assert all(node(1) not in arc.wanted for arc in leaving.arcs)
    gone = settled(leaving)
    assert view_index.member(gone, node(1)) is None and node(1) not in gone.voters
    assert all(arc.holders == arc.wanted and len(arc.holders) == min(replication, 3) for arc in gone.arcs)


def test_the_last_one_can_not_leave() -> None:
    assert views.apply(hive(1, 2), [Leave(node(1), 1)]) is None
    two = hive(2, 2)
    alone = after(two, Down(node(2), 1))
    assert views.apply(alone, [Leave(node(1), 1)]) is None


def test_a_voter_that_is_the_only_one_stays_until_another_one_knows() -> None:
    view = views.found(b"h" * 16, node(1), 1, "h1:1", 1)
    view = after(view, Join(node(2), 1, "h2:1"), Leave(node(1), 1))
    while any(arc.incoming or arc.prev for arc in view.arcs):
        arc = next(arc for arc in view.arcs if arc.incoming or arc.prev)
        owner = arc.holders[0]
        new = arc.incoming[0] if arc.incoming else owner
        report: Change = Synced(arc.end, arc.version, new, owner, 1)
        view = after(view, report if arc.incoming else Activated(arc.end, arc.version, owner, 1))
    assert view.voters == (node(1),) and view_index.member(view, node(1)) is not None
    elected = after(view, Elect(node(2)))
    assert view_index.member(elected, node(1)) is not None, "the newcomer may not have this view yet"
    assert view_index.member(after(elected, Leave(node(1), 1)), node(1)) is None


def test_who_is_expelled_and_who_is_not() -> None:
    view = hive(4, 2)
    down = after(view, Down(node(2), 1))
    gone = settled(after(down, Expel(node(2), 1)))
    assert view_index.member(gone, node(2)) is None
    assert all(len(arc.holders) == 2 and node(2) not in arc.wanted for arc in gone.arcs)
    two = after(down, Down(node(3), 1))
    assert views.apply(two, [Expel(node(2), 1)]) is None, "more than a third is down"
    assert views.apply(view, [Expel(node(2), 1)]) is None, "it lives"
    single = after(hive(4, 1), Down(node(2), 1))
    assert views.apply(single, [Expel(node(2), 1)]) is None, "it is a last holder"


def forget(view: View, number: int, source: int | None) -> Forget:
    """The change that gives a node up; what it alone held starts again from another one's copy, or from nothing."""
    chosen = node(source) if source is not None else NOBODY
    last = [arc for arc in view.arcs if arc.holders == (node(number),)]
    return Forget(node(number), 1, tuple(Choice(arc.end, arc.version, chosen) for arc in last))


def test_forgetting_falls_back_on_a_former_holder_or_on_nothing() -> None:
    view = hive(3, 2)
    down = after(after(view, Down(node(2), 1)), Down(node(3), 1))
    last = [arc for arc in down.arcs if arc.holders == (node(3),)]
    assert last, "some arcs are with the dead alone"
    back = after(down, Back(node(2), 2, "h2:1"))
    forgotten = after(back, forget(back, 3, 2))
    assert view_index.member(forgotten, node(3)) is None
    ends = {arc.end for arc in last}
    assert all(arc.holders == (node(2),) for arc in forgotten.arcs if arc.end in ends), "it held them once"
    half = after(hive(2, 1), Down(node(2), 1))
    assert all(arc.holders == (node(1),) for arc in after(half, forget(half, 2, None)).arcs)
    for void in (Forget(node(2), 1), forget(half, 2, 2), forget(half, 2, 9)):
        assert views.apply(half, [void]) is None, "nobody chose where it starts again, or one that is not there"
    assert views.apply(view, [Forget(node(3), 1)]) is None, "it lives"


def test_one_more_voter_a_view() -> None:
    view = views.found(b"h" * 16, node(1), 1, "h1:1", 1)
    view = after(view, Join(node(2), 1, "h2:1"), Join(node(3), 1, "h3:1"))
    view = after(view, Elect(node(2)), Elect(node(3)))
    assert view.voters == (node(1), node(2))


def test_the_first_view_of_a_new_generation() -> None:
    view = hive(4, 2)
    me = view_index.member(view, node(4))
    assert me is not None
    again = views.recover(view, me, [node(3)])
    views.validate(again)
    assert (again.generation, again.epoch, again.voters[0]) == (2, view.epoch + 1, node(4))
    assert {member.id for member in again.members} == {node(3), node(4)}
    for before, now in zip(view.arcs, settled(again).arcs, strict=False):
        assert set(now.holders) == {node(3), node(4)}, before
    assert health.condition(settled(again)).word == "stable"


def test_an_arc_waits_for_the_only_copy_where_its_node_has_to_come_back_first() -> None:
    """It answers, so a new generation takes it along; but it is down until it is taken back."""
    view = hive(4, 1)
    me = view_index.member(view, node(4))
    assert me is not None
    lost = [arc for arc in view.arcs if arc.holders == (node(1),)]
    choices = [Choice(arc.end, arc.version, node(3)) for arc in lost]
    again = views.recover(view, me, [], choices, [node(3)])
    views.validate(again)
    assert {member.id for member in again.members if member.state is State.DOWN} == {node(3)}
    for arc in lost:
        (now,) = (one for one in again.arcs if one.end == arc.end)
        assert now.holders == (node(3),), "nobody else has what it has"


@pytest.mark.parametrize("seed", range(30))
@COPIES
def test_whatever_happens_a_view_is_valid_and_heals(seed: int, replication: int) -> None:
    random = Random(seed)
    view = views.found(b"h" * 16, node(1), 1, "h1:1", replication)
    lives, newest = {node(1): 1}, 1
    for _ in range(40):
        one = random.choice(view.members)
        lives[one.id] = life = max(lives.get(one.id, 1), one.incarnation) + 1
        arc = random.choice(view.arcs)
        owner = view_index.owner(view, arc) or node(1)
        known = view_index.member(view, owner)
        reporter = known.incarnation if known else 1
        newest += 1
        changes: list[Change] = [
            Join(node(newest), 1, f"h{newest}:1"), Down(one.id, one.incarnation), Back(one.id, life, one.address),
            Leave(one.id, one.incarnation), Expel(one.id, one.incarnation), Elect(one.id),
            *(Synced(arc.end, arc.version, new, owner, reporter) for new in arc.incoming),
            Activated(arc.end, arc.version, owner, reporter),
        ]  # fmt: skip
        chosen = random.sample(changes, random.randint(1, 3))
        if len(view.members) > 6:
            chosen = [change for change in chosen if not isinstance(change, Join)]
        following = views.apply(view, chosen)
        if following is not None:
            views.validate(following)
            view = following
        if random.random() < 0.2:
            view = settled(view)
    for member in view.members:
        if member.state is State.DOWN:
            view = after(view, Back(member.id, lives.get(member.id, 1) + 100, member.address))
    view = settled(view)
    assert health.condition(view).word == "stable"
    assert all(arc.holders == arc.wanted for arc in view.arcs)
    assert len(view.arcs) <= 2 * ARCS_PER_MEMBER_MAX * len(view.members)


@COPIES
def test_a_change_fits_where_it_has_an_effect(replication: int) -> None:
    random = Random(replication)
    seen: set[tuple[type[Change], bool]] = set()
    for view, _, _ in chain.from_iterable(any_life(seed, replication) for seed in range(12)):
        for change in any_changes(view, random, random.randint(1, 60)):
            fits = views.fits(view, change)
            assert fits == (views.next_view(view, [change]) is not None), change
            seen.add((type(change), fits))
    kinds = {Join, Back, Down, Synced, Activated, Elect, Leave, Forget} | ({Expel} if replication > 1 else set())
    assert {(kind, fits) for kind in kinds for fits in (True, False)} <= seen, "each kind was tried both ways"


@pytest.mark.parametrize("seed", range(12))
@COPIES
def test_holders_have_followed_what_is_wanted(seed: int, replication: int) -> None:
    """Which is why only the arcs that something happened to are looked at when somebody comes or goes."""
    for _, _, view in any_life(seed, replication):
        draft = Draft(view)
        for arc in view.arcs:
            assert draft._wanted_holders(arc) == (arc.holders, arc.incoming)


def test_only_as_many_arcs_become_one_as_are_too_many() -> None:
    view = hive(3, 1)
    widths = SLOTS // 128
    parts = [Arc(ring.end_of_slot((at + 1) * widths), 1, (node(1),), wanted=(node(1),)) for at in range(128)]
    parts = [replace(arc, settled=((arc.end, 1 + at % 2),)) for at, arc in enumerate(parts)]
    view = replace(view, arcs=tuple(parts))
    following = after(view, Elect(node(3))) if node(3) not in view.voters else after(view, Down(node(3), 1))
    assert len(following.arcs) == len(following.members) * ARCS_PER_MEMBER_MAX
    for at, arc in enumerate(parts):
        now = following.arcs[ring.arc_at(following, arc.end)]
        assert ring.settled_at(now, arc.end) == 1 + at % 2, "each stretch keeps the version that it is settled from"
