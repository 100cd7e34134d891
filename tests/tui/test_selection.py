"""A drag with the mouse copies what is under it, as it truly is; Ctrl+Y copies the value that was printed last."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widget import Widget

from tests.tui.hands import Client, cells, live, typed
from tests.tui.screens import at_rest, running
from wrpme.tui.app import Dashboard
from wrpme.tui.limits import COPY_BYTES_MAX
from wrpme.tui.panes.key_bar import KeyBar
from wrpme.tui.state.cells import width_of
from wrpme.tui.state.scene import Way

pytestmark = pytest.mark.asyncio
FAMILY = "👨\u200d👩\u200d👧"


async def drag(pilot: Pilot[int], widget: Widget, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Offsets are those of cells of the widget; an end may lie outside."""
    app = pilot.app
    await pilot.mouse_down(widget, start)
    x, y = widget.region.offset + end
    await pilot.hover(None, (x, y))
    await pilot.mouse_up(None, (x, y))
    await at_rest(pilot)
    assert not app.screen.selections, "nothing stays selected"


def place_of(widget: Widget, text: str) -> tuple[int, int]:
    for y, line in enumerate(cells(widget).split("\n")):
        if text in line:
            return width_of(line[: line.index(text)]), y
    raise AssertionError(f"{text} is not there:\n{cells(widget)}")


def said(app: Dashboard) -> str:
    return cells(app.screen.query_one(KeyBar))


async def test_a_drag_copies_what_the_cells_stand_for() -> None:
    async with running(live("degraded"), (80, 24)) as (app, pilot):
        main = app.main
        nodes, events = main.nodes.list, main.events.list
        x, y = place_of(nodes, "5910")
        assert "127.0.0.1:5910" not in cells(nodes), "it is shown shortened"
        before = main.nodes.node
        await drag(pilot, nodes, (x, y), (x + 3, y))
        assert app.clipboard == "127.0.0.1:5910"
        assert "copied 14 characters" in said(app)
        assert main.nodes.node is before, "a drag is no click"
        await drag(pilot, nodes, (x + 1, y), (x + 2, y))
        assert app.clipboard == "91", "a part is a part"
        down = next(event for event in app.timeline.events() if event.kind == "down")
        x, y = place_of(events, "is down")
        assert down.sentence not in cells(events)
        await drag(pilot, events, (11, y), (40, y))
        assert app.clipboard == down.sentence
        await drag(pilot, events, (x, y), (x + 20, y + 12))
        assert app.clipboard == "is down", "it ends at the edge of its pane"
        name = "5910"
        x, y = place_of(main.ring, name)
        await drag(pilot, main.ring, (x, y), (x + len(name) - 1, y))
        assert app.clipboard == "127.0.0.1:5910"
        await drag(pilot, main.banner, (1, 0), (10, 0))
        assert app.clipboard == "▲ DEGRADED"
        await pilot.click(nodes, (2, 2))
        assert app.clipboard == "▲ DEGRADED" and main.nodes.node is not before, "a click is no drag"


async def test_lines_that_were_broken_are_copied_as_they_were() -> None:
    async with running(live(), (80, 40)) as (app, pilot):
        shell, answers = app.main.shell, app.main.shell.answers
        long = "x" * 70 + " and " + "y" * 90 + f" 日本 {FAMILY} end"
        shell.answers.clear()
        shell.print(long)
        shell.print("another")
        await at_rest(pilot)
        answers.scroll_home(animate=False)
        await at_rest(pilot)
        await drag(pilot, answers, (0, 0), (70, 2))
        assert app.clipboard == long
        x, y = place_of(answers, "日本")
        await drag(pilot, answers, (x + 1, y), (x + 2, y))
        assert app.clipboard == "日本", "a wide character is taken whole"
        x, y = place_of(answers, FAMILY)
        await drag(pilot, answers, (x + 1, y), (x + 1, y))
        assert app.clipboard == "日本", "that was a click"
        await drag(pilot, answers, (place_of(answers, "end")[0], y), (79, y + 1))
        assert app.clipboard == "end\nanother"


async def test_the_alias_on_the_ring_is_copied_whole() -> None:
    async with running(live(), (120, 40)) as (app, pilot):
        ring, alias = app.main.ring, "用户:王小明:购物车里的内容:" + FAMILY
        ring.show_way(Way(alias, 20_000, 2, 0, (1,)))
        await at_rest(pilot)
        (mark,) = (mark for mark in ring._painter.marks if mark.node < 0 and len(mark.text) > 1)
        assert "…" in mark.text
        strips = [ring.render_line(y) for y in range(ring.size.height)]
        assert {strip.cell_length for strip in strips} == {ring.size.width}
        width = strips[mark.y].crop(mark.x).cell_length
        await drag(pilot, ring, (mark.x, mark.y), (mark.x + width, mark.y))
        assert alias in app.clipboard


async def test_the_value_that_was_printed_last_is_copied() -> None:
    client = Client()
    values = [b"first", b"a\tb\n\xff\x00", b"x" * (COPY_BYTES_MAX + 1)]

    async def get(alias: bytes) -> bytes:
        return values.pop(0)

    client.get = get  # type: ignore[method-assign]
    async with running(live(client=client), (80, 24)) as (app, pilot):
        written: list[str] = []
        await pilot.press("ctrl+y")
        assert app.clipboard == "", "none was printed yet"
        app.main.shell.enter("get entry")
        await at_rest(pilot)
        await pilot.press("ctrl+y")
        assert app.clipboard == "first" and typed(app) == "", "also while typing"
        app.main.shell.enter("get entry")
        await at_rest(pilot)
        await pilot.press("escape")
        app._driver.write = written.append  # type: ignore[method-assign, union-attr]
        await pilot.press("ctrl+y")
        assert "\x1b]52;c;YQliCv8A\a" in written, "bit for bit"
        assert "copied the value, 6 B" in said(app)
        app.main.shell.enter("get entry")
        await at_rest(pilot)
        await pilot.press("ctrl+y")
        assert app.clipboard.startswith("a\tb") and "not copied" in said(app), "no terminal takes so much"


async def test_what_was_said_goes_away() -> None:
    async with running(live(), (80, 24)) as (app, pilot):
        await pilot.press("escape", "y")
        assert "copied 127.0.0.1:5909" in said(app)
        assert replace(app.scene).mood.value in cells(app.main.banner)
        app.main.query_one(KeyBar).say("")
        await at_rest(pilot)
        assert "copied" not in said(app) and "help" in said(app)
