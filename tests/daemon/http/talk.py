"""What the tests of HTTP share: requests as bytes, answers with their headers, and figures to tell."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tests.daemon_parts import PATIENCE_SECONDS, Raw
from wrpme.core.stats.measured import Measured
from wrpme.protocol.stats import NodeStats

STATS = NodeStats(
    address="n:1", epoch=7, state="up", version="1", uptime_seconds=3.5, share=0.5, entries=10, bytes=100, voter=True,
    hive="11", operations={"Get": 4, "GetView": 2},
)  # fmt: skip
MEASURED = Measured(
    outcomes={("Get", "ok"): 3, ("Get", "not_found"): 1, ("GetUpdate", "ok"): 0},
    latencies={"Get": ((40, 1), (56, 3))},
    batches=((112, 2),),
    replication=(),
    copies_wanting=1,
    views=5,
    members={"up": 2, "leaving": 0, "down": 1},
    fills={"writes": 0.25},
)


def request(path: str, method: str = "GET", *headers: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: node", *headers, "", "")).encode()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


async def answer(raw: Raw, has_text: bool = True) -> Answer:
    """The next answer on the connection."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        head = (await raw.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        text = await raw.reader.readexactly(int(headers["content-length"])) if has_text else b""
    return Answer(int(head[0].split()[1]), headers, text.decode())


async def asked(raw: Raw, path: str) -> Answer:
    raw.writer.write(request(path))
    return await answer(raw)
