"""What a node knows of its own fitness to keep time: a clock that did not count, and turns that came late.

A node that was late hears of nobody, and for that nobody else is to blame ("local health", after Lifeguard, 2017): it
complains of nobody, and marks nobody down, until it has been on time for L.
"""

from __future__ import annotations

from wrpme.core.context import NodeContext
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.events import UNENDED
from wrpme.protocol.view import NodeId


class SelfCheck:
    """See the module."""

    def __init__(self, context: NodeContext) -> None:
        self.context = context
        self.suspected: dict[NodeId, float] = {}
        """Neighbours that this node misses, and since when."""

    def be_late(self, seconds: float) -> None:
        """What was due comes so late."""
        context, now = self.context, self.context.now
        context.heartbeats.due = now
        if now >= context.lateness.until:
            context.lateness.seconds = 0.0
            self._tell("late", f"this node was {seconds:.1f} s late (its process or machine was held up)", seconds)
        context.lateness.until = now + LEASE_SECONDS
        context.lateness.seconds = max(seconds, context.lateness.seconds)
        context.heartbeats.trust_again(now)

    def void_leases(self, seconds: float) -> None:
        """Time has passed that the clock did not count; how much, if that is known."""
        context = self.context
        context.heartbeats.void(context.now)
        context.lateness.until = context.now + LEASE_SECONDS
        context.heartbeats.trust_again(context.now)
        passed = f"{seconds:.1f} s passed that the clock of this node" if seconds else "the clock of this node"
        what = f"{passed} did not count" if seconds else f"{passed} was disrupted"
        why = "its machine was paused or moved, or its wall clock was set"
        self._tell(
            "clock", f"{what} ({why}); it serves again when the others have acknowledged its heartbeats", seconds
        )

    def note_silence(self) -> None:
        """Tells whom this node misses, and who is heard again; one that died or is no neighbour now is let be."""
        context, now = self.context, self.context.now
        silent = {node for node in context.heartbeats.silent(now) if node in context.alive} if context.lives else set()
        for node in sorted(silent.difference(self.suspected)):
            age, address = context.heartbeats.age(node, now), context.address_of(node)
            self.suspected[node] = now - age
            context.tell("suspected", f"no sign of {address} for {age:.1f} s", address)
        for node in [node for node in self.suspected if node not in silent]:
            since = self.suspected.pop(node)
            if context.lives and node in context.alive and node in context.heartbeats.neighbours:
                address = context.address_of(node)
                context.tell("heard", f"{address} is heard again", address, now - since)

    def _tell(self, kind: str, sentence: str, seconds: float) -> None:
        address = self.context.settings.address
        self.context.tell(kind, sentence.replace("this node", address, 1), address, seconds or UNENDED, "warning")
