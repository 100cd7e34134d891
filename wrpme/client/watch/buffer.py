"""What waits for whoever watches a hive and does not read: bounded, and honest about what is not in it."""

from __future__ import annotations

from collections import deque

from wrpme.client.watch.records import FiguresSeen, Gone, Happened, Missed, Reached, Sighting, ViewSeen
from wrpme.limits import WATCH_SIGHTINGS_MAX


class Backlog:
    """Sightings that wait to be read, at most ``most``: beyond it figures are left out first, then the oldest
    happenings, which are counted."""

    def __init__(self, most: int = WATCH_SIGHTINGS_MAX) -> None:
        self.sightings: deque[Sighting] = deque()
        self._most = most

    def put(self, sighting: Sighting) -> None:
        """Adds one."""
        self.sightings.append(sighting)
        if len(self.sightings) > self._most:
            self._shed(sighting.at)

    def _shed(self, at: float) -> None:
        """Keeps the last figures of each node; if that is not half of it, also the last view, the last word about each
        node, and the later happenings."""
        self._keep((FiguresSeen,))
        if len(self.sightings) <= self._most // 2:
            return
        self._keep((FiguresSeen, ViewSeen, Reached, Gone))
        missed: dict[str, int] = {}
        surplus = sum(isinstance(sighting, Happened) for sighting in self.sightings) - self._most // 4
        rest: deque[Sighting] = deque()
        for sighting in self.sightings:
            if isinstance(sighting, Missed):
                missed[sighting.node] = missed.get(sighting.node, 0) + sighting.count
            elif isinstance(sighting, Happened) and surplus > 0:
                surplus -= 1
                missed[sighting.node] = missed.get(sighting.node, 0) + 1
            else:
                rest.append(sighting)
        rest.extendleft(Missed(at, node, number) for node, number in missed.items())
        self.sightings = rest

    def _keep(self, kinds: tuple[type[Sighting], ...]) -> None:
        """Of these kinds only the last one of each node, and of views only the last of all."""
        seen: set[tuple[str, str]] = set()
        kept: deque[Sighting] = deque()
        for sighting in reversed(self.sightings):
            if isinstance(sighting, kinds):
                node = "" if isinstance(sighting, ViewSeen) else sighting.node
                key = ("life" if isinstance(sighting, Reached | Gone) else type(sighting).__name__, node)
                if key in seen:
                    continue
                seen.add(key)
            kept.appendleft(sighting)
        self.sightings = kept
