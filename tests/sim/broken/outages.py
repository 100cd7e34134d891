"""Broken rules of outages: disks that hang, old directories, operators, clocks, and space that nobody needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from tests.sim.broken import Broken
from wrpme.core import limits
from wrpme.core import admin
from wrpme.core.health import clocks, own_disk
from wrpme.core.layout import HINTS, expiry_and_key_in, hash_in, hints_end
from wrpme.core.membership import draft, lifecycle, view_sync, whereabouts
from wrpme.core.membership import transitions as views
from wrpme.core.replication import sweep
from wrpme.core.replication.replica import Role
from wrpme.core.replication.sender import Sender
from wrpme.protocol import salvage
from wrpme.protocol.administration import Recover
from wrpme.protocol.messages import Answer, Holding
from wrpme.protocol.salvage import Told
from wrpme.protocol.view import NOBODY, Arc, Back, Choice, Member, NodeId, View


def hung_disks_are_borne() -> Broken:
    """A node whose disk hangs goes on acknowledging heartbeats, and does not ask to be marked down."""

    def others_decide(self: own_disk.OwnDisk) -> bool:
        return False

    return own_disk.OwnDisk, "_others_decide", others_decide


def old_copies_are_welcome() -> Broken:
    """A node that runs on an old copy of its directory is taken back as itself."""

    def floor(self: whereabouts.Whereabouts, node: NodeId) -> int:
        return 0

    return whereabouts.Whereabouts, "_floor", floor


def copies_do_not_know_it() -> Broken:
    """A directory takes a view that names a life which it has not lived."""

    def has_lived(self: lifecycle.Lifecycle, incarnation: int) -> bool:
        return True

    return lifecycle.Lifecycle, "has_lived", has_lived


def taken_back_unseen() -> Broken:
    """Who returns need not have seen the view that names its last life."""
    honest = draft.Draft._returns

    def returns(self: draft.Draft, change: Back) -> bool:
        return honest(self, replace(change, known=0))

    return draft.Draft, "_returns", returns


def fenced_by_incarnation() -> Broken:
    """A new generation fences whoever it does not list in that very life."""

    def on_new_generation(self: view_sync.ViewSync, view: View, latest: View) -> None:
        mine = next((member for member in view.members if member.id == self.context.me), None)
        if mine is not None and mine.incarnation == self.context.settings.incarnation and view.epoch > latest.epoch:
            self.learn(view)
        else:
            self.lifecycle.fenced(view)

    return view_sync.ViewSync, "_on_new_generation", on_new_generation


def lost_answers_are_waited_for() -> Broken:
    """Whatever a copy acknowledges is progress of it, also where the answer to a comparison was lost."""
    honest = Sender._take_answers

    def take_answers(self: Sender, answers: Sequence[Answer]) -> None:
        acknowledged, self._stream.acknowledged = self._stream.acknowledged, 0
        try:
            honest(self, answers)
        finally:
            self._stream.acknowledged = acknowledged

    return Sender, "_take_answers", take_answers


def seniors_before_marks() -> Broken:
    """What nobody holds any more starts again from the first node that shall hold it, whatever it has."""

    def best(arc: Arc, told: Told) -> tuple[Holding | None, NodeId]:
        return None, next((node for node in (*arc.wanted, *told) if node in told), NOBODY)

    return salvage, "_best", best


def stale_hints_end_a_sweep() -> Broken:
    """A sweep begins at the first hint each time, and ends after some that say nothing to this node."""
    honest = sweep.Sweep._expire

    def expire(self: sweep.Sweep) -> float:
        context = self._context
        context.commits.reminders.cursor, self._halfway = HINTS[0], False
        stale = 0
        for hint, _ in context.reader.scan(HINTS[0], hints_end(int(context.wall()))):
            replica = self._table.at(hash_in(expiry_and_key_in(hint)[1]))
            stale += replica is None or replica.role is not Role.OWNER
        return limits.EXPIRE_SECONDS if stale >= limits.EXPIRE_HINTS_MAX else honest(self)

    return sweep.Sweep, "_expire", expire


def nobody_compares_clocks() -> Broken:
    """That the wall clock of another node is wrong is told to nobody."""

    def look(self: clocks.Clocks) -> None:
        """Nothing."""

    return clocks.Clocks, "look", look


def space_is_kept() -> Broken:
    """The space of what was removed stays with the disk."""

    def give_back(self: sweep.Sweep) -> None:
        """Nothing."""

    return sweep.Sweep, "_give_back", give_back


def who_returns_is_passed_over() -> Broken:
    """A new generation starts an arc empty whose only copy has a node that answers and has to come back first."""
    honest = views.recover

    def recover(
        view: View, me: Member, seen: Collection[NodeId], choices: Collection[Choice] = (),
        returning: Collection[NodeId] = (),
    ) -> View:  # fmt: skip
        return honest(view, me, seen, [choice for choice in choices if choice.node in (me.id, *seen)], returning)

    return views, "recover", recover


def what_others_reach_may_go() -> Broken:
    """A new generation begins without a node that the operator reaches, though he was not told what only it has."""

    def other_price(self: admin.Admin, view: View, request: Recover, kept: Collection[NodeId]) -> str:
        return ""

    return admin.Admin, "_other_price", other_price
