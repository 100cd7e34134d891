"""``hive_backup``: all entries of a hive into a file, while the hive is used."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from time import monotonic, time
from typing import BinaryIO

from wrpme import errors
from wrpme.backup.frames import Counts, Header
from wrpme.backup.reader import Reader
from wrpme.backup.writer import Writer
from wrpme.client.backup import BackupProgress
from wrpme.client.client import Client
from wrpme.protocol.quoting import size_text
from wrpme.shell.format import entries_text, percent_text, span_text
from wrpme.shell.limits import BACKUP_WAITING_BYTES_MAX
from wrpme.version import VERSION

STANDARD = "-"
"""In the place of a file: standard output, or input."""


class Output:
    """Where a backup is written: a file that has its name only when it is whole, or standard output, or what is no
    file but has a name all the same. What is put is written in a thread, in order."""

    def __init__(self, path: str, what: str = "backup") -> None:
        self.name = "standard output" if path == STANDARD else path
        self._what = what
        self._renames = path != STANDARD and not (os.path.exists(path) and not os.path.isfile(path))
        self._path = path
        self._part = f"{path}.part" if self._renames else path
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        try:
            if path == STANDARD:
                if what == "backup" and os.isatty(1):
                    raise errors.UsageError("a backup is no text for a terminal: give a file, or lead it into one")
                self._file: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=0)
            else:
                if os.path.isdir(path):
                    raise IsADirectoryError(21, "Is a directory")
                self._file = open(self._part, "wb", buffering=0)  # noqa: SIM115 - it is closed when it is whole
        except OSError as error:
            raise self._unusable(error) from None

    @classmethod
    def of_file(cls, file: BinaryIO, name: str) -> Output:
        """Returns one that writes to a file that somebody else closes."""
        made = cls.__new__(cls)
        made.name, made._what, made._renames, made._path, made._part = name, "text", False, STANDARD, ""
        made._waiting, made._waiting_bytes, made._file = [], 0, file
        return made

    def put(self, data: bytes) -> None:
        """Takes what is to be written next."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    async def room(self) -> None:
        """Returns when little waits."""
        if self._waiting_bytes >= BACKUP_WAITING_BYTES_MAX:
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        try:
            await asyncio.to_thread(self._write, b"".join(waiting))
        except OSError as error:
            raise self._unusable(error) from None

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    async def finish(self) -> None:
        """The file is whole: from here on it has its name, and is on the disk."""
        await self.flush()
        try:
            if self._renames:
                await asyncio.to_thread(os.fsync, self._file.fileno())
                os.replace(self._part, self._path)
        except OSError as error:
            raise self._unusable(error) from None
        finally:
            self._file.close()

    def drop(self) -> None:
        """Nothing is kept of a backup that is not whole; a former one of that name stays."""
        self._file.close()
        if self._renames:
            with suppress(OSError):
                os.unlink(self._part)

    def _unusable(self, error: OSError) -> errors.BackupError:
        reason = (error.strerror or str(error)).lower()
        return errors.BackupError(
            f"{self.name} can't be written ({reason}); no {self._what} was made, give another file"
        )


class Sections:
    """The sections of a backup on their way to a file."""

    def __init__(self, writer: Writer, output: Output) -> None:
        self.begin, self.add, self.end, self.void = writer.begin, writer.add, writer.end, writer.void
        self.room = output.room


async def backed_up(client: Client, path: str, progress: Callable[[str], None]) -> tuple[Counts, str]:
    """Writes a backup of the whole hive; returns what it has, and a line about it.

    Raises:
        WrpmeError: A part of the hive can't be read, or the file can't be written; there is no file then.
    """
    output, begun = Output(path), monotonic()
    try:
        view = await client.view()
        writer = Writer(output.put, Header(VERSION, view.hive, view.replication, int(time() * 1000), True))
        await client.backup(Sections(writer, output), lambda told: progress(progress_text(told, monotonic() - begun)))
        counts = writer.finish()
        await output.finish()
    except BaseException:
        output.drop()
        raise
    seconds = monotonic() - begun
    taken = f"{size_text(writer.written_bytes)} in {span_text(seconds)}"
    return counts, f"{counts_text(counts)} saved to {output.name}: {taken}"


def counts_text(counts: Counts) -> str:
    """Returns how much a backup has."""
    return f"{entries_text(counts.entries)} with {size_text(counts.size_bytes)}"


def progress_text(told: BackupProgress, seconds: float) -> str:
    """Returns how far a backup is, how fast, and how long it goes on."""
    so_far = f"saving {entries_text(told.entries)} with {size_text(told.size_bytes)}"
    text = f"{so_far}, {percent_text(told.share)} of the ring"
    if told.share <= 0 or seconds <= 0:
        return text
    left = max(0.0, seconds / told.share - seconds)
    return f"{text}, {told.entries / seconds:,.0f} a second, {span_text(left)} left"


def checked(file: BinaryIO, path: str, progress: Callable[[str], None]) -> tuple[Reader, Counts, str]:
    """Looks at all of a backup file; returns what reads it, what it has, and a line about it.

    Raises:
        BackupError: It is no whole backup.
    """
    size = file.seek(0, os.SEEK_END)
    name = name_of(path)
    reader = Reader(file, name, lambda read: progress(f"checked {size_text(read)} of {size_text(size)}"))
    counts = reader.check()
    header = reader.header
    when = datetime.fromtimestamp(header.began_milliseconds / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    whole = f"{name} is whole: {counts_text(counts)} of hive {header.hive.hex()[:8]}"
    return reader, counts, f"{whole}, as of {when}, written by wrpme {header.release}"


async def check_only(path: str, progress: Callable[[str], None]) -> tuple[Counts, str]:
    """Looks at all of a backup file; returns what it has, and a line about it. ``progress`` is called in another
    thread.

    Raises:
        BackupError: It is no whole backup, or can't be read.
    """
    async with reading(path) as file:
        _, counts, text = await asyncio.to_thread(checked, file, path, progress)
    return counts, text


@asynccontextmanager
async def reading(path: str) -> AsyncIterator[BinaryIO]:
    """Gives a file that can be read twice, and closes it, also under a thread that is still at it.

    Raises:
        BackupError: It can't be read.
    """
    try:
        with await asyncio.to_thread(_opened, path) as file:
            yield file
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise errors.BackupError(f"{name_of(path)} can't be read ({reason}); give another file") from None


def name_of(path: str) -> str:
    """Returns how a sentence calls what is read."""
    return "standard input" if path == STANDARD else path


def _opened(path: str) -> BinaryIO:
    """Returns the file; standard input is copied into one first."""
    import shutil
    import tempfile

    if path != STANDARD:
        return open(path, "rb")
    if os.isatty(0):
        raise errors.UsageError("it is not typed: lead a file into standard input, or give its name")
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
    try:
        shutil.copyfileobj(sys.stdin.buffer, spool)
    except BaseException:
        spool.close()
        raise
    return spool
