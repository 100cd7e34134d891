"""The client library for programs without asyncio: the same operations, each of which waits for its result."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Sequence
from datetime import datetime
from threading import Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar, overload
from weakref import WeakSet

from wrpme import errors
from wrpme.client.access.user_admin import HiveUser, WhoIs
from wrpme.client.admin import LossEstimate, Verified
from wrpme.client import url as urls
from wrpme.client.batches.arguments import Alias, Bytes, Entries
from wrpme.client.batches.batch import Batch
from wrpme.client.batches.calls import Call, Entry, Outcome, Result
from wrpme.client.backup import BackupProgress, Sections
from wrpme.client.client import NO_DEFAULT, Client, D
from wrpme.client.life_span import Span, Time
from wrpme.client.cluster import Location, NodeSlow, Removed
from wrpme.client.follow.follower import Change, Follower
from wrpme.client.limits import FOLLOWED_MAX, SCANNED_MAX, THREAD_SECONDS
from wrpme.client.requests import outcomes, tracing
from wrpme.client.requests.request_ids import with_id
from wrpme.client.requests.direct import BEGINNING_ID, DirectPool
from wrpme.client.requests.outcomes import Lost
from wrpme.client.tls import Tls
from wrpme.client.scan import Scanned
from wrpme.client.watch.records import WatchRecord
from wrpme.client.watch.watcher import Watcher
from wrpme.limits import TIMEOUT_SECONDS
from wrpme.protocol.access.messages import Authenticate
from wrpme.protocol.messages import EntryRequest
from wrpme.protocol.stats import HiveStatus
from wrpme.protocol.view import State, View

R = TypeVar("R")


class _LoopThread:
    """A loop in a thread of its own, which keeps no interpreter from its end."""

    def __init__(self) -> None:
        try:
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(target=self._loop.run_forever, name="wrpme-client", daemon=True)
            self._thread.start()
        except RuntimeError as error:  # at its end an interpreter starts no threads
            self._loop.close()
            raise errors.ConnectionError(f"no thread could be started for the connections ({error})") from None
        # In a process that is forked from now on the loop passes for one that runs: nothing of it is closed there.
        self.wait(asyncio.sleep(0))

    def wait(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Returns what the coroutine returns on the loop, or raises what it raises."""
        if self._is_gone():
            coroutine.close()
            raise errors.ConnectionError("the interpreter is ending; nothing was sent")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            while True:
                try:
                    return future.result(THREAD_SECONDS)
                except TimeoutError:
                    if not future.done() and self._is_gone():
                        raise errors.IndeterminateError(
                            "the interpreter is ending; the request may or may not have been carried out"
                        ) from None
        except BaseException:
            future.cancel()  # of use after Ctrl-C alone: otherwise it is done
            raise

    def _is_gone(self) -> bool:
        return sys.is_finalizing() or not self._thread.is_alive()

    def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Ends the loop and the thread after that coroutine and all others have come to their end."""

        async def come_to_the_end() -> None:
            await last
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others, return_exceptions=True)  # they end now, with an error

        self.wait(come_to_the_end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class BlockingClient:
    """Like :class:`wrpme.Client`, whose methods and errors it has; may be used from several threads at once.

    The requests of entries go straight from the thread that makes them to the owner, over a small pool of connections;
    all others go over a loop in a thread of its own, which also finds out about the hive. In a process that is forked
    it starts afresh, with connections of its own.

        with BlockingClient("192.168.1.1:5909") as client:
            client.put("entry", b"content")
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        timeout: float = TIMEOUT_SECONDS,
        tls: Tls = None,
        user: str | None = None,
        password: str | None = None,
    ) -> None:
        self._client = Client(addresses, timeout, tls, user, password)
        self._dispatcher = self._client._hand_requests_of_entries_to(self._ask)
        self._connections = DirectPool()
        self._kept_for: View | None = None
        self._closed = False
        self._lock = Lock()
        self._thread: _LoopThread | None = None
        _CLIENTS.add(self)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """See :meth:`Client.from_url`."""
        return cls(*urls.parse(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all connections; may be called twice."""
        with self._lock:
            thread, self._thread, self._closed = self._thread, None, True
        self._connections.close()
        if thread is not None and not sys.is_finalizing():
            thread.end(self._client.close())

    def _wait(self, coroutine: Coroutine[Any, Any, R], begun: _LoopThread | None = None) -> R:
        """Returns what the coroutine returns. ``begun`` is the thread that it must run on; None is the present one."""
        try:
            thread = self._running()
            if begun is not None and thread is not begun:
                raise errors.UsageError(
                    "what is watched here is watched by the process that this one was forked from; begin another watch"
                )
        except errors.WrpmeError:
            coroutine.close()
            raise
        return thread.wait(coroutine)

    def _running(self) -> _LoopThread:
        """Returns the thread, begun by the first request of a process."""
        thread = self._thread
        if thread is not None:
            return thread
        with self._lock:
            if self._closed:
                raise errors.ConnectionError("this client is closed")
            if self._thread is None:
                self._thread = _LoopThread()
            return self._thread

    def _start_afresh(self) -> None:
        """Begins again in a process that was forked: it has the client, and not the thread."""
        self._lock = Lock()  # the thread that holds it may be one that is not here
        if self._thread is not None:
            _ABANDONED.append(self._thread)
            self._thread = None
        self._connections.abandon()
        self._connections = DirectPool()
        self._client._start_afresh()

    # --- entries -------------------------------------------------------------------------------------------------

    async def _ask(self, request: EntryRequest, kind: type[R], position: int | None) -> R:
        """Returns the reply. It never suspends: the request goes over a connection of this thread to the owner, or to
        the loop where there is none, or where it may be sent again."""
        dispatcher = self._dispatcher
        routes = dispatcher.routes
        connections = self._connections
        deadline = monotonic() + dispatcher.timeout
        after: errors.WrpmeError | None = None
        address = "" if routes.stale or routes.conflict is not None else routes.owner_at(position)
        connection = connections.take(address) if address else None
        if connection is not None:
            try:
                reply = connection.ask(with_id(request), deadline)
            except Lost as lost:
                after = outcomes.repeatable(request, lost)
            else:
                dispatcher.answered_by = address
                tracing.answered_by(address)
                if isinstance(reply, kind):
                    return reply
                after = outcomes.error_in(reply, address)
                routes.refused(after)
                if dispatcher.credentials and isinstance(after, errors.UnauthenticatedError):
                    connection.usable = False  # the hive had no users yet as it was made, or the client was another
                elif not after.retry:
                    raise after
            finally:
                connections.give_back(connection)
        return self._wait(self._over_the_loop(request, kind, position, deadline, after))

    async def _over_the_loop(
        self,
        request: EntryRequest,
        kind: type[R],
        position: int | None,
        deadline: float,
        after: errors.WrpmeError | None,
    ) -> R:
        """Returns the reply, and sees to it that the next request like this one finds a connection."""
        until = self._dispatcher.deadline(deadline - monotonic())
        try:
            return await self._dispatcher.ask(request, kind, position, deadline=until, after=after)
        finally:
            view = self._dispatcher.view
            if view is not None and view is not self._kept_for:
                self._kept_for = view
                self._connections.keep_only({one.address for one in view.members if one.state is not State.DOWN})
            address = self._dispatcher.answered_by
            if address and address == self._dispatcher.routes.owner_at(position):
                who, is_known = self._dispatcher.credentials, self._dispatcher.routes.is_known
                said = [Authenticate(BEGINNING_ID, who.name, password) for password in who.passwords]
                self._connections.one_more(address, self._dispatcher.context, lambda made: made.begin(said, is_known))

    @overload
    def get(self, alias: Alias) -> bytes: ...

    @overload
    def get(self, alias: Alias, *, default: D) -> bytes | D: ...

    def get(self, alias: Alias, *, default: object = NO_DEFAULT) -> object:
        """See :meth:`Client.get`."""
        return _finished(self._client.get(alias, default=default))

    def get_entry(self, alias: Alias) -> Entry:
        """See :meth:`Client.get_entry`."""
        return _finished(self._client.get_entry(alias))

    def exists(self, alias: Alias) -> bool:
        """See :meth:`Client.exists`."""
        return _finished(self._client.exists(alias))

    def put(self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None) -> int:
        """See :meth:`Client.put`."""
        return _finished(self._client.put(alias, content, expires, ttl))

    def update(
        self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> int:
        """See :meth:`Client.update`."""
        return _finished(self._client.update(alias, content, expires, ttl, keep_expiry))

    def get_update(
        self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> bytes:
        """See :meth:`Client.get_update`."""
        return _finished(self._client.get_update(alias, content, expires, ttl, keep_expiry))

    def get_remove(self, alias: Alias) -> bytes:
        """See :meth:`Client.get_remove`."""
        return _finished(self._client.get_remove(alias))

    def cas(
        self,
        alias: Alias,
        content: Bytes,
        comparand: Bytes,
        expires: Time = 0,
        ttl: Span | None = None,
        keep_expiry: bool = False,
    ) -> bytes:
        """See :meth:`Client.cas`."""
        return _finished(self._client.cas(alias, content, comparand, expires, ttl, keep_expiry))

    def cas_version(
        self,
        alias: Alias,
        content: Bytes,
        version: int,
        expires: Time = 0,
        ttl: Span | None = None,
        keep_expiry: bool = False,
    ) -> int:
        """See :meth:`Client.cas_version`."""
        return _finished(self._client.cas_version(alias, content, version, expires, ttl, keep_expiry))

    def add(self, alias: Alias, number: int = 1, expires: Time = 0, ttl: Span | None = None) -> int:
        """See :meth:`Client.add`."""
        return _finished(self._client.add(alias, number, expires, ttl))

    def append(self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None) -> int:
        """See :meth:`Client.append`."""
        return _finished(self._client.append(alias, content, expires, ttl))

    def get_range(self, alias: Alias, first: int, last: int = -1) -> bytes:
        """See :meth:`Client.get_range`."""
        return _finished(self._client.get_range(alias, first, last))

    def set_range(self, alias: Alias, first: int, content: Bytes) -> int:
        """See :meth:`Client.set_range`."""
        return _finished(self._client.set_range(alias, first, content))

    def get_expire(self, alias: Alias, expires: Time = 0, ttl: Span | None = None) -> bytes:
        """See :meth:`Client.get_expire`."""
        return _finished(self._client.get_expire(alias, expires, ttl))

    def touch(self, alias: Alias) -> None:
        """See :meth:`Client.touch`."""
        _finished(self._client.touch(alias))

    def remove(self, alias: Alias) -> None:
        """See :meth:`Client.remove`."""
        _finished(self._client.remove(alias))

    def remove_if(self, alias: Alias, comparand: Bytes) -> None:
        """See :meth:`Client.remove_if`."""
        _finished(self._client.remove_if(alias, comparand))

    def remove_version(self, alias: Alias, version: int) -> None:
        """See :meth:`Client.remove_version`."""
        _finished(self._client.remove_version(alias, version))

    def get_many(self, aliases: Iterable[Alias]) -> list[bytes | None]:
        """See :meth:`Client.get_many`."""
        return self._wait(self._client.get_many(aliases))

    def put_many(self, entries: Entries, expires: Time = 0, ttl: Span | None = None) -> list[int | errors.WrpmeError]:
        """See :meth:`Client.put_many`."""
        return self._wait(self._client.put_many(entries, expires, ttl))

    def update_many(
        self, entries: Entries, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> list[int | errors.WrpmeError]:
        """See :meth:`Client.update_many`."""
        return self._wait(self._client.update_many(entries, expires, ttl, keep_expiry))

    def remove_many(self, aliases: Iterable[Alias]) -> list[errors.WrpmeError | None]:
        """See :meth:`Client.remove_many`."""
        return self._wait(self._client.remove_many(aliases))

    def batch(self, *, each: bool = False) -> BlockingBatch:
        """See :meth:`Client.batch`; the batch is committed by ``commit()``, or at the end of ``with``."""
        return BlockingBatch(self._commit, each)

    def _commit(self, operations: Sequence[Call[Result]], each: bool) -> Sequence[Outcome]:
        async def commit() -> Sequence[Outcome]:
            batch = self._client.batch(each=each)
            batch.calls += operations
            return await batch.commit()

        return self._wait(commit())

    def expires_at(self, alias: Alias, time: Time) -> None:
        """See :meth:`Client.expires_at`."""
        _finished(self._client.expires_at(alias, time))

    def expires_from_now(self, alias: Alias, span: Span) -> None:
        """See :meth:`Client.expires_from_now`."""
        _finished(self._client.expires_from_now(alias, span))

    def get_expiry(self, alias: Alias) -> datetime | None:
        """See :meth:`Client.get_expiry`."""
        return _finished(self._client.get_expiry(alias))

    def scan(
        self,
        prefix: Alias = b"",
        *,
        contents: bool = False,
        versions: bool = False,
        after: Alias = b"",
        limit: int | None = None,
    ) -> Iterator[Scanned]:
        """See :meth:`Client.scan`."""
        found, begun = self._client.scan(prefix, contents=contents, versions=versions, after=after, limit=limit), None
        try:
            while entries := self._wait(_some(found), begun):
                begun = self._thread
                yield from entries
        finally:
            if begun is not None and self._thread is begun:
                self._wait(found.aclose())

    def follow(self, prefix: Alias = b"", *, contents: bool = False) -> Iterator[Change]:
        """See :meth:`Client.follow`; ends when it is closed, or the client is."""
        follower, begun = self._client.follow(prefix, contents=contents), self._running()
        try:
            while changes := self._wait(_changes(follower), begun):
                yield from changes
        finally:
            if self._thread is begun:
                self._wait(follower.aclose())

    def prefix_get(self, prefix: Alias, count_max: int | None = None) -> list[str]:
        """See :meth:`Client.prefix_get`."""
        return self._wait(self._client.prefix_get(prefix, count_max))

    def count(self) -> int:
        """See :meth:`Client.count`."""
        return self._wait(self._client.count())

    def remove_all(self) -> Removed:
        """See :meth:`Client.remove_all`."""
        return self._wait(self._client.remove_all())

    def locate(self, alias: Alias) -> Location:
        """See :meth:`Client.locate`."""
        return self._wait(self._client.locate(alias))

    def view(self) -> View:
        """See :meth:`Client.view`."""
        return self._wait(self._client.view())

    def hive_status(self) -> HiveStatus:
        """See :meth:`Client.hive_status`."""
        return self._wait(self._client.hive_status())

    def wait_stable(self, seconds: float | None = None) -> None:
        """See :meth:`Client.wait_stable`."""
        self._wait(self._client.wait_stable(seconds))

    def node_status(self, address: str) -> dict[str, Any]:
        """See :meth:`Client.node_status`."""
        return self._wait(self._client.node_status(address))

    def slow_log(self, address: str | None = None) -> tuple[NodeSlow, ...]:
        """See :meth:`Client.slow_log`."""
        return self._wait(self._client.slow_log(address))

    def node_config(self, address: str) -> dict[str, Any]:
        """See :meth:`Client.node_config`."""
        return self._wait(self._client.node_config(address))

    def node_topology(self, address: str) -> View:
        """See :meth:`Client.node_topology`."""
        return self._wait(self._client.node_topology(address))

    def log_of(self, address: str) -> list[str]:
        """See :meth:`Client.log_of`."""
        return self._wait(self._client.log_of(address))

    def watch(self) -> Iterator[WatchRecord]:
        """See :meth:`Client.watch`; ends when it is closed, or the client is."""
        watcher, begun = self._client.watch(), self._running()
        try:
            while (record := self._wait(_next(watcher), begun)) is not None:
                yield record
        finally:
            if self._thread is begun:
                self._wait(watcher.aclose())

    @property
    def answered_by(self) -> str:
        """See :attr:`Client.answered_by`."""
        return self._client.answered_by

    def backup(self, sections: Sections, told: Callable[[BackupProgress], None] | None = None) -> BackupProgress:
        """See :meth:`Client.backup`; ``sections`` and ``told`` are called in another thread."""
        return self._wait(self._client.backup(sections, told))

    def leave(self, address: str) -> None:
        """See :meth:`Client.leave`."""
        self._wait(self._client.leave(address))

    def price_of(self, address: str) -> LossEstimate:
        """See :meth:`Client.price_of`."""
        return self._wait(self._client.price_of(address))

    def forget(self, address: str, price: LossEstimate | None = None) -> None:
        """See :meth:`Client.forget`."""
        self._wait(self._client.forget(address, price))

    def set_replication(self, replication: int, told: Callable[[str], None] | None = None) -> str:
        """See :meth:`Client.set_replication`; ``told`` is called in the thread of the client."""
        return self._wait(self._client.set_replication(replication, told))

    def price_of_recovery(self) -> LossEstimate:
        """See :meth:`Client.price_of_recovery`."""
        return self._wait(self._client.price_of_recovery())

    def recover(self, price: LossEstimate | None = None) -> str:
        """See :meth:`Client.recover`."""
        return self._wait(self._client.recover(price))

    def verify(self) -> Verified:
        """See :meth:`Client.verify`."""
        return self._wait(self._client.verify())

    def stop_node(self, address: str) -> None:
        """See :meth:`Client.stop_node`."""
        self._wait(self._client.stop_node(address))

    def whoami(self) -> WhoIs:
        """See :meth:`Client.whoami`."""
        return self._wait(self._client.whoami())

    def users(self) -> tuple[HiveUser, ...]:
        """See :meth:`Client.users`."""
        return self._wait(self._client.users())

    def add_user(self, name: str, role: str, password: str | Sequence[str], prefixes: Iterable[Alias] = ()) -> None:
        """See :meth:`Client.add_user`."""
        self._wait(self._client.add_user(name, role, password, prefixes))

    def set_password(self, name: str, password: str, keep: bool = False) -> None:
        """See :meth:`Client.set_password`."""
        self._wait(self._client.set_password(name, password, keep))

    def remove_user(self, name: str) -> None:
        """See :meth:`Client.remove_user`."""
        self._wait(self._client.remove_user(name))

    def remove_users(self) -> None:
        """See :meth:`Client.remove_users`."""
        self._wait(self._client.remove_users())


def _finished(coroutine: Coroutine[Any, Any, R]) -> R:
    """Returns what a coroutine returns that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    raise RuntimeError("the request of an entry suspended")


class BlockingBatch(Batch):
    """A batch of a :class:`BlockingClient`; as ``with`` it is committed at the end, unless an error ended it, and
    ``results`` has what the operations gave."""

    def __init__(self, commit: Callable[[Sequence[Call[Result]], bool], Sequence[Outcome]], each: bool) -> None:
        super().__init__()
        self._commit = commit
        self._each = each
        self.results: Sequence[Outcome] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()

    def commit(self) -> Sequence[Outcome]:
        """See :meth:`wrpme.client.batches.batch.AsyncBatch.commit`."""
        committed, self.calls = self.calls, []
        self.results = self._commit(committed, self._each)
        return self.results


async def _some(found: AsyncGenerator[Scanned]) -> list[Scanned]:
    """Returns the next ones, so that not each of them waits for the other thread."""
    entries: list[Scanned] = []
    while len(entries) < SCANNED_MAX and (entry := await anext(found, None)) is not None:
        entries.append(entry)
    return entries


async def _changes(follower: Follower) -> list[Change]:
    """Returns the next ones, at least one; none at the end."""
    first = await anext(follower, None)
    return [first, *follower.some(FOLLOWED_MAX)] if first is not None else []


_CLIENTS: WeakSet[BlockingClient] = WeakSet()
_ABANDONED: list[_LoopThread] = []
"""Of the process that this one was forked from. They are kept: their ends would be heard in the other one, whose epoll
they share."""


def _after_fork() -> None:
    for client in list(_CLIENTS):
        client._start_afresh()


os.register_at_fork(after_in_child=_after_fork)


async def _next(watcher: Watcher) -> WatchRecord | None:
    return await anext(watcher, None)
