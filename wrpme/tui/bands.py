"""What each band of the ring shows of each arc, and the colours of its pixels. Pure.

| band | shows |
|---|---|
| outermost | the owner; hatched where no holder lives; stripes where a new owner does not serve yet |
| one for each further copy | its holder; a dotted trough where it is missing; where it is on its way, the target's
  colour as far as it is done, and dashes that move towards the end of the arc |
| innermost | what is on its way where no copy is missing; else nothing |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

from msgspec import Struct

from wrpme.limits import SLOTS
from wrpme.tui.geometry import LEVELS, Band, Geometry, arcs_of, rescued
from wrpme.tui.palette import Theme, colour_of, grey_of, mixed, number_of
from wrpme.tui.scene import ArcShown, Incoming, Scene

DIMMED = 0.22
"""Opacity of what is not selected."""
GREYED = 0.55
"""Opacity of what is not known to be so any more."""


class Look(IntEnum):
    """What a band shows of an arc. Those from ``COPYING`` on move."""

    NOTHING = 0
    SOLID = 1
    LACKING = 2
    UNSERVED = 3
    COPYING = 4
    CHANGING = 5


class Fill(Struct, frozen=True):
    """What one band shows of one arc: of ``node`` (-1: nobody), and of a copy how far it is (0 to 1)."""

    look: Look
    node: int = -1
    done: float = 0.0


NOTHING = Fill(Look.NOTHING)
LACKING = Fill(Look.LACKING)
UNSERVED = Fill(Look.UNSERVED)


def band_count(arcs: Sequence[ArcShown]) -> int:
    """How many bands are wanted: one for each copy, and the innermost."""
    return 1 + max((max(arc.wanted, len(arc.holders)) for arc in arcs), default=1)


def fills_of(arc: ArcShown, bands: int) -> list[Fill]:
    """What each of that many bands shows of an arc; where there are too few, the last copies are left out."""
    copies = max(1, bands - 1)
    if not arc.served:
        wanted = max(arc.wanted, len(arc.holders), 1)
        fills = [UNSERVED if place < wanted else NOTHING for place in range(copies)]
    else:
        fills = [Fill(Look.SOLID, node) for node in arc.holders]
        if arc.changing:
            fills[0] = Fill(Look.CHANGING, fills[0].node)
    moving = sorted(arc.incoming, key=lambda incoming: -incoming.done)
    lacking = max(0, min(arc.wanted, copies) - len(fills)) if arc.served else 0
    fills += [_copying(incoming) for incoming in moving[:lacking]]
    fills += [LACKING] * (lacking - len(moving))
    fills = (fills + [NOTHING] * copies)[:copies]
    return fills + [_copying(moving[lacking]) if len(moving) > lacking else NOTHING] if bands > 1 else fills


def _copying(incoming: Incoming) -> Fill:
    return Fill(Look.COPYING, incoming.node, incoming.done)


def gravity_of(arc: ArcShown) -> int:
    """How badly an arc must be seen, however narrow it is: 3 not served, 2 fewer copies than wanted, 1 moving."""
    return 3 if not arc.served else 2 if arc.lacking else 1 if arc.incoming or arc.changing else 0


def arcs_by_band(geometry: Geometry, arcs: Sequence[ArcShown]) -> list[list[int]]:
    """Of each band, the arc that each pixel shows."""
    firsts = [arc.first for arc in arcs]
    gravity = [gravity_of(arc) for arc in arcs]
    return [rescued(arcs_of(band.slots, firsts), firsts, gravity) for band in geometry.bands] if arcs else []


def is_lit(selected: int, arc: ArcShown, fill: Fill) -> bool:
    """Whether a band of an arc is lit: all are where no node is selected."""
    return selected < 0 or selected in arc.holders[:1] or fill.node == selected


Moving = tuple[int, Look, int, int]
"""A pixel that changes with the phase: its number, how it looks, its colour, and how much of it is covered."""


class Paint:
    """The colours of all pixels of a geometry, for the arcs of one scene. ``colours`` has one more, the last: that of
    the background; so pixel -1 has it."""

    def __init__(self, geometry: Geometry, scene: Scene, selected: int, greyed: bool, theme: Theme) -> None:
        self.geometry = geometry
        self.background = number_of(theme.background)
        self.foreground = number_of(theme.foreground)
        self._trough = number_of(theme.trough)
        self._bad = number_of(theme.bad)
        self._greyed = greyed
        self._selected = selected
        self._colours = [number_of(colour_of(node.colour, theme)) for node in scene.nodes]
        self.colours = [self.background] * (len(geometry.xs) + 1)
        self.moving: list[Moving] = []
        arcs = scene.arcs
        if not arcs:
            self._all(self._trough)
            return
        self.fills = [fills_of(arc, len(geometry.bands)) for arc in arcs]
        for number, owners in enumerate(arcs_by_band(geometry, arcs)):
            self._paint(number, geometry.bands[number], owners, arcs)

    def _all(self, colour: int) -> None:
        for band in self.geometry.bands[:-1] or self.geometry.bands:
            for pixel in range(band.first, band.first + len(band.slots)):
                self.colours[pixel] = self._covered(pixel, colour)

    def _covered(self, pixel: int, colour: int) -> int:
        return mixed(self.background, colour, self.geometry.coverage[pixel] / LEVELS)

    def _lit(self, arc: ArcShown, fill: Fill) -> bool:
        return is_lit(self._selected, arc, fill)

    def _tone(self, colour: int, lit: bool) -> int:
        if self._greyed:
            colour = mixed(self.background, grey_of(colour), GREYED)
        return colour if lit else mixed(self.background, colour, DIMMED)

    def _paint(self, number: int, band: Band, owners: list[int], arcs: Sequence[ArcShown]) -> None:
        coverage, background, colours = self.geometry.coverage, self.background, self.colours
        ramps: dict[tuple[int, int, bool], list[int]] = {}
        solid: dict[int, list[int] | None] = {}
        for pixel, index in enumerate(owners, band.first):
            if index not in solid:
                arc, fill = arcs[index], self.fills[index][number]
                lit = self._lit(arc, fill)
                key = (fill.look, fill.node, lit)
                if fill.look is Look.NOTHING:
                    solid[index] = [background] * (LEVELS + 1)
                elif fill.look is Look.SOLID:
                    if key not in ramps:
                        ramps[key] = self._ramp(self._tone(self._colours[fill.node], lit))
                    solid[index] = ramps[key]
                else:
                    solid[index] = None
            ramp = solid[index]
            if ramp is not None:
                colours[pixel] = ramp[coverage[pixel]]
            else:
                self._texture(pixel, band.slots[pixel - band.first], arcs[index], self.fills[index][number])

    def _ramp(self, colour: int) -> list[int]:
        return [mixed(self.background, colour, level / LEVELS) for level in range(LEVELS + 1)]

    def _texture(self, pixel: int, slot: int, arc: ArcShown, fill: Fill) -> None:
        x, y = self.geometry.xs[pixel], self.geometry.ys[pixel]
        lit = self._lit(arc, fill)
        if fill.look is Look.LACKING:
            dotted = mixed(self._trough, self._bad, 0.45) if (x + y) % 3 == 0 else self._trough
            colour = self._tone(dotted, lit)
        elif fill.look is Look.UNSERVED:
            colour = self._tone(self._bad if (x + y) % 4 < 2 else mixed(self.background, self._bad, 0.22), lit)
        else:
            colour = self._tone(self._colours[fill.node], lit)
            if fill.look is Look.CHANGING or slot >= arc.first + fill.done * (arc.end - arc.first):
                self.moving.append((pixel, fill.look, colour, self.geometry.coverage[pixel]))
        self.colours[pixel] = self._covered(pixel, colour)

    def mark(self, pixels: list[int]) -> None:
        """The place of an entry."""
        marked = set(pixels)
        self.moving = [moving for moving in self.moving if moving[0] not in marked]
        for pixel in pixels:
            self.colours[pixel] = self.foreground

    def move(self, phase: int) -> None:
        """Recolours what moves for the next phase."""
        along, colours, background = self.geometry.along, self.colours, self.background
        trough = self._tone(self._trough, True)
        for pixel, look, colour, level in self.moving:
            step = (along[pixel] - phase) % 4
            if look is Look.COPYING:
                colour = mixed(trough, colour, 0.6) if step < 2 else trough
            elif (along[pixel] - phase) % 6 < 3:
                colour = mixed(colour, self.foreground, 0.5)
            colours[pixel] = mixed(background, colour, level / LEVELS)


def arc_at(arcs: Sequence[ArcShown], slot: int) -> ArcShown | None:
    """The arc that a slot lies in."""
    low, high = 0, len(arcs)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if arcs[middle].end <= slot % SLOTS else (low, middle)
    return arcs[low] if low < len(arcs) else None


Namer = Callable[[int], str]


def arc_text(arc: ArcShown, name: Namer) -> str:
    """An arc in words: who owns it, who holds its copies, what is missing or on its way."""
    share = 100 * (arc.end - arc.first) / SLOTS
    names = [name(node) for node in arc.holders]
    if not arc.served:
        lines = ["no live holder: not served", f"last held by {', '.join(names) or 'nobody'}"]
    else:
        lines = [f"owner {names[0]}" + (", does not serve yet" if arc.changing else "")]
        lines += [f"copy {holder}" for holder in names[1:]]
        if arc.lacking:
            lines.append(f"{arc.lacking} of {arc.wanted} copies missing")
    lines += [f"copying to {name(incoming.node)}, {100 * incoming.done:.0f} %" for incoming in arc.incoming]
    return "\n".join([f"{share:.2f} % of the ring", *lines])
