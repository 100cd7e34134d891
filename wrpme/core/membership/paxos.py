"""Single-decree Paxos (Lamport, "Paxos Made Simple", 2001), one instance per epoch; no I/O.

The view of epoch e + 1 is decided among the voters of the view of epoch e. Quorums are those of dynamic-linear voting
(Jajodia, Mutchler 1990), so a hive can shrink three, two, one while nodes die one after the other.

======================  ==================================================  ==========================================
message                 acceptor                                            proposer
======================  ==================================================  ==========================================
``Prepare(b)``          b >= promised: promise b, tell what was accepted    with promises of a quorum: sends
                        (on disk first); else ``Rejected``                  ``Accept(b, v)``: v accepted at the highest
                                                                            ballot among them, else its own
``Accept(b, v)``        b >= promised: accept (on disk first); else         with acceptances of a quorum: v is decided
                        ``Rejected``
======================  ==================================================  ==========================================

Every answer names epoch and ballot: ballots start afresh in each epoch, and an answer of the last one must not count.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Union

import msgspec

from wrpme.protocol.messages import Accept, Accepted, Prepare, Promise, Rejected
from wrpme.protocol.view import Ballot, NodeId, Proposal

NO_BALLOT = Ballot(0, b"", 0)


def is_quorum(voters: Sequence[NodeId], present: Collection[NodeId]) -> bool:
    """More than half of the voters, or exactly half of them with the senior (first) among them."""
    count = sum(voter in present for voter in voters)
    return 2 * count > len(voters) or (2 * count == len(voters) and voters[0] in present)


class AcceptorState(msgspec.Struct, frozen=True, array_like=True):
    """What an acceptor must never forget: on disk before it is told."""

    epoch: int
    promised: Ballot = NO_BALLOT
    accepted: Union[Ballot, None] = None
    value: Union[Proposal, None] = None


class _Former(msgspec.Struct, frozen=True, array_like=True):
    """The state as a former release wrote it, whose proposals were the changes alone."""

    epoch: int


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(AcceptorState).decode
_DECODE_FORMER = msgspec.msgpack.Decoder(_Former).decode
SILENT = Ballot((1 << 63) - 1, b"\xff" * 16, (1 << 63) - 1)
"""Whoever has promised this takes no further part in its instance."""


def pack(state: AcceptorState) -> bytes:
    """The state for the disk."""
    return _ENCODE(state)


def unpack(raw: bytes) -> AcceptorState:
    """The state from the disk; raises msgspec.MsgspecError if it is none. Of a value that a former release accepted the
    outcome is not known: that instance is left to the others, as forgetting the value might undo a decision."""
    try:
        return _DECODE(raw)
    except msgspec.ValidationError:
        return AcceptorState(_DECODE_FORMER(raw).epoch, SILENT)


def prepare(state: AcceptorState, message: Prepare) -> tuple[AcceptorState, Promise | Rejected]:
    """The acceptor's answer to phase 1; the caller has checked that the epoch is the instance's."""
    if message.ballot < state.promised:
        return state, Rejected(message.epoch, message.ballot, state.promised)
    promised = msgspec.structs.replace(state, promised=message.ballot)
    return promised, Promise(message.epoch, message.ballot, state.accepted, state.value)


def accept(state: AcceptorState, message: Accept) -> tuple[AcceptorState, Accepted | Rejected]:
    """The acceptor's answer to phase 2."""
    if message.ballot < state.promised:
        return state, Rejected(message.epoch, message.ballot, state.promised)
    accepted = AcceptorState(state.epoch, message.ballot, message.ballot, message.value)
    return accepted, Accepted(message.epoch, message.ballot)


class Proposer:
    """One attempt to decide the view of ``epoch``: feed it the answers, send to all voters what it gives."""

    def __init__(self, epoch: int, voters: Sequence[NodeId], ballot: Ballot, value: Proposal | None) -> None:
        self.epoch = epoch
        self.voters = voters
        self.ballot = ballot
        self.value = value
        """None: only finishes what may have been accepted, and proposes nothing of its own."""
        self.decided: Proposal | None = None
        self.rejected_by: Ballot | None = None
        self._promises: dict[NodeId, Promise] = {}
        self._accepts: set[NodeId] = set()
        self._asked = False

    def opening(self) -> Prepare:
        """Phase 1, to all voters."""
        return Prepare(self.epoch, self.ballot)

    def answer(self, source: NodeId, message: Promise | Accepted | Rejected) -> Accept | None:
        """Takes an answer; gives phase 2, to all voters, at the moment a quorum has promised."""
        if message.epoch != self.epoch or message.ballot != self.ballot or source not in self.voters:
            return None
        if isinstance(message, Rejected):
            self.rejected_by = message.promised
        elif isinstance(message, Promise):
            self._promises[source] = message
            if not self._asked and is_quorum(self.voters, self._promises):
                return self._second_phase()
        elif self._asked:
            self._accepts.add(source)
            if is_quorum(self.voters, self._accepts):
                self.decided = self.value
        return None

    def _second_phase(self) -> Accept | None:
        accepted = [promise for promise in self._promises.values() if promise.accepted is not None]
        if accepted:
            self.value = max(accepted, key=lambda promise: promise.accepted or NO_BALLOT).value
        if self.value is None:
            return None
        self._asked = True
        return Accept(self.epoch, self.ballot, self.value)
