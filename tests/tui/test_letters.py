from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from tests.tui.ring_scenes import changing, disconnected, joining, scene_of, stable, without
from wrpme.limits import SLOTS
from wrpme.tui.ring.bands import band_count, shown_arcs
from wrpme.tui.ring.geometry import ring_in
from wrpme.tui.ring.letters import KEYLESS, Letters
from wrpme.tui.state.scene import ArcShown, Incoming, Scene
from wrpme.tui.terminal.palette import DARK


def letters(scene: Scene, selected: int = -1, greyed: bool = False) -> Letters:
    geometry = ring_in(60, 32, band_count(scene.arcs), 7, False)
    assert geometry is not None
    return Letters(geometry, scene, selected, greyed, DARK)


def band(drawn: Letters, number: int) -> Counter[str]:
    found = drawn.geometry.bands[number]
    return Counter(character for character, _, _ in drawn.cells[found.first : found.end])


def test_each_arc_is_the_key_of_its_owner_and_within_of_its_holder() -> None:
    scene = scene_of(stable(3))
    drawn = letters(scene)
    shown = shown_arcs(drawn.geometry, scene.arcs, -1)
    for number in range(2):
        found = drawn.geometry.bands[number]
        for pixel in range(found.first, found.end):
            holder = scene.arcs[shown[drawn.geometry.steps[pixel]]].holders[number]
            assert drawn.cells[pixel][0] == scene.nodes[holder].key
    assert set(band(drawn, 2)) == {" "}


def test_all_of_it_is_ascii() -> None:
    for view in (stable(3), stable(200), joining(3), changing(3), without(3, 1, 2)):
        assert all(character.isascii() and len(character) == 1 for character, _, _ in letters(scene_of(view)).cells)


def test_what_is_missing_and_what_is_lost() -> None:
    drawn = letters(scene_of(without(3, 1, 2)))
    assert band(drawn, 0)["!"] > 10 and band(drawn, 0)["A"] > 10
    assert set(band(drawn, 1)) == {"!", "."}


def test_a_copy_on_its_way() -> None:
    arc = ArcShown(0, SLOTS, (0,), (Incoming(1, 0.5),), 2, True, False)
    drawn = letters(replace(scene_of(stable(2)), arcs=(arc,)))
    found = band(drawn, 1)
    assert abs(found["B"] - found[">"] - found["-"]) <= 4 and found["."] == 0
    before = [cell[0] for cell in drawn.cells]
    drawn.move(1)
    assert [cell[0] for cell in drawn.cells] != before
    drawn.move(4)
    assert [cell[0] for cell in drawn.cells] == before


def test_an_owner_that_does_not_serve_yet() -> None:
    assert band(letters(scene_of(changing(3))), 0)["~"] > 0
    assert band(letters(scene_of(stable(3))), 0)["~"] == 0


def test_beyond_all_keys() -> None:
    assert set(band(letters(scene_of(stable(200))), 0)) == {KEYLESS}


def test_the_selected_node_is_bold_and_the_unknown_has_no_colour() -> None:
    scene = scene_of(stable(3))
    drawn = letters(scene, selected=1)
    found = drawn.geometry.bands[0]
    assert {cell[0] for cell in drawn.cells[found.first : found.end] if cell[2]} == {"B"}
    grey = letters(disconnected(scene), greyed=True)
    assert {colour for character, colour, _ in grey.cells if character != " "} == {DARK.dim}


def test_an_entry_is_marked() -> None:
    drawn = letters(scene_of(stable(3)))
    drawn.mark(20_000)
    for number in range(2):
        assert band(drawn, number)["*"] >= 1
