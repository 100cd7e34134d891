"""The screen of one node: how it is, what it holds and moves, what it tells, and graphs of the last minutes.

All panels at once where there is room; else the pages of :data:`PAGES`, one or some at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.geometry import Size
from textual.message import Message

from wrpme import errors
from wrpme.protocol.view import NodeId
from wrpme.shell.session import internal
from wrpme.tui.keys import TIME
from wrpme.tui.limits import GRAPH_SECONDS
from wrpme.tui.node import rows as node_rows
from wrpme.tui.node.graph import BYTES_PER_SECOND, RATE, SECONDS, Line, Points, graph, span_until
from wrpme.tui.node.source import Source
from wrpme.tui.panes.key_bar import KeyBar, bindings_of
from wrpme.tui.panes.lines_view import LinesView
from wrpme.tui.panes.lists import event_rows, whole_events
from wrpme.tui.panes.rows import Rows
from wrpme.tui.state import format
from wrpme.tui.state.figures import BY_SERIES
from wrpme.tui.state.lines import Row, broken
from wrpme.tui.state.scene import EventShown, Mode, NodeShown, Scene
from wrpme.tui.terminal.selection import PaneScreen

PAGES = {
    "now": ("figures", "graphs"),
    "arcs": ("arcs",),
    "neighbours": ("neighbours",),
    "events": ("events",),
    "log": ("log",),
    "config": ("config",),
    "slow": ("slow",),
}
"""The panels of each page, in the order of the keys 1 to 7."""
TOLD = ("events", "log", "config", "slow")
"""One of these is shown at a time where there is room for several panels, but not for all."""
GRAPHED = tuple(name for name, figure in BY_SERIES.items() if figure.graphed)
"""The series that have graphs."""
SHOWN: dict[str, Callable[[Any, int], list[Row]]] = {
    "log": node_rows.log_rows,
    "config": node_rows.config_rows,
    "slow": node_rows.slow_rows,
}
"""What only the node itself can tell, and how it is shown in so many columns."""
ROOM_MEDIUM = (100, 34)
ROOM_LARGE = (156, 46)


class Panel(Vertical):
    """A panel with a title, which holds a list or rows without a cursor."""

    DEFAULT_CSS = """
    Panel Rows { height: auto; }
    Panel { border-top: solid $panel; border-title-color: $text-muted; border-title-style: bold; padding: 0 1 0 0; }
    Panel:focus-within { border-top: solid $primary; border-title-color: $primary; }
    """

    class Resized(Message):
        """Sent when lines break elsewhere."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.list = LinesView()
        self.rows = Rows()
        self.border_title = name.upper()

    def compose(self) -> ComposeResult:
        """Yields the list or the rows."""
        yield self.rows if self.id in PAGES["now"] else self.list

    def on_resize(self) -> None:
        """Tells the screen."""
        self.post_message(self.Resized())

    def title(self, text: str) -> None:
        """Changes the title if it is another one."""
        if text != self.border_title:
            self.border_title = text


class NodeScreen(PaneScreen):
    """The screen of the node with that id; ``page`` is the one to begin with, the first if empty."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "back", key_display="Esc"),
        Binding("left", "node(-1)", "node before", key_display="←"),
        Binding("right", "node(1)", "next node", key_display="→"),
        Binding("r", "ask", "ask again"),
        Binding("z", "zoom", "zoom"),
        *bindings_of(TIME),
        *(
            Binding(str(number), f"page('{name}')", name, show=False)
            for number, name in enumerate(PAGES, 1)
        ),
    ]  # fmt: skip
    DEFAULT_CSS = """
    NodeScreen { layout: vertical; background: $background; }
    NodeScreen #head { height: 2; background: $bar; padding: 0 1; }
    NodeScreen #pages { height: 1; padding: 0 1; }
    NodeScreen #body, NodeScreen #now, NodeScreen #held, NodeScreen #told { height: 1fr; }
    NodeScreen #now, NodeScreen #held, NodeScreen #told { layout: horizontal; }
    NodeScreen.-small #now { layout: vertical; }
    NodeScreen.-small #figures { height: auto; }
    NodeScreen.-medium #figures { width: 56; }
    NodeScreen.-medium #now { height: 20; }
    NodeScreen.-large #figures { width: 64; }
    NodeScreen.-large #now { height: 38%; min-height: 20; }
    NodeScreen #graphs { padding: 0; }
    NodeScreen #graphs Rows { height: 1fr; }
    NodeScreen.-not-now #head, NodeScreen.-not-now KeyBar { background: $past; }
    """

    def __init__(self, node: NodeId, source: Source, page: str = "") -> None:
        super().__init__()
        self.node = node
        self.page = page or next(iter(PAGES))
        self._source = source
        self._scene = source.scene()
        self._address = ""
        self._zoomed = False
        self._told = self.page if self.page in TOLD else TOLD[0]
        self._events: tuple[Sequence[EventShown], int] = ((), 0)
        self._series: dict[str, Points] = {}
        self._drawn: tuple[object, ...] = ()
        """What the graphs show; they are drawn anew only when it changes."""
        self._due = False
        """Whether all is to be drawn anew."""
        self._answers: dict[str, tuple[Any, str]] = {}
        """The answers to "log", "config" and "slow", each with a note for the title."""
        self._answered: dict[str, tuple[object, ...]] = {}
        """The answers as they are drawn, and how wide."""
        self.head = Rows(id="head")
        self.pages = Rows(self._page_at, id="pages")
        self.panels = {name: Panel(name) for names in PAGES.values() for name in names}

    def compose(self) -> ComposeResult:
        """Yields the widgets from top to bottom."""
        yield self.head
        yield self.pages
        with Container(id="body"):
            with Container(id="now"):
                yield self.panels["figures"]
                yield self.panels["graphs"]
            with Container(id="held"):
                yield self.panels["arcs"]
                yield self.panels["neighbours"]
            with Container(id="told"):
                for name in TOLD:
                    yield self.panels[name]
        yield KeyBar()

    def on_mount(self) -> None:
        """Draws everything, and asks the node for what only it knows."""
        self._arrange()
        self._go_on()
        self._focus_page()

    def on_resize(self) -> None:
        """Arranges the panels anew, because others may fit."""
        self._arrange()

    def on_rows_resized(self) -> None:
        """Draws the rows anew, because others may fit."""
        self._draw_later()

    def on_panel_resized(self) -> None:
        """Draws the rows anew, because others may fit."""
        self._draw_later()

    def _draw_later(self) -> None:
        """Draws once for all panels that are resized together."""
        if not self._due:
            self._due = True
            self.call_later(self._draw)

    # --- what is shown -------------------------------------------------------------------------------------------

    def show(self, scene: Scene) -> None:
        """Shows another moment, or another state of it."""
        asked_anew = scene.mode is Mode.LIVE and self._scene.mode is not Mode.LIVE
        self._scene = scene
        self._draw()
        if asked_anew:
            self.action_ask()

    @property
    def shown(self) -> NodeShown | None:
        """The node in the scene that is shown; None if it is no member there."""
        index = node_rows.index_of(self.node, self._scene)
        return self._scene.nodes[index] if index is not None else None

    def _draw(self) -> None:
        self._due = False
        scene = self._scene
        node = self.shown
        if node is not None:
            self._address = node.address
        self.set_class(scene.mode is not Mode.LIVE, "-not-now")
        self._draw_head(node)
        self._draw_figures(node)
        index = node_rows.index_of(self.node, scene)
        arcs, near = self.panels["arcs"], self.panels["neighbours"]
        arcs.title(node_rows.arcs_title(index, scene))
        arcs.list.show_rows(node_rows.arcs(index, scene) if index is not None else [], node_rows.ARCS_HEADING)
        near.list.show_rows(node_rows.neighbours(index, scene, self._source.plain) if index is not None else [])
        for panel, nothing in ((arcs, "it holds no arc, and receives none"), (near, "none is known of")):
            panel.list.empty = nothing if node is not None else "it is no member of the hive at this moment"
        self._draw_events()
        for name in self._answers:
            self._draw_answer(name)

    def _draw_head(self, node: NodeShown | None) -> None:
        scene = self._scene
        width = self.head.content_size.width
        first = node_rows.head(node, scene) if node else node_rows.absent_head(self._address, scene)
        below: Row = node_rows.subhead(node, scene) if node else ((f"id {self.node.hex()[:8]}", "dim"),)
        place = node_rows.index_of(self.node, scene)
        count = node_rows.counted(len(scene.nodes), "node", "nodes")
        if place is not None:
            count = f"{place + 1} of {count}"
        self.head.show(
            [
                beside(first, node_rows.time_part(scene), width),
                beside(below, (f" {count} ", "dim"), width),
            ]
        )

    def _draw_figures(self, node: NodeShown | None) -> None:
        scene = self._scene
        panel = self.panels["graphs"]
        graphed = panel.display and panel.rows.content_size
        width = panel.rows.content_size.width if graphed else 0
        span = span_until(scene.at, GRAPH_SECONDS, width, self._source.plain)
        values = [_value(node, what) for what in GRAPHED] if node is not None and not node.stale else None
        drawn = (self.node, scene.mode, span, graphed, values)
        if drawn != self._drawn:
            self._drawn = drawn
            self._series = {what: self._points(node, what) for what in BY_SERIES}
            minutes = f"{GRAPH_SECONDS / 60:g} MIN"
            panel.title(f"LAST {minutes}" if scene.mode is Mode.LIVE else f"{minutes} UNTIL {format.clock(scene.at)}")
            if graphed:
                panel.rows.show(self._graphs(span, graphed))
        panel = self.panels["figures"]
        panel.title(node_rows.figures_title(node))
        shown = node_rows.figures(node, scene) if node is not None else []
        size = panel.content_size
        height = size.height if self.room() != "small" else 0
        rows = node_rows.figure_rows(shown, self._series, span, (size.width, height), self._source.plain)
        panel.rows.show(rows or [(("nothing is known of it at this moment", "dim"),)])

    def _points(self, node: NodeShown | None, what: str) -> Points:
        """Returns a series with the value that is shown as its last point, because the history may be a little
        older."""
        points = list(self._source.series(self.node, what))
        value = _value(node, what) if node is not None and not node.stale else None
        if points and points[-1][0] >= self._scene.at:
            points.pop()
        return [*points, (self._scene.at, value)]

    def _graphs(self, span: tuple[float, float], size: Size) -> list[Row]:
        """Returns three graphs below each other, with the same time at the same column."""
        width, height = size
        series = self._series
        axis = "span" if self._scene.mode is Mode.LIVE else "clock"
        each, more = divmod(height - 1, 3)
        rows: list[Row] = []
        for at, (unit, lines) in enumerate(
            (
                (RATE, [Line("operations/s", series["operations"], "accent")]),
                (SECONDS, [Line("p50", series["p50"], "accent"), Line("p99", series["p99"], "bold", filled=False)]),
                (
                    BYTES_PER_SECOND,
                    [
                        Line("received", series["received"], "accent"),
                        Line("sent", series["sent"], "bold", filled=False),
                    ],
                ),
            )
        ):
            high = each + (at < more) + (at == 2)
            if width >= 24 and each >= 2:
                here = axis if at == 2 else ""
                rows += graph(lines, unit, *span, width, high, axis=here, plain=self._source.plain)
        return rows

    def _draw_events(self) -> None:
        panel = self.panels["events"]
        events = self._source.events(self._address) if self._address else ()
        width = panel.list.columns
        if not panel.display or (events, width) == self._events:
            return
        self._events = (events, width)
        follows = panel.list.at_end
        lines = [(event, row) for event in events for row in event_rows(event, width)]
        rows = [row for _, row in lines]
        panel.list.whole = whole_events([event for event, _ in lines], short=False)
        panel.title(f"EVENTS {len(events)}")
        panel.list.empty = "nothing is known to have happened to it"
        panel.list.show_rows(rows, cursor=len(rows) - 1 if follows else None)

    # --- what only the node knows --------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Shows the node that was changed to, and asks it for what only it knows."""
        self._answers = dict.fromkeys(SHOWN, (None, "asking"))
        self._answered = {}
        self._draw()
        self.action_ask()

    def action_ask(self) -> None:
        """Asks the node for its log, its configuration and its slow requests, as they are now."""
        if self._address:
            for name in SHOWN:
                ask = getattr(self._source, name)
                self.run_worker(self._ask(name, ask), group=name, exclusive=True, exit_on_error=False)

    async def _ask(self, name: str, ask: Callable[[str], Awaitable[Any]]) -> None:
        try:
            answer, note = await ask(self._address), f"as of {format.clock(self._scene.at)}"
        except errors.WrpmeError as error:
            answer, note = None, str(error)
        except Exception as error:
            answer, note = None, str(internal(error))
        if answer is None:
            answer = self._answers[name][0]
        self._answers[name] = (answer, note)
        self._draw_answer(name)

    def _draw_answer(self, name: str) -> None:
        panel = self.panels[name]
        answer, note = self._answers[name]
        width = panel.list.columns
        if not width or self._answered.get(name) == (answer, note, width):
            return
        self._answered[name] = (answer, note, width)
        panel.list.empty = note
        panel.title(f"{name.upper()} {note}")
        if answer is None:
            rows = broken((), note, "warn", width)
        else:
            rows = SHOWN[name](answer, width)
        panel.list.show_rows(rows, cursor=0 if name == "config" else len(rows) - 1)

    # --- which panels --------------------------------------------------------------------------------------------

    def room(self) -> str:
        """Returns "small" (one page at a time), "medium" (several panels) or "large" (all panels)."""
        width, height = self.size
        if self._zoomed or width < ROOM_MEDIUM[0] or height < ROOM_MEDIUM[1]:
            return "small"
        return "large" if width >= ROOM_LARGE[0] and height >= ROOM_LARGE[1] else "medium"

    def _arrange(self) -> None:
        room = self.room()
        for name in ("small", "medium", "large"):
            self.set_class(room == name, f"-{name}")
        seen = set(PAGES[self.page] if room == "small" else self.panels)
        if room == "medium":
            seen -= {name for name in TOLD if name != self._told}
        elif room == "large":  # in one place, as four beside each other would be too narrow
            seen.discard("config" if self._told == "slow" else "slow")
        for name, panel in self.panels.items():
            panel.display = name in seen
        for container, names in (("now", PAGES["now"]), ("held", ("arcs", "neighbours")), ("told", TOLD)):
            self.query_one(f"#{container}").display = bool(seen.intersection(names))
        parts: list[tuple[str, str]] = []
        for number, (page, names) in enumerate(PAGES.items(), 1):
            role = "accent!" if page == self.page else "text" if seen.issuperset(names) else "dim"
            parts += [(f" {number} {page} ", role), (" ", "")]
        self.pages.show([tuple(parts)])

    def _page_at(self, x: int) -> None:
        """Goes to the page that was clicked on."""
        for page in PAGES:
            x -= len(page) + 5
            if x < 0:
                return self.action_page(page)

    def action_page(self, page: str) -> None:
        """Shows that page, or goes to its panel."""
        self.page = page
        if page in TOLD:
            self._told = page
        self._arrange()
        self._focus_page()

    def _focus_page(self) -> None:
        if self.page == "now":
            self.set_focus(None)
        else:
            self.panels[self.page].list.focus()

    def action_zoom(self) -> None:
        """Shows the panel with the keyboard alone, or all panels again."""
        focused = self.focused.parent if self.focused is not None else None
        if isinstance(focused, Panel) and focused.id is not None:
            self.page = focused.id
        self._zoomed = not self._zoomed
        self._arrange()

    def action_node(self, step: int) -> None:
        """Goes to the next node, or to the one before."""
        nodes = self._scene.nodes
        if not nodes:
            return
        index = node_rows.index_of(self.node, self._scene)
        self.node = nodes[(index + step) % len(nodes) if index is not None else 0].id
        self._go_on()

    def action_back(self) -> None:
        """Closes the screen."""
        self.dismiss()


def beside(row: Row, right: tuple[str, str], width: int) -> Row:
    """Returns the row, cut where it must be, with one part at its right end."""
    room = max(0, width - len(right[0]))
    parts: list[tuple[str, str]] = []
    for text, role in row:
        parts.append((text[:room], role))
        room -= len(text[:room])
    return (*parts, (" " * room, ""), right)


def _value(node: NodeShown, what: str) -> float | None:
    return BY_SERIES[what].value(node)  # type: ignore[no-any-return]
