"""The command palette: every command of the shell, every key, every node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.actions import parse
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from wrpme.shell.commands import COMMANDS
from wrpme.tui import keys
from wrpme.tui.state import format

if TYPE_CHECKING:
    from wrpme.tui.app import Dashboard

Found = tuple[str, str, Callable[[], object]]
_NOT_HERE = {"command_palette", "keys", "escape"}


class Everything(Provider):
    """See the module."""

    async def discover(self) -> Hits:
        """All of it, before anything is typed."""
        for title, help_text, callback in self._all():
            yield DiscoveryHit(title, callback, help=help_text)

    async def search(self, query: str) -> Hits:
        """What fits."""
        matcher = self.matcher(query)
        for title, help_text, callback in self._all():
            score = max(matcher.match(title), 0.5 * matcher.match(help_text))
            if score > 0:
                yield Hit(score, matcher.highlight(title), callback, help=help_text)

    def _all(self) -> Iterator[Found]:
        app = cast("Dashboard", self.app)
        main = app.main
        below = next(screen for screen in reversed(app.screen_stack) if not isinstance(screen, CommandPalette))
        for node in app.scene.nodes:
            what = f"{format.state_text(node, app.scene.at)}, {format.percent(node.share)} of the ring"
            yield f"node {node.address}", what, partial(app.open_node, node.id)
        for key in keys.KEYS:
            where, name, parameters = parse(key.action)
            of_use = app.of_use(name) if where else below is main and main.of_use(name)
            if of_use and name not in _NOT_HERE:
                action = getattr(app if where else main, f"action_{name}")
                yield f"{key.footer or name.replace('_', ' ')} ({key.shown})", key.what, partial(action, *parameters)
        for theme in app.available_themes:
            if theme.startswith("wrpme"):
                yield f"theme {theme}", "the colours of the dashboard", partial(setattr, app, "theme", theme)
        if app.client is not None:
            for spec in COMMANDS:
                line = spec.name + (" " if spec.parameters else "")
                yield spec.syntax, spec.summary, partial(app.type_command, line)
