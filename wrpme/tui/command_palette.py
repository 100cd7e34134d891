"""The command palette: every command of the shell, every key, every node."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

from textual.actions import parse
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from wrpme.shell.commands import COMMANDS
from wrpme.tui import keys
from wrpme.tui.services import Services
from wrpme.tui.state import format

Found = tuple[str, str, Callable[[], object]]
_WORDS = re.compile(r"[\w.:-]+|\S")
_NOT_HERE = {"command_palette", "keys", "escape"}


class PaletteProvider(Provider):
    """Offers what can be done now: nodes to open, keys of the screen below, themes, and commands to type."""

    async def discover(self) -> Hits:
        """Yields everything, before anything is typed."""
        for title, help_text, callback in self._all():
            yield DiscoveryHit(title, callback, help=help_text)

    async def search(self, query: str) -> Hits:
        """Yields what matches, see :func:`rank`."""
        matcher = self.matcher(query)
        for title, help_text, callback in self._all():
            score = rank(query, title, help_text, matcher.match(title))
            if score > 0:
                yield Hit(score, matcher.highlight(title), callback, help=help_text)

    def _all(self) -> Iterator[Found]:
        app, services = self.app, cast(Services, self.app)
        main, scene = services.main, services.scene
        below = next(screen for screen in reversed(app.screen_stack) if not isinstance(screen, CommandPalette))
        for node in scene.nodes:
            what = f"{format.state_text(node, scene.at)}, {format.percent(node.share)} of the ring"
            yield f"node {node.address}", what, partial(services.open_node, node.id)
        for key in keys.KEYS:
            where, name, parameters = parse(key.action)
            of_use = services.of_use(name) if where else below is main and main.of_use(name)
            if of_use and name not in _NOT_HERE:
                action = getattr(app if where else main, f"action_{name}")
                yield f"{key.footer or name.replace('_', ' ')} ({key.shown})", key.what, partial(action, *parameters)
        for theme in app.available_themes:
            if theme.startswith("wrpme"):
                yield f"theme {theme}", "the colours of the dashboard", partial(setattr, app, "theme", theme)
        if services.client is not None:
            for spec in COMMANDS:
                line = spec.name + (" " if spec.parameters else "")
                yield spec.syntax, spec.summary, partial(services.type_command, line)


def rank(query: str, title: str, description: str, fuzzy: float) -> float:
    """Returns how well a title matches, 0 for not at all: whole words of it come first, then what words of it begin
    with, then what it contains; then the same for the description, and last letters that only stand in this order
    (``fuzzy`` above 0). Of two that match alike the shorter title is the better one."""
    asked = query.lower().split()
    if not asked:
        return 0.0
    shorter = 1.0 / (1 + len(title))
    for base, text in ((6.0, title.lower()), (2.0, description.lower())):
        words = _WORDS.findall(text)
        first = 0.4 if text.startswith(query.lower().strip()) else 0.0
        if all(word in words for word in asked):
            return base + 2 + first + shorter
        if all(any(known.startswith(word) for known in words) for word in asked):
            return base + 1 + first + shorter
        if all(word in text for word in asked):
            return base + shorter
    return shorter if fuzzy > 0 else 0.0
