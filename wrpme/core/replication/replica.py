"""One arc on one node: its requests, its takeover, what it hands over when its owner changes.

The rules are in docs/how-it-works.md, "A write" and "Changing the owner". Life of a write at the owner: it gets the
next number under the arc's version, joins the gathering batch and ``queue``, and is answered when it is on disk here
and acknowledged by every counted copy; until then ``suffix`` overlays the store for its key, and whoever reads it
waits.

==========  =========================================================================================================
role        what this node is to the arc in the present view
==========  =========================================================================================================
OWNER       the first live holder: activates, then serves
HOLDER      another live holder: receives every write, acknowledges it once it is on disk
INCOMING    receives a copy
FORMER      in ``prev``: handed its suffix to the owner, owes its clients answers until the owner says Committed
ASLEEP      a holder that the view calls down (or not back yet): it ends what was begun, and begins nothing
==========  ========================================================================================================="""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from math import inf
from typing import Any

from msgspec.structs import replace

from wrpme.core.context import NodeContext
from wrpme.core.io import ReplyTo
from wrpme.core.outbox import NO_ROOM, Origin, Part
from wrpme.core.layout import (
    HEADER_BYTES, NO_EXPIRY, REMOVED, VERSION_BYTES, Version, alias_in, expiry_in, hash_in, removal, value_of,
    version_bytes, version_in,
)  # fmt: skip
from wrpme.core.replication.takeover import Suffixes, accepts, awaited
from wrpme.core.replication.operations import Outcome, Write, decide, is_versioned
from wrpme.core.replication.pending import Burst, Pending, PendingWrites
from wrpme.core.replication.receiver import Receiver
from wrpme.core.replication.sender import Sender
from wrpme.core.transaction import Planned, plan
from wrpme.core.retry import Retry
from wrpme.core.stats.slow_writes import explain
from wrpme.errors import BusyError, FullError, IndeterminateError, UnavailableError, UnstableError, WrpmeError
from wrpme.core.limits import (
    ANSWER_BYTES_USUAL, PENDING_BYTES_MAX, PENDING_WRITES_MAX, STREAM_BYTES_PER_SECOND_MIN,
)  # fmt: skip
from wrpme.protocol import ring
from wrpme.protocol.address import listed
from wrpme.protocol.messages import (
    Committed, Content, Done, EntryRequest, Failed, Get, GetSuffix, Put, Reply, Results, Stream, StreamAck, Suffix,
    Transaction, Update,
)  # fmt: skip
from wrpme.protocol.ring import owner_among
from wrpme.protocol.view import Activated, Arc, NodeId


CLOCK = "the owner has just started, and has not compared its clock with another one; nothing was changed, try again"
_NOT_PLAIN = b"not plain"
Taken = tuple[Receiver, StreamAck]
"""Who took items of a stream, and what is to be acknowledged of that."""
BUSY = "too many writes wait for the disks of the holders; nothing was changed, try again"


class Role(Enum):
    """See the table above."""

    OWNER = "owner"
    HOLDER = "holder"
    INCOMING = "incoming"
    FORMER = "former"
    ASLEEP = "asleep"


class Replica:
    """``dirty`` are the replicas where something waits for the disk or for another node, of one table;
    ``quorum_lost`` says why this node has seen no quorum for a while, or gives an empty text."""

    def __init__(
        self,
        context: NodeContext,
        arc: Arc,
        first: int,
        dirty: dict[Replica, None],
        quorum_lost: Callable[[], str],
    ) -> None:
        self.context = context
        self.first = first
        self.writes = PendingWrites(context, first, arc.end)
        self._dirty = dirty
        self._quorum_lost = quorum_lost
        self.arc = arc
        self.role = Role.ASLEEP
        self.serving = False
        self._served_version = 0
        """The last version of the arc at which this node has served it."""
        self.copies: dict[NodeId, Sender] = {}
        """One for each other holder, and for each node that receives a copy."""
        self.receiver: Receiver | None = None
        self.on_change: list[Callable[[], None]] = []
        """Called once, when this ownership ends or begins anew: who compares copies has to stop."""
        self.retry = Retry(context.me)
        """Of what its takeover asks for and tells."""
        self.announced = False
        self.swept = False
        """No entry of this ownership is left whose hint was passed over."""
        self._needed: tuple[NodeId, ...] = ()
        self._suffixes = Suffixes(arc)
        self._announce_after: int | None = None
        self._handed: tuple[int, NodeId, bytes] | None = None
        """The part of the suffix that was sent last: for which version, to whom, after which key."""
        self._handed_until = 0.0
        """As long as that may be on its way, it is not sent again."""
        self._doubtful = False
        """This node was down while it owed: what the next owner took from it, only that one knows."""

    # --- requests ------------------------------------------------------------------------------------------------

    def note_dirty(self) -> None:
        """Something here waits for the disk or for another node."""
        self._dirty[self] = None

    def lease_until(self) -> float:
        """Until when this node may serve; -inf where it may not at all."""
        if not self.serving:
            return -inf
        return self.context.heartbeats.lease_until(self._needed) if self._needed else inf

    def execute(self, origin: Origin, request: EntryRequest, key: bytes) -> None:
        """Carries out a request on an entry of this arc, or refuses it."""
        context = self.context
        lease = self.lease_until()
        if context.now >= lease:
            context.refuse(origin, request, self.refusal())
            return
        pending = self.writes.overlay.get(key)
        held = pending.value if pending is not None else context.hot.get(key)
        known = held is not None
        if held is not None:
            expiry = expiry_in(held)
            if expiry:
                if expiry == REMOVED:
                    held, known = None, False
                elif expiry <= context.time.early:
                    if not context.clock_is_checked():
                        context.refuse(origin, request, UnstableError(CLOCK))
                        return
                    self.expire(key, held)
                    pending, held, known = self.writes.overlay[key], None, False
        outcome: Outcome
        if pending is not None and known and type(request) is Get:
            version = pending.value[:VERSION_BYTES] if request.versioned else b""
            outcome = Content(request.id, pending.content(), version)
        else:
            outcome = decide(request, held, context.time)
        answer = outcome.reply if type(outcome) is Write else outcome
        size = len(answer.content) if type(answer) is Content else 0
        is_bounded = size > ANSWER_BYTES_USUAL or type(origin) is Part
        if is_bounded and not context.outbox.has_room(origin, size):
            context.responses.failed(origin, type(request), BusyError.code)
            context.outbox.no_room(origin, request.id, size)
        elif type(outcome) is Write:
            if context.disk.hung:
                context.refuse(origin, request, self.refusal())
                return
            if self._is_full():
                context.refuse(origin, request, BusyError(BUSY))
                return
            content = outcome.content
            if content is not None and (not known or held is None or len(content) > len(held) - HEADER_BYTES):
                full = self._no_room()
                if full is not None:
                    context.refuse(origin, request, full)
                    return
            reply = outcome.reply
            if is_versioned(request):
                reply = Done(request.id, version_bytes(self.next_version(1)))
            written = self._write(key, outcome.content, outcome.expiry, held if known else None)
            self._await(written, origin, type(request), reply)
            if type(reply) is Content:
                written.held_bytes += len(reply.content)
                self.writes.hold(len(reply.content))
        elif pending is None:
            if type(outcome) is Failed:
                context.responses.failed(origin, type(request), outcome.code)
            context.outbox.reply(origin, outcome, lease)  # type: ignore[arg-type]
        else:
            self.when_acknowledged(pending, self._later(origin, type(request), outcome, pending))  # type: ignore[arg-type]

    def update(self, key: bytes, content: bytes, origin: Burst, reply: Done) -> bool:
        """Carries out an update of a burst, as :meth:`write` does."""
        held = self._held_plainly(key)
        if held is _NOT_PLAIN:
            return False
        written = self._queue(key, value_of((self.arc.version, self.writes.sequence + 1), 0, content), held)
        written.origin, written.reply = origin, reply
        return True

    def write(self, key: bytes, request: Put | Update, origin: int) -> bool:
        """Carries out a put or an update without a life span, as :meth:`execute` does; whoever calls has looked at the
        lease. Returns False, and does nothing, where that takes more than this: the entry has a life span, or is
        being removed, or is there already, or too much waits, or the disk hangs."""
        held = self._held_plainly(key)
        if held is _NOT_PLAIN or (held is not None and type(request) is Put) or self.context.disk.hung:
            return False
        written = self._queue(key, value_of((self.arc.version, self.writes.sequence + 1), 0, request.content), held)
        written.origin, written.kind = origin, type(request)
        written.reply, written.since = Done(request.id), self.context.now
        return True

    def _held_plainly(self, key: bytes) -> bytes | None:
        """What the entry is where a write may replace it at once; else what nothing is."""
        pending = self.writes.overlay.get(key)
        held = pending.value if pending is not None else self.context.hot.get(key)
        if (held is not None and held[16:24] != NO_EXPIRY) or self._is_full() or self.context.room.is_short:
            return _NOT_PLAIN
        return held

    def _is_full(self) -> bool:
        return (
            len(self.writes.queue) >= PENDING_WRITES_MAX
            or self.writes.pending_bytes >= PENDING_BYTES_MAX
            or self.context.commits.pending_bytes >= self.context.process.memory.pending
        )

    def _no_room(self) -> FullError | None:
        """Why what is held of this arc must not grow; None where it may."""
        context = self.context
        if not context.room.is_short:
            return None
        holders = (context.me, *self._needed)
        return context.room.refusal(context.me, holders, context.address_of)

    def when_acknowledged(self, pending: Pending, then: Callable[[bool], None]) -> None:
        """Calls ``then`` with True once the write is acknowledged, with False where nobody here will ever know."""
        if pending.waiters is None:
            pending.waiters = []
        pending.waiters.append(then)

    def _later(self, origin: Origin, kind: type[Any], reply: Reply, latest: Pending) -> Callable[[bool], None]:
        since = self.context.now
        self.context.responses.put_off(origin, kind)

        def answer(acknowledged: bool) -> None:
            # The room of a part was taken when it was read.
            size = len(reply.content) if type(reply) is Content and type(origin) is not Part else 0
            context, given = self.context, reply
            has_room = not size or context.outbox.has_room(origin, size)
            if not acknowledged:
                error = self.refusal()
                given = Failed(reply.id, error.code, error.sentence)
            elif not has_room:
                given = Failed(reply.id, BusyError.code, NO_ROOM)
            context.responses.answered(origin, kind, context.now - since, given)
            code = given.code if type(given) is Failed else 0
            context.slow_answer(origin, reply.id, kind, alias_in(latest.key), since, code, "a write of the same entry")
            if acknowledged and not has_room:
                context.outbox.no_room(origin, reply.id, size)
            else:
                context.outbox.reply(origin, given, self.lease_until() if acknowledged else inf)

        return answer

    def refusal(self) -> WrpmeError:
        """Why this node does not serve the arc now: for a moment, or until somebody returns."""
        address = self.context.address_of
        if self.role is not Role.OWNER:
            return UnstableError("the owner of this part of the ring is changing; nothing was changed, try again")
        if quorum := self._quorum_lost():
            return UnavailableError(quorum)
        if not self.serving:
            names = listed(address(node) for node in self.awaits()) or "its own start"
            return UnstableError(f"the new owner waits for {names} before it serves; nothing was changed, try again")
        if self.context.disk.hung:
            hangs = self.context.disk.hang_text(self.context.settings.address)
            return UnstableError(f"{hangs}; nothing was changed, try again")
        names = listed(address(node) for node in self._needed)
        return UnstableError(f"the owner has lost sight of {names}; nothing was changed, try again")

    def remove_expired(self, key: bytes, wall: float) -> None:
        """Removes an entry whose time has come."""
        held = self.writes.stored(key)
        if held is not None and 0 < expiry_in(held) <= wall:
            self.expire(key, held)

    def expire(self, key: bytes, held: bytes) -> None:
        """Removes an entry whose time has come; followers are told so."""
        self.remove(key, held)
        self.writes.overlay[key].by_clock = True

    def remove(self, key: bytes, held: bytes) -> None:
        """Removes an entry as part of ``remove_all``."""
        self._write(key, None, 0, held)

    def _write(self, key: bytes, content: bytes | None, expiry: int, held: bytes | None) -> Pending:
        version = self.next_version(1)
        value = removal(version) if content is None else value_of(version, expiry, content)
        return self._queue(key, value, held)

    def _await(self, pending: Pending, origin: Origin, kind: type[Any], reply: Reply) -> None:
        """Somebody who made a request of that kind gets the reply once the write is acknowledged."""
        context = self.context
        pending.origin, pending.kind, pending.reply, pending.since = origin, kind, reply, context.now
        if type(origin) is int:
            context.responses.at_once[kind] -= 1

    def next_version(self, place: int) -> Version:
        """The version of the write in that place among those that come next, counted from 1."""
        return self.arc.version, self.writes.sequence + place

    def _queue(self, key: bytes, value: bytes, held: bytes | None) -> Pending:
        """A further write, of the next version."""
        writes = self.writes
        writes.sequence += 1
        self.context.hot.forget(key)
        self.context.marks.note(writes.stretch, (self.arc.version, writes.sequence))
        pending = writes.apply(key, value, held)
        pending.number = writes.sequence
        writes.queue.append(pending)
        writes.hold(pending.held_bytes)
        self._dirty[self] = None
        return pending

    # --- transactions --------------------------------------------------------------------------------------------

    def transact(self, origin: Origin, request: Transaction, keys: Sequence[bytes]) -> None:
        """Carries out a transaction on entries of one position of this arc, or refuses it."""
        context = self.context
        lease = self.lease_until()
        if context.now >= lease:
            context.refuse(origin, request, self.refusal())
            return
        decided = plan(request.requests, keys, self.writes.current, self.next_version, context.time)
        reply: Reply = decided.failure or Results(request.id, tuple(decided.replies))
        size = decided.answer_bytes
        if decided.by_clock and not context.clock_is_checked():
            context.refuse(origin, request, UnstableError(CLOCK))
        elif size > ANSWER_BYTES_USUAL and not context.outbox.has_room(origin, size):
            context.responses.failed(origin, type(request), BusyError.code)
            context.outbox.no_room(origin, request.id, size)
        elif decided.failure is not None:
            for key, held in decided.expired:  # who is told that they are gone must not see them again
                self.expire(key, held)
            self._answer_as_seen(origin, replace(decided.failure, id=request.id), keys, lease)
        elif not decided.writes:
            self._answer_as_seen(origin, reply, keys, lease)
        elif context.disk.hung:
            context.refuse(origin, request, self.refusal())
        elif self._is_full():
            context.refuse(origin, request, BusyError(BUSY))
        elif decided.grows and (full := self._no_room()) is not None:
            context.refuse(origin, request, full)
        else:
            self._write_together(origin, reply, decided.writes, size)

    def _answer_as_seen(self, origin: Origin, reply: Reply, keys: Sequence[bytes], lease: float) -> None:
        """Answers once all is acknowledged that was seen of these entries."""
        overlay = self.writes.overlay
        seen = [overlay[key] for key in keys if key in overlay]
        if seen:
            latest = max(seen, key=lambda pending: pending.serial)
            self.when_acknowledged(latest, self._later(origin, Transaction, reply, latest))
        else:
            if type(reply) is Failed:
                self.context.responses.failed(origin, Transaction, reply.code)
            self.context.outbox.reply(origin, reply, lease)

    def _write_together(self, origin: Origin, reply: Reply, writes: Sequence[Planned], size: int) -> None:
        """The writes of a transaction, one after the other; the answer is that of the last one, and what it saw that is
        not acknowledged yet comes before that."""
        for write in writes:
            pending = self._queue(write.key, write.value, write.held)
            pending.closes, pending.by_clock = False, write.by_clock
        pending.closes = True
        self._await(pending, origin, Transaction, reply)
        pending.held_bytes += size
        self.writes.hold(size)

    # --- the end of a turn, and of a write -----------------------------------------------------------------------

    def end_turn(self, disk_is_free: bool) -> None:
        """Hands what was written to the copies: to those that count where their node may be sent more, to others with
        the batch for the disk, as nobody waits for their acknowledgement."""
        if self.serving:
            outbox, now = self.context.outbox, self.context.now
            for copy in self.copies.values():
                if outbox.may_stream(copy.node, disk_is_free, now) if copy.counts else disk_is_free:
                    copy.catch_up()
            self.writes.forget_parts()

    def settle(self) -> bool:
        """Answers what is on disk and acknowledged; whether anything still waits."""
        persisted = self.context.commits.persisted
        self.writes.land(persisted)
        if self.serving or self._ends_what_was_begun():
            through: int | None = None
            for copy in self.copies.values():
                if copy.counts and (through is None or copy.acknowledged < through):
                    through = copy.acknowledged
            self._commit(persisted, through)
            mark = self._announce_after
            if self.serving and mark is not None and self.writes.committed >= mark:
                self._announce()
        return bool(self.writes.queue or self.writes.unflushed)

    def _ends_what_was_begun(self) -> bool:
        """All holders were marked down at once, and nothing else was decided: a write may still come to its end. Not
        where this node has not served at this version: it may lack what a former owner has, which is asked for it by
        whoever serves next, and may hold an older write of the same entry."""
        others = set(self.arc.holders) - {self.context.me}
        served = self._served_version == self.arc.version
        return self.role is Role.ASLEEP and self.context.this_life and served and others <= set(self.copies)

    def _commit(self, persisted: int, through: int | None) -> None:
        queue, context = self.writes.queue, self.context
        before, released, hot = len(queue), 0, context.hot
        followed = context.followed if self.serving else None
        is_plain, slow = not (context.traces.open or context.audit.open), context.slow.threshold_seconds
        kind, since, count = Update, 0.0, 0  # of those that are counted together, as they came in one turn
        while queue and queue[0].batch <= persisted and (through is None or queue[0].number <= through):
            pending = queue.popleft()
            released += pending.held_bytes
            if self.writes.drop_overlay(pending) and self.serving and pending.overwrites:
                hot.keep(pending.key, pending.value)
            if followed is not None:  # committed: whatever happens from here on, nobody takes it back
                followed.note(pending.key, pending.value, pending.by_clock)
            origin = pending.origin
            if type(origin) is int and is_plain and context.now - pending.since < slow:
                if pending.since != since or pending.kind is not kind:
                    context.responses.committed(kind, context.now - since, count)
                    kind, since, count = pending.kind, pending.since, 0
                count += 1
                pending.origin = None  # it hears of it once
                context.outbox.effects.append(ReplyTo(origin, pending.reply))  # type: ignore[arg-type]
            elif type(origin) is Burst and origin.left > 1:
                origin.left -= 1
            elif origin is not None:
                asked = origin.since if type(origin) is Burst else pending.since
                if context.now - asked >= slow or context.traces.open:
                    explain(context, pending, [copy for copy in self.copies.values() if copy.counts])
                self.writes.answer(pending)
            if pending.waiters is not None:
                for waiter in pending.waiters:
                    waiter(True)
        context.responses.committed(kind, context.now - since, count)
        if len(queue) < before:
            self.writes.hold(-released)
            for copy in self.copies.values():
                copy.on_committed()

    # --- a new view ----------------------------------------------------------------------------------------------

    def inherit(self, other: Replica) -> None:
        """Takes over what lies in this arc from a replica of the arcs before; it keeps nothing of that."""
        self.writes.inherit(other.writes)
        self.role = other.role
        self._doubtful = self._doubtful or other._doubtful
        if self.writes.queue or self.writes.unflushed:
            self._dirty[self] = None

    def enter(self, arc: Arc, role: Role, fresh: bool) -> None:
        """A view was adopted: what the arc is in it, and what this node is to it. ``fresh``: this replica is new."""
        context, before = self.context, self.role
        changed = fresh or arc.version != self.arc.version
        self.arc, self.role = arc, role
        for copy in self.copies.values():
            copy.arc = arc
        if not context.lives:
            self._doubtful = True
        if not arc.prev:
            context.reconciled.forget(self.first, arc.end)
        if role is Role.OWNER:
            if changed or before is not Role.OWNER:
                self._begin_takeover()
            else:
                self.check_takeover()
            return
        self.serving = False
        self._suffixes.best.clear()
        self._end_ownership()
        if changed:
            self._freeze(before, role)
        if context.me not in arc.prev and role is not Role.ASLEEP:
            self.resolve()
        self._dirty[self] = None

    def _freeze(self, before: Role, role: Role) -> None:
        """Another version: nothing of the former one is acknowledged from here on, and the suffix is handed over."""
        self.copies = {}
        self._close_receiver()
        self.writes.inherit_received()
        if role is Role.INCOMING:
            self.writes.forget_received()
        if before in (Role.OWNER, Role.ASLEEP) and role is not Role.ASLEEP:
            self.writes.owed += self.writes.queue
            self.writes.land_queue()
        self.hand_over()

    def part(self) -> None:
        """This replica stands for no arc of this node any more; what was pending went to those after it."""
        self.serving = False
        self._end_ownership()
        self.writes.hold(-self.writes.pending_bytes)
        self._dirty.pop(self, None)

    def leave(self) -> None:
        """This node has no part in the arc any more."""
        self.serving = False
        self._end_ownership()
        self._doubtful = self._doubtful or not self.context.lives
        self.resolve()
        self.copies = {}
        self._close_receiver()
        self.writes.forget_received()

    def _end_ownership(self) -> None:
        """Whoever waited for a write to be acknowledged asks the next owner; comparisons of copies stop."""
        for pending in self.writes.queue:
            waiters, pending.waiters = pending.waiters, None
            for waiter in waiters or ():
                waiter(False)
        stopped, self.on_change = self.on_change, []
        for stop in stopped:
            stop()

    def resolve(self, taken_from: int | None = None) -> None:
        """What this node owes is committed, if it was there all along: then the next owner had its suffix. Else nobody
        here knows, but for writes of versions from ``taken_from`` on, of which the owner says so."""
        self._answer_owed([*self.writes.owed, *self.writes.queue], taken_from)
        self._end_ownership()
        self.writes.owed = []
        self.writes.superseded.clear()
        self._doubtful = not self.context.lives
        self.writes.land_queue()

    def _answer_owed(self, pendings: Sequence[Pending], taken_from: int | None = None) -> None:
        for pending in pendings:
            taken = taken_from is not None and version_in(pending.value)[0] >= taken_from
            if taken or not self._doubtful:
                self.writes.answer(pending)
            else:
                error = IndeterminateError(
                    "the node was cut off while it wrote; the write may or may not have been carried out"
                )
                self.writes.answer(pending, error)

    @property
    def settled(self) -> bool:
        """Nobody waits for an answer of a former ownership, or of one that ended with the node's own planned stop."""
        return not self.writes.owed and not self.writes.queue

    # --- takeover ----------------------------------------------------------------------------------------------

    def _begin_takeover(self) -> None:
        self.serving = self.swept = False
        self.context.hot.clear()  # others may have written since this node has served the arc
        self.copies = {}
        self._close_receiver()
        self._needed = ()
        self._suffixes = Suffixes(self.arc, self.context.reconciled.version(self.first, self.arc.end))
        self.announced = False
        self._end_ownership()
        self._drop_void()
        self._doubtful = False
        self.writes.queue_suffix()
        self.check_takeover()
        if not self.serving:
            self.ask_suffixes()
            self._begin_retry()

    def _begin_retry(self) -> None:
        self.retry.begin(self.context.now, self.context.round_trip((*self.arc.prev, *self.arc.holders)))

    def _drop_void(self) -> None:
        """What the view calls settled is no part of the own suffix either: the store has what became of these entries.
        The note of this node's own takeover says nothing of its own suffix: what it took over and not all holders have
        yet keeps its older version."""
        known = Suffixes(self.arc)
        writes = self.writes
        void = [write for write in (*writes.suffix(), *writes.superseded) if known.is_void(write.key, write.value)]
        if void:
            self._answer_owed(void)
            writes.drop(void)
        if writes.superseded:
            # Another owner took them over: whether all holders have them, only that one knew. Those that are not owed
            # were answered above.
            self._doubtful = True
            self._answer_owed([write for write in writes.owed if write in writes.superseded])
            writes.drop(writes.superseded)
            writes.superseded.clear()

    def awaits(self) -> list[NodeId]:
        """Whom takeover waits for."""
        context = self.context

        def promise_is_over(node: NodeId) -> bool:
            return context.now >= context.heartbeats.promised_until(node)

        return awaited(self.arc, context.me, context.alive, self._suffixes.told, promise_is_over)

    def ask_suffixes(self) -> None:
        """Asks former owners and holders for their suffixes."""
        for node in self.awaits():
            self._ask_suffix(node)

    def _ask_suffix(self, node: NodeId) -> None:
        self.context.outbox.send(node, GetSuffix(self.arc.end, self.arc.version, self._suffixes.cursor(node)))

    def check_takeover(self) -> None:
        """Serves if nobody is to be waited for any more."""
        if self.serving or self.awaits():
            return
        self._take_over()
        self._suffixes.best.clear()
        self.serving = True
        self._served_version = self.arc.version
        self.writes.sequence = 0
        self.note_mark(0)  # with what the suffixes held: this copy has all that any of the holders had
        for pending in self.writes.queue:
            self.writes.sequence += 1
            pending.number = self.writes.sequence
        self.writes.count_pending()
        self._announce_after = self.writes.sequence
        others = [node for node in self.arc.holders if node in self.context.alive and node != self.context.me]
        self.copies = {node: self._sender(node) for node in (*others, *self.arc.incoming)}
        for node in others:
            self.copies[node].begin_to_holder()
        self.need_counted()
        self._dirty[self] = None
        self.settle()

    def _take_over(self) -> None:
        """What the suffixes hold and this node has not. A removal goes on to the others also where there is nothing to
        remove here: one of them may have what it removes."""
        for key, value in self._suffixes.best.items():
            overlaying, held = self.writes.overlay.get(key), self.writes.current(key)
            newest = overlaying.value if overlaying else held
            if newest is None or version_in(value) > version_in(newest):
                self.writes.queue.append(self.writes.apply(key, value, held))
        self._note_settled()

    def _note_settled(self) -> None:
        """On disk before this node acknowledges anything at this version; where nobody could hand over anything any
        more there is nothing to note."""
        if self.arc.prev and self.context.reconciled.version(self.first, self.arc.end) < self.arc.version:
            self.context.reconciled.note(self.first, self.arc.end, self.arc.version)

    def _announce(self) -> None:
        self._announce_after = None
        self.announced = True
        self.announce_again()
        self._begin_retry()

    def announce_again(self) -> None:
        """Tells former owners that their writes are committed, and the voters that they can be forgotten."""
        arc, context = self.arc, self.context
        for node in arc.prev:
            if node in self._suffixes.told:
                context.outbox.send(node, Committed(arc.end, arc.version, self._suffixes.settled))
        if arc.prev:
            context.outbox.reports.append(Activated(arc.end, arc.version, context.me, context.settings.incarnation))

    def hand_over(self, after: bytes = b"") -> None:
        """Sends the suffix to the owner, or the part of it after that key: from here on nothing of an older version is
        served or acknowledged here. The owner asks often; a large part is sent again only when it should be there."""
        context, arc = self.context, self.arc
        owner = owner_among(context.alive, arc)
        if not context.this_life or owner is None or owner == context.me:
            return
        if context.me not in (*arc.prev, *arc.holders):
            return
        handed = (arc.version, owner, after)
        if self._handed == handed and context.now < self._handed_until:
            return
        known = Suffixes(arc)
        pairs, more = self.writes.suffix_part(after, known.is_void)
        size = sum(len(key) + len(value) for key, value in pairs)
        self._handed, self._handed_until = handed, context.now + size // STREAM_BYTES_PER_SECOND_MIN
        context.outbox.send(owner, Suffix(arc.end, arc.version, tuple(pairs), after, more), size)

    def on_link(self, node: NodeId) -> None:
        """A connection to a node came up, or is lost: what was on its way may have got lost."""
        if self._handed is not None and self._handed[1] == node:
            self._handed = None
        if self.role is Role.OWNER and node in (*self.arc.prev, *self.arc.holders):
            self._begin_retry()

    def on_suffix(self, source: NodeId, message: Suffix) -> None:
        """A former owner or holder hands over; of each entry the highest version wins."""
        if self.role is not Role.OWNER or self.serving or not accepts(self.arc, message.version):
            return
        if source in (*self.arc.prev, *self.arc.holders):
            before = self._suffixes.cursor(source)
            self._suffixes.take(source, message, self.writes.low, self.writes.high)
            if self._suffixes.cursor(source) != before:
                self._ask_suffix(source)
                self._begin_retry()
            self.check_takeover()

    def on_committed(self, source: NodeId, message: Committed) -> None:
        """The new owner serves: what this node owes is done."""
        if accepts(self.arc, message.version) and source == owner_among(self.context.alive, self.arc):
            self.resolve(message.settled)

    # --- copies --------------------------------------------------------------------------------------------------

    def need_counted(self) -> None:
        """A copy began to count: the lease needs its node from now on."""
        self._needed = tuple(node for node, copy in self.copies.items() if copy.counts)

    def on_stream(self, source: NodeId, message: Stream, may_begin: Callable[[Replica], bool]) -> Taken | None:
        """Items from the owner; returns what is to be acknowledged once they are on disk."""
        context = self.context
        if self.role is Role.ASLEEP:
            if self.receiver is not None and source == self.receiver.source:
                return self._take(self.receiver, message)
            return None
        if self.role not in (Role.INCOMING, Role.HOLDER) or source != owner_among(self.context.alive, self.arc):
            return None
        begins = message.first == 1 and (self.receiver is None or message.run > self.receiver.run)
        if begins and accepts(self.arc, message.version):
            self._close_receiver()  # who sends has given the former run up
            if self.role is Role.INCOMING:
                room, first, end = context.room, self.first, self.arc.end
                if not may_begin(self) or not room.may_take(first, end, message.size, context.now):
                    Receiver.refuse(context, source, message)
                    return None
                self.writes.forget_received()
                self._note_settled()  # who sends a copy serves, and the copy will have all that was settled
            self.receiver = Receiver(context, self.arc, self.writes, source, message.run, self.on_complete)
        return self._take(self.receiver, message) if self.receiver is not None else None

    def _take(self, receiver: Receiver, message: Stream) -> Taken:
        acknowledgement = receiver.take(message)
        if self.writes.unflushed:
            self._dirty[self] = None
        return receiver, acknowledgement

    def _sender(self, node: NodeId) -> Sender:
        return Sender(self.context, self.arc, self.writes, node, self.need_counted, self.note_dirty)

    def _close_receiver(self) -> None:
        if self.receiver is not None:
            self.receiver.closed = True
            self.receiver = None
            self.context.room.taken(self.first, self.arc.end)

    def note_mark(self, sequence: int) -> None:
        """This copy has all writes up to this one of the present version, see :mod:`wrpme.core.replication.marks`."""
        self.context.marks.note(self.writes.stretch, (self.arc.version, sequence))

    def on_complete(self) -> None:
        """This node has all that any suffix held: what it received before counts for nothing any more. Who says so
        serves, and has settled all of former owners."""
        self.context.room.taken(self.first, self.arc.end)
        self.writes.inherited.clear()
        self.writes.superseded.update(self.writes.owed)
        self._note_settled()
        self.note_mark(0)

    def counts(self) -> tuple[int, int]:
        """Entries and bytes."""
        return self.context.slots.between(self.first, self.arc.end)

    def validate(self) -> None:
        """Raises AssertionError where the state contradicts itself."""
        assert not self.serving or self.role is Role.OWNER, "only an owner serves"
        assert self.first <= self.arc.end and (self.first % ring.SLOT == 0), "arcs are bounded by slots"
        writes = self.writes
        if not (writes.overlay or writes.unflushed or writes.queue):
            return
        assert hash_in(writes.low) == self.first, "an arc begins where the one before ends"
        assert all(writes.low <= key < writes.high for key in writes.overlay), "the overlay keeps to its arc"
        batches = [pending.batch for pending in writes.unflushed]
        assert batches == sorted(batches), "what is flushed is in order of its batches"
        numbers = [pending.number for pending in writes.queue]
        assert not self.serving or numbers == sorted(numbers), "writes are committed in order"
