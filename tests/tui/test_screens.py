"""The whole screen in every state of the hive, at three sizes, of a small hive and of a large one."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.tui.screens import NODES, SIZES, STATES, check, dashboard_of, with_app
from wrpme.tui.app import Dashboard


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("state", STATES)
def test_screen(state: str, nodes: int, size: tuple[int, int]) -> None:
    async def look(app: Dashboard, pilot: Pilot[int]) -> None:
        check(app, f"{state}-{nodes}-{size[0]}")

    with_app(dashboard_of(state, nodes), size, look)
