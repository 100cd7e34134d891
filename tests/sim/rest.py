"""At rest nothing is left: of a stable hive that nobody asks anything, no node keeps anything of what is over.

Whatever is kept for ever costs memory without an end, and some of it lies: a suffix that was settled long ago, a hint
of an entry that is gone, an entry that a former copy left behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from wrpme.core import limits
from wrpme.core.io import Reader
from wrpme.core.layout import ENTRIES, SETTLED_PREFIX, alias_in, hash_in, settled_in, successor
from wrpme.core.node import Node
from wrpme.core.replication.replica import Replica, Role
from wrpme.core.replication.sender import Sender
from wrpme.core.stats.slot_counts import counts_of, known_counts
from wrpme.protocol.ring import SLOT, arc_at


def assert_at_rest(name: object, node: Node, disk: Reader) -> None:
    """Raises AssertionError naming all that is left; ``disk`` is what this node has written."""
    left = [*_of_ground(node), *_of_parts(node), *_of_disk(node, disk)]
    for replica in node.table.mine:
        left += [f"arc {replica.arc.end:016x} ({replica.role.value}): {found}" for found in _of_replica(replica)]
    assert not left, f"at rest {name} still has: " + "; ".join(left[:8])


def _of_ground(node: Node) -> Iterator[str]:
    context = node.context
    assert context.view is not None
    kept = {
        "operations that no batch has": context.commits._operations, "streams": context.outbox._streams,
        "bytes of streams": context.outbox._stream_bytes, "acknowledgements": context.outbox._acks,
        "what waits for the disk": context.commits._held,
        "reports": context.outbox.reports, "effects": context.outbox.effects, "dirty replicas": node.table.dirty,
        "nodes that owe an answer to a stream": context.outbox._unanswered, "who is down": context.down_since,
    }  # fmt: skip
    yield from (what for what, these in kept.items() if these)
    if context.commits._in_flight:
        yield "a batch on its way to the disk"
    if context.known_epochs.keys() - context.members.keys():
        yield "epochs of who is no member"
    slot_counts = context.slots
    if slot_counts.removed > max(limits.REMOVED_ENTRIES_AT_REST_MAX, slot_counts.entries // 2):
        yield f"the space of {slot_counts.removed} removed entries, which nobody asked for"
    addresses = {member.address for member in context.members.values()} | set(node.settings.peers)
    if len(context.linked) > 2 * len(addresses) + 8:
        yield f"{len(context.linked)} addresses of links"


def _of_parts(node: Node) -> Iterator[str]:
    members = node.context.members.keys()
    voter, router, view_sync = node.voter, node.router, node.view_sync
    kept: dict[str, Collection[object]] = {
        "requests": voter._requests, "joins": voter._joins, "returns": voter._backs,
        "failure reports": voter._failure_reports, "beginnings of failure reports": voter._began,
        "forwards": router._forwards, "who stops": router._stopping, "early heartbeats": node._early_heartbeats,
        "suspects": node.self_check.suspected,
    }  # fmt: skip
    yield from (f"{what} ({len(these)})" for what, these in kept.items() if these)
    if voter._proposer is not None:
        yield "a proposal"
    bounded: dict[str, Collection[bytes]] = {
        "who was told a view": view_sync._told,
        "promises": node.context.heartbeats._promises,
    }  # fmt: skip
    yield from (f"{what}: also others than members" for what, these in bounded.items() if set(these) - members)
    if node.context.responses.at_once:
        yield "requests that were answered at once"


def _of_replica(replica: Replica) -> Iterator[str]:
    writes = replica.writes
    kept = {
        "writes owed": writes.owed, "inherited writes": writes.inherited, "received writes": writes.received,
        "items that arrived": writes.arrived,
        "writes in the queue": writes.queue, "writes that land": writes.unflushed, "an overlay": writes.overlay,
        "who wants to know of a change": replica.on_change, "what suffixes held": replica._suffixes.best,
        "bytes that are pending": writes.pending_bytes,
    }  # fmt: skip
    yield from (what for what, these in kept.items() if these)
    arc, owner = replica.arc, replica.role is Role.OWNER
    if replica.role not in (Role.OWNER, Role.HOLDER):
        yield "a place for it, though it is no holder"
    others = set(arc.holders) - {replica.context.me} if owner else set()
    if replica.copies.keys() != others:
        yield "copies for others than the holders"
    if owner == (replica.receiver is not None) or (replica.receiver is not None and not replica.receiver.complete):
        yield "a stream that it should not have, or not the one that it should"
    for copy in replica.copies.values():
        yield from _of_copy(copy)


def _of_copy(copy: Sender) -> Iterator[str]:
    kept = {
        "open comparisons": copy._open, "ranges to compare again": copy._again, "marks": copy._marks,
        "unsettled items": copy._unsettled, "watchers": copy.watchers, "bytes of a stream": copy._stream.bytes,
    }  # fmt: skip
    yield from (what for what, these in kept.items() if these)
    if not copy.is_complete or not copy._stream.all_acknowledged:
        yield "a copy that does not count"


def _of_disk(node: Node, disk: Reader) -> Iterator[str]:
    """Entries of its own arcs, each with its place in the index, and nothing else; the counts say the same."""
    view, me = node.view, node.context.me
    assert view is not None
    entries = dict(disk.scan(*ENTRIES))
    foreign = [key for key in entries if me not in view.arcs[arc_at(view, hash_in(key))].holders]
    if foreign:
        yield f"{len(foreign)} entries of others, as {alias_in(foreign[0])!r}"
    index = {key[1:] for key, _ in disk.scan(b"a", b"b")}
    if index != {alias_in(key) for key in entries}:
        yield f"an index of {len(index)} for {len(entries)} entries"
    counted, kept = counts_of(disk), known_counts(disk, (node.settings.incarnation, 0))
    for whose, counts in (("has", node.context.slots), ("will have after a start", kept)):
        if any(counts.between(at, at + SLOT - 1) != counted.between(at, at + SLOT - 1) for at in map(hash_in, entries)):
            yield f"other counts than its entries: it {whose} {counts.entries} entries of {counts.bytes} bytes"
        if (counts.entries, counts.bytes) != (counted.entries, counted.bytes):
            yield f"{counted.entries} entries of {counted.bytes} bytes: it {whose} {counts.entries} of {counts.bytes}"
    unsettled = [replica for replica in node.table.mine if replica.arc.prev]
    notes = [settled_in(key, value) for key, value in disk.scan(SETTLED_PREFIX, successor(SETTLED_PREFIX))]
    for first, last, version in notes:
        if not any(replica.first <= last and first <= replica.arc.end for replica in unsettled):
            yield f"a note that {version} was settled at {first:016x}, where nobody could hand over anything"
