"""Handlers of the log that never make anybody wait.

What is behind a descriptor may take nothing for as long as it likes: a pipe that nobody reads, a terminal after Ctrl-S,
a disk that hangs. So stderr and the log file each have a queue and a thread of their own, and only that thread waits.

The descriptor itself stays as it is: stderr may be shared with other processes, which would not expect to be told that
it would block.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from io import FileIO, TextIOWrapper
from logging.handlers import QueueHandler, QueueListener, WatchedFileHandler
from queue import SimpleQueue
from typing import Any, NoReturn

from wrpme.daemon.limits import LOG_RETRY_SECONDS, LOG_WAITING_BYTES_MAX
from wrpme.daemon.log_format import OWN
from wrpme.daemon.storage import privacy

STDERR = 2


class Outlet(QueueHandler):
    """Formats records and hands them to ``target``, in their order, in a thread of its own.

    Records beyond ``LOG_WAITING_BYTES_MAX`` that wait for the target, and those that it fails to write, are dropped and
    counted. A record that tells how many is written in their place; ``where`` is what it calls the target.
    """

    def __init__(self, target: logging.Handler, where: str) -> None:
        super().__init__(SimpleQueue())
        self._where = where
        self._bytes = self._lost = 0
        self._changes = threading.RLock()  # a destructor that runs meanwhile may log too
        self._listener = _Listener(self.queue, target, self._handled)
        self._started = self._closed = False
        self._ending = threading.Thread(target=self._listener.stop, name="log ends", daemon=True)

    def enqueue(self, record: logging.LogRecord) -> None:
        """Takes a record that is formatted, or counts it as lost."""
        with self._changes:
            # Half of the room has to be free again, or else every second line would tell of a lost one.
            room = LOG_WAITING_BYTES_MAX // 2 if self._lost else LOG_WAITING_BYTES_MAX
            if self._bytes + _size(record) <= room:
                self._put(record)
            else:
                self._lost += 1

    def put_last(self, line: str) -> None:
        """Takes the line with which the process ends as it stands; there is always room for it."""
        with self._changes:
            self._put(_record(line))

    def call(self, function: Callable[[], object]) -> None:
        """Calls the function in the thread of the target, once all is written that was taken before."""
        with self._changes:
            self._pass_on(function)

    def drain(self, seconds: float) -> bool:
        """Takes nothing any more, and waits for what was taken. Returns whether all was written in this time."""
        with self._changes:
            if not self._closed:
                self._tell_lost()
                self._closed = True
                if self._started:
                    self._ending.start()
        if self._started:
            self._ending.join(seconds)
        return not self._ending.is_alive()

    def _put(self, record: logging.LogRecord) -> None:
        self._tell_lost()
        self._bytes += _size(record)
        self._pass_on(record)

    def _tell_lost(self) -> None:
        if not self._lost:
            return
        lost, self._lost = self._lost, 0
        lines = "1 line is" if lost == 1 else f"{lost} lines are"
        told = _record(f"{lines} missing here, as {self._where} did not take what was written", lost_lines=lost)
        self._put(self.prepare(told))

    def _pass_on(self, item: logging.LogRecord | Callable[[], object]) -> None:
        if self._closed:
            return
        if not self._started:
            self._started = True
            self._listener.start()
        self.queue.put_nowait(item)

    def _handled(self, record: logging.LogRecord, written: bool) -> None:
        with self._changes:
            self._bytes -= _size(record)
            if not written:
                self._lost += getattr(record, "lost_lines", 1)


class _Listener(QueueListener):
    """Carries out functions too, and tells of each record whether it was written."""

    def __init__(self, queue: Any, target: logging.Handler, handled: Callable[[logging.LogRecord, bool], None]) -> None:
        super().__init__(queue, target)
        self._handled = handled

    def handle(self, record: logging.LogRecord | Callable[[], object]) -> None:
        if callable(record):
            record()
            return
        try:
            super().handle(record)
        except Exception:  # whatever it is: without its thread the log would end here
            self._handled(record, False)
        else:
            self._handled(record, True)


class DescriptorHandler(logging.StreamHandler[TextIOWrapper]):
    """Writes to an open descriptor, which it never closes."""

    def __init__(self, file: int) -> None:
        super().__init__(_stream(file, closefd=False))

    def handleError(self, record: logging.LogRecord) -> NoReturn:
        """Lets the outlet know."""
        raise  # noqa: PLE0704


class LogFile(WatchedFileHandler):
    """Appends to the file at ``path``, and goes on in a new one when that was moved away or removed. While none can be
    made it keeps the old one; ``say`` is told so once, and of each :meth:`reopen`.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: str, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._refused = False
        super().__init__(path)

    def reopen(self) -> None:
        """Opens the file at the path again, whether or not it is another one."""
        self._refused = False
        if self._renew():
            self._say("info", "the log file was reopened")

    def reopenIfNeeded(self) -> None:
        """Is called before each record is written."""
        with suppress(OSError):
            found = os.stat(self.baseFilename)
            if (found.st_dev, found.st_ino) == (self.dev, self.ino):
                return
        self._renew()

    def handleError(self, record: logging.LogRecord) -> NoReturn:
        """Lets the outlet know."""
        raise  # noqa: PLE0704

    def _renew(self) -> bool:
        try:
            fresh = self._open()
        except OSError as error:
            if not self._refused:
                self._refused = True
                line = f"the log file {self.baseFilename} can't be reopened ({reason(error)}), the old is kept"
                self._say("error", line)
            return False
        former, self.stream = self.stream, fresh
        if former is not None:
            with suppress(OSError):
                former.close()
        self._statstream()
        self._refused = False
        return True

    def _open(self) -> TextIOWrapper:
        """Also opens a pipe, without waiting for somebody who reads it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        return _stream(privacy.create(self.baseFilename, flags), closefd=True)


class _WholeWrites(FileIO):
    """Waits until all is written, also where somebody who shares the descriptor made it non-blocking."""

    def write(self, content: Any) -> int:
        rest = memoryview(content)
        while rest:
            written = super().write(rest)
            if written is None:
                poll = select.poll()
                poll.register(self, select.POLLOUT)
                poll.poll(1000 * LOG_RETRY_SECONDS)
            else:
                rest = rest[written:]
        return len(content)


def _stream(file: int, closefd: bool) -> TextIOWrapper:
    """A stream without a buffer, so that nothing of a line that failed is written later."""
    return TextIOWrapper(_WholeWrites(file, "w", closefd), "utf-8", "backslashreplace", write_through=True)


def _record(line: str, **extra: int) -> logging.LogRecord:
    values = {"name": OWN, "levelno": logging.WARNING, "levelname": "WARNING", "msg": line}
    return logging.makeLogRecord(values | extra)


def _size(record: logging.LogRecord) -> int:
    return len(record.getMessage().encode("utf-8", "backslashreplace"))


def reason(error: OSError) -> str:
    """What is wrong with a log file, in the system's words where they tell enough."""
    return "it is a pipe that nobody reads" if error.errno == errno.ENXIO else error.strerror or str(error)
