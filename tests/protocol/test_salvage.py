"""Which copy an arc starts again from, and what the operator is told of it."""

from __future__ import annotations

from wrpme.protocol import salvage
from wrpme.protocol.messages import Holding
from wrpme.protocol.salvage import Loss
from wrpme.protocol.view import NOBODY, Arc, Choice, Member, State, View

A, B, C = (letter * 16 for letter in (b"a", b"b", b"c"))
QUARTER = 1 << 62
ENDS = [QUARTER * (number + 1) - 1 for number in range(4)]


def view_of(*holders: tuple[bytes, ...]) -> View:
    members = tuple(Member(node, 1, node[:1].decode(), 1, State.DOWN if node == C else State.UP) for node in (A, B, C))
    arcs = tuple(Arc(end, 5, held, wanted=held) for end, held in zip(ENDS, holders, strict=True))
    return View(9, b"h" * 16, 1, 2, members, arcs, (A,))


def test_only_what_nobody_else_holds_is_lost() -> None:
    view = view_of((C,), (C, B), (A,), (C,))
    assert salvage.orphans(view, (C,)) == [0, 3]
    assert salvage.orphans(view, (B, C)) == [0, 1, 3]


def test_the_most_complete_copy_is_chosen_and_told() -> None:
    view = view_of((C,), (C,), (C,), (C,))
    told = {
        A: [Holding(ENDS[0], 5, 3, 7, 10), Holding(ENDS[1], 5, 4, 0, 0), Holding(ENDS[2], 4, 9, 9, 99)],
        B: [Holding(ENDS[0], 5, 3, 8, 9), Holding(ENDS[1], 5, 3, 99, 50), Holding(ENDS[3], 5, 0, 0, 4)],
    }
    choices, loss = salvage.choose(view, salvage.orphans(view, (C,)), told)
    assert choices == tuple(Choice(end, 5, node) for end, node in zip(ENDS, (B, A, NOBODY, B), strict=True))
    assert loss == Loss(1.0, 0.25, ((B, 0.5, 13), (A, 0.25, 0)))
    assert salvage.in_words(loss, lambda node: node[:1].decode()) == (
        "50.0 % of the ring starts again from the copy that b has (13 entries; what was written since it held it is "
        "lost); 25.0 % of the ring starts again from the copy that a has (0 entries; what was written since it held it "
        "is lost); of 25.0 % of the ring no living node has a copy: it starts again empty"
    )


def test_nothing_lost_nothing_said() -> None:
    assert salvage.in_words(Loss(0.0, 0.0, ()), bytes.hex) == ""


def test_how_many_entries_are_given_up_is_told_by_what_the_rest_of_the_ring_holds() -> None:
    view = view_of((C,), (A,), (A, B), (C,))
    told = {A: [Holding(ENDS[1], 5, 3, 7, 100), Holding(ENDS[2], 5, 3, 7, 120)], B: [Holding(ENDS[2], 5, 3, 6, 119)]}
    _, loss = salvage.choose(view, salvage.orphans(view, (C,)), told)
    assert salvage.given_up(view, loss, told) == "by what lies on the rest of the ring, about 220 entries are given up"
    assert salvage.given_up(view, loss, {}) == "how many entries are given up, nobody can tell"
    assert salvage.given_up(view, Loss(0.5, 0.0, ((A, 0.5, 3),)), told) == ""
