"""Who is let in: what nodes say about themselves, and what they ask the voters for."""

from __future__ import annotations

from wrpme.core.context import NodeContext
from wrpme.core.io import Send
from wrpme.core.membership.lifecycle import Lifecycle
from wrpme.core.membership.view_sync import ViewSync
from wrpme.core.membership.voter import Voter
from wrpme.core.membership.whereabouts import Whereabouts
from wrpme.errors import StartError
from wrpme.protocol.health import copies_in_words
from wrpme.protocol.identities import Here, Refused, Where
from wrpme.protocol.messages import Envelope, Report
from wrpme.protocol.view import (
    NOBODY, Activated, Back, Change, Down, DropUser, Forget, Join, Leave, NodeId, PutUser, Replicate, Synced,
)  # fmt: skip


def _may_ask(source: NodeId, change: Change) -> bool:
    """A node speaks for itself; only that somebody wants in may be passed on by others."""
    if isinstance(change, Synced | Activated):
        return change.reporter == source
    if isinstance(change, Down):
        return change.node == source and (change.planned or change.hung)
    if isinstance(change, Leave):
        return change.node == source
    return isinstance(change, Join | Back | Forget | Replicate | PutUser | DropUser)


class Admission:
    """See the module."""

    def __init__(
        self, context: NodeContext, lifecycle: Lifecycle, view_sync: ViewSync, voter: Voter, whereabouts: Whereabouts
    ) -> None:
        self.context = context
        self.view_sync = view_sync
        self.lifecycle = lifecycle
        self.voter = voter
        self.whereabouts = whereabouts

    def on_identity(self, session: int, envelope: Envelope) -> None:
        """Who is who, and where; also of other hives."""
        body, ours = envelope.body, envelope.destination in (NOBODY, self.context.me)
        self.view_sync.meet(session, envelope)
        if isinstance(body, Refused) and envelope.destination == self.context.me:
            self.lifecycle.on_refused(body)
        elif isinstance(body, Where) and envelope.source != self.context.me:
            self.whereabouts.on_where(session, envelope, body)
        elif isinstance(body, Here) and ours:
            self.whereabouts.on_here(envelope, body)
            self.lifecycle.on_here(envelope, body)

    def on_report(self, session: int, envelope: Envelope, report: Report) -> None:
        """A voter takes it; another node passes on what a node says of itself, which may not know the voters."""
        source = envelope.source
        for change in report.changes:
            refusal = self.wrong_replication(change.replication) if isinstance(change, Join) else ""
            if isinstance(change, Join | Back) and not change.secured:
                refusal = refusal or self.wants_tls()
            if isinstance(change, Join | Back) and refusal:
                refused = Refused(StartError.code, refusal, change.incarnation)
                if change.node == source:
                    self.context.outbox.answer(session, source, refused)
                else:  # it was passed on by another node, which has no use for the answer
                    self.context.outbox.effects.append(
                        Send(change.address, self.context.outbox.envelope(change.node, refused))
                    )
                return
        known = [
            change
            for change in report.changes
            if not isinstance(change, Join | Back) or self.whereabouts.wants_in(session, envelope, change)
        ]
        if self.voter.is_voter:
            for change in known:
                if _may_ask(source, change):
                    self.voter.request(change)
        elif all(isinstance(change, Join | Back) and change.node == source for change in report.changes):
            self.context.outbox.reports += report.changes

    def wants_tls(self) -> str:
        """Why a node that takes other connections than those of TLS has no place in this hive; empty if it has."""
        view = self.context.view
        if view is None or not view.users:
            return ""
        return (
            f"hive {view.hive.hex()[:8]} has users, whose passwords travel by TLS only: start this node with "
            "--tls-mode require (docs/security.md says how a hive is brought there and back)"
        )

    def wrong_replication(self, wanted: int) -> str:
        """Why a node that wants so many copies has no place in this hive; empty if it has."""
        view = self.context.view
        if view is None or wanted in (0, view.replication):
            return ""
        return (
            f"hive {view.hive.hex()[:8]} keeps {copies_in_words(view.replication)} of each entry, and --replication "
            f"asks for {wanted}: leave --replication out, or change the hive (wrpmesh set_replication {wanted})"
        )
