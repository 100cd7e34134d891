"""Large pieces of work, one after the other: between two of them the loop looks at everything else first.

A frame of many megabytes that is read or made holds up the loop for as long as the machine takes to copy it; several in
one turn would make heartbeats wait that have come meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from wrpme.limits import TURN_BYTES


class Work:
    """Carries out steps in later turns of the loop, about ``TURN_BYTES`` in each."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due: deque[tuple[int, Callable[[], None]]] = deque()
        self._scheduled = False

    def put(self, size: int, step: Callable[[], None]) -> None:
        """Carries out the step, which is about ``size`` bytes, in a later turn, after what was put before."""
        self._due.append((size, step))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        done = 0
        try:
            while self._due and done < TURN_BYTES:
                size, step = self._due.popleft()
                done += size
                step()
        finally:
            self._scheduled = bool(self._due)
            if self._scheduled:
                self._loop.call_soon(self._go_on)
