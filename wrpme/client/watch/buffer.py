"""Watch records that nobody has read yet, within a bound; what is left out is counted."""

from __future__ import annotations

from collections import deque

from wrpme.client.limits import WATCH_RECORDS_MAX
from wrpme.client.watch.records import StatsSeen, Gone, EventSeen, Missed, Reached, ViewSeen, WatchRecord


class ShedBuffer:
    """Keeps at most ``most`` watch records until they are read. Beyond it figures are left out first, then the oldest
    events, which a :class:`Missed` counts."""

    def __init__(self, most: int = WATCH_RECORDS_MAX) -> None:
        self.records: deque[WatchRecord] = deque()
        self._most = most

    def put(self, record: WatchRecord) -> None:
        """Adds a record, and leaves out others where there are too many."""
        self.records.append(record)
        if len(self.records) > self._most:
            self._shed(record.at)

    def _shed(self, at: float) -> None:
        """Keeps only the last figures of each node; if more than half of the room is still taken, also only the last
        view, whether each node was last reached or gone, and a quarter of the room of events, the latest."""
        self._keep((StatsSeen,))
        if len(self.records) <= self._most // 2:
            return
        self._keep((StatsSeen, ViewSeen, Reached, Gone))
        missed: dict[str, int] = {}
        surplus = sum(isinstance(record, EventSeen) for record in self.records) - self._most // 4
        rest: deque[WatchRecord] = deque()
        for record in self.records:
            if isinstance(record, Missed):
                missed[record.node] = missed.get(record.node, 0) + record.count
            elif isinstance(record, EventSeen) and surplus > 0:
                surplus -= 1
                missed[record.node] = missed.get(record.node, 0) + 1
            else:
                rest.append(record)
        rest.extendleft(Missed(at, node, number) for node, number in missed.items())
        self.records = rest

    def _keep(self, kinds: tuple[type[WatchRecord], ...]) -> None:
        """Keeps, of these kinds, only the last record of each node, and of views only the last of all."""
        seen: set[tuple[str, str]] = set()
        kept: deque[WatchRecord] = deque()
        for record in reversed(self.records):
            if isinstance(record, kinds):
                node = "" if isinstance(record, ViewSeen) else record.node
                key = ("life" if isinstance(record, Reached | Gone) else type(record).__name__, node)
                if key in seen:
                    continue
                seen.add(key)
            kept.appendleft(record)
        self.records = kept
