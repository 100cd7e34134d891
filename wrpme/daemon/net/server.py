"""Connections that others opened: clients and other nodes.

Nothing that they do costs more than its bound: what they sent and did not finish, what they asked and did not read,
how many they are. Who sends nonsense is told so in one answer, and the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from wrpme.daemon.limits import (
    DISMISS_SECONDS_MAX, LINGER_SECONDS, PARTIAL_FRAME_SECONDS_MAX, SESSION_OUTBOX_BYTES_MAX, SESSION_REQUESTS_MAX,
    SESSION_SWEEP_SECONDS, SESSIONS_REFUSED_MAX, SLOW_READER_SECONDS_MAX,
)  # fmt: skip
from wrpme.daemon.log import Throttle
from wrpme.daemon.net.connection import Host, Message, Wire
from wrpme.daemon.net.spoken import Spoken, spoken
from wrpme.daemon.security.certificate import Speaker
from wrpme.daemon.security.tls import SPEAKS_TLS, TLS_ONLY, TLS_ONLY_OF_HTTP, TLS_ONLY_OF_REDIS, Tls, begins_tls
from wrpme.errors import BusyError, ProtocolError, TooLargeError, UnauthenticatedError, WrpmeError
from wrpme.protocol.codec import FORMER, FORMER_PREFACE, PREFACE, Decoder, encode
from wrpme.protocol.messages import Envelope, Failed, Inbound

TO_FORMER = (
    "this node speaks the hive protocol WRPME/2, and you WRPME/1 of an earlier release: upgrade what asked; all "
    "nodes of a hive are upgraded together, and clients with them"
)
"""In the words of the former release, which shows it to its user."""
FOREIGN = b"wrpmed: this port speaks the wrpme protocol, that of Redis, and HTTP (without TLS): try wrpmesh or curl\n"
Successor = Callable[[int, "Server"], "Session"]
Admit = Callable[["Session"], None]


class Server:
    """All sessions of a node. ``clients_max`` bounds those that are not other nodes, ``sessions_max`` all of them.
    ``redis`` makes the session that takes over where a connection speaks that protocol, and ``http`` takes over one
    that speaks HTTP. With ``tls`` what a connection may say depends on how it is secured."""

    def __init__(
        self,
        host: Host,
        numbers: Iterable[int],
        clients_max: int,
        sessions_max: int,
        redis: Successor,
        http: Admit,
        tls: Tls | None = None,
    ) -> None:
        self.host = host
        self.tls = tls
        self.redis = redis
        self.http = http
        self.clients_max = clients_max
        self.sessions_max = sessions_max
        self.partial_bytes = 0
        self.sessions: dict[Session, None] = {}
        self.strangers: dict[Session, None] = {}
        """Those that have not said what they are, and those that were refused and have not gone; the oldest first."""
        self.dismissed: dict[Session, tuple[float, str]] = {}
        """Connections whose user is gone: each ends when what it asked for is answered, or then; and why."""
        self._leaving: set[Session] = set()
        self.throttle = Throttle(host.say)
        self._numbers = iter(numbers)
        self.accepted = 0
        """Connections since it began."""
        self._swept_at = host.clock()
        self._empty: asyncio.Future[None] | None = None

    def accept(self) -> Session:
        """Returns the protocol of a connection that is accepted."""
        self.accepted += 1
        return Session(next(self._numbers), self)

    def tick(self, now: float) -> None:
        """Closes what makes no progress; is called about once a second."""
        self.throttle.settle(now)
        self.see_off(now)
        if now - self._swept_at >= SESSION_SWEEP_SECONDS:
            self._swept_at = now
            for session in list(self.sessions):
                session.check_progress(now)

    def dismiss(self, session: Session, sentence: str, now: float) -> None:
        """Ends a connection once it waits for no answer: what it asks from then on was not carried out, and it is told
        so with the sentence."""
        self.dismissed[session] = now + DISMISS_SECONDS_MAX, sentence

    def see_off(self, now: float) -> None:
        """Ends those who are dismissed, as far as they wait for nothing, or have for too long."""
        for session, (until, sentence) in list(self.dismissed.items()):
            if session.ended or not session.waiting:
                del self.dismissed[session]
                session.end(encode(Failed(0, UnauthenticatedError.code, sentence)))
            elif now >= until:
                del self.dismissed[session]
                session.abort()

    async def close(self, seconds: float, farewell: bytes = b"") -> None:
        """Ends all sessions; what was written to them leaves first, as far as ``seconds`` suffice. ``farewell`` is said
        to each client that waits for nothing that was begun: what it still asks was not carried out."""
        for session in list(self.sessions):
            session.end(farewell)
        if self.sessions:
            self._empty = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._empty], timeout=seconds)
        for session in list(self.sessions):
            session.abort()

    def places(self, entering: int, displace: Callable[[], bool]) -> int:
        """Returns how many connections may come in while ``entering`` are about to: 0 if one may soon, a negative
        number if none may for now. Where all places are taken, the connection that has said nothing for longest loses
        its own: other nodes get in however many connections are opened only to be held. ``displace`` does the same
        among those that are about to come in, and returns whether there was one."""
        free = self.sessions_max - len(self.sessions) - entering
        if free > 0:
            return free
        if len(self._leaving) > -free:
            return 0
        if not self.strangers:
            told = free + SESSIONS_REFUSED_MAX  # that there is no room
            return told if told > 0 else 0 if displace() else -1
        oldest = next(iter(self.strangers))
        del self.strangers[oldest]
        self._leaving.add(oldest)
        if not oldest.ended:
            line = "closed the oldest connection that had said nothing yet, as all are taken (--sessions, ulimit -n)"
            self.throttle.say(self.host.clock(), "info", line)
        oldest.abort()
        return 0

    def came(self, session: Session) -> None:
        """Takes up a connection that was accepted."""
        self.sessions[session] = self.strangers[session] = None
        if len(self.sessions) > self.sessions_max:
            session.turn_away()

    def succeed(self, session: Session, successor: Session) -> None:
        """Lets another session have the connection of this one."""
        self.sessions[successor] = self.strangers[successor] = None
        self.gone(session)

    def gone(self, session: Session) -> None:
        """Forgets a session that has ended."""
        self.sessions.pop(session, None)
        self.dismissed.pop(session, None)
        self.strangers.pop(session, None)
        self._leaving.discard(session)
        if self._empty is not None and not self.sessions and not self._empty.done():
            self._empty.set_result(None)


class Session(Wire):
    """One accepted connection. It is read only while it is neither full nor behind with taking its answers."""

    def __init__(self, number: int, server: Server) -> None:
        super().__init__(number, server.host)
        self.server = server
        self._decoder: Decoder[Message] = Decoder(Inbound)
        self._preface_bytes = 0
        self._admitted = False
        self._is_client = False
        self._partial_bytes = 0
        self._progress_at = self.host.clock()
        self._word: bytes | None = None
        """What is said when all that waits has left."""
        self._first = b""
        """What came in while nobody can tell which protocol it is."""
        self._lacks_tls = False
        """Whether it may say nothing."""
        self._speaker: Speaker | None = None
        """What it may say as a node, where the connection is secured."""

    # --- what asyncio calls --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.server.tls is not None:
            secured = transport.get_extra_info("ssl_object")
            self._lacks_tls = secured is None and not self.server.tls.takes_plain
            if secured is not None:
                self._speaker = Speaker(secured, self.host.objection, self._ignored)
                if self.server.tls.is_own(secured):
                    self.host.access.certified(self.number)
        self.host.opened(self)
        self.server.came(self)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        self.host.process.received_bytes += len(data)
        now = self.host.clock()
        if not self._preface_bytes:
            data = self._first + data
            kind = spoken(data)
            if self._lacks_tls and kind is not None:
                self.refuse(ProtocolError(TLS_ONLY), _tls_only(kind))
                return
            if kind in (None, Spoken.REDIS, Spoken.HTTP):
                self._first = data
                if kind is Spoken.REDIS:
                    self.hand_over(self.server.redis(self.number, self.server))
                elif kind is Spoken.HTTP:
                    self.server.http(self)
                return
        self.count_read(len(data))  # not before: who takes the connection over would not know that it has to read on
        try:
            messages = self._decoder.feed_lazily(data)
        except (ProtocolError, TooLargeError) as error:
            self._on_nonsense(error, data)
            return
        if self._preface_bytes < len(PREFACE):
            self._preface_bytes += len(data)
            if self._preface_bytes >= len(PREFACE):
                self._greet()
        if messages:
            if self._admitted and self._speaker is None and not (self.backlog or self._decoder.has_later):
                self._progress_at = now  # the usual way, and no step of the others is needed
                super().take(messages, now)  # type: ignore[arg-type]
            else:
                self.arrived(messages, self._decoder.has_later, now)
        if self._partial_bytes or self._decoder.pending_bytes or self.backlog:
            self.count_partial(now)

    def hand_over(self, successor: Session) -> None:
        """Gives the connection, and what came in on it, to a session that speaks its protocol."""
        transport, self.transport, self._speaker = self.transport, None, None
        assert transport is not None
        self.ended = True
        self.server.succeed(self, successor)
        transport.set_protocol(successor)
        successor.take_over(transport, self._first)

    def take_over(self, transport: asyncio.Transport, first: bytes) -> None:
        """Goes on with a connection that another session accepted."""
        self.transport = transport
        self.took_at = self._progress_at = self.host.clock()
        self._preface_bytes = len(PREFACE)
        self.host.opened(self)
        if self.enter():
            self.data_received(first)

    def eof_received(self) -> None:
        self.flush()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.hold()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._forget_partial()
        if self._is_client:
            self.host.process.sessions -= 1
            self.host.process.clients.pop(self.number, None)
        self.backlog.clear()
        self.drop_outbox()
        self.server.gone(self)
        self.host.closed(self)
        self.transport = self._speaker = None  # which lead back here: what TLS has of a connection is large

    # --- requests ------------------------------------------------------------------------------------------------

    def take(self, messages: list[Message], now: float) -> None:
        if self._speaker is not None:
            try:
                messages = self._speaker.heard(messages)
            except ProtocolError as error:
                self.refuse(error)
                return
            if not messages:
                return
        if not (self._admitted or self._admit(messages[0])) or self.ended:
            return
        self._progress_at = now
        super().take(messages, now)

    def _ignored(self, sentence: str) -> None:
        self.server.throttle.say(self.host.clock(), "info", f"from {self.peer}, {sentence}")

    def flush(self) -> None:
        self.count_answered()
        super().flush()
        if self.outbox or self._held or self.ended:
            self.pumped()

    def count_answered(self) -> None:
        """Counts the answers that leave now; each is a frame."""
        self.waiting -= len(self.frames)

    def pumped(self) -> None:
        if self.ended:
            if self._word is not None and not self.outbox:
                self._say_last_word()
        elif self.outbox:
            self.hold()
        elif self._held:
            self.go_on()

    def may_go_on(self) -> bool:
        return not self.outbox and not self._paused and self.waiting <= SESSION_REQUESTS_MAX // 2

    def decoded(self) -> None:
        self.count_partial(self.host.clock())

    def on_nonsense(self, error: WrpmeError) -> None:
        self.refuse(error)

    def count_waiting(self, change: int) -> None:
        self.host.process.answers_bytes += change

    # --- bounds and manners --------------------------------------------------------------------------------------

    def check_progress(self, now: float) -> None:
        """Closes the connection if a frame (or the preface) has begun and makes no progress, or if nothing of a large
        answer is taken. One that has said nothing at all stays as long as there is room for others: pools of Redis
        clients open connections before they need them."""
        if self.behind_bytes > SESSION_OUTBOX_BYTES_MAX and now - self.took_at > SLOW_READER_SECONDS_MAX:
            self.give_up(f"it has taken nothing of its answers for {SLOW_READER_SECONDS_MAX:.0f} s")
        if self._held or self.ended or now - self._progress_at <= PARTIAL_FRAME_SECONDS_MAX:
            return
        if self._preface_bytes < len(PREFACE):
            if self._first or self._preface_bytes:
                self.refuse(ProtocolError(f"it said nothing more for {PARTIAL_FRAME_SECONDS_MAX:.0f} s"), FOREIGN)
        elif self._partial_bytes:
            self.refuse(ProtocolError(f"a message has not gone on for {PARTIAL_FRAME_SECONDS_MAX:.0f} s"))

    @property
    def behind_bytes(self) -> int:
        """What waits for it to take what it was sent."""
        return self.outbox.bytes

    def give_up(self, reason: str) -> None:
        """Closes a connection that does not take what is for it; there is no word that could reach it."""
        if self.transport is not None and not self.ended:
            line = f"closed the connection from {_peer(self.transport)}: {reason}"
            self.server.throttle.say(self.host.clock(), "info", line)
            self.ended = True
            self.transport.abort()

    def end(self, farewell: bytes) -> None:
        """Lets what was written leave, then ends the connection, at the latest when the server aborts it."""
        if not self.ended:
            self.count_answered()
            super().flush()
            self.say_last(farewell if self._is_client and not self.waiting else b"")

    def turn_away(self) -> None:
        """Refuses the connection, as there is no room for it."""
        self._greet()
        self.refuse(self._busy())

    def abort(self) -> None:
        """Ends the connection now."""
        if self.transport is not None:
            self.transport.abort()

    def _greet(self) -> None:
        self._preface_bytes = len(PREFACE)
        if self.transport is not None:
            self.transport.write(PREFACE)

    def _admit(self, first: Message) -> bool:
        """Returns whether there is room for a connection that begins with this message."""
        return self.enter(is_client=not isinstance(first, Envelope))

    def enter(self, is_client: bool = True) -> bool:
        """Returns whether there is room for it; it is no stranger then."""
        if is_client:
            if self.host.process.sessions >= self.server.clients_max:
                self.refuse(self._busy())
                return False
            self._is_client = True
            self.host.process.sessions += 1
            self.host.process.clients[self.number] = self.peer
        self._admitted = True
        self.server.strangers.pop(self, None)
        return True

    @property
    def peer(self) -> str:
        """The address of the other side."""
        return _peer(self.transport) if self.transport is not None else "somebody"

    def count_partial(self, now: float) -> None:
        pending = self.pending_bytes()
        if pending or self._partial_bytes:
            self.server.partial_bytes += pending - self._partial_bytes
            self._partial_bytes = pending
            self._progress_at = now
            if self.server.partial_bytes > self.host.process.memory.frames:
                self.refuse(BusyError("too many large messages arrive at this node at once; try again later"))

    def pending_bytes(self) -> int:
        """Returns how much has come of what is not complete."""
        return self._decoder.pending_bytes + (self.later_bytes if self.backlog else 0)

    def _forget_partial(self) -> None:
        self.server.partial_bytes -= self._partial_bytes
        self._partial_bytes = 0
        self.forget_pending()

    def forget_pending(self) -> None:
        """Drops what is not complete."""
        self._decoder = Decoder(Inbound)
        self._first = b""

    def _busy(self) -> BusyError:
        return BusyError(f"this node has {self.server.clients_max} connections of clients, its limit (--sessions)")

    def _on_nonsense(self, error: ProtocolError | TooLargeError, data: bytes) -> None:
        due = self._preface_bytes
        if not due and begins_tls(data):
            self.refuse(ProtocolError(SPEAKS_TLS), FOREIGN)
            return
        if due < len(PREFACE) and not data.startswith(PREFACE[due:]):
            is_former = error.sentence == FORMER
            self.refuse(error, FORMER_PREFACE + encode(Failed(0, error.code, TO_FORMER)) if is_former else FOREIGN)
            return
        if due < len(PREFACE):
            self._greet()
        self.refuse(error)

    def refuse(self, error: WrpmeError, last_word: bytes | None = None) -> None:
        """Tells the connection and the log why it is closed; what it still sends is not looked at."""
        transport = self.transport
        if transport is None or self.ended:
            return
        super().flush()
        self.server.strangers[self] = None
        line = f"closed the connection from {_peer(transport)}: {error.sentence}"
        self.server.throttle.say(self.host.clock(), "info", line)
        self.say_last(self.refusal(error) if last_word is None else last_word)
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.abort)

    def refusal(self, error: WrpmeError) -> bytes:
        """Returns what the other side is told when it is refused."""
        return encode(Failed(0, error.code, error.sentence))

    def say_last(self, word: bytes) -> None:
        """Says it behind what waits."""
        self.ended = True
        self._forget_partial()
        self.backlog.clear()
        self._word = word
        self.pumped()

    def _say_last_word(self) -> None:
        word, self._word = self._word, None
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if word:
            transport.write(word)
        if transport.is_closing():  # it has gone, which was noticed only now
            return
        if self._held:
            transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        else:  # TLS says that nothing follows, and throws away what still comes
            transport.close()


def _peer(transport: asyncio.Transport) -> str:
    name: Any = transport.get_extra_info("peername")
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) and len(name) >= 2 else "somebody"


def _tls_only(kind: Spoken) -> bytes:
    """Returns in the words of a protocol that it is spoken without TLS where it has to be within."""
    if kind is Spoken.HIVE:
        return PREFACE + encode(Failed(0, ProtocolError.code, TLS_ONLY))
    if kind is Spoken.REDIS:
        return f"-ERR {TLS_ONLY_OF_REDIS}\r\n".encode()
    if kind is Spoken.HTTP:
        headers = f"Content-Type: text/plain\r\nContent-Length: {len(TLS_ONLY_OF_HTTP) + 1}\r\nConnection: close"
        return f"HTTP/1.1 400 Bad Request\r\n{headers}\r\n\r\n{TLS_ONLY_OF_HTTP}\n".encode()
    return f"wrpmed: {TLS_ONLY}\n".encode()
