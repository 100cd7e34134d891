"""What speaks HTTP is loaded when somebody does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.daemon.http.talk import answer, asked, request
from tests.daemon_parts import Raw, daemon
from wrpme.protocol.messages import Content, Get


@pytest.mark.asyncio
async def test_those_that_come_while_it_is_loaded_are_answered_then() -> None:
    async with daemon() as d, Raw(d.port) as one, Raw(d.port) as two, Raw(d.port) as client:
        one.writer.write(request("/live")[:-3])
        two.writer.write(request("/live") * 2)
        one.writer.write(request("/live")[-3:])
        client.say(Get(1, b"one"), preface=True)
        assert await client.reply() == Content(1, b"one")
        for raw in (one, two, two):
            assert (await answer(raw)).status == 200
        assert (await asked(one, "/live")).status == 200


@pytest.mark.asyncio
async def test_one_that_ends_before_harms_nobody() -> None:
    async with daemon() as d, Raw(d.port) as other:
        async with Raw(d.port) as gone:
            gone.writer.write(request("/live"))
            gone.writer.transport.abort()
        assert (await asked(other, "/live")).status == 200
        assert not d.log.lines


@pytest.mark.asyncio
async def test_where_a_package_is_missing_whoever_asks_is_told_and_the_node_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "wrpme.daemon.net.http.session", None)
    async with daemon() as d:
        for _ in range(2):
            async with Raw(d.port) as raw:
                raw.writer.write(request("/live"))
                told = await raw.rest()
                assert told.startswith(b"HTTP/1.1 501 ") and b"install wrpme anew" in told
        async with Raw(d.port) as client:
            client.say(Get(1, b"one"), preface=True)
            assert await client.reply() == Content(1, b"one")
        assert "not complete" in d.log.lines[0]


def test_a_node_that_nobody_asks_loads_none_of_it() -> None:
    program = "import wrpme.daemon.supervisor, sys; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    loaded = set(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split())
    assert not loaded & {"h11", "prometheus_client", "http.server"}
