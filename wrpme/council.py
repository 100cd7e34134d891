"""The voter in a node: which changes are wanted, when to propose them, and the vote itself.

Any voter may propose; rank is only a delay, never a right. See docs/how-it-works.md, "Views" and "Who
is alive". The vote works also in a node that has restarted and is not back yet.
"""

from __future__ import annotations

from collections.abc import Callable

from wrpme import consensus, returns
from wrpme import view as views
from wrpme.consensus import AcceptorState, Proposer, is_quorum
from wrpme.entries import ACCEPTOR_KEY
from wrpme.ground import Ground
from wrpme.limits import (
    BEACON_SECONDS, EXPEL_LOOK_SECONDS, LEASE_SECONDS, RANK_SECONDS, ROUND_TRIP_SECONDS_MAX, SILENCE_SECONDS,
    STOP_GATHER_SECONDS, SUSPECT_NOBODY_SECONDS, VIEW_GAP_SECONDS, VOTERS_MAX, WISHES_MAX,
)  # fmt: skip
from wrpme.messages import Accept, Accepted, Body, Complaint, Prepare, Promise, Rejected
from wrpme.picture import Back, Ballot, Change, Down, Elect, Expel, Join, Member, NodeId, Proposal, State, View

URGENT = (Back, Down)
"""Changes that do not wait for a gap between views."""


def _gathering(change: Change) -> float:
    """Seconds that a change waits for others of its kind."""
    return STOP_GATHER_SECONDS if isinstance(change, Down) and change.planned else 0.0


class Council:
    """See the module."""

    def __init__(self, ground: Ground, decided: Callable[[Proposal], None]) -> None:
        self.ground = ground
        self._decided = decided
        raw = ground.reader.get(ACCEPTOR_KEY)
        self.state = consensus.unpack(raw) if raw is not None else AcceptorState(0)
        self._wishes: dict[Change, float] = {}
        self._complaints: dict[tuple[NodeId, int], dict[NodeId, float]] = {}
        self._began: dict[tuple[NodeId, int], float] = {}
        self._proposer: Proposer | None = None
        self._proposer_until = 0.0
        self._round = 0
        self._fruitless = 0
        """Proposals of this epoch that nothing came of in their time."""
        self._accepted_at = 0.0
        self._start = ground.now
        self._voter_since: float | None = None
        self._last_view_at = ground.now - VIEW_GAP_SECONDS
        self._looked_at = ground.now

    @property
    def is_voter(self) -> bool:
        """Whether this node decides the next view."""
        view = self.ground.view
        return view is not None and self.ground.me in view.voters

    @property
    def busy(self) -> bool:
        """Something here waits for time to pass."""
        return self.is_voter and bool(
            self._wishes or self._complaints or self._proposer or self._undecided() or self._candidate() is not None
        )

    # --- what is wanted ------------------------------------------------------------------------------------------

    def wish(self, change: Change) -> None:
        """Somebody asks for a change; void ones are passed over when their time comes."""
        since = self.ground.now
        if isinstance(change, Back):  # the last word of a node that asks again and again
            for known in [known for known in self._wishes if isinstance(known, Back) and known.node == change.node]:
                if known.incarnation > change.incarnation:
                    return
                if known.incarnation == change.incarnation:
                    since = self._wishes[known]
                del self._wishes[known]
        if len(self._wishes) < WISHES_MAX:
            self._wishes.setdefault(change, since)

    def joining(self) -> set[NodeId]:
        """Nodes that wait to become members."""
        return {wish.node for wish in self._wishes if isinstance(wish, Join) and wish.node not in self.ground.members}

    def complain(self, source: NodeId, complaint: Complaint) -> None:
        """``source`` has had no sign of a node."""
        key = (complaint.node, complaint.incarnation)
        view = self.ground.view
        if view is None or views.member(view, complaint.node) is None:
            return
        self._began.setdefault(key, self.ground.now)
        self._complaints.setdefault(key, {})[source] = self.ground.now

    @property
    def looks_at(self) -> set[NodeId]:
        """Whom this voter has to hear itself: those complained of, and whose place somebody who returns would take."""
        found = {node for node, _ in self._complaints}
        view = self.ground.view
        returning = {change.node for change in self._wishes if isinstance(change, Back)}
        if view is not None and returning:
            for arc in view.arcs:
                if returning.intersection(arc.holders):
                    found.update(arc.holders)
        return found

    def suspicions(self) -> list[Change]:
        """Deaths that the complaints, and what this node sees itself, make sure enough to propose."""
        ground, now = self.ground, self.ground.now
        for key, by in list(self._complaints.items()):
            fresh = {node: at for node, at in by.items() if now - at < SILENCE_SECONDS and node in ground.alive}
            if ground.beacons.reaches(key[0], now):
                fresh.pop(ground.me, None)
            if fresh:
                self._complaints[key] = fresh
            else:
                del self._complaints[key]
                self._began.pop(key, None)
        if now - self._start < SUSPECT_NOBODY_SECONDS or now < ground.late_until or ground.view is None:
            return []
        found: list[Change] = []
        for (node, incarnation), by in self._complaints.items():
            member = views.member(ground.view, node)
            if member is None or member.state is State.DOWN or member.incarnation != incarnation or node == ground.me:
                continue
            reached = ground.beacons.reaches(node, now)
            age = now - self._began[node, incarnation]
            if reached is False or (reached is None and age >= BEACON_SECONDS):
                found.append(Down(node, incarnation))
            elif reached and age >= LEASE_SECONDS:
                found.append(self._worse(ground.view, member, by))
        return found

    def _worse(self, view: View, accused: Member, by: dict[NodeId, float]) -> Change:
        """Of nodes that do not see each other the one with more complaints, at a tie the junior."""
        pair = [accused, *(member for member in view.members if member.id in by)]

        def weight(member: Member) -> tuple[int, int, NodeId]:
            return len(self._complaints.get((member.id, member.incarnation), ())), member.joined, member.id

        worst = max(pair, key=weight)
        return Down(worst.id, worst.incarnation)

    def _expulsions(self, view: View) -> list[Change]:
        """Those who have been down for longer than the grace."""
        ground = self.ground
        if ground.now - self._looked_at < EXPEL_LOOK_SECONDS:
            return []
        self._looked_at = ground.now
        grace = ground.settings.grace_seconds
        return [
            Expel(member.id, member.incarnation)
            for member in view.members
            if member.state is State.DOWN and ground.now - ground.down_since.get(member.id, ground.now) >= grace
        ]

    def _candidate(self) -> Change | None:
        """A further voter, while there are fewer than there could be."""
        view = self.ground.view
        if view is None or len(view.voters) >= VOTERS_MAX:
            return None
        for member in view.members:
            if member.state is State.UP and member.id not in view.voters:
                if self.ground.known_epochs.get(member.id) == view.epoch:
                    return Elect(member.id)
        return None

    # --- proposing -----------------------------------------------------------------------------------------------

    def consider(self) -> None:
        """Proposes if something is wanted and it is this voter's time."""
        ground, now = self.ground, self.ground.now
        view = ground.view
        if view is None or not self.is_voter:
            return
        if self._proposer is not None:
            if now < self._proposer_until:
                return
            self._proposer = None
            self._fruitless += 1
        if self._undecided() and now - self._accepted_at >= self._patience(view) * (1 + self._rank(view)):
            self._propose(view, None)
            return
        for change in [*self.suspicions(), *self._expulsions(view)]:
            self.wish(change)
        rank, patience = self._rank(view), self._patience(view)
        ripe = [
            change for change, since in self._wishes.items() if now - since >= patience * rank + _gathering(change)
        ]
        if any(_gathering(change) for change in ripe):
            ripe += [change for change in self._wishes if _gathering(change) and change not in ripe]
        gap = now - self._last_view_at >= VIEW_GAP_SECONDS
        if not gap:
            ripe = ripe if any(isinstance(change, URGENT) for change in ripe) else []
        for change in [change for change in ripe if not views.fits(view, change)]:
            ripe.remove(change)
            del self._wishes[change]
        ripe = self._with_returns(view, ripe)
        candidate = self._candidate() if gap and not rank else None
        if candidate is not None and candidate not in ripe:
            ripe.append(candidate)
        if ripe:
            self._propose(view, self._proposal(view, ripe))

    def _with_returns(self, view: View, changes: list[Change]) -> list[Change]:
        """Without those that may not return yet; and where somebody does, with the deaths that this makes sure of."""
        backs = [change for change in changes if isinstance(change, Back)]
        if not backs:
            return changes
        ground, now = self.ground, self.ground.now
        heard = dict(ground.heard)
        for back in backs:
            heard[back.node] = max(back.incarnation, heard.get(back.node, 0))
        since = self._start if self._voter_since is None else max(self._start, self._voter_since)
        dead = returns.gone(view, heard, now - since >= SUSPECT_NOBODY_SECONDS)
        waited = now - min(self._wishes.get(back, now) for back in backs) >= SUSPECT_NOBODY_SECONDS

        def is_coming(node: NodeId) -> bool:
            member = ground.members.get(node)
            if waited or member is None:
                return False
            return ground.is_returning(node) or bool(ground.beacons.reaches(node, now))

        going = returns.ready(view, backs, heard, {change.node for change in dead}, is_coming)
        others: list[Change] = [change for change in changes if not isinstance(change, Back)]
        returning = {back.node for back in going}
        if not going or any(
            change.node in view.voters and change.node not in returning and is_coming(change.node) for change in dead
        ):  # a voter that has restarted comes back in the same view: down, it has no vote, and may be all that is there
            return others
        return [*others, *going, *(change for change in dead if change.node not in returning and change not in others)]

    def _proposal(self, view: View, changes: list[Change]) -> Proposal | None:
        """All at once; but the last voters do not go while there are others to vote: those are elected first."""
        made = views.next_view(view, changes)
        if made is not None and not views.live(made[0]).intersection(made[0].voters):
            if views.live(made[0]):
                changes = [change for change in changes if not isinstance(change, Down)]
                candidate = self._candidate()
                if candidate is not None and candidate not in changes:
                    changes.append(candidate)
                made = views.next_view(view, changes)
        if made is None or not self._can_vote(made[0]):
            return None
        following, patch = made
        return Proposal(tuple(changes), patch, views.digest(following), self.ground.me)

    def _can_vote(self, following: View) -> bool:
        """Whether the view after that one can be decided by those that are there, as far as this node sees."""
        ground = self.ground
        there = [
            voter
            for voter in following.voters
            if voter == ground.me
            or ground.is_returning(voter)
            or ground.beacons.reaches(voter, ground.now) is not False
        ]
        return is_quorum(following.voters, there)

    def _propose(self, view: View, value: Proposal | None) -> None:
        if value is None and not self._undecided():
            return
        ground = self.ground
        self._round = max(self._round, self.state.promised.round if self.state.epoch == view.epoch + 1 else 0) + 1
        ballot = Ballot(self._round, ground.me, ground.settings.incarnation)
        self._proposer = Proposer(view.epoch + 1, view.voters, ballot, value)
        self._proposer_until = ground.now + self._patience(view) * (1 + self._rank(view))
        self._to_voters(view, self._proposer.opening())

    def _patience(self, view: View) -> float:
        """A vote takes two round trips, and the disks' time; a node that has restarted measures none before it is taken
        back, and finds out by votes that came to nothing."""
        found_out = min(RANK_SECONDS * 2.0**self._fruitless, RANK_SECONDS + 2 * ROUND_TRIP_SECONDS_MAX)
        return max(RANK_SECONDS + 2 * self.ground.round_trip(view.voters), found_out)

    def _rank(self, view: View) -> int:
        """Voters before this one that seem to live."""
        before = view.voters[: view.voters.index(self.ground.me)]
        return sum(self.ground.beacons.reaches(node, self.ground.now) is not False for node in before)

    def _undecided(self) -> bool:
        view = self.ground.view
        return view is not None and self.state.epoch == view.epoch + 1 and self.state.accepted is not None

    def _to_voters(self, view: View, body: Prepare | Accept) -> None:
        for voter in view.voters:
            if voter == self.ground.me:
                self.on_vote(voter, body)
            else:
                self.ground.send(voter, body)

    # --- voting --------------------------------------------------------------------------------------------------

    def on_vote(self, source: NodeId, message: Prepare | Accept) -> None:
        """A proposer asks this acceptor. What it answers is on disk first."""
        ground, view = self.ground, self.ground.view
        if view is None or message.epoch != view.epoch + 1 or ground.me not in view.voters or ground.hangs:
            return
        state = self.state if self.state.epoch == message.epoch else AcceptorState(message.epoch)
        answer: Promise | Accepted | Rejected
        if isinstance(message, Prepare):
            state, answer = consensus.prepare(state, message)
        else:
            state, answer = consensus.accept(state, message)
        if state != self.state:
            if state.accepted != self.state.accepted:
                self._accepted_at = ground.now
            self.state = state
            ground.write([(ACCEPTOR_KEY, consensus.pack(state))], must_sync=True)
        ground.after_disk(lambda: self._tell(source, answer))

    def _tell(self, proposer: NodeId, answer: Promise | Accepted | Rejected) -> None:
        if proposer == self.ground.me:
            self.on_answer(proposer, answer)
        else:
            self.ground.send(proposer, answer)

    def on_answer(self, source: NodeId, answer: Promise | Accepted | Rejected) -> None:
        """An acceptor answers this proposer."""
        proposer, view = self._proposer, self.ground.view
        if proposer is None or view is None or proposer.decided is not None:
            return
        second = proposer.answer(source, answer)
        if second is not None:
            self._to_voters(view, second)
        if proposer.rejected_by is not None:
            self._round = max(self._round, proposer.rejected_by.round)
        if proposer.decided is not None:
            self._decided(proposer.decided)

    def on_message(self, source: NodeId, body: Body) -> bool:
        """Takes what is for the council; whether it was."""
        if isinstance(body, Prepare | Accept):
            self.on_vote(source, body)
        elif isinstance(body, Promise | Accepted | Rejected):
            self.on_answer(source, body)
        elif isinstance(body, Complaint):
            self.complain(source, body)
        else:
            return False
        return True

    # --- views ---------------------------------------------------------------------------------------------------

    def adopt(self, view: View) -> None:
        """A new view: wishes that it fulfilled are gone, and the instance of its epoch with them."""
        self._proposer = None
        self._round = self._fruitless = 0
        self._last_view_at = self.ground.now
        self._complaints = {
            key: by
            for key, by in self._complaints.items()
            if key[0] in self.ground.alive and self.ground.members[key[0]].incarnation == key[1]
        }
        self._began = {key: at for key, at in self._began.items() if key in self._complaints}
        if not self.is_voter:
            self._wishes.clear()
            self._voter_since = None
        elif self._voter_since is None:
            self._voter_since = self.ground.now
        if not self.ground.lives:  # what it saw while it was cut off is held against nobody
            self._complaints.clear()
            self._began.clear()

    def sees_quorum(self, epoch: int) -> bool:
        """Whether a quorum of the voters is known to have the view of that epoch."""
        view = self.ground.view
        return view is not None and is_quorum(
            view.voters, {node for node, known in self.ground.known_epochs.items() if known >= epoch}
        )
