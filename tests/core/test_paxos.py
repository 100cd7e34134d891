"""Quorums, acceptors, proposers; and a model in which messages and memory get lost at any point."""

from __future__ import annotations

from itertools import combinations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrpme.core.membership import paxos
from wrpme.core.membership.paxos import AcceptorState, Proposer, is_quorum
from wrpme.protocol.messages import Accept, Accepted, Prepare, Promise, Rejected
from wrpme.protocol.view import Ballot, Elect, NodeId, Patch, Proposal

A, B, C, D, E = (letter * 16 for letter in (b"a", b"b", b"c", b"d", b"e"))
ALL = (A, B, C, D, E)
ONE = Proposal((Elect(A),), Patch(), b"1")
TWO = Proposal((Elect(B),), Patch(), b"2")
LOW, HIGH = Ballot(1, A, 1), Ballot(2, B, 1)

# --- quorums -----------------------------------------------------------------------------------------------------


def quorums(voters: tuple[NodeId, ...]) -> list[set[NodeId]]:
    subsets = (set(some) for size in range(len(voters) + 1) for some in combinations(voters, size))
    return [some for some in subsets if is_quorum(voters, some)]


@pytest.mark.parametrize(
    ("voters", "present", "expected"),
    [
        ((A,), {A}, True),
        ((A,), set(), False),
        ((A, B), {A}, True),
        ((A, B), {B}, False),
        ((A, B, C), {A}, False),
        ((A, B, C), {B, C}, True),
        ((A, B, C, D), {A, B}, True),
        ((A, B, C, D), {C, D}, False),
        ((A, B, C, D), {B, C, D}, True),
        (ALL, {A, B}, False),
        (ALL, {C, D, E}, True),
        ((A, B), {C, D, E}, False),
    ],
)
def test_quorums(voters: tuple[NodeId, ...], present: set[NodeId], expected: bool) -> None:
    assert is_quorum(voters, present) is expected


@pytest.mark.parametrize("size", range(1, 6))
def test_two_quorums_always_meet(size: int) -> None:
    for one in quorums(ALL[:size]):
        for other in quorums(ALL[:size]):
            assert one & other


# --- an acceptor -------------------------------------------------------------------------------------------------


def test_an_acceptor_keeps_its_promise() -> None:
    state, answer = paxos.prepare(AcceptorState(5), Prepare(5, HIGH))
    assert answer == Promise(5, HIGH, None, None)
    assert paxos.prepare(state, Prepare(5, LOW)) == (state, Rejected(5, LOW, HIGH))
    assert paxos.accept(state, Accept(5, LOW, ONE)) == (state, Rejected(5, LOW, HIGH))
    state, accepted = paxos.accept(state, Accept(5, HIGH, ONE))
    assert accepted == Accepted(5, HIGH)
    higher = Ballot(3, A, 1)
    assert paxos.prepare(state, Prepare(5, higher))[1] == Promise(5, higher, HIGH, ONE)


def test_an_acceptance_is_a_promise_too() -> None:
    state, _ = paxos.accept(AcceptorState(5), Accept(5, HIGH, ONE))
    assert paxos.accept(state, Accept(5, LOW, TWO)) == (state, Rejected(5, LOW, HIGH))
    assert state.promised == HIGH


def test_a_state_survives_the_disk() -> None:
    state = AcceptorState(5, HIGH, LOW, ONE)
    assert paxos.unpack(paxos.pack(state)) == state
    assert paxos.unpack(paxos.pack(AcceptorState(1))) == AcceptorState(1)


def test_ballots_of_two_lives_differ() -> None:
    assert Ballot(1, A, 1) < Ballot(1, A, 2) < Ballot(1, B, 1) < Ballot(2, A, 1)


# --- a proposer --------------------------------------------------------------------------------------------------


def test_a_proposer_decides() -> None:
    proposer = Proposer(5, (A, B, C), LOW, ONE)
    assert proposer.opening() == Prepare(5, LOW)
    assert proposer.answer(A, Promise(5, LOW, None, None)) is None
    assert proposer.answer(A, Promise(5, LOW, None, None)) is None, "the same voice twice is one"
    assert proposer.answer(B, Promise(5, LOW, None, None)) == Accept(5, LOW, ONE)
    assert proposer.answer(C, Promise(5, LOW, None, None)) is None, "phase 2 begins once"
    proposer.answer(C, Accepted(5, LOW))
    proposer.answer(C, Accepted(5, LOW))
    assert proposer.decided is None
    proposer.answer(B, Accepted(5, LOW))
    assert proposer.decided == ONE


def test_a_proposer_finishes_what_may_have_been_decided() -> None:
    ballot = Ballot(9, C, 1)
    proposer = Proposer(5, (A, B, C), ballot, None)
    proposer.answer(A, Promise(5, ballot, LOW, ONE))
    assert proposer.answer(B, Promise(5, ballot, HIGH, TWO)) == Accept(5, ballot, TWO), "the highest ballot counts"


def test_a_proposer_with_nothing_to_finish_proposes_nothing() -> None:
    proposer = Proposer(5, (A,), LOW, None)
    assert proposer.answer(A, Promise(5, LOW, None, None)) is None


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        (B, Promise(4, LOW, None, None)),
        (B, Promise(6, LOW, None, None)),
        (B, Promise(5, HIGH, None, None)),
        (B, Promise(5, Ballot(1, A, 2), None, None)),
        (D, Promise(5, LOW, None, None)),
        (B, Accepted(5, LOW)),
        (B, Rejected(5, LOW, HIGH)),
    ],
)
def test_an_answer_of_another_instance_counts_for_nothing(
    source: NodeId, answer: Promise | Accepted | Rejected
) -> None:
    proposer = Proposer(5, (A, B, C), LOW, ONE)
    proposer.answer(A, Promise(5, LOW, None, None))
    assert proposer.answer(source, answer) is None


@pytest.mark.parametrize(("epoch", "ballot", "source"), [(4, LOW, B), (5, HIGH, B), (5, LOW, D)])
def test_an_acceptance_of_another_instance_counts_for_nothing(epoch: int, ballot: Ballot, source: NodeId) -> None:
    proposer = Proposer(5, (A, B, C), LOW, ONE)
    proposer.answer(A, Promise(5, LOW, None, None))
    proposer.answer(B, Promise(5, LOW, None, None))
    proposer.answer(A, Accepted(5, LOW))
    proposer.answer(source, Accepted(epoch, ballot))
    assert proposer.decided is None


def test_a_rejection_tells_what_to_exceed() -> None:
    proposer = Proposer(5, (A, B, C), LOW, ONE)
    proposer.answer(B, Rejected(5, LOW, HIGH))
    assert proposer.rejected_by == HIGH


# --- any interleaving --------------------------------------------------------------------------------------------


class Model:
    """Voters with durable states, proposers with none; all that was ever said stays on its way for ever."""

    def __init__(self, voters: tuple[NodeId, ...]) -> None:
        self.voters = voters
        self.states = {node: paxos.pack(AcceptorState(1)) for node in voters}
        self.lives = dict.fromkeys(voters, 1)
        self.rounds = dict.fromkeys(voters, 0)
        self.proposers: dict[NodeId, Proposer] = {}
        self.requests: list[tuple[NodeId, NodeId, Prepare | Accept]] = []
        self.answers: list[tuple[NodeId, NodeId, Promise | Accepted | Rejected]] = []
        self.decided: set[bytes] = set()

    def propose(self, node: NodeId) -> None:
        self.rounds[node] += 1
        ballot = Ballot(self.rounds[node], node, self.lives[node])
        state = paxos.unpack(self.states[node])
        own = Proposal((), Patch(), node + b"%d" % self.rounds[node])
        value = None if state.accepted and self.rounds[node] % 2 else own
        self.proposers[node] = Proposer(1, self.voters, ballot, value)
        self.requests += [(node, voter, self.proposers[node].opening()) for voter in self.voters]

    def restart(self, node: NodeId) -> None:
        self.lives[node] += 1
        self.rounds[node] = 0
        self.proposers.pop(node, None)

    def deliver_request(self, pick: int) -> None:
        if not self.requests:
            return
        proposer, voter, message = self.requests[pick % len(self.requests)]
        state = paxos.unpack(self.states[voter])
        answer: Promise | Accepted | Rejected
        if isinstance(message, Prepare):
            state, answer = paxos.prepare(state, message)
        else:
            state, answer = paxos.accept(state, message)
        self.states[voter] = paxos.pack(state)
        self.answers.append((voter, proposer, answer))

    def deliver_answer(self, pick: int) -> None:
        if not self.answers:
            return
        voter, node, answer = self.answers[pick % len(self.answers)]
        proposer = self.proposers.get(node)
        if proposer is None:
            return
        second = proposer.answer(voter, answer)
        if second is not None:
            self.requests += [(node, each, second) for each in self.voters]
        if proposer.rejected_by is not None:
            self.rounds[node] = max(self.rounds[node], proposer.rejected_by.round)
        if proposer.decided is not None:
            self.decided.add(proposer.decided.digest)


PICKS = st.lists(st.tuples(st.sampled_from("prqqqqaaaaa"), st.integers(0, 10_000)), max_size=160)


@settings(max_examples=300)
@given(st.integers(1, 5), PICKS)
def test_at_most_one_value_is_decided(size: int, steps: list[tuple[str, int]]) -> None:
    model = Model(ALL[:size])
    for kind, pick in steps:
        node = model.voters[pick % size]
        if kind == "p":
            model.propose(node)
        elif kind == "r":
            model.restart(node)
        elif kind == "q":
            model.deliver_request(-1 - pick % 12 if pick % 3 else pick)
        else:
            model.deliver_answer(-1 - pick % 12 if pick % 3 else pick)
        assert len(model.decided) <= 1
    first = set(model.decided)
    model.rounds[A] = 1000
    model.propose(A)  # and in quiet one decides, the same as ever
    for _ in range(2):
        for pick in range(-size, 0):
            model.deliver_request(pick)
        for pick in range(-size, 0):
            model.deliver_answer(pick)
    assert len(model.decided) == 1
    assert not first or model.decided == first


def test_a_value_that_a_former_release_accepted_is_neither_forgotten_nor_told() -> None:
    ballot = Ballot(2, A, 1)
    former = msgspec.msgpack.encode([7, ballot, ballot, [[Elect(B)], b"digest", A]])
    state = paxos.unpack(former)
    assert state == AcceptorState(7, paxos.SILENT), "that instance is left to the others"
    early = msgspec.msgpack.encode([7, ballot, None, None])
    assert paxos.unpack(early) == AcceptorState(7, ballot), "what was only promised reads as ever"
