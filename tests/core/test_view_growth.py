"""Balance, and long lives of a hive: what a sequence of views promises as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from random import Random

import pytest

from tests.view_parts import HIVE, back, id_of, join, next_view, settle, shares
from wrpme.core.membership import transitions as views
from wrpme.core.limits import ARCS_PER_MEMBER_MAX, GIVERS_MAX
from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.view import Down, View


def stretches(view: View, node: bytes) -> int:
    """How many contiguous stretches of the circle a node owns."""
    mine = [arc.holders[0] == node for arc in view.arcs]
    starts = sum(now and not before for before, now in zip([mine[-1], *mine], mine, strict=False))
    return starts or int(mine[0])


def growth(count: int) -> Iterator[tuple[View, View]]:
    """``(joining, stable)`` for each node after the first."""
    view = views.found(HIVE, id_of(0), 1, "n0", 1)
    for number in range(1, count):
        joining = next_view(view, join(number))
        view = settle(joining)
        yield joining, view


@cache
def grown_to_200() -> tuple[tuple[View, View], ...]:
    return tuple(growth(200))


def check_balance(joining: View, view: View, new: bytes) -> None:
    count = len(view.members)
    fair = SLOTS / count
    for node, slots in shares(view).items():
        assert abs(slots - fair) <= 0.05 * fair, f"{node!r} has {slots / fair:.3f} of its share among {count}"
        assert stretches(view, node) <= 2 * GIVERS_MAX
    assert len(view.arcs) <= 12 * count, "and on average far fewer"
    moved = sum(ring.width(joining.arcs, index) for index, arc in enumerate(joining.arcs) if arc.incoming)
    assert moved <= 1.05 * fair, "only what must move moves"
    assert all(arc.incoming in ((), (new,)) for arc in joining.arcs)


def test_balance_of_each_hive_up_to_40_nodes() -> None:
    for joining, view in grown_to_200()[:39]:
        check_balance(joining, view, view.members[-1].id)


@pytest.mark.parametrize("count", [64, 100, 101, 150, 199, 200])
def test_balance_of_large_hives(count: int) -> None:
    joining, view = grown_to_200()[count - 2]
    assert len(view.members) == count
    check_balance(joining, view, view.members[-1].id)


def test_arcs_stay_few() -> None:
    for _, view in grown_to_200():
        assert len(view.arcs) <= ARCS_PER_MEMBER_MAX * len(view.members)


def test_nodes_that_join_at_once_share_as_well() -> None:
    view = settle(next_view(views.found(HIVE, id_of(0), 1, "n0", 1), *(join(number) for number in range(1, 5))))
    for slots in shares(view).values():
        assert abs(slots - SLOTS / 5) <= 0.05 * SLOTS / 5


@pytest.mark.parametrize("seed", range(4))
def test_long_churn_leaves_no_fragments(seed: int) -> None:
    random = Random(seed)
    view = settle(next_view(views.found(HIVE, id_of(0), 1, "n0", 1), *(join(number) for number in range(1, 5))))
    for _ in range(120):
        victims = random.sample(view.members, random.randint(1, 3))
        view = next_view(view, *(Down(member.id, member.incarnation) for member in victims))
        for member in random.sample(victims, random.randint(0, len(victims))):
            number = int(member.id[:3])
            view = next_view(view, back(number, member.incarnation + random.randint(0, 1), view.epoch))
        if random.random() < 0.05 and len(view.members) < 12:
            view = next_view(view, join(len(view.members)))
        view = settle(view)
        assert len(view.arcs) <= ARCS_PER_MEMBER_MAX * len(view.members)
    for slots in shares(view).values():
        assert abs(slots - SLOTS / len(view.members)) <= 0.06 * SLOTS / len(view.members)
