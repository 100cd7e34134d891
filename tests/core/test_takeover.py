"""What an owner waits for, and what it takes over, before it serves."""

from __future__ import annotations

import pytest

from wrpme.core.layout import ENTRIES, key_of, key_range, removal, value_of
from wrpme.core.replication.takeover import Suffixes, accepts, awaited
from wrpme.protocol import ring
from wrpme.protocol.messages import Pair, Suffix
from wrpme.protocol.view import Arc, NodeId

A, B, C, D = (letter * 16 for letter in (b"a", b"b", b"c", b"d"))
LOW, HIGH = b"e" + bytes(8), b"f"


def told(*pairs: Pair, after: bytes = b"", more: bool = False) -> Suffix:
    return Suffix(ring.RING - 1, 9, pairs, after, more)


@pytest.mark.parametrize(
    ("holders", "prev", "alive", "told", "over", "expected"),
    [
        ((A,), (), (A,), (), (), []),
        ((A,), (B,), (A, B), (), (), [B]),
        ((A,), (B,), (A, B), (), (B,), [B]),  # who lives has to tell, whatever was promised
        ((A,), (B,), (A, B), (B,), (), []),
        ((A,), (B,), (A,), (), (), [B]),  # who is dead is outwaited
        ((A,), (B,), (A,), (B,), (), []),  # unless it told: what it handed over it serves no more
        ((A,), (B,), (A,), (), (B,), []),
        ((A, B, C), (), (A, B, C), (B,), (), [C]),
        ((A, B), (B,), (A, B), (), (), [B]),  # once, be it holder and former owner
        ((A, B, C), (), (A, B), (B,), (), []),  # who is no live holder says nothing
        ((A,), (A, B), (A, B), (B,), (), []),  # nobody waits for itself
        ((A,), (B, C, D), (A, B, C), (), (), [B, C, D]),
    ],
)
def test_whom_an_owner_waits_for(
    holders: tuple[NodeId, ...],
    prev: tuple[NodeId, ...],
    alive: tuple[NodeId, ...],
    told: tuple[NodeId, ...],
    over: tuple[NodeId, ...],
    expected: list[NodeId],
) -> None:
    assert awaited(Arc(99, 5, holders, (), prev), A, alive, told, lambda node: node in over) == expected


@pytest.mark.parametrize(("version", "expected"), [(4, False), (5, True), (6, False)])
def test_exactly_its_own_version_is_accepted(version: int, expected: bool) -> None:
    assert accepts(Arc(99, 5, (A,)), version) is expected


def test_the_highest_version_wins_in_any_order() -> None:
    older, gone, newest = value_of((1, 1), 0, b"older"), removal((1, 2)), value_of((2, 1), 0, b"newest")
    for order in ((older, gone, newest), (newest, gone, older), (gone, newest, older)):
        suffixes = Suffixes(Arc(ring.RING - 1, 9, (A,)))
        for source, value in zip((B, C, D), order, strict=True):
            suffixes.take(source, told((b"exxxxxxxxk", value)), LOW, HIGH)
        assert suffixes.best == {b"exxxxxxxxk": newest}
        assert suffixes.told == {B, C, D}


def test_a_removal_is_the_latest_too() -> None:
    suffixes = Suffixes(Arc(ring.RING - 1, 9, (A,)))
    suffixes.take(B, told((b"exxxxxxxxk", removal((1, 2)))), LOW, HIGH)
    suffixes.take(C, told((b"exxxxxxxxk", value_of((1, 1), 0, b"older"))), LOW, HIGH)
    assert suffixes.best == {b"exxxxxxxxk": removal((1, 2))}


def test_who_has_more_to_tell_has_not_told() -> None:
    """The first part of a suffix does not count for all of it; nor does a part that is not the next one."""
    first, second, third = ((b"exxxxxxxx%d" % number, value_of((1, number), 0, b"")) for number in (1, 2, 3))
    suffixes = Suffixes(Arc(ring.RING - 1, 9, (A,)))
    suffixes.take(B, told(first, more=True), LOW, HIGH)
    assert not suffixes.told and suffixes.cursor(B) == first[0] and suffixes.cursor(C) == b""
    suffixes.take(B, told(third, after=second[0]), LOW, HIGH)
    suffixes.take(B, told(first, more=True), LOW, HIGH)
    assert not suffixes.told and suffixes.cursor(B) == first[0]
    suffixes.take(B, told(second, after=first[0], more=True), LOW, HIGH)
    suffixes.take(B, told(after=second[0]), LOW, HIGH)
    assert suffixes.told == {B} and set(suffixes.best) == {first[0], second[0]}


def test_what_is_settled_counts_no_more() -> None:
    suffixes = Suffixes(Arc(ring.RING - 1, 9, (A,)), 3)
    pairs = [(b"exxxxxxxx%d" % version, value_of((version, 9), 0, b"")) for version in (1, 2, 3, 4)]
    suffixes.take(B, told(*pairs), LOW, HIGH)
    assert set(suffixes.best) == {b"exxxxxxxx3", b"exxxxxxxx4"}
    assert suffixes.told == {B}


def test_each_stretch_has_its_own_version() -> None:
    half = ring.RING // 2
    suffixes = Suffixes(Arc(ring.RING - 1, 9, (A,), settled=((half - 1, 5), (ring.RING - 1, 2))))
    low, high = key_of(half - 1, b"x"), key_of(half, b"x")
    suffixes.take(B, told((low, value_of((4, 9), 0, b"")), (high, value_of((4, 9), 0, b""))), *ENTRIES)
    assert set(suffixes.best) == {high}
    assert suffixes.settled == 5


def test_what_lies_elsewhere_is_none_of_this_arc() -> None:
    suffixes = Suffixes(Arc(ring.RING - 1, 9, (A,)))
    outside, inside = key_of(1, b"x"), key_of(2, b"x")
    suffixes.take(B, told(*((key, value_of((1, 1), 0, b"")) for key in (outside, inside))), *key_range(2, 3))
    assert set(suffixes.best) == {inside}
