"""wrpmesh watch in a session: it prints until it is interrupted, and the session goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shell.test_cli import FakeClient, Session
from wrpme.client.watch.records import Reached, WatchRecord
from wrpme.shell.parsing import parse


class Watching:
    """Sees one thing, and then nothing more."""

    def __init__(self) -> None:
        self.closed = False

    async def __aenter__(self) -> Watching:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    async def __aiter__(self) -> AsyncIterator[WatchRecord]:
        yield Reached(1.5, "a:1")
        await asyncio.get_running_loop().create_future()


class WatchingClient(FakeClient):
    def __init__(self, *contents: bytes) -> None:
        super().__init__(*contents)
        self.watching = Watching()

    def watch(self) -> Watching:
        return self.watching


@pytest.mark.asyncio
async def test_a_watch_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    client = WatchingClient(b"after")
    session = Session(tmp_path, client)
    watch, later = parse("watch"), parse("get x")
    assert watch is not None and later is not None
    running = asyncio.create_task(session.shell.run(watch, line_mode=True))
    while not (tmp_path / "out").read_bytes():
        await asyncio.sleep(0)
    assert not client.watching.closed
    session.shell.interrupt()
    await running
    await session.shell.run(later, line_mode=True)
    assert await session.run() == (b'{"saw":"reached","at":1.5,"node":"a:1"}\nafter\n', "")
    assert session.shell.failed is None and client.watching.closed
