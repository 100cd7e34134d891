"""The last minutes of the hive as a whole: operations, latency and traffic, each with a name, a number and a scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from rich.segment import Segment
from textual.geometry import Size
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from wrpme.tui.limits import GRAPH_SECONDS
from wrpme.tui.node.graph import BYTES_PER_SECOND, RATE, SECONDS, Points, Scale, Unit, columns, scale_of, tick_text
from wrpme.tui.state.lines import Part, Row, as_shown, copied
from wrpme.tui.state.scene import Mode, NodeShown, Scene
from wrpme.tui.terminal.roles import style_of
from wrpme.tui.terminal.selection import highlighted, spans

Read = Callable[[str, float], Points]
"""Returns a series of the hive by its name, from a time on."""
GAP = 2
BARS_MIN = 4
"""With fewer bars none are drawn."""
_BARS = " ▁▂▃▄▅▆▇█"
_PLAIN_BARS = " _.:-=+*#"


class Measure(Struct, frozen=True):
    """A figure of the hive: the sum of ``series``, and its value in a scene. Its number takes up to ``cells``, the end
    of its scale up to ``end_cells``."""

    name: str
    unit: Unit
    cells: int
    end_cells: int
    series: tuple[str, ...]
    now: Callable[[Scene], float | None]


def _told(scene: Scene, value: Callable[[NodeShown], float | None]) -> list[float]:
    return [found for node in scene.nodes if not node.stale and (found := value(node)) is not None]


def _slowest(scene: Scene) -> float | None:
    return max(_told(scene, lambda node: node.p99_seconds), default=None)


def _traffic(scene: Scene) -> float | None:
    told = _told(scene, lambda node: node.received_bytes_per_second)
    return sum([*told, *_told(scene, lambda node: node.sent_bytes_per_second)]) if told else None


MEASURES = (
    Measure("op/s", RATE, 5, 4, ("operations",), lambda scene: scene.operations_per_second),
    Measure("p99", SECONDS, 7, 5, ("p99",), _slowest),
    Measure("in+out", BYTES_PER_SECOND, 12, 7, ("received", "sent"), _traffic),
)
"""Operations of all nodes, the latency of the slowest one, and the bytes that all nodes receive and send."""


class Trend(Widget):
    """A strip of one row, or of a title and bars of several rows, for each of :data:`MEASURES`."""

    DEFAULT_CSS = """
    Trend { height: 1; }
    """

    def __init__(self, read: Read, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.plain = False
        """Whether bars are drawn with ASCII characters."""
        self._read = read
        self._rows: list[Row] = []
        self._shown: tuple[object, ...] = ()

    @property
    def text(self) -> str:
        """The text of all rows."""
        return "\n".join("".join(text for text, _ in row) for row in self._rows)

    def show(self, scene: Scene) -> None:
        """Shows the minutes before another moment. Series are read once a second at most."""
        size = self.content_size
        values = tuple(measure.now(scene) for measure in MEASURES)
        shown = (int(scene.at), scene.mode, size, self.plain, values)
        if shown == self._shown or not size.width or not size.height:
            return
        self._shown = shown
        rows = strip_rows(scene, values, self._read, size, self.plain)
        if rows != self._rows:
            self._rows = rows
            self.refresh()

    def on_mount(self) -> None:
        """Draws the strip anew whenever the theme changes."""
        self.app.theme_changed_signal.subscribe(self, lambda theme: self.refresh())

    def render_line(self, y: int) -> Strip:
        """Returns the strip of a line of the screen."""
        base, width = self.rich_style, self.content_size.width
        if y >= len(self._rows):
            return Strip.blank(width, base)
        segments = [Segment(text, base + style_of(self.app, role)) for text, role in self._rows[y]]
        return highlighted(self, Strip(segments).adjust_cell_length(width, base), y)

    def row_at(self, line: int) -> int:
        """See :class:`wrpme.tui.terminal.selection.TextPane`."""
        return line

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """Returns the text that is selected, and a line end."""
        return copied(self._rows, spans(selection, len(self._rows)), as_shown), "\n"


def strip_rows(scene: Scene, values: Sequence[float | None], read: Read, size: Size, plain: bool) -> list[Row]:
    """Returns the rows of the strip; ``values`` are those of now."""
    width, height = size
    room = width - GAP * (len(MEASURES) - 1)
    heads = sum(len(measure.name) + measure.cells + measure.end_cells + 3 for measure in MEASURES)
    blocks: list[list[Row]] = []
    for measure, value in zip(MEASURES, values, strict=True):
        points = _points(measure, scene, value, read)
        if height == 1:
            blocks.append([_low(measure, value, points, scene.at, (room - heads) // len(MEASURES), plain)])
        else:
            blocks.append(_high(measure, value, points, scene.at, Size(room // len(MEASURES), height), plain))
    between: Part = (" " * GAP, "text")
    return [(*first, between, *second, between, *third) for first, second, third in zip(*blocks, strict=True)]


def title_of(scene: Scene) -> str:
    """Returns which minutes are shown."""
    minutes = f"{GRAPH_SECONDS / 60:g} MIN"
    return f"LAST {minutes}" if scene.mode is Mode.LIVE else f"{minutes} BEFORE"


def _points(measure: Measure, scene: Scene, value: float | None, read: Read) -> Points:
    series = [read(name, scene.at - GRAPH_SECONDS) for name in measure.series]
    points = [
        (found[0][0], None if any(one is None for _, one in found) else sum(one or 0.0 for _, one in found))
        for found in zip(*series, strict=True)
        if found[0][0] < scene.at
    ]
    return [*points, (scene.at, value)]


def _scaled(measure: Measure, points: Points, rows: int) -> Scale:
    return scale_of([value for _, value in points if value is not None], measure.unit, max(1, rows))


def _low(measure: Measure, value: float | None, points: Points, at: float, cells: int, plain: bool) -> Row:
    """Returns name, number, so many bars and the end of the scale; every part has its place, whatever the number."""
    number: Row = ((f"{measure.name} ", "dim"), (f"{measure.unit.text(value):<{measure.cells}} ", "bold"))
    if cells < BARS_MIN:
        return number
    scale = _scaled(measure, points, 1)
    end = tick_text(scale.high, measure.unit).replace(" ", "")
    (bars,) = _bars(points, scale, at, cells, 1, plain)
    return (*number, (bars, "accent"), (f" {end:<{measure.end_cells}}", "dim"))


def _high(measure: Measure, value: float | None, points: Points, at: float, size: Size, plain: bool) -> list[Row]:
    """Returns a row with name, number and scale, and bars below it."""
    width, height = size
    scale = _scaled(measure, points, height)
    number = measure.unit.text(value)
    ends = f"{tick_text(scale.low, measure.unit)} to {tick_text(scale.high, measure.unit)}"
    room = max(0, width - len(measure.name) - len(number) - 1)
    right = ends.rjust(room) if len(ends) < room else " " * room
    first: Row = ((f"{measure.name} ", "dim"), (number, "bold"), (right, "dim"))
    return [first, *(((bars, "accent"),) for bars in _bars(points, scale, at, width, height - 1, plain))]


def _bars(points: Points, scale: Scale, at: float, cells: int, rows: int, plain: bool) -> list[str]:
    """Returns bars of so many rows, from the top down; a value that is known has at least the lowest bar."""
    signs = _PLAIN_BARS if plain else _BARS
    full = len(signs) - 1
    levels = [
        0 if value is None else 1 + round(scale.share(value) * (rows * full - 1))
        for value in columns(points, at - GRAPH_SECONDS, at, cells)
    ]
    return ["".join(signs[min(full, max(0, level - row * full))] for level in levels) for row in reversed(range(rows))]
