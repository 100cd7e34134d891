from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.screen import Screen

from tests.tui.ring_scenes import joining, scene_of, stable, way, without
from wrpme.protocol.view import NodeId
from wrpme.tui.ring import widget
from wrpme.tui.ring.painting import Painter
from wrpme.tui.ring.widget import RingWidget
from wrpme.tui.terminal.palette import DARK, LIGHT, colour_of
from wrpme.tui.terminal.roles import textual_themes

pytestmark = pytest.mark.asyncio

SIZE = (60, 32)
STABLE, JOINING, DEGRADED = scene_of(stable(3)), scene_of(joining(3)), scene_of(without(3, 1))


class RingApp(App[None]):
    """Nothing but the ring."""

    def __init__(self) -> None:
        super().__init__()
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = "wrpme-dark"
        self.ring = RingWidget()
        self.chosen: list[NodeId] = []

    def compose(self) -> ComposeResult:
        yield self.ring

    def on_ring_widget_node_chosen(self, event: RingWidget.NodeChosen) -> None:
        self.chosen.append(event.node_id)


class Above(Screen[None]):
    """Something over it."""


def lines(ring: RingWidget) -> list[str]:
    return [ring.render_line(y).text for y in range(ring.size.height)]


def painted(**more: object) -> list[str]:
    picture = Painter(DARK, bool(more.pop("plain", False))).paint(STABLE, *SIZE, **more)  # type: ignore[arg-type]
    return ["".join(text for text, _ in row) for row in picture.rows]


def colours(ring: RingWidget) -> set[str]:
    segments = [segment for y in range(ring.size.height) for segment in ring.render_line(y)]
    return {segment.style.color.name for segment in segments if segment.style and segment.style.color}


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch) -> list[Region]:
    """What was refreshed."""
    found: list[Region] = []
    refresh = RingWidget.refresh

    def recorded(self: RingWidget, *regions: Region, **more: bool) -> RingWidget:
        found.extend(regions)
        return refresh(self, *regions, **more)

    monkeypatch.setattr(RingWidget, "refresh", recorded)
    return found


async def test_it_shows_what_is_painted() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        assert set("".join(lines(app.ring))) == {" "}, "nothing was shown yet"
        app.ring.show(STABLE)
        await pilot.pause()
        assert lines(app.ring) == painted()
        app.ring.select(STABLE.nodes[1].id)
        assert lines(app.ring) == painted(selected=STABLE.nodes[1].id)
        app.ring.select(None)
        assert lines(app.ring) == painted()


async def test_it_is_drawn_anew_at_another_size() -> None:
    app = RingApp()
    async with app.run_test(size=(38, 16)) as pilot:
        app.ring.show(STABLE)
        await pilot.resize_terminal(*SIZE)
        await pilot.pause()
        assert lines(app.ring) == painted()


async def test_only_rows_that_changed_are_refreshed(regions: list[Region]) -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.show(JOINING)
        await pilot.pause()
        regions.clear()
        before = lines(app.ring)
        app.ring.step()
        rows = {y for region in regions for y in range(region.y, region.bottom)}
        assert 0 < len(rows) < SIZE[1]
        assert {y for y in range(SIZE[1]) if lines(app.ring)[y] != before[y]} <= rows
        app.ring.show(STABLE)
        regions.clear()
        app.ring.show(STABLE)
        app.ring.step()
        assert not regions, "nothing changed"


async def test_the_timer_runs_only_while_something_moves_and_is_seen() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.show(STABLE)
        await pilot.pause()
        assert not app.ring.moving
        app.ring.show(JOINING)
        assert app.ring.moving
        app.ring.display = False
        await pilot.pause()
        assert not app.ring.moving
        app.ring.show(JOINING)
        assert not app.ring.moving
        app.ring.display = True
        await pilot.pause()
        assert app.ring.moving
        app.ring.show(STABLE)
        assert not app.ring.moving


async def test_nothing_runs_where_the_operator_wants_no_animations() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE):
        app.animation_level = "none"  # what TEXTUAL_ANIMATIONS=none makes of it
        app.ring.show(JOINING)
        assert not app.ring.moving


async def test_under_another_screen_it_stands_still() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.show(JOINING)
        await app.push_screen(Above())
        before = lines(app.ring)
        app.ring.step()
        assert lines(app.ring) == before
        app.pop_screen()
        await pilot.pause()
        app.ring.step()
        assert lines(app.ring) != before


async def test_a_way_is_shown_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "WAY_SECONDS", 0.05)
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.show(STABLE)
        await pilot.pause()
        app.ring.show_way(way(STABLE, 3))
        assert app.ring.moving and "◆ entry" in "".join(lines(app.ring))
        while app.ring.way is not None:
            await pilot.pause(0.01)
        assert not app.ring.moving and lines(app.ring) == painted()


async def test_the_next_way_takes_the_place_of_the_last() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.show(STABLE)
        await pilot.pause()
        app.ring.show_way(way(STABLE, 3, "one"))
        app.ring.show_way(way(STABLE, 5, "two"))
        told = "".join(lines(app.ring))
        assert "◆ two" in told and "◆ one" not in told
        app.ring.show_way(None)
        assert lines(app.ring) == painted()


async def test_colours_follow_the_theme() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.show(STABLE)
        await pilot.pause()
        assert colour_of(0, DARK) in colours(app.ring)
        app.theme = "wrpme-light"
        await pilot.pause()
        assert colour_of(0, LIGHT) in colours(app.ring) and colour_of(0, DARK) not in colours(app.ring)


async def test_plain_is_ascii() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.plain = True
        app.ring.show(STABLE)
        await pilot.pause()
        assert app.ring.plain and lines(app.ring) == painted(plain=True)
        assert "".join(lines(app.ring)).isascii()


async def test_a_click_on_mark_name_or_arc_chooses_the_node() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.show(STABLE)
        await pilot.pause()
        y = next(y for y, line in enumerate(lines(app.ring)) if "5911" in line)
        x = lines(app.ring)[y].index("5911")
        for offset in ((x + 2, y), (x - 2, y)):
            await pilot.click(RingWidget, offset=offset)
        top = next(y for y, line in enumerate(lines(app.ring)) if "▀" in line or line.count("▄") > 4) + 1
        await pilot.click(RingWidget, offset=(31, top))
        await pilot.click(RingWidget, offset=(30, 16))
        assert app.chosen == [STABLE.nodes[2].id] * 2 + [STABLE.nodes[STABLE.arcs[0].holders[0]].id]


async def test_what_the_mouse_is_over_is_told() -> None:
    app = RingApp()
    async with app.run_test(size=SIZE) as pilot:
        app.ring.show(DEGRADED)
        await pilot.pause()
        found = set()
        for x in range(0, 60, 2):
            await pilot.hover(RingWidget, offset=(x, 16))
            found.add(str(app.ring.tooltip))
        assert any("owner 59" in text for text in found) and any("1 of 2 copies missing" in text for text in found)
        assert "None" in found, "nothing is where nothing is"
