"""What waits to leave: bounded pieces, and a content that several share is counted once."""

from __future__ import annotations

from collections.abc import Iterator

from wrpme.daemon.limits import WIRE_WRITE_BYTES
from wrpme.daemon.net.outbox import Frame, Large, Outbox
from wrpme.protocol.codec import encode
from wrpme.protocol.frames.large import Unread
from wrpme.protocol.messages import Content

MUCH = bytes(3 * WIRE_WRITE_BYTES)


class Counted:
    """An outbox, and what it counts."""

    def __init__(self) -> None:
        self.count = 0
        self.outbox = Outbox(self._add)

    def _add(self, change: int) -> None:
        self.count += change

    def put(self, *frames: Frame) -> None:
        for frame in frames:
            if isinstance(frame, Large):
                self.outbox.note(frame)
        self.outbox.put(list(frames))

    def all(self) -> bytes:
        left: list[bytes] = []
        while self.outbox:
            if self.outbox.next_is_large:
                self.outbox.prepare()
            else:
                left.append(bytes(self.outbox.piece()))
        return b"".join(left)


def large(number: int, content: bytes = MUCH) -> Large:
    return Large(Content(number, content), len(content), content)


def test_all_leaves_in_order_and_in_pieces() -> None:
    made = Counted()
    made.put(b"one", large(2), b"three", b"four", large(5), large(6, bytes(MUCH)))
    assert made.outbox.bytes == len(b"onethreefour") + 3 * len(MUCH)
    expected = b"one" + encode(Content(2, MUCH)) + b"threefour" + encode(Content(5, MUCH)) + encode(Content(6, MUCH))
    assert made.all() == expected
    assert (made.outbox.bytes, made.count, bool(made.outbox)) == (0, 0, False)


def test_no_piece_is_larger_than_it_may_be() -> None:
    made = Counted()
    made.put(large(1))
    made.outbox.prepare()
    while made.outbox:
        assert len(made.outbox.piece()) <= WIRE_WRITE_BYTES
    assert made.outbox.bytes == 0


def test_a_content_that_answers_in_a_row_share_is_counted_once() -> None:
    made = Counted()
    made.put(*(large(number) for number in range(100)))
    assert made.count == len(MUCH) and made.outbox.bytes == 100 * len(MUCH)
    made.put(large(7, bytes(bytearray(MUCH))))
    assert made.count == 2 * len(MUCH), "an equal one is another one"
    made.outbox.prepare()
    assert made.count == 3 * len(MUCH), "and a frame is one of its own"
    made.all()
    assert made.count == 0


def test_what_is_cleared_counts_no_more() -> None:
    made = Counted()
    made.put(b"one", large(2), large(3), b"four")
    made.outbox.piece()
    made.outbox.prepare()
    made.outbox.piece()
    made.outbox.clear()
    assert (made.outbox.bytes, made.count, bool(made.outbox)) == (0, 0, False)


def test_a_content_on_the_disk_is_read_as_it_leaves() -> None:
    read: list[int] = []

    def parts() -> Iterator[bytes]:
        for number in range(3):
            read.append(number)
            yield bytes([number]) * len(MUCH)

    made, unread = Counted(), Unread(3 * len(MUCH), parts)
    made.put(b"one", Large(Content(2, unread), len(unread), unread), b"three")  # type: ignore[arg-type]
    left = [bytes(made.outbox.piece())]
    made.outbox.prepare()
    assert not read
    while made.outbox:
        left.append(bytes(made.outbox.piece()))
        assert len(left[-1]) <= WIRE_WRITE_BYTES
        assert len(read) * len(MUCH) <= sum(map(len, left)) + len(MUCH), "no part before it is its turn"
    whole = b"".join(bytes([number]) * len(MUCH) for number in range(3))
    assert b"".join(left) == b"one" + encode(Content(2, whole)) + b"three"
    assert (made.outbox.bytes, made.count) == (0, 0)
