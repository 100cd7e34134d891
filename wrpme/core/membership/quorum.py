"""Whether this node sees a quorum of the voters, and what an operator should know and do where it does not.

A voter that gives an answer of any kind is not dead: its process runs, even if it is slow, starts, has an old copy of
its directory, or speaks for another hive. ``recover --force`` is named only where no missing voter answers at all.
"""

from __future__ import annotations

from math import inf

from wrpme.core.context import NodeContext
from wrpme.core.io import HANGING
from wrpme.core.membership.paxos import is_quorum
from wrpme.core.limits import HEARTBEAT_SECONDS, SILENCE_SECONDS, TROUBLE_SECONDS
from wrpme.limits import LEASE_SECONDS, SLOTS
from wrpme.protocol import ring
from wrpme.protocol.view import NodeId, View


class Quorum:
    """See the module."""

    def __init__(self, context: NodeContext) -> None:
        self.context = context
        self.since = inf
        """Since when there is none; inf if there is one."""
        self._share: tuple[tuple[int, frozenset[NodeId]], str] = ((0, frozenset()), "")

    def note(self) -> None:
        """Called as time passes."""
        if not self.missing():
            self.since = inf
        elif self.since == inf:
            self.since = self.context.now

    def missing(self) -> list[NodeId]:
        """The voters that this node does not see, where those that it sees are no quorum."""
        view = self.context.view
        if view is None or self.context.disk.quiet:  # it asks nobody, so nobody answers
            return []
        lost = [voter for voter in view.voters if not self._seen(voter)]
        return lost if not is_quorum(view.voters, set(view.voters).difference(lost)) else []

    def _seen(self, voter: NodeId) -> bool:
        """Acknowledged heartbeats tell; between lives that the view does not name there are none, but votes."""
        context = self.context
        if voter == context.me or context.heartbeats.reaches(voter, context.now) is not False:
            return True
        return context.is_returning(voter) or (not context.this_life and self._heard(voter))

    def _heard(self, node: NodeId) -> bool:
        return self.context.now - self.context.heard_at.get(node, -inf) < SILENCE_SECONDS

    def _heard_of_late(self, node: NodeId) -> bool:
        """Whether it has said anything since a cut that is noticed now can have begun: what came before is no
        answer."""
        return self.context.now - self.context.heard_at.get(node, -inf) < SILENCE_SECONDS - HEARTBEAT_SECONDS

    def answer_of(self, voter: NodeId) -> str:
        """How a voter that is not seen answers nevertheless, in words; empty if it gives no answer of any kind."""
        context = self.context
        address = context.address_of(voter)
        known = context.routes.get(voter)
        hive, at = context.foreign.get(address, (b"", -inf))
        if context.now - at < TROUBLE_SECONDS:
            return f"at {address} a node of another hive ({hive.hex()[:8]}) answers"
        other, at = context.replaced.get(address, (b"", -inf))
        if context.now - at < TROUBLE_SECONDS and not self._heard(voter):
            return f"at {address} node {other.hex()[:8]} answers, whose directory is not that of node {voter.hex()[:8]}"
        if known is None:
            return f"{address} answers" if self._heard(voter) else ""
        if context.link_troubles.get(known) == HANGING:
            return f"{address} takes connections and says nothing, it hangs"
        if context.linked.get(known) or self._heard_of_late(voter):
            return f"{address} runs and answers, but takes no part: it starts, is cut off, or its disk is slow or full"
        return ""

    def sentence(self) -> str:
        """Why this node sees no quorum, and what to do; empty if it does, or has no view."""
        missing, view = self.missing(), self.context.view
        if not missing or view is None:
            return ""
        names = ", ".join(self.context.address_of(voter) for voter in missing)
        there = len(view.voters) - len(missing)
        sees = f"this node sees {there} of {len(view.voters)} voters; it waits for {names}"
        if self._looks_around():
            return f"{sees}, and looks for the other nodes, which takes some seconds in a hive of {len(view.members)}"
        answers = [answer for voter in missing if (answer := self.answer_of(voter))]
        if answers:
            return f"{sees} ({'; '.join(answers)}; their logs say more)"
        it = "it" if len(missing) == 1 else "them"
        lost = "its disk is" if len(missing) == 1 else "their disks are"
        return (
            f"{sees}: start {it}, or mend the network to {it}; only if {lost} lost for good, recover --force at "
            f"{self.context.settings.address} goes on without {it}, and {self.price(view)}"
        )

    def price(self, view: View) -> str:
        """What a recovery here would give up, as far as this node can see."""
        context = self.context
        seen = frozenset(node for node in context.members if node == context.me or self._reached(node))
        key = (view.epoch, seen)
        if self._share[0] != key:
            lost = [index for index, arc in enumerate(view.arcs) if not seen.intersection(arc.holders)]
            slots = sum(ring.width(view.arcs, index) for index in lost)
            percent = f"{100 * slots / SLOTS:.0f} %" if slots >= SLOTS / 100 else "a little"
            gives = f"of {percent} of the ring there are only older copies then, or none"
            self._share = key, gives if slots else "no entry is lost by that"
        return self._share[1]

    def _looks_around(self) -> bool:
        """Whether there was no time yet to ask all nodes of a large hive."""
        seconds = self.context.heartbeats.far_seconds
        return seconds > 0 and self.context.now - self.since < seconds + HEARTBEAT_SECONDS

    def _reached(self, node: NodeId) -> bool:
        return self._heard(node) or bool(self.context.heartbeats.reaches(node, self.context.now))

    def against_recovery(self) -> str:
        """Why the missing voters can't be taken for dead yet; empty if they can be, by an operator's word."""
        missing, context = self.missing(), self.context
        answers = [answer for voter in missing if (answer := self.answer_of(voter))]
        if answers:
            return (
                f"{'; '.join(answers)}: a voter that answers is not dead, and a new generation beside it would lose "
                "what it has; its log says what it waits for, mend that first (or stop it, if it can't be mended)"
            )
        if self._looks_around():
            return "this node has not looked for all other nodes yet; ask again in a few seconds"
        tried = all(context.routes.get(voter) in context.link_troubles for voter in missing)
        if not tried and context.now - self.since < LEASE_SECONDS:
            return "this node has not looked for the missing voters for long enough; ask again in a few seconds"
        return ""
