"""The ring as a widget: draws scenes through the line API, and only the rows that have changed.

Nothing is computed in ``render_line``: each row is a strip that was made when the picture last changed there. The
timer that moves what is on its way runs only while something is, and the widget is on the screen.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual.events import Click, Hide, Leave, MouseDown, MouseMove, Resize, Show
from textual.geometry import Offset, Region
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from wrpme.protocol.view import NodeId
from wrpme.tui.limits import RING_FRAME_SECONDS, WAY_SECONDS
from wrpme.tui.ring import painting
from wrpme.tui.ring.bands import arc_at, arc_text
from wrpme.tui.ring.labels import Mark
from wrpme.tui.ring.painting import Painter, Picture
from wrpme.tui.state.cells import ELLIPSIS, width_of
from wrpme.tui.state.lines import Part, Row, copied
from wrpme.tui.state.scene import ArcShown, Scene, Way
from wrpme.tui.terminal.roles import theme_of
from wrpme.tui.terminal.selection import highlighted, spans


class Styles(dict[painting.Style, Style]):
    """Caches the terminal's style for each of the painter's styles."""

    def __missing__(self, style: painting.Style) -> Style:
        fore, back, bold = style
        found = self[style] = Style(color=fore, bgcolor=back, bold=bold)
        return found


class RingWidget(Widget):
    """Shows the last scene that it was given; see :mod:`wrpme.tui.ring.painting`."""

    class NodeChosen(Message):
        """Sent when a node was clicked on: its mark, its name or an arc that it owns."""

        def __init__(self, node_id: NodeId) -> None:
            super().__init__()
            self.node_id = node_id

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._painter = Painter()
        self._plain = False
        self._scene: Scene | None = None
        self._selected: NodeId | None = None
        self._way: Way | None = None
        self._way_timer: Timer | None = None
        self._frame_timer: Timer | None = None
        self._seen = False
        self._pressed: Offset | None = None
        self._phase = 0
        self._strips: list[Strip] = []
        self._styles = Styles()

    @property
    def plain(self) -> bool:
        """Whether the ring is drawn with ASCII characters."""
        return self._plain

    @plain.setter
    def plain(self, plain: bool) -> None:
        if plain != self._plain:
            self._plain = plain
            self._renew()

    def show(self, scene: Scene) -> None:
        """Shows a scene until the next one."""
        self._scene = scene
        self._paint()

    def select(self, node_id: NodeId | None) -> None:
        """Lights the arcs of a node, and the nodes that hold copies of them."""
        if node_id != self._selected:
            self._selected = node_id
            self._paint()

    def show_way(self, way: Way | None) -> None:
        """Shows the way of a request for ``WAY_SECONDS``."""
        if self._way_timer is not None:
            self._way_timer.stop()
            self._way_timer = None
        self._way = way
        if way is not None:
            self._way_timer = self.set_timer(WAY_SECONDS, lambda: self.show_way(None))
        self._paint()

    @property
    def way(self) -> Way | None:
        """The way of a request that is shown, if there is one."""
        return self._way

    @property
    def moving(self) -> bool:
        """Whether the timer of what moves runs."""
        return self._frame_timer is not None

    # --- from scene to strips ------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Takes the colours of the app's theme, now and whenever the theme changes."""
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._renew())
        self._renew()

    def on_resize(self, event: Resize) -> None:
        """Paints the ring at the new size."""
        self._paint()

    def on_show(self, event: Show) -> None:
        """Starts moving again."""
        self._seen = True
        self._paint()

    def on_hide(self, event: Hide) -> None:
        """Stops moving while the widget is out of sight."""
        self._seen = False
        self._move(False)

    def _renew(self) -> None:
        if self.is_attached:
            self._painter = Painter(theme_of(self.app), self._plain)
            self._styles = Styles()
            self._paint()

    def _paint(self) -> None:
        width, height = self.size
        if self._scene is None or not width or not height or not self.is_attached:
            return
        picture = self._painter.paint(self._scene, width, height, self._selected, self._way, self._phase)
        self._take(picture, width)
        self._move(picture.moving and self._seen)

    def _take(self, picture: Picture, width: int) -> None:
        if len(self._strips) != len(picture.rows):
            self._strips = [Strip.blank(width, Style.null())] * len(picture.rows)
        for y in picture.changed:
            self._strips[y] = Strip([Segment(text, self._styles[style]) for text, style in picture.rows[y]], width)
        if picture.changed:
            self.refresh(*_regions(picture.changed, width))

    def render_line(self, y: int) -> Strip:
        """Returns the strip of a row."""
        strip = self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, Style.null())
        return highlighted(self, strip, y)

    # --- what is selected with the mouse ---------------------------------------------------------------------------

    def row_at(self, line: int) -> int:
        """See :class:`wrpme.tui.terminal.selection.TextPane`."""
        return line

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """Returns the text that is selected, and a line end. In the place of a name is the address, and in that of an
        alias that is cut all of it."""
        rows, whole = self._text_rows()
        return copied(rows, spans(selection, len(rows)), lambda row, part: whole.get((row, part), "")), "\n"

    def _text_rows(self) -> tuple[list[Row], dict[tuple[int, int], str]]:
        """Returns the rows with a part for each mark, and what these stand for."""
        rows: list[Row] = []
        whole: dict[tuple[int, int], str] = {}
        for y, strip in enumerate(self._strips):
            parts: list[Part] = []
            at = 0
            for mark in sorted((mark for mark in self._painter.marks if mark.y == y), key=lambda mark: mark.x):
                end = mark.x + width_of(mark.text)
                whole[y, len(parts) + 1] = self._meaning(mark)
                parts += [(strip.crop(at, mark.x).text, ""), (strip.crop(mark.x, end).text, "")]
                at = end
            rows.append((*parts, (strip.crop(at).text, "")))
        return rows, whole

    def _meaning(self, mark: Mark) -> str:
        """Returns what a mark stands for if it is shown shortened, else nothing."""
        if mark.node < 0 or self._scene is None:
            return self._way.alias if self._way is not None and ELLIPSIS in mark.text else ""
        node = self._scene.nodes[mark.node]
        if node.name in mark.text:
            return mark.text.replace(node.name, node.address)
        return node.address if ELLIPSIS in mark.text else ""

    # --- what moves ----------------------------------------------------------------------------------------------

    def _move(self, moving: bool) -> None:
        moving = moving and self.app.animation_level != "none"  # TEXTUAL_ANIMATIONS
        if moving and self._frame_timer is None:
            self._frame_timer = self.set_interval(RING_FRAME_SECONDS, self.step)
        elif not moving and self._frame_timer is not None:
            self._frame_timer.stop()
            self._frame_timer = None

    def step(self) -> None:
        """Paints the next phase of what moves. Under another screen that is no dialog, nothing moves."""
        if self.app.screen is self.screen or self.app.screen.is_modal:
            self._phase += 1
            self._paint()

    # --- the mouse -----------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: MouseDown) -> None:
        """Notes where the button was pressed."""
        self._pressed = event.screen_offset

    def on_click(self, event: Click) -> None:
        """Tells that the node at that cell was chosen. A drag is no click."""
        offset = event.get_content_offset(self) if event.screen_offset == self._pressed else None
        node = -1 if offset is None else self._node_at(*offset)
        if node >= 0 and self._scene is not None:
            self.post_message(self.NodeChosen(self._scene.nodes[node].id))

    def on_mouse_move(self, event: MouseMove) -> None:
        """Shows in a tooltip what is at that cell."""
        offset = event.get_content_offset(self)
        self.tooltip = None if offset is None else self._text_at(*offset)

    def on_leave(self, event: Leave) -> None:
        """Removes the tooltip."""
        self.tooltip = None

    def _node_at(self, x: int, y: int) -> int:
        """Returns the node whose mark, name or arc is at a cell, else -1."""
        for mark in self._painter.marks:
            if mark.y == y and mark.x <= x < mark.x + width_of(mark.text):
                return mark.node
        arc = self._arc_at(x, y)
        return arc.holders[0] if arc is not None and arc.holders else -1

    def _arc_at(self, x: int, y: int) -> ArcShown | None:
        geometry = self._painter.geometry
        if self._scene is None or geometry is None or not geometry.on_ring(x, y):
            return None
        return arc_at(self._scene.arcs, geometry.slot_at(x, y))

    def _text_at(self, x: int, y: int) -> str | None:
        arc, scene = self._arc_at(x, y), self._scene
        if arc is None or scene is None:
            node = self._node_at(x, y)
            return None if node < 0 or scene is None else scene.nodes[node].address
        nodes = scene.nodes
        return arc_text(arc, lambda node: nodes[node].name)


def _regions(rows: Iterable[int], width: int) -> list[Region]:
    """Returns the regions of rows; rows that follow each other are one region."""
    found: list[Region] = []
    for y in sorted(rows):
        if found and found[-1].bottom == y:
            found[-1] = Region(0, found[-1].y, width, found[-1].height + 1)
        else:
            found.append(Region(0, y, width, 1))
    return found
