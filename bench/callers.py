"""Callers of the client library that know what an entry may contain, and count what fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from random import Random
from typing import TypeVar

from wrpme import Client
from wrpme.errors import NotFoundError, WrpmeError

PAUSE_SECONDS = 0.005
R = TypeVar("R")


class Entry:
    """An entry with one writer, who does one thing at a time: it knows what a get may give."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._number = 0
        self._content: bytes | None = None
        self._doubtful: set[bytes] = set()
        """What was written by operations that nobody knows the end of: they may take effect at any later time."""

    def following(self) -> bytes:
        """The content to write next."""
        self._number += 1
        return f"{self.alias} {self._number}".encode()

    def wrote(self, content: bytes, error: WrpmeError | None) -> None:
        """How the write ended: carried out, certainly not, or nobody knows."""
        if error is None:
            self._content = content
        elif not error.not_carried_out:
            self._doubtful.add(content)

    def read(self, content: bytes | None) -> bool:
        """What a get gave, None for no such entry; whether that may be."""
        if content in self._doubtful:
            self._doubtful.remove(content)
            self._content = content
        return content == self._content


class Counts:
    """What callers saw. ``failed`` is by the word of the error, ``indeterminate`` among them."""

    def __init__(self) -> None:
        self.operations = 0
        self.wrong = 0
        self.failed: Counter[str] = Counter()
        self.sentences: list[str] = []

    def __str__(self) -> str:
        words = ", ".join(f"{count} {word}" for word, count in sorted(self.failed.items())) or "0"
        return f"{self.operations} operations, failed: {words}, wrong: {self.wrong}"

    async def attempt(self, entry: Entry, operation: Awaitable[R]) -> tuple[R | None, WrpmeError | None]:
        """Awaits one operation and counts it; "not found" is an answer."""
        self.operations += 1
        try:
            return await operation, None
        except NotFoundError:
            return None, None
        except WrpmeError as error:
            self.failed[error.word] += 1
            self.sentences.append(f"{entry.alias}: {error}")
            return None, error


class Callers:
    """So many callers at a time of one client, each with entries of its own, half gets and half updates.

    They pause a little after each operation: what is looked at is whether operations fail, not how many there are."""

    def __init__(self, client: Client, callers: int, entries: int, seed: int) -> None:
        self.counts = Counts()
        self._client = client
        names = [f"entry:{number}" for number in range(max(entries, callers))]
        self._entries = [[Entry(name) for name in names[caller::callers]] for caller in range(callers)]
        self._random = Random(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._over = False

    def start(self) -> None:
        """They go on until ``stop``, and count from 0."""
        self._over = False
        self.counts = Counts()
        self._tasks = [asyncio.create_task(self._call(entries)) for entries in self._entries]

    async def stop(self) -> Counts:
        """What they have seen since the start; each operation under way comes to its end first."""
        self._over = True
        await asyncio.gather(*self._tasks)
        return self.counts

    async def _call(self, entries: Sequence[Entry]) -> None:
        while not self._over:
            entry = self._random.choice(entries)
            if self._random.random() < 0.5:
                content = entry.following()
                _, error = await self.counts.attempt(entry, self._client.update(entry.alias, content))
                entry.wrote(content, error)
            else:
                content_read, error = await self.counts.attempt(entry, self._client.get(entry.alias))
                if error is None:
                    self.counts.wrong += not entry.read(content_read)
            await asyncio.sleep(PAUSE_SECONDS)
