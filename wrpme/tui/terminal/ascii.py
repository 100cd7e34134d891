"""Terminals without UTF-8: each character outside ASCII becomes one of ASCII that is as wide."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from wrpme.tui.state.cells import clusters

_SIGNS = {
    "\u00a0": " ",
    "✓": "=",
    "●": "o", "◐": "?", "◌": ".", "◔": "+", "◕": "-", "✕": "x", "→": ">", "←": "<", "▼": "v", "▲": "^", "…": "~",
    "│": "|", "┃": "|", "║": "|", "─": "-", "━": "-", "═": "=", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "┌": "+",
    "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+", "•": "*", "·": ".", "\u00d7": "x",
    "█": "#", "▓": "#", "▒": "%", "░": ":", "▀": "\"", "▄": "_", "▌": "|", "▐": "|", "▁": "_", "▔": "-", "▏": "|",
    "▕": "|", "◆": "*", "↑": "^", "↓": "v", "«": "<", "»": ">",
    "\u2013": "-", "—": "-", "\u2019": "'", "“": "\"", "”": "\"",
}  # fmt: skip
CONSOLES_WITHOUT = {"linux", "vt100", "vt102", "vt220", "ansi", "dumb", "cons25", "sun"}
"""Terminals whose fonts have no braille."""
CONSOLES_GREY = {"vt100", "vt102", "vt220", "dumb"}
"""Terminals that have no colours."""


def knows_utf8(environment: Mapping[str, str]) -> bool:
    """Returns whether the environment says that the terminal shows UTF-8; also if it says nothing."""
    if environment.get("TERM", "") in CONSOLES_WITHOUT:
        return False
    # Python itself sets LC_CTYPE where LANG is C, so that says nothing of the terminal.
    locale = environment.get("LC_ALL") or environment.get("LANG") or environment.get("LC_CTYPE") or ""
    if not locale:
        return True
    return "utf8" in locale.lower().replace("-", "")


def knows_colours(environment: Mapping[str, str]) -> bool:
    """Returns whether the environment says nothing against colours."""
    return "NO_COLOR" not in environment and environment.get("TERM", "") not in CONSOLES_GREY


@lru_cache(4096)
def ascii_of(text: str) -> str:
    """Returns the text in ASCII, in as many cells."""
    if text.isascii():
        return text
    return "".join(sign if sign.isascii() else _SIGNS.get(sign, "?" * cells) for sign, cells in clusters(text))


class Ascii(LineFilter):
    """A filter that is applied to every line before it leaves, whatever drew it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """See :class:`textual.filter.LineFilter`."""
        return [
            Segment(ascii_of(text), style, control) if not text.isascii() else Segment(text, style, control)
            for text, style, control in segments
        ]
