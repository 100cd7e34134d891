"""The rules that everything else stands on, each broken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec.structs import replace

from tests.sim import workload
from tests.sim.broken import Broken
from wrpme.core import router
from wrpme.core.membership import draft, paxos
from wrpme.core.replication import takeover, receiver, replica, replica_table, sender
from wrpme.core.replication.pending import Pending, PendingWrites
from wrpme.daemon.storage import identity
from wrpme.daemon.storage.store import Store
from wrpme.errors import NotFoundError
from wrpme.protocol.messages import Answer, EntryRequest, Fill, Item, Stream, StreamAck, Suffix, Writes
from wrpme.protocol.view import Arc, Back, Elect, NodeId, Patch, State, Synced, View


def no_prev_confirmation() -> Broken:
    """The new owner serves without a word of the former ones."""

    def awaited(
        arc: Arc, me: NodeId, alive: Collection[NodeId], told: Collection[NodeId], over: Callable[[NodeId], bool]
    ) -> list[NodeId]:
        return [node for node in arc.holders if node != me and node in alive and node not in told]

    return replica, "awaited", awaited


def late_synced() -> Broken:
    """A report that a copy is complete counts whatever has happened to the arc since."""

    def synced_fits(report: Synced, arc: Arc, owner: NodeId | None, incarnation: int) -> bool:
        return report.node in arc.incoming

    return draft, "synced_fits", synced_fits


def older_writes() -> Broken:
    """A receiver takes what was sent at an older version of the arc."""

    def take(message: Stream, version: int, run: int, taken: int) -> tuple[list[tuple[int, Item]], int]:
        fits = message.run == run if message.version == version else message.version < version
        if not fits or message.first > taken + 1:
            return [], taken
        items = list(enumerate(message.items, message.first))[taken + 1 - message.first :]
        return items, taken + len(items)

    return receiver, "take", take


def same_incarnation() -> Broken:
    """A node that starts again says that it is in its first life."""
    honest = identity.next_life

    def next_life(store: Store, random_bytes: Callable[[int], bytes]) -> identity.Identity:
        life = honest(store, random_bytes)
        return identity.Identity(life.id, 1 << 32, life.starts, ())

    return identity, "next_life", next_life


def small_quorum() -> Broken:
    """Less than half of the voters decide."""

    def is_quorum(voters: Sequence[NodeId], present: Collection[NodeId]) -> bool:
        return 3 * sum(voter in present for voter in voters) >= len(voters)

    return paxos, "is_quorum", is_quorum


def no_lease() -> Broken:
    """The owner serves as long as it believes to be the owner."""

    def lease_until(self: replica.Replica) -> float:
        return float("inf") if self.serving else float("-inf")

    return replica.Replica, "lease_until", lease_until


def no_suffixes() -> Broken:
    """The new owner waits for the suffixes, and makes nothing of them."""

    def take(self: takeover.Suffixes, source: NodeId, message: Suffix, low: bytes, high: bytes) -> None:
        self.told.add(source)

    return takeover.Suffixes, "take", take


def lost_suffix() -> Broken:
    """A holder hands over nothing of what it received."""

    def suffix(self: PendingWrites) -> list[Pending]:
        return [*self.owed, *self.queue]

    return PendingWrites, "suffix", suffix


def down_beside_live() -> Broken:
    """Who is down stays a holder beside a live one, so that it needs no copy when it is back."""

    def leave_arcs(self: draft.Draft, dead: set[NodeId]) -> None:
        for arc in list(self.table.arcs):
            if dead.intersection((*arc.holders, *arc.incoming)):
                incoming = tuple(node for node in arc.incoming if node not in dead)
                live = tuple(node for node in arc.holders if node not in dead)
                late = tuple(node for node in arc.holders if node in dead)
                self._set_holders(arc.end, live + late, incoming)

    return draft.Draft, "_leave_arcs", leave_arcs


def acknowledged_before_sync() -> Broken:
    """A holder acknowledges what is not on its disk yet."""
    honest = replica_table.ReplicaTable.on_streams

    def on_streams(self: replica_table.ReplicaTable, source: NodeId, life: int, streams: Any, number: int = 0) -> None:
        context: Any = self.context
        context.commits.after_disk = lambda then: then()
        try:
            honest(self, source, life, streams, number)
        finally:
            vars(context.commits).pop("after_disk", None)

    return replica_table.ReplicaTable, "on_streams", on_streams


def acknowledged_whole() -> Broken:
    """A holder answers with the number of a message also where it took only a part of it."""
    honest = replica_table.ReplicaTable._acknowledge

    def acknowledge(
        self: replica_table.ReplicaTable, source: NodeId, life: int, number: int, is_whole: bool, taken: Any
    ) -> None:
        has_answers = any(ack.answers for _, ack in taken)
        honest(self, source, life, number, is_whole or (bool(taken) and not has_answers), taken)

    return replica_table.ReplicaTable, "_acknowledge", acknowledge


def acknowledged_after_freeze() -> Broken:
    """A holder that has handed over its suffix still acknowledges writes of the version before."""

    honest = replica.Replica.on_stream

    def on_stream(self: replica.Replica, source: NodeId, message: Stream, may_begin: Any) -> replica.Taken | None:
        if message.version >= self.arc.version:
            return honest(self, source, message, may_begin)
        for number, item in enumerate(message.items, message.first):
            if isinstance(item, Writes):
                self.writes.receive(number, item.pairs)
        ack = StreamAck(message.end, message.version, message.run, message.first + len(message.items) - 1)
        self.context.commits.after_disk(lambda: self.context.outbox.send_ack(source, ack))
        return None

    return replica.Replica, "on_stream", on_stream


def keeps_removed() -> Broken:
    """A returning node keeps what the owner does not have any more."""
    honest = sender.Sender.on_ack

    def on_ack(self: sender.Sender, message: StreamAck) -> None:
        answers: list[Answer] = []
        for answer in message.answers:
            opened = self._open.get(answer.number)
            if opened is not None and isinstance(opened[0], Fill):
                answer = replace(answer, same=True)
            elif opened is not None:
                here = {key for key, _ in self.writes.pairs(opened[0].low, opened[0].high)}
                answer = replace(answer, have=tuple(pair for pair in answer.have if pair[0] in here))
            answers.append(answer)
        honest(self, replace(message, answers=tuple(answers)))

    return sender.Sender, "on_ack", on_ack


def keeps_its_role() -> Broken:
    """A holder that has restarted is a holder as before."""
    honest = draft.Draft.back

    def back(self: draft.Draft, changes: Sequence[Back]) -> None:
        others: list[Back] = []
        for change in changes:
            known = self.members.get(change.node)
            if known is not None and known.state is State.UP and change.incarnation > known.incarnation:
                self._begin()
                self.index.put(replace(known, incarnation=change.incarnation))
            else:
                others.append(change)
        honest(self, others)

    return draft.Draft, "back", back


def counts_too_early() -> Broken:
    """A copy is complete before all digests have agreed."""
    honest = sender.Sender._pump

    def pump(self: sender.Sender) -> None:
        honest(self)
        if self.phase is sender.Phase.RUNNING and self.cursor >= self.writes.high:
            self._count()

    return sender.Sender, "_pump", pump


def retried_write() -> Broken:
    """A client sends a write again though nobody can tell what became of it."""

    def lost(self: workload.Asked) -> None:
        self.waiting = False
        self._again()

    return workload.Asked, "lost", lost


def not_found_without_owner() -> Broken:
    """Where no owner lives there is no entry."""

    def unavailable(self: router.Router, alias: str, arc: Arc) -> NotFoundError:
        return NotFoundError(f'there is no entry "{alias}"')

    return router.Router, "_unavailable", unavailable


def two_voters_at_once() -> Broken:
    """Whoever can vote becomes a voter at once."""
    honest = draft.Draft.elect

    def elect(self: draft.Draft, change: Elect) -> None:
        honest(self, change)
        for member in self.members.values():
            self._elected = False
            honest(self, Elect(member.id))

    return draft.Draft, "elect", elect


def forgotten_count() -> Broken:
    """The owner adopts a view that does not touch the arc, and forgets that a copy counts already."""
    honest = replica_table.ReplicaTable.adopt

    def adopt(self: replica_table.ReplicaTable, view: View, patch: Patch | None = None) -> None:
        honest(self, view, patch)
        for owned in self.mine:
            for node in owned.arc.incoming:
                if node in owned.copies and owned.copies[node].counts:
                    owned.copies[node] = owned._sender(node)
                    owned.need_counted()

    return replica_table.ReplicaTable, "adopt", adopt


def reads_what_is_pending() -> Broken:
    """A read does not wait until the write that it sees is acknowledged."""
    honest = replica.Replica.execute

    def execute(self: replica.Replica, origin: Any, request: EntryRequest, key: bytes) -> None:
        def at_once(pending: Pending, then: Callable[[bool], None]) -> None:
            then(True)

        vars(self)["when_acknowledged"] = at_once
        honest(self, origin, request, key)

    return replica.Replica, "execute", execute
