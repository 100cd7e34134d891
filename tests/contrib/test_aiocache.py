"""The backend of aiocache on a real hive."""

from __future__ import annotations

import asyncio

import pytest
from aiocache import cached
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import PickleSerializer

from wrpme import Client, TlsFiles, errors
from wrpme.contrib.aiocache import Cache

pytestmark = pytest.mark.asyncio


async def test_values(hive: str) -> None:
    async with Cache(hive, namespace="values/") as on:
        await on.clear()
        await on.set("x", {"a": 1})
        assert await on.get("x") == {"a": 1} and await on.get("y", default=5) == 5
        assert await on.multi_set([("a", 1), ("b", "2")]) and await on.multi_get(["a", "b", "c"]) == [1, "2", None]
        assert await on.add("new", 1)
        with pytest.raises(ValueError, match="already exists"):
            await on.add("new", 2)
        assert await on.exists("new") and await on.delete("new") == 1 and await on.delete("new") == 0
        assert await on.increment("count", 3) == 3 == await on.get("count")
        with pytest.raises(TypeError):
            await on.increment("x")
        await on.set("two words", 1)
        assert await on.get("two words") == 1
        assert await on.clear() and not await on.exists("x") and await on.get("two words") is None
        assert await on.raw("count") >= 0


async def test_where_the_hive_is(hive: str) -> None:
    async with Cache(f"wrpme://{hive}/?timeout=5", namespace="where/") as on:
        await on.set("x", 1)
        assert await on.get("x") == 1
    with pytest.raises(errors.UsageError, match="can't be read"):
        Cache([hive], tls=TlsFiles("/nowhere/ca.pem"))
    with pytest.raises(errors.UsageError, match="can't be read"):
        Cache(f"wrpmes://{hive}/?ca=/nowhere/ca.pem")


async def test_bytes_and_life_spans(hive: str) -> None:
    async with Cache(hive, namespace="spans/", serializer=PickleSerializer(), ttl=60) as on, Client(hive) as client:
        await on.set("x", {1, 2})
        assert await on.get("x") == {1, 2} and await client.get_expiry("spans/x") is not None
        assert await on.expire("x", 0) and await client.get_expiry("spans/x") is None
        assert not await on.expire("y", 5)


async def test_locks_and_decorators(hive: str) -> None:
    async with Cache(hive, namespace="locks/") as on:
        await on.clear()
        await on.set("x", 1)
        async with OptimisticLock(on, "x") as lock:
            await lock.cas(2)
            with pytest.raises(OptimisticLockError):
                await lock.cas(3)
        async with RedLock(on, "x", lease=5):
            assert await on.get("x") == 2
        assert not await on.exists("x-lock")
        calls = []

        @cached(cache=Cache, addresses=hive, namespace="locks/", key="made", noself=True)  # type: ignore[untyped-decorator, unused-ignore]
        async def made() -> int:
            calls.append(1)
            return 7

        assert [await made() for _ in range(3)] == [7] * 3
        await asyncio.gather(*(made() for _ in range(5)))
        assert len(calls) == 1
        await made.cache.close()
