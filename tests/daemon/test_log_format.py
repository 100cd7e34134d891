"""One record as text and as JSON."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator

import pytest

from wrpme.daemon.limits import LOG_LINE_CHARACTERS_MAX, LOG_TRACEBACK_LINES_MAX
from wrpme.daemon.log_format import OWN, JsonFormatter, TextFormatter

NODE = "192.168.1.3:5909"


def record(message: str, name: str = OWN, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    """At 2026-11-23 13:15:06.374 UTC."""
    values = {"name": name, "levelno": level, "msg": message, "created": 1795439706.374, "msecs": 374.0}
    return logging.makeLogRecord(values | extra)


def as_json(made: logging.LogRecord) -> dict[str, object]:
    line = JsonFormatter(NODE).format(made)
    assert "\n" not in line
    shown: dict[str, object] = json.loads(line)
    return shown


def raised(error: Exception) -> tuple[type[Exception], Exception, object]:
    try:
        raise error
    except Exception as caught:
        return type(caught), caught, caught.__traceback__


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One hour ahead of UTC."""
    monkeypatch.setenv("TZ", "WRP-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_time_is_local_in_text_and_utc_in_json(zone: None) -> None:
    assert TextFormatter().format(record("it serves")) == "2026-11-23 14:15:06.374 INFO  it serves"
    assert as_json(record("it serves")) == {
        "time": "2026-11-23T13:15:06.374Z",
        "level": "info",
        "node": NODE,
        "message": "it serves",
    }


@pytest.mark.parametrize(
    ("number", "shown", "level"),
    [
        (5, "DEBUG", "debug"),
        (logging.DEBUG, "DEBUG", "debug"),
        (logging.INFO, "INFO ", "info"),
        (25, "INFO ", "info"),
        (logging.WARNING, "WARN ", "warning"),
        (logging.ERROR, "ERROR", "error"),
        (logging.CRITICAL, "ERROR", "error"),
    ],
)
def test_levels(number: int, shown: str, level: str) -> None:
    assert TextFormatter().format(record("x", level=number))[24:] == f"{shown} x"
    assert as_json(record("x", level=number))["level"] == level


def test_what_a_library_says_names_it() -> None:
    said = record("%s is late", name="asyncio", args=("it",))
    assert TextFormatter().format(said).endswith(" INFO  asyncio: it is late")
    assert as_json(said)["message"] == "it is late"
    assert as_json(said)["logger"] == "asyncio"


def test_fields_of_a_record() -> None:
    told = record("text", lost_lines=7, request="a\nb", node="another", weight=None)
    shown = as_json(told)
    assert (shown["lost_lines"], shown["request"], shown["weight"]) == (7, "a\\nb", "None")
    assert shown["node"] == NODE, "no field takes the place of one that every line has"
    assert TextFormatter().format(told).endswith(" text")


def test_a_traceback_is_lines_of_text_and_a_list_in_json() -> None:
    told = record("it failed", level=logging.ERROR, exc_info=raised(ValueError("what\nhappened")))
    first, *lines = TextFormatter().format(told).split("\n")
    assert first.endswith(" ERROR it failed")
    assert [line[24:30] for line in lines] == ["ERROR "] * len(lines)
    shown = as_json(told)
    assert shown["message"] == "it failed"
    assert shown["traceback"] == [line[30:] for line in lines]
    assert [line[30:] for line in lines][-2:] == ["ValueError: what", "happened"]


def test_of_a_long_traceback_the_end_is_shown() -> None:
    told = record("it failed", exc_info=raised(ValueError(os.linesep.join(["first"] + ["x"] * 1000 + ["last"]))))
    lines = as_json(told)["traceback"]
    assert isinstance(lines, list)
    assert len(lines) == LOG_TRACEBACK_LINES_MAX and lines[-1] == "last"


@pytest.mark.parametrize("text", ["a\nb\x1b[2J\udcffü", "x" * 10_000, '"\\', "\u2028", "\0"])
def test_whatever_others_say_is_one_bounded_line(text: str) -> None:
    line = TextFormatter().format(record(text))
    assert line.isprintable() and len(line) < 10 * LOG_LINE_CHARACTERS_MAX
    message = as_json(record(text))["message"]
    assert isinstance(message, str)
    assert message == line[30:]
    JsonFormatter(NODE).format(record(text)).encode()
