"""What an operator is told first, from the view alone."""

from __future__ import annotations

from tests.view_parts import HIVE, down, grown, id_of, join, next_view, settle
from wrpme.core.membership import transitions
from wrpme.protocol import health


def test_a_hive_that_is_well() -> None:
    assert health.condition(grown(1)) == health.Condition("stable", "1 node is up")
    assert health.condition(grown(3)).sentence == "all 3 nodes are up and every arc has its copies"


def test_fewer_nodes_than_copies_are_said() -> None:
    view = transitions.found(HIVE, id_of(0), 1, "n0", 2)
    assert health.condition(view).sentence.endswith("; 1 copy of each entry, not 2, until more nodes join")


def test_what_is_being_copied_is_counted() -> None:
    condition = health.condition(next_view(grown(2), join(2)))
    assert condition.word == "stabilizing" and condition.sentence.endswith(" arcs are being copied")


def test_the_dead_are_named_and_many_are_counted() -> None:
    """With one copy what they had is served when they return."""
    one = health.condition(next_view(grown(3), down(1)))
    assert one.word == "unavailable" and "of the ring is on n1, down; served again when it returns" in one.sentence
    many = health.condition(next_view(grown(12), *(down(number) for number in range(4, 12))))
    assert "is on n4, n5, n6, n7 and 4 more, down; served again when they return" in many.sentence


def test_what_has_another_copy_is_served() -> None:
    view = transitions.found(HIVE, id_of(0), 1, "n0", 2)
    for number in (1, 2):
        view = settle(next_view(view, join(number)))
    condition = health.condition(next_view(view, down(2)))
    assert condition.word == "degraded"
    assert condition.sentence == "n2 down; all data is served, 67 % of the ring has fewer copies than wanted"
