"""Roles become colours of the theme."""

from __future__ import annotations

import pytest
from textual.app import App

from wrpme.tui.state.format import ROLES
from wrpme.tui.terminal.palette import THEMES, name_colour
from wrpme.tui.terminal.roles import PREFIX, style_of, textual_themes, theme_of

pytestmark = pytest.mark.asyncio


def app_with(theme: str) -> App[object]:
    app: App[object] = App()
    for one in textual_themes():
        app.register_theme(one)
    app.theme = theme
    return app


@pytest.mark.parametrize("name", THEMES)
async def test_each_theme_has_each_role(name: str) -> None:
    app, theme = app_with(PREFIX + name), THEMES[name]
    assert theme_of(app) is theme
    for role in ("text", "dim", "good", "warn", "bad", "accent", "bold", *ROLES.values()):
        colour = style_of(app, role).color
        assert colour is not None and colour.name in vars_of(theme)
    assert style_of(app, "bad").bold and style_of(app, "bad").color.name == theme.bad  # type: ignore[union-attr]
    assert style_of(app, "node7").color.name == name_colour(7, theme)  # type: ignore[union-attr]
    assert style_of(app, "cursor").bgcolor.name == theme.cursor  # type: ignore[union-attr]


def vars_of(theme: object) -> set[str]:
    return {getattr(theme, field) for field in ("foreground", "dim", "good", "warn", "bad", "accent")}


async def test_a_foreign_theme_gets_the_nearest_of_ours() -> None:
    assert theme_of(app_with("textual-light")) is THEMES["light"]
    assert theme_of(app_with("nord")) is THEMES["dark"]


async def test_without_colours_the_cursor_is_seen_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert style_of(app_with(PREFIX + "dark"), "cursor").reverse
