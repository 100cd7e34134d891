"""A hive as a backend of Flask-Caching.

app.config["CACHE_TYPE"] = "wrpme.contrib.flask_caching.Cache"
app.config["CACHE_WRPME_URL"] = "wrpme://127.0.0.1:5909,127.0.0.1:5910/?timeout=5"
app.config["CACHE_KEY_PREFIX"] = "shop/"
"""

from __future__ import annotations

import pickle
from typing import Any

from flask_caching.backends.base import BaseCache

from wrpme import errors
from wrpme.client.blocking import BlockingClient
from wrpme.contrib.values import alias_of, dumps, loads, removed


class Cache(BaseCache):
    """A cache whose aliases begin with ``prefix``; a timeout is in seconds, and 0 is for ever. Whole numbers are
    counters: ``inc`` and ``dec`` are atomic."""

    def __init__(self, url: str, prefix: str = "flask/", **options: Any) -> None:
        super().__init__(**options)
        self._client = BlockingClient.from_url(url)
        self._prefix = prefix

    @classmethod
    def factory(cls, app: Any, config: dict[str, Any], args: list[Any], options: dict[str, Any]) -> Cache:
        """Returns the cache that the configuration of an application describes."""
        return cls(config["CACHE_WRPME_URL"], config.get("CACHE_KEY_PREFIX") or "flask/", **options)

    def get(self, key: str) -> Any:
        """Returns the value, or None."""
        content = self._client.get(self._alias(key), default=None)
        return None if content is None else loads(content)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        """Stores a value."""
        self._client.update(self._alias(key), dumps(value, pickle.HIGHEST_PROTOCOL), ttl=self._ttl(timeout))
        return True

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        """Stores a value where there is none; returns whether it did."""
        try:
            self._client.put(self._alias(key), dumps(value, pickle.HIGHEST_PROTOCOL), ttl=self._ttl(timeout))
        except errors.AlreadyExistsError:
            return False
        return True

    def delete(self, key: str) -> bool:
        """Removes a value; returns whether there was one."""
        return removed(self._client, self._alias(key))

    def has(self, key: str) -> bool:
        """Returns whether there is a value."""
        return self._client.exists(self._alias(key))

    def clear(self) -> bool:
        """Removes all that begins with the prefix, and nothing else of the hive."""
        for entry in self._client.scan(self._prefix):
            removed(self._client, entry.alias)
        return True

    def inc(self, key: str, delta: int = 1) -> int:
        """Adds to a number, which is 0 where there is none, and returns the sum."""
        return self._client.add(self._alias(key), delta, ttl=self._ttl(None))

    def dec(self, key: str, delta: int = 1) -> int:
        """The same with the negative of the number."""
        return self.inc(key, -delta)

    def _alias(self, key: str) -> bytes:
        return alias_of(self._prefix, key)

    def _ttl(self, timeout: Any) -> int | None:
        seconds: int = self._normalize_timeout(timeout)
        return seconds if seconds > 0 else None
