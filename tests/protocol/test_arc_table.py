"""The table of arcs: whatever was done to it, it is as if it had been made from the arcs that result."""

from __future__ import annotations

from random import Random

from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.arc_table import ArcTable
from wrpme.protocol.view import Arc, NodeId

NODES = [bytes([number]) * 16 for number in range(5)]
FIELDS = [name for name in vars(ArcTable((), frozenset())) if name not in ("before", "shifted")]


def same(one: ArcTable, other: ArcTable) -> None:
    for name in FIELDS:
        assert getattr(one, name) == getattr(other, name), name


def any_arc(random: Random, end: int) -> Arc:
    def some() -> tuple[NodeId, ...]:
        return tuple(random.sample(NODES, random.randint(0, 2)))

    wanted = tuple(random.sample(NODES, random.randint(1, 2)))
    held = random.choice((wanted, wanted, (*some(), random.choice(NODES))))
    rest = random.random() < 0.6
    incoming, prev = ((), ()) if rest else (some(), some())
    return Arc(end, random.randint(1, 9), tuple(dict.fromkeys(held)), incoming, prev, wanted)


def test_a_table_that_was_changed_is_as_one_made_anew() -> None:
    for seed in range(40):
        check(Random(seed))


def check(random: Random) -> None:
    alive = frozenset(random.sample(NODES, 3))
    first = ArcTable((any_arc(random, ring.end_of_slot(slots)) for slots in (5, 9, SLOTS)), alive)
    table = first.copy()
    before = tuple(first.arcs)
    for _ in range(30):
        kind = random.random()
        if kind < 0.2:
            alive = frozenset(random.sample(NODES, random.randint(0, 4)))
            table.live(alive)
        elif kind < 0.4 and len(table.ends) > 1:
            table.drop(random.choice(table.ends[:-1]))
        else:
            table.put(any_arc(random, random.choice((ring.end_of_slot(random.randint(1, 40)), *table.ends))))
        same(table, ArcTable(table.arcs, alive))
    assert tuple(first.arcs) == before, "the one it was copied from is as it was"
    changed, gone = table.changes()
    known = {arc.end: arc for arc in before if arc.end not in gone} | {arc.end: arc for arc in changed}
    assert [known[end] for end in sorted(known)] == table.arcs
    assert all(arc not in before for arc in changed)


def test_what_is_not_there_is_not_dropped() -> None:
    table = ArcTable(ring.whole_ring(NODES[0], 1), frozenset(NODES))
    table.drop(5)
    same(table, ArcTable(ring.whole_ring(NODES[0], 1), frozenset(NODES)))
    assert table.at(5) is None and table.parts(NODES[1]) == frozenset()
    assert table.parts(NODES[0]) == set(table.ends)


def test_neighbours_that_nothing_tells_apart() -> None:
    arcs = ring.whole_ring(NODES[0], 1)
    table = ArcTable(arcs, frozenset(NODES))
    assert table.joints == set(table.ends[:-1])
    table.put(Arc(arcs[2].end, 2, (NODES[0],), (), (NODES[1],), (NODES[0],)))
    assert table.joints == set(table.ends[:-1]) - {arcs[1].end, arcs[2].end}, "an owner changes"
