from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tui.ring_scenes import changing, disconnected, joining, scene_of, stable, without
from wrpme.limits import SLOTS
from wrpme.tui.ring.bands import (
    LACKING, NOTHING, UNSERVED, Fill, Look, Paint, arc_at, arc_text, band_count, fills_of, shown_arcs,
)  # fmt: skip
from wrpme.tui.ring.geometry import LEVELS, Geometry, ring_in
from wrpme.tui.state.scene import ArcShown, Incoming, Scene
from wrpme.tui.terminal.palette import DARK, colour_of, number_of

BACKGROUND = number_of(DARK.background)


def arc(
    *holders: int, wanted: int = 2, incoming: tuple[Incoming, ...] = (), served: bool = True, changing: bool = False
) -> ArcShown:
    return ArcShown(0, SLOTS, holders, incoming, wanted, served, changing)


def looks(shown: ArcShown, bands: int = 3) -> list[Look]:
    return [fill.look for fill in fills_of(shown, bands)]


def ring(scene: Scene, width: int = 60, height: int = 32) -> Geometry:
    geometry = ring_in(width, height, band_count(scene.arcs), 7, True)
    assert geometry is not None
    return geometry


def paint(scene: Scene, selected: int = -1, greyed: bool = False) -> Paint:
    return Paint(ring(scene), scene, selected, greyed, DARK)


def full(painted: Paint, band: int) -> dict[int, int]:
    """The colours of the pixels of a band that nothing else reaches into."""
    geometry = painted.geometry
    pixels = range(geometry.bands[band].first, geometry.bands[band].end)
    return {pixel: painted.colours[pixel] for pixel in pixels if geometry.coverage[pixel] == LEVELS}


def test_what_the_bands_show() -> None:
    assert fills_of(arc(4, 7), 3) == [Fill(Look.SOLID, 4), Fill(Look.SOLID, 7), NOTHING]
    assert fills_of(arc(4), 3) == [Fill(Look.SOLID, 4), LACKING, NOTHING]
    assert fills_of(arc(4, wanted=1), 3) == [Fill(Look.SOLID, 4), NOTHING, NOTHING]
    assert fills_of(arc(4, 7, served=False), 3) == [UNSERVED, UNSERVED, NOTHING]
    assert fills_of(arc(4, 7, changing=True), 3)[0] == Fill(Look.CHANGING, 4)


def test_a_copy_on_its_way_fills_the_band_that_lacks_it_else_the_innermost() -> None:
    coming = (Incoming(9, 0.3),)
    assert fills_of(arc(4, incoming=coming), 3) == [Fill(Look.SOLID, 4), Fill(Look.COPYING, 9, 0.3), NOTHING]
    assert fills_of(arc(4, 7, incoming=coming), 3)[1:] == [Fill(Look.SOLID, 7), Fill(Look.COPYING, 9, 0.3)]
    two = (Incoming(8, 0.1), Incoming(9, 0.3))
    assert looks(arc(4, wanted=4, incoming=two), 5) == [
        Look.SOLID, Look.COPYING, Look.COPYING, Look.LACKING, Look.NOTHING,
    ]  # fmt: skip
    assert looks(arc(4, incoming=two)) == [Look.SOLID, Look.COPYING, Look.COPYING]


@pytest.mark.parametrize("bands", range(1, 7))
def test_with_any_number_of_bands_each_shows_one_thing(bands: int) -> None:
    for wanted in range(1, 6):
        for held in range(1, 6):
            for incoming in ((), (Incoming(9, 0.5),), (Incoming(9, 0.5), Incoming(8, 0.5))):
                for served in (True, False):
                    shown = arc(*range(held), wanted=wanted, incoming=incoming, served=served)
                    assert len(fills_of(shown, bands)) == bands


def test_a_stable_ring_is_its_owners_and_holders() -> None:
    scene = scene_of(stable(5, 3))
    painted = paint(scene)
    shown = shown_arcs(painted.geometry, scene.arcs, -1)
    assert not painted.moving
    for band in range(3):
        for pixel, colour in full(painted, band).items():
            holder = scene.arcs[shown[painted.geometry.steps[pixel]]].holders[band]
            assert colour == number_of(colour_of(scene.nodes[holder].colour, DARK))
    assert set(full(painted, 3).values()) == {BACKGROUND}, "nothing is on its way"


def test_a_missing_copy_is_a_trough_and_a_lost_arc_is_red() -> None:
    scene = scene_of(without(3, 1, 2))
    painted = paint(scene)
    shown = shown_arcs(painted.geometry, scene.arcs, -1)
    hues = {number_of(colour_of(node.colour, DARK)) for node in scene.nodes}
    bad = number_of(DARK.bad)
    assert not set(full(painted, 1).values()) & hues
    lost = {
        colour
        for pixel, colour in full(painted, 0).items()
        if not scene.arcs[shown[painted.geometry.steps[pixel]]].served
    }
    assert bad in lost and len(lost) == 2 and not lost & hues


def test_a_copy_is_filled_as_far_as_it_is_done_and_the_rest_marches() -> None:
    scene = scene_of(stable(2))
    half = replace(arc(0), incoming=(Incoming(1, 0.5),))
    scene = replace(scene, arcs=(half,))
    painted = paint(scene)
    target = number_of(colour_of(scene.nodes[1].colour, DARK))
    geometry = painted.geometry
    moving = {pixel for pixel, *_ in painted.moving}
    for pixel, colour in full(painted, 1).items():
        done = geometry.middles[geometry.steps[pixel]] < SLOTS / 2
        assert (colour == target) == done and (pixel in moving) != done
    pictures = []
    for phase in range(5):
        painted.move(phase)
        pictures.append(list(painted.colours))
    assert pictures[0] == pictures[4] and pictures[0] != pictures[1] != pictures[2]


def test_an_owner_that_does_not_serve_yet_moves() -> None:
    assert paint(scene_of(changing(3))).moving
    assert not paint(scene_of(stable(3))).moving


def test_selecting_dims_what_is_not_the_node_s() -> None:
    scene = scene_of(stable(3))
    plain, lit = paint(scene), paint(scene, selected=1)
    shown = shown_arcs(plain.geometry, scene.arcs, 1)
    for band in range(2):
        bright = full(plain, band)
        for pixel, colour in full(lit, band).items():
            holders = scene.arcs[shown[plain.geometry.steps[pixel]]].holders
            related = holders[0] == 1 or holders[band] == 1
            assert (colour == bright[pixel]) == related


def test_an_arc_of_the_selected_node_is_seen_however_narrow() -> None:
    scene = scene_of(stable(200))
    geometry = ring(scene)
    shown = shown_arcs(geometry, scene.arcs, 7)
    for arc in scene.arcs:
        if arc.holders[0] == 7:
            step = (arc.first + arc.end) * len(geometry.middles) // (2 * SLOTS)
            assert 7 in {scene.arcs[index].holders[0] for index in shown[step - 1 : step + 2]}


def test_what_is_not_known_any_more_is_grey() -> None:
    painted = paint(disconnected(scene_of(joining(3))), greyed=True)
    for colour in full(painted, 0).values():
        parts = [colour >> 16, colour >> 8 & 255, colour & 255]
        assert max(parts) - min(parts) < 24


def test_without_arcs_there_is_an_empty_ring() -> None:
    scene = replace(scene_of(stable(1)), arcs=(), nodes=())
    assert set(full(paint(scene), 0).values()) == {number_of(DARK.trough)}


def test_an_entry_is_marked_across_all_bands() -> None:
    painted = paint(scene_of(joining(3)))
    before = list(painted.colours)
    painted.mark(20_000)
    changed = {pixel for pixel, (one, other) in enumerate(zip(before, painted.colours, strict=True)) if one != other}
    for band in painted.geometry.bands[:-1]:
        assert any(band.first <= pixel < band.end for pixel in changed)
    painted.move(3)
    near = painted.geometry.near(20_000, 0.5)
    assert near and not {pixel for pixel, _ in near} & {pixel for pixel, *_ in painted.moving}, "nothing moves over it"


def test_an_arc_in_words() -> None:
    scene = scene_of(stable(3))
    for shown in scene.arcs:
        assert arc_at(scene.arcs, shown.first) is shown and arc_at(scene.arcs, shown.end - 1) is shown
    assert arc_at((), 5) is None
    name = "ABCDEFGHIJ".__getitem__
    assert arc_text(arc(0, 1), name) == "100.00 % of the ring\nowner A\ncopy B"
    coming = arc(0, incoming=(Incoming(2, 0.63),), changing=True)
    assert arc_text(coming, name).splitlines()[1:] == [
        "owner A, does not serve yet", "1 of 2 copies missing", "copying to C, 63 %",
    ]  # fmt: skip
    assert "not served" in arc_text(arc(0, 1, served=False), name)
