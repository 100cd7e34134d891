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
from wrpme.tui.ring.geometry import LEVELS, Geometry, arcs_of, rescued
from wrpme.tui.state.scene import ArcShown, Incoming, NodeShown, NodeState, Scene
from wrpme.tui.terminal.palette import Theme, colour_of, grey_of, mixed, number_of

GREYED = 0.7
"""Opacity of what is not known to be so any more."""


MARK_REACH = 2.2
"""Half the width of an entry's mark, the dark beside it included."""


class Look(IntEnum):
    """The pattern that a band shows for an arc. Patterns from ``COPYING`` on move."""

    NOTHING = 0
    SOLID = 1
    LACKING = 2
    UNSERVED = 3
    COPYING = 4
    CHANGING = 5


class Fill(Struct, frozen=True):
    """What one band shows of one arc: a pattern, in the colour of ``node`` (-1: no node), and for a copy the part that
    is done (0 to 1)."""

    look: Look
    node: int = -1
    done: float = 0.0


NOTHING = Fill(Look.NOTHING)
LACKING = Fill(Look.LACKING)
UNSERVED = Fill(Look.UNSERVED)


def band_count(arcs: Sequence[ArcShown]) -> int:
    """Returns how many bands are wanted: one for each copy, and the innermost one."""
    return 1 + max((max(arc.wanted, len(arc.holders)) for arc in arcs), default=1)


def fills_of(arc: ArcShown, bands: int) -> list[Fill]:
    """Returns what each of so many bands shows of an arc. If there are too few bands, the last copies are left out."""
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


def gravity_of(arc: ArcShown, selected: int) -> int:
    """Returns how important it is that an arc is seen, however narrow it is: 4 it is not served, 3 the selected node
    owns it or is missed on it, 2 it has fewer copies than wanted, 1 it moves, else 0."""
    if not arc.served:
        return 4
    if selected >= 0 and (arc.holders[0] == selected or selected in arc.awaited):
        return 3
    return 2 if arc.lacking else 1 if arc.incoming or arc.changing else 0


def shown_arcs(geometry: Geometry, arcs: Sequence[ArcShown], selected: int) -> list[int]:
    """Returns the arc that each step shows."""
    firsts = [arc.first for arc in arcs]
    gravity = [gravity_of(arc, selected) for arc in arcs]
    return rescued(arcs_of(geometry.middles, firsts), firsts, gravity)


def is_lit(selected: int, arc: ArcShown, fill: Fill) -> bool:
    """Returns whether a band of an arc is lit; all bands are if no node is selected. Of an arc that a dead node is
    missed on they all are: who has it now, and the copy that is missing."""
    return selected < 0 or selected in arc.holders[:1] or selected in arc.awaited or fill.node == selected


Moving = tuple[int, int, int, int]
"""A pixel that changes with the phase: its number, how long its pattern is, and the two colours of that."""


class Paint:
    """Computes the colours of all pixels of a geometry for the arcs of one scene. ``colours`` has one more at its end,
    that of the background, so that pixel -1 has it."""

    def __init__(self, geometry: Geometry, scene: Scene, selected: int, greyed: bool, theme: Theme) -> None:
        self.geometry = geometry
        self._theme = theme
        self._background = number_of(theme.background)
        self._foreground = number_of(theme.foreground)
        self._trough = number_of(theme.trough)
        self._greyed = greyed
        self._selected = selected
        self._nodes = [self._colour_of(node, theme) for node in scene.nodes]
        self._under: dict[int, int] = {}
        self._palettes: dict[tuple[Look, int, bool], tuple[int, int]] = {}
        self.colours = [self._background] * (len(geometry.xs) + 1)
        self.moving: list[Moving] = []
        if scene.arcs:
            self._paint(scene.arcs)
            self.move(0)
        else:
            self._put(0, geometry.bands[0].end, [(self._trough, self._trough)] * len(geometry.middles))

    def _paint(self, arcs: Sequence[ArcShown]) -> None:
        geometry, shown = self.geometry, shown_arcs(self.geometry, arcs, self._selected)
        fills = {index: fills_of(arcs[index], len(geometry.bands)) for index in set(shown)}
        palettes = [
            [self._palette(arcs[index], fills[index][number]) for index in shown]
            for number in range(len(geometry.bands))
        ]
        for pixel, number, level in geometry.beside:  # under the pixel's own band is what its neighbour shows there
            colour = palettes[number][geometry.steps[pixel]][0]
            self.colours[pixel] = self._under[pixel] = mixed(self._background, colour, level / LEVELS)
        for number, band in enumerate(geometry.bands):
            textured = {
                step for step, index in enumerate(shown) if fills[index][number].look not in (Look.SOLID, Look.NOTHING)
            }
            self._put(band.first, band.end, palettes[number])
            for pixel in range(band.first, band.end) if textured else ():
                step = geometry.steps[pixel]
                if step in textured:
                    self._texture(pixel, arcs[shown[step]], fills[shown[step]][number], palettes[number][step])

    def _put(self, first: int, end: int, palettes: Sequence[tuple[int, int]]) -> None:
        colours, steps, coverage = self.colours, self.geometry.steps, self.geometry.coverage
        for pixel in range(first, end):
            colour, level = palettes[steps[pixel]][0], coverage[pixel]
            colours[pixel] = colour if level == LEVELS else mixed(colours[pixel], colour, level / LEVELS)

    def _colour_of(self, node: NodeShown, theme: Theme) -> int:
        """Returns the colour of a node. One that does not answer is grey, because nobody here knows whether it serves
        what the view says."""
        colour = number_of(colour_of(node.colour, theme))
        return mixed(self._background, grey_of(colour), GREYED) if node.state is NodeState.SILENT else colour

    def _palette(self, arc: ArcShown, fill: Fill) -> tuple[int, int]:
        """Returns the colour of most pixels that a band has of an arc, and that of the others."""
        lit = is_lit(self._selected, arc, fill)
        key = (fill.look, fill.node, lit)
        found = self._palettes.get(key)
        if found is None:
            first, second = self._colours(fill)
            found = self._palettes[key] = self._tone(first, lit), self._tone(second, lit)
        return found

    def _colours(self, fill: Fill) -> tuple[int, int]:
        if fill.look is Look.NOTHING:
            return self._background, self._background
        if fill.look is Look.LACKING:
            return self._theme.lacking
        if fill.look is Look.UNSERVED:
            return self._theme.unserved
        colour = self._nodes[fill.node]
        if fill.look is Look.CHANGING:
            return colour, self._theme.mixture(colour, self._foreground, 0.45, instead=self._foreground)
        return colour, self._trough

    def _tone(self, colour: int, lit: bool) -> int:
        if self._greyed:
            colour = mixed(self._background, grey_of(colour), GREYED)
        return colour if lit else self._theme.dimmed(colour)

    def _texture(self, pixel: int, arc: ArcShown, fill: Fill, palette: tuple[int, int]) -> None:
        geometry = self.geometry
        slot = geometry.middles[geometry.steps[pixel]]
        first, second = palette
        across = geometry.xs[pixel] + geometry.ys[pixel]
        if fill.look is Look.COPYING:
            if slot < arc.first + fill.done * (arc.end - arc.first):
                return
            first = self._theme.mixture(second, first, 0.5, instead=first)
        if (fill.look is Look.LACKING and across % 3) or (fill.look is Look.UNSERVED and across % 4 < 2):
            return
        under, level = self._under.get(pixel, self._background), geometry.coverage[pixel] / LEVELS
        if fill.look in (Look.COPYING, Look.CHANGING):
            length = 4 if fill.look is Look.COPYING else 6
            self.moving.append((pixel, length, mixed(under, first, level), mixed(under, second, level)))
        else:
            self.colours[pixel] = mixed(under, second, level)

    def mark(self, slot: int) -> None:
        """Marks the position of an entry by a bright line across all bands, between two dark ones."""
        for pixel, off in self.geometry.near(slot, MARK_REACH):
            self.moving = [moving for moving in self.moving if moving[0] != pixel]
            bright, dark = min(1.0, max(0.0, 1.2 - off)), min(0.9, max(0.0, MARK_REACH - off))
            if self._theme.fixed is not None:
                bright, dark = round(bright), round(dark)
            colour = mixed(self.colours[pixel], self._background, round(dark, 2))
            over = mixed(colour, self._foreground, round(bright, 2))
            self.colours[pixel] = mixed(self._background, over, self.geometry.coverage[pixel] / LEVELS)

    def move(self, phase: int) -> None:
        """Recolours the pixels that change from phase to phase."""
        along, colours = self.geometry.along, self.colours
        for pixel, length, first, second in self.moving:
            colours[pixel] = first if 2 * ((along[pixel] - phase) % length) < length else second


def arc_at(arcs: Sequence[ArcShown], slot: int) -> ArcShown | None:
    """Returns the arc that a slot lies in."""
    low, high = 0, len(arcs)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if arcs[middle].end <= slot % SLOTS else (low, middle)
    return arcs[low] if low < len(arcs) else None


Namer = Callable[[int], str]


def arc_text(arc: ArcShown, name: Namer) -> str:
    """Returns a sentence about an arc: who owns it, who holds its copies, what is missing or on its way."""
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
