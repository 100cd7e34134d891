"""HeartbeatLeases, leases and suspicion, as deadlines and never as timers: the caller brings the time.

Leases after Gray and Cheriton (1989), between the holders of an arc as in PacificA (2008): see docs/how-it-works.md.
Times are seconds of this node's own monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, nextafter

from wrpme.core.limits import HEARTBEAT_SECONDS, PROMISE_SECONDS, SILENCE_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.view import NodeId


class HeartbeatLeases:
    """What this node knows of the life of its neighbours."""

    def __init__(self, now: float) -> None:
        self._promise_to_all = now + PROMISE_SECONDS
        self._promises: dict[NodeId, float] = {}
        self._acknowledged: dict[NodeId, float] = {}
        self._heard: dict[NodeId, float] = {}
        self._void_until = -inf
        """Acknowledgements of heartbeats that left up to then count for nothing."""
        self.neighbours: list[NodeId] = []
        self.due = now

    def watch(self, neighbours: Iterable[NodeId], now: float) -> None:
        """From now on these are the neighbours; a new one has heard nothing held against it yet."""
        self.neighbours = sorted(neighbours)
        for node in self.neighbours:
            self._heard.setdefault(node, now)
        for node in [node for node in self._heard if node not in self.neighbours]:
            del self._heard[node]
            self._acknowledged.pop(node, None)
        self.due = now

    def heartbeat(self, now: float) -> list[NodeId]:
        """Whom to send a heartbeat now, if one is due."""
        if now < self.due or now <= self._void_until:
            return []
        self.due = now + HEARTBEAT_SECONDS
        self._promises = {node: until for node, until in self._promises.items() if until > now}
        return self.neighbours

    def acknowledged(self, node: NodeId, sent: float, now: float) -> None:
        """``node`` has acknowledged the heartbeat that left at ``sent``: the lease runs from its sending."""
        if node in self._heard and sent <= now:
            if sent > self._void_until:
                self._acknowledged[node] = max(sent, self._acknowledged.get(node, -inf))
            self._heard[node] = now

    def answered(self, node: NodeId, now: float) -> None:
        """``node`` has answered a heartbeat with a view, or the request for one: it lives, but that is no lease."""
        if node in self._heard:
            self._heard[node] = now

    def forget(self, node: NodeId, now: float) -> None:
        """``node`` lives a new life: what its former one acknowledged is void."""
        self._acknowledged.pop(node, None)
        if node in self._heard:
            self._heard[node] = now

    def void(self, now: float) -> None:
        """Time has passed that this clock did not count: no lease holds, nor will one by what is on its way. What this
        node promised only lasts longer."""
        self._acknowledged.clear()
        self._void_until = now
        self.due = nextafter(now, inf)

    def trust_again(self, now: float) -> None:
        """This node was cut off, and is not any more: silence counts from now on."""
        self._heard = dict.fromkeys(self._heard, now)

    def promise(self, node: NodeId, now: float) -> None:
        """This node acknowledges a heartbeat of ``node`` now."""
        self._promises[node] = now + PROMISE_SECONDS

    def promised_until(self, node: NodeId) -> float:
        """Until then this node serves no arc that ``node`` owned. After a start it has promised so to everyone."""
        return max(self._promises.get(node, -inf), self._promise_to_all)

    def lease_until(self, nodes: Iterable[NodeId]) -> float:
        """Until when all these nodes let this one serve; for ever if there are none."""
        until = inf
        for node in nodes:
            lease = self._acknowledged.get(node, -inf) + LEASE_SECONDS
            if lease < until:
                until = lease
        return until

    def silent(self, now: float) -> list[NodeId]:
        """Neighbours without a sign for 3/4 L."""
        return [node for node in self.neighbours if now - self._heard[node] >= SILENCE_SECONDS]

    def silent_at(self, now: float) -> float:
        """When the next neighbour will have been silent for too long; ``now`` if one is already, inf without any."""
        return max(now, min(self._heard.values(), default=inf) + SILENCE_SECONDS)

    def reaches(self, node: NodeId, now: float) -> bool | None:
        """Whether a neighbour has answered lately; None where nobody can say yet."""
        if node not in self._heard:
            return None
        if now - self._heard[node] >= SILENCE_SECONDS:
            return False
        return True if node in self._acknowledged and now - self._acknowledged[node] < SILENCE_SECONDS else None

    def age(self, node: NodeId, now: float) -> float:
        """Seconds since the last sign of a neighbour; inf for others."""
        return now - self._heard.get(node, -inf)
