"""Leases, promises and silence, as deadlines."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.core.health.failure_detector import HeartbeatLeases
from wrpme.core.limits import FAR_SECONDS_PER_MEMBER, HEARTBEAT_SECONDS, PROMISE_SECONDS, SILENCE_SECONDS
from wrpme.limits import LEASE_SECONDS

A, B, C = b"a", b"b", b"c"


def watching(*nodes: bytes, now: float = 0.0) -> HeartbeatLeases:
    heartbeats = HeartbeatLeases(now)
    heartbeats.watch(nodes, now)
    return heartbeats


def test_heartbeats_are_due_each_quarter_of_a_lease() -> None:
    heartbeats = watching(B, A)
    assert heartbeats.heartbeat(0.0) == [A, B]
    assert heartbeats.heartbeat(HEARTBEAT_SECONDS - 0.01) == []
    assert heartbeats.due == HEARTBEAT_SECONDS
    assert heartbeats.heartbeat(HEARTBEAT_SECONDS) == [A, B]


def test_a_new_neighbour_hears_at_once() -> None:
    heartbeats = watching(A)
    heartbeats.heartbeat(0.0)
    heartbeats.watch([A, B], 0.1)
    assert heartbeats.heartbeat(0.1) == [A, B]


def test_a_lease_runs_from_the_sending_of_what_was_acknowledged() -> None:
    heartbeats = watching(A, B)
    assert heartbeats.lease_until([]) == inf, "a node that is the only holder needs none"
    assert heartbeats.lease_until([A]) == -inf
    heartbeats.acknowledged(A, 1.0, 1.4)
    assert heartbeats.lease_until([A]) == 1.0 + LEASE_SECONDS
    assert heartbeats.lease_until([A, B]) == -inf, "everyone's lease is needed"
    heartbeats.acknowledged(B, 2.0, 2.0)
    assert heartbeats.lease_until([A, B]) == 1.0 + LEASE_SECONDS
    heartbeats.acknowledged(A, 0.5, 2.5)
    assert heartbeats.lease_until([A]) == 1.0 + LEASE_SECONDS, "a late acknowledgement takes nothing back"


def test_acknowledgements_that_count_for_nothing() -> None:
    heartbeats = watching(A)
    heartbeats.acknowledged(A, 5.0, 1.0)
    assert heartbeats.lease_until([A]) == -inf, "of a heartbeat that was not sent yet: of another life"
    heartbeats.acknowledged(C, 0.5, 1.0)
    assert heartbeats.lease_until([C]) == -inf, "of no neighbour"


def test_who_is_no_neighbour_any_more_has_granted_nothing() -> None:
    heartbeats = watching(A, B)
    heartbeats.acknowledged(A, 1.0, 1.0)
    heartbeats.watch([B], 1.0)
    heartbeats.watch([A, B], 1.1)
    assert heartbeats.lease_until([A]) == -inf


def test_a_new_life_voids_the_lease_of_the_former() -> None:
    heartbeats = watching(A)
    heartbeats.acknowledged(A, 1.0, 1.0)
    heartbeats.forget(A, 9.0)
    assert heartbeats.lease_until([A]) == -inf
    assert heartbeats.silent(9.0) == [], "and the silence of the former is not held against it"


def test_a_start_is_a_promise_to_everyone() -> None:
    heartbeats = HeartbeatLeases(50.0)
    assert heartbeats.promised_until(A) == 50.0 + PROMISE_SECONDS
    assert heartbeats.promised_until(b"never heard of") == 50.0 + PROMISE_SECONDS


def test_a_promise_that_has_run_out_is_forgotten() -> None:
    heartbeats = watching(B)
    heartbeats.promise(A, 10.0)
    heartbeats.heartbeat(10.0 + PROMISE_SECONDS - 0.1)
    assert heartbeats.promised_until(A) == 10.0 + PROMISE_SECONDS
    heartbeats.heartbeat(10.0 + PROMISE_SECONDS + HEARTBEAT_SECONDS)
    assert not heartbeats._promises, "also of a node that is no member any more"


def test_a_promise_runs_from_the_acknowledgement() -> None:
    heartbeats = watching(A)
    heartbeats.promise(A, 7.0)
    assert heartbeats.promised_until(A) == 7.0 + PROMISE_SECONDS
    assert heartbeats.promised_until(B) == PROMISE_SECONDS


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
    heartbeats = watching(A, B, now=10.0)
    assert heartbeats.silent(10.0 + SILENCE_SECONDS - 0.01) == []
    assert heartbeats.silent(10.0 + SILENCE_SECONDS) == [A, B], "also who never answered at all"
    heartbeats.acknowledged(A, 11.0, 11.2)
    assert heartbeats.silent(10.0 + SILENCE_SECONDS) == [B]
    assert heartbeats.silent(11.2 + SILENCE_SECONDS) == [A, B]
    assert heartbeats.age(A, 12.2) == 1.0
    assert heartbeats.age(C, 12.0) == inf


def test_after_a_cut_silence_counts_from_now_on() -> None:
    heartbeats = watching(A, B)
    heartbeats.acknowledged(A, 1.0, 1.0)
    heartbeats.trust_again(20.0)
    assert heartbeats.silent(20.0) == []
    assert heartbeats.lease_until([A]) == 1.0 + LEASE_SECONDS, "but it is no lease"


def test_reaches_says_only_what_is_known() -> None:
    heartbeats = watching(A)
    assert heartbeats.reaches(C, 0.0) is None
    assert heartbeats.reaches(A, 0.1) is None, "not asked for long enough"
    heartbeats.acknowledged(A, 0.2, 0.2)
    assert heartbeats.reaches(A, 0.3) is True
    assert heartbeats.reaches(A, 0.2 + SILENCE_SECONDS) is False


def test_who_answers_with_a_view_lives_but_gives_no_lease() -> None:
    heartbeats = HeartbeatLeases(0.0)
    heartbeats.watch([B], 0.0)
    heartbeats.answered(B, 1.0)
    assert heartbeats.silent(1.0 + SILENCE_SECONDS - 0.01) == [] and heartbeats.silent(1.0 + SILENCE_SECONDS) == [B]
    assert heartbeats.lease_until([B]) < 0.0
    heartbeats.answered(C, 1.0)
    assert heartbeats.reaches(C, 1.0) is None, "it is no neighbour"


def test_when_the_next_one_will_be_silent_is_known() -> None:
    heartbeats = HeartbeatLeases(10.0)
    assert heartbeats.silent_at(10.0) == inf
    heartbeats.watch([A, B], 10.0)
    heartbeats.acknowledged(B, 10.9, 11.0)
    assert heartbeats.silent_at(11.0) == 10.0 + SILENCE_SECONDS
    assert heartbeats.silent_at(12.0) == 12.0, "one is already"
    heartbeats.acknowledged(A, 11.9, 12.0)
    assert heartbeats.silent_at(12.0) == 11.0 + SILENCE_SECONDS


# --- those that are far ------------------------------------------------------------------------------------------


def far_watched(count: int, turn: int = 0, members: int = 1000) -> HeartbeatLeases:
    heartbeats = HeartbeatLeases(0.0, turn)
    heartbeats.watch([A], 0.0, [bytes([1, number // 256, number % 256]) for number in range(count)], members)
    return heartbeats


@pytest.mark.parametrize("count", [1, 5, 64, 999])
@pytest.mark.parametrize("members", [129, 400, 1000])
@pytest.mark.parametrize("seconds", [HEARTBEAT_SECONDS, 0.1])
def test_all_that_are_far_have_their_turn(count: int, members: int, seconds: float) -> None:
    """Also where each of many views makes the neighbours hear a heartbeat at once."""
    heartbeats = far_watched(count, members=members)
    now, last = 0.0, dict.fromkeys(heartbeats.far, 0.0)
    sent = 0
    while now < 20.0:
        heartbeats.due = now
        told = heartbeats.heartbeat(now)
        assert told[0] == A
        for node in told[1:]:
            assert now - last[node] <= heartbeats.far_seconds
            last[node] = now
        sent += len(told) - 1
        now += seconds
    assert all(now - at <= heartbeats.far_seconds for at in last.values())
    pace = max(HEARTBEAT_SECONDS, FAR_SECONDS_PER_MEMBER * members)
    assert sent <= count * (20.0 + 2 * HEARTBEAT_SECONDS + pace / count) / pace + 1


def test_nodes_begin_with_others() -> None:
    first = {far_watched(5, turn).heartbeat(0.0)[1] for turn in range(5)}
    assert len(first) == 5, "or all of them speak to one voter at the same time"


def test_a_node_that_is_far_is_missed_later_and_reported_by_nobody() -> None:
    heartbeats = far_watched(5)
    voter = heartbeats.far[0]
    assert heartbeats.reaches(voter, 1.0) is None
    heartbeats.acknowledged(voter, 1.0, 1.0)
    assert heartbeats.reaches(voter, 1.0 + SILENCE_SECONDS) is True
    missed_at = 1.0 + SILENCE_SECONDS + heartbeats.far_seconds
    assert heartbeats.reaches(voter, missed_at - 0.001) is True and heartbeats.reaches(voter, missed_at) is False
    heartbeats.acknowledged(A, missed_at, missed_at)
    assert heartbeats.silent(missed_at) == [] and heartbeats.silent_at(missed_at) == missed_at + SILENCE_SECONDS


def test_how_late_one_is_missed_depends_on_the_hive_and_not_on_how_many_are_looked_for() -> None:
    few, many = far_watched(5), far_watched(999)
    assert few.far_seconds == many.far_seconds, "or the search for the others makes those seen again that made it begin"


def test_what_is_watched_may_change_all_the_time_and_costs_no_heartbeats_in_a_large_hive() -> None:
    for members, sent in ((4, 10), (1000, 2)):
        heartbeats = HeartbeatLeases(0.0)
        told = 0
        for step in range(10):
            heartbeats.watch([A, bytes([step])], 0.1 * step, [], members)
            told += bool(heartbeats.heartbeat(0.1 * step))
        assert told == sent


def test_who_is_near_is_not_far() -> None:
    heartbeats = HeartbeatLeases(0.0)
    heartbeats.watch([A, B], 0.0, [B, C], 1000)
    assert heartbeats.neighbours == [A, B] and heartbeats.far == [C]
    assert heartbeats.watches({A, B}, {C})
    assert not heartbeats.watches({A, B}, set()) and not heartbeats.watches({A, C}, {C})
