"""Rows of parts without a cursor, through Textual's line API: only rows that have changed are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from wrpme.tui.state.lines import Row, as_shown, copied
from wrpme.tui.terminal.roles import style_of
from wrpme.tui.terminal.selection import highlighted, spans


class Rows(Widget):
    """Shows rows of parts, each a text and the role of its colour, see :func:`wrpme.tui.terminal.roles.style_of`; a
    ``!`` at the end of a role reverses it. ``clicked`` is called with the cell of a click."""

    class Resized(Message):
        """Sent when the number of cells has changed, so that other rows may fit."""

    def __init__(self, clicked: Callable[[int], None] | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._clicked = clicked
        self._rows: list[Row] = []

    @property
    def text(self) -> str:
        """The text of all rows."""
        return "\n".join("".join(text for text, _ in row) for row in self._rows)

    def show(self, rows: Sequence[Row]) -> None:
        """Replaces all rows."""
        before, self._rows = self._rows, list(rows)
        if len(before) != len(self._rows):
            self.refresh(layout=True)
            return
        for y, (was, now) in enumerate(zip(before, self._rows, strict=True)):
            if was != now:
                self.refresh(Region(0, y, self.content_size.width, 1))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Returns the number of rows."""
        return len(self._rows)

    def on_resize(self) -> None:
        """Tells that the size has changed."""
        self.post_message(self.Resized())

    def render_line(self, y: int) -> Strip:
        """Returns the strip of a line of the screen."""
        base = self.rich_style
        width = self.content_size.width
        if y >= len(self._rows):
            return Strip.blank(width, base)
        strip = Strip([Segment(text, base + self._style(role)) for text, role in self._rows[y]])
        return highlighted(self, strip.adjust_cell_length(width, base), y)

    def row_at(self, line: int) -> int:
        """See :class:`wrpme.tui.terminal.selection.TextPane`."""
        return line

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """Returns the text that is selected, and a line end."""
        return copied(self._rows, spans(selection, len(self._rows)), as_shown), "\n"

    def _style(self, role: str) -> Style:
        if not role:
            return Style()
        style = style_of(self.app, role.removesuffix("!"))
        return style + Style(reverse=True, bold=True) if role.endswith("!") else style

    def on_click(self, event: Click) -> None:
        """Calls ``clicked``."""
        offset = event.get_content_offset(self)
        if self._clicked is not None and offset is not None:
            self._clicked(offset.x)
