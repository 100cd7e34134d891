"""One node, whole: events and the time in, effects out. It ties the parts together and knows no I/O.

The order of effects is the order in which the runner carries them out. Nothing here says a word to another node or a
client that depends on something that is not on disk yet: that waits in :class:`wrpme.core.context.Ground`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

import msgspec

from wrpme.core.admin import Admin
from wrpme.core.clocks import Clocks
from wrpme.core.context import Ground, Origin
from wrpme.core.io import (
    Adopted, ClockJumped, Effect, Event, Exit, Facts, LinkDown, LinkUp, NotSent, Persisted, PersistFailed, Reader,
    Received, Requested, SessionClosed, Settings, StopAsked, Tell, TurnEnded, ViewComputed, Woken,
)  # fmt: skip
from wrpme.core.layout import content_in, hash_in, key_of, version_in
from wrpme.core.membership import transitions as views
from wrpme.core.membership.admission import Admission
from wrpme.core.membership.lifecycle import Life
from wrpme.core.membership.view_sync import Spread
from wrpme.core.membership.voter import Council
from wrpme.core.membership.whereabouts import Whereabouts
from wrpme.core.node_stats import figures
from wrpme.core.own_disk import OwnDisk
from wrpme.core.replication.replica_table import Table
from wrpme.core.router import Router
from wrpme.core.self_check import Health
from wrpme.core.slot_counts import Tally
from wrpme.errors import UnstableError
from wrpme.limits import ANSWERS_BYTES_MAX, ASK_SECONDS, LATE_SECONDS, REPLICATION_USUAL, TICK_SECONDS
from wrpme.protocol import ring
from wrpme.protocol.events import Happening
from wrpme.protocol.identities import Here, Refused, Where
from wrpme.protocol.messages import (
    AskView, Beacon, BeaconAck, Committed, Complaint, Count, Envelope, ForgetNode, Forward, Forwarded, GetConfig,
    GetHoldings, GetStatus, GetTail, LeaveNode, NextView, PrefixScan, Recover, RemoveAll, Report, Request, StopNode,
    StreamAcks, Streams, Tail, VerifyArc, ViewIs, WholeView,
)  # fmt: skip
from wrpme.protocol.stats import Figures
from wrpme.protocol.view import Back, Down, Join, Member, NodeId, View

_HOT = {Forward, Forwarded, Streams, StreamAcks}
_BEATS = {Beacon, BeaconAck}
"""What comes from each neighbour all the time, and gives nothing to do."""
_OF_ANY_HIVE = {Where, Here, Refused}
_LOGGED = {
    "joined", "back", "restarted", "stopped", "down", "leaving", "left", "expelled", "forgotten", "recovered",
}  # fmt: skip
"""What happens to the hive and is worth a line of the log."""
_OF_THIS_LIFE = (Beacon, BeaconAck, GetTail, Tail, Committed, Streams, StreamAcks, Complaint)
"""Bodies that count only from the very incarnation that the view has."""


class Node:
    """``tally`` is that of the reader, if somebody has it. ``wall_offset_milliseconds`` is set by the runner: the wall
    clock in milliseconds less 1000 x ``now``; and ``facts``, which gives what only the process knows."""

    def __init__(self, settings: Settings, reader: Reader, now: float, tally: Tally | None = None) -> None:
        self.settings = settings
        self.ground = Ground(settings, reader, now, tally)
        self.table = Table(self.ground)
        self.life = Life(self.ground)
        self.whereabouts = Whereabouts(self.ground, self._on_proven, self._on_moved)
        self.spread = Spread(self.ground, self.life, self.whereabouts, self._adopt)
        self.health = Health(self.ground)
        self.own_disk = OwnDisk(self.ground, self.spread, self.table)
        self.council = Council(self.ground, self.spread.decided)
        self.admission = Admission(self.ground, self.life, self.spread, self.council, self.whereabouts)
        self.admin = Admin(self.ground, self.life, self.council, self.spread, self.status)
        local: dict[type[Any], Callable[[Origin, Any], None]] = {
            Count: self.table.count,
            PrefixScan: self.table.prefix_scan,
            RemoveAll: self.table.remove_all,
            VerifyArc: self.table.verify_arc,
            GetStatus: self.admin.get_status,
            GetHoldings: self.table.holdings,
            GetConfig: self.admin.get_config,
            StopNode: self.admin.stop_node,
            LeaveNode: self.admin.leave_node,
            ForgetNode: self.admin.forget_node,
            Recover: self.admin.recover,
        }
        self.router = Router(self.ground, self.table, self.life.not_serving, self.life.quorum, local)
        self.ground.quorum = self.life.lasting_loss
        self.facts: Callable[[], Facts] = Facts
        self.room_for_answers: Callable[[], int] = lambda: ANSWERS_BYTES_MAX
        """How many bytes of large answers may wait beside those that do; set by the runner."""
        self.ground.room_for_answers = lambda: self.room_for_answers()
        self.wake_at = now
        self._again_at = now
        self._clocks = Clocks(self.ground)
        self._early_beacons: dict[NodeId, Envelope] = {}
        self._neighbours: set[NodeId] = set()

    @property
    def view(self) -> View | None:
        """The view that this node has adopted."""
        return self.ground.view

    @property
    def wall_offset_milliseconds(self) -> float:
        """See the class."""
        return self.ground.wall_offset_milliseconds

    @wall_offset_milliseconds.setter
    def wall_offset_milliseconds(self, offset: float) -> None:
        self.ground.wall_offset_milliseconds = offset

    # --- events --------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Effect]:
        """Before any event: takes up the view on disk, or founds a hive."""
        self.ground.now = now
        if self.spread.start():
            if refusal := self.admission.wrong_replication(self.settings.replication):
                self.ground.say("warning", f"{refusal}; this node goes on with what its hive keeps")
        elif self.settings.new_hive:
            settings = self.settings
            view = views.found(
                settings.new_hive, settings.id, settings.incarnation, settings.address,
                settings.replication or REPLICATION_USUAL,
            )  # fmt: skip
            self.ground.say("info", f"founding hive {settings.new_hive.hex()[:8]}")
            self.spread.learn(view)
            copies = "1 copy" if view.replication == 1 else f"{view.replication} copies"
            words = f"{settings.address} founds the hive, which keeps {copies} of each entry"
            wall, address = self.ground.wall(), settings.address
            founded = self.ground.chronicle.note(wall, "founded", view.epoch, address, words, hive=True)
            self.ground.effects.append(Tell(founded))
        self._tick()
        return self._finish()

    def request(self, session: int, request: Request, now: float) -> list[Effect]:
        """A client's request: the hot path."""
        ground = self.ground
        ground.now = now
        self.router.request(session, request)
        effects, ground.effects = ground.effects, []
        return effects

    def handle(self, event: Event, now: float) -> list[Effect]:
        """One event at the time ``now``, which never goes back; gives the effects in order."""
        ground, view = self.ground, self.view
        ground.now = now
        if now - ground.beacons.due > LATE_SECONDS:
            self.health.be_late(now - ground.beacons.due)
        if isinstance(event, TurnEnded):
            if ground.at_once:
                ground.latency.add(ground.now - event.since, ground.at_once)
                ground.at_once = 0
            self.table.end_turn(ground.disk_is_free)  # before the disk: what is acknowledged was handed to every copy
            ground.flush()
        elif isinstance(event, Persisted):
            if ground.quiet or ground.hangs:
                self.own_disk.goes_on()
            ground.on_persisted(event.batch)
            self.table.settle()
        elif isinstance(event, Received):
            self._receive(event.session, event.envelope)
        elif isinstance(event, Requested):
            self.router.request(event.session, event.request)
        elif isinstance(event, Woken):
            self._tick()
        elif isinstance(event, LinkUp):
            ground.linked[event.address] = True
            ground.link_troubles.pop(event.address, None)
            self.life.on_link_up()
            self._on_link(event.address)
            self.whereabouts.on_link(event.address, True)
        elif isinstance(event, LinkDown):
            was_up = ground.linked.get(event.address, False)
            ground.linked[event.address] = False
            ground.link_troubles[event.address] = event.reason
            self.router.on_link_down(event.address, was_up)
            self.life.on_link_down(event.address, event.reason)
            self._on_link(event.address)
            self.whereabouts.on_link(event.address, False)
        elif isinstance(event, ViewComputed):
            self.council.on_computed(event)
        elif isinstance(event, NotSent):
            self.router.on_not_sent(event.envelope)
        elif isinstance(event, StopAsked):
            self.life.stop()
            self._tick()
        elif isinstance(event, ClockJumped):
            self.health.void_leases(event.seconds)
        elif isinstance(event, PersistFailed):
            if ground.lives:  # the others need not find out
                ground.reports.append(Down(ground.me, self.settings.incarnation, planned=True))
                self._send_reports()
            refused = f"the disk refused to take a write ({event.reason}); this node stops"
            ground.effects.append(Exit(1, f"{refused}, and nothing acknowledged is lost"))
        elif not isinstance(event, SessionClosed):
            raise AssertionError(f"unknown event {event!r}")
        if ground.reports or self.view is not view:
            return self._finish()
        said = type(event.envelope.body) if isinstance(event, Received) else None
        if said in _HOT or isinstance(event, TurnEnded | Persisted):
            is_at_rest = said not in _HOT and ground.idle and not ground.touched and not self.router.waits
            return self._finish_hot(inf if is_at_rest else ground.now + TICK_SECONDS)
        return self._finish_hot(ground.beacons.due) if said in _BEATS else self._finish()

    def _finish_hot(self, wake_at: float) -> list[Effect]:
        """After what happens all the time, and concerns no voter: these look at the next tick."""
        ground = self.ground
        ground.flush_messages()
        self.wake_at = min(self.wake_at, wake_at)
        effects, ground.effects = ground.effects, []
        return effects

    def _finish(self) -> list[Effect]:
        """Reports to the voters, and when to be woken."""
        ground = self.ground
        if ground.reports:
            self._send_reports()
        due = min(ground.beacons.due, self.table.sweep.due)
        if not ground.hangs:  # a proposal needs this node's own vote, and that its disk
            self.council.look()
            due = min(due, self.council.due)
        ground.flush_messages()
        silent_at = ground.beacons.silent_at(ground.now)
        parts = self.life, self.table, self.whereabouts, self.own_disk
        if silent_at <= ground.now or self.router.waits or any(part.busy for part in parts):
            due = min(due, ground.now + TICK_SECONDS)
        self.wake_at = min(due, silent_at if silent_at > ground.now else inf)
        effects, ground.effects = ground.effects, []
        return effects

    def _send_reports(self) -> None:
        ground = self.ground
        reports, ground.reports = tuple(dict.fromkeys(ground.reports)), []
        for voter in ground.view.voters if ground.view else ():
            if voter == ground.me:
                for change in reports:
                    self.council.wish(change)
            else:
                ground.send(voter, Report(reports))

    def _on_link(self, address: str) -> None:
        for node, at in self.ground.routes.items():
            if at == address:
                self.ground.on_answered(node)  # or never will be: what was on its way may be lost
                self.table.on_link(node)

    def _on_moved(self, node: NodeId, former: str) -> None:
        """A node is proven to be elsewhere: what was sent to where it was is lost."""
        self.router.on_moved(node)
        self.ground.on_answered(node)
        self.table.on_link(node)
        now = self.ground.address_of(node)
        self.ground.say("info", f"node {node.hex()[:8]}, which was at {former}, is at {now} now")

    def _on_proven(self, wish: Join | Back) -> None:
        """A life that asked to be taken in is proven."""
        if self.council.is_voter:
            self.council.wish(wish)

    # --- time ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        ground, now = self.ground, self.ground.now
        again = now >= self._again_at
        if again:
            self._again_at = now + ASK_SECONDS + ground.round_trip(ground.beacons.neighbours)
        if ground.view is not None:
            self._watch()
            self.own_disk.tick(again)
            for node in ground.beacons.beacon(now):
                if not ground.quiet:
                    ground.send(node, Beacon(now))
            if again and not ground.quiet and now >= ground.late_until:
                self.health.note_silence()
                if ground.lives:
                    self._complain()
            if again:
                self._clocks.look()
        self.table.tick(again)
        self.router.tick()
        self.whereabouts.tick()
        self.life.voters.note()
        if self.life.voters.since < inf:
            self.whereabouts.look_around()
        quorum_has_view = ground.view is not None and self.council.sees_quorum(ground.view.epoch)
        self.life.tick(quorum_has_view, self.table.settled and not self.router.waits)
        if ground.view is None:
            ground.beacons.due = inf

    def _watch(self) -> None:
        """The neighbours, and whom the council has to look at."""
        assert self.view is not None
        wanted = self._neighbours | self.council.looks_at
        if self.life.voters.missing():  # whoever may have to recover the hive looks for all that are left
            wanted.update(self.ground.members)
        wanted.discard(self.ground.me)
        if sorted(wanted) != self.ground.beacons.neighbours:
            self.ground.beacons.watch(wanted, self.ground.now)

    def neighbours(self) -> set[NodeId]:
        """Nodes this one shares an arc with, its predecessor and successor in the order of ids, and the voters: without
        them nothing can be decided."""
        ground, view = self.ground, self.ground.view
        if view is None:
            return set()
        found = (self.life.sharers(view) & ground.alive) | set(view.voters)
        ids = sorted(ground.alive | {ground.me})
        at = ids.index(ground.me)
        found |= {ids[at - 1], ids[(at + 1) % len(ids)]}
        return found - {ground.me}

    def _complain(self) -> None:
        ground, view = self.ground, self.ground.view
        assert view is not None
        silent = set(ground.beacons.silent(ground.now))
        silent |= {copy.node for copy in self.table.copies() if copy.stalled()}
        complaint = Complaint(tuple((node, ground.members[node].incarnation) for node in sorted(silent & ground.alive)))
        for voter in view.voters if complaint.lives else ():
            if voter == ground.me:
                self.council.complain(ground.me, complaint)
            else:
                ground.send(voter, complaint)

    # --- messages of other nodes ---------------------------------------------------------------------------------

    def _receive(self, session: int, envelope: Envelope) -> None:
        ground, source, body = self.ground, envelope.source, envelope.body
        if type(body) in _OF_ANY_HIVE:
            self.admission.on_identity(session, envelope)
            return
        if not self.spread.listens(session, envelope):
            self._decline(session, envelope)
            return
        view = self.view
        member = ground.members.get(source)
        late = member is not None and envelope.incarnation < member.incarnation
        if envelope.epoch and isinstance(body, WholeView | NextView) and not late:
            self.spread.on_view(source, body)
        if view is not None and member is not None:
            if envelope.incarnation != member.incarnation and not self.whereabouts.admits(session, envelope, member):
                if isinstance(body, Report) and not late:
                    self.admission.on_report(session, envelope, body)
                self._decline(session, envelope)
                return
            if type(body) not in _HOT:
                self._note_life(envelope, member)
            if envelope.epoch > ground.known_epochs.get(source, 0):
                ground.known_epochs[source] = envelope.epoch
                self.table.on_epoch()
            self.spread.compare_epochs(source, envelope.epoch)
            if isinstance(body, _OF_THIS_LIFE) and envelope.incarnation != member.incarnation:
                return
            if isinstance(body, AskView | WholeView) and envelope.incarnation == member.incarnation:
                ground.beacons.answered(source, ground.now)
        else:
            self.spread.answer_stranger(session, envelope)
            if not isinstance(body, Report):
                self._decline(session, envelope)
                return
        self._on_body(source, session, envelope)

    def _decline(self, session: int, envelope: Envelope) -> None:
        """What is not listened to is not carried out; who passed a request on is told, as somebody waits for it."""
        if isinstance(envelope.body, Forward):
            changes = UnstableError("the hive is changing; nothing was changed, try again")
            self.ground.fail((session, envelope.source, 0), envelope.body.request.id, changes)

    def _note_life(self, envelope: Envelope, member: Member) -> None:
        """A member is there, in that life, which is the one of the view, or proven."""
        ground, source = self.ground, envelope.source
        ground.heard_at[source] = ground.now
        if ground.heard.get(source, -1) < envelope.incarnation:
            ground.heard[source] = envelope.incarnation
        if envelope.incarnation > member.incarnation:
            ground.returning[source] = ground.now

    def _on_body(self, source: NodeId, session: int, envelope: Envelope) -> None:
        ground, body = self.ground, envelope.body
        if isinstance(body, Forward):
            self.router.request((session, source, body.room), body.request)
        elif isinstance(body, Forwarded):
            self.router.on_forwarded(source, body)
        elif isinstance(body, Streams):
            for stream in body.streams:
                self.table.on_stream(source, stream)
            ground.owe_answer(source)
        elif isinstance(body, StreamAcks):
            ground.on_answered(source)
            ground.acknowledged_at[source] = ground.now
            for ack in body.acks:
                self.table.on_ack(source, ack)
        elif isinstance(body, Beacon):
            self._early_beacons[source] = envelope
            self._answer_beacons()
        elif isinstance(body, BeaconAck):
            if body.incarnation == self.settings.incarnation:
                ground.beacons.acknowledged(source, body.sent, ground.now)
                ground.note_round_trip(source, ground.now - body.sent)
                self._clocks.heard(source, body.wall, body.sent)
        elif isinstance(body, AskView):
            if self.view is not None and not ground.silent:
                self.spread.tell(source, 0 if body.whole else envelope.epoch)
        elif isinstance(body, Report):
            self.admission.on_report(session, envelope, body)
        elif isinstance(body, GetTail | Tail | Committed):
            self._on_activation(source, body)
        else:
            self.council.on_message(source, body)

    def _answer_beacons(self) -> None:
        """Only at equal epochs; one that came before this node had adopted its view is answered when it has."""
        ground, view = self.ground, self.view
        assert view is not None
        if ground.silent:
            return
        for source, envelope in list(self._early_beacons.items()):
            if envelope.epoch > view.epoch:
                continue
            del self._early_beacons[source]
            if envelope.epoch == view.epoch and isinstance(envelope.body, Beacon):
                ground.beacons.promise(source, ground.now)
                ground.send(source, BeaconAck(envelope.body.sent, envelope.incarnation, int(ground.wall())))

    def _on_activation(self, source: NodeId, body: GetTail | Tail | Committed) -> None:
        replica = self.table.ending(body.end)
        if replica is None:
            return
        if isinstance(body, Tail):
            replica.on_tail(source, body)
        elif isinstance(body, Committed):
            replica.on_committed(source, body)
        else:
            replica.hand_over(body.after)

    # --- views ---------------------------------------------------------------------------------------------------

    def _adopt(self, before: View | None, view: View, tell: bool) -> None:
        ground, known, patch = self.ground, self.ground.members, self.spread.patch
        ground.adopt(view, patch)
        ground.effects.append(Adopted(view.epoch))
        self._tell_changes(before, view)
        self._forget_former_lives(known, [member.id for member in patch.members] if patch is not None else ())
        self.whereabouts.adopt(before)
        self.council.adopt(view)
        self._neighbours = self.neighbours()
        self._watch()
        ground.beacons.due = ground.now
        for node in patch.left if patch is not None else ():
            self._early_beacons.pop(node, None)
        self._answer_beacons()
        if tell:
            self.spread.tell_all(before, view)
        self.life.adopt(view)
        self.table.adopt(view, patch)
        self.router.adopt(self.spread.stopping(view))

    def _tell_changes(self, before: View | None, view: View) -> None:
        """To those who watch, and the log."""
        ground, chronicle = self.ground, self.ground.chronicle
        former, proposal = chronicle.condition, self.spread.proposal_of(view)
        for happening in chronicle.adopt(before, view, self.spread.patch, proposal, ground.now, ground.wall()):
            ground.effects.append(Tell(happening))
            if happening.kind in _LOGGED:
                ground.say("info", f"view {view.epoch}: {happening.sentence}")
        condition = chronicle.condition
        if before is None and not ground.lives:  # the view on its disk: what has become of the hive since, it asks now
            ground.say("info", f"view {view.epoch}, of {len(view.members)} nodes, is the last that this node knew")
        elif condition != former:
            ground.say("info", f"view {view.epoch}: the hive is {condition.word}: {condition.sentence}")

    def _forget_former_lives(self, known: dict[NodeId, Member], changed: Iterable[NodeId]) -> None:
        for node in changed:
            old, member = known.get(node), self.ground.members[node]
            if old is not None and old.state == member.state and old.incarnation != member.incarnation:
                self.ground.beacons.forget(node, self.ground.now)

    # --- about this node -----------------------------------------------------------------------------------------

    def status(self) -> Figures:
        """Figures of this node; see :mod:`wrpme.core.node_stats`."""
        told = figures(self.ground, self.table, self.council, self.life, self.router, self.facts())
        joining = len(self.council.joining() | self.whereabouts.joining())
        troubles = (*self.whereabouts.troubles, *self.own_disk.troubles)
        return msgspec.structs.replace(told, troubles=troubles, joining=joining, clocks=self._clocks.apart)

    def figures(self, now: float) -> str:
        """The same at the time ``now``, as JSON."""
        self.ground.now = now
        return msgspec.json.encode(self.status()).decode()

    def view_for(self, number: int) -> ViewIs | None:
        """The answer to a request of that id for the view; None where there is none yet."""
        return ViewIs(number, self.ground.me, self.view) if self.view is not None else None

    @property
    def happenings(self) -> Sequence[Happening]:
        """What this node remembers, the oldest first."""
        return self.ground.chronicle.kept

    def serves(self, position: int, now: float) -> bool:
        """Whether this node would answer a ``get`` for that position now, from its own copy."""
        replica = self.table.at(position)
        return replica is not None and now < replica.lease_until()

    def story(self, alias: str) -> list[str]:
        """What this node knows of an entry, and what it lived through lately."""
        position = ring.hash_of(alias)
        replica = self.table.at(position)
        lines = list(self.ground.story)
        if replica is not None:
            key = key_of(position, alias.encode())
            held, pending = replica.current(key), replica.shadow.get(key)
            lines.append(f"arc {replica.arc} role {replica.role.value} serving {replica.serving}")
            shown = (version_in(held), bytes(content_in(held)[:40])) if held else None
            lines.append(f"held {shown}, pending {pending is not None}")
        return lines

    def validate(self) -> None:
        """Raises AssertionError where the state contradicts itself."""
        for replica in self.table.mine:
            replica.validate()
            assert hash_in(replica.low) == replica.first, "an arc begins where the one before ends"
            assert not replica.serving or self.ground.lives, "only a live member serves"
        if self.view is not None:
            latest = self.spread.latest
            assert latest is not None and latest.epoch >= self.view.epoch, "a view is learnt, then adopted"
            views.validate(self.view)
