"""The command palette: every command of the shell, every key, every node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from wrpme.commands import COMMANDS
from wrpme.tui import keys, texts

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
        for node in app.scene.nodes:
            what = f"{texts.state_text(node, app.scene.at)}, {texts.percent(node.share)} of the ring"
            yield f"node {node.address}", what, partial(app.open_node, node.id)
        for key in keys.KEYS:
            name = key.action.split("(")[0]
            through_time = name.startswith("app.")
            of_use = app.check_action(name.removeprefix("app."), ()) if through_time else main.of_use(name)
            if of_use and name not in _NOT_HERE and (through_time or main in app.screen_stack[-2:]):
                title = key.footer or name.removeprefix("app.").replace("_", " ")
                yield f"{title} ({key.shown})", key.what, partial(main.run_action, key.action)
        for theme in app.available_themes:
            if theme.startswith("wrpme"):
                yield f"theme {theme}", "the colours of the dashboard", partial(setattr, app, "theme", theme)
        if app.client is not None:
            for spec in COMMANDS:
                line = spec.name + (" " if spec.parameters else "")
                yield spec.syntax, spec.summary, partial(app.type_command, line)
