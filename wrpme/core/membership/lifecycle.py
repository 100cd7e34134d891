"""The node's own place in the hive: founding it, joining it, coming back to it, and leaving it for a while.

What is asked for is asked again until a view grants it.
"""

from __future__ import annotations

from wrpme.core.context import NodeContext
from wrpme.core.io import Exit
from wrpme.core.membership.paxos import is_quorum
from wrpme.core.membership.quorum import Quorum
from wrpme.core.retry import Retry
from wrpme.errors import OldCopyError, StartError, UnavailableError, UnstableError, WrpmeError
from wrpme.core.limits import ASK_SECONDS, SUSPECT_NOBODY_SECONDS, WAITING_LINE_SECONDS
from wrpme.limits import FLAP_SECONDS_MAX, LEASE_SECONDS, STOP_SECONDS_MAX
from wrpme.protocol.address import listed
from wrpme.protocol.events import UNENDED
from wrpme.protocol.identities import Here, Refused
from wrpme.protocol.messages import Envelope, Report
from wrpme.protocol.ring import arc_at, arc_start
from wrpme.protocol.view import Back, Change, Down, Join, Leave, Mark, NodeId, State, View
from wrpme.protocol.view_index import arcs_of

ALL_LOST = (
    "start those that are down; if they all run and wait too, too few of them still have its data: then stop this "
    "node, put an earlier copy of its data directory back if there is one (or {}, mended), and go on as "
    "docs/troubleshooting.md says where too many are damaged"
)
"""For a node that joins its hive anew, as its data was set aside: there may be no hive left to join."""


class Lifecycle:
    """See the module."""

    def __init__(self, context: NodeContext) -> None:
        self.context = context
        self.stopping_since: float | None = None
        self.leaving = False
        self.was_live = False
        self.exited = False
        self.started = context.now
        self._asked_at = context.now - ASK_SECONDS
        self._retry = Retry(context.me)
        self._said_at = context.now - WAITING_LINE_SECONDS + 1
        self.voters = Quorum(context)
        self._peer_troubles: dict[str, str] = {}
        self._wrong_peers: set[str] = set()
        """Peers that were found in another hive while this node served its own."""
        self._refusal = ""
        """Why another node does not let this one in."""
        self._lost_at = context.now
        self._live_since = context.now
        self._flaps = 0
        self._without_quorum_since: float | None = None

    @property
    def busy(self) -> bool:
        """Something here waits for time to pass."""
        return not self.context.lives or self.is_going

    @property
    def is_going(self) -> bool:
        """This node was asked to stop, or to leave."""
        return self.stopping_since is not None or self.leaving

    def sharers(self, view: View) -> set[NodeId]:
        """The nodes that this one shares an arc with."""
        me = self.context.me
        found: set[NodeId] = set()
        for arc in arcs_of(view, me):
            parts = (*arc.holders, *arc.incoming, *arc.prev)
            if me in parts:
                found.update(parts)
        return found - {me}

    def tick(self, quorum_has_view: bool, nobody_waits: bool) -> None:
        """Asks for what this node wants to be. Of one that is going: whether a quorum has its view, and whether
        ``nobody_waits``: no client has an answer to expect of this node."""
        context, now = self.context, self.context.now
        if context.lives:
            self._say_quorum()
        if self.stopping_since is not None:
            self._stop(quorum_has_view and nobody_waits)
        elif self.leaving and (context.lives or context.me not in context.members):
            self._leave(quorum_has_view)
        elif not context.lives and self._may_ask() and self._retry.is_due(now):
            self._ask()

    def _may_ask(self) -> bool:
        """Whoever was marked down while it lived does not ask at any time; before it may, no pause grows."""
        view = self.context.view
        return view is None or not self.context.this_life or self._may_return(view)

    def _ask(self) -> None:
        context, settings, view = self.context, self.context.settings, self.context.view
        change: Change
        if view is None or context.me not in context.members:
            # Who was a member asks for no number of copies: an operator may have changed that of the hive since.
            replication = settings.replication if view is None else 0
            change = Join(settings.id, settings.incarnation, settings.address, replication, settings.secured)
        else:
            known = context.members[context.me].incarnation
            marks = self._marks(view)
            change = Back(
                settings.id, settings.incarnation, settings.address, view.epoch, marks, known, settings.secured
            )
        if view is not None:
            context.outbox.reports.append(change)
        for peer in settings.peers:
            context.outbox.send_to(peer, Report((change,)))
        if context.now - self._said_at >= WAITING_LINE_SECONDS:
            self._said_at = context.now
            context.say("warning", self.waiting())

    def _marks(self, view: View) -> tuple[Mark, ...]:
        """How complete this node's copies are of arcs that others hold as well."""
        context = self.context
        return tuple(
            Mark(arc.end, arc.version, *context.marks.of(arc_start(view, arc_at(view, arc.end)), arc.end))
            for arc in arcs_of(view, context.me)
            if context.me in arc.holders and len(arc.holders) > 1
        )

    def on_link_up(self) -> None:
        """What it asked for may have been lost on the way to somebody who was not there."""
        if not self.context.lives:
            self._retry.begin(self.context.now)

    def on_link_down(self, address: str, reason: str) -> None:
        """A peer can't be reached: said once for each reason while this node looks for its hive."""
        if not self.was_live and address in self.context.settings.peers:
            if self._peer_troubles.get(address) != reason:
                self._peer_troubles[address] = reason
                self.context.say(
                    "warning", f"the peer {address} can't be reached ({reason}); trying again until it can"
                )

    def waiting(self) -> str:
        """What this node, which does not serve, waits for."""
        if self.context.view is None:
            settings = self.context.settings
            if not settings.peers:
                return "founding a hive"
            waits = f"waiting for a hive at {', '.join(settings.peers)}"
            if self._refusal:
                return f"{waits}: {self._refusal}"
            return f"{waits}; {ALL_LOST.format(settings.former)}" if settings.former else waits
        if self._refusal:
            return f"waiting to be taken back by the hive: {self._refusal}"
        return f"waiting to be taken back by the hive: {self.quorum() or self._unheard() or 'asked its voters'}"

    def _unheard(self) -> str:
        """Who else has its entries and was not heard yet: nobody is taken back before it is known who is there."""
        context, view = self.context, self.context.view
        missing = sorted(self.sharers(view).intersection(context.alive).difference(context.heard)) if view else []
        if not missing:
            return ""
        names = listed(context.address_of(node) for node in missing)
        return (
            f"nothing was heard yet of {names} with the same entries; "
            f"{SUSPECT_NOBODY_SECONDS:.0f} s after its start the hive goes on without what is not there"
        )

    def _may_return(self, view: View) -> bool:
        """Marked down while alive: not before it sees a quorum and all it shares arcs with, and later each time."""
        context, now = self.context, self.context.now
        if now - self._lost_at < min(FLAP_SECONDS_MAX, 2.0 ** (self._flaps - 1)):
            return False
        sharers = self.sharers(view)
        seen = {node for node in (*view.voters, *sharers) if context.heartbeats.reaches(node, now)} | {context.me}
        return is_quorum(view.voters, seen) and all(node in seen for node in sharers if node in context.alive)

    def _stop(self, may_go: bool) -> None:
        context, since = self.context, self.stopping_since
        assert since is not None
        if self.exited:
            return
        late = context.now - since >= STOP_SECONDS_MAX
        if context.lives and not late:
            if context.now - self._asked_at >= ASK_SECONDS:
                self._asked_at = context.now
                context.outbox.reports.append(Down(context.me, context.settings.incarnation, planned=True))
        elif late or context.view is None or not self.was_live or may_go:
            self.exited = True
            if late and context.lives:
                context.say("warning", f"no quorum agreed to the stop in {STOP_SECONDS_MAX:.0f} s; stopping anyway")
            context.commits.after_disk(lambda: context.outbox.effects.append(Exit(0)))

    def leave(self) -> None:
        """An operator asks that this node goes for good."""
        if not self.leaving:
            self.leaving = True
            self._asked_at = self.context.now - ASK_SECONDS
            self.context.say("info", "leaving the hive for good: others get its copies first")

    def _leave(self, quorum_has_view: bool) -> None:
        """Asks for it; and goes when those who are left know: they may not be able to decide anything without it."""
        context = self.context
        if context.lives:
            if context.now - self._asked_at >= ASK_SECONDS:
                self._asked_at = context.now
                context.outbox.reports.append(Leave(context.me, context.settings.incarnation))
        elif not self.exited and quorum_has_view:
            self.exited = True
            left = "this node has left the hive; its data directory is not needed any more"
            context.commits.after_disk(lambda: context.outbox.effects.append(Exit(0, left)))

    def fenced(self, view: View, twofold: bool = False) -> None:
        """The hive has begun a new generation without this node; ``twofold``: of the same number as its own."""
        if self.exited:
            return
        self.exited = True
        number = f"generation {view.generation}"
        how = f"the hive was recovered without this node ({number})"
        if twofold:
            how = f"{number} was begun twice (recover --force on both sides of a cut), and this one gives way"
        sentence = f"{how}; its former data is set aside, and it joins as a new node"
        self.context.outbox.effects.append(Exit(1, sentence, tuple(member.address for member in view.members)))

    def stop(self) -> None:
        """A signal, or ``stop_node``, asks for a planned stop."""
        if self.stopping_since is None:
            self.stopping_since = self.context.now
            self._asked_at = self.context.now - ASK_SECONDS
            self._tell("stopping", "stopping: the hive is told first", level="info")

    def adopt(self, view: View) -> None:
        """Says what became of this node in the new view."""
        context = self.context
        mine = context.members.get(context.me)
        if not context.lives:
            self._retry.reset()  # what it told of the former view is void
        if context.lives:
            if not self.was_live:
                self._live_since = context.now
                context.heartbeats.trust_again(context.now)
                hive = view.hive.hex()[:8]
                serving = f"serving at {context.settings.address} as node {context.me.hex()[:8]} of hive {hive}"
                self._tell("serving", serving, context.now - max(self.started, self._lost_at), "info")
            self.was_live = True
            self._refusal = ""
        elif self.was_live and mine is not None and mine.state is State.DOWN and self.stopping_since is None:
            self.was_live = False
            self._flaps = self._flaps + 1 if context.now - self._live_since < FLAP_SECONDS_MAX else 1
            self._lost_at = context.now
            hung = context.now - context.disk.hung_until < LEASE_SECONDS
            why = "the hive went on without this node, as its disk hung" if hung else "the hive took this node for dead"
            dead = f"{why}; it serves nothing until it is taken back"
            self._tell("cut_off", dead, context.now - self._live_since, "warning")
        elif self.was_live and mine is None and not self.leaving:
            self.was_live = False
            dropped = "the hive did not wait for this node any longer; it joins as a new member"
            self._tell("cut_off", dropped, context.now - self._live_since, "warning")

    def on_refused(self, message: Refused) -> None:
        """Another node would not listen to this life; what was said to another one is none of its business."""
        context = self.context
        if message.incarnation not in (0, context.settings.incarnation) or self.exited:
            return
        if message.code == OldCopyError.code:
            self._step_aside(message)
        elif message.code == StartError.code and not self.was_live and self.stopping_since is None:
            self.exited = True
            context.outbox.effects.append(Exit(1, message.sentence))
        elif message.sentence != self._refusal:
            self._refusal = message.sentence
            context.say("warning", f"refused: {message.sentence}")

    def has_lived(self, incarnation: int) -> bool:
        """Whether this directory was started in that life of the node, as far as it knows its starts. A hive that has
        taken in another life of it was written to by a directory of which this one is an older copy."""
        lives = self.context.settings.lives
        return incarnation in lives or not lives or incarnation >> 32 < lives[0] >> 32

    def is_copy(self) -> None:
        """The hive names a life of this node that its directory knows nothing of."""
        if not self.exited:
            node = self.context.me.hex()[:8]
            known = "its hive knows a start of this node that the directory does not know of"
            sentence = f"the data directory is an older copy of that of node {node}: {known}"
            self._step_aside(Refused(OldCopyError.code, sentence, self.context.settings.incarnation))

    def _step_aside(self, message: Refused) -> None:
        """This node runs on an old copy of its directory, and joins its hive as a new one."""
        context = self.context
        known = (*context.routes.values(), *context.settings.peers, *message.others)
        others = tuple(dict.fromkeys(address for address in known if address != context.settings.address))
        self.exited = True
        context.outbox.effects.append(Exit(1, message.sentence, others))

    def on_here(self, envelope: Envelope, body: Here) -> None:
        """Who comes back to its hive, and is told to through a node of another one, was given a wrong peer; where that
        is the address of a node of its own hive it is not its own mistake."""
        context, view = self.context, self.context.view
        if view is None or not envelope.hive or envelope.hive == view.hive or self.exited:
            return
        if body.address not in context.settings.peers or body.address in context.routes.values():
            return
        theirs, ours = f"{body.address} belongs to hive {envelope.hive.hex()[:8]}", view.hive.hex()[:8]
        if self.was_live:  # it needed nobody to come back, and the answer came later
            if body.address not in self._wrong_peers:
                self._wrong_peers.add(body.address)
                context.say("warning", f"{theirs}, and this node serves hive {ours}: its --peer is wrong")
            return
        self.exited = True
        sentence = (
            f"{theirs}, but this data directory to hive {ours}; start with another directory (-r), or name a peer of "
            "its own hive"
        )
        context.outbox.effects.append(Exit(1, sentence))

    def quorum(self) -> str:
        """Why this node sees no quorum; empty if it does, or has no view."""
        return self.voters.sentence()

    def lasting_loss(self) -> str:
        """Why this node has seen no quorum for so long that it is not just a moment; else empty."""
        since = self._without_quorum_since
        if since is None or self.context.now - since < 2 * LEASE_SECONDS:
            return ""
        return self.quorum()

    def _say_quorum(self) -> None:
        """When it is lost, and when it is there again."""
        missing, since, now = self.voters.missing(), self._without_quorum_since, self.context.now
        if missing and since is None:
            self._without_quorum_since = now
            self._tell("quorum_lost", f"no change of the hive can be decided: {self.quorum()}", level="warning")
        elif not missing and since is not None:
            self._without_quorum_since = None
            self._tell("quorum", "this node sees a quorum again", now - since, "info")

    def _tell(self, kind: str, sentence: str, seconds: float = UNENDED, level: str = "") -> None:
        """About this node itself."""
        self.context.tell(kind, sentence, self.context.settings.address, seconds, level)

    def not_serving(self) -> WrpmeError | None:
        """Why this node serves nothing now; None if it does."""
        context = self.context
        if context.known is not None:
            hangs = context.disk.hang_text(context.settings.address)
            return UnstableError(f"{hangs}; nothing was changed, try another node")
        if context.lives:
            return None
        if self.stopping_since is not None:
            return UnstableError(f"{context.settings.address} is stopping; nothing was changed, try another node")
        if context.view is None:
            peers = ", ".join(context.settings.peers)
            address = context.settings.address
            refusal = f" ({self._refusal})" if self._refusal else ""
            return UnstableError(f"{address} waits for a hive at {peers}{refusal}; nothing was changed, try again")
        if quorum := self.quorum():
            if context.now - max(self.started, self._lost_at) >= 2 * LEASE_SECONDS:
                return UnavailableError(quorum)
        return UnstableError(f"{context.settings.address} is coming back to the hive; nothing was changed, try again")
