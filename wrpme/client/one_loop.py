"""The event loop that a client works on."""

from __future__ import annotations

import asyncio

from wrpme import errors


class OneLoop:
    """The loop of the first request: connections and timers belong to it, and can't be used from another one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def running(self) -> asyncio.AbstractEventLoop:
        """Returns the loop that runs.

        Raises:
            UsageError: It is not the one of the first call.
        """
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif loop is not self._loop:
            raise errors.UsageError(
                "this client belongs to another event loop, the one of its first request; make a client in each loop "
                "and close it there, or share one BlockingClient"
            )
        return loop
