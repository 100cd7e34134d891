"""What all connections share: one write a turn, leases, and plain words for what ended them."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import cast

import pytest

from wrpme.codec import Decoder, encode
from wrpme.daemon.wire import Host, Wire, reason_of
from wrpme.errors import UnstableError
from wrpme.limits import SESSION_OUTBOX_BYTES_MAX, SESSION_REQUESTS_MAX
from wrpme.messages import Content, Envelope, Failed, Reply, Request


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))


class StillHost:
    """A clock that is set, and a list."""

    def __init__(self) -> None:
        self.dirty: list[Wire] = []
        self.now = 10.0
        self.received_bytes = self.sent_bytes = 0

    def clock(self) -> float:
        return self.now

    def opened(self, wire: Wire) -> None: ...

    def closed(self, wire: Wire) -> None: ...

    def say(self, level: str, line: str) -> None: ...

    def defect(self, error: BaseException) -> None: ...

    def serve(self, wire: Wire, messages: Sequence[Request | Envelope], now: float) -> int:
        return len(messages)


def connected() -> tuple[Wire, StillHost, Transport]:
    host, transport = StillHost(), Transport()
    wire = Wire(1, cast(Host, host))
    wire.connection_made(transport)
    return wire, host, transport


def test_what_gathers_leaves_in_one_write() -> None:
    wire, host, transport = connected()
    wire.put(b"one")
    wire.put(b"two")
    assert (host.dirty, wire.gathered_bytes, transport.writes) == ([wire], 6, [])
    wire.flush()
    wire.flush()
    assert (wire.gathered_bytes, transport.writes) == (0, [b"onetwo"])


def test_leases_are_checked_when_it_leaves() -> None:
    wire, host, transport = connected()
    for number, until in ((1, 20.0), (2, 30.0), (3, 40.0)):
        wire.put_until(encode(Content(number, b"")), until, encode(Failed(number, UnstableError.code, "late")))
    host.now = 30.0
    wire.flush()
    first, *others = Decoder[Reply](Reply, preface=False).feed(transport.writes[0])
    assert isinstance(first, Failed)
    assert (first.id, first.code) == (1, UnstableError.code)
    assert others == [Content(2, b""), Content(3, b"")]


def test_after_its_end_nothing_leaves() -> None:
    wire, _, transport = connected()
    wire.put(b"one")
    wire.ended = True
    wire.flush()
    assert (transport.writes, wire.gathered_bytes) == ([], 0)


def test_full() -> None:
    wire, _, _ = connected()
    assert not wire.full
    wire.waiting = SESSION_REQUESTS_MAX
    assert wire.full
    wire.waiting = 0
    wire.put(bytes(SESSION_OUTBOX_BYTES_MAX))
    assert wire.full


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, "it closed the connection"),
        (TimeoutError(), "no answer within 1 s"),
        (socket.gaierror(-2, "Name or service not known"), "the name can't be resolved"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "the connection was reset"),
        (BrokenPipeError(errno.EPIPE, "x"), "the connection was reset"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "it takes nothing any more"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to host"),
        (OSError("Multiple exceptions"), "Multiple exceptions"),
        (ValueError(), "ValueError"),
    ],
)
def test_reasons(error: BaseException | None, words: str) -> None:
    assert reason_of(error) == words
