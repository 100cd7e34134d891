"""What a node says: effects gather here during one call of the node, and streams until they leave as one message.

Every message carries the view that its sender has (the stamp), so that whoever hears it knows who is behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from msgspec.structs import replace

from wrpme.core.io import Effect, Process, ReplyTo, Send, SendToAll, Settings
from wrpme.core.replication.stream import acks_in_parts
from wrpme.errors import BusyError, WrpmeError
from wrpme.core.stats.audit import Audit
from wrpme.core.stats.traces import Traces
from wrpme.core.limits import (
    ANSWER_BYTES_USUAL, COPY_SILENCE_SECONDS, STREAM_BYTES_USUAL, STREAMS_UNANSWERED_MAX,
)  # fmt: skip
from wrpme.protocol import view_index
from wrpme.protocol.messages import (
    Body, Envelope, Failed, Forwarded, Reply, Results, Stream, StreamAck, StreamAcks, Streams,
)  # fmt: skip
from wrpme.protocol.view import NOBODY, Change, NodeId, View


class Part:
    """One of the requests of a message with many: it asks, and its answer joins those of the others."""

    __slots__ = ("collected", "index")

    def __init__(self, collected: Collected, index: int) -> None:
        self.collected = collected
        self.index = index


class Collected:
    """The answers to the ``count`` requests of one message, which leave together when the last one has come. Their
    contents may have ``room`` bytes together. ``answered`` is called with them.
    """

    def __init__(
        self,
        origin: int | tuple[int, NodeId, int],
        number: int,
        count: int,
        room: int,
        answered: Callable[[Sequence[Reply | None]], None] | None = None,
    ) -> None:
        self.origin = origin
        self.answered = answered
        self.number = number
        self.room = room
        self.left = count
        self.replies: list[Reply | None] = [None] * count
        self.leased: dict[int, float] = {}
        """The numbers of those that were read under a lease, with its end."""

    def has_room(self, size: int) -> bool:
        """Whether a further content of that size has room; then it is taken."""
        if size > self.room:
            return False
        self.room -= size
        return True


Origin = int | tuple[int, NodeId, int] | Part
"""Who asked: the session of a client, or a node that passed a request on, the session that it came by, and how large a
content the answer may have: the answer goes back the same way, so that whoever waits for it knows when it can't come
any more. Or one of several requests in a message of either."""
NO_ROOM = "too many large answers of this node wait to be taken; nothing was changed, try again"


NO_LIFE = -1
"""Of a node whose messages of streams are not answered by their numbers."""


class Sent(NamedTuple):
    """A message of streams: when it left, and what is acknowledged once all of it is on the disk of who got it."""

    at: float
    acks: Sequence[StreamAck]


def _is_overdue(unanswered: Mapping[int, Sent], now: float) -> bool:
    return now - next(iter(unanswered.values())).at >= COPY_SILENCE_SECONDS


class Outbox:
    """``routes`` gives the address that leads to each other member; it belongs to the context, which keeps it."""

    def __init__(
        self, settings: Settings, routes: Mapping[NodeId, str], process: Process, traces: Traces, audit: Audit
    ) -> None:
        self._process = process
        self._traces, self._audit = traces, audit
        self._id, self._incarnation = settings.id, settings.incarnation
        self._routes = routes
        self._hive, self._era, self._epoch = b"", 1, 0
        self.effects: list[Effect] = []
        self.reports: list[Change] = []
        """For the voters; the node sends them at the end of the call."""
        self._streams: dict[NodeId, list[Stream]] = {}
        self._stream_bytes: dict[NodeId, int] = {}
        self._unanswered: dict[NodeId, dict[int, Sent]] = {}
        """Messages of streams, by their numbers, in order."""
        self._number = 0
        """Of the last one."""
        self._behind: set[NodeId] = set()
        """Those that were not sent what a batch for the disk had for them."""
        self.on_the_way: dict[NodeId, int] = {}
        """Bytes of all streams to a node that it has not acknowledged, as of the last tick."""
        self.acknowledged_at: dict[NodeId, float] = {}
        """When a node has acknowledged something of any stream last."""
        self._acks: dict[NodeId, dict[tuple[int, int, int], StreamAck]] = {}
        self._answers: dict[NodeId, tuple[int, list[int]]] = {}
        """To which messages of streams of a node, in which life of it."""
        self.runs = 0
        """Streams begun; each run has a number of its own."""

    def stamp(self, view: View) -> None:
        """Messages tell from now on that this node has that view."""
        self._hive, self._era, self._epoch = view.hive, view_index.era(view), view.epoch

    def take(self) -> list[Effect]:
        """The effects that gathered, in order; none are left."""
        effects, self.effects = self.effects, []
        return effects

    # --- to nodes ------------------------------------------------------------------------------------------------

    def envelope(self, destination: NodeId, body: Body) -> Envelope:
        """``body`` with who says it, to whom, and which view the sender has."""
        return Envelope(self._hive, self._era, self._id, self._incarnation, destination, self._epoch, body)

    def send(self, node: NodeId, body: Body, size: int = 0, apart: bool = False) -> None:
        """To a member; to anyone else nothing is sent. The rest as in :class:`wrpme.core.io.Send`."""
        address = self._routes.get(node)
        if address is not None:
            self.effects.append(Send(address, self.envelope(node, body), size, apart))

    def send_to(self, address: str, body: Body) -> None:
        """To whoever is at that address."""
        self.effects.append(Send(address, self.envelope(NOBODY, body)))

    def send_to_all(self, nodes: Iterable[NodeId], body: Body) -> None:
        """To these nodes, as far as it is known where they are; see :class:`wrpme.core.io.SendToAll`."""
        addresses = tuple(dict.fromkeys(self._routes[node] for node in nodes if node in self._routes))
        if addresses:
            self.effects.append(SendToAll(addresses, self.envelope(NOBODY, body)))

    def answer(self, session: int, node: NodeId, body: Body) -> None:
        """To a node, member or not, on the connection that it speaks on."""
        self.effects.append(ReplyTo(session, self.envelope(node, body)))

    def forget(self, node: NodeId) -> None:
        """It is no member any more: nothing is waited for."""
        self._unanswered.pop(node, None)
        self._behind.discard(node)

    # --- streams -------------------------------------------------------------------------------------------------

    def new_run(self) -> int:
        """The number of a further attempt to send a copy."""
        self.runs += 1
        return self.runs

    def send_stream(self, node: NodeId, message: Stream, size: int, now: float) -> None:
        """Leaves at the end of the turn, with all that there is for the node; the message has about so many bytes."""
        size += self._stream_bytes.get(node, 0)
        self._streams.setdefault(node, []).append(message)
        self._stream_bytes[node] = size
        if size >= STREAM_BYTES_USUAL:
            self._flush_streams(node, now)

    def may_stream(self, node: NodeId, disk_is_free: bool, now: float) -> bool:
        """Whether further writes leave for the node now: with the batch for the own disk, as nobody hears of them
        before they are there too; where the node had not answered enough by then, as soon as it has."""
        unanswered = self._unanswered.get(node)
        if unanswered is not None and len(unanswered) >= STREAMS_UNANSWERED_MAX and not _is_overdue(unanswered, now):
            if disk_is_free:
                self._behind.add(node)
            return False
        return disk_is_free or node in self._behind

    @property
    def is_behind(self) -> bool:
        """Whether some nodes were not sent what a batch for the disk had for them."""
        return bool(self._behind)

    def on_answered(self, node: NodeId, number: int) -> Sent | None:
        """A node has answered the message of that number; gives what it was, if it was waited for."""
        unanswered = self._unanswered.get(node, {})
        sent = unanswered.pop(number, None)
        if sent is not None and not unanswered:
            del self._unanswered[node]
        return sent

    def forget_streams(self, node: NodeId) -> None:
        """What was sent to the node may be lost: it is not waited for."""
        self._unanswered.pop(node, None)

    def forget_unanswered(self, now: float) -> None:
        """Answers that are overdue are waited for no longer: see :meth:`may_stream`."""
        for node, unanswered in list(self._unanswered.items()):
            while unanswered and _is_overdue(unanswered, now):
                del unanswered[next(iter(unanswered))]
            if not unanswered:
                del self._unanswered[node]

    def answer_streams(self, node: NodeId, life: int, number: int) -> None:
        """A message of streams, sent by the node in that life, gets an answer; below 0: acknowledgements of its parts
        say what of it was taken. Whoever calls this has waited until all that came with it is on disk."""
        known, numbers = self._answers.setdefault(node, (life, []))
        if known != life:
            self._answers[node] = life, numbers = life, []
        numbers.append(number)

    def send_ack(self, node: NodeId, ack: StreamAck) -> None:
        """Leaves at the end of the call; a later acknowledgement of the same run takes the place of an earlier one."""
        of = self._acks.setdefault(node, {})
        key = (ack.end, ack.version, ack.run)
        before = of.get(key)
        if before is not None and before.upto >= 0 and ack.upto >= 0:
            ack = replace(ack, answers=before.answers + ack.answers)
        of[key] = ack

    @property
    def has_messages(self) -> bool:
        """Whether something for another node leaves at the end of the turn."""
        return bool(self._streams or self._answers or self._acks)

    def flush_messages(self, now: float) -> None:
        """What gathered for each node leaves as one message, or as few where it is large."""
        for node in list(self._streams):
            self._flush_streams(node, now)
        if self._answers or self._acks:
            answers, self._answers = self._answers, {}
            acks, self._acks = self._acks, {}
            for node in {**answers, **acks}:
                life, numbers = answers.get(node, (NO_LIFE, []))
                for part in acks_in_parts(acks.get(node, {}).values()):
                    self.send(node, StreamAcks(part, tuple(numbers), life))
                    numbers = []

    def _flush_streams(self, node: NodeId, now: float) -> None:
        streams, size = tuple(self._streams.pop(node)), self._stream_bytes.pop(node, 0)
        self._number += 1
        acks = [StreamAck(one.end, one.version, one.run, one.first + len(one.items) - 1) for one in streams]
        self._unanswered.setdefault(node, {})[self._number] = Sent(now, acks)
        self._behind.discard(node)
        self.send(node, Streams(streams, self._number), size)

    # --- answers to requests -------------------------------------------------------------------------------------

    def reply(self, origin: Origin, reply: Reply, valid_until: float = inf) -> None:
        """The answer to a request, to whoever asked."""
        if self._traces.open:
            self._traces.ended((origin, reply.id), reply)
        if self._audit.open:
            self._audit.ended((origin, reply.id), reply)
        if isinstance(origin, int):
            self.effects.append(ReplyTo(origin, reply, valid_until))
        elif isinstance(origin, Part):
            self._collect(origin, reply, valid_until)
        else:
            session, node, _ = origin
            self.effects.append(ReplyTo(session, self.envelope(node, Forwarded(reply)), valid_until))

    def _collect(self, part: Part, reply: Reply, valid_until: float) -> None:
        collected = part.collected
        collected.replies[part.index] = reply
        collected.left -= 1
        if valid_until < inf:
            collected.leased[part.index] = valid_until
        if collected.left:
            return
        if collected.answered is not None:
            collected.answered(collected.replies)
        results = Results(collected.number, tuple(collected.replies))  # type: ignore[arg-type]
        if self._traces.open:
            self._traces.ended((collected.origin, results.id), results)
        leased, until = tuple(collected.leased), min(collected.leased.values(), default=inf)
        if isinstance(collected.origin, int):
            self.effects.append(ReplyTo(collected.origin, results, until, leased))
        else:
            session, node, _ = collected.origin
            self.effects.append(ReplyTo(session, self.envelope(node, Forwarded(results)), until, leased))

    def has_room(self, origin: Origin, size: int) -> bool:
        """Whether a content of that size may be answered now; all that is usual may, but for a part of many, whose
        content takes of the room that there is for all."""
        if isinstance(origin, Part):
            return origin.collected.has_room(size)
        if size <= ANSWER_BYTES_USUAL:
            return True
        return size <= self._process.room_for_answers() and (isinstance(origin, int) or size <= origin[2])

    def no_room(self, origin: Origin, number: int, size: int) -> None:
        """The answer to a request whose content there is no room for: nothing was carried out."""
        if isinstance(origin, int | Part) or size <= origin[2]:
            self.fail(origin, number, BusyError(NO_ROOM))
        else:
            session, node, _ = origin
            refused = Failed(number, BusyError.code, NO_ROOM)
            self.effects.append(ReplyTo(session, self.envelope(node, Forwarded(refused, size))))

    def fail(self, origin: Origin, number: int, error: WrpmeError) -> None:
        """The answer that a request failed."""
        self.reply(origin, Failed(number, error.code, error.sentence))
