"""What is gathered when somebody asks."""

from __future__ import annotations

import pytest

from tests.daemon.http.talk import MEASURED, STATS
from tests.daemon_parts import Raw, daemon
from wrpme.core.io import Memory
from wrpme.daemon.net.http.told import Command, Source
from wrpme.daemon.net.redis.figures import Figures
from wrpme.protocol.histogram import Latency
from wrpme.protocol.messages import Get


@pytest.mark.asyncio
async def test_all_that_the_process_counts() -> None:
    async with daemon(clients_max=4, sessions_max=8) as d, Raw(d.port) as client, Raw(d.port) as redis:
        client.say(Get(1, b"one"), preface=True)
        await client.reply()
        redis.writer.write(b"PING\r\n")
        await redis.reader.readexactly(7)
        commands, lag = Figures(), Latency()
        commands.answered("get", b"-ERR x\r\n", 0.5)
        commands.rejected("set")
        lag.add(0.001)
        d.runner._channels.behind_bytes = Memory().behind // 4
        d.node.figures = STATS, MEASURED
        source = Source(
            clock=d.runner.clock, outlook=lambda: (True, ""), node=d.node, process=d.runner.process,
            server=d.runner.server, links=d.runner.links, channels=d.runner._channels, commands=commands, lag=lag,
        )  # fmt: skip
        told = source.told()
        assert (told.stats, told.measured, told.serves, told.connections) == (STATS, MEASURED, True, 2)
        assert told.fills["sessions"] == 0.5 and told.fills["connections"] == 0.25
        assert told.fills["subscribers"] == 0.25 and told.fills["link"] == 0
        d.runner._channels.behind_bytes = 0
        assert told.commands == {"get": Command(1, 1, 0, 0.5), "set": Command(0, 0, 1, 0.0)}
        assert told.lag == lag.pairs() and told.process.sessions == 2 and told.process.redis_sessions == 1
