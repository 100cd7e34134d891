"""Large values beside LevelDB: the content is a file of its own, and LevelDB has a *stub* in the place of the value.

LevelDB copies a value again and again: into a batch, into its log, into the table in memory, from there into a block,
its compressed form and a table, and each compaction does the last steps once more. With a value of 64 MiB that takes
several times as much memory and ten times as much processor time as to write a file, and it is read in one step that
nothing else of the process can interrupt. A file is read while it is sent.

A file is on the disk, whole, before the batch with its stub is written, and never changes. It goes when the batch that
replaces or removes the stub is on the disk, and, where somebody reads what the store held at an earlier moment, after
that. An index of all stubs (``q`` + key) says which file is whose; the next start removes those that are nobody's, as a
crash leaves them. Behind the content stands a checksum of each part of it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from struct import Struct
from zlib import crc32

from wrpme.core.io import Operation
from wrpme.core.layout import HEADER_BYTES, Stored
from wrpme.daemon.storage import privacy, rejoin
from wrpme.errors import DamagedError, StorageError
from wrpme.limits import MIB

PART_BYTES = 1 * MIB
"""So much is read, and checked, at a time."""
LARGE_VALUE_BYTES = 1 * MIB
"""A value of so many bytes gets a file."""
UNSYNCED_MAX = 64
"""So many files are written before the system is asked to have them on the disk."""
NAME = re.compile(r"large-([0-9a-f]{16})\Z")
INDEX = (b"q", b"r")
_FLAG_AT, _FLAG = 16, 0x40
"""In the place of the expiry, whose first byte is else 0 in whatever is stored."""
_FILE = Struct(">QQ")
"""The number of a file, and the size of the content in it."""
_CHECKSUM = Struct(">I")
Explain = Callable[[str, OSError], StorageError]
STUB_BYTES = HEADER_BYTES + _FILE.size


def is_stub(key: bytes, value: bytes) -> bool:
    """Returns whether a value that was read stands for a file."""
    return len(value) == STUB_BYTES and value[_FLAG_AT] == _FLAG and key[:1] == b"e"


class Lost(DamagedError):
    """The file of a stub is not there: the entry was written again since the stub was read, or the file was lost."""


class LargeFile:
    """An open one; it can be read also when it was removed since."""

    def __init__(self, directory: str, number: int, size: int, explain: Explain) -> None:
        self._number, self._size, self._explain = -1, size, explain
        self._directory = directory
        self._count = -(-size // PART_BYTES)
        try:
            self._number = os.open(_path(directory, number), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Lost(f"the data directory {directory} is damaged (its file {_name(number)} is missing)") from None
        except OSError as error:
            raise explain(directory, error) from None
        self._damaged = f"the data directory {directory} is damaged (its file {_name(number)} is not what was written)"
        self._checksums = self._read(_CHECKSUM.size * self._count, size)

    def __del__(self) -> None:
        if self._number >= 0:
            os.close(self._number)

    def _read(self, size: int, at: int) -> bytes:
        try:
            found = os.pread(self._number, size, at)
        except OSError as error:
            raise self._explain(self._directory, error) from None
        if len(found) < size:
            raise DamagedError(self._damaged)
        return found

    def parts(self) -> Iterator[bytes]:
        """Yields the content, as it is read; raises DamagedError where it is not what was written."""
        for number in range(self._count):
            at = number * PART_BYTES
            part = self._read(min(PART_BYTES, self._size - at), at)
            if crc32(part) != _CHECKSUM.unpack_from(self._checksums, number * _CHECKSUM.size)[0]:
                raise DamagedError(self._damaged)
            yield part


class LargeFiles:
    """Those of one data directory; ``index`` is what LevelDB has of them, and ``explain`` says what the system said of
    the directory. What writes is for one thread; another one may read beside it. ``made``: a file was written."""

    def __init__(self, directory: str, index: Iterator[tuple[bytes, bytes]], explain: Explain) -> None:
        self._directory, self._explain = directory, explain
        self.made = False
        self._of: dict[bytes, tuple[int, int]] = {key[1:]: _FILE.unpack(value) for key, value in index}
        """By the key of an entry: its file, and the size of its content."""
        self.bytes = sum(size for _, size in self._of.values())
        found = (NAME.match(name) for name in os.listdir(directory))
        self._there = {int(match[1], 16) for match in found if match}
        self._next = 1 + max(self._there, default=0)
        self._lock = threading.Lock()
        self._pins = 0
        self._gone: list[int] = []

    def clear_away(self) -> None:
        """Removes the files that are nobody's."""
        self._unlink(self._there - {number for number, _ in self._of.values()})

    def stored(self, key: bytes, stub: bytes) -> Stored:
        """Returns the value that a stub stands for."""
        number, size = _FILE.unpack_from(stub, HEADER_BYTES)
        header = stub[:_FLAG_AT] + b"\0" + stub[_FLAG_AT + 1 : HEADER_BYTES]
        return Stored(header, HEADER_BYTES + size, LargeFile(self._directory, number, size, self._explain).parts)

    # --- writing -------------------------------------------------------------------------------------------------

    def laid_out(self, operations: list[Operation]) -> tuple[list[Operation], list[int]]:
        """Writes the large contents of a batch to their files, and returns what is to be written in its place, and the
        files that are to be :meth:`dropped` then."""
        of = self._of
        if not of and all(value is None or len(value) < LARGE_VALUE_BYTES for _, value in operations):
            return operations, []
        written: list[Operation] = []
        gone: list[int] = []
        unsynced: list[int] = []
        first = self._next
        for key, value in operations:
            before = of.pop(key, None)
            if before is not None:
                gone.append(before[0])
                self.bytes -= before[1]
            if value is None or len(value) < LARGE_VALUE_BYTES or key[:1] != b"e":
                written.append((key, value))
                if before is not None:
                    written.append((b"q" + key, None))
                continue
            number, size = self._next, len(value) - HEADER_BYTES
            self._next += 1
            try:
                unsynced.append(self._make(number, memoryview(value)[HEADER_BYTES:]))
            except BaseException:
                _close(unsynced)
                raise
            if len(unsynced) == UNSYNCED_MAX:
                _sync(unsynced)
            of[key] = number, size
            self.bytes += size
            place = _FILE.pack(number, size)
            written.append((key, value[:_FLAG_AT] + bytes((_FLAG,)) + value[_FLAG_AT + 1 : HEADER_BYTES] + place))
            written.append((b"q" + key, place))
        if self._next != first:
            self.made = True
            _sync(unsynced)
            rejoin.sync_directory(self._directory)
        return written, gone

    def _make(self, number: int, content: memoryview) -> int:
        """Writes a file, and returns it open: it has to be on the disk also where others are not waited for, as what is
        lost of a file can't be known by LevelDB's log."""
        path = _path(self._directory, number)
        file = privacy.create(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            checksums = b""
            for at in range(0, len(content), PART_BYTES):
                part = content[at : at + PART_BYTES]
                _write_all(file, part)
                checksums += _CHECKSUM.pack(crc32(part))
            _write_all(file, memoryview(checksums))
        except BaseException:
            os.close(file)
            with suppress(OSError):
                os.unlink(path)
            raise
        return file

    def dropped(self, gone: list[int]) -> None:
        """Removes the files of what was replaced or removed, once nobody reads what was there before."""
        with self._lock:
            if self._pins:
                self._gone += gone
                return
        self._unlink(gone)

    def pin(self, change: int) -> None:
        """From now on one more reads, or one fewer, what the store holds now."""
        with self._lock:
            self._pins += change
            if self._pins:
                return
            gone, self._gone = self._gone, []
        self._unlink(gone)

    def _unlink(self, numbers: set[int] | list[int]) -> None:
        for number in numbers:
            with suppress(OSError):  # the next start tries again
                os.unlink(_path(self._directory, number))


def _name(number: int) -> str:
    return f"large-{number:016x}"


def _path(directory: str, number: int) -> str:
    return os.path.join(directory, _name(number))


def _write_all(file: int, data: memoryview) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync(files: list[int]) -> None:
    """Waits until these are on the disk, and closes them; none is left."""
    try:
        for file in files:
            os.fsync(file)
    finally:
        _close(files)


def _close(files: list[int]) -> None:
    for file in files:
        os.close(file)
    files.clear()
