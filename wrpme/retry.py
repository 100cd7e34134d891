"""Saying again what was not answered: after pauses that double, so that being slow never makes more to do.

The pauses of different nodes differ a little, that they do not all ask at once (Bronson et al., "Metastable Failures in
Distributed Systems", 2021). There is no randomness in it: a node's id and the number of the attempt decide.
"""

from __future__ import annotations

from zlib import crc32

from wrpme.limits import ASK_SECONDS, ASK_SECONDS_MAX
from wrpme.picture import NodeId


class Retry:
    """One thing that is said again until it is answered; ``begin`` when it was said first, or anew."""

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._pause = ASK_SECONDS
        self._at = 0.0
        self._count = 0

    def begin(self, now: float, round_trip: float = 0.0) -> None:
        """It was said just now, and an answer takes so long."""
        self._pause = ASK_SECONDS
        self._at = now + self._pause * self._factor() + round_trip

    def is_due(self, now: float) -> bool:
        """Whether it is to be said again now; the next pause is twice as long then."""
        if now < self._at:
            return False
        self._pause = min(ASK_SECONDS_MAX, 2 * self._pause)
        self._at = now + self._pause * self._factor()
        return True

    def _factor(self) -> float:
        """3/4 to 5/4."""
        self._count += 1
        return 0.75 + crc32(self._node + self._count.to_bytes(4, "big")) / (1 << 33)
