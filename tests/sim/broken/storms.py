"""Broken rules of scale: who computes, who judges others, and how much goes into one view."""

from __future__ import annotations

from tests.sim.broken import Broken
from wrpme.core.health import self_check
from wrpme.core.membership import reports, view_sync, voter
from wrpme.core.membership import transitions as views
from wrpme.protocol.messages import NextView
from wrpme.protocol.view import Change, NodeId, View


def computes_at_every_member() -> Broken:
    """Whoever follows a view computes it from its changes."""
    honest = view_sync.ViewSync._follow

    def follow(self: view_sync.ViewSync, source: NodeId, base: View, body: NextView) -> None:
        views.next_view(base, body.proposal.changes)
        honest(self, source, base, body)

    return view_sync.ViewSync, "_follow", follow


def reports_failures_while_late() -> Broken:
    """A node that was late itself holds against others what it did not hear meanwhile."""

    def be_late(self: self_check.SelfCheck, seconds: float) -> None:
        self.context.heartbeats.due = self.context.now

    return self_check.SelfCheck, "be_late", be_late


def unbounded_joins() -> Broken:
    """All that want to join do so in one view."""
    honest = voter.Voter._first_joins

    def first_joins(self: voter.Voter, view: View, delay: float, room: int) -> list[Change]:
        return honest(self, view, delay, len(self._joins))

    return voter.Voter, "_first_joins", first_joins


def gathered_reports_are_dropped() -> Broken:
    """In a large hive what gathers is forgotten when something leaves that can't wait."""
    honest = reports.Reports.take

    def take(self: reports.Reports) -> tuple[Change, ...]:
        if any(not isinstance(change, reports.CAN_WAIT) for change in self.context.outbox.reports):
            for change in self._gathered:
                self._told[change] = self.context.now + 1e6
            self._gathered.clear()
        return honest(self)

    return reports.Reports, "take", take
