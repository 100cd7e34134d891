from __future__ import annotations

import re
from pathlib import Path

import pytest

from wrpme.daemon.log import Log, Throttle
from wrpme.limits import THROTTLE_LINES_MAX, THROTTLE_SECONDS
from wrpme.errors import StartError
from wrpme.limits import LOG_LINE_CHARACTERS_MAX, LOG_LINES_KEPT


def test_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = Log(str(tmp_path / "log"), console=True)
    log.say("info", "text")
    line = (tmp_path / "log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO  text\n", line)
    assert capfd.readouterr().err == line


def test_levels(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), level="warning")
    for level in ("debug", "info", "warning", "error"):
        log.say(level, level)
    assert [line.split()[-1] for line in (tmp_path / "log").read_text().splitlines()] == ["warning", "error"]


def test_what_others_say_stays_on_its_line(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.say("info", "a\nb\x1b[2J\udcffü" + "x" * 10_000)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert "a\\nb\\x1b[2J\\udcffü" in line
    assert len(line) < LOG_LINE_CHARACTERS_MAX + 100


def test_it_is_appended_and_reopened(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    log = Log(str(path))
    log.say("info", "one")
    path.rename(tmp_path / "log.1")
    log.reopen()
    log.say("info", "two")
    assert "before\n" in (tmp_path / "log.1").read_text()
    assert "one" in (tmp_path / "log.1").read_text()
    assert "one" not in path.read_text()
    assert "two" in path.read_text()
    (tmp_path / "gone").mkdir()
    path.unlink()
    path.mkdir()
    log.reopen()
    log.say("info", "three")


def test_nowhere_to_write_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="can't be written"):
        Log(str(tmp_path / "none" / "log"))


def test_a_full_disk_under_the_log_stops_nothing() -> None:
    Log("/dev/full").say("info", "text")


def test_a_defect_leaves_its_traceback(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    try:
        raise ValueError("what\nhappened")
    except ValueError as error:
        log.defect(error)
    text = (tmp_path / "log").read_text()
    assert "Traceback" in text
    assert "test_log.py" in text
    assert all(" ERROR " in line for line in text.splitlines())


def test_the_last_sentence_goes_bare_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Log(str(tmp_path / "log"), console=True).fatal("the end")
    assert capfd.readouterr().err == "wrpmed: the end\n"
    assert " ERROR the end\n" in (tmp_path / "log").read_text()


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
    assert (tmp_path / "log").read_text().splitlines()[-LOG_LINES_KEPT:] == list(log.kept)
