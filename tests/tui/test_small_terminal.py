"""What is left out and what is cut where there is little room, and what is not."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.tui.hands import live
from tests.tui.pieces import scene
from tests.tui.screens import at_rest, running
from wrpme.protocol.events import KINDS
from wrpme.tui.panes.banner import word_text
from wrpme.tui.panes.lists import SHORT_CELLS, event_rows
from wrpme.tui.ring.geometry import band_edges
from wrpme.tui.state.events import BOOKKEEPING
from wrpme.tui.state.format import clipped, cut_middle
from wrpme.tui.state.lines import Row
from wrpme.tui.state.scene import EventShown, Mood
from wrpme.tui.state.sentences import SHORT, in_short

NAMES = {"127.0.0.1:5911": "5911", "127.0.0.1:5910": "5910"}


def event(kind: str, sentence: str, node: str = "127.0.0.1:5911") -> EventShown:
    return EventShown(1000.0, kind, 7, node, "127.0.0.1:5910", sentence, -1.0, 1)


def text(rows: list[Row]) -> list[str]:
    return ["".join(part for part, _ in row)[11:] for row in rows]


# --- names and sentences ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "width", "cut"),
    [
        ("127.0.0.1:5911", 14, "127.0.0.1:5911"),
        ("127.0.0.1:5911", 13, "127.…0.1:5911"),
        ("192.168.100.12:5909", 13, "192.…12:5909"),
        ("192.168.100.12:5909", 9, "192.…5909"),
        ("192.168.100.12:5909", 5, "…5909"),
        ("192.168.100.12:5909", 4, "…"),
        ("database-frankfurt-17:5909", 18, "database-f…17:5909"),
        ("averylonghostname17:5909", 12, "averylo…5909"),
    ],
)
def test_an_address_is_cut_in_the_middle(name: str, width: int, cut: str) -> None:
    found = cut_middle(name, width)
    assert len(found) <= width
    assert found == cut


@pytest.mark.parametrize("name", ["127.0.0.1:5911", "192.168.100.12:5909", "db-7.example.org:59", "[2001:db8::1f]:59"])
def test_no_number_is_cut(name: str) -> None:
    whole = set(re.findall(r"\d+", name))
    for width in range(1, len(name) + 1):
        cut = cut_middle(name, width)
        assert len(cut) <= width and set(re.findall(r"\d+", cut)) <= whole, cut


def test_a_sentence_ends_with_a_whole_word() -> None:
    sentence = "127.0.0.1:5911 down; all data is served; 127.0.0.1:5910 is suspected"
    for width in range(len(sentence)):
        cut = clipped(sentence, width)
        words = sentence.split()
        assert set(cut.removesuffix("…").split()) <= {*words, *(word.rstrip(";") for word in words)}
    assert clipped(sentence, len(sentence)) == sentence


# --- events ----------------------------------------------------------------------------------------------------------


def test_with_few_cells_an_event_takes_a_few_words() -> None:
    dead = event("down", "127.0.0.1:5911 is dead; its copies elsewhere serve")
    assert text(event_rows(dead, SHORT_CELLS - 1, NAMES)) == ["5911 is down"]
    assert text(event_rows(dead, SHORT_CELLS - 1)) != ["5911 is down"], "who has no names has room"
    assert text(event_rows(dead, 80, NAMES)) == ["127.0.0.1:5911 is dead; its copies elsewhere serve"]


def test_the_words_of_every_kind_are_short() -> None:
    assert set(SHORT) <= {*KINDS, "gone", "reached", "missed"}
    for kind in SHORT:
        assert len(in_short(event(kind, "x" * 99), NAMES)) <= 31
    condition = event("condition", "the hive is degraded: 127.0.0.1:5911 down", "")
    assert in_short(condition, NAMES) == "the hive is degraded"
    assert in_short(event("clock", "time passed at 127.0.0.1:5911"), NAMES) == "time passed at 5911"


def test_what_a_view_changed_takes_one_line() -> None:
    words = [f"127.0.0.1:591{number} says that it serves 4 arcs it took over" for number in range(4)]
    view = event("view", "view 12: " + "; ".join(words))
    for width in (SHORT_CELLS - 1, 62, 100):
        assert len(event_rows(view, width, NAMES)) == 1


@pytest.mark.asyncio
async def test_the_books_of_the_hive_are_hidden_until_asked_for() -> None:
    told = [event("down", "d"), *(event(kind, kind) for kind in sorted(BOOKKEEPING)), event("back", "b")]

    async with running(live(), (120, 40)) as (app, pilot):
        events = app.main.events
        events.show(told, NAMES)
        assert len(events.list.rows) == 2 and "v: 4 of arcs and votes" in str(events.border_title)
        events.show([*told, event("view", "v")])
        assert len(events.list.rows) == 2 and "v: 5 of arcs and votes" in str(events.border_title)
        await pilot.press("escape", "v")
        await at_rest(pilot)
        assert events.bookkeeping
        events.show(told, NAMES)
        assert len(events.list.rows) == 6 and "v:" not in str(events.border_title)
        events.toggle_bookkeeping()
        assert len(events.list.rows) == 2


# --- the screen ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_there_is_a_gap_between_any_two_bands(bands: int) -> None:
    for radius in range(7, 40):
        edges = band_edges(radius, bands, True)
        assert all(above[1] - below[0] >= 1 for above, below in pairwise(edges)), radius


@pytest.mark.asyncio
async def test_an_incident_at_80_x_24() -> None:
    """Who is down and what happened are on the screen together."""

    async with running(live("degraded"), (80, 24)) as (app, _pilot):
        nodes, events = app.main.nodes, app.main.events
        assert nodes.region.height >= 5 and events.region.height >= 4
        rows = text(nodes.list.rows), text(events.list.rows)
        assert "down" in "".join(part for part, _ in nodes.list.rows[0]), "trouble first"
        assert any("5911 is down" in row for row in rows[1])


def test_a_figure_is_named() -> None:
    assert word_text(scene(3, mood=Mood.DEGRADED, progress=0.66)) == "DEGRADED  copying 66 %"
