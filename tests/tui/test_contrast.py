"""What is written can be read: the contrast (WCAG 2) of every text to what is behind it, at each depth of colour.

The 16 colours are taken as xterm shows them. What lies dimmed under a window is no text to be read.
"""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style

from tests.tui.hands import live
from tests.tui.screens import at_rest, running
from wrpme.tui.app import Dashboard
from wrpme.tui.state.format import GLYPHS
from wrpme.tui.terminal.palette import THEMES, THEMES_OF, Depth, Theme, colour_of, contrast, name_colour
from wrpme.tui.terminal.roles import PREFIX

BOLD_MIN = 3.0
"""Of bold text, of signs, and of the names of nodes."""
TEXT_MIN = {Depth.TRUE: 4.5, Depth.MANY: 4.5, Depth.FEW: 4.0}
"""Of other text. No grey of xterm's 16 colours has more on white than 4.0."""
TERMS = {Depth.TRUE: "xterm-256color", Depth.MANY: "xterm-256color", Depth.FEW: "xterm"}
SYSTEMS = {Depth.MANY: ColorSystem.EIGHT_BIT, Depth.FEW: ColorSystem.STANDARD}
ALL = [(depth, theme) for depth in TEXT_MIN for theme in THEMES_OF[depth].values()]
every = pytest.mark.parametrize(("depth", "theme"), ALL, ids=lambda one: getattr(one, "name", ""))
_AREAS = set("▀▄▁▂▃▄▅▆▇█─━│╭╮╰╯▊▎▔▏▕▌▐ ") | {chr(0x2800 + bits) for bits in range(256)}


@every
def test_words_and_names_are_read_on_every_ground(depth: Depth, theme: Theme) -> None:
    for ground in (theme.background, theme.bar, theme.past):
        for colour in (theme.foreground, theme.dim):
            assert contrast(colour, ground) >= TEXT_MIN[depth], f"{colour} on {ground}"
        for colour in (theme.good, theme.warn, theme.bad, theme.accent):
            assert contrast(colour, ground) >= BOLD_MIN, f"{colour} on {ground}"
    for colour in (theme.good, theme.warn, theme.bad, theme.accent):
        least = TEXT_MIN[depth] if colour != theme.bad else BOLD_MIN  # which is always bold
        assert contrast(colour, theme.background) >= least, colour
        assert contrast(colour, theme.cursor) >= BOLD_MIN, f"{colour} at the cursor"
    for index in range(60):
        for ground in (theme.background, theme.cursor):
            assert contrast(name_colour(index, theme), ground) >= BOLD_MIN, f"the name of node {index}"
        colour = colour_of(index, theme)
        if name_colour(index, theme) != colour and theme.fixed is not None:
            assert contrast(theme.foreground, colour) >= BOLD_MIN, f"node {index}, whose name stands on its colour"


@pytest.mark.asyncio
@pytest.mark.parametrize("depth", TERMS)
async def test_every_text_that_is_drawn_is_read(depth: Depth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", TERMS[depth])
    if depth is not Depth.TRUE:
        monkeypatch.delenv("COLORTERM")
    async with running(live("degraded"), (120, 40)) as (app, pilot):
        for name in THEMES:
            app.theme = PREFIX + name
            for keys in (
                ("escape",),  # the nodes
                ("down", "y"),  # at a dead one, and something is said
                ("e", "up", "up", "up"),
                ("slash",),
                ("escape", "ctrl+p", "d"),
                ("escape", "n", "enter"),
                ("escape", "left_square_bracket"),
                ("0", "s", "h"),
            ):
                await pilot.press(*keys)
                await at_rest(pilot)
                check(app, depth, f"{name} after {keys}")
            await pilot.press("backspace")


def check(app: Dashboard, depth: Depth, where: str) -> None:
    frame = list(app.screen.query("#--container"))  # of the command palette: all else is under it
    region = frame[0].region if frame else app.screen.region
    strips = [strip.crop(region.x, region.right) for strip in app.screen._compositor.render_strips()]
    for strip in strips[region.y : region.bottom]:
        for text, style, _ in strip:
            if style is None or set(text) <= _AREAS:
                continue
            fore, back = inks(style, depth)
            marks = bool(style.bold) or set(text) <= {*GLYPHS.values(), *"◆•*+▀▄ "} or is_name(app, text)
            least = BOLD_MIN if marks else TEXT_MIN[depth]
            assert contrast(fore, back) >= least, f"{text!r}: {fore} on {back}, {where}"


def is_name(app: Dashboard, text: str) -> bool:
    return any(text.strip() in (node.name, node.address) for node in app.scene.nodes)


def inks(style: Style, depth: Depth) -> tuple[str, str]:
    fore, back = shown(style.color, depth, "#ffffff"), shown(style.bgcolor, depth, "#000000")
    return (back, fore) if style.reverse else (fore, back)


def shown(colour: Color | None, depth: Depth, usual: str) -> str:
    if colour is None or colour.is_default:
        return usual
    known = colour if depth is Depth.TRUE else Color.from_triplet(colour.get_truecolor()).downgrade(SYSTEMS[depth])
    return known.get_truecolor(_Standard).hex  # type: ignore[arg-type]


class _Standard:
    """The names of the 16 colours in the palette."""

    from rich._palettes import STANDARD_PALETTE as ansi_colors
