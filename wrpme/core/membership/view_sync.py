"""How views spread: learnt from others or decided here, on disk, then adopted and told on.

Whoever sees a higher epoch asks for that view, whoever sees a lower one sends his. A decided view goes to all members
as a patch with a digest of the result, whole to those who lack the base. A view of a newer generation is
taken where it lists this node by its id; else this node is fenced, see :mod:`wrpme.core.membership.lifecycle`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial
from math import inf

from msgspec import Struct

from wrpme.core.context import NodeContext
from wrpme.core.io import Exit, ReplyTo
from wrpme.core.layout import ACCEPTOR_KEY
from wrpme.core.membership import transitions as views
from wrpme.core.membership.lifecycle import Lifecycle
from wrpme.core.membership.view_log import ViewLog
from wrpme.core.membership.whereabouts import UNPROVEN, Whereabouts
from wrpme.core.retry import Retry
from wrpme.core.limits import ASK_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol.identities import Here, Where
from wrpme.protocol.messages import AskView, Heartbeat, HeartbeatAck, Envelope, NextView, Report, WholeView
from wrpme.protocol.view import NOBODY, Down, NodeId, Patch, Proposal, View


class Adoption(Struct, frozen=True):
    """A view that is on disk. ``is_news``: it was decided here, and others do not know it yet. ``patch`` makes it of
    ``base``."""

    view: View
    is_news: bool = False
    base: View | None = None
    patch: Patch | None = None


class ViewSync:
    """See the module. A view that is learnt goes to the disk; from there the node takes it (:meth:`next_on_disk`)."""

    def __init__(self, context: NodeContext, lifecycle: Lifecycle, whereabouts: Whereabouts) -> None:
        self.context = context
        self.lifecycle = lifecycle
        self.whereabouts = whereabouts
        self._log = ViewLog(context.reader)
        self.latest: View | None = None
        """The newest view that is known, on disk or on its way there."""
        self.patch: Patch | None = None
        """What the view that is being adopted differs in from the one before; None where nobody knows."""
        self.on_disk: deque[Adoption] = deque()
        """Views that are on disk and not adopted yet."""
        self._proposals: OrderedDict[int, Proposal] = OrderedDict()
        """What made the latest views of this generation, by epoch, without a gap."""
        self._kept_arcs = 0
        self._told: dict[NodeId, tuple[int, Retry]] = {}
        """Who was told which view, which it does not have yet."""
        self._strangers: dict[NodeId, float] = {}
        """Who is no member, and was told the view a moment ago."""
        self._asked = Retry(context.me)
        """A later view was asked for, of whoever told of it first."""
        self.ahead: tuple[float, NodeId] = (-inf, NOBODY)
        """When somebody last told of a later view or generation, and who."""

    # --- learning ------------------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Takes up the view on disk, if there is one."""
        view = self._log.load()
        if view is not None:
            self.latest = view
            self.on_disk.append(Adoption(view))
        return view is not None

    def learn(self, view: View, tell: bool = False, patch: Patch | None = None) -> None:
        """On disk, together with dropping the acceptor of its instance, before its epoch is told to anyone. ``patch``
        makes it of the latest view. One that names a life of this node which its directory has not lived is not taken:
        what this node has on its disk must not count for what that life had."""
        mine = view_index.member(view, self.context.me)
        if mine is not None and not self.lifecycle.has_lived(mine.incarnation):
            self.lifecycle.is_copy()
            return
        base, self.latest = self.latest, view
        self.context.commits.write(
            [*self._log.save(view, patch if base is not None else None), (ACCEPTOR_KEY, None)], True
        )
        self.context.commits.after_disk(partial(self.on_disk.append, Adoption(view, tell, base, patch)))

    def next_on_disk(self) -> Adoption | None:
        """The next view to adopt, with what differs from the present one; None where there is none that is later."""
        before = self.context.view
        while self.on_disk:
            found = self.on_disk.popleft()
            if before is None or found.view.epoch > before.epoch:
                patch = found.patch
                if before is not None and (patch is None or found.base is not before):
                    patch = views.difference(before, found.view)
                self.patch = patch if before is not None else None
                for node in self.patch.left if self.patch is not None else ():
                    self._told.pop(node, None)
                self._asked.reset()
                return Adoption(found.view, found.is_news, before, self.patch)
        return None

    def decided(self, proposal: Proposal) -> None:
        """The voter decided the view after the present one."""
        view = self.context.view
        if view is None or (self.latest is not None and self.latest.epoch > view.epoch):
            return
        following = view_index.patched(view, proposal.patch)
        if view_index.digest(following) != proposal.digest:
            self.context.say("error", "a decided view can't be made from its patch: another version of wrpme?")
            return
        self._keep(following, proposal)
        self.learn(following, True, proposal.patch)

    def on_view(self, source: NodeId, body: WholeView | NextView) -> None:
        """Another node tells its view."""
        latest = self.latest
        if isinstance(body, NextView):
            if latest is not None and body.epoch == latest.epoch + 1:
                self._follow(source, latest, body)
            return
        view = body.view
        if latest is None:
            if view_index.member(view, self.context.me) is not None:
                self.learn(view)
        elif view.hive == latest.hive:
            theirs, ours = view_index.era(view), view_index.era(latest)
            if theirs == ours:
                if view.epoch > latest.epoch:
                    self.learn(view)
            elif view_index.order_of(theirs) > view_index.order_of(ours):
                self._on_new_generation(view, latest)

    def _on_new_generation(self, view: View, latest: View) -> None:
        """Whoever it lists by its id goes with it, also in a later life than it knows of: that one comes back. A node
        that has seen a later view of the old generation took part in what the new one does not know."""
        mine = view_index.member(view, self.context.me)
        if mine is not None and mine.incarnation <= self.context.settings.incarnation and view.epoch > latest.epoch:
            self.learn(view)
        else:
            self.lifecycle.fenced(view, twofold=view.generation == latest.generation)

    def _follow(self, source: NodeId, base: View, body: NextView) -> None:
        following = view_index.patched(base, body.proposal.patch)
        if view_index.digest(following) == body.proposal.digest:
            self._keep(following, body.proposal)
            self.learn(following, False, body.proposal.patch)
        else:
            self.context.outbox.send(source, AskView(whole=True))

    def proposal_of(self, view: View) -> Proposal | None:
        """What made this view of the one before; None where this node does not know."""
        return self._proposals.get(view.epoch)

    def _keep(self, view: View, proposal: Proposal) -> None:
        """Together they are no larger than the view itself: to tell them never costs more."""
        if view.epoch - 1 not in self._proposals:
            self._proposals.clear()
            self._kept_arcs = 0
        self._proposals[view.epoch] = proposal
        self._kept_arcs += len(proposal.patch.arcs)
        while len(self._proposals) > 1 and self._kept_arcs > len(view.arcs):
            self._kept_arcs -= len(self._proposals.popitem(last=False)[1].patch.arcs)

    def stopping(self, view: View) -> set[NodeId]:
        """Who went down in this view as planned."""
        proposal = self.proposal_of(view)
        changes = proposal.changes if proposal is not None else ()
        return {change.node for change in changes if isinstance(change, Down) and change.planned}

    # --- telling -------------------------------------------------------------------------------------------------

    def tell_all(self, before: View | None, view: View) -> None:
        """To all members, and to those who are none any more."""
        context = self.context
        listening = view_index.live(before) if before is not None else frozenset()
        for member in view.members:
            if member.id != context.me:
                # What it was told before is on its way, and is not said again with each further view: whoever is slow
                # would be given the more to read the slower it is. One that lacks it asks.
                told = self._told.get(member.id, (0, None))[0] if member.id in listening else 0
                self.tell(member.id, max(context.known_epochs[member.id], told))
        for node in self.patch.left if before is not None and self.patch is not None else ():
            former = view_index.member(before, node) if before is not None else None
            if former is not None and node != context.me:
                context.outbox.send_to(former.address, WholeView(view))

    def compare_epochs(self, source: NodeId, epoch: int) -> None:
        """Whoever sees a higher epoch asks for that view, whoever sees a lower one sends his."""
        context, view, latest = self.context, self.context.view, self.latest
        assert view is not None and latest is not None
        if context.disk.silent:
            return
        if epoch > latest.epoch:
            self.ahead = (context.now, source)
            if self._asked.is_due(context.now):
                context.outbox.send(source, AskView())
        elif epoch < view.epoch:
            told, retry = self._told.get(source, (0, Retry(context.me)))
            if told != view.epoch:
                retry.reset()
                if source in context.alive and not context.is_returning(source):
                    # Whoever proposed it tells all, and who hears of it asks one. If each that has it told each that
                    # has not, a hive would be busy with that alone where all are slow.
                    retry.begin(context.now, LEASE_SECONDS / 2)
                self._told[source] = (view.epoch, retry)
            if retry.is_due(context.now):
                self.tell(source, epoch)

    def tell(self, node: NodeId, epoch: int) -> None:
        """To whoever has the view of that epoch: the patches since, or the whole view where it lacks more."""
        context, view = self.context, self.context.view
        assert view is not None
        if self._told.get(node, (0, None))[0] != view.epoch:
            retry = Retry(context.me)
            retry.begin(context.now, context.round_trip((node,)))
            self._told[node] = (view.epoch, retry)
        missing = range(epoch + 1, view.epoch + 1)
        if epoch and missing and all(number in self._proposals for number in (missing[0], missing[-1])):
            for number in missing:
                context.outbox.send(node, NextView(number, self._proposals[number]))
        else:
            context.outbox.send(node, WholeView(view))

    def answer_stranger(self, session: int, envelope: Envelope) -> None:
        """Who has a view of this hive and is no member any more hears so."""
        view, now, body = self.context.view, self.context.now, envelope.body
        if view is not None and envelope.epoch == view.epoch and isinstance(body, Heartbeat):
            ack = HeartbeatAck(body.sent, envelope.incarnation)  # no promise: it only wants to know who has the view
            self.context.outbox.answer(session, envelope.source, ack)
        if view is None or not 0 < envelope.epoch < view.epoch:
            return
        self._strangers = {node: at for node, at in self._strangers.items() if now - at < ASK_SECONDS}
        if envelope.source not in self._strangers:
            self._strangers[envelope.source] = now
            self.context.outbox.effects.append(
                ReplyTo(session, self.context.outbox.envelope(envelope.source, WholeView(view)))
            )

    # --- refusing ------------------------------------------------------------------------------------------------

    def listens(self, session: int, envelope: Envelope) -> bool:
        """Whether the message is for this node and of its hive; where not, the sender hears why, if it should."""
        context, latest = self.context, self.latest
        if latest is not None and envelope.hive == latest.hive and envelope.generation != view_index.era(latest):
            return self._of_another_generation(session, envelope, latest)
        if envelope.source == context.me:
            self._on_own_words(session, envelope)
            return False
        if latest is not None and envelope.hive and envelope.hive != latest.hive:
            self.whereabouts.is_taken_for_another(envelope)
        elif envelope.destination in (NOBODY, context.me):
            if latest is not None or isinstance(envelope.body, WholeView):
                return True
        context.outbox.effects.append(
            ReplyTo(session, context.outbox.envelope(envelope.source, self.whereabouts.here(UNPROVEN)))
        )
        return False

    def _of_another_generation(self, session: int, envelope: Envelope, latest: View) -> bool:
        """Of a later one its view is heard; an earlier one hears this one's."""
        context, theirs = self.context, view_index.order_of(envelope.generation)
        ours = view_index.order_of(view_index.era(latest))
        if theirs > ours:
            self.ahead = (context.now, envelope.source)
            return isinstance(envelope.body, WholeView | Where | Here)
        if theirs[0] == ours[0]:
            self.whereabouts.note_generations(envelope.source, latest.generation)
        if context.view is not None and view_index.era(context.view) == view_index.era(latest):
            context.outbox.effects.append(
                ReplyTo(session, context.outbox.envelope(envelope.source, WholeView(context.view)))
            )
        return False

    def meet(self, session: int, envelope: Envelope) -> None:
        """Somebody of this hive says where he is: the later generation is told to the earlier one. Two that were begun
        on both sides of a cut know nobody of each other but former addresses."""
        latest, context = self.latest, self.context
        if latest is None or context.view is None or envelope.hive != latest.hive or envelope.source == context.me:
            return
        ours = view_index.era(latest)
        if envelope.generation != ours and self._of_another_generation(session, envelope, latest):
            context.outbox.answer(session, envelope.source, AskView())

    def _on_own_words(self, session: int, envelope: Envelope) -> None:
        """A message under this node's own id: its own, which a peer given led back here, or that of a process on a
        copy of its directory."""
        context, address = self.context, self.context.settings.address
        if envelope.incarnation != context.settings.incarnation:
            if context.lives:
                words = f"the node that it is a copy of runs at {address}"
                self.whereabouts.refuse_old(session, envelope, words)
        elif len(context.settings.peers) > 1:
            return  # one list of peers may serve all nodes: the others are asked too
        elif self.latest is None and envelope.destination == NOBODY and isinstance(envelope.body, Report):
            itself = f"the peer given is this node itself ({address})"
            context.outbox.effects.append(Exit(1, f"{itself}; name another node of the hive"))
