"""Following entries: the present ones, then each change, over changes of the hive and lost connections.

A follower asks all owners of one view to tell what is written, scans what there is, and asks each owner whether all
has been told; what makes one story of that is in :mod:`wrpme.client.follow.followed`. Whenever one of them ends it, it
asks all anew, after pauses that grow, and what it knows makes differences of what it hears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import NamedTuple, TypeVar

from wrpme import errors
from wrpme.client.connection import Connection
from wrpme.client.dispatcher import Dispatcher
from wrpme.client.follow.followed import Followed, Seen
from wrpme.client.limits import FOLLOW_CONFIRM_SECONDS, FOLLOW_RETRY_SECONDS_MAX, FOLLOW_RETRY_SECONDS_MIN
from wrpme.client.requests import outcomes
from wrpme.client.scan import Patience, all_of, number_of, owners
from wrpme.limits import PAGE_ALIASES_MAX
from wrpme.protocol.messages import (
    Aliases, Changes, ConfirmFollow, Content, Done, Failed, Follow, FollowEnded, Following, Get, PrefixScan, Unfollow,
)  # fmt: skip
from wrpme.protocol.quoting import text_of
from wrpme.protocol.view import Member

R = TypeVar("R")
_FINAL = (errors.UsageError, errors.TooLargeError, errors.ProtocolError, errors.AnotherHiveError)
"""No new attempt heals these."""


class Change(NamedTuple):
    """What became of an entry, by ``kind``:

    * ``present``: it was there when the following began;
    * ``put``, ``replaced``: it has this content now, and was not there before, or was;
    * ``removed``, ``expired``: it is not there any more.

    Or what became of the following, with an empty alias: ``synchronized`` after the present entries;
    ``resynchronized`` after it had to ask anew, for that ``reason``, and has told all that differs; ``interrupted``
    while the owners can't be followed. The ``content`` is None unless contents were asked for; the ``version`` is None
    where it is not known: of an entry that was found to be gone."""

    kind: str
    alias: str
    version: int | None = None
    content: bytes | None = None
    reason: str = ""


class _Line(NamedTuple):
    """An owner that tells."""

    connection: Connection
    owner: Member
    channel: int


class Follower:
    """An asynchronous iterator over :class:`Change`, without an end but :meth:`aclose`. It begins with the first change
    that is asked for. It keeps the alias and the version of each entry that it follows; what is not taken waits, of
    each entry the latest change alone."""

    def __init__(self, dispatcher: Dispatcher, prefix: bytes, contents: bool) -> None:
        self._dispatcher = dispatcher
        self._prefix = prefix
        self._contents = contents
        self._state = Followed()
        self._lines: dict[tuple[Connection, int], None] = {}
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._broken: asyncio.Future[str] | None = None
        """Done when what is followed in this round is not all any more, with the reason."""
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._error: errors.WrpmeError | None = None
        self._ended = False

    # --- for whoever reads ---------------------------------------------------------------------------------------

    def __aiter__(self) -> Follower:
        return self

    async def __anext__(self) -> Change:
        while True:
            if self._ended:
                raise StopAsyncIteration
            if self._task is None:
                self._task = asyncio.create_task(self._run(self._dispatcher.deadline()))
                self._task.add_done_callback(lambda _: self._news.set())
            seen = self._state.take()
            if seen is not None:
                change = await self._change(seen)
                if change is not None:
                    return change
                continue
            if self._error is not None:
                raise self._error
            if self._task.done() and not self._task.cancelled():
                self._task.result()  # a defect: it must not pass for silence
            self._news.clear()
            await self._news.wait()

    def some(self, count: int) -> list[Change]:
        """Returns at most so many changes that wait, without waiting; none whose content is yet to be got."""
        found: list[Change] = []
        while len(found) < count and (seen := self._state.take()) is not None:
            if self._lacks_content(seen):
                self._state.put_back(seen)
                break
            found.append(_told(seen))
        return found

    async def __aenter__(self) -> Follower:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the iteration, and lets the owners know; may be called twice."""
        self._ended = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._news.set()

    def _lacks_content(self, seen: Seen) -> bool:
        return self._contents and seen.content is None and seen.kind in ("present", "put", "replaced")

    async def _change(self, seen: Seen) -> Change | None:
        """Returns what is told; None where an entry is gone whose large content was to be got, or can't be got yet."""
        if not self._lacks_content(seen):
            return _told(seen)
        request = Get(self._dispatcher.next_id(), seen.alias, versioned=True)
        position = self._dispatcher.routes.position_of(seen.alias)
        try:
            reply = await self._dispatcher.ask(request, Content, position=position)
        except errors.NotFoundError:
            self._state.missing(seen)
            return None
        except errors.WrpmeError as error:
            self._state.put_back(seen)
            if isinstance(error, _FINAL):
                raise
            await asyncio.sleep(FOLLOW_RETRY_SECONDS_MAX * self._dispatcher.random.uniform(0.5, 1.0))
            return None
        except asyncio.CancelledError:
            self._state.put_back(seen)
            raise
        self._state.read(seen.alias, reply.version)
        return _told(seen._replace(version=reply.version, content=reply.content))

    # --- rounds --------------------------------------------------------------------------------------------------

    async def _run(self, deadline: float) -> None:
        """``deadline`` is for the first round to be synchronized."""
        first, pause, reason, complained = True, 0.0, "", False
        while True:
            self._state.begin(reason)
            self._broken = asyncio.get_running_loop().create_future()
            try:
                lines = await self._synchronize()
                self._state.finish()
                self._news.set()
                first, pause, complained = False, 0.0, False
                reason = await self._stay(lines)
            except errors.WrpmeError as error:
                if isinstance(error, _FINAL) or (first and self._is_hopeless(error, deadline)):
                    self._error = error
                    self._news.set()
                    return
                reason = error.sentence
                if not first and pause >= FOLLOW_RETRY_SECONDS_MAX and not complained:
                    complained = True
                    self._state.interrupt(reason)
                    self._news.set()
            finally:
                self._end_round()
            pause = min(FOLLOW_RETRY_SECONDS_MAX, max(FOLLOW_RETRY_SECONDS_MIN, 2 * pause))
            await asyncio.sleep(pause * self._dispatcher.random.uniform(0.5, 1.0))

    def _is_hopeless(self, error: errors.WrpmeError, deadline: float) -> bool:
        """Whether a follower that has told nothing yet gives up."""
        refused = (errors.UnauthenticatedError, errors.DeniedError)
        hopeless = isinstance(error, (errors.ConnectionError, errors.UnavailableError, *refused))
        return hopeless or self._dispatcher.deadline(0) >= deadline

    async def _synchronize(self) -> list[_Line]:
        """Asks first, then scans: what is written after the scan has looked is told. Then each owner says that all is
        told that was written before."""
        patience = Patience(self._dispatcher)
        now = await self._dispatcher.fresh_view(patience.deadline)
        lines = await all_of([self._follow(owner, now.epoch, patience) for owner in owners(now)])
        await all_of([self._scan(line, now.epoch, patience) for line in lines])
        await all_of([self._confirm(line, patience.deadline) for line in lines])
        self._check()
        return lines

    async def _stay(self, lines: list[_Line]) -> str:
        """Returns why the round has ended."""
        broken = self._broken
        assert broken is not None
        while True:
            seconds = FOLLOW_CONFIRM_SECONDS * self._dispatcher.random.uniform(0.5, 1.0)
            await asyncio.wait([broken], timeout=seconds)
            if broken.done():
                return broken.result()
            deadline = self._dispatcher.deadline()
            await all_of([self._confirm(line, deadline) for line in lines])

    def _end_round(self) -> None:
        for connection, channel in self._dispatcher.tellers.forget(self):
            connection.say(Unfollow(self._dispatcher.next_id(), channel))
        self._lines.clear()
        for answer in self._answers.values():
            answer.cancel()
        self._answers.clear()

    def _check(self) -> None:
        if self._broken is not None and self._broken.done():
            raise errors.UnstableError(self._broken.result())

    async def _in_time(self, awaited: Awaitable[R], deadline: float, address: str) -> R:
        try:
            async with asyncio.timeout_at(deadline):
                return await awaited
        except TimeoutError:
            raise errors.TimeoutError(f"{address} did not answer in the time given") from None

    async def _follow(self, owner: Member, epoch: int, patience: Patience) -> _Line:
        connection = await self._dispatcher.connection_to(owner.address, patience.deadline)
        number = self._dispatcher.next_id()
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        request = Follow(number, owner.id, epoch, self._prefix, self._contents)
        self._dispatcher.tellers.ask(connection, request, self)
        try:
            return _Line(connection, owner, await self._in_time(answer, patience.deadline, owner.address))
        except errors.UnauthenticatedError as error:
            if self._dispatcher.renewed(connection, error):
                raise errors.UnstableError(error.sentence) from None
            raise

    async def _scan(self, line: _Line, epoch: int, patience: Patience) -> None:
        """Pages of one owner. A view that leaves it what it owns leaves its channel, too: then the scan goes on in
        that view."""
        after, more, pause = b"", True, 0.0
        while more:
            self._check()
            number = self._dispatcher.next_id()
            page = PrefixScan(
                number, line.owner.id, epoch, self._prefix, after, PAGE_ALIASES_MAX, self._contents, versions=True
            )
            reply = await line.connection.send(page, patience.deadline)
            if isinstance(reply, Aliases) and len(reply.versions) == len(reply.aliases):
                contents = reply.contents or (None,) * len(reply.aliases)
                for alias, version, content in zip(reply.aliases, reply.versions, contents, strict=True):
                    self._state.written(alias, version, content, paged=True)
                more, after, pause = reply.more, reply.last, 0.0
                patience.renew()
                self._news.set()
                continue
            error = outcomes.error_in(reply, line.connection.address)
            if not isinstance(error, errors.UnstableError):
                raise error
            pause = await self._dispatcher.back_off(pause, patience.deadline, error)
            self._check()
            epoch = (await self._dispatcher.fresh_view(patience.deadline)).epoch

    async def _confirm(self, line: _Line, deadline: float) -> None:
        reply = await line.connection.send(ConfirmFollow(self._dispatcher.next_id(), line.channel), deadline)
        if not isinstance(reply, Done):
            raise outcomes.error_in(reply, line.connection.address)

    # --- what is told --------------------------------------------------------------------------------------------

    def following(self, connection: Connection, answer: Following | Failed) -> None:
        """See :class:`wrpme.client.follow.tellers.Listener`."""
        future = self._answers.pop(answer.id, None)
        if future is None or future.done():
            return
        if isinstance(answer, Following):
            future.set_result(answer.channel)
        else:
            future.set_exception(outcomes.error_in(answer, connection.address))

    def told(self, connection: Connection, reply: Changes | FollowEnded) -> None:
        """See :class:`wrpme.client.follow.tellers.Listener`."""
        if isinstance(reply, Changes):
            for change in reply.changes:
                self._state.changed(change.what, change.alias, change.version, change.content)
            self._news.set()
        elif reply.behind:
            self._break("this client was slow to take what it was told")
        else:
            self._break(f"{connection.address} owns other entries than before")

    def lost(self, connection: Connection) -> None:
        """See :class:`wrpme.client.follow.tellers.Listener`."""
        self._break(connection.reason.sentence)

    def _break(self, reason: str) -> None:
        if self._broken is not None and not self._broken.done():
            self._broken.set_result(reason)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(errors.UnstableError(reason))


def _told(seen: Seen) -> Change:
    version = number_of(seen.version) or None  # a copy that had an entry too many does not know at which it went
    return Change(seen.kind, text_of(seen.alias), version, seen.content, seen.reason)
