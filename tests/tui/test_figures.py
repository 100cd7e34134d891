"""Figures of a node: one declaration for the table and for the screen of a node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui.pieces import node, scene
from wrpme.tui.node import rows
from wrpme.tui.panes.columns import COLUMNS
from wrpme.tui.state.figures import FIGURES


def test_the_table_shows_each_figure_as_the_screen_of_its_node_does() -> None:
    shown = {one.text for one in rows.figures(node(2, epoch=5), scene(3))}
    own = [column for column in COLUMNS if column.title not in ("NODE", "STATE", "COPYING")]
    assert len(own) == 16 and {column.text(node(2, epoch=5), 2, scene(3)) for column in own} <= shown


@pytest.mark.parametrize("label", FIGURES)
def test_what_nobody_told_is_no_value(label: str) -> None:
    """It is sorted behind everything else, and is no 0."""
    unknown: dict[str, Any] = dict.fromkeys(
        (
            "entries", "copies", "bytes", "operations_per_second", "p50_seconds", "p99_seconds", "sessions",
            "redis_sessions", "received_bytes_per_second", "sent_bytes_per_second", "memory_bytes", "disk_bytes",
            "disk_free_bytes", "uptime_seconds", "lease_seconds", "heartbeat_age_seconds", "age",
        )
    )  # fmt: skip
    silent = node(2, epoch=0, stale=True, **unknown)
    figure = FIGURES[label]
    assert (figure.value(silent) is None and figure.text(silent, scene(3)) == "?") or not figure.told


def test_the_fullest_disk_comes_first() -> None:
    free = FIGURES["disk free"].value
    assert sorted((5, 500), key=lambda size: free(node(2, disk_free_bytes=size)), reverse=True) == [5, 500]
