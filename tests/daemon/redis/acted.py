"""Commands carried out on entries in memory by the rules of a node, without one: what a test says and hears."""

from __future__ import annotations

from typing import Any

from wrpme.daemon.net.redis.client import Client, Deed
from wrpme.daemon.net.redis.multi import Entries
from wrpme.daemon.net.redis.parser import split_arguments
from wrpme.daemon.net.redis.table import begin

NOW = 1_700_000_000_000
"""The time, in milliseconds since 1970."""


class Acted:
    """A client and the entries; ``MULTI`` is for other tests."""

    def __init__(self) -> None:
        self.client = Client(7, "10.0.0.1:1", lambda: NOW)
        self.entries = Entries(NOW)

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
