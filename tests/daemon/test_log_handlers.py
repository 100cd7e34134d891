"""What is behind a descriptor may take nothing: nobody waits for it, and what is lost is counted."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemon_parts import PATIENCE_SECONDS
from wrpme.daemon.limits import LOG_WAITING_BYTES_MAX
from wrpme.daemon.log_handlers import DescriptorHandler, LogFile, Outlet


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for file in (read, write):
        with suppress(OSError):
            os.close(file)


def fill(write: int) -> int:
    """How many bytes were put in until it took no more."""
    os.set_blocking(write, False)
    filled = 0
    with suppress(BlockingIOError):
        while True:
            filled += os.write(write, b"." * 512)
    os.set_blocking(write, True)
    return filled


def rest(read: int, outlet: Outlet, before: int = 0) -> list[str]:
    """The lines that come after so many bytes, to the end; the outlet is drained for that."""
    os.set_blocking(read, False)
    content = b""
    drained = False
    while True:
        try:
            content += os.read(read, 65_536)
        except BlockingIOError:
            if drained:
                return content[before:].decode().splitlines()
            drained = outlet.drain(0.01)


def outlet_at(file: int) -> Outlet:
    return Outlet(DescriptorHandler(file), "stderr")


def say(outlet: Outlet, line: str) -> None:
    outlet.handle(logging.makeLogRecord({"msg": line}))


def test_lines_come_in_order(pipe: tuple[int, int]) -> None:
    read, write = pipe
    outlet = outlet_at(write)
    for number in range(50):
        say(outlet, str(number))
    assert outlet.drain(PATIENCE_SECONDS)
    say(outlet, "too late")
    assert rest(read, outlet) == [str(number) for number in range(50)]


def test_what_does_not_fit_is_counted_where_it_is_missing(pipe: tuple[int, int]) -> None:
    read, write = pipe
    filled = fill(write)
    outlet = outlet_at(write)
    line = "x" * 1024
    fit = LOG_WAITING_BYTES_MAX // len(line)
    for _ in range(fit + 7):
        say(outlet, line)
    assert not outlet.drain(0.0), "it is not drained, as the pipe takes nothing"
    lines = rest(read, outlet, filled)
    assert lines == [line] * fit + ["7 lines are missing here, as stderr did not take what was written"]


def test_the_last_line_has_room(pipe: tuple[int, int]) -> None:
    read, write = pipe
    filled = fill(write)
    outlet = outlet_at(write)
    say(outlet, "x" * (LOG_WAITING_BYTES_MAX - 1))
    say(outlet, "lost")
    outlet.put_last("the end")
    missing = "1 line is missing here, as stderr did not take what was written"
    assert rest(read, outlet, filled)[1:] == [missing, "the end"]


def test_a_descriptor_that_somebody_made_nonblocking(pipe: tuple[int, int]) -> None:
    read, write = pipe
    filled = fill(write)
    os.set_blocking(write, False)
    outlet = outlet_at(write)
    long = "x" * 3 * filled
    say(outlet, long)
    say(outlet, "text")
    assert rest(read, outlet, filled) == [long, "text"]


def test_what_the_system_refuses_is_counted_too(pipe: tuple[int, int]) -> None:
    read, write = pipe
    file = os.open("/dev/full", os.O_WRONLY)
    outlet = outlet_at(file)
    say(outlet, "one")
    say(outlet, "two")
    refused = threading.Event()
    outlet.call(lambda: os.dup2(write, file))
    outlet.call(refused.set)
    assert refused.wait(PATIENCE_SECONDS)
    say(outlet, "three")
    assert outlet.drain(PATIENCE_SECONDS)
    os.close(file)
    assert rest(read, outlet) == ["2 lines are missing here, as stderr did not take what was written", "three"]


def test_a_destructor_that_logs_while_a_line_is_taken(pipe: tuple[int, int]) -> None:
    """The garbage collector runs where it likes, also where the outlet counts what is lost."""
    read, write = pipe
    filled = fill(write)
    outlet = outlet_at(write)
    within = ["from within"]

    class Talking(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            if within and record.getMessage().endswith("written"):
                say(outlet, within.pop())
            return record.getMessage()

    outlet.setFormatter(Talking())
    say(outlet, "x" * (LOG_WAITING_BYTES_MAX - 1))
    say(outlet, "lost")
    assert not outlet.drain(0.0), "both are counted before there is room"
    missing = "1 line is missing here, as stderr did not take what was written"
    assert rest(read, outlet, filled)[1:] == [missing, missing]


# --- the log file ----------------------------------------------------------------------------------------------------


class File:
    """A log file whose lines are written at once."""

    def __init__(self, path: Path) -> None:
        self.said: list[str] = []
        self.handler = LogFile(str(path), lambda level, line: self.said.append(f"{level} {line}"))

    def say(self, line: str) -> None:
        self.handler.handle(logging.makeLogRecord({"msg": line}))


def test_a_file_that_was_moved_away_or_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = File(path)
    file.say("one")
    path.rename(tmp_path / "log.1")
    file.say("two")
    assert (tmp_path / "log.1").read_text() == "one\n"
    assert path.read_text() == "two\n"
    path.unlink()
    file.say("three")
    assert path.read_text() == "three\n"
    assert file.said == []


def test_a_file_that_was_cut_to_nothing_goes_on_at_its_beginning(tmp_path: Path) -> None:
    """Rotation by copytruncate."""
    path = tmp_path / "log"
    file = File(path)
    file.say("one")
    os.truncate(path, 0)
    file.say("two")
    assert path.read_text() == "two\n"


def test_while_no_new_one_can_be_made_the_old_one_is_kept_which_is_told_once(tmp_path: Path) -> None:
    directory, moved = tmp_path / "logs", tmp_path / "moved"
    directory.mkdir()
    path = directory / "log"
    file = File(path)
    directory.rename(moved)
    file.say("one")
    file.say("two")
    line = f"error the log file {path} can't be reopened (No such file or directory), the old is kept"
    assert file.said == [line]
    file.handler.reopen()
    assert file.said == [line, line], "who asks is answered"
    assert (moved / "log").read_text() == "one\ntwo\n"
    directory.mkdir()
    file.say("three")
    assert path.read_text() == "three\n"
    file.handler.reopen()
    assert file.said[2:] == ["info the log file was reopened"]


def test_a_file_that_can_not_be_written_lets_the_outlet_know(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        File(Path("/dev/full")).say("text")
