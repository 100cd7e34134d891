"""Where an alias lies, and which slices a node gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wrpme.core.membership.transitions import found
from wrpme.limits import SLOTS
from wrpme.protocol import ring, view_index
from wrpme.protocol.view import Arc, Patch, View

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def arcs_of(*parts: tuple[int, bytes]) -> tuple[Arc, ...]:
    """Arcs of so many slots, each with its owner."""
    arcs: list[Arc] = []
    slots = 0
    for width, owner in parts:
        slots += width
        arcs.append(Arc(ring.end_of_slot(slots), 1, (owner,), wanted=(owner,)))
    assert slots == SLOTS
    return tuple(arcs)


def test_a_tag_is_what_stands_between_the_first_braces_if_that_is_something() -> None:
    tags = {
        b"{user:7}:cart": b"user:7", b"{user:7}:address": b"user:7", b"a{b}{c}": b"b", b"a{{b}c": b"{b",
        b"a}b{c}d": b"c", b"{}x{y}": b"{}x{y}", b"a{b": b"a{b", b"a}b{": b"a}b{", b"plain": b"plain",
        b"{\xff}": b"\xff",
    }  # fmt: skip
    assert {alias: ring.tag_of(alias) for alias in tags} == tags


def test_positions_are_computed_by_the_rule_of_the_hive() -> None:
    former = View(1, b"h", 1, 1, (), ring.whole_ring(b"a", 1), ())
    tagged = replace(former, tags=True)
    for view, together in ((None, False), (former, False), (tagged, True)):
        positions = {ring.position_of(view, alias) for alias in (b"{user:7}:cart", b"{user:7}:address")}
        assert (len(positions) == 1) is together
    assert ring.position_of(tagged, b"plain") == ring.position_of(former, b"plain") == ring.hash_of(b"plain")
    assert view_index.digest(tagged) != view_index.digest(former)
    assert view_index.patched(tagged, Patch()).tags and found(b"h", b"a", 1, "a:1", 1).tags


def test_the_hash_never_changes() -> None:
    """It decides where data lies on every disk: another value would lose it all."""
    assert ring.hash_of(b"entry") == 0x6A9FE39C80477F94


@given(st.binary(max_size=20))
def test_a_hash_is_on_the_ring(alias: bytes) -> None:
    assert 0 <= ring.hash_of(alias) < ring.RING


# --- arcs --------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, SLOTS - 1), unique=True, max_size=20), st.integers(0, ring.RING - 1))
def test_each_position_lies_in_one_arc(cuts: list[int], position: int) -> None:
    bounds = [*sorted(cuts), SLOTS]
    arcs = tuple(Arc(ring.end_of_slot(bound), 1, (A,)) for bound in bounds)
    view = View(1, b"h", 1, 1, (), arcs, ())
    index = ring.arc_at(view, position)
    assert ring.arc_start(view, index) <= position <= arcs[index].end
    for at, arc in enumerate(arcs):
        assert ring.arc_at(view, arc.end) == at
        assert ring.arc_at(view, ring.arc_start(view, at)) == at
    assert sum(ring.width(arcs, at) for at in range(len(arcs))) == SLOTS


def test_slots() -> None:
    assert ring.slot_of(0) == 0
    assert ring.slot_of(ring.RING - 1) == SLOTS - 1
    assert ring.end_of_slot(SLOTS) == ring.RING - 1
    assert ring.slot_of(ring.end_of_slot(7)) == 6
    assert ring.slot_of(ring.end_of_slot(7) + 1) == 7


def test_who_owns_is_not_who_shall_own() -> None:
    arcs = (Arc(ring.end_of_slot(SLOTS // 2), 1, (A,), (B,), (), (B, A)), Arc(ring.RING - 1, 1, (A,), (), (), (A, B)))
    assert ring.owned(arcs) == {A: SLOTS}, "until the copy is complete"


def test_the_owner_is_the_first_holder_that_lives() -> None:
    arc = Arc(ring.RING - 1, 1, (A, B), (C,), (), (C, A, B))
    assert ring.owner_among(frozenset((A, B, C)), arc) == A
    assert ring.owner_among(frozenset((B, C)), arc) == B
    assert ring.owner_among(frozenset((C,)), arc) is None, "who receives does not own"


def test_an_arc_begins_behind_the_one_before() -> None:
    arcs = arcs_of((3, A), (5, B), (SLOTS - 8, C))
    assert [ring.first_in(arcs, index) for index in range(3)] == [0, 3 * ring.SLOT, 8 * ring.SLOT]


def test_the_whole_ring_is_of_one_node() -> None:
    arcs = ring.whole_ring(A, 4)
    assert {(arc.version, arc.holders, arc.incoming, arc.prev, arc.wanted) for arc in arcs} == {(4, (A,), (), (), (A,))}
    assert arcs[-1].end == ring.RING - 1
    assert len({ring.width(arcs, index) for index in range(len(arcs))}) == 1


def test_what_is_settled_of_a_part() -> None:
    arc = Arc(50, 9, (A,), settled=((10, 3), (20, 0), (40, 7), (60, 8), (90, 9)))
    assert ring.settled_of(arc, 0) == ((10, 3), (20, 0), (40, 7), (50, 8)), "nothing beyond its end"
    assert ring.settled_of(arc, 11) == ((20, 0), (40, 7), (50, 8)), "nothing before it begins; nothing settled stays so"
    assert ring.settled_of(Arc(50, 9, (A,), settled=((10, 3),)), 0) == ((10, 3), (50, 0))
    assert ring.settled_of(Arc(50, 9, (A,)), 0) == ((50, 0),)


# --- who gives how much ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=12), st.integers(0, 3000))
def test_gives_levels_the_highest(givers: list[tuple[int, int]], want: int) -> None:
    amounts = [amount for amount, _ in givers]
    caps = [min(amount, cap) for amount, cap in givers]
    given_away = ring.gives(amounts, caps, want)
    assert sum(given_away) == min(want, sum(caps))
    assert all(0 <= gift <= cap for gift, cap in zip(given_away, caps, strict=True))
    left = [amount - gift for amount, gift in zip(amounts, given_away, strict=True)]
    could_give = [rest for rest, gift, cap in zip(left, given_away, caps, strict=True) if gift < cap - 1]
    gave = [rest for rest, gift in zip(left, given_away, strict=True) if gift]
    if could_give and gave:
        assert max(could_give) <= min(gave) + 1, "nobody gives while a higher one could"
