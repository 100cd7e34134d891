"""Lists of lines: what is drawn, how often, and where the cursor is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.pilot import Pilot
from textual.strip import Strip

from tests.tui.screens import at_rest
from wrpme.tui.limits import STRIPS_CACHED_MAX
from wrpme.tui.panes.lines_view import LinesView
from wrpme.tui.state.lines import Row, broken
from wrpme.tui.terminal.palette import THEMES
from wrpme.tui.terminal.roles import PREFIX, textual_themes

pytestmark = pytest.mark.asyncio

HEADING: Row = (("TITLE", "head"),)
HEIGHT = 12


def lines(count: int, word: str = "row") -> list[Row]:
    return [((f"{word} {number}", "good"),) for number in range(count)]


class OneView(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = PREFIX + "dark"
        self.view = LinesView()
        self.told: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.view

    def on_lines_view_moved(self, event: LinesView.Moved) -> None:
        self.told.append(event)

    def on_lines_view_chosen(self, event: LinesView.Chosen) -> None:
        self.told.append(event)

    def on_lines_view_heading_clicked(self, event: LinesView.HeadingClicked) -> None:
        self.told.append(event)

    @property
    def shown(self) -> list[str]:
        return [self.view.render_line(y).text.rstrip() for y in range(self.view.size.height)]


@asynccontextmanager
async def in_view() -> AsyncIterator[tuple[OneView, Pilot[None]]]:
    app = OneView()
    async with app.run_test(size=(40, HEIGHT)) as pilot:
        app.view.focus()
        await rest(pilot)
        yield app, pilot


async def rest(pilot: Pilot[None]) -> None:
    await at_rest(pilot)  # type: ignore[arg-type]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Region | None]:
    """What was asked to be drawn anew; None for all of it."""
    found: list[Region | None] = []
    refresh = LinesView.refresh

    def recorded(self: LinesView, *regions: Region, **more: bool) -> LinesView:
        found.extend(regions or [None])
        return refresh(self, *regions, **more)

    monkeypatch.setattr(LinesView, "refresh", recorded)
    return found


async def test_the_heading_stays_and_what_is_empty_says_so() -> None:
    async with in_view() as (app, pilot):
        app.view.empty = "nothing is known"
        app.view.show_rows([], HEADING)
        assert app.shown[:3] == ["TITLE", "nothing is known", ""]
        app.view.show_rows(lines(100), HEADING)
        await rest(pilot)
        assert app.shown[:2] == ["TITLE", "row 0"]
        app.view.move_to(99)
        await rest(pilot)
        assert app.shown[0] == "TITLE" and app.shown[-1] == "row 99"
        app.view.show_rows(lines(3), HEADING)
        await rest(pilot)
        assert app.shown[:5] == ["TITLE", "row 0", "row 1", "row 2", ""] and app.view.cursor == 2


async def test_only_rows_that_are_others_than_before_are_drawn(drawn: list[Region | None]) -> None:
    async with in_view() as (app, pilot):
        app.view.show_rows(lines(200), HEADING)
        await rest(pilot)
        drawn.clear()
        app.view.show_rows(lines(200), HEADING)
        assert drawn == []
        changed = lines(200)
        changed[3] = changed[150] = (("another", "bad"),)
        app.view.show_rows(changed, HEADING)
        assert [region and region.y for region in drawn] == [4], "row 150 is not in sight"
        drawn.clear()
        app.view.show_rows(changed, HEADING, cursor=5)
        app.view.move_to(6)
        assert [region and region.y for region in drawn] == [1, 6, 6, 7], "where the cursor was, and where it is"
        drawn.clear()
        app.view.show_rows(changed, (("OTHER", "head"),))
        assert drawn == [None]


async def test_what_is_drawn_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    async with in_view() as (app, pilot):
        made: list[Row] = []
        strip = app.view._strip

        def counted(row: Row, at_cursor: bool, width: int) -> Strip:
            made.append(row)
            return strip(row, at_cursor, width)

        monkeypatch.setattr(app.view, "_strip", counted)
        counts = []
        for count in (100, 10_000):
            app.view.show_rows(lines(count))
            await rest(pilot)
            made.clear()
            app.view.append_rows(lines(1, "one more"))
            await pilot.press("end")
            await rest(pilot)
            assert app.shown[-1] == "one more 0"
            counts.append(len(made))
            await pilot.press("home")
        assert max(counts) <= 4 * HEIGHT, "how often it is drawn is the turns' affair, how much is not"
        for start in range(0, STRIPS_CACHED_MAX + 10 * HEIGHT, HEIGHT):
            app.view.scroll_to(y=start, animate=False)
            app.shown  # noqa: B018
        assert len(app.view._strips) <= STRIPS_CACHED_MAX


async def test_keys_move_the_cursor_which_stays_in_sight() -> None:
    async with in_view() as (app, pilot):
        view = app.view
        view.show_rows(lines(50), HEADING)
        await rest(pilot)
        for key, row in (
            ("up", 0), ("down", 1), ("j", 2), ("k", 1), ("pagedown", 11), ("pagedown", 21), ("pageup", 11),
            ("end", 49), ("down", 49), ("G", 49), ("home", 0), ("g", 0), ("G", 49),
        ):  # fmt: skip
            before = view.cursor
            app.told.clear()
            await pilot.press(key)
            await rest(pilot)
            assert view.cursor == row and any(line == f"row {row}" for line in app.shown), key
            assert len(app.told) == (row != before), "it is told once, and only if it moved"


async def test_an_empty_list_takes_all_keys() -> None:
    async with in_view() as (app, pilot):
        await pilot.press("down", "end", "pagedown", "home", "up")
        assert app.view.cursor == 0 and app.told == []


async def test_the_cursor_is_seen_only_with_the_keyboard() -> None:
    async with in_view() as (app, pilot):
        app.view.show_rows(lines(3))
        background = THEMES["dark"].cursor
        assert background in str(app.view.render_line(0)._segments[0].style)
        app.screen.set_focus(None)
        await rest(pilot)
        assert background not in str(app.view.render_line(0)._segments[0].style)


async def test_the_cursor_is_at_all_rows_of_a_line_that_was_broken() -> None:
    async with in_view() as (app, pilot):
        rows = [row for number in range(9) for row in broken((), f"event {number} is told at length", "text", 15)]
        assert len(rows) == 18
        app.view.show_rows(rows)
        await pilot.press("down")
        await rest(pilot)
        background = THEMES["dark"].cursor
        lit = [y for y in range(HEIGHT) if background in str(app.view.render_line(y)._segments[0].style)]
        assert lit == [2, 3]
        await pilot.press("down", "up", "end")
        await rest(pilot)
        assert app.view.at_end
        await pilot.press("up")
        await rest(pilot)
        assert not app.view.at_end and app.view.item_of(app.view.cursor) == range(14, 16)
        await pilot.press("home", *["down"] * 6)
        await rest(pilot)
        assert app.shown[-2:] == ["event 6 is told", "at length"], "all of it is in sight"


async def test_each_theme_has_its_colours() -> None:
    async with in_view() as (app, pilot):
        app.view.show_rows(lines(3))
        for name in (*THEMES, *THEMES):
            app.theme = PREFIX + name
            await rest(pilot)
            strip = app.screen._compositor.render_strips()[1]
            assert THEMES[name].good in str(strip._segments[0].style), name
            assert THEMES[name].background in str(strip._segments[-1].style), name


async def test_the_mouse() -> None:
    async with in_view() as (app, pilot):
        view = app.view
        view.show_rows(lines(50), HEADING)
        await rest(pilot)
        await pilot.click(LinesView, offset=(3, 4))
        assert view.cursor == 3 and [type(event) for event in app.told] == [LinesView.Moved]
        app.told.clear()
        await pilot.double_click(LinesView, offset=(3, 6))
        assert view.cursor == 5 and [type(event) for event in app.told] == [LinesView.Moved, LinesView.Chosen]
        app.told.clear()
        await pilot.click(LinesView, offset=(7, 0))
        assert [getattr(event, "x", None) for event in app.told] == [7] and view.cursor == 5
        view.scroll_to(y=20, animate=False)
        await rest(pilot)
        await pilot.click(LinesView, offset=(3, 1))
        assert view.cursor == 20, "a click means the row that is seen there"
        view.show_rows(lines(2), HEADING)
        await rest(pilot)
        app.told.clear()
        await pilot.double_click(LinesView, offset=(3, 8))
        assert app.told == [], "there is no row"


async def test_who_scrolls_away_from_the_end_is_known_until_the_end_is_seen_again() -> None:
    async with in_view() as (app, pilot):
        view = app.view
        view.show_rows(lines(50))
        await pilot.press("end")
        await rest(pilot)
        view.append_rows(lines(5))
        assert not view.scrolled_up, "nobody scrolled"
        view.move_to(54)
        await rest(pilot)
        view.scroll_up(animate=False)
        await rest(pilot)
        assert view.scrolled_up
        view.scroll_end(animate=False)
        await rest(pilot)
        assert not view.scrolled_up
