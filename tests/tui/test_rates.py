"""Rates from counters: over the last moments, by the node's own clock, never of two lives, never negative."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.tui.scenes import stats_of, stable_view
from wrpme.protocol.histogram import bucket_of
from wrpme.protocol.stats import NodeStats
from wrpme.tui.state.observed import Rates
from wrpme.tui.state.rates import Meter

BASE = stats_of(stable_view(3), 0, 0.0)


def at(uptime: float, count: int, life: int = 1, seconds: float = 0.001) -> NodeStats:
    return replace(
        BASE, uptime_seconds=uptime, incarnation=life, operations={"Get": count - count // 2, "Put": count // 2},
        latency=((bucket_of(seconds), count),), received_bytes=10 * count, sent_bytes=20 * count,
    )  # fmt: skip


def after(*told: NodeStats) -> Rates:
    meter = Meter()
    return [meter.take(stats) for stats in told][-1]


def test_nothing_is_known_of_one_moment() -> None:
    assert after(at(5.0, 1000)) == Rates()


def test_over_hardly_any_time_nothing_is_known() -> None:
    assert after(at(5.0, 1000), at(5.0000001, 1100)) == Rates()


def test_rates_are_over_the_time_between() -> None:
    rates = after(at(5.0, 1000), at(5.5, 1100))
    assert (rates.operations, rates.received_bytes, rates.sent_bytes) == (200.0, 2000.0, 4000.0)
    assert rates.p50_seconds == rates.p99_seconds == pytest.approx(0.001, rel=0.07)


def test_only_the_last_seconds_count() -> None:
    told = [at(5.0 + number / 2, 100 * number) for number in range(10)]
    told += [at(10.0 + number / 2, 900, seconds=0.001) for number in range(5)]
    assert after(*told) == Rates(0.0, None, None, 0.0, 0.0)


def test_quantiles_are_of_the_last_seconds_alone() -> None:
    slow = replace(at(5.5, 100), latency=((bucket_of(0.001), 1000), (bucket_of(0.5), 10)))
    rates = after(replace(at(5.0, 100), latency=((bucket_of(0.001), 1000),)), slow)
    assert rates.p50_seconds == pytest.approx(0.5, rel=0.07)


@pytest.mark.parametrize(
    "then",
    [at(0.5, 10, life=2), at(0.5, 10), at(6.0, 999), at(6.0, 1100, life=2), replace(at(6.0, 1100), sent_bytes=0),
     replace(at(6.0, 1100), latency=()), at(60.0, 1100)],
    ids=["restarted", "uptime back", "counter back", "another life", "bytes back", "latency back", "silence"],
)  # fmt: skip
def test_what_does_not_go_on_begins_anew(then: NodeStats) -> None:
    meter = Meter()
    meter.take(at(5.0, 1000))
    meter.take(at(5.5, 1000))
    assert meter.take(then) == Rates()
    later = replace(then, uptime_seconds=then.uptime_seconds + 0.5)
    assert meter.take(later).operations == 0.0


def test_the_same_figures_again_change_nothing() -> None:
    assert after(at(5.0, 1000), at(5.5, 1100), at(5.5, 1100)).operations == 200.0


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**6), st.integers(1, 2)), max_size=20))
def test_a_rate_is_none_or_a_number_from_0_on(told: list[tuple[float, int, int]]) -> None:
    meter = Meter()
    for uptime, count, life in told:
        rates = meter.take(at(uptime, count, life))
        for value in (rates.operations, rates.p50_seconds, rates.p99_seconds, rates.received_bytes, rates.sent_bytes):
            assert value is None or 0 <= value <= 1e9
