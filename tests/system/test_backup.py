"""hive_backup of a hive that is used, of one that loses a node in the middle, and hive_restore into another one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.system import forked
from tests.system.daemons import Daemons, environment, stable_hive
from wrpme import Client
from wrpme.backup.frames import Header
from wrpme.backup.reader import Reader
from wrpme.backup.writer import Writer
from wrpme.client.backup import BackupProgress
from wrpme.protocol.quoting import text_of

ENTRIES = 3000
LARGE = bytes(range(256)) * (3 << 12)  # 3 MiB: several pages
PADDING = bytes(400)
KEPT = Path(__file__).parents[1] / "backup" / "kept-1.backup"


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with stable_hive(tmp_path_factory.mktemp("backup"), 3) as daemons:
        asyncio.run(_fill(daemons.addresses))
        yield daemons


async def _fill(addresses: list[str]) -> None:
    async with Client(addresses) as client:
        await client.update_many({f"key:{number}": b"%d" % number + PADDING for number in range(ENTRIES)})
        await client.update("large", LARGE)
        await client.update("empty", b"")
        await client.update("short", b"", ttl=3600.0)
        await client.update(b"\xff\r\n", b"\0")


async def _all(addresses: list[str]) -> dict[str, tuple[bytes, object]]:
    async with Client(addresses) as client:
        aliases = [entry.alias async for entry in client.scan()]
        contents = await client.get_many(aliases)
        ends = [await client.get_expiry(alias) if not str(alias).startswith("key:") else None for alias in aliases]
    return {
        alias: (content, end)
        for alias, content, end in zip(aliases, contents, ends, strict=True)
        if content is not None
    }


def wrpmesh(hive: Daemons, *words: str, given: bytes = b"") -> tuple[int, str, str]:
    done = forked.wrpmesh(
        "--daemon", hive.addresses[0], *words, directory=hive.directory, values=environment(), given=given
    )
    return done.returncode, done.stdout.decode("utf-8", "replace").strip(), done.stderr.decode()


def test_what_is_saved_is_restored_elsewhere_and_may_be_restored_again(hive: Daemons, tmp_path: Path) -> None:
    file = tmp_path / "hive.backup"
    code, out, _ = wrpmesh(hive, "hive_backup", str(file))
    assert code == 0 and out.startswith(f"{ENTRIES + 4:,} entries with ") and f"saved to {file}" in out
    assert not list(tmp_path.glob("*.part"))
    code, out, _ = wrpmesh(hive, "hive_backup", "--check", str(file))
    assert code == 0 and f"{file} is whole: {ENTRIES + 4:,} entries" in out
    before = asyncio.run(_all(hive.addresses))
    with stable_hive(tmp_path, 1) as other:
        code, out, _ = wrpmesh(other, "hive_restore", str(file))
        whole = f"compared: all {ENTRIES + 4:,} are as in the file"
        assert (code, out) == (0, f"{ENTRIES + 4:,} entries written; {whole}")
        assert asyncio.run(_all(other.addresses)) == before
        code, _, said = wrpmesh(other, "hive_restore", str(file))
        assert code == 2 and "nothing was written: with --keep" in said
        assert wrpmesh(other, "update", "key:7", "mine")[0] == 0
        code, out, _ = wrpmesh(other, "hive_restore", "--json", "--keep", str(file))
        assert code == 0 and json.loads(out)["kept"] == ENTRIES + 4
        assert wrpmesh(other, "get", "key:7")[1] == "mine"
        code, out, _ = wrpmesh(other, "hive_restore", "--replace", str(file))
        assert code == 0 and asyncio.run(_all(other.addresses)) == before


def test_a_backup_goes_through_pipes(hive: Daemons) -> None:
    done = forked.wrpmesh(
        "--daemon", hive.addresses[1], "hive_backup", "-", directory=hive.directory, values=environment()
    )
    assert done.returncode == 0 and b"saved to standard output" in done.stderr
    assert Reader(BytesIO(done.stdout), "standard output").check().entries == ENTRIES + 4
    code, out, _ = wrpmesh(hive, "hive_backup", "--check", "-", given=KEPT.read_bytes())
    assert code == 0 and "standard input is whole" in out


@pytest.mark.parametrize("form", [(), ("--csv",)])
def test_text_goes_out_and_comes_back(hive: Daemons, tmp_path: Path, form: tuple[str, ...]) -> None:
    file = tmp_path / "hive.txt"
    code, out, _ = wrpmesh(hive, "hive_export", *form, str(file))
    assert code == 0 and out.startswith(f"{ENTRIES + 4:,} entries with ") and f"written to {file} as" in out
    before = asyncio.run(_all(hive.addresses))
    with stable_hive(tmp_path, 1) as other:
        code, out, _ = wrpmesh(other, "hive_import", str(file), "key:1")
        some = sum(alias.startswith("key:1") for alias in before)
        assert (code, out) == (0, f"{some:,} entries written; compared: all {some:,} are as in the file")
        code, _, said = wrpmesh(other, "hive_import", str(file))
        assert code == 2 and "with --keep" in said
        code, out, _ = wrpmesh(other, "hive_import", "--keep", str(file))
        assert code == 0 and f"{some:,} kept as they were" in out
        assert asyncio.run(_all(other.addresses)) == before
        file.write_bytes(file.read_bytes()[:-5] + b'"')
        code, out, said = wrpmesh(other, "hive_import", "--replace", str(file))
        assert code == 1 and not out and f"of {file} is none" in said and "Traceback" not in said


@pytest.mark.parametrize("change", ["cut", "altered", "foreign", "empty"])
def test_what_is_no_whole_backup_is_not_restored(hive: Daemons, tmp_path: Path, change: str) -> None:
    file = tmp_path / "wrong"
    data = bytearray(KEPT.read_bytes())
    data[len(data) // 2] ^= change == "altered"
    wrong = {"cut": data[:-9], "altered": data, "foreign": bytearray(b"#!/bin/sh\n"), "empty": bytearray()}
    file.write_bytes(wrong[change])
    for words in (("hive_restore", "--replace"), ("hive_backup", "--check")):
        code, out, said = wrpmesh(hive, *words, str(file))
        assert code == 1 and not out and said.splitlines()[-1].startswith(f"backup: {file} is ")
        assert "Traceback" not in said


def test_where_there_is_no_room_there_is_no_half_backup(hive: Daemons, tmp_path: Path) -> None:
    for place, reason in (
        ("/dev/full", "no space left"),
        (str(tmp_path / "no" / "where"), "no such"),
        ("/", "is a dir"),
    ):
        code, out, said = wrpmesh(hive, "hive_backup", place)
        assert code == 1 and not out and f"backup: {place} can't be written ({reason}" in said.splitlines()[-1]
    former = tmp_path / "former"
    former.write_bytes(b"a former backup")
    hive_gone = ("--daemon", "127.0.0.1:1", "hive_backup", str(former))
    done = forked.wrpmesh(*hive_gone, directory=tmp_path, values=environment())
    assert done.returncode == 1 and former.read_bytes() == b"a former backup"
    assert [found.name for found in tmp_path.iterdir()] == ["former"]


class Killing:
    """Takes sections, and has the owner of the large entry killed when a part of that is there."""

    def __init__(self, hive: Daemons, owner: int, written: BytesIO) -> None:
        self.hive = hive
        self.owner = owner
        self.voided = 0
        self.killed = False
        self._writer = Writer(written.write, Header("test", bytes(16), 2, 0, True))
        self.begin, self.end, self.finish = self._writer.begin, self._writer.end, self._writer.finish

    def add(self, section: int, alias: bytes, *entry: Any) -> None:
        self._writer.add(section, alias, *entry)
        if alias == b"large" and not self.killed:
            self.killed = True
            self.hive.kill(self.owner)

    def void(self, section: int) -> None:
        self.voided += 1
        self._writer.void(section)

    async def room(self) -> None:
        """There is."""


def test_a_node_may_die_in_the_middle(tmp_path: Path) -> None:
    async def run(hive: Daemons) -> tuple[BytesIO, Killing, BackupProgress, dict[str, tuple[bytes, object]]]:
        await _fill(hive.addresses)
        written, before = BytesIO(), await _all(hive.addresses)
        async with Client(hive.addresses, timeout=30.0) as client:
            owner = (await client.locate("large")).owner
            assert owner is not None
            sections = Killing(hive, hive.addresses.index(owner.address), written)
            progress = await client.backup(sections)
        sections.finish()
        return written, sections, progress, before

    with stable_hive(tmp_path, 3) as hive:
        written, sections, progress, before = asyncio.run(run(hive))
    assert sections.killed and sections.voided
    reader = Reader(written, "it")
    counts = reader.check()
    assert (counts.entries, counts.size_bytes) == (progress.entries, progress.size_bytes)
    assert progress.share == pytest.approx(1.0)
    found = {entry.alias: entry for entry in reader.entries()}
    assert len(found) == counts.entries == len(before)
    for alias, entry in found.items():
        assert before[text_of(alias)][0] == entry.content
