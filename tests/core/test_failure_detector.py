"""Leases, promises and silence, as deadlines."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from wrpme.core.health.failure_detector import HeartbeatLeases
from wrpme.limits import BEACON_SECONDS, LEASE_SECONDS, PROMISE_SECONDS, SILENCE_SECONDS

A, B, C = b"a", b"b", b"c"


def watching(*nodes: bytes, now: float = 0.0) -> HeartbeatLeases:
    beacons = HeartbeatLeases(now)
    beacons.watch(nodes, now)
    return beacons


def test_beacons_are_due_each_quarter_of_a_lease() -> None:
    beacons = watching(B, A)
    assert beacons.beacon(0.0) == [A, B]
    assert beacons.beacon(BEACON_SECONDS - 0.01) == []
    assert beacons.due == BEACON_SECONDS
    assert beacons.beacon(BEACON_SECONDS) == [A, B]


def test_a_new_neighbour_hears_at_once() -> None:
    beacons = watching(A)
    beacons.beacon(0.0)
    beacons.watch([A, B], 0.1)
    assert beacons.beacon(0.1) == [A, B]


def test_a_lease_runs_from_the_sending_of_what_was_acknowledged() -> None:
    beacons = watching(A, B)
    assert beacons.lease_until([]) == inf, "a node that is the only holder needs none"
    assert beacons.lease_until([A]) == -inf
    beacons.acknowledged(A, 1.0, 1.4)
    assert beacons.lease_until([A]) == 1.0 + LEASE_SECONDS
    assert beacons.lease_until([A, B]) == -inf, "everyone's lease is needed"
    beacons.acknowledged(B, 2.0, 2.0)
    assert beacons.lease_until([A, B]) == 1.0 + LEASE_SECONDS
    beacons.acknowledged(A, 0.5, 2.5)
    assert beacons.lease_until([A]) == 1.0 + LEASE_SECONDS, "a late acknowledgement takes nothing back"


def test_acknowledgements_that_count_for_nothing() -> None:
    beacons = watching(A)
    beacons.acknowledged(A, 5.0, 1.0)
    assert beacons.lease_until([A]) == -inf, "of a beacon that was not sent yet: of another life"
    beacons.acknowledged(C, 0.5, 1.0)
    assert beacons.lease_until([C]) == -inf, "of no neighbour"


def test_who_is_no_neighbour_any_more_has_granted_nothing() -> None:
    beacons = watching(A, B)
    beacons.acknowledged(A, 1.0, 1.0)
    beacons.watch([B], 1.0)
    beacons.watch([A, B], 1.1)
    assert beacons.lease_until([A]) == -inf


def test_a_new_life_voids_the_lease_of_the_former() -> None:
    beacons = watching(A)
    beacons.acknowledged(A, 1.0, 1.0)
    beacons.forget(A, 9.0)
    assert beacons.lease_until([A]) == -inf
    assert beacons.silent(9.0) == [], "and the silence of the former is not held against it"


def test_a_start_is_a_promise_to_everyone() -> None:
    beacons = HeartbeatLeases(50.0)
    assert beacons.promised_until(A) == 50.0 + PROMISE_SECONDS
    assert beacons.promised_until(b"never heard of") == 50.0 + PROMISE_SECONDS


def test_a_promise_that_has_run_out_is_forgotten() -> None:
    beacons = watching(B)
    beacons.promise(A, 10.0)
    beacons.beacon(10.0 + PROMISE_SECONDS - 0.1)
    assert beacons.promised_until(A) == 10.0 + PROMISE_SECONDS
    beacons.beacon(10.0 + PROMISE_SECONDS + BEACON_SECONDS)
    assert not beacons._promises, "also of a node that is no member any more"


def test_a_promise_runs_from_the_acknowledgement() -> None:
    beacons = watching(A)
    beacons.promise(A, 7.0)
    assert beacons.promised_until(A) == 7.0 + PROMISE_SECONDS
    assert beacons.promised_until(B) == PROMISE_SECONDS


@given(
    sent=st.floats(0, 100),
    way=st.floats(0, 5),
    back=st.floats(0, 5),
    drift=st.floats(0.95, 1.05),
    offset=st.floats(-1000, 1000),
)
def test_a_promise_outlasts_the_lease_that_it_backs(
    sent: float, way: float, back: float, drift: float, offset: float
) -> None:
    """On true time, with clocks up to 5 % apart and however long the messages take."""

    def holders_clock(true: float) -> float:
        return true * drift + offset

    owner, holder = watching(A), HeartbeatLeases(-1e6)
    owner.acknowledged(A, sent, sent + way + back)
    holder.promise(B, holders_clock(sent + way))
    lease_ends = owner.lease_until([A])
    assert holders_clock(lease_ends) <= holder.promised_until(B) + 1e-6


def test_silence() -> None:
    beacons = watching(A, B, now=10.0)
    assert beacons.silent(10.0 + SILENCE_SECONDS - 0.01) == []
    assert beacons.silent(10.0 + SILENCE_SECONDS) == [A, B], "also who never answered at all"
    beacons.acknowledged(A, 11.0, 11.2)
    assert beacons.silent(10.0 + SILENCE_SECONDS) == [B]
    assert beacons.silent(11.2 + SILENCE_SECONDS) == [A, B]
    assert beacons.age(A, 12.2) == 1.0
    assert beacons.age(C, 12.0) == inf


def test_after_a_cut_silence_counts_from_now_on() -> None:
    beacons = watching(A, B)
    beacons.acknowledged(A, 1.0, 1.0)
    beacons.trust_again(20.0)
    assert beacons.silent(20.0) == []
    assert beacons.lease_until([A]) == 1.0 + LEASE_SECONDS, "but it is no lease"


def test_reaches_says_only_what_is_known() -> None:
    beacons = watching(A)
    assert beacons.reaches(C, 0.0) is None
    assert beacons.reaches(A, 0.1) is None, "not asked for long enough"
    beacons.acknowledged(A, 0.2, 0.2)
    assert beacons.reaches(A, 0.3) is True
    assert beacons.reaches(A, 0.2 + SILENCE_SECONDS) is False


def test_who_answers_with_a_view_lives_but_gives_no_lease() -> None:
    beacons = HeartbeatLeases(0.0)
    beacons.watch([B], 0.0)
    beacons.answered(B, 1.0)
    assert beacons.silent(1.0 + SILENCE_SECONDS - 0.01) == [] and beacons.silent(1.0 + SILENCE_SECONDS) == [B]
    assert beacons.lease_until([B]) < 0.0
    beacons.answered(C, 1.0)
    assert beacons.reaches(C, 1.0) is None, "it is no neighbour"


def test_when_the_next_one_will_be_silent_is_known() -> None:
    beacons = HeartbeatLeases(10.0)
    assert beacons.silent_at(10.0) == inf
    beacons.watch([A, B], 10.0)
    beacons.acknowledged(B, 10.9, 11.0)
    assert beacons.silent_at(11.0) == 10.0 + SILENCE_SECONDS
    assert beacons.silent_at(12.0) == 12.0, "one is already"
    beacons.acknowledged(A, 11.9, 12.0)
    assert beacons.silent_at(12.0) == 11.0 + SILENCE_SECONDS
