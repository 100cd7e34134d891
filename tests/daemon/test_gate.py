"""Connections are let in a few at a time, and wait where the system has no file for them."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

import pytest

from tests.daemon_parts import PATIENCE_SECONDS
from wrpme.daemon.limits import ACCEPTS_PER_TURN_MAX
from wrpme.daemon.net.gate import Gate, Places

pytestmark = pytest.mark.asyncio


class Greeter(asyncio.Protocol):
    """Says one word."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        raw = transport.get_extra_info("socket")
        delays = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        transport.write(b"delays\n" if delays else b"hello\n")


class Short:
    """A listening socket of a system that has no file left, for so many times."""

    def __init__(self, times: int, number: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=500)
        self._socket.setblocking(False)
        self._times = times
        self._number = number
        self.taken: list[int] = []
        self.address: tuple[str, int] = self._socket.getsockname()

    def fileno(self) -> int:
        return self._socket.fileno()

    def accept(self) -> tuple[socket.socket, object]:
        if self._times:
            self._times -= 1
            raise OSError(self._number, "in short supply")
        found = self._socket.accept()
        self.taken.append(len(self.taken))
        return found


async def with_gate(
    listening: Short, scenario: Callable[[Gate], object], places: Places = lambda entering, displace: 1000
) -> list[str]:
    said: list[str] = []

    def say(level: str, line: str) -> None:
        said.append(f"{level} {line}")

    gate = Gate([listening], Greeter, places, say, say)  # type: ignore[list-item]
    gate.open()
    try:
        await scenario(gate)  # type: ignore[misc]
    finally:
        await gate.close()
    return said


async def greeting(address: tuple[str, int]) -> bytes:
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(*address)
        word = await reader.readline()
        writer.close()
        return word


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_who_finds_no_file_left_waits(number: int) -> None:
    listening = Short(2, number)

    async def asks(gate: Gate) -> None:
        assert await greeting(listening.address) == b"hello\n"

    assert await with_gate(listening, asks) == [
        "warning the system lets this process accept no connection for now (in short supply); it waits",
        "info connections are accepted again",
    ]


async def test_a_crowd_comes_in_a_few_at_a_time() -> None:
    listening = Short(0, 0)
    turns: list[int] = []

    async def crowd(gate: Gate) -> None:
        waiting = [socket.create_connection(listening.address) for _ in range(3 * ACCEPTS_PER_TURN_MAX)]
        while len(listening.taken) < len(waiting):
            before = len(listening.taken)
            await asyncio.sleep(0)  # one turn
            turns.append(len(listening.taken) - before)
        for made in waiting:
            made.close()

    assert await with_gate(listening, crowd) == []
    assert max(turns) == ACCEPTS_PER_TURN_MAX


async def test_where_there_is_no_place_who_wants_in_waits() -> None:
    listening = Short(0, 0)
    answers = [0, 0, -1, 0, -1, 1]

    async def asks(gate: Gate) -> None:
        assert await greeting(listening.address) == b"hello\n"

    assert await with_gate(listening, asks, lambda entering, displace: answers.pop(0) if answers else 0) == []
    assert (answers, listening.taken) == ([], [0])


async def test_a_closed_gate_lets_nobody_in_and_leaves_the_socket() -> None:
    listening = Short(0, 0)

    async def nobody(gate: Gate) -> None:
        pass

    await with_gate(listening, nobody)
    late = asyncio.ensure_future(greeting(listening.address))

    async def again(gate: Gate) -> None:
        assert await late == b"hello\n"

    assert not late.done()
    await with_gate(listening, again)
