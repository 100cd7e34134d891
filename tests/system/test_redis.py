"""Redis clients at a hive of three: redis-py, redis-cli, and random commands beside a real redis-server.

The answers to those are the same bytes. What docs/redis.md says to differ, and what releases of Redis answer
differently (BITCOUNT and BITPOS of no key with wrong arguments), is not among what is said at random.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any
from unittest.mock import ANY

import pytest
import redis
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.system import redis_server
from tests.system.daemons import PATIENCE_SECONDS, Daemons, stable_hive, until
from tests.system.redis_server import Command, RedisServer, Said
from tests.system.raw import Wire
from wrpme.protocol.messages import Content, Get, GetConfig, GetStatus
from wrpme.protocol.view import NOBODY

SEQUENCES = int(os.environ.get("WRPME_REDIS_SEQUENCES", "150"))
"""So many random sequences of commands are compared; in scripts/soak 2,000."""


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with stable_hive(tmp_path_factory.mktemp("redis"), 3) as daemons:
        yield daemons


@pytest.fixture(params=[2, 3])
def client(hive: Daemons, request: pytest.FixtureRequest) -> Iterator[Any]:
    with redis.Redis(host="127.0.0.1", port=port_of(hive), protocol=request.param) as made:
        made.flushall()
        yield made


def port_of(hive: Daemons, index: int = 0) -> int:
    return int(hive.addresses[index].rpartition(":")[2])


# --- redis-py --------------------------------------------------------------------------------------------------------


def test_a_value_is_an_entry_at_every_node(hive: Daemons, client: Any) -> None:
    assert client.set("greeting", "hello", ex=100) is True
    for index in range(3):
        with redis.Redis(host="127.0.0.1", port=port_of(hive, index)) as other:
            assert other.get("greeting") == b"hello"
            assert 98 <= other.ttl("greeting") <= 100
        with Wire(hive.addresses[index]) as wire:
            assert wire.ask([Get(1, b"greeting")]) == {1: Content(1, b"hello")}


def test_redis_py(client: Any) -> None:
    assert client.ping() and client.get("none") is None
    assert client.mset({f"key/{number}": number for number in range(100)})
    assert client.mget([f"key/{number}" for number in range(100)]) == [b"%d" % number for number in range(100)]
    assert client.dbsize() == 100 and sorted(client.keys("key/9?")) == [b"key/9%d" % number for number in range(10)]
    assert client.delete("key/1", "key/2", "none") == 2
    assert client.incrby("key/3", 4) == 7 and client.incrbyfloat("key/3", 0.5) == 7.5
    assert client.set("lock", "me", nx=True, px=10_000) is True and client.set("lock", "you", nx=True) is None
    assert client.set("lock", "you", get=True) == b"me" and client.getdel("lock") == b"you"
    assert client.setbit("bits", 9, 1) == 0 and client.bitcount("bits") == 1
    assert client.expire("bits", 100, nx=True) and not client.expire("bits", 50, nx=True) and client.persist("bits")
    assert client.rename("{t}a", "{t}b") if client.set("{t}a", 1) else False
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        client.incr("bits")
    with pytest.raises(redis.ResponseError, match="list, which is not there yet"):
        client.lpush("list", 1)
    assert client.info("server")["redis_version"] and client.info()["db0"]["keys"] == client.dbsize()
    assert client.config_get("databases") == {"databases": "1"}
    assert client.command_count() == len(client.command())
    assert client.client_list()[0]["lib-name"].startswith("redis-py")
    assert client.flushall() and client.dbsize() == 0


def test_what_redis_py_asks_a_server(client: Any) -> None:
    assert client.role()[:2] in ([b"master", 0], ["master", 0]) and client.wait(1, 10) == 1
    assert client.waitaof(1, 1, 10) == [1, 1] and client.lastsave()
    assert client.msetex({"{t}a": 1, "{t}b": 3}, ex=100) == 1 and client.ttl("{t}b") == 100
    assert client.bitop("XOR", "{t}c", "{t}a", "{t}b") == 1 and client.get("{t}c") == b"\x02"
    assert [client.execute_command("DELEX", "{t}a", option, 1) for option in ("IFNE", "IFEQ")] == [0, 1]
    assert client.bitfield("{t}c").incrby("u8", 0, 5).get("u4", 4).execute() == [7, 7]
    assert client.memory_usage("{t}c") == 9 + 4 + 24 + 1 and client.object("encoding", "{t}b") == b"int"
    assert client.slowlog_get() == [] and client.slowlog_len() == 0 and client.latency_latest() == []
    assert client.acl_whoami() in (b"default", "default") and "GET" in str(client.acl_cat("string")).upper()
    assert "A  127.0.0.1:" in str(client.lolwut())
    assert client.client_info()["cmd"] == "client|info" and client.client_list(client_id=[client.client_id()])
    assert client.client_kill_filter(_id=str(client.client_id())) == 0 and not client.client_list(_type="pubsub")
    assert client.info("cluster")["cluster_enabled"] == 0 and client.info()["loading"] == 0
    assert client.command_getkeysandflags("GET", "a")[0][0] in (b"a", "a")
    with pytest.raises(redis.ResponseError, match="can't set immutable config"):
        client.config_set("maxmemory", "1mb")
    with pytest.raises(redis.ResponseError, match="nothing to save"):
        client.bgsave()


@pytest.mark.parametrize("transaction", [False, True])
def test_pipelines(client: Any, transaction: bool) -> None:
    with client.pipeline(transaction=transaction) as pipeline:
        for number in range(500):
            pipeline.set(f"k{number}", number)
            pipeline.incr(f"k{number}")
            pipeline.get(f"k{number}")
        answers = pipeline.execute()
    assert answers == [part for number in range(500) for part in (True, number + 1, b"%d" % (number + 1))]


def test_a_transaction_is_repeated_where_a_watched_key_changes(hive: Daemons, client: Any) -> None:
    client.set("{t}from", 10)
    attempts: list[int] = []

    def move(pipeline: Any) -> None:
        present = int(pipeline.get("{t}from"))
        attempts.append(present)
        if len(attempts) == 1:
            with redis.Redis(host="127.0.0.1", port=port_of(hive, 1)) as other:
                other.incr("{t}from")
        pipeline.multi()
        pipeline.set("{t}from", present - 5)
        pipeline.incrby("{t}to", 5)

    assert client.transaction(move, "{t}from") == [True, 5]
    assert attempts == [10, 11] and client.mget("{t}from", "{t}to") == [b"6", b"5"]


def test_keys_that_are_apart(client: Any) -> None:
    for command in (["RENAME", "a", "b"], ["MSETNX", "a", "1", "b", "2"]):
        client.set("a", 1)
        with pytest.raises(redis.ResponseError, match="Keys in request don't hash to the same slot"):
            client.execute_command(*command)


def test_what_the_operator_chose_is_told_and_done(tmp_path: Path) -> None:
    with Daemons(tmp_path, 1, "--redis-strict", "--transient") as hive:
        asyncio.run(hive.all_stable(1))
        with redis.Redis(host="127.0.0.1", port=port_of(hive)) as client, Wire(hive.addresses[0]) as wire:
            with pytest.raises(redis.ResponseError, match="Keys in request don't hash to the same slot"):
                client.mset({"a": 1, "b": 2})
            assert client.mset({"{t}a": 1, "{t}b": 2}) and client.exists("a") == 0
            with pytest.raises(redis.ResponseError, match="Keys in request don't hash to the same slot"):
                client.pipeline(transaction=True).set("a", 1).set("b", 2).execute()
            assert client.info("hive")["redis_strict"] == 1
            chosen = {"appendonly": "no", "port": str(port_of(hive)), "redis-strict": "yes"}
            assert client.config_get("port", "redis-*", "appendonly") == chosen
            told: Any = wire.ask([GetStatus(1, NOBODY), GetConfig(2, NOBODY)])
            status, config = (json.loads(told[number].text) for number in (1, 2))
            assert (status["sessions"], status["redis_sessions"], config["redis-strict"]["value"]) == (2, 1, True)


def test_a_cluster_client_is_told_that_it_needs_no_map(hive: Daemons, client: Any) -> None:
    with pytest.raises(redis.RedisClusterException, match="Cluster mode is not enabled on this node"):
        redis.RedisCluster(host="127.0.0.1", port=port_of(hive))
    assert client.wait(1, 1000) == 1, "the further copy of each entry"
    assert client.cluster("KEYSLOT", "foo") == 12182


def test_large_values(client: Any) -> None:
    content = b"x" * (64 << 20)
    assert client.set("large", content) and client.strlen("large") == len(content)
    assert client.get("large") == content
    with pytest.raises(redis.ResponseError, match="string exceeds maximum allowed size"):
        client.append("large", "x")
    client.delete("large")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("protocol", [2, 3])
async def test_redis_py_with_asyncio(hive: Daemons, protocol: int) -> None:
    made: Any = redis.asyncio.Redis(host="127.0.0.1", port=port_of(hive, 2), protocol=protocol)
    async with made as client:
        await client.delete("counter")
        assert sorted(await asyncio.gather(*(client.incr("counter") for _ in range(50)))) == list(range(1, 51))
        async with client.pipeline(transaction=True) as pipeline:
            assert await pipeline.set("{p}a", 1).incr("{p}a").get("{p}a").execute() == [True, 2, b"2"]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[[Daemons], None]:
    """Lets the name ``hive`` have the addresses of all nodes, as a name server would; their ports differ here."""

    def name(hive: Daemons) -> None:
        resolved = socket.getaddrinfo

        def resolve(host: Any, port: Any, *asked: Any, **more: Any) -> list[Any]:
            at = hive.addresses if host == "hive" else [f"{host}:{port}"]
            there = [address.rpartition(":") for address in at]
            return [found for host, _, port in there for found in resolved(host, port, *asked, **more)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return name


def set_and_get(key: str, begun: set[str], ended: asyncio.Event) -> None:
    """redis-py is left to itself: it connects anew, and says again what it has no answer to."""
    with redis.Redis(host="hive") as client:
        number = left = 0
        while left < 30:
            left += ended.is_set()
            number += 1
            assert client.set(key, number) and client.get(key) == b"%d" % number
            assert client.pipeline().incr(f"{key}/sum").get(key).execute() == [ANY, b"%d" % number]
            begun.add(key)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_planned_restart_is_not_noticed(hive: Daemons, named: Callable[[Daemons], None]) -> None:
    named(hive)
    begun: set[str] = set()
    ended = asyncio.Event()
    tasks = [asyncio.create_task(asyncio.to_thread(set_and_get, f"kept/{at}", begun, ended)) for at in range(2)]

    async def all_have_begun() -> bool:
        return len(begun) == len(tasks) or any(task.done() for task in tasks)  # what one has failed with is told below

    try:
        await until("both clients have written and read", all_have_begun)
        await asyncio.to_thread(hive.terminate, 0)
        hive.start(0)
        await hive.until_stable(3)
    finally:
        ended.set()
    await asyncio.gather(*tasks)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_node_dies_while_pools_work(tmp_path: Path, named: Callable[[Daemons], None]) -> None:
    """Whatever is answered is true: no counter is below what was acknowledged, or above what was asked for. Who is
    given a name with the addresses of all nodes goes on with one that lives."""
    with Daemons(tmp_path, 3) as hive:
        named(hive)
        hive.start_all(range(3))
        await hive.until_stable(3)
        # Left to itself redis-py says a command again that it has no answer to, whether it was carried out or not.
        once: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_timeout": PATIENCE_SECONDS}
        asked, acknowledged, other = [0] * 20, [0] * 20, [0] * 20
        killed = asyncio.Event()

        async def work(client: Any, number: int) -> None:
            while not killed.is_set() or acknowledged[number] < 60:
                asked[number] += 1
                try:
                    await client.incr(f"n{number}")
                except redis.ResponseError as error:
                    words = ("INDETERMINATE", "TRYAGAIN", "CLUSTERDOWN")
                    assert str(error).startswith(words), error
                    other[number] += not str(error).startswith("INDETERMINATE")
                except redis.ConnectionError:
                    assert number % 2
                else:
                    acknowledged[number] += 1

        one: Any = redis.asyncio.Redis(host="127.0.0.1", port=port_of(hive, 1), **once)
        all_: Any = redis.asyncio.Redis(host="hive", **once)
        async with one as client, all_ as any_client, asyncio.timeout(PATIENCE_SECONDS):
            tasks = [asyncio.create_task(work(any_client if number % 2 else client, number)) for number in range(20)]
            tasks.append(asyncio.create_task(asyncio.to_thread(set_and_get, "kept", set(), killed)))
            try:
                while min(acknowledged) < 20:
                    await asyncio.sleep(0.01)
                hive.kill(0)
            finally:
                killed.set()
            await asyncio.gather(*tasks)
            values = [int(value) for value in await client.mget([f"n{number}" for number in range(20)])]
        for number, value in enumerate(values):
            assert acknowledged[number] <= value <= asked[number] - other[number]


# --- redis-cli, and others -------------------------------------------------------------------------------------------


def test_redis_cli(hive: Daemons) -> None:
    redis_server.needed()
    assert shutil.which("redis-cli")
    lines = b"SET greeting 'two words'\nGET greeting\nHELLO 3\nGET none\n"
    done = subprocess.run(
        ["redis-cli", "-p", str(port_of(hive))], input=lines, capture_output=True, timeout=PATIENCE_SECONDS, check=True
    )
    assert done.stdout.startswith(b"OK\ntwo words\nserver") and not done.stderr


def test_what_is_no_command(hive: Daemons) -> None:
    with Said(port_of(hive)) as said:
        assert said.say([b"PING"], [b"NOSUCH", b"x"]) == [
            b"+PONG\r\n",
            b"-ERR unknown command 'NOSUCH', with args beginning with: 'x' \r\n",
        ]


# --- beside a real one -----------------------------------------------------------------------------------------------

KEYS = st.sampled_from([b"{t}a", b"{t}b", b"{t}c"])
VALUES = st.sampled_from(
    [b"1", b"-5", b"abc", b"", b"3.14", b"9223372036854775807", b"hello world", b"\x00\xff", b" 1", b"1e3", b"\r\n"]
)
NUMBERS = st.sampled_from(
    [
        b"0",
        b"1",
        b"-1",
        b"2",
        b"5",
        b"-3",
        b"100",
        b"x",
        b"-100",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"1.5",
    ]
)
TIMES = st.sampled_from([b"100", b"1000", b"-1", b"0", b"x", b"9223372036854775807", b"5000"])
TYPES = st.sampled_from([b"u8", b"i8", b"i5", b"u1", b"i64", b"u63", b"u64", b"i16", b"x"])
OFFSETS = st.sampled_from([b"0", b"#1", b"7", b"13", b"#x", b"-1", b"100"])
SMALL = st.sampled_from([b"0", b"7", b"9", b"100", b"-1", b"x"])
LIVES = st.sampled_from([b"NX", b"XX", b"GT", b"LT", b"zz"])
OF_SPANS = st.sampled_from([[], [b"NX"], [b"XX"], [b"zz"], [b"NX", b"GT"], [b"GT", b"LT"], [b"XX", b"NX"]])
"""Whether a span from now on is longer than one that began before depends on the millisecond: GT and LT are said of
moments alone."""


def words(name: str, *parts: st.SearchStrategy[Any] | bytes) -> st.SearchStrategy[Command]:
    made = [st.just(part) if isinstance(part, bytes) else part for part in parts]

    return st.tuples(*made).map(lambda found: [name.encode(), *joined(list(found))])


def joined(parts: list[Any]) -> list[bytes]:
    return [word for part in parts for word in ([part] if isinstance(part, bytes) else part)]


def several(*parts: st.SearchStrategy[Any] | bytes, most: int = 2) -> st.SearchStrategy[list[bytes]]:
    made = [st.just(part) if isinstance(part, bytes) else part for part in parts]
    return st.lists(st.one_of(made), max_size=most).map(joined)


OPTION = st.one_of(
    st.sampled_from([[b"NX"], [b"XX"], [b"GET"], [b"KEEPTTL"], [b"PX", b"100000"], [b"EXAT", b"9999999999"], [b"EX"]]),
    TIMES.map(lambda time: [b"EX", time]),
)
FIELD = st.one_of(
    st.tuples(st.just(b"GET"), TYPES, OFFSETS).map(list),
    st.tuples(st.sampled_from([b"SET", b"incrby"]), TYPES, OFFSETS, NUMBERS).map(list),
    st.sampled_from(
        [[b"OVERFLOW", b"SAT"], [b"OVERFLOW", b"FAIL"], [b"OVERFLOW", b"wrap"], [b"OVERFLOW", b"zz"], [b"GET"]]
    ),
)
SELECTED = st.sampled_from(
    [
        [b"ID", b"999999"],
        [b"ID", b"x"],
        [b"TYPE", b"zz"],
        [b"TYPE", b"pubsub"],
        [b"USER", b"zz"],
        [b"SKIPME", b"zz"],
        [b"zz"],
    ]
)
TOLD = [
    b"ROLE", b"CLUSTER INFO", b"CLUSTER SLOTS", b"CLUSTER zz", b"WAIT x 0", b"WAIT 0 x", b"WAIT 0 -1", b"SLOWLOG RESET",
    b"SLOWLOG GET -2", b"SLOWLOG GET x", b"LATENCY LATEST", b"LATENCY GRAPH zz", b"MODULE LIST", b"ACL WHOAMI",
    b"ACL USERS", b"ACL CAT zz", b"DEBUG JMAP", b"DEBUG", b"CONFIG SET zz 1", b"CONFIG SET databases 17",
    b"CONFIG SET databases 1 zz", b"CONFIG REWRITE", b"CONFIG zz", b"CLIENT PAUSE x", b"CLIENT UNPAUSE",
    b"CLIENT TRACKING off", b"CLIENT TRACKING zz", b"CLIENT CACHING YES", b"CLIENT GETREDIR", b"CLIENT UNBLOCK 999999",
    b"CLIENT UNBLOCK 1 zz", b"CLIENT TRACKINGINFO", b"COMMAND GETKEYS BITOP OR a b c", b"COMMAND GETKEYS zz a",
    b"COMMAND LIST FILTERBY zz a", b"COMMAND GETKEYS OBJECT FREQ a", b"ASKING", b"CLIENT KILL 1.2.3.4:5",
]  # fmt: skip
"""What is answered in the same words whatever the entries are."""
SAID: st.SearchStrategy[Command] = st.one_of(
    words("SET", KEYS, VALUES),
    words("SET", KEYS, VALUES, several(OPTION, most=3)),
    words("GET", KEYS),
    words("SETNX", KEYS, VALUES),
    words("SETEX", KEYS, TIMES, VALUES),
    words("PSETEX", KEYS, st.sampled_from([b"100000", b"-1", b"0", b"x", b"9223372036854775807"]), VALUES),
    words("GETSET", KEYS, VALUES),
    words("GETDEL", KEYS),
    words("GETEX", KEYS, several(st.sampled_from([[b"PERSIST"], [b"EX", b"100"], [b"EX", b"x"], [b"zz"]]), most=1)),
    words("APPEND", KEYS, VALUES),
    words("STRLEN", KEYS),
    words("GETRANGE", KEYS, NUMBERS, NUMBERS),
    words("SETRANGE", KEYS, SMALL, VALUES),
    words("INCR", KEYS),
    words("DECR", KEYS),
    words("INCRBY", KEYS, NUMBERS),
    words("DECRBY", KEYS, NUMBERS),
    words("INCRBYFLOAT", KEYS, st.sampled_from([b"1.5", b"-2", b"x", b"1e2", b"0.1", b"inf", b"nan", b"", b"3.0e-5"])),
    words("LCS", KEYS, KEYS, several(b"LEN", b"IDX", b"WITHMATCHLEN", b"MINMATCHLEN", NUMBERS)),
    words("MGET", KEYS, KEYS),
    words("MSET", KEYS, VALUES, KEYS, VALUES),
    words("MSETNX", KEYS, VALUES, KEYS, VALUES),
    words("DEL", KEYS, KEYS),
    words("EXISTS", KEYS, KEYS, KEYS),
    words("TYPE", KEYS),
    words("TTL", KEYS),
    words("EXPIRE", KEYS, TIMES, OF_SPANS),
    words("EXPIREAT", KEYS, st.sampled_from([b"9999999999", b"8888888888", b"1", b"-1", b"x"]), several(LIVES)),
    words("EXPIRETIME", KEYS),
    words("PERSIST", KEYS),
    words("RENAME", KEYS, KEYS),
    words("RENAMENX", KEYS, KEYS),
    words("COPY", KEYS, KEYS, several(b"REPLACE", b"zz", most=1)),
    words("SETBIT", KEYS, SMALL, SMALL),
    words("GETBIT", KEYS, SMALL),
    words("BITCOUNT", KEYS, st.sampled_from([[], [b"0", b"-1"], [b"-2", b"9", b"BIT"], [b"1", b"1", b"BYTE"]])),
    words("BITPOS", KEYS, b"1", st.sampled_from([[], [b"1"], [b"0", b"-1"], [b"-2", b"9", b"BIT"], [b"1", b"1"]])),
    words("BITPOS", KEYS, b"0", st.sampled_from([[], [b"1"], [b"0", b"-1"], [b"-2", b"9", b"BIT"], [b"1", b"1"]])),
    words("BITOP", st.sampled_from([b"AND", b"or", b"XOR", b"NOT", b"zz"]), KEYS, KEYS, several(KEYS, most=1)),
    words("BITFIELD", KEYS, several(FIELD, most=4)),
    words("BITFIELD_RO", KEYS, several(FIELD, most=1)),
    words("MEMORY", b"USAGE", b"{t}none", several(b"zz", b"SAMPLES", b"5", b"x")),
    words("OBJECT", st.sampled_from([b"FREQ", b"zz"]), KEYS),
    words("CLIENT", b"KILL", several(SELECTED, most=3)),
    words("CLIENT", b"LIST", SELECTED, several(SELECTED, most=1)),
    words("PING", several(VALUES)),
    words("CLIENT", st.sampled_from([[b"GETNAME"], [b"SETNAME", b"me"], [b"SETNAME", b"a b"], [b"zz"]])),
    words("NOSUCH", VALUES),
    st.sampled_from([[b"MULTI"], [b"EXEC"], [b"EXEC"], [b"DISCARD"], [b"UNWATCH"], [b"GET"], [b"SELECT", b"x"]]),
    words("WATCH", KEYS),
    st.sampled_from(TOLD).map(bytes.split),
)


def test_of_the_server_the_same_is_told_as_by_redis(hive: Daemons, tmp_path: Path) -> None:
    redis_server.needed()
    with RedisServer(tmp_path) as server, Said(server.port) as there, Said(port_of(hive)) as here:
        for hello in ([b"HELLO", b"2"], [b"HELLO", b"3"]):
            assert there.say(hello) and here.say(hello)
            commands = [line.split() for line in TOLD]
            got, expected = here.say(*commands), there.say(*commands)
            assert list(zip(commands, got, strict=True)) == list(zip(commands, expected, strict=True))


MOMENT = re.compile(rb":([0-9]{10})\r\n")


def as_span(found: re.Match[bytes]) -> bytes:
    """When a span of seconds ends as the span: it began at two moments."""
    left = int(found[1]) - time()
    return b":in %d s\r\n" % round(left, -2) if left < 10_000 else found[0]


def test_random_commands_are_answered_as_by_redis(hive: Daemons, tmp_path: Path) -> None:
    redis_server.needed()
    end: list[Command] = [[b"DISCARD"], [b"UNWATCH"], [b"CLIENT", b"SETNAME", b""]]
    gone: Command = [b"DEL", b"{t}a", b"{t}b", b"{t}c"]
    with RedisServer(tmp_path) as server, Said(server.port) as there, Said(port_of(hive)) as here:
        assert there.say(gone) and here.say(gone)

        @settings(max_examples=SEQUENCES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(st.lists(SAID, min_size=1, max_size=30), st.booleans(), st.sampled_from([b"2", b"3"]))
        def compare(commands: list[Command], in_one_piece: bool, protocol: bytes) -> None:
            for connection in (here, there):
                connection.say([b"HELLO", protocol])
            if in_one_piece:
                got, expected = here.say(*commands), there.say(*commands)
            else:
                got = [here.say(command)[0] for command in commands]
                expected = [there.say(command)[0] for command in commands]
            for connection in (here, there):
                connection.say(*end, gone)
            here_said, there_said = ([MOMENT.sub(as_span, answer) for answer in some] for some in (got, expected))
            assert list(zip(commands, here_said, strict=True)) == list(zip(commands, there_said, strict=True))

        compare()
