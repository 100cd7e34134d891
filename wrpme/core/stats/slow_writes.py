"""Where the time of a write went: until its batch left for the disk, on the disk, and at the node that was last."""

from __future__ import annotations

from collections.abc import Iterable

from wrpme.core.context import NodeContext
from wrpme.core.layout import alias_in
from wrpme.core.outbox import Part
from wrpme.core.replication.pending import Burst, Pending
from wrpme.core.replication.sender import Sender
from wrpme.protocol.messages import Many
from wrpme.protocol.administration import Kept
from wrpme.protocol.view import NodeId


def explain(context: NodeContext, pending: Pending, copies: Iterable[Sender]) -> None:
    """A write that somebody waits for, and took long or has an id, is acknowledged by this node and these copies."""
    origin, reply, now = pending.origin, pending.reply, context.now
    assert origin is not None and reply is not None
    kind, alias, count, number, since = pending.kind, alias_in(pending.key), 1, reply.id, pending.since
    asked: int | tuple[int, NodeId, int]
    if isinstance(origin, Burst):
        count, since, asked = origin.count, origin.since, origin.session
    elif isinstance(origin, Part):
        together = origin.collected
        if together.left > 1:
            return  # the last one tells of all
        kind, count, number, asked = Many, len(together.replies), together.number, together.origin
    else:
        asked = origin
    left, landed = context.commits.times(pending.batch) or (since, since)
    left = max(left, since)
    landed = max(landed, left)
    last = max(copies, key=_progress, default=None)
    waited_for = context.address_of(last.node) if last is not None else ""
    trace = context.traces.open.get((asked, number)) if type(origin) is not Burst else None
    if trace is not None:
        told = f"queued {1000 * (left - since):.1f} ms, disk {1000 * (landed - left):.1f} ms"
        then = f", then {1000 * (now - landed):.1f} ms for {waited_for}" if waited_for else ""
        context.traces.step(trace.request_id, f"written everywhere: {told}{then}")
        for copy in copies:
            context.outbox.send(copy.node, Kept(trace.request_id, trace.what))
    if now - since >= context.slow.threshold_seconds:
        context.slow.note(
            kind, alias, now - since, now, context.wall(), count=count, source=context.who(asked),
            request_id=trace.request_id if trace is not None else "",
            queued=left - since, disk=landed - left, others=now - landed, waited_for=waited_for,
        )  # fmt: skip


def _progress(copy: Sender) -> float:
    return copy.progress_at
