"""How a record of the log is shown: as lines of text, or as one JSON object."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from wrpme.daemon.limits import LOG_LINE_CHARACTERS_MAX, LOG_TRACEBACK_LINES_MAX


OWN = "wrpmed"
"""The name of the node's own logger. Records of any other logger come from a library and name it."""
AUDIT = 45
"""The level of what is audited: above all that may be left out."""
_SHOWN = {"debug": "DEBUG", "info": "INFO ", "warning": "WARN ", "error": "ERROR", "audit": "AUDIT"}
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
"""Attributes that every record may have; all others were given as ``extra``."""


class TextFormatter(logging.Formatter):
    """Formats ``2026-11-23 12:00:00.123 INFO  message``, in local time. The lines of a traceback follow, each with the
    same beginning."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = self.formatTime(record, "%Y-%m-%d %H:%M:%S")
        beginning = f"{seconds}.{int(record.msecs):03d} {_SHOWN[_level(record)]}"
        source = "" if record.name == OWN else f"{record.name}: "
        lines = [one_line(source + record.getMessage()), *_traceback(record)]
        return "\n".join(f"{beginning} {line}" for line in lines)


class JsonFormatter(logging.Formatter):
    """Formats one object: ``time`` (UTC, RFC 3339, milliseconds), ``level``, ``node``, ``message``; then ``logger`` for
    what a library says, ``traceback`` (a list of lines) where there is one, and the fields that the record was given as
    ``extra``. ``node`` is the address that other nodes are told."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        shown: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": _level(record),
            "node": self._node,
            "message": one_line(record.getMessage()),
        }
        if record.name != OWN:
            shown["logger"] = record.name
        if lines := _traceback(record):
            shown["traceback"] = lines
        for name, value in vars(record).items():
            if name not in _STANDARD:
                shown.setdefault(name, value if isinstance(value, int) else one_line(str(value)))
        return json.dumps(shown, ensure_ascii=False)


def formatter(format: str, node: str) -> logging.Formatter:
    """Returns the formatter of a value of ``--log-format``."""
    return JsonFormatter(node) if format == "json" else TextFormatter()


def one_line(text: str) -> str:
    """Cuts the text to the longest line, and escapes what would disturb a terminal or a reader of lines."""
    if len(text) > LOG_LINE_CHARACTERS_MAX:
        text = text[: LOG_LINE_CHARACTERS_MAX - 3] + "..."
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _level(record: logging.LogRecord) -> str:
    """A library may use levels of its own: they count as the next lower one of ours."""
    if record.levelno == AUDIT and record.name == OWN:
        return "audit"
    if record.levelno >= logging.ERROR:
        return "error"
    if record.levelno >= logging.WARNING:
        return "warning"
    return "info" if record.levelno >= logging.INFO else "debug"


def _traceback(record: logging.LogRecord) -> list[str]:
    """The last lines, as these name the error and the place where it was raised."""
    if not record.exc_info or record.exc_info[1] is None:
        return []
    lines = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n").split("\n")
    return [one_line(line) for line in lines[-LOG_TRACEBACK_LINES_MAX:]]
