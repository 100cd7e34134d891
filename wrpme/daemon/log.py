"""The log: lines such as ``2026-11-23 12:00:00.123 INFO  text``, to a file, to stderr, to both or nowhere.

A full disk or a closed terminal under the log stops nothing: the line is lost. Neither does one that takes nothing for
a while (see :mod:`wrpme.daemon.log_handlers`): nobody who says a line waits for it to be written.
"""

from __future__ import annotations

import faulthandler
import io
import logging
import os
import stat
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TextIO, cast

from wrpme.daemon.limits import (
    LOG_CLOSE_SECONDS_MAX, LOG_LINE_CHARACTERS_MAX, LOG_LINES_KEPT, THROTTLE_LINES_MAX, THROTTLE_SECONDS,
)  # fmt: skip
from wrpme.daemon.log_format import AUDIT, OWN, TextFormatter, one_line
from wrpme.daemon.log_handlers import STDERR, DescriptorHandler, LogFile, Outlet, reason
from wrpme.errors import StartError

_NUMBERS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "audit": AUDIT,
}
_TEXT = TextFormatter()


class Log:
    """A logger of the standard library, with the handlers that a node needs.

    Lines below ``level`` are left out. They go to the file at ``path``, if it is not empty, and with ``console`` to
    stderr, both as ``formatter`` shows them; the last ones are ``kept`` in any case, as text. What is audited goes to
    the file at ``audit_path`` alone, if there is one.

    Raises:
        StartError: the log file can't be written.
    """

    def __init__(
        self,
        path: str = "",
        console: bool = False,
        level: str = "info",
        formatter: logging.Formatter = _TEXT,
        audit_path: str = "",
    ) -> None:
        self.kept: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self._logger = logging.Logger(OWN, _NUMBERS[level])
        self._logger.addHandler(_Kept(self.kept))
        self._stderr = Outlet(_stderr(), "stderr")
        self._console = console
        self._outlets = [self._stderr]
        self._files: list[tuple[Outlet, LogFile]] = []
        self._audit: Outlet | None = None
        if console:
            self._logger.addHandler(self._stderr)
        if path:
            self._logger.addHandler(self._to_file(path, "the log file"))
        if audit_path:
            self._audit = self._to_file(audit_path, "the audit log")
        self.show_as(formatter)

    def _to_file(self, path: str, what: str) -> Outlet:
        try:
            file = LogFile(path, self.say)
        except OSError as error:
            raise StartError(f"{what} {path} can't be written ({reason(error)})") from None
        outlet = Outlet(file, what)
        self._files.append((outlet, file))
        self._outlets.insert(len(self._files) - 1, outlet)
        return outlet

    def show_as(self, formatter: logging.Formatter) -> None:
        """Shows lines that are said from now on in another way."""
        self._ends_bare = not self._console or isinstance(formatter, TextFormatter)
        for outlet in self._outlets:
            outlet.setFormatter(formatter)

    def set_level(self, level: str) -> None:
        """Leaves out lines below ``level`` from now on."""
        self._logger.setLevel(_NUMBERS[level])
        if logging.root.handlers == self._logger.handlers:  # it was taken over
            logging.root.setLevel(max(logging.WARNING, self._logger.level))

    def say(self, level: str, line: str) -> None:
        """Logs one line, cut and freed of control characters."""
        number = _NUMBERS[level]
        if number == AUDIT and self._audit is not None:
            self._audit.handle(self._logger.makeRecord(OWN, number, "", 0, line, (), None))
        else:
            self._logger.log(number, line)

    def fatal(self, sentence: str) -> None:
        """Logs the sentence with which the process ends. It goes to stderr without time and level, whether or not
        other lines go there, unless stderr gets JSON."""
        record = self._logger.makeRecord(OWN, logging.ERROR, "", 0, sentence, (), None)
        for handler in self._logger.handlers:
            if handler is not self._stderr:
                handler.handle(record)
        self._stderr.put_last(f"wrpmed: {one_line(sentence)}" if self._ends_bare else self._stderr.format(record))

    def defect(self, error: BaseException) -> None:
        """Logs what should not have happened, with its traceback."""
        self._logger.error("a defect of wrpme itself", exc_info=error)

    def reopen(self) -> None:
        """Opens the log file again, which may have been moved away, and that of the audit; goes on in the old one if
        none can be made."""
        for outlet, file in self._files:
            outlet.call(file.reopen)

    def take_over(self) -> None:
        """From here on all that the process logs or prints goes to this log: a print would wait."""
        level = max(logging.WARNING, self._logger.level)
        logging.basicConfig(handlers=self._logger.handlers, level=level, force=True)
        sys.stdout = sys.stderr = cast(TextIO, _Lines(self))

    def close(self, seconds: float = LOG_CLOSE_SECONDS_MAX) -> None:
        """Writes the last lines where that is possible in this time; takes no further ones."""
        end = monotonic() + seconds
        for outlet in self._outlets:
            outlet.drain(max(0.0, end - monotonic()))


class _Kept(logging.Handler):
    """Keeps the lines of text."""

    def __init__(self, lines: deque[str]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(TextFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.extend(self.format(record).split("\n"))


class Throttle:
    """Says at most ``THROTTLE_LINES_MAX`` lines in ``THROTTLE_SECONDS``, and counts the rest. It is for lines that
    others cause."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._end = 0.0
        self._lines = 0

    def say(self, now: float, level: str, line: str) -> None:
        """Says a line, or leaves it out; ``now`` is in seconds on any clock that only grows."""
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


class _Lines(io.TextIOBase):
    """Logs what Python itself prints: warnings, and the tracebacks of what nobody caught."""

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


def say_where_it_crashed() -> None:
    """Lets a crash, or the SIGABRT with which systemd ends a node that hangs, tell on stderr where it came. Nobody
    waits for a stderr that takes nothing here either, where the system lets us open it again with flags of its own."""
    if sys.stderr is None:
        return
    file = STDERR
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(STDERR).st_mode) or os.isatty(STDERR):
            file = os.open(f"/proc/self/fd/{STDERR}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    faulthandler.enable(file)


def stderr_is_terminal() -> bool:
    """Returns whether somebody may be looking at stderr."""
    return sys.stderr is not None and os.isatty(STDERR)


def _stderr() -> logging.Handler:
    """Who starts a process may have closed its stderr."""
    try:
        return DescriptorHandler(STDERR)
    except OSError:
        return logging.NullHandler()
