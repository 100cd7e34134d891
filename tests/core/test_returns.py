"""Who may come back in the next view, and who is marked down in it."""

from __future__ import annotations

import pytest

from wrpme.core.membership import transitions as views
from wrpme.core.membership.returns import Returns, gone
from wrpme.protocol.view import Arc, Back, Down, Mark, Member, NodeId, State, View

A, B, C, D = (letter * 16 for letter in (b"a", b"b", b"c", b"d"))
END = (1 << 64) - 1


def view_of(holders: tuple[NodeId, ...] = (A, B, C), down: tuple[NodeId, ...] = (), epoch: int = 7) -> View:
    members = tuple(
        Member(node, 1, node[:1].decode(), number + 1, State.DOWN if node in down else State.UP)
        for number, node in enumerate((A, B, C, D))
    )
    return View(epoch, b"h" * 16, 1, 3, members, (Arc(END, 5, holders, wanted=holders),), (A, B, C))


def back(node: NodeId, mark: tuple[int, int] | None = (5, 0), incarnation: int = 2, version: int = 5) -> Back:
    marks = (Mark(END, version, *mark),) if mark is not None else ()
    return Back(node, incarnation, node[:1].decode(), 7, marks)


def test_gone_are_those_in_a_newer_life_and_later_those_that_nobody_heard() -> None:
    heard = {A: 2, B: 1}
    assert gone(view_of(), heard, False) == [Down(A, 1)]
    assert gone(view_of(), heard, True) == [Down(A, 1), Down(C, 1), Down(D, 1)]
    assert gone(view_of(down=(A, D)), heard, True) == [Down(C, 1)]


@pytest.mark.parametrize(
    ("heard", "dead", "expected"),
    [
        ({A: 2}, (), False),  # of B and C nobody knows anything
        ({A: 2, B: 1}, (), False),  # C may never come
        ({A: 2, B: 1, C: 1}, (), True),
        ({A: 2, B: 1}, (C,), True),
        ({A: 2}, (B, C), True),
        ({A: 2, B: 2, C: 2}, (B, C), True),
    ],
)
def test_every_other_holder_is_heard_or_marked_down(
    heard: dict[NodeId, int], dead: tuple[NodeId, ...], expected: bool
) -> None:
    assert bool(Returns(view_of()).ready([back(A)], heard, {A, *dead}, frozenset())) is expected


@pytest.mark.parametrize(
    ("heard", "dead", "expected"),
    [
        ({A: 2, B: 2}, (), []),  # C shares an arc with B, and is called up though nobody heard it
        ({A: 2, B: 2, C: 1}, (), [A]),
        ({A: 2, B: 2}, (C,), [A]),
        ({A: 2, B: 1}, (), [A]),  # B goes on, it does not have to come back
    ],
)
def test_a_restarted_companion_is_not_passed_over_beside_a_holder_that_nobody_heard(
    heard: dict[NodeId, int], dead: tuple[NodeId, ...], expected: list[NodeId]
) -> None:
    view = view_of()
    middle = END // 2
    arcs = (Arc(middle, 5, (A, B), wanted=(A, B)), Arc(END, 5, (B, C), wanted=(B, C)))
    view = View(view.epoch, view.hive, 1, 2, view.members, arcs, view.voters)
    down = {A, *dead, *(node for node, life in heard.items() if life > 1)}
    asked = Back(A, 2, "a", 7, (Mark(middle, 5, 5, 0),))
    returns = Returns(view)
    assert [found.node for found in returns.ready([asked], heard, down, frozenset())] == expected
    assert returns.is_accounted(B, heard.keys(), down) == (C in heard or C in dead)


def test_who_holds_nothing_waits_for_nobody() -> None:
    assert Returns(view_of()).ready([back(D)], {D: 2}, {D}, frozenset()) == [back(D)]


def test_those_that_come_to_an_arc_that_nobody_holds_come_together() -> None:
    heard, dead, coming = {A: 2, B: 2, C: 2}, {A, B, C}, frozenset({A, B})
    assert Returns(view_of()).ready([back(A)], heard, dead, coming) == []
    assert Returns(view_of()).ready([back(A), back(B)], heard, dead, coming) == [back(A), back(B)]
    assert Returns(view_of()).ready([back(A), back(B, None)], heard, dead, coming) == [], "how complete is B's copy?"
    assert Returns(view_of()).ready([back(A), back(B, version=4)], heard, dead, coming) == [], (
        "it told of a former version"
    )
    assert Returns(view_of()).ready([back(A), back(B), back(D)], heard, dead, frozenset({B, C, D})) == [back(D)]


def test_what_has_changed_since_the_last_question_counts() -> None:
    returns, backs = Returns(view_of()), [back(A)]
    assert returns.ready(backs, {A: 2}, {A}, frozenset()) == []
    assert returns.ready(backs, {A: 2, B: 2, C: 2}, {A}, frozenset()) == backs
    assert returns.ready(backs, {A: 2, B: 2, C: 2}, {A, B, C}, frozenset({B})) == []
    assert returns.ready([back(A), back(B)], {A: 2, B: 2, C: 2}, {A, B, C}, frozenset({B})) == [back(A), back(B)]


def test_the_most_complete_copy_wins() -> None:
    view = view_of()
    for marks, best in (((5, 9), (5, 8), (4, 99)), A), (((5, 9), (5, 10), (4, 99)), B), (((5, 9), (5, 9), (6, 0)), C):
        backs = [back(node, mark) for node, mark in zip((A, B, C), marks, strict=True)]
        following = views.apply(view, backs)
        assert following is not None
        views.validate(following)
        assert following.arcs[0].holders == (best,)
        assert set(following.arcs[0].incoming) == {A, B, C} - {best}


def test_among_equals_the_last_owner_wins() -> None:
    view = view_of(holders=(C, A, B))
    following = views.apply(view, [back(node) for node in (A, B, C)])
    assert following is not None and following.arcs[0].holders == (C,)


def test_a_mark_of_another_version_of_the_arc_counts_for_nothing() -> None:
    following = views.apply(view_of(), [back(A, (4, 1)), back(B, (9, 9), version=4), back(C, None)])
    assert following is not None and following.arcs[0].holders == (A,)


def test_who_returns_beside_a_living_holder_receives_a_copy() -> None:
    following = views.apply(view_of(), [back(A, (9, 9))])
    assert following is not None and following.arcs[0].holders == (B, C) and following.arcs[0].incoming == (A,)
