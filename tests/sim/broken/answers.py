"""Broken rules of requests and scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from tests.sim.broken import Broken
from wrpme.core import router
from wrpme.core.io import Reader
from wrpme.core.outbox import Origin
from wrpme.core.layout import index_range, indexed_expiry
from wrpme.core.replication.receiver import Receiver
from wrpme.core.replication.replica import Replica, Role
from wrpme.core.replication.scans import Scans
from wrpme.core.snapshots import Snapshots
from wrpme.errors import UnstableError
from wrpme.protocol import ring
from wrpme.protocol.messages import Count, Number, Reply, RingScan, Stream, StreamAck
from wrpme.protocol.administration import OpenSnapshot

_Aliases = Iterator[tuple[bytes, int]]


def scans_see_what_is_pending() -> Broken:
    """Scans do not wait for the writes that they saw to be acknowledged."""

    def answer(self: Scans, owned: Sequence[Replica], origin: Origin, reply: Reply) -> None:
        until = min((replica.lease_until() for replica in owned), default=float("inf"))
        self.context.outbox.reply(origin, reply, until)

    return Scans, "_answer", answer


class _Unleased:
    """A replica that may serve for ever."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replica, name)

    def lease_until(self) -> float:
        """No lease is needed."""
        return float("inf")


def scans_without_lease() -> Broken:
    """Scans need no lease."""

    def owned(self: Scans, origin: Origin, request: Any) -> list[Any] | None:
        view = self.context.view
        if view is None or not self.context.lives or request.epoch != view.epoch:
            changes = UnstableError("the hive changes while it is scanned; try again")
            self.context.outbox.fail(origin, request.id, changes)
            return None
        return [_Unleased(replica) for replica in self.table.mine if replica.role is Role.OWNER]

    return Scans, "owned", owned


def scans_miss_what_is_not_on_disk() -> Broken:
    """Scans list what is on the disk, and nothing that is on its way there."""

    def aliases(self: Scans, owned: Sequence[Replica], prefix: bytes, after: bytes) -> _Aliases:
        for key, value in self.context.reader.scan(*index_range(prefix, after)):
            yield key[1:], indexed_expiry(value)

    return Scans, "_aliases", aliases


def scans_at_any_epoch() -> Broken:
    """A node scans its arcs as they are now, whatever epoch was asked for."""
    honest = Scans.owned

    def owned(self: Scans, origin: Origin, request: Any) -> list[Replica] | None:
        view = self.context.view
        return honest(self, origin, replace(request, epoch=view.epoch) if view is not None else request)

    return Scans, "owned", owned


def count_leaves_out() -> Broken:
    """A count leaves an arc out."""

    def count(self: Scans, origin: Origin, request: Count) -> None:
        owned = self.owned(origin, request)
        if owned is not None:
            entries = sum(replica.counts()[0] for replica in owned[1:])
            self._answer(owned, origin, Number(request.id, entries))

    return Scans, "count", count


def count_of_copies() -> Broken:
    """A count has the copies that a node holds for others too."""

    def count(self: Scans, origin: Origin, request: Count) -> None:
        owned = self.owned(origin, request)
        if owned is not None:
            entries = sum(replica.counts()[0] for replica in self.table.mine)
            self._answer(owned, origin, Number(request.id, entries))

    return Scans, "count", count


def pages_skip_one() -> Broken:
    """The page that follows another one begins an entry too late."""
    honest = Scans._aliases

    def aliases(self: Scans, owned: Sequence[Replica], prefix: bytes, after: bytes) -> _Aliases:
        found = honest(self, owned, prefix, after)
        if after:
            next(found, None)
        return found

    return Scans, "_aliases", aliases


def pages_of_the_ring_skip_one() -> Broken:
    """The page of the ring that follows another one begins an entry too late."""
    honest = Scans.ring_scan

    def ring_scan(self: Scans, origin: Origin, request: RingScan) -> None:
        position = ring.position_at(request.cursor)
        second = ring.cursor_at(position) + ring.cursor_at(1 << 24)
        later = replace(request, cursor=second) if request.cursor and self.table.at(position) else request
        honest(self, origin, later)

    return Scans, "ring_scan", ring_scan


def pages_of_the_ring_without_lease() -> Broken:
    """A page of the ring needs no lease."""
    honest = Scans.ring_scan

    def ring_scan(self: Scans, origin: Origin, request: RingScan) -> None:
        table = self.table
        replica = table.at(ring.position_at(request.cursor))
        assert replica is not None
        vars(table)["at"] = lambda position: _Unleased(replica)
        try:
            honest(self, origin, request)
        finally:
            del vars(table)["at"]

    return Scans, "ring_scan", ring_scan


def uncounted_removals() -> Broken:
    """What a holder removes because its owner says so is not taken off its count."""
    honest = Receiver.take

    def take(self: Receiver, message: Stream) -> StreamAck:
        add = self.context.slots.add
        vars(self.context.slots)["add"] = lambda position, entries, size: add(position, max(0, entries), size)
        try:
            return honest(self, message)
        finally:
            del vars(self.context.slots)["add"]

    return Receiver, "take", take


def lost_forwards_are_repeated() -> Broken:
    """A write that was passed on is called not carried out where the connection broke, so that it is repeated."""
    honest = router.Router._give_up

    def give_up(self: router.Router, lost: Callable[[router.Passed], bool], was_sent: bool) -> None:
        honest(self, lost, False)

    return router.Router, "_give_up", give_up


def snapshots_see_what_is_pending() -> Broken:
    """A snapshot is told of though writes that it may have seen are not acknowledged."""
    honest = Snapshots.open

    def open_(self: Snapshots, origin: Origin, request: OpenSnapshot) -> None:
        vars(self._scans)["when_settled"] = lambda replicas, then: then(True)
        try:
            honest(self, origin, request)
        finally:
            del vars(self._scans)["when_settled"]

    return Snapshots, "open", open_


def snapshots_without_lease() -> Broken:
    """A snapshot begins though the node may not serve any more."""
    honest = Snapshots.open

    def open_(self: Snapshots, origin: Origin, request: OpenSnapshot) -> None:
        table = self._scans.table
        ending = table.ending

        def unleased(end: int) -> Any:
            replica = ending(end)
            return _Unleased(replica) if replica is not None and replica.role is Role.OWNER else replica

        vars(table)["ending"] = unleased
        try:
            honest(self, origin, request)
        finally:
            del vars(table)["ending"]

    return Snapshots, "open", open_


def snapshots_change() -> Broken:
    """A snapshot has what is there when its pages are read."""
    honest = Snapshots.open

    def open_(self: Snapshots, origin: Origin, request: OpenSnapshot) -> None:
        honest(self, origin, request)
        if kept := self._kept.get(self._number):
            kept._reader = _Present(self._context.reader)

    return Snapshots, "open", open_


class _Present:
    """A snapshot that is none."""

    def __init__(self, reader: Reader) -> None:
        self.scan = reader.scan

    def close(self) -> None:
        """Nothing is kept."""
