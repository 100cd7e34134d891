"""Requests about a node itself and about the hive as a whole: figures, stopping, leaving, forgetting, another number of
copies, recovering."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf

import msgspec

from wrpme.core.context import NodeContext
from wrpme.core.outbox import Origin
from wrpme.core.membership import transitions as views
from wrpme.core.membership.lifecycle import Lifecycle
from wrpme.core.membership.view_sync import ViewSync
from wrpme.core.membership.voter import Voter
from wrpme.errors import UsageError
from wrpme.core.limits import SILENCE_SECONDS, TROUBLE_SECONDS
from wrpme.limits import REPLICATION_MAX
from wrpme.protocol import view_index
from wrpme.protocol.address import listed
from wrpme.protocol.health import copies_in_words
from wrpme.protocol.administration import GetSlow, SlowLog
from wrpme.protocol.administration import ForgetNode, LeaveNode, Recover, SetReplication, StopNode
from wrpme.protocol.messages import Done, GetConfig, GetStatus, Text
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import NOBODY, Forget, Member, NodeId, Replicate, State, View


class Admin:
    """``status`` gives the figures of this node."""

    def __init__(
        self,
        context: NodeContext,
        lifecycle: Lifecycle,
        voter: Voter,
        view_sync: ViewSync,
        status: Callable[[], NodeStats],
    ) -> None:
        self.context = context
        self.lifecycle = lifecycle
        self.voter = voter
        self.view_sync = view_sync
        self._status = status

    def get_status(self, origin: Origin, request: GetStatus) -> None:
        """As JSON."""
        self.context.outbox.reply(origin, Text(request.id, msgspec.json.encode(self._status()).decode()))

    def get_config(self, origin: Origin, request: GetConfig) -> None:
        """As JSON."""
        self.context.outbox.reply(origin, Text(request.id, self.context.settings.config))

    def stop_node(self, origin: Origin, request: StopNode) -> None:
        """The planned stop begins."""
        self.context.asked(origin, "stop_node: this node stops as planned")
        self.context.outbox.reply(origin, Done(request.id))
        self.lifecycle.stop()

    def leave_node(self, origin: Origin, request: LeaveNode) -> None:
        """The node begins to go for good."""
        context = self.context
        if refusal := self.lifecycle.not_serving():
            context.outbox.fail(origin, request.id, refusal)
            return
        if not any(member.state is State.UP and member.id != context.me for member in context.members.values()):
            address = context.settings.address
            last = f"{address} is the last node that is up: nobody could take its entries; stop_node stops it"
            context.outbox.fail(origin, request.id, UsageError(last))
            return
        context.asked(origin, "leave: this node moves its data away and stops for good")
        context.outbox.reply(origin, Done(request.id))
        self.lifecycle.leave()

    def forget_node(self, origin: Origin, request: ForgetNode) -> None:
        """The voters are asked to give a dead node up."""
        context = self.context
        member = context.members.get(request.member)
        if member is None or member.incarnation != request.incarnation or member.state is not State.DOWN:
            what = "is not down" if member is not None else "is no node of this hive"
            name = context.address_of(request.member)
            context.outbox.fail(
                origin, request.id, UsageError(f"{name} {what}; only a node that is down can be forgotten")
            )
            return
        if quorum := self.lifecycle.quorum():
            context.outbox.fail(origin, request.id, UsageError(f"nothing can be decided here: {quorum}"))
            return
        heard_at = context.heard_at.get(member.id, -inf)
        heard = heard_at > context.down_since.get(member.id, -inf) and context.now - heard_at < SILENCE_SECONDS
        if heard and context.linked.get(context.routes.get(member.id, "")) is not False:
            lives = f"{member.address} answers, and is on its way back: what it has is not lost"
            context.outbox.fail(
                origin, request.id, UsageError(f"{lives}; stop it first if it is to be given up all the same")
            )
            return
        context.asked(origin, f"an operator says that {member.address} never returns: the hive forgets it")
        context.outbox.reports.append(Forget(request.member, request.incarnation, request.choices))
        context.outbox.reply(origin, Done(request.id))

    def get_slow(self, origin: Origin, request: GetSlow) -> None:
        """Answers with the last slow requests of this node."""
        slow = self.context.slow
        found = SlowLog(request.id, slow.threshold_seconds * 1000, slow.noted, slow.last(request.count))
        if request.forget:
            slow.forget()
        self.context.outbox.reply(origin, found)

    def set_replication(self, origin: Origin, request: SetReplication) -> None:
        """The voters are asked for another number of copies. It may be more than there are nodes: there are as many
        copies as there can be then, and the rest is made when more nodes join."""
        context = self.context
        if refusal := self._wrong_number(request):
            context.outbox.fail(origin, request.id, UsageError(refusal))
            return
        if quorum := self.lifecycle.quorum():
            context.outbox.fail(origin, request.id, UsageError(f"nothing can be decided here: {quorum}"))
            return
        wanted = copies_in_words(request.replication)
        context.asked(origin, f"an operator wants {wanted} of each entry, instead of {request.known}")
        context.outbox.reports.append(Replicate(request.replication, request.known))
        context.outbox.reply(origin, Done(request.id))

    def _wrong_number(self, request: SetReplication) -> str:
        view, wanted = self.context.view, request.replication
        if not 1 <= wanted <= REPLICATION_MAX:
            return f"a hive keeps 1 to {REPLICATION_MAX} copies of each entry, not {wanted}"
        if view is None:
            return "this node has no hive yet, whose copies could be more or fewer"
        kept = f"hive {view.hive.hex()[:8]} keeps {copies_in_words(view.replication)} of each entry"
        if wanted == view.replication:
            return f"{kept} already"
        if request.known != view.replication:
            return f"{kept} now, not {request.known}: somebody else has changed that; nothing was changed by you"
        return ""

    def recover(self, origin: Origin, request: Recover) -> None:
        """Starts a new generation with all whom this node sees."""
        context, view = self.context, self.context.view
        missing = self.lifecycle.voters.missing()
        mine = context.members.get(context.me)
        if view is None or mine is None:
            context.outbox.fail(origin, request.id, UsageError("this node has no hive to recover"))
            return
        if not missing:
            sees = "this node sees a quorum of the voters, the hive decides by itself: there is nothing to recover"
            context.outbox.fail(origin, request.id, UsageError(sees))
            return
        if refusal := self._behind() or self.lifecycle.voters.against_recovery():
            context.outbox.fail(origin, request.id, UsageError(refusal))
            return
        alive, heard = context.alive, context.heard_at
        seen = [
            node
            for node in alive
            if context.heartbeats.reaches(node, context.now) and context.known_epochs.get(node) == view.epoch
        ]
        returning = [node for node, at in heard.items() if node not in seen and context.now - at < SILENCE_SECONDS]
        if refusal := self._other_price(view, request, {context.me, *seen, *returning}):
            context.outbox.fail(origin, request.id, UsageError(refusal))
            return
        settings = context.settings
        me = Member(context.me, settings.incarnation, settings.address, mine.joined, State.UP)
        following = views.recover(view, me, seen, request.choices, returning)
        lost = [member.address for member in view.members if view_index.member(following, member.id) is None]
        sentence = (
            f"generation {following.generation} of the hive begins here with {len(following.members)} of "
            f"{len(view.members)} nodes; without {listed(lost) or 'none'}, which will join as new nodes if started, "
            "with the data that they have set aside"
        )
        context.asked(origin, f"an operator says that the missing voters are dead: {sentence}")
        self.view_sync.learn(following, tell=True)
        context.commits.after_disk(lambda: context.outbox.reply(origin, Text(request.id, sentence)))

    def _other_price(self, view: View, request: Recover, kept: Collection[NodeId]) -> str:
        """Returns why the generation would lose something else than the operator was told, who asked all nodes that he
        reaches; empty if it would not. ``kept`` are those that this node would take along."""
        address = self.context.address_of
        gone = {choice.node for choice in request.choices}.difference((NOBODY,), kept)
        if gone:
            names = listed(address(node) for node in sorted(gone))
            sentence = f"{names}, whose copies were to be taken, can't be reached any more; nothing was changed"
            return f"{sentence}: give the command again for what is there now"
        told = {(choice.end, choice.version) for choice in request.choices}
        untold = dict.fromkeys(
            node
            for arc in view.arcs
            if not set(kept).intersection(arc.holders) and (arc.end, arc.version) not in told
            for node in arc.holders
        )
        if untold:
            names = listed(address(node) for node in untold)
            who = names if len(untold) == 1 else f"one of {names}"
            return (
                f"{who} answered you, but can't be reached from {self.context.settings.address}, which would begin "
                "without what it has: nothing was changed. Mend the network between them; only where its disk is lost "
                "for good, stop it and give the command again"
            )
        return ""

    def _behind(self) -> str:
        """Why a generation may not begin with what this node knows; empty if it may."""
        at, source = self.view_sync.ahead
        if self.context.now - at >= TROUBLE_SECONDS:
            return ""
        return (
            f"{self.context.address_of(source)} has a later view of the hive than this node: what this node has is "
            "older. This node takes it over as soon as they reach each other; if a recovery is needed then, do it there"
        )
