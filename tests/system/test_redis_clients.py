"""Tools and libraries that speak Redis at a hive of three: each does the same there and at a real redis-server. The
programs of docs/redis.md are run."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from types import ModuleType
from typing import Any

import aiocache
import pytest
import redis
from django.conf import settings
from django.core.cache import CacheHandler
from redis.exceptions import LockNotOwnedError

from tests.system import node, redis_server
from tests.system.daemons import PATIENCE_SECONDS, ROOT, stable_hive
from tests.system.redis_server import RedisServer, encoded
from tests.system.terminal import Session

PAGE = (ROOT / "docs" / "redis.md").read_text("utf-8")
OF_EACH = r'127\.0\.0\.1:\d+|"[0-9]+\.[0-9]+\.[0-9]+"|(?<="id" => )\(integer\) \d+'
"""What redis-cli shows of the one that it speaks with: address, version, and number of the connection."""


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a node; that of another tells the same."""
    with stable_hive(tmp_path_factory.mktemp("hive"), 3) as daemons:
        yield int(daemons.addresses[1].rpartition(":")[2])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a redis-server."""
    redis_server.needed()
    with RedisServer(tmp_path_factory.mktemp("redis")) as started:
        yield started.port


@pytest.fixture(params=["hive", "server"])
def port(request: pytest.FixtureRequest) -> int:
    """One after the other: what is expected of a hive is what Redis does."""
    return int(request.getfixturevalue(request.param))


def cli(port: int, *arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    """The code, the output and the errors of redis-cli."""
    done = subprocess.run(
        ["redis-cli", "-p", str(port), *arguments],
        input=given,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def programs(heading: str, port: int, language: str = "python") -> list[str]:
    """The programs of a section of docs/redis.md, to be run on that port."""
    section = PAGE.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return [text.replace("5909", str(port)) for text in re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)]


def run(program: str) -> dict[str, Any]:
    """What there is after a program."""
    made: dict[str, Any] = {}
    exec(program, made)
    return made


# --- redis-cli and redis-benchmark -----------------------------------------------------------------------------------


def test_redis_cli_on_a_terminal(hive: int, server: int, tmp_path: Path) -> None:
    lines = [
        "set greeting 'two words'", "get greeting", "get none", "incr greeting", "strlen greeting", "nosuch a b",
        "mget greeting none", "hello 3 setname me", "client getname", "multi", "set {t}a 1", "get {t}a", "exec",
        "multi", "discard", "multi", "nosuch", "exec", "del greeting {t}a",
    ]  # fmt: skip
    shown = []
    for port in (hive, server):
        with Session(["redis-cli", "-p", str(port)], tmp_path, rf"127\.0\.0\.1:{port}(\(TX\))?>") as session:
            answered = [session.enter(line) for line in lines]
            shown.append([[re.sub(OF_EACH, "", line) for line in some] for some in answered])
    assert shown[0] == shown[1]
    assert shown[0][1] == ["> get greeting", '"two words"'] and shown[0][11] == ["(TX)> get {t}a", "QUEUED"]


def test_redis_cli_with_arguments(hive: int, server: int) -> None:
    entries = [[b"SET", b"mass/%d" % number, b"x" * number] for number in range(1000)]
    mass = b"".join(encoded(entry) for entry in entries)
    for piped in (mass, b"SET a 1\nGET\nINCR a\n"):
        here, there = (cli(port, "--pipe", given=piped) for port in (hive, server))
        assert here == there and "replies: " in here[1]
    keys_here, keys_there = (sorted(cli(port, "--scan", "--pattern", "mass/9*")[1].split()) for port in (hive, server))
    assert keys_here == keys_there and len(keys_here) == 111
    said: list[list[str]] = [
        ["dbsize"], ["--csv", "mget", "a", "none", "mass/3"], ["--json", "mget", "a", "none"], ["-e", "nosuch"],
        ["-r", "3", "-i", "0.01", "incr", "count"], ["-3", "--no-raw", "get", "none"], ["-x", "set", "read"],
        ["-n", "99", "get", "a"], ["-d", ",", "mget", "a", "a"], ["-u", "redis://127.0.0.1:PORT/0", "get", "a"],
        ["-X", "tag", "set", "{t}", "tag"], ["-a", "secret", "--no-auth-warning", "get", "a"], ["flushall"],
        ["randomkey"], ["--scan"],
    ]  # fmt: skip
    for arguments in said:
        given = ([word.replace("PORT", str(port)) for word in arguments] for port in (hive, server))
        here, there = (cli(port, *words, given=b"of stdin") for port, words in zip((hive, server), given, strict=True))
        assert here == there, arguments
    code, waits, _ = cli(hive, "--latency", "-i", "0.05", "--raw")
    assert code == 0 and len(waits.split()) == 4
    assert cli(hive, "monitor")[1].startswith("ERR ")


def test_redis_benchmark(hive: int) -> None:
    """It asks for the configuration first, and for whatever each of its tests says."""
    tests = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]
    for options in (["-P", "16"], ["--threads", "2", "-3", "-r", "1000"]):
        asked = ["-p", str(hive), "-t", "ping,set,get,incr,mset", "-n", "200", "-c", "10", "--csv", *options]
        done = subprocess.run(["redis-benchmark", *asked], capture_output=True, timeout=PATIENCE_SECONDS, check=True)
        lines = [line.split(",") for line in done.stdout.decode().splitlines()]
        assert [line[0].strip('"') for line in lines] == ["test", *tests] and not done.stderr
        assert all(float(line[1].strip('"')) > 0 for line in lines[1:])


@pytest.mark.parametrize("program", [["ioredis.cjs"], ["node_redis.cjs", "3"]], ids=" ".join)
def test_clients_of_node(hive: int, server: int, program: list[str]) -> None:
    name, *options = program
    here, there = (node.said(name, str(port), *options) for port in (hive, server))
    assert here == there and len(there) > 40


def test_clients_of_node_take_the_address_where_a_node_lives(hive: int) -> None:
    assert [told["reply"] for told in node.said("addresses.cjs", str(hive))] == ["PONG", "PONG"]


# --- redis-py --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_that_decodes(port: int, protocol: int) -> None:
    pool = redis.BlockingConnectionPool.from_url(
        f"redis://127.0.0.1:{port}/0?protocol={protocol}", decode_responses=True, max_connections=3, client_name="shop"
    )
    with redis.Redis.from_pool(pool) as client:
        client.flushall()
        assert client.set("ä", "ö") and client.get("ä") == "ö" and client.client_getname() == "shop"
        assert client.mget("ä", "none") == ["ö", None] and client.keys() == ["ä"] and client.type("ä") == "string"
        with ThreadPoolExecutor(8) as threads:
            assert sorted(threads.map(lambda _: client.incr("count"), range(100))) == list(range(1, 101))
        assert client.pipeline().set("{t}x", 1).incrbyfloat("{t}x", 0.5).getdel("{t}x").execute() == [True, 1.5, "1.5"]
        with pytest.raises(redis.ResponseError, match="out of range"):
            client.incr("ä")
        assert client.mset({f"many/{number}": number for number in range(300)})
        assert set(client.scan_iter("many/29?", count=50)) == {f"many/29{number}" for number in range(10)}
        before = client.info("stats")["total_connections_received"]
        with redis.Redis(port=port) as other:
            assert other.ping() and client.info("stats")["total_connections_received"] > before
    pool.disconnect()


def test_locks(hive: int, capsys: pytest.CaptureFixture[str]) -> None:
    """redis-server 7 has no DELEX."""
    made = run(programs("Locks", hive)[0])
    assert capsys.readouterr().out == "False\n0\n"
    own = made["HiveLock"]
    with redis.Redis(port=hive, decode_responses=True) as client:
        lock = client.lock("lock", timeout=100, lock_class=own)
        assert lock.acquire() and lock.owned() and 50_000 < client.pttl("lock") <= 100_000
        assert lock.extend(50) and 100_000 < client.pttl("lock") <= 150_000
        assert lock.extend(5, replace_ttl=True) and 0 < client.pttl("lock") <= 5_000
        assert lock.reacquire() and 50_000 < client.pttl("lock") <= 100_000
        client.set("lock", "somebody else")
        for lost in (lock.reacquire, lambda: lock.extend(5), lock.release):
            with pytest.raises(LockNotOwnedError):
                lost()
        assert client.getdel("lock") == "somebody else"

        def count(_: int) -> None:
            with client.lock("lock", timeout=60, sleep=0.001, lock_class=own):
                client.set("counted", int(client.get("counted")) + 1)

        client.set("counted", 0)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(40)))
        assert client.get("counted") == "40" and not client.exists("lock")
        lock = client.lock("lock", timeout=10)
        assert lock.acquire()
        with pytest.raises(redis.ResponseError, match="unknown command 'EVALSHA'"):
            lock.release()
        client.delete("lock")


# --- caches of Python's frameworks -----------------------------------------------------------------------------------


def django_cache(port: int, which: int, **params: Any) -> Any:
    """The cache that the document tells to Django: its own (0) or django-redis' (1)."""
    if not settings.configured:
        settings.configure(USE_TZ=True, CACHES={})
    configured = run(programs("Django", port)[which])["CACHES"]
    made = CacheHandler({"default": {**configured["default"], **params}})["default"]
    made.clear()
    return made


@pytest.fixture(autouse=True)
def module_of_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Django is told that the classes of the document are."""
    module = ModuleType("shop.cache")
    vars(module).update(run(programs("Django", 0)[1]))
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.cache", module)


@pytest.mark.parametrize("which", [0, 1], ids=["own", "django-redis"])
def test_caches_of_django(port: int, which: int) -> None:
    cache = django_cache(port, which, TIMEOUT=60, KEY_PREFIX="shop")
    cache.set("x", {"a": [1, "ä"]})
    assert cache.get("x") == {"a": [1, "ä"]} and cache.get("y") is None and cache.get("y", 5) == 5
    assert cache.add("new", 1) and not cache.add("new", 2) and cache.get("new") == 1
    assert cache.get_or_set("made", lambda: 3) == 3 and cache.get_or_set("made", 4) == 3
    assert cache.delete("new") and not cache.delete("new") and "made" in cache and "new" not in cache
    cache.set_many({f"k{number}": number for number in range(50)}, timeout=100)
    assert cache.get_many(["k0", "k49", "k50"]) == {"k0": 0, "k49": 49}
    cache.delete_many([f"k{number}" for number in range(49)])
    assert cache.get_many([f"k{number}" for number in range(50)]) == {"k49": 49}

    cache.set("count", 10)
    assert cache.incr("count") == 11 and cache.incr("count", 9) == 20 and cache.decr("count", 5) == 15
    with pytest.raises(ValueError, match="nothing"):
        cache.incr("nothing")
    assert "nothing" not in cache and cache.touch("count", None) and cache.touch("count", 100)
    assert not cache.touch("nothing") and cache.get("count") == 15
    cache.set("x", 1, version=2)
    assert cache.get("x") == {"a": [1, "ä"]} and cache.get("x", version=2) == 1
    assert cache.incr_version("x", version=2) == 3 and cache.get("x", version=3) == 1
    cache.set("gone", 1, timeout=0)
    assert cache.get("gone") is None
    cache.set("kept", 1, timeout=None)
    with redis.Redis(port=port) as client:
        assert client.ttl("shop:1:kept") == -1 and 60 < client.ttl("shop:1:count") <= 100
        assert 0 < client.ttl("shop:1:made") <= 60
    assert asyncio.run(cache.aget("kept")) == 1
    cache.clear()
    assert cache.get("kept") is None
    cache.close()


def test_what_django_redis_adds(port: int) -> None:
    cache = django_cache(port, 1)
    cache.set("x", 1, timeout=100)
    assert 50 < cache.ttl("x") <= 100 and 50_000 < cache.pttl("x") <= 100_000 and cache.ttl("none") == 0
    assert cache.persist("x") and cache.ttl("x") is None and cache.expire("x", timeout=50) and 0 < cache.ttl("x") <= 50
    assert cache.pexpire("x", timeout=90_000) and cache.expire_at("x", int(time()) + 150) and 90 < cache.ttl("x") <= 150
    assert not cache.set("x", 2, nx=True) and cache.set("y", 2, nx=True) and cache.get("y") == 2
    assert sorted(cache.keys("*")) == ["x", "y"]
    cache.set_many({f"many/{number}": number for number in range(100)})
    assert sorted(cache.iter_keys("many/9?")) == [f"many/9{number}" for number in range(10)]
    assert cache.delete_pattern("many/*") == 100 and sorted(cache.iter_keys("*")) == ["x", "y"]
    cache.set("count", 1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: cache.incr("count"), range(100)))
    assert cache.get("count") == 101 and cache.incr("new", 5, ignore_key_check=True) == 5
    cache.close()


def test_flask_caching(port: int) -> None:
    made = run(programs("Flask", port)[0])
    cache, app = made["cache"], made["app"]
    cache.clear()
    called: list[int] = []

    def tripled(number: int) -> int:
        called.append(number)
        return 3 * number

    with app.test_client() as client:
        assert [client.get(f"/double/{number}").text for number in (1, 1, 2, 1)] == ["2", "2", "4", "2"]
    assert cache.get("view//double/1") == "2"
    triple = cache.memoize(60)(tripled)
    assert [triple(number) for number in (5, 5, 6)] == [15, 15, 18] and called == [5, 6]
    cache.delete_memoized(triple, 5)
    assert triple(5) == 15 and called == [5, 6, 5]
    assert cache.set("x", {"a": 1}, timeout=60) and cache.get("x") == {"a": 1} and cache.has("x")
    assert cache.add("x", 2) is False and cache.set_many({"y": 1, "z": 2}) and cache.get_many("y", "no") == [1, None]
    assert cache.delete("x") and cache.delete_many("y", "z") and cache.get("z") is None
    cache.clear()
    assert not cache.has("view//double/1")


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # redis-py has new names for what aiocache calls
async def test_aiocache(port: int) -> None:
    async with aiocache.RedisCache(endpoint="127.0.0.1", port=port, namespace="shop") as cache:
        await cache.clear()
        assert await cache.set("x", {"a": 1}, ttl=60) and await cache.get("x") == {"a": 1}
        assert await cache.multi_set([("y", 1), ("z", 2)], ttl=60) and await cache.multi_get(["y", "no"]) == [1, None]
        assert await cache.add("new", 1) and await cache.increment("count", 3) == 3 and await cache.exists("count")
        with pytest.raises(ValueError, match="already exists"):
            await cache.add("new", 2)
        assert await cache.expire("new", 9) and await cache.expire("new", 0) and await cache.delete("new") == 1
        assert await cache.clear() and await cache.get("x") is None


@pytest.mark.asyncio
async def test_fastapi(port: int) -> None:
    made = run(programs("FastAPI", port)[0])
    async with made["hive"] as client:
        await client.delete("visits/home")
        assert [await answer_of(made["app"], "/visits/home") for _ in range(3)] == [b"1", b"2", b"3"]
        assert 3000 < await client.ttl("visits/home") <= 3600


async def answer_of(app: Any, path: str) -> bytes:
    """What an application of ASGI answers to a GET."""
    asked = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "http_version": "1.1"}
    told: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(asked, receive, send)
    assert told[0]["status"] == 200
    return b"".join(message.get("body", b"") for message in told)


def test_programs_of_node(hive: int, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node.needed())
    with redis.Redis(port=hive) as client:
        client.delete("greeting")
    printed = []
    for program in programs("Node", hive, "js"):
        (tmp_path / "program.mjs").write_text(program)
        done = subprocess.run(["node", "program.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
        printed.append((done.stdout, done.stderr))
    assert printed == [("hello\n", ""), ("hello\n", "")]
