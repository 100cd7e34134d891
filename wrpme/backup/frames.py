"""What a backup file is made of: a mark, then frames, the first of them a header and the last one a trailer.

A frame is its length in 4 bytes, a CRC-32 in 4 bytes, and an array of MessagePack that begins with its kind. Entries
are in *sections*, each of which was read as of one moment: a section begins, has blocks, and ends, or is void where it
broke off. Sections are written side by side, so each block names its own. The entries of a block are arrays one behind
the other, compressed together; a large content is in several parts. A file without a trailer is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO
from zlib import crc32

import msgpack
from msgspec import Struct

from wrpme.errors import BackupError
from wrpme.limits import MIB

MARK = b"wrpme backup 1\n"
_ANY_MARK = MARK[:-2]
HEADER, BEGIN, BLOCK, END, VOID, TRAILER = range(6)
FIELDS = {HEADER: 5, BEGIN: 3, BLOCK: 2, END: 2, VOID: 1, TRAILER: 4}
"""How many values follow each kind; a later release may append others."""
BLOCK_BYTES = MIB
"""A block ends when its entries have so many bytes."""
BLOCK_BYTES_MAX = 4 * MIB
"""No block has more, before it is compressed."""
FRAME_BYTES_MAX = 5 * MIB
DIGEST_BYTES = 16


class Header(Struct, frozen=True):
    """What a backup is of: the ``hive`` by its id, with so many copies of each entry, written by that ``release``, and
    begun so many milliseconds after 1970. One that ``covers_all`` has each position of the ring in one section."""

    release: str
    hive: bytes
    replication: int
    began_milliseconds: int
    covers_all: bool


class SavedEntry(Struct, frozen=True, gc=False):
    """An entry as it was: its ``expiry`` in milliseconds since 1970, or 0 for never, and its version of 16 bytes."""

    alias: bytes
    expiry: int
    version: bytes
    content: bytes


class Counts(Struct, frozen=True):
    """How much a backup has."""

    sections: int
    entries: int
    size_bytes: int


def frame_of(kind: int, *values: Any) -> bytes:
    """Returns the bytes of a frame."""
    payload: bytes = msgpack.packb((kind, *values))
    return len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big") + payload


def frames_in(file: BinaryIO, name: str) -> Iterator[tuple[int, list[Any], bytes]]:
    """Yields the kind, the values and the bytes of each frame behind the mark, up to the trailer.

    Raises:
        BackupError: The file is no backup, is damaged, or is cut.
    """
    mark = file.read(len(MARK))
    if mark != MARK:
        whole = MARK.startswith(mark) and len(mark) < len(MARK)
        if mark.startswith(_ANY_MARK) and len(mark) == len(MARK):
            raise later(name)
        what = "is cut: it ends before its first frame" if mark and whole else "is no backup of wrpme"
        raise BackupError(f"{name} {'is empty' if not mark else what}; nothing was read of it, give another file")
    kind = -1
    while kind != TRAILER:
        at = file.tell()
        head = file.read(8)
        length = int.from_bytes(head[:4], "big")
        if len(head) == 8 and length > FRAME_BYTES_MAX:
            raise damaged(name, f"a frame at byte {at} says that it has {length} bytes")
        payload = file.read(length) if len(head) == 8 else b""
        if len(head) < 8 or len(payload) < length:
            raise cut(name, at)
        if crc32(payload) != int.from_bytes(head[4:], "big"):
            raise damaged(name, f"the frame at byte {at} is not what was written there")
        kind, values = _values(payload, name, at)
        yield kind, values, head + payload
    if file.read(1):
        raise damaged(name, "something follows its end")


def _values(payload: bytes, name: str, at: int) -> tuple[int, list[Any]]:
    try:
        kind, *values = msgpack.unpackb(payload, use_list=True)
    except (ValueError, TypeError, msgpack.UnpackException):
        raise damaged(name, f"the frame at byte {at} is not one of a backup") from None
    if kind not in FIELDS or len(values) < FIELDS[kind]:
        raise later(name)
    return kind, values


def later(name: str) -> BackupError:
    """Returns the error of a file that this release does not know."""
    return BackupError(f"{name} is of a later release of wrpme than this one; restore it with that release")


def cut(name: str, at: int) -> BackupError:
    """Returns the error of a file that ends too early."""
    return BackupError(f"{name} is cut: it ends at byte {at} without its trailer; it was not copied or written whole")


def damaged(name: str, what: str) -> BackupError:
    """Returns the error of a file that is not what was written."""
    return BackupError(f"{name} is damaged: {what}; take another copy of it, nothing is restored of this one")
