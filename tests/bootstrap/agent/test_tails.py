"""The log of a node, read on and on, whatever is done to the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.agent.agents import NODE, Agent


class Reader:
    """Reads on where it was."""

    def __init__(self, agent: Agent, log: Path) -> None:
        self.log = log
        self.offset: int | None = None
        self.inode: int | None = None
        self.last: dict[str, Any] = {}
        self._agent = agent

    def read(self, lines: int = 1000, bytes_max: int = 1 << 20) -> str:
        """What is new."""
        self.last = self._agent.call(
            "log", name=NODE, offset=self.offset, inode=self.inode, lines=lines, bytes_max=bytes_max
        )
        self.offset, self.inode = self.last["offset"], self.last["inode"]
        return str(self.last["text"])

    def add(self, text: str) -> None:
        """One more piece of the log."""
        with open(self.log, "a") as file:
            file.write(text)


@pytest.fixture
def reader(agent: Agent, base: Path) -> Reader:
    agent.lock(base)
    agent.configure(base)
    return Reader(agent, base / "nodes" / NODE / "log")


def test_no_log(reader: Reader) -> None:
    assert reader.read() == ""
    assert reader.read() == ""
    reader.add("one\n")
    assert reader.read() == "one\n"


def test_the_last_lines_then_what_comes(reader: Reader) -> None:
    reader.add("".join(f"line {number}\n" for number in range(10)))
    assert reader.read(lines=2) == "line 8\nline 9\n"
    assert reader.last["cut"] is True
    assert reader.read(lines=2) == ""
    reader.add("line 10\nline 11\nline 12\n")
    assert reader.read(lines=2) == "line 10\nline 11\nline 12\n"
    assert reader.last["rotated"] is False


def test_all_of_it(reader: Reader) -> None:
    reader.add("one\ntwo\n")
    assert reader.read() == "one\ntwo\n"
    assert reader.last["cut"] is False


def test_from_the_end_on(reader: Reader) -> None:
    reader.add("one\ntwo\n")
    assert reader.read(lines=0) == ""
    reader.add("three\n")
    assert reader.read() == "three\n"


def test_a_line_that_is_not_finished_comes_with_its_rest(reader: Reader) -> None:
    reader.add("one\ntw")
    assert reader.read() == "one\n"
    assert reader.read() == ""
    reader.add("o\n")
    assert reader.read() == "two\n"


def test_at_most_so_many_bytes(reader: Reader) -> None:
    reader.add("".join(f"{number:09}\n" for number in range(100)))
    assert reader.read(bytes_max=35) == "000000097\n000000098\n000000099\n"
    assert reader.last["cut"] is True
    reader.offset = 0
    assert reader.read(bytes_max=35) == "000000000\n000000001\n000000002\n"
    assert reader.read(bytes_max=35) == "000000003\n000000004\n000000005\n"


def test_a_line_longer_than_that(reader: Reader) -> None:
    reader.add("x" * 100 + "\nend\n")
    reader.offset = 0
    assert reader.read(bytes_max=40) == "x" * 40
    assert reader.read(bytes_max=40) == "x" * 40
    assert reader.read(bytes_max=40) == "x" * 20 + "\nend\n"


def test_a_log_that_was_moved_is_read_to_its_end_then_the_new_one(reader: Reader) -> None:
    reader.add("one\n")
    assert reader.read() == "one\n"
    reader.add("two\nthree\ncut o")
    os.rename(reader.log, f"{reader.log}.1")
    reader.add("four\n")
    assert reader.read() == "two\nthree\ncut o"
    assert reader.read() == "four\n"
    assert reader.last["rotated"] is True
    assert reader.read() == ""
    assert reader.last["rotated"] is False


def test_a_log_that_was_moved_before_there_is_a_new_one(reader: Reader) -> None:
    reader.add("one\n")
    assert reader.read() == "one\n"
    os.rename(reader.log, f"{reader.log}.1")
    assert reader.read() == ""
    reader.add("two\n")
    assert reader.read() == "two\n"


def test_a_log_that_was_taken_away(reader: Reader) -> None:
    reader.add("one\n")
    assert reader.read() == "one\n"
    os.rename(reader.log, reader.log.parents[2] / "elsewhere")
    reader.add("two\n")
    assert reader.read() == "two\n"
    assert reader.last["rotated"] is True


def test_a_log_that_was_cut(reader: Reader) -> None:
    reader.add("one\ntwo\n")
    reader.read()
    reader.log.write_text("new\n")
    assert reader.read() == "new\n"
    assert reader.last["rotated"] is True


def test_what_is_no_text(reader: Reader) -> None:
    reader.log.write_bytes(b"one \xff\n\xc3\xbcber\n")
    assert reader.read() == "one �\nüber\n"
