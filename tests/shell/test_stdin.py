"""Lines of a pipe, read beside the loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrpme.errors import TooLargeError
from wrpme.shell import stdin
from wrpme.shell.stdin import CHUNK_BYTES, InputLines

pytestmark = pytest.mark.asyncio


def unasked(question: str) -> None:
    raise AssertionError(question)


@pytest.fixture
def pipe() -> Iterator[tuple[InputLines, int]]:
    reading, writing = os.pipe()
    yield InputLines(reading, unasked), writing
    for thread in threading.enumerate():  # one that has not read yet would read what the next test writes
        if thread.name == "input":
            thread.join()
    os.close(reading)


async def all_lines(source: InputLines) -> list[str]:
    found: list[str] = []
    while (line := await source.line()) is not None:
        found.append(line)
    assert await source.line() is None, "the end stays the end"
    return found


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"get x\n", ["get x"]),
        (b"get x\nget y", ["get x", "get y"]),
        (b"\n\nget x\n\n", ["", "", "get x", ""]),
        (b"put x  two  words \n", ["put x  two  words "]),
        (b"put x 1\r\n", ["put x 1\r"]),
        (b"put \xff\xfe \xc3\xa9\n", ["put \udcff\udcfe \u00e9"]),
    ],
)
async def test_lines(pipe: tuple[InputLines, int], raw: bytes, expected: list[str]) -> None:
    source, writing = pipe
    os.write(writing, raw)
    os.close(writing)
    assert await all_lines(source) == expected


async def test_lines_longer_than_a_piece_and_cut_within_a_character(tmp_path: Path) -> None:
    long = "é" * CHUNK_BYTES
    path = tmp_path / "input"
    path.write_bytes(f"a{long}\n{long}\nend".encode())
    descriptor = os.open(path, os.O_RDONLY)
    assert await all_lines(InputLines(descriptor, unasked)) == [f"a{long}", long, "end"]
    os.close(descriptor)


async def test_a_line_comes_as_soon_as_it_ends_and_the_loop_runs_meanwhile(pipe: tuple[InputLines, int]) -> None:
    source, writing = pipe
    first = asyncio.ensure_future(source.line())
    os.write(writing, b"get")
    await asyncio.sleep(0)
    assert not first.done()
    os.write(writing, b" x\nget")
    assert await first == "get x"
    second = asyncio.ensure_future(source.line())
    await asyncio.sleep(0)
    assert not second.done()
    os.close(writing)
    assert await second == "get"
    assert await source.line() is None


async def test_a_line_that_nobody_waits_for_any_more(pipe: tuple[InputLines, int]) -> None:
    """Ctrl-C while the reading thread hangs: the program ends, whatever the pipe does."""
    source, writing = pipe
    waiting = asyncio.ensure_future(source.line())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    os.close(writing)


async def test_a_line_longer_than_any_command(pipe: tuple[InputLines, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdin, "FRAME_BYTES_MAX", 1000)
    source, writing = pipe
    os.write(writing, b"x" * 1001)
    os.close(writing)
    with pytest.raises(TooLargeError, match="a line of the input has more than 1000 bytes"):
        await all_lines(source)


async def test_what_can_not_be_read_has_ended(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert await all_lines(InputLines(descriptor, unasked)) == [], "a directory is no input"
    os.close(descriptor)


async def test_a_pipe_confirms_without_a_question(pipe: tuple[InputLines, int]) -> None:
    source, writing = pipe
    os.write(writing, b"yes\n")
    os.close(writing)
    assert await source.confirmation("sure? ") == "yes"
    assert await source.confirmation("sure? ") == ""


async def test_a_terminal_is_asked() -> None:
    ours, theirs = os.openpty()
    os.write(ours, b"yes\n")
    asked: list[str] = []
    assert await InputLines(theirs, asked.append).confirmation("sure? ") == "yes"
    assert asked == ["sure? "]
    os.close(ours)
    os.close(theirs)
