"""Rows of parts, each a text and the role of its colour: how a long text becomes several of them, and how what the
mouse selects of them becomes a text again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from wrpme.tui.state.cells import clusters, width_of
from wrpme.tui.state.format import wrapped_at

Part = tuple[str, str]
Row = tuple[Part, ...]
AFTER_SPACE, AFTER_NOTHING = "after space", "after nothing"
"""Roles of blanks that begin a row which goes on with the row before: it was broken at a space, or within a word."""
Span = tuple[int, int, int | None]
"""What is selected of a row: its number, the first cell, and the cell after the last one, None for the end."""
Whole = Callable[[int, int], str]
"""Returns what a part of a row, both by number, stands for if it is shown shortened, else nothing."""


def broken(head: Row, text: str, role: str, width: int) -> list[Row]:
    """Returns a text after its head as rows of ``width`` cells; further rows begin below the text."""
    indent = sum(width_of(part) for part, _ in head)
    (_, first), *others = wrapped_at(text, max(12, width - indent) if indent else width)
    rows: list[Row] = [(*head, (first, role))]
    for joint, line in others:
        rows.append(((" " * indent, AFTER_SPACE if joint else AFTER_NOTHING), (line, role)))
    return rows


def goes_on(row: Row) -> bool:
    """Returns whether a row goes on with the one before."""
    return bool(row) and row[0][1] in (AFTER_SPACE, AFTER_NOTHING)


def as_shown(row: int, part: int) -> str:
    """Is a :data:`Whole` where nothing is shortened."""
    return ""


def taken(text: str, first: int, last: int | None) -> str:
    """Returns the characters of a text that have a cell from ``first`` up to, not including, ``last`` (None: the
    end)."""
    found, at = "", 0
    for sign, cells in clusters(text):
        if at + cells > first and (last is None or at < last):
            found += sign
        at += cells
    return found


def copied(rows: Sequence[Row], spans: Iterable[Span], whole: Whole) -> str:
    """Returns the text of the spans: rows that go on with the one before are joined to it, and in the place of what is
    shown shortened and selected as a whole stands all of it."""
    text, instead = "", False
    for count, (number, first, last) in enumerate(spans):
        row = rows[number]
        if goes_on(row) and instead:
            continue
        if count:
            text = text.rstrip() + "\n" if not goes_on(row) else text + (" " if row[0][1] == AFTER_SPACE else "")
        piece, instead = _copied(row, number, first, last, whole)
        text += piece
    return text.rstrip()


def _copied(row: Row, number: int, first: int, last: int | None, whole: Whole) -> tuple[str, bool]:
    found, instead, at = "", False, 0
    for place, (part, role) in enumerate(row):
        begin, end = at, at + width_of(part)
        at = end
        if role in (AFTER_SPACE, AFTER_NOTHING):
            continue
        shown = part.strip()
        full = whole(number, place) if shown else ""
        inner = begin + len(part) - len(part.lstrip())
        if full and first <= inner and (last is None or last >= inner + width_of(shown)):
            found, instead = found + part.replace(shown, full), True
        else:
            found += taken(part, first - begin, None if last is None else last - begin)
    return found, instead
