"""A client that takes backups in the middle of all faults, and judges what they have."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import TYPE_CHECKING

from tests.sim.linear import Operation
from tests.sim.serial import Step, Together
from tests.system.callers import NAMES, Transactions
from wrpme import errors
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


class Backups:
    """What a whole backup has was there at some moment of it, each entry with its content of then, and entries of one
    tag as of the same moment: so it is one more operation in the histories of all entries. Of the set it has all that
    was acknowledged before it began."""

    def __init__(self, load: Load, transactions: Transactions) -> None:
        self._load = load
        self._transactions = transactions
        self.wrong: list[str] = []

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
                    self._judge(written, before, keys, tags, call)
                await asyncio.sleep(load.random.random() * 2 * PAUSE_SECONDS)

    def _judge(self, written: BytesIO, before: list[str], keys: list[str], tags: list[str], call: int) -> None:
        load, back = self._load, next(self._load.moments)
        try:
            reader = Reader(written, "the backup")
            counts = reader.check()
            found = {text_of(entry.alias): entry.content for entry in reader.entries()}
        except errors.BackupError as error:
            self.wrong.append(error.sentence)
            return
        if len(found) != counts.entries:
            self.wrong.append(f"a backup has {counts.entries - len(found)} entries twice")
        lacks = [alias for alias in before if found.get(alias) != bytes_of(alias)]
        if lacks:
            self.wrong.append(
                f"a backup has {len(lacks)} of {len(before)} acknowledged entries not or otherwise: {lacks[:3]}"
            )
        for alias in keys:
            given = found.get(alias)
            result = "not_found" if given is None else "ok"
            load.histories[alias].append(Operation("get", call, back, result, given=given))
        for tag in tags:
            self._note_tag(tag, found, call, back)

    def _note_tag(self, tag: str, found: dict[str, bytes], call: int, back: int) -> None:
        """Of what is not there it is told that it does not exist."""
        names = [tag + name for name in NAMES]
        steps = tuple(Step("get" if alias in found else "exists", alias) for alias in names)
        told = tuple(found.get(alias, 0) for alias in names)
        self._transactions.histories[tag].append(Together(steps, call, back, told))
