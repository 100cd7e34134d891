"""The arcs of one node: a replica for each that it has a part in, and what goes over all of them.

Scans (``count``, ``prefix_get``, ``remove_all``) are answered for the arcs that this node owns at one epoch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import nsmallest
from math import inf

from wrpme.core.context import NodeContext
from wrpme.core.outbox import Origin
from wrpme.core.layout import REMOVED, expiry_in, index_range, indexed_expiry, key_of
from wrpme.core.replication.replica import Replica, Role
from wrpme.core.replication.sender import Sender, schedule
from wrpme.core.replication.sweep import Sweep
from wrpme.core.replication.verification import Verification
from wrpme.errors import IndeterminateError, UnstableError
from wrpme.limits import (
    COPIES_IN_MAX, EXPIRE_ENTRIES_MAX, PAGE_ALIASES_MAX, PAGE_ENTRIES_SCANNED_MAX, REMOVE_BYTES_MAX, REMOVE_ENTRIES_MAX,
)  # fmt: skip
from wrpme.protocol import ring
from wrpme.protocol.messages import (
    Aliases, Count, GetHoldings, Holding, Holdings, Number, PrefixScan, RemoveAll, Reply, Stream, StreamAck, VerifyArc,
)  # fmt: skip
from wrpme.protocol.ring import owner_among
from wrpme.protocol.view import Arc, NodeId, Patch, View
from wrpme.protocol.view_index import index_of


class ReplicaTable:
    """See the module."""

    def __init__(self, context: NodeContext, quorum_lost: Callable[[], str] = str) -> None:
        self.context = context
        self._quorum_lost = quorum_lost
        self.dirty: dict[Replica, None] = {}
        """Replicas where something waits for the disk or for another node."""
        self.mine: list[Replica] = []
        """In the order of the ring."""
        self.sweep = Sweep(context, self)
        self._ends: list[int] = []
        """Of the arcs of ``mine``."""
        self._may_schedule = False
        """Something changed by which another copy may begin."""
        self._state = (False, False)
        """Whether this node was live, and there throughout, in the view before."""

    def at(self, position: int) -> Replica | None:
        """The replica of the arc that a position lies in, if this node has a part in it."""
        index = bisect_left(self._ends, position)
        if index < len(self._ends) and self.mine[index].first <= position:
            return self.mine[index]
        return None

    def ending(self, end: int) -> Replica | None:
        """The replica of the arc with that end."""
        index = bisect_left(self._ends, end)
        return self.mine[index] if index < len(self._ends) and self._ends[index] == end else None

    def copies(self) -> list[Sender]:
        """The copies that this node sends."""
        return [copy for replica in self.mine for copy in replica.copies.values()]

    # --- views ---------------------------------------------------------------------------------------------------

    def role_in(self, arc: Arc) -> Role | None:
        """What this node is to an arc of the present view."""
        me = self.context.me
        if not self.context.lives:
            if me in arc.holders:
                return Role.ASLEEP
            return Role.FORMER if me in arc.prev and self.context.this_life else None
        if owner_among(self.context.alive, arc) == me:
            return Role.OWNER
        if me in arc.holders:
            return Role.HOLDER
        if me in arc.incoming:
            return Role.INCOMING
        return Role.FORMER if me in arc.prev else None

    def adopt(self, view: View, patch: Patch | None = None) -> None:
        """Follows a new view, arc by arc; what was pending in a divided arc goes to its parts. ``patch`` is what
        differs from the view before: then only those arcs are looked at, and the own ones."""
        context = self.context
        state = (context.lives, context.this_life)
        everything = patch is None or state != self._state
        self._state = state
        changed = list(range(len(view.arcs))) if everything or patch is None else self._changed(view, patch)
        stretches = [(ring.arc_start(view, index), view.arcs[index]) for index in changed]
        self.sweep.begin_view(None if everything else [(first, arc.end) for first, arc in stretches])
        left: set[Replica] = set()
        made: list[Replica] = []
        for first, arc in stretches:
            overlapping = self._overlapping(first, arc.end)
            left.update(overlapping)
            replica = self._follow(first, arc, overlapping)
            if replica is not None:
                made.append(replica)
        kept = set(made)
        for old in [old for old in self.mine if old in left and old not in kept]:
            old.part()
        self.mine = sorted([*(old for old in self.mine if old not in left), *made], key=lambda replica: replica.first)
        self._ends = [replica.arc.end for replica in self.mine]
        for replica in self.mine:  # who is waited for may have died in this view
            if replica.role is Role.OWNER and not replica.serving and replica not in kept:
                replica.check_activation()
        context.reconciled.keep([(replica.first, replica.arc.end) for replica in self.mine if replica.arc.prev])

    def _changed(self, view: View, patch: Patch) -> list[int]:
        """The arcs that this view made or changed; those of members that it changed; and the own ones where this node
        is something else now, as others live or do not."""
        index = index_of(view)
        ends = {arc.end for arc in patch.arcs}
        for member in patch.members:
            ends.update(index.parts(member.id))
        for replica in self.mine:
            if replica.arc.end not in ends and self.role_in(replica.arc) is not replica.role:
                ends.add(replica.arc.end)
        return [bisect_left(index.ends, end) for end in sorted(ends.difference(patch.ends))]

    def _overlapping(self, first: int, end: int) -> list[Replica]:
        found: list[Replica] = []
        for index in range(bisect_left(self._ends, first), len(self._ends)):
            if self.mine[index].first > end:
                break
            found.append(self.mine[index])
        return found

    def _follow(self, first: int, arc: Arc, overlapping: Sequence[Replica]) -> Replica | None:
        """The replica of that arc from now on, if this node has a part in it."""
        role = self.role_in(arc)
        if role is None and not overlapping:
            self._note_foreign(first, arc)
            return None
        same = bool(overlapping) and (overlapping[0].first, overlapping[0].arc.end) == (first, arc.end)
        replica = overlapping[0] if same else Replica(self.context, arc, first, self.dirty, self._quorum_lost)
        if not same:
            for old in overlapping:
                replica.inherit(old)
        if role is None:
            replica.arc = arc
            replica.leave()
            self._note_foreign(first, arc)
            return None
        replica.enter(arc, role, fresh=not same)
        return replica

    def _note_foreign(self, first: int, arc: Arc) -> None:
        """Entries may be deleted that live elsewhere; but not where this node is to have them again, or as long as
        nobody else has them: the operator may have to fall back on them."""
        context = self.context
        context.reconciled.forget(first, arc.end)
        if not context.lives or context.me in arc.wanted or owner_among(context.alive, arc) is None:
            return
        context.commits.write(context.marks.forget(first, arc.end))
        if context.slots.between(first, arc.end)[0]:
            self.sweep.note_foreign(first, arc.end)

    # --- time ----------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Something here waits for time to pass."""
        return any(
            replica.role is Role.OWNER
            and (not replica.serving or replica.arc.prev or any(copy.busy for copy in replica.copies.values()))
            for replica in self.mine
        )

    def tick(self, again: bool) -> None:
        """Time has passed; ``again``: what nobody answered is to be said again."""
        context = self.context
        context.outbox.on_the_way = {}
        for copy in self.copies():
            context.outbox.on_the_way[copy.node] = (
                context.outbox.on_the_way.get(copy.node, 0) + copy.unacknowledged_bytes
            )
        for replica in self.mine:
            if replica.role is Role.OWNER:
                replica.check_activation()
                unanswered = not replica.serving or (replica.announced and replica.arc.prev)
                if unanswered and replica.retry.is_due(context.now):
                    (replica.announce_again if replica.serving else replica.ask_tails)()
            for copy in replica.copies.values():
                copy.tick()
                if again and copy.counts:
                    copy.report_again()
                    copy.tell_settled()
        if schedule(self.copies(), context.now):
            self._may_schedule = True
        if again:
            context.outbox.forget_unanswered(context.now)
        if (
            again and context.commits.idle
        ):  # marks of arcs that nobody writes to: no request waits for a batch of their own
            context.commits.write(context.marks.operations())
        self.sweep.step()

    def on_epoch(self) -> None:
        """A node was heard to have a later view: a copy to it may begin, at the end of the turn."""
        self._may_schedule = True

    def on_link(self, node: NodeId) -> None:
        """A connection to a node came up, or is lost: then nothing leaves until there is another one."""
        for replica in self.mine:
            replica.on_link(node)
        if self.context.linked.get(self.context.address_of(node)) is False:
            return
        for copy in self.copies():
            if copy.node == node:
                copy.on_link()

    def end_turn(self, disk_is_free: bool) -> None:
        """What was written since the last one goes to the copies."""
        if self._may_schedule:
            self._may_schedule = schedule(self.copies(), self.context.now)
        dirty = self.dirty
        for replica in list(dirty):
            if replica.copies:
                replica.end_turn(disk_is_free)
            if not (replica.writes.queue or replica.writes.landing):
                del dirty[replica]

    @property
    def settled(self) -> bool:
        """No client waits for an answer of these arcs."""
        return all(replica.settled for replica in self.mine)

    def settle(self) -> None:
        """Answers what the disk and the copies have acknowledged."""
        dirty = self.dirty
        for replica in list(dirty):
            if not replica.settle():
                dirty.pop(replica, None)

    # --- streams -------------------------------------------------------------------------------------------------

    def on_stream(self, source: NodeId, message: Stream) -> None:
        """Items of a copy that this node receives."""
        replica = self.ending(message.end)
        if replica is None:
            return
        replica.on_stream(source, message, self._may_begin)

    def _may_begin(self, replica: Replica) -> bool:
        """Whether this node can take one more copy."""
        now = self.context.now
        active = sum(other.sink.active(now) for other in self.mine if other.sink and other is not replica)
        return active < COPIES_IN_MAX and self.context.commits.persisted >= self.sweep.wiped

    def on_ack(self, source: NodeId, message: StreamAck) -> None:
        """The receiver of a copy of this node answers."""
        replica = self.ending(message.end)
        if replica is None or replica.arc.version != message.version:
            return
        copy = replica.copies.get(source)
        if copy is not None:
            before = copy.phase
            copy.on_ack(message)
            replica.settle()
            if copy.phase is not before:
                self._may_schedule = True

    # --- scans ---------------------------------------------------------------------------------------------------

    def _owned(self, origin: Origin, request: Count | PrefixScan | RemoveAll) -> list[Replica] | None:
        """The replicas to answer for; None where the request was refused."""
        context = self.context
        view = context.view
        if view is None or not context.lives or request.epoch != view.epoch:
            context.outbox.fail(origin, request.id, UnstableError("the hive changes while it is scanned; try again"))
            return None
        owned = [replica for replica in self.mine if replica.role is Role.OWNER]
        for replica in owned:
            if context.now >= replica.lease_until():
                context.outbox.fail(origin, request.id, replica.refusal())
                return None
        return owned

    def _when_settled(self, waiting: Collection[Replica], then: Callable[[bool], None]) -> None:
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

        self._when_settled(owned, settled)

    def count(self, origin: Origin, request: Count) -> None:
        """Entries of the arcs that this node owns."""
        owned = self._owned(origin, request)
        if owned is not None:
            entries = sum(replica.counts()[0] for replica in owned)
            self._answer(owned, origin, Number(request.id, entries))

    def prefix_scan(self, origin: Origin, request: PrefixScan) -> None:
        """A page of sorted aliases."""
        owned = self._owned(origin, request)
        if owned is None:
            return
        wanted = max(1, min(request.count_max, PAGE_ALIASES_MAX))
        wall = self.context.wall()
        aliases: list[str] = []
        scanned, expired, more, last = 0, 0, False, request.after
        for alias, expiry in self._aliases(owned, request.prefix.encode(), request.after.encode()):
            if len(aliases) >= wanted or scanned >= PAGE_ENTRIES_SCANNED_MAX or expired >= EXPIRE_ENTRIES_MAX:
                more = True
                break
            scanned += 1
            last = alias.decode()
            position = ring.hash_of(alias)
            replica = self.at(position)
            if replica is None or not replica.serving or expiry == REMOVED:
                continue
            if 0 < expiry <= wall:  # who is told that it is gone must not see it again, by whatever clock
                replica.remove_expired(key_of(position, alias), wall)
                expired += 1
            else:
                aliases.append(last)
        self._answer(owned, origin, Aliases(request.id, tuple(aliases), more, last))

    def _aliases(self, owned: Sequence[Replica], prefix: bytes, after: bytes) -> Iterator[tuple[bytes, int]]:
        """Aliases with their expiry, of the index and of what is not on disk yet, in order, each once; as many as a
        page may look at."""
        low, high = index_range(prefix, after)
        unwritten: dict[bytes, int] = {}
        for replica in owned:
            for key, pending in replica.writes.shadow.items():
                if key.startswith(prefix, 9) and (index := b"a" + key[9:]) >= low:
                    unwritten[index] = expiry_in(pending.value)
        shadow = nsmallest(PAGE_ENTRIES_SCANNED_MAX + 1, unwritten)
        shadow.reverse()
        for key, value in self.context.reader.scan(low, high):
            while shadow and shadow[-1] <= key:
                before = shadow.pop()
                yield before[1:], unwritten[before]
            if key not in unwritten:
                yield key[1:], indexed_expiry(value)
        for key in reversed(shadow):
            yield key[1:], unwritten[key]

    def remove_all(self, origin: Origin, request: RemoveAll) -> None:
        """Removes a page of entries, and tells how many, once that can't be undone. That they were removed is true
        whoever serves by then; that nothing is left, only an owner can say."""
        owned = self._owned(origin, request)
        if owned is None:
            return
        context = self.context
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

        self._when_settled({replica: None for replica, _, _ in page}, settled)

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

    def verify_arc(self, origin: Origin, request: VerifyArc) -> None:
        """Compares the copies of an arc that this node owns."""
        context, replica = self.context, self.ending(request.end)
        view = context.view
        if view is None or request.epoch != view.epoch or replica is None or context.now >= replica.lease_until():
            refusal = replica.refusal() if replica is not None else UnstableError("the hive changes; try again")
            context.outbox.fail(origin, request.id, refusal)
        else:
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
