"""A hive as a backend of aiocache.

cache = wrpme.contrib.aiocache.Cache(["127.0.0.1:5909"], namespace="shop/", ttl=60)
await cache.set("key", {"a": 1})
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiocache.base import BaseCache
from aiocache.serializers import JsonSerializer

from wrpme import errors
from wrpme.client import url as urls
from wrpme.client.client import Client
from wrpme.client.tls import Tls
from wrpme.client.batches.arguments import Alias
from wrpme.contrib.values import alias_of


class Cache(BaseCache):
    """A cache in one event loop; ``addresses`` are HOST:PORT of any nodes, or a URL of a hive; ``tls``, ``user`` and
    ``password`` are those of :class:`wrpme.Client`. Values go through the serializer (JSON by default), and a number
    that it writes in digits is a counter. ``raw`` calls a method of the client."""

    NAME = "wrpme"

    def __init__(
        self,
        addresses: str | Sequence[str],
        serializer: Any = None,
        tls: Tls = None,
        user: str | None = None,
        password: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(serializer=serializer or JsonSerializer(), **options)
        if isinstance(addresses, str) and urls.is_url(addresses):
            self._client = Client.from_url(addresses)
        else:
            self._client = Client(addresses, tls=tls, user=user, password=password)

    async def _get(self, key: str, encoding: str | None = "utf-8", _conn: Any = None) -> str | bytes | None:
        content = await self._client.get(self._alias(key), default=None)
        return content if content is None or encoding is None else content.decode(encoding)

    async def _gets(self, key: str, encoding: str | None = "utf-8", _conn: Any = None) -> str | bytes | None:
        return await self._get(key, encoding)

    async def _multi_get(
        self, keys: Iterable[str], encoding: str | None = "utf-8", _conn: Any = None
    ) -> list[str | bytes | None]:
        return await asyncio.gather(*(self._get(key, encoding) for key in keys))

    async def _set(
        self, key: str, value: Any, ttl: float | None = None, _cas_token: Any = None, _conn: Any = None
    ) -> bool:
        content = self._content(value)
        if _cas_token is None:
            await self._client.update(self._alias(key), content, ttl=ttl or None)
            return True
        try:
            await self._client.cas(self._alias(key), content, self._content(_cas_token), ttl=ttl or None)
        except (errors.MismatchError, errors.NotFoundError):
            return False
        return True

    async def _multi_set(self, pairs: Iterable[tuple[str, Any]], ttl: float | None = None, _conn: Any = None) -> bool:
        await asyncio.gather(*(self._set(key, value, ttl) for key, value in pairs))
        return True

    async def _add(self, key: str, value: Any, ttl: float | None = None, _conn: Any = None) -> bool:
        try:
            await self._client.put(self._alias(key), self._content(value), ttl=ttl or None)
        except errors.AlreadyExistsError:
            raise ValueError(f"Key {key} already exists, use .set to update the value") from None
        return True

    async def _exists(self, key: str, _conn: Any = None) -> bool:
        return await self._client.exists(self._alias(key))

    async def _increment(self, key: str, delta: int, _conn: Any = None) -> int:
        try:
            return await self._client.add(self._alias(key), delta)
        except errors.NumberError:
            raise TypeError("Value is not an integer") from None

    async def _expire(self, key: str, ttl: float, _conn: Any = None) -> bool:
        try:
            await self._client.expires_from_now(self._alias(key), ttl)
        except errors.NotFoundError:
            return False
        return True

    async def _delete(self, key: str, _conn: Any = None) -> int:
        return await self._removed(self._alias(key))

    async def _clear(self, namespace: str | None = None, _conn: Any = None) -> bool:
        prefix = namespace or self.namespace or ""
        async for entry in self._client.scan(prefix):
            await self._removed(entry.alias)
        return True

    async def _raw(
        self, command: str, *args: Any, encoding: str | None = "utf-8", _conn: Any = None, **options: Any
    ) -> Any:
        return await getattr(self._client, command)(*args, **options)

    async def _redlock_release(self, key: str, value: Any) -> int:
        try:
            await self._client.remove_if(self._alias(key), self._content(value))
        except (errors.MismatchError, errors.NotFoundError):
            return 0
        return 1

    async def _close(self, *args: Any, _conn: Any = None, **options: Any) -> None:
        await self._client.close()

    def _alias(self, key: str) -> bytes:
        prefix = self.namespace or ""
        return alias_of(prefix, key.removeprefix(prefix))

    async def _removed(self, alias: Alias) -> int:
        try:
            await self._client.remove(alias)
        except errors.NotFoundError:
            return 0
        return 1

    @staticmethod
    def _content(value: Any) -> bytes:
        return value if isinstance(value, bytes) else str(value).encode()
