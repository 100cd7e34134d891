"""Wrong passwords are looked at ever more slowly, by where they come from."""

from __future__ import annotations

from wrpme.core.access.failures import ADDRESSES_MAX, FREE, PAUSE_SECONDS_MAX, REMEMBERED_SECONDS, Failures


def test_a_few_cost_nothing_and_more_cost_twice_as_much_each() -> None:
    failures, pauses = Failures(), []
    for _ in range(FREE + 10):
        failures.failed("h", 100.0)
        pauses.append(failures.pause("h", 100.0))
    assert pauses[: FREE + 3] == [0.0] * (FREE - 1) + [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == PAUSE_SECONDS_MAX
    assert failures.pause("h", 100.0 + 59.0) == 1.0 and failures.pause("h", 100.0 + 60.0) == 0.0
    assert failures.pause("another", 100.0) == 0.0


def test_they_are_forgotten_in_time_and_are_bounded() -> None:
    failures = Failures()
    for _ in range(FREE):
        failures.failed("h", 0.0)
    assert failures.pause("h", REMEMBERED_SECONDS) == 0.0
    failures.failed("h", REMEMBERED_SECONDS)
    assert failures.pause("h", REMEMBERED_SECONDS) == 0.0, "it begins anew"
    for number in range(ADDRESSES_MAX + 9):
        failures.failed(f"h{number}", 1e6)
    assert len(failures._known) == ADDRESSES_MAX
