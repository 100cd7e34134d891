"""Colours: themes, one colour for each node, and how two of them mix. Pure.

Colours are ``#rrggbb`` where other modules see them, and plain numbers (0xrrggbb) where many are mixed.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi, sin

from msgspec import Struct

GOLDEN_ANGLE = pi * (3 - 5**0.5)


class Theme(Struct, frozen=True):
    """The colours of a screen. ``hues`` are those of the first nodes; further ones get ``lightness`` and ``chroma``
    (Oklch, 0 to 1) with hues that lie a golden angle apart."""

    name: str
    background: str
    foreground: str
    dim: str
    """Text that matters less."""
    trough: str
    """Where a copy should be and is not."""
    good: str
    warn: str
    bad: str
    accent: str
    hues: tuple[str, ...]
    lightness: float
    chroma: float


# The hues are far apart for the three common kinds of colour blindness too, the first ones most; none is near ``bad``.
DARK = Theme(
    "dark", "#12151c", "#e6e9ef", "#8b93a5", "#2a303c", "#5fd38d", "#f2b640", "#ff5a66", "#7cc7ff",
    (
        "#4fa4fd", "#f5a420", "#48b682", "#e07cc5", "#eee269", "#8a78e9",
        "#60d7e3", "#ae865c", "#a8d05a", "#d0aff9", "#2d8296", "#b3bccb",
    ),
    0.74, 0.12,
)  # fmt: skip
LIGHT = Theme(
    "light", "#fbfbf9", "#1d2330", "#6a7282", "#dcdfe5", "#14804a", "#a86400", "#c9182b", "#0b62b5",
    (
        "#1d77d0", "#d9730a", "#157a5c", "#c2489c", "#c9ab00", "#5b43c2",
        "#16a3b8", "#7c552c", "#709c15", "#a583e0", "#0c5366", "#7f8895",
    ),
    0.58, 0.13,
)  # fmt: skip
CONTRAST = Theme(
    "contrast", "#000000", "#ffffff", "#c8c8c8", "#4a4a4a", "#4dff9a", "#ffd000", "#ff5c5c", "#7fd4ff",
    (
        "#548eef", "#feae19", "#05d698", "#fc93de", "#fef45b", "#a09aff",
        "#67f3ff", "#d9a066", "#b7f03d", "#dcc3fe", "#31a1b8", "#dddddd",
    ),
    0.8, 0.14,
)  # fmt: skip
THEMES = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST)}


@lru_cache(maxsize=4096)
def colour_of(index: int, theme: Theme) -> str:
    """Returns the colour of the node whose :attr:`NodeShown.colour` is ``index``; it is the same in every pane."""
    if index < len(theme.hues):
        return theme.hues[index]
    further = index - len(theme.hues)
    step = (further % 3 - 1) * 0.07
    return text_of(_oklch(theme.lightness + step, theme.chroma, 0.6 + further * GOLDEN_ANGLE))


@lru_cache(maxsize=4096)
def number_of(colour: str) -> int:
    """Returns ``#rrggbb`` as a number."""
    return int(colour[1:], 16)


@lru_cache(maxsize=16_384)
def text_of(colour: int) -> str:
    """Returns a number as ``#rrggbb``."""
    return f"#{colour:06x}"


@lru_cache(maxsize=65_536)
def mixed(under: int, over: int, share: float) -> int:
    """Returns ``over`` laid upon ``under`` with an opacity of ``share`` (0 to 1)."""
    keep = 1.0 - share
    red = (under >> 16) * keep + (over >> 16) * share
    green = (under >> 8 & 255) * keep + (over >> 8 & 255) * share
    blue = (under & 255) * keep + (over & 255) * share
    return round(red) << 16 | round(green) << 8 | round(blue)


@lru_cache(maxsize=4096)
def grey_of(colour: int) -> int:
    """Returns the grey that is as light as the colour."""
    level = round(0.3 * (colour >> 16) + 0.59 * (colour >> 8 & 255) + 0.11 * (colour & 255))
    return level << 16 | level << 8 | level


def _oklch(lightness: float, chroma: float, hue: float) -> int:
    """Converts from Oklch (Ottosson 2020), in which equal lightness looks equally light, whatever the hue."""
    a, b = chroma * cos(hue), chroma * sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return _byte(red) << 16 | _byte(green) << 8 | _byte(blue)


def _byte(linear: float) -> int:
    level = min(1.0, max(0.0, linear))
    return round(255 * (12.92 * level if level <= 0.0031308 else 1.055 * level ** (1 / 2.4) - 0.055))
