"""The panes of nodes and of events: a list with a title and a filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from wrpme.protocol.view import NodeId
from wrpme.tui.panes import columns
from wrpme.tui.panes.lines_view import LinesView
from wrpme.tui.state import format, sentences
from wrpme.tui.state.cells import width_of
from wrpme.tui.state.events import BOOKKEEPING
from wrpme.tui.state.lines import Row, Whole, broken
from wrpme.tui.state.scene import EventShown, NodeShown, Scene

GRAVITY = (("✓", "good"), ("·", "text"), ("▲", "warn"), ("✕", "bad"))
"""Sign and role of each gravity of an event."""
SHORT_CELLS = 50
"""In fewer cells events are told in a few words."""


class FilterInput(Input):
    """The line of a filter. It appears with ``/``; Enter keeps the filter, Esc drops it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "no filter")]

    class Dropped(Message):
        """Sent when Esc was pressed."""

    def action_drop(self) -> None:
        """Empties the filter."""
        self.value = ""
        self.post_message(self.Dropped())


class ListPane(Vertical):
    """A list under a title, with a filter."""

    DEFAULT_CSS = """
    ListPane { height: 1fr; border-top: solid $panel; border-title-color: $text-muted; border-title-style: bold; }
    ListPane:focus-within { border-top: solid $primary; border-title-color: $primary; }
    ListPane FilterInput { height: 1; border: none; padding: 0; display: none; background: $boost; }
    ListPane FilterInput.-shown { display: block; }
    ListPane FilterInput:focus { border: none; }
    """

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id)
        self.name_shown = title
        self.list = LinesView()
        self._filter = FilterInput(placeholder="words that a line must have; Enter keeps the filter, Esc drops it")
        self.words = ""
        self.border_title = title

    def compose(self) -> ComposeResult:
        """Yields the list; the filter comes below it when it is opened first."""
        yield self.list

    def open_filter(self) -> None:
        """Shows the line of the filter, with the keyboard in it."""
        if not self._filter.is_attached:
            self.mount(self._filter)
        self._filter.add_class("-shown")
        self._filter.focus()

    def drop_filter(self) -> bool:
        """Removes the filter; returns whether there was one."""
        was = bool(self._filter.value) or self._filter.has_class("-shown")
        self._filter.value = ""
        self._filter.remove_class("-shown")
        return was

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filters the list by what is typed."""
        event.stop()
        self.words = event.value
        self.refilter()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Goes back to the list, and keeps the filter."""
        event.stop()
        if not event.value:
            self._filter.remove_class("-shown")
        self.list.focus()

    def on_filter_input_dropped(self) -> None:
        """Goes back to the list without a filter."""
        self._filter.remove_class("-shown")
        self.list.focus()

    def refilter(self) -> None:
        """Draws the list for another filter."""

    def title(self, *parts: str) -> None:
        """Sets the title, with remarks on the list."""
        shown = [f"/{self.words}"] if self.words else []
        text = " ".join([self.name_shown, *(part for part in (*parts, *shown) if part)])
        if text != self.border_title:
            self.border_title = text


class NodesPane(ListPane):
    """The table of nodes."""

    class Lit(Message):
        """Sent when the cursor is at another node, or at none."""

        def __init__(self, node: NodeId | None) -> None:
            super().__init__()
            self.node = node

    def __init__(self, *, id: str) -> None:
        super().__init__("NODES", id=id)
        self.sorted_by = "STATE"
        self.reverse = False
        self._scene: Scene | None = None
        self._order: list[int] = []
        self._fitted: columns.Layout | None = None
        self._fitted_in = 0
        self.plain = False
        """Whether the ring is drawn with letters, so that these must stand beside the names."""
        self.list.empty = "no node is known yet"
        self.list.whole = self._whole

    @property
    def node(self) -> NodeShown | None:
        """The node at the cursor."""
        if self._scene is None or not self._order:
            return None
        return self._scene.nodes[self._order[min(self.list.cursor, len(self._order) - 1)]]

    @property
    def node_ids(self) -> list[NodeId]:
        """The ids of the nodes, in the order of the table."""
        return [self._scene.nodes[index].id for index in self._order] if self._scene else []

    def show(self, scene: Scene) -> None:
        """Shows another moment, or another state of it."""
        kept = self.node
        self._scene = scene
        self._order = columns.ordered(scene, self.sorted_by, self.reverse, self.words)
        self._fitted_in = self.list.columns
        self._fitted = columns.fit(scene, max(20, self._fitted_in), self.plain)
        cursor = None
        if kept is not None:
            cursor = next((at for at, index in enumerate(self._order) if scene.nodes[index].id == kept.id), None)
        heading = columns.header(self._fitted, self.sorted_by, self.reverse)
        self.list.show_rows(columns.rows(self._fitted, self._order, scene), heading, cursor)
        hidden = len(scene.nodes) - len(self._order)
        self.title(f"{len(self._order)} of {len(scene.nodes)}" if hidden else f"{len(scene.nodes)}")
        now = self.node
        if (kept and kept.id) != (now and now.id):
            self._tell()

    def select(self, node: NodeId) -> None:
        """Moves the cursor to that node, if it is in the table."""
        for at, index in enumerate(self._order):
            if self._scene is not None and self._scene.nodes[index].id == node:
                self.list.move_to(at)

    def sort(self, title: str) -> None:
        """Sorts by that column; if it is sorted by already, the other way round."""
        self.reverse = not self.reverse if title == self.sorted_by else False
        self.sorted_by = title
        self.refilter()

    def sort_next(self) -> None:
        """Sorts by the next column that is shown."""
        shown = [column.title for column, _ in self._fitted.columns] if self._fitted else ["NODE"]
        at = shown.index(self.sorted_by) if self.sorted_by in shown else -1
        self.sort(shown[(at + 1) % len(shown)])

    def _whole(self, row: int, part: int) -> str:
        if self._scene is None or self._fitted is None or row >= len(self._order):
            return ""
        return columns.whole(self._fitted, self._order[row], self._scene, part)

    def refilter(self) -> None:
        """See :class:`ListPane`."""
        if self._scene is not None:
            self.show(self._scene)

    def on_resize(self) -> None:
        """Chooses the columns anew, because others may fit."""
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        if self._fitted_in != self.list.columns:
            self.refilter()

    def on_lines_view_moved(self, event: LinesView.Moved) -> None:
        """Tells that the cursor is at another node."""
        event.stop()
        self._tell()

    def on_lines_view_heading_clicked(self, event: LinesView.HeadingClicked) -> None:
        """Sorts by the title that was clicked on."""
        title = columns.title_at(self._fitted, event.x) if self._fitted else None
        if title is not None:
            self.sort(title)

    def _tell(self) -> None:
        node = self.node
        self.post_message(self.Lit(node.id if node else None))


NO_BREAK = "\u00a0"


def event_text(event: EventShown) -> str:
    """Returns all that is to be said of an event but its time, in one line."""
    text, about = event.sentence, event.node or event.teller
    return f"{about}: {text}" if about and about not in text and event.kind not in ("condition", "view") else text


def event_rows(event: EventShown, width: int, names: Mapping[str, str] | None = None) -> list[Row]:
    """Returns an event in lines of ``width`` cells; what a view changed in one. With ``names``, the short names of the
    nodes by their addresses, it is told in a few words where there are few cells."""
    sign, role = GRAVITY[event.gravity]
    short = names is not None and width < SHORT_CELLS
    text = sentences.in_short(event, names) if names is not None and short else event_text(event)
    room = max(12, width - 11)
    if event.seconds >= 0.05 and " s" not in text:
        took = format.took_text(event.seconds).replace(" ", NO_BREAK)
        ended = f" (after{NO_BREAK}{took})" if event.kind == "condition" else f" ({took})"
        text += ended if not short or width_of(text + ended) <= room else ""
    words = role if event.gravity else "text"
    head: Row = ((f"{format.clock(event.at)} ", "dim"), (f"{sign} ", role))
    if event.kind == "view":  # dim, because the others before it say the same in other words
        return [(*head, (format.clipped(text, room), "dim"))]
    return broken(head, text, words, width)


def whole_events(of_row: Sequence[EventShown], short: bool) -> Whole:
    """Returns what is copied of the rows of events, each made by :func:`event_rows`; ``short`` says that they are told
    in a few words."""

    def whole(row: int, part: int) -> str:
        event = of_row[row]
        first = not row or of_row[row - 1] is not event
        return event_text(event) if part == 2 and first and (short or event.kind == "view") else ""

    return whole


class EventsPane(ListPane):
    """The list of events, the latest at the bottom. It follows new ones unless it is held or scrolled up. How the hive
    keeps its books is shown only if that was asked for."""

    def __init__(self, *, id: str) -> None:
        super().__init__("EVENTS", id=id)
        self._held: Sequence[EventShown] | None = None
        self._events: Sequence[EventShown] = ()
        self._taken: Sequence[EventShown] = ()
        """The events that are drawn, those included that are left out."""
        self._of_row: list[EventShown] = []
        self._matched = 0
        self._folded = 0
        self._drawn: tuple[object, ...] = ()
        self._names: Mapping[str, str] = {}
        self.bookkeeping = False
        """Whether arcs and votes are shown, too."""
        self.list.empty = "nothing has happened yet"

    @property
    def event(self) -> EventShown | None:
        """The event at the cursor."""
        return self._of_row[self.list.cursor] if self._of_row else None

    @property
    def held(self) -> bool:
        """Whether later events wait."""
        return self._held is not None

    def hold(self) -> None:
        """Holds the list as it is, or lets it go on."""
        self._held = None if self.held else self._events
        self.show(self._events)

    def go_on(self) -> None:
        """Lets the list go on."""
        self._held = None

    def show(self, events: Sequence[EventShown], names: Mapping[str, str] | None = None) -> None:
        """Shows all events up to the moment that is shown, the oldest first; ``names`` are the short names of the nodes
        by their addresses, None if they are as before."""
        self._events = events
        if names is not None:
            self._names = names
        if self._held is not None:
            self._draw(self._held)
            self.title(f"held, {max(0, len(events) - len(self._held))} more since; Space goes on")
            return
        self._draw(events)
        count = len(events) - self._folded
        folded = f"(v: {self._folded} of arcs and votes)" if self._folded else ""
        self.title(f"{self._matched} of {count}" if self.words else f"{count}", folded)

    def toggle_bookkeeping(self) -> None:
        """Shows what happened to arcs and votes, or leaves it out."""
        self.bookkeeping = not self.bookkeeping
        self.refilter()

    def _draw(self, events: Sequence[EventShown]) -> None:
        drawn = (self.list.columns, self.bookkeeping, self._names)
        taken = len(self._taken)
        grown = taken > 0 and self._drawn == drawn and (events is self._taken or events[:taken] == self._taken)
        if grown and len(events) == taken:
            return
        follows = self.list.at_end
        if not grown:
            taken, self._of_row, self._matched, self._folded, self._drawn = 0, [], 0, 0, drawn
        rows: list[Row] = []
        for event in events[taken:]:
            if not self.bookkeeping and event.kind in BOOKKEEPING:
                self._folded += 1
            elif matches(event, self.words):
                lines = event_rows(event, self.list.columns, self._names)
                rows += lines
                self._of_row += [event] * len(lines)
                self._matched += 1
        self._taken = events
        self.list.whole = whole_events(self._of_row, self.list.columns < SHORT_CELLS)
        if grown:
            self.list.append_rows(rows)
        else:
            self.list.show_rows(rows)
        if follows and self._of_row:
            self.list.move_to(len(self._of_row) - 1, follow=not self.list.scrolled_up)

    def refilter(self) -> None:
        """See :class:`ListPane`."""
        self._taken = ()
        self.show(self._events)

    def on_resize(self) -> None:
        """Breaks the lines for the new width."""
        self.call_after_refresh(lambda: self.show(self._events))


def matches(event: EventShown, words: str) -> bool:
    """Returns whether an event has all the words."""
    if not words:
        return True
    tellers = " ".join((event.teller, *event.others))
    text = f"{event.kind} {event.node} {tellers} {event.sentence}".lower()
    return all(word in text for word in words.lower().split())
