"""Texts in cells of a terminal: characters as a reader counts them, of which none is ever cut in two. Pure.

An emoji of several code points, or a letter with its accents, is one cluster. East Asian letters and most emoji take
two cells.
"""

from __future__ import annotations

from functools import lru_cache

from rich.cells import split_graphemes

ELLIPSIS = "…"
HIDDEN = "?"
"""Stands for a character that can't be seen, or that a terminal would obey."""
JOINER = "\u200d"
"""Joins emoji to one."""

Cluster = tuple[str, int]
"""A character as a reader counts them, and the cells that it takes."""


@lru_cache(maxsize=1024)
def clusters(text: str) -> tuple[Cluster, ...]:
    """Returns the clusters of a text, in their order."""
    found: list[Cluster] = []
    for start, end, cells in split_graphemes(text)[0]:
        part = text[start:end]
        if found and _is_flag_half(part) and _is_flag_half(found[-1][0]):
            found[-1] = (found[-1][0] + part, found[-1][1] + cells)
        else:
            found.append((part, cells))
    return tuple(found)


def _is_flag_half(text: str) -> bool:
    """Returns whether it is one of the two letters that make a flag."""
    return len(text) == 1 and "\U0001f1e6" <= text <= "\U0001f1ff"


@lru_cache(maxsize=256)
def visible(text: str) -> str:
    """Returns the text with :data:`HIDDEN` for each character that can't be seen by itself."""
    signs = "".join(sign if sign.isprintable() or sign == JOINER else HIDDEN for sign in text)
    return "".join(part if cells else HIDDEN for part, cells in clusters(signs))


def width_of(text: str) -> int:
    """Returns how many cells a text takes."""
    return sum(cells for _, cells in clusters(text))


def cut(text: str, width: int) -> str:
    """Returns as much of the beginning of a text as fits into ``width`` cells (1 or more); ``…`` stands for the
    rest."""
    if width_of(text) <= width:
        return text
    kept, room = "", width - 1
    for part, cells in clusters(text):
        room -= cells
        if room < 0:
            break
        kept += part
    return kept + ELLIPSIS
