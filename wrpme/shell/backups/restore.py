"""``hive_restore``: the entries of a backup file into a hive of any size, which are then compared with the file.

To give it again does no harm: what is there already is written anew, or kept, as the operator says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from time import monotonic, time
from typing import Any, Protocol

from msgspec import Struct, field

from wrpme import errors
from wrpme.backup.frames import SavedEntry
from wrpme.client.client import Client
from wrpme.protocol.quoting import named
from wrpme.shell.backups.save import checked, reading
from wrpme.shell.backups.text import checked_text
from wrpme.shell.commands import Command
from wrpme.shell.format import entries_text, span_text
from wrpme.shell.limits import (
    IMPORT_EXAMPLES_MAX, IMPORT_WRITES_MAX, RESTORE_GROUP_BYTES_MAX, RESTORE_GROUP_ENTRIES_MAX,
    RESTORE_GROUPS_AT_A_TIME,
)  # fmt: skip

Group = list[SavedEntry]


class Restored(Struct):
    """What came of a restore."""

    written: int = 0
    kept: int = 0
    """Entries that were there, and stayed as they were."""
    expired: int = 0
    compared: int = 0
    differing: int = 0
    """Entries that are not as in the file after all: missing, or with another content."""
    examples: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it in a line."""
        told = [f"{entries_text(self.written)} written"]
        if self.kept:
            told.append(f"{self.kept:,} kept as they were")
        if self.expired:
            told.append(f"{self.expired:,} had expired")
        if not self.compared:
            return "; ".join(told)
        if self.differing:
            names = ", ".join(self.examples)
            how = "are not as in the file, as somebody else changed them, or they are lost"
            told.append(f"compared: {self.differing:,} of {self.compared:,} {how}: {names}")
        else:
            told.append(f"compared: all {self.compared:,} are as in the file")
        return "; ".join(told)

    @property
    def json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {name: getattr(self, name) for name in ("written", "kept", "expired", "compared", "differing")}


class Source(Protocol):
    """What has entries, which may be read several times."""

    def entries(self) -> Iterator[SavedEntry]:
        """Yields all of them."""


class Restore:
    """One restore of the ``total`` entries of a file that was checked, by that ``command``: those that begin with
    ``prefix``. With ``keep`` an entry that is there stays."""

    def __init__(
        self,
        client: Client,
        source: Source,
        total: int,
        keep: bool,
        progress: Callable[[str], None],
        command: str,
        prefix: bytes = b"",
    ) -> None:
        self._command = command
        self._prefix = prefix
        self._client = client
        self._source = source
        self._total = total
        self._keep = keep
        self._progress = progress
        self._done = 0
        self._begun = monotonic()
        self._kept: set[bytes] = set()
        self.told = Restored()

    async def run(self) -> Restored:
        """Writes all, then compares all.

        Raises:
            WrpmeError: The hive does not take an entry, or can't be read. What has been written stays.
        """
        try:
            await self._each_group("writing", self._write)
            await self._each_group("comparing", self._compare)
        except errors.WrpmeError as error:
            done = f"{entries_text(self.told.written)} had been written"
            again = f"give {self._command} again with --replace or --keep to go on"
            raise type(error)(f"{error.sentence}; {done}, {again}") from None
        return self.told

    async def _each_group(self, what: str, do: Callable[[Group], Awaitable[None]]) -> None:
        """Several at a time; the next one is read of the file when one is done."""
        self._done, self._begun = 0, monotonic()
        groups = self._groups()

        async def work() -> None:
            for group in groups:  # shared: each takes the next one
                await do(group)
                self._done += len(group)
                self._progress(self._text(what))

        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(_unwrapped(work())) for _ in range(RESTORE_GROUPS_AT_A_TIME)]
        for worker in workers:
            if (failure := worker.result()) is not None:
                raise failure

    def _groups(self) -> Iterator[Group]:
        group: Group = []
        size = 0
        for entry in self._source.entries():
            if not entry.alias.startswith(self._prefix):
                continue
            group.append(entry)
            size += len(entry.alias) + len(entry.content)
            if len(group) >= RESTORE_GROUP_ENTRIES_MAX or size >= RESTORE_GROUP_BYTES_MAX:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _living(self, group: Sequence[SavedEntry]) -> Group:
        now = time() * 1000
        return [entry for entry in group if not 0 < entry.expiry <= now]

    async def _write(self, group: Group) -> None:
        """One of which nobody knows whether it was written is written again."""
        living, told = self._living(group), self.told
        told.expired += len(group) - len(living)
        for attempt in range(1, IMPORT_WRITES_MAX + 1):
            batch = self._client.batch(each=True)
            for entry in living:
                write = batch.put if self._keep else batch.update
                write(entry.alias, entry.content, expires=entry.expiry / 1000)
            unsure: Group = []
            for entry, outcome in zip(living, await batch.commit(), strict=True):
                if isinstance(outcome, errors.IndeterminateError) and attempt < IMPORT_WRITES_MAX:
                    unsure.append(entry)
                elif isinstance(outcome, errors.AlreadyExistsError):
                    told.kept += 1
                    self._kept.add(entry.alias)
                elif isinstance(outcome, errors.WrpmeError):
                    raise outcome
                else:
                    told.written += 1
            if not unsure:
                return
            living = unsure

    async def _compare(self, group: Group) -> None:
        """Not what was kept: that may be anything."""
        living, told = [entry for entry in self._living(group) if entry.alias not in self._kept], self.told
        for entry, content in zip(living, await self._client.get_many([e.alias for e in living]), strict=True):
            told.compared += 1
            if content != entry.content and self._living([entry]):
                told.differing += 1
                if len(told.examples) < IMPORT_EXAMPLES_MAX:
                    told.examples.append(named(entry.alias))

    def _text(self, what: str) -> str:
        seconds = monotonic() - self._begun
        text = f"{what} {self._done:,} of {entries_text(self._total)}"
        if not self._done or seconds <= 0:
            return text
        left = max(0, self._total - self._done) * seconds / self._done
        return f"{text}, {self._done / seconds:,.0f} a second, {span_text(left)} left"


async def _unwrapped(work: Awaitable[None]) -> errors.WrpmeError | OSError | None:
    """Returns the failure of a worker, of the hive or of the file: the others end what they are at."""
    try:
        await work
    except (errors.WrpmeError, OSError) as error:
        return error
    return None


async def restored(
    client: Client, command: Command, progress: Callable[[str], None], checking: Callable[[str], None]
) -> Restored:
    """Writes all entries of a backup, or of a text of entries, into the hive, and compares them; ``checking`` is called
    in another thread.

    Raises:
        WrpmeError: The file is no whole one, and nothing was written; or the hive has entries, and nobody said what is
            to become of them; or it does not do what is asked of it.
    """
    source: Source
    async with reading(command.file) as file:
        if command.name == "hive_restore":
            source, counts, _ = await asyncio.to_thread(checked, file, command.file, checking)
        else:
            source, counts = await asyncio.to_thread(checked_text, file, command.file, checking)
        if not (command.replace or command.keep) and (there := await client.count()):
            raise errors.UsageError(
                f"the hive has {entries_text(there)} already; nothing was written: with --keep they stay as they are "
                "where the file has the same alias, with --replace they become as in the file"
            )
        restore = Restore(client, source, counts.entries, command.keep, progress, command.name, command.prefix)
        return await restore.run()
