"""The keys in the last line."""

from __future__ import annotations

import gc

import pytest

from tests.tui.screens import at_rest, dashboard_of, running
from wrpme.tui.app import Dashboard
from wrpme.tui.dialogs import Page
from wrpme.tui.keys import KEYS, Key
from wrpme.tui.panes.key_bar import KeyBar, bindings_of


def words(app: Dashboard) -> dict[str, str]:
    return {shown: what for _, shown, what in app.screen.query_one(KeyBar).keys}


@pytest.mark.asyncio
async def test_it_shows_what_is_of_use_where_the_keyboard_is() -> None:
    async with running(dashboard_of("degraded", 3), (120, 40)) as (app, pilot):
        assert words(app)["Tab"] == "complete" and "S" not in words(app)
        await pilot.press("escape")
        await at_rest(pilot)
        assert words(app)["F"] == "forget" and "Tab" not in words(app) and "S" not in words(app), "it is down"
        await pilot.press("down")
        await at_rest(pilot)
        assert words(app)["S"] == "stop" and "F" not in words(app)


@pytest.mark.asyncio
async def test_a_click_is_as_good_as_the_key_and_what_does_not_fit_is_left_out() -> None:
    async with running(dashboard_of("stable", 3), (80, 24)) as (app, pilot):
        await pilot.press("escape")
        await at_rest(pilot)
        bar = app.screen.query_one(KeyBar)
        shown = bar.render().plain
        assert len(shown.rstrip()) <= bar.content_size.width and "Esc" not in shown
        for key, name, what in bar.keys:
            at = shown.find(f"{name} {what}")
            if at >= 0:
                assert bar.key_at(at) == bar.key_at(at + len(name) + len(what)) == key
        assert bar.key_at(500) is None
        await pilot.click(KeyBar, offset=(shown.index("? help") + 1, 0))
        await at_rest(pilot)
        assert isinstance(app.screen, Page)


@pytest.mark.asyncio
async def test_nothing_is_kept_of_what_was_shown_before() -> None:
    gc.freeze()  # what the tests before have left is neither counted nor looked at
    async with running(dashboard_of("stable", 3), (120, 40)) as (_app, pilot):

        async def turn(times: int) -> int:
            for _ in range(times):
                await pilot.press("escape", "colon")
            await at_rest(pilot)
            gc.collect()
            return len(gc.get_objects())

        before = await turn(3)
        assert await turn(5) - before < 5 * 10, "a day of it would fill the memory"


# --- from the table of keys to bindings -------------------------------------------------------------------------


def test_the_foot_shows_what_the_table_says() -> None:
    shown, hidden = bindings_of([Key("S,x", "stop", "S", "stops it", "stop"), Key("o", "sort(1)", "o", "sorts")])
    assert (shown.key, shown.action, shown.description, shown.show, shown.key_display) == (
        "S,x", "stop", "stop", True, "S",
    )  # fmt: skip
    assert (hidden.description, hidden.show) == ("sorts", False)


def test_each_key_is_bound_but_the_one_that_the_app_binds_itself() -> None:
    assert [one.action for one in bindings_of(KEYS)] == [k.action for k in KEYS if k.action != "command_palette"]
