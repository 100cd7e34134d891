"""Rows that stand still: only what changed is drawn again."""

from __future__ import annotations


import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip

from wrpme.tui.panes.rows import Rows
from wrpme.tui.terminal.roles import PREFIX, textual_themes

pytestmark = pytest.mark.asyncio


class Watched(Rows):
    """Remembers which of its lines were drawn."""

    def __init__(self) -> None:
        super().__init__(self.cells_append)
        self.drawn: list[int] = []
        self.cells: list[int] = []

    def cells_append(self, x: int) -> None:
        self.cells.append(x)

    def render_line(self, y: int) -> Strip:
        self.drawn.append(y)
        return super().render_line(y)


class Screenful(App[None]):
    CSS = "Watched { height: auto; width: 20; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__()
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = PREFIX + "dark"
        self.rows = Watched()

    def compose(self) -> ComposeResult:
        yield self.rows


async def test_only_what_changed_is_drawn_again() -> None:
    app = Screenful()
    async with app.run_test(size=(40, 10)) as pilot:
        app.rows.show([(("one", "text"),), (("two ", "dim"), ("2", "warn!"))])
        await pilot.pause()
        assert app.rows.content_size == (18, 2)
        assert app.rows.text == "one\ntwo 2"
        app.rows.drawn.clear()
        app.rows.show([(("one", "text"),), (("three", "dim"),)])
        await pilot.pause()
        assert set(app.rows.drawn) == {1}
        app.rows.drawn.clear()
        app.rows.show([(("one", "text"),), (("three", "dim"),)])
        await pilot.pause()
        assert app.rows.drawn == []
        app.rows.show([(("a row that is too long for its cells", "text"),)])
        await pilot.pause()
        lines = app.rows.render_lines(Region(0, 0, 20, 1))
        assert lines[0].text == " a row that is too  "


async def test_a_role_with_a_mark_is_reversed() -> None:
    app = Screenful()
    async with app.run_test(size=(40, 10)) as pilot:
        app.rows.show([(("x", "warn!"), ("y", "warn"), ("z", ""))])
        await pilot.pause()
        marked, plain, bare = list(app.rows.render_line(0))[:3]
        assert marked.style is not None and marked.style.reverse and marked.style.bold
        assert plain.style is not None and not plain.style.reverse and plain.style.color == marked.style.color
        assert bare.style is not None and bare.style.color != plain.style.color


async def test_a_click_tells_its_cell() -> None:
    app = Screenful()
    async with app.run_test(size=(40, 10)) as pilot:
        app.rows.show([(("0123456789", "text"),)])
        await pilot.pause()
        await pilot.click(app.rows, offset=(6, 0))
        assert app.rows.cells == [5]
