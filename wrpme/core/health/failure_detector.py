"""HeartbeatLeases, leases and suspicion, as deadlines and never as timers: the caller brings the time.

Leases after Gray and Cheriton (1989), between the holders of an arc as in PacificA (2008): see docs/how-it-works.md.
Times are seconds of this node's own monotonic clock.

Nodes that are ``far`` hear a heartbeat more rarely, some of them with each one that the neighbours hear: each node has
a few neighbours, but in a large hive so many nodes look after the same voters, or after all others, that their
heartbeats would keep whoever hears them from everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from math import inf, nextafter

from wrpme.core.limits import (
    FAR_SECONDS_PER_MEMBER, HEARTBEAT_SECONDS, NEAR_MEMBERS_MAX, PROMISE_SECONDS, SILENCE_SECONDS,
)  # fmt: skip
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.view import NodeId


def is_large(members: int) -> bool:
    """Whether a hive has so many members that not all of them can look after the same few at the usual pace."""
    return members > NEAR_MEMBERS_MAX


def far_pace(members: int) -> float:
    """How many seconds pass in a large hive between two signs of what all of its nodes tell the same few, as long as
    nothing changes; 0 in others."""
    return members * FAR_SECONDS_PER_MEMBER if is_large(members) else 0.0


class HeartbeatLeases:
    """What this node knows of the life of its neighbours."""

    def __init__(self, now: float, turn: int = 0) -> None:
        self._promise_to_all = now + PROMISE_SECONDS
        self._promises: dict[NodeId, float] = {}
        self._acknowledged: dict[NodeId, float] = {}
        self._heard: dict[NodeId, float] = {}
        self._void_until = -inf
        """Acknowledgements of heartbeats that left up to then count for nothing."""
        self.neighbours: list[NodeId] = []
        self.far: list[NodeId] = []
        self._is_far: frozenset[NodeId] = frozenset()
        self._pace = 0.0
        self._far_at = -inf
        """Up to then those that are far have had theirs; at first one is due at once."""
        self._turn = turn
        """Whose turn it is: other nodes begin with others."""
        self.due = now

    def watch(self, neighbours: Iterable[NodeId], now: float, far: Iterable[NodeId] = (), members: int = 0) -> None:
        """From now on these are the neighbours, and those that are ``far`` in a hive of so many ``members``; nothing is
        held yet against one that was neither. All hear a heartbeat soon; in a large hive, where what is watched changes
        all the time while many return, when the next one is due."""
        self.neighbours = sorted(neighbours)
        self._is_far = frozenset(far).difference(self.neighbours)
        self.far = sorted(self._is_far)
        self._pace = max(HEARTBEAT_SECONDS, members * FAR_SECONDS_PER_MEMBER)
        watched = {*self.neighbours, *self.far}
        for node in watched:
            self._heard.setdefault(node, now)
        for node in [node for node in self._heard if node not in watched]:
            del self._heard[node]
            self._acknowledged.pop(node, None)
        if not is_large(members):
            self.due = now

    def watches(self, neighbours: Set[NodeId], far: Set[NodeId]) -> bool:
        """Whether it is these that are watched."""
        same = len(neighbours) == len(self.neighbours) and all(node in neighbours for node in self.neighbours)
        return same and far == self._is_far

    def patience(self, node: NodeId) -> float:
        """How long it takes until a node that is watched from now on has heard a heartbeat, and could answer."""
        return HEARTBEAT_SECONDS + (self.far_seconds if node in self._is_far else 0.0)

    @property
    def far_seconds(self) -> float:
        """In this time all that are far hear a heartbeat, however many they are; 0 where nobody is."""
        return self._pace + HEARTBEAT_SECONDS if self.far else 0.0

    def heartbeat(self, now: float) -> list[NodeId]:
        """Whom to send a heartbeat now, if one is due."""
        if now < self.due or now <= self._void_until:
            return []
        self.due = now + HEARTBEAT_SECONDS
        self._promises = {node: until for node, until in self._promises.items() if until > now}
        return [*self.neighbours, *self._far_heartbeat(now)] if self.far else self.neighbours

    def _far_heartbeat(self, now: float) -> list[NodeId]:
        """As many of those that are far as time has passed for, in turn: however often the neighbours hear one, each of
        them hears one in each pace."""
        each = self._pace / len(self.far)
        self._far_at = max(self._far_at, now - each - HEARTBEAT_SECONDS)  # what was not sent in time is over
        count = min(len(self.far), int((now - self._far_at) / each))
        self._far_at += count * each
        begin = self._turn % len(self.far)
        self._turn = begin + count
        return (self.far + self.far)[begin : begin + count]

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
        return max(now, min((self._heard[node] for node in self.neighbours), default=inf) + SILENCE_SECONDS)

    def reaches(self, node: NodeId, now: float) -> bool | None:
        """Whether a node that is watched has answered lately; None where nobody can say yet."""
        if node not in self._heard:
            return None
        lately = SILENCE_SECONDS + (self.far_seconds if node in self._is_far else 0.0)
        if now - self._heard[node] >= lately:
            return False
        return True if node in self._acknowledged and now - self._acknowledged[node] < lately else None

    def age(self, node: NodeId, now: float) -> float:
        """Seconds since the last sign of a neighbour; inf for others."""
        return now - self._heard.get(node, -inf)
