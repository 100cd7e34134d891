"""The last line: the keys that are of use here and now, and for a moment what was just done. Drawn, not composed:
Textual's own Footer makes its widgets anew whenever the keyboard goes to another pane, and what they held is never
given back."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.binding import Binding
from textual.events import Click
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from wrpme.tui.keys import Key
from wrpme.tui.limits import SAID_SECONDS
from wrpme.tui.state.cells import cut, width_of
from wrpme.tui.terminal.roles import style_of

GAP = 2


def bindings_of(table: Iterable[Key]) -> list[Binding]:
    """Returns Textual's binding for each key of the table; the key that Textual binds itself is left out."""
    return [
        Binding(key.keys, key.action, key.footer or key.what, show=bool(key.footer), key_display=key.shown)
        for key in table
        if key.action != "command_palette"
    ]


class KeyBar(Widget):
    """Shows the active bindings of its screen; a click on one is as good as its key."""

    DEFAULT_CSS = """
    KeyBar { height: 1; dock: bottom; background: $bar; padding: 0 1; }
    """

    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[tuple[str, str, str]] = []
        """The keys that are shown: its name in Textual, its name for an operator, and what it does in a word."""
        self._said = ""
        self._said_timer: Timer | None = None

    def on_mount(self) -> None:
        """Subscribes to the screen, which tells whenever other keys are of use."""
        self.screen.bindings_updated_signal.subscribe(self, self._renew)
        self._renew(self.screen)

    def _renew(self, screen: Screen[object]) -> None:
        if not self.is_attached:
            return
        found: dict[str, tuple[str, str, str]] = {}
        for _, binding, enabled, _ in screen.active_bindings.values():
            if binding.show and enabled:
                shown = self.app.get_key_display(binding)
                found.setdefault(binding.action, (binding.key, shown, binding.description))
        keys = list(found.values())
        if keys != self.keys:
            self.keys = keys
            self.refresh()

    def say(self, text: str) -> None:
        """Says a sentence at the right end for ``SAID_SECONDS``."""
        if self._said_timer is not None:
            self._said_timer.stop()
        self._said = text
        self._said_timer = self.set_timer(SAID_SECONDS, lambda: self.say("")) if text else None
        self.refresh()

    def render(self) -> Text:
        """Returns as many keys as fit whole, the most important first, and what is said."""
        width = self.content_size.width
        said = cut(self._said, width)
        text, room = Text(no_wrap=True), width - (width_of(said) + GAP if said else 0)
        for _, shown, what in self.keys:
            if cell_len(shown) + cell_len(what) + 1 > room:
                break
            text.append(shown, style_of(self.app, "accent") + Style(bold=True))
            text.append(f" {what}{' ' * GAP}")
            room -= cell_len(shown) + cell_len(what) + 1 + GAP
        if said:
            text.append(" " * (width - text.cell_len - width_of(said)))
            text.append(said, style_of(self.app, "good") + Style(bold=True))
        return text

    def key_at(self, x: int) -> str | None:
        """Returns the key that is shown at a cell."""
        for key, shown, what in self.keys:
            width = cell_len(shown) + cell_len(what) + 1
            if x < width:
                return key
            x -= width + GAP
            if x < 0:
                return None
        return None

    def on_click(self, event: Click) -> None:
        """Presses the key that was clicked on."""
        offset = event.get_content_offset(self)
        key = self.key_at(offset.x) if offset is not None else None
        if key is not None:
            self.app.simulate_key(key)
