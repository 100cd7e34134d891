"""What a node knows of its own fitness to keep time: a clock that did not count, and turns that came late.

A node that was late hears of nobody, and for that nobody else is to blame ("local health", after Lifeguard, 2017): it
complains of nobody, and marks nobody down, until it has been on time for L.
"""

from __future__ import annotations

from wrpme.core.context import Ground
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.events import UNENDED
from wrpme.protocol.view import NodeId


class Health:
    """See the module."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.suspected: dict[NodeId, float] = {}
        """Neighbours that this node misses, and since when."""

    def be_late(self, seconds: float) -> None:
        """What was due comes so late."""
        ground, now = self.ground, self.ground.now
        ground.beacons.due = now
        if now >= ground.late_until:
            ground.late_seconds = 0.0
            self._tell("late", f"this node was {seconds:.1f} s late (its process or machine was held up)", seconds)
        ground.late_until = now + LEASE_SECONDS
        ground.late_seconds = max(seconds, ground.late_seconds)
        ground.beacons.trust_again(now)

    def void_leases(self, seconds: float) -> None:
        """Time has passed that the clock did not count; how much, if that is known."""
        ground = self.ground
        ground.beacons.void(ground.now)
        ground.late_until = ground.now + LEASE_SECONDS
        ground.beacons.trust_again(ground.now)
        passed = f"{seconds:.1f} s passed that the clock of this node" if seconds else "the clock of this node"
        what = f"{passed} did not count" if seconds else f"{passed} was disrupted"
        why = "its machine was paused or moved, or its wall clock was set"
        self._tell("clock", f"{what} ({why}); it serves again when the others have acknowledged its beacons", seconds)

    def note_silence(self) -> None:
        """Tells whom this node misses, and who is heard again; one that died or is no neighbour now is let be."""
        ground, now = self.ground, self.ground.now
        silent = {node for node in ground.beacons.silent(now) if node in ground.alive} if ground.lives else set()
        for node in sorted(silent.difference(self.suspected)):
            age, address = ground.beacons.age(node, now), ground.address_of(node)
            self.suspected[node] = now - age
            ground.tell("suspected", f"no sign of {address} for {age:.1f} s", address)
        for node in [node for node in self.suspected if node not in silent]:
            since = self.suspected.pop(node)
            if ground.lives and node in ground.alive and node in ground.beacons.neighbours:
                address = ground.address_of(node)
                ground.tell("heard", f"{address} is heard again", address, now - since)

    def _tell(self, kind: str, sentence: str, seconds: float) -> None:
        address = self.ground.settings.address
        self.ground.tell(kind, sentence.replace("this node", address, 1), address, seconds or UNENDED, "warning")
