"""The client library: the operations of a hive for asyncio programs.

    async with Client(["192.168.1.1:5909"]) as client:
        await client.put("entry", b"content")
        content = await client.get("entry")

All methods raise :class:`wrpme.errors.WrpmeError` and nothing else, also for wrong arguments. What the hive refused
because it was changing is sent again until the timeout; what may have been carried out never is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TypeVar
from weakref import WeakSet

from wrpme import errors
from wrpme.client.admin import Tending
from wrpme.client.dispatcher import Courier
from wrpme.client.watch.watcher import Watching
from wrpme.limits import EXPIRY_MILLISECONDS_MAX, TIMEOUT_SECONDS
from wrpme.protocol import address as addresses
from wrpme.protocol import ring
from wrpme.protocol.messages import (
    Cas, Content, Done, EntryRequest, Expire, Get, GetExpiry, GetRemove, GetUpdate, Number, Put, Remove, RemoveIf,
    Update,
)  # fmt: skip

R = TypeVar("R")
Bytes = bytes | bytearray | memoryview
Time = datetime | float
"""A moment: with a zone, or without one in local time; or seconds since 1970. 0 is for ever."""


class Client(Tending):
    """A client of one hive, for one event loop; many requests may be in flight at a time.

    ``addresses`` (HOST:PORT, one or more) are those of any nodes, tried in order at the first request; after that the
    hive is known, and the death of these nodes survived. ``timeout`` in seconds is for each request, retries included.
    """

    def __init__(self, addresses: str | Sequence[str], timeout: float = TIMEOUT_SECONDS) -> None:
        super().__init__(Courier(_check_addresses(addresses), _check_timeout(timeout)))
        self._watchings: WeakSet[Watching] = WeakSet()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all connections; requests in flight get an error, and whoever watches comes to the end."""
        await asyncio.gather(*(watching.aclose() for watching in self._watchings))
        await self._courier.close()

    def watch(self) -> Watching:
        """What happens in the hive from now on, for ``async for``: views, happenings and figures of all nodes. See
        :mod:`wrpme.client.watch.records`; it never fails, and ends with ``aclose()``."""
        watching = Watching([*self._courier.addresses, *self.known_addresses])
        self._watchings.add(watching)
        return watching

    @property
    def answered_by(self) -> str:
        """The address of the node that answered the latest request of an entry; empty before the first."""
        return self._courier.answered_by

    # --- entries -------------------------------------------------------------------------------------------------

    async def get(self, alias: str) -> bytes:
        """The content; NotFoundError if there is no such entry."""
        return (await self._entry(Get(self._courier.next_id(), alias), Content)).content

    async def put(self, alias: str, content: Bytes, expires: Time = 0) -> None:
        """Adds an entry; AlreadyExistsError if there is one."""
        await self._entry(Put(self._courier.next_id(), alias, _check(content), milliseconds(expires)), Done)

    async def update(self, alias: str, content: Bytes, expires: Time = 0) -> None:
        """Adds or replaces an entry, and its life span with it."""
        await self._entry(Update(self._courier.next_id(), alias, _check(content), milliseconds(expires)), Done)

    async def get_update(self, alias: str, content: Bytes, expires: Time = 0) -> bytes:
        """Replaces the content and gives the former one; NotFoundError if there is no such entry."""
        request = GetUpdate(self._courier.next_id(), alias, _check(content), milliseconds(expires))
        return (await self._entry(request, Content)).content

    async def get_remove(self, alias: str) -> bytes:
        """Removes the entry and gives its content; NotFoundError if there is none."""
        return (await self._entry(GetRemove(self._courier.next_id(), alias), Content)).content

    async def cas(self, alias: str, content: Bytes, comparand: Bytes, expires: Time = 0) -> bytes:
        """Replaces the content if it is ``comparand``, and gives the former one; MismatchError if it is not,
        NotFoundError if there is no such entry."""
        request = Cas(self._courier.next_id(), alias, _check(content), _check(comparand), milliseconds(expires))
        return (await self._entry(request, Content)).content

    async def remove(self, alias: str) -> None:
        """Removes the entry; NotFoundError if there is none."""
        await self._entry(Remove(self._courier.next_id(), alias), Done)

    async def remove_if(self, alias: str, comparand: Bytes) -> None:
        """Removes the entry if its content is ``comparand``; MismatchError if it is not, NotFoundError if there is
        none."""
        await self._entry(RemoveIf(self._courier.next_id(), alias, _check(comparand)), Done)

    async def expires_at(self, alias: str, time: Time) -> None:
        """The entry lives until then; 0: for ever. NotFoundError if there is none."""
        await self._entry(Expire(self._courier.next_id(), alias, milliseconds(time)), Done)

    async def expires_from_now(self, alias: str, span: timedelta | float) -> None:
        """The entry lives so long (seconds) from now on; 0: for ever. NotFoundError if there is none."""
        seconds = span.total_seconds() if isinstance(span, timedelta) else span
        wanted = _to_milliseconds(seconds, "the life span")
        await self._entry(Expire(self._courier.next_id(), alias, wanted, relative=wanted > 0), Done)

    async def get_expiry(self, alias: str) -> datetime | None:
        """Until when the entry lives (UTC), to the millisecond; None: for ever. NotFoundError if there is none."""
        number = (await self._entry(GetExpiry(self._courier.next_id(), alias), Number)).number
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=number) if number else None

    async def _entry(self, request: EntryRequest, kind: type[R]) -> R:
        if not isinstance(request.alias, str):
            raise errors.UsageError(f"an alias is a str, not {type(request.alias).__name__}")
        return await self._courier.ask(request, kind, position=ring.hash_of(ring.check_alias(request.alias)))


def milliseconds(time: Time) -> int:
    """The moment as it is on the wire: milliseconds since 1970, at least 1; 0 for ever."""
    if isinstance(time, datetime):
        try:
            seconds = time.timestamp()
        except (OverflowError, ValueError, OSError):
            seconds = -1.0
        if seconds < 0:
            raise errors.UsageError(f"the time is {time.isoformat()}, but should be from 1970 to 9999")
        return max(1, _to_milliseconds(seconds, "the time"))
    return _to_milliseconds(time, "the time")


def _to_milliseconds(seconds: float, what: str) -> int:
    if not isinstance(seconds, (int, float)) or not 0 <= seconds <= EXPIRY_MILLISECONDS_MAX / 1000:
        most = EXPIRY_MILLISECONDS_MAX // 1000
        raise errors.UsageError(f"{what} is {seconds}, but should be from 0 to {most} seconds")
    return max(1, round(seconds * 1000)) if seconds else 0


def _check(content: Bytes) -> bytes:
    if not isinstance(content, bytes):
        if not isinstance(content, (bytearray, memoryview)):
            raise errors.UsageError(f"a content is bytes, not {type(content).__name__}")
        content = bytes(content)
    ring.check_content(content)
    return content


def _check_addresses(given: str | Sequence[str]) -> list[str]:
    listed = [given] if isinstance(given, str) else list(given)
    if not listed:
        raise errors.UsageError("at least one address of a node is needed")
    for address in listed:
        addresses.parse(address)
    return listed


def _check_timeout(timeout: float) -> float:
    if not isinstance(timeout, (int, float)) or not 0 < timeout < float("inf"):
        raise errors.UsageError(f"the timeout is {timeout}, which is not a number of seconds above 0")
    return timeout
