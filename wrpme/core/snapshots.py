"""Arcs as of one moment, for a backup: begun where the arc is owned, then read a page at a time, whatever is written
meanwhile and whoever owns the arc by then.

A snapshot begins when the owner may serve, and is told of when all that it can have seen is acknowledged: it holds what
was acknowledged before, and nothing that could be undone.
"""

from __future__ import annotations

from itertools import chain
from math import inf

from wrpme.core.context import NodeContext
from wrpme.core.io import ReaderSnapshot
from wrpme.core.layout import REMOVED, VERSION_BYTES, alias_in, content_in, expiry_in
from wrpme.core.limits import (
    PAGE_BYTES_MAX,
    PAGE_ENTRIES_SCANNED_MAX,
    SNAPSHOT_IDLE_SECONDS_MAX,
    SNAPSHOT_IDLE_SECONDS_MIN,
    SNAPSHOTS_MAX,
)
from wrpme.core.outbox import Origin
from wrpme.core.replication.scans import Scans
from wrpme.errors import BusyError, UnstableError
from wrpme.protocol.messages import Done
from wrpme.protocol.administration import CloseSnapshot, OpenSnapshot, Saved, Snapshot, SnapshotPage, SnapshotPart

GONE = "this node gives no such snapshot any more: it was started again, or nobody asked for long; read that arc again"


class Kept:
    """One snapshot of the entries with keys from ``low`` to below ``high``, which have the ends of their lives beside
    them: what has expired and was not removed yet is in it, since to leave it out would be to say that it is gone. A
    content that is larger than a page is kept from part to part."""

    def __init__(self, reader: ReaderSnapshot, low: bytes, high: bytes, now: float) -> None:
        self.asked_at = now
        self._reader = reader
        self._low, self._high = low, high
        self._large: tuple[bytes, bytes] = b"", b""

    def close(self) -> None:
        """Lets go of what LevelDB keeps for it."""
        self._reader.close()

    def page(self, number: int, after: bytes, offset: int) -> SnapshotPart:
        """The answer to the request of that number: what follows the entry with the key ``after``; or, with an
        ``offset``, the rest of its content and what follows then."""
        found: list[Saved] = []
        size = 0
        if offset and after == self._large[0]:
            pairs = chain([self._large], self._reader.scan(after + b"\0", self._high))
        else:
            pairs = chain(self._reader.scan(after if offset else after + b"\0" if after else self._low, self._high))
        self._large = b"", b""
        for looked_at, (key, value) in enumerate(pairs):
            if size >= PAGE_BYTES_MAX or looked_at >= PAGE_ENTRIES_SCANNED_MAX:
                return SnapshotPart(number, tuple(found), True, after)
            if expiry_in(value) != REMOVED:
                saved = _saved(key, value, offset if key == after else 0)
                if found and size + len(saved.part) > PAGE_BYTES_MAX:
                    return SnapshotPart(number, tuple(found), True, after)
                found.append(saved)
                size += len(key) + len(saved.part)
                if not saved.is_last:
                    self._large = key, value
                    return SnapshotPart(number, tuple(found), True, key, saved.offset + len(saved.part))
            after = key
        return SnapshotPart(number, tuple(found), False)


def _saved(key: bytes, value: bytes, offset: int) -> Saved:
    content = content_in(value)
    part = bytes(content[offset : offset + PAGE_BYTES_MAX])
    return Saved(alias_in(key), expiry_in(value), bytes(value[:VERSION_BYTES]), len(content), offset, part)


class Snapshots:
    """See the module."""

    def __init__(self, context: NodeContext, scans: Scans) -> None:
        self._context = context
        self._scans = scans
        self._kept: dict[int, Kept] = {}
        self._number = 0

    def open(self, origin: Origin, request: OpenSnapshot) -> None:
        """Begins one of an arc that this node owns."""
        context, replica = self._context, self._scans.owned_arc(origin, request)
        if replica is None:
            return
        if len(self._kept) >= SNAPSHOTS_MAX and not self._drop_idle():
            busy = f"this node gives {SNAPSHOTS_MAX} snapshots already, as many as it may; try again when a backup ends"
            context.outbox.fail(origin, request.id, BusyError(busy))
            return
        self._number += 1
        number, low, high = self._number, replica.writes.low, replica.writes.high
        self._kept[number] = Kept(context.reader.snapshot(), low, high, context.now)
        began = Snapshot(request.id, number, replica.first, replica.counts()[0])

        def settled(fine: bool) -> None:
            if fine:
                context.outbox.reply(origin, began)
            else:
                self._drop(number)
                changed = "the hive changed while a snapshot began; try again"
                context.outbox.fail(origin, request.id, UnstableError(changed))

        self._scans.when_settled([replica], settled)

    def page(self, origin: Origin, request: SnapshotPage) -> None:
        """What follows in a snapshot."""
        kept = self._kept.get(request.snapshot)
        if kept is None or request.offset < 0:
            self._context.outbox.fail(origin, request.id, UnstableError(GONE))
            return
        kept.asked_at = self._context.now
        self._context.outbox.reply(origin, kept.page(request.id, request.after, request.offset))

    def close(self, origin: Origin, request: CloseSnapshot) -> None:
        """It is not needed any more."""
        self._drop(request.snapshot)
        self._context.outbox.reply(origin, Done(request.id))

    def tick(self) -> None:
        """Those that nobody asks for are dropped: LevelDB keeps all that they see."""
        over = self._context.now - SNAPSHOT_IDLE_SECONDS_MAX
        for number in [number for number, kept in self._kept.items() if kept.asked_at < over]:
            self._drop(number)

    def _drop_idle(self) -> bool:
        """Lets the one go that nobody has asked for the longest, if that is long enough; returns whether it did."""
        number, kept = min(self._kept.items(), key=lambda pair: pair[1].asked_at)
        is_idle = self._context.now - kept.asked_at >= SNAPSHOT_IDLE_SECONDS_MIN
        if is_idle:
            self._drop(number)
        return is_idle

    @property
    def due(self) -> float:
        """When the next one is dropped, unless somebody asks for it."""
        return min((kept.asked_at for kept in self._kept.values()), default=inf) + SNAPSHOT_IDLE_SECONDS_MAX

    def _drop(self, number: int) -> None:
        if (kept := self._kept.pop(number, None)) is not None:
            kept.close()
