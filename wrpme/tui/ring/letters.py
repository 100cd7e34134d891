"""The bands of the ring in characters alone, all of them ASCII: for terminals without colours or without UTF-8. Pure.

| character | shows |
|---|---|
| the key of a node | it owns the arc (outermost band), or holds a copy (further bands) |
| ``.`` | a copy is missing |
| ``>`` ``-`` | a copy is on its way; behind them, as far as it is done, the key of its target |
| ``~`` | between keys: the new owner does not serve yet |
| ``!`` | no live holder: not served |
| ``*`` | the entry of a request |
"""

from __future__ import annotations

from wrpme.tui.ring.bands import Fill, Look, fills_of, is_lit, shown_arcs
from wrpme.tui.ring.geometry import Geometry
from wrpme.tui.state.scene import ArcShown, Scene
from wrpme.tui.terminal.palette import Theme, colour_of

KEYLESS = "#"
"""The key of nodes that have none of their own, because there are too many."""


class Letters:
    """Computes, for each pixel of a geometry, its character, its colour and whether it is bold."""

    def __init__(self, geometry: Geometry, scene: Scene, selected: int, greyed: bool, theme: Theme) -> None:
        self.geometry = geometry
        self.cells: list[tuple[str, str, bool]] = [(".", theme.dim, False)] * len(geometry.xs)
        self.moving: list[tuple[int, Look, str, tuple[str, bool]]] = []
        self._bad, self._dim, self._foreground = theme.bad, theme.dim, theme.foreground
        self._selected, self._greyed = selected, greyed
        self._nodes = [(node.key or KEYLESS, colour_of(node.colour, theme)) for node in scene.nodes]
        arcs = scene.arcs
        shown = shown_arcs(geometry, arcs, selected) if arcs else []
        fills = {index: fills_of(arcs[index], len(geometry.bands)) for index in set(shown)}
        for number, band in enumerate(geometry.bands if arcs else ()):
            for pixel in range(band.first, band.end):
                step = geometry.steps[pixel]
                index = shown[step]
                self._put(pixel, geometry.middles[step], arcs[index], fills[index][number])
        self.move(0)

    def _put(self, pixel: int, slot: int, arc: ArcShown, fill: Fill) -> None:
        lit = is_lit(self._selected, arc, fill)
        key, colour = self._nodes[fill.node] if fill.node >= 0 else ("", "")
        if not lit or self._greyed:
            colour = self._dim
        bold = lit and self._selected >= 0
        if fill.look is Look.SOLID:
            self.cells[pixel] = (key, colour, bold)
        elif fill.look is Look.NOTHING:
            self.cells[pixel] = (" ", self._dim, False)
        elif fill.look is Look.LACKING:
            self.cells[pixel] = (".", self._dim if not lit or self._greyed else self._foreground, bold)
        elif fill.look is Look.UNSERVED:
            self.cells[pixel] = ("!", self._bad, True)
        elif fill.look is Look.COPYING and slot < arc.first + fill.done * (arc.end - arc.first):
            self.cells[pixel] = (key, colour, bold)
        else:
            self.moving.append((pixel, fill.look, key, (colour, bold)))

    def move(self, phase: int) -> None:
        """Changes the pixels that differ from phase to phase."""
        for pixel, look, key, ink in self.moving:
            first = (self.geometry.along[pixel] - phase) % 4 < 2
            if look is Look.COPYING:
                self.cells[pixel] = (">" if first else "-", *ink)
            else:
                self.cells[pixel] = (key if first else "~", *ink)

    def mark(self, slot: int) -> None:
        """Marks the position of an entry."""
        pixels = [pixel for pixel, _ in self.geometry.near(slot, 0.75)]
        self.moving = [moving for moving in self.moving if moving[0] not in pixels]
        for pixel in pixels:
            self.cells[pixel] = ("*", self._foreground, True)
