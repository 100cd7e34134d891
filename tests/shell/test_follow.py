"""Following entries in the shell: a line for each change, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.shell.test_cli import FakeClient, Session
from wrpme.client.follow.follower import Change
from wrpme.shell.parsing import parse

CHANGES = (
    Change("present", "a1", 1 << 64),
    Change("synchronized", ""),
    Change("put", "two words\udcff", 7),
    Change("removed", "a1"),
    Change("resynchronized", "", reason="an owner died"),
)


class Followed:
    def __init__(self) -> None:
        self.closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True

    async def __aiter__(self) -> AsyncIterator[Change]:
        for change in CHANGES:
            yield change
        await asyncio.get_running_loop().create_future()


class FollowingClient(FakeClient):
    def __init__(self) -> None:
        super().__init__()
        self.followed = Followed()
        self.prefix = b""

    def follow(self, prefix: bytes = b"") -> Followed:
        self.prefix = prefix
        return self.followed


async def printed(directory: Path, client: FollowingClient, line: str) -> list[str]:
    session = Session(directory, client)
    command = parse(line)
    assert command is not None
    running = asyncio.create_task(session.shell.run(command, line_mode=True))
    while (directory / "out").read_bytes().count(b"\n") < len(CHANGES):
        await asyncio.sleep(0)
    session.shell.interrupt()
    await running
    out, notes = await session.run()
    assert notes == "" and session.shell.failed is None and client.followed.closed
    return out.decode().splitlines()


@pytest.mark.asyncio
async def test_each_change_is_a_line_of_json(tmp_path: Path) -> None:
    client = FollowingClient()
    lines = await printed(tmp_path, client, "follow a")
    assert client.prefix == b"a"
    assert [json.loads(line) for line in lines] == [
        {"kind": "present", "alias": "a1", "version": "18446744073709551616"},
        {"kind": "synchronized"},
        {"kind": "put", "alias_base64": b64encode(b"two words\xff").decode(), "version": "7"},
        {"kind": "removed", "alias": "a1"},
        {"kind": "resynchronized", "reason": "an owner died"},
    ]
