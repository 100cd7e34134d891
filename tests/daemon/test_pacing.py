"""Writes wait for LevelDB's merges a little at a time; the clock here goes on with what is written and waited for."""

from __future__ import annotations

import itertools

import pytest

from wrpme.daemon.limits import PACE_SECONDS_MAX, PACE_TABLES_MIN, PACE_TABLES_USUAL
from wrpme.daemon.storage.pacing import Pace
from wrpme.limits import KIB, MIB, WRITE_BUFFER_BYTES

STOP_TABLES = 12
"""LevelDB writes nothing while so many wait."""


class Disk:
    """Takes ``fast`` bytes a second. What is written makes tables, and all that are there are merged at once, which
    takes what their bytes take at ``merging`` bytes a second, and a while in which LevelDB merges others."""

    def __init__(self, fast: float, merging: float, others_seconds: float = 0.0) -> None:
        self.fast, self.merging, self.others_seconds = fast, merging, others_seconds
        self.now = 0.0
        self.tables = self.most = 0
        self.waits = list[float]()
        self._filled = 0
        self._merged_at = 0.0
        self._under_way = 0
        self.pace = Pace(lambda: self.tables, lambda: self.now, self._wait)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def write(self, size: int) -> None:
        before = len(self.waits)
        self.pace.before_write()
        if len(self.waits) == before:
            self.waits.append(0.0)
        self.now += size / self.fast
        self._filled += size
        if self._filled >= WRITE_BUFFER_BYTES:
            self._filled -= WRITE_BUFFER_BYTES
            self.tables += 1
        if self._under_way and self.now >= self._merged_at:
            self.tables, self._under_way = self.tables - self._under_way, 0
        if self.tables >= 4 and not self._under_way:
            self._under_way = self.tables
            self._merged_at = self.now + self.others_seconds + self.tables * WRITE_BUFFER_BYTES / self.merging
        self.most = max(self.most, self.tables)
        self.pace.wrote(size)


def test_what_is_merged_in_time_waits_for_nothing() -> None:
    disk = Disk(fast=40 * MIB, merging=120 * MIB)
    for _ in range(8000):
        disk.write(256 * KIB)
    assert 4 <= disk.most <= PACE_TABLES_USUAL and max(disk.waits) == 0.0


@pytest.mark.parametrize(("others_seconds", "wait", "rate"), [(0.0, 0.1, 11 * MIB), (8.0, 0.25, 4 * MIB)])
def test_where_merges_are_slower_than_writes_none_stops(others_seconds: float, wait: float, rate: float) -> None:
    disk = Disk(fast=60 * MIB, merging=12 * MIB, others_seconds=others_seconds)
    for _ in range(12_000):
        disk.write(256 * KIB)
    assert disk.most < STOP_TABLES, "LevelDB would have stopped all writes"
    assert max(disk.waits) < wait, "it is spread over all of them"
    assert 12_000 * 256 * KIB / disk.now > rate, "and no more slowly than has to be"


def test_what_was_slow_once_is_not_remembered_where_few_tables_wait() -> None:
    disk = Disk(fast=60 * MIB, merging=6 * MIB)
    for _ in range(4000):
        disk.write(256 * KIB)
    assert max(disk.waits) > 0.0
    disk.merging = 600 * MIB
    for _ in range(4000):
        disk.write(256 * KIB)
    assert max(disk.waits[-1000:]) == 0.0


def test_a_batch_of_any_size_waits_for_a_short_time_at_most() -> None:
    tables = itertools.chain(range(PACE_TABLES_MIN + 1, STOP_TABLES), itertools.repeat(STOP_TABLES - 1))
    waits = list[float]()
    now = 0.0

    def wait(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += seconds

    pace = Pace(lambda: next(tables), lambda: now, wait)
    for _ in range(20):
        pace.before_write()
        now += 1.0
        pace.wrote(64 * MIB)
    assert waits and max(waits) <= PACE_SECONDS_MAX


def test_who_writes_seldom_waits_for_nothing() -> None:
    """The time between two batches counts."""
    disk = Disk(fast=60 * MIB, merging=6 * MIB)
    for _ in range(4000):
        disk.write(256 * KIB)
    while disk.tables <= PACE_TABLES_USUAL:
        disk.write(256 * KIB)
    disk.now += 1.0
    disk.write(64)
    assert disk.waits[-1] == 0.0
