"""Broken rules of what an owner does in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from tests.sim.broken import Broken
from wrpme.core.layout import VERSION_BYTES, removal, version_in
from wrpme.core.outbox import Origin
from wrpme.core.replication import operations, replica
from wrpme.core.follows import Follows
from wrpme.core.replication.pending import Pending, PendingWrites
from wrpme.core.replication.replica import Replica
from wrpme.core.replication.sender import Sender
from wrpme.core.replication.takeover import Suffixes
from wrpme.core.transaction import Planned
from wrpme.protocol import view_index
from wrpme.protocol.messages import Add, CasVersion, EntryRequest, Suffix
from wrpme.protocol.view import NodeId, View


def adds_to_what_is_acknowledged() -> Broken:
    """A number is added to what readers see, rather than to what the writes before it will leave."""
    honest = Replica.execute

    def execute(self: Replica, origin: Origin, request: EntryRequest, key: bytes) -> None:
        pending = self.writes.overlay.get(key)
        if type(request) is not Add or pending is None:
            honest(self, origin, request, key)
            return
        latest, pending.value = pending.value, self.context.reader.get(key) or removal((0, 0))
        try:
            honest(self, origin, request, key)
        finally:
            pending.value = latest

    return Replica, "execute", execute


def batches_in_two_items() -> Broken:
    """The writes of a transaction are sent one by one."""
    honest = Replica._write_together

    def write_together(self: Replica, origin: Origin, reply: Any, writes: Sequence[Planned], size: int) -> None:
        honest(self, origin, reply, writes, size)
        for pending in self.writes.since(self.writes.sequence - len(writes)):
            pending.closes = True

    return Replica, "_write_together", write_together


def batches_acknowledged_early() -> Broken:
    """A transaction is acknowledged with its first write, and the others are sent after it."""
    honest = Replica._write_together

    def write_together(self: Replica, origin: Origin, reply: Any, writes: Sequence[Planned], size: int) -> None:
        honest(self, origin, reply, writes, size)
        pendings = self.writes.since(self.writes.sequence - len(writes))
        for pending in pendings:
            pending.closes = True
        first, last = pendings[0], pendings[-1]
        first.origin, first.reply, first.since = last.origin, last.reply, last.since
        if first is not last:
            last.origin = last.reply = None

    return Replica, "_write_together", write_together


def half_a_suffix_counts() -> Broken:
    """What came of a suffix is taken over, also where the rest of it never came."""
    honest = Suffixes.take

    def take(self: Suffixes, source: NodeId, message: Suffix, low: bytes, high: bytes) -> None:
        told = set(self.told)
        honest(self, source, message, low, high)
        if source not in told and message.more:
            for key, value in self._parts.pop(source, ()):
                known = self.best.get(key)
                if low <= key < high and not self.is_void(key, value):
                    if known is None or version_in(value) > version_in(known):
                        self.best[key] = value

    return Suffixes, "take", take


def batches_divided_at_takeover() -> Broken:
    """A new owner sends what the suffixes held one by one."""
    honest = Sender._push_writes

    def push_writes(self: Sender, pendings: Sequence[Pending], last: Any = None) -> list[tuple[int, int]]:
        return honest(self, pendings, set(pendings) if last else last)

    return Sender, "_push_writes", push_writes


def any_version_will_do() -> Broken:
    """Who compares a version replaces whatever there is."""

    def decide(request: Any, held: bytes | None, now: operations.Now) -> operations.Outcome:
        if type(request) is CasVersion and held is not None:
            request = replace(request, version=held[:VERSION_BYTES])
        return operations.decide(request, held, now)

    return replica, "decide", decide


def followers_are_not_resynchronized() -> Broken:
    """A node that owns other entries than before lets its followers believe that they hear of all."""

    def adopt(self: Follows, view: View) -> None:
        self._owned, self._age = self._stretches(), view_index.age(view)

    return Follows, "adopt", adopt


def followers_hear_what_is_pending() -> Broken:
    """Followers are told of a write before it is acknowledged."""
    honest = PendingWrites.apply

    def apply(self: PendingWrites, key: bytes, value: bytes, held: bytes | None) -> Pending:
        pending = honest(self, key, value, held)
        if self.context.followed is not None:
            self.context.followed.note(key, value, False)
        return pending

    return PendingWrites, "apply", apply


def version_of_the_arc() -> Broken:
    """A write is told the version of its arc alone, which others of that arc have, too."""

    def version_bytes(version: tuple[int, int]) -> bytes:
        return version[0].to_bytes(8, "big") + bytes(8)

    return replica, "version_bytes", version_bytes
