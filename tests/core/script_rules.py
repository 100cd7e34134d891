"""Rules of the core that are broken on purpose where a script shows them, beside those of :mod:`tests.sim.broken`.

That no seed of the simulation would notice one of these has its reason: an operator, a bound, or a disk that lies is in
it. Each function gives the class, the name of the method, and what takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.sim.broken import Broken
from wrpme.core import node
from wrpme.core.context import NodeContext
from wrpme.core.membership import view_sync
from wrpme.core.replication import receiver
from wrpme.core.replication.replica import Replica
from wrpme.protocol.messages import HeartbeatAck, Compare, Envelope, Fill, Pair
from wrpme.protocol.view import NodeId, View


def generations_are_ignored() -> Broken:
    """A node of an earlier generation is listened to as if it were of this one, and is told nothing."""

    def of_another_generation(self: view_sync.ViewSync, session: int, envelope: Envelope, latest: View) -> bool:
        return True

    return view_sync.ViewSync, "_of_another_generation", of_another_generation


def only_the_view_has_addresses() -> Broken:
    """A node is sought where the view has it, whatever has answered elsewhere."""

    def reroute(self: NodeContext, node: NodeId) -> None:
        member = self.members.get(node)
        if member is not None and node != self.me:
            self.routes[node] = member.address

    return NodeContext, "reroute", reroute


def versions_say_it_all() -> Broken:
    """Copies are compared by the versions of their entries, and not by what is in them."""

    def compared(self: receiver.Receiver, item: Fill | Compare) -> tuple[bool, list[Pair], bytes]:
        pairs, _, until = self.writes.range_of(item.low, item.high)
        return True, pairs, until

    return receiver.Receiver, "_compared", compared


def nothing_is_full() -> Broken:
    """Writes wait for their disks without a bound."""

    def is_full(self: Replica) -> bool:
        return False

    return Replica, "_is_full", is_full


def acknowledged_at_any_epoch() -> Broken:
    """A heartbeat is acknowledged whatever view its sender has."""

    def answer_heartbeats(self: node.Node, sources: Iterable[NodeId]) -> None:
        early: dict[NodeId, Any] = self._early_heartbeats
        for source in sources:
            envelope = early.pop(source)
            self.context.heartbeats.promise(source, self.context.now)
            ack = HeartbeatAck(envelope.body.sent, envelope.incarnation, int(self.context.wall()))
            self.context.outbox.send(source, ack)

    return node.Node, "_answer_heartbeats", answer_heartbeats


ALL = (
    generations_are_ignored, only_the_view_has_addresses, versions_say_it_all, nothing_is_full,
    acknowledged_at_any_epoch,
)  # fmt: skip
