"""When a node tells the voters what it reports: at once; in a large hive gathered, and the same not all the time."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.test_voter import B, Seat, view_of
from wrpme.core.health import failure_detector
from wrpme.core.limits import REPORTS_PER_PACE
from wrpme.core.membership.reports import Reports
from wrpme.protocol.view import Activated, Down, Leave, Synced

PACE = 4.0
APART = PACE / REPORTS_PER_PACE


def reports_of(members: str = "abcd") -> tuple[Seat, Reports]:
    seat = Seat("a", view_of(members, members[:3]))
    return seat, Reports(seat.context)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_detector, "NEAR_MEMBERS_MAX", 3)
    monkeypatch.setattr(failure_detector, "FAR_SECONDS_PER_MEMBER", PACE / 4)


def activated(number: int) -> Activated:
    return Activated(number, 1, B, 1)


def test_in_a_usual_hive_all_leaves_at_once() -> None:
    seat, reports = reports_of()
    for number in (1, 2, 2):
        seat.context.outbox.reports += [activated(number), activated(number)]
        assert reports.take() == (activated(number),) and reports.due == inf
    assert seat.context.outbox.reports == []


@pytest.mark.usefixtures("large")
def test_in_a_large_hive_what_can_wait_gathers() -> None:
    seat, reports = reports_of()
    begun = seat.context.now
    seat.context.outbox.reports.append(activated(1))
    assert reports.take() == (activated(1),), "the first goes at once"
    seat.context.outbox.reports.append(Synced(2, 1, B, B, 1))
    assert reports.take() == () and reports.due == begun + APART
    seat.context.now += APART / 2
    seat.context.outbox.reports.append(activated(3))
    assert reports.take() == ()
    seat.context.now = reports.due
    assert reports.take() == (Synced(2, 1, B, B, 1), activated(3)) and reports.due == inf


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("urgent", [Down(B, 1, planned=True), Leave(B, 1)])
def test_what_cannot_wait_takes_the_rest_along(urgent: Down | Leave) -> None:
    seat, reports = reports_of()
    seat.context.outbox.reports.append(activated(1))
    reports.take()
    seat.context.outbox.reports.append(activated(2))
    assert reports.take() == ()
    seat.context.outbox.reports.append(urgent)
    assert reports.take() == (activated(2), urgent) and reports.due == inf


@pytest.mark.usefixtures("large")
def test_in_a_large_hive_the_same_is_said_again_to_the_same_voters_only_after_its_pace() -> None:
    seat, reports = reports_of()
    seat.context.outbox.reports.append(activated(1))
    begun, said = seat.context.now, [(0.0, *reports.take())]
    while seat.context.now < begun + 2 * PACE:
        seat.context.now += APART / 2
        seat.context.outbox.reports.append(activated(1))
        said += [(seat.context.now - begun, *again)] if (again := reports.take()) else []
    assert said == [(0.0, activated(1)), (PACE, activated(1)), (2 * PACE, activated(1))]
    seat.context.adopt(view_of("abcd", "abd"))
    seat.context.now += APART
    seat.context.outbox.reports.append(activated(1))
    assert reports.take() == (activated(1),), "other voters have not heard it"
