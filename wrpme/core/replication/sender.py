"""The stream of an arc from its owner to another node: to a holder every write, to an incoming node a copy first.

A copy is a comparison in the order of hashes. The owner sends digests of ranges; where one differs the receiver tells
what it has, and gets the difference. Writes before the cursor travel on the same numbered stream; those behind it the
comparison will meet. When the cursor is at the end and every digest agreed, the receiver counts: every write that it
has not acknowledged by then needs it, and so does the lease; a holder counts from the start. Items are sent again
until they arrive. An answer that does not come with the acknowledgement of its item is lost, and its range is compared
again: else a copy would wait for ever, while the acknowledgements of writes look like progress. A run ends without
success where the receiver has no place for it, or is silent for long: then others have their turn. See
docs/how-it-works.md, "Moving data".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Sequence
from enum import Enum
from itertools import chain
from math import inf

from wrpme.core.context import NodeContext
from wrpme.core.layout import digest_of, hash_in, removal
from wrpme.core.replication.pending import Pending, PendingWrites
from wrpme.core.replication.stream import ITEM_BYTES, Outgoing, bytes_of
from wrpme.core.retry import Retry
from wrpme.core.limits import (
    COPIES_OUT_MAX, COPY_OUTBOX_BYTES_MAX, COPY_RETRY_SECONDS_MAX, COPY_RETRY_SECONDS_MIN, COPY_SILENCE_SECONDS,
    COPY_WINDOW_BYTES, COPY_WINDOW_RANGES, STREAM_BYTES_PER_SECOND_MIN, STREAM_BYTES_USUAL, STUCK_SECONDS,
)  # fmt: skip
from wrpme.limits import LEASE_SECONDS, TURN_BYTES
from wrpme.protocol.messages import Answer, Compare, Counts, Fill, Item, Pair, StreamAck, Writes
from wrpme.protocol.view import Arc, NodeId, Synced


class Phase(Enum):
    """Of a copy, seen by its owner."""

    WAITING = "waiting"
    RUNNING = "running"
    COUNTS = "counts"


class Sender:
    """The primary's end. ``counted`` is called when every write and the lease begin to need this node, ``acknowledged``
    when it has acknowledged writes."""

    def __init__(
        self,
        context: NodeContext,
        arc: Arc,
        writes: PendingWrites,
        node: NodeId,
        counted: Callable[[], None],
        acknowledged: Callable[[], None],
    ) -> None:
        self.context = context
        self.arc = arc
        self.writes = writes
        self._counted = counted
        self._acknowledged = acknowledged
        self.node = node
        self.phase = Phase.WAITING
        self.not_before = 0.0
        self.cursor = writes.low
        self.streamed = 0
        """The number of the last write that was handed to this copy, or that its comparison will meet."""
        self.acknowledged = 0
        """The number of the last write that this copy has on disk; means something only when it counts."""
        self._pause = COPY_RETRY_SECONDS_MIN
        self.watchers: dict[int, Callable[[Answer | None], None]] = {}
        """By the number of a comparison in a stream that counts: who wants to know its answer."""
        self._stream = Outgoing(arc.end, arc.version, 0)
        self._open: dict[int, tuple[Compare | Fill, int]] = {}
        """By their numbers: what is compared or filled, and how many bytes that are."""
        self._again: deque[tuple[bytes, bytes]] = deque()
        """Ranges before the cursor that are still to be compared, as their answer was lost, or was only of a part."""
        self._marks: deque[tuple[int, int]] = deque()
        """Items of writes, with the number of the last write in each."""
        self._unsettled: deque[tuple[int, int]] = deque()
        """Items, with the number of the last write that may be in what came with them."""
        self._settled = self._settled_told = 0
        self._report_after = 0
        self._reported = False
        self.retry = Retry(context.me)
        self.progress_at = 0.0
        """When anything was acknowledged last, or the run began."""
        self._sent_again = 0.0
        self._distrust = False

    @property
    def is_expected(self) -> bool:
        """The receiver is known to have a view in which it receives this copy."""
        return self.context.known_epochs.get(self.node, 0) >= self.arc.version

    @property
    def counts(self) -> bool:
        """Every write and the lease need this node."""
        return self.phase is Phase.COUNTS

    @property
    def is_complete(self) -> bool:
        """It has every acknowledged write, and may be called a holder."""
        return self.counts and self._report_after < 0

    def done(self) -> float:
        """How far it is, 0 to 1."""
        if self.phase is Phase.COUNTS:
            return 1.0
        if self.phase is Phase.WAITING or self.cursor == self.writes.low:
            return 0.0
        if self.cursor >= self.writes.high:
            return 0.99
        first, last = self.writes.first, self.arc.end
        return (hash_in(self.cursor[:9].ljust(9, b"\0")) - first) / (last + 1 - first)

    # --- running -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Starts a new run."""
        self._open_stream(self.context.slots.between(self.writes.first, self.arc.end)[1])
        self.streamed = self.writes.sequence
        self.acknowledged = 0
        self.cursor = self.writes.low
        self.phase = Phase.RUNNING
        self._pump()

    def begin_to_holder(self) -> None:
        """From here on every write goes to this holder, and needs it; first of all what the suffixes held."""
        self._open_stream()
        self.cursor = self.writes.high
        self.phase = Phase.COUNTS
        self._report_after = -1
        # Of each entry only the latest: a holder that has it must not fall back behind it, not even for a moment.
        latest = {pending.key: pending for pending in self.writes.queue}
        # Those of one position go in one item: a transaction may be among them, also where a later write of one of its
        # entries took its place here, and a holder that is to take over after half of it would have half of it.
        together: dict[int, list[Pending]] = {}
        for pending in latest.values():
            together.setdefault(hash_in(pending.key), []).append(pending)
        items = self._push_writes(list(chain.from_iterable(together.values())), {of[-1] for of in together.values()})
        if items:  # no part of it tells of one number that it has all up to there: only the last one does
            self._marks.append((items[-1][0], self.writes.sequence))
        self.streamed = self.writes.sequence
        self._push(Counts())
        self._send()

    def _open_stream(self, size: int = 0) -> None:
        context, arc = self.context, self.arc
        self._stream = Outgoing(arc.end, arc.version, context.outbox.new_run(), size)
        self._open.clear()
        self._again.clear()
        self._marks.clear()
        self._unsettled.clear()
        self._settled = self._settled_told = 0
        self.progress_at = context.now

    def _push(self, item: Item, size: int = 0) -> int:
        """``size`` is about that of the item in bytes, where it is known."""
        if self._stream.all_acknowledged:
            self.progress_at = self.context.now
        number = self._stream.push(item, size or bytes_of(item))
        self._unsettled.append((number, self.writes.sequence))
        return number

    def stop(self) -> None:
        """The run is over without success; a new one may begin a little later, and each time later than before."""
        self.phase = Phase.WAITING
        self.not_before = self.context.now + self._pause
        self._pause = min(COPY_RETRY_SECONDS_MAX, 2 * self._pause)

    def _pump(self) -> None:
        """Opens ranges up to the window, and sends; where nothing is left to compare, the copy counts."""
        self._gather()
        open_bytes = self.compared_bytes
        while self._is_left and len(self._open) < COPY_WINDOW_RANGES and open_bytes < COPY_WINDOW_BYTES:
            low, high = self._again.popleft() if self._again else (self.cursor, self.writes.high)
            pairs, size, until = self.writes.range_of(low, high)
            if low == self.cursor:
                self.cursor = until
            elif until < high:
                self._again.appendleft((until, high))
            item = Compare(low, until, digest_of(pairs))
            self._open[self._push(item)] = (item, size)
            open_bytes += size
        if self._open or self._is_left:
            self._send()
        else:
            self._count()

    @property
    def compared_bytes(self) -> int:
        """About how much is compared or filled now."""
        return sum(size for _, size in self._open.values())

    @property
    def _is_left(self) -> bool:
        """Something was not compared yet."""
        return bool(self._again) or self.cursor < self.writes.high

    def _count(self) -> None:
        """Writes need it from now on. What it was sent and has not acknowledged yet may be acknowledged by all others
        already: before it has that, it is not complete."""
        self.phase = Phase.COUNTS
        if not self._marks:
            self.acknowledged = self.streamed
        self._pause = COPY_RETRY_SECONDS_MIN
        self._report_after = self.writes.sequence
        self._push(Counts())
        self._send()
        self._counted()
        self.on_committed()

    def on_committed(self) -> None:
        """More writes are acknowledged, by all or by this copy. What the comparison saw must be by all, before the copy
        is reported: a write that only some have is no part of a copy yet; and this copy must have all that was before
        it counted."""
        committed = self.writes.committed
        while self._unsettled and self._unsettled[0][1] <= committed:
            self._settled = self._unsettled.popleft()[0]
        if self.counts and 0 <= self._report_after <= min(committed, self.acknowledged):
            self._report_after = -1
            self.report()

    def report(self) -> None:
        """Tells the voters that the copy is complete."""
        context, arc = self.context, self.arc
        if self.node in arc.incoming and self.is_complete:
            if not self._reported:
                self._reported = True
                self.retry.begin(context.now)
            context.outbox.reports.append(
                Synced(arc.end, arc.version, self.node, context.me, context.settings.incarnation)
            )

    def report_again(self) -> None:
        """The voters have not made a holder of it yet."""
        if self.node in self.arc.incoming and self.retry.is_due(self.context.now):
            self.report()

    def _send(self) -> None:
        self._stream.settle(self._settled)
        for message, size in self._stream.fresh():
            self._settled_told = self._settled
            self.context.outbox.send_stream(self.node, message, size, self.context.now)

    def tell_settled(self) -> None:
        """Where nothing else is to be said: the holder's suffix need not be kept for ever."""
        if self.counts and self._settled_told < self._settled and self._stream.all_acknowledged:
            self._settled_told = self._settled
            self._stream.settle(self._settled)
            self.context.outbox.send_stream(self.node, self._stream.news(), ITEM_BYTES, self.context.now)

    def catch_up(self) -> None:
        """Hands over what was written since the last time."""
        if self.writes.sequence > self.streamed and self.phase is not Phase.WAITING:
            self._gather()
            if not self.counts and self._stream.bytes > COPY_OUTBOX_BYTES_MAX:
                self.stop()
            else:
                self._send()

    def _gather(self) -> None:
        """Into the stream what was written since the last time: a comparison that follows sees it here and there."""
        writes = self.writes
        if writes.sequence > self.streamed:
            before, self.streamed = self.streamed, writes.sequence
            if self.counts:
                for item, size, number in writes.parts_since(before):
                    self._marks.append((self._push(item, size), number))
            else:
                self._marks += self._push_writes(writes.since(before))

    def _push_writes(
        self, pendings: Sequence[Pending], last: Container[Pending] | None = None
    ) -> list[tuple[int, int]]:
        """Items of writes, each with the number of its last one. An item ends with one of ``last``, if there are any;
        else with one that closes a transaction, or is none of one."""
        items: list[tuple[int, int]] = []
        pairs: list[Pair] = []
        size = 0
        for pending in pendings:
            # Before the copy counts it may be sent a part of a transaction, whose rest the comparison will meet: until
            # then it is no holder, and nobody takes over from it.
            if self.counts or pending.key < self.cursor:
                pairs.append((pending.key, pending.value))
                size += len(pending.key) + len(pending.value)
                if size >= STREAM_BYTES_USUAL and (pending in last if last is not None else pending.closes):
                    items.append((self._push(Writes(tuple(pairs))), pending.number))
                    pairs, size = [], 0
        if pairs:
            items.append((self._push(Writes(tuple(pairs))), pendings[-1].number))
        return items

    def compare(self, low: bytes, high: bytes, digest: bytes, then: Callable[[Answer | None], None]) -> None:
        """Compares a range with a node that counts, as it is after all writes so far; None for an answer that was
        lost."""
        self.catch_up()
        self.watchers[self._push(Compare(low, high, digest))] = then
        self._send()

    def on_ack(self, message: StreamAck) -> None:
        """The receiver answers."""
        if message.run != self._stream.run or self.phase is Phase.WAITING:
            return
        if message.upto < 0:
            if self.phase is Phase.RUNNING:
                self.stop()
            return
        if self._stream.take(message.upto):
            self.progress_at = self.context.now
            while self._marks and self._marks[0][0] <= message.upto:
                self.acknowledged = self._marks.popleft()[1]
                self._acknowledged()
            if not self._marks:  # the last ones were met by the comparison, or are among those
                self.acknowledged = self.streamed
            if self.counts:
                self.on_committed()
        if self.phase is Phase.RUNNING:
            self._take_answers(message.answers)
            return
        for answer in message.answers:
            watcher = self.watchers.pop(answer.number, None)
            if watcher is not None:
                watcher(answer)
        for number in [number for number in self.watchers if number <= self._stream.acknowledged]:
            self.watchers.pop(number)(None)  # it was in an acknowledgement that did not arrive

    def _take_answers(self, answers: Sequence[Answer]) -> None:
        """Fills in what differs, and goes on."""
        self._gather()
        for answer in answers:
            opened = self._open.pop(answer.number, None)
            if opened is None:
                continue
            item = opened[0]
            self._pause = COPY_RETRY_SECONDS_MIN
            if isinstance(item, Fill):
                if not answer.same:
                    self._distrust = True
                    self.stop()
                    return
                continue
            told_until = answer.until or item.high
            if not answer.same:
                self._fill(item.low, told_until, dict(answer.have))
            if told_until < item.high:
                self._again.append((told_until, item.high))
        for number in [number for number in self._open if number <= self._stream.acknowledged]:
            lost = self._open.pop(number)[0]
            self._again.append((lost.low, lost.high))
        self._pump()

    def _fill(self, low: bytes, high: bytes, have: dict[bytes, bytes]) -> None:
        """As much as goes into one item; where the range has grown meanwhile, the rest is compared again."""
        pairs, size, until = self.writes.range_of(low, high)
        there = {key for key, _ in pairs}
        changes: list[Pair] = [(key, value) for key, value in pairs if self._distrust or have.get(key) != value[:16]]
        changes += [(key, removal((0, 0))) for key in have if key not in there and key < until]
        item = Fill(low, until, tuple(changes), digest_of(pairs))
        self._open[self._push(item)] = (item, size)
        if until < high:
            self._again.append((until, high))

    def tick(self) -> None:
        """Time has passed: what was not acknowledged is sent again; a run that stays silent is over for now."""
        now = self.context.now
        if self._stream.all_acknowledged or self.phase is Phase.WAITING:
            return
        silence = COPY_SILENCE_SECONDS + self._transit_seconds()
        if now - max(self.progress_at, self._sent_again) < silence:
            return
        if self.phase is Phase.RUNNING and now - self.progress_at >= 2 * silence:
            self.stop()
        else:
            self._sent_again = now
            self.again()

    @property
    def busy(self) -> bool:
        """Time must pass for it: it is not complete, or something is on its way."""
        return (
            self.node in self.arc.incoming or not self._stream.all_acknowledged or (self._settled_told < self._settled)
        )

    @property
    def unacknowledged_bytes(self) -> int:
        """Of its stream."""
        return self._stream.bytes

    def stalled(self) -> bool:
        """Counts, and has not acknowledged a write for L, and as long as that may be on its way. A node that is busy
        with large writes of other arcs, and acknowledges those, is given more time."""
        context = self.context
        if self._stream.all_acknowledged or not self.counts:
            return False
        late = context.now - self.progress_at - self._transit_seconds()
        if late < LEASE_SECONDS:
            return False
        return (
            late >= STUCK_SECONDS or context.now - context.outbox.acknowledged_at.get(self.node, -inf) >= LEASE_SECONDS
        )

    def _transit_seconds(self) -> float:
        """How long what is unacknowledged may take over a slow network and to a slow disk, behind the streams of other
        arcs to that node."""
        on_the_way = self.context.outbox.on_the_way.get(self.node, 0)
        seconds = max(self._stream.bytes, on_the_way) // STREAM_BYTES_PER_SECOND_MIN
        return seconds + 2 * self.context.round_trip((self.node,))

    def again(self) -> None:
        """What is not acknowledged is sent again."""
        for message, size in self._stream.again():
            self.context.outbox.send_stream(self.node, message, size, self.context.now)

    def on_link(self) -> None:
        """A new connection: what was on its way may be lost, and news of what is settled, which nobody acknowledges."""
        if self.phase is not Phase.WAITING:
            self._settled_told = 0
            self.again()


def schedule(copies: Sequence[Sender], now: float) -> bool:
    """Begins waiting copies, so that at most ``COPIES_OUT_MAX`` run. Returns whether the rest is for another turn, as
    one that was begun has read large entries: while they are read nobody hears this node."""
    running = sum(copy.phase is Phase.RUNNING for copy in copies)
    for copy in copies:
        if running >= COPIES_OUT_MAX:
            break
        if copy.phase is Phase.WAITING and now >= copy.not_before and copy.is_expected:
            copy.begin()
            running += not copy.counts
            if copy.compared_bytes >= TURN_BYTES:
                return True
    return False
