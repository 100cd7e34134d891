from __future__ import annotations

from itertools import pairwise
from math import hypot

import pytest

from wrpme.limits import SLOTS
from wrpme.tui.ring import wires
from wrpme.tui.ring.geometry import Geometry, ring_in


CLEAR = 14.0


def ring() -> Geometry:
    geometry = ring_in(100, 48, 3, 7, True)
    assert geometry is not None
    return geometry


@pytest.mark.parametrize("ends", [(0, SLOTS // 2), (1000, 9000), (60_000, 3000), (5, 900)])
def test_a_line_leads_from_place_to_place_around_the_middle(ends: tuple[int, int]) -> None:
    geometry = ring()
    points = wires.line(geometry, *ends, CLEAR)
    for slot, (x, y) in zip(ends, (points[0], points[-1]), strict=True):
        edge = geometry.at(slot, geometry.bands[-2].inner)
        assert hypot(x / 2 - edge[0], y / 2 - edge[1]) < 2
    for x, y in points:
        distance = hypot(x / 2 - geometry.center_x, y / 2 - geometry.center_y)
        assert CLEAR - 1 < distance < geometry.bands[-2].inner, "neither over the words nor over the ring"
    for (x, y), (after_x, after_y) in pairwise(points):
        assert abs(x - after_x) <= 2 and abs(y - after_y) <= 2, "no holes"


def test_it_goes_the_shorter_way_round() -> None:
    geometry = ring()
    points = wires.line(geometry, 60_000, 3000, CLEAR)
    assert all(y / 2 < geometry.center_y for _, y in points), "over the top"


def test_a_comet_runs_from_the_source_to_the_target() -> None:
    points = wires.line(ring(), 0, SLOTS // 3, CLEAR)
    comets = [wires.comet(points, phase) for phase in range(wires.STEPS)]
    places = [points.index(comet[-1]) for comet in comets if comet]
    assert places == sorted(places) and places[0] == 0 and places[-1] == len(points) - 1
    assert wires.comet(points, 3) == wires.comet(points, 3 + wires.STEPS)


def test_dots_of_a_cell_come_together() -> None:
    geometry = ring()
    dots: wires.Dots = {}
    wires.draw(dots, geometry, [(100, 96), (101, 99)], 0x111111)
    assert dots == {(50, 24): (0x01 | 0x80, 0x111111, False)}
    wires.draw(dots, geometry, [(100, 97)], 0x222222, bright=True)
    wires.draw(dots, geometry, [(101, 96)], 0x333333, bright=True)
    assert dots == {(50, 24): (0x01 | 0x80 | 0x02 | 0x08, 0x222222, True)}
    wires.draw(dots, geometry, [(-5, 3), (10**6, 3), (3, -1), (3, 10**6)], 0x111111)
    assert len(dots) == 1, "the others are not in the pane"
