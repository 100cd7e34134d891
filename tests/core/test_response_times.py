"""How long clients waited."""

from __future__ import annotations

from tests.harness import identity
from wrpme.core.stats.response_times import ResponseTimes
from wrpme.protocol.messages import Content, Done, Failed, Get, Put


def test_what_is_answered_in_its_turn_is_counted_when_that_ends() -> None:
    times = ResponseTimes()
    times.at_once[Get] = 3
    times.put_off(7, Get)
    times.end_turn(0.001)
    assert sum(count for _, count in times.pairs()) == 2
    times.answered(7, Get, 0.5, Content(1, b""))
    assert sum(count for _, count in times.pairs()) == 3


def test_what_another_node_passed_on_is_counted_there() -> None:
    times = ResponseTimes()
    passed_on = (7, identity("b"), 0)
    times.put_off(passed_on, Get)
    times.failed(passed_on, Get, 2)
    times.answered(passed_on, Get, 0.5, Failed(1, 2, ""))
    assert not times.pairs() and not times.outcomes() and not times.at_once


def test_what_failed_is_counted_with_its_answer() -> None:
    """So that the number of those that succeeded never goes back."""
    times = ResponseTimes()
    times.at_once[Get] = 3
    times.failed(7, Get, 2)
    assert not times.outcomes(), "nothing of this turn is answered yet"
    times.end_turn(0.001)
    assert times.outcomes() == {(Get, 0): 2, (Get, 2): 1}
    times.at_once[Put] = 1
    times.put_off(7, Put)
    times.end_turn(0.001)
    times.answered(7, Put, 0.5, Failed(1, 7, ""))
    assert times.outcomes() == {(Get, 0): 2, (Get, 2): 1, (Put, 0): 0, (Put, 7): 1}


def test_of_a_message_with_many_each_request_is_counted_and_the_message_took_the_time() -> None:
    times = ResponseTimes()
    times.many([Get, Put, Get], [Content(1, b""), Done(2), Failed(3, 2, "")], 0.25)
    assert times.outcomes() == {(Get, 0): 1, (Get, 2): 1, (Put, 0): 1}
    assert not times.pairs(), "those are asked one by one"
