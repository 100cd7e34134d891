"""One connection of a client to one node: many requests in flight, replies matched by their id.

Requests of one turn of the loop leave in one write. A request costs a future and no task; one timer looks after all
deadlines of the connection. What was handed to the system before the connection ended may have been carried out:
:class:`Lost` says which of the two it is.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from ssl import SSLContext
from typing import Protocol, cast

from wrpme import errors
from wrpme.client import tls
from wrpme.client.access.credentials import Credentials
from wrpme.client.limits import CLIENT_SWEEP_SECONDS, CLIENT_WRITE_BYTES, PING_SECONDS, SILENT_SECONDS_MAX
from wrpme.client.lookup import look_up
from wrpme.client.race import first_of
from wrpme.client.requests import outcomes
from wrpme.client.requests.outcomes import Lost, Unheard, Waiting
from wrpme.limits import CONNECT_SECONDS_MAX, LARGE_BYTES, TURN_BYTES
from wrpme.protocol import address as addresses
from wrpme.protocol.access.messages import Authenticate, Identity
from wrpme.protocol.codec import PREFACE, Decoder, encode, encode_pieces
from wrpme.protocol.identities import GetHive
from wrpme.protocol.frames.large import Unread
from wrpme.protocol.messages import Failed, GetView, Reply, Request

PING_ID = -1
AUTHENTICATE_ID = -2
_BEGINNINGS = (GetHive, Authenticate)
"""By which a connection begins, and which change nothing."""


class Owner(Protocol):
    """The owner of a connection is told what comes unasked."""

    def heard(self, connection: Connection, reply: Reply) -> None:
        """Takes what no request waits for: a Notice, or what the node was asked for with :meth:`Connection.say`."""

    def closed(self, connection: Connection) -> None:
        """Takes note that the connection has ended; all its futures are settled."""


class Connection(asyncio.Protocol):
    """Made by :func:`dial`; ``address`` is HOST:PORT as the caller named it."""

    def __init__(self, address: str, owner: Owner) -> None:
        self.address = address
        self._owner = owner
        self._has_tls = False
        self._loop = asyncio.get_running_loop()
        self._decoder: Decoder[Reply] = Decoder(Reply)
        self._preface_bytes_due = len(PREFACE)
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._reason: errors.WrpmeError | None = None
        self._paused = False
        self._flush_due = False
        self._outbox: deque[Request] = deque()
        self._rest: deque[memoryview] = deque()
        """Of a large frame that has begun to leave."""
        self._left = 0
        self._waiting: dict[int, tuple[asyncio.Future[Reply], float, Request]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._unwritten = 0
        self.identity: Identity | None = None
        """What the node answered when the client said who it is; None where it said nothing."""

    @property
    def usable(self) -> bool:
        """True while requests may be sent here."""
        return self._transport is not None and self._reason is None and not self._transport.is_closing()

    @property
    def reason(self) -> errors.WrpmeError:
        """Why the connection has ended."""
        return self._reason or errors.ConnectionError(f"the connection to {self.address} has ended")

    @property
    def in_flight(self) -> int:
        """The number of requests that have no reply yet."""
        return len(self._waiting)

    def send(self, request: Request, deadline: float) -> asyncio.Future[Reply]:
        """Sends a request, and returns a future for its reply. ``deadline`` is in seconds on the clock of the loop.

        The future raises:
            Lost: the connection ended first.
            TimeoutError: the deadline has passed, and nothing was changed.
            IndeterminateError: the deadline has passed, and the write may yet be carried out.
        """
        future: asyncio.Future[Reply] = self._loop.create_future()
        if not self.usable:
            future.set_exception(Lost(self.reason, sent=False))
            return future
        if not self._waiting:
            self._heard_at = self._loop.time()
        self._waiting[request.id] = (future, deadline, request)
        self._outbox.append(request)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        if self._sweep is None:
            self._arm_sweep(min(deadline, self._heard_at + PING_SECONDS))
        elif deadline < self._sweep.when() - CLIENT_SWEEP_SECONDS:
            self._arm_sweep(deadline)
        return future

    def say(self, request: Request) -> None:
        """Sends a request that no future waits for: what is answered goes to the owner."""
        if self._transport is not None and self.usable:
            while self._rest:
                self._transport.write(self._rest.popleft())
            self._transport.write(encode(request))

    def close(self, reason: errors.WrpmeError | None = None) -> None:
        """Ends the connection; requests without a reply get :class:`Lost`."""
        self._reason = self._reason or reason or errors.ConnectionError("the client was closed")
        if self._transport is not None:
            self._transport.abort()

    def abandon(self) -> None:
        """Lets go of the connection in a process that was forked. The other one has the same sockets and the same epoll
        as its own: nothing is sent, ended or unregistered here. But an end at the other one is an end to the node only
        when no process has the socket open."""
        if self._transport is None or (number := self._transport.get_extra_info("socket").fileno()) < 0:
            return
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(nothing, number, inheritable=False)  # the number stays taken: the transport will close it
        os.close(nothing)

    # --- what asyncio calls --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._has_tls = transport.get_extra_info("sslcontext") is not None
        self._transport.set_write_buffer_limits(high=4 * CLIENT_WRITE_BYTES)
        self._transport.write(PREFACE)

    def data_received(self, data: bytes) -> None:
        try:
            replies = self._decoder.feed(data)
        except errors.WrpmeError as error:
            expects_tls = tls.wants_tls(self.address, data) if not self._has_tls else None
            self.close(expects_tls or errors.ProtocolError(f"{self.address}: {error.sentence}"))
            return
        self._heard_at = self._loop.time()
        if self._preface_bytes_due:
            self._preface_bytes_due = max(0, self._preface_bytes_due - len(data))
        waiting = self._waiting
        for reply in replies:
            known = waiting.pop(reply.id, None)
            if known is not None:
                if not known[0].done():
                    known[0].set_result(reply)
            elif type(reply) is Failed and reply.id == 0:
                self.close(errors.from_wire(reply.code, f"{self.address}: {reply.sentence}"))
            else:
                self._owner.heard(self, reply)
        if not self._preface_bytes_due and self._reason is None and not self.ready.done():
            self.ready.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._reason is None:
            self._reason = self._why(exc)
        if self._sweep is not None:
            self._sweep.cancel()
        unsent = {request.id for request in self._outbox}
        refused = outcomes.refused_all(self._reason, self._left)
        waiting, self._waiting = self._waiting, {}
        self._outbox.clear()
        for future, _, request in waiting.values():
            if not future.done():
                future.set_exception(Lost(self._reason, sent=not refused and request.id not in unsent))
        if not self.ready.done():
            self.ready.set_exception(self._reason)
            self.ready.exception()  # whoever dialled may be gone
        self.ended.set_result(None)
        self._owner.closed(self)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    # --- within --------------------------------------------------------------------------------------------------

    def _why(self, error: Exception | None) -> errors.WrpmeError:
        """Returns why the connection has ended by itself."""
        if error is not None and (failure := tls.failure(self.address, error)) is not None:
            return failure
        if not self.ready.done():
            return tls.ended_at_once(self.address, self._has_tls)
        return outcomes.ended(self.address, error)

    def _flush(self) -> None:
        self._flush_due = False
        outbox, transport = self._outbox, self._transport
        if transport is None or not self.usable:
            return
        frames: list[bytes] = []
        size = written = 0
        while (outbox or self._rest) and not self._paused:
            if written >= TURN_BYTES:  # a node that reads as fast as it is sent to must not keep this loop
                self._flush_due = True
                self._loop.call_soon(self._flush)
                break
            if self._rest:
                piece = self._rest.popleft()
                if len(piece) > CLIENT_WRITE_BYTES:
                    self._rest.appendleft(piece[CLIENT_WRITE_BYTES:])
                transport.write(piece[:CLIENT_WRITE_BYTES])
                written += min(len(piece), CLIENT_WRITE_BYTES)
                continue
            request = outbox.popleft()
            known = self._waiting.get(request.id)
            if known is None or known[0].done():  # cancelled before it left
                self._waiting.pop(request.id, None)
                continue
            try:
                if len(getattr(request, "content", b"")) > LARGE_BYTES:
                    pieces, frame = encode_pieces(request), b""
                else:
                    frame = encode(request)
                    pieces = [frame] if len(frame) > LARGE_BYTES else []
            except errors.WrpmeError as error:
                del self._waiting[request.id]
                known[0].set_exception(error)
                continue
            self._left += type(request) not in _BEGINNINGS
            if pieces:
                if frames:
                    transport.write(b"".join(frames))
                    frames, size = [], 0
                self._rest.extend(memoryview(piece) for piece in pieces if not isinstance(piece, Unread))
                continue
            frames.append(frame)
            size += len(frame)
            if size >= CLIENT_WRITE_BYTES:
                transport.write(b"".join(frames) if len(frames) > 1 else frame)
                written += size
                frames, size = [], 0
        if frames:
            transport.write(b"".join(frames))

    def _arm_sweep(self, when: float) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep = self._loop.call_at(when + CLIENT_SWEEP_SECONDS, self._look_after)

    def _look_after(self) -> None:
        self._sweep = None
        now = self._loop.time()
        self._expire(now)
        if not self._waiting:
            return
        unwritten = sum(map(len, self._rest)) + (self._transport.get_write_buffer_size() if self._transport else 0)
        if unwritten != self._unwritten:  # it takes what is sent: a sign of life, too
            self._unwritten, self._heard_at = unwritten, now
        silent = now - self._heard_at
        if silent >= SILENT_SECONDS_MAX:
            self.close(errors.ConnectionError(f"{self.address} has said nothing for {SILENT_SECONDS_MAX:g} s"))
            return
        if silent >= PING_SECONDS and not self._outbox and not self._rest and self._transport is not None:
            self._transport.write(encode(GetView(PING_ID)))
        self._arm_sweep(min(now + PING_SECONDS, *(entry[1] for entry in self._waiting.values())))

    def _expire(self, now: float) -> None:
        late = [entry for entry in self._waiting.values() if entry[1] <= now]
        if late:
            unsent = {request.id for request in self._outbox}
            gone = {request.id for _, _, request in late}
            self._outbox = deque(request for request in self._outbox if request.id not in gone)
            for future, _, request in late:
                del self._waiting[request.id]
                if not future.done():
                    future.set_exception(outcomes.late(self.address, request, sent=request.id not in unsent))


async def _connected(host: str, port: int, factory: Callable[[], Connection], context: SSLContext | None) -> Connection:
    """Returns a connection that the other machine has taken; each of the numbers that its name has is tried. With a
    context its node has shown a certificate for the name, too."""
    loop = asyncio.get_running_loop()
    named = None if context is None else host
    linger = None if context is None else CONNECT_SECONDS_MAX

    async def attempt(number: str) -> Connection:
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            made = await loop.create_connection(
                factory, number, port, ssl=context, server_hostname=named, ssl_shutdown_timeout=linger
            )
            return made[1]

    failures: dict[str, Exception] = {}
    connection = await first_of(await look_up(host), attempt, Connection.close, failures)
    if connection is None:
        raise min(failures.values(), key=_is_an_answer, default=OSError("the name has no numbers"))
    return connection


def _is_an_answer(error: Exception) -> bool:
    """Returns whether the error says that nobody is there, so that it would not help to ask again."""
    if isinstance(error, socket.gaierror):
        return error.errno != socket.EAI_AGAIN
    return isinstance(error, OSError) and error.errno in (errno.ECONNREFUSED, errno.ENETUNREACH)


async def dial(
    address: str, owner: Owner, context: SSLContext | None = None, credentials: Credentials | None = None
) -> Connection | errors.WrpmeError:
    """Returns an open connection whose other side has shown that it speaks the protocol, and where there are
    ``credentials`` takes them; or the error that tells why there is none. It is returned, not raised, as many may wait
    for one dial.

    Each step has a time of its own: ``LOOKUP_SECONDS_MAX`` to find the name, ``CONNECT_SECONDS_MAX`` for each number
    until the other machine takes the connection (with a ``context`` until TLS is agreed on), and the same until the
    other process answers, and until it has looked at a password.
    """
    connection: Connection | None = None
    if credentials and (stands := credentials.refusal(address, asyncio.get_running_loop().time())) is not None:
        return stands
    try:
        host, port = addresses.parse(address)
        connection = await _connected(host, port, lambda: Connection(address, owner), tls.newest(context))
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            await asyncio.shield(connection.ready)
        if credentials and (refusal := await _refusal(connection, credentials)) is not None:
            connection.close(refusal)
            return refusal
    except errors.WrpmeError as error:
        return error
    except (TimeoutError, OSError) as error:
        failure = tls.failure(address, error, begins=context is not None)
        if failure is None:
            kind = errors.ConnectionError if _is_an_answer(error) else Unheard
            failure = kind(f"{address} ({outcomes.explain(error)})")
        if connection is not None:
            connection.close(failure)
        return failure
    except asyncio.CancelledError:
        if connection is not None:
            connection.close()
        raise
    return connection


async def _refusal(connection: Connection, credentials: Credentials) -> errors.WrpmeError | None:
    """Says who the client is, and returns why the node does not take that; None where it does."""
    address, loop = connection.address, asyncio.get_running_loop()
    error: errors.WrpmeError | None = None
    for password in credentials.passwords:
        asked = Authenticate(AUTHENTICATE_ID, credentials.name, password)
        try:
            reply = await connection.send(asked, loop.time() + CONNECT_SECONDS_MAX)
        except Lost as lost:
            return lost.reason
        except (errors.TimeoutError, errors.IndeterminateError):
            return Waiting(f"{address} has not looked at the password within {CONNECT_SECONDS_MAX:g} s; try again")
        except errors.WrpmeError as wrong:
            return wrong
        if isinstance(reply, Identity):
            connection.identity = reply
            credentials.taken(address)
            return None
        if not isinstance(reply, Failed):
            return outcomes.error_in(reply, address)
        if reply.code != errors.UnauthenticatedError.code:
            told = errors.from_wire(reply.code, f"{address}: {reply.sentence}")
            if not told.retry:
                return told
            waiting = Waiting(told.sentence, told)
            credentials.waits(address, waiting, loop.time())
            return waiting
        error = errors.UnauthenticatedError(f"{reply.sentence} ({credentials.name}, asked at {address})")
    if error is not None:
        credentials.refused(address, error, loop.time())
    return error
