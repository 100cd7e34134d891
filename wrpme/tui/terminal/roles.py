"""Textual themes from the colours of :mod:`wrpme.tui.terminal.palette`, and styles for the roles of texts."""

from __future__ import annotations

from rich.style import Style
from textual.app import App
from textual.theme import Theme as TextualTheme

from wrpme.tui.terminal.palette import THEMES, Theme, colour_of

PREFIX = "wrpme-"


def textual_themes() -> list[TextualTheme]:
    """Returns a Textual theme for each theme of the palette, named ``wrpme-dark`` and so on."""
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
            variables={"block-cursor-text-style": "bold", "footer-key-foreground": theme.accent},
        )
        for theme in THEMES.values()
    ]


def theme_of(app: App[object]) -> Theme:
    """Returns the colours of the app's theme; for a theme that is not ours those of the nearest."""
    name = app.theme.removeprefix(PREFIX)
    if name in THEMES:
        return THEMES[name]
    return THEMES["dark" if app.current_theme.dark else "light"]


def style_of(app: App[object], role: str) -> Style:
    """Returns the style of a role: ``text``, ``dim``, ``good``, ``warn``, ``bad``, ``accent``, ``head``, ``bold``,
    ``cursor``, or ``nodeN`` for the node with colour N."""
    theme = theme_of(app)
    if role.startswith("node"):
        return Style(color=colour_of(int(role[4:]), theme), bold=True)
    if role == "cursor":
        return Style(bgcolor=theme.trough, bold=True, reverse=app.no_color)
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
