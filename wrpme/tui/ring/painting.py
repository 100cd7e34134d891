"""The picture of the ring: from a scene to rows of coloured runs of text. Pure.

Made of layers, each of them made anew only when what it depends on has changed: the geometry (size), the bands (arcs,
selection), the words and marks, and what moves (phase). A row is put together only if one of its layers changed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wrpme.protocol.view import NodeId
from wrpme.tui.limits import MOVES_DRAWN_MAX
from wrpme.tui.ring import wires
from wrpme.tui.ring.bands import Paint, band_count
from wrpme.tui.ring.center import Placed, arranged, lines_of
from wrpme.tui.ring.geometry import Geometry, ring_in
from wrpme.tui.ring.labels import Mark, marks, side_of
from wrpme.tui.ring.letters import Letters
from wrpme.tui.state import format
from wrpme.tui.state.cells import clusters
from wrpme.tui.state.scene import Mode, Mood, NodeState, Scene, Way
from wrpme.tui.terminal.ascii import ascii_of
from wrpme.tui.terminal.palette import DARK, Theme, colour_of, number_of, text_of

LOW_ROWS = 13
"""With fewer rows inside the ring, the last one is kept for the condition."""

Style = tuple[str, str, bool]
"""Foreground, background, and whether bold."""
Run = tuple[str, Style]
Cell = tuple[str, Style]
Layer = list[dict[int, Cell]]
"""Of each row, cells by their column."""


class Picture(Struct, frozen=True):
    """A picture of the ring: ``rows`` of runs, as wide as the pane. ``changed`` are the rows that differ from the
    picture before; ``moving`` says that the next phase differs."""

    rows: tuple[tuple[Run, ...], ...]
    changed: frozenset[int]
    moving: bool


class Painter:
    """Paints scene after scene, and keeps the layers that it has painted."""

    def __init__(self, theme: Theme = DARK, plain: bool = False) -> None:
        self.theme = theme
        self.plain = plain
        self._glyphs = {state: ascii_of(sign) if plain else sign for state, sign in format.GLYPHS.items()}
        self.geometry: Geometry | None = None
        self.marks: list[Mark] = []
        self._keys: dict[str, Any] = {}
        self._paint: Paint | Letters | None = None
        self._moving: Layer = []
        self._clear = 0.0
        """How far from the center text reaches."""
        self._marks: Layer = []
        self._middle: Layer = []
        self._rows: list[tuple[Run, ...]] = []
        self._cells: dict[tuple[int, int], Cell] = {}
        self._styles: dict[Style, Style] = {}
        self._dirty: set[int] = set()

    def paint(
        self, scene: Scene, width: int, height: int, selected: NodeId | None = None, way: Way | None = None,
        phase: int = 0,
    ) -> Picture:  # fmt: skip
        """Returns the picture at that size, in cells."""
        chosen = next((index for index, node in enumerate(scene.nodes) if node.id == selected), -1)
        spare = 1 if height < LOW_ROWS else 0  # in a low pane the word may not fit into the ring
        sharp, side = self.theme.fixed is not None, side_of(scene, width)
        geometry = ring_in(width, height - spare, band_count(scene.arcs), side, not self.plain, sharp)
        if self._news("size", (width, height, geometry)):
            self._resize(geometry, width, height)
        greyed = scene.mood in (Mood.DISCONNECTED, Mood.CONNECTING)
        colours = tuple((node.colour, node.state is NodeState.SILENT) for node in scene.nodes)
        if self._news("bands", (scene.arcs, colours, chosen, greyed, way)) and geometry is not None:
            self._keys.pop("moving", None)
            self._dirty.update(range(height))
            kind = Letters if self.plain else Paint
            self._paint = kind(geometry, scene, chosen, greyed, self.theme)
            if way is not None:
                self._paint.mark(way.slot)
        self._layer_middle(scene, geometry, width, height)
        moving = False
        if geometry is not None:
            self._layer_marks(scene, geometry, chosen, way)
            still = greyed or scene.mode is Mode.PAST
            moving = self._animate(geometry, scene, way, -1 if still else phase)
        changed = self._compose(width)
        return Picture(tuple(self._rows), frozenset(changed), moving)

    def _news(self, layer: str, key: Any) -> bool:
        """Returns whether what a layer depends on has changed since the layer was made."""
        if layer in self._keys and self._keys[layer] == key:
            return False
        self._keys[layer] = key
        return True

    def _resize(self, geometry: Geometry | None, width: int, height: int) -> None:
        self.geometry, self._paint, self.marks = geometry, None, []
        self._keys = {"size": self._keys["size"]}
        self._moving = [{} for _ in range(height)]
        self._marks = [{} for _ in range(height)]
        self._middle = [{} for _ in range(height)]
        self._rows = [()] * height
        self._dirty = set(range(height))

    def _style(self, fore: str, bold: bool = False) -> Style:
        style = (fore, self.theme.background, bold)
        return self._styles.setdefault(style, style)

    # --- words and marks -----------------------------------------------------------------------------------------

    def _layer_middle(self, scene: Scene, geometry: Geometry | None, width: int, height: int) -> None:
        lines = lines_of(scene, self.theme)
        if not self._news("center", lines):
            return
        if geometry is None:
            placed = arranged(lines, height, lambda row: width, False)
        else:
            placed = arranged(lines, geometry.height, geometry.chord, not self.plain)
            if len(placed) == 1 and len(placed[0].text) > geometry.chord(placed[0].row):
                placed = [replace(placed[0], row=height - 1)]
        layer: Layer = [{} for _ in range(height)]
        self._clear = max(_reach(line, height) for line in placed) + 1
        for line in placed:
            text = line.text[:width]
            style = self._style(line.colour, line.bold)
            self._write(layer, width // 2 - len(text) // 2, line.row, text, style)
        self._replace(self._middle, layer)

    def _layer_marks(self, scene: Scene, geometry: Geometry, chosen: int, way: Way | None) -> None:
        nodes = tuple(
            (node.name, node.place, node.state, node.stale, node.since and int(scene.at - node.since))
            for node in scene.nodes
        )
        if not self._news("marks", (nodes, scene.arcs if chosen >= 0 else None, chosen, way)):
            return
        self.marks = marks(geometry, scene, chosen, way, self.theme, self._glyphs)
        layer: Layer = [{} for _ in self._marks]
        for mark in self.marks:
            self._write(layer, mark.x, mark.y, mark.text, self._style(mark.colour, mark.bold))
        self._replace(self._marks, layer)

    def _write(self, layer: Layer, x: int, y: int, text: str, style: Style) -> None:
        row = layer[y]
        for sign, cells in clusters(ascii_of(text) if self.plain else text):
            row[x] = (sign, style)
            for beside in range(x + 1, x + cells):  # covered by a wide character
                row[beside] = ("", style)
            x += cells

    def _replace(self, layer: Layer, fresh: Layer) -> None:
        for y, row in enumerate(fresh):
            if layer[y] != row:
                layer[y] = row
                self._dirty.add(y)

    # --- what moves ----------------------------------------------------------------------------------------------

    def _animate(self, geometry: Geometry, scene: Scene, way: Way | None, phase: int) -> bool:
        """Draws what moves, at a phase; below 0 time stands still, and no comet runs."""
        paint, nodes, still = self._paint, scene.nodes, phase < 0
        known = [move for move in scene.moves if move.source >= 0 and move.target >= 0 and not still]
        moves = sorted(known, key=lambda move: -move.share * (1.0 - move.done))[:MOVES_DRAWN_MAX]
        moving = not still and bool(moves or way or (paint and paint.moving))
        places = tuple((node.place, node.colour) for node in nodes)
        if not self._news("moving", (phase if moving else still, moves, way, places, self._clear)):
            return moving
        if paint and paint.moving:
            paint.move(max(0, phase))
            self._dirty.update({geometry.row_of(pixel[0]) for pixel in paint.moving})
        dots: wires.Dots = {}
        if not self.plain:
            background, dim = number_of(self.theme.background), number_of(self.theme.dim)
            for move in moves:
                points = wires.line(geometry, nodes[move.source].place, nodes[move.target].place, self._clear)
                colour = number_of(colour_of(nodes[move.target].colour, self.theme))
                wires.draw(dots, geometry, points[::3], self.theme.mixture(background, colour, 0.45, instead=dim))
                wires.draw(dots, geometry, wires.comet(points, phase), colour, True)
            if way is not None:
                self._draw_way(dots, geometry, way, [node.place for node in nodes], phase)
        layer: Layer = [{} for _ in self._moving]
        for (x, y), (bits, colour, _) in dots.items():
            layer[y][x] = (chr(0x2800 + bits), self._style(text_of(colour)))
        self._replace(self._moving, layer)
        return moving

    def _draw_way(self, dots: wires.Dots, geometry: Geometry, way: Way, places: Sequence[int], phase: int) -> None:
        accent = number_of(self.theme.accent)
        faint = self.theme.mixture(number_of(self.theme.background), accent, 0.6, instead=number_of(self.theme.dim))
        hops = [(way.asked, way.owner), *((way.owner, holder) for holder in way.holders)]
        for source, target in hops:
            if source >= 0 and target >= 0 and source != target:
                points = wires.line(geometry, places[source], places[target], self._clear)
                wires.draw(dots, geometry, points, faint)
                wires.draw(dots, geometry, wires.comet(points, phase), accent, True)

    # --- rows ----------------------------------------------------------------------------------------------------

    def _compose(self, width: int) -> set[int]:
        changed = set()
        for y in self._dirty:
            row = self._row(y, width)
            if row != self._rows[y]:
                self._rows[y] = row
                changed.add(y)
        self._dirty = set()
        return changed

    def _row(self, y: int, width: int) -> tuple[Run, ...]:
        blank = (" ", self._style(self.theme.foreground))
        cells: list[Cell] = [blank] * width
        paint, geometry = self._paint, self.geometry
        if isinstance(paint, Letters) and geometry is not None and y < geometry.height:
            for x, pixel, _ in geometry.rows[y]:
                character, colour, bold = paint.cells[pixel]
                cells[x] = character, self._style(colour, bold)
        elif isinstance(paint, Paint) and geometry is not None and y < geometry.height:
            colours, known = paint.colours, self._cells
            for x, upper, lower in geometry.rows[y]:
                pair = (colours[upper], colours[lower])
                cell = known.get(pair)
                cells[x] = cell if cell is not None else self._cell(pair)
        for x, cell in self._moving[y].items():  # a line never covers what a band shows
            if cells[x][0] == " " and cells[x][1][1] == self.theme.background:
                cells[x] = cell
        for layer in (self._marks, self._middle):
            for x, cell in layer[y].items():
                cells[x] = cell
        runs: list[Run] = []
        text, style = "", cells[0][1] if cells else blank[1]
        for character, following in cells:
            if following is style:
                text += character
            else:
                runs.append((text, style))
                text, style = character, following
        runs.append((text, style))
        return tuple(runs)

    def _cell(self, pair: tuple[int, int]) -> Cell:
        upper, lower = pair
        background = number_of(self.theme.background)
        if upper == lower:
            character, style = " ", (text_of(lower), text_of(upper), False)
        elif upper == background:
            character, style = "▄", (text_of(lower), text_of(upper), False)
        else:
            character, style = "▀", (text_of(upper), text_of(lower), False)
        cell = character, self._styles.setdefault(style, style)
        self._cells[pair] = cell
        return cell


def _reach(line: Placed, height: int) -> float:
    """Returns how far from the center the end of a line of text reaches."""
    edge = max(abs(2 * line.row - height), abs(2 * line.row + 2 - height))
    return hypot(len(line.text) / 2, edge)
