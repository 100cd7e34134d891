"""Rates and quantiles from counters that grow from the start of a node."""

from __future__ import annotations

from collections import deque
from typing import get_args

from msgspec import Struct

from wrpme.protocol.histogram import quantile
from wrpme.protocol.messages import Count, EntryRequest, PrefixScan, RemoveAll
from wrpme.protocol.stats import NodeStats
from wrpme.tui.limits import RATE_SECONDS
from wrpme.tui.state.observed import Rates

_OPERATIONS = {kind.__name__ for kind in (*get_args(EntryRequest), PrefixScan, Count, RemoveAll)}
"""Requests on entries; those about the hive are no load on it."""
SPAN_SECONDS_MIN = 0.1
"""Over less time no rate is computed."""


class _Sample(Struct, frozen=True):
    incarnation: tuple[str, int]
    uptime: float
    operations: int
    received: int
    sent: int
    latency: dict[int, int]


class Meter:
    """Computes rates from the figures of one node. The node's uptime is the clock, so that delays on the way do not
    count."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()

    def take(self, stats: NodeStats) -> Rates:
        """Returns the rates over about the last ``RATE_SECONDS``. They are unknown at first, and when the node has
        started again or was not heard for long."""
        new = _Sample(
            (stats.id, stats.incarnation),
            stats.uptime_seconds,
            sum(count for kind, count in stats.operations.items() if kind in _OPERATIONS),
            stats.received_bytes,
            stats.sent_bytes,
            dict(stats.latency),
        )
        samples = self._samples
        if samples and (_is_other(samples[-1], new) or new.uptime - samples[-1].uptime > 2 * RATE_SECONDS):
            samples.clear()
        if not samples or new.uptime > samples[-1].uptime:
            samples.append(new)
        while len(samples) > 2 and new.uptime - samples[1].uptime >= RATE_SECONDS:
            samples.popleft()
        return _between(samples[0], new)


def _is_other(old: _Sample, new: _Sample) -> bool:
    return (
        new.incarnation != old.incarnation
        or new.uptime < old.uptime
        or new.operations < old.operations
        or new.received < old.received
        or new.sent < old.sent
        or any(new.latency.get(bucket, 0) < count for bucket, count in old.latency.items())
    )


def _between(old: _Sample, new: _Sample) -> Rates:
    seconds = new.uptime - old.uptime
    if seconds < SPAN_SECONDS_MIN:
        return Rates()
    counts = [
        (bucket, count - before)
        for bucket, count in new.latency.items()
        if count != (before := old.latency.get(bucket, 0))
    ]
    return Rates(
        (new.operations - old.operations) / seconds,
        quantile(counts, 0.5),
        quantile(counts, 0.99),
        (new.received - old.received) / seconds,
        (new.sent - old.sent) / seconds,
    )
