"""From where on hints are to be looked at."""

from __future__ import annotations

from wrpme.core.layout import HINTS, hint_of, key_of
from wrpme.core.replication.reminders import Reminders

EARLY, LATE = (hint_of(expiry, key_of(7, b"alias")) for expiry in (1000, 2000))


def test_a_hint_that_is_on_disk_is_not_overlooked() -> None:
    made = Reminders()
    assert made.cursor == HINTS[0]
    made.cursor = LATE
    made.wrote(EARLY)
    assert made.cursor == LATE, "nobody could see it yet"
    made.left()
    made.wrote(LATE)
    assert made.cursor == LATE
    made.flushed()
    assert made.cursor == EARLY
    made.cursor = LATE + b"x"
    made.left()
    made.flushed()
    assert made.cursor == LATE
    made.cursor = HINTS[1]
    made.left()
    made.flushed()
    assert made.cursor == HINTS[1], "nothing was written"
