"""Each key of the dashboard, and the mouse: from pane to pane, and what is of use where."""

from __future__ import annotations

from itertools import product

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from tests.tui.hands import ROOMY, SMALL, Client, Hive, cells, footer, keyboard, live, typed
from tests.tui.scenes import id_of
from tests.tui.screens import at_rest, dashboard_of, running
from wrpme.tui.app import Dashboard
from wrpme.tui.dialogs import Page
from wrpme.tui.keys import KEYS, SHELL_KEYS
from wrpme.tui.node.screen import NodeScreen
from wrpme.tui.panes.lines_view import LinesView
from wrpme.tui.state.scene import Mode
from wrpme.tui.terminal.palette import THEMES, colour_of, name_colour

pytestmark = pytest.mark.asyncio

LOW = (80, 18)
ALWAYS = {"open", "filter", "help", "leave_app", "escape"}
TYPING = {"history(-1)", "complete", "interrupt", "escape", "keys"}


async def press(pilot: Pilot[int], *keys: str) -> None:
    await pilot.press(*keys)
    await at_rest(pilot)


def page(app: Dashboard) -> str:
    assert isinstance(app.screen, Page)
    return str(app.screen.query_one(Static).render())


def says(app: Dashboard, *texts: str) -> bool:
    """Whether the page has all the words of these texts; its lines are broken, and in two columns."""
    return {word for text in texts for word in text.split()} <= set(page(app).split())


def opened(app: Dashboard) -> NodeScreen | None:
    """The screen of a node, if it is one that is shown."""
    return app.screen if isinstance(app.screen, NodeScreen) else None


def at_main(app: Dashboard) -> bool:
    """Whether nothing is over the dashboard."""
    return app.screen is app.main


# --- where the keyboard is -------------------------------------------------------------------------------------------


async def test_letters_go_to_the_shell_while_one_types() -> None:
    async with running(live(local=Hive()), ROOMY) as (app, pilot):
        letters = [name for key in KEYS for name in key.keys.split(",") if key.where != "all" and name != "ctrl+q"]
        assert keyboard(app.main) == "shell"
        await pilot.press(*(letter for letter in letters if letter != "enter"))
        await at_rest(pilot)
        assert typed(app) == "SLFlKPRAM +=-0[]{}?q/:sneoOzxvyit" and keyboard(app.main) == "shell"
        assert at_main(app) and app.timeline.mode is Mode.LIVE and app.is_running
        await press(pilot, "f1")
        assert "In the shell" in page(app) and says(app, *(what for _, what in SHELL_KEYS))
        await press(pilot, "escape")
        assert at_main(app) and keyboard(app.main) == "shell"


async def test_from_pane_to_pane() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        for size in (ROOMY, SMALL, LOW):
            await pilot.resize_terminal(*size)
            for key, at in (
                ("escape", "nodes"), ("e", "events"), ("n", "nodes"), ("s", "shell"), ("escape", "nodes"),
                ("e", "events"), ("colon", "shell"), ("escape", "nodes"), ("escape", "nodes"), ("escape", "shell"),
                ("escape", "nodes"), ("e", "events"), ("escape", "shell"), ("escape", "nodes"), ("s", "shell"),
            ):  # fmt: skip
                await press(pilot, key)
                assert keyboard(app.main) == at, (size, key)
                assert app.main.focused is not None and app.main.focused.region.height, f"{size}: it can be seen"
                if at in ("nodes", "events"):
                    both = size != LOW
                    shown = app.main.nodes.display, app.main.events.display
                    assert shown == (both or at == "nodes", both or at == "events"), size


async def test_escape_goes_back_one_step_at_a_time() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        main = app.main
        await press(pilot, "escape", "slash", *"5910", "enter", "e", "slash", *"join", "enter", "z")
        assert main.has_class("-zoomed") and main.nodes.words == "5910" and main.events.words == "join"
        await press(pilot, "escape")
        assert not main.has_class("-zoomed") and main.events.words == "join" and keyboard(main) == "events"
        await press(pilot, "escape")
        assert main.events.words == "" and main.nodes.words == "5910" and keyboard(main) == "events"
        await press(pilot, "n", "escape")
        assert main.nodes.words == "" and keyboard(main) == "nodes" and main.ring._selected is not None
        await press(pilot, "escape")
        assert main.ring._selected is None and keyboard(main) == "nodes"
        await press(pilot, "escape")
        assert keyboard(main) == "shell"


async def test_a_pane_fills_the_screen_and_gives_it_back() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        main = app.main
        await press(pilot, "escape")
        for size, (key, pane) in product((ROOMY, SMALL), (("n", main.nodes), ("e", main.events))):
            await pilot.resize_terminal(*size)
            await press(pilot, key)
            before = main.nodes.region, main.events.region, main.ring.region, main.shell.region
            await press(pilot, "z")
            assert pane.region.width == size[0] and pane.region.height >= size[1] - 5
            assert not main.ring.region.height and not main.shell.region.height
            await press(pilot, "z")
            assert before == (main.nodes.region, main.events.region, main.ring.region, main.shell.region)
        await press(pilot, "z", "n")
        assert not main.has_class("-zoomed") and main.ring.region.height and keyboard(main) == "nodes"
        await press(pilot, "z", "s")
        assert not main.has_class("-zoomed") and keyboard(main) == "shell" and main.shell.region.height


async def test_the_filter_takes_every_letter() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        await press(pilot, "escape", "slash")
        assert footer(app) == {"drop", "keys"}
        await press(pilot, *"sn5911", "f1")
        assert isinstance(app.screen, Page)
        await press(pilot, "escape")
        assert app.main.nodes.words == "sn5911" and keyboard(app.main) == "filter" and app.main.nodes.node is None
        await press(pilot, "S", "escape")
        assert keyboard(app.main) == "nodes" and app.main.nodes.words == "" and at_main(app)
        await press(pilot, "slash", *"5911", "enter", "enter")
        assert (shown := opened(app)) is not None and shown.node == id_of(2)


# --- what is of use --------------------------------------------------------------------------------------------------


async def test_the_foot_names_what_is_of_use_now() -> None:
    async with running(live("degraded"), ROOMY) as (app, pilot):
        assert footer(app) == TYPING
        await press(pilot, "escape")
        down_first = {"forget", "logs", "shell", "events", "earlier", "add_machine"}
        assert footer(app) == ALWAYS | down_first
        await press(pilot, "end")
        assert footer(app) == ALWAYS | {"stop", "leave", "logs", "shell", "events", "earlier", "add_machine"}
        await press(pilot, "e")
        assert footer(app) == ALWAYS | {"pause_time", "shell", "nodes", "earlier"}
        await press(pilot, "left_square_bracket")
        past = ALWAYS | {"shell", "earlier", "later", "now"}
        assert footer(app) == past | {"nodes"}
        await press(pilot, "n")
        assert footer(app) == past | {"events"}
        await press(pilot, "s")
        assert footer(app) == TYPING
        await press(pilot, "escape", "0")
        assert footer(app) == ALWAYS | {"stop", "leave", "logs", "shell", "events", "earlier", "add_machine"}
        await press(pilot, "M", *"ops")
        assert app.main.shell.has_focus_line
        assert typed(app) == "node_start ops", "a node on another machine is begun in the shell"


async def test_the_foot_of_a_hive_of_this_shell() -> None:
    async with running(live(local=Hive()), ROOMY) as (app, pilot):
        await press(pilot, "escape")
        here = {"kill", "pause", "restart", "add"}
        assert footer(app) == ALWAYS | here | {"stop", "leave", "logs", "shell", "events", "earlier"}
        await press(pilot, "e")
        assert not footer(app) & here
        await press(pilot, "n", "left_square_bracket")
        assert not footer(app) & here


async def test_a_replay() -> None:
    async with running(dashboard_of("replay", 3), ROOMY) as (app, pilot):
        main, timeline = app.main, app.timeline
        assert keyboard(main) == "nodes" and not main.shell.display
        assert footer(app) == ALWAYS | {"pause_time", "faster(1)", "faster(-1)", "now", "earlier", "later", "events"}
        timeline.back(3.0)
        if timeline.playing:
            timeline.toggle()
        await press(pilot, "space")
        assert timeline.playing and "playing 1x" in main.banner.note
        await press(pilot, "plus", "equals_sign", "minus", "space")
        assert timeline.speed == 2.0 and not timeline.playing and main.banner.note == "held"
        await press(pilot, "s", "colon", "escape", "escape")
        assert keyboard(main) == "nodes", "there is no shell"
        await press(pilot, "left_curly_bracket", "question_mark")
        assert "In a replay" in page(app) and "In the shell" not in page(app)


async def test_what_the_cursor_is_at_is_copied() -> None:
    async with running(live("degraded"), SMALL) as (app, pilot):
        await press(pilot, "y")
        assert app.clipboard == "" and typed(app) == "y", "in the shell it is a letter"
        await press(pilot, "escape", "down", "y")
        assert app.main.node is not None and app.clipboard == app.main.node.address == "127.0.0.1:5909"
        await press(pilot, "e", "y")
        assert app.main.events.event is not None and app.clipboard == app.main.events.event.sentence


# --- windows ---------------------------------------------------------------------------------------------------------


async def test_help_condition_node_and_log() -> None:
    client = Client()

    async with running(live("degraded", client=client), ROOMY) as (app, pilot):
        await press(pilot, "escape", "question_mark")
        assert says(app, *(key.what for key in KEYS if key.where in ("all", "panes", "node", "time")))
        assert "kill -9" not in page(app)
        await press(pilot, "question_mark", "f1")
        assert at_main(app), "F1 is for who types; the footer names ? here"
        await press(pilot, "i")
        assert page(app).replace(";\n", "; ") == app.scene.sentence
        await press(pilot, "escape", "end", "enter")
        assert (shown := opened(app)) is not None and shown.node == id_of(1)
        await press(pilot, "escape")
        assert at_main(app) and keyboard(app.main) == "nodes" and app.main.node is not None
        assert app.main.node.id == id_of(1)
        client.asked.clear()
        await press(pilot, "l")
        assert (shown := opened(app)) is not None and shown.page == "log"
        assert "log_of 127.0.0.1:5910" in client.asked
        await press(pilot, "q")
        assert at_main(app)


@pytest.mark.parametrize("way", [("escape", "q"), ("ctrl+q",), (*"exit", "enter"), ("ctrl+d",)])
async def test_it_is_left(way: tuple[str, ...]) -> None:
    app = live()

    async with running(app, ROOMY) as (app, pilot):
        for key in way:
            await press(pilot, key)
        assert app.return_value == 0 and app.return_code == 0


async def test_themes_change_the_colours_of_every_pane() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        await press(pilot, "escape")
        main = app.main
        names = list(THEMES)
        for name in (*names[1:], names[0]):
            await press(pilot, "t")
            theme = THEMES[name]
            assert app.theme == f"wrpme-{name}"
            strips = app.screen._compositor.render_strips()
            inks = {
                widget: " ".join(
                    str(part.style)
                    for strip in strips[widget.region.y : widget.region.bottom]
                    for part in strip.crop(widget.region.x, widget.region.right)
                )
                for widget in (main.banner, main.ring, main.nodes.list, main.events.list, main.shell)
            }
            assert all(theme.background in ink or theme.bar in ink for ink in inks.values())
            assert theme.good in inks[main.banner] and theme.good in inks[main.nodes.list]
            for colour in range(3):
                assert name_colour(colour, theme) in inks[main.nodes.list]
                assert colour_of(colour, theme) in inks[main.ring]


# --- selection -------------------------------------------------------------------------------------------------------


async def test_the_cursor_lights_its_node_while_the_table_has_the_keyboard() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        main = app.main
        assert main.ring._selected is None
        await press(pilot, "escape", "down")
        assert main.ring._selected == id_of(1)
        await press(pilot, "e")
        assert main.ring._selected is None
        await press(pilot, "n")
        assert main.ring._selected == id_of(1)
        await press(pilot, "o", "O")
        assert (main.nodes.sorted_by, main.nodes.reverse) == ("SHARE", True) and main.ring._selected == id_of(1)
        await press(pilot, "escape")
        assert main.ring._selected is None
        await press(pilot, "up")
        assert main.ring._selected is not None, "who moves the cursor wants to see"
        await press(pilot, "escape", "escape", "escape")
        assert keyboard(main) == "nodes" and main.ring._selected is not None


async def test_the_mouse_selects_opens_and_scrolls() -> None:
    async with running(live(), ROOMY) as (app, pilot):
        main = app.main
        await pilot.click("#nodes LinesView", offset=(5, 3))
        await at_rest(pilot)
        assert keyboard(main) == "nodes" and main.node is not None and main.ring._selected == main.node.id == id_of(2)
        mark = next(mark for mark in main.ring._painter.marks if mark.node == 1)
        await press(pilot, "e")
        await pilot.click("#ring", offset=(mark.x, mark.y))
        await at_rest(pilot)
        assert keyboard(main) == "nodes" and main.ring._selected == main.node.id == id_of(1)
        await pilot.double_click("#nodes LinesView", offset=(5, 1))
        await at_rest(pilot)
        assert (shown := opened(app)) is not None and shown.node == id_of(0)
        await press(pilot, "escape")
        await pilot.double_click("#shell Answers", offset=(5, 0))
        await at_rest(pilot)
        assert at_main(app), "the shell's answers are no nodes"


async def test_a_click_on_the_ring_shows_the_table_where_there_is_little_room() -> None:
    async with running(live(), SMALL) as (app, pilot):
        main = app.main
        await press(pilot, "escape", "e")
        mark = next(mark for mark in main.ring._painter.marks if mark.node == 2)
        await pilot.click("#ring", offset=(mark.x, mark.y))
        await at_rest(pilot)
        assert keyboard(main) == "nodes" and main.nodes.region.height and main.ring._selected == id_of(2)


async def test_many_nodes_scroll_under_their_heading() -> None:
    async with running(live("stable", 200), ROOMY) as (app, pilot):
        nodes = app.main.nodes.list
        assert isinstance(nodes, LinesView)
        head = cells(nodes).splitlines()[0]
        await press(pilot, "escape", "end")
        shown = cells(nodes).splitlines()
        assert shown[0] == head and app.main.node is not None
        assert app.main.node.address in shown[-1]
        nodes.scroll_home(animate=False)
        await at_rest(pilot)
        app.show_now()
        await at_rest(pilot)
        assert nodes.scroll_offset.y == 0, "who scrolls is left alone by what comes"


# --- events ----------------------------------------------------------------------------------------------------------


async def test_enter_on_an_event_goes_to_its_moment_and_space_holds() -> None:
    async with running(live("degraded"), ROOMY) as (app, pilot):
        main = app.main
        await press(pilot, "escape", "e", "space")
        assert main.events.held and "held" in str(main.events.border_title)
        event = main.events.event
        assert event is not None
        await press(pilot, "enter")
        assert app.timeline.mode is Mode.PAST and app.scene.at == app.timeline.live.seen_at(event)
        assert not main.events.held, "what is shown is what was known then"
        assert main.has_class("-not-now") and "NOT NOW" in cells(main.banner)
        await press(pilot, "space")
        assert not main.events.held
        await press(pilot, "0")
        assert app.timeline.mode is Mode.LIVE and not main.has_class("-not-now")
        assert "NOT NOW" not in cells(main.banner)
