"""What is behind a descriptor may take nothing: nobody waits for it, and what is lost is counted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.daemon_parts import PATIENCE_SECONDS
from wrpme.daemon.net.outlet import Outlet
from wrpme.limits import LOG_WAITING_BYTES_MAX


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
    """The lines that come after so many bytes, to the end; the outlet is closed for that."""
    os.set_blocking(read, False)
    content = b""
    closed = False
    while True:
        try:
            content += os.read(read, 65_536)
        except BlockingIOError:
            if closed:
                return content[before:].decode().splitlines()
            closed = outlet.close(0.01)


def outlet_at(file: int) -> Outlet:
    return Outlet(file, lambda count: f"{count} lost\n")


def test_lines_come_in_order(pipe: tuple[int, int]) -> None:
    read, write = pipe
    outlet = outlet_at(write)
    for number in range(50):
        outlet.put(f"{number}\n")
    assert outlet.close(PATIENCE_SECONDS)
    outlet.put("too late\n")
    assert rest(read, outlet) == [str(number) for number in range(50)]


def test_what_does_not_fit_is_counted_where_it_is_missing(pipe: tuple[int, int]) -> None:
    read, write = pipe
    filled = fill(write)
    outlet = outlet_at(write)
    line = "x" * 1023 + "\n"
    fit = LOG_WAITING_BYTES_MAX // len(line)
    for _ in range(fit + 7):
        outlet.put(line)
    assert not outlet.close(0.0), "it is not closed, as the pipe takes nothing"
    lines = rest(read, outlet, filled)
    assert lines == ["x" * 1023] * fit + ["7 lost"]


def test_the_last_line_has_room(pipe: tuple[int, int]) -> None:
    read, write = pipe
    filled = fill(write)
    outlet = outlet_at(write)
    outlet.put("x" * (LOG_WAITING_BYTES_MAX - 1) + "\n")
    outlet.put("lost\n")
    outlet.put("the end\n", last=True)
    assert rest(read, outlet, filled)[1:] == ["1 lost", "the end"]


def test_a_descriptor_that_somebody_made_nonblocking(pipe: tuple[int, int]) -> None:
    read, write = pipe
    filled = fill(write)
    os.set_blocking(write, False)
    outlet = outlet_at(write)
    outlet.put("text\n")
    assert rest(read, outlet, filled) == ["text"]


def test_what_the_system_refuses_is_counted_too(pipe: tuple[int, int]) -> None:
    read, write = pipe
    full = os.open("/dev/full", os.O_WRONLY)
    outlet = outlet_at(full)
    outlet.put("one\n")
    outlet.put("two\n")

    def renewed(former: int) -> int:
        os.close(former)
        return write

    outlet.renew(renewed)
    outlet.renew(lambda file: file * os.write(write, b"!"))
    assert os.read(read, 1) == b"!"
    outlet.put("three\n")
    assert outlet.close(PATIENCE_SECONDS)
    assert rest(read, outlet) == ["2 lost", "three"]
