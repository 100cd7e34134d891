from __future__ import annotations

from functools import cache
from itertools import product

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from tests.tui.ring_scenes import (
    NOW, changing, disconnected, joining, leaving, past, scene_of, stable, way, without,
)  # fmt: skip
from wrpme.tui.ring.painting import Painter, Picture
from wrpme.tui.state.scene import Mode, Mood, Scene, Way
from wrpme.tui.terminal.palette import CONTRAST, DARK, LIGHT, Theme

SIZES = [(1, 1), (12, 4), (14, 7), (20, 9), (38, 16), (61, 33), (100, 48)]


@cache
def scenes() -> dict[str, Scene]:
    return {
        "stable": scene_of(stable(3)),
        "five copies": scene_of(stable(6, 5)),
        "one node": scene_of(stable(1)),
        "joining": scene_of(joining(3)),
        "changing": scene_of(changing(3)),
        "leaving": scene_of(leaving(4, 1)),
        "degraded": scene_of(without(3, 1)),
        "unavailable": scene_of(without(3, 1, 2)),
        "many": scene_of(stable(200)),
        "disconnected": disconnected(scene_of(joining(3))),
        "past": past(scene_of(joining(3))),
        "connecting": Scene(Mode.LIVE, NOW, Mood.CONNECTING, ""),
    }


def text(picture: Picture) -> list[str]:
    return ["".join(run for run, _ in row) for row in picture.rows]


@pytest.mark.parametrize("theme", [DARK, LIGHT, CONTRAST], ids=lambda theme: theme.name)
@pytest.mark.parametrize("plain", [False, True], ids=["halves", "plain"])
def test_every_state_fits_every_size(plain: bool, theme: Theme) -> None:
    for (name, scene), (width, height) in product(scenes().items(), SIZES):
        picture = Painter(theme, plain).paint(scene, width, height)
        assert [len(row) for row in text(picture)] == [width] * height, name
        assert picture.changed == set(range(height)), name
        assert not plain or all(row.isascii() for row in text(picture))
        if width >= 20:
            told = " ".join(text(picture))
            assert scene.mood.value in told or "█" in told, "the word is there"


@pytest.mark.parametrize("plain", [False, True], ids=["halves", "plain"])
def test_each_row_is_as_wide_as_the_pane_whatever_an_alias_is_made_of(plain: bool) -> None:
    scene = scene_of(stable(3))
    for alias in ("日本語の名前", "👨\u200d👩\u200d👧🐝", "🇩🇪e\u0301\x1b[2J"):
        for width, height in SIZES:
            picture = Painter(DARK, plain).paint(scene, width, height, way=Way(alias, 30_000, 2, 0, (1,)))
            assert [cell_len(row) for row in text(picture)] == [width] * height
            told = "".join(text(picture))
            assert "\x1b" not in told
            assert width < 60 or plain or alias[:3] in told


def test_nothing_is_painted_where_nothing_changed() -> None:
    for scene in scenes().values():
        painter = Painter()
        first = painter.paint(scene, 60, 32, phase=5)
        again = painter.paint(replace(scene), 60, 32, phase=5)
        assert again.changed == frozenset() and again.rows == first.rows
        if not first.moving:
            assert painter.paint(scene, 60, 32, phase=6).changed == frozenset()


def test_only_what_moves_is_painted_again() -> None:
    painter = Painter()
    scene = scenes()["joining"]
    before = painter.paint(scene, 60, 32)
    after = painter.paint(scene, 60, 32, phase=1)
    assert before.moving and 0 < len(after.changed) < 32
    for y in range(32):
        assert (before.rows[y] != after.rows[y]) == (y in after.changed)


@pytest.mark.parametrize("name", ["stable", "degraded still", "disconnected", "past", "connecting", "many"])
def test_what_stands_still_does_not_move(name: str) -> None:
    scene = scenes().get(name, scene_of(stable(5)))
    assert not Painter().paint(scene, 60, 32).moving


def test_a_painter_that_has_painted_much_paints_the_same_as_a_new_one() -> None:
    painter = Painter()
    each = list(scenes().values())
    for number, scene in enumerate([*each, *reversed(each), *each[::3]]):
        width, height = SIZES[3 + number // 5 % 3]
        shown = way(scene, 3) if number % 4 == 0 and len(scene.arcs) > 3 else None
        selected = scene.nodes[0].id if number % 3 == 0 and scene.nodes else None
        used = painter.paint(scene, width, height, selected, shown, number)
        assert used.rows == Painter().paint(scene, width, height, selected, shown, number).rows


def test_figures_that_change_touch_their_row_alone() -> None:
    painter = Painter()
    scene = replace(scenes()["joining"], progress=0.3)
    painter.paint(scene, 60, 32)
    later = replace(scene, at=NOW + 0.5, progress=0.4, operations_per_second=99_000.0)
    assert len(painter.paint(later, 60, 32).changed) == 1


def test_the_way_of_a_request_moves_and_goes() -> None:
    painter = Painter()
    scene = scenes()["stable"]
    before = painter.paint(scene, 60, 32)
    shown = painter.paint(scene, 60, 32, way=way(scene, 3))
    told = " ".join(text(shown))
    assert shown.moving and "◆ entry" in told and "asked" in told and "owner" in told
    assert any(0x2800 < ord(character) < 0x2900 for character in told), "lines"
    assert painter.paint(scene, 60, 32, way=way(scene, 3), phase=6).changed
    after = painter.paint(scene, 60, 32, phase=1)
    assert after.rows == before.rows and not after.moving


@pytest.mark.parametrize("name", ["stable", "joining", "unavailable"])
def test_lines_cover_neither_bands_nor_words(name: str) -> None:
    scene = scenes()[name]
    for width, height in SIZES[4:]:
        without_way = text(Painter().paint(replace(scene, moves=()), width, height))
        shown = Painter().paint(scene, width, height, way=Way("e", 40_000, len(scene.nodes) - 1, 0, (1,)))
        for before, after in zip(without_way, text(shown), strict=True):
            for one, other in zip(before, after, strict=True):
                assert not 0x2800 < ord(other) < 0x2900 or one == " "


def test_selecting_changes_the_picture_and_back() -> None:
    painter = Painter()
    scene = scenes()["stable"]
    before = painter.paint(scene, 60, 32).rows
    assert painter.paint(scene, 60, 32, selected=scene.nodes[1].id).rows != before
    assert painter.paint(scene, 60, 32, selected=b"nobody").rows == before


def test_moves_between_nodes_that_are_not_known_are_left_out() -> None:
    scene = scenes()["joining"]
    moves = tuple(replace(move, source=-1) for move in scene.moves)
    told = " ".join(text(Painter().paint(replace(scene, moves=moves), 60, 32)))
    assert not any(0x2800 < ord(character) < 0x2900 for character in told)


def test_in_a_low_pane_the_word_stands_below() -> None:
    picture = Painter().paint(scenes()["disconnected"], 20, 9)
    assert text(picture)[8].strip() == "DISCONNECTED"
    assert "▀" in "".join(text(picture)[:8]), "and the ring above"
