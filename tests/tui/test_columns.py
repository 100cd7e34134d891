"""The table of nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from tests.tui.pieces import node, scene
from wrpme.tui.panes import columns
from wrpme.tui.state.lines import Row
from wrpme.tui.state.scene import CopyShown, NodeState, Scene


def text(row: Row) -> str:
    return "".join(part for part, _ in row)


@given(st.integers(20, 240), st.integers(1, 12))
def test_all_rows_are_as_wide_as_the_heading_and_fit(width: int, count: int) -> None:
    shown = scene(count)
    layout = columns.fit(shown, width)
    heading = text(columns.header(layout, "NODE", False))
    rows = columns.rows(layout, range(count), shown)
    assert {cell_len(text(row)) for row in rows} == {cell_len(heading)}
    if width >= 40:
        assert cell_len(heading) <= width + 1, "the last space may fall off"
    titles = [column.title for column, _ in layout.columns]
    assert titles[0] == "NODE" and len(set(titles)) == len(titles)


def test_the_narrowest_table_has_node_and_state_and_the_widest_all() -> None:
    assert [column.title for column, _ in columns.fit(scene(3), 30).columns][:2] == ["NODE", "STATE"]
    moving = replace(scene(3), moves=(CopyShown(0, 1, 0.1, 0.5),))
    assert len(columns.fit(moving, 400).columns) == len(columns.COLUMNS)


def test_short_names_where_there_is_little_room() -> None:
    assert columns.fit(scene(3), 44).short
    assert not columns.fit(scene(3), 120).short


def test_stale_figures_stand_in_parentheses_and_the_rest_does_not() -> None:
    shown = replace(scene(2), nodes=(node(1), node(2, state=NodeState.SILENT, stale=True, age=14.0)))
    layout = columns.fit(shown, 200)
    first, second = (text(row) for row in columns.rows(layout, (0, 1), shown))
    assert "(20)" in second and "(10)" not in first
    assert "no answer" in second
    assert "25.0 %" in second, "its share is by the view"


def test_what_was_never_told_is_unknown() -> None:
    shown = replace(scene(1), nodes=(node(1, stale=True, age=None, entries=None),))
    line = text(columns.row(columns.fit(shown, 100), 0, shown))
    assert "?" in line and "(" not in line


@pytest.mark.parametrize(
    ("by", "reverse", "order"),
    [
        ("NODE", False, [0, 1, 2]),
        ("NODE", True, [2, 1, 0]),
        ("ENTRIES", False, [2, 1, 0]),
        ("ENTRIES", True, [0, 1, 2]),
        ("STATE", False, [1, 0, 2]),
    ],
)
def test_sorting(by: str, reverse: bool, order: list[int]) -> None:
    nodes = (node(1), node(2, state=NodeState.DOWN), node(10))
    assert columns.ordered(replace(scene(3), nodes=nodes), by, reverse) == order


@pytest.mark.parametrize("reverse", [False, True])
def test_nodes_that_told_nothing_come_last_either_way(reverse: bool) -> None:
    nodes = (node(1, entries=None), node(2), node(3))
    assert columns.ordered(replace(scene(3), nodes=nodes), "ENTRIES", reverse)[-1] == 0


def test_a_filter_wants_all_its_words() -> None:
    nodes = (node(1), node(2, state=NodeState.DOWN, reason="killed"), node(12, state=NodeState.DOWN))
    shown: Scene = replace(scene(3), nodes=nodes)
    assert columns.ordered(shown, "NODE", False, "down") == [1, 2]
    assert columns.ordered(shown, "NODE", False, "DOWN .12:") == [2]
    assert columns.ordered(shown, "NODE", False, "killed") == [1]
    assert columns.ordered(shown, "NODE", False, "nothing such") == []


def test_the_heading_tells_what_is_sorted_by_and_clicks_find_it() -> None:
    layout = columns.fit(scene(3), 120)
    heading = text(columns.header(layout, "ENTRIES", False))
    assert "ENTRIES" in heading.replace("▼", "S") or "▼" in heading
    for column, _ in layout.columns:
        at = text(columns.header(layout, "", False)).index(column.title)
        assert columns.title_at(layout, at) == column.title
    assert columns.title_at(layout, 5000) is None


def test_voters_and_the_senior_are_marked() -> None:
    nodes = (node(1, senior=True, voter=True), node(2, voter=True), node(3))
    shown = replace(scene(3), nodes=nodes)
    lines = [text(row) for row in columns.rows(columns.fit(shown, 120), range(3), shown)]
    assert [line[1] for line in lines] == ["*", "+", " "]


def test_without_colours_each_node_has_its_character_on_the_ring_beside_its_name() -> None:
    shown = replace(scene(2), nodes=(node(1), node(2, key="")))
    layout = columns.fit(shown, 120, keys=True)
    first, second = (text(row) for row in columns.rows(layout, (0, 1), shown))
    assert "1 192.168.1.1:5909" in first and "# 192.168.1.2:5909" in second
