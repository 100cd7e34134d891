"""One node, whole: inputs and the time go in, effects come out. It ties the parts together and knows no I/O.

The order of effects is the order in which the runner carries them out. Nothing here says a word to another node or a
client that depends on something that is not on disk yet: that waits in :class:`wrpme.core.context.NodeContext`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

import msgspec

from wrpme.core.access.sessions import Sessions
from wrpme.core.access.user_admin import UserAdmin
from wrpme.core.admin import Admin
from wrpme.core.health.clocks import Clocks
from wrpme.core.context import NodeContext
from wrpme.core.fast_path import FastPath
from wrpme.core.follows import Follows
from wrpme.core.outbox import Origin
from wrpme.core.io import (
    Adopted, ClockJumped, Deliver, Effect, FollowersBehind, Input, Exit, Process, LinkDown, LinkUp, NotSent, Persisted,
    PersistFailed, Publish, Reader, Received, Requested, SessionClosed, Settings, SettingsChanged, StopAsked, Emit,
    TurnEnded, Verified, ViewComputed, Woken,
)  # fmt: skip
from wrpme.core.layout import content_in, key_of, version_in
from wrpme.core.membership import transitions as views
from wrpme.core.membership.admission import Admission
from wrpme.core.membership.lifecycle import Lifecycle
from wrpme.core.membership.reports import Reports
from wrpme.core.membership.speakers import Names, Objection, objection
from wrpme.core.membership.view_sync import Adoption, ViewSync
from wrpme.core.membership.voter import Voter
from wrpme.core.membership.whereabouts import Whereabouts
from wrpme.core.stats.measured import Measured, measured
from wrpme.core.stats.node_stats import stats
from wrpme.core.health.failure_detector import far_pace, is_large
from wrpme.core.health.own_disk import OwnDisk
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.replication.scans import Scans
from wrpme.core.replication.sweep import Sweep
from wrpme.core.router import Router
from wrpme.core.snapshots import Snapshots
from wrpme.core.health.self_check import SelfCheck
from wrpme.core.stats.slot_counts import SlotCounts
from wrpme.errors import UnstableError
from wrpme.core.limits import ASK_SECONDS, TICK_SECONDS
from wrpme.limits import LATE_SECONDS, REPLICATION_USUAL
from wrpme.protocol import ring
from wrpme.protocol.access.messages import AddUser, Authenticate, GetUsers, RemoveUser, SetPasswords, WhoAmI
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.health import copies_in_words
from wrpme.protocol.identities import Here, Published, Refused, Where
from wrpme.protocol.administration import ForgetNode, LeaveNode, Recover, SetReplication, StopNode
from wrpme.protocol.messages import (
    AskView, Heartbeat, HeartbeatAck, Committed, ConfirmFollow, FailureReport, Count, Envelope, Follow, Forward,
    Forwarded, GetConfig, GetHoldings, GetStatus, GetSuffix, NextView, PrefixScan, RemoveAll, Report, Request,
    RingScan, StreamAcks, Streams, Suffix, Unfollow, VerifyArc, ViewIs, WholeView,
)  # fmt: skip
from wrpme.protocol.administration import CloseSnapshot, OpenSnapshot, SnapshotPage
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.administration import GetSlow, Kept
from wrpme.protocol.view import Back, Down, Join, Member, NodeId, View
from wrpme.protocol.view_index import public

_HOT = {Forward, Forwarded, Streams, StreamAcks, Published}
_BEATS = {Heartbeat, HeartbeatAck}
"""What comes from each neighbour all the time, and gives nothing to do."""
_OF_EACH_TURN = (TurnEnded, Persisted, Publish)
_VIEWS = (WholeView, NextView)
_IN_PLACE_OF_AN_ACK = (AskView, WholeView)
"""What a heartbeat of another epoch is answered with."""
_OF_ANY_HIVE = {Where, Here, Refused}
_LOGGED = {
    "joined", "back", "restarted", "stopped", "down", "leaving", "left", "expelled", "forgotten", "recovered",
    "replication", "users",
}  # fmt: skip
"""What happens to the hive and is worth a line of the log."""
_OF_THIS_LIFE = (Heartbeat, HeartbeatAck, GetSuffix, Suffix, Committed, Streams, StreamAcks, FailureReport)
"""Bodies that count only from the very incarnation that the view has."""


class Node:
    """``slots`` are the counts of the reader, if somebody has them; ``process`` is the one that runs this node."""

    def __init__(
        self,
        settings: Settings,
        reader: Reader,
        now: float,
        slots: SlotCounts | None = None,
        process: Process | None = None,
    ) -> None:
        self.settings = settings
        self.context = NodeContext(settings, reader, now, slots, process)
        self.lifecycle = Lifecycle(self.context)
        self.table = ReplicaTable(self.context, self.lifecycle.lasting_loss)
        self.sweep = Sweep(self.context, self.table)
        self.scans = Scans(self.context, self.table)
        self.sessions = Sessions(self.context, self.lifecycle.voters)
        self.user_admin = UserAdmin(self.context, self.lifecycle.quorum)
        self.follows = Follows(self.context, self.table, self.scans)
        self.whereabouts = Whereabouts(self.context, self._on_proven, self._on_moved)
        self.view_sync = ViewSync(self.context, self.lifecycle, self.whereabouts)
        self.self_check = SelfCheck(self.context)
        self.own_disk = OwnDisk(self.context, self.view_sync, self.table)
        self.voter = Voter(self.context)
        self.reports = Reports(self.context)
        self.admission = Admission(self.context, self.lifecycle, self.view_sync, self.voter, self.whereabouts)
        self.snapshots = Snapshots(self.context, self.scans)
        self.admin = Admin(self.context, self.lifecycle, self.voter, self.view_sync, self.status)
        self.router = Router(
            self.context, self.table, self.lifecycle.not_serving, self.lifecycle.lasting_loss, self._local(),
            self.sessions,
        )  # fmt: skip
        self.fast_path = FastPath(self.context, self.table, self.router, self.sessions)
        voter, follows, router, outbox = self.voter, self.follows, self.router, self.context.outbox
        self._inputs: dict[type[Any], Callable[[Any], None]] = {
            TurnEnded: self._on_turn_ended,
            Persisted: self._on_persisted,
            Received: lambda given: self._receive(given.session, given.envelope),
            Requested: self._on_requested,
            Woken: lambda given: self._tick(),
            LinkUp: self._on_link_up,
            LinkDown: self._on_link_down,
            ViewComputed: voter.on_computed,
            NotSent: lambda given: router.on_not_sent(given.envelope),
            SessionClosed: self._on_session_closed,
            Verified: self.sessions.on_verified,
            FollowersBehind: follows.fall_behind,
            Publish: lambda given: outbox.send_to_all(self.context.alive, given.published),
            StopAsked: self._on_stop_asked,
            SettingsChanged: self._on_settings_changed,
            ClockJumped: self._on_clock_jumped,
            PersistFailed: lambda given: self._end_with_disk(given.reason),
        }
        self.wake_at = now
        self._again_at = now
        self._reported: tuple[tuple[tuple[NodeId, int], ...], tuple[NodeId, ...]] = (), ()
        """What the voters were told last of those that are missed, and which voters."""
        self._report_due = now
        self._clocks = Clocks(self.context)
        self._early_heartbeats: dict[NodeId, Envelope] = {}
        self._neighbours: set[NodeId] = set()

    def _local(self) -> dict[type[Any], Callable[[Origin, Any], None]]:
        """Requests that the node which they are for carries out itself."""
        return {
            Count: self.scans.count,
            PrefixScan: self.scans.prefix_scan,
            RingScan: self.scans.ring_scan,
            RemoveAll: self.scans.remove_all,
            VerifyArc: self.scans.verify_arc,
            OpenSnapshot: self.snapshots.open,
            SnapshotPage: self.snapshots.page,
            CloseSnapshot: self.snapshots.close,
            GetStatus: self.admin.get_status,
            GetHoldings: self.scans.holdings,
            GetConfig: self.admin.get_config,
            GetSlow: self.admin.get_slow,
            StopNode: self.admin.stop_node,
            LeaveNode: self.admin.leave_node,
            ForgetNode: self.admin.forget_node,
            SetReplication: self.admin.set_replication,
            Recover: self.admin.recover,
            Follow: self.follows.follow,
            Unfollow: self.follows.unfollow,
            ConfirmFollow: self.follows.confirm,
            Authenticate: self.sessions.authenticate,
            WhoAmI: self.sessions.who_am_i,
            GetUsers: self.user_admin.get_users,
            AddUser: self.user_admin.add_user,
            SetPasswords: self.user_admin.set_passwords,
            RemoveUser: self.user_admin.remove_user,
        }

    @property
    def view(self) -> View | None:
        """The view that this node has adopted."""
        return self.context.view

    def objection(self, envelope: Envelope, names: Names) -> Objection | None:
        """See :mod:`wrpme.core.membership.speakers`."""
        return objection(self.context, envelope, names)

    # --- inputs --------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Effect]:
        """Before any input: takes up the view on disk, or founds a hive."""
        self.context.now = now
        if self.view_sync.start():
            self._follow_views()
            if not self.settings.secured and (refusal := self.admission.wants_tls()):
                self.context.outbox.effects.append(Exit(1, refusal))
            if refusal := self.admission.wrong_replication(self.settings.replication):
                self.context.say("warning", f"{refusal}; this node goes on with what its hive keeps")
        elif self.settings.new_hive:
            settings = self.settings
            view = views.found(
                settings.new_hive, settings.id, settings.incarnation, settings.address,
                settings.replication or REPLICATION_USUAL, settings.secured,
            )  # fmt: skip
            self.context.say("info", f"founding hive {settings.new_hive.hex()[:8]}")
            self.view_sync.learn(view)
            copies = copies_in_words(view.replication)
            words = f"{settings.address} founds the hive, which keeps {copies} of each entry"
            wall, address = self.context.wall(), settings.address
            founded = self.context.event_log.note(wall, "founded", view.epoch, address, words, hive=True)
            self.context.outbox.effects.append(Emit(founded))
        self._tick()
        return self._finish()

    def request(self, session: int, request: Request, now: float) -> list[Effect]:
        """A client's request: the hot path."""
        context = self.context
        context.now = now
        if not self.fast_path.take(session, request):
            self.router.request(session, request)
        effects, context.outbox.effects = context.outbox.effects, []
        return effects

    def handle(self, given: Input, now: float) -> list[Effect]:
        """One input at the time ``now``, which never goes back; gives the effects in order."""
        context = self.context
        context.now, view = now, context.view
        if type(given) is TurnEnded and not self._has_work(given):
            return []
        if now - context.heartbeats.due > LATE_SECONDS:
            self.self_check.be_late(now - context.heartbeats.due)
        kind = type(given)
        self._inputs[kind](given)
        if self.voter.decided is not None or self.view_sync.on_disk:
            self._follow_views()
        if kind is TurnEnded:
            context.outbox.flush_messages(now)
        if context.outbox.reports or context.view is not view:
            return self._finish()
        said = type(given.envelope.body) if kind is Received else None  # type: ignore[union-attr]
        if said in _HOT or kind in _OF_EACH_TURN:
            is_at_rest = said not in _HOT and context.commits.idle and not self.table.dirty and not self.router.waits
            return self._finish_hot(inf if is_at_rest else context.now + TICK_SECONDS)
        return self._finish_hot(context.heartbeats.due) if said in _BEATS else self._finish()

    def _has_work(self, given: TurnEnded) -> bool:
        """Whether the end of a turn is more than that what was answered in it is counted: most turns bring a write or
        two that wait for the disk."""
        context = self.context
        if self.table.has_work or context.commits.may_leave or context.outbox.has_messages:
            return True
        if context.followed is not None or context.outbox.effects or context.outbox.reports:
            return True
        self._count_answers(given)
        return False

    def _count_answers(self, given: TurnEnded) -> None:
        context = self.context
        if context.responses.at_once:
            seconds = context.now - given.since
            if seconds >= context.slow.threshold_seconds:
                context.slow_turn(context.responses.at_once, seconds)
            context.responses.end_turn(seconds)

    def _on_requested(self, given: Requested) -> None:
        if not self.fast_path.take(given.session, given.request):
            self.router.request(given.session, given.request)

    def _on_turn_ended(self, given: TurnEnded) -> None:
        context = self.context
        self._count_answers(given)
        # Before the disk: what is acknowledged was handed to every copy.
        self.table.end_turn(context.commits.disk_is_free)
        context.flush_disk()
        if context.followed is not None and context.followed.writes:
            (self.follows.wait if given.telling else self.follows.tell)()

    def _on_persisted(self, given: Persisted) -> None:
        context = self.context
        if context.disk.quiet or context.disk.hung:
            self.own_disk.goes_on()
        context.commits.on_persisted(given.batch, context.now)
        self.table.settle_soon()

    def _on_link_up(self, given: LinkUp) -> None:
        self.context.linked[given.address] = True
        self.context.link_troubles.pop(given.address, None)
        self.lifecycle.on_link_up()
        self._on_link(given.address)
        self.whereabouts.on_link(given.address, True)

    def _on_link_down(self, given: LinkDown) -> None:
        context = self.context
        was_up = context.linked.get(given.address, False)
        context.linked[given.address] = False
        context.link_troubles[given.address] = given.reason
        self.router.on_link_down(given.address, was_up)
        self.lifecycle.on_link_down(given.address, given.reason)
        self._on_link(given.address)
        self.whereabouts.on_link(given.address, False)

    def _on_session_closed(self, given: SessionClosed) -> None:
        self.follows.forget(given.session)
        self.sessions.closed(given.session)

    def _on_stop_asked(self, given: StopAsked) -> None:
        self.lifecycle.stop()
        self._tick()

    def _on_settings_changed(self, given: SettingsChanged) -> None:
        self.settings = self.context.settings = msgspec.structs.replace(
            self.settings,
            grace_seconds=given.grace_seconds,
            slow_seconds=given.slow_seconds,
            bytes_max=given.bytes_max,
            config=given.config,
        )
        self.context.room.bytes_max = given.bytes_max
        self.context.slow.threshold_seconds = given.slow_seconds

    def _on_clock_jumped(self, given: ClockJumped) -> None:
        self.self_check.void_leases(given.seconds)
        self._clocks.forget()

    def _end_with_disk(self, reason: str) -> None:
        context = self.context
        if context.lives:  # the others need not find out
            context.outbox.reports.append(Down(context.me, self.settings.incarnation, planned=True))
            self._report()
        refused = f"the disk refused to take a write ({reason}); this node stops"
        context.outbox.effects.append(Exit(1, f"{refused}, and nothing acknowledged is lost"))

    def _finish_hot(self, wake_at: float) -> list[Effect]:
        """After what happens all the time, and concerns no voter: these look at the next tick."""
        context = self.context
        self.wake_at = min(self.wake_at, wake_at)
        effects, context.outbox.effects = context.outbox.effects, []
        return effects

    def _finish(self) -> list[Effect]:
        """Reports to the voters, and when to be woken."""
        context = self.context
        if context.outbox.reports or context.now >= self.reports.due:
            self._report()
        due = min(context.heartbeats.due, self.sweep.due, self.reports.due, self.snapshots.due)
        if not context.disk.hung:  # a proposal needs this node's own vote, and that its disk
            self.voter.look()
            due = min(due, self.voter.due)
        silent_at = context.heartbeats.silent_at(context.now)
        soon = context.now + TICK_SECONDS
        if due > soon and (silent_at <= context.now or self._is_busy()):
            due = soon
        self.wake_at = min(due, silent_at if silent_at > context.now else inf)
        effects, context.outbox.effects = context.outbox.effects, []
        return effects

    def _is_busy(self) -> bool:
        """Something waits for time to pass."""
        parts = self.lifecycle, self.whereabouts, self.own_disk, self.table
        return self.router.waits or any(part.busy for part in parts)

    def _report(self) -> None:
        context, reports = self.context, self.reports.take()
        for voter in context.view.voters if context.view and reports else ():
            if voter == context.me:
                for change in reports:
                    self.voter.request(change)
            else:
                context.outbox.send(voter, Report(reports))

    def _on_link(self, address: str) -> None:
        for node, at in self.context.routes.items():
            if at == address:
                self.context.outbox.forget_streams(node)  # what was on its way may be lost
                self.table.on_link(node)

    def _on_moved(self, node: NodeId, former: str) -> None:
        """A node is proven to be elsewhere: what was sent to where it was is lost."""
        self.router.on_moved(node)
        self.context.outbox.forget_streams(node)
        self.table.on_link(node)
        now = self.context.address_of(node)
        self.context.say("info", f"node {node.hex()[:8]}, which was at {former}, is at {now} now")

    def _on_proven(self, request: Join | Back) -> None:
        """A life that asked to be taken in is proven."""
        if self.voter.is_voter:
            self.voter.request(request)

    # --- time ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        context, now = self.context, self.context.now
        again = now >= self._again_at
        if again:
            self._again_at = now + ASK_SECONDS + context.round_trip(context.heartbeats.neighbours)
        if context.view is not None:
            self._watch()
            self.own_disk.tick(again)
            self._look_at_room()
            for node in context.heartbeats.heartbeat(now):
                if not context.disk.quiet:
                    context.outbox.send(node, Heartbeat(now))
            if again and not context.disk.quiet and now >= context.lateness.until:
                self.self_check.note_silence()
                if context.lives:
                    self._report_failure()
            if again:
                self._clocks.look()
        self.table.tick(again)
        self.sweep.step()
        self.router.tick()
        self.snapshots.tick()
        self.whereabouts.tick()
        self.lifecycle.voters.note()
        if self.lifecycle.voters.since < inf:
            self.whereabouts.look_around()
        going = self.lifecycle.is_going
        quorum_has_view = going and context.view is not None and self.voter.sees_quorum(context.view.epoch)
        self.lifecycle.tick(quorum_has_view, going and self.table.settled and not self.router.waits)
        if context.view is None:
            context.heartbeats.due = inf

    def _watch(self) -> None:
        """The neighbours, and whom the voter has to look at. Those that are watched for another reason are far in a
        large hive: all of its nodes have that reason at the same time."""
        context, view = self.context, self.context.view
        assert view is not None
        near, far = set(self._neighbours), set(view.voters)  # without them nothing can be decided
        for looked_at in (self.voter.complained_of, self.voter.in_place):
            (far if is_large(len(looked_at)) else near).update(looked_at)
        if self.lifecycle.voters.missing():  # whoever may have to recover the hive looks for all that are left
            far.update(context.members)
        if not is_large(len(context.members)):
            near |= far
        elif context.me in view.voters:
            near.update(view.voters)
        near.discard(context.me)
        far -= near | {context.me}
        if not context.heartbeats.watches(near, far):
            context.heartbeats.watch(near, context.now, far, len(context.members))

    def neighbours(self) -> set[NodeId]:
        """Nodes this one shares an arc with, and its predecessor and successor in the order of ids."""
        context, view = self.context, self.context.view
        if view is None:
            return set()
        found = self.lifecycle.sharers(view) & context.alive
        ids = sorted(context.alive | {context.me})
        at = ids.index(context.me)
        found |= {ids[at - 1], ids[(at + 1) % len(ids)]}
        return found - {context.me}

    def _report_failure(self) -> None:
        """Tells the voters whom this node misses, when that changes, and again; in a large hive many neighbours of each
        tell it, and more rarely."""
        context, view = self.context, self.context.view
        assert view is not None
        silent = set(context.heartbeats.silent(context.now))
        silent |= {copy.node for copy in self.table.copies() if copy.stalled()}
        lives = tuple((node, context.members[node].incarnation) for node in sorted(silent & context.alive))
        news = lives, view.voters
        if not (lives or self._reported[0]) or (news == self._reported and context.now < self._report_due):
            return
        self._reported, self._report_due = news, context.now + far_pace(len(context.members))
        failure_report = FailureReport(lives)
        for voter in view.voters:
            if voter == context.me:
                self.voter.report_failure(context.me, failure_report)
            else:
                context.outbox.send(voter, failure_report)

    # --- messages of other nodes ---------------------------------------------------------------------------------

    def _receive(self, session: int, envelope: Envelope) -> None:
        context, source, body = self.context, envelope.source, envelope.body
        if type(body) in _OF_ANY_HIVE:
            self.admission.on_identity(session, envelope)
            return
        if not self.view_sync.listens(session, envelope):
            self._decline(session, envelope)
            return
        view = context.view
        member = context.members.get(source)
        late = member is not None and envelope.incarnation < member.incarnation
        if envelope.epoch and isinstance(body, _VIEWS) and not late:
            self.view_sync.on_view(source, body)
        if view is not None and member is not None:
            if envelope.incarnation != member.incarnation and not self.whereabouts.admits(session, envelope, member):
                if isinstance(body, Report) and not late:
                    self.admission.on_report(session, envelope, body)
                self._decline(session, envelope)
                return
            if type(body) not in _HOT:
                self._note_life(envelope, member)
            if envelope.epoch > context.known_epochs.get(source, 0):
                context.known_epochs[source] = envelope.epoch
                self.table.on_epoch()
            self.view_sync.compare_epochs(source, envelope.epoch)
            if isinstance(body, _OF_THIS_LIFE) and envelope.incarnation != member.incarnation:
                return
            if isinstance(body, _IN_PLACE_OF_AN_ACK) and envelope.incarnation == member.incarnation:
                context.heartbeats.answered(source, context.now)
        else:
            self.view_sync.answer_stranger(session, envelope)
            if not isinstance(body, Report):
                self._decline(session, envelope)
                return
        self._on_body(source, session, envelope)

    def _decline(self, session: int, envelope: Envelope) -> None:
        """What is not listened to is not carried out; who passed a request on is told, as somebody waits for it."""
        if isinstance(envelope.body, Forward):
            changes = UnstableError("the hive is changing; nothing was changed, try again")
            self.context.outbox.fail((session, envelope.source, 0), envelope.body.request.id, changes)

    def _note_life(self, envelope: Envelope, member: Member) -> None:
        """A member is there, in that life, which is the one of the view, or proven."""
        context, source = self.context, envelope.source
        context.heard_at[source] = context.now
        if context.heard.get(source, -1) < envelope.incarnation:
            context.heard[source] = envelope.incarnation
        if envelope.incarnation > member.incarnation:
            context.returning[source] = context.now

    def _on_body(self, source: NodeId, session: int, envelope: Envelope) -> None:
        context, body = self.context, envelope.body
        if isinstance(body, Forward):
            self._on_forward(source, session, envelope, body)
        elif isinstance(body, Forwarded):
            self.router.on_forwarded(source, body)
        elif isinstance(body, Streams):
            self.table.on_streams(source, envelope.incarnation, body.streams, body.number)
        elif isinstance(body, StreamAcks):
            self.table.on_acks(source, body)
        elif isinstance(body, Heartbeat):
            self._early_heartbeats[source] = envelope
            self._answer_heartbeats((source,))
        elif isinstance(body, HeartbeatAck):
            if body.incarnation == self.settings.incarnation:
                context.heartbeats.acknowledged(source, body.sent, context.now)
                context.room.heard(source, body.full)
                context.note_round_trip(source, context.now - body.sent)
                self._clocks.heard(source, body.wall, body.sent)
        elif isinstance(body, Published):
            context.outbox.effects.append(Deliver(body))
        elif isinstance(body, Kept):
            kept = f"{body.what} is on disk here, as {context.address_of(source)} asked"
            context.traces.step(body.request_id, kept)
        elif isinstance(body, AskView):
            if self.view is not None and not context.disk.silent:
                self.view_sync.tell(source, 0 if body.whole else envelope.epoch)
        elif isinstance(body, Report):
            self.admission.on_report(session, envelope, body)
        elif isinstance(body, GetSuffix | Suffix | Committed):
            self._on_takeover(source, body)
        else:
            self.voter.on_message(source, body)

    def _on_forward(self, source: NodeId, session: int, envelope: Envelope, body: Forward) -> None:
        """Not of a node that may not know yet that the user who asks there is gone."""
        context = self.context
        if context.view is not None and envelope.epoch < context.view.users_since:
            self._decline(session, envelope)
            return
        context.asker = body.who
        self.router.request((session, source, body.room), body.request)
        context.asker = ""

    def _answer_heartbeats(self, sources: Iterable[NodeId]) -> None:
        """Only at equal epochs; one that came before this node had adopted its view is answered when it has."""
        context, view = self.context, self.context.view
        assert view is not None
        if context.disk.silent:
            return
        for source in sources:
            envelope = self._early_heartbeats[source]
            if envelope.epoch > view.epoch:
                continue
            del self._early_heartbeats[source]
            if envelope.epoch == view.epoch and isinstance(envelope.body, Heartbeat):
                context.heartbeats.promise(source, context.now)
                context.outbox.send(
                    source,
                    HeartbeatAck(envelope.body.sent, envelope.incarnation, int(context.wall()), context.room.is_full),
                )

    def _on_takeover(self, source: NodeId, body: GetSuffix | Suffix | Committed) -> None:
        replica = self.table.ending(body.end)
        if replica is None:
            return
        if isinstance(body, Suffix):
            replica.on_suffix(source, body)
        elif isinstance(body, Committed):
            replica.on_committed(source, body)
        else:
            replica.hand_over(body.after)

    # --- views ---------------------------------------------------------------------------------------------------

    def _follow_views(self) -> None:
        """The one road of a view: what this node's proposal decided, and what others have told, is on disk before it is
        adopted, and adopted once whatever else this call had to do is done."""
        while True:
            decided, self.voter.decided = self.voter.decided, None
            if decided is not None:
                self.view_sync.decided(decided)
            adoption = self.view_sync.next_on_disk()
            if adoption is None:
                return
            self._adopt(adoption)

    def _adopt(self, adoption: Adoption) -> None:
        """Every part follows the view, in this order: who knows it first, then who serves by it."""
        context, known = self.context, self.context.members
        before, view, patch = adoption.base, adoption.view, adoption.patch
        context.adopt(view, patch)
        context.outbox.effects.append(Adopted(view.epoch))
        self._tell_changes(before, view)
        self._forget_former_lives(known, [member.id for member in patch.members] if patch is not None else ())
        self.whereabouts.adopt(before)
        self.voter.adopt(view)
        self._neighbours = self.neighbours()
        self._watch()
        context.heartbeats.due = context.now
        for node in patch.left if patch is not None else ():
            self._early_heartbeats.pop(node, None)
        self._answer_heartbeats(list(self._early_heartbeats))
        if adoption.is_news:
            self.view_sync.tell_all(before, view)
        self.lifecycle.adopt(view)
        self.sessions.adopt(view)
        self.table.adopt(view, patch)
        self.follows.adopt(view)
        self.router.adopt(self.view_sync.stopping(view))

    def _tell_changes(self, before: View | None, view: View) -> None:
        """To those who watch, and the log."""
        context, event_log = self.context, self.context.event_log
        former, proposal = event_log.condition, self.view_sync.proposal_of(view)
        for event in event_log.adopt(before, view, self.view_sync.patch, proposal, context.now, context.wall()):
            context.outbox.effects.append(Emit(event))
            if event.kind in _LOGGED:
                context.say("info", f"view {view.epoch}: {event.sentence}")
        condition = event_log.condition
        if before is None and not context.lives:  # the view on its disk: what has become of the hive since, it asks now
            context.say("info", f"view {view.epoch}, of {len(view.members)} nodes, is the last that this node knew")
        elif condition != former:
            context.say("info", f"view {view.epoch}: the hive is {condition.word}: {condition.sentence}")

    def _forget_former_lives(self, known: dict[NodeId, Member], changed: Iterable[NodeId]) -> None:
        for node in changed:
            old, member = known.get(node), self.context.members[node]
            if old is not None and old.state == member.state and old.incarnation != member.incarnation:
                self.context.heartbeats.forget(node, self.context.now)

    def _look_at_room(self) -> None:
        context, address = self.context, self.settings.address
        full = context.room.turned()
        if full:
            context.tell("full", context.room.trouble(address, context.now), address, level="warning")
        elif full is not None:
            context.tell("room", f"{address} takes data again", address, level="info")

    # --- about this node -----------------------------------------------------------------------------------------

    def status(self) -> NodeStats:
        """Figures of this node; see :mod:`wrpme.core.stats.node_stats`."""
        process = self.context.process.stats()
        told = stats(self.context, self.table, self.voter, self.lifecycle, self.router, process)
        joining = len(self.voter.joining() | self.whereabouts.joining())
        room = self.context.room.trouble(self.settings.address, self.context.now)
        troubles = (*self.whereabouts.troubles, *self.own_disk.troubles, *([room] if room else []), *process.troubles)
        return msgspec.structs.replace(told, troubles=troubles, joining=joining, clocks=self._clocks.apart)

    def stats(self, now: float) -> str:
        """The same at the time ``now``, as JSON."""
        self.context.now = now
        return msgspec.json.encode(self.status()).decode()

    def measured(self, now: float) -> tuple[NodeStats, Measured]:
        """The figures at the time ``now``, and what is counted beside them."""
        self.context.now = now
        return self.status(), measured(self.context, self.table, self.router)

    def serves_something(self) -> bool:
        """Whether some entries would be answered here now."""
        now = self.context.now
        return any(now < replica.lease_until() for replica in self.table.mine)

    def view_for(self, number: int) -> ViewIs | None:
        """The answer to a request of that id for the view; None where there is none yet."""
        return ViewIs(number, self.context.me, public(self.view)) if self.view is not None else None

    @property
    def events(self) -> Sequence[ClusterEvent]:
        """What this node remembers, the oldest first."""
        return self.context.event_log.kept

    def serves(self, position: int, now: float) -> bool:
        """Whether this node would answer a ``get`` for that position now, from its own copy."""
        replica = self.table.at(position)
        return replica is not None and now < replica.lease_until()

    def story(self, alias: bytes) -> list[str]:
        """What this node knows of an entry, and what it lived through lately."""
        position = ring.position_of(self.view, alias)
        replica = self.table.at(position)
        lines = list(self.context.story)
        if replica is not None:
            key = key_of(position, alias)
            held, pending = replica.writes.current(key), replica.writes.overlay.get(key)
            lines.append(f"arc {replica.arc} role {replica.role.value} serving {replica.serving}")
            shown = (version_in(held), bytes(content_in(held)[:40])) if held else None
            lines.append(f"held {shown}, pending {pending is not None}")
        return lines

    def validate(self) -> None:
        """Raises AssertionError where the state contradicts itself."""
        lives = self.context.lives
        for replica in self.table.mine:
            replica.validate()
            assert lives or not replica.serving, "only a live member serves"
        self.sessions.validate()
        if self.view is not None:
            latest = self.view_sync.latest
            assert latest is not None and latest.epoch >= self.view.epoch, "a view is learnt, then adopted"
            views.validate(self.view)
