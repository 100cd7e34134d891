"""Shows the logs of all nodes as one: in the order of their clocks, each line with the name of its node."""

from __future__ import annotations

import asyncio
import heapq
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from msgspec import Struct

from wrpme.bootstrap.hosts.fleet import Fleet, HostSession
from wrpme.bootstrap.limits import LOG_FOLLOW_SECONDS, LOG_READ_BYTES_MAX, LOG_READ_LINES, LOG_SINCE_LINES_MAX
from wrpme.bootstrap.topology.file import Node

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) ")


class Line(Struct, frozen=True, order=True):
    """One line of a log. ``at`` is in seconds since 1970 by the clock of its node; a line without a stamp (as in a
    traceback) has that of the line before."""

    at: float
    number: int
    text: str


def lines_of(text: str, number: int, utc_offset_seconds: int, at: float = 0.0) -> Iterator[Line]:
    """Yields the lines of one log, whose stamps are in the local time of its machine. It is pure."""
    zone = timezone(timedelta(seconds=utc_offset_seconds))
    for line in text.removesuffix("\n").split("\n") if text else ():
        stamp = _STAMP.match(line)
        if stamp:
            with suppress(ValueError):  # digits that are no time
                at = datetime.strptime(stamp[1], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=zone).timestamp()
        yield Line(at, number, line)


def merged(logs: Iterable[Iterable[Line]], since: float = 0.0) -> Iterator[Line]:
    """Yields the lines of all logs by time, and lines of the same time by node; those of one node stay in their order.

    It is pure.
    """
    for line in heapq.merge(*logs, key=lambda line: (line.at, line.number)):
        if line.at >= since:
            yield line


class _Tail:
    """The log of one node, and how far it was read."""

    def __init__(self, session: HostSession, node: Node, number: int) -> None:
        self.session = session
        self.node = node
        self.number = number
        self.cut = False
        self._offset: int | None = None
        self._inode: int | None = None
        self._at = 0.0

    async def read(self, since: float) -> list[Line]:
        """Returns the lines that were written since the last call; the first one returns the last lines, or those
        ``since``."""
        count = LOG_SINCE_LINES_MAX if since else LOG_READ_LINES
        answer = await self.session.agent.call(
            "log",
            name=self.node.name,
            offset=self._offset,
            inode=self._inode,
            lines=count,
            bytes_max=LOG_READ_BYTES_MAX,
        )
        first = self._offset is None
        self._offset, self._inode = int(answer["offset"]), int(answer["inode"])
        found = list(lines_of(str(answer["text"]), self.number, self.session.inventory.utc_offset_seconds, self._at))
        if found:
            self.cut = first and bool(answer.get("cut")) and found[0].at >= since > 0
            self._at = found[-1].at
        return found


async def show(fleet: Fleet, only: tuple[str, ...], since: float, follow: bool) -> None:
    """Shows the logs of the nodes with the addresses ``only`` (of all, if empty); with ``follow`` until it is
    interrupted.

    Raises:
        BrokenPipeError: nobody reads them any more.
        StorageError: the output takes no more.
    """

    async def enter(session: HostSession) -> None:
        await session.open(fleet.connector)
        await session.take_inventory()

    nodes = [(session, node) for session in fleet.sessions for node in session.host.nodes]
    tails = [_Tail(session, node, number) for number, (session, node) in enumerate(nodes)]
    tails = [tail for tail in tails if not only or tail.node.address in only or tail.node.told in only]
    # For the log of one node the hosts of the others need not be there.
    sessions = list(dict.fromkeys(tail.session for tail in tails))
    await fleet.each(enter, sessions)
    width = max((len(tail.node.address) for tail in tails), default=0)
    fleet.reporter.close()
    while True:
        found: dict[int, list[Line]] = {}

        async def read(session: HostSession, found: dict[int, list[Line]] = found) -> None:
            for tail in tails:
                if tail.session is session:
                    found[tail.number] = await tail.read(since)

        await fleet.each(read, [session for session in sessions if session.error is None])
        for tail in tails:
            if tail.cut:
                tail.cut = False
                fleet.reporter.say(f"{tail.node.address}: the log holds more lines since then; only the last are shown")
        for line in merged(found.values(), since):
            fleet.reporter.log(line.number, nodes[line.number][1].address, width, line.text)
        await fleet.reporter.drain()  # no more is read than is written
        if not follow or all(session.error for session in sessions):
            return
        await asyncio.sleep(LOG_FOLLOW_SECONDS)
