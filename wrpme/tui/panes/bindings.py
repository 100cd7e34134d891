"""From the table of keys to Textual's bindings."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding

from wrpme.tui.keys import Key


def bindings_of(table: Iterable[Key]) -> list[Binding]:
    """One for each key of the table; what the app binds itself is left out."""
    return [
        Binding(key.keys, key.action, key.footer or key.what, show=bool(key.footer), key_display=key.shown)
        for key in table
        if key.action != "command_palette"
    ]
