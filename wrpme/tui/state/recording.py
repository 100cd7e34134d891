"""A record: what a watcher saw, a sighting a line, as ``wrpmesh watch`` prints it. It grows as long as it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wrpme.client.watch.records import Sighting, from_line, to_line
from wrpme.errors import ProtocolError, StorageError
from wrpme.tui.limits import RECORD_LINE_BYTES_MAX


class Recorder:
    """A new file at ``path`` that only its owner may read; ``bytes`` is its size. Each sighting is there at once.

    Raises:
        StorageError: it can't be made, or is there already.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.bytes = 0
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise StorageError(f"{self.path} is there already: give the record another name") from None
        except (OSError, ValueError) as error:
            raise StorageError(f"no record at {self.path}: {_reason(error)}") from None

    def take(self, sighting: Sighting) -> None:
        """One more.

        Raises:
            StorageError: it could not be written, for one as the disk is full; the record ends with the one before.
        """
        line = to_line(sighting) + b"\n"
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            self.close()
            kept = f"what was seen until then is in {self.path}"
            raise StorageError(f"recording has stopped: {_reason(error)}; {kept}") from None
        self.bytes += written

    def close(self) -> None:
        """The end of it; again does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Replay:
    """A record to be read; ``path`` is its file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def sightings(self) -> Iterator[Sighting]:
        """From the first to the last; of a line at the end that was cut off nothing is said.

        Raises:
            StorageError: it can't be read, a line of it is damaged, or it is no record at all.
        """
        try:
            with self.path.open("rb") as file:
                yield from self._read(iter(lambda: file.readline(RECORD_LINE_BYTES_MAX), b""))
        except OSError as error:
            raise StorageError(f"{self.path} can't be read: {_reason(error)}") from None

    def _read(self, lines: Iterator[bytes]) -> Iterator[Sighting]:
        number = 0
        for number, line in enumerate(lines, 1):
            try:
                sighting = from_line(line)
            except ProtocolError as error:
                if number == 1:
                    raise StorageError(f"{self.path} is no record: its first line tells nothing seen") from None
                if not line.endswith(b"\n"):
                    return
                raise StorageError(f"{self.path} is damaged at line {number}: {error.sentence}") from None
            yield sighting
        if not number:
            raise StorageError(f"{self.path} is empty: nothing was recorded")


def open_record(path: str | Path) -> Replay:
    """The record at ``path``.

    Raises:
        StorageError: there is none that can be read.
    """
    replay = Replay(Path(path))
    next(replay.sightings)
    return replay


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
