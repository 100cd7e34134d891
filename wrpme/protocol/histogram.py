"""How long requests took: counts in buckets that grow with what they count, eight to each doubling.

From a microsecond to 18 minutes the middle of a bucket is within 7 % of all that fell into it; what is shorter or
longer counts in the first or the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from math import frexp

PARTS = 8
"""Buckets to each doubling of the time."""
BUCKETS = 30 * PARTS
_END = 2.0**30
"""Microseconds beyond the last bucket."""
Pairs = tuple[tuple[int, int], ...]
"""Buckets and their counts, without the empty ones."""


def bucket_of(seconds: float) -> int:
    """The number of the bucket, 0 to ``BUCKETS`` - 1, of a time."""
    microseconds = seconds * 1e6
    if microseconds < 1.0:
        return 0
    if microseconds >= _END:
        return BUCKETS - 1
    mantissa, exponent = frexp(microseconds)  # the mantissa is from 0.5 to 1
    return exponent * PARTS + int(mantissa * (2 * PARTS)) - 2 * PARTS


def bounds(bucket: int) -> tuple[float, float]:
    """In seconds: from where on, and up to where, times fall into a bucket."""
    doublings, part = divmod(bucket, PARTS)
    unit = 2.0**doublings / PARTS / 1e6
    return (PARTS + part) * unit, (PARTS + part + 1) * unit


def middle(bucket: int) -> float:
    """In seconds: what stands for all that fell into a bucket."""
    low, high = bounds(bucket)
    return (low + high) / 2


def quantile(counts: Iterable[tuple[int, int]], q: float) -> float | None:
    """The time in seconds that the part ``q`` (0 to 1) of all did not exceed, from pairs of a bucket and a count; None
    where nothing was counted."""
    ordered = sorted(pair for pair in counts if pair[1] > 0)
    rank = q * sum(count for _, count in ordered)
    for bucket, count in ordered:
        rank -= count
        if rank <= 0:
            return middle(bucket)
    return middle(ordered[-1][0]) if ordered else None


def merged(histograms: Iterable[Pairs]) -> Pairs:
    """All of these as one."""
    counts = [0] * BUCKETS
    for pairs in histograms:
        for bucket, count in pairs:
            counts[bucket] += count
    return tuple((bucket, count) for bucket, count in enumerate(counts) if count)


def upto(pairs: Pairs, first: int, last: int) -> tuple[list[tuple[float, int]], float]:
    """How many took at most 2**n microseconds, for each n from ``first`` to ``last``: pairs of these times in
    seconds and a count; and about how many seconds all took together, see :func:`middle`."""
    counts = [0] * BUCKETS
    for bucket, count in pairs:
        counts[bucket] = count
    sums = [0, *accumulate(counts)]
    steps = [(2.0**n / 1e6, sums[n * PARTS]) for n in range(first, last + 1)]
    return steps, sum(middle(bucket) * count for bucket, count in pairs)


class Latency:
    """The counts of one node since its start."""

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self._last = -1.0
        self._bucket = 0

    def add(self, seconds: float, count: int = 1) -> None:
        """So many took so long; many that took the same cost little."""
        if seconds != self._last:
            self._last, self._bucket = seconds, bucket_of(seconds)
        self._counts[self._bucket] += count

    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    def pairs(self) -> Pairs:
        """Buckets and their counts, without the empty ones."""
        return tuple((bucket, count) for bucket, count in enumerate(self._counts) if count)
