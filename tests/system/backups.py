"""A client that takes backups in the middle of all faults. It judges what they have, and what a hive has into which the
last one was restored."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from tests.sim.linear import Operation
from tests.sim.serial import Step, Together
from tests.system.callers import NAMES, Transactions
from wrpme import Client, errors
from wrpme.backup.frames import Header
from wrpme.backup.reader import Reader
from wrpme.backup.writer import Writer
from wrpme.protocol.quoting import bytes_of, text_of

if TYPE_CHECKING:
    from tests.system.clients import Load

PAUSE_SECONDS = 5.0


class Sections:
    """Those of a backup in memory."""

    def __init__(self, writer: Writer) -> None:
        self.begin, self.add, self.end, self.void = writer.begin, writer.add, writer.end, writer.void

    async def room(self) -> None:
        """There is."""


class Taken(NamedTuple):
    """A whole backup, and what is known of when it was taken."""

    file: bytes
    before: list[str]
    """What was acknowledged before it began, of the set."""
    keys: list[str]
    tags: list[str]
    call: int
    back: int


class Backups:
    """What a whole backup has was there at some moment of it, each entry with its content of then, and entries of one
    tag as of the same moment: so it is one more operation in the histories of all entries. Of the set it has all that
    was acknowledged before it began."""

    def __init__(self, load: Load, transactions: Transactions) -> None:
        self._load = load
        self._transactions = transactions
        self.wrong: list[str] = []
        self._last: Taken | None = None

    async def call(self) -> None:
        """One client, until the load is stopped."""
        load = self._load
        async with load.client() as client:
            while not load.stopped.is_set():
                written = BytesIO()
                writer = Writer(written.write, Header("nemesis", bytes(16), 0, 0, True))
                before, keys = list(load.acknowledged), [alias for alias in load.histories if alias.startswith("key-")]
                tags, call = list(self._transactions.histories), next(load.moments)
                try:
                    await client.backup(Sections(writer))
                except errors.WrpmeError as error:
                    load.outcomes[f"backup {error.word}"] += 1
                else:
                    load.outcomes["backup ok"] += 1
                    writer.finish()
                    self._last = Taken(written.getvalue(), before, keys, tags, call, next(load.moments))
                    self._read(self._last)
                with suppress(TimeoutError):  # the end of the load does not wait for this
                    await asyncio.wait_for(load.stopped.wait(), load.random.random() * 2 * PAUSE_SECONDS)

    @property
    def last(self) -> bytes:
        """The last one that was whole; nothing if there was none."""
        return self._last.file if self._last is not None else b""

    async def judge_restored(self, address: str) -> None:
        """The hive at that address, into which the last backup was restored, has what the backup has."""
        if self._last is None:
            self.wrong.append("no backup was whole in the whole run")
            return
        async with Client([address], tls=self._load.tls) as client:
            found = {entry.alias: entry.content or b"" async for entry in client.scan("", contents=True)}
        self._judge(self._last, found, "the hive into which a backup was restored")

    def _read(self, taken: Taken) -> None:
        try:
            reader = Reader(BytesIO(taken.file), "the backup")
            counts = reader.check()
            found = {text_of(entry.alias): entry.content for entry in reader.entries()}
        except errors.BackupError as error:
            self.wrong.append(error.sentence)
            return
        if len(found) != counts.entries:
            self.wrong.append(f"a backup has {counts.entries - len(found)} entries twice")
        self._judge(taken, found, "a backup")

    def _judge(self, taken: Taken, found: dict[str, bytes], who: str) -> None:
        before = taken.before
        lacks = [alias for alias in before if found.get(alias) != bytes_of(alias)]
        if lacks:
            self.wrong.append(
                f"{who} has {len(lacks)} of {len(before)} acknowledged entries not or otherwise: {lacks[:3]}"
            )
        for alias in taken.keys:
            given = found.get(alias)
            result = "not_found" if given is None else "ok"
            self._load.histories[alias].append(Operation("get", taken.call, taken.back, result, given=given))
        for tag in taken.tags:
            self._note_tag(tag, found, taken.call, taken.back)

    def _note_tag(self, tag: str, found: dict[str, bytes], call: int, back: int) -> None:
        """Of what is not there it is told that it does not exist."""
        names = [tag + name for name in NAMES]
        steps = tuple(Step("get" if alias in found else "exists", alias) for alias in names)
        told = tuple(found.get(alias, 0) for alias in names)
        self._transactions.histories[tag].append(Together(steps, call, back, told))
