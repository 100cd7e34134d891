"""Records: files of what a watcher saw, written by ``--record`` and read by ``--replay``.

A record is a sequence of msgpack objects: a header, then watch records with the names that ``wrpmesh watch`` prints.
Lines of JSON, as ``wrpmesh watch > FILE`` writes them and ``--record`` once did, are read as well; the first byte tells
which of the two a file is, because no msgpack object of a record begins with a brace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import msgpack

from wrpme.client.watch.records import WatchRecord, from_line, from_object, to_object
from wrpme.errors import ProtocolError, StorageError
from wrpme.tui.limits import RECORD_FRAME_BYTES_MAX, RECORD_ITEMS_MAX, RECORD_READ_BYTES

FORMAT = 1
"""The number in the header; a change that older programs can't read counts it up."""
_HEADER = {"wrpme": "record", "format": FORMAT}


class Recorder:
    """A new file at ``path``, which only its owner may read. It grows as long as it is open.

    Raises:
        StorageError: the file can't be made or written, or is there already.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.bytes = 0
        """The size of the file."""
        self._packer = msgpack.Packer()
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise StorageError(f"{self.path} is there already: give the record another name") from None
        except (OSError, ValueError) as error:
            raise StorageError(f"no record at {self.path}: {_reason(error)}") from None
        self._write(self._packer.pack(_HEADER))

    def take(self, record: WatchRecord) -> None:
        """Appends a watch record; it is in the file when this returns.

        Raises:
            StorageError: it could not be written, for example because the disk is full; the record ends before it.
        """
        self._write(self._packer.pack(to_object(record)))

    def _write(self, frame: bytes) -> None:
        written = 0
        try:
            while written < len(frame):
                written += os.write(self._file, frame[written:])
        except OSError as error:
            self.close()
            kept = f"what was seen until then is in {self.path}"
            raise StorageError(f"recording has stopped: {_reason(error)}; {kept}") from None
        self.bytes += written

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Replay:
    """A record to be read from the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_read = 0
        """How far the file has been read."""
        self.cut_off_at: int | None = None
        """The byte at which an incomplete watch record begins that ends the file; known when all others have been
        read."""

    @property
    def notice(self) -> str:
        """What an operator has to know of the record beside its content; empty if it is whole."""
        if self.cut_off_at is None:
            return ""
        return f"{self.path} was cut off: what begins at byte {self.cut_off_at} is incomplete, all before it is shown"

    @property
    def watch_records(self) -> Iterator[WatchRecord]:
        """Yields the watch records from the first to the last. One that is incomplete at the end of the file, as a full
        disk or a killed program leaves it, is left out, and told by :attr:`notice`.

        Raises:
            StorageError: the file can't be read, is damaged, or is no record.
        """
        self.bytes_read, self.cut_off_at = 0, None
        found = False
        try:
            with self.path.open("rb") as file:
                for record in self._lines(file) if file.peek(1)[:1] == b"{" else self._frames(file):
                    found = True
                    yield record
        except OSError as error:
            raise StorageError(f"{self.path} can't be read: {_reason(error)}") from None
        if not found:
            raise StorageError(f"{self.path} is empty: nothing was recorded")

    def _frames(self, file: BufferedReader) -> Iterator[WatchRecord]:
        unpacker = msgpack.Unpacker(
            max_buffer_size=RECORD_FRAME_BYTES_MAX, max_array_len=RECORD_ITEMS_MAX, max_map_len=RECORD_ITEMS_MAX
        )
        end = 0  # of the last frame that was whole
        try:
            while chunk := file.read(RECORD_READ_BYTES):
                self.bytes_read += len(chunk)
                if self.bytes_read - end > RECORD_FRAME_BYTES_MAX:  # the unpacker bounds what it buffers, not an object
                    raise ProtocolError(f"what begins there is longer than {RECORD_FRAME_BYTES_MAX} bytes")
                unpacker.feed(chunk)
                for plain in unpacker:
                    if end:
                        yield from_object(plain)
                    else:
                        self._check_header(plain)
                    end = unpacker.tell()
        except (ProtocolError, ValueError, msgpack.UnpackException) as error:
            if not end:
                raise self._no_record() from None
            why = error.sentence if isinstance(error, ProtocolError) else "what begins there is no msgpack"
            kept = f"head -c {end} {self.path} > FILE makes a record of all before it"
            raise StorageError(f"{self.path} is damaged at byte {end}: {why}; {kept}") from None
        if self.bytes_read and not end:
            raise self._no_record()
        if self.bytes_read > end:
            self.cut_off_at = end

    def _check_header(self, plain: object) -> None:
        if not isinstance(plain, dict) or plain.get("wrpme") != _HEADER["wrpme"]:
            raise self._no_record()
        if plain.get("format") != FORMAT:
            raise StorageError(
                f"{self.path} is a record in the format {plain.get('format')}, and this version of wrpme reads the "
                f"format {FORMAT}: show it with the version that made it"
            )

    def _lines(self, file: BufferedReader) -> Iterator[WatchRecord]:
        number = 0
        while line := file.readline(RECORD_FRAME_BYTES_MAX):
            number += 1
            try:
                record = from_line(line)
            except ProtocolError as error:
                if number == 1:
                    raise self._no_record() from None
                if not line.endswith(b"\n") and len(line) < RECORD_FRAME_BYTES_MAX:
                    self.cut_off_at = self.bytes_read
                    return
                kept = f"head -n {number - 1} {self.path} > FILE makes a record of all before it"
                raise StorageError(f"{self.path} is damaged at line {number}: {error.sentence}; {kept}") from None
            self.bytes_read += len(line)
            yield record

    def _no_record(self) -> StorageError:
        return StorageError(f"{self.path} is no record: neither --record nor wrpmesh watch wrote it")


def open_record(path: str | Path) -> Replay:
    """Returns the record at ``path``, of which the beginning has been looked at.

    Raises:
        StorageError: there is no record that can be read.
    """
    replay = Replay(Path(path))
    next(replay.watch_records)
    return replay


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
