"""Text that the mouse selects: a drag selects within the pane in which it began, and what is selected is copied when
the button is let go.

Textual notes which widget is selected from where to where; a :class:`TextPane` tells it which text is at which cell,
and gives the text. Places are cells of a row, so that no wide character is ever taken in half.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from rich.segment import Segment
from rich.style import Style
from textual.errors import NoWidget
from textual.geometry import Offset
from textual.screen import Screen
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from wrpme.tui.state.cells import clusters

_SELECTED = Style(reverse=True)


@runtime_checkable
class TextPane(Protocol):
    """A widget that is drawn as rows of text."""

    def row_at(self, line: int) -> int:
        """Returns which row stands at a line of the widget: the first in sight for what stands above the rows."""


class PaneScreen(Screen[None]):
    """A screen on which a drag stays within the pane in which it began, as in terminals that are divided."""

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        """Returns the widget at a cell of the screen, and the place of the text there; nothing where there is none."""
        widget = self._pane_at(x, y)
        if widget is None:
            return None, None
        region = widget.content_region
        if not region.area:
            return None, None
        x, y = min(max(x, region.x), region.right - 1), min(max(y, region.y), region.bottom - 1)
        if isinstance(widget, TextPane):
            return widget, Offset(x - region.x, widget.row_at(y - region.y))
        found, offset = super().get_widget_and_offset_at(x, y)
        return (found, offset) if found is widget and offset is not None else (None, None)

    def _pane_at(self, x: int, y: int) -> Widget | None:
        """Returns the widget that is being selected, else the one at the cell."""
        state = self._select_state
        if self._selecting and state is not None:
            return state.start.content_widget
        try:
            return self.get_widget_at(x, y)[0]
        except NoWidget:
            return None

    def _select_all_in_widget(self, widget: Widget) -> None:
        """Does nothing: two clicks open a node here, and select nothing."""


def spans(selection: Selection, count: int) -> Iterator[tuple[int, int, int | None]]:
    """Yields the rows of ``count`` that are selected, with the first cell and the cell after the last one, None for the
    end of the row."""
    start, end = selection
    first = 0 if start is None else max(0, start.y)
    last = count - 1 if end is None else min(count - 1, end.y)
    for row in range(first, last + 1):
        begin = start.x if start is not None and row == start.y else 0
        yield row, begin, end.x if end is not None and row == end.y else None


def highlighted(widget: Widget, strip: Strip, row: int) -> Strip:
    """Returns the strip of a row with what of it is selected reversed."""
    selection = widget.screen.selections.get(widget)
    found = selection.get_span(row) if selection is not None else None
    if found is None:
        return strip
    first, last = found[0], found[1] if found[1] >= 0 else strip.cell_length
    segments: list[Segment] = []
    at = 0
    for text, style, _ in strip:
        for sign, cells in clusters(text):
            over = _SELECTED if at + cells > first and at < last else Style.null()
            segments.append(Segment(sign, (style or Style.null()) + over))
            at += cells
    return Strip(segments, strip.cell_length).simplify()
