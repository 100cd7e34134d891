"""The whole screen in every state of the hive, at three sizes, of a small hive and of a large one."""

from __future__ import annotations

import pytest

from tests.tui.screens import NODES, SIZES, STATES, check, dashboard_of, running

SCREENS = [(state, nodes) for state in STATES for nodes in NODES]
BEST_AND_WORST = ("stable", "unavailable")


def sizes_of(state: str, nodes: int) -> tuple[tuple[int, int], ...]:
    """Each state is drawn at each size of the small hive; of the large one where all of it can be seen, and at the
    other sizes as it is at best and at worst: what a small screen leaves out of 200 nodes does not hang on the
    state."""
    return SIZES if nodes < 200 or state in BEST_AND_WORST else SIZES[-1:]


@pytest.mark.asyncio
@pytest.mark.parametrize(("state", "nodes"), SCREENS, ids=[f"{state}-{nodes}" for state, nodes in SCREENS])
async def test_screen(state: str, nodes: int) -> None:
    """The terminal becomes larger from one size to the next, as the hands of an operator make it."""
    sizes = sizes_of(state, nodes)
    async with running(dashboard_of(state, nodes), sizes[0]) as (app, pilot):
        for size in sizes:
            if size != app.size:
                await pilot.resize_terminal(*size)
            check(app, f"{state}-{nodes}-{size[0]}")


@pytest.mark.asyncio
@pytest.mark.parametrize("size", SIZES[1:])
async def test_a_terminal_of_that_size_from_the_beginning(size: tuple[int, int]) -> None:
    async with running(dashboard_of("stable", NODES[0]), size) as (app, _pilot):
        check(app, f"stable-{NODES[0]}-{size[0]}")


@pytest.mark.asyncio
async def test_certificates_that_expire_stand_in_the_banner() -> None:
    async with running(dashboard_of("expiring", NODES[0]), SIZES[0]) as (app, pilot):
        check(app, f"expiring-{NODES[0]}-{SIZES[0][0]}")
        await pilot.resize_terminal(*SIZES[1])
        check(app, f"expiring-{NODES[0]}-{SIZES[1][0]}")
