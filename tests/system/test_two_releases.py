"""The release before and this one: they refuse each other with a sentence, and what one wrote the other reads.

``WRPME_FORMER`` is the directory that has the package ``wrpme`` of the release before; scripts/soak makes one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.system.daemons import ROOT, Daemons, finished, until, wrpmesh
from wrpme import Client

FORMER = Path(os.environ.get("WRPME_FORMER", ""))
pytestmark = pytest.mark.skipif(not os.environ.get("WRPME_FORMER"), reason="WRPME_FORMER names no release before")
ENTRIES = 100


class Hive(Daemons):
    """Nodes, of which ``former`` are of the release before."""

    def __init__(self, directory: Path, count: int, *former: int) -> None:
        super().__init__(directory, count)
        self.sources = dict.fromkeys(former, FORMER)

    def shell(self, source: Path, index: int, lines: str) -> tuple[int, str, str]:
        """What the shell of that release says with these lines, or with the one command, at that node."""
        done = finished(wrpmesh("--daemon", self.addresses[index]), lines.encode(), self.directory, source)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_release_before_is_another_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import wrpme; print(wrpme.__file__)"]
    for source in (FORMER, ROOT):
        done = finished(command, directory=tmp_path, source=source)
        assert Path(done.stdout.decode().strip()) == source / "wrpme" / "__init__.py"


@pytest.mark.asyncio
@pytest.mark.parametrize("former", [0, 1])
async def test_they_refuse_each_other_with_a_sentence(former: int, tmp_path: Path) -> None:
    """The first node founds a hive, and the other one, of the other release, waits and says why; so do the shells."""
    other = 1 - former
    with Hive(tmp_path, 2, former) as hive:
        hive.start_all(range(2))
        theirs, ours = "this node speaks the hive protocol WRPME/2, and you WRPME/1", "an earlier release (WRPME/1)"

        async def told() -> bool:
            logs = [
                path.read_text("utf-8") if (path := tmp_path / f"{at}.log").exists() else "" for at in (former, other)
            ]
            return theirs in logs[0] or ours in logs[1]

        await until("the one that waits says why", told)
        source = ROOT if other == 0 else FORMER
        code, _, error = hive.shell(ROOT, former, "get entry\n")
        assert code == 1 and ours in error and "upgrade it" in error, error
        code, _, error = hive.shell(FORMER, other, "get entry\n")
        assert code == 1 and theirs in error and "upgrade what asked" in error, error
        assert hive.shell(source, 0, "put entry here\nget entry\n") == (0, "here\n", ""), "nothing is lost by it"
        hive.check_alive()


@pytest.mark.asyncio
async def test_this_release_starts_with_the_data_of_the_one_before(tmp_path: Path) -> None:
    """After a power loss, that is with all that the release before had no time to put in order."""
    contents = {f"entry/{{tag}}/{number}": f"content {number}" for number in range(ENTRIES)}
    with Hive(tmp_path, 3, 0, 1, 2) as hive:
        hive.start_all(range(3))
        wait = "wait_stable 60\n"

        async def three() -> bool:
            hive.shell(FORMER, 0, wait)
            return "all 3 nodes are up" in hive.shell(FORMER, 0, "hive_status\n")[1]

        await until("a hive of the release before", three)
        lines = "".join(f"put {alias} {content}\n" for alias, content in contents.items())
        assert hive.shell(FORMER, 0, f"{lines}put expires later\nexpires_at expires 4000000000\n") == (0, "", "")
        hive.kill(0, 1, 2)
        hive.sources.clear()
        hive.start_all(range(3))
        view = await hive.until_stable(3)
        assert not view.tags, "its entries lie where they lay"
        async with Client(hive.addresses) as client:
            found = await asyncio.gather(*map(client.get, contents))
            assert found == [content.encode() for content in contents.values()]
            expiry = await client.get_expiry("expires")
            assert expiry is not None and expiry.timestamp() == 4_000_000_000
            await client.update("entry/{tag}/0", b"new")
            assert await client.count() == ENTRIES + 1 and not (await client.verify()).differences
            assert await client.prefix_get("entry/{tag}/0") == ["entry/{tag}/0"]
