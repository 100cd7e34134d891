"""Scans: the entries of all owners in one order, fetched a page at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, TypeVar

from wrpme import errors
from wrpme.client.dispatcher import Dispatcher
from wrpme.limits import PAGE_ALIASES_MAX
from wrpme.protocol import health, ring, view_index
from wrpme.protocol.messages import Aliases, Content, Count, Get, PrefixScan, RemoveAll
from wrpme.protocol.quoting import text_of
from wrpme.protocol.view import Member, View

R = TypeVar("R")


def number_of(version: bytes) -> int:
    """Returns a version as the number that it is."""
    return int.from_bytes(version, "big")


class Patience:
    """A deadline that starts anew with each progress: a long scan may take its time, a stuck one may not."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.renew()

    def renew(self) -> None:
        self.deadline = self._dispatcher.deadline()


class Scan(NamedTuple):
    """A scan gives the entries whose alias begins with ``prefix``, with their ``contents`` or ``versions`` if asked."""

    prefix: bytes
    contents: bool = False
    versions: bool = False


class Scanned(NamedTuple):
    """An entry that a scan met; what was not asked for is None. The alias is a text, in which bytes that are no UTF-8
    are surrogate escapes: ``alias.encode("utf-8", "surrogateescape")`` gives the bytes."""

    alias: str
    content: bytes | None
    version: int | None


class _Found(NamedTuple):
    """The same, with the alias in bytes: their order is that of the scan."""

    alias: bytes
    content: bytes | None
    version: int | None


class _Pages:
    """The entries of one owner in the order of their aliases, fetched a page at a time."""

    def __init__(
        self, dispatcher: Dispatcher, owner: Member, epoch: int, asked: Scan, patience: Patience, size: int
    ) -> None:
        self._dispatcher = dispatcher
        self._owner = owner
        self._epoch = epoch
        self._asked = asked
        self._patience = patience
        self._size = size
        self.entries: deque[_Found] = deque()
        self.more = True

    async def fetch(self, after: bytes) -> None:
        """Fetches pages until one is not empty, or none is left."""
        asked = self._asked
        while self.more and not self.entries:
            number = self._dispatcher.next_id()
            page = PrefixScan(
                number, self._owner.id, self._epoch, asked.prefix, after, self._size, asked.contents, asked.versions
            )
            reply = await page_of(self._dispatcher, page, Aliases, self._owner, self._patience)
            self._patience.renew()
            nothing = (None,) * len(reply.aliases)
            contents = reply.contents if asked.contents else nothing
            versions = reply.versions if asked.versions else nothing
            if not len(contents) == len(versions) == len(reply.aliases):
                raise errors.ProtocolError(f"{self._owner.address} left a part of a page out")
            for alias, content, version in zip(reply.aliases, contents, versions, strict=True):
                self.entries.append(_Found(alias, content, number_of(version) if version is not None else None))
            self.more, after = reply.more, reply.last


async def page_of(
    dispatcher: Dispatcher, request: PrefixScan | Count | RemoveAll, kind: type[R], owner: Member, patience: Patience
) -> R:
    """Asks an owner for a page of what it owns."""
    return await dispatcher.ask(request, kind, address=owner.address, deadline=patience.deadline, until_stable=False)


async def scanned(dispatcher: Dispatcher, asked: Scan, after: bytes, limit: int | None) -> AsyncGenerator[Scanned]:
    """Gives the entries that come after the alias ``after``, in order, at most ``limit`` of them. The pages are of one
    epoch; where the view changes, those that follow begin after the alias that was given last."""
    if limit is not None and limit < 0:
        raise errors.UsageError(f"the number of aliases is {limit}, which is below 0")
    patience, pause, left = Patience(dispatcher), 0.0, limit
    while left != 0:
        now = await dispatcher.fresh_view(patience.deadline)
        size = PAGE_ALIASES_MAX if left is None else min(PAGE_ALIASES_MAX, left)
        pages = [_Pages(dispatcher, owner, now.epoch, asked, patience, size) for owner in owners(now)]
        try:
            async for entry in _merged(pages, after):
                after = entry.alias
                if asked.contents and entry.content is None:
                    whole = await _large(dispatcher, entry)
                    if whole is None:
                        continue  # it has gone meanwhile
                    entry = whole
                yield Scanned(text_of(entry.alias), entry.content, entry.version)
                patience.renew()  # whoever asks for the next one may have taken its time
                if left is not None:
                    left -= 1
                    if not left:
                        return
            return
        except errors.UnstableError as error:
            pause = await dispatcher.back_off(pause, patience.deadline, error)


async def _merged(pages: list[_Pages], after: bytes) -> AsyncGenerator[_Found]:
    await all_of([page.fetch(after) for page in pages])
    heads = [(page.entries.popleft(), index) for index, page in enumerate(pages) if page.entries]
    heapify(heads)
    while heads:
        entry, index = heappop(heads)
        yield entry
        page = pages[index]
        if not page.entries:
            await page.fetch(entry.alias)
        if page.entries:
            heappush(heads, (page.entries.popleft(), index))


async def _large(dispatcher: Dispatcher, entry: _Found) -> _Found | None:
    """Gets by itself an entry whose content had no place in a page; None where there is none any more."""
    request = Get(dispatcher.next_id(), entry.alias, versioned=True)
    try:
        reply = await dispatcher.ask(request, Content, position=dispatcher.routes.position_of(entry.alias))
    except errors.NotFoundError:
        return None
    version = number_of(reply.version) if entry.version is not None else None
    return _Found(entry.alias, reply.content, version)


async def all_of(coroutines: Sequence[Coroutine[Any, Any, R]]) -> list[R]:
    """Returns all results; if some fail, raises the error that says most: one that a new attempt would not heal, or one
    of which nobody knows what it has done."""
    outcomes = await asyncio.gather(*coroutines, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if failures:
        raise min(failures, key=_healed)
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def _healed(failure: BaseException) -> int:
    if isinstance(failure, errors.UnstableError):
        return 2
    return int(isinstance(failure, errors.IndeterminateError))


def owners(now: View) -> list[Member]:
    """Returns all members that own an arc.

    Raises:
        UnavailableError: an arc has no live holder; the sentence names the nodes that it waits for.
    """
    alive = view_index.live(now)
    owned = {ring.owner_among(alive, arc) for arc in now.arcs}
    if None in owned:
        raise errors.UnavailableError(health.condition(now).sentence)
    return [member for member in now.members if member.id in owned]
