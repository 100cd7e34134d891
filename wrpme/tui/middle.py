"""The words in the middle of the ring: how the hive is, before anything else. Pure."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from wrpme.tui import texts
from wrpme.tui.palette import Theme
from wrpme.tui.scene import Mode, Mood, NodeState, Scene

HIVE_CHARACTERS = 8
_AIR = 2
"""Cells between the ring and the words."""


class Line(Struct, frozen=True):
    """A line of the middle; the lines with the lowest ``weight`` are the last to go where room is short."""

    text: str
    colour: str
    bold: bool
    weight: int


def mood_colour(mood: Mood, theme: Theme) -> str:
    """The colour of the word."""
    return {
        Mood.STABLE: theme.good,
        Mood.STABILIZING: theme.accent,
        Mood.DEGRADED: theme.warn,
        Mood.UNAVAILABLE: theme.bad,
        Mood.DISCONNECTED: theme.bad,
        Mood.CONNECTING: theme.accent,
    }[mood]


def progress_text(scene: Scene) -> str:
    """How far all that moves is; empty where nothing does."""
    if scene.progress is None or scene.mood in (Mood.DISCONNECTED, Mood.CONNECTING, Mood.STABLE):
        return ""
    return f"{100 * scene.progress:.0f} %"


def as_of(scene: Scene) -> list[str]:
    """Since when nothing is known, in one line or two."""
    if scene.silent_since is None:
        return []
    return [f"as of {texts.clock(scene.silent_since)}", f"{texts.span(scene.at - scene.silent_since)} ago"]


def nodes_text(scene: Scene) -> str:
    """How many nodes there are, and how many of them are up."""
    count = len(scene.nodes)
    up = sum(node.state is not NodeState.DOWN for node in scene.nodes)
    if up < count:
        return f"{up} of {count} nodes up"
    return "1 node" if count == 1 else f"{count} nodes"


def lines_of(scene: Scene, theme: Theme) -> list[Line]:
    """All lines, in the order in which they stand."""
    word = Line(scene.mood.value, mood_colour(scene.mood, theme), True, 0)
    lines = []
    if scene.mode is not Mode.LIVE:
        lines.append(Line(f"{texts.clock(scene.at)} {scene.mode.value.upper()}", theme.warn, True, 1))
    lines.append(word)
    progress = progress_text(scene)
    if progress:
        lines.append(Line(progress, word.colour, True, 1))
    lines += [Line(text, theme.foreground, False, 1 + place) for place, text in enumerate(as_of(scene))]
    if scene.mood is Mood.CONNECTING:
        return lines
    about = "about " if scene.partial else ""
    lines.append(Line(nodes_text(scene), theme.foreground, False, 3))
    if scene.entries is not None:
        entries = "1 entry" if scene.entries == 1 else f"{scene.entries:,} entries".replace(",", " ")
        lines.append(Line(about + entries, theme.foreground, False, 5))
    if scene.operations_per_second is not None:
        rate = texts.rate_text(scene.operations_per_second)
        lines.append(Line(f"{about}{rate} ops/s", theme.foreground, False, 4))
    lines.append(Line(f"epoch {scene.epoch}", theme.dim, False, 6))
    if scene.hive:
        lines.append(Line(f"hive {scene.hive[:HIVE_CHARACTERS]}", theme.dim, False, 7))
    return lines


def fitted(lines: list[Line], rows: int, chord: Callable[[int], int]) -> list[tuple[int, Line]]:
    """The lines that fit, each with its row (0 the first of ``rows``); ``chord`` says how many cells a row has. The
    word always stays."""
    for kept in range(len(lines), 0, -1):
        weights = sorted(range(len(lines)), key=lambda place: lines[place].weight)[:kept]
        chosen = [lines[place] for place in sorted(weights)]
        airy = _spaced(chosen, rows, chord) if kept > 2 else None
        placed = airy or _stacked(chosen, rows, 0)
        if kept == 1 or all(
            0 <= row < rows and len(line.text) + _AIR <= chord(row) for row, line in placed
        ):
            return placed
    return []


def _stacked(lines: list[Line], rows: int, air: int) -> list[tuple[int, Line]]:
    height = len(lines) + air
    first = (rows - height) // 2
    head = next(place for place, line in enumerate(lines) if line.weight == 0)
    last = max((place for place in range(head, len(lines)) if lines[place].weight <= 1), default=head)
    return [(first + place + (air if place > last else 0), line) for place, line in enumerate(lines)]


def _spaced(lines: list[Line], rows: int, chord: Callable[[int], int]) -> list[tuple[int, Line]] | None:
    placed = _stacked(lines, rows, 1)
    fits = all(0 <= row < rows and len(line.text) + _AIR <= chord(row) for row, line in placed)
    return placed if fits else None
