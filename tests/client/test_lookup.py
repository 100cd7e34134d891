"""The addresses of a host by its name."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from wrpme.client.lookup import look_up

pytestmark = pytest.mark.asyncio


async def test_each_address_once_and_a_number_without_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = ["192.0.2.1", "192.0.2.2", "192.0.2.1"]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 0)) for number in numbers]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert await look_up("n1.example") == ["192.0.2.1", "192.0.2.2"]
    assert await look_up("::1") == ["::1"]


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "none"), UnicodeError("a label is empty")])
async def test_a_name_that_has_none(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror):
        await look_up("n1.example")


async def test_an_answer_that_nobody_waits_for_any_more_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: go_on.wait() and [])
    looking = asyncio.create_task(look_up("n1.example"))
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    threads = [thread for thread in threading.enumerate() if thread.name == "wrpme-lookup"]
    go_on.set()
    for thread in threads:
        thread.join()
    await asyncio.sleep(0)
