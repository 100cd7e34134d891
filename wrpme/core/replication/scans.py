"""Requests on many entries: counts, pages of aliases, ``remove_all``, and the comparison of the copies of an arc.

They are answered for the arcs that this node owns at one epoch, once all writes that they saw are acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import nsmallest
from itertools import groupby
from math import inf

from wrpme.core.context import NodeContext
from wrpme.core.layout import (
    HEADER_BYTES, REMOVED, VERSION_BYTES, alias_in, content_in, expiry_in, hash_in, index_range, indexed_expiry, key_of,
    key_range,
)  # fmt: skip
from wrpme.core.outbox import Origin
from wrpme.core.replication.replica import CLOCK, Replica, Role
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.replication.verification import Verification
from wrpme.errors import IndeterminateError, TooLargeError, UnstableError
from wrpme.core.limits import (
    EXPIRE_ENTRIES_MAX, PAGE_BYTES_MAX, PAGE_CONTENT_BYTES_MAX, PAGE_ENTRIES_SCANNED_MAX, PAGE_VALUES_MAX,
    REMOVE_BYTES_MAX, REMOVE_ENTRIES_MAX, TAG_BYTES_SCANNED_MAX, TAG_ENTRIES_SCANNED_MAX,
)  # fmt: skip
from wrpme.limits import PAGE_ALIASES_MAX
from wrpme.protocol import ring
from wrpme.protocol.administration import OpenSnapshot
from wrpme.protocol.messages import (
    Aliases, Count, Follow, GetHoldings, Holding, Holdings, Number, Pair, PrefixScan, RemoveAll, Reply, RingScan,
    VerifyArc,
)  # fmt: skip
from wrpme.protocol.quoting import named


class Scans:
    """See the module."""

    def __init__(self, context: NodeContext, table: ReplicaTable) -> None:
        self.context = context
        self.table = table

    def owned(self, origin: Origin, request: Count | PrefixScan | RemoveAll | Follow) -> list[Replica] | None:
        """The replicas to answer for; None where the request was refused."""
        context = self.context
        view = context.view
        if view is None or not context.lives or request.epoch != view.epoch:
            context.outbox.fail(origin, request.id, UnstableError("the hive changes while it is scanned; try again"))
            return None
        owned = [replica for replica in self.table.mine if replica.role is Role.OWNER]
        for replica in owned:
            if context.now >= replica.lease_until():
                context.outbox.fail(origin, request.id, replica.refusal())
                return None
        return owned

    def when_settled(self, waiting: Collection[Replica], then: Callable[[bool], None]) -> None:
        """Calls ``then`` once all writes so far of these replicas are acknowledged; with False where nobody here will
        ever know."""
        waiting = [replica for replica in waiting if replica.writes.queue]
        left, fine = len(waiting), True

        def arrived(acknowledged: bool) -> None:
            nonlocal left, fine
            left -= 1
            fine = fine and acknowledged
            if left <= 0:
                then(fine)

        if not waiting:
            then(True)
        for replica in waiting:
            replica.when_acknowledged(replica.writes.queue[-1], arrived)

    def _answer(self, owned: Sequence[Replica], origin: Origin, reply: Reply) -> None:
        """Answers once all writes so far are acknowledged, so that the scan saw nothing that could be undone."""
        context = self.context

        def settled(fine: bool) -> None:
            if fine:
                context.outbox.reply(origin, reply, min((replica.lease_until() for replica in owned), default=inf))
            else:
                context.outbox.fail(origin, reply.id, UnstableError("the hive changed while it was scanned; try again"))

        self.when_settled(owned, settled)

    def count(self, origin: Origin, request: Count) -> None:
        """Entries of the arcs that this node owns."""
        owned = self.owned(origin, request)
        if owned is not None:
            entries = sum(replica.counts()[0] for replica in owned)
            self._answer(owned, origin, Number(request.id, entries))

    def prefix_scan(self, origin: Origin, request: PrefixScan) -> None:
        """A page of sorted aliases."""
        owned = self.owned(origin, request)
        if owned is None:
            return
        looks = request.contents or request.versions
        wanted = max(1, min(request.count_max, PAGE_VALUES_MAX if looks else PAGE_ALIASES_MAX))
        wall = self.context.time.early
        aliases: list[bytes] = []
        values: list[bytes] = []
        size = 0
        scanned, expired, more, last = 0, 0, False, request.after
        for alias, expiry in self._aliases(owned, request.prefix, request.after):
            is_full = len(aliases) >= wanted or size >= PAGE_BYTES_MAX
            if is_full or scanned >= PAGE_ENTRIES_SCANNED_MAX or expired >= EXPIRE_ENTRIES_MAX:
                more = True
                break
            scanned += 1
            last = alias
            position = ring.position_of(self.context.view, alias)
            replica = self.table.at(position)
            if replica is None or not replica.serving or expiry == REMOVED:
                continue
            if 0 < expiry <= wall and not self.context.clock_is_checked():
                self.context.outbox.fail(origin, request.id, UnstableError(CLOCK))
                return
            if 0 < expiry <= wall:  # who is told that it is gone must not see it again, by whatever clock
                replica.remove_expired(key_of(position, alias), wall)
                expired += 1
                continue
            if looks:
                value = replica.writes.current(key_of(position, alias))
                if value is None:
                    continue  # the index tells of it, and no write does: it is being wiped
                values.append(value)
                size += min(len(value), PAGE_CONTENT_BYTES_MAX)
            aliases.append(alias)
            size += len(alias)
        contents = tuple(_small(value) for value in values) if request.contents else ()
        versions = tuple(value[:VERSION_BYTES] for value in values) if request.versions else ()
        self._answer(owned, origin, Aliases(request.id, tuple(aliases), more, last, contents, versions))

    def _aliases(self, owned: Sequence[Replica], prefix: bytes, after: bytes) -> Iterator[tuple[bytes, int]]:
        """Aliases with their expiry, of the index and of what is not on disk yet, in order, each once; as many as a
        page may look at."""
        low, high = index_range(prefix, after)
        unwritten: dict[bytes, int] = {}
        for replica in owned:
            for key, pending in replica.writes.overlay.items():
                if key.startswith(prefix, 9) and (index := b"a" + key[9:]) >= low:
                    unwritten[index] = expiry_in(pending.value)
        overlay = nsmallest(PAGE_ENTRIES_SCANNED_MAX + 1, unwritten)
        overlay.reverse()
        for key, value in self.context.reader.scan(low, high):
            while overlay and overlay[-1] <= key:
                before = overlay.pop()
                yield before[1:], unwritten[before]
            if key not in unwritten:
                yield key[1:], indexed_expiry(value)
        for key in reversed(overlay):
            yield key[1:], unwritten[key]

    def ring_scan(self, origin: Origin, request: RingScan) -> None:
        """A page in the order of the ring, of an arc that this node owns. The arc ends where a bucket does; no epoch
        is asked for: an entry stays where it is in this order, whoever owns it when its page is made."""
        context, replica = self.context, self.table.at(ring.position_at(request.cursor))
        assert replica is not None, "else it is asked elsewhere"
        if context.now >= replica.lease_until():
            context.outbox.fail(origin, request.id, replica.refusal())
            return
        wanted = max(1, min(request.count_max, PAGE_ALIASES_MAX))
        wall = context.time.early
        page: list[tuple[int, bytes]] = []
        expired: list[bytes] = []
        following = ring.cursor_at(replica.arc.end + 1)
        size = 0
        low = key_range(ring.position_at(request.cursor), ring.RING - 1)[0]
        pairs = replica.writes.pairs(max(low, replica.writes.low), replica.writes.high)
        for position, together in groupby(pairs, _first_of_bucket):
            if len(page) + len(expired) >= wanted or size >= PAGE_BYTES_MAX or len(expired) >= EXPIRE_ENTRIES_MAX:
                following = ring.cursor_at(position)
                break
            try:
                found, looked_at = _in_bucket(together, request.cursor)
            except TooLargeError as error:
                context.outbox.fail(origin, request.id, error)
                return
            size += looked_at
            for cursor, key, expiry in found:
                if not 0 < expiry <= wall:
                    page.append((cursor, alias_in(key)))
                elif context.clock_is_checked():
                    expired.append(key)
                else:
                    context.outbox.fail(origin, request.id, UnstableError(CLOCK))
                    return
        for key in expired[:EXPIRE_ENTRIES_MAX]:  # who is told that it is gone must not see it again, by whatever clock
            replica.remove_expired(key, wall)
        aliases, following = _cut(page, wanted, following)
        more = following < 1 << ring.CURSOR_BITS
        if request.prefixes:
            aliases = tuple(alias for alias in aliases if alias.startswith(request.prefixes))
        self._answer([replica], origin, Aliases(request.id, aliases, more, following.to_bytes(8, "big")))

    def remove_all(self, origin: Origin, request: RemoveAll) -> None:
        """Removes a page of entries, and tells how many, once that can't be undone. That they were removed is true
        whoever serves by then; that nothing is left, only an owner can say."""
        owned = self.owned(origin, request)
        if owned is None:
            return
        context = self.context
        if not request.after:
            context.asked(origin, "remove_all: every entry that this node owns is removed")
        page = self._page(owned, request.after)
        if not page:
            self._answer(owned, origin, Number(request.id, 0))
            return
        for replica, key, held in page:
            replica.remove(key, held)
        reply = Number(request.id, len(page), page[-1][1] + b"\0")

        def settled(fine: bool) -> None:
            if fine:
                context.outbox.reply(origin, reply)
            else:
                changed = f"the hive changed while {len(page)} entries were removed; they may or may not be there"
                context.outbox.fail(origin, request.id, IndeterminateError(changed))

        self.when_settled({replica: None for replica, _, _ in page}, settled)

    def _page(self, owned: Sequence[Replica], after: bytes) -> list[tuple[Replica, bytes, bytes]]:
        """What a few milliseconds are enough to remove, in the order of the ring."""
        page: list[tuple[Replica, bytes, bytes]] = []
        size = 0
        for replica in owned:
            if after >= replica.writes.high:
                continue
            for key, held in replica.writes.pairs(max(after, replica.writes.low), replica.writes.high):
                page.append((replica, key, held))
                size += len(held)
                if len(page) >= REMOVE_ENTRIES_MAX or size >= REMOVE_BYTES_MAX:
                    return page
        return page

    def owned_arc(self, origin: Origin, request: VerifyArc | OpenSnapshot) -> Replica | None:
        """The replica of the arc that the request names, which this node owns at that epoch; None where it was
        refused."""
        context, replica = self.context, self.table.ending(request.end)
        view = context.view
        if view is None or request.epoch != view.epoch or replica is None or context.now >= replica.lease_until():
            refusal = replica.refusal() if replica is not None else UnstableError("the hive changes; try again")
            context.outbox.fail(origin, request.id, refusal)
            return None
        return replica

    def verify_arc(self, origin: Origin, request: VerifyArc) -> None:
        """Compares the copies of an arc that this node owns."""
        replica = self.owned_arc(origin, request)
        if replica is not None:
            Verification(replica, origin, request).go_on()

    def holdings(self, origin: Origin, request: GetHoldings) -> None:
        """What this node has on its disk, also of arcs that it has no part in."""
        context, view = self.context, self.context.view
        found: list[Holding] = []
        for index, arc in enumerate(view.arcs if view is not None else ()):
            first = ring.first_in(view.arcs, index) if view is not None else 0
            written, sequence = context.marks.of(first, arc.end)
            entries = context.slots.between(first, arc.end)[0]
            if entries or written:
                found.append(Holding(arc.end, arc.version, written, sequence, entries))
        epoch = view.epoch if view is not None else 0
        context.outbox.reply(origin, Holdings(request.id, epoch, tuple(found)))


def _small(value: bytes) -> bytes | None:
    """The content of a value; None where it is too large for a page."""
    return content_in(value) if len(value) - HEADER_BYTES <= PAGE_CONTENT_BYTES_MAX else None


def _first_of_bucket(pair: Pair) -> int:
    """The first position of the bucket of an entry."""
    return ring.position_at(ring.cursor_at(hash_in(pair[0])))


def _in_bucket(pairs: Iterator[Pair], since: int) -> tuple[list[tuple[int, bytes, int]], int]:
    """The entries of a bucket that come at ``since`` or after it: in their order, with their keys and expiries; and
    how many bytes were looked at."""
    found: list[tuple[int, bytes, int]] = []
    size = 0
    for count, (key, value) in enumerate(pairs):
        size += len(key) + len(value)
        if count >= TAG_ENTRIES_SCANNED_MAX or (count and size > TAG_BYTES_SCANNED_MAX):
            tag = named(ring.tag_of(alias_in(key)))
            raise TooLargeError(f"the tag {tag} has too many entries for a page in the order of the ring")
        cursor = ring.cursor_of(hash_in(key), alias_in(key))
        if cursor >= since:
            found.append((cursor, key, expiry_in(value)))
    return sorted(found), size


def _cut(page: list[tuple[int, bytes]], wanted: int, following: int) -> tuple[tuple[bytes, ...], int]:
    """The aliases of a page as far as they are wanted, and the next cursor, which is ``following`` after all of them.
    What has one cursor stays together."""
    size = 0
    for index, (cursor, alias) in enumerate(page):
        size += len(alias)
        if index and (index >= wanted or size > PAGE_BYTES_MAX):
            following = cursor + (cursor == page[0][0])
            break
    return tuple(alias for cursor, alias in page if cursor < following), following
