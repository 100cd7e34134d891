"""What a node does about its own disk: one that hangs takes it out of service, and one that is slow is named.

A node whose oldest batch has not reached its disk for L is of no use as an owner or as a holder, and only it knows why.
It is silent then in the sense of the heartbeats, so that no lease depends on it, and asks the voters to mark it down.
Its own vote needs its disk, so the others decide; where they can't, its silence would only end the reads that are left,
and it goes on. From half of L on it sends no heartbeats: so what it was promised as an owner has mostly run out when it
asks.
"""

from __future__ import annotations

from math import inf

from wrpme.core.context import NodeContext
from wrpme.core.io import Adopted
from wrpme.core.membership.paxos import is_quorum
from wrpme.core.membership.view_sync import ViewSync
from wrpme.core.replication.replica import Replica
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.errors import IndeterminateError, WrpmeError
from wrpme.core.limits import ASK_SECONDS, HEARTBEAT_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.events import UNENDED
from wrpme.protocol.messages import Report
from wrpme.protocol.view import Down, State, View
from wrpme.protocol.view_index import member


class OwnDisk:
    """See the module. ``disk.quiet``, ``silent`` and ``hangs`` are set here."""

    def __init__(self, context: NodeContext, view_sync: ViewSync, table: ReplicaTable) -> None:
        self.context = context
        self.view_sync = view_sync
        self.table = table
        self._asked_at = -inf
        self._slow_since: float | None = None

    @property
    def busy(self) -> bool:
        """It is looked at more closely: a batch has waited for a while."""
        return self.context.disk.waited >= HEARTBEAT_SECONDS

    def tick(self, again: bool) -> None:
        """Time has passed; ``again``: things may be said again."""
        context = self.context
        if context.disk.look(context.now) >= LEASE_SECONDS / 2:
            self._wait()
        if again:
            self._note_slowness()

    def _wait(self) -> None:
        context = self.context
        if not context.disk.quiet and context.lives and self._others_decide():
            context.disk.quiet = True
        if not context.disk.hangs:
            return
        if not context.disk.hung:
            context.disk.hung = True
            self._tell("disk_hangs", self.trouble(), level="warning")
        if context.disk.quiet:
            context.disk.silent = True
            self._go_on_without_disk()

    def _others_decide(self) -> bool:
        """Whether the other voters that this node reaches are a quorum."""
        context, view = self.context, self.context.view
        if view is None:
            return False
        reached = [node for node in view.voters if node != context.me and context.heartbeats.reaches(node, context.now)]
        return is_quorum(view.voters, reached)

    def _go_on_without_disk(self) -> None:
        """Asks to be marked down; once that is decided its clients hear of it, though it can't adopt the view."""
        context, latest = self.context, self.view_sync.latest
        mine = member(latest, context.me) if latest is not None else None
        if latest is None or mine is None:
            return
        if mine.state is not State.DOWN:
            self._ask(latest)
        elif context.known is not latest and latest is not context.view:
            context.known = latest
            context.outbox.effects.append(Adopted(latest.epoch))
            hung = IndeterminateError(
                f"{context.disk.hang_text(context.settings.address)}, and the hive goes on without it; "
                "the write may or may not have been carried out"
            )
            for replica in self.table.mine:
                self._give_up(replica, hung)

    def _give_up(self, replica: Replica, error: WrpmeError) -> None:
        """Whoever waits for an answer here hears this: it may take long until anything is known."""
        for pending in [*replica.writes.owed, *replica.writes.queue]:
            replica.writes.answer(pending, error)
            pending.reply = None
            waiters, pending.waiters = pending.waiters, None
            for waiter in waiters or ():
                waiter(False)

    def _ask(self, view: View) -> None:
        """The other voters: this node's own vote would come too late."""
        context = self.context
        if context.now - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = context.now
        for voter in view.voters:
            if voter != context.me:
                context.outbox.send(voter, Report((Down(context.me, context.settings.incarnation, hung=True),)))

    def goes_on(self) -> None:
        """The batch that waited is on disk: whom this node has not heard since, it did not ask."""
        context = self.context
        waited = context.disk.look(context.now)
        if context.disk.quiet:
            context.disk.quiet = context.disk.silent = False
            context.heartbeats.trust_again(context.now)
            context.heartbeats.due = context.now
        if context.disk.hung:
            context.disk.hung, context.disk.hung_until = False, context.now
            self._tell("disk", f"the disk of {context.settings.address} goes on", waited, "warning")

    def _note_slowness(self) -> None:
        context, since = self.context, self._slow_since
        slow = context.disk.slow(context.now) is not None
        if slow and since is None:
            self._slow_since = context.now
            self._tell("disk_slow", self.trouble(), level="warning")
        elif not slow and since is not None and not context.disk.hung:
            self._slow_since = None
            again = f"the disk of {context.settings.address} is as fast again as it should be"
            self._tell("disk", again, context.now - since, "info")

    @property
    def troubles(self) -> tuple[str, ...]:
        """As figures tell it."""
        trouble = self.trouble()
        return (trouble,) if trouble else ()

    def trouble(self) -> str:
        """What is wrong with the disk, for the operator; empty if nothing is."""
        pace, address = self.context.disk, self.context.settings.address
        if pace.hangs:
            return pace.hang_text(address)
        if (slow := pace.slow(self.context.now)) is None:
            return ""
        count, seconds = slow
        which = f"the disk of {address} is slow: {seconds:.2f} s for each of its last {count} slow writes"
        return f"{which}; whatever is written to an entry that this node has a copy of waits for it"

    def _tell(self, kind: str, sentence: str, seconds: float = UNENDED, level: str = "") -> None:
        self.context.tell(kind, sentence, self.context.settings.address, seconds, level)
