"""Names of hosts: remembered, and none waits for another."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from tests.daemon_parts import PATIENCE_SECONDS
from wrpme.daemon.net import names
from wrpme.daemon.net.names import Names


class Server:
    """A name server that answers when a test says so; ``asked`` are the names in order."""

    def __init__(self, *hanging: str) -> None:
        self.asked: list[str] = []
        self.answers = {"near": ["10.0.0.1"], "far": ["10.0.0.2", "10.0.0.3"]}
        self.go = threading.Event()
        self._hanging = hanging

    def look_up(self, name: str) -> list[str]:
        self.asked.append(name)
        if name in self._hanging:
            self.go.wait(PATIENCE_SECONDS)
        if name not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return self.answers[name]


@pytest.mark.asyncio
async def test_numbers_are_not_looked_up() -> None:
    server = Server()
    found = Names(server.look_up)
    for number in ("10.0.0.9", "::1", "fe80::1%eth0"):
        assert await found.addresses(number) == [number]
    assert server.asked == []


@pytest.mark.asyncio
async def test_a_name_that_hangs_delays_no_other() -> None:
    server = Server("far")
    found = Names(server.look_up)
    slow = [asyncio.ensure_future(found.addresses("far")) for _ in range(3)]
    assert await found.addresses("near") == ["10.0.0.1"]
    assert not any(one.done() for one in slow)
    server.go.set()
    assert await asyncio.gather(*slow) == [["10.0.0.2", "10.0.0.3"]] * 3
    assert sorted(server.asked) == ["far", "near"], "all who wait for a name ask once"


@pytest.mark.asyncio
async def test_the_last_good_answer_counts_while_it_is_looked_up_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "NAME_SECONDS", 0.0)

    server = Server()
    found = Names(server.look_up)
    assert await found.addresses("near") == ["10.0.0.1"]
    server.answers["near"] = ["10.0.0.7"]
    assert await found.addresses("near") == ["10.0.0.1"]
    await found._running["near"]
    del server.answers["near"]
    assert await found.addresses("near") == ["10.0.0.7"]
    with pytest.raises(OSError, match="no such name"):
        await found._running["near"]
    assert await found.addresses("near") == ["10.0.0.7"], "the name server is gone, the host need not be"


@pytest.mark.asyncio
async def test_an_answer_counts_for_a_while() -> None:
    server = Server()
    found = Names(server.look_up)
    for _ in range(3):
        assert await found.addresses("near") == ["10.0.0.1"]
    assert server.asked == ["near"]


@pytest.mark.asyncio
async def test_a_name_that_nobody_knows_or_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "LOOKUP_SECONDS_MAX", 0.01)

    server = Server("far")
    found = Names(server.look_up)
    monkeypatch.setattr(names, "LOOKUP_SECONDS_MAX", PATIENCE_SECONDS)
    with pytest.raises(socket.gaierror):
        await found.addresses("nowhere")
    monkeypatch.setattr(names, "LOOKUP_SECONDS_MAX", 0.01)
    with pytest.raises(TimeoutError):
        await found.addresses("far")
    server.go.set()


def test_the_system_is_asked() -> None:
    assert "127.0.0.1" in names.look_up("127.0.0.1")
    with pytest.raises(OSError):
        names.look_up("no-such-host.invalid")
