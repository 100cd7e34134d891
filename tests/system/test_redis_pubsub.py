"""Publish and subscribe with Redis clients at different nodes of a hive of three, and beside a real redis-server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from tests.system import redis_server
from tests.system.daemons import PATIENCE_SECONDS, Daemons, stable_hive
from tests.system.redis_server import RedisServer, Said


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with stable_hive(tmp_path_factory.mktemp("pubsub"), 3) as daemons:
        yield daemons


def client(hive: Daemons, index: int, protocol: int = 2) -> Any:
    return redis.Redis(host="127.0.0.1", port=port_of(hive, index), protocol=protocol, socket_timeout=PATIENCE_SECONDS)


def port_of(hive: Daemons, index: int) -> int:
    return int(hive.addresses[index].rpartition(":")[2])


def heard(subscriber: Any, count: int) -> list[tuple[str, bytes, bytes]]:
    """The next messages: their kind, channel and content."""
    found: list[tuple[str, bytes, bytes]] = []
    end = monotonic() + PATIENCE_SECONDS
    while len(found) < count:
        message = subscriber.get_message(ignore_subscribe_messages=True, timeout=1.0)
        assert message is not None or monotonic() < end, found
        if message is not None:
            found.append((message["type"], message["channel"], message["data"]))
    return found


def confirmed(subscriber: Any, count: int = 1) -> None:
    for _ in range(count):
        message = subscriber.get_message(timeout=PATIENCE_SECONDS)
        assert message["type"].endswith("subscribe"), message


@pytest.mark.parametrize("protocol", [2, 3])
def test_what_is_published_anywhere_is_heard_everywhere(hive: Daemons, protocol: int) -> None:
    with (
        client(hive, 0, protocol) as a,
        client(hive, 1, protocol) as b,
        client(hive, 2, protocol) as c,
        a.pubsub() as exact,
        b.pubsub() as pattern,
        c.pubsub() as sharded,
    ):
        exact.subscribe("news.art", "other")
        pattern.psubscribe("news.*")
        sharded.ssubscribe("news.art")
        confirmed(exact, 2)
        confirmed(pattern)
        confirmed(sharded)
        for index, publisher in enumerate((a, b, c)):
            # Only those who listen at the node that was asked are counted.
            assert publisher.publish("news.art", index) == (1 if index < 2 else 0)
            assert publisher.execute_command("SPUBLISH", "news.art", index) == (1 if index == 2 else 0)
        contents = [b"0", b"1", b"2"]
        assert sorted(heard(exact, 3)) == [("message", b"news.art", content) for content in contents]
        assert sorted(heard(pattern, 3)) == [("pmessage", b"news.art", content) for content in contents]
        assert sorted(heard(sharded, 3)) == [("smessage", b"news.art", content) for content in contents]
        assert a.pubsub_channels() == [b"news.art", b"other"] and b.pubsub_channels() == []
        assert a.pubsub_numsub("news.art", "none") == [(b"news.art", 1), (b"none", 0)]
        assert (a.pubsub_numpat(), b.pubsub_numpat()) == (0, 1)
        exact.unsubscribe("other")
        confirmed(exact)
        c.publish("other", "for nobody")
        c.publish("news.art", "last")
        assert heard(exact, 1) == [("message", b"news.art", b"last")]


@pytest.mark.asyncio
async def test_many_publishers_and_subscribers(hive: Daemons) -> None:
    """Each subscriber hears everything of each publisher once, in its order, however large."""
    count = 300

    def made(index: int) -> Any:
        return redis.asyncio.Redis(host="127.0.0.1", port=port_of(hive, index % 3), protocol=2 + index // 3)

    async def listen(one: Any) -> dict[bytes, list[int]]:
        found: dict[bytes, list[int]] = {}
        for _ in range(3 * count):
            message = None
            while message is None:
                message = await one.get_message(ignore_subscribe_messages=True, timeout=PATIENCE_SECONDS)
            found.setdefault(message["channel"], []).append(int(message["data"].split(b" ")[0]))
        return found

    async def publish(one: Any, channel: str) -> None:
        for first in range(0, count, 50):
            async with one.pipeline(transaction=False) as pipeline:
                for number in range(first, first + 50):
                    pipeline.publish(channel, b"%d " % number + bytes(100_000 if number % 50 == 7 else 10))
                await pipeline.execute()

    clients = [made(index) for index in range(6)]
    subscribers = [one.pubsub() for one in clients]
    async with asyncio.timeout(PATIENCE_SECONDS):
        for number, subscriber in enumerate(subscribers):
            await (subscriber.psubscribe("[a-c]?") if number % 2 else subscriber.subscribe("a1", "b1", "c1"))
            for _ in range(1 if number % 2 else 3):
                assert await subscriber.get_message(timeout=PATIENCE_SECONDS)
        listening = [asyncio.create_task(listen(one)) for one in subscribers]
        await asyncio.gather(*(publish(clients[index], f"{'abc'[index]}1") for index in range(3)))
        for found in await asyncio.gather(*listening):
            assert found == {channel: list(range(count)) for channel in (b"a1", b"b1", b"c1")}
    for one in (*subscribers, *clients):
        await one.aclose()


SAID = {
    2: [
        "SUBSCRIBE a;PING;PING x;GET a;CLIENT ID;MULTI;EXEC;NOSUCH;GET;UNSUBSCRIBE a;GET {t}none",
        "PSUBSCRIBE a*;SUBSCRIBE a;UNSUBSCRIBE c;PUNSUBSCRIBE;UNSUBSCRIBE;UNSUBSCRIBE;PUNSUBSCRIBE;PING",
        "SUBSCRIBE a;SSUBSCRIBE a;SUNSUBSCRIBE;UNSUBSCRIBE;SUNSUBSCRIBE",
        "MULTI;SUBSCRIBE a;PING;EXEC;PING;RESET;GET {t}none",
        "MULTI;PUBLISH a x;SET {t}k 1;GET {t}k;EXEC;DEL {t}k",
        "PUBLISH a;SUBSCRIBE;PUBSUB;PUBSUB X;PUBSUB NUMPAT 1;PUBSUB CHANNELS;PUBSUB NUMSUB a b",
    ],
    3: [
        "SUBSCRIBE a;GET {t}none;PING;SUBSCRIBE b;PUNSUBSCRIBE;UNSUBSCRIBE a;PUBLISH a x;UNSUBSCRIBE;UNSUBSCRIBE",
        "SUBSCRIBE foo;MULTI;PING abc;UNSUBSCRIBE foo;PING def;EXEC;PUBLISH foo x;PUBSUB CHANNELS",
        "PSUBSCRIBE f*;SSUBSCRIBE foo;PUBSUB NUMPAT;PUBSUB SHARDNUMSUB foo;PUBSUB SHARDCHANNELS f?o;PUBSUB NUMSUB foo",
    ],
}
"""Redis 7.0 tells a publisher what it publishes to itself before the answer of PUBLISH, later ones behind: not here."""


@pytest.mark.parametrize("protocol", [2, 3])
def test_answers_are_those_of_redis(hive: Daemons, tmp_path: Path, protocol: int) -> None:
    redis_server.needed()
    with RedisServer(tmp_path) as server:
        for line in SAID[protocol]:
            commands = [words.encode().split(b" ") for words in line.split(";")]
            with Said(server.port) as there, Said(port_of(hive, 1)) as here:
                if protocol == 3:
                    assert here.say([b"HELLO", b"3"]) and there.say([b"HELLO", b"3"])
                expected = [there.say(command)[0] for command in commands]
                assert list(zip(commands, here.say(*commands), strict=True)) == list(
                    zip(commands, expected, strict=True)
                )


@pytest.mark.asyncio
async def test_a_node_dies_and_comes_back(hive: Daemons) -> None:
    """The last one here: who subscribes at others misses nothing, and who did at that node hears again."""
    numbers = iter(range(1_000_000))
    retry = Retry(ConstantBackoff(0.05), int(PATIENCE_SECONDS / 0.05))
    port, errors = port_of(hive, 2), [redis.ConnectionError, redis.TimeoutError]
    away: Any = redis.asyncio.Redis(host="127.0.0.1", port=port, retry=retry, retry_on_error=errors)
    near: Any = redis.asyncio.Redis(host="127.0.0.1", port=port_of(hive, 1))
    publisher: Any = redis.asyncio.Redis(host="127.0.0.1", port=port_of(hive, 0))

    async def listen(one: Any, found: list[int]) -> None:
        while True:
            message = await one.get_message(ignore_subscribe_messages=True, timeout=1.0)
            if message is not None:
                found.append(int(message["data"]))

    async def publish_until(reached: Any) -> None:
        while not reached():
            await publisher.publish("c", next(numbers))
            await asyncio.sleep(0.01)

    lists: list[list[int]] = [[], []]
    subscribers = [away.pubsub(), near.pubsub()]
    async with asyncio.timeout(PATIENCE_SECONDS):
        for one in subscribers:
            await one.subscribe("c")
            assert await one.get_message(timeout=PATIENCE_SECONDS)
        tasks = [asyncio.create_task(listen(one, into)) for one, into in zip(subscribers, lists, strict=True)]
        await publish_until(lambda: len(lists[0]) > 10)
        hive.kill(2)
        missed_from = next(numbers)
        hive.start(2)
        await publish_until(lambda: lists[0][-1] > missed_from)
        last = next(numbers)
        await publisher.publish("c", last)
        await publish_until(lambda: lists[1][-1] >= last)
    for task in tasks:
        assert not task.done()
        task.cancel()
    assert lists[0] == sorted(set(lists[0])), "nothing twice, and in order"
    assert [number for number in lists[1] if number != missed_from] == [
        number for number in range(lists[1][-1] + 1) if number != missed_from
    ]
    for client_ in (*subscribers, away, near, publisher):
        await client_.aclose()
    await hive.until_stable(3)
