"""A figure over time, drawn with braille dots (2 x 4 to a cell) or plain characters. Pure: rows of runs come out, each
a text and the role of its colour.

What nobody knows is left empty and never drawn as 0: a 0 that was told has its dots at the bottom. Where several values
fall into one column the largest is drawn, so that no peak is lost. A second line stands out by its shape too: it is a
line over an area.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from math import ceil, floor, log10
from operator import itemgetter

from msgspec import Struct

from wrpme.tui.limits import GRAPH_HOLD_SECONDS
from wrpme.tui.state import format
from wrpme.tui.state.lines import Part, Row

Points = Sequence[tuple[float, float | None]]
"""Times (seconds since 1970, ascending) and values; None where the value is not known."""
LABEL_CELLS = 8
"""The scale at the left of every graph, so that times stand under each other in all of them."""
TIMES_MAX = 6
"""So many times stand under a graph, beside the one at its end."""
TREND_CELLS_MIN = 4
"""A trend has at least so many bars."""
STEADY = "does not change"
UNKNOWN = "nothing is known of this time"
_BRAILLE = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The bits of the dots of a cell, left and right, from the bottom up."""
_BRAILLE_BITS = [[[sum(dots[low : high + 1]) for high in range(4)] for low in range(4)] for dots in _BRAILLE]
_PLAIN_BITS = [[sum((1, 2, 4)[low : high + 1]) for high in range(3)] for low in range(3)]
"""The bits of all dots between the lowest and the highest one."""
_BARS = "▁▂▃▄▅▆▇"
_PLAIN_BARS = "_.-=+*#"
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_SPAN_CELLS = len("-10 min")
_CLOCK_CELLS = len("12:00:00")


class Unit(Struct, frozen=True):
    """A unit of figures: ``suffixes`` by powers of ``base``, the first of ``least``; ``text`` formats a value. With
    ``logarithmic`` each step of a scale is ten times the one below."""

    base: float
    least: float
    suffixes: tuple[str, ...]
    text: Callable[[float | None], str]
    logarithmic: bool = False


RATE = Unit(1000, 1, ("", "k", "M", "G"), format.rate_text)
SECONDS = Unit(1000, 1e-6, (" us", " ms", " s"), format.latency_text, logarithmic=True)
BYTES_PER_SECOND = Unit(1024, 1, (" B", " KiB", " MiB", " GiB", " TiB"), format.bytes_rate_text)


class Line(Struct, frozen=True):
    """A series of a graph. ``filled`` says that the area below it is drawn; ``role`` names its colour."""

    name: str
    points: Points
    role: str
    filled: bool = True


# --- the scale ---------------------------------------------------------------------------------------------------


def step_of(highest: float, unit: Unit, ticks_max: int) -> float:
    """Returns the smallest step of 1, 2 or 5 of a unit of which at most ``ticks_max`` (1 or more) reach ``highest``."""
    size = unit.least
    while True:
        for step in _STEPS:
            if step < unit.base and step * size * ticks_max >= highest * (1 - 1e-9):
                return step * size
        size *= unit.base


class Scale(Struct, frozen=True):
    """From ``low`` to ``high``, with the values that are written beside it, ascending."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool

    def share(self, value: float) -> float:
        """Returns where a value lies, from 0 (the lowest) to 1; values beyond the scale lie at its end."""
        if not self.logarithmic:
            return min(1.0, max(0.0, value / self.high))
        decades = log10(self.high / self.low)
        return min(1.0, max(0.0, log10(max(value, self.low) / self.low) / decades))


def scale_of(values: Sequence[float], unit: Unit, ticks_max: int) -> Scale:
    """Returns the scale that has all the values, with about ``ticks_max`` (1 or more) steps. A logarithmic one is of
    whole decades, and begins where the lowest value above 0 needs it."""
    highest = max(values, default=0.0)
    if not unit.logarithmic:
        step = step_of(highest, unit, ticks_max)
        count = max(1, ceil(highest / step - 1e-9))
        return Scale(0.0, step * count, tuple(step * number for number in range(count + 1)), False)
    positive = [value for value in values if value > 0]
    first = floor(log10(max(unit.least, min(positive, default=unit.least))) + 1e-9)
    last = max(first + 1, ceil(log10(max(unit.least, highest)) - 1e-9))
    each = ceil((last - first) / ticks_max)
    exponents = [*range(first, last, each), last]
    if len(exponents) > 2 and exponents[-1] - exponents[-2] < each:
        del exponents[-2]
    return Scale(10.0**first, 10.0**last, tuple(10.0**exponent for exponent in exponents), True)


def tick_text(value: float, unit: Unit) -> str:
    """Returns a round number in the unit that fits, such as ``20k``, ``5 ms`` or ``200 KiB``."""
    if value == 0:
        return "0"
    size, at = unit.least, 0
    while value >= size * unit.base * (1 - 1e-9) and at + 1 < len(unit.suffixes):
        size, at = size * unit.base, at + 1
    text = f"{value / size:g}"
    below = f"{value / size * unit.base:g}"
    if at and len(text) > len(below):  # 1500 B are no round number of KiB
        text, at = below, at - 1
    return f"{text}{unit.suffixes[at]}"


# --- from points to columns --------------------------------------------------------------------------------------


def columns(points: Points, start: float, end: float, count: int) -> list[float | None]:
    """Returns the largest value of each of ``count`` equal stretches of time from ``start`` to ``end``. A value holds
    until the next point, the last one for ``GRAPH_HOLD_SECONDS``."""
    found: list[float | None] = [None] * count
    if end <= start:
        return found
    scale = count / (end - start)
    begin = max(0, bisect_right(points, start, key=itemgetter(0)) - 1)
    for index in range(begin, bisect_right(points, end, key=itemgetter(0))):
        at, value = points[index]
        if value is None:
            continue
        until = points[index + 1][0] if index + 1 < len(points) else at + GRAPH_HOLD_SECONDS
        if until < start:
            continue
        first = min(count - 1, int((at - start) * scale)) if at > start else 0
        last = min(count, max(first + 1, ceil((until - start) * scale - 1e-9)))
        for column in range(first, last):
            before = found[column]
            if before is None or value > before:
                found[column] = value
    return found


def known(points: Points, start: float, end: float) -> list[float]:
    """Returns the values that are known between ``start`` and ``end``."""
    return [value for at, value in points if value is not None and start <= at <= end]


def latest(points: Points, end: float) -> float | None:
    """Returns the value at ``end``; None if none is known at that time."""
    index = bisect_right(points, end, key=itemgetter(0)) - 1
    if index < 0 or (index + 1 == len(points) and end - points[index][0] > GRAPH_HOLD_SECONDS):
        return None
    return points[index][1]


def span_until(at: float, seconds: float, width: int, plain: bool) -> tuple[float, float]:
    """Returns start and end of about the last ``seconds`` up to ``at``, as a graph of ``width`` cells shows them: it
    moves by whole columns of dots, so that what was drawn once keeps its shape."""
    column = seconds / max(1, (width - LABEL_CELLS - 1) * (1 if plain else 2))
    end = ceil(at / column) * column
    return end - seconds, end


# --- drawing -----------------------------------------------------------------------------------------------------


class Canvas:
    """Dots in cells, ``across`` x ``down`` to each. The last drawing in a cell decides its colour."""

    def __init__(self, width: int, height: int, plain: bool) -> None:
        self.across, self.down = (1, 3) if plain else (2, 4)
        self.width = width * self.across
        self.height = height * self.down
        self._plain = plain
        self._dots = [[0] * width for _ in range(height)]
        """The dots of each cell as bits; rows from the bottom up."""
        self._cells: list[list[Part]] = [[("", "")] * width for _ in range(height)]
        """What was drawn last in each cell ("#" an area, "*" a line), and its role."""

    def area(self, levels: Sequence[int | None], role: str) -> None:
        """Draws all dots up to each level (0 is the lowest dot)."""
        for x, level in enumerate(levels):
            if level is not None:
                self._put(x, 0, level, ("#", role))

    def line(self, levels: Sequence[int | None], role: str) -> None:
        """Draws a line from level to level, with room around it where it crosses an area."""
        before: int | None = None
        for x, level in enumerate(levels):
            if level is not None:
                low = high = level
                if before is not None and not self._plain:
                    low, high = min(low, before + 1), max(high, before - 1)
                for row, bits in self._bits(x, max(0, low - 1), min(self.height - 1, high + 1)):
                    self._dots[row][x // self.across] &= ~bits
                self._put(x, low, high, ("*", role))
            before = level

    def _put(self, x: int, low: int, high: int, drawn: Part) -> None:
        cell = x // self.across
        for row, bits in self._bits(x, low, high):
            self._dots[row][cell] |= bits
            self._cells[row][cell] = drawn

    def _bits(self, x: int, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yields the rows that have these dots of a column, and which dots."""
        bits = _PLAIN_BITS if self._plain else _BRAILLE_BITS[x % 2]
        down = self.down
        for row in range(low // down, high // down + 1):
            yield row, bits[max(0, low - row * down)][min(down - 1, high - row * down)]

    def rows(self) -> list[Row]:
        """Returns the rows of cells, from the top down."""
        drawn: list[Row] = []
        for dots, cells in zip(reversed(self._dots), reversed(self._cells), strict=True):
            shown = [(self._sign(bits, cell[0]), cell[1]) for bits, cell in zip(dots, cells, strict=True)]
            runs = groupby(shown, key=itemgetter(1))
            drawn.append(tuple(("".join(text for text, _ in run), role) for role, run in runs))
        return drawn

    def _sign(self, bits: int, drawn: str) -> str:
        if not drawn:
            return " "
        if self._plain:
            return " .:#"[bits.bit_count()] if drawn == "#" else "*"
        return chr(0x2800 + bits)


def graph(
    lines: Sequence[Line],
    unit: Unit,
    start: float,
    end: float,
    width: int,
    height: int,
    *,
    axis: str = "span",
    plain: bool = False,
) -> list[Row]:
    """Returns ``height`` rows (2 or more) of ``width`` cells (24 or more): a legend with figures, the graph, and with
    ``axis`` the times below it: "span" (before ``end``, which is now), "clock" or "" (none)."""
    rows = height - (2 if axis else 1)
    cells = width - LABEL_CELLS - 1
    values = [value for line in lines for value in known(line.points, start, end)]
    drawn = [_legend(lines, unit, start, end, width, plain)]
    if rows > 0:
        scale = scale_of(values, unit, max(1, rows // 2))
        drawn += _framed(_plot(lines, start, end, scale, cells, rows, plain), unit, scale, plain)
    if not values and rows > 0:
        at = 1 + rows // 2
        drawn[at] = (*drawn[at][:1], (UNKNOWN.center(cells)[:cells], "dim"))
    if axis:
        drawn.append(((" " * (LABEL_CELLS + 1) + time_axis(start, end, cells, axis == "clock"), "dim"),))
    return drawn[:height]


def _plot(
    lines: Sequence[Line], start: float, end: float, scale: Scale, cells: int, rows: int, plain: bool
) -> list[Row]:
    canvas = Canvas(cells, rows, plain)
    for line in sorted(lines, key=lambda line: not line.filled):
        levels = [
            None if value is None else round(scale.share(value) * (canvas.height - 1))
            for value in columns(line.points, start, end, canvas.width)
        ]
        if line.filled:
            canvas.area(levels, line.role)
        else:
            canvas.line(levels, line.role)
    return canvas.rows()


def _framed(plot: list[Row], unit: Unit, scale: Scale, plain: bool) -> list[Row]:
    """Returns the rows with the scale at the left."""
    rows = len(plot)
    labels = {round(scale.share(value) * (rows - 1)): tick_text(value, unit) for value in scale.ticks}
    tick, bar = "+|" if plain else "┤│"
    framed: list[Row] = []
    for at, row in enumerate(plot):
        label = labels.get(rows - 1 - at)
        text = f"{label or '':>{LABEL_CELLS}}{bar if label is None else tick}"
        framed.append(((text, "dim"), *row))
    return framed


def _legend(lines: Sequence[Line], unit: Unit, start: float, end: float, width: int, plain: bool) -> Row:
    """Returns the sign and name of each line, its value at the end, and how low and high it was, as far as there is
    room."""
    parts: list[Part] = []
    for ranges in ("{0} to {1}", "max {1}", ""):
        parts = []
        for line in lines:
            sign = ("#" if plain else "⣿") if line.filled else ("*" if plain else "⠒")
            values = known(line.points, start, end)
            parts += [(f"{sign * 2} ", line.role), (f"{line.name} ", "dim")]
            parts.append((unit.text(latest(line.points, end)), "bold"))
            if ranges and values:
                parts.append(("  " + ranges.format(unit.text(min(values)), unit.text(max(values))), "dim"))
            parts.append(("   ", ""))
        if unit.logarithmic:
            parts[-1:] = [("   log scale", "dim"), ("", "")]
        used = sum(len(text) for text, _ in parts[:-1])
        if used <= width:
            return (*parts[:-1], (" " * (width - used), ""))
    return _cut(parts, width)


def _cut(parts: Sequence[Part], width: int) -> Row:
    cut: list[Part] = []
    for text, role in parts:
        cut.append((text[:width], role))
        width -= len(text[:width])
    return tuple(part for part in cut if part[0])


def time_axis(start: float, end: float, cells: int, clock: bool) -> str:
    """Returns the times under a graph: how long before its end, which is now, or what the clocks showed."""
    if end <= start:
        return " " * cells
    wide = max((_CLOCK_CELLS if clock else _SPAN_CELLS) + 3, cells / TIMES_MAX)
    step = next((step for step in _TIME_STEPS if step / (end - start) * cells >= wide), end - start)
    first = end - end % step if clock else end
    line = [" "] * cells
    number = 0
    while (at := first - number * step) >= start - 1e-6:
        text = format.clock(at) if clock else _before_text(end - at)
        middle = round((at - start) / (end - start) * (cells - 1))
        left = max(0, min(cells - len(text), middle - len(text) // 2))
        if all(cell == " " for cell in line[max(0, left - 1) : left + len(text) + 1]):
            line[left : left + len(text)] = text
        number += 1
    return "".join(line)[:cells]


def _before_text(seconds: float) -> str:
    if seconds < 0.5:
        return "now"
    whole = round(seconds)
    for size, unit in ((3600, "h"), (60, "min")):
        if whole >= size and whole % size == 0:
            return f"-{whole // size} {unit}"
    return f"-{whole} s"


def sparkline(values: Sequence[float | None], width: int, plain: bool = False) -> str:
    """Returns the latest values as bars in ``width`` cells; the lowest bar stands for 0 or nearly 0, a space for a
    value that is not known. If there are more values than cells, a bar shows the largest of a few."""
    return _bars_of(values, width, plain, 0.0)


def trendline(
    values: Sequence[float | None], unit: Callable[[float | None], str], width: int, plain: bool
) -> tuple[str, str]:
    """Returns values as bars, and their scale, together in ``width`` cells: the lowest bar is the lowest value, the
    highest bar the highest. Of values that do not change that is said rather than drawn."""
    told = [value for value in values if value is not None]
    if not told or width < len(STEADY):
        return "", " " * width
    low, high = unit(min(told)), unit(max(told))
    if low == high:
        return "", STEADY.ljust(width)
    number, _, of = low.partition(" ")
    scale = f" {number if of and high.endswith(f' {of}') else low} to {high}"
    if width < len(scale) + TREND_CELLS_MIN:
        return "", " " * width
    return _bars_of(values, width - len(scale), plain, min(told)), scale


def _bars_of(values: Sequence[float | None], width: int, plain: bool, bottom: float) -> str:
    bars = _PLAIN_BARS if plain else _BARS
    few = max(1, ceil(len(values) / width)) if width else 1
    groups = [values[max(0, at - few) : at] for at in range(len(values), 0, -few)][::-1]
    peaks = [max((value for value in group if value is not None), default=None) for group in groups]
    top = max((value for value in peaks if value is not None), default=0.0) - bottom
    text = "".join(
        " " if value is None else bars[min(len(bars) - 1, floor((value - bottom) / top * len(bars)) if top else 0)]
        for value in peaks
    )
    return text.rjust(width)[:width]
