"""Logs of several nodes as one."""

from __future__ import annotations

from wrpme.bootstrap.logs import Line, lines_of, merged

UTC = "2026-11-23 12:00:00.100 INFO  one\n  of two lines\n2026-11-23 12:00:02.000 INFO  two\n"
FURTHER_EAST = "2026-11-23 14:00:00.500 WARN  from elsewhere\n"
NOON = 1795435200.0


def test_stamps_are_in_the_time_of_their_machine() -> None:
    first, second, third = lines_of(UTC, 0, 0)
    assert first == Line(NOON + 0.1, 0, "2026-11-23 12:00:00.100 INFO  one")
    assert second.at == first.at, "what has no stamp belongs to the line before"
    assert third.at == NOON + 2
    (east,) = lines_of(FURTHER_EAST, 1, 7200)
    assert east.at == NOON + 0.5


def test_lines_are_merged_by_time_and_keep_their_order() -> None:
    logs = [list(lines_of(UTC, 0, 0)), list(lines_of(FURTHER_EAST, 1, 7200))]
    assert [(line.number, line.text[-5:]) for line in merged(logs)] == [
        (0, "  one"), (0, "lines"), (1, "where"), (0, "  two"),
    ]  # fmt: skip


def test_only_what_came_since() -> None:
    logs = [list(lines_of(UTC, 0, 0)), list(lines_of(FURTHER_EAST, 1, 7200))]
    assert [line.text[-5:] for line in merged(logs, NOON + 0.5)] == ["where", "  two"]


def test_what_has_no_stamp_at_all_comes_first() -> None:
    (line,) = lines_of("cut off\n", 2, 0)
    assert line.at == 0.0
    (later,) = lines_of("goes on\n", 2, 0, at=5.0)
    assert later.at == 5.0
