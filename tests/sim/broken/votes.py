"""Broken rules of views: who decides them, and what they say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from tests.sim.broken import Broken
from wrpme.core.membership import draft, paxos, returns, view_sync, voter
from wrpme.core.membership.paxos import NO_BALLOT, AcceptorState, Proposer
from wrpme.protocol.messages import Accept, Accepted, Prepare, Promise, Rejected
from wrpme.protocol.view import Activated, Arc, Back, Down, Member, NodeId, Patch, State, View


def lowest_accepted() -> Broken:
    """Paxos takes up what was accepted at the lowest ballot, not at the highest."""

    def second_phase(self: Proposer) -> Accept | None:
        accepted = [promise for promise in self._promises.values() if promise.accepted is not None]
        if accepted:
            self.value = min(accepted, key=lambda promise: promise.accepted or NO_BALLOT).value
        if self.value is None:
            return None
        self._asked = True
        return Accept(self.epoch, self.ballot, self.value)

    return Proposer, "_second_phase", second_phase


def own_value() -> Broken:
    """A proposer does not care what was accepted before: it proposes its own."""
    honest = Proposer._second_phase

    def second_phase(self: Proposer) -> Accept | None:
        if self.value is None:
            return honest(self)
        self._asked = True
        return Accept(self.epoch, self.ballot, self.value)

    return Proposer, "_second_phase", second_phase


def accepts_below_promise() -> Broken:
    """An acceptor accepts at a lower ballot than it has promised."""

    def accept(state: AcceptorState, message: Accept) -> tuple[AcceptorState, Accepted | Rejected]:
        accepted = AcceptorState(state.epoch, message.ballot, message.ballot, message.value)
        return accepted, Accepted(message.epoch, message.ballot)

    return paxos, "accept", accept


def silent_promise() -> Broken:
    """A promise does not tell what was accepted before."""
    honest = paxos.prepare

    def prepare(state: AcceptorState, message: Prepare) -> tuple[AcceptorState, Promise | Rejected]:
        state, answer = honest(state, message)
        return state, Promise(answer.epoch, answer.ballot, None, None) if isinstance(answer, Promise) else answer

    return paxos, "prepare", prepare


def forgotten_votes() -> Broken:
    """An acceptor that starts again has promised and accepted nothing."""

    def unpack(raw: bytes) -> AcceptorState:
        return AcceptorState(0)

    return paxos, "unpack", unpack


def even_quorum() -> Broken:
    """Any half of the voters decides, also without the senior."""

    def is_quorum(voters: Sequence[NodeId], present: Collection[NodeId]) -> bool:
        return 2 * sum(voter in present for voter in voters) >= len(voters)

    return paxos, "is_quorum", is_quorum


def adopted_before_disk() -> Broken:
    """A view is adopted and told before it is on disk."""
    honest = view_sync.ViewSync.learn

    def learn(self: view_sync.ViewSync, view: View, tell: bool = False, patch: Patch | None = None) -> None:
        commits: Any = self.context.commits
        commits.after_disk = lambda then: then()
        try:
            honest(self, view, tell, patch)
        finally:
            vars(commits).pop("after_disk", None)

    return view_sync.ViewSync, "learn", learn


def late_back() -> Broken:
    """A word that a node is back counts at whatever epoch it was said: it may have died once more since."""
    honest = draft.Draft._returns

    def comes_back(self: draft.Draft, change: Back) -> bool:
        return honest(self, replace(change, epoch=self.base.epoch))

    return draft.Draft, "_returns", comes_back


def late_activated() -> Broken:
    """A report that former owners can be forgotten counts for a later version too."""
    honest = draft.Draft._is_activated

    def is_activated(self: draft.Draft, change: Activated) -> bool:
        index = self.table.at(change.end)
        return honest(self, change if index is None else replace(change, version=self.table.arcs[index].version))

    return draft.Draft, "_is_activated", is_activated


def forgotten_owner() -> Broken:
    """Who owned an arc before is forgotten as soon as it has another owner."""
    honest = draft.Draft._set_holders

    def set_holders(self: draft.Draft, end: int, holders: tuple[NodeId, ...], incoming: tuple[NodeId, ...]) -> None:
        honest(self, end, holders, incoming)
        self.table.put(replace(self.table.arc(end), prev=()))

    return draft.Draft, "_set_holders", set_holders


def same_version() -> Broken:
    """The version of an arc does not change where only who receives it does."""
    honest = draft.Draft._leave_arcs

    def leave_arcs(self: draft.Draft, dead: set[NodeId]) -> None:
        before = list(self.table.arcs)
        honest(self, dead)
        for arc, old in zip(list(self.table.arcs), before, strict=True):
            if arc.holders == old.holders:
                self.table.put(replace(arc, version=old.version))

    return draft.Draft, "_leave_arcs", leave_arcs


def removed_too_early() -> Broken:
    """Who leaves for good is no member any more at once, whatever depends on it."""

    def part(self: draft.Draft) -> None:
        for node, found in list(self.members.items()):
            others = [voter for voter in self.voters if voter != node]
            if found.state is State.LEAVING and self.live().intersection(others).intersection(self.base.voters):
                self._begin()
                self.voters = others
                for arc in list(self.table.arcs):
                    holders = tuple(one for one in arc.holders if one != node) or (others[0],)
                    if holders != arc.holders:
                        incoming = tuple(one for one in arc.incoming if one not in holders)
                        self._set_holders(arc.end, holders, incoming)
                self.index.drop(node)

    return draft.Draft, "part", part


def merges_what_moves() -> Broken:
    """Arcs of the same holders become one, also while an owner of one of them changes."""
    honest = draft.Draft._merge

    def merge(self: draft.Draft) -> None:
        for arc in list(self.table.arcs):
            if arc.prev:
                self.table.put(replace(arc, prev=()))
        honest(self)

    return draft.Draft, "_merge", merge


def first_comes_first() -> Broken:
    """Whoever returns to an arc without a live holder becomes a holder beside the one that came before it."""
    honest = draft.Draft._wanted_holders

    def wanted_holders(self: draft.Draft, arc: Arc) -> tuple[tuple[NodeId, ...], tuple[NodeId, ...]]:
        holders, incoming = honest(self, arc)
        known: dict[NodeId, Member] = {found.id: found for found in self.base.members}
        returned = tuple(node for node in incoming if node in known and known[node].state is State.DOWN)
        return (*holders, *returned), tuple(node for node in incoming if node not in returned)

    return draft.Draft, "_wanted_holders", wanted_holders


def decides_alone() -> Broken:
    """A proposer whose second phase has begun takes one acceptance for a decision."""
    honest = Proposer.answer

    def answer(self: Proposer, source: NodeId, message: Promise | Accepted | Rejected) -> Accept | None:
        found = honest(self, source, message)
        if isinstance(message, Accepted) and self._accepts:
            self.decided = self.value
        return found

    return Proposer, "answer", answer


def answers_of_any_ballot() -> Broken:
    """An answer to an earlier attempt of a proposer counts for its present one."""
    honest = Proposer.answer

    def answer(self: Proposer, source: NodeId, message: Promise | Accepted | Rejected) -> Accept | None:
        return honest(self, source, replace(message, epoch=self.epoch, ballot=self.ballot))

    return Proposer, "answer", answer


def told_before_disk() -> Broken:
    """A promise or acceptance is told before it is on disk."""
    honest = voter.Voter.on_vote

    def on_vote(self: voter.Voter, source: NodeId, message: Prepare | Accept) -> None:
        context: Any = self.context
        if source != context.me:
            context.commits.after_disk = lambda then: then()
        try:
            honest(self, source, message)
        finally:
            vars(context.commits).pop("after_disk", None)

    return voter.Voter, "on_vote", on_vote


def cold_start_ignored() -> Broken:
    """Whoever returns is taken back at once, whatever is known of the other holders of its arcs."""

    def ready(
        self: returns.Returns, backs: Collection[Back], heard: object, dead: object, coming: object
    ) -> list[Back]:
        return list(backs)

    return returns.Returns, "ready", ready


def still_called_up() -> Broken:
    """Who has restarted, or was never heard, is not marked down with those that return."""

    def gone(view: View, heard: object, is_over: bool) -> list[Down]:
        return []

    return returns, "gone", gone


def any_copy_wins() -> Broken:
    """Of several that return to an arc that nobody holds the first wins, not the one with the most complete copy."""

    def completeness(back: Back, arc: Arc) -> tuple[int, int] | None:
        return 0, 0

    return draft, "completeness", completeness
