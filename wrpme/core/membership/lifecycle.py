"""The node's own place in the hive: founding it, joining it, coming back to it, and leaving it for a while.

What is asked for is asked again until a view grants it.
"""

from __future__ import annotations

from wrpme.core.context import Ground
from wrpme.core.io import Exit
from wrpme.core.membership.paxos import is_quorum
from wrpme.core.membership.quorum import Quorum
from wrpme.core.retry import Retry
from wrpme.errors import OldCopyError, StartError, UnavailableError, UnstableError, WrpmeError
from wrpme.limits import (
    ASK_SECONDS, FLAP_SECONDS_MAX, LEASE_SECONDS, STOP_SECONDS_MAX, SUSPECT_NOBODY_SECONDS, WAITING_LINE_SECONDS,
)  # fmt: skip
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


class Life:
    """See the module."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.stopping_since: float | None = None
        self.leaving = False
        self.was_live = False
        self.exited = False
        self.started = ground.now
        self._asked_at = ground.now - ASK_SECONDS
        self._retry = Retry(ground.me)
        self._said_at = ground.now - WAITING_LINE_SECONDS + 1
        self.voters = Quorum(ground)
        self._peer_troubles: dict[str, str] = {}
        self._refusal = ""
        """Why another node does not let this one in."""
        self._lost_at = ground.now
        self._live_since = ground.now
        self._flaps = 0
        self._without_quorum_since: float | None = None

    @property
    def busy(self) -> bool:
        """Something here waits for time to pass."""
        return not self.ground.lives or self.stopping_since is not None or self.leaving

    def sharers(self, view: View) -> set[NodeId]:
        """The nodes that this one shares an arc with."""
        me = self.ground.me
        found: set[NodeId] = set()
        for arc in arcs_of(view, me):
            parts = (*arc.holders, *arc.incoming, *arc.prev)
            if me in parts:
                found.update(parts)
        return found - {me}

    def tick(self, quorum_has_view: bool, nobody_waits: bool) -> None:
        """Asks for what this node wants to be. ``nobody_waits``: no client has an answer to expect of this node."""
        ground, now = self.ground, self.ground.now
        if ground.lives:
            self._say_quorum()
        if self.stopping_since is not None:
            self._stop(quorum_has_view and nobody_waits)
        elif self.leaving and (ground.lives or ground.me not in ground.members):
            self._leave(quorum_has_view)
        elif not ground.lives and self._may_ask() and self._retry.is_due(now):
            self._ask()

    def _may_ask(self) -> bool:
        """Whoever was marked down while it lived does not ask at any time; before it may, no pause grows."""
        view = self.ground.view
        return view is None or not self.ground.this_life or self._may_return(view)

    def _ask(self) -> None:
        ground, settings, view = self.ground, self.ground.settings, self.ground.view
        change: Change
        if view is None or ground.me not in ground.members:
            change = Join(settings.id, settings.incarnation, settings.address, settings.replication)
        else:
            change = Back(settings.id, settings.incarnation, settings.address, view.epoch, self._marks(view))
        if view is not None:
            ground.reports.append(change)
        for peer in settings.peers:
            ground.send_to(peer, Report((change,)))
        if ground.now - self._said_at >= WAITING_LINE_SECONDS:
            self._said_at = ground.now
            ground.say("warning", self.waiting())

    def _marks(self, view: View) -> tuple[Mark, ...]:
        """How complete this node's copies are of arcs that others hold as well."""
        ground = self.ground
        return tuple(
            Mark(arc.end, arc.version, *ground.marks.of(arc_start(view, arc_at(view, arc.end)), arc.end))
            for arc in arcs_of(view, ground.me)
            if ground.me in arc.holders and len(arc.holders) > 1
        )

    def on_link_up(self) -> None:
        """What it asked for may have been lost on the way to somebody who was not there."""
        if not self.ground.lives:
            self._retry.begin(self.ground.now)

    def on_link_down(self, address: str, reason: str) -> None:
        """A peer can't be reached: said once for each reason while this node looks for its hive."""
        if not self.was_live and address in self.ground.settings.peers:
            if self._peer_troubles.get(address) != reason:
                self._peer_troubles[address] = reason
                self.ground.say("warning", f"the peer {address} can't be reached ({reason}); trying again until it can")

    def waiting(self) -> str:
        """What this node, which does not serve, waits for."""
        if self.ground.view is None:
            settings = self.ground.settings
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
        ground, view = self.ground, self.ground.view
        missing = sorted(self.sharers(view).intersection(ground.alive).difference(ground.heard)) if view else []
        if not missing:
            return ""
        names = listed(ground.address_of(node) for node in missing)
        return (
            f"nothing was heard yet of {names} with the same entries; "
            f"{SUSPECT_NOBODY_SECONDS:.0f} s after its start the hive goes on without what is not there"
        )

    def _may_return(self, view: View) -> bool:
        """Marked down while alive: not before it sees a quorum and all it shares arcs with, and later each time."""
        ground, now = self.ground, self.ground.now
        if now - self._lost_at < min(FLAP_SECONDS_MAX, 2.0 ** (self._flaps - 1)):
            return False
        sharers = self.sharers(view)
        seen = {node for node in (*view.voters, *sharers) if ground.beacons.reaches(node, now)} | {ground.me}
        return is_quorum(view.voters, seen) and all(node in seen for node in sharers if node in ground.alive)

    def _stop(self, may_go: bool) -> None:
        ground, since = self.ground, self.stopping_since
        assert since is not None
        if self.exited:
            return
        late = ground.now - since >= STOP_SECONDS_MAX
        if ground.lives and not late:
            if ground.now - self._asked_at >= ASK_SECONDS:
                self._asked_at = ground.now
                ground.reports.append(Down(ground.me, ground.settings.incarnation, planned=True))
        elif late or ground.view is None or not self.was_live or may_go:
            self.exited = True
            if late and ground.lives:
                ground.say("warning", f"no quorum agreed to the stop in {STOP_SECONDS_MAX:.0f} s; stopping anyway")
            ground.after_disk(lambda: ground.effects.append(Exit(0)))

    def leave(self) -> None:
        """An operator asks that this node goes for good."""
        if not self.leaving:
            self.leaving = True
            self._asked_at = self.ground.now - ASK_SECONDS
            self.ground.say("info", "leaving the hive for good: others get its copies first")

    def _leave(self, quorum_has_view: bool) -> None:
        """Asks for it; and goes when those who are left know: they may not be able to decide anything without it."""
        ground = self.ground
        if ground.lives:
            if ground.now - self._asked_at >= ASK_SECONDS:
                self._asked_at = ground.now
                ground.reports.append(Leave(ground.me, ground.settings.incarnation))
        elif not self.exited and quorum_has_view:
            self.exited = True
            left = "this node has left the hive; its data directory is not needed any more"
            ground.after_disk(lambda: ground.effects.append(Exit(0, left)))

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
        self.ground.effects.append(Exit(1, sentence, tuple(member.address for member in view.members)))

    def stop(self) -> None:
        """A signal, or ``stop_node``, asks for a planned stop."""
        if self.stopping_since is None:
            self.stopping_since = self.ground.now
            self._asked_at = self.ground.now - ASK_SECONDS
            self._tell("stopping", "stopping: the hive is told first", level="info")

    def adopt(self, view: View) -> None:
        """Says what became of this node in the new view."""
        ground = self.ground
        mine = ground.members.get(ground.me)
        if not ground.lives:
            self._retry.reset()  # what it told of the former view is void
        if ground.lives:
            if not self.was_live:
                self._live_since = ground.now
                ground.beacons.trust_again(ground.now)
                hive = view.hive.hex()[:8]
                serving = f"serving at {ground.settings.address} as node {ground.me.hex()[:8]} of hive {hive}"
                self._tell("serving", serving, ground.now - max(self.started, self._lost_at), "info")
            self.was_live = True
            self._refusal = ""
        elif self.was_live and mine is not None and mine.state is State.DOWN and self.stopping_since is None:
            self.was_live = False
            self._flaps = self._flaps + 1 if ground.now - self._live_since < FLAP_SECONDS_MAX else 1
            self._lost_at = ground.now
            hung = ground.now - ground.hung_until < LEASE_SECONDS
            why = "the hive went on without this node, as its disk hung" if hung else "the hive took this node for dead"
            dead = f"{why}; it serves nothing until it is taken back"
            self._tell("cut_off", dead, ground.now - self._live_since, "warning")
        elif self.was_live and mine is None and not self.leaving:
            self.was_live = False
            dropped = "the hive did not wait for this node any longer; it joins as a new member"
            self._tell("cut_off", dropped, ground.now - self._live_since, "warning")

    def on_refused(self, message: Refused) -> None:
        """Another node would not listen to this life; what was said to another one is none of its business."""
        ground = self.ground
        if message.incarnation not in (0, ground.settings.incarnation) or self.exited:
            return
        if message.code == OldCopyError.code:
            self._step_aside(message)
        elif message.code == StartError.code and not self.was_live and self.stopping_since is None:
            self.exited = True
            ground.effects.append(Exit(1, message.sentence))
        elif message.sentence != self._refusal:
            self._refusal = message.sentence
            ground.say("warning", f"refused: {message.sentence}")

    def _step_aside(self, message: Refused) -> None:
        """This node runs on an old copy of its directory, and joins its hive as a new one."""
        ground = self.ground
        known = (*ground.routes.values(), *ground.settings.peers, *message.others)
        others = tuple(dict.fromkeys(address for address in known if address != ground.settings.address))
        self.exited = True
        ground.effects.append(Exit(1, message.sentence, others))

    def on_here(self, envelope: Envelope, body: Here) -> None:
        """Who comes back to its hive, and is told to through a node of another one, was given a wrong peer; where that
        is the address of a node of its own hive it is not its own mistake."""
        ground, view = self.ground, self.ground.view
        if view is None or not envelope.hive or envelope.hive == view.hive or self.was_live or self.exited:
            return
        if body.address not in ground.settings.peers or body.address in ground.routes.values():
            return
        self.exited = True
        sentence = (
            f"{body.address} belongs to hive {envelope.hive.hex()[:8]}, but this data directory to hive "
            f"{view.hive.hex()[:8]}; start with another directory (-r), or name a peer of its own hive"
        )
        ground.effects.append(Exit(1, sentence))

    def quorum(self) -> str:
        """Why this node sees no quorum; empty if it does, or has no view."""
        return self.voters.sentence()

    def lasting_loss(self) -> str:
        """Why this node has seen no quorum for so long that it is not just a moment; else empty."""
        since = self._without_quorum_since
        if since is None or self.ground.now - since < 2 * LEASE_SECONDS:
            return ""
        return self.quorum()

    def _say_quorum(self) -> None:
        """When it is lost, and when it is there again."""
        missing, since, now = self.voters.missing(), self._without_quorum_since, self.ground.now
        if missing and since is None:
            self._without_quorum_since = now
            self._tell("quorum_lost", f"no change of the hive can be decided: {self.quorum()}", level="warning")
        elif not missing and since is not None:
            self._without_quorum_since = None
            self._tell("quorum", "this node sees a quorum again", now - since, "info")

    def _tell(self, kind: str, sentence: str, seconds: float = UNENDED, level: str = "") -> None:
        """About this node itself."""
        self.ground.tell(kind, sentence, self.ground.settings.address, seconds, level)

    def not_serving(self) -> WrpmeError | None:
        """Why this node serves nothing now; None if it does."""
        ground = self.ground
        if ground.known is not None:
            hangs = ground.pace.hang_text(ground.settings.address)
            return UnstableError(f"{hangs}; nothing was changed, try another node")
        if ground.lives:
            return None
        if self.stopping_since is not None:
            return UnstableError(f"{ground.settings.address} is stopping; nothing was changed, try another node")
        if ground.view is None:
            peers = ", ".join(ground.settings.peers)
            address = ground.settings.address
            refusal = f" ({self._refusal})" if self._refusal else ""
            return UnstableError(f"{address} waits for a hive at {peers}{refusal}; nothing was changed, try again")
        if quorum := self.quorum():
            if ground.now - max(self.started, self._lost_at) >= 2 * LEASE_SECONDS:
                return UnavailableError(quorum)
        return UnstableError(f"{ground.settings.address} is coming back to the hive; nothing was changed, try again")
