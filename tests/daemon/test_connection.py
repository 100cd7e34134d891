"""What all connections share: one write a turn, leases, and plain words for what ended them."""

from __future__ import annotations

from functools import partial
import asyncio
import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest

from wrpme.core.io import Process
from wrpme.daemon.limits import SESSION_OUTBOX_BYTES_MAX, SESSION_REQUESTS_MAX, WIRE_TURN_BYTES, WIRE_WRITE_BYTES
from wrpme.daemon.net.connection import Host, Wire, reason_of
from wrpme.daemon.net.outbox import Large
from wrpme.daemon.work import Work
from wrpme.errors import DamagedError, TooLargeError, UnstableError, WrpmeError
from wrpme.limits import FRAME_BYTES_MAX, MIB, TURN_BYTES
from wrpme.protocol.codec import Decoder, encode
from wrpme.protocol.frames.large import Unread
from wrpme.protocol.messages import Content, Envelope, Failed, Reply, Request


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.on_write: Callable[[], None] = lambda: None
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        self.on_write()

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


class Steps:
    """Work that is done when a test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def put(self, size: int, step: Callable[[], None]) -> None:
        self.due.append(step)

    def do(self) -> None:
        due, self.due = self.due, []
        for step in due:
            step()


class StillHost:
    """A clock that is set, and a list."""

    def __init__(self) -> None:
        self.dirty: list[Wire] = []
        self.now = 10.0
        self.process = Process()
        self.steps = Steps()
        self.work = cast(Work, self.steps)
        self.defects: list[BaseException] = []

    def clock(self) -> float:
        return self.now

    def opened(self, wire: Wire) -> None: ...

    def closed(self, wire: Wire) -> None: ...

    def say(self, level: str, line: str) -> None: ...

    def defect(self, error: BaseException) -> None:
        self.defects.append(error)

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
        wire.put(encode(Content(number, b"")))
        wire.valid_until(until, partial(encode, Failed(number, UnstableError.code, "late")))
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


def test_what_is_not_taken_waits_and_goes_on_in_order() -> None:
    """Where the other side reads as fast as it is sent to, one write of all would hold up the loop for as long."""
    wire, host, transport = connected()
    transport.on_write = wire.pause_writing
    frames = [bytes([number]) * 100_000 for number in range(10)]
    for frame in frames[:5]:
        wire.put(frame)
    wire.flush()
    assert len(transport.writes) == 1 and len(transport.writes[0]) <= 2 * WIRE_WRITE_BYTES
    assert wire.unsent_bytes == 500_000 - len(transport.writes[0])
    for frame in frames[5:]:
        wire.put(frame)
        wire.flush()
    assert len(transport.writes) == 1
    while wire.outbox:
        wire.resume_writing()
    assert b"".join(transport.writes) == b"".join(frames)
    assert wire.unsent_bytes == 0 and host.process.sent_bytes == 1_000_000


def test_a_large_message_becomes_a_frame_when_it_leaves() -> None:
    wire, host, transport = connected()
    content = bytes(3 * TURN_BYTES)
    small = encode(Content(1, b"before")), encode(Content(3, b"behind"))
    wire.put(small[0])
    wire.put_large(Large(Content(2, content), len(content), content))
    wire.put(small[1])
    wire.flush()
    assert transport.writes == [small[0]] and wire.full
    host.steps.do()
    assert max(map(len, transport.writes)) <= WIRE_WRITE_BYTES
    assert WIRE_TURN_BYTES <= sum(map(len, transport.writes)) < 2 * WIRE_TURN_BYTES, "it goes on in another turn"
    while host.steps.due:
        host.steps.do()
    assert b"".join(transport.writes) == small[0] + encode(Content(2, content)) + small[1]
    assert wire.outbox.bytes == wire.unsent_bytes == 0


def test_of_what_can_not_leave_somebody_is_told() -> None:
    wire, host, transport = connected()
    lost: list[WrpmeError] = []
    content = bytes(FRAME_BYTES_MAX)

    def told(error: WrpmeError) -> bytes:
        lost.append(error)
        return b"instead, "

    wire.put_large(Large(Content(1, content), len(content), lost=told))
    wire.put(b"behind")
    wire.flush()
    host.steps.do()
    assert [type(error) for error in lost] == [TooLargeError]
    assert (transport.writes, wire.unsent_bytes) == ([b"instead, behind"], 0)


def test_a_large_answer_under_a_lapsed_lease_does_not_leave() -> None:
    wire, host, transport = connected()
    content = bytes(TURN_BYTES)
    wire.put_large(Large(Content(1, content), len(content), content))
    wire.valid_until(9.0, lambda: b"late")
    wire.flush()
    assert (transport.writes, host.steps.due, wire.unsent_bytes) == ([b"late"], [], 0)


@pytest.mark.asyncio
async def test_what_reads_more_and_more_lets_the_loop_look_at_others() -> None:
    wire, _, transport = connected()
    wire.count_read(WIRE_TURN_BYTES - 1)
    assert transport.reads
    wire.count_read(1)
    assert not transport.reads, "it was enough for this turn"
    await asyncio.sleep(0)
    assert transport.reads
    wire.count_read(WIRE_TURN_BYTES)
    wire.hold()
    await asyncio.sleep(0)
    assert not transport.reads, "something waits to be served"


def test_a_disk_that_fails_while_a_content_leaves_ends_the_node() -> None:
    wire, host, transport = connected()

    def parts() -> Iterator[bytes]:
        yield bytes(MIB)
        raise DamagedError("a file is not what was written")

    unread = Unread(3 * MIB, parts)
    wire.put_large(Large(Content(2, unread), len(unread), unread))  # type: ignore[arg-type]
    wire.flush()
    while host.steps.due:
        host.steps.do()
    assert [type(error) for error in host.defects] == [DamagedError]
    assert MIB <= sum(map(len, transport.writes)) < MIB + 100


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
        (TimeoutError(), "no answer within 2 s"),
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
