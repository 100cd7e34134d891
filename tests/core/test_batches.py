"""Which members return in one view: few at a time, and never one before another that has more."""

from __future__ import annotations

from msgspec.structs import replace

from tests.view_parts import grown, id_of
from wrpme.core.membership import batches
from wrpme.core.membership.batches import first_returns
from wrpme.core.limits import MOVES_PER_VIEW_MAX
from wrpme.protocol import view_index
from wrpme.protocol.view import Arc, Back, Mark, NodeId, View

COUNT = 12


def view_of(*holders: tuple[int, ...]) -> View:
    """A hive of ``COUNT`` nodes with an arc for each of these."""
    base = grown(COUNT, False)
    step = (1 << 64) // len(holders)
    arcs = tuple(
        Arc((number + 1) * step - 1, 1, tuple(map(id_of, nodes)), wanted=tuple(map(id_of, nodes)))
        for number, nodes in enumerate(holders)
    )
    return replace(base, replication=3, arcs=(*arcs[:-1], replace(arcs[-1], end=(1 << 64) - 1)))


def back(view: View, number: int, sequences: dict[int, int] | None = None) -> Back:
    """A return, with the sequence of the last write of some arcs (of all others 1)."""
    node = id_of(number)
    marks = tuple(
        Mark(arc.end, arc.version, 1, (sequences or {}).get(index, 1))
        for index, arc in enumerate(view.arcs)
        if node in arc.holders
    )
    return Back(node, 2, f"n{number}", view.epoch, marks)


def numbers(backs: list[Back]) -> list[int]:
    return [int(back.node[:3]) for back in backs]


def everybody(view: View) -> set[NodeId]:
    return set(view_index.live(view))


def test_so_many_return_in_one_view_in_their_order() -> None:
    view = view_of(*((number, (number + 1) % COUNT, (number + 2) % COUNT) for number in range(COUNT)))
    backs = [back(view, number) for number in reversed(range(COUNT))]
    first = first_returns(view, backs, everybody(view))
    assert numbers(first)[0] == 0, "the voter comes before others"
    assert numbers(first)[1:] == list(reversed(range(1, COUNT)))[: MOVES_PER_VIEW_MAX - 1]


def test_who_has_more_of_an_arc_that_nobody_holds_returns_in_the_same_view() -> None:
    view = view_of(*((number, (number + 1) % COUNT) for number in range(COUNT)))
    backs = [back(view, number) for number in range(COUNT)]
    backs[9] = back(view, 9, {8: 5})  # of the arc that 8 and 9 held it has more than 8
    order = [0, 8, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11]
    first = first_returns(view, [backs[number] for number in order], everybody(view))
    assert numbers(first)[:3] == [0, 8, 9] and len(first) == MOVES_PER_VIEW_MAX
    full = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    first = first_returns(view, [backs[number] for number in full], everybody(view) - {id_of(0)})
    assert numbers(first) == [1, 2, 3, 4, 5, 6, 7, 9], "together they are one too many: both wait"


def test_those_that_wait_for_each_other_return_together_however_many() -> None:
    view = view_of(*((number, (number + 1) % COUNT) for number in range(COUNT)))
    chain = [back(view, number, {number: 2} if number < 11 else None) for number in range(COUNT)]  # than the next
    assert numbers(first_returns(view, chain, everybody(view))) == list(range(MOVES_PER_VIEW_MAX))
    ring = [back(view, number, {(number - 1) % COUNT: 2}) for number in range(COUNT)]
    assert sorted(numbers(first_returns(view, ring, everybody(view)))) == list(range(COUNT))


def test_where_somebody_still_holds_the_arc_nobody_is_waited_for() -> None:
    view = view_of(*((number, (number + 1) % COUNT, (number + 2) % COUNT) for number in range(COUNT)))
    returning = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    backs = [back(view, number, {number - 1: 7}) for number in returning]
    assert len(first_returns(view, backs, everybody(view))) == MOVES_PER_VIEW_MAX + 1, "each has more than the next one"
    living = {id_of(0), id_of(3), id_of(6), id_of(9), id_of(11)}  # of each arc one
    away = [backs[number - 1] for number in returning if id_of(number) not in living]
    found = batches._better(view, {back.node: back for back in away}, everybody(view) - living)
    assert found == {}, "a copy is there that has all"


def test_all_voters_return_together_whoever_else_has_to() -> None:
    """One that stays down has no vote, and the voters take nobody back without it: it would wait for ever."""
    view = view_of(*((number, (number + 1) % COUNT) for number in range(COUNT)))
    voters = (id_of(0), id_of(11))
    view = replace(view, voters=voters)
    ahead = {number: {number - 1: 2} for number in range(1, 10)}  # each of nine has more than the one before
    backs = [back(view, number, ahead.get(number)) for number in range(COUNT)]
    first = first_returns(view, backs, everybody(view))
    assert set(numbers(first)) == {*range(10), 11}, "ten that need each other, and the other voter"
