"""From where on the hints of expiry are to be looked at: what lies before has been dealt with, and costs nothing more.

A hint may be written for a moment that is behind this place (a life span that is over already, a clock that was set
back), and is seen by a scan only when it is on disk: then, and not before, the place moves back to it.
"""

from __future__ import annotations

from wrpme.core.layout import HINTS


class Reminders:
    """``cursor`` is the hint to go on with."""

    def __init__(self) -> None:
        self.cursor = HINTS[0]
        self._gathering = self._under_way = HINTS[1]
        """The first of the hints in the batch that gathers, and in the one that is on its way to the disk."""

    def wrote(self, hint: bytes) -> None:
        """A hint is in the batch that gathers."""
        if hint < self._gathering:
            self._gathering = hint

    def left(self) -> None:
        """The batch that gathered is on its way."""
        self._under_way, self._gathering = self._gathering, HINTS[1]

    def flushed(self) -> None:
        """The batch that was on its way is on disk."""
        self.cursor = min(self.cursor, self._under_way)
        self._under_way = HINTS[1]
