"""The whole screen in every state of the hive, at three sizes, of a small hive and of a large one."""

from __future__ import annotations

import pytest

from tests.tui.screens import NODES, SIZES, STATES, check, dashboard_of, running


@pytest.mark.asyncio
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("state", STATES)
async def test_screen(state: str, nodes: int, size: tuple[int, int]) -> None:
    async with running(dashboard_of(state, nodes), size) as (app, _pilot):
        check(app, f"{state}-{nodes}-{size[0]}")
