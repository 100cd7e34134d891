"""What was known at moments of the past, in bounded memory.

A moment is all that a scene is made of, packed: what was observed as compressed bytes, the layout of the ring by
reference (views share their arcs). It is exact: the scene of a moment is the very scene that was shown then. Between
two moments the earlier one holds, unless nothing was seen in between: then only the time went on.

Memory is bounded by bytes: with a large hive moments are further apart, and where that does not do, those that stand
close together are dropped, last of all those at which something happened.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from itertools import pairwise
from math import isnan, nan
from typing import Union

import msgspec

from wrpme.protocol.view import NodeId
from wrpme.tui.limits import HISTORY_BYTES_MAX, HISTORY_SECONDS_MAX, STALE_SECONDS
from wrpme.tui.state import derive
from wrpme.tui.state.derive import WHATS, Figures
from wrpme.tui.state.observed import Observed
from wrpme.tui.state.ring_layout import RingLayout
from wrpme.tui.state.scene import Mode, Scene

MOMENT_SECONDS_USUAL = 0.5
WORST = ("p50", "p99")
"""The value of the hive is the largest of its nodes; that of other figures is the sum."""
MOMENT_BYTES = 400
"""What a moment takes beside what is counted."""
ARC_BYTES, MEMBER_BYTES = 400, 400
FULL_AFTER_THINNING, FULL_AT_MOST = 0.6, 0.9
"""Parts of the bound: the aim of thinning out, and what is enough."""
LAYOUTS_KEPT = 4
"""So many layouts keep what was computed of them; for others it is computed again."""
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Observed).decode
Series = list[tuple[float, Union[float, None]]]


class _Moment:
    """What was known ``at`` a time, which stands for all that was seen ``until`` another; ``marked`` if something
    happened."""

    __slots__ = ("at", "layout", "marked", "packed", "samples", "until")

    def __init__(
        self, at: float, packed: bytes, layout: RingLayout | None, samples: array[float], marked: bool
    ) -> None:
        self.at = self.until = at
        self.packed = packed
        self.layout = layout
        self.samples = samples
        self.marked = marked

    @property
    def size(self) -> int:
        """The bytes that the moment takes, without the layout."""
        return MOMENT_BYTES + len(self.packed) + len(self.samples) * self.samples.itemsize


class History:
    """Keeps the moments of the last ``seconds_max``; with None those of all time, the further apart the longer that
    is."""

    def __init__(self, seconds_max: float | None = HISTORY_SECONDS_MAX, bytes_max: int = HISTORY_BYTES_MAX) -> None:
        self._seconds_max = seconds_max
        self._bytes_max = bytes_max
        self._moments: list[_Moment] = []
        self._filled: OrderedDict[RingLayout, RingLayout] = OrderedDict()
        self.bytes = 0
        """An estimate of the memory in use."""

    @property
    def moments(self) -> list[float]:
        """The times of all moments."""
        return [moment.at for moment in self._moments]

    @property
    def first(self) -> float | None:
        """The time of the first moment."""
        return self._moments[0].at if self._moments else None

    @property
    def last(self) -> float | None:
        """The time of the last moment."""
        return self._moments[-1].at if self._moments else None

    # --- what is remembered --------------------------------------------------------------------------------------

    def is_due(self, at: float) -> bool:
        """Returns whether a moment is to be kept at that time even though nothing happened."""
        if not self._moments:
            return True
        last = self._moments[-1]
        span = self._seconds_max if self._seconds_max is not None else last.at - self._moments[0].at
        return at - last.at >= max(MOMENT_SECONDS_USUAL * 0.9, span * last.size / self._bytes_max)

    def passes(self, at: float) -> None:
        """Lets the last moment stand for what was seen at that time, unless nothing was seen for a while before."""
        if self._moments and at - self._moments[-1].until <= STALE_SECONDS:
            self._moments[-1].until = at

    def cut(self, at: float, observed: Observed, layout: RingLayout | None, marked: bool) -> None:
        """Keeps a moment; ``marked`` says that something happened then."""
        last = self._moments[-1] if self._moments else None
        if last is not None and at <= last.at:
            return
        shared = last.layout if last is not None else None
        if layout is not None and (shared is None or shared.view is not layout.view):
            self.bytes += _layout_bytes(layout, shared)
            shared = layout.bare()
        elif layout is None:
            shared = None
        samples = _samples(derive.figures(observed, layout, at))
        moment = _Moment(at, zlib.compress(_ENCODE(observed), 1), shared, samples, marked)
        self._moments.append(moment)
        self.bytes += moment.size
        if self._seconds_max is not None:
            while self._moments[0].at < at - self._seconds_max:
                self._forget_first()
        if self.bytes > self._bytes_max:
            self._thin()

    def _forget_first(self) -> None:
        first = self._moments.pop(0)
        self.bytes -= first.size
        if first.layout is not None and (not self._moments or self._moments[0].layout is not first.layout):
            self.bytes -= _layout_bytes(first.layout, None if not self._moments else self._moments[0].layout)

    def _thin(self) -> None:
        for marked_too in (False, True):
            room = FULL_AFTER_THINNING * self._bytes_max * len(self._moments) / self.bytes
            self._space((self._moments[-1].at - self._moments[0].at) / max(1.0, room), marked_too)
            if self.bytes <= FULL_AT_MOST * self._bytes_max:
                return
        while self.bytes > FULL_AT_MOST * self._bytes_max and len(self._moments) > 1:
            self._forget_first()

    def _space(self, seconds: float, marked_too: bool) -> None:
        """Drops moments that follow the one before within ``seconds``; but not those at the edge of a gap in which
        nothing was seen, because the gap would be lost."""
        kept = self._moments[:1]
        for moment, after in pairwise(self._moments[1:]):
            close = moment.at - kept[-1].at < seconds and (marked_too or not moment.marked)
            if close and not _is_gap(kept[-1], moment) and not _is_gap(moment, after):
                kept[-1].until = moment.until
            else:
                kept.append(moment)
        self._moments = kept + self._moments[1:][-1:]
        self.bytes = sum(moment.size for moment in self._moments)
        before: RingLayout | None = None
        for moment in self._moments:
            if moment.layout is not None and moment.layout is not before:
                self.bytes += _layout_bytes(moment.layout, before)
            before = moment.layout

    # --- what is shown of it -------------------------------------------------------------------------------------

    def look(self, moment: float) -> tuple[float, float] | None:
        """Returns the time of the moment that stands for ``moment``, and the time as of which it is shown: its own, or
        a later one where nothing was seen since. None before the first moment."""
        found = self._find(moment)
        if found is None:
            return None
        return found.at, found.at if moment <= found.until else found.at + (moment - found.until)

    def scene_at(self, moment: float, mode: Mode = Mode.PAST) -> Scene | None:
        """Returns the scene that was shown at that time; None before the first moment."""
        found, seen = self._find(moment), self.look(moment)
        if found is None or seen is None:
            return None
        observed = _DECODE(zlib.decompress(found.packed))
        return derive.scene(observed, self._layout(found.layout), seen[1], mode)

    def _find(self, moment: float) -> _Moment | None:
        index = bisect_right(self._moments, moment, key=_at)
        return self._moments[index - 1] if index else None

    def _layout(self, layout: RingLayout | None) -> RingLayout | None:
        if layout is None:
            return None
        self._filled[layout] = filled = self._filled.pop(layout, None) or layout.bare()
        if len(self._filled) > LAYOUTS_KEPT:
            self._filled.popitem(last=False)
        return filled

    def marked_before(self, moment: float) -> float | None:
        """Returns the last time before ``moment`` at which something happened."""
        for index in range(bisect_left(self._moments, moment, key=_at) - 1, -1, -1):
            if self._moments[index].marked:
                return self._moments[index].at
        return None

    def marked_from(self, moment: float) -> float | None:
        """Returns the first time from ``moment`` on at which something happened."""
        return self._marked(bisect_left(self._moments, moment, key=_at))

    def marked_after(self, moment: float) -> float | None:
        """Returns the first time after ``moment`` at which something happened."""
        return self._marked(bisect_right(self._moments, moment, key=_at))

    def _marked(self, first: int) -> float | None:
        for index in range(first, len(self._moments)):
            if self._moments[index].marked:
                return self._moments[index].at
        return None

    def series(self, node: NodeId | None, what: str, until: float | None = None, since: float | None = None) -> Series:
        """Returns times and values of one of ``WHATS`` for a node, or with None for the hive; those ``since`` a time
        begin with the one that held then. The value is None where the node was not heard."""
        column = WHATS.index(what)
        found: Series = []
        layout: RingLayout | None = None
        row: int | None = 0 if node is None else None
        before: _Moment | None = None
        first = 0 if since is None else max(0, bisect_right(self._moments, since, key=_at) - 1)
        for moment in self._moments[first : None if until is None else bisect_right(self._moments, until, key=_at)]:
            if node is not None and moment.layout is not layout:
                layout = moment.layout
                index = layout.index.get(node) if layout is not None else None
                row = None if index is None else index + 1
            if before is not None and _is_gap(before, moment):
                found.append((before.until + STALE_SECONDS, None))
            value = nan if row is None else moment.samples[row * len(WHATS) + column]
            found.append((moment.at, None if isnan(value) else value))
            before = moment
        return found


def _at(moment: _Moment) -> float:
    return moment.at


def _is_gap(before: _Moment, after: _Moment) -> bool:
    return after.at - before.until > STALE_SECONDS


def _samples(rows: list[Figures]) -> array[float]:
    """Returns a row of ``WHATS`` for the hive, and one for each node; a figure that is not known is not a number."""
    hive: list[float | None] = [nan] * len(WHATS)
    for column, what in enumerate(WHATS):
        told = [value for row in rows if (value := row[column]) is not None]
        if told:
            hive[column] = max(told) if what in WORST else sum(told)
    return array("d", [nan if value is None else value for row in (hive, *rows) for value in row])


def _layout_bytes(layout: RingLayout, before: RingLayout | None) -> int:
    """Returns the bytes that a layout takes beside the arcs that it shares with the one before."""
    view = layout.view
    former = set(map(id, before.view.arcs)) if before is not None else set()
    own = sum(id(arc) not in former for arc in view.arcs)
    return ARC_BYTES * own + 8 * len(view.arcs) + MEMBER_BYTES * len(view.members)
