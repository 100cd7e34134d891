"""The line below the ring: what its bands are, until the user has dismissed it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.tui.hands import live
from tests.tui.pieces import node, scene
from tests.tui.screens import SIZES, at_rest, running
from wrpme.shell.history import LineFile
from wrpme.tui.app import Dashboard
from wrpme.tui.panes.legend import DISMISSED, explained
from wrpme.tui.state.scene import NodeState


def test_the_line_says_what_the_bands_are() -> None:
    assert "outer band" in explained(scene(3), None)[0]
    assert "outer" not in explained(replace(scene(3), replication=1), None)[0]
    dead = node(2, state=NodeState.DOWN)
    assert "red" in explained(scene(3), dead)[0] and "dots" in explained(scene(3), dead, True)[0]
    assert f"what {dead.name} held" in explained(scene(3), dead)[0]
    assert f"what {dead.name} owns" in explained(scene(3), node(2))[0]
    for form in (explained(scene(3), None), explained(scene(3), dead), explained(scene(3), node(2))):
        assert list(map(len, form)) == sorted(map(len, form), reverse=True) and len(form[-1]) <= 28


@pytest.mark.asyncio
async def test_it_is_shown_until_it_is_dismissed_for_good(tmp_path: Path) -> None:
    def app_of() -> Dashboard:
        app = live()
        app.history = LineFile(tmp_path / "history")
        return app

    async with running(app_of(), SIZES[-1]) as (app, pilot):
        legend = app.main.legend
        for size in SIZES:
            await pilot.resize_terminal(*size)
            assert legend.display and legend.text in explained(app.scene, None) and legend.region.height == 1, size
            assert legend.region.y == app.main.ring.region.bottom, size
        await pilot.press("escape", "x")
        await at_rest(pilot)
        assert not legend.display and (tmp_path / DISMISSED).exists()
    async with running(app_of(), SIZES[0]) as (app, pilot):
        assert not app.main.legend.display
        await pilot.press("escape", "x")
        await at_rest(pilot)
        assert app.main.legend.display and not (tmp_path / DISMISSED).exists()


@pytest.mark.asyncio
async def test_it_follows_the_cursor() -> None:
    async with running(live("degraded"), (120, 40)) as (app, pilot):
        await pilot.press("escape")
        await at_rest(pilot)
        assert "5911 held" in app.main.legend.text
        await pilot.press("down")
        await at_rest(pilot)
        assert "5909" in app.main.legend.text
