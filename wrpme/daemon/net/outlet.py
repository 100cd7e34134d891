"""Where the lines of the log go.

What is behind a descriptor may take nothing for as long as it likes: a pipe that nobody reads, a terminal after Ctrl-S,
a disk that hangs. So each has a thread of its own, and whoever says a line never waits for it.

The descriptor itself stays as it is: stderr may be shared with other processes, which would not expect to be told that
it would block.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from wrpme.limits import LOG_RETRY_SECONDS, LOG_WAITING_BYTES_MAX

Renew = Callable[[int], int]
"""Gives the descriptor that takes the place of this one, which may be the same."""


class Outlet:
    """Writes lines to ``file`` in the order in which they are put. Beyond ``LOG_WAITING_BYTES_MAX`` that wait, and
    where writing fails, lines are lost and counted: ``lost_line`` makes the line that says how many."""

    def __init__(self, file: int, lost_line: Callable[[int], str]) -> None:
        self._file = file
        self._lost_line = lost_line
        self._queue: deque[tuple[bytes, int] | Renew] = deque()
        self._bytes = 0
        self._lost = 0
        self._closed = self._over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._started = False

    def put(self, line: str, last: bool = False) -> None:
        """The line will be written, or counted as lost; the ``last`` one always has room."""
        content = line.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._over:
                return
            room = LOG_WAITING_BYTES_MAX // 2 if self._lost else LOG_WAITING_BYTES_MAX
            if not last and self._bytes + len(content) > room:
                self._lost += 1
                return
            self._tell_lost()
            self._add(content, 1)

    def renew(self, renew: Renew) -> None:
        """Once all is written that was put before, writing goes on where ``renew`` says."""
        with self._changed:
            if not self._over:
                self._queue.append(renew)
                self._wake()

    def close(self, seconds: float) -> bool:
        """Waits until all is written; whether that came about in this time. From then on nothing is taken."""
        with self._changed:
            self._tell_lost()
            self._closed = True
            self._over = self._over or not self._started
            self._changed.notify()
        if self._started:
            self._thread.join(seconds)
        return self._over

    def _tell_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            self._add(self._lost_line(lost).encode(), lost)

    def _add(self, content: bytes, stands_for: int) -> None:
        self._queue.append((content, stands_for))
        self._bytes += len(content)
        self._wake()

    def _wake(self) -> None:
        if not self._started:
            self._started = True
            self._thread.start()
        self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    if self._closed:
                        self._over = True
                        return
                    self._changed.wait()
                task = self._queue.popleft()
            if callable(task):
                self._file = task(self._file)
                continue
            content, stands_for = task
            written = _write(self._file, content)
            with self._changed:
                self._bytes -= len(content)
                if not written:
                    self._lost += stands_for


def _write(file: int, content: bytes) -> bool:
    """Waits until all of it is written; False if the system refuses it."""
    while content:
        try:
            content = content[os.write(file, content) :]
        except BlockingIOError:  # somebody who shares it made it so
            _await_room(file)
        except OSError:
            return False
    return True


def _await_room(file: int) -> None:
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    with suppress(OSError):
        poll.poll(1000 * LOG_RETRY_SECONDS)
