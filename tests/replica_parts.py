"""Replicas of one arc on a few nodes, without nodes around them: the test is the network, the disks and the clock."""

from __future__ import annotations

from typing import NamedTuple

from wrpme.core.context import NodeContext
from wrpme.core.io import Persist, ReplyTo, Send, Settings
from wrpme.core.layout import ENTRIES, Version, content_in, key_of, version_in
from wrpme.core.replication.replica import Replica, Role
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.replication.scans import Scans
from wrpme.core.replication.sweep import Sweep
from wrpme.daemon.storage.store import MemoryStore
from wrpme.protocol import ring
from wrpme.protocol.messages import (
    Body, Committed, EntryRequest, Envelope, Failed, GetSuffix, Reply, Stream, StreamAck, StreamAcks, Streams, Suffix,
)  # fmt: skip
from wrpme.protocol.view import Arc, Member, NodeId, State, View

A, B, C = (letter * 16 for letter in (b"a", b"b", b"c"))
END = ring.RING - 1
WALL_MILLISECONDS = 1_000_000_000.0

Part = Body | Stream | StreamAck
"""What is on the way here: what a turn sends to one node as one message is taken apart, so that a test may lose any of
it; a real network loses no more than that."""


def view_of(arc: Arc, epoch: int = 1, down: tuple[NodeId, ...] = ()) -> View:
    """Three members and one arc."""
    members = tuple(
        Member(node, 1, node[:1].decode(), 1, State.DOWN if node in down else State.UP) for node in (A, B, C)
    )
    return View(epoch, b"h" * 16, 1, 2, members, (arc,), (A,))


def parts_of(body: Body) -> tuple[Part, ...]:
    """What one message carries; an answer that acknowledges nothing stays what it is."""
    if isinstance(body, Streams):
        return body.streams
    return body.acks if isinstance(body, StreamAcks) and body.acks else (body,)


class Moment(NamedTuple):
    """The time that life spans go by, in milliseconds."""

    early: float
    late: float


class Side:
    """One node: its context, its disk, its replica."""

    def __init__(self, bench: Bench, node: NodeId, view: View, store: MemoryStore | None = None) -> None:
        self.bench = bench
        self.store = store or MemoryStore()
        self.under_way: list[Persist] = []
        self.replies: dict[int, Reply] = {}
        self.valid_until: dict[int, float] = {}
        self.context = NodeContext(Settings(node, 1, node[:1].decode()), self.store, bench.now)
        self.context.process.wall_offset_milliseconds = WALL_MILLISECONDS
        self.context.clocks_heard = 1  # its neighbours have told theirs
        self.table = ReplicaTable(self.context)
        self.sweep = Sweep(self.context, self.table)
        self.scans = Scans(self.context, self.table)
        self.adopt(view)

    @property
    def replica(self) -> Replica:
        """Its replica of the arc."""
        replica = self.table.mine[0]
        assert replica is not None
        return replica

    def adopt(self, view: View) -> None:
        self.context.now = self.bench.now
        self.context.adopt(view)
        self.table.adopt(view)
        self.collect()

    def ask(self, request: EntryRequest) -> int:
        """Gives the session, under which ``replies`` will have the answer."""
        self.context.now = self.bench.now
        self.bench.sessions += 1
        self.replica.execute(self.bench.sessions, request, key_of(ring.hash_of(request.alias), request.alias))
        self.collect()
        return self.bench.sessions

    def hear(self, source: NodeId, body: Part) -> None:
        self.context.now = self.bench.now
        if isinstance(body, Stream):
            self.table.on_streams(source, 1, (body,))
        elif isinstance(body, StreamAck):
            self.table.on_acks(source, StreamAcks((body,)))
        elif isinstance(body, StreamAcks):
            self.table.on_acks(source, body)
        elif isinstance(body, Suffix | Committed | GetSuffix):
            self._hear_of_activation(source, body)
        self.collect()

    def _hear_of_activation(self, source: NodeId, body: Suffix | Committed | GetSuffix) -> None:
        replica = self.table.ending(body.end)
        if replica is None:
            return
        if isinstance(body, Suffix):
            replica.on_suffix(source, body)
        elif isinstance(body, Committed):
            replica.on_committed(source, body)
        elif body.version == replica.arc.version:
            replica.hand_over(body.after)

    def tick(self, again: bool = False) -> None:
        self.context.now = self.bench.now
        self.table.tick(again)
        self.sweep.step()
        self.collect()

    def persist(self) -> None:
        """The batch that is on its way arrives on the disk."""
        if self.under_way:
            batch = self.under_way.pop()
            self.store.write(batch.operations, True)
            self.context.commits.on_persisted(batch.batch, self.context.now)
            self.table.settle()
            self.collect()

    def drain(self) -> None:
        """Batch after batch, until nothing gathers any more."""
        while self.under_way:
            self.persist()

    def collect(self) -> None:
        """The end of a turn, as the node does it; takes the effects."""
        self.table.end_turn(self.context.commits.disk_is_free)
        self.context.flush_disk()
        self.context.outbox.flush_messages(self.context.now)
        effects, self.context.outbox.effects = self.context.outbox.effects, []
        for effect in effects:
            if isinstance(effect, Persist):
                self.under_way.append(effect)
            elif isinstance(effect, Send):
                assert isinstance(effect.envelope, Envelope)
                for part in parts_of(effect.envelope.body):
                    self.bench.wire.append((self.context.me, effect.envelope.destination, part))
            elif isinstance(effect, ReplyTo):
                assert not isinstance(effect.reply, Envelope)
                self.replies[effect.session] = effect.reply
                self.valid_until[effect.session] = effect.valid_until
        for replica in self.table.mine:
            replica.validate()

    def fails(self, session: int) -> str:
        """The sentence of a failure."""
        reply = self.replies[session]
        assert isinstance(reply, Failed), reply
        return reply.sentence

    def stored(self) -> dict[bytes, tuple[Version, bytes]]:
        """What is on the disk, by alias."""
        return {key[9:]: (version_in(value), content_in(value)) for key, value in self.store.scan(*ENTRIES)}


class Bench:
    """``wire`` has what was sent and not delivered."""

    def __init__(self, arc: Arc, nodes: tuple[NodeId, ...] = (A, B), view: View | None = None) -> None:
        self.now = 1000.0
        self.sessions = 0
        self.wire: list[tuple[NodeId, NodeId, Part]] = []
        self.lost: tuple[type, ...] = ()
        """What never arrives."""
        self.sides: dict[NodeId, Side] = {}
        for node in nodes:
            self.sides[node] = Side(self, node, view or view_of(arc))
        for side in self.sides.values():
            side.context.known_epochs = dict.fromkeys((A, B, C), view.epoch if view else 1)

    def __getitem__(self, node: NodeId) -> Side:
        return self.sides[node]

    def adopt(self, view: View, *nodes: NodeId) -> None:
        for node in nodes or tuple(self.sides):
            self.sides[node].adopt(view)
        for side in self.sides.values():
            side.context.known_epochs = dict.fromkeys((A, B, C), view.epoch)

    def restart(self, node: NodeId, view: View) -> None:
        """Its process ends and starts again on the same disk; ``view`` calls it back."""
        self.sides[node] = Side(self, node, view, self.sides[node].store)

    def deliver(self, pick: int = 0, keep: bool = False) -> None:
        """Delivers one message; ``keep``: a copy of it stays on the way."""
        if self.wire:
            index = pick % len(self.wire)
            source, target, body = self.wire[index]
            if not keep:
                del self.wire[index]
            if target in self.sides and not isinstance(body, self.lost):
                self.sides[target].hear(source, body)

    def lose(self, pick: int) -> None:
        if self.wire:
            del self.wire[pick % len(self.wire)]

    def lease(self, owner: NodeId, *nodes: NodeId) -> None:
        """The owner's lease is fresh."""
        heartbeats = self.sides[owner].context.heartbeats
        heartbeats.watch(nodes, self.now)
        for node in nodes:
            heartbeats.acknowledged(node, self.now, self.now)

    def settle(self) -> None:
        """Everything on the way arrives, and everything on the disks."""
        for _ in range(2000):
            if not self.wire and not any(side.under_way for side in self.sides.values()):
                return
            self.settle_once()
        raise AssertionError(f"they talk without an end: {self.wire[:3]}")

    def settle_once(self) -> None:
        """One message arrives, and a batch on each disk."""
        self.deliver()
        for side in self.sides.values():
            side.persist()

    def quiet(self, owner: NodeId, rounds: int = 60) -> None:
        """Time passes, and nothing is lost any more."""
        for round_ in range(rounds):
            self.now += 0.05
            self.sides[owner].tick(again=round_ % 4 == 0)
            self.settle()

    def role(self, node: NodeId) -> Role:
        return self.sides[node].replica.role


# --- several holders -----------------------------------------------------------------------------------------------

TWO = Arc(END, 1, (A, B), wanted=(A, B))
THREE = Arc(END, 1, (A, B, C), wanted=(A, B, C))


def held(arc: Arc = THREE) -> Bench:
    """A owns and serves; the holders have told it their suffixes. No copy begins yet."""
    made = Bench(arc, (A, B, C))
    made[A].context.known_epochs[C] = 0
    made.settle()
    assert made[A].replica.serving
    made.lease(A, *(node for node in (B, C) if node in arc.holders))
    return made


def waiting(made: Bench, kind: type) -> list[tuple[NodeId, NodeId]]:
    return [(source, target) for source, target, body in made.wire if isinstance(body, kind)]


def deliver_to(made: Bench, node: NodeId) -> None:
    """All that is on its way to a node arrives; what it answers stays on the way."""
    here = [sent for sent in made.wire if sent[1] == node]
    made.wire = [sent for sent in made.wire if sent[1] != node]
    for source, _, body in here:
        made[node].hear(source, body)


def suffix_of(side: Side) -> set[bytes]:
    return {key[9:] for key, _ in side.replica.writes.suffix_pairs()}
