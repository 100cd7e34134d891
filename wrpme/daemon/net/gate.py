"""Lets connections in: a few in a turn of the loop, no more than there are places for, and none for a moment where the
system has no file left for one.

The loop's own servers take all that wait at once, however many files that costs the disk, and the one that is used here
ends connections for which there are none.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from wrpme.daemon.limits import ACCEPT_RETRY_SECONDS, ACCEPTS_PER_TURN_MAX


class Gate:
    """Accepts connections at these sockets, which stay open when the gate is closed. ``make`` makes what speaks on a
    connection; ``places`` is told how many are on their way in, and says whether another one may come (see
    :meth:`wrpme.daemon.net.server.Server.places`); ``say`` is told how a lack of files begins and ends."""

    def __init__(
        self,
        sockets: list[socket.socket],
        make: Callable[[], asyncio.Protocol],
        places: Callable[[int], int],
        say: Callable[[str, str], None],
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._places = places
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._short = False

    def open(self) -> None:
        """Accepts connections from now on."""
        self._retry = None
        for listening in self._sockets:
            self._loop.add_reader(listening, self._admit, listening)

    async def close(self) -> None:
        """Accepts no more: who comes from now on waits in the sockets."""
        if self._retry is not None:
            self._retry.cancel()
        self._shut()
        await asyncio.gather(*self._entering)

    def _shut(self) -> None:
        for listening in self._sockets:
            self._loop.remove_reader(listening)

    def _admit(self, listening: socket.socket) -> None:
        places = self._places(len(self._entering))
        if places < 0:
            self._wait()
        for _ in range(min(places, ACCEPTS_PER_TURN_MAX)):
            try:
                made, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait()
                self._tell(error)
                return
            if self._short:
                self._short = False
                self._say("info", "connections are accepted again")
            made.setblocking(False)
            if made.family in (socket.AF_INET, socket.AF_INET6):
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._enter(made))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _enter(self, made: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, made)
        except OSError:  # it has gone again
            made.close()

    def _wait(self) -> None:
        """Accepts none for a moment. Nothing is lost: who wants in waits in the socket."""
        self._shut()
        if self._retry is None:
            self._retry = self._loop.call_later(ACCEPT_RETRY_SECONDS, self.open)

    def _tell(self, error: OSError) -> None:
        if not self._short:
            self._short = True
            reason = error.strerror or str(error)
            self._say("warning", f"the system lets this process accept no connection for now ({reason}); it waits")
