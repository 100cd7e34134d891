"""What accepted and dialled connections have in common: frames gather during a turn, and leave in one write."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from math import inf
from typing import Protocol, cast

from wrpme.limits import (
    CONNECT_SECONDS_MAX, KEEPALIVE_SECONDS, SESSION_OUTBOX_BYTES_MAX, SESSION_REQUESTS_MAX, UNACKNOWLEDGED_SECONDS_MAX,
)  # fmt: skip
from wrpme.messages import Envelope, Request


class Wire(asyncio.Protocol):
    """One connection. ``number`` is never used again; ``gathered_bytes`` wait for the end of the turn; ``waiting`` are
    requests whose answers have not left."""

    def __init__(self, number: int, host: Host) -> None:
        self.number = number
        self.host = host
        self.transport: asyncio.Transport | None = None
        self.ended = False
        self.waiting = 0
        self.gathered_bytes = 0
        self.frames: list[bytes] = []
        self._leases: list[tuple[int, float, bytes]] = []

    @property
    def full(self) -> bool:
        """Whether it has as many requests in flight, or answers gathered, as it may."""
        return self.waiting >= SESSION_REQUESTS_MAX or self.gathered_bytes >= SESSION_OUTBOX_BYTES_MAX

    def put(self, frame: bytes) -> None:
        """Adds to what leaves at the end of the turn."""
        if not self.frames:
            self.host.dirty.append(self)
        self.frames.append(frame)
        self.gathered_bytes += len(frame)

    def put_until(self, frame: bytes, valid_until: float, instead: bytes) -> None:
        """The same; if ``valid_until`` has passed when it leaves, the frame ``instead`` leaves in its place."""
        self.put(frame)
        self._leases.append((len(self.frames) - 1, valid_until, instead))

    def flush(self) -> None:
        """One write for all that gathered."""
        frames = self.frames
        if not frames:
            return
        if self._leases:
            self._check_leases()
        if self.transport is not None and not self.ended:
            self.transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
            self.host.sent_bytes += self.gathered_bytes
        frames.clear()
        self.gathered_bytes = 0

    def lapse(self) -> None:
        """No lease holds any more."""
        self._leases = [(index, -inf, instead) for index, _, instead in self._leases]

    def _check_leases(self) -> None:
        now = self.host.clock()
        for index, valid_until, instead in self._leases:
            if now > valid_until:
                self.frames[index] = instead
        self._leases.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        _watch(self.transport.get_extra_info("socket"))


class Host(Protocol):
    """What connections need of the runner; ``dirty`` are the wires that have something to write. Connections count
    what they receive and send there."""

    dirty: list[Wire]
    received_bytes: int
    sent_bytes: int

    def clock(self) -> float:
        """The node's clock, in seconds."""

    def say(self, level: str, line: str) -> None:
        """A line of the log."""

    def defect(self, error: BaseException) -> None:
        """Something happened that can't: the process ends."""

    def opened(self, wire: Wire) -> None:
        """Replies to the number of this wire go there from now on."""

    def closed(self, wire: Wire) -> None:
        """The connection has ended."""

    def serve(self, wire: Wire, messages: Sequence[Request | Envelope], now: float) -> int:
        """Hands the messages to the node, in order, until the wire is full; how many it took, at least one."""


def _watch(raw: socket.socket | None) -> None:
    """The system shall notice soon when the other machine is gone. Where it can't, or there is no socket, it won't."""
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
    """The same for a connection between nodes, on which something is sent all the time."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if raw is not None and option is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
        raw.setsockopt(socket.IPPROTO_TCP, option, int(UNACKNOWLEDGED_SECONDS_MAX * 1000))


def reason_of(error: BaseException | None) -> str:
    """Why a connection ended or could not be made, in a few plain words."""
    if error is None:
        return "it closed the connection"
    if isinstance(error, asyncio.TimeoutError | TimeoutError) and not getattr(error, "errno", None):
        return f"no answer within {CONNECT_SECONDS_MAX:g} s"
    if isinstance(error, socket.gaierror):
        return "the name can't be resolved"
    if isinstance(error, OSError) and error.errno is not None:
        plain = {
            errno.ECONNREFUSED: "connection refused",
            errno.ECONNRESET: "the connection was reset",
            errno.EPIPE: "the connection was reset",
            errno.ETIMEDOUT: "it takes nothing any more",
        }
        return plain.get(error.errno) or (error.strerror or str(error)).lower()
    return str(error) or type(error).__name__
