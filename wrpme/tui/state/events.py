"""The events that were seen, in the order in which they happened."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from wrpme.protocol.events import UNENDED, ClusterEvent
from wrpme.tui.limits import ALIKE_SECONDS, EVENTS_SHOWN_MAX
from wrpme.tui.state import sentences
from wrpme.tui.state.scene import EventShown

PARTS = 20
"""Of so many parts the oldest is dropped when there are too many events."""
GRAVITY: dict[str, int] = {
    "founded": 0,
    "joined": 0,
    "back": 0,
    "stopped": 2,
    "down": 3,
    "expelled": 2,
    "forgotten": 3,
    "recovered": 3,
    "copied": 0,
    "activated": 0,
    "serving": 0,
    "cut_off": 3,
    "suspected": 2,
    "heard": 0,
    "quorum_lost": 3,
    "quorum": 0,
    "stopping": 2,
    "clock": 2,
    "late": 2,
    "disk_hangs": 3,
    "disk_slow": 2,
    "disk": 0,
    "full": 3,
    "room": 0,
    "clock_differs": 3,
    "clock_agrees": 0,
    "reached": 0,
    "gone": 2,
    "missed": 2,
}
"""How much a kind of event matters: 0 is good, 2 worth a look, 3 bad; all other kinds are 1."""
BOOKKEEPING = frozenset(("view", "owners", "activated", "voter"))
"""Kinds of events that tell how the hive keeps its books: which arcs went where, and who decided that."""
CONDITION_GRAVITY = {"stable": 0, "stabilizing": 1, "degraded": 2, "unavailable": 3}


_ALIKE: dict[str, Callable[[Sequence[str], str], str]] = {
    "suspected": sentences.missed_by,
    "heard": sentences.heard_by,
}
"""Kinds of events that several nodes tell of one node, with the sentence for it."""


def gravity_of(kind: str, sentence: str) -> int:
    """Returns how much an event matters, 0 to 3. That of a new condition is in its words: "the hive is stable: ..."."""
    if kind == "condition":
        return CONDITION_GRAVITY.get(sentence.partition(":")[0].removeprefix("the hive is "), 1)
    return GRAVITY.get(kind, 1)


class Events:
    """Keeps at most ``count_max`` events. Beyond it the oldest are dropped, many at a time, so that the beginning of
    the list seldom changes."""

    def __init__(self, count_max: int = EVENTS_SHOWN_MAX) -> None:
        self._count_max = count_max
        self._all: list[tuple[float, int, float, EventShown]] = []
        """When it happened, its number here, when it was seen, the event."""
        self._number = 0
        self._shown: tuple[tuple[int, float | None], tuple[EventShown, ...]] = ((0, None), ())

    def add(self, seen: float, event: EventShown) -> None:
        """Adds an event that was seen at ``seen``, which may be long after it happened: nodes remember events."""
        self._number += 1
        insort(self._all, (event.at, self._number, seen, event))
        if len(self._all) > self._count_max:
            del self._all[: max(1, self._count_max // PARTS)]

    def until(self, moment: float | None = None) -> Sequence[EventShown]:
        """Returns the events that were known at that moment, or with None all, the oldest first; see
        :func:`folded`."""
        key = (self._number, moment)
        if self._shown[0] != key:
            known = (event for _, _, seen, event in self._all if moment is None or seen <= moment)
            self._shown = (key, folded(known))
        return self._shown[1]

    def seen_at(self, event: EventShown) -> float | None:
        """Returns when that event was seen, or None if it was dropped; of one that several nodes told, when the first
        did."""
        for at in range(bisect_left(self._all, (event.at,)), len(self._all)):
            _, _, seen, found = self._all[at]
            if found == event or (event.others and _begins(event, found)):
                return seen
            if found.at > event.at:
                break
        return None


def folded(events: Iterable[EventShown]) -> tuple[EventShown, ...]:
    """Returns the events in their order; that several nodes miss one, or hear it again, is one event, at the place of
    the first of them."""
    found: list[EventShown] = []
    latest: dict[str, int] = {}
    for event in events:
        if event.kind not in _ALIKE:
            found.append(event)
            continue
        at = latest.get(event.node)
        if at is not None and _is_same(found[at], event):
            found[at] = _joined(found[at], event)
        else:
            latest[event.node] = len(found)
            found.append(event)
    return tuple(found)


def _is_same(first: EventShown, event: EventShown) -> bool:
    return (
        first.kind == event.kind
        and event.at - first.at <= ALIKE_SECONDS
        and event.teller not in (first.teller, *first.others)
    )


def _joined(first: EventShown, event: EventShown) -> EventShown:
    others = (*first.others, event.teller)
    sentence = _ALIKE[event.kind]((first.teller, *others), event.node)
    return replace(first, sentence=sentence, seconds=max(first.seconds, event.seconds), others=others)


def _begins(event: EventShown, first: EventShown) -> bool:
    """Returns whether ``event`` was joined from ``first`` and others."""
    return (event.at, event.kind, event.node, event.teller) == (first.at, first.kind, first.node, first.teller)


def told_by(teller: str, event: ClusterEvent) -> EventShown:
    """Returns the event that the node at ``teller`` told."""
    return EventShown(
        event.at / 1000,
        event.kind,
        event.epoch,
        event.node,
        teller,
        event.sentence,
        event.seconds,
        gravity_of(event.kind, event.sentence),
    )


def noticed_here(at: float, kind: str, epoch: int, node: str, sentence: str, seconds: float = UNENDED) -> EventShown:
    """Returns an event that no node told, because it was noticed here."""
    return EventShown(at, kind, epoch, node, "", sentence, seconds, gravity_of(kind, sentence))
