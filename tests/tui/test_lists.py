"""The table of nodes and the list of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from textual.app import App, ComposeResult
from textual.geometry import Size
from textual.pilot import Pilot

from tests.tui.pieces import node, scene
from tests.tui.screens import at_rest
from wrpme.tui.limits import EVENTS_SHOWN_MAX
from wrpme.tui.panes import columns, lists
from wrpme.tui.panes.lists import EventsPane, FilterInput, NodesPane, event_rows, matches
from wrpme.tui.state.lines import Row
from wrpme.tui.state.scene import EventShown, NodeState, Scene
from wrpme.tui.terminal.roles import PREFIX, textual_themes


def event(number: int, sentence: str = "", **fields: Any) -> EventShown:
    known = {"kind": "heard", "epoch": 7, "node": "", "teller": "", "seconds": -1.0, "gravity": 1, **fields}
    return EventShown(at=1000.0 + number, sentence=sentence or f"event {number}", **known)


class Panes(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = PREFIX + "dark"
        self.nodes = NodesPane(id="nodes")
        self.events = EventsPane(id="events")
        self.lit: list[bytes | None] = []

    def compose(self) -> ComposeResult:
        yield self.nodes
        yield self.events

    def on_nodes_pane_lit(self, told: NodesPane.Lit) -> None:
        self.lit.append(told.node)

    @property
    def addresses(self) -> list[int]:
        return [int.from_bytes(one, "big") for one in self.nodes.node_ids]

    @property
    def said(self) -> list[str]:
        return ["".join(text for text, _ in row)[11:] for row in self.events.list.rows]


@asynccontextmanager
async def in_panes(size: tuple[int, int] = (100, 30)) -> AsyncIterator[tuple[Panes, Pilot[None]]]:
    app = Panes()
    async with app.run_test(size=size) as pilot:
        app.nodes.list.focus()
        await rest(pilot)
        yield app, pilot


async def rest(pilot: Pilot[None]) -> None:
    await at_rest(pilot)  # type: ignore[arg-type]


def without(shown: Scene, *numbers: int) -> Scene:
    return replace(shown, nodes=tuple(one for at, one in enumerate(shown.nodes, 1) if at not in numbers), arcs=())


def number_of(app: Panes) -> int:
    assert app.nodes.node is not None
    return int.from_bytes(app.nodes.node.id, "big")


# --- nodes -----------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_cursor_stays_on_its_node() -> None:
    async with in_panes() as (app, pilot):
        app.nodes.show(scene(12))
        await pilot.press("down", "down")
        await rest(pilot)
        assert number_of(app) == 3 and app.lit[-1] == node(3).id
        told = len(app.lit)
        app.nodes.sort("OPS/S")
        assert app.addresses[0] == 12 and number_of(app) == 3
        app.nodes.show(without(scene(12), 1, 12))
        assert number_of(app) == 3
        app.nodes.show(scene(14))
        assert number_of(app) == 3
        await rest(pilot)
        assert len(app.lit) == told, "it is the same node all the time"
        app.nodes.show(without(scene(12), 3))
        await rest(pilot)
        assert app.nodes.node is not None and app.lit[-1] == app.nodes.node.id != node(3).id
        app.nodes.show(Scene(scene(1).mode, 1.0, scene(1).mood, ""))
        await rest(pilot)
        assert app.nodes.node is None and app.lit[-1] is None
        app.nodes.show(scene(12))
        app.nodes.select(node(7).id)
        assert number_of(app) == 7
        app.nodes.select(b"unknown")
        assert number_of(app) == 7


@pytest.mark.asyncio
async def test_sorting_by_keys_turns_and_goes_through_what_is_shown() -> None:
    async with in_panes() as (app, _pilot):
        app.nodes.show(scene(12))
        assert app.addresses == list(range(1, 13)), "as numbers, not as text"
        app.nodes.sort("NODE")
        assert app.addresses == list(range(1, 13))
        app.nodes.sort("NODE")
        assert app.addresses == list(range(12, 0, -1))
        app.nodes.sort("NODE")
        shown = [column.title for column, _ in columns.fit(scene(12), app.nodes.list.size.width).columns]
        found = []
        for _ in shown:
            app.nodes.sort_next()
            found.append(app.nodes.sorted_by)
            head = "".join(text for text, _ in app.nodes.list.heading)
            assert f"{app.nodes.sorted_by}▼" in head or f"{app.nodes.sorted_by}▲" in head
        assert found == [*shown[1:], "NODE"]


@pytest.mark.asyncio
async def test_a_click_on_a_title_sorts_by_it() -> None:
    async with in_panes() as (app, pilot):
        app.nodes.show(scene(12))
        await rest(pilot)
        head = "".join(text for text, _ in app.nodes.list.heading)
        at = head.index("OPS/S") + 2
        await pilot.click("#nodes LinesView", offset=(at, 0))
        assert (app.nodes.sorted_by, app.nodes.reverse, app.addresses[0]) == ("OPS/S", False, 12)
        await pilot.click("#nodes LinesView", offset=(at, 0))
        assert (app.nodes.sorted_by, app.nodes.reverse, app.addresses[0]) == ("OPS/S", True, 1)


@pytest.mark.asyncio
async def test_the_filter_of_nodes() -> None:
    async with in_panes() as (app, pilot):
        shown = scene(12)
        nodes = (*shown.nodes[:11], node(12, state=NodeState.DOWN, reason="connection refused"))
        app.nodes.show(replace(shown, nodes=nodes))
        app.nodes.select(node(12).id)
        app.nodes.open_filter()
        await rest(pilot)
        await pilot.press(*"down", "space", *"refused")
        assert app.addresses == [12] and number_of(app) == 12
        assert str(app.nodes.border_title) == "NODES 1 of 12 /down refused"
        await pilot.press("enter")
        await rest(pilot)
        assert app.focused is app.nodes.list and app.addresses == [12]
        assert app.nodes.drop_filter() and not app.nodes.drop_filter()
        await rest(pilot)
        assert len(app.addresses) == 12 and number_of(app) == 12 and str(app.nodes.border_title) == "NODES 12"
        app.nodes.open_filter()
        await rest(pilot)
        await pilot.press(*"xyz")
        assert app.addresses == [] and app.nodes.node is None
        await pilot.press("escape")
        await rest(pilot)
        assert app.focused is app.nodes.list and len(app.addresses) == 12
        assert not app.nodes.query_one(FilterInput).display
        app.nodes.open_filter()
        await rest(pilot)
        await pilot.press("enter")
        await rest(pilot)
        assert not app.nodes.query_one(FilterInput).display, "an empty filter is none"


@pytest.mark.asyncio
async def test_other_columns_fit_another_width() -> None:
    async with in_panes((160, 30)) as (app, pilot):
        app.nodes.show(scene(3))
        await rest(pilot)
        wide = len(app.nodes.list.rows[0])
        await pilot.resize_terminal(50, 30)
        await rest(pilot)
        assert len(app.nodes.list.rows[0]) < wide
        assert all(sum(len(text) for text, _ in row) <= 50 for row in app.nodes.list.rows)


# --- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_an_event_breaks_at_the_width_and_loses_nothing(width: int) -> None:
    long = event(1, "the quick brown fox jumps over " * 5, node="192.168.1.2:5909", seconds=3.25, gravity=3)
    rows = event_rows(long, width)
    texts = ["".join(text for text, _ in row) for row in rows]
    assert all(len(text) <= width for text in texts) and texts[0].startswith("00:16:41 ✕ ")
    whole = "".join(text[11:] for text in texts).replace(" ", "").replace(lists.NO_BREAK, "")
    assert whole == f"192.168.1.2:5909:{5 * 'thequickbrownfoxjumpsover'}(3.2s)"


def test_what_an_event_is_about_is_said_once() -> None:
    def text(one: EventShown) -> str:
        return "".join(part for part, _ in event_rows(one, 120)[0])[11:]

    assert text(event(1, "x:1 is dead", node="x:1")) == "x:1 is dead"
    assert text(event(1, "no quorum", teller="x:1")) == "x:1: no quorum"
    assert text(event(1, "stable", teller="x:1", kind="condition")) == "stable"
    assert text(event(1, "after 3 s", seconds=3.0)) == "after 3 s"
    assert text(event(1, "is back", seconds=3.0)) == "is back (3.0\u00a0s)"
    assert text(event(1, "degraded", kind="condition", seconds=48.3)) == "degraded (after\u00a048.3\u00a0s)"
    assert text(event(1, "in no time", seconds=0.01)) == "in no time"
    for width, shown in ((36, ["it is heard again (3.0\u00a0s)"]), (30, ["it is heard again"])):
        rows = event_rows(event(1, "", node="it", seconds=3.0), width, {})
        assert ["".join(part for part, _ in row)[11:] for row in rows] == shown, "no line of its own for it"


@pytest.mark.asyncio
async def test_one_more_event_converts_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[EventShown] = []
    convert = lists.event_rows

    def counted(one: EventShown, width: int, names: dict[str, str]) -> list[Row]:
        converted.append(one)
        return convert(one, width, names)

    monkeypatch.setattr(lists, "event_rows", counted)

    async with in_panes() as (app, pilot):
        many = tuple(event(number) for number in range(EVENTS_SHOWN_MAX))
        app.events.show(many)
        await rest(pilot)
        assert len(converted) == len(many)
        converted.clear()
        app.events.show(many)
        app.events.show((*many, event(10_001)))
        assert converted == [event(10_001)] and app.said[-1] == "event 10001"
        assert str(app.events.border_title) == "EVENTS 10001"
        converted.clear()
        between = (*many[:-1], event(5000, "told late"), many[-1])
        app.events.show(between)
        assert app.said[-2:] == ["told late", "event 9999"], "what is told late stands where it belongs"


@pytest.mark.asyncio
async def test_an_event_that_others_tell_too_is_drawn_anew() -> None:
    async with in_panes() as (app, pilot):
        first, between = event(1, "a hears nothing"), event(2, "between")
        app.events.show((first, between))
        app.events.show((event(1, "a and b hear nothing", others=("b",)), between))
        await rest(pilot)
        assert app.said == ["a and b hear nothing", "between"]
        assert matches(event(1, "they hear nothing", others=("10.0.0.7:5909",)), "0.7:59")


@pytest.mark.asyncio
async def test_the_end_is_followed_unless_one_has_moved_or_scrolled_up() -> None:
    async with in_panes() as (app, pilot):
        pane = app.events
        events = [event(number) for number in range(40)]

        async def more() -> bool:
            """One more event; whether it is in sight."""
            events.append(event(len(events)))
            pane.show(tuple(events))
            await rest(pilot)
            last = pane.list.render_line(pane.list.size.height - 1).text
            return f"event {len(events) - 1} " in f"{last} "

        pane.list.focus()
        assert await more() and await more()
        pane.list.scroll_up(animate=False)
        await rest(pilot)
        top = pane.list.scroll_offset.y
        assert not await more() and pane.list.scroll_offset.y == top
        pane.list.scroll_end(animate=False)
        await rest(pilot)
        assert await more(), "at the end it is followed again"
        await pilot.press("up", "up")
        at = pane.event
        assert not await more() and pane.event == at
        await pilot.press("end")
        assert await more()


@pytest.mark.asyncio
async def test_held_events_wait_and_the_filter_works_on_what_is_held() -> None:
    async with in_panes() as (app, pilot):
        pane = app.events
        pane.show((event(1), event(2, "a death")))
        pane.hold()
        pane.show((event(1), event(2, "a death"), event(3), event(4, "a death")))
        assert app.said == ["event 1", "a death"]
        assert str(pane.border_title) == "EVENTS held, 2 more since; Space goes on"
        pane.open_filter()
        await rest(pilot)
        await pilot.press(*"death")
        assert app.said == ["a death"] and "held, 2 more since" in str(pane.border_title)
        await pilot.press("escape")
        await rest(pilot)
        assert app.said == ["event 1", "a death"]
        pane.hold()
        assert app.said[-1] == "a death" and len(app.said) == 4 and str(pane.border_title) == "EVENTS 4"


@pytest.mark.asyncio
async def test_the_filter_of_events() -> None:
    one = event(1, "Node x is dead", node="192.168.1.2:5909", kind="down")
    for words in ("", "dead", "DEAD node", "down", "192.168.1.2", "  "):
        assert matches(one, words), words
    assert not matches(one, "dead alive")

    async with in_panes() as (app, pilot):
        app.events.show((event(1), one))
        app.events.open_filter()
        await rest(pilot)
        await pilot.press(*"dead")
        assert len(app.said) == 1 and str(app.events.border_title) == "EVENTS 1 of 2 /dead"
        app.events.show((event(1), one, event(3), event(4, "dead too")))
        assert len(app.said) == 2 and app.events.event == event(4, "dead too")
        await pilot.press(*"xyz")
        assert app.said == [] and app.events.event is None
        await pilot.press("escape")
        await rest(pilot)
        assert len(app.said) == 4


@pytest.mark.asyncio
async def test_lines_break_anew_at_another_width() -> None:
    async with in_panes() as (app, pilot):
        app.events.show((event(1, "word " * 30),))
        await rest(pilot)
        few = len(app.said)
        await pilot.resize_terminal(40, 30)
        await rest(pilot)
        assert len(app.said) > few and app.events.list.size == Size(40, app.events.list.size.height)
        assert app.events.event == event(1, "word " * 30)
