"""Tools and libraries that speak Redis at a hive of three: each does the same there and at a real redis-server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import node, redis_server
from tests.system.daemons import PATIENCE_SECONDS, stable_hive
from tests.system.redis_server import Command, RedisServer, encoded
from tests.system.terminal import Session

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
    said: list[list[str]] = [
        ["dbsize"], ["--csv", "mget", "a", "none", "mass/3"], ["--json", "mget", "a", "none"], ["-e", "nosuch"],
        ["-r", "3", "-i", "0.01", "incr", "count"], ["-3", "--no-raw", "get", "none"], ["-x", "set", "read"],
        ["-n", "99", "get", "a"], ["-d", ",", "mget", "a", "a"], ["-u", "redis://127.0.0.1:PORT/0", "get", "a"],
        ["-X", "tag", "set", "{t}", "tag"], ["-a", "secret", "--no-auth-warning", "get", "a"], ["flushall"],
    ]  # fmt: skip
    for arguments in said:
        given = ([word.replace("PORT", str(port)) for word in arguments] for port in (hive, server))
        here, there = (cli(port, *words, given=b"of stdin") for port, words in zip((hive, server), given, strict=True))
        assert here == there, arguments
    code, waits, _ = cli(hive, "--latency", "-i", "0.05", "--raw")
    assert code == 0 and len(waits.split()) == 4
    assert cli(hive, "monitor")[1].startswith("ERR unknown command 'monitor'")


def test_redis_benchmark(hive: int) -> None:
    """It asks for the configuration first, and for whatever each of its tests says."""
    tests = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]
    for options in (["-P", "16"], ["--threads", "2", "-3", "-r", "1000"]):
        asked = ["-p", str(hive), "-t", "ping,set,get,incr,mset", "-n", "200", "-c", "10", "--csv", *options]
        done = subprocess.run(["redis-benchmark", *asked], capture_output=True, timeout=PATIENCE_SECONDS, check=True)
        lines = [line.split(",") for line in done.stdout.decode().splitlines()]
        assert [line[0].strip('"') for line in lines] == ["test", *tests] and not done.stderr
        assert all(float(line[1].strip('"')) > 0 for line in lines[1:])


@pytest.mark.parametrize("program", [["ioredis.cjs"], ["node_redis.cjs", "2"], ["node_redis.cjs", "3"]], ids=" ".join)
def test_clients_of_node(hive: int, server: int, program: list[str]) -> None:
    name, *options = program
    here, there = (node.said(name, str(port), *options) for port in (hive, server))
    assert here == there and len(there) > 40
