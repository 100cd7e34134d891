"""The release before and this one: they form a hive, and what one wrote the other reads.

``WRPME_FORMER`` is the directory that has the package ``wrpme`` of the release before; scripts/soak makes one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.system.daemons import ROOT, Daemons, finished, wrpmesh
from wrpme import Client

FORMER = Path(os.environ.get("WRPME_FORMER", ""))
pytestmark = pytest.mark.skipif(not os.environ.get("WRPME_FORMER"), reason="WRPME_FORMER names no release before")
ENTRIES = 100
CLIENT_SECONDS = 30.0
"""A node that was killed is taken for dead meanwhile."""


class Hive(Daemons):
    """Three nodes, of which ``former`` are of the release before; ``contents`` is all that was written."""

    def __init__(self, directory: Path, *former: int) -> None:
        super().__init__(directory, 3)
        self.sources = dict.fromkeys(former, FORMER)
        self.contents: dict[str, bytes] = {}
        self.start_all(range(3))

    def of(self, index: int) -> Path:
        """Where the release of that node is."""
        return self.sources.get(index, ROOT)

    def live(self) -> list[int]:
        """The nodes that run."""
        return sorted(self.processes)

    async def write(self, name: str) -> None:
        """New entries through each node, and changes of all entries so far."""
        for index in self.live():
            new = {f"{name}/{index}/{number}": b"new" for number in range(ENTRIES)}
            changed = dict.fromkeys(self.contents, f"{name}/{index}".encode())
            async with Client([self.addresses[index]], timeout=CLIENT_SECONDS) as client:
                await asyncio.gather(*[client.put(alias, content) for alias, content in new.items()])
                await asyncio.gather(*[client.update(alias, content) for alias, content in changed.items()])
            self.contents |= {**new, **changed}

    async def check(self) -> None:
        """Each node serves all of it, and all copies are the same, for the clients of both releases."""
        for index in self.live():
            address = self.addresses[index]
            async with Client([address], timeout=CLIENT_SECONDS) as client:
                found = await asyncio.gather(*map(client.get, self.contents))
                assert dict(zip(self.contents, found, strict=True)) == self.contents
                assert await client.count() == len(self.contents)
                verified = await client.verify()
                assert (verified.entries, verified.differences) == (len(self.contents), ())
            for source in (FORMER, ROOT):
                self.check_with(source, address)
        self.check_alive()

    def check_with(self, source: Path, address: str) -> None:
        """The same with the shell of that release, which changes something as well."""
        alias = f"shell/{len(self.contents)}"
        lines = f"put {alias} one\ncas {alias} two one\nget {alias}\nverify\nhive_status\n"
        done = finished(wrpmesh("--daemon", address), lines.encode(), self.directory, source)
        self.contents[alias] = b"two"
        assert (done.returncode, done.stderr) == (0, b""), done
        assert done.stdout.startswith(b"one\ntwo\n")
        assert f"{len(self.contents):,} entries" in done.stdout.decode(), done.stdout


def test_the_release_before_is_another_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import wrpme; print(wrpme.__file__)"]
    for source in (FORMER, ROOT):
        done = finished(command, directory=tmp_path, source=source)
        assert Path(done.stdout.decode().strip()) == source / "wrpme" / "__init__.py"


@pytest.mark.asyncio
@pytest.mark.parametrize("former", [(0,), (1, 2)], ids=str)
async def test_they_form_a_hive(former: tuple[int, ...], tmp_path: Path) -> None:
    with Hive(tmp_path, *former) as hive:
        await hive.until_stable()
        await hive.write("begin")
        await hive.check()
        for index in (former[0], next(index for index in range(3) if index not in former)):
            hive.kill(index)
            await hive.write(f"without-{index}")
            hive.start(index)
            await hive.until_stable(3)
            await hive.check()


@pytest.mark.asyncio
async def test_nodes_are_upgraded_one_after_the_other(tmp_path: Path) -> None:
    with Hive(tmp_path, 0, 1, 2) as hive:
        await hive.until_stable()
        await hive.write("begin")
        for index in range(3):
            hive.terminate(index)
            await hive.write(f"without-{index}")
            del hive.sources[index]
            hive.start(index)
            await hive.until_stable(3)
            await hive.check()


@pytest.mark.asyncio
async def test_this_release_starts_with_the_data_of_the_one_before(tmp_path: Path) -> None:
    """After a power loss, that is with all that the release before had no time to put in order."""
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    with Hive(tmp_path, 0, 1, 2) as hive:
        await hive.until_stable()
        await hive.write("begin")
        async with Client(hive.addresses, timeout=CLIENT_SECONDS) as client:
            await client.put("expires", b"tomorrow", until)
        hive.contents["expires"] = b"tomorrow"
        hive.kill(0, 1, 2)
        hive.sources.clear()
        hive.start_all(range(3))
        await hive.until_stable()
        await hive.check()
        async with Client(hive.addresses, timeout=CLIENT_SECONDS) as client:
            assert await client.get_expiry("expires") == until
        await hive.write("after")
        await hive.check()
