"""The picture of the ring: from a scene to rows of coloured runs of text. Pure.

Made of layers, each of them made anew only when what it depends on has changed: the geometry (size), the bands (arcs,
selection), the words and marks, and what moves (phase). A row is put together only if one of its layers changed there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from wrpme.limits import MOVES_DRAWN_MAX
from wrpme.picture import NodeId
from wrpme.tui import texts, wires
from wrpme.tui.bands import Paint, band_count
from wrpme.tui.geometry import Geometry, ring_in
from wrpme.tui.labels import Mark, marks, side_of
from wrpme.tui.letters import Letters
from wrpme.tui.middle import fitted, lines_of
from wrpme.tui.palette import DARK, Theme, colour_of, mixed, number_of, text_of
from wrpme.tui.plain import ascii_of
from wrpme.tui.scene import Mood, Scene, Way

Style = tuple[str, str, bool]
"""Foreground, background, and whether bold."""
Run = tuple[str, Style]
Cell = tuple[str, Style]
Layer = list[dict[int, Cell]]
"""Of each row, cells by their column."""


class Picture(Struct, frozen=True):
    """``rows`` of runs, as wide as the pane; ``changed`` are those that differ from the picture before. ``moving``:
    the next phase differs."""

    rows: tuple[tuple[Run, ...], ...]
    changed: frozenset[int]
    moving: bool


class Painter:
    """Paints scene after scene, and remembers what it has painted."""

    def __init__(self, theme: Theme = DARK, plain: bool = False) -> None:
        self.theme = theme
        self.plain = plain
        self._glyphs = {state: ascii_of(sign) if plain else sign for state, sign in texts.GLYPHS.items()}
        self.geometry: Geometry | None = None
        self.marks: list[Mark] = []
        self._keys: dict[str, Any] = {}
        self._paint: Paint | Letters | None = None
        self._words: Layer = []
        self._moving: Layer = []
        self._rows: list[tuple[Run, ...]] = []
        self._cells: dict[tuple[int, int], Cell] = {}
        self._styles: dict[Style, Style] = {}
        self._dirty: set[int] = set()

    def paint(
        self, scene: Scene, width: int, height: int, selected: NodeId | None = None, way: Way | None = None,
        phase: int = 0,
    ) -> Picture:  # fmt: skip
        """The picture at that size, in cells."""
        chosen = next((index for index, node in enumerate(scene.nodes) if node.id == selected), -1)
        below = 0 < height < 11
        geometry = ring_in(width, height - below, band_count(scene.arcs), side_of(scene, width), not self.plain)
        if self._news("size", (width, height, geometry)):
            self._resize(geometry, width, height)
        greyed = scene.mood in (Mood.DISCONNECTED, Mood.CONNECTING)
        colours = tuple(node.colour for node in scene.nodes)
        if self._news("bands", (scene.arcs, colours, chosen, greyed, way)) and geometry is not None:
            kind = Letters if self.plain else Paint
            self._paint = kind(geometry, scene, chosen, greyed, self.theme)
            if way is not None:
                self._paint.mark(geometry.pixels_at(way.slot))
            self._dirty.update(range(height))
        self._layer_words(scene, geometry, width, height, chosen, way)
        moving = geometry is not None and not greyed and self._animate(geometry, scene, way, phase)
        changed = self._compose(width)
        return Picture(tuple(self._rows), frozenset(changed), moving)

    def _news(self, layer: str, key: Any) -> bool:
        """Whether what a layer depends on has changed since it was made."""
        if layer in self._keys and self._keys[layer] == key:
            return False
        self._keys[layer] = key
        return True

    def _resize(self, geometry: Geometry | None, width: int, height: int) -> None:
        self.geometry, self._paint, self.marks = geometry, None, []
        for layer in ("bands", "words", "moving"):
            self._keys.pop(layer, None)
        self._words = [{} for _ in range(height)]
        self._moving = [{} for _ in range(height)]
        self._rows = [()] * height
        self._dirty = set(range(height))

    def _style(self, fore: str, bold: bool = False) -> Style:
        style = (fore, self.theme.background, bold)
        return self._styles.setdefault(style, style)

    # --- words and marks -----------------------------------------------------------------------------------------

    def _layer_words(
        self, scene: Scene, geometry: Geometry | None, width: int, height: int, chosen: int, way: Way | None
    ) -> None:
        lines = lines_of(scene, self.theme)
        nodes = tuple(
            (node.name, node.place, node.state, node.stale, node.since and int(scene.at - node.since))
            for node in scene.nodes
        )
        if not self._news("words", (lines, nodes, scene.arcs if chosen >= 0 else None, chosen, way)):
            return
        layer: Layer = [{} for _ in range(height)]
        if geometry is None:
            self._write_all(layer, fitted(lines, height, lambda row: width), width)
        else:
            self.marks = marks(geometry, scene, chosen, way, self.theme, self._glyphs)
            for mark in self.marks:
                self._write(layer, mark.x, mark.y, mark.text, self._style(mark.colour, mark.bold))
            placed = fitted(lines, geometry.height, geometry.chord)
            self._write_all(layer, placed, width)
        self._replace(self._words, layer)

    def _write_all(self, layer: Layer, placed: Iterable[tuple[int, Any]], width: int) -> None:
        for row, line in placed:
            if 0 <= row < len(layer):
                text = line.text[:width]
                self._write(layer, (width - len(text)) // 2, row, text, self._style(line.colour, line.bold))

    def _write(self, layer: Layer, x: int, y: int, text: str, style: Style) -> None:
        row = layer[y]
        for place, character in enumerate(text, x):
            row[place] = (character, style)

    def _replace(self, layer: Layer, fresh: Layer) -> None:
        for y, row in enumerate(fresh):
            if layer[y] != row:
                layer[y] = row
                self._dirty.add(y)

    # --- what moves ----------------------------------------------------------------------------------------------

    def _animate(self, geometry: Geometry, scene: Scene, way: Way | None, phase: int) -> bool:
        paint = self._paint
        moves = sorted(scene.moves, key=lambda move: -move.share * (1.0 - move.done))[:MOVES_DRAWN_MAX]
        moving = bool(moves or way or (paint and paint.moving))
        places = tuple(node.place for node in scene.nodes)
        if not self._news("moving", (moving and phase, moves, way, places, id(paint))):
            return moving
        if paint and paint.moving:
            paint.move(phase)
            self._dirty.update({geometry.row_of(pixel[0]) for pixel in paint.moving})
        if self.plain:
            return moving
        dots: wires.Dots = {}
        background = number_of(self.theme.background)
        for move in moves:
            points = wires.line(geometry, places[move.source], places[move.target])
            colour = number_of(colour_of(scene.nodes[move.target].colour, self.theme))
            wires.draw(dots, geometry, points[::3], mixed(background, colour, 0.45))
            wires.draw(dots, geometry, wires.comet(points, phase), colour, True)
        if way is not None:
            self._draw_way(dots, geometry, way, places, phase)
        layer: Layer = [{} for _ in self._moving]
        for (x, y), (bits, colour, _) in dots.items():
            layer[y][x] = (chr(0x2800 + bits), self._style(text_of(colour)))
        self._replace(self._moving, layer)
        return moving

    def _draw_way(
        self, dots: wires.Dots, geometry: Geometry, way: Way, places: tuple[int, ...], phase: int
    ) -> None:
        accent = number_of(self.theme.accent)
        faint = mixed(number_of(self.theme.background), accent, 0.6)
        hops = [(way.asked, way.owner), *((way.owner, holder) for holder in way.holders)]
        for source, target in hops:
            if source >= 0 and target >= 0 and source != target:
                points = wires.line(geometry, places[source], places[target])
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
        for layer in (self._moving, self._words):
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
