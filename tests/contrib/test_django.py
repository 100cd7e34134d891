"""The cache of Django on a real hive. Django's own tests of the base cache pass, but for the two of culling."""

from __future__ import annotations

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import CacheHandler
from django.core.cache.backends.base import CacheKeyWarning

from tests.certificates import Authority
from tests.stub_node import Entries, StubThread
from wrpme import BlockingClient, TlsFiles, errors
from wrpme.contrib.django import Cache
from wrpme.files.certificates import server_context


def cache(hive: str, prefix: str = "", **params: Any) -> Cache:
    made = Cache(hive, {"KEY_PREFIX": prefix, **params})
    made.clear()
    return made


def test_values_and_defaults(hive: str) -> None:
    on = cache(hive)
    on.set("x", {"a": 1})
    assert on.get("x") == {"a": 1} and on.get("y") is None and on.get("y", 5) == 5
    on.set("none", None)
    assert on.get("none", "default") is None and "none" in on and "y" not in on
    assert on.add("new", 1) and not on.add("new", 2) and on.get("new") == 1
    assert on.delete("new") and not on.delete("new")
    assert on.set_many({"a": 1, "b": "2"}) == [] and on.get_many(["a", "b", "c"]) == {"a": 1, "b": "2"}
    on.delete_many(["a", "b"])
    assert on.get_many(["a", "b"]) == {}
    assert on.get_or_set("made", lambda: 3) == 3 and asyncio.run(on.aget("made")) == 3


def test_numbers_are_added_to_by_the_hive(hive: str) -> None:
    on = cache(hive)
    on.set("count", 0, timeout=None)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: on.incr("count"), range(200)))
    assert on.get("count") == 200 and on.decr("count", 50) == 150
    on.set("ratio", 1.5)
    assert on.incr("ratio", 2) == 3.5
    on.set("large", 1 << 70)
    assert on.incr("large") == (1 << 70) + 1 == on.get("large")
    with pytest.raises(ValueError, match="'nothing' not found"):
        on.incr("nothing")
    assert "nothing" not in on, "what has expired meanwhile is not counted from 0"
    on.set("text", "a")
    with pytest.raises(TypeError):
        on.incr("text")


def test_timeouts_are_life_spans(hive: str) -> None:
    on = cache(hive, TIMEOUT=60)
    with BlockingClient(hive) as client:
        on.set("x", 1)
        assert client.get_expiry(":1:x") is not None
        assert on.touch("x", None) and client.get_expiry(":1:x") is None
        on.incr("x")
        assert on.touch("x") and client.get_expiry(":1:x") is not None
    on.set("x", 2, timeout=0)
    assert on.get("x") is None and not on.touch("x") and on.add("x", 1, timeout=-1) and on.get("x") is None
    on.set("x", 1, timeout=10**12)
    assert on.touch("x", 0) and on.get("x") is None


def test_versions_and_prefixes_are_apart(hive: str) -> None:
    shop, blog = cache(hive, "shop"), cache(hive, "blog")
    shop.set("x", 1)
    shop.set("x", 2, version=2)
    blog.set("x", 3)
    assert [shop.get("x"), shop.get("x", version=2), blog.get("x")] == [1, 2, 3]
    assert shop.incr_version("x", 2) == 3 and shop.get("x", version=3) == 1
    shop.clear()
    assert shop.get("x", version=2) is None and blog.get("x") == 3


def test_a_key_that_is_no_alias(hive: str) -> None:
    on = cache(hive, "shop")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheKeyWarning)
        for key in ("two words", "x" * 5000):
            on.set(key, key)
            assert on.get(key) == key
        on.clear()
        assert not on.has_key("two words")


def test_the_protocol_of_pickle(hive: str) -> None:
    on = cache(hive, OPTIONS={"protocol": 2})
    on.set("x", [1])
    with BlockingClient(hive) as client:
        assert client.get(":1:x")[:2] == b"\x80\x02"


def test_a_hive_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with StubThread(Entries(), server_context(authority.issue("node"))) as node:
        by_url = Cache(f"wrpmes://{node.address}/?ca={authority.path}", {})
        by_url.set("x", 1)
        by_option = Cache(node.address, {"OPTIONS": {"tls": TlsFiles(str(authority.path))}})
        assert by_option.get("x") == 1
        for on in (by_url, by_option):
            on._client.close()


def test_where_the_hive_is(hive: str) -> None:
    for location in (f"wrpme://{hive}/?timeout=5", [hive], f"{hive},{hive}"):
        on = CacheHandler({"default": {"BACKEND": "wrpme.contrib.django.Cache", "LOCATION": location}})["default"]
        on.set("x", 1)
        assert on.get("x") == 1
    with pytest.raises(errors.ConnectionError):
        Cache("127.0.0.1:1", {}).get("x")
