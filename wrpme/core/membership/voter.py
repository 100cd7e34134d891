"""The voter in a node: which changes are wanted, when to propose them, and the vote itself.

Any voter may propose; rank is only a delay, never a right. See docs/how-it-works.md, "Views" and "Who
is alive". The vote works also in a node that has restarted and is not back yet.
"""

from __future__ import annotations

from math import inf
from typing import TypeVar

from msgspec.structs import replace

from wrpme.core.context import NodeContext
from wrpme.core.health.failure_detector import far_pace
from wrpme.core.io import ComputeView, Outcome, ViewComputed
from wrpme.core.layout import ACCEPTOR_KEY
from wrpme.core.membership import batches, paxos, returns
from wrpme.core.membership import transitions as views
from wrpme.core.membership.paxos import AcceptorState, Proposer, is_quorum
from wrpme.core.limits import (
    EXPEL_LOOK_SECONDS, LOOK_SECONDS, MOVES_PER_VIEW_MAX, MOVING_ARCS_MAX, OUTCOMES_KEPT,
    RANK_SECONDS, REST_SECONDS, ROUND_TRIP_SECONDS_MAX, SILENCE_SECONDS, STOP_GATHER_SECONDS,
    SUSPECT_NOBODY_SECONDS, TICK_SECONDS, VIEW_GAP_SECONDS, VOTERS_MAX, CHANGE_REQUESTS_MAX,
)  # fmt: skip
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol.messages import Accept, Accepted, Body, FailureReport, Prepare, Promise, Rejected
from wrpme.protocol.view import (
    Back, Ballot, Change, Down, Elect, Expel, Forget, Join, Member, NodeId, Proposal, PutUser, State, View,
)  # fmt: skip
from wrpme.protocol.view_index import index_of

Moving = TypeVar("Moving", Join, Back)
URGENT = (Back, Down)
"""Changes that do not wait for a gap between views."""


def reasons(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Returns the changes without what only the proposer needed of them: the outcome travels beside."""
    return tuple(
        replace(change, marks=()) if isinstance(change, Back)
        else replace(change, choices=()) if isinstance(change, Forget)
        else replace(change, user=replace(change.user, passwords=())) if isinstance(change, PutUser) else change
        for change in changes
    )  # fmt: skip


def _gathering(change: Change) -> float:
    """Seconds that a change waits for others of its kind."""
    return STOP_GATHER_SECONDS if isinstance(change, Down) and change.planned else 0.0


class Voter:
    """See the module."""

    def __init__(self, context: NodeContext) -> None:
        self.context = context
        self.decided: Proposal | None = None
        """The view after the present one, as this node's own proposal decided it; the node takes it up."""
        raw = context.reader.get(ACCEPTOR_KEY)
        self.state = paxos.unpack(raw) if raw is not None else AcceptorState(0)
        self.due = context.now
        """When to look again."""
        self._requests: dict[Change, float] = {}
        """When each was asked for; the last word of each node that wants to join or return is in a place of its own."""
        self._stops: dict[Change, float] = {}
        """The same of deaths that the node itself told of."""
        self._suspects: dict[Change, float] = {}
        """Deaths that are sure enough now, and since when; not of whoever is heard again, nor while this node is late
        itself."""
        self._joins: dict[NodeId, tuple[Join, float]] = {}
        self._backs: dict[NodeId, tuple[Back, float]] = {}
        self._returns: returns.Returns | None = None
        self._checked: View | None = None
        self._unchecked: dict[Change, None] = {}
        """Of what waits that which came since all was checked against that view; no more than waits."""
        self._computing: tuple[Change, ...] = ()
        """The changes whose outcome is being computed; nothing else is proposed meanwhile."""
        self._computing_since = 0.0
        self._computed: dict[tuple[Change, ...], ViewComputed] = {}
        """The outcomes that are known of this epoch: none is computed twice."""
        self._rests_until = -inf
        """A proposer that is slow proposes less often: it rests three times as long as it computed."""
        self._failure_reports: dict[tuple[NodeId, int], dict[NodeId, float]] = {}
        self._began: dict[tuple[NodeId, int], float] = {}
        self._proposer: Proposer | None = None
        self._proposer_until = 0.0
        self._round = 0
        self._fruitless = 0
        """Proposals of this epoch that nothing came of in their time."""
        self._accepted_at = 0.0
        self._start = context.now
        self._voter_since: float | None = None
        self._last_view_at = context.now - VIEW_GAP_SECONDS
        self._looked_at = self._expelled_at = context.now

    @property
    def is_voter(self) -> bool:
        """Whether this node decides the next view."""
        view = self.context.view
        return view is not None and self.context.me in view.voters

    # --- what is wanted ------------------------------------------------------------------------------------------

    def request(self, change: Change) -> None:
        """Somebody asks for a change; void ones are passed over when their time comes."""
        self._look_soon()
        if isinstance(change, Join):
            self._note_last_word(self._joins, change)
        elif isinstance(change, Back):
            self._note_last_word(self._backs, change)
        else:
            requests = self._stops if isinstance(change, Down) else self._requests
            if len(requests) < CHANGE_REQUESTS_MAX and change not in requests:
                requests[change] = self.context.now
                self._unchecked[change] = None

    def _note_last_word(self, words: dict[NodeId, tuple[Moving, float]], change: Moving) -> None:
        """In the place of what the node said before, in this life or a former one."""
        known, since = words.get(change.node, (change, self.context.now))
        if known.incarnation <= change.incarnation and (change.node in words or len(words) < CHANGE_REQUESTS_MAX):
            words[change.node] = change, since if known.incarnation == change.incarnation else self.context.now
            if isinstance(change, Back):
                self._unchecked.pop(known, None)
                self._unchecked[change] = None

    def _look_soon(self) -> None:
        """Something came that concerns the voter; what comes soon after is looked at together with it."""
        self.due = min(self.due, max(self.context.now, self._looked_at + LOOK_SECONDS))

    @property
    def waiting(self) -> int:
        """How many changes were asked for and are neither decided nor void."""
        return len(self._requests) + len(self._stops) + len(self._joins) + len(self._backs)

    def joining(self) -> set[NodeId]:
        """Nodes that wait to become members."""
        return {node for node in self._joins if node not in self.context.members}

    def report_failure(self, source: NodeId, failure_report: FailureReport) -> None:
        """``source`` has had no sign of some members; those that it missed before and does not name are there again."""
        for life, by in self._failure_reports.items():
            if source in by and life not in failure_report.lives:
                del by[source]
        for life in failure_report.lives:
            if life[0] in self.context.members:
                self._look_soon()
                self._began.setdefault(life, self.context.now)
                self._failure_reports.setdefault(life, {})[source] = self.context.now

    @property
    def complained_of(self) -> set[NodeId]:
        """Whom this voter has to hear itself, as others miss them."""
        return {node for node, _ in self._failure_reports}

    @property
    def in_place(self) -> set[NodeId]:
        """Whom it has to hear as well: whose place somebody who returns would take."""
        found: set[NodeId] = set()
        if self.context.view is not None:
            holding = self._returns_to(self.context.view)
            for node in self._backs:
                if holding.arcs(node):
                    found.add(node)
                    found |= holding.companions(node)
        return found

    def _returns_to(self, view: View) -> returns.Returns:
        if self._returns is None or self._returns.view is not view:
            self._returns = returns.Returns(view)
        return self._returns

    def suspicions(self) -> list[Change]:
        """Deaths that the failure reports, and what this node sees itself, make sure enough to propose."""
        context, now = self.context, self.context.now
        pace = far_pace(len(context.members))
        for key, by in list(self._failure_reports.items()):
            fresh = {node: at for node, at in by.items() if now - at < SILENCE_SECONDS + pace and node in context.alive}
            if context.heartbeats.reaches(key[0], now):
                fresh.pop(context.me, None)
            if fresh:
                self._failure_reports[key] = fresh
            else:
                del self._failure_reports[key]
                self._began.pop(key, None)
        if now - self._start < SUSPECT_NOBODY_SECONDS or now < context.lateness.until or context.view is None:
            return []
        found: list[Change] = []
        for (node, incarnation), by in self._failure_reports.items():
            member = context.members.get(node)
            if member is None or member.state is State.DOWN or member.incarnation != incarnation or node == context.me:
                continue
            reached = context.heartbeats.reaches(node, now)
            age = now - self._began[node, incarnation]
            if reached is False or (reached is None and age >= context.heartbeats.patience(node)):
                found.append(Down(node, incarnation))
            elif reached and age >= LEASE_SECONDS + pace:  # longer than a single report counts: it was repeated
                found.append(self._worse(context.view, member, by))
        return found

    def _worse(self, view: View, accused: Member, by: dict[NodeId, float]) -> Change:
        """Of nodes that do not see each other the one with more failure reports, at a tie the junior."""
        pair = [accused, *(member for member in view.members if member.id in by)]

        def weight(member: Member) -> tuple[int, int, NodeId]:
            return len(self._failure_reports.get((member.id, member.incarnation), ())), member.joined, member.id

        worst = max(pair, key=weight)
        return Down(worst.id, worst.incarnation)

    def _expulsions(self, view: View) -> list[Change]:
        """Those who have been down for longer than the grace."""
        context = self.context
        if context.now - self._expelled_at < EXPEL_LOOK_SECONDS:
            return []
        self._expelled_at = context.now
        grace = context.settings.grace_seconds
        return [
            Expel(node, context.members[node].incarnation)
            for node in sorted(index_of(view).down)
            if context.now - context.down_since.get(node, context.now) >= grace
        ]

    def _candidate(self) -> Change | None:
        """A further voter, while there are fewer than there could be."""
        view = self.context.view
        if view is None or len(view.voters) >= VOTERS_MAX:
            return None
        for member in view.members:
            if member.state is State.UP and member.id not in view.voters:
                if self.context.known_epochs.get(member.id) == view.epoch:
                    return Elect(member.id)
        return None

    # --- proposing -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Considers what is wanted, if it is time to."""
        if self.context.now >= self.due:
            self.consider()

    def consider(self) -> None:
        """Proposes if something is wanted and it is this voter's time."""
        context, now = self.context, self.context.now
        view = context.view
        self._looked_at = now
        self.due = inf if view is None or not self.is_voter else now + REST_SECONDS
        if view is None or not self.is_voter:
            return
        self._consider(view)
        if self.waiting or self._failure_reports or self._proposer or self._undecided():
            self.due = min(self.due, now + TICK_SECONDS)

    def _consider(self, view: View) -> None:
        now = self.context.now
        if self._proposer is not None:
            if now < self._proposer_until:
                return
            self._proposer = None
            self._fruitless += 1
        if self._undecided() and now - self._accepted_at >= self._patience(view) * (1 + self._rank(view)):
            self._propose(view, None)
            return
        self._suspects = {change: self._suspects.get(change, now) for change in self.suspicions()}
        for change in self._expulsions(view):
            self.request(change)
        if self._computing:
            return
        changes = self._ripe(view)
        candidate = self._candidate()
        if candidate is not None:
            self.due = min(self.due, now + TICK_SECONDS)
            if not self._rank(view) and self._has_gap() and candidate not in changes:
                changes.append(candidate)
        if changes:
            self._compute(view, tuple(changes))

    def _has_gap(self) -> bool:
        """Whether changes that can wait have waited long enough since the last view; and since this node computed one,
        where that took long. The latter is a time of its own: views of others must not put it off for ever."""
        now = self.context.now
        return now >= self._rests_until and now - self._last_view_at >= VIEW_GAP_SECONDS

    def _ripe(self, view: View) -> list[Change]:
        """What goes into the next view, if it is this voter's time for anything; what is void is dropped."""
        delay = self._patience(view) * self._rank(view)
        self._drop_void(view)
        if not self._is_ripe(-inf, delay) or not (self._has_gap() or self._stops or self._suspects or self._backs):
            return []
        ripe = self._ripe_requests(delay)
        backs = [back for back, since in self._backs.values() if self._is_ripe(since, delay)]
        going = self._with_returns(view, ripe, backs) if backs else ripe
        if self._has_gap():
            return going + self._first_joins(view, delay, MOVES_PER_VIEW_MAX - sum(isinstance(c, Back) for c in going))
        return going if any(isinstance(change, URGENT) for change in going) else []

    def _ripe_requests(self, delay: float) -> list[Change]:
        """Of all that waits, and wants neither to join nor to return, that whose time it is."""
        wanted = {**self._requests, **self._stops, **self._suspects}
        ripe = [change for change, since in wanted.items() if self._is_ripe(since, delay + _gathering(change))]
        if any(_gathering(change) for change in ripe):
            ripe += [change for change in self._stops if _gathering(change) and change not in ripe]
        return ripe

    def _drop_void(self, view: View) -> None:
        """Each change is checked when it has come, and again with each view, which may have made it void."""
        unchecked, self._unchecked = self._unchecked, {}
        if self._checked is not view:
            self._checked = view
            unchecked = dict.fromkeys([*self._requests, *self._stops, *(back for back, _ in self._backs.values())])
        for change in unchecked:
            if not views.fits(view, change):
                self._requests.pop(change, None)
                self._stops.pop(change, None)
                if isinstance(change, Back) and self._backs.get(change.node, (None, 0.0))[0] == change:
                    del self._backs[change.node]

    def _is_ripe(self, since: float, delay: float) -> bool:
        """Whether it is this voter's time for what was asked for then. The rank counts anew from each view on: else
        what waits for long is proposed by all, and who has most to compute is always the last."""
        return not delay or self.context.now - max(since, self._last_view_at) >= delay

    def _first_joins(self, view: View, delay: float, room: int) -> list[Change]:
        """Those that asked first, as many as there is room for; the others wait, and are not looked at."""
        found: list[Change] = []
        if not self._joins or index_of(view).table.copied >= MOVING_ARCS_MAX:
            return found
        for node, (join, since) in list(self._joins.items()):
            if len(found) >= room:
                break
            if not views.fits(view, join):
                del self._joins[node]
            elif self._is_ripe(since, delay):
                found.append(join)
        return found

    def _with_returns(self, view: View, others: list[Change], backs: list[Back]) -> list[Change]:
        """The other changes with those that may return; and where somebody does, with the deaths that this makes sure
        of."""
        context, now = self.context, self.context.now
        heard = dict(context.heard)
        for back in backs:
            heard[back.node] = max(back.incarnation, heard.get(back.node, 0))
        since = self._start if self._voter_since is None else max(self._start, self._voter_since)
        # One that was late itself may have missed them.
        is_over = now - since >= SUSPECT_NOBODY_SECONDS and now >= context.lateness.until
        dead = returns.gone(view, heard, is_over)
        waited = now - min(self._backs[back.node][1] for back in backs) >= SUSPECT_NOBODY_SECONDS
        coming = frozenset(
            node
            for node in context.members
            if not waited and (context.is_returning(node) or context.heartbeats.reaches(node, now))
        )
        returns_to, down = self._returns_to(view), {change.node for change in dead}
        ready = returns_to.ready(backs, heard, down, coming)
        going = batches.first_returns(view, ready, down)
        returning = {back.node for back in going}
        if not going or any(
            change.node in view.voters and change.node not in returning and change.node in coming for change in dead
        ):  # a voter that has restarted comes back in the same view: down, it has no vote, and may be all that is there
            return others
        sure = (
            change
            for change in dead
            if change.node not in returning
            and change not in others
            and (change.node not in heard or returns_to.is_accounted(change.node, heard.keys(), down))
        )
        return [*others, *going, *sure]

    # --- computing what comes of it ------------------------------------------------------------------------------

    def _compute(self, view: View, changes: tuple[Change, ...]) -> None:
        """Asks for the outcome; one that is known is not computed again."""
        known = self._computed.get(changes)
        if known is not None:
            self._weigh(view, known)
            return
        self._computing, self._computing_since = changes, self.context.now
        self.context.outbox.effects.append(ComputeView(view, changes))

    def on_computed(self, computed: ViewComputed) -> None:
        """The outcome is there; it may have been overtaken by another view."""
        view = self.context.view
        if view is None or computed.epoch != view.epoch or computed.changes != self._computing:
            return
        self._rests_until = self.context.now + 3 * (self.context.now - self._computing_since)
        self._computing = ()
        if len(self._computed) >= OUTCOMES_KEPT:
            self._computed.clear()
        self._computed[computed.changes] = computed
        if self.is_voter and self._proposer is None:
            self._weigh(view, computed)

    def _weigh(self, view: View, computed: ViewComputed) -> None:
        """Proposes the outcome; but the last voters do not go while there are others to vote: those are elected
        first."""
        outcome, changes = computed.outcome, computed.changes
        if outcome is not None and self._loses_all_voters(outcome):
            kept: list[Change] = [change for change in changes if not isinstance(change, Down)]
            candidate = self._candidate()
            if candidate is not None and candidate not in kept:
                kept.append(candidate)
            if kept and tuple(kept) != changes:
                self._compute(view, tuple(kept))
                return
        if outcome is not None and self._can_vote(outcome.view):
            self._propose(view, Proposal(reasons(changes), outcome.patch, outcome.digest, self.context.me))

    @staticmethod
    def _loses_all_voters(outcome: Outcome) -> bool:
        alive = view_index.live(outcome.view)
        return bool(alive) and not alive.intersection(outcome.view.voters)

    def _can_vote(self, following: View) -> bool:
        """Whether the view after that one can be decided by those that are there, as far as this node sees."""
        context = self.context
        there = [
            voter
            for voter in following.voters
            if voter == context.me
            or context.is_returning(voter)
            or context.heartbeats.reaches(voter, context.now) is not False
        ]
        return is_quorum(following.voters, there)

    def _propose(self, view: View, value: Proposal | None) -> None:
        if value is None and not self._undecided():
            return
        context = self.context
        self._round = max(self._round, self.state.promised.round if self.state.epoch == view.epoch + 1 else 0) + 1
        ballot = Ballot(self._round, context.me, context.settings.incarnation)
        self._proposer = Proposer(view.epoch + 1, view.voters, ballot, value)
        self._proposer_until = context.now + self._patience(view) * (1 + self._rank(view))
        self._to_voters(view, self._proposer.opening())

    def _patience(self, view: View) -> float:
        """A vote takes two round trips, and the disks' time; a node that has restarted measures none before it is taken
        back, and finds out by votes that came to nothing."""
        found_out = min(RANK_SECONDS * 2.0**self._fruitless, RANK_SECONDS + 2 * ROUND_TRIP_SECONDS_MAX)
        return max(RANK_SECONDS + 2 * self.context.round_trip(view.voters), found_out)

    def _rank(self, view: View) -> int:
        """Voters before this one that seem to live."""
        before = view.voters[: view.voters.index(self.context.me)]
        return sum(self.context.heartbeats.reaches(node, self.context.now) is not False for node in before)

    def _undecided(self) -> bool:
        view = self.context.view
        return view is not None and self.state.epoch == view.epoch + 1 and self.state.accepted is not None

    def _to_voters(self, view: View, body: Prepare | Accept) -> None:
        for voter in view.voters:
            if voter == self.context.me:
                self.on_vote(voter, body)
            else:
                self.context.outbox.send(voter, body)

    # --- voting --------------------------------------------------------------------------------------------------

    def on_vote(self, source: NodeId, message: Prepare | Accept) -> None:
        """A proposer asks this acceptor. What it answers is on disk first."""
        context, view = self.context, self.context.view
        if view is None or message.epoch != view.epoch + 1 or context.me not in view.voters or context.disk.hung:
            return
        state = self.state if self.state.epoch == message.epoch else AcceptorState(message.epoch)
        if state.promised == paxos.SILENT:
            return
        answer: Promise | Accepted | Rejected
        if isinstance(message, Prepare):
            state, answer = paxos.prepare(state, message)
        else:
            state, answer = paxos.accept(state, message)
        if state != self.state:
            if state.accepted != self.state.accepted:
                self._accepted_at = context.now
            self.state = state
            context.commits.write([(ACCEPTOR_KEY, paxos.pack(state))], must_sync=True)
        context.commits.after_disk(lambda: self._tell(source, answer))

    def _tell(self, proposer: NodeId, answer: Promise | Accepted | Rejected) -> None:
        if proposer == self.context.me:
            self.on_answer(proposer, answer)
        else:
            self.context.outbox.send(proposer, answer)

    def on_answer(self, source: NodeId, answer: Promise | Accepted | Rejected) -> None:
        """An acceptor answers this proposer."""
        proposer, view = self._proposer, self.context.view
        if proposer is None or view is None or proposer.decided is not None:
            return
        second = proposer.answer(source, answer)
        if second is not None:
            self._to_voters(view, second)
        if proposer.rejected_by is not None:
            self._round = max(self._round, proposer.rejected_by.round)
        if proposer.decided is not None:
            self.decided = proposer.decided
        self._look_soon()

    def on_message(self, source: NodeId, body: Body) -> bool:
        """Takes what is for the voter; whether it was."""
        if isinstance(body, Prepare | Accept):
            self.on_vote(source, body)
        elif isinstance(body, Promise | Accepted | Rejected):
            self.on_answer(source, body)
        elif isinstance(body, FailureReport):
            self.report_failure(source, body)
        else:
            return False
        return True

    # --- views ---------------------------------------------------------------------------------------------------

    def adopt(self, view: View) -> None:
        """A new view: requests that it fulfilled are gone, and the instance of its epoch with them."""
        self._proposer = None
        self._computing = ()
        self._computed.clear()
        self.due = self.context.now
        self._round = self._fruitless = 0
        self._last_view_at = self.context.now
        self._failure_reports = {
            key: by
            for key, by in self._failure_reports.items()
            if key[0] in self.context.alive and self.context.members[key[0]].incarnation == key[1]
        }
        self._began = {key: at for key, at in self._began.items() if key in self._failure_reports}
        self._suspects.clear()
        if not self.is_voter:
            self._requests.clear()
            self._stops.clear()
            self._joins.clear()
            self._backs.clear()
            self._unchecked.clear()
            self._voter_since = None
        elif self._voter_since is None:
            self._voter_since = self.context.now
        if not self.context.lives:  # what it saw while it was cut off is held against nobody
            self._failure_reports.clear()
            self._began.clear()

    def sees_quorum(self, epoch: int) -> bool:
        """Whether a quorum of the voters is known to have the view of that epoch."""
        view = self.context.view
        return view is not None and is_quorum(
            view.voters, {node for node, known in self.context.known_epochs.items() if known >= epoch}
        )
