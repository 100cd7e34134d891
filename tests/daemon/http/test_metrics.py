"""The text for Prometheus, and that the documentation has all metrics."""

from __future__ import annotations

from tests import metrics_table
from tests.daemon.http.talk import MEASURED, STATS
from wrpme.core.io import ProcessStats
from wrpme.daemon.net.http.metrics import ROWS, exposition
from wrpme.daemon.net.http.told import Command, Told
from wrpme.protocol.administration import kind_in_words
from prometheus_client.parser import text_string_to_metric_families

TOLD = Told(
    serves=True, stats=STATS, measured=MEASURED,
    process=ProcessStats(disk_bytes=10, disk_free_bytes=5, table_bytes=6, log_bytes=3, memory_bytes=9),
    processor_seconds=1.5, lag=((0, 2),), connections=4, accepted=9, sessions_max=100, fills={"sessions": 0.5},
    commands={"get": Command(3, 1, 2, 0.5)},
)  # fmt: skip


def samples(told: Told) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(exposition(told).decode())
        for sample in family.samples
    }


def test_figures_become_samples() -> None:
    found = samples(TOLD)
    for name, labels, value in (
        ("wrpme_requests_total", ("get", "ok"), 3),
        ("wrpme_requests_total", ("get_update", "ok"), 0),
        ("wrpme_other_requests_total", ("get_view",), 2),
        ("wrpme_members", ("down",), 1),
        ("wrpme_quorum", (), 1),
        ("wrpme_queue_fill_ratio", ("sessions",), 0.5),
        ("wrpme_queue_fill_ratio", ("writes",), 0.25),
        ("wrpme_disk_bytes", ("other",), 1),
        ("wrpme_redis_commands_total", ("get", "ok"), 2),
        ("wrpme_redis_command_duration_seconds_sum", ("get",), 0.5),
        ("wrpme_view_changes_total", (), 5),
    ):
        assert found[name, labels] == value, name
    assert ("wrpme_lease_seconds", ()) not in found, "it needs nobody"
    assert not [key for key in found if key[:2] == ("wrpme_other_requests_total", ("get",))]


def test_a_histogram_tells_how_many_took_at_most_so_long() -> None:
    found = samples(TOLD)
    buckets = [value for (name, _), value in found.items() if name == "wrpme_request_duration_seconds_bucket"]
    assert buckets[:3] == [1, 1, 4] and buckets[-1] == 4 and buckets == sorted(buckets)
    assert found["wrpme_request_duration_seconds_count", ("get",)] == 4
    assert found["wrpme_request_duration_seconds_bucket", ("6.4e-05", "get")] == 1
    # bucket 40 is from 32 us on, and bucket 56 from 128 us on
    assert 1 * 32e-6 + 3 * 128e-6 < found["wrpme_request_duration_seconds_sum", ("get",)] < 500e-6


def test_where_there_are_no_figures_only_the_process_is_told_of() -> None:
    names = {name for name, _ in samples(Told(
        serves=False, stats=None, measured=None, process=ProcessStats(), processor_seconds=0.1, lag=(), connections=0,
        accepted=0, sessions_max=1, fills={}, commands={},
    ))}  # fmt: skip
    assert "wrpme_serving" in names and "process_cpu_seconds_total" in names and "wrpme_entries" not in names


def test_names_go_by_the_conventions() -> None:
    for row in ROWS:
        assert row.name.startswith(("wrpme_", "process_")), row.name
        assert (row.kind == "counter") == row.name.endswith("_total"), row.name
        assert (row.kind in ("histogram", "summary")) == row.name.endswith("duration_seconds") or "lag" in row.name
        assert row.help.endswith(".") and len(row.help) <= 120
    assert kind_in_words("GetUpdate") == "get_update" and kind_in_words("Get") == "get"


def test_the_documentation_has_them_all() -> None:
    assert metrics_table.missing() == "", "python -m tests.metrics_table writes the table anew"
