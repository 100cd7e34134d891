"""Following entries of real daemons: over the death of an owner, by many at once, and by one that does not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.system.daemons import Daemons, until
from wrpme import Client
from wrpme.client.follow.follower import Change, Follower

NODES = 3
PATIENCE_SECONDS = 40.0
FOLLOWERS = 1000
HELD_BYTES_MAX = 24 * 1024 * 1024
"""More than the systems on both sides keep for a connection that is not read."""


class Story:
    """What a follower was told, and the state that this makes."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.told: list[Change] = []
        self.state: dict[str, bytes | None] = {}
        self._news = asyncio.Condition()

    async def read(self) -> None:
        async for change in self.follower:
            async with self._news:
                self.take(change)
                self._news.notify_all()

    def take(self, change: Change) -> None:
        self.told.append(change)
        if change.kind in ("removed", "expired"):
            assert change.alias in self.state, f"{change} of an entry that was not told of"
            del self.state[change.alias]
        elif change.alias:
            assert (change.kind == "replaced") is (change.alias in self.state), change
            self.state[change.alias] = change.content

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        async with self._news:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._news.wait_for(condition)
            except TimeoutError:
                told = [(change.kind, change.alias, change.reason) for change in self.told[-20:]]
                raise AssertionError(f"still not: {what}; told {told}") from None

    def kinds(self) -> list[str]:
        return [change.kind for change in self.told]


async def write(update: Callable[[str, bytes], Awaitable[int]], alias: str, content: bytes) -> None:
    """Until it is acknowledged: it may do so twice."""

    async def attempt() -> bool:
        await update(alias, content)
        return True

    await until(f"{alias} is written", attempt)


@asynccontextmanager
async def story_of(client: Client, prefix: str) -> AsyncIterator[Story]:
    story = Story(client.follow(prefix, contents=True))
    reading = asyncio.create_task(story.read())
    try:
        await story.until(lambda: "synchronized" in story.kinds(), "synchronized")
        yield story
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await story.follower.aclose()


@pytest.mark.asyncio
async def test_a_follower_misses_nothing_when_an_owner_is_killed(tmp_path: Path) -> None:
    with Daemons(tmp_path, NODES, "--replication", "2", "--transient") as daemons:
        daemons.start_all(range(NODES))
        await daemons.until_stable()
        async with Client(daemons.addresses, timeout=20) as client:
            for number in range(20):
                await client.put(f"f/{number}", b"0")
            await client.put("other", b"")
            async with story_of(client, "f/") as story:
                assert story.kinds() == ["present"] * 20 + ["synchronized"]
                version = await client.update("f/1", b"1")
                await client.remove("f/2")
                await client.put("f/new", b"new")
                await client.update("f/3", bytes(100_000))
                await client.update("f/4", b"4", ttl=0.2)
                await story.until(lambda: "expired" in story.kinds(), "an entry that expires")
                assert story.told[21] == Change("replaced", "f/1", version, b"1")
                assert (story.told[22].kind, story.told[22].alias) == ("removed", "f/2")
                assert story.told[23].kind == "put" and story.told[-1].alias == "f/4"
                await story.until(lambda: story.state["f/3"] == bytes(100_000), "a large content")

                owner = (await client.locate("f/5")).owner
                assert owner is not None
                daemons.kill(daemons.addresses.index(owner.address))
                for number in range(5, 20):
                    await write(client.update, f"f/{number}", b"after")
                await client.remove("f/6")
                found = {one.alias: one.content async for one in client.scan("f/", contents=True)}
                await story.until(lambda: story.state == found, "what there is")
                await story.until(lambda: "resynchronized" in story.kinds(), "resynchronized")
                assert not [change for change in story.told if change.alias == "other"]
        daemons.check_alive()


@pytest.mark.asyncio
async def test_a_thousand_follow_one_prefix(tmp_path: Path) -> None:
    with Daemons(tmp_path, 1, "--transient") as daemons:
        daemons.start(0)
        await daemons.until_stable()
        async with Client(daemons.addresses, timeout=30) as client:
            stories = [Story(client.follow("f/", contents=True)) for _ in range(FOLLOWERS)]
            readings = [asyncio.create_task(story.read()) for story in stories]
            for story in stories:
                await story.until(lambda story=story: "synchronized" in story.kinds(), "synchronized")  # type: ignore[misc]
            for number in range(10):
                await client.put(f"f/{number}", b"%d" % number)
            for story in stories:
                await story.until(lambda story=story: len(story.state) == 10, "ten entries")  # type: ignore[misc]
                assert story.kinds() == ["synchronized", *["put"] * 10]
            for reading in readings:
                reading.cancel()
            await asyncio.gather(*readings, return_exceptions=True)
        daemons.check_alive()


@pytest.mark.asyncio
async def test_who_does_not_read_is_no_burden_and_sees_the_last_state(tmp_path: Path) -> None:
    with Daemons(tmp_path, 1, "--transient") as daemons:
        daemons.start(0)
        await daemons.until_stable()
        clients = Client(daemons.addresses), Client(daemons.addresses)
        async with clients[0] as client, clients[1] as slow, story_of(slow, "f/") as story:
            connection = await slow._dispatcher.connection_to(daemons.addresses[0], slow._dispatcher.deadline())
            transport = connection._transport
            assert transport is not None
            transport.pause_reading()
            large = bytes(60_000)
            for _ in range(HELD_BYTES_MAX // (20 * len(large))):
                await asyncio.gather(*(client.update(f"f/{at}", large) for at in range(20)))
            await client.update("f/last", b"last")
            transport.resume_reading()
            await story.until(lambda: story.state.get("f/last") == b"last", "the last state")
            await story.until(lambda: "resynchronized" in story.kinds(), "resynchronized")
            assert any("slow" in change.reason for change in story.told)
        daemons.check_alive()
