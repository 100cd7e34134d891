from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
from msgspec.structs import replace

from tests.tui.ring_scenes import disconnected, joining, past, scene_of, stable, without
from wrpme.tui.ring.center import HEIGHT_ROWS, Line, arranged, big, lines_of, mood_colour
from wrpme.tui.state.scene import Mode, Mood, Scene
from wrpme.tui.terminal.palette import DARK


def wide(row: int) -> int:
    return 100


def words(scene: Scene, rows: int = 30, chord: Callable[[int], int] = wide) -> list[str]:
    return [line.text for line in arranged(lines_of(scene, DARK), rows, chord, False)]


def test_what_the_banner_says_is_not_said_again() -> None:
    assert words(scene_of(stable(3))) == ["STABLE"]
    assert words(scene_of(without(3, 1))) == ["DEGRADED"]


def test_how_far_it_is() -> None:
    scene = replace(scene_of(joining(3)), progress=0.634)
    assert words(scene)[:2] == ["STABILIZING", "copying 63 %"]
    assert words(replace(scene, mood=Mood.UNAVAILABLE))[:2] == ["UNAVAILABLE", "copying 63 %"]


def test_without_a_word_from_anybody_it_says_since_when() -> None:
    lines = words(disconnected(scene_of(stable(3))))
    assert lines[0] == "DISCONNECTED"
    assert lines[1].startswith("as of ") and lines[2] == "14 s ago"
    assert words(Scene(Mode.LIVE, 0.0, Mood.CONNECTING, "")) == ["CONNECTING"]


@pytest.mark.parametrize("mode", [Mode.PAST, Mode.REPLAY])
def test_the_past_is_marked(mode: Mode) -> None:
    first, second = words(past(scene_of(stable(3)), mode))[:2]
    assert first.endswith(mode.value.upper()) and first[2] == ":" and second == "STABLE"


def test_each_mood_has_a_colour() -> None:
    assert mood_colour(Mood.STABLE, DARK) == DARK.good
    assert {mood_colour(mood, DARK) for mood in Mood} == {DARK.good, DARK.accent, DARK.warn, DARK.bad}


@pytest.mark.parametrize("cells", [6, 9, 14, 18, 30])
def test_what_fits_is_shown_and_the_word_always(cells: int) -> None:
    scenes = scene_of(stable(3)), past(scene_of(joining(3))), disconnected(scene_of(without(3, 1)))
    for rows, scene, large in product(range(1, 20), scenes, (True, False)):
        placed = arranged(lines_of(scene, DARK), rows, partial(chord_of, rows, cells), large)
        shown = [line.row for line in placed]
        assert shown == sorted(set(shown)), f"no two in one row of {rows}"
        assert len(placed) == 1 or all(0 <= row < rows for row in shown), rows
        word = {scene.mood.value, *(big(scene.mood.value) or ())}
        assert any(line.text in word for line in placed), rows


def chord_of(rows: int, cells: int, row: int) -> int:
    return cells - abs(2 * row - rows) // 2


def test_where_room_is_short_the_urgent_stays() -> None:
    scene = disconnected(scene_of(without(3, 1)))
    assert words(scene, 3) == ["DISCONNECTED", "as of " + words(scene)[1][6:], "14 s ago"]
    assert words(scene, 1) == ["DISCONNECTED"]
    moving = replace(scene_of(joining(3)), progress=0.634)
    assert words(moving, 30, lambda row: 11) == ["STABILIZING", "63 %"], "in its short form"


def test_large_letters_where_everything_fits() -> None:
    lines = lines_of(scene_of(stable(3)), DARK)
    large = arranged(lines, 30, wide, True)
    assert [line.text for line in large[3:]] == [line.text for line in lines[1:]]
    assert "█" in large[0].text + large[1].text
    assert arranged(lines, 30, lambda row: 20, True)[0].text == "STABLE", "they are too wide"
    assert arranged(lines, 2, wide, True)[0].text == "STABLE", "they are too high"
    assert arranged([Line("?", "", True, 0)], 9, wide, True)[0].text == "?", "there is no letter for it"


# --- large letters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mood", list(Mood))
def test_there_are_letters_for_every_mood(mood: Mood) -> None:
    rows = big(mood.value)
    assert rows is not None and len(rows) == HEIGHT_ROWS
    assert len({len(row) for row in rows}) == 1
    assert set("".join(rows)) <= set(" ▀▄█")


def test_letters_are_what_they_are() -> None:
    assert big("TIE") == ("▀█▀ █ █▀▀", " █  █ █▀ ", " ▀  ▀ ▀▀▀")
    assert big("%") is None
