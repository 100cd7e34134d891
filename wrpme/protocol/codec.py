"""Frames: bytes in, messages out, and back; no socket.

A connection opens with ``PREFACE`` from each side, so that a foreign protocol is known by its first bytes. Then each
message is a frame: its length (4 bytes, big endian, the length not counted), then the message in msgpack: an array
that begins with the number of its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any, Generic, TypeVar

import msgspec

from wrpme.errors import ProtocolError, TooLargeError
from wrpme.limits import FRAME_BYTES_MAX, LARGE_BYTES
from wrpme.protocol.frames.large import Gathering, Piece, pieces_of, plain

PREFACE = b"WRPME/2\n"
FORMER_PREFACE = b"WRPME/1\n"
"""What the former release begins with: it knows no tags, and would look for entries elsewhere."""
FORMER_REFUSAL = b"wrpmed: "
"""What its nodes say to all that begins otherwise."""
FORMER = (
    "the other side speaks the hive protocol of an earlier release (WRPME/1), and this one WRPME/2: upgrade it; all "
    "nodes of a hive are upgraded together, and clients with them"
)
HEADER_BYTES = 4
_HEADER = Struct(">I")
_ENCODER = msgspec.msgpack.Encoder(enc_hook=plain)
_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
M = TypeVar("M")


def _malformed(error: Exception) -> ProtocolError:
    return ProtocolError(f"a message is malformed ({error})")


def encode(message: msgspec.Struct) -> bytes:
    """One frame.

    Raises:
        TooLargeError: the message is beyond ``FRAME_BYTES_MAX``.
    """
    frame = bytearray(HEADER_BYTES)
    _ENCODER.encode_into(message, frame, HEADER_BYTES)
    size = len(frame) - HEADER_BYTES
    if size > FRAME_BYTES_MAX:
        raise TooLargeError(f"a message of {size} bytes is over the limit of {FRAME_BYTES_MAX} bytes")
    _HEADER.pack_into(frame, 0, size)
    return bytes(frame)


def encode_pieces(message: msgspec.Struct) -> list[Piece]:
    """One frame, in pieces, of which large contents are some as they are: see :mod:`wrpme.protocol.frames.large`.

    Raises:
        TooLargeError: as :func:`encode`.
    """
    pieces = pieces_of(message, _ENCODER.encode)
    size = sum(map(len, pieces))
    if size > FRAME_BYTES_MAX:
        raise TooLargeError(f"a message of {size} bytes is over the limit of {FRAME_BYTES_MAX} bytes")
    return [_HEADER.pack(size), *pieces]


def encode_body(message: msgspec.Struct) -> bytes:
    """What follows the header of a frame.

    Raises:
        TooLargeError: as :func:`encode`.
    """
    body = _ENCODER.encode(message)
    if len(body) > FRAME_BYTES_MAX:
        raise TooLargeError(f"a message of {len(body)} bytes is over the limit of {FRAME_BYTES_MAX} bytes")
    return body


class Later(Generic[M]):
    """A large frame that has arrived: to be decoded when there is time for it."""

    __slots__ = ("_body", "_decode", "size")

    def __init__(self, decode: Callable[[bytes | bytearray | memoryview], M], body: Gathering) -> None:
        self._decode = decode
        self._body = body
        self.size = body.gathered

    def message(self) -> M:
        """What it says.

        Raises:
            ProtocolError: it is malformed.
        """
        try:
            return self._body.message(self._decode)
        except _MALFORMED as error:
            raise _malformed(error) from None


@cache
def _decode_of(kinds: object) -> Callable[[bytes | bytearray | memoryview], Any]:
    """Returns what decodes one of those. It keeps nothing between calls, so that all connections share it: to make it
    takes as long as to decode some dozen messages."""
    return msgspec.msgpack.Decoder(kinds).decode


class Decoder(Generic[M]):
    """Takes the bytes of one connection as they come and gives its messages.

    ``kinds`` is the union of message classes that this side accepts. After an error the decoder is spent: the
    connection is to be closed. ``pending_bytes`` is what a frame that has begun still holds, its announced size
    included in ``wanted_bytes``.
    """

    def __init__(self, kinds: type[M] | object, preface: bool = True) -> None:
        self._decode = _decode_of(kinds)  # type: ignore[arg-type]
        self._buffer = bytearray()
        self._gathering: Gathering | None = None
        self._preface_due = preface
        self.has_later = False

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return self._gathering.gathered if self._gathering is not None else len(self._buffer)

    @property
    def wanted_bytes(self) -> int:
        """Size of the frame that has begun, header included; 0 where none has."""
        if self._gathering is not None:
            return HEADER_BYTES + self._gathering.gathered + self._gathering.due
        if self._preface_due or len(self._buffer) < HEADER_BYTES:
            return len(self._buffer)
        size: int = _HEADER.unpack_from(self._buffer)[0]
        return HEADER_BYTES + size

    def feed(self, data: bytes) -> list[M]:
        """The messages that ``data`` completes, in order.

        Raises:
            ProtocolError: the bytes are not of this protocol, or a message is malformed.
            TooLargeError: a frame claims more than ``FRAME_BYTES_MAX``.
        """
        messages = self.feed_lazily(data)
        if not self.has_later:
            return messages  # type: ignore[return-value]
        return [message.message() if isinstance(message, Later) else message for message in messages]

    def feed_lazily(self, data: bytes) -> list[M | Later[M]]:
        """The same; frames of more than ``LARGE_BYTES`` that took several readings are left for the caller to decode:
        ``has_later`` tells whether there are any."""
        self.has_later = False
        if self._gathering is not None:
            return self._gather(self._gathering, data)
        buffer = self._buffer
        if self._preface_due:
            buffer += data
            if not self._take_preface():
                return []
            data = bytes(buffer)
            buffer.clear()
        if not buffer:
            return self._split(data)
        due = HEADER_BYTES - len(buffer)
        if due > 0:
            buffer += data[:due]
            data = data[due:]
            if len(buffer) < HEADER_BYTES:
                return []
        size = self.wanted_bytes - HEADER_BYTES
        self._check_size(size)
        if size > LARGE_BYTES:
            gathering = self._gathering = Gathering(size)
            gathering.take(memoryview(buffer)[HEADER_BYTES:])
            self._buffer = bytearray()
            return self._gather(gathering, data)
        if HEADER_BYTES + size - len(buffer) > len(data):
            buffer += data
            return []
        self._buffer = bytearray()
        return self._split(bytes(buffer) + data)

    def _gather(self, gathering: Gathering, data: bytes) -> list[M | Later[M]]:
        due = gathering.due
        gathering.take(memoryview(data)[:due])
        if gathering.due:
            return []
        self._gathering = None
        behind = self._split(data[due:]) if due < len(data) else []
        self.has_later = True
        return [Later(self._decode, gathering), *behind]

    def _split(self, data: bytes) -> list[M | Later[M]]:
        messages: list[M | Later[M]] = []
        view = memoryview(data)
        at, end = 0, len(data)
        try:
            if end >= HEADER_BYTES and _HEADER.unpack_from(data)[0] == end - HEADER_BYTES:
                return [self._decode(view[HEADER_BYTES:])]  # as nearly always
            while end - at >= HEADER_BYTES:
                (size,) = _HEADER.unpack_from(data, at)
                start = at + HEADER_BYTES
                if size > end - start:
                    self._check_size(size)
                    break
                messages.append(self._decode(view[start : start + size]))
                at = start + size
        except _MALFORMED as error:
            raise _malformed(error) from None
        if at < end:
            self._buffer += view[at:]
        return messages

    def _take_preface(self) -> bool:
        got = bytes(self._buffer[: len(PREFACE)])
        if not PREFACE.startswith(got):
            if FORMER_REFUSAL.startswith(got) and len(got) < len(FORMER_REFUSAL):
                return False
            if got == FORMER_REFUSAL or FORMER_PREFACE.startswith(got):
                raise ProtocolError(FORMER)
            shown = bytes(self._buffer[:24]).decode("latin-1").split("\r")[0].split("\n")[0]
            raise ProtocolError(f"the other side does not speak the wrpme protocol, it began with {shown!r}")
        if len(got) < len(PREFACE):
            return False
        del self._buffer[: len(PREFACE)]
        self._preface_due = False
        return True

    @staticmethod
    def _check_size(size: int) -> None:
        if size > FRAME_BYTES_MAX:
            raise TooLargeError(f"a frame claims {size} bytes, the limit is {FRAME_BYTES_MAX} bytes")
