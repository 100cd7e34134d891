"""What explains the dashboard: the help, and the search among all that can be done."""

from __future__ import annotations


import pytest
from textual.containers import VerticalScroll
from textual.widgets import Static

from tests.tui.hands import live
from tests.tui.screens import at_rest, running
from wrpme.shell.commands import COMMANDS
from wrpme.tui.command_palette import rank
from wrpme.tui.dialogs import Page
from wrpme.tui.keys import KEYS, help_text

# --- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 74, 103, 104, 108, 186])
def test_help_is_set_to_the_width_it_has(width: int) -> None:
    for plain in (False, True):
        lines = help_text(False, False, plain, width).split("\n")
        assert max(map(len, lines)) <= width
        assert (len(lines) < len(help_text(False, False, plain, 103).split("\n"))) is (width >= 104)
        words = " ".join(" ".join(lines).split()).split()
        asked = [word for key in KEYS if key.where == "panes" for word in key.what.split()]
        assert set(asked) <= set(words)


@pytest.mark.asyncio
@pytest.mark.parametrize(("size", "columns"), [((80, 24), 1), ((120, 40), 2), ((200, 60), 2)])
async def test_help_says_how_to_close_and_to_scroll(size: tuple[int, int], columns: int) -> None:
    async with running(live(), size) as (app, pilot):
        await pilot.press("f1")
        await at_rest(pilot)
        assert isinstance(app.screen, Page)
        frame, text = app.screen.query_one(VerticalScroll), app.screen.query_one(Static)
        said = str(frame.border_subtitle)
        assert "Esc closes" in said and "PgDn" in said and "scroll" in said
        lines = str(text.render()).split("\n")
        assert max(map(len, lines)) <= text.content_size.width
        in_one = len(help_text(False, False, False, 103).split("\n"))
        assert (len(lines) < in_one) is (columns == 2)
        if frame.max_scroll_y:
            await pilot.press("pagedown")
            await at_rest(pilot)
            assert frame.scroll_y > 0


# --- search ----------------------------------------------------------------------------------------------------------


def best(query: str, *titles: str) -> list[str]:
    scored = [(rank(query, title, "", 0.1), title) for title in titles]
    return [title for score, title in sorted(scored, reverse=True) if score > 0]


def test_whole_words_come_first_then_beginnings() -> None:
    titles = ("unlogged", "login screen", "all logs", "log (l)", "el outing")
    assert best("log", *titles) == ["log (l)", "login screen", "all logs", "unlogged", "el outing"]
    assert best("node 5910", "node 127.0.0.1:5910", "stop_node NODE")[:1] == ["node 127.0.0.1:5910"]


def test_a_description_is_worth_less_than_a_title() -> None:
    assert rank("kill", "x", "kill -9 of the node", 0.0) < rank("kill", "unkilled", "", 0.0)
    assert rank("kill", "x", "kill -9 of the node", 0.0) > rank("kill", "keep illegal", "", 0.5) > 0
    assert rank("kill", "x", "y", 0.0) == 0.0 and rank("", "x", "y", 1.0) == 0.0


def test_a_command_is_found_by_its_name() -> None:
    titles = {spec.syntax: spec.summary for spec in COMMANDS} | {
        f"{key.footer or key.action} ({key.shown})": key.what for key in KEYS
    }
    for spec in COMMANDS:
        scored = {title: rank(spec.name, title, what, 0.0) for title, what in titles.items()}
        assert max(scored, key=lambda title: scored[title]).startswith(spec.name), spec.name
