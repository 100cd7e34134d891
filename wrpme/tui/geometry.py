"""Where the ring lies in a pane of cells: computed once for each size. Pure.

A cell is taken as twice as high as wide. In halves (the upper and lower half block) it is two square pixels, drawn as
characters alone it is one pixel. Lengths are in widths of a cell, so the ring is round; positions on it are slots,
clockwise from the top.

The ring is bands around each other: the owner's outside, one for each further copy, and the innermost for what is on
its way beside these. A band's pixels stand in the order of their angles, and each stands for the same number of
slots: so an arc's pixels are in proportion to its share within one pixel, there is no gap and no overlap.
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
"""Cells; in a smaller pane is no ring."""
HEIGHT_MARKS_MIN = 10
"""With fewer rows the marks stand only beside the ring."""
ROOM_MIN = 4
"""What the bands leave free around the centre at least."""


class Band(Struct, frozen=True):
    """One band between two radii. ``first`` is the number of its first pixel, ``slots`` the slot in the middle of
    each pixel's stretch."""

    outer: float
    inner: float
    first: int
    slots: tuple[int, ...]


class Geometry(Struct, frozen=True, eq=False):
    """The ring in a pane of ``width`` x ``height`` cells. The last of ``bands`` is the innermost. By the number of a
    pixel: ``xs`` and ``ys`` (its column, and its line of pixels), ``coverage``, and ``along``, how far along its band
    it lies. ``rows``: of each row of cells the column, and the pixels in its upper and lower half, -1 for none (drawn
    as characters alone: the pixel, and -1). ``solid`` tells by ``y * width + x`` which cells are the ring's."""

    width: int
    height: int
    halves: bool
    centre_x: float
    centre_y: float
    radius: float
    room: float
    """The radius that is free inside."""
    bands: tuple[Band, ...]
    xs: tuple[int, ...]
    ys: tuple[int, ...]
    coverage: tuple[int, ...]
    along: tuple[int, ...]
    rows: tuple[tuple[tuple[int, int, int], ...], ...]
    solid: bytes

    def at(self, slot: float, radius: float) -> tuple[float, float]:
        """Where a slot lies at that distance from the centre: from left and from the top."""
        angle = 2 * pi * slot / SLOTS
        return self.centre_x + radius * sin(angle), self.centre_y - radius * cos(angle)

    def slot_at(self, x: int, y: int) -> int:
        """The slot in whose direction a cell lies."""
        angle = atan2(x + 0.5 - self.centre_x, self.centre_y - 2 * y - 1) % (2 * pi)
        return int(angle * SLOTS / (2 * pi)) % SLOTS

    def on_ring(self, x: int, y: int) -> bool:
        """Whether a cell is one of the ring's."""
        return 0 <= x < self.width and 0 <= y < self.height and bool(self.solid[y * self.width + x])

    def outside(self, slot: int, skip: int = 0) -> tuple[int, int]:
        """The first cell (column, row) outside the ring in the direction of a slot, or so many further out."""
        radius, found, last = self.radius, -1, (-1, -1)
        while found < skip:
            x, y = self.at(slot, radius)
            cell = int(x), int(y // 2)
            if cell != last and not self.on_ring(*cell):
                found, last = found + 1, cell
            radius += 0.25
        return min(max(last[0], 0), self.width - 1), min(max(last[1], 0), self.height - 1)

    def pixels_at(self, slot: int) -> list[int]:
        """A pixel of each line across the bands, where a slot lies."""
        found: list[int] = []
        for band in self.bands:
            count = len(band.slots)
            rank, thick = slot * count // SLOTS, max(1, round(band.outer - band.inner))
            for depth in range(thick):
                x, y = self.at(slot, band.outer - depth - 0.5)
                near = [band.first + (rank + step) % count for step in range(-2 * thick, 2 * thick + 1)]
                found.append(min(near, key=lambda pixel: self._distance(pixel, x, y)))
        return found

    def _distance(self, pixel: int, x: float, y: float) -> float:
        tall = 1 if self.halves else 2
        return hypot(self.xs[pixel] + 0.5 - x, (self.ys[pixel] + 0.5) * tall - y)

    def row_of(self, pixel: int) -> int:
        """The row of cells that a pixel lies in."""
        return self.ys[pixel] // 2 if self.halves else self.ys[pixel]

    def chord(self, row: int) -> int:
        """How many cells of a row, around its middle, are free inside the ring."""
        edge = max(abs(2 * row - self.centre_y), abs(2 * row + 2 - self.centre_y))
        return int(2 * sqrt(self.room**2 - edge**2)) if edge < self.room else 0


@lru_cache(maxsize=16)
def ring_in(width: int, height: int, bands: int, side: int, halves: bool) -> Geometry | None:
    """The ring in a pane of that many cells; None where it has no room.

    ``bands`` are wanted, the innermost included; where room is short there are fewer. ``side`` cells are left free at
    the left and at the right, if it is large enough for that."""
    if width < WIDTH_MIN or height < HEIGHT_MIN:
        return None
    side = min(side, max(1, (width - 2 * (height - 2)) // 2, width // 6))
    # The centre and all radii are whole numbers, so that the edges are sharp where the ring is flat.
    radius = float(min(width // 2 - side, height - 2 if height > HEIGHT_MARKS_MIN else height - 1))
    centre_x, centre_y = float(width // 2), float(height)
    edges = band_edges(radius, bands, halves)
    found: list[list[tuple[float, int, int, int]]] = [[] for _ in edges]
    tall = 1 if halves else 2
    for line in range(2 * height // tall):
        up = centre_y - (line + 0.5) * tall
        if abs(up) > radius + 1:
            continue
        for x in range(width):
            right = x + 0.5 - centre_x
            distance = hypot(right, up)
            band, level = _covering(edges, distance, halves)
            if level:
                found[band].append((atan2(right, up) % (2 * pi), x, line, level))
    return _numbered(width, height, halves, radius, edges, found)


def _covering(edges: Sequence[tuple[float, float]], distance: float, halves: bool) -> tuple[int, int]:
    """The band that covers most of a pixel, and how much of it."""
    best, most = 0, 0.0
    for band, (outer, inner) in enumerate(edges):
        if inner - 0.5 < distance < outer + 0.5:
            if halves:
                covered = min(1.0, outer - distance + 0.5) - max(0.0, inner - distance + 0.5)
            else:
                covered = float(inner <= distance < outer)
            if covered > most:
                best, most = band, covered
    return best, round(most * LEVELS)


def band_edges(radius: float, bands: int, halves: bool) -> list[tuple[float, float]]:
    """Outer and inner radius of each band; fewer than wanted where they would leave no room inside."""
    for count in range(bands, 1, -1):
        for squeeze in (1.0, 0.85, 0.7, 0.5, 0.0):
            gap = float(halves)
            owner = max(2, round(0.17 * radius * squeeze)) if halves else max(2, round(0.1 * radius * squeeze))
            copy = max(1, round(0.065 * radius * squeeze)) if halves else 2
            moving = max(1, round(0.03 * radius * squeeze)) if halves else 2
            edges, outer = [], radius
            for band in range(count):
                thick = owner if band == 0 else moving if band == count - 1 else copy
                edges.append((outer, outer - thick))
                outer -= thick + gap
            if outer >= max(ROOM_MIN, (0.56 if squeeze else 0.45) * radius):
                return edges
    return [(radius, radius - 2.0)]


def _numbered(
    width: int, height: int, halves: bool, radius: float, edges: list[tuple[float, float]],
    found: list[list[tuple[float, int, int, int]]],
) -> Geometry:  # fmt: skip
    bands: list[Band] = []
    pixels: list[tuple[int, int, int, int]] = []
    for (outer, inner), unordered in zip(edges, found, strict=True):
        count = len(unordered)
        slots = tuple((2 * rank + 1) * SLOTS // (2 * count) for rank in range(count))
        bands.append(Band(outer, inner, len(pixels), slots))
        length = pi * (outer + inner)
        pixels += [
            (x, line, level, int(slots[rank] * length / SLOTS))
            for rank, (_, x, line, level) in enumerate(sorted(unordered))
        ]
    rows: list[dict[int, tuple[int, int]]] = [{} for _ in range(height)]
    solid = bytearray(width * height)
    for number, (x, line, _, _) in enumerate(pixels):
        row = line // 2 if halves else line
        upper, lower = rows[row].get(x, (-1, -1))
        rows[row][x] = (upper, number) if halves and line % 2 else (number, lower)
        solid[row * width + x] = 1
    ordered = tuple(tuple((x, *row[x]) for x in sorted(row)) for row in rows)
    return Geometry(
        width=width,
        height=height,
        halves=halves,
        centre_x=float(width // 2),
        centre_y=float(height),
        radius=radius,
        room=edges[-1][1] - 1.0,
        bands=tuple(bands),
        xs=tuple(x for x, _, _, _ in pixels),
        ys=tuple(line for _, line, _, _ in pixels),
        coverage=tuple(level for _, _, level, _ in pixels),
        along=tuple(along for _, _, _, along in pixels),
        rows=ordered,
        solid=bytes(solid),
    )


def arcs_of(slots: Sequence[int], firsts: Sequence[int]) -> list[int]:
    """The arc that each pixel of a band belongs to, by the first slots of the arcs, ascending from 0."""
    return [bisect_right(firsts, slot) - 1 for slot in slots]


def rescued(arcs: list[int], firsts: Sequence[int], gravity: Sequence[int]) -> list[int]:
    """The same with the unwell arcs (``gravity`` above 0) that are too narrow for a pixel of their own: each takes the
    pixel that it lies in from whatever is less grave, so that nothing that is wrong is invisible."""
    count, seen = len(arcs), set(arcs)
    result = list(arcs)
    for arc, grave in enumerate(gravity):
        if grave and arc not in seen:
            end = firsts[arc + 1] if arc + 1 < len(firsts) else SLOTS
            pixel = min(count - 1, (firsts[arc] + end) * count // (2 * SLOTS))
            if gravity[result[pixel]] < grave:
                result[pixel] = arc
    return result
