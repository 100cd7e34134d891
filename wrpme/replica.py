"""One arc on one node: its pending writes, its activation, what it hands over when its owner changes.

The rules are in docs/how-it-works.md, "A write" and "Changing the owner". Life of a write at the owner: it gets the
next number under the arc's version, joins the gathering batch and ``queue``, and is answered when it is on disk here
and acknowledged by every counted copy; until then ``tail`` shadows the store for its key, and whoever reads it waits.

==========  =========================================================================================================
role        what this node is to the arc in the present view
==========  =========================================================================================================
OWNER       the first live holder: activates, then serves
HOLDER      another live holder
INCOMING    receives a copy
FORMER      in ``prev``: handed its tail to the owner, owes its clients answers until the owner says Committed
ASLEEP      a holder that the view calls down (or not back yet)
==========  =========================================================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from math import inf
from typing import Any

from wrpme import ring
from wrpme.activation import Tails, accepts, awaited
from wrpme.copying import Copy, Sink
from wrpme.entries import (
    REMOVED, expiry_in, hash_in, key_range, operations_for, removal, value_of, version_in,
)  # fmt: skip
from wrpme.errors import IndeterminateError, UnstableError
from wrpme.ground import Ground, Origin
from wrpme.limits import PENDING_BYTES_MAX, PENDING_WRITES_MAX
from wrpme.messages import Committed, EntryRequest, GetTail, Pair, Reply, Stream, Tail
from wrpme.picture import Activated, Arc, NodeId
from wrpme.operations import Write, decide
from wrpme.tally import size_of
from wrpme.view import owner_among


class Role(Enum):
    """See the table above."""

    OWNER = "owner"
    HOLDER = "holder"
    INCOMING = "incoming"
    FORMER = "former"
    ASLEEP = "asleep"


class Pending:
    """A write that is not acknowledged by all, or not on disk yet."""

    __slots__ = ("batch", "key", "number", "origin", "reply", "value", "waiters")

    def __init__(self, key: bytes, value: bytes, batch: int, number: int, origin: Origin | None, reply: Any) -> None:
        self.key = key
        self.value = value
        self.batch = batch
        self.number = number
        self.origin = origin
        self.reply: Reply | None = reply
        self.waiters: list[Callable[[bool], None]] = []
        """Called with True once this write is acknowledged, with False where nobody here will ever know."""


class Replica:
    """See the module."""

    def __init__(self, ground: Ground, arc: Arc, first: int) -> None:
        self.ground = ground
        self.arc = arc
        self.first = first
        self.low, self.high = key_range(first, arc.end)
        self.role = Role.ASLEEP
        self.serving = False
        self.sequence = 0
        self.streamed = 0
        """The number of the last write that was handed to the copies."""
        self.queue: deque[Pending] = deque()
        self.landing: deque[Pending] = deque()
        """Received as incoming or holder: shadows the store until it is on disk."""
        self.owed: list[Pending] = []
        """Of a former ownership: answered when the new owner says Committed."""
        self.tail: dict[bytes, Pending] = {}
        self.pending_bytes = 0
        self.copies: dict[NodeId, Copy] = {}
        self.sink: Sink | None = None
        self._needed: tuple[NodeId, ...] = ()
        self._tails = Tails(0)
        self._announce_after: int | None = None
        self.announced = False

    # --- requests ------------------------------------------------------------------------------------------------

    def lease_until(self) -> float:
        """Until when this node may serve; -inf where it may not at all."""
        if not self.serving:
            return -inf
        return self.ground.beacons.lease_until(self._needed) if self._needed else inf

    def execute(self, origin: Origin, request: EntryRequest, key: bytes) -> None:
        """Carries out a request on an entry of this arc, or refuses it."""
        ground = self.ground
        lease = self.lease_until()
        if ground.now >= lease:
            ground.fail(origin, request.id, self.refusal())
            return
        pending = self.tail.get(key)
        held = pending.value if pending is not None else ground.reader.get(key)
        known = held is not None
        wall = 0.0
        if held is not None:
            expiry = expiry_in(held)
            if expiry:
                wall = ground.wall()
                if expiry == REMOVED:
                    held, known = None, False
                elif expiry <= wall:
                    self._write(None, None, key, None, 0, held)
                    pending, held, known = self.tail[key], None, False
        outcome = decide(request, held, wall or ground.wall())
        if type(outcome) is Write:
            if len(self.queue) >= PENDING_WRITES_MAX or self.pending_bytes >= PENDING_BYTES_MAX:
                busy = UnstableError("too many writes wait for the disk of the owner; nothing was changed, try again")
                ground.fail(origin, request.id, busy)
                return
            self._write(origin, outcome.reply, key, outcome.content, outcome.expiry, held if known else None)
        elif pending is None:
            ground.reply(origin, outcome, lease)  # type: ignore[arg-type]
        else:
            pending.waiters.append(self._later(origin, outcome))  # type: ignore[arg-type]

    def _later(self, origin: Origin, reply: Reply) -> Callable[[bool], None]:
        def answer(acknowledged: bool) -> None:
            if acknowledged:
                self.ground.reply(origin, reply, self.lease_until())
            else:
                self.ground.fail(origin, reply.id, self.refusal())

        return answer

    def refusal(self) -> UnstableError:
        """Why this node does not serve the arc now."""
        address = self.ground.address_of
        if self.role is not Role.OWNER:
            return UnstableError("the owner of this part of the ring is changing; nothing was changed, try again")
        if not self.serving:
            names = ", ".join(address(node) for node in self.awaits()) or "its own start"
            return UnstableError(f"the new owner waits for {names} before it serves; nothing was changed, try again")
        names = ", ".join(address(node) for node in self._needed)
        return UnstableError(f"the owner has lost sight of {names}; nothing was changed, try again")

    def expire(self, key: bytes) -> None:
        """Removes an entry whose time has come."""
        held = self.current(key)
        if held is not None and 0 < expiry_in(held) <= self.ground.wall():
            self._write(None, None, key, None, 0, held)

    def remove(self, key: bytes, held: bytes) -> None:
        """Removes an entry, as part of ``remove_all``."""
        self._write(None, None, key, None, 0, held)

    def _write(
        self,
        origin: Origin | None,
        reply: Reply | None,
        key: bytes,
        content: bytes | None,
        expiry: int,
        held: bytes | None,
    ) -> None:
        self.sequence += 1
        version = (self.arc.version, self.sequence)
        value = removal(version) if content is None else value_of(version, expiry, content)
        pending = self._apply(key, value, held, origin, reply)
        pending.number = self.sequence
        self.queue.append(pending)
        self.pending_bytes += len(value)

    def _apply(
        self, key: bytes, value: bytes, held: bytes | None, origin: Origin | None = None, reply: Reply | None = None
    ) -> Pending:
        """Into the gathering batch and the tail; ``held`` is what the entry was before."""
        ground = self.ground
        batch = ground.write(operations_for(key, value, held is not None))
        before = (1, size_of(key, held)) if held is not None else (0, 0)
        after = (0, 0) if expiry_in(value) == REMOVED else (1, size_of(key, value))
        ground.tally.add(hash_in(key), after[0] - before[0], after[1] - before[1])
        pending = Pending(key, value, batch, 0, origin, reply)
        self.tail[key] = pending
        ground.touched[self] = None
        return pending

    # --- reading -------------------------------------------------------------------------------------------------

    def current(self, key: bytes) -> bytes | None:
        """The value as the latest write left it, acknowledged or not; None if there is none."""
        pending = self.tail.get(key)
        if pending is None:
            return self.ground.reader.get(key)
        return None if expiry_in(pending.value) == REMOVED else pending.value

    def pairs(self, low: bytes, high: bytes) -> Iterator[Pair]:
        """The entries in ``[low, high)`` in order, as the latest writes left them."""
        shadow = sorted((key, pending.value) for key, pending in self.tail.items() if low <= key < high)
        at = 0
        for key, value in self.ground.reader.scan(low, high):
            while at < len(shadow) and shadow[at][0] < key:
                if expiry_in(shadow[at][1]) != REMOVED:
                    yield shadow[at]
                at += 1
            if at < len(shadow) and shadow[at][0] == key:
                continue
            yield key, value
        for found in shadow[at:]:
            if expiry_in(found[1]) != REMOVED:
                yield found

    # --- the end of a turn, and of a write -----------------------------------------------------------------------

    def end_turn(self) -> None:
        """Hands what was written in this turn to the copies."""
        if self.copies and self.sequence > self.streamed:
            fresh = [pending for pending in self.queue if pending.number > self.streamed]
            for copy in self.copies.values():
                copy.write(fresh, self.sequence)
        self.streamed = self.sequence

    def settle(self) -> bool:
        """Answers what is on disk and acknowledged; whether anything still waits."""
        persisted = self.ground.persisted
        while self.landing and self.landing[0].batch <= persisted:
            self._unshadow(self.landing.popleft())  # nobody waits for these: only an owner answers
        if self.role is Role.OWNER and self.serving:
            through = min((copy.acknowledged for copy in self.copies.values() if copy.counts), default=None)
            self._commit(persisted, through)
            mark = self._announce_after
            if mark is not None and not (self.queue and self.queue[0].number <= mark):
                self._announce()
        elif self.role is Role.ASLEEP and self.arc.holders == (self.ground.me,):
            self._commit(persisted, None)
        return bool(self.queue or self.landing)

    def _commit(self, persisted: int, through: int | None) -> None:
        queue, ground = self.queue, self.ground
        while queue and queue[0].batch <= persisted and (through is None or queue[0].number <= through):
            pending = queue.popleft()
            self.pending_bytes -= len(pending.value)
            self._unshadow(pending)
            if pending.reply is not None and pending.origin is not None:
                ground.reply(pending.origin, pending.reply)
            for waiter in pending.waiters:
                waiter(True)

    def _unshadow(self, pending: Pending) -> None:
        if self.tail.get(pending.key) is pending:
            del self.tail[pending.key]

    # --- a new view ----------------------------------------------------------------------------------------------

    def inherit(self, other: Replica) -> None:
        """Takes over what lies in this arc from a replica of the arcs before; it keeps nothing of that."""

        def mine(pendings: Iterable[Pending]) -> list[Pending]:
            return [pending for pending in pendings if self.low <= pending.key < self.high]

        self.role = other.role
        self.queue.extend(mine(other.queue))
        self.landing.extend(mine(other.landing))
        self.owed += mine(other.owed)
        self.tail.update((key, pending) for key, pending in other.tail.items() if self.low <= key < self.high)
        self.pending_bytes = sum(len(pending.value) for pending in self.queue)
        if self.queue or self.landing:
            self.ground.touched[self] = None

    def enter(self, arc: Arc, role: Role, fresh: bool) -> None:
        """A view was adopted: what the arc is in it, and what this node is to it. ``fresh``: this replica is new."""
        changed = fresh or arc.version != self.arc.version or role is not self.role
        owned = self.role in (Role.OWNER, Role.ASLEEP)
        self.arc = arc
        self.role = role
        if role is Role.OWNER:
            if changed:
                self._activate()
            else:
                self.check_activation()
            if not arc.prev:
                self.ground.forget_settled(self.first, arc.end)
            return
        if changed:
            self.serving = False
            self.copies = {}
            self.sink = None
            self._refuse_waiters()
            if owned and role is not Role.ASLEEP:
                self.owed += self.queue
                self._land_queue()
            self.hand_over()
        if self.ground.me not in (*arc.prev, *arc.holders):
            self.resolve()
        self.ground.touched[self] = None

    def _land_queue(self) -> None:
        """What is pending here goes on to the disk, and shadows the store until then."""
        together = dict.fromkeys([*self.landing, *self.queue])
        self.landing = deque(sorted(together, key=lambda pending: pending.batch))
        self.queue.clear()
        self.pending_bytes = 0

    def _refuse_waiters(self) -> None:
        """Whoever waited for a write to be acknowledged asks the next owner."""
        for pending in self.queue:
            waiters, pending.waiters = pending.waiters, []
            for waiter in waiters:
                waiter(False)

    def resolve(self) -> None:
        """This node has no part in the arc's ownership any more: what it owes is committed if it was there all along
        (the next owner had its tail then), and unknown if it was down in between."""
        there = self.ground.lives
        for pending in [*self.owed, *self.queue]:
            if pending.reply is not None and pending.origin is not None:
                if there:
                    self.ground.reply(pending.origin, pending.reply)
                else:
                    error = IndeterminateError(
                        "the node was cut off while it wrote; the write may or may not have been carried out"
                    )
                    self.ground.fail(pending.origin, pending.reply.id, error)
        self._refuse_waiters()
        self.owed = []
        self._land_queue()

    # --- activation ----------------------------------------------------------------------------------------------

    def _activate(self) -> None:
        self.serving = False
        self.copies = {}
        self.sink = None
        self._needed = ()
        self._tails = Tails(self.ground.settled_at(self.first, self.arc.end))
        self.announced = False
        self._refuse_waiters()
        together = dict.fromkeys([*self.owed, *self.landing, *self.queue])
        self.queue = deque(sorted(together, key=lambda pending: pending.batch))
        self.owed = []
        self.landing.clear()
        self.check_activation()
        if not self.serving:
            self.ask_tails()

    def awaits(self) -> list[NodeId]:
        """Whom activation waits for."""
        ground = self.ground

        def promise_is_over(node: NodeId) -> bool:
            return ground.now >= ground.beacons.promised_until(node)

        return awaited(self.arc, ground.me, ground.alive, self._tails.told, promise_is_over)

    def ask_tails(self) -> None:
        """Asks former owners and holders for their tails."""
        for node in self.awaits():
            if node in self.ground.alive:
                self.ground.send(node, GetTail(self.arc.end, self.arc.version))

    def check_activation(self) -> None:
        """Serves if nobody is to be waited for any more."""
        if self.serving or self.awaits():
            return
        self._take_over()
        self.serving = True
        self.sequence = 0
        for pending in self.queue:
            self.sequence += 1
            pending.number = self.sequence
        self.streamed = 0
        self.pending_bytes = sum(len(pending.value) for pending in self.queue)
        self._announce_after = self.sequence
        self.copies = {node: Copy(self, node) for node in self.arc.incoming}
        self.ground.touched[self] = None
        self.settle()

    def _take_over(self) -> None:
        """What the tails hold and this node has not."""
        for key, value in self._tails.best.items():
            pending, held = self.tail.get(key), self.current(key)
            newest = pending.value if pending else held
            if newest is None and expiry_in(value) == REMOVED:
                continue
            if newest is None or version_in(value) > version_in(newest):
                self.queue.append(self._apply(key, value, held))
        if self.arc.prev:
            self._note_settled()

    def _note_settled(self) -> None:
        """On disk before this node acknowledges anything at this version."""
        if self.ground.settled_at(self.first, self.arc.end) < self.arc.version:
            self.ground.note_settled(self.first, self.arc.end, self.arc.version)

    def _announce(self) -> None:
        self._announce_after = None
        self.announced = True
        self.announce_again()

    def announce_again(self) -> None:
        """Tells former owners that their writes are committed, and the voters that they can be forgotten."""
        arc, ground = self.arc, self.ground
        for node in arc.prev:
            if node != ground.me:
                ground.send(node, Committed(arc.end, arc.version))
        if arc.prev:
            ground.reports.append(Activated(arc.end, arc.version, ground.me, ground.settings.incarnation))

    def hand_over(self) -> None:
        """Sends the tail to the owner: from here on nothing of an older version is served or acknowledged here."""
        ground = self.ground
        owner = owner_among(ground.alive, self.arc)
        if not ground.lives or ground.me not in (*self.arc.prev, *self.arc.holders):
            return
        if owner is None or owner == ground.me:
            return
        latest = {pending.key: pending.value for pending in [*self.owed, *self.queue]}
        ground.send(owner, Tail(self.arc.end, self.arc.version, tuple(latest.items())))

    def on_tail(self, source: NodeId, message: Tail) -> None:
        """A former owner or holder hands over; of each entry the highest version wins."""
        if self.role is not Role.OWNER or self.serving or not accepts(self.arc, message.version):
            return
        if source in (*self.arc.prev, *self.arc.holders) and source not in self._tails.told:
            self._tails.take(source, message.pairs, self.low, self.high)
            self.check_activation()

    def on_committed(self, source: NodeId, message: Committed) -> None:
        """The new owner serves: what this node owes is done."""
        if accepts(self.arc, message.version) and source == owner_among(self.ground.alive, self.arc):
            self.resolve()

    # --- copies --------------------------------------------------------------------------------------------------

    def need_counted(self) -> None:
        """A copy began to count: the lease needs its node from now on."""
        self._needed = tuple(node for node, copy in self.copies.items() if copy.counts)

    def on_stream(self, source: NodeId, message: Stream, may_begin: bool) -> None:
        """Items from the owner, for the copy that this node receives."""
        owner = owner_among(self.ground.alive, self.arc)
        if self.role is not Role.INCOMING or source != owner:
            return
        begins = message.first == 1 and (self.sink is None or message.run > self.sink.run)
        if begins and accepts(self.arc, message.version):
            if not may_begin:
                Sink.refuse(self.ground, source, message)
                return
            self.sink = Sink(self, source, message)
            self._note_settled()  # who sends a copy serves, and has settled all before
        if self.sink is not None:
            self.sink.take(message)

    def fill(self, pairs: Iterable[Pair]) -> None:
        """Applies what the owner sent, in its order."""
        for key, value in pairs:
            held = self.current(key)
            if held is None and expiry_in(value) == REMOVED:
                continue
            self.landing.append(self._apply(key, value, held))

    def counts(self) -> tuple[int, int]:
        """Entries and bytes."""
        return self.ground.tally.between(self.first, self.arc.end)

    def validate(self) -> None:
        """Raises AssertionError where the state contradicts itself."""
        assert not self.serving or self.role is Role.OWNER, "only an owner serves"
        assert all(self.low <= key < self.high for key in self.tail), "a tail keeps to its arc"
        batches = [pending.batch for pending in self.landing]
        assert batches == sorted(batches), "what lands is in order of its batches"
        numbers = [pending.number for pending in self.queue]
        assert not self.serving or numbers == sorted(numbers), "writes are committed in order"
        assert self.first <= self.arc.end and (self.first % ring.SLOT == 0), "arcs are bounded by slots"
