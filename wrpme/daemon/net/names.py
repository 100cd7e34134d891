"""Names of hosts: looked up beside everything else, by a thread for each that hangs, and remembered.

A name server that is slow, or gone, delays only the first connection to a name: from then on the last good answer
counts, and is looked up anew beside the attempt that uses it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

from wrpme.daemon.limits import NAME_SECONDS
from wrpme.limits import LOOKUP_SECONDS_MAX
from wrpme.protocol.address import is_number

Lookup = Callable[[str], list[str]]


def look_up(name: str) -> list[str]:
    """Returns the addresses that the system finds for a name, for as long as it takes."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


class Names:
    """Finds the addresses of the hosts that links go to."""

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup
        self._loop = asyncio.get_running_loop()
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._running: dict[str, asyncio.Future[list[str]]] = {}

    async def addresses(self, name: str) -> list[str]:
        """Returns the addresses of that host, at least one.

        Raises:
            OSError: it has none.
            TimeoutError: nobody answered in time.
        """
        if is_number(name):
            return [name]
        known = self._known.get(name)
        if known is not None and self._loop.time() - known[0] < NAME_SECONDS:
            return known[1]
        running = self._running.get(name) or self._begin(name)
        if known is not None:
            return known[1]
        async with asyncio.timeout(LOOKUP_SECONDS_MAX):
            return await asyncio.shield(running)

    def _begin(self, name: str) -> asyncio.Future[list[str]]:
        future: asyncio.Future[list[str]] = self._loop.create_future()
        future.add_done_callback(lambda done: done.exception())  # nobody may wait for it any more
        self._running[name] = future
        threading.Thread(target=self._work, args=(name,), name="names", daemon=True).start()
        return future

    def _work(self, name: str) -> None:
        outcome: list[str] | OSError
        try:
            outcome = self._lookup(name)
        except OSError as error:
            outcome = error
        except UnicodeError:  # a name that can't be one
            outcome = socket.gaierror(socket.EAI_NONAME, "no such name")
        try:
            self._loop.call_soon_threadsafe(self._done, name, outcome)
        except RuntimeError:
            return  # the loop has ended meanwhile

    def _done(self, name: str, outcome: list[str] | OSError) -> None:
        future = self._running.pop(name)
        if isinstance(outcome, OSError):
            future.set_exception(outcome)
        else:
            self._known[name] = (self._loop.time(), outcome)
            future.set_result(outcome)
