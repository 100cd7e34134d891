"""Those who watch this node: what happens, and figures twice a second, to each as fast as it takes it.

Figures are made once for all, and not at all where nobody watches. A watcher that is behind is told nothing more until
it has taken what it got: of figures and views then only the latest counts, events wait up to a bound, and those
beyond it are counted. So a slow one costs the node nothing, and knows that it missed something.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from wrpme.daemon.limits import WATCH_BEHIND_BYTES_MAX, WATCH_EVENTS_MAX, WATCHERS_MAX
from wrpme.daemon.net.connection import Wire
from wrpme.errors import BusyError
from wrpme.daemon.limits import WATCH_SECONDS
from wrpme.protocol.codec import encode
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.messages import Failed, Reply, Told, ViewIs, Watch


class Watched(Protocol):
    """What a node tells: :class:`wrpme.core.node.Node`."""

    @property
    def events(self) -> Sequence[ClusterEvent]:
        """The events that it remembers, the oldest first."""

    def stats(self, now: float) -> str:
        """Returns its figures as JSON."""

    def view_for(self, number: int) -> ViewIs | None:
        """Returns its view, as the answer to the request of that id."""


class WatcherHost(Protocol):
    """What watchers need of the runner."""

    def clock(self) -> float:
        """The node's clock, in seconds."""

    def flush(self) -> None:
        """Writes what was put on wires."""

    def defect(self, error: BaseException) -> None:
        """Ends the process, as something happened that can't."""


class Watcher:
    """One of them. ``missed`` events were left out before those in ``events``."""

    def __init__(self, wire: Wire, request: Watch) -> None:
        self.request = request
        self.wants_view = request.hive
        self.events: deque[ClusterEvent] = deque()
        self.missed = 0
        self._wire = wire

    @property
    def behind(self) -> bool:
        """Whether it has yet to take what it was told."""
        return self._wire.unsent_bytes > WATCH_BEHIND_BYTES_MAX

    def remember(self, event: ClusterEvent) -> None:
        """Keeps an event until it can be told."""
        if event.hive and not self.request.hive:
            return
        if len(self.events) >= WATCH_EVENTS_MAX:
            self.events.popleft()
            self.missed += 1
        self.events.append(event)

    def tell(self, node: Watched, stats: str = "") -> None:
        """Tells all that the watcher lacks, if it takes that now."""
        if self.behind:
            return
        if self.wants_view:
            view = node.view_for(self.request.id)
            if view is not None:
                self.wants_view = False
                self._put(view)
        if self.events or stats or self.missed:
            told = Told(self.request.id, tuple(self.events), stats, self.missed)
            self.events.clear()
            self.missed = 0
            self._put(told)

    def _put(self, reply: Reply) -> None:
        self._wire.waiting += 1  # it answers no request
        self._wire.put(encode(reply))


class Watchers:
    """All of one node."""

    def __init__(self, host: WatcherHost, node: Watched) -> None:
        self._host = host
        self._node = node
        self._watchers: dict[int, Watcher] = {}
        self.news = False
        """Something is to be told at the end of the turn."""
        self._alarm: asyncio.TimerHandle | None = None

    def add(self, wire: Wire, request: Watch) -> None:
        """Tells the connection from now on; the request takes the place of a former one of that connection."""
        if wire.number not in self._watchers and len(self._watchers) >= WATCHERS_MAX:
            busy = BusyError(f"this node is watched by {WATCHERS_MAX} already, its limit; watch another one")
            wire.put(encode(Failed(request.id, busy.code, busy.sentence)))
            return
        wire.waiting -= 1  # what it is told answers no request, and there is no end to it
        watcher = self._watchers[wire.number] = Watcher(wire, request)
        for event in self._node.events:
            watcher.remember(event)
        watcher.tell(self._node, self._node.stats(self._host.clock()))
        if self._alarm is None:
            self._set_alarm()

    def forget(self, number: int) -> None:
        """Forgets a connection that has ended."""
        self._watchers.pop(number, None)

    def happened(self, event: ClusterEvent) -> None:
        """Tells the event at the end of the turn."""
        self.news = bool(self._watchers)
        for watcher in self._watchers.values():
            watcher.remember(event)

    def adopted(self) -> None:
        """Tells the new view of the node at the end of the turn."""
        self.news = bool(self._watchers)
        for watcher in self._watchers.values():
            watcher.wants_view = watcher.request.hive

    def end_turn(self) -> None:
        """Tells what happened in the turn in one message."""
        self.news = False
        for watcher in self._watchers.values():
            watcher.tell(self._node)

    def close(self) -> None:
        """Tells nobody anything any more."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._watchers.clear()

    def _set_alarm(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._tick)

    def _tick(self) -> None:
        self._alarm = None
        if not self._watchers:
            return
        try:
            stats = self._node.stats(self._host.clock())
            for watcher in self._watchers.values():
                watcher.tell(self._node, stats)
        except Exception as error:
            self._host.defect(error)
            return
        self._host.flush()
        self._set_alarm()
