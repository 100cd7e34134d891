"""Writes a backup file as the entries come."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any
from zlib import compress

import msgpack
from msgspec.structs import astuple

from wrpme.backup.frames import (
    BEGIN, BLOCK, BLOCK_BYTES, DIGEST_BYTES, END, HEADER, MARK, TRAILER, VOID, Counts, Header, frame_of,
)  # fmt: skip

LEVEL = 1
"""Of zlib: a higher one makes files of usual entries a few percent smaller, and takes several times as long."""


class Writer:
    """``write`` takes the bytes in order. No more is kept than a block of each section that is open."""

    def __init__(self, write: Callable[[bytes], object], header: Header) -> None:
        self._write = write
        self._digest = blake2b(digest_size=DIGEST_BYTES)
        self._open: dict[int, bytearray] = {}
        self._counts: dict[int, tuple[int, int]] = {}
        self._pack = msgpack.Packer().pack
        self.sections = self.entries = self.size_bytes = 0
        self.written_bytes = 0
        self._put(MARK)
        self._put(frame_of(HEADER, *astuple(header)))

    def begin(self, section: int, first: int, end: int) -> None:
        """Begins a section, of the positions from ``first`` to ``end``."""
        self._open[section] = bytearray()
        self._counts[section] = 0, 0
        self._put(frame_of(BEGIN, section, first, end))

    def add(self, section: int, alias: bytes, expiry: int, version: bytes, size: int, offset: int, part: bytes) -> None:
        """Takes an entry with a content of that ``size``, or the ``part`` of it from ``offset`` on; the parts of one
        come in order, with nothing else of the section between them."""
        block = self._open[section]
        block += self._pack((alias, expiry, version, size, offset, part))
        entries, size_bytes = self._counts[section]
        self._counts[section] = entries + (offset + len(part) >= size), size_bytes + len(part)
        if len(block) >= BLOCK_BYTES:
            self._put_block(section, block)

    def end(self, section: int) -> None:
        """Ends a section, which is complete."""
        block = self._open.pop(section)
        if block:
            self._put_block(section, block)
        entries, size_bytes = self._counts.pop(section)
        self.sections += 1
        self.entries += entries
        self.size_bytes += size_bytes
        self._put(frame_of(END, section, entries))

    def void(self, section: int) -> None:
        """Ends a section of which nothing counts."""
        del self._open[section], self._counts[section]
        self._put(frame_of(VOID, section))

    def finish(self) -> Counts:
        """Ends the file; returns what it has."""
        assert not self._open, "each section has ended"
        trailer = frame_of(TRAILER, self.sections, self.entries, self.size_bytes, self._digest.digest())
        self._write(trailer)
        self.written_bytes += len(trailer)
        return Counts(self.sections, self.entries, self.size_bytes)

    def _put_block(self, section: int, block: bytearray) -> None:
        self._put(frame_of(BLOCK, section, compress(block, LEVEL)))
        block.clear()

    def _put(self, data: Any) -> None:
        self._digest.update(data)
        self._write(data)
        self.written_bytes += len(data)
