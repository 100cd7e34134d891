"""The text in the center of the ring: the condition of the hive, and what the banner does not say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from wrpme.tui.state import format
from wrpme.tui.state.scene import Mode, Mood, Scene
from wrpme.tui.terminal.palette import Theme

CALM = 5
"""Lines from this weight on are not urgent."""
_AIR = 2
"""Cells between the ring and what is not urgent, both sides together."""
HEIGHT_ROWS = 3
"""The height of large letters, which are five pixels high."""
_LETTERS = {
    "A": ".#. #.# ### #.# #.#",
    "B": "##. #.# ##. #.# ##.",
    "C": ".## #.. #.. #.. .##",
    "D": "##. #.# #.# #.# ##.",
    "E": "### #.. ##. #.. ###",
    "G": ".### #... #.## #..# .###",
    "I": "# # # # #",
    "L": "#.. #.. #.. #.. ###",
    "N": "#..# ##.# #.## #..# #..#",
    "O": ".#. #.# #.# #.# .#.",
    "R": "##. #.# ##. #.# #.#",
    "S": ".## #.. .#. ..# ##.",
    "T": "### .#. .#. .#. .#.",
    "U": "#.# #.# #.# #.# ###",
    "V": "#.# #.# #.# #.# .#.",
    "Z": "### ..# .#. #.. ###",
}
_HALVES = {"..": " ", "#.": "▀", ".#": "▄", "##": "█"}


class Line(Struct, frozen=True):
    """A line of the center, with a ``short`` form. Where room is short, lines with a high ``weight`` go first; the
    condition has weight 0."""

    text: str
    colour: str
    bold: bool
    weight: int
    short: str = ""


class Placed(Struct, frozen=True):
    """A line at its row."""

    row: int
    text: str
    colour: str
    bold: bool
    air: int
    """Cells beside it that must be free."""


def mood_colour(mood: Mood, theme: Theme) -> str:
    """Returns the colour of the condition."""
    return {
        Mood.STABLE: theme.good,
        Mood.STABILIZING: theme.accent,
        Mood.DEGRADED: theme.warn,
        Mood.UNAVAILABLE: theme.bad,
        Mood.DISCONNECTED: theme.bad,
        Mood.CONNECTING: theme.accent,
    }[mood]


def as_of(scene: Scene) -> list[str]:
    """Returns since when nothing is known, as no line or two."""
    if scene.silent_since is None:
        return []
    return [f"as of {format.clock(scene.silent_since)}", f"{format.span(scene.at - scene.silent_since)} ago"]


def lines_of(scene: Scene, theme: Theme) -> list[Line]:
    """Returns all lines of a scene, in the order in which they stand."""
    word = Line(scene.mood.value, mood_colour(scene.mood, theme), True, 0)
    lines = []
    if scene.mode is not Mode.LIVE:
        clock = format.clock(scene.at)
        lines.append(Line(f"{clock} {scene.mode.value.upper()}", theme.warn, True, 1, scene.mode.value.upper()))
    lines.append(word)
    progress = format.progress_text(scene)
    if progress:
        lines.append(Line(progress, word.colour, True, 2, progress.removeprefix("copying ")))
    lines += [Line(text, theme.foreground, False, 3 + place) for place, text in enumerate(as_of(scene))]
    return lines


def arranged(lines: Sequence[Line], rows: int, chord: Callable[[int], int], large: bool) -> list[Placed]:
    """Returns the lines that fit, from top to bottom; ``chord`` returns how many cells each of the ``rows`` has. The
    condition always stays; with ``large`` it has large letters if everything fits even so."""
    word = next(line for line in lines if line.weight == 0)
    letters = big(word.text) if large else None
    if letters is not None:
        placed = _stacked(lines, rows, 1, letters)
        if _fits(placed, rows, chord):
            return placed
    chosen = [word]
    for line in sorted(lines, key=lambda line: line.weight)[1:]:
        for form in (line, replace(line, text=line.short)) if line.short else (line,):
            trial = sorted([*chosen, form], key=lambda line: _place(lines, line))
            if _fits(_stacked(trial, rows, 0, (word.text,)), rows, chord):
                chosen = trial
                break
    airy = _stacked(chosen, rows, 1, (word.text,))
    return airy if len(chosen) > 2 and _fits(airy, rows, chord) else _stacked(chosen, rows, 0, (word.text,))


def _place(lines: Sequence[Line], line: Line) -> int:
    return next(place for place, other in enumerate(lines) if other.weight == line.weight)


def _fits(placed: Sequence[Placed], rows: int, chord: Callable[[int], int]) -> bool:
    return all(0 <= line.row < rows and len(line.text) + line.air <= chord(line.row) for line in placed)


def _stacked(lines: Sequence[Line], rows: int, air: int, word: Sequence[str]) -> list[Placed]:
    """Places the lines in the middle of the rows, with ``air`` empty rows between what is urgent and the rest."""
    last = max(place for place, line in enumerate(lines) if line.weight < CALM)
    space = air if last + 1 < len(lines) else 0
    row = (rows - len(lines) - len(word) + 1 - space) // 2
    placed = []
    for place, line in enumerate(lines):
        for text in word if line.weight == 0 else (line.text,):
            placed.append(Placed(row, text, line.colour, line.bold, 0 if line.weight < CALM else _AIR))
            row += 1
        row += space if place == last else 0
    return placed


def big(word: str) -> tuple[str, ...] | None:
    """Returns the rows of a word in large letters, made of half blocks; None if it has a character without a letter."""
    if not set(word) <= set(_LETTERS):
        return None
    lines = [".".join(parts) for parts in zip(*(_LETTERS[letter].split(" ") for letter in word), strict=True)]
    lines.append("." * len(lines[0]))
    return tuple(
        "".join(_HALVES[upper + lower] for upper, lower in zip(lines[row], lines[row + 1], strict=True))
        for row in range(0, len(lines), 2)
    )
