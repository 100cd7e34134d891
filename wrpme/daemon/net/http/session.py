"""A connection that speaks HTTP/1: GET and HEAD, one request after the other, each answered at once.

h11 reads and writes the protocol. A request has no body, and whatever else is wrong with one is told in one sentence
before the connection is closed. The bounds are those of every session, and a few of its own.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from http import HTTPStatus
from math import inf

import h11

from wrpme.daemon.limits import (
    HTTP_HEADER_BYTES_MAX, HTTP_IDLE_SECONDS, HTTP_REQUESTS_MAX, HTTP_TURN_REQUESTS_MAX, LINGER_SECONDS,
    PARTIAL_FRAME_SECONDS_MAX, SLOW_READER_SECONDS_MAX,
)  # fmt: skip
from wrpme.daemon.net.http.connections import Connections
from wrpme.core.access.sessions import ASKED
from wrpme.daemon.net.http.pages import Page, Pages, path_of, plain
from wrpme.daemon.net.server import Server, Session
from wrpme.errors import UnauthenticatedError, WrpmeError
from wrpme.limits import TURN_BYTES
from wrpme.protocol.access.messages import Authenticate
from wrpme.protocol.access.rights import PAGES
from wrpme.protocol.access.users import Role
from wrpme.protocol.messages import Envelope, Failed, Reply

CHALLENGE = (b"WWW-Authenticate", b'Basic realm="wrpme", charset="UTF-8"')
_METHODS = (b"GET", b"HEAD")
_OF_BODIES = (b"content-length", b"transfer-encoding")


class HttpSession(Session):
    """Where the hive has users, each request says whose it is, by Basic or Bearer (of NAME:PASSWORD); the connection
    remembers it, so that the same is looked at once.

    It stays a stranger among the sessions of a node: where all places are taken, it goes before any client."""

    takes_replies = True

    def __init__(self, number: int, server: Server, connections: Connections, pages: Pages) -> None:
        super().__init__(number, server)
        self._connections = connections
        self._pages = pages
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HTTP_HEADER_BYTES_MAX)
        self._requests = 0
        self._wants_headers_alone = False
        self._began_at: float | None = None
        """When the first byte of a request came that is not complete."""
        self._said = b""
        """Who the connection said that it is, as it said it."""
        self._asking: h11.Request | None = None
        """A request that waits until the node knows who asks."""

    def enter(self, is_client: bool = True) -> bool:
        """Counts as no client: there is a bound of its own, and the oldest goes."""
        self._connections.asked(self)
        return True

    # --- what comes in -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        if self._requests or self._began_at is not None:  # what came first was counted when it came
            self.host.process.received_bytes += len(data)
        if self._began_at is None:
            self._began_at = self.host.clock()
        self._connection.receive_data(data)
        if not self._answer():
            self.hold()
        if self.frames:
            self.host.flush_soon()

    def take_over(self, transport: asyncio.Transport, first: bytes) -> None:
        super().take_over(transport, first)
        if not self._held and not transport.is_closing():
            transport.resume_reading()  # it may have waited for this to be loaded

    def _answer(self) -> bool:
        """Answers requests that are complete; returns whether all that came in was looked at."""
        for _ in range(HTTP_TURN_REQUESTS_MAX):
            if self.outbox or self._paused or self.full or self._asking is not None:
                return False
            try:
                request = self._next()
            except h11.RemoteProtocolError as error:
                self._refuse(plain(error.error_status_hint, _sentence(error)))
                return True
            if request is None:
                if not self._connection.trailing_data[0]:
                    self._began_at = None
                return True
            self._requests += 1
            self._progress_at = self._began_at = self.host.clock()
            self._connections.asked(self)
            if self.host.access.asks and not self._may(request):
                continue
            if not self._carry_out(request):
                return True
        return False

    def _may(self, request: h11.Request) -> bool:
        """Returns whether whoever asks may; else says why not, or finds out who asks."""
        if PAGES.get(path_of(request.target), Role.READ) is Role.NOBODY:
            return True
        said = next((value for name, value in request.headers if name == b"authorization"), b"")
        if said == self._said and self.host.access.user(self.number) is not None:
            return True  # the same as before, or the certificate of the node, and nothing said
        credentials = _credentials(said)
        if credentials is None:
            self._wants_headers_alone = request.method == b"HEAD"
            self._say(plain(401, ASKED), False, CHALLENGE)
            return False
        self._asking, self._said = request, said
        self.host.process.clients[self.number] = self.peer
        self.host.serve(self, [Authenticate(0, *credentials)], self.host.clock())
        return False

    def replied(self, reply: Reply | Envelope, valid_until: float = inf) -> None:
        self.waiting -= 1
        request, self._asking = self._asking, None
        if request is None or self.ended:
            return
        if isinstance(reply, Failed):
            self._said = b""
            self._wants_headers_alone = request.method == b"HEAD"
            wrong = reply.code == UnauthenticatedError.code
            self._say(plain(401 if wrong else 503, reply.sentence), False, *([CHALLENGE] if wrong else []))
        else:
            self._carry_out(request)
        if self.frames:
            self.host.flush_soon()
        self.hold()
        self.go_on()

    def _next(self) -> h11.Request | None:
        """Returns the next request, which is complete unless it has a body; None where more has to come first."""
        event = self._connection.next_event()
        while isinstance(event, h11.EndOfMessage):  # of the request that was answered
            self._connection.start_next_cycle()
            event = self._connection.next_event()
        return event if isinstance(event, h11.Request) else None

    def _carry_out(self, request: h11.Request) -> bool:
        """Answers; returns whether the connection goes on."""
        self._wants_headers_alone = request.method == b"HEAD"
        if request.method not in _METHODS:
            self._refuse(plain(405, "a node of wrpme is only read from by HTTP: GET and HEAD"), request)
        elif any(name in _OF_BODIES and value != b"0" for name, value in request.headers):
            self._refuse(plain(413, "a request to a node of wrpme has no body"), request)
        else:
            self._say(self._pages.page(request.target), self._requests >= HTTP_REQUESTS_MAX)
            if self._connection.our_state is h11.MUST_CLOSE:
                self._finish()
        return not self.ended

    def _serve(self) -> None:
        self._work_due = False
        if self.ended or self.transport is None or self.transport.is_closing():
            return
        if self._answer():
            if not self.ended:
                self._held = False
                self.transport.resume_reading()
        elif not self.outbox:
            self.go_on()
        if self.frames:
            self.host.flush_soon()

    def go_on(self) -> None:
        if self._held and not self._work_due and not self.ended and self.may_go_on():
            self._work_due = True
            self.host.work.put(TURN_BYTES, self._serve)

    # --- what goes out -------------------------------------------------------------------------------------------

    def _say(self, page: Page, ends: bool = False, *more: tuple[bytes, bytes]) -> None:
        connection = self._connection
        headers = [(b"Content-Type", page.kind), (b"Content-Length", b"%d" % len(page.text)), *more]
        headers += [(b"Cache-Control", b"no-store")] + ends * [(b"Connection", b"close")]
        reason = HTTPStatus(page.status).phrase.encode()
        text = connection.send(h11.Response(status_code=page.status, reason=reason, headers=headers)) or b""
        if not self._wants_headers_alone:
            text += connection.send(h11.Data(data=page.text)) or b""
        self.put(text + (connection.send(h11.EndOfMessage()) or b""))

    def _refuse(self, page: Page, request: h11.Request | None = None) -> None:
        """Tells the connection and the log what is wrong; what it still sends is not looked at."""
        if request is None:  # the last one, which is answered, may have wanted the headers alone
            self._wants_headers_alone = False
        more = [(b"Allow", b", ".join(_METHODS))] if page.status == 405 else []
        if self._connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._say(page, True, *more)
        line = f"closed the HTTP connection from {self.peer}: {page.text.decode().rstrip()}"
        self.server.throttle.say(self.host.clock(), "info", line)
        self._finish()

    def _finish(self) -> None:
        """Lets what was answered leave, then ends the connection."""
        Session.flush(self)
        self.say_last(b"")
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.abort)

    def count_answered(self) -> None:
        """Nothing waits for the node."""

    # --- bounds and manners --------------------------------------------------------------------------------------

    def check_progress(self, now: float) -> None:
        """Closes the connection if nothing of an answer is taken, if a request has begun and does not come to its end,
        or if nothing was asked for long."""
        if self.ended:
            return
        if self.behind_bytes or self._held:
            if now - self.took_at > SLOW_READER_SECONDS_MAX:
                self.give_up(f"it has taken nothing of its answers for {SLOW_READER_SECONDS_MAX:.0f} s")
        elif self._began_at is not None and now - self._began_at > PARTIAL_FRAME_SECONDS_MAX:
            self._refuse(plain(408, f"the request was not complete within {PARTIAL_FRAME_SECONDS_MAX:.0f} s"))
        elif now - self._progress_at > HTTP_IDLE_SECONDS:
            self._finish()

    def turn_away(self) -> None:
        """Is never asked: it was accepted as another session."""

    def refusal(self, error: WrpmeError) -> bytes:
        """What is said where the session itself is refused, as too much arrives at the node."""
        return b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n"

    def pending_bytes(self) -> int:
        return 0

    def forget_pending(self) -> None:
        self._first = b""

    def end(self, farewell: bytes) -> None:
        super().end(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.gone(self)
        self.host.process.clients.pop(self.number, None)
        super().connection_lost(exc)


def _credentials(said: bytes) -> tuple[str, str] | None:
    """Returns the name and the password in an Authorization header: of Basic, or of Bearer, whose token is
    NAME:PASSWORD as it stands; None where it is neither."""
    scheme, _, rest = said.partition(b" ")
    token = rest.strip()
    if scheme.lower() == b"basic":
        try:
            token = b64decode(token, validate=True)
        except ValueError:
            return None
    elif scheme.lower() != b"bearer":
        return None
    name, colon, password = token.decode("utf-8", "surrogateescape").partition(":")
    return (name, password) if colon else None


def _sentence(error: h11.RemoteProtocolError) -> str:
    if error.error_status_hint == 431:
        return f"the request line and the headers have more than {HTTP_HEADER_BYTES_MAX} bytes"
    what = str(error).partition(": bytearray(")[0]
    return f"this is no request of HTTP/1.1: {what[:1].lower()}{what[1:]}"
