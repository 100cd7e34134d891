"""Colours: themes for each depth of colour, one colour for each node, and how two of them mix. Pure.

Colours are ``#rrggbb`` where other modules see them, and plain numbers (0xrrggbb) where many are mixed. Only a terminal
that knows all colours shows mixtures. For the others every colour is chosen by hand from those that they have, because
a mixture would become the nearest of these, which may be that of another node, or a red.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from math import cos, pi, sin

from msgspec import Struct
from msgspec.structs import replace

GOLDEN_ANGLE = pi * (3 - 5**0.5)
DIMMED = 0.25
"""Opacity of what is not selected."""


class Depth(Enum):
    """How many colours a terminal shows."""

    TRUE = "truecolor"
    MANY = "256"
    FEW = "standard"
    """16 colours."""
    NONE = "none"


class Fixed(Struct, frozen=True):
    """What a terminal shows in the place of mixtures."""

    shade: str
    """What is not selected, in the place of its colour."""
    lacking: tuple[str, str]
    """Ground and dots of a copy that is missing."""
    unserved: tuple[str, str]
    """Ground and hatch of an arc that nobody serves."""


class Theme(Struct, frozen=True):
    """The colours of a screen. ``hues`` are those of the first nodes; further ones get ``lightness`` and ``chroma``
    (Oklch, 0 to 1) with hues that lie a golden angle apart, or begin with the first one again if there are no
    mixtures: then ``fixed`` says what stands in their place."""

    name: str
    background: str
    foreground: str
    dim: str
    """Text that matters less."""
    trough: str
    """Where a copy should be and is not; lines between panes."""
    bar: str
    """The ground of banner and key bar."""
    cursor: str
    """The ground of the row at the cursor; if it is the background, that row is reversed."""
    past: str
    """The ground of banner and key bar while the past is shown."""
    good: str
    warn: str
    bad: str
    accent: str
    hues: tuple[str, ...]
    lightness: float
    chroma: float
    fixed: Fixed | None = None

    @property
    def lacking(self) -> tuple[int, int]:
        """Ground and dots of a copy that is missing."""
        if self.fixed is not None:
            return _pair(self.fixed.lacking)
        return number_of(self.trough), mixed(number_of(self.trough), number_of(self.bad), 0.5)

    @property
    def unserved(self) -> tuple[int, int]:
        """Ground and hatch of an arc that nobody serves."""
        if self.fixed is not None:
            return _pair(self.fixed.unserved)
        return mixed(number_of(self.background), number_of(self.bad), 0.22), number_of(self.bad)

    def mixture(self, under: int, over: int, share: float, instead: int) -> int:
        """Returns ``over`` laid upon ``under`` with an opacity of ``share``; ``instead`` if there are no mixtures."""
        return mixed(under, over, share) if self.fixed is None else instead

    def dimmed(self, colour: int) -> int:
        """Returns the colour of what is not selected."""
        background = number_of(self.background)
        if colour == background:
            return background
        return mixed(background, colour, DIMMED) if self.fixed is None else number_of(self.fixed.shade)


# The hues are far apart for the three common kinds of colour blindness too, the first ones most; none is near ``bad``.
DARK = Theme(
    "dark", "#12151c", "#e6e9ef", "#949cad", "#2a303c", "#252a35", "#252a35", "#382f1f",
    "#5fd38d", "#f2b640", "#ff5a66", "#7cc7ff",
    (
        "#4fa4fd", "#f5a420", "#48b682", "#e07cc5", "#eee269", "#8a78e9",
        "#60d7e3", "#ae865c", "#a8d05a", "#d0aff9", "#2d8296", "#b3bccb",
    ),
    0.74, 0.12,
)  # fmt: skip
LIGHT = Theme(
    "light", "#fbfbf9", "#1d2330", "#5b6373", "#dcdfe5", "#eceef2", "#eceef2", "#f3e6d0",
    "#107040", "#a05f00", "#c9182b", "#0b62b5",
    (
        "#1d77d0", "#d9730a", "#157a5c", "#c2489c", "#c9ab00", "#5b43c2",
        "#16a3b8", "#7c552c", "#709c15", "#a583e0", "#0c5366", "#7f8895",
    ),
    0.58, 0.13,
)  # fmt: skip
CONTRAST = Theme(
    "contrast", "#000000", "#ffffff", "#c8c8c8", "#4a4a4a", "#303030", "#303030", "#403400",
    "#4dff9a", "#ffd000", "#ff5c5c", "#7fd4ff",
    (
        "#548eef", "#feae19", "#05d698", "#fc93de", "#fef45b", "#a09aff",
        "#67f3ff", "#d9a066", "#b7f03d", "#dcc3fe", "#31a1b8", "#dddddd",
    ),
    0.8, 0.14,
)  # fmt: skip
THEMES = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST)}

# 256 colours: those of the 6 x 6 x 6 cube, and greys. No hue of a node is near a red.
_HUES_MANY = (
    "#5fafff", "#ffaf00", "#5faf5f", "#ff87d7", "#ffff5f", "#875fff", "#00d7d7", "#af875f", "#afd700", "#d7afff",
    "#008787", "#afafd7", "#0087ff", "#d7af00", "#00d75f", "#d75fd7", "#ffd7af", "#5f5fd7", "#87ffff", "#87875f",
    "#d7ff87", "#875faf", "#5f87af", "#d7d7ff",
)  # fmt: skip
_HUES_MANY_LIGHT = (
    "#005fd7", "#af5f00", "#008700", "#af00af", "#878700", "#5f00d7", "#0087af", "#875f00", "#5f8700", "#8787ff",
    "#005f5f", "#87875f", "#0000af", "#af8700", "#005f00", "#d75fd7", "#5f5f00", "#8700d7", "#00afaf", "#af875f",
    "#5faf00", "#875faf", "#00005f", "#5f87af",
)  # fmt: skip
_DARK_MANY = Theme(
    "dark", "#121212", "#ffffff", "#a8a8a8", "#303030", "#262626", "#262626", "#3a3a3a",
    "#5fd787", "#ffaf5f", "#ff5f5f", "#87d7ff", _HUES_MANY,
    0.74, 0.12, Fixed("#444444", ("#303030", "#af0000"), ("#5f0000", "#ff5f5f")),
)  # fmt: skip
_LIGHT_MANY = Theme(
    "light", "#ffffff", "#121212", "#585858", "#d7d7ff", "#eeeeee", "#eeeeee", "#ffd787",
    "#005f00", "#875f00", "#d70000", "#005faf", _HUES_MANY_LIGHT,
    0.58, 0.13, Fixed("#bcbcbc", ("#d7d7ff", "#ff8787"), ("#ffd7d7", "#d70000")),
)  # fmt: skip
_CONTRAST_MANY = Theme(
    "contrast", "#000000", "#ffffff", "#d7d7ff", "#444444", "#303030", "#303030", "#444444",
    "#5fff87", "#ffd700", "#ff5f5f", "#87d7ff", _HUES_MANY,
    0.8, 0.14, Fixed("#585858", ("#444444", "#d70000"), ("#5f0000", "#ff5f5f")),
)  # fmt: skip

# 16 colours by the names that Rich has for them. Terminals show them as they like, xterm as in _SHOWN_FEW: by that they
# are chosen. Grounds of their own leave too little contrast for a red, so bars have none. Both reds mean trouble.
_HUES_FEW = (
    "#00aaaa", "#ff55ff", "#aa5500", "#5555ff", "#00aa00", "#ffffff", "#ffff55", "#aa00aa", "#55ffff", "#55ff55",
    "#aaaaaa", "#0000aa",
)  # fmt: skip
_HUES_FEW_LIGHT = (
    "#0000aa", "#ff55ff", "#00aa00", "#aa5500", "#5555ff", "#00aaaa", "#000000", "#555555", "#aa00aa",
)  # fmt: skip
_DARK_FEW = Theme(
    "dark", "#000000", "#ffffff", "#aaaaaa", "#555555", "#000000", "#000000", "#000000",
    "#55ff55", "#ffff55", "#ff5555", "#55ffff", _HUES_FEW,
    0.74, 0.12, Fixed("#555555", ("#000000", "#aa0000"), ("#aa0000", "#ff5555")),
)  # fmt: skip
_LIGHT_FEW = Theme(
    "light", "#ffffff", "#000000", "#555555", "#aaaaaa", "#ffffff", "#ffffff", "#ffffff",
    "#000000", "#aa00aa", "#aa0000", "#0000aa", _HUES_FEW_LIGHT,
    0.58, 0.13, Fixed("#aaaaaa", ("#ffffff", "#ff5555"), ("#ff5555", "#aa0000")),
)  # fmt: skip
_CONTRAST_FEW = replace(_DARK_FEW, name="contrast")

_SHOWN_FEW = {
    "#aa0000": "#cd0000", "#00aa00": "#00cd00", "#aa5500": "#cdcd00", "#0000aa": "#0000ee", "#aa00aa": "#cd00cd",
    "#00aaaa": "#00cdcd", "#aaaaaa": "#e5e5e5", "#555555": "#7f7f7f", "#ff5555": "#ff0000", "#55ff55": "#00ff00",
    "#ffff55": "#ffff00", "#5555ff": "#5c5cff", "#ff55ff": "#ff00ff", "#55ffff": "#00ffff",
}  # fmt: skip
"""What xterm shows of the 16 colours. No other palette has one of these as it stands at the left."""

# No colours at all: what is drawn in colour elsewhere is told by characters, so there are only three greys.
_DARK_NONE = replace(
    _DARK_FEW, good="#ffffff", warn="#ffffff", bad="#ffffff", accent="#ffffff", hues=("#ffffff",),
    fixed=Fixed("#555555", ("#000000", "#aaaaaa"), ("#000000", "#ffffff")),
)  # fmt: skip
_LIGHT_NONE = replace(
    _LIGHT_FEW, good="#000000", warn="#000000", bad="#000000", accent="#000000", hues=("#000000",),
    fixed=Fixed("#aaaaaa", ("#ffffff", "#555555"), ("#ffffff", "#000000")),
)  # fmt: skip


def _by_name(*themes: Theme) -> dict[str, Theme]:
    return {theme.name: theme for theme in themes}


THEMES_OF: dict[Depth, dict[str, Theme]] = {
    Depth.TRUE: THEMES,
    Depth.MANY: _by_name(_DARK_MANY, _LIGHT_MANY, _CONTRAST_MANY),
    Depth.FEW: _by_name(_DARK_FEW, _LIGHT_FEW, _CONTRAST_FEW),
    Depth.NONE: _by_name(_DARK_NONE, _LIGHT_NONE, replace(_DARK_NONE, name="contrast")),
}
"""The themes of each depth, by their names."""


@lru_cache(maxsize=4096)
def colour_of(index: int, theme: Theme) -> str:
    """Returns the colour of the node whose :attr:`NodeShown.colour` is ``index``; it is the same in every pane."""
    if index < len(theme.hues) or theme.fixed is not None:
        return theme.hues[index % len(theme.hues)]
    further = index - len(theme.hues)
    step = (further % 3 - 1) * 0.07
    return text_of(_oklch(theme.lightness + step, theme.chroma, 0.6 + further * GOLDEN_ANGLE))


NAME_CONTRAST_MIN = 3.0
"""With less contrast to what is behind it a node's name is not written in the very colour of the node."""


@lru_cache(maxsize=4096)
def is_faint(colour: str, theme: Theme) -> bool:
    """Returns whether a text in that colour is hard to read, by itself or at the cursor."""
    return any(contrast(colour, ground) < NAME_CONTRAST_MIN for ground in (theme.background, theme.cursor))


@lru_cache(maxsize=4096)
def name_colour(index: int, theme: Theme) -> str:
    """Returns the colour in which the name of a node is written: its own, or if that is faint a stronger one, if there
    are no mixtures that of all texts."""
    colour = name = colour_of(index, theme)
    share = 0.0
    while is_faint(name, theme):
        share += 0.1
        name = text_of(
            theme.mixture(number_of(colour), number_of(theme.foreground), min(1.0, share), number_of(theme.foreground))
        )
    return name


@lru_cache(maxsize=4096)
def contrast(one: str, other: str) -> float:
    """Returns the contrast of two colours (WCAG 2), 1 to 21; that of the 16 colours is that of xterm."""
    low, high = sorted((_luminance(_SHOWN_FEW.get(one, one)), _luminance(_SHOWN_FEW.get(other, other))))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    number = number_of(colour)
    red, green, blue = (_linear((number >> shift & 255) / 255) for shift in (16, 8, 0))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(level: float) -> float:
    return level / 12.92 if level <= 0.04045 else float(((level + 0.055) / 1.055) ** 2.4)


@lru_cache(maxsize=4096)
def number_of(colour: str) -> int:
    """Returns ``#rrggbb`` as a number."""
    return int(colour[1:], 16)


def _pair(colours: tuple[str, str]) -> tuple[int, int]:
    return number_of(colours[0]), number_of(colours[1])


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
