"""Broken rules of writes, and of what a former owner hands over."""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from tests.sim.broken import Broken
from wrpme.core.replication.reconciled import Reconciled
from wrpme.core.hot_values import HotValues
from wrpme.core.layout import REMOVED, expiry_in, version_in
from wrpme.core.replication import takeover, pending as contents, replica, sender
from wrpme.core.replication.pending import Pending
from wrpme.core.replication.replica import Replica, Role
from wrpme.protocol.messages import Committed, Suffix
from wrpme.protocol.view import Arc, NodeId


def answered_before_disk() -> Broken:
    """An owner does not wait for its own disk."""
    honest = Replica._commit

    def commit(self: Replica, persisted: int, through: int | None) -> None:
        honest(self, self.context.commits.batch, through)

    return Replica, "_commit", commit


def answered_before_holders() -> Broken:
    """An owner does not wait for the other holders."""
    honest = Replica._commit

    def commit(self: Replica, persisted: int, through: int | None) -> None:
        honest(self, persisted, None)

    return Replica, "_commit", commit


def one_holder_is_enough() -> Broken:
    """A write is answered when one of the other holders has it."""
    honest = Replica._commit

    def commit(self: Replica, persisted: int, through: int | None) -> None:
        most = max((copy.acknowledged for copy in self.copies.values() if copy.counts), default=None)
        honest(self, persisted, most)

    return Replica, "_commit", commit


def keeps_what_it_owes() -> Broken:
    """A former owner hands over what it received, and nothing of what it wrote itself."""

    def suffix(self: contents.PendingWrites) -> list[Pending]:
        self.unfold()
        received = [pending for _, pending in self.received]
        return [*self.inherited, *received, *self.queue]

    return contents.PendingWrites, "suffix", suffix


def answers_what_it_owes() -> Broken:
    """A former owner tells its clients that their writes were carried out before the new owner has said so."""
    honest = Replica.enter

    def enter(self: Replica, arc: Arc, role: Role, fresh: bool) -> None:
        honest(self, arc, role, fresh)
        if role is not Role.OWNER and self.writes.owed:
            self.resolve()

    return Replica, "enter", enter


def never_doubts() -> Broken:
    """A node that was taken for dead tells its clients that what they wrote was carried out."""
    honest = Replica.resolve

    def resolve(self: Replica, taken_from: int | None = None) -> None:
        self._doubtful = False
        honest(self, taken_from)

    return Replica, "resolve", resolve


def lowest_of_suffixes() -> Broken:
    """Of what the suffixes hold of an entry the first write wins, not the latest."""

    honest = takeover.Suffixes.take

    def take(self: takeover.Suffixes, source: NodeId, message: Suffix, low: bytes, high: bytes) -> None:
        before = dict(self.best)
        honest(self, source, message, low, high)
        for key, value in message.pairs:
            if key in before:
                self.best[key] = min(before[key], value, key=version_in)

    return takeover.Suffixes, "take", take


def first_part_of_a_suffix() -> Broken:
    """A new owner takes the first part of a suffix for all of it."""
    honest = takeover.Suffixes.take

    def take(self: takeover.Suffixes, source: NodeId, message: Suffix, low: bytes, high: bytes) -> None:
        honest(self, source, replace(message, more=False), low, high)

    return takeover.Suffixes, "take", take


def any_part_of_a_suffix() -> Broken:
    """A new owner takes a part of a suffix that does not follow on what it has."""
    honest = takeover.Suffixes.take

    def take(self: takeover.Suffixes, source: NodeId, message: Suffix, low: bytes, high: bytes) -> None:
        honest(self, source, replace(message, after=self.cursor(source)), low, high)

    return takeover.Suffixes, "take", take


def suffixes_over_newer() -> Broken:
    """What a suffix holds is put over what the new owner has, also where that is newer."""
    honest = Replica._take_over

    def take_over(self: Replica) -> None:
        for key, value in self._suffixes.best.items():
            self.writes.queue.append(self.writes.apply(key, value, self.writes.current(key)))
        self._suffixes.best = {}
        honest(self)

    return Replica, "_take_over", take_over


def removals_end_here() -> Broken:
    """A removal in a suffix is not passed on where the new owner has nothing to remove."""
    honest = Replica._take_over

    def take_over(self: Replica) -> None:
        best = self._suffixes.best
        gone = [key for key, value in best.items() if expiry_in(value) == REMOVED and self.writes.current(key) is None]
        for key in gone:
            del best[key]
        honest(self)

    return Replica, "_take_over", take_over


def any_version() -> Broken:
    """What is said of another version of an arc counts too."""

    def accepts(arc: Arc, version: int) -> bool:
        return True

    return replica, "accepts", accepts


def committed_without_settling() -> Broken:
    """All that a former owner owes counts as carried out, also what the new one did not take."""

    def on_committed(self: Replica, source: NodeId, message: Committed) -> None:
        self.resolve(0)

    return Replica, "on_committed", on_committed


def incoming_keeps_suffix() -> Broken:
    """Who becomes incoming keeps its suffix."""
    honest = Replica._freeze

    def freeze(self: Replica, before: Role, role: Role) -> None:
        vars(self.writes)["forget_received"] = lambda: None
        try:
            honest(self, before, role)
        finally:
            del vars(self.writes)["forget_received"]

    return Replica, "_freeze", freeze


def divided_arcs_forget() -> Broken:
    """Where an arc is divided, its parts know nothing of what was received."""
    honest = contents.PendingWrites.inherit

    def inherit(self: contents.PendingWrites, other: contents.PendingWrites) -> None:
        other.unfold()
        other.received = deque()
        other.inherited = []
        honest(self, other)

    return contents.PendingWrites, "inherit", inherit


def divided_arcs_forget_writes() -> Broken:
    """Where an arc is divided, its parts know nothing of the writes that wait."""
    honest = contents.PendingWrites.inherit

    def inherit(self: contents.PendingWrites, other: contents.PendingWrites) -> None:
        for pending in other.queue:
            self.answer(pending)
        other.queue = deque()
        honest(self, other)

    return contents.PendingWrites, "inherit", inherit


def tail_without_present() -> Broken:
    """A holder hands over what it received at former versions of the arc, and not what came at the present one."""
    honest = contents.PendingWrites.inherit_received

    def inherit_received(self: contents.PendingWrites) -> None:
        self.unfold()
        self.received.clear()
        honest(self)

    return contents.PendingWrites, "inherit_received", inherit_received


def settled_too_early() -> Broken:
    """A holder is told that all have what only some have."""
    honest = sender.Sender.on_committed

    def on_committed(self: sender.Sender) -> None:
        honest(self)
        if self._unsettled:
            self._settled = self._unsettled[-1][0]

    return sender.Sender, "on_committed", on_committed


def acknowledged_late() -> Broken:
    """An acknowledgement that waited for the disk leaves under a later version of the arc."""

    def close_sink(self: Replica) -> None:
        self.receiver = None

    return Replica, "_close_receiver", close_sink


def settled_in_view_ignored() -> Broken:
    """What the view has settled counts as a suffix all the same, if a former owner hands it over."""

    def settled_at(arc: Arc, position: int) -> int:
        return 0

    return takeover, "settled_at", settled_at


def settled_in_memory() -> Broken:
    """What was settled at a takeover is not on disk, and is forgotten by a node that starts again."""
    honest = Reconciled.note

    def note(self: Reconciled, first: int, last: int, version: int) -> None:
        vars(self._commits)["write"] = lambda operations: None
        try:
            honest(self, first, last, version)
        finally:
            del vars(self._commits)["write"]

    return Reconciled, "note", note


def hot_values_outlive_ownership() -> Broken:
    """Who becomes the owner of an arc again still believes what it knew of the values there."""
    return HotValues, "clear", lambda self: None


def hot_values_outlive_writes() -> Broken:
    """An owner keeps the value of an entry in its memory while the entry is overwritten."""
    return HotValues, "forget", lambda self, key: None
