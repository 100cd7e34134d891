"""Saying again what was not answered: after pauses that double, so that being slow never makes more to do.

The pauses of different nodes differ a little, that they do not all ask at once (Bronson et al., "Metastable Failures in
Distributed Systems", 2021). There is no randomness in it: a node's id and the number of the attempt decide.
"""

from __future__ import annotations

from math import inf
from zlib import crc32

from wrpme.core.limits import ASK_SECONDS, ASK_SECONDS_MAX
from wrpme.protocol.view import NodeId


class Retry:
    """One thing that is said until it is answered: at once, and then after pauses."""

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """It is to be said at once: something has changed."""
        self._pause = ASK_SECONDS
        self._at = -inf

    def begin(self, now: float, round_trip: float = 0.0) -> None:
        """It was said just now, and an answer takes so long."""
        self.reset()
        self.is_due(now)
        self._at += round_trip

    def is_due(self, now: float) -> bool:
        """Whether it is to be said now; then the next pause begins, and the one after it is twice as long."""
        if now < self._at:
            return False
        self._at = now + self._pause * self._factor()
        self._pause = min(ASK_SECONDS_MAX, 2 * self._pause)
        return True

    def _factor(self) -> float:
        """3/4 to 5/4."""
        self._count += 1
        return 0.75 + crc32(self._node + self._count.to_bytes(4, "big")) / (1 << 33)
