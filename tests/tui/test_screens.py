"""The whole screen in every state of the hive, at three sizes, of a small hive and of a large one."""

from __future__ import annotations

from functools import lru_cache

import pytest

from tests.tui.screens import NODES, SIZES, STATES, check, dashboard_on, running, timeline_in

timeline_before = lru_cache(maxsize=1)(timeline_in)
"""Drawn at one size after the other: to look at what is known changes nothing of it."""


@pytest.mark.asyncio
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("state", STATES)
async def test_screen(state: str, nodes: int, size: tuple[int, int]) -> None:
    async with running(dashboard_on(*timeline_before(state, nodes)), size) as (app, _pilot):
        check(app, f"{state}-{nodes}-{size[0]}")
