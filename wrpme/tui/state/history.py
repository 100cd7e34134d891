"""What was known at moments of the past, in bounded memory.

A moment is all that a scene is made of, packed: the facts as compressed bytes, the view by reference (views share their
arcs). What is cut so is exact: a scene of a moment is the very scene that was shown then. Between two moments the
earlier one holds, unless nothing was seen in between: then the facts stayed as they were, and only time went on.

Memory is bounded by bytes: with a large hive moments are further apart, and where that does not do, those that stand
close together are given up, the ones at which something happened last.
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
from wrpme.tui.state.facts import Facts
from wrpme.tui.state.ring_layout import Places
from wrpme.tui.state.scene import Mode, NodeShown, Scene

WHATS = ("operations", "p50", "p99", "received", "sent", "entries", "memory", "disk")
"""Of what there are series, a second where it is a rate; of the hive as a whole its sum, of p50 and p99 the worst."""
MOMENT_SECONDS_USUAL = 0.5
WORST = ("p50", "p99")
MOMENT_BYTES = 400
"""Of a moment beside what is counted."""
ARC_BYTES, MEMBER_BYTES = 400, 400
FULL_AFTER_THINNING, FULL_AT_MOST = 0.6, 0.9
"""Parts of the bound: what is aimed at, and what will do."""
PLACES_KEPT = 4
"""Views of which all that a scene needs is kept; of others it is computed again."""
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Facts).decode
Series = list[tuple[float, Union[float, None]]]


class _Moment:
    """``until`` is when the last was seen that it stands for too; ``marked`` where something happened."""

    __slots__ = ("at", "marked", "packed", "places", "samples", "until")

    def __init__(self, at: float, packed: bytes, places: Places | None, samples: array[float], marked: bool) -> None:
        self.at = self.until = at
        self.packed = packed
        self.places = places
        self.samples = samples
        self.marked = marked

    @property
    def size(self) -> int:
        """In bytes, without the places."""
        return MOMENT_BYTES + len(self.packed) + len(self.samples) * self.samples.itemsize


class History:
    """The moments of the last ``seconds_max``, or with None of all time, the further apart the longer that is."""

    def __init__(self, seconds_max: float | None = HISTORY_SECONDS_MAX, bytes_max: int = HISTORY_BYTES_MAX) -> None:
        self._seconds_max = seconds_max
        self._bytes_max = bytes_max
        self._moments: list[_Moment] = []
        self._filled: OrderedDict[Places, Places] = OrderedDict()
        self.bytes = 0
        """About what all of it takes."""

    @property
    def moments(self) -> list[float]:
        """Their times."""
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
        """Whether what is known at that time is to be remembered even where nothing happened."""
        if not self._moments:
            return True
        last = self._moments[-1]
        span = self._seconds_max if self._seconds_max is not None else last.at - self._moments[0].at
        return at - last.at >= max(MOMENT_SECONDS_USUAL * 0.9, span * last.size / self._bytes_max)

    def passes(self, at: float) -> None:
        """Something was seen at that time, and the last moment stands for it; not where nothing was seen before."""
        if self._moments and at - self._moments[-1].until <= STALE_SECONDS:
            self._moments[-1].until = at

    def cut(self, at: float, facts: Facts, places: Places | None, marked: bool) -> None:
        """Remembers what is known at that time; ``marked`` where something happened."""
        last = self._moments[-1] if self._moments else None
        if last is not None and at <= last.at:
            return
        shared = last.places if last is not None else None
        if places is not None and (shared is None or shared.view is not places.view):
            self.bytes += _places_bytes(places, shared)
            shared = places.bare()
        elif places is None:
            shared = None
        scene = derive.scene(facts, places, at, Mode.PAST)
        moment = _Moment(at, zlib.compress(_ENCODE(facts), 1), shared, _samples(scene), marked)
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
        if first.places is not None and (not self._moments or self._moments[0].places is not first.places):
            self.bytes -= _places_bytes(first.places, None if not self._moments else self._moments[0].places)

    def _thin(self) -> None:
        for marked_too in (False, True):
            room = FULL_AFTER_THINNING * self._bytes_max * len(self._moments) / self.bytes
            self._space((self._moments[-1].at - self._moments[0].at) / max(1.0, room), marked_too)
            if self.bytes <= FULL_AT_MOST * self._bytes_max:
                return
        while self.bytes > FULL_AT_MOST * self._bytes_max and len(self._moments) > 1:
            self._forget_first()

    def _space(self, seconds: float, marked_too: bool) -> None:
        """Gives up moments that come sooner after another one than that, but for those around which nothing was seen,
        as that would be lost."""
        kept = self._moments[:1]
        for moment, after in pairwise(self._moments[1:]):
            close = moment.at - kept[-1].at < seconds and (marked_too or not moment.marked)
            if close and not _is_gap(kept[-1], moment) and not _is_gap(moment, after):
                kept[-1].until = moment.until
            else:
                kept.append(moment)
        self._moments = kept + self._moments[1:][-1:]
        self.bytes = sum(moment.size for moment in self._moments)
        before: Places | None = None
        for moment in self._moments:
            if moment.places is not None and moment.places is not before:
                self.bytes += _places_bytes(moment.places, before)
            before = moment.places

    # --- what is shown of it -------------------------------------------------------------------------------------

    def look(self, moment: float) -> tuple[float, float] | None:
        """The moment that stands for that time, and the time as of which it is shown: its own, or a later one where
        nothing was seen since. None before the first moment."""
        found = self._find(moment)
        if found is None:
            return None
        return found.at, found.at if moment <= found.until else found.at + (moment - found.until)

    def scene_at(self, moment: float, mode: Mode = Mode.PAST) -> Scene | None:
        """What was shown at that time; None before the first moment."""
        found, seen = self._find(moment), self.look(moment)
        if found is None or seen is None:
            return None
        facts = _DECODE(zlib.decompress(found.packed))
        return derive.scene(facts, self._places(found.places), seen[1], mode)

    def _find(self, moment: float) -> _Moment | None:
        index = bisect_right(self._moments, moment, key=_at)
        return self._moments[index - 1] if index else None

    def _places(self, places: Places | None) -> Places | None:
        if places is None:
            return None
        self._filled[places] = filled = self._filled.pop(places, None) or places.bare()
        if len(self._filled) > PLACES_KEPT:
            self._filled.popitem(last=False)
        return filled

    def marked_before(self, moment: float) -> float | None:
        """The last moment before that time at which something happened."""
        for index in range(bisect_left(self._moments, moment, key=_at) - 1, -1, -1):
            if self._moments[index].marked:
                return self._moments[index].at
        return None

    def marked_from(self, moment: float) -> float | None:
        """The first moment from that time on at which something happened."""
        return self._marked(bisect_left(self._moments, moment, key=_at))

    def marked_after(self, moment: float) -> float | None:
        """The first moment after that time at which something happened."""
        return self._marked(bisect_right(self._moments, moment, key=_at))

    def _marked(self, first: int) -> float | None:
        for index in range(first, len(self._moments)):
            if self._moments[index].marked:
                return self._moments[index].at
        return None

    def series(self, node: NodeId | None, what: str, until: float | None = None) -> Series:
        """Times and values of one of ``WHATS`` of a node, or with None of the hive; None where it was not heard."""
        column = WHATS.index(what)
        found: Series = []
        places: Places | None = None
        row: int | None = 0 if node is None else None
        before: _Moment | None = None
        for moment in self._moments[: None if until is None else bisect_right(self._moments, until, key=_at)]:
            if node is not None and moment.places is not places:
                places = moment.places
                index = places.index.get(node) if places is not None else None
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


def _samples(scene: Scene) -> array[float]:
    """A row of ``WHATS`` for the hive, and one for each node; not a number where it is not known now."""
    rows = [_row(node) for node in scene.nodes]
    hive: list[float | None] = [nan] * len(WHATS)
    for column, what in enumerate(WHATS):
        told = [value for row in rows if (value := row[column]) is not None]
        if told:
            hive[column] = max(told) if what in WORST else sum(told)
    return array("d", [nan if value is None else value for row in (hive, *rows) for value in row])


def _row(node: NodeShown) -> list[float | None]:
    if node.stale:
        return [None] * len(WHATS)
    return [
        node.operations_per_second, node.p50_seconds, node.p99_seconds, node.received_bytes_per_second,
        node.sent_bytes_per_second, node.entries, node.memory_bytes, node.disk_bytes,
    ]  # fmt: skip


def _places_bytes(places: Places, before: Places | None) -> int:
    """What a view takes beside the arcs and members that it shares with the one before."""
    view = places.view
    former = set(map(id, before.view.arcs)) if before is not None else set()
    own = sum(id(arc) not in former for arc in view.arcs)
    return ARC_BYTES * own + 8 * len(view.arcs) + MEMBER_BYTES * len(view.members)
