"""The strip with the last minutes of the hive."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from textual.geometry import Size

from tests.tui.pieces import node, scene
from tests.tui.screens import KEPT, SIZES, dashboard_of, running, timeline_in
from tests.tui.hands import live
from wrpme.tui.limits import GRAPH_SECONDS
from wrpme.tui.node.graph import Points
from wrpme.tui.panes.trend import MEASURES, strip_rows, title_of
from wrpme.tui.state import format
from wrpme.tui.state.derive import WHATS
from wrpme.tui.state.history import WORST
from wrpme.tui.state.scene import Mode, NodeShown, Scene

BARS = set("▁▂▃▄▅▆▇█")


def _node(number: int, latency: float, received: float, sent: float, **more: Any) -> NodeShown:
    rates = {"p99_seconds": latency, "received_bytes_per_second": received, "sent_bytes_per_second": sent}
    return node(number, **rates, **more)


OLD = _node(3, 9.0, 9e9, 9e9, stale=True, age=9.0)
HIVE = scene(3, operations_per_second=50.0, nodes=(_node(1, 0.004, 1024.0, 0.0), _node(2, 0.2, 1024.0, 2048.0), OLD))


def told(*values: float) -> Points:
    """One value a second, up to a second before the scene."""
    return [(HIVE.at - len(values) + number, value) for number, value in enumerate(values)]


def shown(size: tuple[int, int], points: Points = (), hive: Scene = HIVE, plain: bool = False) -> list[str]:
    values = [measure.now(hive) for measure in MEASURES]
    rows = strip_rows(hive, values, lambda what, since: points, Size(*size), plain)
    return ["".join(text for text, _ in row) for row in rows]


def test_the_numbers_are_those_of_the_hive() -> None:
    """The sum over the nodes that are heard, of latency the worst: as the history has it."""
    assert [measure.now(HIVE) for measure in MEASURES] == [50.0, 0.2, 4096.0]
    assert {name for measure in MEASURES for name in measure.series} <= set(WHATS)
    assert [measure.name for measure in MEASURES if set(measure.series) & set(WORST)] == ["p99"]
    nobody = replace(HIVE, nodes=(), operations_per_second=None)
    assert [measure.now(nobody) for measure in MEASURES] == [None] * 3


@pytest.mark.parametrize("size", [(80, 1), (120, 3), (200, 4), (60, 1), (30, 3)])
def test_every_graph_has_a_name_a_number_and_a_scale(size: tuple[int, int]) -> None:
    rows = shown(size, told(*[5.0] * 200))
    assert len(rows) == size[1]
    assert all(name in rows[0] for name in ("op/s 50", "p99 200 ms", "in+out 4.0 KiB/s"))
    if size[0] >= 80:
        assert all(len(row) <= size[0] for row in rows) and set("".join(rows)) & BARS
        ends = ("50 ", "10s ", "5KiB") if size[1] == 1 else ("0 to 60", "100 ms to 10 s", "0 to 4 KiB")
        assert all(end in rows[0] for end in ends)


def test_numbers_do_not_move_what_stands_beside_them() -> None:
    few = shown((80, 1), told(*[5.0] * 200))[0]
    more = shown((80, 1), told(*[5.0] * 200), replace(HIVE, operations_per_second=4_560_000.0))[0]
    assert few.index("p99") == more.index("p99") and few.index("in+out") == more.index("in+out")


def test_what_nobody_told_is_empty_and_a_zero_is_not() -> None:
    seconds = round(GRAPH_SECONDS)
    points = [(HIVE.at - seconds + at, None if at < seconds // 2 else 0.0) for at in range(seconds)]
    hive = replace(HIVE, nodes=(), operations_per_second=0.0)
    bars = shown((200, 3), points, hive)[-1][:60]
    assert bars.strip() and bars[:28].strip() == "" and set(bars[34:]) == {"▁"}
    assert shown((120, 3), points, plain=True)[-1].isascii()


def test_the_past_is_not_called_the_last_minutes() -> None:
    assert title_of(HIVE) == "LAST 5 MIN" and title_of(replace(HIVE, mode=Mode.PAST)) == "5 MIN BEFORE"


@pytest.mark.asyncio
async def test_it_stands_on_the_main_screen() -> None:
    async with running(dashboard_of("stable", 3), SIZES[0]) as (app, pilot):
        for size in SIZES:
            await pilot.resize_terminal(*size)
            trend, scene = app.main.trend, app.scene
            assert trend.region.height and trend.region.bottom <= app.main.shell.region.y, size
            rate = format.rate_text(scene.operations_per_second)
            banner = app.screen._compositor.render_strips()[0].text
            assert f"op/s {rate}" in trend.text and (f"{rate} op/s" in banner or size[0] == 80)
            assert set(trend.text) & BARS, size


@pytest.mark.parametrize("state", ["stable", "copying", "degraded"])
def test_the_table_has_the_latencies_at_120_columns(state: str) -> None:
    screen = (KEPT / f"{state}-3-120.txt").read_text("utf-8")
    heading = next(line for line in screen.splitlines() if "SHARE" in line)
    assert "P50" in heading and "P99" in heading and "OPS/S" in heading


@pytest.mark.asyncio
async def test_series_are_read_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(live(), (120, 40)) as (app, _pilot):
        read: list[str] = []

        def noted(what: str, since: float) -> Points:
            read.append(what)
            return []

        monkeypatch.setattr(app.main.trend, "_read", noted)
        for at in (0.0, 0.2, 0.4):
            app.main.trend.show(replace(app.scene, at=int(app.scene.at) + 7 + at))
        assert len(read) == len({name for measure in MEASURES for name in measure.series})


def test_a_series_begins_with_what_held_then() -> None:
    timeline, _ = timeline_in("stable", 3)
    whole = timeline.series(None, "operations")
    at = (whole[2][0] + whole[3][0]) / 2
    assert timeline.series(None, "operations", at) == whole[2:]
