"""Wrong passwords by where they come from: who guesses is let guess ever more slowly.

A password that was proven lately is taken all the same, so that nobody is kept out by a neighbour who guesses.
"""

from __future__ import annotations

ADDRESSES_MAX = 1024
"""So many are remembered; the one that failed longest ago is forgotten first."""
FREE = 5
"""So many wrong passwords cost nothing."""
PAUSE_SECONDS_MAX = 60.0
REMEMBERED_SECONDS = 600.0
"""After so long without a wrong password an address begins anew."""


class Failures:
    """``address`` is a host without a port."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, float]] = {}
        """By address, the one that failed last at the end: how often, and when last."""

    def failed(self, address: str, now: float) -> None:
        """A wrong password came from there."""
        count, _ = self._known.pop(address, (0, now))
        self._known[address] = count + 1, now
        if len(self._known) > ADDRESSES_MAX:
            del self._known[next(iter(self._known))]

    def pause(self, address: str, now: float) -> float:
        """Seconds for which no further password from there is looked at; 0 where one is."""
        count, at = self._known.get(address, (0, 0.0))
        if count and now - at >= REMEMBERED_SECONDS:
            del self._known[address]
            return 0.0
        if count < FREE:
            return 0.0
        pause: float = min(PAUSE_SECONDS_MAX, 2.0 ** min(count - FREE, 10))
        return max(0.0, at + pause - now)
