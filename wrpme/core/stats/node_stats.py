"""The figures of a node, as ``node_status`` and those who watch see them."""

from __future__ import annotations

from math import inf

from wrpme.core.context import NodeContext
from wrpme.core.io import ProcessStats
from wrpme.core.membership.lifecycle import Lifecycle
from wrpme.core.membership.voter import Voter
from wrpme.core.replication.replica import Replica, Role
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.router import Router
from wrpme.limits import SLOTS
from wrpme.protocol.arc_table import lacks_copies
from wrpme.protocol.ring import SLOT
from wrpme.protocol.stats import Copy, NodeStats, Neighbour
from wrpme.version import VERSION


class _Sums:
    """Over all replicas, in one pass."""

    def __init__(self, context: NodeContext, table: ReplicaTable) -> None:
        self.slots = self.entries = self.bytes = self.copies = self.risky = self.at_risk = 0
        self.lease = inf
        self.sent: list[Copy] = []
        self.received: list[Copy] = []
        for replica in table.mine:
            role = replica.role
            if role in (Role.OWNER, Role.ASLEEP):
                self._add_owned(context, replica)
            elif role is Role.HOLDER:
                self.copies += replica.counts()[0]
            receiver = replica.receiver
            if receiver is not None and role is Role.INCOMING:
                self.received.append(_copy(replica, context.address_of(receiver.source), receiver.done()))
            for copy in replica.copies.values():
                if copy.node in replica.arc.incoming:
                    self.sent.append(_copy(replica, context.address_of(copy.node), copy.done()))

    def _add_owned(self, context: NodeContext, replica: Replica) -> None:
        slots = (replica.arc.end + 1 - replica.first) // SLOT
        entries, size = replica.counts()
        self.slots += slots
        self.entries += entries
        self.bytes += size
        if replica.role is Role.OWNER:
            self.lease = min(self.lease, replica.lease_until())
            if lacks_copies(replica.arc, context.alive):
                self.risky += slots
                self.at_risk += entries


def _copy(replica: Replica, peer: str, done: float) -> Copy:
    return Copy(f"{replica.arc.end:016x}", peer, round(done, 4))


def stats(
    context: NodeContext, table: ReplicaTable, voter: Voter, lifecycle: Lifecycle, router: Router, process: ProcessStats
) -> NodeStats:
    """As of this moment, but for what is known of others alone. Entries and bytes are those of the arcs owned here."""
    view, now, heartbeats = context.view, context.now, context.heartbeats
    mine = context.members.get(context.me)
    sums = _Sums(context, table)
    disk_mean, disk_max = context.disk.lately(now)
    return NodeStats(
        address=context.settings.address,
        id=context.me.hex(),
        incarnation=context.settings.incarnation,
        hive=view.hive.hex() if view else "",
        generation=view.generation if view else 0,
        branch=view.branch if view else 0,
        epoch=view.epoch if view else 0,
        state=mine.state.name.lower() if mine else "joining",
        serving=context.lives,
        version=VERSION,
        uptime_seconds=round(now - lifecycle.started, 3),
        share=sums.slots / SLOTS,
        entries=sums.entries,
        bytes=sums.bytes,
        copies=sums.copies,
        at_risk_share=sums.risky / SLOTS,
        at_risk_entries=sums.at_risk,
        grace_seconds=context.settings.grace_seconds,
        voter=voter.is_voter,
        suspected=tuple(context.address_of(node) for node in heartbeats.silent(now) if not context.disk.quiet),
        quorum=lifecycle.quorum(),
        copies_out=tuple(sums.sent),
        copies_in=tuple(sums.received),
        operations={kind.__name__: count for kind, count in router.requests.items() if count},
        latency=context.responses.pairs(),
        received_bytes=process.received_bytes,
        sent_bytes=process.sent_bytes,
        sessions=process.sessions,
        redis_sessions=process.redis_sessions,
        memory_bytes=process.memory_bytes,
        certificate_seconds=process.certificate_seconds,
        disk_bytes=process.disk_bytes,
        disk_free_bytes=process.disk_free_bytes,
        disk_seconds=round(disk_mean, 4),
        disk_seconds_max=round(disk_max, 4),
        disk_waits_seconds=round(context.disk.waited, 3),
        late_seconds=round(context.lateness.seconds, 3) if now < context.lateness.until else 0.0,
        lease_seconds=None if sums.lease == inf else round(max(0.0, sums.lease - now), 3),
        held_bytes=context.slots.bytes,
        bytes_max=context.room.bytes_max,
        hot_bytes=context.hot.bytes,
        store_reads=context.hot.misses,
        slow_requests=context.slow.noted,
        wrong_passwords=context.wrong_passwords,
        slow_last=context.slow.sentence(),
        neighbours=tuple(
            Neighbour(context.address_of(node), round(heartbeats.age(node, now), 3)) for node in heartbeats.neighbours
        ),
    )
