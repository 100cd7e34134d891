"""What a Redis client says, taken apart: arrays of bulk strings, and inline commands. No socket here.

The bytes are taken apart here rather than by a library for clients: that one takes any reply of Redis for a command,
sets memory aside for as many elements as an array claims to have, and knows no inline commands between two arrays.
"""

from __future__ import annotations

import re

from wrpme.errors import ProtocolError
from wrpme.limits import CONTENT_BYTES_MAX, FRAME_BYTES_MAX

INLINE_BYTES_MAX = 65_536
"""As in Redis: a line, or the head of an array or bulk string, ends within so many bytes."""
ARGUMENTS_MAX = 1 << 17
"""An array has so many elements at most; Redis takes eight times as many."""
ARGUMENT_BYTES = 64
"""An argument counts for so much more than its bytes: it is an object."""

SLICED_BYTES_MAX = 64
"""What is longer is copied once where it comes out of the buffer, not twice."""

_NUMBER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_SPACES = b" \n\r\t\v\f\0"
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_HTTP = re.compile(rb"[A-Z]+ \S+ HTTP/[0-9.]+\r?")

Command = list[bytes]


class Foreign(ProtocolError):
    """It is no Redis client: what it says looks like HTTP, which a web page may let a browser say."""


class Parser:
    """Takes the bytes of one connection as they come and gives its commands. After an error it is spent."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = 0
        """Before so many bytes are there the command that has begun can't be complete."""
        self._arguments: Command = []
        self._left = 0
        self._size = 0
        """Of the arguments that are complete."""
        self.error: ProtocolError | None = None

    @property
    def pending_bytes(self) -> int:
        """Bytes of the command that has begun."""
        return len(self._buffer) + self._size

    def feed(self, data: bytes) -> list[Command]:
        """Returns the commands that ``data`` completes, in order. What follows a mistake is not looked at: ``error`` is
        set, and the commands before it count."""
        commands: list[Command] = []
        if self.error is not None:
            return commands
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(buffer) < self._wanted:
                return commands
            data = bytes(buffer) if len(buffer) <= INLINE_BYTES_MAX else buffer  # type: ignore[assignment]
        try:
            at = _usual(data, commands) if not self._left and len(data) <= INLINE_BYTES_MAX else 0
            if at == len(data) and not buffer:
                return commands
            at = self._split(data, commands, at)
        except ProtocolError as error:
            self.error = error
            self._buffer, self._arguments, self._size = bytearray(), [], 0
            return commands
        self._wanted -= at
        if data is buffer:
            del buffer[:at]
        else:
            self._buffer = bytearray(memoryview(data)[at:])
        return commands

    def _split(self, data: bytes, commands: list[Command], at: int) -> int:
        """Takes commands from ``data``, from the byte ``at`` on; returns the end of what was taken."""
        end = len(data)
        while True:
            if self._left == 0:
                if at >= end:
                    return at
                line_end = data.find(b"\n", at, at + INLINE_BYTES_MAX)
                if data[at] != 0x2A:
                    if line_end < 0:
                        return self._incomplete(at, end, "too big inline request")
                    if arguments := _inline(bytes(data[at:line_end])):
                        commands.append(arguments)
                    at = line_end + 1
                    continue
                if line_end < 0:
                    return self._incomplete(at, end, "too big mbulk count string")
                count = _number(data[at + 1 : line_end], "invalid multibulk length")
                if count > ARGUMENTS_MAX:
                    raise ProtocolError("invalid multibulk length")
                at = line_end + 1
                self._left = max(count, 0)
                continue
            taken = self._argument(data, at, end)
            if taken < 0:
                return at
            at = taken
            self._left -= 1
            if self._left == 0:
                commands.append(self._arguments)
                self._arguments, self._size = [], 0

    def _argument(self, data: bytes, at: int, end: int) -> int:
        """Takes a bulk string; returns its end, or -1 where it is not complete."""
        if at < end and data[at] != 0x24:
            raise ProtocolError(f"expected '$', got '{_shown(data[at])}'")
        line_end = data.find(b"\n", at, at + INLINE_BYTES_MAX)
        if line_end < 0:
            self._incomplete(at, end, "too big bulk count string")
            return -1
        size = _number(data[at + 1 : line_end], "invalid bulk length")
        if not 0 <= size <= CONTENT_BYTES_MAX:
            raise ProtocolError("invalid bulk length")
        if self._size + size > FRAME_BYTES_MAX:
            raise ProtocolError("too big command")
        first = line_end + 1
        if end - first < size + 2:
            self._wanted = first + size + 2
            return -1
        self._arguments.append(
            bytes(memoryview(data)[first : first + size]) if size > 64 else bytes(data[first : first + size])
        )
        self._size += size + ARGUMENT_BYTES
        return first + size + 2

    def _incomplete(self, at: int, end: int, too_long: str) -> int:
        if end - at >= INLINE_BYTES_MAX:
            raise ProtocolError(too_long)
        self._wanted = end + 1
        return at


_HEADS = {b"*%d" % count: count for count in range(1, 33)}
_SIZES = {b"$%d" % size: size for size in range(4097)}


def _usual(data: bytes, commands: list[Command]) -> int:
    """Takes whole commands of few and short words without a line end in them, as most are, with few steps of Python;
    returns the end of what was taken. All else, and all that is wrong, is left."""
    parts = data.split(b"\r\n")
    at, complete = 0, len(parts) - 1
    while at < complete:
        count = _HEADS.get(parts[at])
        if count is None:
            break
        end = at + 1 + 2 * count
        if end > complete:
            break
        words = parts[at + 2 : end : 2]
        if list(map(_SIZES.get, parts[at + 1 : end : 2])) != list(map(len, words)):
            break
        commands.append(words)
        at = end
    if at == complete and not parts[at]:
        return len(data)
    return sum(map(len, parts[:at])) + 2 * at


def _number(digits: bytes, wrong: str) -> int:
    digits = bytes(digits).removesuffix(b"\r")
    if not _NUMBER.fullmatch(digits):
        raise ProtocolError(wrong)
    return int(digits)


def _shown(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 else " "


def _inline(line: bytes) -> Command:
    line = line.removesuffix(b"\r")
    first = line.split(b" ", 1)[0].lower()
    if first in (b"post", b"host:") or _HTTP.fullmatch(line):
        raise Foreign("what it says looks like HTTP")
    arguments = split_arguments(line)
    if arguments is None:
        raise ProtocolError("unbalanced quotes in request")
    return arguments


def split_arguments(line: bytes) -> Command | None:
    """Returns the words of a line as Redis takes them: in double quotes with escapes, in single quotes with ``\\'``
    alone; None where a quote is open or followed by something else than a space."""
    words: Command = []
    at, end = 0, len(line)
    while True:
        while at < end and line[at] in _SPACES:
            at += 1
        if at >= end:
            return words
        word = bytearray()
        while at < end and line[at] not in _SPACES:
            quote = line[at : at + 1]
            if quote in (b'"', b"'"):
                at = _quoted(line, at + 1, quote, word)
                if at < 0 or (at < end and line[at] not in _SPACES):
                    return None
                break
            word += quote
            at += 1
        words.append(bytes(word))


def _quoted(line: bytes, at: int, quote: bytes, word: bytearray) -> int:
    """Adds what stands in the quotes; returns where they end, or -1 where they don't."""
    while at < len(line):
        letter = line[at : at + 1]
        if letter == quote:
            return at + 1
        following = line[at + 1 : at + 2]
        if letter == b"\\" and quote == b'"' and following:
            digits = line[at + 2 : at + 4]
            if following == b"x" and re.fullmatch(rb"[0-9a-fA-F]{2}", digits):
                word += bytes.fromhex(digits.decode())
                at += 4
                continue
            word += _ESCAPES.get(following, following)
            at += 2
        elif letter == b"\\" and following == b"'" and quote == b"'":
            word += following
            at += 2
        else:
            word += letter
            at += 1
    return -1
