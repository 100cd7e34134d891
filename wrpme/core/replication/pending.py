"""What one node has of one arc: the store, what is on its way there, and the suffix.

``overlay`` is by key the latest write that a reader must not take from the store: one that is not on disk yet, or, at
the owner, not acknowledged by all. The *suffix* is what this node received and does not know to be acknowledged by all;
whoever becomes the owner gets it, see :mod:`wrpme.core.replication.takeover`. Its parts, in the order in which they
came:

=============  ======================================================================================================
``owed``       writes of a former ownership, with the clients that wait for them
``inherited``  received at earlier versions of the arc, until the present owner has put all suffixes on every holder
``received``   received at the present version, until the owner says that all holders have it
``queue``      writes of the present ownership, in order
=============  ======================================================================================================

A holder keeps what its owner sends as it came, in ``arrived``, and looks at single writes only when somebody asks for
them: see :meth:`PendingWrites.unfold`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from msgspec import Struct

from wrpme.core.context import NodeContext
from wrpme.core.io import BurstDone, Operation
from wrpme.core.outbox import Origin
from wrpme.core.layout import (
    HEADER_BYTES, NO_EXPIRY, REMOVED, Stored, alias_in, beside, content_in, expiry_in, hash_in, hint_of, key_range,
)  # fmt: skip
from wrpme.core.replication.key_order import Order
from wrpme.core.replication.stream import ITEM_BYTES
from wrpme.core.stats.slot_counts import user_bytes_of
from wrpme.core.limits import COPY_RANGE_BYTES_MAX, COPY_RANGE_ENTRIES_MAX, STREAM_BYTES_USUAL
from wrpme.errors import WrpmeError
from wrpme.protocol.messages import Failed, Pair, Reply, Update, Writes


class Burst:
    """Updates of one session that came together, and are answered together when the last of them is: each asks, and the
    id of its reply is its place. Replies of those that failed are kept."""

    __slots__ = ("count", "failed", "left", "number", "session", "since")

    def __init__(self, session: int, number: int, since: float) -> None:
        self.session = session
        self.number = number
        self.since = since
        self.count = self.left = 0
        self.failed: list[Failed] = []


class Before(NamedTuple):
    """What an entry was before a write: bytes of its value, 0 where there was none, and its expiry."""

    size: int
    expiry: int


class Arrived(NamedTuple):
    """Writes that came with one item of the owner's stream, in that batch for the disk; ``serial`` is that of the first
    one."""

    item: int
    batch: int
    serial: int
    pairs: tuple[Pair, ...]


class Pending(Struct, eq=False):
    """A write that is not acknowledged by all, or not on disk yet. ``batch`` is that of the disk, ``serial`` its place
    among all that this node made or received, ``held_bytes`` what it keeps in memory, ``before`` what its entry was
    where that makes a difference to more than the entry, ``number`` its place among the owner's writes, ``since`` when
    whoever waits for the ``reply`` asked, for which ``kind`` of request. It ``closes`` what is never divided: it is a
    write by itself, or the last one of a transaction. It may be the removal of what had expired (``by_clock``).
    ``waiters`` are called with True once it is acknowledged, with False where nobody here will ever know."""

    key: bytes
    value: bytes
    batch: int
    serial: int
    held_bytes: int
    before: Before | None = None
    number: int = 0
    by_clock: bool = False
    closes: bool = True
    origin: Origin | Burst | None = None
    reply: Reply | None = None
    kind: type[Any] = Update
    since: float = 0.0
    waiters: list[Callable[[bool], None]] | None = None
    _content: bytes | None = None

    @property
    def overwrites(self) -> bool:
        """It gives an entry that was there another content, which is not empty."""
        return (self.before is None or self.before.size > 0) and len(self.value) > HEADER_BYTES

    def content(self) -> bytes:
        """The content of its value; all who ask share it."""
        if self._content is None:
            self._content = content_in(self.value)
        return self._content


class PendingWrites:
    """Of the arc from ``first`` to ``last``, both included."""

    def __init__(self, context: NodeContext, first: int, last: int) -> None:
        self.context = context
        self.first = first
        self.stretch = (first, last)
        self.low, self.high = key_range(first, last)
        self.overlay: dict[bytes, Pending] = {}
        self.order = Order(self.overlay)
        self.unflushed: deque[Pending] = deque()
        """Received, and not on disk yet."""
        self.owed: list[Pending] = []
        self.superseded: set[Pending] = set()
        """Owed, and no part of the suffix any more: the copy that was completed since has what became of them."""
        self.inherited: list[Pending] = []
        self.received: deque[tuple[int, Pending]] = deque()
        """With the number of the item of the stream that brought it."""
        self.arrived: deque[Arrived] = deque()
        """Received after all of ``received``."""
        self.queue: deque[Pending] = deque()
        self.sequence = 0
        """The number of the last write of the present ownership."""
        self.pending_bytes = 0
        """Of the queue; see :meth:`hold`."""
        self._parts: list[tuple[Writes, int, int]] = []
        self._parts_of = -1, -1

    def hold(self, change: int) -> None:
        """The queue keeps so many bytes more, or less."""
        self.pending_bytes += change
        self.context.commits.pending_bytes += change

    def since(self, number: int) -> Sequence[Pending]:
        """The writes of the queue after that number, which are its last ones."""
        queue = self.queue
        return [queue[-back] for back in range(min(self.sequence - number, len(queue)), 0, -1)]

    def parts_since(self, number: int) -> list[tuple[Writes, int, int]]:
        """The writes of the queue after that number as items for copies that have all that was before, each with about
        its size in bytes and the number of its last write, which ends a transaction or is none of one. The copies share
        them, until :meth:`forget_parts`."""
        if self._parts_of == (number, self.sequence):
            return self._parts
        found: list[tuple[Writes, int, int]] = []
        pendings = self.since(number)
        if not pendings:
            return found
        pairs: list[Pair] = []
        changes: list[tuple[int, int, int]] = []
        size, end = ITEM_BYTES, pendings[-1]
        for pending in pendings:
            if pending.before is not None:
                changes.append((len(pairs), *pending.before))
            pairs.append((pending.key, pending.value))
            size += len(pending.key) + len(pending.value)
            if pending is end or (size >= STREAM_BYTES_USUAL and pending.closes):
                found.append((Writes(tuple(pairs), tuple(changes)), size, pending.number))
                pairs, changes, size = [], [], ITEM_BYTES
        self._parts, self._parts_of = found, (number, self.sequence)
        return found

    def forget_parts(self) -> None:
        """All copies have them, or will ask for others."""
        if self._parts:
            self._parts, self._parts_of = [], (-1, -1)

    @property
    def committed(self) -> int:
        """The number of the last write that all holders have on disk."""
        return self.queue[0].number - 1 if self.queue else self.sequence

    # --- reading -------------------------------------------------------------------------------------------------

    def current(self, key: bytes) -> bytes | None:
        """The value as the latest write left it, acknowledged or not; None if there is none."""
        held = self.stored(key)
        return held.whole() if type(held) is Stored else held

    def stored(self, key: bytes) -> bytes | None:
        """The same, for who does not need the content: see :meth:`wrpme.core.io.Reader.stored`."""
        self.unfold()
        pending = self.overlay.get(key)
        if pending is None:
            return self.context.reader.stored(key)
        return None if expiry_in(pending.value) == REMOVED else pending.value

    def pairs(self, low: bytes, high: bytes) -> Iterator[Pair]:
        """The entries in ``[low, high)`` in order, as the latest writes left them."""
        self.unfold()
        overlay = self.overlay
        unwritten = self.order.between(low, high)
        first = next(unwritten, None)
        for key, value in self.context.reader.scan(low, high):
            while first is not None and first <= key:
                latest = overlay[first].value
                if expiry_in(latest) != REMOVED:
                    yield first, latest
                first = next(unwritten, None)
            if key not in overlay:
                yield key, value
        while first is not None:
            latest = overlay[first].value
            if expiry_in(latest) != REMOVED:
                yield first, latest
            first = next(unwritten, None)

    def range_of(self, low: bytes, high: bytes) -> tuple[list[Pair], int, bytes]:
        """What is compared at once of ``[low, high)``: entries, about how many bytes they are, and the key before which
        they end."""
        pairs: list[Pair] = []
        size = 0
        for key, value in self.pairs(low, high):
            bytes_of_pair = len(key) + len(value)
            if pairs and (len(pairs) >= COPY_RANGE_ENTRIES_MAX or size + bytes_of_pair > COPY_RANGE_BYTES_MAX):
                return pairs, size, key
            pairs.append((key, value))
            size += bytes_of_pair
            if size >= COPY_RANGE_BYTES_MAX:  # not by reading the next one, which may be as large
                return pairs, size, min(key + b"\0", high)
        return pairs, size, high

    # --- writing -------------------------------------------------------------------------------------------------

    def apply(self, key: bytes, value: bytes, held: bytes | None) -> Pending:
        """Into the gathering batch and the overlay; ``held`` is what the entry was before."""
        commits = self.context.commits
        commits.serial += 1
        before: Before | None = None
        if held is not None and len(held) == len(value) and value[16:24] == NO_EXPIRY == held[16:24]:
            commits.write([(key, value)])  # nothing to count, it is in the index, and no hint comes or goes
        else:
            before = Before(len(held), expiry_in(held)) if held is not None else Before(0, 0)
            removal = expiry_in(value) == REMOVED
            if before.size or not removal:
                operations: list[Operation] = [(key, None if removal else value)]
                self._count(key, value, before, operations)
                commits.write(operations)
        pending = Pending(key, value, commits.last_batch, commits.serial, len(key) + len(value), before)
        self.overlay[key] = pending
        self.order.added(key)
        return pending

    def _count(self, key: bytes, value: bytes, before: Before, operations: list[Operation]) -> None:
        """What a write changes beside its entry: the index and the hints, by further operations; the counts."""
        expiry, (size, expired) = expiry_in(value), before
        removal = expiry == REMOVED
        operations += beside(key, 0 if removal else expiry, removal, expired if size else None)
        if expiry and not removal:
            self.context.commits.reminders.wrote(hint_of(expiry, key))
        entries, user_bytes = (0, 0) if removal else (1, user_bytes_of(key, len(value)))
        if size:
            entries, user_bytes = entries - 1, user_bytes - user_bytes_of(key, size)
        self.context.slots.add(hash_in(key), entries, user_bytes)

    def receive(self, item: int, pairs: Iterable[Pair]) -> None:
        """Applies what the owner sent with an item of its stream, in its order; nothing outside of the arc."""
        low, high = self.low, self.high
        for key, value in pairs:
            if low <= key < high:
                pending = self.apply(key, value, self.stored(key))
                self.unflushed.append(pending)
                self.received.append((item, pending))

    def follow(self, item: int, writes: Writes) -> None:
        """The same where the owner said what the entries were before: this node, which has all that the owner has,
        need not look. Updates that leave all but the content as it was go to the disk as they came. There is at least
        one write."""
        pairs, changes = writes.pairs, writes.changes
        if changes is None or not (min(pairs)[0] >= self.low and max(pairs)[0] < self.high):
            self.receive(item, pairs)
            return
        commits = self.context.commits
        self.arrived.append(Arrived(item, commits.batch, commits.serial + 1, pairs))
        commits.serial += len(pairs)
        operations: list[Operation] = list(pairs)
        for at, size, expiry in changes:
            if not 0 <= at < len(pairs):
                continue
            key, value = pairs[at]
            if expiry_in(value) == REMOVED:
                operations[at] = key, None
                if not size:
                    continue
            self._count(key, value, Before(size, expiry), operations)
        commits.write(operations)

    def unfold(self) -> None:
        """Makes single writes of what has arrived: those that are not on the disk yet overlay it."""
        persisted = self.context.commits.persisted
        for item, batch, serial, pairs in self.arrived:
            for number, (key, value) in enumerate(pairs, serial):
                pending = Pending(key, value, batch, number, len(key) + len(value))
                self.received.append((item, pending))
                if batch > persisted:
                    self.overlay[key] = pending
                    self.order.added(key)
                    self.unflushed.append(pending)
        self.arrived.clear()

    def unwritten(self) -> set[bytes]:
        """Keys whose latest value here may not be on the disk yet."""
        persisted = self.context.commits.persisted
        landing = (key for one in self.arrived if one.batch > persisted for key, _ in one.pairs)
        return {*self.overlay, *(pending.key for pending in self.unflushed), *landing}

    def answer(self, pending: Pending, error: WrpmeError | None = None) -> None:
        """Whoever waits for a write, if anybody does, hears what its reply is; or of the error."""
        origin, reply, context = pending.origin, pending.reply, self.context
        if origin is None or reply is None:
            return
        pending.origin = None  # it hears of it once
        if error is not None:
            reply = Failed(reply.id, error.code, error.sentence)
        if type(origin) is not Burst:
            context.responses.answered(origin, pending.kind, context.now - pending.since, reply)  # type: ignore[arg-type]
            if error is not None:
                context.slow_answer(
                    origin, reply.id, pending.kind, alias_in(pending.key), pending.since, error.code,  # type: ignore[arg-type]
                    "the next owner",
                )  # fmt: skip
            context.outbox.reply(origin, reply)  # type: ignore[arg-type]
            return
        if error is not None:
            origin.failed.append(reply)  # type: ignore[arg-type]
        origin.left -= 1
        if not origin.left:
            context.responses.burst(Update, context.now - origin.since, origin.count, origin.failed)
            context.outbox.effects.append(BurstDone(origin.session, origin.number, tuple(origin.failed)))

    def drop_overlay(self, pending: Pending) -> bool:
        """A reader may take it from the store; returns whether no later write of the entry is here."""
        if self.overlay.get(pending.key) is pending:
            del self.overlay[pending.key]
            return True
        return False

    def land(self, persisted: int) -> None:
        """What was received is on disk up to this batch: nobody waits for it, as only an owner answers."""
        while self.unflushed and self.unflushed[0].batch <= persisted:
            self.drop_overlay(self.unflushed.popleft())

    def count_pending(self) -> None:
        """The queue was made anew."""
        self.hold(sum(pending.held_bytes for pending in self.queue) - self.pending_bytes)

    def land_queue(self) -> None:
        """What is pending here goes on to the disk, and overlays the store until then."""
        self.unfold()
        together = dict.fromkeys([*self.unflushed, *self.queue])
        self.unflushed = deque(sorted(together, key=_batch))
        self.queue.clear()
        self.hold(-self.pending_bytes)

    # --- the suffix ------------------------------------------------------------------------------------------------

    def suffix(self) -> list[Pending]:
        """In the order in which it came."""
        self.unfold()
        received = (pending for _, pending in self.received)
        owed = (pending for pending in self.owed if pending not in self.superseded)
        together = dict.fromkeys(chain(owed, self.inherited, received, self.queue))
        return sorted(together, key=_serial)

    def suffix_pairs(self) -> tuple[Pair, ...]:
        """By key the latest write of the suffix."""
        return tuple({pending.key: pending.value for pending in self.suffix()}.items())

    def drop(self, void: Iterable[Pending]) -> None:
        """These are no part of the suffix any more; those that are on their way to the disk overlay it until then."""
        self.unfold()
        gone = set(void)
        self.owed = [pending for pending in self.owed if pending not in gone]
        self.inherited = [pending for pending in self.inherited if pending not in gone]
        self.received = deque((item, pending) for item, pending in self.received if pending not in gone)
        self.queue = deque(pending for pending in self.queue if pending not in gone)
        self.hold(sum(len(pending.value) for pending in self.queue) - self.pending_bytes)
        unflushed = dict.fromkeys(
            [*self.unflushed, *(each for each in gone if each.batch > self.context.commits.persisted)]
        )
        self.unflushed = deque(sorted(unflushed, key=_batch))
        for pending in gone:
            if pending.batch <= self.context.commits.persisted:
                self.drop_overlay(pending)

    def suffix_part(self, after: bytes, is_void: Callable[[bytes, bytes], bool]) -> tuple[list[Pair], bool]:
        """Of the suffix, in order of keys, what follows that key and goes into one message; and whether there is
        more."""
        part: list[Pair] = []
        size = 0
        for pair in sorted(pair for pair in self.suffix_pairs() if pair[0] > after and not is_void(*pair)):
            if size >= STREAM_BYTES_USUAL:
                return part, True
            part.append(pair)
            size += len(pair[0]) + len(pair[1])
        return part, False

    def inherit_received(self) -> None:
        """The version of the arc changes: what was received stays in the suffix."""
        self.unfold()
        self.inherited += (pending for _, pending in self.received)
        self.received.clear()

    def forget_received(self) -> None:
        """This node is no holder: its copy will be made anew, and nobody asks for its suffix."""
        self.unfold()
        self.inherited.clear()
        self.received.clear()

    def forget_settled_suffix(self, item: int) -> None:
        """All holders have what came with the items up to this one."""
        received = self.received
        while received and received[0][0] <= item:
            received.popleft()
        arrived = self.arrived
        while arrived and arrived[0].item <= item and arrived[0].batch <= self.context.commits.persisted:
            arrived.popleft()

    def queue_suffix(self) -> None:
        """This node becomes the owner: the whole suffix is to be acknowledged by all, and readers wait for it."""
        self.queue = deque(self.suffix())
        self.owed.clear()
        self.forget_received()
        of_queue = set(self.queue)
        self.unflushed = deque(pending for pending in self.unflushed if pending not in of_queue)
        for pending in self.queue:
            known = self.overlay.get(pending.key)
            if known is None or known.serial <= pending.serial:
                self.overlay[pending.key] = pending
                self.order.added(pending.key)

    def inherit(self, other: PendingWrites) -> None:
        """Takes over what lies in this arc from a replica of the arcs before; it keeps nothing of that."""
        other.unfold()

        def mine(pendings: Iterable[Pending]) -> list[Pending]:
            return [pending for pending in pendings if self.low <= pending.key < self.high]

        self.owed += mine(other.owed)
        self.superseded.update(mine(other.superseded))
        self.inherited += mine(other.inherited)
        self.inherited += mine(pending for _, pending in other.received)
        self.queue.extend(mine(other.queue))
        self.unflushed = deque(sorted([*self.unflushed, *mine(other.unflushed)], key=_batch))
        self.overlay.update((key, pending) for key, pending in other.overlay.items() if self.low <= key < self.high)
        self.order = Order(self.overlay)
        self.count_pending()


def _serial(pending: Pending) -> int:
    return pending.serial


def _batch(pending: Pending) -> Any:
    return pending.batch, pending.serial
