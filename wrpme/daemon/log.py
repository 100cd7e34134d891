"""The log: lines such as ``2026-11-23 12:00:00.123 INFO  text``, to a file, to stderr, to both or nowhere.

A full disk or a closed terminal under the log stops nothing: the line is lost.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from wrpme.errors import StartError
from wrpme.limits import LOG_LINE_CHARACTERS_MAX, LOG_LINES_KEPT, THROTTLE_LINES_MAX, THROTTLE_SECONDS
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
        self._file = -1
        if path:
            try:
                self._file = _open(path)
            except OSError as error:
                raise StartError(f"the log file {path} can't be written ({error.strerror})") from None

    def say(self, level: str, line: str) -> None:
        """One line, cut and freed of control characters."""
        self._write(level, line, self._console)

    def fatal(self, sentence: str) -> None:
        """The sentence with which the process ends: to the file as a line, and bare to stderr."""
        self._write("error", sentence, console=False)
        _put(STDERR, f"wrpmed: {one_line(sentence)}\n")

    def defect(self, error: BaseException) -> None:
        """The traceback of what should not have happened."""
        for line in traceback.format_exception(error):
            for part in line.rstrip("\n").split("\n"):
                self.say("error", part)

    def reopen(self) -> None:
        """After the file was moved away: goes on in a new one, or in the old one if none can be made."""
        if self._path:
            try:
                fresh = _open(self._path)
            except OSError as error:
                self.say("error", f"the log file {self._path} can't be reopened ({error.strerror}), the old is kept")
                return
            os.close(self._file)
            self._file = fresh
            self.say("info", "the log file was reopened")

    def _write(self, level: str, line: str, console: bool) -> None:
        if LEVELS.index(level) < self._least:
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        shown = f"{stamp}.{int(now * 1000) % 1000:03d} {_SHOWN[level]} {one_line(line)}"
        self.kept.append(shown)
        whole = f"{shown}\n"
        if self._file >= 0:
            _put(self._file, whole)
        if console:
            _put(STDERR, whole)


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


def bridge(log: Log) -> None:
    """From here on the ``logging`` of the process goes to the log."""
    logging.basicConfig(handlers=[_Bridge(log)], level=logging.WARNING, force=True)


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


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _put(file: int, text: str) -> None:
    with suppress(OSError):  # there is nowhere left to say it
        os.write(file, text.encode("utf-8", "backslashreplace"))
