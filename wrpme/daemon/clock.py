"""The clock of a node, which looks at the wall clock each time it is read.

A lease is as good as the clock that it is measured with. The clock that counts the sleep of a machine stands still all
the same while a virtual machine is paused, saved or moved. Whoever sets its wall clock right afterwards (the
hypervisor, its agent, NTP) makes that visible: the wall clock gains on the other one. Slewing does not, as both are
slewed alike. An operator who sets the wall clock does: that is taken for the same, and costs a moment of service.
"""

from __future__ import annotations

from collections.abc import Callable
from wrpme.daemon.limits import CLOCK_JUMP_SECONDS


class Clock:
    """Calling it gives the seconds of ``monotonic``. ``jumped`` is called, with the seconds that passed unseen, before
    a call returns that saw ``wall`` gain ``CLOCK_JUMP_SECONDS``, or ``disrupted`` tell something else than before: 0
    where it is not known how many."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        jumped: Callable[[float], None],
        disrupted: Callable[[], bytes] | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._jumped = jumped
        self._disrupted = disrupted
        self._marker = disrupted() if disrupted is not None else b""
        self._low = self._high = 0.0
        self.settle()

    def __call__(self) -> float:
        """Returns the time in seconds. This is hot: it is called for all that arrives in one read, and for all that
        leaves in one turn."""
        now = self._monotonic()
        if not self._low <= self._wall() - now <= self._high:
            self._look()
        if self._disrupted is not None and self._disrupted() != self._marker:
            self._marker = self._disrupted()
            self.settle()
            self._jumped(0.0)
        return now

    def settle(self) -> None:
        """Forgets what the wall clock gained or lost up to now: called once a second, it lets pass what is far too
        little to matter."""
        self._set(self._ahead())

    def _ahead(self) -> float:
        """Returns how much the wall clock is ahead, at least: the process may be held up between two readings."""
        wall = self._wall()
        return wall - self._monotonic()

    def _set(self, ahead: float) -> None:
        self._base = ahead
        self._low, self._high = ahead - CLOCK_JUMP_SECONDS, ahead + CLOCK_JUMP_SECONDS

    def _look(self) -> None:
        ahead = self._ahead()
        gained = ahead - self._base
        if -CLOCK_JUMP_SECONDS <= gained <= CLOCK_JUMP_SECONDS:
            return  # the process was held up, and both clocks went on
        self._set(ahead)
        if gained > 0:
            self._jumped(gained)
