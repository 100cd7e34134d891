"""The metrics of a node: one table of them, from which the text for Prometheus and docs/observing.md follow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric, SummaryMetricFamily,
)  # fmt: skip
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from wrpme.core.stats.measured import Measured
from wrpme.daemon.net.http.told import Told
from wrpme.protocol.histogram import Pairs, upto
from wrpme.protocol.messages import EntryRequest, Transaction
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.administration import kind_in_words
from wrpme.version import VERSION

STEPS = 6, 24
"""Times are counted in steps of 2**n microseconds, for these n: from 64 us to 17 s."""

_ON_ENTRIES = {kind.__name__ for kind in (*get_args(EntryRequest), Transaction)}

Values = Iterable[tuple[Sequence[str], Any]]
"""The values of the labels, and what is told under them."""


class Row(NamedTuple):
    """One metric: of Prometheus' kinds, and with the sentence that is shown beside it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    values: Callable[[Told], Values]


def _one(value: float | None) -> Values:
    return [] if value is None else [((), value)]


def _alone(value: Callable[[Told], float | None]) -> Callable[[Told], Values]:
    return lambda told: _one(value(told))


def _stats(value: Callable[[NodeStats], float | None]) -> Callable[[Told], Values]:
    return lambda told: [] if told.stats is None else _one(value(told.stats))


def _measured(values: Callable[[Measured], Values]) -> Callable[[Told], Values]:
    return lambda told: [] if told.measured is None else values(told.measured)


def _by_label(values: Callable[[Measured], dict[str, Any]]) -> Callable[[Told], Values]:
    return _measured(lambda measured: (((label,), value) for label, value in sorted(values(measured).items())))


def _outcomes(measured: Measured) -> Values:
    return (((kind_in_words(kind), outcome), count) for (kind, outcome), count in sorted(measured.outcomes.items()))


def _latencies(measured: Measured) -> Values:
    return (((kind_in_words(kind),), pairs) for kind, pairs in sorted(measured.latencies.items()))


def _asked(told: Told) -> Values:
    if told.stats is None:
        return []
    asked = sorted(told.stats.operations.items())
    return (((kind_in_words(kind),), count) for kind, count in asked if kind not in _ON_ENTRIES)


def _fills(told: Told) -> Values:
    fills = told.fills | (told.measured.fills if told.measured is not None else {})
    return (((queue,), fill) for queue, fill in sorted(fills.items()))


def _disk(told: Told) -> Values:
    process = told.process
    other = process.disk_bytes - process.table_bytes - process.log_bytes
    if not process.disk_free_bytes:
        return []
    return [(("tables",), process.table_bytes), (("logs",), process.log_bytes), (("other",), other)]


def _sessions(told: Told) -> Values:
    process = told.process
    return [(("redis",), process.redis_sessions), (("wrpme",), process.sessions - process.redis_sessions)]


def _commands(told: Told) -> Values:
    for name, found in told.commands.items():
        for outcome, count in (
            ("ok", found.calls - found.failed),
            ("failed", found.failed),
            ("rejected", found.rejected),
        ):
            yield (name, outcome), count


def _command_seconds(told: Told) -> Values:
    return (((name,), (found.calls, found.seconds)) for name, found in told.commands.items())


def _build(told: Told) -> Values:
    python = ".".join(str(part) for part in sys.version_info[:3])
    return [((VERSION, python), 1)]


ROWS = (
    Row(
        "wrpme_slow_requests_total", "counter", (), "Requests on entries that took longer than --slow-threshold.",
        _stats(lambda stats: stats.slow_requests),
    ),
    Row(
        "wrpme_wrong_passwords_total", "counter", (), "Wrong passwords, and names that are none, said at this node.",
        _stats(lambda stats: stats.wrong_passwords),
    ),
    Row("wrpme_build_info", "gauge", ("version", "python"), "Always 1; the labels tell which release runs.", _build),
    # --- the node and its hive
    Row("wrpme_serving", "gauge", (), "Whether the node serves, as /ready tells it.", _alone(lambda told: told.serves)),
    Row(
        "wrpme_quorum", "gauge", (), "Whether the node sees a quorum of its hive: else no change can be decided.",
        _stats(lambda stats: not stats.quorum if stats.hive else None),
    ),
    Row("wrpme_voter", "gauge", (), "Whether the node is a voter of the hive.", _stats(lambda stats: stats.voter)),
    Row(
        "wrpme_uptime_seconds", "gauge", (), "Time since the start of the node.",
        _stats(lambda stats: stats.uptime_seconds),
    ),
    Row(
        "wrpme_members", "gauge", ("state",), "Members of the hive by state, as the node's view has them.",
        _by_label(lambda measured: measured.members),
    ),
    Row("wrpme_view_epoch", "gauge", (), "The number of the node's view.", _stats(lambda stats: stats.epoch)),
    Row(
        "wrpme_view_changes_total", "counter", (), "Views that the node has adopted since its start.",
        _measured(lambda measured: _one(measured.views)),
    ),
    Row(
        "wrpme_suspected_nodes", "gauge", (), "Nodes of which nothing was heard for too long.",
        _stats(lambda stats: len(stats.suspected)),
    ),
    Row(
        "wrpme_neighbour_silence_seconds", "gauge", (), "Since the last sign of life of the most silent neighbour.",
        _stats(lambda stats: max((neighbour.age for neighbour in stats.neighbours), default=None)),
    ),
    Row(
        "wrpme_lease_seconds", "gauge", (),
        "How much longer the node may serve all its arcs if nobody answers any more; missing where it needs nobody.",
        _stats(lambda stats: stats.lease_seconds),
    ),
    Row(
        "wrpme_clock_difference_seconds", "gauge", (),
        "By how much the wall clock of a neighbour differs most, where that is more than a second.",
        _stats(lambda stats: max((abs(clock.ahead) for clock in stats.clocks), default=0.0)),
    ),
    Row(
        "wrpme_troubles", "gauge", (), "Sentences of node_status that an operator should look at.",
        _stats(lambda stats: len(stats.troubles)),
    ),
    Row(
        "wrpme_certificate_seconds", "gauge", (),
        "For how long the node's certificate is valid, below 0 once that has expired; not there without TLS.",
        _alone(lambda told: told.process.certificate_seconds),
    ),
    # --- entries and their copies
    Row("wrpme_ring_share_ratio", "gauge", (), "The part of the ring that the node owns.", _stats(lambda s: s.share)),
    Row("wrpme_entries", "gauge", (), "Entries that the node owns.", _stats(lambda stats: stats.entries)),
    Row("wrpme_entry_bytes", "gauge", (), "Aliases and contents of these entries.", _stats(lambda stats: stats.bytes)),
    Row(
        "wrpme_held_bytes", "gauge", (), "Aliases and contents of all entries on its disk, copies included.",
        _stats(lambda stats: stats.held_bytes),
    ),
    Row(
        "wrpme_hot_bytes", "gauge", (), "Values that were read or overwritten lately, kept in memory.",
        _stats(lambda stats: stats.hot_bytes),
    ),
    Row(
        "wrpme_store_reads_total", "counter", (), "Gets and writes that had to look for the value before in the store.",
        _stats(lambda stats: stats.store_reads),
    ),
    Row(
        "wrpme_held_bytes_limit", "gauge", (), "What that may be, as --bytes-max allows; not there without a limit.",
        _stats(lambda stats: stats.bytes_max or None),
    ),
    Row(
        "wrpme_copied_entries", "gauge", (), "Entries of other owners of which the node holds a copy.",
        _stats(lambda stats: stats.copies),
    ),
    Row(
        "wrpme_wanting_entries", "gauge", (), "Entries that the node owns and that have fewer live copies than wanted.",
        _stats(lambda stats: stats.at_risk_entries),
    ),
    Row(
        "wrpme_wanting_copies", "gauge", (), "Copies of arcs that the node is making, or has yet to begin.",
        _measured(lambda measured: _one(measured.copies_wanting)),
    ),
    # --- requests
    Row(
        "wrpme_requests_total", "counter", ("op", "outcome"),
        "Answered requests of clients on entries, by what was asked and ok or the word of the error.",
        _measured(_outcomes),
    ),
    Row(
        "wrpme_request_duration_seconds", "histogram", ("op",),
        "How long these took at the node that was asked; those in a message with many by the message (op=many).",
        _measured(_latencies),
    ),
    Row("wrpme_other_requests_total", "counter", ("op",), "Requests of clients that are not on entries.", _asked),
    Row(
        "wrpme_redis_commands_total", "counter", ("command", "outcome"),
        "Commands of Redis clients, by ok, failed or rejected (with a wrong number of arguments).", _commands,
    ),
    Row(
        "wrpme_redis_command_duration_seconds", "summary", ("command",),
        "How long these took, those rejected left out.", _command_seconds,
    ),
    # --- what it costs
    Row(
        "wrpme_sync_duration_seconds", "histogram", (), "How long batches of writes took to reach the disk.",
        _measured(lambda measured: _one_of(measured.batches)),
    ),
    Row(
        "wrpme_replication_duration_seconds", "histogram", (),
        "From when writes left for a node that keeps copies until that had them on its disk and said so.",
        _measured(lambda measured: _one_of(measured.replication)),
    ),
    Row(
        "wrpme_event_loop_lag_seconds", "histogram", (), "How late the loop was for a timer, looked at each second.",
        lambda told: _one_of(told.lag),
    ),
    Row(
        "wrpme_disk_wait_seconds", "gauge", (), "How long the batch that is under way has waited for the disk.",
        _stats(lambda stats: stats.disk_waits_seconds),
    ),
    Row(
        "wrpme_queue_fill_ratio", "gauge", ("queue",), "How full each queue is: at 1 further requests are refused.",
        _fills,
    ),
    Row(
        "wrpme_disk_bytes", "gauge", ("part",), "Size of the data directory: LevelDB's tables, its logs, and the rest.",
        _disk,
    ),
    Row(
        "wrpme_disk_free_bytes", "gauge", (), "What is free on the disk of the data directory.",
        _alone(lambda told: told.process.disk_free_bytes or None),
    ),
    Row("wrpme_sessions", "gauge", ("protocol",), "Connections of clients.", _sessions),
    Row("wrpme_sessions_max", "gauge", (), "So many there may be.", _alone(lambda told: told.sessions_max)),
    Row(
        "wrpme_connections", "gauge", (), "All connections that others opened, those of nodes and of HTTP included.",
        _alone(lambda told: told.connections),
    ),
    Row(
        "wrpme_connections_accepted_total", "counter", (), "Connections that were accepted.",
        _alone(lambda told: told.accepted),
    ),
    Row(
        "wrpme_received_bytes_total", "counter", (), "Received over all connections.",
        _alone(lambda told: told.process.received_bytes),
    ),
    Row("wrpme_sent_bytes_total", "counter", (), "Sent over all connections.", _alone(lambda t: t.process.sent_bytes)),
    Row(
        "process_cpu_seconds_total", "counter", (), "Processor time that the process has used.",
        _alone(lambda told: told.processor_seconds),
    ),
    Row(
        "process_resident_memory_bytes", "gauge", (), "Memory of the process.",
        _alone(lambda told: told.process.memory_bytes or None),
    ),
)  # fmt: skip


def _one_of(pairs: Pairs) -> Values:
    return [((), pairs)]


def _family(row: Row, told: Told) -> Metric:
    labels = row.labels
    if row.kind == "histogram":
        histogram = HistogramMetricFamily(row.name, row.help, labels=labels)
        for values, pairs in row.values(told):
            steps, seconds = upto(pairs, *STEPS)
            count = sum(count for _, count in pairs)
            buckets = [(repr(step), float(below)) for step, below in steps] + [("+Inf", float(count))]
            histogram.add_metric(values, buckets, seconds)
        return histogram
    if row.kind == "summary":
        summary = SummaryMetricFamily(row.name, row.help, labels=labels)
        for values, (count, seconds) in row.values(told):
            summary.add_metric(values, count, seconds)
        return summary
    family = (CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily)(row.name, row.help, labels=labels)
    for values, value in row.values(told):
        family.add_metric(values, float(value))
    return family


class _Collector(Collector):
    def __init__(self, told: Told) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        """Yields all families that have something to tell."""
        families = (_family(row, self._told) for row in ROWS)
        return (family for family in families if family.samples)


def exposition(told: Told) -> bytes:
    """Returns the text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(told))
    return generate_latest(registry)
