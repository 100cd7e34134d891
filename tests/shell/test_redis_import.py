"""hive_import: what it asks a Redis, what it writes, and what it says where one of the two goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.shell.test_cli import FakeClient, Session
from wrpme import errors
from wrpme.daemon.net.redis.parser import Parser
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX
from wrpme.shell.limits import IMPORT_GROUP_BYTES_MAX, IMPORT_KEYS_MAX, IMPORT_WRITES_MAX
from wrpme.shell.imports.redis_import import progress_text

OK = b"+OK\r\n"
WRONG = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
GONE_SPAN, NO_SPAN = -2, -1


def bulk(content: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(content), content)


class FakeRedis:
    """Has strings with their spans in milliseconds, and keys of other types; ``answers`` come before what it knows."""

    def __init__(self, strings: dict[bytes, tuple[bytes, int]], others: dict[bytes, bytes] | None = None) -> None:
        self.strings = strings
        self.others = others or {}
        self.answers: dict[bytes, Callable[[list[bytes]], bytes | None]] = {}
        self.asked: list[list[bytes]] = []

    def answer(self, command: list[bytes]) -> bytes | None:
        """None: the connection ends."""
        self.asked.append(command)
        name, key = command[0], command[1] if len(command) > 1 else b""
        if name in self.answers:
            return self.answers[name](command)
        content, span = self.strings.get(key, (b"", GONE_SPAN))
        match name:
            case b"INFO":
                return bulk(b"# Cluster\r\ncluster_enabled:0\r\n")
            case b"DBSIZE":
                return b":%d\r\n" % (len(self.strings) + len(self.others))
            case b"SCAN":
                keys = [*self.strings, *self.others]
                page = keys[int(key) : int(key) + IMPORT_KEYS_MAX]
                after = int(key) + len(page)
                head = bulk(b"%d" % (after if after < len(keys) else 0))
                return b"*2\r\n" + head + b"*%d\r\n" % len(page) + b"".join(map(bulk, page))
            case b"TYPE":
                return b"+%b\r\n" % (b"string" if key in self.strings else self.others.get(key, b"none"))
            case b"STRLEN":
                return WRONG if key in self.others else b":%d\r\n" % len(content)
            case b"GETRANGE":
                return bulk(content)
            case b"PTTL":
                return b":%d\r\n" % span
        return OK

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Gives its URL."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            parser = Parser()
            while data := await reader.read(1 << 16):
                for command in parser.feed(data):
                    answer = self.answer(command)
                    if answer is None:
                        writer.close()
                        return
                    writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1")
        try:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()


class FakeBatch:
    def __init__(self, hive: FakeHive) -> None:
        self._hive = hive
        self._updates: list[tuple[bytes, bytes, float | None]] = []

    def update(self, alias: bytes, content: bytes, ttl: float | None) -> Self:
        self._updates.append((alias, content, ttl))
        return self

    async def commit(self) -> Sequence[int | errors.WrpmeError]:
        self._hive.batches.append([alias for alias, _, _ in self._updates])
        return [self._hive.written(*update) for update in self._updates]


class FakeHive(FakeClient):
    """Keeps what is written; the first outcomes of each alias are given."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[bytes, tuple[bytes, float | None]] = {}
        self.outcomes: dict[bytes, list[errors.WrpmeError]] = {}
        self.batches: list[list[bytes]] = []

    def batch(self, *, each: bool) -> FakeBatch:
        assert each
        return FakeBatch(self)

    def written(self, alias: bytes, content: bytes, ttl: float | None) -> int | errors.WrpmeError:
        if self.outcomes.get(alias):
            return self.outcomes[alias].pop(0)
        self.entries[alias] = content, ttl
        return 1


async def imported(directory: Path, redis: FakeRedis, hive: FakeHive, line: str = "") -> tuple[str, list[str], int]:
    """What a session prints, what it says, and the exit code that a single command would have."""
    async with redis.serving() as url:
        session = Session(directory, hive, f"hive_import {line.format(url) if line else url}")
        out, err = await session.run()
    said = [text for text in err.splitlines() if "reading 0 of" not in text]
    return out.decode().strip(), said, session.shell.code


@pytest.mark.asyncio
async def test_strings_come_over_with_their_life_spans(tmp_path: Path) -> None:
    redis = FakeRedis({b"a": (b"one", NO_SPAN), b"b c\xff": (b"\0\r\n", 90_000), b"empty": (b"", NO_SPAN)})
    hive = FakeHive()
    assert await imported(tmp_path, redis, hive) == ("3 entries written", [], 0)
    span = hive.entries[b"b c\xff"][1]
    assert hive.entries == {b"a": (b"one", None), b"b c\xff": (b"\0\r\n", span), b"empty": (b"", None)}
    assert span is not None and 0 < span <= 90.0
    assert {command[0] for command in redis.asked} <= {
        b"CLIENT", b"INFO", b"DBSIZE", b"SCAN", b"TYPE", b"STRLEN", b"GETRANGE", b"PTTL",
    }  # fmt: skip


@pytest.mark.asyncio
async def test_pages_and_groups_are_bounded(tmp_path: Path) -> None:
    large = b"x" * (IMPORT_GROUP_BYTES_MAX // 2)
    redis = FakeRedis({b"%d" % number: (b"", NO_SPAN) for number in range(2 * IMPORT_KEYS_MAX)})
    redis.strings |= {b"large/%d" % number: (large, NO_SPAN) for number in range(5)}
    hive = FakeHive()
    out, said, code = await imported(tmp_path, redis, hive)
    assert (out, said, code) == (f"{2 * IMPORT_KEYS_MAX + 5:,} entries written", [], 0)
    assert [len(batch) for batch in hive.batches] == [IMPORT_KEYS_MAX, IMPORT_KEYS_MAX, 2, 2, 1]


@pytest.mark.asyncio
async def test_what_is_no_entry_is_left_out_and_told(tmp_path: Path) -> None:
    long = b"k" * (ALIAS_BYTES_MAX + 1)
    others = {b"l%d" % number: b"list" for number in range(5)} | {b"h h": b"hash"}
    redis = FakeRedis({b"a": (b"1", NO_SPAN), b"": (b"1", NO_SPAN), long: (b"1", NO_SPAN), b"big": (b"", 1)}, others)
    redis.answers[b"STRLEN"] = lambda asked: WRONG if asked[1] in others else b":%d\r\n" % (
        CONTENT_BYTES_MAX + (asked[1] == b"big") if asked[1] in (b"a", b"big") else 1
    )  # fmt: skip
    hive = FakeHive()
    out, said, code = await imported(tmp_path, redis, hive)
    assert (out, code) == ("1 entry written", 1) and hive.entries == {b"a": (b"1", None)}
    assert said == [
        '1 key of type hash left out, as a hive has strings only: "h h"',
        '5 keys of type list left out, as a hive has strings only, such as "l0", "l1", "l2"',
        "the empty key was left out, as an alias has at least 1 byte",
        f'1 key left out, as an alias has at most 4,096 bytes: "{"k" * 100}"...',
        '1 key left out, as a content has at most 64 MiB: "big"',
    ]
    out, _, code = await imported(tmp_path, redis, hive, "--json {}")
    left_out = {"types": {"hash": 1, "list": 5}, "empty_keys": 1, "long_keys": 1, "large_values": 1}
    assert json.loads(out) == {"keys": 10, "written": 1, "gone": 0, "left_out": left_out} and code == 1


@pytest.mark.asyncio
async def test_what_has_ended_meanwhile_is_not_brought_to_life(tmp_path: Path) -> None:
    redis = FakeRedis({b"a": (b"1", NO_SPAN), b"b": (b"2", 0), b"c": (b"3", GONE_SPAN), b"list": (b"", NO_SPAN)})
    redis.strings[b"grown"] = (b"x" * (CONTENT_BYTES_MAX + 1), NO_SPAN)
    redis.answers[b"TYPE"] = lambda asked: b"+none\r\n" if asked[1] == b"d" else b"+string\r\n"
    redis.answers[b"STRLEN"] = lambda asked: b":1\r\n"
    redis.answers[b"GETRANGE"] = lambda asked: WRONG if asked[1] == b"list" else bulk(redis.strings[asked[1]][0])
    redis.strings[b"d"] = (b"4", NO_SPAN)
    hive = FakeHive()
    out, said, code = await imported(tmp_path, redis, hive)
    assert out == "1 entry written; 4 keys had expired or were removed meanwhile" and code == 1
    assert said == ['1 key left out, as a content has at most 64 MiB: "grown"']
    assert hive.entries == {b"a": (b"1", None)}


@pytest.mark.asyncio
async def test_keys_of_a_prefix(tmp_path: Path) -> None:
    redis = FakeRedis({b"app:*": (b"1", NO_SPAN), b"other": (b"2", NO_SPAN)}, {b"list": b"list"})
    hive = FakeHive()
    assert await imported(tmp_path, redis, hive, "{} app:") == ("1 entry written", [], 0)
    assert list(hive.entries) == [b"app:*"]


@pytest.mark.asyncio
async def test_an_entry_of_which_nobody_knows_is_written_again(tmp_path: Path) -> None:
    hive, lost = FakeHive(), errors.IndeterminateError("the connection broke")
    hive.outcomes[b"b"] = [lost, lost]
    redis = FakeRedis({b"a": (b"1", NO_SPAN), b"b": (b"2", 80_000)})
    assert (await imported(tmp_path, redis, hive))[0] == "2 entries written"
    assert hive.batches == [[b"a", b"b"], [b"b"], [b"b"]] and hive.entries[b"b"][0] == b"2"
    hive.outcomes[b"b"] = [lost] * IMPORT_WRITES_MAX
    _, said, _ = await imported(tmp_path, redis, hive)
    assert said == [
        "indeterminate: the connection broke; "
        "1 entry had been written, and hive_import begins anew when it is given again"
    ]


@pytest.mark.asyncio
async def test_a_hive_that_takes_nothing(tmp_path: Path) -> None:
    hive = FakeHive()
    hive.outcomes[b"a"] = [errors.UnavailableError("a node is down")]
    assert await imported(tmp_path, FakeRedis({b"a": (b"1", NO_SPAN)}), hive) == (
        "", ["unavailable: a node is down"], 0,
    )  # fmt: skip


def refusing(sentence: bytes) -> Callable[[list[bytes]], bytes]:
    return lambda _: b"-%b\r\n" % sentence


@pytest.mark.parametrize(
    ("name", "answer", "line"),
    [
        (b"INFO", bulk(b"cluster_enabled:1\r\n"), "usage: {} is a node of a Redis Cluster, which has a part of the "
         "keys; hive_import reads a Redis that has all of them, and no cluster yet"),
        (b"SCAN", b"-NOPERM this user has no permissions to run the 'scan' command\r\n", "usage: the Redis at {} "
         "refuses this user or password (this user has no permissions to run the 'scan' command)"),
        (b"DBSIZE", b"-NOAUTH Authentication required.\r\n", "usage: the Redis at {} refuses this user or password "
         "(Authentication required)"),
        (b"DBSIZE", b"-LOADING Redis is loading the dataset in memory\r\n", "connection: the Redis at {} reads its own "
         "data still; try again later"),
        (b"STRLEN", b"-ERR no\r\n", "usage: the Redis at {} refuses what hive_import asks (no)"),
        (b"INFO", b"HTTP/1.1 400 Bad Request\r\n", "protocol: what answers at {} is no Redis: look at host and port "
         "(Protocol Error: b'HTTP/1.1 400 Bad Request')"),
        (b"INFO", None, "connection: no Redis answers at {} (connection closed by server); look at host and port"),
    ],
)  # fmt: skip
@pytest.mark.asyncio
async def test_a_redis_that_does_not_what_is_asked(
    tmp_path: Path, name: bytes, answer: bytes | None, line: str
) -> None:
    redis = FakeRedis({b"a": (b"1", NO_SPAN)})
    redis.answers[name] = lambda _: answer
    async with redis.serving() as url:
        session = Session(tmp_path, FakeHive(), f"hive_import {url}")
        _, err = await session.run()
    said = [text for text in err.splitlines() if "reading" not in text]
    assert said == [line.format(url.removeprefix("redis://"))]


@pytest.mark.asyncio
async def test_a_redis_that_ends_in_the_middle(tmp_path: Path) -> None:
    """It is not asked anew where it was: its cursor means nothing to the one that answers then."""
    redis = FakeRedis({b"%d" % number: (b"", NO_SPAN) for number in range(IMPORT_KEYS_MAX + 1)})
    redis.answers[b"TYPE"] = lambda asked: None if asked[1] == b"%d" % IMPORT_KEYS_MAX else b"+string\r\n"
    hive = FakeHive()
    async with redis.serving() as url:
        session = Session(tmp_path, hive, f"hive_import {url}")
        _, err = await session.run()
    place = url.removeprefix("redis://")
    so_far = f"{IMPORT_KEYS_MAX} entries had been written, and hive_import begins anew when it is given again"
    assert err.splitlines()[1:] == [f"connection: the connection to the Redis at {place} broke; {so_far}"]
    assert [command for command in redis.asked if command[0] == b"INFO"] == [
            [b"INFO", b"cluster"], [b"INFO", b"hive"],
        ]  # fmt: skip
    assert len(hive.entries) == IMPORT_KEYS_MAX


def test_how_far_it_is() -> None:
    assert progress_text(0, 1, 0.0) == "reading 0 of 1 key"
    assert progress_text(5_000, 20_000, 2.5) == "reading 5,000 of 20,000 keys, 2,000 a second, 7 s left"
    assert progress_text(30, 20, 1.0) == "reading 20 of 20 keys, 30 a second, 0 s left"
