"""Broken rules of streams and copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from tests.sim.broken import Broken
from wrpme.core.replication import receiver
from wrpme.core.replication.pending import Pending
from wrpme.core.replication.replica import Replica
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.replication.receiver import Receiver
from wrpme.core.replication.sender import Sender
from wrpme.core.replication.stream import Outgoing
from wrpme.protocol.messages import Item, Stream, StreamAck

Taken = tuple[list[tuple[int, Item]], int]


def reported_too_early() -> Broken:
    """A copy is reported complete before what its comparison saw is committed."""
    honest = Sender._count

    def count(self: Sender) -> None:
        honest(self)
        if self._report_after >= 0:
            self._report_after = -1
            self.report()

    return Sender, "_count", count


def reported_before_it_arrived() -> Broken:
    """A copy is reported complete before it has acknowledged all that was written before it counted."""
    honest = Sender.on_committed

    def on_committed(self: Sender) -> None:
        acknowledged, self.acknowledged = self.acknowledged, self.streamed
        try:
            honest(self)
        finally:
            self.acknowledged = acknowledged

    return Sender, "on_committed", on_committed


def first_part_is_all() -> Broken:
    """The first part of a suffix that a holder acknowledges counts for all of it."""
    honest = Sender._push_writes

    def push_writes(self: Sender, pendings: Sequence[Pending], last: Any = None) -> list[tuple[int, int]]:
        items = honest(self, pendings, last)
        return [(items[0][0], number) for _, number in items]

    return Sender, "_push_writes", push_writes


def gaps() -> Broken:
    """A receiver takes what comes, also where something before it is missing."""

    def take(message: Stream, version: int, run: int, taken: int) -> Taken:
        if message.version != version or message.run != run:
            return [], taken
        items = [(number, item) for number, item in enumerate(message.items, message.first) if number > taken]
        return items, max(taken, message.first + len(message.items) - 1)

    return receiver, "take", take


def taken_twice() -> Broken:
    """A receiver takes once more what it has taken already."""

    def take(message: Stream, version: int, run: int, taken: int) -> Taken:
        if message.version != version or message.run != run or message.first > taken + 1:
            return [], taken
        items = list(enumerate(message.items, message.first))
        return items, max(taken, message.first + len(items) - 1)

    return receiver, "take", take


def acks_of_any_run() -> Broken:
    """An acknowledgement of an earlier run of a copy counts for the present one."""
    honest = Sender.on_ack

    def on_ack(self: Sender, message: StreamAck) -> None:
        honest(self, replace(message, run=self._stream.run))

    return Sender, "on_ack", on_ack


def writes_behind_the_cursor() -> Broken:
    """What is written before the cursor of a copy is not sent along."""
    honest = Sender._push_writes

    def push_writes(self: Sender, pendings: Sequence[Pending], last: Any = None) -> list[tuple[int, int]]:
        return honest(self, pendings if self.counts else [], last)

    return Sender, "_push_writes", push_writes


def holders_start_empty() -> Broken:
    """The other holders do not get what the suffixes held."""

    def begin_to_holder(self: Sender) -> None:
        queue, self.writes.queue = self.writes.queue, type(self.writes.queue)()
        try:
            honest(self)
        finally:
            self.writes.queue = queue

    honest = Sender.begin_to_holder
    return Sender, "begin_to_holder", begin_to_holder


def copies_what_is_wiped() -> Broken:
    """A copy begins while what lies there from before is on its way to be deleted."""
    honest = ReplicaTable._may_begin

    def may_begin(self: ReplicaTable, replica: Replica) -> bool:
        self.wiping.wiped = 0
        return honest(self, replica)

    return ReplicaTable, "_may_begin", may_begin


def acknowledged_ahead() -> Broken:
    """A copy that begins to count is taken to have all that was ever written."""
    honest = Sender._count

    def count(self: Sender) -> None:
        honest(self)
        self.acknowledged = self.writes.sequence + 1000

    return Sender, "_count", count


def last_of_the_stream() -> Broken:
    """An acknowledgement counts for all that was sent, not for what it names."""
    honest = Outgoing.take

    def take(self: Outgoing, upto: int) -> bool:
        return honest(self, self.last)

    return Outgoing, "take", take


def complete_at_once() -> Broken:
    """A holder takes itself for complete, and forgets its suffix, with the first message of the owner."""
    honest = Receiver.take

    def take(self: Receiver, message: Stream) -> StreamAck:
        acknowledgement = honest(self, message)
        self.writes.inherited.clear()
        return acknowledgement

    return Receiver, "take", take
