"""What is kept beside a view: whatever road led there, it is as if it had been worked out from the view alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.view_parts import any_life, grown, id_of, join, next_view
from wrpme.core.membership import transitions as views
from wrpme.protocol import health, view_index
from wrpme.protocol.arc_table import ArcTable
from wrpme.protocol.view import Member, Patch, State, View
from wrpme.protocol.view_index import Index, index_of, patched, seniority

SEEDS = 12
COPIES = pytest.mark.parametrize("replication", [1, 2, 3])


def anew(view: View) -> View:
    return view_index.unpack(view_index.pack(view))


def check(view: View) -> None:
    """The index of a view is that of the same view made from nothing, in all that anybody can ask."""
    scratch = anew(view)
    assert not scratch.__dict__
    carried, made = index_of(view), index_of(scratch)
    for name in ("order", "members", "alive", "down", "leaving", "ends", "sum"):
        assert getattr(carried, name) == getattr(made, name), name
    for name in vars(ArcTable((), frozenset())):
        if name not in ("before", "shifted"):
            assert getattr(carried.table, name) == getattr(made.table, name), name
    assert view_index.digest(view) == view_index.digest(scratch)
    assert health.condition(view) == health.condition(scratch)


@COPIES
def test_a_patch_carries_the_index_forward(replication: int) -> None:
    for seed in range(SEEDS):
        followed: View | None = None
        for view, _, after in any_life(seed, replication):
            followed = view if followed is None else followed
            followed = patched(followed, views.difference(view, after))
            assert followed == after, seed
            assert tuple(followed.members) == tuple(sorted(after.members, key=seniority)), seed
            check(followed)


@COPIES
def test_the_next_view_knows_its_patch(replication: int) -> None:
    for seed in range(100, 100 + SEEDS):
        for view, changes, after in any_life(seed, replication):
            made = views.next_view(anew(view), changes)
            assert made is not None, seed
            assert made == (after, views.difference(view, after)), f"as if all had been compared: {seed}"
            check(made[0])
            assert patched(anew(view), made[1]) == after, seed


def test_looking_does_not_change_what_a_view_is() -> None:
    view, raw = grown(3), view_index.pack(grown(3))
    index_of(view)
    again = view_index.unpack(raw)
    assert view_index.pack(view) == raw and view == again and hash(view) == hash(again)
    assert index_of(view) is index_of(view)
    assert not replace(view, epoch=9).__dict__, "a view that was made from another one does not have its index"


def test_a_patch_that_was_made_for_another_view_is_no_error() -> None:
    view = grown(3)
    stranger = Member(id_of(9), 1, "n9", 2, State.DOWN)
    odd = Patch((stranger, replace(view.members[2], joined=1)), (id_of(77),), (), (5, view.arcs[0].end), ())
    after = patched(view, odd)
    check(after)
    assert view_index.digest(after) != view_index.digest(view)
    everything = patched(view, Patch((), tuple(found.id for found in view.members), (), tuple(index_of(view).ends), ()))
    assert (everything.members, everything.arcs) == ((), ())
    check(everything)


def test_who_is_what() -> None:
    view = next_view(grown(4), join(7))
    index = index_of(view)
    assert isinstance(index, Index)
    assert index.alive == {found.id for found in view.members} and not index.down and not index.leaving
    for found in view.members:
        named = {arc.end for arc in view.arcs if found.id in (*arc.holders, *arc.incoming, *arc.prev, *arc.wanted)}
        assert index.parts(found.id) == named
