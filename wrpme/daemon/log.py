"""The log: lines such as ``2026-11-23 12:00:00.123 INFO  text``, to a file, to stderr, to both or nowhere.

A full disk or a closed terminal under the log stops nothing: the line is lost. Neither does one that takes nothing for
a while (see :mod:`wrpme.daemon.net.outlet`): nobody who says a line waits for it to be written.
"""

from __future__ import annotations

import errno
import faulthandler
import io
import logging
import os
import stat
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TextIO, cast

from wrpme.daemon.net.outlet import Outlet
from wrpme.errors import StartError
from wrpme.limits import (
    LOG_CLOSE_SECONDS_MAX, LOG_LINE_CHARACTERS_MAX, LOG_LINES_KEPT, THROTTLE_LINES_MAX, THROTTLE_SECONDS,
)  # fmt: skip
from wrpme.options import LEVELS

_SHOWN = {"debug": "DEBUG", "info": "INFO ", "warning": "WARN ", "error": "ERROR"}
STDERR = 2


class Log:
    """Lines below ``level`` are left out; ``path`` is empty for no file. The last lines are ``kept`` in any case."""

    def __init__(self, path: str = "", console: bool = False, level: str = "info") -> None:
        self._path = path
        self._console = console
        self._least = LEVELS.index(level)
        self.kept: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self._stderr = Outlet(STDERR, lambda count: _lost_line(count, "stderr"))
        self._file: Outlet | None = None
        if path:
            try:
                self._file = Outlet(_open(path), lambda count: _lost_line(count, "the log file"))
            except OSError as error:
                raise StartError(f"the log file {path} can't be written ({_reason(error)})") from None

    def say(self, level: str, line: str) -> None:
        """One line, cut and freed of control characters."""
        self._write(level, line, self._console)

    def fatal(self, sentence: str) -> None:
        """The sentence with which the process ends: to the file as a line, and bare to stderr."""
        self._write("error", sentence, console=False)
        self._stderr.put(f"wrpmed: {one_line(sentence)}\n", last=True)

    def defect(self, error: BaseException) -> None:
        """The traceback of what should not have happened."""
        for line in traceback.format_exception(error):
            for part in line.rstrip("\n").split("\n"):
                self.say("error", part)

    def reopen(self) -> None:
        """After the file was moved away: goes on in a new one, or in the old one if none can be made."""
        if self._file is not None:
            self._file.renew(self._reopened)

    def close(self, seconds: float = LOG_CLOSE_SECONDS_MAX) -> None:
        """The last lines get out where they can within a moment; nothing is written any more."""
        end = monotonic() + seconds
        for outlet in (self._file, self._stderr):
            if outlet is not None:
                outlet.close(max(0.0, end - monotonic()))

    def _reopened(self, former: int) -> int:
        try:
            fresh = _open(self._path)
        except OSError as error:
            self.say("error", f"the log file {self._path} can't be reopened ({_reason(error)}), the old is kept")
            return former
        with suppress(OSError):
            os.close(former)
        self.say("info", "the log file was reopened")
        return fresh

    def _write(self, level: str, line: str, console: bool) -> None:
        if LEVELS.index(level) < self._least:
            return
        shown = _stamped(level, line)
        self.kept.append(shown)
        whole = f"{shown}\n"
        if self._file is not None:
            self._file.put(whole)
        if console:
            self._stderr.put(whole)


class Throttle:
    """Says at most ``THROTTLE_LINES_MAX`` lines in ``THROTTLE_SECONDS``, and counts the rest: for what others cause."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._end = 0.0
        self._lines = 0

    def say(self, now: float, level: str, line: str) -> None:
        """A line that may be left out; ``now`` in seconds on any clock that only grows."""
        self.settle(now)
        if not self._lines:
            self._end = now + THROTTLE_SECONDS
        self._lines += 1
        if self._lines <= THROTTLE_LINES_MAX:
            self._say(level, line)

    def settle(self, now: float) -> None:
        """Says how many were left out, once their time is over."""
        if self._lines and now >= self._end:
            if self._lines > THROTTLE_LINES_MAX:
                self._say("info", f"{self._lines - THROTTLE_LINES_MAX} more lines like the last ones were left out")
            self._lines = 0


class _Bridge(logging.Handler):
    """What libraries (asyncio above all) say through ``logging``."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        self._log.say(level, f"{record.name}: {record.getMessage()}")


class _Lines(io.TextIOBase):
    """What Python itself prints: warnings, and the tracebacks of what nobody caught."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                self._log.say("warning", line.rstrip())
        self._begun = self._begun[:LOG_LINE_CHARACTERS_MAX]
        return len(text)


def bridge(log: Log) -> None:
    """From here on the ``logging`` of the process, and what is printed, goes to the log: a print would wait."""
    logging.basicConfig(handlers=[_Bridge(log)], level=logging.WARNING, force=True)
    sys.stdout = sys.stderr = cast(TextIO, _Lines(log))


def say_where_it_crashed() -> None:
    """A crash, or the SIGABRT with which systemd ends a node that hangs, tells on stderr where; also there nobody waits
    for a stderr that takes nothing, where the system lets us open it a second time with flags of its own."""
    if sys.stderr is None:
        return
    file = STDERR
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(STDERR).st_mode) or os.isatty(STDERR):
            file = os.open(f"/proc/self/fd/{STDERR}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    faulthandler.enable(file)


def stderr_is_terminal() -> bool:
    """Whether somebody may be looking."""
    return sys.stderr is not None and os.isatty(STDERR)


def one_line(text: str) -> str:
    """The text cut to the longest line, and with what would disturb a terminal or a reader of lines escaped."""
    if len(text) > LOG_LINE_CHARACTERS_MAX:
        text = text[: LOG_LINE_CHARACTERS_MAX - 3] + "..."
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _stamped(level: str, line: str) -> str:
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    return f"{stamp}.{int(now * 1000) % 1000:03d} {_SHOWN[level]} {one_line(line)}"


def _lost_line(count: int, where: str) -> str:
    lines = "1 line is" if count == 1 else f"{count} lines are"
    return _stamped("warning", f"{lines} missing here, as {where} did not take what was written") + "\n"


def _open(path: str) -> int:
    """Also of a pipe: without waiting for somebody who reads it."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)


def _reason(error: OSError) -> str:
    return "it is a pipe that nobody reads" if error.errno == errno.ENXIO else error.strerror or str(error)
