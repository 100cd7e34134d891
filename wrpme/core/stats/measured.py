"""What a node counts beside the figures of ``node_status``, for those who collect them over time: see
:mod:`wrpme.protocol.stats` for those."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from wrpme.core.context import NodeContext
from wrpme.core.limits import FORWARDS_MAX
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.router import Router
from wrpme.errors import BY_CODE, WrpmeError
from wrpme.protocol.histogram import Pairs
from wrpme.protocol.view import State


class Measured(Struct, frozen=True):
    """Counters begin at 0 with each start. Requests go by the name of their kind."""

    outcomes: dict[tuple[str, str], int]
    """Answered requests on entries, those in messages with many too: by kind, and "ok" or the word of the error."""
    latencies: dict[str, Pairs]
    """How long their answers took; those of messages with many by the message."""
    batches: Pairs
    """How long batches took to reach the disk."""
    replication: Pairs
    """From when writes left for a node that keeps copies until it acknowledged them."""
    copies_wanting: int
    """Arcs, of those that this node owns, of which a copy is being made, or waits for it."""
    views: int
    """Adopted since the start."""
    members: dict[str, int]
    """Of the view, by state."""
    fills: dict[str, float]
    """How full each queue is, from 0 to 1: then what would be put there is refused."""


def measured(context: NodeContext, table: ReplicaTable, router: Router) -> Measured:
    """As of this moment."""
    responses = context.responses
    members = Counter(member.state.name.lower() for member in context.view.members) if context.view is not None else {}
    return Measured(
        outcomes={
            (kind.__name__, BY_CODE.get(code, WrpmeError).word if code else "ok"): count
            for (kind, code), count in responses.outcomes().items()
        },
        latencies={kind.__name__: latency.pairs() for kind, latency in responses.latencies.items()},
        batches=context.disk.batches.pairs(),
        replication=context.replication.pairs(),
        copies_wanting=sum(len(set(replica.copies) & set(replica.arc.incoming)) for replica in table.mine),
        views=context.adopted,
        members={state.name.lower(): members.get(state.name.lower(), 0) for state in State},
        fills={
            "writes": context.commits.pending_bytes / context.process.memory.pending,
            "forwards": router.waiting / FORWARDS_MAX,
            "forward_bytes": router.room.requests_bytes / context.process.memory.forwards,
        },
    )
