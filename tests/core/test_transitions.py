"""The view and its changes, as scripts; ``tests/core/test_view_growth.py`` has balance and long lives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.view_parts import (
    HIVE, activate_all, back, down, grown, id_of, join, live_owner, next_view, settle, sync_all, touched,
)  # fmt: skip
from wrpme.core.membership import transitions as views
from wrpme.core.limits import ARCS_PER_MEMBER_MAX, VOTERS_MAX
from wrpme.protocol import health, view_index
from wrpme.protocol import ring
from wrpme.protocol.view import Activated, Arc, Change, Down, Elect, State, Synced, View

A, B, C, D = (id_of(number) for number in range(4))


def test_the_first_view() -> None:
    view = views.found(HIVE, A, 7, "a", 1)
    views.validate(view)
    assert (view.epoch, view.generation, view.voters) == (1, 1, (A,))
    assert {arc.holders for arc in view.arcs} == {(A,)}
    assert health.condition(view) == health.Condition("stable", "1 node is up")


def test_a_join_is_a_copy_first() -> None:
    before = grown(1)
    view = next_view(before, join(1))
    member = view_index.member(view, B)
    assert member is not None and member.joined == view.epoch and member.state is State.UP
    assert all(arc.holders == (A,) for arc in view.arcs), "nothing is owned before it is copied"
    taken = [arc for arc in view.arcs if arc.incoming]
    assert taken and all(arc.incoming == (B,) and arc.version == view.epoch for arc in taken)
    assert health.condition(view).word == "stabilizing"
    assert view.voters == (A,), "a new member is elected when it has the view, not before"


def test_a_copy_makes_an_owner_and_the_former_is_remembered() -> None:
    joined = next_view(grown(1), join(1))
    view = sync_all(joined)
    moved = [arc for arc in view.arcs if arc.holders == (B,)]
    assert moved and all(arc.prev == (A,) and arc.version == view.epoch and not arc.incoming for arc in moved)
    done = activate_all(view)
    assert all(not arc.prev for arc in done.arcs)
    assert [arc.version for arc in done.arcs] == [arc.version for arc in view.arcs], "clearing prev is no new version"
    assert health.condition(done).word == "stable"


def test_a_change_elsewhere_does_not_touch_an_arc() -> None:
    joined = next_view(grown(2), join(2))
    arc = next(arc for arc in joined.arcs if arc.incoming)
    report = Synced(arc.end, arc.version, arc.incoming[0], live_owner(joined, arc), 1)
    view = next_view(joined, report)
    assert touched(joined, view) == {arc.end}


def test_a_death_touches_the_arcs_of_the_dead_that_others_hold() -> None:
    joined = next_view(grown(2), join(2))
    view = next_view(joined, down(2))
    receiving = {arc.end for arc in joined.arcs if arc.incoming}
    assert touched(joined, view) == receiving, "the copies to it are over"
    assert not any(arc.incoming for arc in view.arcs)
    alone = next_view(grown(3), down(2))
    assert touched(grown(3), alone) == set(), "its own arcs wait for it unchanged"
    assert health.condition(alone).word == "unavailable"
    assert "n2" in health.condition(alone).sentence


def test_a_dead_holder_beside_a_living_one_leaves() -> None:
    base = grown(2)
    arcs = tuple(replace(arc, holders=(A, B)) for arc in base.arcs)
    view = next_view(replace(base, arcs=arcs, replication=2), down(0))
    views.validate(view)
    assert all(arc.holders == (B,) and arc.prev == (A,) and arc.version == view.epoch for arc in view.arcs)
    assert health.condition(view).word == "degraded"


def test_last_holders_that_die_together_are_waited_for_together() -> None:
    base = grown(3)
    arcs = tuple(replace(arc, holders=(A, B)) for arc in base.arcs)
    both = next_view(replace(base, arcs=arcs, replication=2), down(0), down(1))
    assert all(arc.holders == (A, B) for arc in both.arcs)
    view = next_view(both, back(1, 2))
    views.validate(view)
    assert all(arc.holders == (B,) and arc.prev == (A,) for arc in view.arcs), "the first to return serves"
    later = next_view(view, back(0, 2))
    views.validate(later)
    assert all(arc.holders == (B,) for arc in later.arcs), "the second may lack writes: it can only receive"
    assert any(arc.incoming == (A,) for arc in later.arcs)


def test_every_start_touches_the_arcs_of_the_node() -> None:
    """Else an owner goes on counting a node that has forgotten its place."""
    joined = next_view(grown(2), join(2))
    view = next_view(joined, back(2, 2))
    arcs = [arc for arc in view.arcs if C in arc.incoming]
    assert arcs and all(arc.version == view.epoch for arc in arcs)
    base = grown(3)
    again = next_view(base, back(2, 2))
    mine = {arc.end for arc in base.arcs if arc.holders == (C,)}
    assert touched(base, again) == mine


def test_a_start_is_not_taken_back() -> None:
    base = next_view(grown(2), back(1, 5))
    for late in (back(1, 5), back(1, 4)):
        assert views.apply(base, [late]) is None
    gone = next_view(base, Down(B, 5))
    assert views.apply(gone, [back(1, 4)]) is None
    assert next_view(gone, back(1, 5, gone.epoch)).members[1].state is State.UP, "it was only taken for dead"
    assert views.apply(gone, [back(1, 5, gone.epoch - 1)]) is None, "it has not seen that it died once more"


def test_a_node_that_returns_elsewhere_has_its_new_address() -> None:
    base = next_view(grown(2), down(1))
    view = next_view(base, replace(back(1, 2), address="elsewhere"))
    member = view_index.member(view, B)
    assert member is not None and (member.address, member.incarnation) == ("elsewhere", 2)
    assert view_index.member_at(view, "elsewhere") == member


def test_at_one_address_the_living_is_meant() -> None:
    base = next_view(grown(2), down(1))
    view = next_view(base, replace(join(2), address="n1"))
    found = view_index.member_at(view, "n1")
    assert found is not None and found.id == C
    assert view_index.member_at(view, "nowhere") is None


def test_of_several_that_return_the_senior_is_placed_first() -> None:
    dead = next_view(grown(3), down(0), down(1), down(2))
    views.validate(dead)
    assert dead.voters == (A, B, C), "the last voters stay"
    one = next_view(dead, back(2, 2))
    assert one.voters == (C,)
    together = next_view(dead, back(2, 2), back(0, 2), back(1, 2))
    views.validate(together)
    assert together == next_view(dead, back(0, 2), back(1, 2), back(2, 2))


@pytest.mark.parametrize(
    ("what", "report"),
    [
        ("another version", lambda arc: Synced(arc.end, arc.version - 1, C, arc.holders[0], 1)),
        ("a later version", lambda arc: Synced(arc.end, arc.version + 1, C, arc.holders[0], 1)),
        ("another life of the reporter", lambda arc: Synced(arc.end, arc.version, C, arc.holders[0], 2)),
        ("a reporter that does not own it", lambda arc: Synced(arc.end, arc.version, C, C, 1)),
        ("a node that receives nothing", lambda arc: Synced(arc.end, arc.version, arc.holders[0], arc.holders[0], 1)),
        ("a stranger", lambda arc: Synced(arc.end, arc.version, D, arc.holders[0], 1)),
        ("no end of an arc", lambda arc: Synced(arc.end - 1, arc.version, C, arc.holders[0], 1)),
        ("beyond the ring", lambda arc: Synced(arc.end + ring.RING, arc.version, C, arc.holders[0], 1)),
    ],
)
def test_late_and_foreign_reports_of_a_copy_are_void(what: str, report: object) -> None:
    base = next_view(grown(2), join(2))
    arc = next(arc for arc in base.arcs if arc.incoming)
    assert callable(report)
    assert views.apply(base, [report(arc)]) is None, what
    assert not views.fits(base, report(arc))


@pytest.mark.parametrize(("version", "reporter", "life"), [(-1, B, 1), (1, B, 1), (0, A, 1), (0, B, 2)])
def test_late_and_foreign_reports_of_an_activation_are_void(version: int, reporter: bytes, life: int) -> None:
    base = sync_all(next_view(grown(1), join(1)))
    arc = next(arc for arc in base.arcs if arc.prev)
    assert views.apply(base, [Activated(arc.end, arc.version + version, reporter, life)]) is None
    assert views.apply(base, [Activated(arc.end, arc.version, B, 1)]) is not None


def test_further_owners_are_added_to_prev_until_activated() -> None:
    view = sync_all(next_view(grown(1), join(1)))
    arc = next(arc for arc in view.arcs if arc.prev)
    index = view.arcs.index(arc)
    arcs = (*view.arcs[:index], replace(arc, holders=(B, A)), *view.arcs[index + 1 :])
    after = next_view(replace(view, arcs=arcs), down(1))
    assert after.arcs[index].holders == (A,)
    assert after.arcs[index].prev == (B,), "the owner itself is not among those it waits for"


def test_other_void_changes() -> None:
    view = grown(2)
    dead = next_view(view, down(1))
    for change in (join(1), back(7, 1), Down(D, 1), Down(B, 2), Elect(B), Elect(D)):
        assert views.apply(view, [change]) is None, change
    assert views.apply(dead, [Down(B, 1)]) is None
    assert views.apply(dead, [Elect(B)]) is None
    assert views.apply(view, []) is None


def test_one_voter_more_a_view_and_five_at_most() -> None:
    view = grown(7, elect=False)
    assert view.voters == (A,)
    nodes = [id_of(number) for number in range(1, 7)]
    for count in range(2, VOTERS_MAX + 1):
        view = next_view(view, *[Elect(node) for node in nodes if node not in view.voters])
        assert len(view.voters) == count
    assert views.apply(view, [Elect(nodes[-1])]) is None


def test_nobody_is_elected_by_the_dead() -> None:
    dead = next_view(grown(3, elect=False), down(0))
    assert dead.voters == (A,), "the last voters stay voters"
    assert views.apply(dead, [Elect(B)]) is None


def test_the_dead_do_not_vote() -> None:
    view = next_view(grown(3), down(0))
    assert view.voters == (B, C)
    assert next_view(view, down(1)).voters == (C,)


def test_views_that_differ_have_digests_that_differ() -> None:
    view = grown(3)
    arc = view.arcs[0]
    others = [
        replace(view, epoch=view.epoch + 1),
        replace(view, generation=2),
        replace(view, hive=b"x" * 16),
        replace(view, voters=view.voters[::-1]),
        replace(view, members=view.members[:-1]),
        replace(view, members=(replace(view.members[0], incarnation=9), *view.members[1:])),
        replace(view, arcs=(replace(arc, version=arc.version + 1), *view.arcs[1:])),
        replace(view, arcs=(replace(arc, prev=(C,)), *view.arcs[1:])),
        replace(view, arcs=view.arcs[1:]),
    ]
    digests = {view_index.digest(other) for other in [view, *others]}
    assert len(digests) == len(others) + 1
    assert view_index.digest(view_index.unpack(view_index.pack(view))) == view_index.digest(view)
    assert view_index.unpack(view_index.pack(view)) == view


@pytest.mark.parametrize(
    "broken",
    [
        lambda view: replace(view, arcs=view.arcs[:-1]),
        lambda view: replace(view, arcs=view.arcs[::-1]),
        lambda view: replace(view, arcs=(replace(view.arcs[0], holders=()), *view.arcs[1:])),
        lambda view: replace(view, arcs=(replace(view.arcs[0], holders=(A, A)), *view.arcs[1:])),
        lambda view: replace(view, arcs=(replace(view.arcs[0], holders=(A, B), incoming=(B,)), *view.arcs[1:])),
        lambda view: replace(view, arcs=(replace(view.arcs[0], version=view.epoch + 1), *view.arcs[1:])),
        lambda view: replace(view, arcs=(Arc(view.arcs[0].end, 1, (A, D)), *view.arcs[1:])),
        lambda view: replace(view, voters=()),
        lambda view: replace(view, voters=(A, D)),
    ],
)
def test_validate_sees_what_is_broken(broken: object) -> None:
    view = grown(2)
    views.validate(view)
    assert callable(broken)
    with pytest.raises((AssertionError, IndexError)):
        views.validate(broken(view))


# --- any life ----------------------------------------------------------------------------------------------------

NUMBERS = st.integers(0, 5)
STEPS = st.lists(st.tuples(st.sampled_from("jdbsaexz"), NUMBERS, st.integers(0, 400)), max_size=25)


def _changes(view: View, kind: str, number: int, pick: int) -> list[Change]:
    """A change that may fit the view, or not."""
    node = id_of(number)
    known = view_index.member(view, node)
    life = known.incarnation if known else 1
    arc = view.arcs[pick % len(view.arcs)]
    reporter = live_owner(view, arc)
    reports = [found.incarnation for found in view.members if found.id == reporter]
    receiver = arc.incoming[0] if arc.incoming else node
    made: dict[str, list[Change]] = {
        "j": [join(number)],
        "d": [Down(node, life)],
        "b": [back(number, life + pick % 2, view.epoch)],
        "s": [Synced(arc.end, arc.version, receiver, reporter, reports[0])],
        "a": [Activated(arc.end, arc.version, reporter, reports[0])],
        "e": [Elect(node)],
        "x": [Down(node, life), join(number), back((number + 1) % 6, pick % 4), Elect(node)],
        "z": [Synced(arc.end, arc.version - pick % 2, node, node, 1), Activated(arc.end, arc.version, node, 1)],
    }
    return made[kind]


@settings(max_examples=150)
@given(STEPS, st.integers(1, 3))
def test_invariants_hold_after_any_life(steps: list[tuple[str, int, int]], replication: int) -> None:
    view = views.found(HIVE, A, 1, "n0", replication)
    for kind, number, pick in steps:
        changes = _changes(view, kind, number, pick)
        after = views.apply(view, changes)
        if after is None:
            continue
        views.validate(after)
        assert after == views.apply(view_index.unpack(view_index.pack(view)), changes), "the same everywhere"
        assert after.epoch == view.epoch + 1
        assert len(after.arcs) <= ARCS_PER_MEMBER_MAX * len(after.members) + 32
        lives = {found.id: found.incarnation for found in view.members}
        restarted = {found.id for found in after.members if lives.get(found.id) != found.incarnation}
        was = {arc.end: (ring.arc_start(view, index), arc) for index, arc in enumerate(view.arcs)}
        for index, arc in enumerate(after.arcs):
            start, former = was.get(arc.end, (-1, None))
            same = former is not None and start == ring.arc_start(after, index)
            same = same and former is not None and former.holders == arc.holders and former.incoming == arc.incoming
            same = same and not restarted & {*arc.holders, *arc.incoming}
            if not same:
                assert arc.version == after.epoch, "what changed has the version of this epoch"
            elif former is not None and arc.version == former.version and arc.prev != former.prev:
                assert not arc.prev, "at one version earlier owners are only forgotten"
        view = after
    settle(view)
