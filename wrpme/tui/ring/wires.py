"""Fine lines of braille dots inside the ring, from node to node: the way of a request, and copies that move. Pure.

A line leaves the ring at one place, bends towards the center and comes back at the other, so it never crosses the
texts that stand there. A cell of braille is 2 x 4 dots; dots are counted from the left and from the top.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import pi, sin

from wrpme.limits import SLOTS
from wrpme.tui.ring.geometry import Geometry

_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
DEPTH = 0.42
"""How far a line to the other side of the ring bends towards the center."""
DEPTH_MIN = 0.12
STEEP = 0.6
"""Below 1 a line leaves the ring, and comes back, on a short way."""
TAIL = 0.22
"""The length of a comet, in lengths of its line."""
STEPS = 24
"""A comet needs so many phases from one end of a line to the other."""

Dots = dict[tuple[int, int], tuple[int, int, bool]]
"""The braille bits of a cell (column, row), their colour, and whether they are bright."""


@lru_cache(maxsize=256)
def line(geometry: Geometry, start: int, end: int, clear: float) -> tuple[tuple[int, int], ...]:
    """Returns the dots of the line from one slot to another, in their order. It stays ``clear`` of the center, where
    the text stands, as far as there is room."""
    turn = (end - start + SLOTS // 2) % SLOTS - SLOTS // 2
    edge = geometry.bands[max(0, len(geometry.bands) - 2)].inner - 0.6
    across = 1 - (geometry.room - 2) / edge  # beyond the innermost band, which may hide it
    depth = max(across, max(DEPTH_MIN, min(DEPTH, 1 - clear / edge)) * min(1.0, 0.25 + 1.5 * abs(turn) / SLOTS))
    count = max(8, int(2.5 * edge * (2 * pi * abs(turn) / SLOTS + 2 * depth)))
    found: dict[tuple[int, int], None] = {}
    for step in range(count + 1):
        part = step / count
        x, y = geometry.at(start + turn * part, edge * (1 - depth * sin(pi * part) ** STEEP))
        found[int(2 * x), int(2 * y)] = None
    return tuple(found)


def draw(dots: Dots, geometry: Geometry, points: Iterable[tuple[int, int]], colour: int, bright: bool = False) -> None:
    """Adds dots; in a cell that has some already, bright dots decide the colour."""
    for x, y in points:
        cell = x // 2, y // 4
        if not (0 <= cell[0] < geometry.width and 0 <= cell[1] < geometry.height):
            continue
        bits, before, shines = dots.get(cell, (0, colour, bright))
        if bright and not shines:
            before, shines = colour, True
        dots[cell] = bits | _BITS[y % 4][x % 2], before, shines


def comet(points: tuple[tuple[int, int], ...], phase: int) -> tuple[tuple[int, int], ...]:
    """Returns the dots of a line that shine at a phase: a tail that runs along it."""
    length = len(points)
    tail = max(2, int(TAIL * length))
    head = (phase % STEPS) * (length + tail) // STEPS
    return points[max(0, head - tail) : min(length, head + 1)]
