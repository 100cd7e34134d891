"""Commands carried out on entries in memory by the rules of a node, without one: what a test says and hears."""

from __future__ import annotations

from typing import Any

import msgspec

from wrpme.daemon.net.redis.client import NO_OPTIONS, Client, Deed, Options
from wrpme.daemon.net.redis.commands.multi import Entries
from wrpme.daemon.net.redis.parser import split_arguments
from wrpme.daemon.net.redis.commands.table import begin
from wrpme.protocol.messages import GetStatus, GetView, Text, ViewIs
from wrpme.protocol.ring import whole_ring
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import Member, State, View

NOW = 1_700_000_000_000
"""The time, in milliseconds since 1970."""
NODE = b"n" * 16
VIEW = View(3, b"h" * 16, 1, 2, (Member(NODE, 1, "10.0.0.9:5909", 1, State.UP),), whole_ring(NODE, 1), (NODE,))
STATS = NodeStats(
    "10.0.0.9:5909", 3, "up", "0", 90000.5, 1.0, 0, 0, True, id="6e6e", incarnation=258, sessions=5, redis_sessions=3,
    memory_bytes=1 << 20, operations={"Get": 2, "Update": 3}, received_bytes=10, sent_bytes=20,
)  # fmt: skip


class Hive(Entries):
    """The entries, of a hive that is as ``view`` says."""

    view = VIEW

    def _ask(self, request: Any) -> Any:
        if type(request) is GetView:
            return ViewIs(0, NODE, self.view)
        return Text(0, msgspec.json.encode(STATS).decode()) if type(request) is GetStatus else super()._ask(request)


class Acted:
    """A client and the entries; ``MULTI`` is for other tests."""

    def __init__(self, options: Options = NO_OPTIONS) -> None:
        self.client = Client(7, "10.0.0.1:1", lambda: NOW, options)
        self.entries = Hive(NOW)

    def say(self, line: str | list[bytes]) -> bytes:
        """Returns what is answered to a line as redis-cli takes it."""
        words: Any = split_arguments(line.encode()) if isinstance(line, str) else line
        assert words
        answer = self.entries.carry_out(self.client, begin, words)
        return answer.do() if isinstance(answer, Deed) else answer

    def hears(self, *pairs: tuple[str, bytes]) -> None:
        """Says one line after the other, and compares."""
        for line, expected in pairs:
            assert self.say(line) == expected, line
