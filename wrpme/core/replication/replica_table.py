"""The arcs of one node: a replica for each that it has a part in, and what goes over all of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial

from wrpme.core.context import NodeContext
from wrpme.core.replication.replica import Replica, Role, Taken
from wrpme.core.replication.sender import Sender, schedule
from wrpme.core.replication.wiping import Wiping
from wrpme.core.limits import COPIES_IN_MAX
from wrpme.protocol import ring
from wrpme.protocol.messages import Stream, StreamAck, StreamAcks
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
        self.wiping = Wiping(context)
        self._ends: list[int] = []
        """Of the arcs of ``mine``."""
        self._settle_due = False
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
        return [copy for replica in self.mine if replica.copies for copy in replica.copies.values()]

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
        self.wiping.begin_view(None if everything else [(first, arc.end) for first, arc in stretches])
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
                replica.check_takeover()
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
            self.wiping.note_foreign(first, arc.end)

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
        on_the_way: dict[NodeId, int] = {}
        for copy in self.copies():
            if size := copy.unacknowledged_bytes:
                on_the_way[copy.node] = on_the_way.get(copy.node, 0) + size
        context.outbox.on_the_way = on_the_way
        for replica in self.mine:
            if replica.role is Role.OWNER:
                replica.check_takeover()
                unanswered = not replica.serving or (replica.announced and replica.arc.prev)
                if unanswered and replica.retry.is_due(context.now):
                    (replica.announce_again if replica.serving else replica.ask_suffixes)()
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

    def settle_soon(self) -> None:
        """The disk, or a copy, has acknowledged something: once for all that this turn brings."""
        self._settle_due = True

    @property
    def has_work(self) -> bool:
        """Whether the end of the turn has something to do here beside what leaves with a batch for the disk."""
        return self._settle_due or self._may_schedule or (self.context.outbox.is_behind and bool(self.dirty))

    def end_turn(self, disk_is_free: bool) -> None:
        """Answers what is acknowledged. What was written goes to the copies with the batch for the disk; to a node that
        has not answered enough by then, as soon as it has."""
        if self._settle_due:
            self.settle()
        if self._may_schedule:
            self._may_schedule = schedule(self.copies(), self.context.now)
        dirty = self.dirty
        for replica in list(dirty) if disk_is_free or self.context.outbox.is_behind else ():
            if replica.copies:
                replica.end_turn(disk_is_free)
            if not (replica.writes.queue or replica.writes.unflushed):
                del dirty[replica]

    @property
    def settled(self) -> bool:
        """No client waits for an answer of these arcs."""
        return all(replica.settled for replica in self.mine)

    def settle(self) -> None:
        """Answers what the disk and the copies have acknowledged."""
        self._settle_due = False
        dirty = self.dirty
        for replica in list(dirty):
            if not replica.settle():
                dirty.pop(replica, None)

    # --- streams -------------------------------------------------------------------------------------------------

    def on_streams(self, source: NodeId, life: int, streams: Sequence[Stream], number: int = 0) -> None:
        """Items of copies that this node receives from that life of a node, in a message of that number: acknowledged
        by it where all of them were taken, else each by itself."""
        taken: list[Taken] = []
        is_whole = number > 0
        for message in streams:
            replica = self.ending(message.end)
            part = replica.on_stream(source, message, self._may_begin) if replica is not None else None
            if part is None:
                is_whole = False
                continue
            ack = part[1]
            taken.append(part)
            if (
                ack.upto + 1 < message.first + len(message.items)
                or ack.answers
                or ack.run != message.run
                or ack.version != message.version
            ):
                is_whole = False
        self.context.commits.after_disk(partial(self._acknowledge, source, life, number, is_whole, taken))

    def _acknowledge(self, source: NodeId, life: int, number: int, is_whole: bool, taken: Sequence[Taken]) -> None:
        """Nothing of a run that was given up since, or of an older version of its arc: from when that is frozen this
        node acknowledges no write of it."""
        outbox = self.context.outbox
        if is_whole and not any(receiver.closed for receiver, _ in taken):
            outbox.answer_streams(source, life, number)
            return
        outbox.answer_streams(source, life, -number)
        for receiver, ack in taken:
            if not receiver.closed:
                outbox.send_ack(source, ack)

    def _may_begin(self, replica: Replica) -> bool:
        """Whether this node can take one more copy."""
        now = self.context.now
        active = sum(other.receiver.active(now) for other in self.mine if other.receiver and other is not replica)
        return active < COPIES_IN_MAX and self.context.commits.persisted >= self.wiping.wiped

    def on_acks(self, source: NodeId, message: StreamAcks) -> None:
        """The receiver of copies of this node answers."""
        context = self.context
        life = context.settings.incarnation
        if not message.life:  # the answer of an earlier release, which knows no numbers
            context.outbox.forget_streams(source)
        for number in message.numbers:
            # The numbers of a former life of this node mean nothing: it has sent other writes under them.
            sent = context.outbox.on_answered(source, abs(number)) if message.life == life else None
            if sent is not None:
                context.replication.add(context.now - sent.at)
                for ack in sent.acks if number > 0 else ():
                    self.on_ack(source, ack)
        context.outbox.acknowledged_at[source] = context.now
        for ack in message.acks:
            self.on_ack(source, ack)

    def on_ack(self, source: NodeId, message: StreamAck) -> None:
        """The receiver of a copy of this node answers."""
        replica = self.ending(message.end)
        if replica is None or replica.arc.version != message.version:
            return
        copy = replica.copies.get(source)
        if copy is not None:
            before = copy.phase
            copy.on_ack(message)
            self.settle_soon()
            if copy.phase is not before:
                self._may_schedule = True
