"""What failure reports mean to a voter: who is heard again is accused no more; in a large hive they are rare."""

from __future__ import annotations

import pytest

from tests.core.test_voter import B, C, D, Seat, view_of
from wrpme.core.health import failure_detector
from wrpme.core.limits import HEARTBEAT_SECONDS, SILENCE_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.messages import FailureReport
from wrpme.protocol.view import Down


def test_who_is_heard_again_is_not_accused_any_more() -> None:
    seat = Seat("a", view_of("abcd", "abc"))
    seat.go(SILENCE_SECONDS)
    seat.voter.report_failure(B, FailureReport(((C, 1), (D, 1))))
    assert seat.voter.suspicions() == [Down(C, 1), Down(D, 1)]
    seat.voter.report_failure(B, FailureReport(((D, 1),)))
    assert seat.voter.suspicions() == [Down(D, 1)] and seat.voter.complained_of == {D}
    seat.voter.report_failure(B, FailureReport(()))
    assert seat.voter.suspicions() == [] and seat.voter.in_place == set()


def test_in_a_large_hive_a_failure_report_lasts_to_the_next_one_and_must_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failure_detector, "NEAR_MEMBERS_MAX", 3)
    monkeypatch.setattr(failure_detector, "FAR_SECONDS_PER_MEMBER", 1.0)
    seat = Seat("a", view_of("abcd", "abc"))
    pace = failure_detector.far_pace(4)
    assert pace == 4.0
    began = seat.context.now
    seat.report_failure(B, D)
    while seat.voter.complained_of:
        seat.see(B, C, D)
        assert seat.voter.suspicions() == [], "this node sees it, and one report may be all there was"
        seat.go(LEASE_SECONDS / 4)
        assert seat.context.now < began + 2 * pace
    seat.report_failure(B, D)
    for _ in range(2):
        seat.go(pace)
        seat.see(B, C, D)
        seat.report_failure(B, D)
    assert seat.voter.suspicions()


def test_who_is_far_is_given_time_to_hear_this_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_detector, "NEAR_MEMBERS_MAX", 3)
    seat = Seat("a", view_of("abcd", "abc"))
    heartbeats = seat.context.heartbeats
    heartbeats.watch([B, C], seat.context.now, [D], members=1000)
    seat.report_failure(C, D)
    seat.go(HEARTBEAT_SECONDS)
    seat.report_failure(C, D)
    assert seat.voter.suspicions() == []
    assert heartbeats.patience(D) == HEARTBEAT_SECONDS + heartbeats.far_seconds > heartbeats.patience(C)
