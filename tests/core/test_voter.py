"""The voter in a node: whom it takes for dead, when it proposes, and what it never says before the disk has it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.harness import HIVE, Hive, hive_of, identity
from wrpme.core.context import NodeContext
from wrpme.core.io import ComputeView, Persist, Send, Settings
from wrpme.core.layout import ACCEPTOR_KEY
from wrpme.core.membership import paxos, voter
from wrpme.core.membership import transitions as views
from wrpme.core.membership.compute import compute
from wrpme.core.membership.paxos import AcceptorState
from wrpme.core.membership.voter import Voter
from wrpme.daemon.storage.store import MemoryStore
from wrpme.core.limits import (
    HEARTBEAT_SECONDS, EXPEL_LOOK_SECONDS, MOVES_PER_VIEW_MAX, RANK_SECONDS, ROUND_TRIP_SECONDS_MAX,
    SILENCE_SECONDS, STOP_GATHER_SECONDS, SUSPECT_NOBODY_SECONDS, VIEW_GAP_SECONDS, VOTERS_MAX, CHANGE_REQUESTS_MAX,
)  # fmt: skip
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol.messages import Accept, Accepted, Body, FailureReport, Prepare, Promise, Rejected
from wrpme.protocol.view import (
    Arc, Back, Ballot, Change, Down, Elect, Expel, Join, Mark, Member, NodeId, Proposal, State, Synced, View,
)  # fmt: skip

A, B, C, D, E, F = (identity(name) for name in "abcdef")
JOIN = Join(F, 1, "f")
JOIN_G = Join(identity("g"), 1, "g")


def view_of(names: str = "abc", voters: str = "abc", epoch: int = 5, down: str = "") -> View:
    """One arc, which the first has; seniority is in the order of the names."""
    members = tuple(
        Member(identity(name), 1, name, number + 1, State.DOWN if name in down else State.UP)
        for number, name in enumerate(names)
    )
    first = (identity(names[0]),)
    arcs = (Arc((1 << 64) - 1, 1, first, wanted=first),)
    return View(epoch, HIVE, 1, 1, members, arcs, tuple(identity(name) for name in voters))


class Seat:
    """A voter with the context below it; the test is everything else."""

    def __init__(self, me: str, view: View, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.context = NodeContext(Settings(identity(me), 1, me), self.store, 100.0)
        self.returning: list[NodeId] = []
        self.view = view
        self.context.adopt(view)
        self.voter = Voter(self.context)
        self.voter.adopt(view)
        self.others = [member.id for member in view.members if member.id != self.context.me]
        self.context.heartbeats.watch(self.others, 100.0)
        self.go(SUSPECT_NOBODY_SECONDS)
        self.see(*self.others)

    def go(self, seconds: float) -> None:
        self.context.now += seconds

    def see(self, *nodes: NodeId) -> None:
        """These have just answered a heartbeat."""
        for node in nodes:
            self.context.heartbeats.acknowledged(node, self.context.now, self.context.now)
        self.context.returning = dict.fromkeys(self.returning, self.context.now)

    def report_failure(self, source: NodeId, about: NodeId, incarnation: int = 1) -> None:
        self.voter.report_failure(source, FailureReport(((about, incarnation),)))

    def consider(self) -> list[tuple[str, Body]]:
        """Gives what is sent at once, and lets the disk follow; what comes then is for ``said``."""
        self.voter.consider()
        return self.computed()

    def computed(self) -> list[tuple[str, Body]]:
        """What was to be computed is; gives what is sent."""
        sent: list[tuple[str, Body]] = []
        while self.context.outbox.effects:
            effects, self.context.outbox.effects = self.context.outbox.effects, []
            sent += [(effect.address, effect.envelope.body) for effect in effects if isinstance(effect, Send)]
            for effect in effects:
                if isinstance(effect, ComputeView):
                    self.voter.on_computed(compute(effect))
        return sent

    def said(self) -> list[tuple[str, Body]]:
        effects, self.context.outbox.effects = self.context.outbox.effects, []
        return [(effect.address, effect.envelope.body) for effect in effects if isinstance(effect, Send)]

    def disk(self) -> list[tuple[str, Body]]:
        """What gathered arrives on the disk; gives what could be said only then."""
        self.context.flush_disk()
        before = self.said_and_persist()
        assert before == [], "nothing of a vote is said before it is on disk"
        return self.said()

    def said_and_persist(self) -> list[tuple[str, Body]]:
        effects, self.context.outbox.effects = self.context.outbox.effects, []
        for effect in effects:
            if isinstance(effect, Persist):
                assert effect.must_sync, "also under --no-sync"
                self.store.write(effect.operations, True)
                self.context.commits.on_persisted(effect.batch, self.context.now)
        return [(effect.address, effect.envelope.body) for effect in effects if isinstance(effect, Send)]

    def proposes(self, seconds: float = 0.0) -> bool:
        """Whether it opens a ballot within that time, looking at it often."""
        end = self.context.now + seconds
        while True:
            if any(isinstance(body, Prepare) for _, body in self.consider()):
                return True
            if self.context.now >= end:
                return False
            self.go(0.05)
            self.see(*self.others)


def looked_at(seat: Seat) -> set[NodeId]:
    return seat.voter.complained_of | seat.voter.in_place


# --- suspicion ---------------------------------------------------------------------------------------------------


def test_who_is_silent_for_all_is_dead() -> None:
    seat = Seat("a", view_of())
    seat.go(SILENCE_SECONDS)
    seat.see(B)
    seat.report_failure(A, C)
    assert seat.voter.suspicions() == [Down(C, 1)]
    assert looked_at(seat) == {C}


def test_nobody_is_suspected_soon_after_the_own_start() -> None:
    seat = Seat("a", view_of())
    seat.voter = Voter(seat.context)
    seat.go(SILENCE_SECONDS)
    seat.see(B)
    seat.report_failure(A, C)
    seat.report_failure(B, C)
    assert seat.voter.suspicions() == []
    seat.go(SUSPECT_NOBODY_SECONDS - SILENCE_SECONDS)
    seat.see(B)
    seat.report_failure(A, C)
    assert seat.voter.suspicions() == [Down(C, 1)]


@pytest.mark.parametrize("incarnation", [0, 2])
def test_a_failure_report_is_about_one_life(incarnation: int) -> None:
    seat = Seat("a", view_of())
    seat.go(SILENCE_SECONDS)
    seat.report_failure(B, C, incarnation)
    assert seat.voter.suspicions() == []


def test_a_failure_report_does_not_last() -> None:
    seat = Seat("a", view_of("abcd", "abc"))
    seat.report_failure(B, D)
    seat.go(SILENCE_SECONDS)
    assert seat.voter.suspicions() == []
    assert looked_at(seat) == set(), "and nobody has to look any more"


def test_the_dead_do_not_accuse() -> None:
    seat = Seat("a", view_of("abcd", "abc", down="d"))
    seat.go(SILENCE_SECONDS)
    seat.report_failure(D, C)
    assert seat.voter.suspicions() == []


def test_who_was_never_asked_is_asked_first() -> None:
    """The proposer does not know the accused: it has to try to reach it before it says that it can't."""
    seat = Seat("a", view_of("abcd", "abc"))
    seat.context.heartbeats.watch([B, C], seat.context.now)
    seat.report_failure(C, D)
    assert seat.voter.suspicions() == []
    assert looked_at(seat) == {D}
    seat.go(HEARTBEAT_SECONDS)
    seat.report_failure(C, D)
    assert seat.voter.suspicions() == [Down(D, 1)]


def test_two_that_do_not_see_each_other() -> None:
    """The proposer sees both. The one with more failure reports goes; here it is that of the two who do not see c."""
    seat = Seat("a", view_of("abcd", "abc"))
    for quarter in range(5):
        seat.report_failure(B, C)
        seat.report_failure(D, C)
        seat.report_failure(C, B)
        if quarter < 4:
            assert seat.voter.suspicions() == [], "it may heal"
            seat.go(LEASE_SECONDS / 4)
            seat.see(B, C, D)
    assert set(seat.voter.suspicions()) == {Down(C, 1)}


def test_at_a_tie_the_junior_goes() -> None:
    seat = Seat("a", view_of())
    for _ in range(5):
        seat.report_failure(B, C)
        seat.report_failure(C, B)
        seat.go(LEASE_SECONDS / 4)
        seat.see(B, C)
    assert set(seat.voter.suspicions()) == {Down(C, 1)}


def test_what_it_said_itself_is_taken_back_when_the_node_answers() -> None:
    seat = Seat("a", view_of())
    seat.go(SILENCE_SECONDS)
    seat.report_failure(A, C)
    assert seat.voter.suspicions() == [Down(C, 1)]
    seat.see(C)
    assert seat.voter.suspicions() == []
    assert looked_at(seat) == set()


def test_what_it_saw_while_cut_off_is_held_against_nobody() -> None:
    seat = Seat("c", view_of())
    seat.go(SILENCE_SECONDS)
    seat.report_failure(C, A)
    seat.report_failure(C, B)
    cut_off = view_of(epoch=6, down="c", voters="ab")
    seat.context.adopt(cut_off)
    seat.voter.adopt(cut_off)
    assert looked_at(seat) == set()


# --- when to propose ---------------------------------------------------------------------------------------------


def test_what_nobody_wants_is_not_proposed() -> None:
    assert not Seat("a", view_of()).proposes(3.0)


def test_a_void_request_is_passed_over() -> None:
    seat = Seat("a", view_of())
    seat.voter.request(Synced((1 << 64) - 1, 999, B, A, 1))
    seat.voter.request(Down(B, 99))
    assert not seat.proposes(1.0)
    assert not seat.voter.waiting, "and forgotten"


def test_what_is_said_again_and_again_is_checked_once() -> None:
    """Nothing is considered meanwhile, and what is to be checked is no more than what waits."""
    seat = Seat("a", view_of(down="b"))
    for number in range(100):
        seat.voter.request(Back(B, 2 + number // 10, "b", number))
        seat.voter.request(Synced((1 << 64) - 1, 999, B, A, 1))
    assert seat.voter.waiting == len(seat.voter._unchecked) == 2


def test_who_is_no_voter_proposes_nothing() -> None:
    seat = Seat("c", view_of(voters="ab"))
    seat.voter.request(JOIN)
    assert not seat.voter.is_voter and not seat.proposes(3.0)


def test_rank_is_a_delay() -> None:
    for me, rank in (("a", 0), ("b", 1), ("c", 2)):
        seat = Seat(me, view_of())
        seat.go(VIEW_GAP_SECONDS)
        seat.voter.request(JOIN)
        if rank:
            assert not seat.proposes(rank * RANK_SECONDS - 0.1)
        assert seat.proposes(0.2), "and no more than that"


def test_the_rank_of_the_silent_is_nobodys() -> None:
    seat = Seat("b", view_of())
    seat.go(SILENCE_SECONDS)
    seat.see(C)
    seat.voter.request(JOIN)
    assert seat.proposes()


def test_what_can_wait_waits_for_the_gap_and_a_death_does_not() -> None:
    seat = Seat("a", view_of())
    seat.voter.adopt(view_of())
    seat.voter.request(JOIN)
    assert not seat.proposes()
    seat.voter.request(Down(C, 1))
    (prepare, *_) = [body for _, body in seat.consider() if isinstance(body, Prepare)]
    assert prepare.epoch == 6
    seat = Seat("a", view_of())
    seat.voter.adopt(view_of())
    seat.voter.request(JOIN)
    assert seat.proposes(VIEW_GAP_SECONDS + 0.05)


def test_changes_that_wait_make_one_view() -> None:
    seat = Seat("a", view_of())
    wanted: list[Change] = [JOIN, Join(E, 1, "e"), Down(C, 1)]
    for change in wanted:
        seat.voter.request(change)
        seat.voter.request(change)
    (accept,) = opened(seat)
    assert set(accept.value.changes) == set(wanted) and len(accept.value.changes) == len(wanted)
    following = views.apply(view_of(), wanted)
    assert following is not None and accept.value.digest == view_index.digest(following)


def test_a_planned_stop_waits_for_others_that_stop_too() -> None:
    """One view for all of them: who stops with another one does not first make a copy for it."""
    seat = Seat("a", view_of("abcde", "abc"))
    stops: list[Change] = [Down(node, 1, planned=True) for node in (D, E)]
    for stop in stops:
        seat.voter.request(stop)
        assert not seat.consider()
    seat.go(STOP_GATHER_SECONDS / 2)
    assert not seat.consider()
    seat.go(STOP_GATHER_SECONDS)
    (accept,) = opened(seat)
    assert list(accept.value.changes) == stops


@pytest.mark.parametrize(("seconds", "expelled"), [(-1.0, False), (EXPEL_LOOK_SECONDS, True)])
def test_who_is_down_for_longer_than_the_grace_is_not_waited_for(seconds: float, expelled: bool) -> None:
    view = view_of("abcd", "abc", down="d")
    arcs = (replace(view.arcs[0], wanted=(A, D)),)
    seat = Seat("a", replace(view, replication=2, arcs=arcs))
    seat.others.remove(D)
    seat.context.down_since[D] = seat.context.now
    seat.go(seat.context.settings.grace_seconds + seconds)
    seat.see(*seat.others)
    if not expelled:
        assert not seat.proposes()
        return
    (accept,) = opened(seat)
    assert accept.value.changes == (Expel(D, 1),)


def opened(seat: Seat) -> list[Accept]:
    """The second phase of what it proposes now: b promises."""
    prepares = [body for _, body in seat.consider() if isinstance(body, Prepare)]
    assert prepares
    seat.disk()
    seat.voter.on_answer(B, Promise(prepares[0].epoch, prepares[0].ballot, None, None))
    return list({body for _, body in seat.said() if isinstance(body, Accept)})


def cold(**heard: int) -> Seat:
    """A voter that has just started, in a hive that it has heard so much of: the arc is held by a, b and c."""
    view = view_of()
    arc = replace(view.arcs[0], holders=(A, B, C), wanted=(A, B, C))
    seat = Seat("a", replace(view, arcs=(arc,)))
    seat.context.this_life = False
    seat.voter = Voter(seat.context)
    seat.voter.adopt(view)
    seat.context.heard = {A: 2, **{identity(name): life for name, life in heard.items()}}
    seat.returning = [identity(name) for name, life in heard.items() if life > 1]
    seat.see()
    return seat


def test_nobody_returns_before_it_is_known_who_else_is_there() -> None:
    """All lost their power and the view calls all of them up: an arc must not go to one that never comes."""
    seat = cold(b=2)
    seat.voter.request(Back(A, 2, "a", 5, (Mark((1 << 64) - 1, 1, 1, 7),)))
    seat.voter.request(Back(B, 2, "b", 5, (Mark((1 << 64) - 1, 1, 1, 9),)))
    assert looked_at(seat) == {A, B, C}
    seat.others.remove(C)
    assert not seat.proposes(SUSPECT_NOBODY_SECONDS - 0.1)
    assert seat.proposes(0.2)
    proposer = seat.voter._proposer
    assert proposer is not None and proposer.value is not None
    assert [change for change in proposer.value.changes if not isinstance(change, Back)] == [Down(C, 1)]
    following = view_index.patched(seat.view, proposer.value.patch)
    assert following.arcs[0].holders == (B,), "its copy is more complete"


def test_who_is_heard_in_a_newer_life_is_waited_for_to_say_how_complete_its_copy_is() -> None:
    seat = cold(b=2, c=2)
    seat.voter.request(Back(A, 2, "a", 5, (Mark((1 << 64) - 1, 1, 1, 7),)))
    assert not seat.proposes(1.0)
    for node, name in ((B, "b"), (C, "c")):
        seat.voter.request(Back(node, 2, name, 5, (Mark((1 << 64) - 1, 1, 1, 7),)))
    assert seat.proposes(1.0)


def test_who_is_heard_and_never_asks_is_not_waited_for_for_ever() -> None:
    seat = cold(b=2, c=1)
    seat.voter.request(Back(A, 2, "a", 5))
    assert not seat.proposes(SUSPECT_NOBODY_SECONDS - 0.1), "b votes, and is to come back in the same view"
    assert seat.proposes(0.2)
    seat = cold(b=1, c=1)
    seat.voter.request(Back(A, 2, "a", 5))
    assert seat.proposes(), "b and c have not restarted, and hold the arc"
    seat = cold(b=2, c=2)
    seat.voter.request(Back(A, 2, "a", 5))
    assert not seat.proposes(SUSPECT_NOBODY_SECONDS - 0.1)
    assert seat.proposes(0.2)


def test_a_voter_that_has_restarted_is_not_marked_down_for_the_return_of_another() -> None:
    """It would have no vote then; with a third that never comes, nobody could decide anything for ever."""
    seat = cold(b=2)
    seat.others.remove(C)
    seat.voter.request(Back(B, 2, "b", 5, (Mark((1 << 64) - 1, 1, 1, 7),)))
    assert not seat.proposes(SUSPECT_NOBODY_SECONDS - 0.5), "a has not asked yet"
    seat.voter.request(Back(A, 2, "a", 5, (Mark((1 << 64) - 1, 1, 1, 7),)))
    assert seat.proposes(1.0)
    assert seat.voter._proposer is not None and seat.voter._proposer.value is not None
    following = views.apply(seat.view, seat.voter._proposer.value.changes)
    assert following is not None and set(following.voters) == {A, B}


def test_no_view_is_proposed_after_which_nothing_could_be_decided() -> None:
    seat = Seat("a", view_of(voters="cab"))
    seat.go(SILENCE_SECONDS)
    seat.see(B)
    seat.voter.request(Down(A, 1, planned=True))
    seat.others.remove(C)
    assert not seat.proposes(1.0), "b and c would be left, and the senior of them is silent"
    seat.voter.request(Down(C, 1))
    assert seat.proposes(1.0), "without c, b decides alone"


def test_the_last_word_of_a_node_that_returns_counts() -> None:
    seat = cold(b=1, c=1)
    for epoch in (3, 4, 5):
        seat.voter.request(Back(A, 2, "a", epoch))
        seat.voter.request(Back(A, 1, "a", epoch))
    assert [back for back, _ in seat.voter._backs.values()] == [Back(A, 2, "a", 5)]


def test_requests_for_changes_are_bounded() -> None:
    seat = Seat("c", view_of())
    for number in range(CHANGE_REQUESTS_MAX + 10):
        seat.voter.request(Elect(b"%016d" % number))
    assert len(seat.voter._requests) == CHANGE_REQUESTS_MAX


def test_one_voter_comes_in_at_a_time_and_only_one_that_has_the_view() -> None:
    seat = Seat("a", view_of("abcdef", "abc"))
    seat.go(VIEW_GAP_SECONDS)
    assert not seat.proposes(), "nobody is known to have the view"
    seat.context.known_epochs.update({D: 4, E: 5, F: 5})
    (accept,) = opened(seat)
    assert accept.value.changes == (Elect(E),)


def test_voters_are_at_most_five() -> None:
    seat = Seat("a", view_of("abcdef", "abcde"))
    seat.context.known_epochs = dict.fromkeys((A, B, C, D, E, F), 5)
    assert VOTERS_MAX == 5 and not seat.proposes(1.0)


def test_the_last_voters_elect_others_before_they_go() -> None:
    """a is the only voter and stops: else the hive would wait for a to come back before it could decide anything."""
    seat = Seat("a", view_of("ab", "a"))
    seat.context.known_epochs[B] = 5
    seat.voter.request(Down(A, 1, planned=True))
    prepares = [body for _, body in seat.consider() if isinstance(body, Prepare)]
    assert not prepares, "there is nobody else to ask"
    seat.disk()
    seat.disk()
    proposal = seat.voter.decided
    assert proposal is not None
    assert (proposal.changes, proposal.proposer) == ((Elect(B),), A)


# --- the vote ----------------------------------------------------------------------------------------------------

FIRST, SECOND = Ballot(1, B, 1), Ballot(2, C, 1)


def proposal_of(*changes: Change) -> Proposal:
    following = views.apply(view_of(), changes)
    assert following is not None
    return Proposal(changes, views.difference(view_of(), following), view_index.digest(following))


def test_a_promise_is_on_disk_before_it_is_told() -> None:
    seat = Seat("a", view_of())
    seat.voter.on_vote(B, Prepare(6, FIRST))
    assert seat.said() == []
    assert seat.disk() == [("b", Promise(6, FIRST, None, None))]
    raw = seat.store.get(ACCEPTOR_KEY)
    assert raw is not None and paxos.unpack(raw) == AcceptorState(6, FIRST)


def test_an_acceptance_is_on_disk_before_it_is_told() -> None:
    seat = Seat("a", view_of())
    value = proposal_of(JOIN)
    seat.voter.on_vote(B, Accept(6, FIRST, value))
    assert seat.disk() == [("b", Accepted(6, FIRST))]
    seat.voter.on_vote(C, Prepare(6, SECOND))
    assert seat.disk() == [("c", Promise(6, SECOND, FIRST, value))]


def test_votes_outlive_the_process() -> None:
    seat = Seat("a", view_of())
    seat.voter.on_vote(C, Prepare(6, SECOND))
    seat.disk()
    later = Seat("a", view_of(), seat.store)
    later.voter.on_vote(B, Accept(6, FIRST, proposal_of(JOIN)))
    assert later.said() == [("b", Rejected(6, FIRST, SECOND))]


@pytest.mark.parametrize("epoch", [4, 5, 7])
def test_votes_are_for_the_next_view_only(epoch: int) -> None:
    seat = Seat("a", view_of())
    seat.voter.on_vote(B, Prepare(epoch, FIRST))
    seat.context.flush_disk()
    assert seat.context.outbox.effects == []


def test_who_is_no_voter_does_not_vote() -> None:
    seat = Seat("c", view_of(voters="ab"))
    seat.voter.on_vote(B, Prepare(6, FIRST))
    seat.context.flush_disk()
    assert seat.context.outbox.effects == []


def test_a_restarted_voter_votes_before_it_is_back() -> None:
    seat = Seat("a", view_of())
    seat.context.lives = False
    seat.voter.on_vote(B, Prepare(6, FIRST))
    assert seat.disk() == [("b", Promise(6, FIRST, None, None))]


def test_what_was_accepted_and_not_decided_is_finished() -> None:
    """Whoever proposed it may be dead; the value it found is decided, not one of its own, and is still that one's."""
    seat = Seat("a", view_of())
    value = replace(proposal_of(JOIN), proposer=C)
    seat.voter.on_vote(C, Accept(6, SECOND, value))
    seat.disk()
    assert not seat.proposes()
    seat.voter.request(Down(C, 1, planned=True))
    seat.go(RANK_SECONDS)
    (accept,) = opened(seat)
    assert accept.value == value and accept.ballot > SECOND
    seat.disk()
    seat.voter.on_answer(B, Accepted(6, accept.ballot))
    assert seat.voter.decided == value


def test_a_refused_ballot_is_followed_by_a_higher_one() -> None:
    seat = Seat("a", view_of())
    seat.go(VIEW_GAP_SECONDS)
    seat.voter.request(JOIN)
    (first, *_) = [body for _, body in seat.consider() if isinstance(body, Prepare)]
    seat.disk()
    seat.voter.on_answer(B, Rejected(6, first.ballot, Ballot(9, C, 1)))
    seat.go(RANK_SECONDS)
    (second, *_) = [body for _, body in seat.consider() if isinstance(body, Prepare)]
    assert second.ballot > Ballot(9, C, 1)


def test_an_answer_to_an_earlier_ballot_or_epoch_counts_for_nothing() -> None:
    seat = Seat("a", view_of())
    seat.go(VIEW_GAP_SECONDS)
    seat.voter.request(JOIN)
    (prepare, *_) = [body for _, body in seat.consider() if isinstance(body, Prepare)]
    seat.disk()
    seat.voter.on_answer(B, Promise(5, prepare.ballot, None, None))
    seat.voter.on_answer(B, Promise(6, Ballot(prepare.ballot.round - 1, A, 1), None, None))
    seat.voter.on_answer(D, Promise(6, prepare.ballot, None, None))
    assert seat.said() == []


# --- together ----------------------------------------------------------------------------------------------------


def voters(hive: Hive, seen_by: str) -> str:
    return "".join(hive.nodes[seen_by].context.address_of(node) for node in hive.view(seen_by).voters)


def test_a_hive_shrinks_three_two_one() -> None:
    hive = hive_of("a", "b", "c")
    assert sorted(voters(hive, "a")) == ["a", "b", "c"]
    for name in "cb":
        hive.kill(name)
        assert hive.until(lambda name=name: name not in voters(hive, "a")) <= 3.0  # type: ignore[misc]
    assert voters(hive, "a") == "a"


def test_the_junior_half_decides_nothing() -> None:
    hive = hive_of("a", "b")
    assert voters(hive, "b") == "ab"
    hive.kill("a")
    epoch = hive.view("b").epoch
    hive.go(10.0)
    assert hive.view("b").epoch == epoch
    hive.start("a")
    hive.stable("a", "b")


def test_the_death_of_the_senior_is_decided_by_the_others() -> None:
    hive = hive_of("a", "b", "c")
    hive.kill("a")
    assert hive.until(lambda: voters(hive, "b") == "bc" and voters(hive, "c") == "bc") <= 3.5


def test_a_proposer_that_dies_half_way_is_replaced() -> None:
    """The Accept of the senior reaches c alone; b and c finish it."""
    hive = hive_of("a", "b", "c")
    hive.drop = lambda source, target, body: isinstance(body, Accept) and target == "b"
    hive.start("d", "a")
    hive.until(lambda: any(isinstance(body, Accepted) and source == "c" for source, _, body in hive.sent))
    hive.kill("a")
    hive.heal()
    hive.until(lambda: {member.address for member in hive.view("b").members} == set("abcd"), 5.0)
    hive.start("a")
    hive.stable("a", "b", "c", "d")


def test_five_of_seven_vote() -> None:
    hive = hive_of(*"abcdefg")
    assert len(voters(hive, "g")) == VOTERS_MAX


def test_votes_that_come_to_nothing_are_given_more_time() -> None:
    """A voter that has restarted does not know how far the others are; it must not give up each vote before its end."""
    seat = Seat("a", view_of())
    view = seat.view
    assert seat.voter._patience(view) == RANK_SECONDS
    for node in view.voters:
        seat.context.note_round_trip(node, 0.25)
    assert seat.voter._patience(view) == RANK_SECONDS + 0.5
    seat.voter._fruitless = 2
    assert seat.voter._patience(view) == 4 * RANK_SECONDS
    seat.voter._fruitless = 100
    assert seat.voter._patience(view) == RANK_SECONDS + 2 * ROUND_TRIP_SECONDS_MAX
    seat.voter.adopt(view)
    assert seat.voter._patience(view) == RANK_SECONDS + 0.5


def test_who_holds_a_value_of_a_former_release_takes_no_part_in_that_vote() -> None:
    seat = Seat("b", view_of())
    seat.voter.state = AcceptorState(6, paxos.SILENT)
    seat.voter.on_vote(A, Prepare(6, Ballot(1 << 63, A, 1)))
    assert seat.said() == [] and seat.voter.state == AcceptorState(6, paxos.SILENT)


# --- who was late, or is heard again -----------------------------------------------------------------------------


def test_who_is_heard_again_before_it_is_this_voters_time_is_not_marked_down() -> None:
    seat = Seat("b", view_of())
    seat.go(SILENCE_SECONDS)
    seat.see(A)
    seat.report_failure(A, C)
    seat.report_failure(B, C)
    assert not seat.consider() and seat.voter._suspects, "a comes first"
    assert not seat.proposes(LEASE_SECONDS / 2), "c has answered since"


def test_who_was_late_itself_takes_nobody_for_gone() -> None:
    """It may have missed the word of the one that it has not heard since its start."""
    seat = cold(b=2)
    seat.voter.request(Back(A, 2, "a", 5, (Mark((1 << 64) - 1, 1, 1, 7),)))
    seat.voter.request(Back(B, 2, "b", 5, (Mark((1 << 64) - 1, 1, 1, 9),)))
    seat.others.remove(C)
    seat.go(SUSPECT_NOBODY_SECONDS)
    seat.context.lateness.until = seat.context.now + LEASE_SECONDS
    assert not seat.proposes(LEASE_SECONDS - 0.1)
    assert seat.proposes(0.2)


# --- a view of bounded size, computed once -----------------------------------------------------------------------


def test_of_many_that_want_to_join_the_first_eight_do_and_the_rest_waits() -> None:
    seat = Seat("a", view_of())
    for number in range(30):
        seat.voter.request(Join(b"%02d" % number + bytes(14), 1, f"x{number}"))
    (accept,) = opened(seat)
    assert [change.address for change in accept.value.changes if isinstance(change, Join)] == [
        f"x{number}" for number in range(MOVES_PER_VIEW_MAX)
    ]
    assert len(accept.value.patch.members) == MOVES_PER_VIEW_MAX and len(seat.voter._joins) == 30


def test_nobody_joins_while_very_many_arcs_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    seat = Seat("a", view_of())
    monkeypatch.setattr(voter, "MOVING_ARCS_MAX", 0)
    seat.voter.request(JOIN)
    assert not seat.proposes(2.0) and JOIN in [join for join, _ in seat.voter._joins.values()]
    monkeypatch.undo()
    assert seat.proposes(2.0)


def test_the_same_proposal_is_computed_once() -> None:
    seat = Seat("a", view_of())
    seat.voter.request(JOIN)
    computed = 0
    for _ in range(40):
        seat.voter.consider()
        effects, seat.context.outbox.effects = seat.context.outbox.effects, []
        for effect in effects:
            if isinstance(effect, ComputeView):
                computed += 1
                seat.voter.on_computed(compute(effect))
        seat.context.outbox.effects.clear()
        seat.voter._proposer = None  # nothing came of it
        seat.go(0.05)
        seat.see(*seat.others)
    assert computed == 1


def asked_to_compute(seat: Seat) -> ComputeView:
    """It wants F to join, and has it computed what comes of that."""
    seat.voter.request(JOIN)
    seat.voter.consider()
    (asked,) = [effect for effect in seat.context.outbox.effects if isinstance(effect, ComputeView)]
    seat.context.outbox.effects.clear()
    return asked


def adopt_another(seat: Seat) -> None:
    later = view_of(epoch=6)
    seat.context.adopt(later)
    seat.voter.adopt(later)


def test_an_outcome_that_another_view_has_overtaken_is_nothing() -> None:
    seat = Seat("a", view_of())
    asked = asked_to_compute(seat)
    adopt_another(seat)
    seat.voter.on_computed(compute(asked))
    assert seat.said() == [] and seat.voter._proposer is None


def test_a_proposer_that_computes_for_long_proposes_less_often() -> None:
    seat = Seat("a", view_of())
    asked = asked_to_compute(seat)
    seat.go(1.0)
    seat.voter.on_computed(compute(asked))
    assert any(isinstance(body, Prepare) for _, body in seat.said())
    adopt_another(seat)
    seat.see(*seat.others)
    assert not seat.proposes(2.8) and seat.proposes(0.3)


def test_views_of_others_do_not_keep_a_slow_proposer_from_its_turn() -> None:
    """Only it knows who wants to join."""
    seat = Seat("a", view_of())
    asked = asked_to_compute(seat)
    seat.go(0.1)
    seat.voter.on_computed(compute(asked))
    seat.said()
    for epoch in range(6, 12):
        later = view_of(epoch=epoch)
        seat.context.adopt(later)
        seat.voter.adopt(later)
        if seat.proposes(VIEW_GAP_SECONDS + 0.05):
            break
    assert seat.voter._proposer is not None and epoch < 11


def test_outcomes_that_can_not_be_proposed_are_not_computed_again_in_turn() -> None:
    """All voters die and nobody can be elected yet: both what was wanted and what is left of it are known."""
    seat = Seat("a", view_of("abcdef", voters="ab"))
    for node in (A, B):
        seat.voter.request(Down(node, 1, planned=True))
    seat.voter.request(JOIN_G)
    seat.go(STOP_GATHER_SECONDS)
    computed = []
    for _ in range(20):
        seat.voter.consider()
        effects, seat.context.outbox.effects = seat.context.outbox.effects, []
        while effects:
            for effect in effects:
                if isinstance(effect, ComputeView):
                    computed.append(effect.changes)
                    seat.voter.on_computed(compute(effect))
            effects, seat.context.outbox.effects = seat.context.outbox.effects, []
        seat.voter._proposer = None  # nothing comes of what it proposes
        seat.go(0.05)
    assert len(computed) == len(set(computed)) >= 2
