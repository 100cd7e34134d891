"""What the parts of a node stand on: who it is, the time, the view, what it stores, and the one way to the outside.

Effects gather during one call of the node; batches for the disk are numbered here, and what must wait for the disk
is kept until it is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wrpme.core.disk_pace import Pace
from wrpme.core.event_log import Chronicle
from wrpme.core.failure_detector import Beacons
from wrpme.core.io import Effect, Operation, Persist, Reader, ReplyTo, Say, Send, Settings, Tell
from wrpme.core.layout import MARK_PREFIX, SETTLED_PREFIX, mark_in, settled_in, settled_key, settled_value, successor
from wrpme.core.replication.marks import Marks
from wrpme.core.replication.reminders import Reminders
from wrpme.core.replication.stream import acks_in_parts, size_of_stream
from wrpme.core.slot_counts import Tally, tally_of
from wrpme.errors import BusyError, WrpmeError
from wrpme.limits import (
    ANSWERS_BYTES_MAX, ANSWER_BYTES_USUAL, COPY_SILENCE_SECONDS, EVENTS_KEPT, ROUND_TRIP_SECONDS_MAX, SILENCE_SECONDS,
    STREAM_BYTES_USUAL,
)  # fmt: skip
from wrpme.protocol import view_index
from wrpme.protocol.events import UNENDED
from wrpme.protocol.histogram import Latency
from wrpme.protocol.messages import Body, Envelope, Failed, Forwarded, Reply, Stream, StreamAck, StreamAcks, Streams
from wrpme.protocol.view import NOBODY, Change, Member, NodeId, Patch, View
from wrpme.protocol.view_index import index_of

if TYPE_CHECKING:
    from wrpme.core.replication.replica import Replica

Origin = int | tuple[int, NodeId, int]
"""Who asked: the session of a client, or a node that passed a request on, the session that it came by, and how large a
content the answer may have: the answer goes back the same way, so that whoever waits for it knows when it can't come
any more."""


NO_ROOM = "too many large answers of this node wait to be taken; nothing was changed, try again"


class Ground:
    """``now`` is the node's monotonic clock in seconds at this call, ``batch`` the number of the batch that gathers."""

    known: View | None = None
    """A later view that waits for a disk that hangs: clients, which promise nothing, go elsewhere by it."""
    lives = False
    """The view has this very life of this node as up: else it votes, and does nothing else."""
    this_life = False
    """The view has this very life of this node, up or down: it has been there throughout."""
    quiet = False
    """A batch has waited for half of L: no beacons are sent."""
    silent = False
    """It has waited for L: no beacon is acknowledged, and nothing is said that others take for a sign of life."""
    hangs = False
    """The same, also where it can't be silent: no write begins, and no vote is given."""
    hung_until = -inf
    late_until = -inf
    """This node was late, and says nothing bad of others up to then..."""
    late_seconds = 0.0
    """...and by so much."""

    def __init__(self, settings: Settings, reader: Reader, now: float, tally: Tally | None = None) -> None:
        self.settings = settings
        self.me: NodeId = settings.id
        self.reader = reader
        self.now = now
        self.wall_offset_milliseconds = 0.0
        self.beacons = Beacons(now)
        self.tally = tally or tally_of(reader)
        self.reminders = Reminders()
        self.chronicle = Chronicle()
        self.latency = Latency()
        """Of requests of clients on entries."""
        self.at_once = 0
        """Requests of clients on entries in this turn that were not put off: answered at its end."""
        self.view: View | None = None
        self.era = 1
        """See :func:`wrpme.core.membership.transitions.era`; of the view."""
        self.alive: frozenset[NodeId] = frozenset()
        self.pace = Pace()
        """Of this node's own disk; what follows from it see :mod:`wrpme.core.own_disk`."""
        self.quorum: Callable[[], str] = str
        """Why this node has seen no quorum for a while; empty if it has."""
        self.touched: dict[Replica, None] = {}
        """Replicas where something waits for the disk or a copy."""
        self.effects: list[Effect] = []
        self.reports: list[Change] = []
        """For the voters; the node sends them at the end of the call."""
        self.linked: dict[str, bool] = {}
        """By address: whether messages arrive there, as far as it was tried."""
        self.link_troubles: dict[str, str] = {}
        """By address: why the last attempt to reach it failed."""
        self.foreign: dict[str, tuple[bytes, float]] = {}
        """Addresses of members at which nodes of other hives answer: the hive, and when that was seen last."""
        self.replaced: dict[str, tuple[NodeId, float]] = {}
        """Addresses of members at which other nodes answer: who, and when that was seen last."""
        self.known_epochs: dict[NodeId, int] = {}
        """The epoch that each member was last heard to have."""
        self.proven: dict[NodeId, tuple[int, str]] = {}
        """Lives later than those in the view, and their addresses, see :mod:`wrpme.core.membership.whereabouts`."""
        self.routes: dict[NodeId, str] = {}
        """The address that leads to each other member, as far as is known: not always the one in the view."""
        self.heard_at: dict[NodeId, float] = {}
        """When each member last said anything but data, in whatever life."""
        self.down_since: dict[NodeId, float] = {}
        self.story: deque[str] = deque(maxlen=EVENTS_KEPT)
        self._settled: dict[tuple[int, int], int] = {}
        for key, value in reader.scan(SETTLED_PREFIX, successor(SETTLED_PREFIX)):
            first, last, version = settled_in(key, value)
            self._settled[first, last] = version
        self.marks = Marks(mark_in(key, value) for key, value in reader.scan(MARK_PREFIX, successor(MARK_PREFIX)))
        self.heard: dict[NodeId, int] = {}
        """The highest incarnation of each member that was heard since this node's own start."""
        self.returning: dict[NodeId, float] = {}
        """When a member was heard last in a newer life than the view has: it votes, and does nothing else yet."""
        self.runs = 0
        """Copies begun; each run has a number of its own."""
        self.batch = 1
        self.persisted = 0
        self.serial = 0
        """Of the last write that a replica made or received."""
        self._operations: list[Operation] = []
        self._begin_streams()
        self.pending_bytes = 0
        """Of all writes that this node has taken as an owner, and not acknowledged."""
        self.room_for_answers: Callable[[], int] = lambda: ANSWERS_BYTES_MAX
        """How many bytes of large answers there is room for."""
        self.members: dict[NodeId, Member] = {}
        self._must_sync = False
        self._in_flight = False
        self._held: deque[tuple[int, Callable[[], None]]] = deque()

    def _begin_streams(self) -> None:
        self._streams: dict[NodeId, list[Stream]] = {}
        self._stream_bytes: dict[NodeId, int] = {}
        self._in_flight_to: dict[NodeId, float] = {}
        """When streams were sent to a node that has not answered since."""
        self.on_the_way: dict[NodeId, int] = {}
        """Bytes of all streams to a node that it has not acknowledged, as of the last tick."""
        self.acknowledged_at: dict[NodeId, float] = {}
        """When a node has acknowledged something of any stream last."""
        self._round_trips: dict[NodeId, float] = {}
        """Seconds to each node and back, as its acknowledgements of beacons show."""
        self._acks: dict[NodeId, dict[tuple[int, int, int], StreamAck]] = {}

    def wall(self) -> float:
        """Milliseconds since 1970, for expiry and for what is told."""
        return self.now * 1000 + self.wall_offset_milliseconds

    def adopt(self, view: View, patch: Patch | None = None) -> None:
        """From now on messages carry this view's epoch and go to its members. ``patch`` is what differs from the view
        before; where nobody knows that, all that is known of members is looked through."""
        self.view, self.known = view, None
        index = index_of(view)
        self.era = view_index.era(view)
        self.alive, self.members = index.alive, index.members
        if patch is None:
            changed: Iterable[NodeId] = self.members
            left = [node for node in (*self.known_epochs, *self.heard, *self.heard_at) if node not in self.members]
        else:
            changed, left = [member.id for member in patch.members], list(patch.left)
        for node in changed:
            self._note_member(self.members[node])
        for node in left:
            for known in (
                self.known_epochs, self.heard, self.heard_at, self.returning, self._in_flight_to, self.down_since,
                self.routes,
            ):  # fmt: skip
                known.pop(node, None)
        self.known_epochs[self.me] = view.epoch
        self.heard[self.me] = self.settings.incarnation
        mine = self.members.get(self.me)
        self.this_life = mine is not None and mine.incarnation == self.settings.incarnation
        self.lives = self.this_life and self.me in self.alive

    def _note_member(self, member: Member) -> None:
        """A member is new, or another than before."""
        node = member.id
        self.known_epochs.setdefault(node, 0)
        if self.heard.get(node, 0) <= member.incarnation:
            self.returning.pop(node, None)
        if node in self.alive:
            self.down_since.pop(node, None)
        else:
            self.down_since.setdefault(node, self.now)
        self.reroute(node)

    def reroute(self, node: NodeId) -> None:
        """Decides anew which address leads to a member. What is at this node's own address is this node."""
        member = self.members.get(node)
        address = member.address if member is not None else ""
        life, proven = self.proven.get(node, (0, ""))
        if member is not None and life > member.incarnation:
            address = proven
        if address and node != self.me and address != self.settings.address:
            self.routes[node] = address
        else:
            self.routes.pop(node, None)

    def is_returning(self, node: NodeId) -> bool:
        """Whether a member is there in a newer life than the view has, and was heard lately."""
        if node == self.me:
            return not self.this_life
        return self.now - self.returning.get(node, -inf) < SILENCE_SECONDS

    def address_of(self, node: NodeId) -> str:
        """The address of a member; for anyone else its id, for a sentence."""
        address = self.routes.get(node)
        if address is None:
            member = self.members.get(node)
            address = member.address if member is not None else node.hex()[:8]
        return address

    # --- to others -----------------------------------------------------------------------------------------------

    def envelope(self, destination: NodeId, body: Body) -> Envelope:
        """``body`` with who says it, to whom, and which view the sender has."""
        view, settings = self.view, self.settings
        hive, epoch = (view.hive, view.epoch) if view else (b"", 0)
        return Envelope(hive, self.era, settings.id, settings.incarnation, destination, epoch, body)

    def send(self, node: NodeId, body: Body, size: int = 0) -> None:
        """To a member; to anyone else nothing is sent. ``size`` as in :class:`wrpme.core.io.Send`."""
        address = self.routes.get(node)
        if address is not None:
            self.effects.append(Send(address, self.envelope(node, body), size))

    def send_stream(self, node: NodeId, message: Stream) -> None:
        """Leaves at the end of the call, with all that there is for the node."""
        size = self._stream_bytes.get(node, 0) + size_of_stream(message)
        self._streams.setdefault(node, []).append(message)
        self._stream_bytes[node] = size
        if size >= STREAM_BYTES_USUAL:
            self._flush_streams(node)

    def may_stream(self, node: NodeId) -> bool:
        """Whether further writes leave for the node now; else they gather until it has answered."""
        sent = self._in_flight_to.get(node)
        return sent is None or self.now - sent >= COPY_SILENCE_SECONDS

    def note_round_trip(self, node: NodeId, seconds: float) -> None:
        """So long an answer took; one that is late for once counts for a quarter."""
        seconds = min(max(0.0, seconds), ROUND_TRIP_SECONDS_MAX)
        known = self._round_trips.get(node, seconds)
        self._round_trips[node] = known + (seconds - known) / 4

    def round_trip(self, nodes: Iterable[NodeId]) -> float:
        """To the farthest of these nodes and back, as far as is known."""
        return max((self._round_trips.get(node, 0.0) for node in nodes), default=0.0)

    def on_answered(self, node: NodeId) -> None:
        """A node has answered a message of streams."""
        self._in_flight_to.pop(node, None)

    def forget_unanswered(self) -> None:
        """Answers that are overdue are waited for no longer: see :meth:`may_stream`."""
        for node in [node for node in self._in_flight_to if self.may_stream(node)]:
            del self._in_flight_to[node]

    def owe_answer(self, node: NodeId) -> None:
        """A message of streams gets one answer, once all that came with it is on disk; if there is nothing to
        acknowledge, an empty one."""

        def answer() -> None:
            self._acks.setdefault(node, {})

        self.after_disk(answer)

    def send_ack(self, node: NodeId, ack: StreamAck) -> None:
        """Leaves at the end of the call; a later acknowledgement of the same run takes the place of an earlier one."""
        of = self._acks.setdefault(node, {})
        key = (ack.end, ack.version, ack.run)
        before = of.get(key)
        if before is not None and before.upto >= 0 and ack.upto >= 0:
            ack = replace(ack, answers=before.answers + ack.answers)
        of[key] = ack

    def flush_messages(self) -> None:
        """What gathered for each node leaves as one message, or as few where it is large."""
        for node in list(self._streams):
            self._flush_streams(node)
        if self._acks:
            acks, self._acks = self._acks, {}
            for node, of in acks.items():
                for part in acks_in_parts(of.values()):
                    self.send(node, StreamAcks(part))

    def _flush_streams(self, node: NodeId) -> None:
        size = self._stream_bytes.pop(node, 0)
        self._in_flight_to[node] = self.now
        self.send(node, Streams(tuple(self._streams.pop(node))), size)

    def send_to(self, address: str, body: Body) -> None:
        """To whoever is at that address."""
        self.effects.append(Send(address, self.envelope(NOBODY, body)))

    def reply(self, origin: Origin, reply: Reply, valid_until: float = inf) -> None:
        """The answer to a request, to whoever asked."""
        if isinstance(origin, int):
            self.effects.append(ReplyTo(origin, reply, valid_until))
        else:
            session, node, _ = origin
            self.effects.append(ReplyTo(session, self.envelope(node, Forwarded(reply)), valid_until))

    def has_room(self, origin: Origin, size: int) -> bool:
        """Whether a content of that size may be answered now; all that is usual may."""
        if size <= ANSWER_BYTES_USUAL:
            return True
        return size <= self.room_for_answers() and (isinstance(origin, int) or size <= origin[2])

    def no_room(self, origin: Origin, number: int, size: int) -> None:
        """The answer to a request whose content there is no room for: nothing was carried out."""
        if isinstance(origin, int) or size <= origin[2]:
            self.fail(origin, number, BusyError(NO_ROOM))
        else:
            session, node, _ = origin
            refused = Failed(number, BusyError.code, NO_ROOM)
            self.effects.append(ReplyTo(session, self.envelope(node, Forwarded(refused, size))))

    def fail(self, origin: Origin, number: int, error: WrpmeError) -> None:
        """The answer that a request failed."""
        self.reply(origin, Failed(number, error.code, error.sentence))

    def say(self, level: str, line: str) -> None:
        """A line of the log."""
        self.story.append(f"{self.now:.3f} {line}")
        self.effects.append(Say(level, line))

    def tell(self, kind: str, sentence: str, node: str = "", seconds: float = UNENDED, level: str = "") -> None:
        """Something happened here, see :mod:`wrpme.protocol.events`; with a ``level`` it is a line of the log too."""
        epoch = self.view.epoch if self.view is not None else 0
        self.effects.append(Tell(self.chronicle.note(self.wall(), kind, epoch, node, sentence, seconds)))
        if level:
            self.say(level, sentence)

    # --- how long it took ----------------------------------------------------------------------------------------

    def put_off(self, origin: Origin) -> float:
        """A request on an entry is answered later than in this turn; gives its arrival, for :meth:`answered`."""
        if type(origin) is int:
            self.at_once -= 1
        return self.now

    def answered(self, origin: Origin, since: float) -> None:
        """A request on an entry that was put off is answered now. Whoever passed it on counts it, not this node."""
        if type(origin) is int:
            self.latency.add(self.now - since)

    # --- the disk ------------------------------------------------------------------------------------------------

    def write(self, operations: list[Operation], must_sync: bool = False) -> int:
        """Adds to the batch that gathers; gives its number."""
        self._operations += operations
        self._must_sync = self._must_sync or must_sync
        return self.batch

    def after_disk(self, then: Callable[[], None]) -> None:
        """Does ``then`` once everything written so far is on disk."""
        last = self.last_batch
        if last <= self.persisted:
            then()
        else:
            self._held.append((last, then))

    @property
    def last_batch(self) -> int:
        """The batch that all written so far is on disk with."""
        return self.batch if self._operations else self.batch - 1

    def settled_at(self, first: int, last: int) -> int:
        """The version at which this arc, or one that it is part of, was settled last; 0 where nobody knows."""
        found = (at for (low, high), at in self._settled.items() if low <= first and last <= high)
        return max(found, default=0)

    def note_settled(self, first: int, last: int, version: int) -> None:
        """Into the gathering batch."""
        self._settled[first, last] = version
        self.write([(settled_key(first, last), settled_value(version))])

    def forget_settled(self, first: int, last: int) -> None:
        """No former owner can hand over anything any more."""
        self._drop_notes([known for known in self._settled if first <= known[0] and known[1] <= last])

    def keep_settled(self, unsettled: Collection[tuple[int, int]]) -> None:
        """Only in these arcs somebody may still hand over something: what was noted of others, also of larger ones that
        were divided since, is of no use."""
        self._drop_notes(
            [
                (low, high)
                for low, high in self._settled
                if not any(first <= high and low <= last for first, last in unsettled)
            ]
        )

    def _drop_notes(self, of: Sequence[tuple[int, int]]) -> None:
        for first, last in of:
            del self._settled[first, last]
            self.write([(settled_key(first, last), None)])

    def forget_marks(self, first: int, last: int) -> None:
        """What this node has there will be deleted, and is not a whole copy from now on."""
        self.write(self.marks.forget(first, last))

    @property
    def idle(self) -> bool:
        """Nothing is on its way to the disk, and nothing gathers."""
        return not self._in_flight and not self._operations

    @property
    def disk_is_free(self) -> bool:
        """What gathered may leave for the disk, and for the holders with it."""
        return not self._in_flight

    def flush(self) -> None:
        """Sends the gathered batch to the disk, unless one is on its way: then it gathers on."""
        if self._operations and not self._in_flight:
            self._operations += self.marks.operations()  # in one batch with the writes that they tell of
            self.effects.append(Persist(self.batch, self._operations, self._must_sync))
            self.pace.begin(self._operations, self.now)
            self._operations = []
            self._must_sync = False
            self._in_flight = True
            self.batch += 1
            self.reminders.left()

    def on_persisted(self, batch: int) -> None:
        """Everything up to ``batch`` is on disk."""
        self.pace.end(self.now)
        self.persisted = batch
        self._in_flight = False
        self.reminders.landed()
        while self._held and self._held[0][0] <= batch:
            self._held.popleft()[1]()
