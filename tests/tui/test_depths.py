"""Terminals that know few colours: every colour is one that they have, and red means trouble only."""

from __future__ import annotations

from colorsys import rgb_to_hls

import pytest
from rich.color import Color, ColorSystem

from tests.tui.ring_scenes import changing, joining, scene_of, stable, without
from tests.tui.screens import SIZES, check, dashboard_of, running
from wrpme.tui.ring.painting import Painter
from wrpme.tui.state.scene import Scene
from wrpme.tui.terminal.palette import THEMES_OF, Depth, Theme, colour_of
from wrpme.tui.terminal.roles import depth_of, theme_of

SYSTEMS = {Depth.MANY: ColorSystem.EIGHT_BIT, Depth.FEW: ColorSystem.STANDARD}
LIMITED = [(depth, theme) for depth in SYSTEMS for theme in THEMES_OF[depth].values()]
TERMS = {Depth.MANY: "xterm-256color", Depth.FEW: "xterm", Depth.NONE: "xterm-256color"}
STATES = ("copying", "degraded")
limited = pytest.mark.parametrize(("depth", "theme"), LIMITED, ids=lambda one: getattr(one, "name", ""))


def seen(colour: str, depth: Depth) -> str:
    """The colour that a terminal of that depth is told to show."""
    return Color.parse(colour).downgrade(SYSTEMS[depth]).get_truecolor(_Standard).hex  # type: ignore[arg-type]


class _Standard:
    """The usual 16 colours, which Rich chooses among."""

    from rich._palettes import STANDARD_PALETTE as ansi_colors


def is_red(colour: str) -> bool:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, _, saturation = rgb_to_hls(red, green, blue)
    return saturation > 0.2 and min(hue, 1 - hue) < 20 / 360


def is_grey(colour: str) -> bool:
    return colour[1:3] == colour[3:5] == colour[5:7]


def colours_of(scene: Scene, theme: Theme, selected: int = -1) -> set[str]:
    """All colours of the bands, at a small and at a usual size."""
    node = scene.nodes[selected].id if selected >= 0 else None
    found: set[str] = set()
    for width, height in ((38, 15), (58, 24)):
        painter = Painter(theme)
        for phase in (0, 2):
            for row in painter.paint(scene, width, height, node, None, phase).rows:
                for text, (fore, back, _) in row:
                    found.add(back)
                    if text.strip() and set(text) <= set("▀▄ "):
                        found.add(fore)
    return found


@limited
def test_every_colour_of_a_theme_is_shown_as_it_is(depth: Depth, theme: Theme) -> None:
    assert theme.fixed is not None
    declared = {
        theme.background, theme.foreground, theme.dim, theme.trough, theme.good, theme.warn, theme.bad, theme.accent,
        theme.past, theme.bar, theme.cursor, theme.fixed.shade, *theme.fixed.lacking, *theme.fixed.unserved,
        *theme.hues,
    }  # fmt: skip
    for colour in declared:
        assert seen(colour, depth) == colour or (is_grey(colour) and is_grey(seen(colour, depth)))
    assert len(set(theme.hues)) == len(theme.hues) >= (9 if depth is Depth.FEW and theme.name == "light" else 12)
    assert not {theme.background, theme.trough, theme.fixed.shade}.intersection(theme.hues[:11])


@limited
def test_no_node_is_red(depth: Depth, theme: Theme) -> None:
    assert is_red(theme.bad)
    assert not any(is_red(colour_of(number, theme)) for number in range(200))
    assert not any(is_red(colour) for colour in (theme.good, theme.warn, theme.accent, theme.fixed.shade, theme.trough))  # type: ignore[union-attr]


@limited
def test_every_cell_of_an_arc_has_the_colour_of_its_node(depth: Depth, theme: Theme) -> None:
    for count in (3, 12):
        scene = scene_of(stable(count))
        hues = {colour_of(node.colour, theme) for node in scene.nodes}
        assert colours_of(scene, theme) <= {theme.background, *hues}


@limited
def test_a_ring_without_trouble_shows_no_red(depth: Depth, theme: Theme) -> None:
    for view in (stable(6, 3), joining(3), changing(3)):
        scene = scene_of(view)
        for selected in (-1, 0):
            assert not any(is_red(seen(colour, depth)) for colour in colours_of(scene, theme, selected))


@limited
def test_a_missing_copy_and_an_arc_that_nobody_serves_are_red(depth: Depth, theme: Theme) -> None:
    for dead in ((1,), (1, 2)):
        assert any(is_red(seen(colour, depth)) for colour in colours_of(scene_of(without(3, *dead)), theme))


@pytest.mark.asyncio
@pytest.mark.parametrize("depth", TERMS)
@pytest.mark.parametrize("state", STATES)
async def test_screen(state: str, depth: Depth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv("TERM", TERMS[depth])
    if depth is Depth.NONE:
        monkeypatch.setenv("NO_COLOR", "1")

    async with running(dashboard_of(state, 3), SIZES[0]) as (app, pilot):
        assert depth_of(app) is depth
        assert theme_of(app) in THEMES_OF[depth].values()
        for size in SIZES:
            if size != app.size:
                await pilot.resize_terminal(*size)
            check(app, f"{state}-3-{size[0]}-{depth.value}")
