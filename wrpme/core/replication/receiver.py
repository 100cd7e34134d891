"""The receiving end of the stream of an arc, see :mod:`wrpme.core.replication.sender`.

Items are applied in their order, and acknowledged once they are on disk. What is compared is answered with what is
here.
"""

from __future__ import annotations

from collections.abc import Callable

from wrpme.core.context import NodeContext
from wrpme.core.layout import digest_of, version_in
from wrpme.core.replication.pending import PendingWrites
from wrpme.core.replication.stream import take
from wrpme.core.limits import COPY_SILENCE_SECONDS
from wrpme.protocol.messages import Answer, Compare, Fill, Pair, Stream, StreamAck, Writes
from wrpme.protocol.view import Arc, NodeId


class Receiver:
    """One run of a stream. ``completed`` is called when the sender says that this copy has all that there is."""

    def __init__(
        self,
        context: NodeContext,
        arc: Arc,
        writes: PendingWrites,
        source: NodeId,
        run: int,
        completed: Callable[[], None],
    ) -> None:
        self.context = context
        self.arc = arc
        self.writes = writes
        self._completed = completed
        self.closed = False
        """Another version of the arc was adopted, or another run began: nothing of this one is acknowledged."""
        self.source = source
        self.run = run
        self.complete = False
        self.heard = context.now
        self._taken = 0

    @staticmethod
    def refuse(context: NodeContext, source: NodeId, message: Stream) -> None:
        """Not now."""
        context.outbox.send_ack(source, StreamAck(message.end, message.version, message.run, -1))

    def active(self, now: float) -> bool:
        """Whether it takes one of the places for copies in."""
        return not self.complete and now - self.heard < COPY_SILENCE_SECONDS

    def done(self) -> float:
        """How far it is, 0 or 1: only the owner knows better."""
        return 1.0 if self.complete else 0.0

    def take(self, message: Stream) -> StreamAck:
        """Applies new items in order; returns what is to be acknowledged once they are on disk."""
        writes, context, version = self.writes, self.context, self.arc.version
        self.heard = context.now
        answers: list[Answer] = []
        items, self._taken = take(message, version, self.run, self._taken)
        for number, item in items:
            if isinstance(item, Writes):
                if not self.complete:
                    writes.receive(number, item.pairs)
                elif item.pairs:
                    writes.follow(number, item)
                    context.marks.note(writes.stretch, (version, version_in(item.pairs[-1][1])[1]))
            elif isinstance(item, Fill):
                writes.receive(number, item.pairs)
                answers.append(Answer(number, self._compared(item)[0]))
            elif isinstance(item, Compare):
                answers.append(self._answer(number, item))
            else:
                self.complete = True
                self._completed()
        if message.version == version and message.run == self.run:
            writes.forget_settled_suffix(message.settled)
        return StreamAck(message.end, version, self.run, self._taken, tuple(answers))

    def _compared(self, item: Fill | Compare) -> tuple[bool, list[Pair], bytes]:
        """Whether that range is the same here; and what is here, up to where it is looked at. The owner's range is cut
        by the same rule: where one look does not reach its end, more is here than there."""
        pairs, _, until = self.writes.range_of(item.low, item.high)
        return until == item.high and digest_of(pairs) == item.digest, pairs, until

    def _answer(self, number: int, item: Compare) -> Answer:
        same, pairs, until = self._compared(item)
        if same:
            return Answer(number, True)
        have = tuple((key, value[:16]) for key, value in pairs)
        return Answer(number, False, have, until if until < item.high else b"")
