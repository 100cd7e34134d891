"""The arcs of one node: a replica for each that it has a part in, and what goes over all of them.

Scans (``count``, ``prefix_get``, ``remove_all``) are answered for the arcs that this node owns at one epoch; sweeping
of expired entries and of entries that went elsewhere is done here, a little at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import inf

from wrpme import ring
from wrpme.copying import Copy, schedule
from wrpme.entries import (
    ENTRIES, alias_in, expiry_and_key_in, expiry_in, hash_in, hints_until, index_range, key_of, key_range,
    operations_for, removal,
)  # fmt: skip
from wrpme.errors import UnstableError
from wrpme.ground import Ground, Origin
from wrpme.limits import (
    COPIES_IN_MAX, EXPIRE_ENTRIES_MAX, EXPIRE_SECONDS, PAGE_ALIASES_MAX, PAGE_ENTRIES_SCANNED_MAX, WIPE_ENTRIES_MAX,
)  # fmt: skip
from wrpme.messages import (
    Aliases, Count, GetHoldings, Holding, Holdings, Number, PrefixScan, RemoveAll, Reply, Stream, StreamAck, VerifyArc,
)  # fmt: skip
from wrpme.picture import Arc, NodeId, View
from wrpme.replica import Replica, Role
from wrpme.tally import size_of
from wrpme.verify import Verification
from wrpme.ring import owner_among


class Table:
    """See the module."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.ends: list[int] = []
        self.replicas: list[Replica | None] = []
        """One place for each arc of the view, in its order."""
        self.mine: list[Replica] = []
        self._foreign: list[tuple[int, int]] = []
        """Ranges that this node has no part in, but entries of."""
        self._wipe_batch = 0
        self._expiry_due = 0.0
        for key, value in ground.reader.scan(*ENTRIES):
            ground.tally.add(hash_in(key), 1, size_of(key, value))

    def at(self, position: int) -> Replica | None:
        """The replica of the arc that a position lies in, if this node has a part in it."""
        return self.replicas[bisect_left(self.ends, position)] if self.ends else None

    def ending(self, end: int) -> Replica | None:
        """The replica of the arc with that end."""
        index = bisect_left(self.ends, end)
        return self.replicas[index] if index < len(self.ends) and self.ends[index] == end else None

    def copies(self) -> list[Copy]:
        """The copies that this node sends."""
        return [copy for replica in self.mine for copy in replica.copies.values()]

    # --- views ---------------------------------------------------------------------------------------------------

    def role_in(self, arc: Arc) -> Role | None:
        """What this node is to an arc of the present view."""
        me = self.ground.me
        if not self.ground.lives:
            if me in arc.holders:
                return Role.ASLEEP
            return Role.FORMER if me in arc.prev and self.ground.this_life else None
        if owner_among(self.ground.alive, arc) == me:
            return Role.OWNER
        if me in arc.holders:
            return Role.HOLDER
        if me in arc.incoming:
            return Role.INCOMING
        return Role.FORMER if me in arc.prev else None

    def adopt(self, view: View) -> None:
        """Follows a new view, arc by arc; what was pending in a divided arc goes to its parts."""
        before = self.mine
        self.ends = [arc.end for arc in view.arcs]
        self.replicas, self.mine, self._foreign = [], [], []
        for index, arc in enumerate(view.arcs):
            first = ring.arc_start(view, index)
            role = self.role_in(arc)
            overlapping = [old for old in before if old.first <= arc.end and old.arc.end >= first]
            if role is None and not overlapping:
                self._note_foreign(first, arc)
                self.replicas.append(None)
                continue
            same = overlapping and (overlapping[0].first, overlapping[0].arc.end) == (first, arc.end)
            replica = overlapping[0] if same else Replica(self.ground, arc, first)
            if not same:
                for old in overlapping:
                    replica.inherit(old)
            if role is None:
                replica.arc = arc
                replica.leave()
                self._note_foreign(first, arc)
                self.replicas.append(None)
                continue
            replica.enter(arc, role, fresh=not same)
            self.replicas.append(replica)
            self.mine.append(replica)
        for old in before:
            if old not in self.mine:
                old.part()

    def _note_foreign(self, first: int, arc: Arc) -> None:
        """Entries may be deleted that live elsewhere; but not where this node is to have them again, or as long as
        nobody else has them: the operator may have to fall back on them."""
        ground = self.ground
        ground.forget_settled(first, arc.end)
        if not ground.lives or ground.me in arc.wanted or owner_among(ground.alive, arc) is None:
            return
        ground.forget_marks(first, arc.end)
        if ground.tally.between(first, arc.end)[0]:
            self._foreign.append((first, arc.end))

    # --- time ----------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Something here waits for time to pass."""
        return bool(self._foreign) or any(
            replica.role is Role.OWNER
            and (not replica.serving or replica.arc.prev or any(copy.busy for copy in replica.copies.values()))
            for replica in self.mine
        )

    def tick(self, again: bool) -> None:
        """Time has passed; ``again``: what nobody answered is to be said again."""
        ground = self.ground
        for replica in self.mine:
            if replica.role is Role.OWNER:
                replica.check_activation()
                if again and not replica.serving:
                    replica.ask_tails()
                if again and replica.announced and replica.arc.prev:
                    replica.announce_again()
            for copy in replica.copies.values():
                copy.tick()
                if again and copy.counts:
                    copy.report()
                    copy.tell_settled()
        schedule(self.copies(), ground.now)
        if again and ground.idle:  # marks of arcs that nobody writes to: no request waits for a batch of their own
            ground.write(ground.marks.operations())
        self._wipe()
        if ground.now >= self._expiry_due and not ground.hangs:
            self._expiry_due = ground.now + EXPIRE_SECONDS
            self._sweep_expired()

    def on_epoch(self) -> None:
        """A node was heard to have a later view: a copy to it may begin."""
        schedule(self.copies(), self.ground.now)

    def on_link(self, node: NodeId) -> None:
        """A connection to a node came up, or is lost: then nothing leaves until there is another one."""
        for replica in self.mine:
            replica.on_link(node)
        if self.ground.linked.get(self.ground.address_of(node)) is False:
            return
        for copy in self.copies():
            if copy.node == node:
                copy.on_link()

    def end_turn(self, disk_is_free: bool) -> None:
        """What was written since the last one goes to the copies."""
        touched = self.ground.touched
        for replica in list(touched):
            if replica.copies:
                replica.end_turn(disk_is_free)
            if not (replica.queue or replica.landing):
                del touched[replica]

    @property
    def settled(self) -> bool:
        """No client waits for an answer of these arcs."""
        return all(replica.settled for replica in self.mine)

    def settle(self) -> None:
        """Answers what the disk and the copies have acknowledged."""
        touched = self.ground.touched
        for replica in list(touched):
            if not replica.settle():
                touched.pop(replica, None)

    # --- streams -------------------------------------------------------------------------------------------------

    def on_stream(self, source: NodeId, message: Stream) -> None:
        """Items of a copy that this node receives."""
        replica = self.ending(message.end)
        if replica is None:
            return
        replica.on_stream(source, message, self._may_begin)

    def _may_begin(self, replica: Replica) -> bool:
        """Whether this node can take one more copy."""
        now = self.ground.now
        active = sum(other.sink.active(now) for other in self.mine if other.sink and other is not replica)
        return active < COPIES_IN_MAX and self.ground.persisted >= self._wipe_batch

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
                schedule(self.copies(), self.ground.now)

    # --- scans ---------------------------------------------------------------------------------------------------

    def _owned(self, origin: Origin, request: Count | PrefixScan | RemoveAll) -> list[Replica] | None:
        """The replicas to answer for; None where the request was refused."""
        ground = self.ground
        view = ground.view
        if view is None or not ground.lives or request.epoch != view.epoch:
            ground.fail(origin, request.id, UnstableError("the hive changes while it is scanned; try again"))
            return None
        owned = [replica for replica in self.mine if replica.role is Role.OWNER]
        for replica in owned:
            if ground.now >= replica.lease_until():
                ground.fail(origin, request.id, replica.refusal())
                return None
        return owned

    def _when_settled(self, owned: Sequence[Replica], origin: Origin, reply: Reply) -> None:
        """Answers once all writes so far are acknowledged, so that the scan saw nothing that could be undone."""
        ground = self.ground
        waiting = [replica for replica in owned if replica.queue]
        left, fine = len(waiting), True

        def arrived(acknowledged: bool) -> None:
            nonlocal left, fine
            left -= 1
            fine = fine and acknowledged
            if left > 0:
                return
            if fine:
                ground.reply(origin, reply, min((replica.lease_until() for replica in owned), default=inf))
            else:
                ground.fail(origin, reply.id, UnstableError("the hive changed while it was scanned; try again"))

        if not waiting:
            left = 1
            arrived(True)
        for replica in waiting:
            replica.when_acknowledged(replica.queue[-1], arrived)

    def count(self, origin: Origin, request: Count) -> None:
        """Entries of the arcs that this node owns."""
        owned = self._owned(origin, request)
        if owned is not None:
            entries = sum(replica.counts()[0] for replica in owned)
            self._when_settled(owned, origin, Number(request.id, entries))

    def prefix_scan(self, origin: Origin, request: PrefixScan) -> None:
        """A page of sorted aliases."""
        owned = self._owned(origin, request)
        if owned is None:
            return
        wanted = max(1, min(request.count_max, PAGE_ALIASES_MAX))
        aliases: list[str] = []
        scanned, more, last = 0, False, request.after
        for alias in self._aliases(owned, request.prefix.encode(), request.after.encode()):
            if len(aliases) >= wanted or scanned >= PAGE_ENTRIES_SCANNED_MAX:
                more = True
                break
            scanned += 1
            last = alias.decode()
            position = ring.hash_of(alias)
            replica = self.at(position)
            if replica is None or not replica.serving:
                continue
            held = replica.current(key_of(position, alias))
            if held is not None and not 0 < expiry_in(held) <= self.ground.wall():
                aliases.append(last)
        self._when_settled(owned, origin, Aliases(request.id, tuple(aliases), more, last))

    def _aliases(self, owned: Sequence[Replica], prefix: bytes, after: bytes) -> Iterator[bytes]:
        """Aliases of the index and of what is not on disk yet, in order, each once."""
        low, high = index_range(prefix, after)
        unwritten = {b"a" + alias_in(key) for replica in owned for key in replica.shadow}
        shadow = sorted((key for key in unwritten if low <= key < high), reverse=True)
        for key, _ in self.ground.reader.scan(low, high):
            while shadow and shadow[-1] <= key:
                before = shadow.pop()
                if before != key:
                    yield before[1:]
            yield key[1:]
        yield from (key[1:] for key in reversed(shadow))

    def remove_all(self, origin: Origin, request: RemoveAll) -> None:
        """Removes a page of entries, and tells how many."""
        owned = self._owned(origin, request)
        if owned is None:
            return
        removed = 0
        for replica in owned:
            if removed >= PAGE_ALIASES_MAX:
                break
            page: list[tuple[bytes, bytes]] = []
            for pair in replica.pairs(replica.low, replica.high):
                page.append(pair)
                if removed + len(page) >= PAGE_ALIASES_MAX:
                    break
            for key, held in page:
                replica.remove(key, held)
            removed += len(page)
        self._when_settled(owned, origin, Number(request.id, removed))

    def verify_arc(self, origin: Origin, request: VerifyArc) -> None:
        """Compares the copies of an arc that this node owns."""
        ground, replica = self.ground, self.ending(request.end)
        view = ground.view
        if view is None or request.epoch != view.epoch or replica is None or ground.now >= replica.lease_until():
            refusal = replica.refusal() if replica is not None else UnstableError("the hive changes; try again")
            ground.fail(origin, request.id, refusal)
        else:
            Verification(replica, origin, request).go_on()

    def holdings(self, origin: Origin, request: GetHoldings) -> None:
        """What this node has on its disk, also of arcs that it has no part in."""
        ground, view = self.ground, self.ground.view
        found: list[Holding] = []
        for index, arc in enumerate(view.arcs if view is not None else ()):
            first = ring.first_in(view.arcs, index) if view is not None else 0
            written, sequence = ground.marks.of(first, arc.end)
            entries = ground.tally.between(first, arc.end)[0]
            if entries or written:
                found.append(Holding(arc.end, arc.version, written, sequence, entries))
        epoch = view.epoch if view is not None else 0
        ground.reply(origin, Holdings(request.id, epoch, tuple(found)))

    # --- sweeping ------------------------------------------------------------------------------------------------

    def _wipe(self) -> None:
        """Deletes some entries of arcs that went elsewhere, once what was on its way to the disk has arrived."""
        ground = self.ground
        if not self._foreign or not ground.idle:
            return
        first, last = self._foreign[-1]
        for count, (key, value) in enumerate(ground.reader.scan(*key_range(first, last))):
            if count >= WIPE_ENTRIES_MAX:
                return
            self._wipe_batch = ground.write(operations_for(key, removal((0, 0))))
            ground.tally.add(hash_in(key), -1, -size_of(key, value))
        self._foreign.pop()

    def _sweep_expired(self) -> None:
        """Removes entries whose time has come, where this node owns them; elsewhere their hint goes."""
        ground = self.ground
        hints = ground.reader.scan(*hints_until(int(ground.wall())))
        for count, (hint, _) in enumerate(hints):
            if count >= EXPIRE_ENTRIES_MAX:
                return
            expiry, key = expiry_and_key_in(hint)
            replica = self.at(hash_in(key))
            if replica is not None:
                if ground.now >= replica.lease_until():
                    continue
                held = replica.current(key)
                if held is not None and expiry_in(held) == expiry:
                    replica.expire(key)
            ground.write([(hint, None)])
