"""What is found at which path."""

from __future__ import annotations

import json

import pytest

from tests.daemon.http.talk import MEASURED, STATS, asked
from tests.daemon_parts import Raw, daemon
from wrpme.core.io import Process
from wrpme.daemon.disk_full import UnavailableNode
from wrpme.daemon.limits import FIGURES_SECONDS
from wrpme.daemon.net.http.pages import Pages
from wrpme.daemon.net.http.told import Source
from wrpme.daemon.net.redis.figures import Figures
from wrpme.protocol.histogram import Latency

pytestmark = pytest.mark.asyncio


async def test_the_figures_are_those_of_the_node_made_at_most_once_in_a_while() -> None:
    async with daemon() as d, Raw(d.port) as raw:
        d.now = 10.0
        told = [json.loads((await asked(raw, "/status")).text)["told"] for _ in range(3)]
        d.now += FIGURES_SECONDS / 2
        told.append(json.loads((await asked(raw, "/status")).text)["told"])
        d.now += FIGURES_SECONDS
        told.append(json.loads((await asked(raw, "/status")).text)["told"])
        assert told == [1, 1, 1, 1, 2]


async def test_metrics_are_text_for_prometheus() -> None:
    async with daemon() as d, Raw(d.port) as raw:
        d.node.figures = STATS, MEASURED
        told = await asked(raw, "/metrics")
        assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'wrpme_requests_total{op="get",outcome="not_found"} 1.0\n' in told.text


async def test_what_serves_nothing_lives_and_is_not_ready() -> None:
    async with daemon() as d:
        sentence = "the disk of /data is full"
        source = Source(
            clock=d.runner.clock, outlook=lambda: (False, sentence), node=UnavailableNode(sentence), process=Process(),
            server=d.runner.server, links=d.runner.links, channels=d.runner._channels, commands=Figures(),
            lag=Latency(),
        )  # fmt: skip
        pages = Pages(source)
        assert pages.page(b"/live").status == 200
        assert pages.page(b"/ready")[::2] == (503, f"{sentence}\n".encode())
        status = pages.page(b"/status")
        assert status.status == 503 and json.loads(status.text) == {"serving": False, "error": sentence}
        metrics = pages.page(b"/metrics")
        assert metrics.status == 200 and b"wrpme_serving 0.0\n" in metrics.text
        missing = pages.page(b"/etc/passwd")
        assert missing.status == 404 and b"/metrics" in missing.text
