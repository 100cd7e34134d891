"""A hive as a cache of Django.

    CACHES = {
        "default": {
            "BACKEND": "wrpme.contrib.django.Cache",
            "LOCATION": "127.0.0.1:5909,127.0.0.1:5910",  # or a list, or wrpme://HOST:PORT/?timeout=5, or wrpmes://
            "KEY_PREFIX": "shop",
            "OPTIONS": {"protocol": 5, "timeout": 5},
        }
    }

``protocol`` is that of pickle (the highest by default), ``timeout`` the seconds that each request may take; ``tls``,
``user`` and ``password`` are those of :class:`wrpme.Client`. A cache that can't reach its hive raises
:class:`wrpme.WrpmeError`: it does not pass for an empty one.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from wrpme import errors
from wrpme.client import url as urls
from wrpme.client.blocking import BlockingClient
from wrpme.client.tls import Tls
from wrpme.contrib.values import alias_of, dumps, loads, removed
from wrpme.limits import EXPIRY_MILLISECONDS_MAX, TIMEOUT_SECONDS

SPAN_SECONDS_MAX = EXPIRY_MILLISECONDS_MAX // 2000
"""A longer timeout is for ever."""
_CLIENTS: dict[tuple[tuple[str, ...], float, Tls, str | None, str | None], BlockingClient] = {}
"""Django makes a cache for each thread; those of one hive have one client."""


class Cache(BaseCache):
    """See the module. Keys that memcached would refuse are warned of, as Django does; those that are no aliases are
    stored by their hash. ``incr`` and ``decr`` are atomic, and bounded to 64 bits."""

    def __init__(self, location: str | Sequence[str], params: dict[str, Any]) -> None:
        super().__init__(params)
        options = params.get("OPTIONS", {})
        self._protocol: int = options.get("protocol", pickle.HIGHEST_PROTOCOL)
        tls: Tls
        if isinstance(location, str) and urls.is_url(location):
            addresses, timeout, tls, user, password = urls.parse(location)
        else:
            addresses = location.split(",") if isinstance(location, str) else list(location)
            timeout = options.get("timeout", TIMEOUT_SECONDS)
            tls, user, password = options.get("tls"), options.get("user"), options.get("password")
        hive = (tuple(addresses), timeout, tls, user, password)
        known = _CLIENTS.get(hive)
        self._client = known if known is not None else _CLIENTS.setdefault(hive, BlockingClient(*hive))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Returns the value, or the default."""
        content = self._client.get(self._alias(key, version), default=None)
        return default if content is None else loads(content)

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Stores a value for so many seconds; None is for ever, and 0 or less removes it."""
        alias, content, ttl = self._alias(key, version), dumps(value, self._protocol), self._ttl(timeout)
        if ttl == 0:
            removed(self._client, alias)
        else:
            self._client.update(alias, content, ttl=ttl)

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Stores a value where there is none; returns whether it did."""
        alias, content, ttl = self._alias(key, version), dumps(value, self._protocol), self._ttl(timeout)
        if ttl == 0:
            return not self._client.exists(alias)
        try:
            self._client.put(alias, content, ttl=ttl)
        except errors.AlreadyExistsError:
            return False
        return True

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Sets how long a value lives from now on; returns whether there is one."""
        alias, ttl = self._alias(key, version), self._ttl(timeout)
        if ttl == 0:
            return removed(self._client, alias)
        try:
            self._client.expires_from_now(alias, ttl or 0)
        except errors.NotFoundError:
            return False
        return True

    def delete(self, key: str, version: int | None = None) -> bool:
        """Removes a value; returns whether there was one."""
        return removed(self._client, self._alias(key, version))

    def has_key(self, key: str, version: int | None = None) -> bool:
        """Returns whether there is a value."""
        return self._client.exists(self._alias(key, version))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Adds to a number, which keeps its life span, and returns the sum. The hive adds at one moment; what is no
        whole number of 64 bits is added to here, as often as somebody else was faster.

        Raises:
            ValueError: There is no such key.
        """
        alias = self._alias(key, version)
        try:
            # Together, as one that expires in between would be counted from 0, and live for ever.
            both: Any = self._client.batch().touch(alias).add(alias, delta).commit()[1]
            return int(both)
        except errors.NotFoundError:
            raise ValueError(f"Key '{key}' not found") from None
        except errors.NumberError:
            return self._sum(alias, delta)

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """Returns the values that there are, by their keys."""
        wanted = list(keys)
        contents = self._client.get_many([self._alias(key, version) for key in wanted])
        return {key: loads(content) for key, content in zip(wanted, contents, strict=True) if content is not None}

    def set_many(
        self, data: Mapping[str, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[str]:
        """Stores each of the values; returns the keys that were not stored: none, as an error is raised."""
        for key, value in data.items():
            self.set(key, value, timeout, version)
        return []

    def clear(self) -> None:
        """Removes all values of all versions with the KEY_PREFIX of this cache, and nothing else of the hive."""
        for entry in self._client.scan(f"{self.key_prefix}:"):
            removed(self._client, entry.alias)

    def _alias(self, key: str, version: int | None) -> bytes:
        prefix = f"{self.key_prefix}:"  # a KEY_FUNCTION may not begin with it, but clear() has to find all
        return alias_of(prefix, str(self.make_and_validate_key(key, version=version)).removeprefix(prefix))

    def _sum(self, alias: bytes, delta: int) -> int:
        while True:
            entry = self._client.get_entry(alias)
            both: int = loads(entry.content) + delta
            try:
                self._client.cas_version(alias, dumps(both, self._protocol), entry.version, keep_expiry=True)
            except errors.MismatchError:
                continue
            return both

    def _ttl(self, timeout: Any) -> float | None:
        """Returns how long a value lives, in seconds; None is for ever, and 0 not at all."""
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        if seconds is None or seconds > SPAN_SECONDS_MAX:
            return None
        return float(max(0, seconds))
