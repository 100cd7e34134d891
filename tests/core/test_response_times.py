"""How long clients waited."""

from __future__ import annotations

from tests.harness import identity
from wrpme.core.stats.response_times import ResponseTimes


def test_what_is_answered_in_its_turn_is_counted_when_that_ends() -> None:
    times = ResponseTimes()
    times.at_once = 3
    times.put_off(7)
    times.end_turn(0.001)
    assert sum(count for _, count in times.latency.pairs()) == 2
    times.answered(7, 0.5)
    assert sum(count for _, count in times.latency.pairs()) == 3


def test_what_another_node_passed_on_is_counted_there() -> None:
    times = ResponseTimes()
    passed_on = (7, identity("b"), 0)
    times.put_off(passed_on)
    times.answered(passed_on, 0.5)
    assert not times.latency.pairs()
