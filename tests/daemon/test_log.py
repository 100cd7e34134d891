from __future__ import annotations

import logging
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_parts import PATIENCE_SECONDS, until_written
from wrpme.daemon.limits import LOG_LINE_CHARACTERS_MAX, LOG_LINES_KEPT, THROTTLE_LINES_MAX, THROTTLE_SECONDS
from wrpme.daemon.log import Log, Throttle
from wrpme.daemon.log_format import JsonFormatter
from wrpme.errors import StartError


def close(log: Log) -> None:
    """All that was said is written."""
    log.close(PATIENCE_SECONDS)


def test_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = Log(str(tmp_path / "log"), console=True)
    log.say("info", "text")
    close(log)
    line = (tmp_path / "log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO  text\n", line)
    assert capfd.readouterr().err == line


def test_levels(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), level="warning")
    for level in ("debug", "info", "warning", "error"):
        log.say(level, level)
    close(log)
    assert [line.split()[-1] for line in (tmp_path / "log").read_text().splitlines()] == ["warning", "error"]


def test_what_others_say_stays_on_its_line(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.say("info", "a\nb\x1b[2J\udcffü" + "x" * 10_000)
    close(log)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert "a\\nb\\x1b[2J\\udcffü" in line
    assert len(line) < LOG_LINE_CHARACTERS_MAX + 100


def test_it_is_appended_and_reopened(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    log = Log(str(path))
    log.say("info", "one")
    until_written(path, "one")
    path.rename(tmp_path / "log.1")
    log.reopen()
    log.say("info", "two")
    until_written(path, "reopened")
    close(log)
    former, lines = (tmp_path / "log.1").read_text().splitlines(), path.read_text().splitlines()
    assert former[0] == "before" and former[1].endswith(" one") and len(former) == 2
    assert [line.partition(" INFO  ")[2] for line in lines] == ["two", "the log file was reopened"]


def test_one_that_can_not_be_reopened_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(str(path))
    log.say("info", "one")
    until_written(path, "one")
    path.rename(tmp_path / "log.1")
    path.mkdir()
    log.reopen()
    log.say("info", "two")
    until_written(tmp_path / "log.1", "reopened")
    close(log)
    text = (tmp_path / "log.1").read_text()
    assert "can't be reopened (Is a directory), the old is kept" in text and "two" in text


def test_nowhere_to_write_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="can't be written"):
        Log(str(tmp_path / "none" / "log"))


def test_a_full_disk_under_the_log_stops_nothing() -> None:
    log = Log("/dev/full")
    log.say("info", "text")
    close(log)


def test_a_defect_leaves_its_traceback(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    try:
        raise ValueError("what\nhappened")
    except ValueError as error:
        log.defect(error)
    close(log)
    text = (tmp_path / "log").read_text()
    assert text.splitlines()[0].endswith(" ERROR a defect of wrpme itself")
    assert "Traceback" in text
    assert "test_log.py" in text
    assert all(" ERROR " in line for line in text.splitlines())


def test_the_last_sentence_goes_bare_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = Log(str(tmp_path / "log"), console=True)
    log.fatal("the end")
    close(log)
    assert capfd.readouterr().err == "wrpmed: the end\n"
    assert " ERROR the end\n" in (tmp_path / "log").read_text()


def test_json_goes_to_the_file_and_to_stderr_and_text_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = Log(str(tmp_path / "log"), console=True, formatter=JsonFormatter("127.0.0.1:5909"))
    log.say("info", "text")
    log.fatal("the end")
    close(log)
    written = (tmp_path / "log").read_text()
    shown = [json.loads(line) for line in written.splitlines()]
    assert [(line["level"], line["message"]) for line in shown] == [("info", "text"), ("error", "the end")]
    assert capfd.readouterr().err == written
    assert [line.partition("  ")[2] or line.partition(" ERROR ")[2] for line in log.kept] == ["text", "the end"]


def test_where_stderr_gets_no_json_the_last_sentence_is_bare(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = Log(str(tmp_path / "log"), formatter=JsonFormatter("127.0.0.1:5909"))
    log.fatal("the end")
    close(log)
    assert capfd.readouterr().err == "wrpmed: the end\n"
    assert json.loads((tmp_path / "log").read_text())["message"] == "the end"


def test_a_flood_is_counted() -> None:
    said: list[str] = []
    throttle = Throttle(lambda level, line: said.append(line))
    for number in range(1000):
        throttle.say(5.0, "info", str(number))
    assert said == [str(number) for number in range(THROTTLE_LINES_MAX)]
    throttle.settle(5.0 + THROTTLE_SECONDS)
    assert said[-1] == f"{1000 - THROTTLE_LINES_MAX} more lines like the last ones were left out"
    throttle.say(6.0 + THROTTLE_SECONDS, "info", "again")
    assert said[-1] == "again"
    throttle.settle(100.0)
    assert said[-1] == "again"


def test_the_last_lines_are_kept_wherever_they_go(tmp_path: Path) -> None:
    for log in (Log(), Log(str(tmp_path / "log"), console=True)):
        log.say("debug", "below the level")
        for number in range(LOG_LINES_KEPT + 5):
            log.say("info", f"line\n{number}")
        assert len(log.kept) == LOG_LINES_KEPT
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO  line\\n5", log.kept[0])
        close(log)
    assert (tmp_path / "log").read_text().splitlines()[-LOG_LINES_KEPT:] == list(log.kept)


@pytest.fixture
def streams() -> Iterator[None]:
    stdout, stderr, handlers = sys.stdout, sys.stderr, list(logging.root.handlers)
    yield
    sys.stdout, sys.stderr, logging.root.handlers[:] = stdout, stderr, handlers


def test_what_is_printed_is_said_and_waits_for_nobody(streams: None) -> None:
    log = Log()
    log.take_over()
    sys.stderr.write("half a line, ")
    sys.stderr.write("and its end\n\nanother\n")
    logging.getLogger("library").error("in trouble")
    said = [line.partition(" WARN  ")[2] or line.partition(" ERROR ")[2] for line in log.kept]
    assert said[:2] == ["half a line, and its end", "another"]
    assert said[-1] == "library: in trouble"
