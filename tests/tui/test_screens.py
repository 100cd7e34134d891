"""The whole screen in every state of the hive, at three sizes, of a small hive and of a large one."""

from __future__ import annotations

from functools import lru_cache

import pytest

from tests.tui.screens import NODES, SIZES, STATES, check, dashboard_on, running, timeline_in

SCREENS = [
    (state, nodes, size)
    for state in STATES
    for nodes in NODES
    for size in SIZES
    if nodes < 200 or size == SIZES[-1] or state in ("stable", "unavailable")
]
"""Each state is drawn at each size of the small hive; of the large one where all of it can be seen, and at the other
sizes as it is at best and at worst: what a small screen leaves out of 200 nodes does not hang on the state."""
timeline_before = lru_cache(maxsize=1)(timeline_in)
"""Drawn at one size after the other: to look at what is known changes nothing of it."""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("state", "nodes", "size"), SCREENS, ids=[f"{state}-{nodes}-{size[0]}" for state, nodes, size in SCREENS]
)
async def test_screen(state: str, nodes: int, size: tuple[int, int]) -> None:
    async with running(dashboard_on(*timeline_before(state, nodes)), size) as (app, _pilot):
        check(app, f"{state}-{nodes}-{size[0]}")
