"""Textual themes from the colours of :mod:`wrpme.tui.terminal.palette`, and styles for the roles of texts."""

from __future__ import annotations

from typing import Any

from rich.style import Style
from textual.app import App
from textual.theme import Theme as TextualTheme

from wrpme.tui.terminal.palette import THEMES_OF, Depth, Theme, colour_of, name_colour

PREFIX = "wrpme-"


def depth_of(app: App[Any]) -> Depth:
    """Returns how many colours the app's terminal shows."""
    return Depth.NONE if app.no_color else Depth(app.console.color_system or Depth.NONE)


def textual_themes(depth: Depth = Depth.TRUE) -> list[TextualTheme]:
    """Returns a Textual theme for each theme of the palette at that depth, named ``wrpme-dark`` and so on."""
    return [
        TextualTheme(
            name=PREFIX + theme.name,
            primary=theme.accent,
            secondary=theme.accent,
            accent=theme.accent,
            warning=theme.warn,
            error=theme.bad,
            success=theme.good,
            foreground=theme.foreground,
            background=theme.background,
            surface=theme.background,
            panel=theme.trough,
            dark=theme.name != "light",
            variables={
                "block-cursor-text-style": "bold",
                **_blocks(theme),
                "footer-key-foreground": theme.accent,
                "text-muted": theme.dim,
                "text-disabled": theme.dim,
                "text-warning": theme.warn,
                "bar": theme.bar,
                "past": theme.past,
            },
        )
        for theme in THEMES_OF[depth].values()
    ]


def _blocks(theme: Theme) -> dict[str, str]:
    """Returns the colours of what is chosen in a list of Textual's own."""
    flat = theme.cursor == theme.background
    text, ground = (theme.background, theme.foreground) if flat else (theme.foreground, theme.cursor)
    return {
        f"block-cursor-{part}": colour
        for part, colour in (
            ("foreground", text),
            ("background", ground),
            ("blurred-foreground", text),
            ("blurred-background", ground),
        )
    }


def theme_of(app: App[Any]) -> Theme:
    """Returns the colours of the app's theme at the depth of its terminal; for a theme that is not ours those of the
    nearest."""
    name, themes = app.theme.removeprefix(PREFIX), THEMES_OF[depth_of(app)]
    if name in themes:
        return themes[name]
    return themes["dark" if app.current_theme.dark else "light"]


def style_of(app: App[object], role: str) -> Style:
    """Returns the style of a role: ``text``, ``dim``, ``good``, ``warn``, ``bad``, ``accent``, ``head``, ``bold``,
    ``cursor``, or ``nodeN`` for the node with colour N."""
    theme = theme_of(app)
    if role.startswith("node"):
        name, colour = name_colour(int(role[4:]), theme), colour_of(int(role[4:]), theme)
        ground = colour if name == theme.foreground != colour else None
        return Style(color=name, bgcolor=ground, bold=True)
    if role == "cursor":
        flat = theme.cursor == theme.background
        return Style(bgcolor=None if flat else theme.cursor, bold=True, reverse=flat)
    if role == "head":
        return Style(color=theme.dim, bold=True)
    colours = {
        "text": theme.foreground,
        "bold": theme.foreground,
        "dim": theme.dim,
        "good": theme.good,
        "warn": theme.warn,
        "bad": theme.bad,
        "accent": theme.accent,
    }
    return Style(color=colours[role], bold=role in ("bold", "bad"))
