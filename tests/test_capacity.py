"""What bench.capacity computes and writes, from measurements made up here; nothing is measured."""

from __future__ import annotations

import re

import pytest

from bench.capacity import DOCUMENT, EXAMPLE, TABLES, Measured, Needed, filled, needed, number, shown, stored
from bench.footprint import ALIAS_BYTES, Connected, Disk, Growth, Memory, Rest, Spread, Work

CONTENT = 100 - ALIAS_BYTES
"""With its alias an entry has 100 bytes."""


def work(what: str, replication: int, all_: float, busiest: float, sent: float, sync: bool = True) -> Work:
    return Work(what, CONTENT, replication, sync, 3, all_, busiest, sent)


MEASURED = Measured(
    machines={part: "a machine" for part, _ in TABLES.values()},
    disk=[
        Disk(CONTENT, True, 1, 1, 1000, 60.0, 90.0, 80.0, 50.0, 20.0, 30.0),
        Disk(CONTENT, False, 1, 1, 1000, 110.0, 200.0, 150.0, 105.0, 20.0, 30.0),
        Disk(CONTENT, False, 3, 2, 1000, 220.0, 400.0, 300.0, 210.0, 40.0, 60.0),
    ],
    memory=[Memory("loaded", CONTENT, 1000, 40.0, 25.0, 20.0)],
    growth=[
        Growth("put_many", CONTENT, 1000, 10.0), Growth("get", CONTENT, 1000, 5.0),
        Growth("put_many", CONTENT, 9000, 30.0), Growth("get", CONTENT, 9000, 15.0),
    ],
    connections=[Connected("client", 1000, 3.0, 0.5)],
    rest=[Rest(3, 37.0, 24.0, 22.0, 38.0, 0.2, 1.3)],
    work=[
        work("put", 1, 60.0, 20.0, 30.0), work("put", 2, 110.0, 40.0, 230.0), work("get", 2, 28.0, 10.0, 90.0),
        work("put", 1, 40.0, 15.0, 30.0, sync=False), work("get", 1, 27.0, 9.0, 90.0),
    ],
    spread=[
        Spread("put", 3, 1, 400.0, 140.0), Spread("get", 3, 1, 80.0, 30.0),
        Spread("put", 3, 64, 100.0, 35.0), Spread("get", 3, 64, 20.0, 7.0),
        Spread("put", 6, 128, 160.0, 27.0), Spread("get", 6, 128, 40.0, 7.0),
        Spread("put", 12, 256, 200.0, 17.0), Spread("get", 12, 256, 40.0, 4.0),
    ],
)  # fmt: skip


def of(puts: float = 0, gets: float = 0, data: float = 0, **other: float) -> Needed:
    asked = {"content_bytes": CONTENT, "replication": 2, "disk_bytes": 1e9} | other
    return needed(MEASURED, puts=puts, gets=gets, data_bytes=data, **asked)  # type: ignore[arg-type]


def test_the_processor_asks_for_nodes() -> None:
    """A put costs three times what it costs the busiest of three, and a fuller node 20 us more for each copy."""
    found = of(puts=2_500, gets=5_000)
    assert (found.put, found.get) == pytest.approx((3 * 40 + 2 * 20, 3 * 10 + 10))
    assert found.cores == pytest.approx(0.6)
    assert (found.nodes_for_processor, found.nodes_for_disk, found.nodes) == (2 + 1, 1, 3)
    assert found.busy == pytest.approx(0.6 / 3)
    assert found.sent_bytes_each == pytest.approx(2_500 * 200 / 3)


@pytest.mark.parametrize(
    ("nodes", "put", "get"),
    [(3, 1.0, 1.0), (5, 1.4, 1 + 2 / 3), (6, 1.6, 2.0), (9, 1.8, 2.0), (12, 2.0, 2.0), (18, 2.4, 2.0), (99, 4.0, 2.0)],
)
def test_an_operation_costs_more_in_a_larger_hive(nodes: int, put: float, get: float) -> None:
    """Up to what it costs alone, four times as much here."""
    found = of(dead=nodes - 2)
    assert found.nodes == nodes
    assert (found.put, found.get) == pytest.approx((3 * 40 * put + 2 * 20, 3 * 10 * get + 10))


@pytest.mark.parametrize("free", [0.25, 0.5])
@pytest.mark.parametrize("puts", [50_000, 77_777])
def test_the_part_that_is_to_be_free_is_free_and_hardly_more(puts: int, free: float) -> None:
    found = of(puts=puts, free=free, dead=0)
    assert 0.95 * (1 - free) < found.busy <= 1 - free
    assert of(puts=puts, free=free, dead=2).nodes == found.nodes + 2


def test_the_disk_asks_for_nodes() -> None:
    """Twice the bytes of an entry while it is written again, in two copies."""
    found = of(data=3e9)
    assert found.disk_bytes == pytest.approx(3e9 * 2 * 2)
    assert (found.nodes_for_disk, found.nodes) == (12 + 1, 13)
    assert found.disk_bytes_each == pytest.approx(12e9 / 13)


def test_as_many_nodes_as_copies_are_left_when_one_is_dead() -> None:
    assert of(puts=1, data=1).nodes == 2 + 1
    assert of(puts=1, data=1, dead=2).nodes == 2 + 2


def test_smaller_contents_count_as_those_that_were_measured_and_larger_ones_as_unknown() -> None:
    assert of(puts=1000, content_bytes=1) == of(puts=1000)
    with pytest.raises(ValueError, match=f"no put of {CONTENT + 1} bytes with 2 copies was measured"):
        of(puts=1000, content_bytes=CONTENT + 1)
    with pytest.raises(ValueError, match="with 3 copies"):
        of(puts=1000, replication=3)
    with pytest.raises(ValueError, match="free is a part of a core"):
        of(puts=1000, free=1.0)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("disk", "| 85 bytes, text | 1,000 | 60 (0.60) | 90 (0.90) | 80 (0.80) | 50 (0.50) | 20.0 | 30.0 |"),
        ("copies", "| 2 | 1,000 | 220 (2.20) | 400 (4.00) | 300 (3.00) | 210 (2.10) | 40.0 | 60.0 |"),
        ("memory", "| 85 bytes | loaded | 1,000 | 20.0 | 40.0 | 25.0 |"),
        ("growth", "| `put_many` | 85 bytes | 9,000 | 30.0 |"),
        ("connections", "| client | 1,000 | 3.00 | 0.50 |"),
        ("rest", "| 3 | 22.0 | 37.0 | 38.0 | 24.0 | 0.20 % | 1.30 |"),
        ("work", "| `put` | 85 bytes | 2 | 110 | 40.0 | 1.83 | 9,091 |"),
        ("work", "| `put`, `--no-sync` | 85 bytes | 1 | 40.0 | 15.0 | 1.00 | 25,000 |"),
        ("network", "| `put` | 85 bytes | 2 | 200 | 2.00 |"),
    ],
)
def test_rows_say_what_was_measured(name: str, row: str) -> None:
    lines = shown(name, MEASURED).splitlines()
    assert row in lines, "\n".join(lines)
    assert {len(re.findall(r"\|", line)) for line in lines if line.startswith("|")} == {row.count("|")}
    assert lines[0] == f"`python -m bench.capacity {TABLES[name][0]}`; a machine:"


def test_numbers_have_three_digits() -> None:
    assert [number(each) for each in (0.001, 9.994, 9.996, 99.94, 99.96, 12345.6)] == [
        "0.00", "9.99", "10.0", "99.9", "100", "12,346",
    ]  # fmt: skip


def test_the_document_has_what_was_measured_last() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert filled(text, stored()) == text, "run python -m bench.capacity --stored --write"
    with pytest.raises(AssertionError, match="0 places for the table of work"):
        filled(text.replace("<!-- capacity: work -->", ""), stored())


def test_the_document_names_what_the_example_takes_for_granted() -> None:
    text = shown("example", stored())
    found = needed(stored(), **EXAMPLE)
    assert f"| **nodes** | **{found.nodes}** |" in text
    assert found.nodes == max(found.nodes_for_processor, found.nodes_for_disk)
    for word in ("half of it left free, and one more", "20,000 puts", "3 copies", "200 GB", "500 GB"):
        assert word in text, word
