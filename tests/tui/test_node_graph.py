"""Graphs over time: what is known is drawn where it belongs, and what is not known is not drawn."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.tui.limits import GRAPH_HOLD_SECONDS
from wrpme.tui.node.graph import (
    BYTES_PER_SECOND,
    LABEL_CELLS,
    RATE,
    SECONDS,
    UNKNOWN,
    Line,
    Points,
    Unit,
    columns,
    graph,
    latest,
    span_until,
    sparkline,
    step_of,
    tick_text,
    time_axis,
)  # fmt: skip
from wrpme.tui.state.lines import Row

END = 1_700_000_000.0
START = END - 300
VALUES = st.one_of(st.none(), st.floats(0, 99_999))
UNITS = st.sampled_from([RATE, SECONDS, BYTES_PER_SECOND])


def every_half_second(*values: float | None) -> Points:
    """Points up to the end."""
    return [(END - (len(values) - 1 - at) / 2, value) for at, value in enumerate(values)]


def text_of(row: Row) -> str:
    return "".join(text for text, _ in row)


def plot_of(rows: list[Row], axis: bool = True) -> list[str]:
    """Only the graph, without legend, scale and times."""
    return [text_of(row)[LABEL_CELLS + 1 :] for row in rows[1 : -1 if axis else None]]


# --- the scale ---------------------------------------------------------------------------------------------------


@given(st.floats(0, 1e15), UNITS, st.integers(1, 12))
def test_the_scale_reaches_the_highest_in_few_round_steps(highest: float, unit: Unit, ticks: int) -> None:
    step = step_of(highest, unit, ticks)
    assert step * ticks >= highest * (1 - 1e-6)
    power = max(0, math.floor(math.log(step / unit.least, unit.base) + 1e-9))
    of_unit = step / unit.least / unit.base**power
    assert any(math.isclose(of_unit, round_number) for round_number in (1, 2, 5, 10, 20, 50, 100, 200, 500))
    smaller = step / 2.5
    assert smaller * ticks < highest or smaller < unit.least, "no smaller step would do"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, RATE, "0"),
        (1, RATE, "1"),
        (20_000, RATE, "20k"),
        (0.005, SECONDS, "5 ms"),
        (200e-6, SECONDS, "200 us"),
        (2.0, SECONDS, "2 s"),
        (1024, BYTES_PER_SECOND, "1 KiB"),
        (200 * 1024**2, BYTES_PER_SECOND, "200 MiB"),
        (5000 * 1024.0**4, BYTES_PER_SECOND, "5000 TiB"),
    ],
)
def test_round_numbers(value: float, unit: Unit, text: str) -> None:
    assert tick_text(value, unit) == text


def test_the_scale_stands_at_its_rows() -> None:
    rows = graph([Line("x", every_half_second(10_000.0), "fill")], RATE, START, END, 40, 7)
    assert [text_of(row)[: LABEL_CELLS + 1] for row in rows[1:-1]] == [
        "     10k┤", "        │", "      5k┤", "        │", "       0┤",
    ]  # fmt: skip


# --- columns -----------------------------------------------------------------------------------------------------


@given(st.lists(VALUES, max_size=50), st.integers(1, 60))
def test_no_peak_is_lost_and_nothing_is_made_up(values: list[float | None], count: int) -> None:
    points = every_half_second(*values)
    found = columns(points, END - 30, END, count)
    told = [value for value in values if value is not None]
    drawn = [value for value in found if value is not None]
    assert len(found) == count and set(drawn) <= set(told)
    assert max(drawn, default=None) == max(told, default=None)


def test_what_nobody_told_is_a_gap() -> None:
    points = [(END - 20, 9.0), (END - 9, None), (END - 5, 2.0)]
    held = END - 5 + GRAPH_HOLD_SECONDS
    found = columns(points, END - 10, END, 20)
    for at, value in enumerate(found):
        middle = END - 10 + (at + 0.5) / 2
        assert value == (9.0 if middle < END - 9 else 2.0 if END - 5 < middle < held else None), at
    assert columns(points, END - 30, END - 20.5, 5) == [None] * 5


def test_the_last_value_is_not_held_for_long() -> None:
    points = [(END - 10, 7.0)]
    assert latest(points, END - 10) == 7.0 and latest(points, END - 10 + GRAPH_HOLD_SECONDS) == 7.0
    assert latest(points, END) is None and latest(points, END - 11) is None
    assert latest([*points, (END - 1, None)], END) is None
    assert latest([*points, (END + 1, None)], END) == 7.0, "it held until then"


@given(st.floats(0, 10), st.integers(24, 150), st.booleans())
def test_what_was_drawn_keeps_its_shape(later: float, width: int, plain: bool) -> None:
    points = [(END - 100 + at / 2 + 0.01234567, float(at * 7 % 31)) for at in range(200)]  # on no edge
    dots = (width - LABEL_CELLS - 1) * (1 if plain else 2)
    shown = []
    for now in (END, END + later):
        start, end = span_until(now, 60, width, plain)
        ulp = math.ulp(END)  # of a time of this size: a product may be rounded that much down
        assert end - start == pytest.approx(60) and now - ulp <= end <= now + 61 / dots + ulp
        shown.append((round(end / 60 * dots), columns([*points, (now + 99, None)], start, end, dots)))
    moved = shown[1][0] - shown[0][0]
    inner = slice(1, dots - moved - 1)  # at its edges a stretch may be cut
    assert shown[0][1][moved:][inner] == shown[1][1][: dots - moved][inner]


# --- the picture -------------------------------------------------------------------------------------------------


def test_ticks_beyond_a_unit_that_are_no_round_number_of_the_next_stay_in_it() -> None:
    assert [tick_text(500.0 * number, BYTES_PER_SECOND) for number in range(5)] == [
        "0", "500 B", "1000 B", "1500 B", "2000 B",
    ]  # fmt: skip


@given(
    st.lists(VALUES, max_size=30), st.lists(VALUES, max_size=30), UNITS,
    st.integers(24, 120), st.integers(2, 20), st.sampled_from(["span", "clock", ""]), st.booleans(),
)  # fmt: skip
def test_a_graph_fills_its_cells(
    one: list[float | None], two: list[float | None], unit: Unit, width: int, height: int, axis: str, plain: bool
) -> None:
    lines = [
        Line("received", every_half_second(*one), "fill"),
        Line("sent", every_half_second(*two), "line", filled=False),
    ]
    rows = graph(lines, unit, END - 20, END, width, height, axis=axis, plain=plain)
    assert len(rows) == height
    assert [len(text_of(row)) for row in rows] == [width] * height
    if plain:
        assert all(text_of(row).isascii() for row in rows)


def test_a_zero_is_drawn_and_a_gap_is_not() -> None:
    points = [(END - 10 + at / 2, 0.0 if at < 10 else None) for at in range(20)]
    *upper, lowest = plot_of(graph([Line("x", points, "fill")], RATE, END - 10, END, LABEL_CELLS + 21, 5))
    assert lowest == "⣀" * 10 + " " * 10
    assert upper == [" " * 20] * 2


def test_an_area_and_a_line_are_told_apart_without_colour() -> None:
    area = Line("received", every_half_second(*[8.0] * 40), "fill")
    line = Line("sent", every_half_second(*[4.0] * 40), "line", filled=False)
    for plain, full in ((False, "⣿"), (True, "#")):
        rows = graph([line, area], RATE, END - 19, END, LABEL_CELLS + 31, 10, plain=plain)
        plot = plot_of(rows)
        drawn = {row[0] for row in plot if row.strip()}
        assert full in drawn and len(drawn) > 2
        roles = [{role for text, role in row[1:] if text.strip()} for row in rows[1:-1]]
        assert {"line"} in roles and {"fill"} in roles
    assert [text for text, role in rows[0] if role in ("fill", "line")] == ["** ", "## "]


def test_a_line_is_continuous() -> None:
    points = every_half_second(0.0, 10.0, 0.0, 10.0)
    plot = plot_of(graph([Line("x", points, "line", filled=False)], RATE, END - 2, END, LABEL_CELLS + 11, 6))
    assert all(row.strip() for row in plot), "from the bottom to the top without a hole"


def test_the_legend_says_the_value_of_now_and_its_bounds() -> None:
    points = every_half_second(500.0, 20_000.0, 1500.0)
    rows = graph([Line("operations/s", points, "fill")], RATE, START, END, 60, 4)
    assert text_of(rows[0]).strip() == "⣿⣿ operations/s 1.50k  500 to 20.0k"
    narrow = graph([Line("operations/s", points, "fill")], RATE, START, END, 30, 4)
    assert text_of(narrow[0]).strip() == "⣿⣿ operations/s 1.50k"
    gone = graph([Line("operations/s", [*points[:-1], (END, None)], "fill")], RATE, START, END, 60, 4)
    assert text_of(gone[0]).startswith("⣿⣿ operations/s ?")


def test_nothing_known_is_said() -> None:
    rows = graph([Line("x", [(END - 5, None)], "fill")], RATE, START, END, 60, 6)
    assert any(UNKNOWN in text_of(row) for row in rows)
    assert text_of(rows[0]).startswith("⣿⣿ x ?")


# --- times -------------------------------------------------------------------------------------------------------


def test_the_times_of_now_and_of_the_past() -> None:
    assert time_axis(START, END, 60, clock=False).split("  ")[0] == "-5 min"
    words = [word for word in time_axis(START, END, 60, clock=False).split("  ") if word.strip()]
    assert [word.strip() for word in words] == ["-5 min", "-4 min", "-3 min", "-2 min", "-1 min", "now"]
    past = time_axis(START, END, 60, clock=True)
    assert "now" not in past and past.count(":") == 2 * len(past.split())
    assert time_axis(END - 20, END, 60, clock=False).split("  ")[0] == "-20 s"


@given(st.floats(0.5, 1e6), st.integers(1, 200), st.booleans())
def test_times_fit(span: float, cells: int, clock: bool) -> None:
    assert len(time_axis(END - span, END, cells, clock)) == cells


# --- small places ------------------------------------------------------------------------------------------------


def test_a_sparkline() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇▇"
    assert sparkline([8, None, 0], 5) == "  ▇ ▁"
    assert sparkline([None, 0, 9, 0], 2) == "▁▇", "the largest of each few"
    assert sparkline([], 3) == "   " and sparkline([0, 0], 2) == "▁▁"
    assert sparkline([1, 2], 2, plain=True).isascii()


@given(st.lists(VALUES, max_size=60), st.integers(0, 30), st.booleans())
def test_a_sparkline_fills_its_cells(values: list[float | None], width: int, plain: bool) -> None:
    assert len(sparkline(values, width, plain)) == width
