"""Every graph has a name, a unit and a scale, and says the same as the figure beside it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tui.pieces import node, scene
from tests.tui.test_node_graph import END, START, every_half_second, plot_of, text_of
from tests.tui.test_node_screen import AT, Source, at_rest, opened
from wrpme.tui.node import rows as node_rows
from wrpme.tui.node.graph import LABEL_CELLS, RATE, SECONDS, STEADY, Line, graph, scale_of, trendline
from wrpme.tui.panes import columns
from wrpme.tui.state import format
from wrpme.tui.state.derive import WHATS
from wrpme.tui.state.figures import BY_SERIES, FIGURES

# --- latency ---------------------------------------------------------------------------------------------------------


def test_latency_goes_by_powers_of_ten() -> None:
    scale = scale_of([200e-6, 0.8], SECONDS, 8)
    assert scale.ticks == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert [scale.share(tick) for tick in scale.ticks] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    assert scale.share(0.0) == 0.0 and scale.share(5.0) == 1.0
    few = scale_of([200e-6, 0.8], SECONDS, 2)
    assert len(few.ticks) <= 4 and few.ticks[0] == pytest.approx(1e-4) and few.ticks[-1] == pytest.approx(1.0)
    assert scale_of([], SECONDS, 3).low > 0 and scale_of([0.0], SECONDS, 3).low > 0
    assert scale_of([0.001], SECONDS, 3).high > scale_of([0.001], SECONDS, 3).low


def test_a_fast_half_and_a_slow_hundredth_are_both_seen() -> None:
    lines = [
        Line("p50", every_half_second(*[200e-6] * 40), "fill"),
        Line("p99", every_half_second(*[0.4] * 40), "line", filled=False),
    ]
    rows = graph(lines, SECONDS, END - 19, END, LABEL_CELLS + 81, 10)
    assert set(plot_of(rows)[-1]) - set(" ⣀"), "the half is no flat line at the bottom"
    labels = "".join(text_of(row)[:LABEL_CELLS] for row in rows[1:-1])
    assert all(tick in labels for tick in ("100 us", "1 ms", "10 ms", "100 ms", "1 s"))
    assert "log scale" in text_of(rows[0]), "and that is said"
    assert "log scale" not in text_of(graph(lines, RATE, START, END, 80, 10)[0])


# --- what a figure was like ------------------------------------------------------------------------------------------


def test_a_trend_has_a_scale_and_a_unit() -> None:
    bars, scale = trendline([20e6, 25e6, 30e6], format.bytes_text, 40, False)
    assert len(bars + scale) == 40 and scale == " 19.1 to 28.6 MiB" and "▁" in bars and "▇" in bars
    assert trendline([64_000.0, 65_000.0], format.count_text, 30, False)[1] == " 64.0k to 65.0k"
    assert trendline([1.0, 2.0], format.count_text, 30, True)[0].isascii()


def test_what_does_not_change_is_no_full_block() -> None:
    assert trendline([48e6] * 9, format.bytes_text, 30, False) == ("", STEADY.ljust(30))
    assert trendline([None] * 9, format.bytes_text, 30, False) == ("", " " * 30)
    for width in range(40):
        assert sum(map(len, trendline([1.0, 2000.0], format.count_text, width, False))) == width


# --- one figure, one value -------------------------------------------------------------------------------------------


def test_the_series_are_those_of_the_history() -> None:
    assert set(BY_SERIES) == set(WHATS)
    told = node(2, operations_per_second=7.0, p50_seconds=0.1, p99_seconds=0.2, entries=5)
    assert [BY_SERIES[what].value(told) for what in ("operations", "p50", "p99", "entries")] == [7.0, 0.1, 0.2, 5]


@pytest.mark.asyncio
async def test_a_graph_says_the_value_that_stands_beside_it() -> None:
    source = Source(scene(3))

    async with opened(source) as (screen, pilot):
        for rate, seconds in ((40.0, 0.002), (41.0, 0.003), (777.0, 0.2)):
            told = node(2, operations_per_second=rate, p99_seconds=seconds, received_bytes_per_second=4096.0)
            screen.show(replace(source.shown, at=AT + 0.01, nodes=(node(1), told, node(3))))
            await at_rest(pilot)
            graphs, figures = (screen.panels[name].rows.text for name in ("graphs", "figures"))
            assert f"operations/s {format.rate_text(rate)} " in graphs
            assert f"p99 {format.latency_text(seconds)}" in graphs and "4.0 KiB/s" in graphs and "4.0 KiB/s" in figures


# --- what is old -----------------------------------------------------------------------------------------------------


def test_old_figures_keep_their_unit() -> None:
    size = 1023 * 1024**2
    old = node(
        2, stale=True, age=9.0, bytes=size, memory_bytes=size, disk_bytes=size, disk_free_bytes=size, entries=999_400,
        copies=999_400, uptime_seconds=59 * 60 + 59.0, epoch=99,
    )  # fmt: skip
    hive = scene(3, nodes=(node(1), old, node(3)), epoch=100)
    row = columns.row(columns.fit(hive, 400), 1, hive)
    cells = [text.strip() for text, _ in row if "(" in text]
    assert len(cells) >= 7 and all(cell.endswith(")") for cell in cells if "of" not in cell), cells
    assert {"(1023MiB)", "(59min59s)", "(999k)"} <= set(cells)
    shown = node_rows.figures(old, hive)
    for width, height in ((56, 30), (79, 7)):
        rows = node_rows.figure_rows(shown, {}, (AT - 10, AT), (width, height), False)
        text = "\n".join("".join(part for part, _ in row) for row in rows)
        assert text.count("(") == text.count(")") > 4 and "(1023.0 MiB)" in text
    assert all(FIGURES[one.label].told for one in shown if one.text.startswith("("))
