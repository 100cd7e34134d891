"""What accepted and dialled connections have in common: frames gather during a turn, and leave together."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol, cast

from wrpme.core.access.sessions import Access
from wrpme.core.io import BurstDone, Process
from wrpme.core.membership.speakers import Names, Objection
from wrpme.daemon.limits import (
    KEEPALIVE_SECONDS, SESSION_OUTBOX_BYTES_MAX, SESSION_REQUESTS_MAX, UNACKNOWLEDGED_SECONDS_MAX, WIRE_TURN_BYTES,
    WIRE_WRITE_BYTES,
)  # fmt: skip
from wrpme.daemon.net.outbox import Frame, Large, Outbox
from wrpme.daemon.security.tls import failed_handshake
from wrpme.daemon.work import Work
from wrpme.errors import StorageError, WrpmeError
from wrpme.limits import CONNECT_SECONDS_MAX, TURN_BYTES
from wrpme.protocol.codec import Later
from wrpme.protocol.messages import Envelope, Reply, Request

Message = Request | Envelope


class Wire(asyncio.Protocol):
    """One connection. ``number`` is never used again; ``gathered_bytes`` wait for the end of the turn; ``waiting`` are
    requests whose answers have not left.

    What a turn gathered leaves in one write where it is little; the rest waits in the outbox, and leaves in pieces as
    fast as the other side takes them. What comes in is served in its order; ``backlog`` is what waits, and as long as
    something does nothing more is read.
    """

    takes_replies = False
    """Whether it is handed the replies themselves, by :meth:`replied`, and says what it likes of them."""

    def __init__(self, number: int, host: Host) -> None:
        self.number = number
        self.host = host
        self.transport: asyncio.Transport | None = None
        self.ended = False
        self.waiting = 0
        self.gathered_bytes = 0
        self.frames: list[Frame] = []
        self.outbox = Outbox(self.count_waiting)
        self.took_at = 0.0
        """When something left last."""
        self._leases: list[tuple[int, float, Callable[[], bytes]]] = []
        self.backlog: list[Message | Later[Message]] = []
        self._held = False
        self._work_due = False
        self._paused = False
        self._pump_due = False
        self._read_bytes = 0
        """Since it was read last after a pause."""

    def count_waiting(self, change: int) -> None:
        """Hears that what waits in the outbox has become so many bytes more or less."""

    @property
    def unsent_bytes(self) -> int:
        """All that the other side has not taken yet."""
        buffered = self.transport.get_write_buffer_size() if self.transport is not None else 0
        return buffered + self.gathered_bytes + self.outbox.bytes

    @property
    def full(self) -> bool:
        """Whether it has as many requests in flight, or answers that have not left, as it may."""
        return (
            self.waiting >= SESSION_REQUESTS_MAX or self.gathered_bytes + self.outbox.bytes >= SESSION_OUTBOX_BYTES_MAX
        )

    def put(self, frame: bytes) -> None:
        """Adds a frame to what leaves at the end of the turn."""
        if not self.frames:
            self.host.dirty.append(self)
        self.frames.append(frame)
        self.gathered_bytes += len(frame)

    def put_large(self, large: Large) -> None:
        """Adds what becomes a frame only when it leaves."""
        if not self.frames:
            self.host.dirty.append(self)
        self.frames.append(large)
        self.gathered_bytes += large.size
        self.outbox.note(large)

    def replied(self, reply: Reply | Envelope, valid_until: float) -> None:
        """Takes a reply that counts if it is looked at by that time; see ``takes_replies``."""

    def burst_done(self, done: BurstDone, now: float) -> None:
        """Hears what became of updates that it handed in together."""

    def valid_until(self, moment: float, instead: Callable[[], bytes]) -> None:
        """Lets another frame leave in the place of the one that was put last, if it leaves after that moment; it is
        made only then, as that hardly ever happens."""
        self._leases.append((len(self.frames) - 1, moment, instead))

    def flush(self) -> None:
        """Writes what gathered in the turn."""
        frames = self.frames
        if not frames:
            return
        if self._leases:
            self._check_leases()
        size, self.gathered_bytes = self.gathered_bytes, 0
        if self.transport is None or self.ended:
            self._discard(frames)
        elif self.outbox or self._paused or size > WIRE_WRITE_BYTES:
            self.outbox.put(frames)
            self.pump()
        else:
            self.transport.write(frames[0] if len(frames) == 1 else b"".join(frames))  # type: ignore[arg-type]
            self.host.process.sent_bytes += size
        frames.clear()

    def _discard(self, frames: list[Frame]) -> None:
        for frame in frames:
            if isinstance(frame, Large):
                self.outbox.forget(frame)

    def pump(self) -> None:
        """Writes what the system takes; goes on in another turn after ``WIRE_TURN_BYTES``."""
        outbox, transport, sent = self.outbox, self.transport, 0
        while outbox and not self._paused and transport is not None and not transport.is_closing():
            if outbox.next_is_large or sent >= WIRE_TURN_BYTES:
                if not self._pump_due:
                    self._pump_due = True
                    self.host.work.put(WIRE_TURN_BYTES, self._pump_on)
                break
            try:
                piece = outbox.piece()
            except StorageError as error:  # a content is read while it leaves
                self.host.defect(error)
                return
            sent += len(piece)
            transport.write(piece)
        if sent:
            self.host.process.sent_bytes += sent
            self.took_at = self.host.clock()

    def _pump_on(self) -> None:
        self._pump_due = False
        if self.outbox.next_is_large and not self._paused and self.transport and not self.transport.is_closing():
            self.outbox.prepare()
        self.pump()
        self.pumped()

    def write_out(self) -> None:
        """Writes all that waits at once: nothing else follows."""
        while self.outbox and self.transport is not None:
            if self.outbox.next_is_large:
                self.outbox.prepare()
            else:
                self.transport.write(self.outbox.piece())

    def pumped(self) -> None:
        """Hears that something has left the outbox since the turn in which it gathered."""

    def lapse(self) -> None:
        """Lets no lease hold any more."""
        self._leases = [(index, -inf, instead) for index, _, instead in self._leases]

    def _check_leases(self) -> None:
        now = self.host.clock()
        for index, valid_until, instead in self._leases:
            if now > valid_until:
                before, refusal = self.frames[index], instead()
                self.gathered_bytes += len(refusal)
                if isinstance(before, Large):
                    self.outbox.forget(before)
                    self.gathered_bytes -= before.size
                else:
                    self.gathered_bytes -= len(before)
                self.frames[index] = refusal
        self._leases.clear()

    def drop_outbox(self) -> None:
        """Drops all that waits to leave."""
        self._discard(self.frames)
        self.frames.clear()
        self.gathered_bytes = 0
        self._leases.clear()
        self.outbox.clear()

    # --- what comes in -------------------------------------------------------------------------------------------

    def arrived(self, messages: list[Message | Later[Message]], has_later: bool, now: float) -> None:
        """Serves the messages, or puts them behind what waits."""
        if self.backlog:
            self.backlog += messages
        elif has_later:
            self.backlog = messages
            self.hold()
            self.go_on()
        elif messages:
            self.take(messages, now)  # type: ignore[arg-type]

    def count_read(self, size: int) -> None:
        """Hears how much was read. Where there is more and more, the loop would be at it for many turns' time: after
        ``WIRE_TURN_BYTES`` it looks at everything else first."""
        self._read_bytes += size
        if self._read_bytes >= WIRE_TURN_BYTES and not self._held and self.transport is not None and not self.ended:
            self._read_bytes = 0
            if not self.transport.is_closing():
                self.transport.pause_reading()
                asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self._held and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def take(self, messages: list[Message], now: float) -> None:
        """Serves the messages as far as it may, and puts the rest before the backlog."""
        done = self.host.serve(self, messages, now)
        if done < len(messages):
            self.backlog[:0] = messages[done:]
            self.hold()
            if not self.full and not self._work_due:  # it was enough for one turn
                self._work_due = True
                self.host.work.put(TURN_BYTES, self._serve)
        elif self.waiting >= SESSION_REQUESTS_MAX:
            self.hold()

    def may_go_on(self) -> bool:
        """Returns whether more may be served."""
        return True

    def decoded(self) -> None:
        """Hears that a large frame has become a message."""

    def on_nonsense(self, error: WrpmeError) -> None:
        """Hears that a large frame was malformed."""

    def hold(self) -> None:
        """Reads nothing more for now."""
        if not self._held and self.transport is not None and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Serves what waits in a later turn, then reads on; a large frame is decoded in one turn and served in
        another."""
        if not self._held or self._work_due or self.ended or not self.may_go_on():
            return
        self._work_due = True
        first = self.backlog[0] if self.backlog else None
        if isinstance(first, Later):
            self.host.work.put(first.size, self._decode)
        else:
            asyncio.get_running_loop().call_soon(self._serve)

    def _decode(self) -> None:
        first = self.backlog[0] if self.backlog else None
        if self.ended or not isinstance(first, Later):
            self._work_due = False
            return
        try:
            self.backlog[0] = first.message()
        except WrpmeError as error:
            self.on_nonsense(error)
            return
        self.decoded()
        self.host.work.put(first.size, self._serve)

    def _serve(self) -> None:
        self._work_due = False
        transport = self.transport
        if self.ended or transport is None or not self.may_go_on():
            return
        backlog = self.backlog
        upto = next((at for at, message in enumerate(backlog) if isinstance(message, Later)), len(backlog))
        messages, self.backlog = backlog[:upto], backlog[upto:]
        if messages:
            self.take(messages, self.host.clock())  # type: ignore[arg-type]
        if self.ended or transport.is_closing():
            return
        if not self.backlog and not self.full:
            self._held = False
            transport.resume_reading()
        elif self.backlog and isinstance(self.backlog[0], Later):
            self.go_on()

    @property
    def later_bytes(self) -> int:
        """The bytes of large frames that have arrived and are not decoded."""
        return sum(message.size for message in self.backlog if isinstance(message, Later))

    # --- what asyncio calls --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WIRE_WRITE_BYTES)
        self.took_at = self.host.clock()
        _watch(self.transport.get_extra_info("socket"))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.pump()
        self.pumped()


class Host(Protocol):
    """What connections need of the runner; ``dirty`` are the wires that have something to write. Connections count
    what they receive and send there."""

    dirty: list[Wire]
    process: Process
    """What waits in the outboxes of all sessions."""
    work: Work

    def clock(self) -> float:
        """The node's clock, in seconds."""

    def say(self, level: str, line: str) -> None:
        """Logs a line."""

    def defect(self, error: BaseException) -> None:
        """Ends the process, as something happened that can't."""

    def opened(self, wire: Wire) -> None:
        """Sends replies to the number of this wire there from now on."""

    def closed(self, wire: Wire) -> None:
        """Hears that the connection has ended."""

    def serve(self, wire: Wire, messages: Sequence[Request | Envelope], now: float) -> int:
        """Hands the messages to the node, in order, until the wire is full; returns how many it took, at least one."""

    def objection(self, envelope: Envelope, names: Names) -> Objection | None:
        """See :mod:`wrpme.core.membership.speakers`."""

    @property
    def access(self) -> Access:
        """Who those are that come in."""

    def forget_user(self, session: int) -> None:
        """Lets a connection be nobody from now on."""

    def get(self, session: int, aliases: Sequence[bytes], now: float) -> tuple[list[bytes | None], float]:
        """See :meth:`wrpme.core.fast_path.FastPath.get`; returns only what may be looked at now, and the time."""

    def flush_soon(self) -> None:
        """Lets what was put leave when all that can be read now was: who waits for it is woken once."""

    def update(self, wire: Wire, number: int, pairs: Sequence[tuple[bytes, bytes]], now: float) -> int:
        """See :meth:`wrpme.core.fast_path.FastPath.update`; the wire hears :meth:`Wire.burst_done`."""


def _watch(raw: socket.socket | None) -> None:
    """Lets the system notice soon when the other machine is gone, where it can."""
    if raw is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    wanted = (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_SECONDS),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", KEEPALIVE_SECONDS // 3),
    )
    for level, name, value in wanted:
        option = getattr(socket, name, None)
        if option is not None:
            raw.setsockopt(level, option, value)


def watch_closely(raw: socket.socket | None) -> None:
    """Lets the system notice at once when another node is gone: between nodes something is sent all the time."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if raw is not None and option is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
        raw.setsockopt(socket.IPPROTO_TCP, option, int(UNACKNOWLEDGED_SECONDS_MAX * 1000))


def reason_of(error: BaseException | None) -> str:
    """Returns why a connection ended or could not be made, in a few plain words."""
    if error is None:
        return "it closed the connection"
    if isinstance(error, asyncio.TimeoutError | TimeoutError) and not getattr(error, "errno", None):
        return f"no answer within {CONNECT_SECONDS_MAX:g} s"
    if isinstance(error, socket.gaierror):
        return "the name can't be resolved"
    if isinstance(error, ssl.SSLError):
        return failed_handshake(error)
    if isinstance(error, OSError) and error.errno is not None:
        plain = {
            errno.ECONNREFUSED: "connection refused",
            errno.ECONNRESET: "the connection was reset",
            errno.EPIPE: "the connection was reset",
            errno.ETIMEDOUT: "it takes nothing any more",
        }
        return plain.get(error.errno) or (error.strerror or str(error)).lower()
    return str(error) or type(error).__name__
