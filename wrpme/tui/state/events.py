"""The events that were seen, in the order in which they happened."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from wrpme.protocol.events import UNENDED, Happening
from wrpme.tui.limits import EVENTS_SHOWN_MAX
from wrpme.tui.state.scene import EventShown
from wrpme.tui.state.sentences import gravity_of

PARTS = 20


class Events:
    """At most ``count_max``; of more the oldest are given up, some at a time, so that a list seldom changes at its
    begin."""

    def __init__(self, count_max: int = EVENTS_SHOWN_MAX) -> None:
        self._count_max = count_max
        self._all: list[tuple[float, int, float, EventShown]] = []
        """When it happened, its number here, when it was seen."""
        self._number = 0
        self._shown: tuple[tuple[int, float | None], tuple[EventShown, ...]] = ((0, None), ())

    def add(self, seen: float, event: EventShown) -> None:
        """An event that was seen at ``seen``; what a node remembered happened long before."""
        self._number += 1
        insort(self._all, (event.at, self._number, seen, event))
        if len(self._all) > self._count_max:
            del self._all[: max(1, self._count_max // PARTS)]

    def until(self, moment: float | None = None) -> Sequence[EventShown]:
        """Those that were known at that moment, the oldest first; with None all."""
        key = (self._number, moment)
        if self._shown[0] != key:
            known = (event for _, _, seen, event in self._all if moment is None or seen <= moment)
            self._shown = (key, tuple(known))
        return self._shown[1]

    def seen_at(self, event: EventShown) -> float | None:
        """When that event was seen; None if it was given up."""
        for at in range(bisect_left(self._all, (event.at,)), len(self._all)):
            _, _, seen, found = self._all[at]
            if found == event:
                return seen
            if found.at > event.at:
                break
        return None


def told(teller: str, happening: Happening) -> EventShown:
    """What a node told."""
    return EventShown(
        happening.at / 1000,
        happening.kind,
        happening.epoch,
        happening.node,
        teller,
        happening.sentence,
        happening.seconds,
        gravity_of(happening.kind, happening.sentence),
    )


def noticed(at: float, kind: str, epoch: int, node: str, sentence: str, seconds: float = UNENDED) -> EventShown:
    """What was noticed here; nobody told it."""
    return EventShown(at, kind, epoch, node, "", sentence, seconds, gravity_of(kind, sentence))
