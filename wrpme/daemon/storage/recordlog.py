"""LevelDB's format of logs (its own ``log_format.md``), as far as it takes to tell a write that was never finished from
damage.

A log is blocks of 32 KiB. A record is a header (masked CRC-32C, length, type) and its content; one that does not fit
into its block goes on in the next ones: FIRST, MIDDLE..., LAST. What is left of a block and too short for a header is
zeros. The manifest of a database has the same format.
"""

from __future__ import annotations

import re
from functools import cache
from struct import Struct as Layout

from msgspec import Struct

BLOCK_BYTES = 32 * 1024
_HEADER = Layout("<IHB")
_BATCH = Layout("<QI")
"""What each record of a log of writes begins with: the number of its first write, and how many they are."""
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
_BEGINNING = re.compile(rb"(?=....(..)[\x01\x02].......\x00....)", re.DOTALL)
_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF


class Part(Struct, frozen=True):
    """A header and its content, at ``start`` to ``end``."""

    start: int
    end: int
    kind: int


class Whole(Struct, frozen=True):
    """A record and its parts."""

    parts: tuple[Part, ...]

    @property
    def start(self) -> int:
        return self.parts[0].start

    @property
    def end(self) -> int:
        return self.parts[-1].end

    def content(self, log: bytes) -> bytes:
        return b"".join(log[part.start + _HEADER.size : part.end] for part in self.parts)

    def is_right(self, log: bytes) -> bool:
        """Returns whether all checksums are right."""
        return all(_is_right(log, part) for part in self.parts)


def records(log: bytes) -> tuple[list[Whole], int]:
    """Returns the records from the beginning, by their headers alone, and where the first thing begins that is none."""
    found: list[Whole] = []
    parts: list[Part] = []
    at = 0
    while (part := _part(log, at)) is not None:
        if (part.kind in (FULL, FIRST)) == bool(parts):
            break
        parts.append(part)
        at = part.end
        if part.kind in (FULL, LAST):
            found.append(Whole(tuple(parts)))
            parts = []
    return found, parts[0].start if parts else _next_header(at)


def a_record_begins(log: bytes, after: int, newest: int) -> bool:
    """Returns whether a whole record, or the first part of one, is anywhere behind ``after``, with a write in it that
    is newer than the one of number ``newest``."""
    for match in _BEGINNING.finditer(log, after):
        start = match.start()
        end = start + _HEADER.size + int.from_bytes(match[1], "little")
        number, _ = _BATCH.unpack_from(log, start + _HEADER.size)
        if follows(number, newest) and end <= min(len(log), _block_end(start)):
            if _is_right(log, Part(start, end, log[start + 6])):
                return True
    return False


def follows(number: int, newest: int) -> bool:
    """Returns whether that may well be the number of a write that came after the newest one."""
    return newest < number <= newest + _ALL


def number_of(content: bytes) -> int:
    """Returns the number of the last write in a record of a log of writes."""
    if len(content) < _BATCH.size:
        return 0
    first, count = _BATCH.unpack_from(content)
    return int(first + max(0, count - 1))


def _part(log: bytes, at: int) -> Part | None:
    """Returns what the header says that is due at ``at``, or None if it can't be one."""
    at = _next_header(at)
    if at + _HEADER.size > len(log):
        return None
    _, length, kind = _HEADER.unpack_from(log, at)
    end = at + _HEADER.size + length
    if not FULL <= kind <= LAST or end > min(len(log), _block_end(at)):
        return None
    return Part(at, end, kind)


def _next_header(at: int) -> int:
    return at if _block_end(at) - at >= _HEADER.size else _block_end(at)


def _block_end(at: int) -> int:
    return at - at % BLOCK_BYTES + BLOCK_BYTES


def _is_right(log: bytes, part: Part) -> bool:
    masked: int = _HEADER.unpack_from(log, part.start)[0]
    turned = (masked - _MASK_DELTA) & _ALL
    return (turned >> 17 | turned << 15) & _ALL == crc32c(log[part.start + 6 : part.end])


@cache
def _tables() -> tuple[list[int], list[int]]:
    """Returns the tables for one byte, and for two at a time."""
    single: list[int] = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        single.append(value)
    return single, [single[low >> 8 ^ single[low & 255] & 255] ^ single[low & 255] >> 8 for low in range(65_536)]


def crc32c(content: bytes) -> int:
    """Returns the checksum of RFC 3720. It makes some megabytes a second, which is enough for logs that LevelDB
    refuses."""
    single, double = _tables()
    pairs = len(content) // 2
    value = _ALL
    for pair in Layout(f"<{pairs}H").unpack_from(content):
        value = double[(value ^ pair) & 0xFFFF] ^ value >> 16
    if len(content) % 2:
        value = single[(value ^ content[-1]) & 255] ^ value >> 8
    return value ^ _ALL
