"""The file that hive_restore and hive_import read is closed when they end, however that is."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from wrpme import Client, errors
from wrpme.backup.frames import Header
from wrpme.backup.writer import Writer
from wrpme.protocol.ring import RING
from wrpme.shell.backups import restore, save
from wrpme.shell.backups.restore import Restore, Restored, restored
from wrpme.shell.commands import Command

pytestmark = pytest.mark.asyncio
ENTRIES = {b"a": b"1", b"b": b"2"}


class Hive:
    """Of a client that which a restore asks for; what ``failure`` is becomes of each write."""

    def __init__(self, count: int = 0, failure: errors.WrpmeError | None = None) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.asked = asyncio.Event()
        self.hangs = False
        self._count = count
        self._failure = failure
        self._writes: list[tuple[bytes, bytes]] = []

    async def count(self) -> int:
        return self._count

    def batch(self, each: bool) -> Hive:
        assert each
        return self

    def update(self, alias: bytes, content: bytes, expires: float) -> None:
        self._writes.append((alias, content))

    put = update

    async def commit(self) -> list[errors.WrpmeError | None]:
        self.asked.set()
        if self.hangs:
            await asyncio.Event().wait()
        writes, self._writes = self._writes, []
        self.entries.update({} if self._failure else writes)
        return [self._failure] * len(writes)

    async def get_many(self, aliases: list[bytes]) -> list[bytes | None]:
        return [self.entries.get(alias) for alias in aliases]


def backup() -> bytes:
    written = BytesIO()
    writer = Writer(written.write, Header("test", bytes(16), 2, 0, True))
    writer.begin(1, 0, RING - 1)
    for alias, content in ENTRIES.items():
        writer.add(1, alias, 0, bytes(16), len(content), 0, content)
    writer.end(1)
    writer.finish()
    return written.getvalue()


FILES = {"hive_restore": backup(), "hive_import": b"alias,content\r\na,1\r\nb,2\r\n"}


@pytest.fixture(params=FILES)
def command(request: pytest.FixtureRequest, tmp_path: Path) -> Command:
    path = tmp_path / "file"
    path.write_bytes(FILES[request.param])
    return Command(request.param, file=str(path))


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one that a test opens is closed at its end, and whoever was in the middle of it says nothing of that."""
    gc.freeze()  # what the tests before have left is not looked at, which takes half a second
    seen: list[BinaryIO] = []
    said: list[object] = []
    open_one = save._opened

    def remembered(path: str) -> BinaryIO:
        seen.append(open_one(path))
        return seen[-1]

    monkeypatch.setattr(save, "_opened", remembered)
    monkeypatch.setattr(restore, "RESTORE_GROUP_ENTRIES_MAX", 1)
    monkeypatch.setattr(restore, "RESTORE_GROUPS_AT_A_TIME", 1)
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    yield
    assert [file.closed for file in seen] == [True]
    gc.collect()
    assert not said


def restoring(hive: Hive, command: Command) -> Coroutine[Any, Any, Restored]:
    return restored(cast(Client, hive), command, lambda text: None, lambda text: None)


async def test_all_is_well(command: Command) -> None:
    hive = Hive()
    assert (await restoring(hive, command)).compared == 2 and hive.entries == ENTRIES


async def test_the_hive_has_entries(command: Command) -> None:
    with pytest.raises(errors.UsageError, match="nothing was written"):
        await restoring(Hive(count=1), command)


async def test_the_hive_fails(command: Command) -> None:
    with pytest.raises(errors.UnavailableError, match="gone; 0 entries had been written"):
        await restoring(Hive(failure=errors.UnavailableError("gone")), command)


async def test_it_is_interrupted(command: Command) -> None:
    hive = Hive()
    hive.hangs = True
    task = asyncio.create_task(restoring(hive, command))
    await hive.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_file_is_none(command: Command) -> None:
    Path(command.file).write_bytes(FILES[command.name][:-1] + b'"')
    with pytest.raises(errors.BackupError):
        await restoring(Hive(), command)


async def test_the_disk_of_the_file_fails(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Restore) -> Iterator[object]:
        raise OSError(5, "Input/output error")
        yield

    monkeypatch.setattr(Restore, "_groups", failing)
    with pytest.raises(errors.BackupError, match=r"can't be read \(input/output error\); give another file"):
        await restoring(Hive(), command)


async def test_only_checked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(FILES["hive_restore"])
    assert (await save.check_only(str(path), lambda text: None))[0].entries == 2
