"""What an owner does with an entry in one step, asked through every node of a hive, by the clients and by the shell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.system.daemons import ROOT, Daemons, finished, stable_hive, wrpmesh
from wrpme import BlockingClient, Client, errors

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with stable_hive(tmp_path_factory.mktemp("entries"), 2) as daemons:
        yield daemons


async def test_many_add_to_one_counter_through_all_nodes(hive: Daemons) -> None:
    async with Client(hive.addresses[0]) as one, Client(hive.addresses[1]) as other:
        sums = await asyncio.gather(*(client.add("counter", 2) for client in (one, other) for _ in range(100)))
        assert sorted(sums) == list(range(2, 402, 2))
        assert await one.add("counter", -400) == 0 and await one.get("counter") == b"0"
        await one.update("word", b"12 monkeys")
        with pytest.raises(errors.NumberError, match='"word" is no whole number'):
            await other.add("word")
        await one.update("large", b"%d" % (2**63 - 1))
        with pytest.raises(errors.NumberError, match="more than 64 bits"):
            await one.add("large")
        with pytest.raises(errors.UsageError, match="more than 64 bits"):
            await one.add("counter", 2**63)


async def test_parts_of_a_content(hive: Daemons) -> None:
    async with Client(hive.addresses[1]) as client:
        assert await client.append("log", b"one,") == 4
        assert await client.append("log", b"two") == 7
        assert await client.get_range("log", 4) == b"two" and await client.get_range("log", 0, 2) == b"one"
        assert await client.get_range("log", -3, -2) == b"tw" and await client.get_range("log", 9, 12) == b""
        assert await client.set_range("log", 4, b"TWO!") == 8 and await client.get("log") == b"one,TWO!"
        assert await client.set_range("new", 2, b"x") == 3 and await client.get("new") == b"\0\0x"
        with pytest.raises(errors.UsageError, match="the first byte to be written is -1"):
            await client.set_range("log", -1, b"x")
        with pytest.raises(errors.TooLargeError):
            await client.set_range("log", 64 << 20, b"x")
        large = bytes(40 << 20)
        await client.update("large", large)
        assert await client.append("large", b"end") == len(large) + 3
        assert await client.get_range("large", -3) == b"end"
        with pytest.raises(errors.TooLargeError, match="nothing was changed"):
            await client.append("large", large)
        await client.remove("large")


async def test_versions_grow_and_are_compared(hive: Daemons) -> None:
    async with Client(hive.addresses[0]) as client, Client(hive.addresses[1]) as other:
        first = await client.put("lock", b"me")
        assert await other.get_entry("lock") == (b"me", first)
        with pytest.raises(errors.MismatchError, match='there is an entry "lock" already; nothing was changed'):
            await other.cas_version("lock", b"other", 0)
        second = await other.cas_version("lock", b"other", first)
        assert second > first
        with pytest.raises(errors.MismatchError):
            await client.remove_version("lock", first)
        await client.touch("lock")
        content, third = await client.get_entry("lock")
        assert content == b"other" and third > second
        await client.remove_version("lock", third)
        assert not await client.exists("lock")
        fourth = await client.cas_version("lock", b"again", 0)
        assert fourth > third, "also where the entry was removed meanwhile"
        with pytest.raises(errors.NotFoundError):
            await client.cas_version("nothing", b"", third)
        with pytest.raises(errors.UsageError, match="the version is -1"):
            await client.cas_version("lock", b"", -1)


async def test_what_is_added_to_keeps_its_life_span(hive: Daemons) -> None:
    async with Client(hive.addresses[0]) as client:
        await client.add("hits", ttl=3600)
        first = await client.get_expiry("hits")
        assert first is not None and first > datetime.now(UTC) + timedelta(minutes=50)
        await client.add("hits")
        await client.append("hits", b"0")
        await client.touch("hits")
        assert await client.get_expiry("hits") == first and await client.get("hits") == b"20"
        assert await client.get_expire("hits", ttl=7200) == b"20"
        later = await client.get_expiry("hits")
        assert later is not None and later > first
        assert await client.get_expire("hits") == b"20" and await client.get_expiry("hits") is None


async def test_a_scan_gives_all_of_all_owners_in_order(hive: Daemons) -> None:
    async with Client(hive.addresses[0]) as client, Client(hive.addresses[1]) as other:
        wanted = {f"scan/{number:04}": b"%d" % number for number in range(700)} | {"scan/large": bytes(100_000)}
        versions = await asyncio.gather(*(client.put(alias, content) for alias, content in wanted.items()))
        found = [one async for one in other.scan("scan/", contents=True, versions=True)]
        assert {one.alias: one.content for one in found} == wanted
        assert [one.version for one in found] == versions
        assert [one.alias for one in found] == sorted(wanted)
        assert [one.alias async for one in other.scan("scan/", after="scan/0698")] == ["scan/0699", "scan/large"]
        with BlockingClient(hive.addresses[0]) as blocking:
            assert await asyncio.to_thread(lambda: list(blocking.scan("scan/", contents=True, versions=True))) == found


async def test_the_shell_and_the_blocking_client_do_the_same(hive: Daemons) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        done = finished(wrpmesh("--daemon", hive.addresses[0], *words))
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    assert run("add", "n", "41") == (0, "41\n", "") and run("add", "n", "-1") == (0, "40\n", "")
    assert run("append", "n", "x") == (0, "3\n", "") and run("get_range", "n", "-1", "-1") == (0, "x", "")
    code, out, err = run("add", "n", "1")
    assert (code, out) == (1, "") and err.startswith('number: the content of "n" is no whole number of 64 bits')
    assert run("exists", "n") == (0, "yes\n", "") and run("exists", "m") == (1, "no\n", "")
    code, version, _ = run("get_version", "n")
    assert code == 0 and run("cas_version", "n", "7", "5")[2].startswith('mismatch: "n" has another version')
    code, later, _ = run("cas_version", "n", "7", version.strip())
    assert code == 0 and int(later) > int(version)
    with BlockingClient(hive.addresses[1]) as client:
        assert client.get_entry("n") == (b"7", int(later)) and client.add("n", 1) == 8
        assert (
            client.append("n", b"0") == 2 and client.get_range("n", 0) == b"80" and client.set_range("n", 0, b"9") == 2
        )
        assert client.exists("n") and client.get_expire("n", ttl=60) == b"90"
        client.touch("n")
        assert client.update("n", b"1") < client.cas_version("n", b"2", client.get_entry("n").version)
        client.remove_version("n", client.get_entry("n").version)
        assert not client.exists("n")


def examples(page: str) -> list[tuple[str, str, str]]:
    """The heading of each section that has a program and what it prints, and the two."""
    found = []
    for section in (ROOT / "docs" / page).read_text("utf-8").split("\n## ")[1:]:
        blocks = section.split("\n```")
        programs = [at for at, block in enumerate(blocks) if block.startswith("python\n")]
        if programs and len(blocks) > programs[0] + 2 and blocks[programs[0] + 2].startswith("\n"):
            program, printed = (blocks[programs[0] + step].partition("\n")[2] + "\n" for step in (0, 2))
            found.append((f"{page}: {section.splitlines()[0]}", program, printed))
    return found


OF_THE_CLIENT = ("python-client.md: Scans", "python-client.md: Following", "python-client.md: Batches")
EXAMPLES = [*examples("build-on-it.md"), *(one for one in examples("python-client.md") if one[0] in OF_THE_CLIENT)]


@pytest.mark.parametrize(("name", "program", "printed"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
async def test_what_the_documents_build_on_it(hive: Daemons, name: str, program: str, printed: str) -> None:
    program = program.replace("127.0.0.1:5909", hive.addresses[1])
    done = await asyncio.to_thread(finished, [sys.executable, "-c", program])
    assert (done.stdout.decode(), done.stderr.decode()) == (printed, "")
