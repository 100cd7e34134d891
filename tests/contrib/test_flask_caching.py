"""The backend of Flask-Caching on a real hive."""

from __future__ import annotations

from flask import Flask
from flask_caching import Cache as FlaskCache

from wrpme import BlockingClient


def made(hive: str, prefix: str) -> FlaskCache:
    app = Flask("app")
    app.config.update(
        CACHE_TYPE="wrpme.contrib.flask_caching.Cache",
        CACHE_WRPME_URL=f"wrpme://{hive}/",
        CACHE_KEY_PREFIX=prefix,
        CACHE_DEFAULT_TIMEOUT=60,
    )
    cache = FlaskCache(app)
    cache.clear()
    return cache


def test_values(hive: str) -> None:
    on = made(hive, "shop/")
    assert on.set("x", {"a": 1}) and on.get("x") == {"a": 1} and on.get("y") is None
    assert on.add("new", 1) and not on.add("new", 2) and on.has("new")
    assert on.set_many({"a": 1, "b": "2"}) == ["a", "b"] and on.get_many("a", "b", "c") == [1, "2", None]
    assert on.delete("a") and not on.delete("a") and on.delete_many("b", "new") == ["b", "new"]
    assert on.cache.inc("count", 3) == 3 and on.cache.dec("count") == 2 == on.get("count")


def test_life_spans_and_prefixes(hive: str) -> None:
    on, other = made(hive, "shop/"), made(hive, "blog/")
    with BlockingClient(hive) as client:
        on.set("x", 1)
        on.set("for ever", 1, timeout=0)
        on.set("ever", 1, timeout=0)
        assert client.get_expiry("shop/x") is not None and client.get_expiry("shop/ever") is None
    other.set("x", 2)
    on.clear()
    assert on.get("x") is None and other.get("x") == 2


def test_memoized_functions(hive: str) -> None:
    on = made(hive, "memo/")
    with on.app.app_context():
        memoized(on)


def memoized(on: FlaskCache) -> None:
    calls = []

    @on.memoize(30)  # type: ignore[untyped-decorator, unused-ignore]
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    assert [double(2), double(2), double(3)] == [4, 4, 6] and calls == [2, 3]
    on.delete_memoized(double)
    assert double(2) == 4 and len(calls) == 3
