"""The screen of one node, with a source that answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from textual.app import App
from textual.pilot import Pilot

from tests.tui.pieces import node, scene
from wrpme import errors
from wrpme.protocol.administration import SlowLog, SlowRequest
from wrpme.tui.limits import GRAPH_SECONDS
from wrpme.tui.node.graph import Points
from wrpme.tui.node.screen import PAGES, NodeScreen
from wrpme.tui.state.scene import EventShown, Mode, Mood, NodeState, Scene
from wrpme.tui.terminal.roles import PREFIX, textual_themes

pytestmark = pytest.mark.asyncio

AT = 1000.0
SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (160, 48)


class Source:
    """``refused`` is raised by what only a node can answer; ``hold`` keeps it waiting for ever."""

    def __init__(self, shown: Scene, plain: bool = False) -> None:
        self.shown = shown
        self.plain = plain
        self.refused: Exception | None = None
        self.hold = False
        self.asked: list[str] = []
        self.read: list[str] = []

    def scene(self) -> Scene:
        return self.shown

    def series(self, node: bytes, what: str) -> Points:
        self.read.append(what)
        return [(self.shown.at - GRAPH_SECONDS + at / 2, 5.0) for at in range(round(GRAPH_SECONDS * 2))]

    def events(self, address: str) -> Sequence[EventShown]:
        return [EventShown(AT - 9 + at, "heard", 7, address, "", f"event {at}", -1.0, at % 4) for at in range(4)]

    async def config(self, address: str) -> dict[str, Any]:
        return {"address": await self._answer(address), "replication": 2}

    async def log(self, address: str) -> list[str]:
        return [f"2026-11-23 12:00:00.123 INFO  {await self._answer(address)} serves"]

    async def slow(self, address: str) -> SlowLog:
        slow = SlowRequest(
            9, 1.7e12, "Put", b"entry", 1, "n", "deploy-7", 0, 413.0, 0.0, 2.0, 411.0, await self._answer(address)
        )
        return SlowLog(1, 100.0, 12, (slow,))

    async def _answer(self, address: str) -> str:
        self.asked.append(address)
        if self.hold:
            await asyncio.Event().wait()
        if self.refused is not None:
            raise self.refused
        return address


class OneNode(App[None]):
    def __init__(self, source: Source, node: bytes, page: str) -> None:
        super().__init__()
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = PREFIX + "dark"
        self.opened = NodeScreen(node, source, page)

    def on_mount(self) -> None:
        self.push_screen(self.opened)


@asynccontextmanager
async def opened(
    source: Source, size: tuple[int, int] = LARGE, number: int = 2, page: str = ""
) -> AsyncIterator[tuple[NodeScreen, Pilot[None]]]:
    """The screen of that node, open."""
    app = OneNode(source, number.to_bytes(16, "big"), page)
    async with app.run_test(size=size) as pilot:
        await at_rest(pilot)
        yield app.opened, pilot


async def at_rest(pilot: Pilot[None]) -> None:
    await pilot.pause()


def text_of(screen: NodeScreen) -> str:
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips())


def seen(screen: NodeScreen) -> set[str]:
    return {name for name, panel in screen.panels.items() if panel.display and panel.region.area}


def list_of(screen: NodeScreen, name: str) -> str:
    return "\n".join("".join(text for text, _ in row) for row in screen.panels[name].list.rows)


# --- which panels ------------------------------------------------------------------------------------------------


async def test_all_panels_where_there_is_room() -> None:
    async with opened(Source(scene(3))) as (screen, pilot):
        assert screen.room() == "large" and seen(screen) == set(screen.panels) - {"slow"}
        shown = text_of(screen)
        for word in (
            "● 192.168.1.2:5909  up", "2 of 3 nodes", "sessions", "operations/s", "p50", "received", "-5 min", "now",
            "owner", "event 3", "192.168.1.2:5909 serves", '"replication": 2', "Esc back",
        ):  # fmt: skip
            assert word in shown, word
        await pilot.press("7")
        await at_rest(pilot)
        assert seen(screen) == set(screen.panels) - {"config"}
        shown = text_of(screen)
        assert "SLOW as of" in shown and 'put "entry" [deploy-7]' in shown and "12 over 100 ms since its start" in shown


async def test_one_page_at_a_time_where_there_is_little() -> None:
    async with opened(Source(scene(3)), SMALL) as (screen, pilot):
        assert screen.room() == "small"
        for number, (page, names) in enumerate(PAGES.items(), 1):
            await pilot.press(str(number))
            await at_rest(pilot)
            assert seen(screen) == set(names)
            assert names[0].upper() in text_of(screen)
            assert (screen.focused is screen.panels[names[0]].list) == (page != "now")


async def test_several_panels_and_one_of_what_is_told() -> None:
    async with opened(Source(scene(3)), MEDIUM) as (screen, pilot):
        assert screen.room() == "medium"
        always = {"figures", "graphs", "arcs", "neighbours"}
        assert seen(screen) == always | {"events"}
        for key, panel in (("5", "log"), ("6", "config"), ("2", "config"), ("4", "events")):
            await pilot.press(key)
            await at_rest(pilot)
            assert seen(screen) == always | {panel}


async def test_another_size_of_the_terminal_and_a_panel_that_fills_it() -> None:
    async with opened(Source(scene(3))) as (screen, pilot):
        await pilot.resize_terminal(*SMALL)
        await at_rest(pilot)
        assert screen.room() == "small" and seen(screen) == {"figures", "graphs"}
        assert all(len(line) <= 80 for line in text_of(screen).splitlines())
        await pilot.resize_terminal(*LARGE)
        await at_rest(pilot)
        assert seen(screen) == set(screen.panels) - {"slow"} and "now" in text_of(screen)
        screen.panels["neighbours"].list.focus()
        await pilot.press("z")
        await at_rest(pilot)
        assert seen(screen) == {"neighbours"}
        await pilot.press("z")
        await at_rest(pilot)
        assert seen(screen) == set(screen.panels) - {"slow"}


async def test_a_click_on_a_page_opens_it() -> None:
    async with opened(Source(scene(3)), SMALL) as (screen, pilot):
        line = screen.pages.text
        for page in reversed(PAGES):
            await pilot.click(screen.pages, offset=(1 + line.index(f" {page} ") + 1, 0))
            assert screen.page == page


async def test_it_opens_on_a_page() -> None:
    async with opened(Source(scene(3)), SMALL, page="log") as (screen, _pilot):
        assert seen(screen) == {"log"} and screen.focused is screen.panels["log"].list


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["escape", "q"])
async def test_back(key: str) -> None:
    async with opened(Source(scene(3))) as (screen, pilot):
        await pilot.press("4", key)
        assert pilot.app.screen is not screen


@pytest.mark.parametrize(("before", "after"), [("left", "right")])
async def test_the_nodes_before_and_after(before: str, after: str) -> None:
    source = Source(scene(3))

    async with opened(source) as (screen, pilot):
        screen.panels["log"].list.focus()
        for key, number in ((after, 3), (after, 1), (before, 3), (before, 2)):
            await pilot.press(key)
            await at_rest(pilot)
            assert f"● 192.168.1.{number}:5909" in screen.head.text
            assert f"192.168.1.{number}:5909 serves" in list_of(screen, "log")
            assert f'"address": "192.168.1.{number}:5909"' in list_of(screen, "config")


async def test_asking_again() -> None:
    source = Source(scene(3))

    async with opened(source) as (screen, pilot):
        assert source.asked == ["192.168.1.2:5909"] * 3
        source.shown = replace(source.shown, at=AT + 60)
        screen.show(source.shown)
        await pilot.press("r")
        await at_rest(pilot)
        assert len(source.asked) == 6 and "00:17:40" in str(screen.panels["log"].border_title)


# --- what can't be had -------------------------------------------------------------------------------------------


REFUSALS: list[tuple[Exception, str]] = [
    (errors.ConnectionError("192.168.1.2:5909 does not answer"), "connection: 192.168.1.2:5909 does not answer"),
    (errors.UsageError("a replay knows no log"), "usage: a replay knows no log"),
    (KeyError("what"), "internal: KeyError: 'what'; this is a defect of wrpmesh, please report it"),
]


async def test_what_a_node_does_not_tell_is_a_sentence() -> None:
    source = Source(scene(4))

    async with opened(source) as (screen, pilot):
        for error, sentence in REFUSALS:
            source.refused = error
            await pilot.press("right")  # each has a node of its own, of which nothing is known yet
            await at_rest(pilot)
            for name in ("log", "config"):
                assert list_of(screen, name).replace("\n", " ") == sentence
            source.refused = None
            await pilot.press("r")
            await at_rest(pilot)
            assert "serves" in list_of(screen, "log")
            source.refused = error
            await pilot.press("r")
            await at_rest(pilot)
            assert "serves" in list_of(screen, "log") and sentence in str(screen.panels["log"].border_title)


async def test_a_node_that_does_not_answer_blocks_nothing() -> None:
    source = Source(scene(3))
    source.hold = True

    async with opened(source) as (screen, pilot):
        assert "asking" in list_of(screen, "log")
        source.hold = False
        await pilot.press("right")
        await at_rest(pilot)
        assert "192.168.1.3:5909 serves" in list_of(screen, "log")
        source.hold = True
        await pilot.press("r", "escape")
        assert pilot.app.screen is not screen


# --- another moment ----------------------------------------------------------------------------------------------


async def test_a_change_is_shown() -> None:
    source = Source(scene(3))

    async with opened(source) as (screen, pilot):
        silent = node(2, state=NodeState.SILENT, since=AT, reason="timed out", stale=True, age=4.0, entries=777)
        nodes = (node(1), silent, node(3))
        screen.show(replace(source.shown, at=AT + 4, nodes=nodes))
        await at_rest(pilot)
        shown = text_of(screen)
        assert "◌ 192.168.1.2:5909  no answer for 4 s, since 00:16:40: timed out" in shown
        assert "FIGURES OLD: as of 4 s ago" in shown and "(777)" in shown
        assert "operations/s ?" in shown, "what it was is not what it is"


async def test_only_what_changed_is_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(scene(3))

    async with opened(source) as (screen, pilot):
        lists = {name: screen.panels[name].list.rows for name in ("log", "config", "events")}
        source.read.clear()
        screen.show(replace(source.shown, entries=9999))
        assert source.read == [], "graphs move by whole columns"
        assert all(screen.panels[name].list.rows is rows for name, rows in lists.items())
        screen.show(replace(source.shown, at=AT + 10))
        assert source.read
        drawn: list[object] = []
        monkeypatch.setattr(screen, "_draw_head", drawn.append)
        await pilot.resize_terminal(*MEDIUM)
        assert 0 < len(drawn) <= 4, "not once for each panel"


@pytest.mark.parametrize("mode", [Mode.PAST, Mode.REPLAY])
async def test_the_past_is_marked_and_the_node_asked_again_at_its_end(mode: Mode) -> None:
    source = Source(scene(3, mode=mode))
    source.refused = errors.UsageError("only a node of now can be asked")

    async with opened(source) as (screen, pilot):
        shown = text_of(screen)
        assert f"{mode.value.upper()} 00:16:40 - NOT NOW" in shown and screen.has_class("-not-now")
        assert "5 MIN UNTIL 00:16:40" in shown and "LAST 5 MIN" not in shown and "00:15:00" in shown
        assert "only a node of now can be asked" in list_of(screen, "log")
        source.refused = None
        screen.show(scene(3))
        await at_rest(pilot)
        assert "LIVE" in text_of(screen) and not screen.has_class("-not-now")
        assert "serves" in list_of(screen, "log")


async def test_a_node_that_is_no_member_at_that_moment() -> None:
    source = Source(scene(3))

    async with opened(source) as (screen, pilot):
        screen.show(scene(1))
        await at_rest(pilot)
        shown = text_of(screen)
        assert "? 192.168.1.2:5909  is no member of the hive" in shown and " 1 node" in shown
        assert "nothing is known of it at this moment" in shown
        assert "it is no member of the hive at this moment" in shown
        screen.show(scene(3))
        await at_rest(pilot)
        assert "● 192.168.1.2:5909  up" in text_of(screen)


async def test_nothing_is_known_at_all() -> None:
    empty = Scene(Mode.LIVE, AT, Mood.CONNECTING, "no node has told anything yet")

    async with opened(Source(empty)) as (screen, pilot):
        await pilot.press("right", "r", "z", "z")
        assert "no node has told anything yet" in text_of(screen)


async def test_all_nodes_are_silent() -> None:
    silent = scene(3, mood=Mood.DISCONNECTED, silent_since=940.0)

    async with opened(Source(silent), SMALL) as (screen, _pilot):
        assert "NO WORD SINCE 00:15:40" in text_of(screen)


async def test_a_plain_terminal_has_graphs_of_letters() -> None:
    async with opened(Source(scene(3), plain=True), SMALL) as (screen, pilot):
        for size in (SMALL, MEDIUM, LARGE):
            await pilot.resize_terminal(*size)
            await at_rest(pilot)
            graphs = screen.panels["graphs"].rows.text
            assert graphs.isascii() and "###" in graphs and "operations/s" in graphs, size


async def test_a_terminal_of_any_size() -> None:
    async with opened(Source(scene(3)), (20, 5)) as (screen, pilot):
        for size in ((20, 5), (40, 10), (300, 20), (60, 80)):
            await pilot.resize_terminal(*size)
            for key in "123456":
                await pilot.press(key)
            assert "●" in text_of(screen) and screen.size == size
