"""Broken rules of leases and of life: who may serve, and whose word counts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf

from msgspec.structs import replace as changed

from tests.sim.broken import Broken
from wrpme.core import node
from wrpme.core.health import failure_detector
from wrpme.core.outbox import Origin, Outbox
from wrpme.core.replication import takeover, replica
from wrpme.core.replication.sender import Sender
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.messages import Envelope, Reply
from wrpme.protocol.view import Arc, NodeId

Over = Callable[[NodeId], bool]


def restarted_promised_nothing() -> Broken:
    """A node that starts again has promised nobody to let it serve."""

    def promised_until(self: failure_detector.HeartbeatLeases, node: NodeId) -> float:
        return self._promises.get(node, -inf)

    return failure_detector.HeartbeatLeases, "promised_until", promised_until


def no_promise() -> Broken:
    """Who acknowledges a heartbeat promises nothing."""

    def promise(self: failure_detector.HeartbeatLeases, node: NodeId, now: float) -> None:
        """Nothing."""

    return failure_detector.HeartbeatLeases, "promise", promise


def dead_owners_are_not_outwaited() -> Broken:
    """The new owner does not wait until the lease of a dead one has run out."""
    honest = takeover.awaited

    def awaited(arc: Arc, me: NodeId, alive: Collection[NodeId], told: Collection[NodeId], over: Over) -> list[NodeId]:
        return honest(arc, me, alive, told, lambda node: True)

    return replica, "awaited", awaited


def lease_from_arrival() -> Broken:
    """A lease runs from the arrival of the acknowledgement, not from the sending of the heartbeat."""
    honest = failure_detector.HeartbeatLeases.acknowledged

    def acknowledged(self: failure_detector.HeartbeatLeases, node: NodeId, sent: float, now: float) -> None:
        honest(self, node, now, now)

    return failure_detector.HeartbeatLeases, "acknowledged", acknowledged


def lease_without_incoming() -> Broken:
    """The lease does not need a node whose copy is complete and that is no holder yet."""

    def need_counted(self: replica.Replica) -> None:
        self._needed = tuple(node for node, copy in self.copies.items() if copy.counts and node in self.arc.holders)

    return replica.Replica, "need_counted", need_counted


def lease_of_any_holder() -> Broken:
    """It is enough for the lease that one of the holders has acknowledged a heartbeat."""

    def lease_until(self: failure_detector.HeartbeatLeases, nodes: Collection[NodeId]) -> float:
        return max((self._acknowledged.get(node, -inf) + LEASE_SECONDS for node in nodes), default=inf)

    return failure_detector.HeartbeatLeases, "lease_until", lease_until


def late_answers() -> Broken:
    """An answer leaves also where the lease that it was read under has run out since."""

    honest = Outbox.reply

    def reply(self: Outbox, origin: Origin, reply: Reply, valid_until: float = inf) -> None:
        honest(self, origin, reply)

    return Outbox, "reply", reply


def former_lives_count() -> Broken:
    """Messages of a former life of a node count."""
    honest = node.Node._receive

    def receive(self: node.Node, session: int, envelope: Envelope) -> None:
        member = self.context.members.get(envelope.source)
        if member is not None and envelope.incarnation != member.incarnation:
            envelope = changed(envelope, incarnation=member.incarnation)
        honest(self, session, envelope)

    return node.Node, "_receive", receive


def holders_need_not_confirm() -> Broken:
    """The new owner waits for former owners only, and not for the other holders."""

    def awaited(arc: Arc, me: NodeId, alive: Collection[NodeId], told: Collection[NodeId], over: Over) -> list[NodeId]:
        return [node for node in arc.prev if node not in (me, *told) and (node in alive or not over(node))]

    return replica, "awaited", awaited


def sleeper_ends_writes() -> Broken:
    """A node that is marked down with all others ends any write, with whomever of them it still has a copy."""

    def ends(self: replica.Replica) -> bool:
        return self.role is replica.Role.ASLEEP and self.context.this_life

    return replica.Replica, "_ends_what_was_begun", ends


def sleeper_ends_unserved() -> Broken:
    """A node that is marked down with all others ends its writes, also where it has not served at that version."""

    def ends(self: replica.Replica) -> bool:
        others = set(self.arc.holders) - {self.context.me}
        return self.role is replica.Role.ASLEEP and self.context.this_life and others <= set(self.copies)

    return replica.Replica, "_ends_what_was_begun", ends


def counted_without_lease() -> Broken:
    """A copy counts for writes, and nobody tells the lease."""
    honest = Sender._count

    def count(self: Sender) -> None:
        counted, self._counted = self._counted, lambda: None
        honest(self)
        self._counted = counted

    return Sender, "_count", count


def pauses_void_nothing() -> Broken:
    """A node whose clock did not count a pause goes on under its leases."""

    def void(self: failure_detector.HeartbeatLeases, now: float) -> None:
        """Nothing."""

    return failure_detector.HeartbeatLeases, "void", void


def promised_before_a_pause() -> Broken:
    """What was acknowledged before a pause that the clock did not count, and arrives after it, is a lease."""
    honest = failure_detector.HeartbeatLeases.void

    def void(self: failure_detector.HeartbeatLeases, now: float) -> None:
        honest(self, now)
        self._void_until = -inf

    return failure_detector.HeartbeatLeases, "void", void
