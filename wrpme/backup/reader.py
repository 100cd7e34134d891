"""Reads a backup file: once to see that it is whole, and once for its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, BinaryIO
from zlib import decompressobj, error

import msgpack

from wrpme.backup.frames import (
    BEGIN, BLOCK, BLOCK_BYTES_MAX, DIGEST_BYTES, END, HEADER, MARK, TRAILER, Counts, Header, SavedEntry, damaged,
    frames_in,
)  # fmt: skip
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX
from wrpme.protocol.ring import RING

PART_FIELDS = 6
Part = tuple[bytes, int, bytes, int, int, bytes]
"""Alias, expiry, version, size of the content, offset and part of it."""


class Reader:
    """Of a ``file`` that can be read twice, called ``name`` in sentences. Everything here raises BackupError where the
    file is not a whole backup. ``told`` hears how many bytes were checked, after each frame."""

    def __init__(self, file: BinaryIO, name: str, told: Callable[[int], None] = lambda _: None) -> None:
        self._file = file
        self._name = name
        self._told = told
        self._good: set[int] | None = None
        _, values, _ = next(frames_in(self._from_start(), name))
        self.header = self._header(values)

    def _from_start(self) -> BinaryIO:
        self._file.seek(0)
        return self._file

    def _header(self, values: list[Any]) -> Header:
        release, hive, replication, began, covers_all = values[:5]
        kinds = (release, str), (hive, bytes), (replication, int), (began, int), (covers_all, bool)
        if not all(isinstance(value, kind) for value, kind in kinds):
            raise damaged(self._name, "its header is not one of a backup")
        return Header(release, hive, replication, began, covers_all)

    def check(self) -> Counts:
        """Looks at all of it, once; returns what it has."""
        digest = blake2b(MARK, digest_size=DIGEST_BYTES)
        ranges: dict[int, tuple[int, int]] = {}
        seen: dict[int, int] = {}
        good: set[int] = set()
        begun: dict[int, tuple[tuple[bytes, int, bytes, int], int]] = {}
        """Of a content in several parts: whose it is, and how far it is."""
        size_bytes: dict[int, int] = {}
        last: list[Any] = []
        for kind, values, data in frames_in(self._from_start(), self._name):
            self._told(self._file.tell())
            if kind == TRAILER:
                last = values
                continue
            digest.update(data)
            if kind == BEGIN:
                section, first, end = values[:3]
                if section in ranges or not 0 <= first <= end < RING:
                    raise damaged(self._name, f"section {section} begins in a strange way")
                ranges[section], seen[section], size_bytes[section] = (first, end), 0, 0
            elif kind != HEADER:
                section = values[0]
                if section not in seen:
                    raise damaged(self._name, f"section {section} has not begun, or has ended")
                if kind == BLOCK:
                    for alias, expiry, version, size, offset, part in self._parts(values[1]):
                        entry = alias, expiry, version, size
                        if (entry, offset) != begun.get(section, (entry, 0)):
                            raise damaged(self._name, f"a part of a content is missing in section {section}")
                        begun[section] = entry, offset + len(part)
                        if offset + len(part) == size:
                            del begun[section]
                            seen[section] += 1
                        size_bytes[section] += len(part)
                else:
                    if kind == END and section in begun:
                        raise damaged(self._name, f"a part of a content is missing in section {section}")
                    begun.pop(section, None)
                    if kind == END and seen[section] != values[1]:
                        raise damaged(self._name, f"section {section} has {seen[section]} entries, not {values[1]}")
                    if kind == END:
                        good.add(section)
                    else:
                        del size_bytes[section], ranges[section]
                    del seen[section]
        counts = Counts(len(good), int(last[1]), sum(size_bytes.values()))
        if seen or last[:3] != [counts.sections, counts.entries, counts.size_bytes] or last[3] != digest.digest():
            raise damaged(self._name, "its trailer tells of something else than it has")
        self._check_ranges([ranges[section] for section in good])
        self._good = good
        return counts

    def _check_ranges(self, ranges: list[tuple[int, int]]) -> None:
        """None has a position twice; and where all are to be there, all are."""
        at = 0
        for first, end in sorted(ranges):
            if first < at or (first > at and self.header.covers_all):
                how = "twice" if first < at else "not at all"
                raise damaged(self._name, f"it has the position {min(first, at):016x} {how}")
            at = end + 1
        if self.header.covers_all and at != RING:
            raise damaged(self._name, f"it has nothing of the positions from {at:016x} on")

    def entries(self) -> Iterator[SavedEntry]:
        """Yields all entries of the sections that count, after :meth:`check`; no more is kept than a content of each
        section that is open."""
        good = self._good
        assert good is not None, "what was not checked is not read"
        begun: dict[int, tuple[bytes, int, bytes, int, bytearray]] = {}
        for kind, values, _ in frames_in(self._from_start(), self._name):
            if kind != BLOCK or values[0] not in good:
                continue
            section = values[0]
            for alias, expiry, version, size, offset, part in self._parts(values[1]):
                if not offset and len(part) == size:
                    yield SavedEntry(alias, expiry, version, part)
                    continue
                if not offset:
                    begun[section] = alias, expiry, version, size, bytearray()
                known = begun.get(section)
                if known is None or known[:4] != (alias, expiry, version, size) or len(known[4]) != offset:
                    raise damaged(self._name, f"a part of a content is missing in section {section}")
                known[4].extend(part)
                if len(known[4]) == size:
                    del begun[section]
                    yield SavedEntry(alias, expiry, version, bytes(known[4]))

    def _parts(self, packed: Any) -> Iterator[Part]:
        """Yields what a block has."""
        try:
            inflating = decompressobj()
            raw = inflating.decompress(packed, BLOCK_BYTES_MAX)
            whole = inflating.eof
        except (error, TypeError):
            raise damaged(self._name, "a block can't be unpacked") from None
        if not whole:
            raise damaged(self._name, f"a block is larger than {BLOCK_BYTES_MAX} bytes, or cut")
        unpacker = msgpack.Unpacker(max_buffer_size=0, use_list=False)
        unpacker.feed(raw)
        try:
            for part in unpacker:
                alias, expiry, version, size, offset, content = part[:PART_FIELDS]
                fits = 0 < len(alias) <= ALIAS_BYTES_MAX and 0 <= offset <= offset + len(content) <= size
                if not (fits and size <= CONTENT_BYTES_MAX and expiry >= 0 and len(version) == 16):
                    raise ValueError
                yield alias, expiry, version, size, offset, content
        except (ValueError, TypeError, msgpack.UnpackException):
            raise damaged(self._name, "an entry in it is none") from None
