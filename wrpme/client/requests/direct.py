"""The connections of a blocking client that its threads use by themselves, with no event loop between.

A connection belongs to one thread while a request of it is in flight, and has no other request then. It is made to a
node that has answered on the loop of the client, used as long as nothing goes wrong, and ended otherwise: everything
else is the business of the dispatcher on the loop, which also tells why a node can't be reached or trusted.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Sequence
from math import ceil, inf
from threading import Lock, Thread
from time import monotonic

from wrpme import errors
from wrpme.client import tls
from wrpme.client.limits import (
    CLIENT_WRITE_BYTES, DIRECT_CONNECTIONS_MAX, DIRECT_RETRY_SECONDS, PING_SECONDS, SILENT_SECONDS_MAX,
)  # fmt: skip
from wrpme.client.requests import outcomes
from wrpme.client.requests.outcomes import Lost
from wrpme.limits import CONNECT_SECONDS_MAX, KIB
from wrpme.protocol import address as addresses
from wrpme.protocol.access.messages import Authenticate, Identity
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.identities import GetHive
from wrpme.protocol.messages import Content, Failed, GetView, Reply, Request

PING_ID = -1
BEGINNING_ID = -2
READ_BYTES = 64 * KIB
"""Of most answers all; of larger ones ``CLIENT_WRITE_BYTES`` are read at a time. A record of TLS has less than both:
nothing of one stays unread where poll does not see it."""
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class DirectConnection:
    """A socket that does not block, plain or with TLS; its preface has been sent."""

    def __init__(self, address: str, taken: socket.socket) -> None:
        self.address = address
        self.usable = True
        self._socket = taken
        self._incoming = select.poll()
        self._incoming.register(taken, select.POLLIN)
        self._decoder: Decoder[Reply] = Decoder(Reply)
        self._left = 0
        self._reason: errors.WrpmeError | None = None

    def begin(self, said: Sequence[Authenticate], is_known: Callable[[bytes], bool]) -> bool:
        """Returns whether the node takes one of what is said of who the client is, if anything is, and is of the hive
        that is known. With TLS this reads, too, what the node sends unasked behind the handshake.

        Raises:
            WrpmeError: It does not answer.
        """
        deadline = monotonic() + CONNECT_SECONDS_MAX
        if said and not any(isinstance(self.ask(one, deadline), Identity) for one in said):
            return False
        reply = self.ask(GetHive(BEGINNING_ID), deadline)
        self._left = 0  # by all this nothing is changed
        return self.usable and isinstance(reply, Content) and is_known(reply.content)

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
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # that of a socket with TLS would make it plain
        except OSError:
            return  # it has ended just now

    # --- within --------------------------------------------------------------------------------------------------

    def _send(self, frame: bytes, request: Request, deadline: float) -> None:
        self._left += 1
        rest, has_begun = memoryview(frame), False
        while True:
            try:
                rest = rest[self._socket.send(rest[:CLIENT_WRITE_BYTES]) :]  # TLS wants the same piece again
            except _NOT_YET:
                pass
            except OSError as error:  # at first it had ended before, and the system took no whole frame
                raise Lost(self._reason or outcomes.ended(self.address, error), sent=has_begun) from None
            if not rest:
                return
            has_begun, outgoing = True, select.poll()
            outgoing.register(self._socket, select.POLLOUT)
            until = monotonic() + SILENT_SECONDS_MAX  # that it takes what is sent is a sign of life
            if not outgoing.poll(_milliseconds(min(deadline, until) - monotonic())):
                raise self._silent(request, deadline, sent=True)

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
        except _NOT_YET:
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
        except _NOT_YET:
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
        self._making: dict[str, float] = {}
        """By address until when no other connection is begun there: one is being made, or could not be."""
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

    def one_more(self, address: str, context: ssl.SSLContext | None, begin: Callable[[DirectConnection], bool]) -> None:
        """Begins to make a connection to that address, with TLS if there is a ``context``, where threads use all that
        there are, and one more is within the bound. It is of use if ``begin`` then says so.

        It is made in a thread, as no loop can hand over a connection with TLS. An interpreter that ends does not wait
        for it."""
        with self._lock:
            if self._closed or self._idle.get(address) or self._making.get(address, 0) > monotonic():
                return
            if sum(one.address == address for one in self._all) >= DIRECT_CONNECTIONS_MAX:
                return
            self._making[address] = inf

        def make() -> None:
            made = False
            try:
                made = self._make(address, context, begin)
            finally:
                self._making[address] = 0 if made else monotonic() + DIRECT_RETRY_SECONDS

        try:
            Thread(target=make, name="wrpme-connect", daemon=True).start()
        except RuntimeError:  # the system has no more threads for this process, or it ends
            self._making[address] = monotonic() + DIRECT_RETRY_SECONDS

    def _make(self, address: str, context: ssl.SSLContext | None, begin: Callable[[DirectConnection], bool]) -> bool:
        try:
            connection = DirectConnection(address, _connected(address, context))
        except (OSError, UnicodeError):
            return False
        with self._lock:
            self._all.add(connection)
        try:
            begun = not self._closed and begin(connection)  # who closes the pool later finds it
        except errors.WrpmeError:
            begun = False
        with self._lock:
            if begun and not self._closed:
                self._idle.setdefault(address, []).append(connection)
                return True
        self._drop(connection)
        return False

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


def _connected(address: str, context: ssl.SSLContext | None) -> socket.socket:
    """Returns a socket that the node at that address has taken; with a context it has shown a certificate for its
    name."""
    host, port = addresses.parse(address)
    context = tls.newest(context)
    taken = socket.create_connection((host, port), CONNECT_SECONDS_MAX)
    try:
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        if context is not None:
            taken = context.wrap_socket(taken, server_hostname=host)
        taken.sendall(PREFACE)
        taken.setblocking(False)
    except BaseException:
        taken.close()
        raise
    return taken
