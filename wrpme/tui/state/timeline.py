"""The time that is shown: now, a moment of the past, or one of a record that is played. All three are asked alike."""

from __future__ import annotations

from collections.abc import Sequence

from wrpme.client.watch.records import StatsSeen, WatchRecord
from wrpme.protocol.view import NodeId
from wrpme.tui.limits import HISTORY_SECONDS_MAX, MOMENT_SECONDS_MIN, STALE_SECONDS
from wrpme.tui.state.history import History, Series
from wrpme.tui.state.model import Model
from wrpme.tui.state.scene import EventShown, Mode, Scene

SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Timeline:
    """Takes all watch records, whatever time is shown. With ``replay`` they come from a record: there is no now, but a
    position that advances while it is ``playing``."""

    def __init__(self, replay: bool = False) -> None:
        self.live = Model()
        self.playing = replay
        self.speed = 1.0
        self._replay = replay
        self.history = self._new_history()
        self._position: float | None = None
        self._at = 0.0
        self._happened_at: float | None = None
        """When something happened first that no moment of the history has yet."""
        self._now = 0.0
        self._drawn: tuple[tuple[float, float], Scene] | None = None

    # --- what is seen --------------------------------------------------------------------------------------------

    def take(self, record: WatchRecord) -> None:
        """Takes the next watch record. If the clock was set back, the history begins anew."""
        at = max(record.at, self._at)
        if at - record.at > STALE_SECONDS:
            self.history = self._new_history()
            self._position = None
            at = record.at
        elif at > self._at and self.live.version:
            quiet = at - self._at > STALE_SECONDS
            happened = self._happened_at is not None and at - self._happened_at > MOMENT_SECONDS_MIN
            if quiet or happened or self.history.is_due(self._at):
                self._cut()
            if quiet:
                self._happened_at = at
        self._at = at
        self.live.take(record)
        self.history.passes(at)
        if not isinstance(record, StatsSeen) and self._happened_at is None:
            self._happened_at = at

    def _new_history(self) -> History:
        return History(None if self._replay else HISTORY_SECONDS_MAX)

    def _cut(self) -> None:
        self.history.cut(self._at, self.live.observed, self.live.layout, self._happened_at is not None)
        self._happened_at = None

    def finish(self) -> None:
        """Ends the taking of a record: its last moment is kept."""
        self._cut()

    # --- what is shown -------------------------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """Whether now, the past or a record is shown."""
        return Mode.REPLAY if self._replay else Mode.LIVE if self._position is None else Mode.PAST

    @property
    def moment(self) -> float | None:
        """The time that is shown; None for now, whenever that is."""
        first = self.history.first
        if self._position is None or first is None:
            return first if self._replay else None
        return max(self._position, first)

    @property
    def span(self) -> tuple[float, float] | None:
        """The first and the last time that can be shown; None before anything was seen."""
        first = self.history.first
        return (first, max(self._at, first)) if first is not None else None

    def scene(self, now: float) -> Scene:
        """Returns the scene to be shown; ``now`` is in seconds since 1970."""
        self._now = now
        moment = self.moment
        seen = self.history.look(moment) if moment is not None else None
        if moment is None or seen is None:
            return self.live.scene(now)
        if self._drawn is None or self._drawn[0] != seen:
            scene = self.history.scene_at(moment, self.mode)
            assert scene is not None
            self._drawn = (seen, scene)
        return self._drawn[1]

    def events(self) -> Sequence[EventShown]:
        """Returns the events that were known at the time that is shown, the oldest first."""
        moment = self.moment
        return self.live.events(None if moment is None else self._shown(moment))

    def _shown(self, moment: float) -> float:
        seen = self.history.look(moment)
        return seen[1] if seen is not None else moment

    def series(self, node: NodeId | None, what: str, since: float | None = None) -> Series:
        """Returns times and values up to the time that is shown, see :meth:`History.series`."""
        return self.history.series(node, what, self.moment, since)

    # --- going through time --------------------------------------------------------------------------------------

    def back(self, seconds: float) -> None:
        """Goes into the past, as far as it is kept."""
        self._go((self.moment if self.moment is not None else self._leave_now()) - seconds)

    def forward(self, seconds: float) -> None:
        """Goes towards now, or towards the end of a record."""
        if self.moment is not None:
            self._go(self.moment + seconds)

    def go_to(self, at: float) -> None:
        """Goes to that time."""
        if self.moment is None:
            self._leave_now()
        self._go(at)

    def go_to_event(self, event: EventShown) -> None:
        """Goes to the moment at which the event was seen."""
        if self.moment is None:
            self._leave_now()
        seen = self.live.seen_at(event)
        found = self.history.marked_from(seen if seen is not None else event.at)
        if found is not None:
            self._go(found)

    def previous_event(self) -> None:
        """Goes back to the last moment at which something happened."""
        moment = self.moment if self.moment is not None else self._leave_now()
        found = self.history.marked_before(self._shown(moment))
        if found is not None:
            self._go(found)

    def next_event(self) -> None:
        """Goes on to the next moment at which something happened; if there is none, to now or to the end of the
        record."""
        if self.moment is not None:
            found = self.history.marked_after(self.moment)
            self._go(found if found is not None else float("inf"))

    def to_now(self) -> None:
        """Goes to now, or to the end of a record."""
        self._go(float("inf"))

    def _leave_now(self) -> float:
        """Keeps what is shown now as a moment, and returns its time."""
        if self.live.version:
            self._cut()
        return max(self._now, self._at)

    def _go(self, at: float) -> None:
        span = self.span
        if span is None:
            return
        first, last = span
        if at >= (last if self._replay else max(last, self._now)):
            self._position = last if self._replay else None
        else:
            self._position = max(first, at)

    # --- a record that is played ---------------------------------------------------------------------------------

    def advance(self, seconds: float) -> bool:
        """Lets so much time pass; returns whether what is shown moved by that."""
        if not (self._replay and self.playing) or self.moment is None or self.span is None:
            return False
        at = self.moment + seconds * self.speed
        self._go(at)
        if at >= self.span[1]:
            self.playing = False
        return True

    def toggle(self) -> None:
        """Plays or pauses the record; at its end it begins again."""
        self.playing = not self.playing
        if self.playing and self.span is not None and self._position == self.span[1]:
            self._position = self.span[0]

    def faster(self, steps: int) -> None:
        """Changes the speed by so many steps, up or (below 0) down."""
        at = SPEEDS.index(self.speed) + steps
        self.speed = SPEEDS[min(max(at, 0), len(SPEEDS) - 1)]
