"""What a node says: effects gather here during one call of the node, and streams until they leave as one message.

Every message carries the view that its sender has (the stamp), so that whoever hears it knows who is behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf

from msgspec.structs import replace

from wrpme.core.io import Effect, Process, ReplyTo, Send, SendToAll, Settings
from wrpme.core.replication.stream import acks_in_parts, size_of_stream
from wrpme.errors import BusyError, WrpmeError
from wrpme.core.stats.audit import Audit
from wrpme.core.stats.traces import Traces
from wrpme.core.limits import ANSWER_BYTES_USUAL, COPY_SILENCE_SECONDS, STREAM_BYTES_USUAL
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
        self._in_flight_to: dict[NodeId, float] = {}
        """When streams were sent to a node that has not answered since."""
        self.on_the_way: dict[NodeId, int] = {}
        """Bytes of all streams to a node that it has not acknowledged, as of the last tick."""
        self.acknowledged_at: dict[NodeId, float] = {}
        """When a node has acknowledged something of any stream last."""
        self._acks: dict[NodeId, dict[tuple[int, int, int], StreamAck]] = {}
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
        self._in_flight_to.pop(node, None)

    # --- streams -------------------------------------------------------------------------------------------------

    def new_run(self) -> int:
        """The number of a further attempt to send a copy."""
        self.runs += 1
        return self.runs

    def send_stream(self, node: NodeId, message: Stream, now: float) -> None:
        """Leaves at the end of the call, with all that there is for the node."""
        size = self._stream_bytes.get(node, 0) + size_of_stream(message)
        self._streams.setdefault(node, []).append(message)
        self._stream_bytes[node] = size
        if size >= STREAM_BYTES_USUAL:
            self._flush_streams(node, now)

    def may_stream(self, node: NodeId, now: float) -> bool:
        """Whether further writes leave for the node now; else they gather until it has answered."""
        sent = self._in_flight_to.get(node)
        return sent is None or now - sent >= COPY_SILENCE_SECONDS

    def on_answered(self, node: NodeId) -> float | None:
        """A node has answered a message of streams; gives when it was sent, if it was waited for."""
        return self._in_flight_to.pop(node, None)

    def forget_unanswered(self, now: float) -> None:
        """Answers that are overdue are waited for no longer: see :meth:`may_stream`."""
        for node in [node for node in self._in_flight_to if self.may_stream(node, now)]:
            del self._in_flight_to[node]

    def owe_answer(self, node: NodeId) -> None:
        """A message of streams gets one answer; if there is nothing to acknowledge, an empty one. Whoever calls this
        has waited until all that came with it is on disk."""
        self._acks.setdefault(node, {})

    def send_ack(self, node: NodeId, ack: StreamAck) -> None:
        """Leaves at the end of the call; a later acknowledgement of the same run takes the place of an earlier one."""
        of = self._acks.setdefault(node, {})
        key = (ack.end, ack.version, ack.run)
        before = of.get(key)
        if before is not None and before.upto >= 0 and ack.upto >= 0:
            ack = replace(ack, answers=before.answers + ack.answers)
        of[key] = ack

    def flush_messages(self, now: float) -> None:
        """What gathered for each node leaves as one message, or as few where it is large."""
        for node in list(self._streams):
            self._flush_streams(node, now)
        if self._acks:
            acks, self._acks = self._acks, {}
            for node, of in acks.items():
                for part in acks_in_parts(of.values()):
                    self.send(node, StreamAcks(part))

    def _flush_streams(self, node: NodeId, now: float) -> None:
        size = self._stream_bytes.pop(node, 0)
        self._in_flight_to[node] = now
        self.send(node, Streams(tuple(self._streams.pop(node))), size)

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
