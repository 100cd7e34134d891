from __future__ import annotations

from math import dist

import pytest

from wrpme.tui.terminal.palette import THEMES, Theme, colour_of, grey_of, mixed, number_of, text_of

FIRST = 5
"""So many hues must be far apart for everybody."""


def linear(colour: str) -> list[float]:
    levels = [(number_of(colour) >> shift & 255) / 255 for shift in (16, 8, 0)]
    return [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# Vienot, Brettel and Mollon 1999: what is left of a colour in linear RGB
SIGHTS = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.11238, 0.88762, 0), (0.11238, 0.88762, 0), (0.00401, -0.00401, 1)),
    "deuteranopia": ((0.29275, 0.70725, 0), (0.29275, 0.70725, 0), (-0.02234, 0.02234, 1)),
}


def lab(colour: str, sight: str) -> tuple[float, float, float]:
    rgb = linear(colour)
    seen = [sum(part * level for part, level in zip(row, rgb, strict=True)) for row in SIGHTS[sight]]
    red, green, blue = (max(0.0, level) for level in seen)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def apart(one: str, other: str, sight: str) -> float:
    return dist(lab(one, sight), lab(other, sight))


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
@pytest.mark.parametrize("sight", SIGHTS)
def test_hues_are_told_apart(theme: Theme, sight: str) -> None:
    hues = theme.hues
    for place, hue in enumerate(hues):
        for before in hues[:place]:
            assert apart(hue, before, sight) > (0.08 if place < FIRST else 0.03), f"{before} and {hue}"


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_words_are_read(theme: Theme) -> None:
    for colour in (theme.foreground, theme.dim, theme.good, theme.warn, theme.bad, theme.accent):
        assert contrast(colour, theme.background) >= 4.5
    for index in range(60):
        assert contrast(colour_of(index, theme), theme.background) >= 2, "a node's arcs"
    assert 1.1 < contrast(theme.trough, theme.background) < 3, "a trough is seen, and is no copy"


def test_further_nodes_have_colours_of_their_own() -> None:
    for theme in THEMES.values():
        colours = [colour_of(index, theme) for index in range(200)]
        assert len(set(colours)) > 190
        assert all(len(colour) == 7 for colour in colours)


def test_mixing() -> None:
    assert mixed(0x000000, 0xFFFFFF, 0.0) == 0
    assert mixed(0x102030, 0xFFFFFF, 1.0) == 0xFFFFFF
    assert mixed(0x000000, 0xFF8040, 0.5) == 0x804020
    assert grey_of(0xFFFFFF) == 0xFFFFFF
    assert text_of(number_of("#0a0b0c")) == "#0a0b0c"
