"""Stops that are asked for together go together."""

from __future__ import annotations

from tests.core.test_voter import D, E, Seat, opened, view_of
from wrpme.core.limits import STOP_GATHER_SECONDS
from wrpme.protocol.view import Change, Down


def test_a_stop_that_is_asked_for_a_little_later_goes_with_the_first() -> None:
    seat = Seat("a", view_of("abcde", "abc"))
    stops: list[Change] = [Down(node, 1, planned=True) for node in (D, E)]
    seat.voter.request(stops[0])
    seat.go(STOP_GATHER_SECONDS / 2)
    seat.voter.request(stops[1])
    seat.go(STOP_GATHER_SECONDS / 2 + 0.001)
    (accept,) = opened(seat)
    assert list(accept.value.changes) == stops
