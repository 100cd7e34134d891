"""How fast a disk takes batches."""

from __future__ import annotations

import pytest

from wrpme.core.health.disk_pace import DiskPace
from wrpme.core.limits import HEARTBEAT_SECONDS, DISK_LATELY_SECONDS, STREAM_BYTES_PER_SECOND_MIN
from wrpme.limits import LEASE_SECONDS


def batches(pace: DiskPace, now: float, *seconds: float) -> float:
    """One after the other; gives the time after them."""
    for each in seconds:
        pace.begin([(b"k", b"v")], now)
        end = now + each
        while now + HEARTBEAT_SECONDS < end:
            now += HEARTBEAT_SECONDS
            pace.look(now)
        now = end
        pace.end(now)
    return now


def test_nothing_was_written_yet() -> None:
    pace = DiskPace()
    pace.end(1.0)  # of a batch that it never saw begin
    assert pace.lately(1.0) == (0.0, 0.0) and pace.slow(1.0) is None and pace.look(2.0) == 0.0 and not pace.hangs


def test_a_batch_hangs_after_a_lease() -> None:
    pace = DiskPace()
    pace.begin([(b"k", b"v")], 10.0)
    for beat in range(1, round(LEASE_SECONDS / HEARTBEAT_SECONDS) + 1):
        assert not pace.hangs
        pace.look(10.0 + beat * HEARTBEAT_SECONDS)
    assert pace.hangs and pace.hang_text("a") == "the disk of a has taken nothing for 2 s"
    pace.end(13.0)
    assert not pace.hangs and pace.waited == 0.0 and pace.lately(13.0) == (2.75, 2.75)


def test_a_large_batch_may_take_longer() -> None:
    pace = DiskPace()
    pace.begin([(b"k", bytes(2 * STREAM_BYTES_PER_SECOND_MIN)), (b"gone", None)], 0.0)
    for beat in range(1, 8):
        pace.look(beat * HEARTBEAT_SECONDS)
    assert pace.waited > LEASE_SECONDS and not pace.hangs
    pace.look(4.0)
    pace.look(4.1)
    assert pace.hangs


def test_while_the_process_stood_still_the_disk_is_not_blamed() -> None:
    pace = DiskPace()
    pace.begin([(b"k", b"v")], 0.0)
    pace.look(100.0)
    assert pace.waited < LEASE_SECONDS / 2 and not pace.hangs
    pace.end(100.0)
    assert pace.lately(100.0)[1] < 1.0


@pytest.mark.parametrize(
    ("seconds", "slow"),
    [
        ([0.8] * 3, True),
        ([0.8] * 2, False),
        ([0.24] * 50, False),
        ([0.001] * 1000 + [0.8] * 4, True),
        ([0.8, 0.8, 0.8] + [0.02] * 200, False),
    ],
)
def test_slow_is_a_disk_whose_slow_batches_are_the_rule(seconds: list[float], slow: bool) -> None:
    pace = DiskPace()
    now = batches(pace, 0.0, *seconds)
    assert (pace.slow(now) is not None) is slow


def test_what_is_long_ago_is_forgotten() -> None:
    pace = DiskPace()
    now = batches(pace, 0.0, 0.8, 0.8, 0.8)
    assert pace.slow(now) is not None and pace.lately(now) == pytest.approx((0.8, 0.8))
    now = batches(pace, now + DISK_LATELY_SECONDS - 5.0, *[0.01] * 10)
    assert pace.lately(now)[1] == pytest.approx(0.8), "the last half minute, and no more"
    assert pace.lately(now + 10.0) == pytest.approx((0.01, 0.01)) and pace.slow(now + 10.0) is None
    assert pace.lately(now + DISK_LATELY_SECONDS + 1.0) == (0.0, 0.0)
