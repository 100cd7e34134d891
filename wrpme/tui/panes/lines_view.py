"""A list of lines through Textual's line API: only what is in sight is drawn, and only what changed is drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, MouseDown
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from wrpme.tui.limits import STRIPS_CACHED_MAX
from wrpme.tui.state.lines import AFTER_NOTHING, AFTER_SPACE, Row, Whole, as_shown, copied, goes_on
from wrpme.tui.terminal import roles
from wrpme.tui.terminal.selection import highlighted, spans


class LinesView(ScrollView, can_focus=True):
    """Shows rows of parts (a text and the role of its colour) with a cursor, under an optional heading that stays."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "edge(0)", "first", show=False),
        Binding("end,G", "edge(1)", "last", show=False),
    ]
    DEFAULT_CSS = """
    LinesView { height: 1fr; background: $background; scrollbar-size-vertical: 1; overflow-x: hidden;
        scrollbar-gutter: stable; }
    """

    class Moved(Message):
        """Sent when the cursor is at another row."""

        def __init__(self, view: LinesView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> LinesView:
            """The view that sent it."""
            return self.view

    class Chosen(Message):
        """Sent when a row was clicked twice."""

        def __init__(self, view: LinesView) -> None:
            super().__init__()
            self.view = view

    class HeadingClicked(Message):
        """Sent when the heading was clicked, with the cell."""

        def __init__(self, view: LinesView, x: int) -> None:
            super().__init__()
            self.view = view
            self.x = x

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: list[Row] = []
        self.heading: Row = ()
        self.cursor = 0
        self.empty = ""
        """The text that is shown if there are no rows."""
        self.scrolled_up = False
        """Whether somebody has scrolled away from the end."""
        self.whole: Whole = as_shown
        """Tells what is copied of parts that are shown shortened."""
        self._pressed: Offset | None = None
        self._styles: dict[str, Style] = {}
        self._strips: dict[tuple[Row, bool, int], Strip] = {}

    # --- content -------------------------------------------------------------------------------------------------

    def show_rows(self, rows: Sequence[Row], heading: Row = (), cursor: int | None = None) -> None:
        """Replaces all rows; draws only those that have changed."""
        before, self.rows = self.rows, list(rows)
        moved = cursor is not None and cursor != self.cursor
        old = self.cursor
        self.cursor = max(0, min(len(self.rows) - 1, self.cursor if cursor is None else cursor))
        if heading != self.heading or len(before) != len(self.rows):
            self.heading = heading
            self.virtual_size = Size(0, len(self.rows) + self._top)
            self.refresh()
        else:
            for index, (was, now) in enumerate(zip(before, self.rows, strict=True)):
                if was != now or (moved and index in (old, self.cursor)):
                    self._refresh_row(index)
        if moved:
            self.follow_cursor()

    def append_rows(self, rows: Sequence[Row]) -> None:
        """Adds rows at the end."""
        self.rows += rows
        self.virtual_size = Size(0, len(self.rows) + self._top)
        self.refresh()

    @property
    def _top(self) -> int:
        return 1 if self.heading else 0

    @property
    def columns(self) -> int:
        """The cells of a row. The scroll bar keeps its room even where there is none."""
        return self.scrollable_content_region.width

    def item_of(self, index: int) -> range:
        """Returns the rows of what a row belongs to: those that go on with one before are one with it."""
        first, end = index, index + 1
        while first > 0 and goes_on(self.rows[first]):
            first -= 1
        while end < len(self.rows) and goes_on(self.rows[end]):
            end += 1
        return range(first, end)

    @property
    def at_end(self) -> bool:
        """Whether the cursor is at the last of all."""
        return not self.rows or self.item_of(self.cursor).stop >= len(self.rows)

    def _refresh_item(self, index: int) -> None:
        for row in self.item_of(index) if 0 <= index < len(self.rows) else ():
            self._refresh_row(row)

    def _refresh_row(self, index: int) -> None:
        y = index + self._top - self.scroll_offset.y
        if self._top <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # --- drawing -------------------------------------------------------------------------------------------------

    def style_of(self, role: str) -> Style:
        """Returns the style of a role under the present theme: a theme colour, ``nodeN``, or one of a few words."""
        style = self._styles.get(role)
        if style is None:
            known = "dim" if role in (AFTER_SPACE, AFTER_NOTHING) else role
            style = self._styles[role] = roles.style_of(self.app, known)
        return style

    def notify_style_update(self) -> None:
        """Forgets the styles, because the theme has changed."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """Returns the strip of a line of the screen."""
        width = self.columns
        if y < self._top:
            return self._strip(self.heading, False, width)
        index = y - self._top + self.scroll_offset.y
        if index >= len(self.rows):
            if self.empty and not self.rows and y == self._top:
                return self._strip(((self.empty, "dim"),), False, width)
            return Strip.blank(width, self.rich_style)
        at_cursor = self.has_focus and (index == self.cursor or index in self.item_of(self.cursor))
        strip = self._strip(self.rows[index], at_cursor, width)
        return highlighted(self, strip, index)

    def _strip(self, row: Row, at_cursor: bool, width: int) -> Strip:
        key = (row, at_cursor, width)
        strip = self._strips.get(key)
        if strip is None:
            base, over = self.rich_style, self.style_of("cursor") if at_cursor else Style.null()
            segments = [Segment(text, base + self.style_of(role) + over) for text, role in row if text]
            base += over
            if len(self._strips) >= STRIPS_CACHED_MAX:
                self._strips.clear()
            strip = self._strips[key] = Strip(segments).adjust_cell_length(width, base)
        return strip

    # --- what is selected with the mouse --------------------------------------------------------------------------

    def row_at(self, line: int) -> int:
        """See :class:`wrpme.tui.terminal.selection.TextPane`."""
        return min(max(0, line - self._top) + self.scroll_offset.y, max(0, len(self.rows) - 1))

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """Returns the text that is selected, and a line end."""
        return copied(self.rows, spans(selection, len(self.rows)), self.whole), "\n"

    def on_mouse_down(self, event: MouseDown) -> None:
        """Notes where the button was pressed."""
        self._pressed = event.screen_offset

    # --- the cursor ----------------------------------------------------------------------------------------------

    def move_to(self, index: int, follow: bool = True) -> None:
        """Moves the cursor to a row, and scrolls it into sight unless ``follow`` is False."""
        index = max(0, min(len(self.rows) - 1, index))
        if index != self.cursor:
            old, self.cursor = self.cursor, index
            self._refresh_item(old)
            self._refresh_item(index)
            self.post_message(self.Moved(self))
        if follow:
            self.follow_cursor()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Notes whether somebody scrolled away from the end; rows that are added there do not count."""
        super().watch_scroll_y(old_value, new_value)
        self.scrolled_up = round(new_value) < self.max_scroll_y

    def follow_cursor(self) -> None:
        """Scrolls so that the cursor is in sight, as soon as the lines have their place."""
        self.call_after_refresh(self._follow_cursor)

    def _follow_cursor(self) -> None:
        room = max(1, self.size.height - self._top)
        top = self.scroll_offset.y
        item = self.item_of(self.cursor) if self.rows else range(1)
        if item.start < top or len(item) > room:
            self.scroll_to(y=item.start, animate=False)
        elif item.stop > top + room:
            self.scroll_to(y=item.stop - room, animate=False)

    def action_move(self, step: int) -> None:
        """Moves the cursor up or down, over all rows of what it is at."""
        item = self.item_of(self.cursor) if self.rows else range(1)
        self.move_to(item.stop - 1 + step if step > 0 else item.start + step)

    def action_page(self, step: int) -> None:
        """Moves the cursor by a page."""
        self.move_to(self.cursor + step * max(1, self.size.height - self._top - 1))

    def action_edge(self, last: int) -> None:
        """Moves the cursor to the first or the last row."""
        self.move_to(len(self.rows) - 1 if last else 0)

    def on_focus(self) -> None:
        """Draws the cursor."""
        self._refresh_item(self.cursor)

    def on_blur(self) -> None:
        """Removes the cursor."""
        self._refresh_item(self.cursor)

    def on_click(self, event: Click) -> None:
        """Moves the cursor; a second click chooses the row. A drag is no click."""
        offset = event.get_content_offset(self)
        if offset is None or event.screen_offset != self._pressed:
            return
        if offset.y < self._top:
            self.post_message(self.HeadingClicked(self, offset.x))
            return
        index = offset.y - self._top + self.scroll_offset.y
        if index < len(self.rows):
            self.move_to(index)
            if event.chain == 2:
                self.post_message(self.Chosen(self))
