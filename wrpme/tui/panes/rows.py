"""Rows of parts that just stand there, through Textual's line API: drawn again only where they changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from wrpme.tui.terminal.roles import style_of

Row = tuple[tuple[str, str], ...]


class Rows(Widget):
    """Each part is a text and the role of its colour, see :func:`wrpme.tui.terminal.roles.style_of`; with a ``!``
    at its end the role is reversed. ``clicked`` gets the cell of a click."""

    class Resized(Message):
        """Another number of cells: other rows may fit."""

    def __init__(self, clicked: Callable[[int], None] | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._clicked = clicked
        self._rows: list[Row] = []

    @property
    def text(self) -> str:
        """All of it without colours."""
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
        """All rows."""
        return len(self._rows)

    def on_resize(self) -> None:
        """Told to whoever fills it."""
        self.post_message(self.Resized())

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        base = self.rich_style
        width = self.content_size.width
        if y >= len(self._rows):
            return Strip.blank(width, base)
        return Strip(
            [Segment(text, base + self._style(role)) for text, role in self._rows[y]]
        ).adjust_cell_length(width, base)

    def _style(self, role: str) -> Style:
        if not role:
            return Style()
        style = style_of(self.app, role.removesuffix("!"))
        return style + Style(reverse=True, bold=True) if role.endswith("!") else style

    def on_click(self, event: Click) -> None:
        """Told to whoever wants to know."""
        offset = event.get_content_offset(self)
        if self._clicked is not None and offset is not None:
            self._clicked(offset.x)
