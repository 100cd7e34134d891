"""Where the ring lies in a pane of cells: computed once for each size. Pure.

A cell is taken as twice as high as wide. In halves (the upper and lower half block) it is two square pixels, drawn as
characters alone it is one pixel. Lengths are in widths of a cell, so the ring is round; positions on it are slots,
clockwise from the top.

The ring is bands around each other: the owner's outside, one for each further copy, and the innermost for what is on
its way beside these. All are cut into the same number of equal steps, about as long as a pixel is wide; each step has a
pixel of the outermost band at least, and each pixel lies in one step. A step belongs to the arc that has its middle: so
an arc's steps are in proportion to its share within one, there is no gap and no overlap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from math import atan2, cos, hypot, pi, sin, sqrt

from msgspec import Struct

from wrpme.limits import SLOTS

LEVELS = 8
"""Coverage of a pixel at the edge of a band, from 1 to this."""
HEIGHT_MIN, WIDTH_MIN = 7, 14
"""In a pane of fewer cells there is no ring."""
HEIGHT_MARKS_MIN = 10
"""With fewer rows the marks stand only beside the ring."""
SMALL = 16
"""Up to this radius a ring is small."""
FEW = 3
"""More bands than this may take more of the room."""
ROOM_MIN = 4
"""The bands leave at least this radius free."""


class Band(Struct, frozen=True):
    """A band between two radii; its pixels are those from ``first`` up to, not including, ``end``."""

    outer: float
    inner: float
    first: int
    end: int


class Geometry(Struct, frozen=True, eq=False):
    """The ring in a pane of ``width`` x ``height`` cells. The last of ``bands`` is the innermost; ``middles`` are the
    slots in the middle of the steps. By the number of a pixel: ``xs`` and ``ys`` (its column, and its line of pixels),
    ``steps`` (the one that it lies in), ``coverage``, and ``along``, how far along its band it lies. ``beside``: of
    pixels at an edge the number, the other band that reaches into them, and how much of the rest that covers.
    ``rows``: of each row of cells the column, and the pixels in its upper and lower half, -1 for none (drawn as
    characters alone: the pixel, and -1). ``solid`` tells by ``y * width + x`` which cells are the ring's."""

    width: int
    height: int
    halves: bool
    center_x: float
    center_y: float
    radius: float
    room: float
    """The radius that is free inside."""
    text_room: float
    """The radius that texts have: in a small ring they lie over the innermost band."""
    bands: tuple[Band, ...]
    middles: tuple[int, ...]
    xs: tuple[int, ...]
    ys: tuple[int, ...]
    steps: tuple[int, ...]
    coverage: tuple[int, ...]
    along: tuple[int, ...]
    beside: tuple[tuple[int, int, int], ...]
    rows: tuple[tuple[tuple[int, int, int], ...], ...]
    solid: bytes

    def at(self, slot: float, radius: float) -> tuple[float, float]:
        """Returns where a slot lies at that distance from the center: cells from the left, and from the top."""
        angle = 2 * pi * slot / SLOTS
        return self.center_x + radius * sin(angle), self.center_y - radius * cos(angle)

    def slot_at(self, x: int, y: int) -> int:
        """Returns the slot in whose direction a cell lies."""
        angle = atan2(x + 0.5 - self.center_x, self.center_y - 2 * y - 1) % (2 * pi)
        return int(angle * SLOTS / (2 * pi)) % SLOTS

    def on_ring(self, x: int, y: int) -> bool:
        """Returns whether a cell belongs to the ring."""
        return 0 <= x < self.width and 0 <= y < self.height and bool(self.solid[y * self.width + x])

    @property
    def _air(self) -> tuple[int, ...]:
        """The cells of a row that must be free for a mark, by their distance from it: among characters also those on
        both sides, or it would be taken for a part of the ring."""
        return (0,) if self.halves else (0, -1, 1)

    @lru_cache(maxsize=8192)
    def outside(self, slot: int, skip: int = 0) -> tuple[int, int]:
        """Returns the first cell (column, row) outside the ring in the direction of a slot, or one so many cells
        further out."""
        radius, found, last = self.radius, -1, (-1, -1)
        while found < skip:
            x, y = self.at(slot, radius)
            cell = int(x), int(y // 2)
            if cell != last and not any(self.on_ring(cell[0] + beside, cell[1]) for beside in self._air):
                found, last = found + 1, cell
            radius += 0.25
        return min(max(last[0], 0), self.width - 1), min(max(last[1], 0), self.height - 1)

    def near(self, slot: int, reach: float) -> list[tuple[int, float]]:
        """Returns the pixels within a distance of the line from the center towards a slot, each with its distance."""
        angle, tall = 2 * pi * slot / SLOTS, 1 if self.halves else 2
        across, up = sin(angle), cos(angle)
        found = []
        for pixel, (x, y) in enumerate(zip(self.xs, self.ys, strict=True)):
            right, above = x + 0.5 - self.center_x, self.center_y - (y + 0.5) * tall
            off = abs(right * up - above * across)
            if off < reach and right * across + above * up > 0:
                found.append((pixel, off))
        return found

    def row_of(self, pixel: int) -> int:
        """Returns the row of cells that a pixel lies in."""
        return self.ys[pixel] // 2 if self.halves else self.ys[pixel]

    def chord(self, row: int) -> int:
        """Returns how many cells of a row, around its middle, texts have inside the ring."""
        edge = max(abs(2 * row - self.center_y), abs(2 * row + 2 - self.center_y))
        return int(2 * sqrt(self.text_room**2 - edge**2)) if edge < self.text_room else 0


@lru_cache(maxsize=16)
def ring_in(width: int, height: int, bands: int, side: int, halves: bool, sharp: bool = False) -> Geometry | None:
    """Returns the ring in a pane of so many cells, or None if there is no room for it. ``bands`` are wanted, the
    innermost included; there are fewer where room is short. ``side`` cells stay free at the left and at the right if
    the pane is large enough for that. With ``sharp`` each pixel belongs to a band as a whole or to none."""
    if width < WIDTH_MIN or height < HEIGHT_MIN:
        return None
    side = min(side, max(1, (width - 2 * (height - 2)) // 2, width // 6))
    # The center and all radii are whole numbers, so that the edges are sharp where the ring is flat.
    radius = float(min(width // 2 - side, height - 2 if height > HEIGHT_MARKS_MIN else height - 1))
    center_x, center_y = float(width // 2), float(height)
    edges = band_edges(radius, bands, halves)
    found: list[list[_Pixel]] = [[] for _ in edges]
    tall = 1 if halves else 2
    for line in range(2 * height // tall):
        up = center_y - (line + 0.5) * tall
        if abs(up) > radius + 1:
            continue
        for x in range(width):
            right = x + 0.5 - center_x
            distance = hypot(right, up)
            if edges[-1][1] - 1 < distance < radius + 1:
                band, level, other, rest = _covering(edges, distance, halves)
                if sharp:
                    level, other, rest = (LEVELS if 2 * level >= LEVELS else 0), 0, 0
                if level:
                    found[band].append((atan2(right, up) % (2 * pi), x, line, level, other, rest))
    return _numbered(width, height, halves, radius, edges, found)


_Pixel = tuple[float, int, int, int, int, int]
"""Angle, column, line, coverage, the other band there and how much of the rest that covers."""


def _covering(edges: Sequence[tuple[float, float]], distance: float, halves: bool) -> tuple[int, int, int, int]:
    """Returns the band that covers most of a pixel and how much of it, then the next band and how much of the rest."""
    covers: list[tuple[float, int]] = []
    for band, (outer, inner) in enumerate(edges):
        if halves:
            covered = min(1.0, outer - distance + 0.5) - max(0.0, inner - distance + 0.5)
        else:
            covered = float(inner <= distance < outer)
        if covered > 0:
            covers.append((covered, band))
    if not covers:
        return 0, 0, 0, 0
    (most, best), *others = sorted(covers, reverse=True)
    level = round(most * LEVELS)
    if not others or level == LEVELS:
        return best, level, 0, 0
    share, other = others[0]
    return best, level, other, min(LEVELS, round(share / (1 - most) * LEVELS))


def band_edges(radius: float, bands: int, halves: bool) -> list[tuple[float, float]]:
    """Returns the outer and the inner radius of each band; fewer bands than wanted if they would leave no room
    inside."""
    for count in range(bands, 1, -1):
        for squeeze in (1.0, 0.85, 0.7, 0.5, 0.0):
            if halves:
                gap = 1.0
                owner, copy = max(2, round(0.17 * radius * squeeze)), max(1, round(0.16 * radius * squeeze) / 2)
                moving = max(1.5 if radius > SMALL and squeeze == 1.0 else 1.0, round(0.09 * radius * squeeze) / 2)
            else:
                gap, owner, copy, moving = 0.0, max(2, round(0.1 * radius * squeeze)), 2, 2.0
            edges, outer = [], radius
            for band in range(count):
                thick = owner if band == 0 else moving if band == count - 1 else copy
                edges.append((outer, outer - thick))
                outer -= thick + gap
            if outer + gap >= max(ROOM_MIN, (0.5 if count <= FEW and squeeze else 0.4) * radius):
                return edges
    return [(radius, radius - 2.0)]


def _steps(angles: Sequence[float]) -> int:
    """Returns the largest number of equal steps, a multiple of 4, of which each has one of these angles (ascending)."""
    gap = max(after - before for before, after in zip(angles, (*angles[1:], angles[0] + 2 * pi), strict=True))
    return max(4, int(2 * pi / gap - 1e-9) // 4 * 4)


def _numbered(
    width: int, height: int, halves: bool, radius: float, edges: list[tuple[float, float]], found: list[list[_Pixel]]
) -> Geometry:
    for unordered in found:
        unordered.sort()
    count = _steps([pixel[0] for pixel in found[0]])
    bands: list[Band] = []
    pixels: list[_Pixel] = []
    along: list[int] = []
    for (outer, inner), ordered in zip(edges, found, strict=True):
        bands.append(Band(outer, inner, len(pixels), len(pixels) + len(ordered)))
        along += [int(pixel[0] * (outer + inner) / 2) for pixel in ordered]
        pixels += ordered
    rows: list[dict[int, tuple[int, int]]] = [{} for _ in range(height)]
    solid = bytearray(width * height)
    for number, (_, x, line, _, _, _) in enumerate(pixels):
        row = line // 2 if halves else line
        upper, lower = rows[row].get(x, (-1, -1))
        rows[row][x] = (upper, number) if halves and line % 2 else (number, lower)
        solid[row * width + x] = 1
    return Geometry(
        width=width,
        height=height,
        halves=halves,
        center_x=float(width // 2),
        center_y=float(height),
        radius=radius,
        room=edges[-1][1] - 0.5,
        text_room=edges[-2 if radius <= SMALL and len(edges) > 2 else -1][1] - 0.5,
        bands=tuple(bands),
        middles=tuple((2 * step + 1) * SLOTS // (2 * count) for step in range(count)),
        xs=tuple(pixel[1] for pixel in pixels),
        ys=tuple(pixel[2] for pixel in pixels),
        steps=tuple(int(pixel[0] * count / (2 * pi)) % count for pixel in pixels),
        coverage=tuple(pixel[3] for pixel in pixels),
        along=tuple(along),
        beside=tuple((number, pixel[4], pixel[5]) for number, pixel in enumerate(pixels) if pixel[5]),
        rows=tuple(tuple((x, *row[x]) for x in sorted(row)) for row in rows),
        solid=bytes(solid),
    )


def arcs_of(middles: Sequence[int], firsts: Sequence[int]) -> list[int]:
    """Returns the arc that each step belongs to, by the first slots of the arcs, ascending from 0."""
    return [bisect_right(firsts, middle) - 1 for middle in middles]


def rescued(arcs: Sequence[int], firsts: Sequence[int], gravity: Sequence[int]) -> list[int]:
    """Returns the arcs of the steps so that nothing that is wrong is invisible: an arc with a ``gravity`` above 0 that
    is too narrow for a step of its own takes the step that it lies in from an arc that is less grave."""
    count, seen = len(arcs), set(arcs)
    result = list(arcs)
    for arc, grave in enumerate(gravity):
        if grave and arc not in seen:
            end = firsts[arc + 1] if arc + 1 < len(firsts) else SLOTS
            step = min(count - 1, (firsts[arc] + end) * count // (2 * SLOTS))
            if gravity[result[step]] < grave:
                result[step] = arc
    return result
