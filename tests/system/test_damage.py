"""A data directory that is damaged: it is set aside and the node joins its hive anew, unless it is alone."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.daemons import PATIENCE_SECONDS, Daemons, until
from wrpme import Client, WrpmeError
from wrpme.daemon.storage import rejoin
from wrpme.errors import NotFoundError, UnavailableError
from wrpme.protocol.view import State, View

pytestmark = pytest.mark.asyncio

ENTRIES = 400
CONTENT_BYTES = 500


def directory_of(hive: Daemons, index: int) -> Path:
    return hive.directory / "db" / hive.addresses[index].replace(":", "-")


def flip(path: Path, upto: float = 1.0) -> None:
    """Many bytes, from a twentieth of the file on, up to that part of it."""
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 20, int(len(content) * upto), 64):
        content[at] ^= 0x55
    path.write_bytes(content)


def spoil_log(directory: Path) -> None:
    """Whole records follow, so that no power loss can have left it like this."""
    flip(max(directory.glob("*.log"), key=lambda path: path.stat().st_size), upto=0.8)


def flip_one_write(directory: Path) -> None:
    """A few bytes in the middle of the log."""
    log = max(directory.glob("*.log"), key=lambda path: path.stat().st_size)
    content = bytearray(log.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(byte ^ 0x55 for byte in content[middle : middle + 8])
    log.write_bytes(content)


def spoil_manifest(directory: Path) -> None:
    flip(next(directory.glob("MANIFEST-*")))


def lose_current(directory: Path) -> None:
    (directory / "CURRENT").unlink()


def members_at(view: View, address: str) -> list[State]:
    return sorted(member.state for member in view.members if member.address == address)


async def fill(client: Client) -> dict[str, bytes]:
    contents = {f"entry/{number}": os.urandom(CONTENT_BYTES) for number in range(ENTRIES)}
    entries = list(contents.items())
    for first in range(0, ENTRIES, ENTRIES // 4):
        # A node may have one batch of all that comes at once, and in the last one damage is taken for a torn write.
        await asyncio.gather(*(client.put(*entry) for entry in entries[first : first + ENTRIES // 4]))
    return contents


async def filled(hive: Daemons) -> dict[str, bytes]:
    """What is in the hive, once all that were started are in it."""
    await hive.until_stable()
    async with Client(hive.addresses, timeout=10.0) as client:
        return await fill(client)


async def until_joined_again(client: Client, address: str) -> View:
    async def attempt() -> View | None:
        view = (await client.hive_status()).view
        return view if members_at(view, address) == [State.UP, State.DOWN] else None

    return await until("the damaged node is a member anew", attempt)


async def check_nothing_wrong(client: Client, contents: dict[str, bytes]) -> int:
    """Each entry is as it was, or unavailable; how many are there."""
    there = 0
    for alias, content in contents.items():
        try:
            assert await client.get(alias) == content
            there += 1
        except UnavailableError:
            pass
    return there


def log_of(hive: Daemons, index: int) -> str:
    return (hive.directory / f"{index}.log").read_text()


@pytest.mark.parametrize(
    ("damage", "index"),
    [(spoil_log, 0), (spoil_manifest, 1), (lose_current, 0)],
    ids=["log of the founder", "manifest of another", "CURRENT of the founder"],
)
async def test_a_damaged_node_joins_anew(tmp_path: Path, damage: Callable[[Path], None], index: int) -> None:
    with Daemons(tmp_path, 3, "--replication", "1") as hive:
        hive.start_all(range(3))
        contents = await filled(hive)
        directory = directory_of(hive, index)
        home = rejoin.read(str(directory))
        assert home is not None
        assert sorted(home.others) == sorted(hive.addresses[:index] + hive.addresses[index + 1 :])
        hive.terminate(index)
        damage(directory)
        files = sorted(os.listdir(directory))
        hive.start(index)
        async with Client([address for at, address in enumerate(hive.addresses) if at != index]) as client:
            view = await until_joined_again(client, hive.addresses[index])
            assert len(view.members) == 4, "the hive is the same, and the node is another"
            there = await check_nothing_wrong(client, contents)
            assert ENTRIES / 3 < there < ENTRIES, "with one copy the entries of the damaged node are unavailable"
        hive.check_alive()
        kept = directory.with_name(directory.name + ".damaged-1")
        assert set(files) - {"LOCK", "LOG"} <= set(os.listdir(kept)), "nothing of it is lost"
        (line,) = (line for line in log_of(hive, index).splitlines() if "was set aside as" in line)
        assert str(kept) in line and " ERROR " in line
        assert log_of(hive, index).count("founding hive") == (1 if index == 0 else 0)


async def test_what_has_another_copy_is_served_all_the_time(tmp_path: Path) -> None:
    with Daemons(tmp_path, 3, "--replication", "2") as hive:
        hive.start_all(range(3))
        contents = await filled(hive)
        hive.terminate(1)
        spoil_log(directory_of(hive, 1))
        hive.start(1)
        async with Client(hive.addresses, timeout=10.0) as client:
            await until_joined_again(client, hive.addresses[1])
            assert await check_nothing_wrong(client, contents) == ENTRIES
        hive.check_alive()
        assert "was set aside as" in log_of(hive, 1)
        assert "founding hive" not in log_of(hive, 1)


async def test_a_node_whose_file_is_damaged_while_it_runs(tmp_path: Path) -> None:
    """Each block of a table is checked when it is read, so a start may well go well. The blocks at the end, filter and
    index, are checked when the table is opened, and LevelDB does not look at them again."""

    with Daemons(tmp_path, 2, "--replication", "1") as hive:
        hive.start_all(range(2))
        contents = await filled(hive)
        hive.kill(0, 1)  # a start makes a table of the log
        hive.start_all(range(2))
        await hive.until_stable(2)
        for table in directory_of(hive, 1).glob("*.ldb"):
            flip(table, upto=0.9)
        async with Client(hive.addresses, timeout=1.0) as client:
            aliases = list(contents)
            random.Random(1).shuffle(aliases)

            async def noticed() -> bool:
                for alias in aliases:
                    try:
                        assert await client.get(alias) == contents[alias]
                    except WrpmeError:
                        break
                return "was set aside as" in log_of(hive, 1)

            await until("the damage is noticed", noticed)
        async with Client(hive.addresses[:1], timeout=5.0) as client:
            await until_joined_again(client, hive.addresses[1])
            await check_nothing_wrong(client, contents)
        hive.check_alive()


async def test_a_node_that_is_alone_changes_nothing(tmp_path: Path) -> None:
    with Daemons(tmp_path, 1) as hive:
        hive.start(0)
        await hive.until_stable(1)
        async with Client(hive.addresses) as client:
            await client.put("entry", b"content" * 1000)
        hive.terminate(0)
        directory = directory_of(hive, 0)
        spoil_log(directory)
        contents = {path.name: path.read_bytes() for path in directory.iterdir() if path.name not in ("LOCK", "LOG")}
        hive.start(0)
        assert hive.processes.pop(0).wait(PATIENCE_SECONDS) == 1
        (line,) = (tmp_path / "0.err").read_text().splitlines()
        assert line.startswith("wrpmed: the data directory") and "is damaged" in line
        assert "nothing was changed there" in line
        assert os.listdir(tmp_path / "db") == [directory.name]
        assert {name: (directory / name).read_bytes() for name in contents} == contents


async def until_it_waits(hive: Daemons, starts: int) -> None:
    async def waits() -> bool:
        return log_of(hive, 0).count(f"waiting for a hive at {hive.addresses[1]}") >= starts

    await until("it waits", waits)


async def test_one_that_was_set_aside_never_founds_a_hive(tmp_path: Path) -> None:
    """All others are down: it waits for them, also after another start."""

    with Daemons(tmp_path, 2, "--replication", "1") as hive:
        hive.start_all(range(2))
        await hive.until_stable(2)
        hive.kill(0, 1)
        lose_current(directory_of(hive, 0))
        for starts in (1, 2):
            hive.start(0)
            await until_it_waits(hive, starts)
            hive.terminate(0)
        assert log_of(hive, 0).count("founding hive") == 1
        assert log_of(hive, 0).count("was set aside as") == 1


BINDING = "plyvel_next" if sys.version_info >= (3, 12) else "plyvel"
MEND = f"import sys, {BINDING} as plyvel; plyvel.DB(sys.argv[1]).close()"
"""As docs/troubleshooting.md says."""


async def test_where_all_are_damaged(tmp_path: Path) -> None:
    """They wait for each other, and say how to go on; that is tried."""

    async def after(hive: Daemons, contents: dict[str, bytes]) -> int:
        await hive.until_stable(3)
        async with Client(hive.addresses, timeout=10.0) as client:
            held = await asyncio.gather(*(client.get(alias) for alias in contents), return_exceptions=True)
        for alias, found in zip(contents, held, strict=True):
            assert isinstance(found, NotFoundError) or found == contents[alias]
        return sum(isinstance(found, bytes) for found in held)

    with Daemons(tmp_path, 3, "--replication", "3") as hive:
        hive.start_all(range(3))
        contents = await filled(hive)
        hive.kill(0, 1, 2)
        for index in range(3):
            flip_one_write(directory_of(hive, index))
        hive.start_all(range(3))

        async def wait() -> bool:
            return all("if they all run and wait too" in log_of(hive, index) for index in range(3))

        await until("all say that they wait", wait)
        hive.terminate(0, 1, 2)
        for index in range(3):
            directory = directory_of(hive, index)
            directory.rename(f"{directory}.empty")
            Path(f"{directory}.damaged-1").rename(directory)
            subprocess.run([sys.executable, "-c", MEND, str(directory)], check=True)
        hive.start_all(range(3))
        assert await after(hive, contents) > ENTRIES / 2, "what the damaged part held may be lost, no more"
        hive.check_alive()
