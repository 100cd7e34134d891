"""How long requests took, as counts in buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.protocol.histogram import BUCKETS, Latency, bounds, bucket_of, middle, quantile

TIMES = st.floats(1e-6, 1000.0)


@given(TIMES)
def test_a_time_lies_within_its_bucket_and_near_its_middle(seconds: float) -> None:
    low, high = bounds(bucket_of(seconds))
    assert low * (1 - 1e-9) <= seconds <= high * (1 + 1e-9)
    assert abs(middle(bucket_of(seconds)) - seconds) <= 0.07 * seconds


@given(TIMES, TIMES)
def test_longer_times_fall_into_later_buckets(one: float, other: float) -> None:
    assert (one <= other) <= (bucket_of(one) <= bucket_of(other))


def test_buckets_tile_the_times() -> None:
    assert bounds(0)[0] == pytest.approx(1e-6)
    for bucket in range(BUCKETS - 1):
        assert bounds(bucket)[1] == pytest.approx(bounds(bucket + 1)[0])
    assert bounds(BUCKETS - 1)[1] > 1000


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (1e-9, 0), (1e6, BUCKETS - 1), (1e300, BUCKETS - 1)])
def test_what_is_out_of_range_counts_at_the_edge(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


@given(st.lists(TIMES, min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_that_of_the_times(times: list[float], q: float) -> None:
    latency = Latency()
    for seconds in times:
        latency.add(seconds)
    exact = next(value for place, value in enumerate(sorted(times), 1) if place >= q * len(times) * (1 - 1e-12))
    assert quantile(latency.pairs(), q) == pytest.approx(exact, rel=0.07)


def test_what_took_the_same_is_counted_together() -> None:
    latency = Latency()
    latency.add(0.001, 3)
    latency.add(0.001)
    latency.add(2.0)
    assert latency.pairs() == ((bucket_of(0.001), 4), (bucket_of(2.0), 1))


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile((), 0.5) is None
    assert quantile([(3, 0)], 0.5) is None, "differences of counters may be 0"
