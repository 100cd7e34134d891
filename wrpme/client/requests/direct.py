"""The connections of a blocking client that its threads use by themselves, with no event loop between.

A connection belongs to one thread while a request of it is in flight, and has no other request then. The loop of the
client makes it, so that all that has to be known of its node before has been asked; here it is used as long as nothing
goes wrong, and ended otherwise: everything else is the business of the dispatcher on the loop.
"""

from __future__ import annotations

import select
import socket
from math import ceil
from threading import Lock
from time import monotonic

from wrpme import errors
from wrpme.client.limits import CLIENT_WRITE_BYTES, DIRECT_CONNECTIONS_MAX, PING_SECONDS, SILENT_SECONDS_MAX
from wrpme.client.requests import outcomes
from wrpme.client.requests.outcomes import Lost
from wrpme.limits import KIB
from wrpme.protocol.codec import Decoder, encode
from wrpme.protocol.messages import Failed, GetView, Reply, Request

PING_ID = -1
READ_BYTES = 64 * KIB
"""Of most answers all; of larger ones ``CLIENT_WRITE_BYTES`` are read at a time."""


class DirectConnection:
    """A socket whose node has said who it is; it does not block."""

    def __init__(self, address: str, taken: socket.socket) -> None:
        self.address = address
        self.usable = True
        self._socket = taken
        self._incoming = select.poll()
        self._incoming.register(taken, select.POLLIN)
        self._decoder: Decoder[Reply] = Decoder(Reply, preface=False)
        self._left = 0
        self._reason: errors.WrpmeError | None = None

    def quiet(self) -> bool:
        """Returns whether the node has said nothing since the last answer: all that it could say is that it ends the
        connection."""
        return self.usable and not self._incoming.poll(0)

    def ask(self, request: Request, deadline: float) -> Reply:
        """Returns the reply. ``deadline`` is in seconds on the monotonic clock. After an error the connection has
        ended, unless the request was too large to be sent.

        Raises:
            Lost: The connection ended first.
            TimeoutError: The deadline has passed, and nothing was changed.
            IndeterminateError: The deadline has passed, and the write may yet be carried out.
            TooLargeError: Nothing was sent.
        """
        frame = encode(request)
        try:
            self._send(frame, request, deadline)
            return self._answer_to(request, deadline)
        except BaseException:  # Ctrl-C, too: the answer to this request must not be taken for that to another
            self.end()
            raise

    def end(self) -> None:
        """Ends the connection: of the thread that uses it, or while none does."""
        self.usable = False
        self._socket.close()

    def interrupt(self, reason: errors.WrpmeError) -> None:
        """Lets the thread that waits here have an error, for that reason; that thread ends the connection."""
        self._reason = self._reason or reason
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended just now

    # --- within --------------------------------------------------------------------------------------------------

    def _send(self, frame: bytes, request: Request, deadline: float) -> None:
        try:
            sent = self._socket.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError as error:  # it had ended before, and the system took nothing
            raise Lost(self._reason or outcomes.ended(self.address, error), sent=False) from None
        self._left += 1
        if sent == len(frame):
            return
        rest, outgoing = memoryview(frame)[sent:], select.poll()
        outgoing.register(self._socket, select.POLLOUT)
        while rest:
            until = monotonic() + SILENT_SECONDS_MAX  # that it takes what is sent is a sign of life
            if not outgoing.poll(_milliseconds(min(deadline, until) - monotonic())):
                raise self._silent(request, deadline, sent=True)
            try:
                rest = rest[self._socket.send(rest[:CLIENT_WRITE_BYTES]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Lost(self._reason or outcomes.ended(self.address, error), sent=True) from None

    def _answer_to(self, request: Request, deadline: float) -> Reply:
        heard_at, pinged, pings = monotonic(), False, 0
        while True:
            until = heard_at + (SILENT_SECONDS_MAX if pinged else PING_SECONDS)
            if not self._incoming.poll(_milliseconds(min(deadline, until) - monotonic())):
                now = monotonic()
                if now >= deadline or pinged:
                    raise self._silent(request, deadline, sent=True)
                self._ping()
                pinged, pings = True, pings + 1
                continue
            for reply in self._received():
                if reply.id == request.id:
                    self.usable = not pings  # the answer to a ping is still to come
                    return reply
                pings -= reply.id == PING_ID
                if type(reply) is Failed and reply.id == 0:
                    self._reason = errors.from_wire(reply.code, f"{self.address}: {reply.sentence}")
                    raise Lost(self._reason, sent=not outcomes.refused_all(self._reason, self._left))
            heard_at, pinged = monotonic(), False

    def _received(self) -> list[Reply]:
        size = READ_BYTES if self._decoder.wanted_bytes <= READ_BYTES else CLIENT_WRITE_BYTES
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            return []
        except OSError as error:
            raise Lost(self._reason or outcomes.ended(self.address, error), sent=True) from None
        if not data:
            raise Lost(self._reason or outcomes.ended(self.address, None), sent=True)
        try:
            return self._decoder.feed(data)
        except errors.WrpmeError as error:
            raise Lost(errors.ProtocolError(f"{self.address}: {error.sentence}"), sent=True) from None

    def _ping(self) -> None:
        try:
            self._socket.send(encode(GetView(PING_ID)))
        except BlockingIOError:
            return  # what was sent before has not been taken yet
        except OSError as error:
            raise Lost(self._reason or outcomes.ended(self.address, error), sent=True) from None

    def _silent(self, request: Request, deadline: float, sent: bool) -> errors.WrpmeError:
        if monotonic() >= deadline:
            return outcomes.late(self.address, request, sent)
        return Lost(errors.ConnectionError(f"{self.address} has said nothing for {SILENT_SECONDS_MAX:g} s"), sent)


class DirectPool:
    """Has the direct connections of one client, and lends each of them to one thread at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: dict[str, list[DirectConnection]] = {}
        self._all: set[DirectConnection] = set()
        self._closed = False

    def take(self, address: str) -> DirectConnection | None:
        """Returns a connection to that address that no thread uses; None where there is none."""
        while idle := self._idle.get(address):
            try:
                connection = idle.pop()
            except IndexError:
                return None  # another thread has it
            if connection.quiet():
                return connection
            self._drop(connection)
        return None

    def give_back(self, connection: DirectConnection) -> None:
        """Takes a connection that is not needed any more."""
        idle = self._idle.get(connection.address)
        if not connection.usable or idle is None:
            self._drop(connection)
            return
        idle.append(connection)
        if self._idle.get(connection.address) is not idle:  # that list was given up meanwhile
            self._drain(idle)

    def wanted(self, address: str) -> bool:
        """Returns whether threads use all connections to that address, and one more is within the bound."""
        with self._lock:
            return (
                not self._idle.get(address)
                and sum(one.address == address for one in self._all) < DIRECT_CONNECTIONS_MAX
            )

    def add(self, address: str, taken: socket.socket) -> None:
        """Takes the socket of a new connection."""
        with self._lock:
            if self._closed:
                taken.close()
                return
            connection = DirectConnection(address, taken)
            self._all.add(connection)
            self._idle.setdefault(address, []).append(connection)

    def keep_only(self, addresses: set[str]) -> None:
        """Ends the connections to all other addresses, as soon as no thread uses them: those of members that are down,
        or are none any more."""
        with self._lock:
            gone = [self._idle.pop(address) for address in self._idle.keys() - addresses]
        for idle in gone:
            self._drain(idle)

    def close(self) -> None:
        """Ends all connections; requests in flight get an error."""
        with self._lock:
            self._closed = True
        self.keep_only(set())
        for connection in list(self._all):
            connection.interrupt(errors.ConnectionError("the client was closed"))

    def abandon(self) -> None:
        """Closes what a forked process has of the connections: they live on in the other one, unheard of by the nodes
        until they end there."""
        for connection in self._all:
            connection.end()

    def _drain(self, idle: list[DirectConnection]) -> None:
        while True:
            try:
                connection = idle.pop()  # whoever gets it has it alone
            except IndexError:
                return
            self._drop(connection)

    def _drop(self, connection: DirectConnection) -> None:
        connection.end()
        with self._lock:
            self._all.discard(connection)


def _milliseconds(seconds: float) -> int:
    return max(0, ceil(seconds * 1000))
