"""``hive_import``: the strings of a Redis become entries, with their life spans.

Keys come in pages, as SCAN gives them, and contents in groups of a bounded size; each group is written by the client
before the next one is read. There is one connection, and it is never made anew: the cursor of a SCAN means nothing to a
Redis that has started again, and what it passes over nobody would miss. So a broken connection ends an import, which is
then given again from the start; to write an entry twice does no harm.

Only commands that read are asked, so that a user of Redis who may do no more is enough.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import Any, NamedTuple, Self

from msgspec import Struct, field
from redis import exceptions
from redis.asyncio import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from wrpme import errors
from wrpme.client.client import Client
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, EXPIRY_MILLISECONDS_MAX, MIB
from wrpme.protocol.quoting import named
from wrpme.shell.format import entries_text, span_text
from wrpme.shell.limits import (
    IMPORT_CONNECT_SECONDS_MAX, IMPORT_EXAMPLES_MAX, IMPORT_GROUP_BYTES_MAX, IMPORT_KEYS_MAX, IMPORT_SILENT_SECONDS_MAX,
    IMPORT_WRITES_MAX,
)  # fmt: skip
from wrpme.shell.imports.redis_url import RedisUrl


class Kept(NamedTuple):
    """A string of a Redis. ``until`` is when its life ends, by the monotonic clock; None is for ever."""

    key: bytes
    content: bytes
    until: float | None


class LeftOut(Struct):
    """Keys that were left out for one reason: how many, and the first few."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, key: bytes) -> None:
        """Counts one."""
        self.count += 1
        if len(self.examples) < IMPORT_EXAMPLES_MAX:
            self.examples.append(named(key))

    @property
    def such_as(self) -> str:
        """The examples in a sentence."""
        return f"{', such as' if self.count > len(self.examples) else ':'} {', '.join(self.examples)}"


class Told(Struct):
    """What has come over so far."""

    keys: int = 0
    """Keys that were looked at. SCAN may give a key twice."""
    written: int = 0
    gone: int = 0
    """Keys that were there, and had expired or were removed when they were to be written."""
    types: dict[str, LeftOut] = field(default_factory=dict)
    """Keys of other types than string, by type."""
    empty: LeftOut = field(default_factory=LeftOut)
    long: LeftOut = field(default_factory=LeftOut)
    large: LeftOut = field(default_factory=LeftOut)

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out."""
        return not (self.types or self.empty.count or self.long.count or self.large.count)

    @property
    def text(self) -> str:
        """What was done, in a line."""
        gone = f"; {_keys(self.gone)} had expired or were removed meanwhile" if self.gone else ""
        return f"{entries_text(self.written)} written{gone}"

    @property
    def sentences(self) -> list[str]:
        """What was left out, a sentence for each reason."""
        told = [
            f"{_keys(found.count)} of type {kind} left out, as a hive has strings only{found.such_as}"
            for kind, found in sorted(self.types.items())
        ]
        if self.empty.count:
            told.append("the empty key was left out, as an alias has at least 1 byte")
        if self.long.count:
            limit = f"an alias has at most {ALIAS_BYTES_MAX:,} bytes"
            told.append(f"{_keys(self.long.count)} left out, as {limit}{self.long.such_as}")
        if self.large.count:
            limit = f"a content has at most {CONTENT_BYTES_MAX // MIB} MiB"
            told.append(f"{_keys(self.large.count)} left out, as {limit}{self.large.such_as}")
        return told

    @property
    def json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "keys": self.keys,
            "written": self.written,
            "gone": self.gone,
            "left_out": {
                "types": {kind: found.count for kind, found in sorted(self.types.items())},
                "empty_keys": self.empty.count,
                "long_keys": self.long.count,
                "large_values": self.large.count,
            },
        }


class Redis:
    """A connection to a Redis, which is asked for its strings; as ``async with``."""

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        self._connection = Connection(
            host=url.address.host,
            port=url.address.port,
            username=url.user or None,
            password=url.password or None,
            db=url.db,
            socket_timeout=IMPORT_SILENT_SECONDS_MAX,
            socket_connect_timeout=IMPORT_CONNECT_SECONDS_MAX,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(IMPORT_CONNECT_SECONDS_MAX):
                await self._connection.connect()
        except BaseException:
            await self._connection.disconnect(nowait=True)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.disconnect(nowait=True)

    async def size(self) -> int:
        """Returns how many keys it has.

        Raises:
            UsageError: It has only a part of them.
        """
        try:
            (told,) = await self._ask([(b"INFO", b"cluster")])
        except exceptions.ResponseError:  # it tells this user nothing of itself
            told = b""
        if b"cluster_enabled:1" in told:
            part = f"{self._url} is a node of a Redis Cluster, which has a part of the keys"
            raise errors.UsageError(f"{part}; hive_import reads a Redis that has all of them, and no cluster yet")
        (size,) = await self._ask([(b"DBSIZE",)])
        return int(size)

    async def hive(self) -> str:
        """Returns the id of the hive that it is a node of; empty where it is none."""
        try:
            (told,) = await self._ask([(b"INFO", b"hive")])
        except exceptions.ResponseError:
            return ""
        lines = (line.partition(b":") for line in told.split(b"\r\n"))
        return next((value.decode("latin-1") for name, _, value in lines if name == b"hive"), "")

    async def pages(self) -> AsyncIterator[list[bytes]]:
        """Gives all keys. Those that are there all the while are given at least once."""
        cursor = b"0"
        while True:
            ((cursor, keys),) = await self._ask([(b"SCAN", cursor, b"COUNT", b"%d" % IMPORT_KEYS_MAX)])
            yield keys
            if cursor == b"0":
                return

    async def groups(self, keys: Sequence[bytes], told: Told) -> AsyncIterator[list[Kept]]:
        """Gives the strings of a page, in groups of which all contents together have about a bounded size; what is no
        string, or is none any more, is told."""
        asked = [question for key in keys for question in ((b"TYPE", key), (b"STRLEN", key))]
        answers = await self._ask(asked)
        group: list[bytes] = []
        filled = 0
        for key, kind, size in zip(keys, answers[::2], answers[1::2], strict=True):
            if not self._is_taken(key, kind, size, told):
                continue
            if group and filled + size > IMPORT_GROUP_BYTES_MAX:
                yield await self._strings(group, told)
                group, filled = [], 0
            group.append(key)
            filled += size
        if group:
            yield await self._strings(group, told)

    def _is_taken(self, key: bytes, kind: bytes, size: int | None, told: Told) -> bool:
        if kind == b"none" or (kind == b"string" and size is None):
            told.gone += 1  # it has expired, or is another key by now
        elif kind != b"string" or size is None:
            told.types.setdefault(kind.decode("utf-8", "replace"), LeftOut()).add(key)
        elif not key:
            told.empty.add(key)
        elif len(key) > ALIAS_BYTES_MAX:
            told.long.add(key)
        elif size > CONTENT_BYTES_MAX:
            told.large.add(key)
        else:
            return True
        return False

    async def _strings(self, keys: Sequence[bytes], told: Told) -> list[Kept]:
        """Returns the contents of keys, each at most one byte too large to be one, with their life spans."""
        end = b"%d" % CONTENT_BYTES_MAX
        asked = [question for key in keys for question in ((b"GETRANGE", key, b"0", end), (b"PTTL", key))]
        now = monotonic()  # the span is from a moment after this one: no life gets longer
        answers = await self._ask(asked)
        found: list[Kept] = []
        for key, content, span in zip(keys, answers[::2], answers[1::2], strict=True):
            if content is None or span == -2:
                told.gone += 1
            elif len(content) > CONTENT_BYTES_MAX:
                told.large.add(key)
            else:
                found.append(Kept(key, content, None if span == -1 else now + span / 1000))
        return found

    async def _ask(self, questions: Sequence[tuple[bytes, ...]]) -> list[Any]:
        """Returns the answers; None where a key is not of the type that the command is for.

        Raises:
            ResponseError: It refuses one of them.
        """
        await self._connection.send_packed_command(self._connection.pack_commands(questions))
        return [await self._answer() for _ in questions]

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True)
        except exceptions.ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                return None
            raise


async def imported(client: Client, url: RedisUrl, prefix: bytes, progress: Callable[[str], None]) -> Told:
    """Writes all strings of a Redis whose keys begin with ``prefix`` into the hive; ``progress`` shows how far that is.

    Raises:
        WrpmeError: The Redis or the hive does not do what is asked of it. What has been written stays.
    """
    told = Told()
    try:
        async with Redis(url) as source:
            total, begun = await source.size(), monotonic()
            if (hive := await source.hive()) and hive == (await client.view()).hive.hex():
                # What is written there meanwhile would be overwritten with what was read before.
                raise errors.UsageError(f"{url} is a node of this very hive; hive_import reads another one")
            progress(progress_text(0, total, 0.0))
            async for keys in source.pages():
                wanted = [key for key in keys if key.startswith(prefix)]
                async for group in source.groups(wanted, told):
                    await _write(client, group, told)
                told.keys += len(keys)
                progress(progress_text(told.keys, total, monotonic() - begun))
    except (exceptions.RedisError, OSError) as error:  # the latter also where the time for the connection is over
        raise _failed(url, error, told) from None
    except errors.WrpmeError as error:
        raise type(error)(f"{error.sentence}{_so_far(told)}") from None
    return told


async def _write(client: Client, group: Sequence[Kept], told: Told) -> None:
    """Writes entries that live still; one of which nobody knows whether it was written is written again."""
    for attempt in range(1, IMPORT_WRITES_MAX + 1):
        batch, now = client.batch(each=True), monotonic()
        living = [one for one in group if one.until is None or one.until > now]
        told.gone += len(group) - len(living)
        for one in living:
            span = None if one.until is None else min(one.until - now, EXPIRY_MILLISECONDS_MAX / 1000)
            batch.update(one.key, one.content, ttl=span)
        unsure: list[Kept] = []
        for one, outcome in zip(living, await batch.commit(), strict=True):
            if isinstance(outcome, errors.IndeterminateError) and attempt < IMPORT_WRITES_MAX:
                unsure.append(one)
            elif isinstance(outcome, errors.WrpmeError):
                raise outcome
            else:
                told.written += 1
        if not unsure:
            return
        group = unsure


def progress_text(done: int, total: int, seconds: float) -> str:
    """Returns how many keys have been read of how many, how many in a second, and how long that goes on."""
    text = f"reading {min(done, total):,} of {_keys(total)}"
    if not done or seconds <= 0:
        return text
    left = max(0, total - done) * seconds / done
    return f"{text}, {done / seconds:,.0f} a second, {span_text(left)} left"


def _keys(number: int) -> str:
    return "1 key" if number == 1 else f"{number:,} keys"


def _failed(url: RedisUrl, error: Exception, told: Told) -> errors.WrpmeError:
    """Returns what a Redis did or said as an error of the shell."""
    said = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        return errors.UsageError(f"the Redis at {url} refuses this user or password ({said}){_so_far(told)}")
    if isinstance(error, exceptions.BusyLoadingError):
        return errors.ConnectionError(f"the Redis at {url} reads its own data still; try again later{_so_far(told)}")
    if isinstance(error, exceptions.ResponseError):
        return errors.UsageError(f"the Redis at {url} refuses what hive_import asks ({said}){_so_far(told)}")
    if isinstance(error, exceptions.InvalidResponse):
        return errors.ProtocolError(f"what answers at {url} is no Redis: look at host and port ({said[:80]})")
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return errors.ConnectionError(f"the Redis at {url} does not answer; look at host and port{_so_far(told)}")
    if told.keys:
        return errors.ConnectionError(f"the connection to the Redis at {url} broke{_so_far(told)}")
    cause = error if isinstance(error, OSError) else error.__context__  # the package wraps what the system says
    if isinstance(cause, OSError) and cause.errno is not None:
        said = os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)  # below 0: no such name
    return errors.ConnectionError(f"no Redis answers at {url} ({said.lower()}); look at host and port")


def _so_far(told: Told) -> str:
    """What an import that ended early leaves behind, and how it goes on."""
    if not told.written:
        return ""
    return f"; {entries_text(told.written)} had been written, and hive_import begins anew when it is given again"
