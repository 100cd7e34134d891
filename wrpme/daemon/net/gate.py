"""Lets connections in: a few in a turn of the loop, no more than there are places for, and none for a moment where the
system has no file left for one. Where a node takes TLS, the first byte of a connection tells whether it begins so.

The loop's own servers take all that wait at once, however many files that costs the disk, and the one that is used here
ends connections for which there are none.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial

from wrpme.daemon.limits import (
    ACCEPT_RETRY_SECONDS, ACCEPTS_PER_TURN_MAX, FAREWELL_SECONDS_MAX, FIRST_BYTE_SECONDS_MAX,
    HANDSHAKE_SECONDS_MAX, HANDSHAKES_MAX,
)  # fmt: skip
from wrpme.daemon.security.tls import Tls, begins_tls, failed_handshake

Say = Callable[[str, str], None]
Places = Callable[[int, Callable[[], bool]], int]
"""See :meth:`wrpme.daemon.net.server.Server.places`."""


class Gate:
    """Accepts connections at these sockets, which stay open when the gate is closed. ``make`` makes what speaks on a
    connection; ``places`` is told how many are on their way in, and says whether another one may come (see
    :meth:`wrpme.daemon.net.server.Server.places`); ``say`` is told how a lack of files begins and ends, and ``often``
    what others can cause as often as they like. With ``tls`` off, nobody is waited for."""

    def __init__(
        self,
        sockets: list[socket.socket],
        make: Callable[[], asyncio.Protocol],
        places: Places,
        say: Say,
        often: Say,
        tls: Tls | None = None,
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._places = places
        self._say = say
        self._often = often
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._unproven: dict[asyncio.Task[None], None] = {}
        """Those of them that have said nothing, or not finished their handshake; the oldest first."""
        self._handshakes: dict[asyncio.Task[None], None] = {}
        """Those that are in their handshake; the oldest first."""
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
        for task in self._unproven:
            task.cancel()
        await asyncio.gather(*self._entering, return_exceptions=True)

    def _shut(self) -> None:
        for listening in self._sockets:
            self._loop.remove_reader(listening)

    def _admit(self, listening: socket.socket) -> None:
        places = self._places(len(self._entering), self._displace)
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
            if self._tls is not None:
                self._unproven[task] = None
            task.add_done_callback(partial(self._entered, made))

    def _entered(self, made: socket.socket, task: asyncio.Task[None]) -> None:
        self._entering.discard(task)
        self._unproven.pop(task, None)
        self._handshakes.pop(task, None)
        if task.cancelled():  # perhaps before it began
            made.close()

    def _displace(self) -> bool:
        """Closes the connection that has proven nothing for longest; returns whether there is one."""
        return _end_oldest(self._unproven)

    async def _enter(self, made: socket.socket) -> None:
        if self._tls is not None:
            await self._enter_by_tls(made, self._tls)
            return
        try:
            await self._loop.connect_accepted_socket(self._make, made)
        except OSError:  # it has gone again
            made.close()

    async def _enter_by_tls(self, made: socket.socket, tls: Tls) -> None:
        """Takes what begins a handshake by TLS, and all else as it comes; where that is not taken, the session tells
        it so in its own protocol."""
        peer, task = _peer(made), asyncio.current_task()
        assert task is not None
        context: ssl.SSLContext | None = None
        try:
            async with asyncio.timeout(FIRST_BYTE_SECONDS_MAX):
                first = await self._first_byte(made)
            if begins_tls(first):
                context = tls.server
                if len(self._handshakes) >= HANDSHAKES_MAX:
                    _end_oldest(self._handshakes)
                self._handshakes[task] = None
        except TimeoutError:
            if not tls.takes_plain:
                made.close()
                return
        except OSError:
            made.close()
            return
        seconds = (HANDSHAKE_SECONDS_MAX, FAREWELL_SECONDS_MAX) if context is not None else (None, None)
        try:
            await self._loop.connect_accepted_socket(
                self._make, made, ssl=context, ssl_handshake_timeout=seconds[0], ssl_shutdown_timeout=seconds[1]
            )
        except OSError as error:  # the loop closes the socket where it was secured
            if context is None:
                made.close()
            else:
                error.__traceback__ = None  # its frames lead back to it, and to all that TLS has of the connection
                self._often("info", f"closed the connection from {peer}: {_why(error)}")

    async def _first_byte(self, made: socket.socket) -> bytes:
        """Waits for the first byte, and leaves it there; there is none where the other side has ended."""
        while True:
            try:
                return made.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                pass
            readable = self._loop.create_future()
            self._loop.add_reader(made, _set, readable)
            try:
                await readable
            finally:
                self._loop.remove_reader(made)

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


def _end_oldest(tasks: dict[asyncio.Task[None], None]) -> bool:
    """Ends the task that is first; returns whether there is one."""
    oldest = next(iter(tasks), None)
    if oldest is None:
        return False
    del tasks[oldest]
    oldest.cancel()
    return True


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionAbortedError):  # what the loops raise when they give up
        return f"it did not finish its TLS handshake within {HANDSHAKE_SECONDS_MAX:g} s"
    if isinstance(error, ConnectionError):
        return "it ended its TLS handshake"
    return failed_handshake(error) or str(error)


def _set(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _peer(made: socket.socket) -> str:
    try:
        name = made.getpeername()
    except OSError:
        return "somebody"
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) and len(name) >= 2 else "somebody"
