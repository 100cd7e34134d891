"""The client library: the operations of a hive for asyncio programs.

    async with Client(["192.168.1.1:5909"]) as client:
        await client.put("entry", b"content")
        content = await client.get("entry")

A life span is given as ``ttl`` (seconds or a ``timedelta``, above 0, from when the owner carries it out), or as the
moment ``expires``; without either an entry lives for ever. With ``keep_expiry`` a new content keeps the life span of
the former one.

An alias is ``bytes``, 1 to 4,096 of any value, or a ``str``, which stands for its UTF-8. What gives an alias gives a
``str``, in which bytes that are no UTF-8 are surrogate escapes (PEP 383): as an alias it means the same entry. A
content is bytes up to 64 MiB. A moment is a ``datetime`` (without a zone in local time) or seconds since 1970, from the
year 2000 to 9999; 0 is for ever.

All methods raise :class:`wrpme.errors.WrpmeError` and nothing else, also for wrong arguments. Beside what each of them
names, any may raise:

* UsageError, TooLargeError: an argument is wrong; nothing was sent.
* ConnectionError, ProtocolError: no node could be reached, or what answers is no daemon of wrpme.
* AnotherHiveError: the addresses given are of different hives; nothing was sent.
* UnauthenticatedError: the hive has users, and the client has not said who it is, or said a wrong password.
* DeniedError: the user may not do that, or not with that entry.
* UnavailableError: no up-to-date copy, or no quorum, can be reached; the sentence names the nodes it waits for.
* UnstableError, BusyError: a node refused until the timeout, as the hive was changing or a bound was reached.
* TimeoutError: the timeout has passed, and nothing was changed.
* IndeterminateError: a change may or may not have been carried out. The client never sends it again: read the entry
  before you repeat it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, overload
from weakref import WeakSet

from wrpme import errors
from wrpme.client import url as urls
from wrpme.client.access.credentials import credentials_of
from wrpme.client.access.user_admin import HiveUser, UserAdmin, WhoIs
from wrpme.client.batches import calls
from wrpme.client.batches.arguments import (
    Alias, Bytes, Entries, alias_bytes, check_aliases, check_entries, prefix_bytes,
)  # fmt: skip
from wrpme.client.admin import AdminOps, LossEstimate, Verified
from wrpme.client.batches.batch import AsyncBatch
from wrpme.client.batches.calls import Call, Entry, R as Given
from wrpme.client.backup import Backup, BackupProgress, Sections
from wrpme.client.cluster import ClusterOps, Location, NodeSlow, Removed
from wrpme.client.dispatcher import Dispatcher
from wrpme.client.batches.many import outcomes
from wrpme.client.follow.follower import Follower
from wrpme.client.requests.tracing import traced
from wrpme.client.tls import Tls, context_of
from wrpme.client.scan import Scan, Scanned, scanned
from wrpme.client.watch.watcher import Watcher
from wrpme.client.life_span import Span, Time
from wrpme.limits import TIMEOUT_SECONDS
from wrpme.protocol import address as addresses
from wrpme.protocol.messages import EntryRequest
from wrpme.protocol.stats import HiveStatus
from wrpme.protocol.view import View

R = TypeVar("R")
D = TypeVar("D")
NO_DEFAULT = object()
"""None may be a default."""


class AskForEntry(Protocol):
    """Sends the request of an entry to the owner of that position, and returns the reply, which is of that kind."""

    def __call__(self, request: EntryRequest, kind: type[R], position: int | None) -> Coroutine[Any, Any, R]: ...


@traced
class Client:
    """A client of one hive, for one event loop; many requests may be in flight at a time. In another loop than that of
    its first request all methods raise UsageError.

    Args:
        addresses: HOST:PORT of one or more nodes, tried in order at the first request. After that the client knows the
            hive, goes straight to the owner of each entry, and survives the death of these nodes.
        timeout: The seconds that each request may take, its retries included; above 0.
        tls: With what all connections are made: :class:`wrpme.TlsFiles` that name the CA of the nodes' certificates, an
            ``ssl.SSLContext``, or True for the CAs that the system trusts. Without it they are plain. Files are read
            once, here.
        user, password: Who the client is, which each of its connections says first; only with ``tls``. A hive that has
            no users takes anything here, so that a program can say it before there are users.

    Raises:
        UsageError: An address or the timeout is none, a file can't be used, or there is a password without TLS.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        timeout: float = TIMEOUT_SECONDS,
        tls: Tls = None,
        user: str | None = None,
        password: str | None = None,
    ) -> None:
        listed, seconds, context = _check_addresses(addresses), _check_timeout(timeout), context_of(tls)
        credentials = credentials_of(user, password, context is not None)
        self._dispatcher = Dispatcher(listed, seconds, context=context, credentials=credentials)
        self._next_id = self._dispatcher.next_id
        self._cluster = ClusterOps(self._dispatcher)
        self._admin = AdminOps(self._dispatcher, self._cluster)
        self._user_admin = UserAdmin(self._dispatcher)
        self._watchers: WeakSet[Watcher] = WeakSet()
        self._ask_for_entry: AskForEntry = self._dispatcher.ask
        self._followers: WeakSet[Follower] = WeakSet()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Returns a client of the hive at ``wrpme://HOST:PORT,HOST:PORT/?timeout=SECONDS``; with TLS at
        ``wrpmes://HOST:PORT,HOST:PORT/?timeout=SECONDS&ca=FILE&cert=FILE&key=FILE``, and with a user at
        ``wrpmes://NAME:PASSWORD@HOST:PORT``, where what is no letter or digit in a password is written ``%NN``.

        Raises:
            UsageError: The URL is none of that kind.
        """
        return cls(*urls.parse(url))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all connections; may be called twice. Requests in flight get an error, and watchers and followers come
        to their end."""
        ending: list[Watcher | Follower] = [*self._watchers, *self._followers]
        await asyncio.gather(*(one.aclose() for one in ending))
        await self._dispatcher.close()

    def _start_afresh(self) -> None:
        """Begins again for a :class:`BlockingClient` in a process that was forked: all connections are made anew.
        Watchers stay with the process in which they began."""
        self._dispatcher.start_afresh()
        self._watchers = WeakSet()
        self._followers = WeakSet()

    def _hand_requests_of_entries_to(self, ask: AskForEntry) -> Dispatcher:
        """Lets a :class:`BlockingClient` send them itself, and returns what sends all others."""
        self._ask_for_entry = ask
        return self._dispatcher

    @property
    def known_addresses(self) -> list[str]:
        """The addresses of all members, or those that were given while the hive is not known yet."""
        return self._cluster.known_addresses

    @property
    def answered_by(self) -> str:
        """The address of the node that answered the latest request of an entry; empty before the first."""
        return self._dispatcher.answered_by

    # --- entries -------------------------------------------------------------------------------------------------

    @overload
    async def get(self, alias: Alias) -> bytes: ...

    @overload
    async def get(self, alias: Alias, *, default: D) -> bytes | D: ...

    async def get(self, alias: Alias, *, default: object = NO_DEFAULT) -> object:
        """Returns the content of an entry; ``default``, if that is given, where there is no such entry.

        Raises:
            NotFoundError: There is no such entry, and no default.
        """
        try:
            return await self._carry_out(calls.get(self._next_id(), alias))
        except errors.NotFoundError:
            if default is NO_DEFAULT:
                raise
            return default

    async def get_entry(self, alias: Alias) -> Entry:
        """Returns the content of an entry with its version.

        Raises:
            NotFoundError: There is no such entry.
        """
        return await self._carry_out(calls.get_entry(self._next_id(), alias))

    async def exists(self, alias: Alias) -> bool:
        """Returns whether there is such an entry."""
        return await self._carry_out(calls.exists(self._next_id(), alias))

    async def put(self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None) -> int:
        """Adds an entry that lives until ``expires``, or for ``ttl``, and returns its version.

        Raises:
            AlreadyExistsError: There is an entry of that alias; it stays as it is.
        """
        return await self._carry_out(calls.put(self._next_id(), alias, content, expires, ttl))

    async def update(
        self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> int:
        """Adds an entry, or replaces the content of the one that there is, and its life span with it; returns its
        version as :meth:`put` does."""
        return await self._carry_out(calls.update(self._next_id(), alias, content, expires, ttl, keep_expiry))

    async def get_update(
        self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> bytes:
        """Replaces the content of an entry and its life span, and returns the former content.

        Raises:
            NotFoundError: There is no such entry, and none was added.
        """
        return await self._carry_out(calls.get_update(self._next_id(), alias, content, expires, ttl, keep_expiry))

    async def get_remove(self, alias: Alias) -> bytes:
        """Removes an entry, and returns its content.

        Raises:
            NotFoundError: There is no such entry.
        """
        return await self._carry_out(calls.get_remove(self._next_id(), alias))

    async def cas(
        self,
        alias: Alias,
        content: Bytes,
        comparand: Bytes,
        expires: Time = 0,
        ttl: Span | None = None,
        keep_expiry: bool = False,
    ) -> bytes:
        """Replaces the content of an entry and its life span if its content is ``comparand``, and returns the former
        content.

        Raises:
            MismatchError: The content is another one; the entry stays as it is.
            NotFoundError: There is no such entry.
        """
        return await self._carry_out(calls.cas(self._next_id(), alias, content, comparand, expires, ttl, keep_expiry))

    async def cas_version(
        self,
        alias: Alias,
        content: Bytes,
        version: int,
        expires: Time = 0,
        ttl: Span | None = None,
        keep_expiry: bool = False,
    ) -> int:
        """Replaces the content of an entry and its life span if it has that version, and returns the new version. With
        0 there must be no such entry, and one is added.

        Raises:
            MismatchError: The version is another one; the entry stays as it is.
            NotFoundError: There is no such entry.
        """
        return await self._carry_out(
            calls.cas_version(self._next_id(), alias, content, version, expires, ttl, keep_expiry)
        )

    async def add(self, alias: Alias, number: int = 1, expires: Time = 0, ttl: Span | None = None) -> int:
        """Adds to the counter that an entry is (its content is a whole number of 64 bits in decimal digits; where there
        is no such entry it counts from 0), and returns the sum. The entry keeps its life span, unless one is given.

        Raises:
            NumberError: The content is no such number, or the sum would have more than 64 bits; nothing was changed.
        """
        return await self._carry_out(calls.add(self._next_id(), alias, number, expires, ttl))

    async def append(self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None) -> int:
        """Puts bytes behind the content of an entry, or adds an entry with them, and returns the size of the content.
        The entry keeps its life span, unless one is given.

        Raises:
            TooLargeError: The content would be over 64 MiB; nothing was changed.
        """
        return await self._carry_out(calls.append(self._next_id(), alias, content, expires, ttl))

    async def get_range(self, alias: Alias, first: int, last: int = -1) -> bytes:
        """Returns the bytes of the content from ``first`` to ``last``, both included, as far as there are any. A number
        below 0 counts from the end: -1 is the last byte.

        Raises:
            NotFoundError: There is no such entry.
        """
        return await self._carry_out(calls.get_range(self._next_id(), alias, first, last))

    async def set_range(self, alias: Alias, first: int, content: Bytes) -> int:
        """Writes over the content of an entry from byte ``first`` (0 or more) on, and returns the size of the content.
        Where it is too short it grows, with zero bytes up to there; where there is no entry, one is added. The life
        span stays.

        Raises:
            TooLargeError: The content would be over 64 MiB; nothing was changed.
        """
        return await self._carry_out(calls.set_range(self._next_id(), alias, first, content))

    async def get_expire(self, alias: Alias, expires: Time = 0, ttl: Span | None = None) -> bytes:
        """Returns the content of an entry, and lets it live until ``expires``, or for ``ttl``; without either for ever.

        Raises:
            NotFoundError: There is no such entry.
        """
        return await self._carry_out(calls.get_expire(self._next_id(), alias, expires, ttl))

    async def touch(self, alias: Alias) -> None:
        """Gives an entry a new version; its content and its life span stay.

        Raises:
            NotFoundError: There is no such entry.
        """
        await self._carry_out(calls.touch(self._next_id(), alias))

    async def remove(self, alias: Alias) -> None:
        """Removes an entry.

        Raises:
            NotFoundError: There is no such entry.
        """
        await self._carry_out(calls.remove(self._next_id(), alias))

    async def remove_if(self, alias: Alias, comparand: Bytes) -> None:
        """Removes an entry if its content is ``comparand``.

        Raises:
            MismatchError: The content is another one; the entry stays as it is.
            NotFoundError: There is no such entry.
        """
        await self._carry_out(calls.remove_if(self._next_id(), alias, comparand))

    async def remove_version(self, alias: Alias, version: int) -> None:
        """Removes an entry if it has that version.

        Raises:
            MismatchError: The version is another one; the entry stays as it is.
            NotFoundError: There is no such entry.
        """
        await self._carry_out(calls.remove_version(self._next_id(), alias, version))

    async def expires_at(self, alias: Alias, time: Time) -> None:
        """Sets the moment until which an entry lives; 0 is for ever, and a moment that has passed removes the entry.

        Raises:
            NotFoundError: There is no such entry.
        """
        await self._carry_out(calls.expires_at(self._next_id(), alias, time))

    async def expires_from_now(self, alias: Alias, span: Span) -> None:
        """Sets how long an entry lives from now on by the owner's clock: a ``timedelta`` or seconds; 0 is for ever.

        Raises:
            NotFoundError: There is no such entry.
        """
        await self._carry_out(calls.expires_from_now(self._next_id(), alias, span))

    async def get_expiry(self, alias: Alias) -> datetime | None:
        """Returns the moment until which an entry lives, in UTC and to the millisecond; None is for ever.

        Raises:
            NotFoundError: There is no such entry.
        """
        return await self._carry_out(calls.get_expiry(self._next_id(), alias))

    # --- many entries --------------------------------------------------------------------------------------------
    # Each entry by itself: they are sent to their owners in few messages, and another one may be changed in between.

    async def get_many(self, aliases: Iterable[Alias]) -> list[bytes | None]:
        """Returns the contents of entries in the order of their aliases; None where there is no such entry. Where one
        could not be read, its error is raised."""
        found: list[bytes | None] = []
        for outcome in await self._many([calls.get(0, alias) for alias in check_aliases(aliases)]):
            if isinstance(outcome, errors.WrpmeError):
                if not isinstance(outcome, errors.NotFoundError):
                    raise outcome
                found.append(None)
            else:
                found.append(outcome)
        return found

    async def put_many(
        self, entries: Entries, expires: Time = 0, ttl: Span | None = None
    ) -> list[int | errors.WrpmeError]:
        """Adds entries that live until ``expires``, or for ``ttl``; returns for each, in their order, its version, or
        the error with which it was not added. No such error is raised."""
        wanted = check_entries(entries).items()
        return await self._many([calls.put(0, alias, content, expires, ttl) for alias, content in wanted])

    async def update_many(
        self, entries: Entries, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> list[int | errors.WrpmeError]:
        """Adds or replaces entries as :meth:`update` does; returns what :meth:`put_many` does."""
        wanted = check_entries(entries).items()
        return await self._many(
            [calls.update(0, alias, content, expires, ttl, keep_expiry) for alias, content in wanted]
        )

    async def remove_many(self, aliases: Iterable[Alias]) -> list[errors.WrpmeError | None]:
        """Removes entries; returns for each, in the order of their aliases, None, or the error with which it was not
        removed. No such error is raised."""
        return await self._many([calls.remove(0, alias) for alias in check_aliases(aliases)])

    async def _many(self, asked: Sequence[Call[Given]]) -> list[Given | errors.WrpmeError]:
        return await outcomes(self._dispatcher, asked)

    def batch(self, *, each: bool = False) -> AsyncBatch:
        """Returns a batch, which collects operations and conditions until its ``commit()``, or the end of ``async
        with``. All of them are carried out at one moment or none is, in their order, each of which sees what those
        before it do; a commit returns what they gave. Their entries must have one tag (or be one entry), as
        ``{user:7}:cart`` and ``{user:7}:address`` have; at most 1,000 operations and 8 MiB. With ``each``, entries may
        be any, and each operation is carried out by itself, in no certain order: in the place of its result stands the
        error that it got.

        Raises (the commit):
            WrpmeError: What an operation or condition raises, and nothing was changed; its ``operation`` says which,
                counted from 0.
            ApartError: Two entries are not together; the sentence names them.
        """
        return AsyncBatch(self._dispatcher, each)

    async def _carry_out(self, call: Call[Given]) -> Given:
        request = call.request
        position = self._dispatcher.routes.position_of(request.alias)
        return call.result(await self._ask_for_entry(request, call.kind, position))

    # --- the hive ------------------------------------------------------------------------------------------------
    # Scans have no timeout as a whole: they end when nothing has come for the timeout of the client.

    async def scan(
        self,
        prefix: Alias = b"",
        *,
        contents: bool = False,
        versions: bool = False,
        after: Alias = b"",
        limit: int | None = None,
    ) -> AsyncGenerator[Scanned]:
        """Gives the entries whose alias begins with ``prefix``, in the order of their aliases (by their bytes), after
        ``after``, at most ``limit`` (0 or more; None is all): an asynchronous iterator, which fetches a page at a time.
        An entry that exists all the while is given exactly once, with a content and a version that it had meanwhile;
        one that comes or goes may be given or not. It goes on through changes of the hive; where it ended, another scan
        goes on after the alias that was given last.

        Raises:
            UsageError: ``limit`` is below 0, or the prefix or ``after`` are none.
        """
        asked = Scan(prefix_bytes(prefix), contents, versions)
        async for entry in scanned(self._dispatcher, asked, prefix_bytes(after), limit):
            yield entry

    def follow(self, prefix: Alias = b"", *, contents: bool = False) -> Follower:
        """Returns an asynchronous iterator over the entries whose alias begins with ``prefix`` and what becomes of
        them, as :class:`wrpme.client.follow.follower.Change`: the present ones first, then each change once it is
        acknowledged, of each entry in order. The last state of each is never missed, whatever happens to the hive;
        states between may be left out where it asks anew or is read slowly. It ends with its ``aclose()`` or with this
        client, and keeps the alias and the version of each entry that it follows.

        Raises:
            UsageError: The prefix is none. Where no owner can be followed within the timeout, the iterator raises what
                a scan would; later it tries again for ever.
        """
        follower = Follower(self._dispatcher, prefix_bytes(prefix), contents)
        self._followers.add(follower)
        return follower

    async def prefix_get(self, prefix: Alias, count_max: int | None = None) -> list[str]:
        """Returns the aliases that begin with ``prefix``, sorted, at most ``count_max`` (0 or more; None is all).
        Entries that come or go meanwhile may be among them or not.

        Raises:
            UsageError: ``count_max`` is below 0.
        """
        return await self._cluster.prefix_get(prefix_bytes(prefix), count_max)

    async def count(self) -> int:
        """Returns the number of entries in the hive, all counted in one view."""
        return await self._cluster.count()

    async def remove_all(self) -> Removed:
        """Removes every entry of the hive, and returns how many were removed. Entries that are added meanwhile may
        stay. Where an owner was lost meanwhile, the number is a lower bound, and its ``exact`` is False."""
        return await self._cluster.remove_all()

    async def locate(self, alias: Alias) -> Location:
        """Returns where the entry of that alias lives, or would live if there is none."""
        return await self._cluster.locate(alias_bytes(alias))

    async def view(self) -> View:
        """Returns the view of the hive that a node has now: its members, arcs and voters."""
        return await self._cluster.view()

    async def backup(self, sections: Sections, told: Callable[[BackupProgress], None] | None = None) -> BackupProgress:
        """Hands all entries of the hive over, while it is used: each arc as of one moment, so that entries of one tag
        belong together. ``told`` hears how far it is.

        Raises:
            WrpmeError: A part of the hive could not be read for as long as the timeout.
        """
        return await Backup(self._dispatcher, sections, told).run()

    async def hive_status(self) -> HiveStatus:
        """Returns the view of the hive, and the figures of each member. A member that does not answer within 3 s (or
        the timeout of the client, if that is shorter) has an error in their place."""
        return await self._cluster.hive_status()

    async def wait_stable(self, seconds: float | None = None) -> None:
        """Returns when the hive is stable: every node is up, every arc has its copies, and nothing moves.

        Raises:
            TimeoutError: It is not after ``seconds`` (0 or more; None is the timeout of the client); the sentence says
                what it waits for.
        """
        await self._cluster.wait_stable(seconds)

    def watch(self) -> Watcher:
        """Returns an asynchronous iterator over what happens in the hive: views, events and figures of all nodes, as
        the classes of :mod:`wrpme.client.watch.records`. It never raises an error, and ends with its ``aclose()`` or
        with this client. It has connections of its own, made when the first record is asked for."""
        known = [*self._dispatcher.addresses, *self.known_addresses]
        watcher = Watcher(known, self._dispatcher.context, self._dispatcher.credentials)
        self._watchers.add(watcher)
        return watcher

    # --- single nodes --------------------------------------------------------------------------------------------
    # All raise UsageError where no member is at the address (HOST:PORT).

    async def node_status(self, address: str) -> dict[str, Any]:
        """Returns all figures of the node at that address, by name."""
        return await self._cluster.node_status(address)

    async def slow_log(self, address: str | None = None) -> tuple[NodeSlow, ...]:
        """Returns what took longer than ``--slow-threshold`` lately, by node: of that at ``address``, or of all."""
        return await self._cluster.slow_log(address)

    async def node_config(self, address: str) -> dict[str, Any]:
        """Returns the configuration of the node at that address, by option."""
        return await self._cluster.node_config(address)

    async def node_topology(self, address: str) -> View:
        """Returns the view of the hive as the very node at that address has it; no other node answers for it."""
        return await self._cluster.node_topology(address)

    async def log_of(self, address: str) -> list[str]:
        """Returns the latest lines of the log of the very node at that address, at most 200, the oldest first."""
        return await self._cluster.log_of(address)

    async def stop_node(self, address: str) -> None:
        """Begins the planned stop of the node at that address, and returns: others serve its arcs, it stays a member,
        and its copies are missing until it is started again."""
        await self._cluster.stop_node(address)

    # --- for operators -------------------------------------------------------------------------------------------

    async def leave(self, address: str) -> None:
        """Lets a node move its data to others and stop for good, and returns when it is no member any more.

        Raises:
            TimeoutError: Nothing has moved for the timeout of the client; the node goes on by itself.
            UsageError: No member is at that address, or it is the last one that is up.
        """
        await self._admin.leave(address)

    async def price_of(self, address: str) -> LossEstimate:
        """Returns what is given up if the member at that address, which is down, is forgotten.

        Raises:
            UsageError: No member is at that address, or it is not down.
        """
        return await self._admin.price_of(address)

    async def forget(self, address: str, price: LossEstimate | None = None) -> None:
        """Takes the operator's word that the member at that address, which is down, never returns; returns when it is
        no member any more. What it alone held is given up, and starts again as ``price`` says, which ``price_of``
        returned; without it, from the most complete copies that there are now.

        Raises:
            UsageError: No member is at that address, or it is not down.
            TimeoutError: The hive has not decided so within the timeout of the client.
        """
        await self._admin.forget(address, price)

    async def set_replication(self, replication: int, told: Callable[[str], None] | None = None) -> str:
        """Lets the hive keep ``replication`` copies of each entry, 1 to 5, on different nodes, and returns when all
        that can be made are there, with a sentence that says so and what is wanting: with fewer nodes there are fewer
        copies until more join. ``told`` hears in words how far it is. Entries are served meanwhile.

        Raises:
            UsageError: It is no such number, or somebody else has asked for another one at the same time.
            TimeoutError: Nothing has moved for the timeout of the client; the hive goes on by itself, if it has decided
                so.
        """
        return await self._admin.set_replication(replication, told)

    async def price_of_recovery(self) -> LossEstimate:
        """Returns what is given up if :meth:`recover` is called, and which nodes are missing: those that do not tell
        what they have on their disks."""
        return await self._admin.price_of_recovery()

    async def recover(self, price: LossEstimate | None = None) -> str:
        """Takes the operator's word that the voters that the node at the first given address does not see are dead:
        that node starts a new generation of the hive. Returns what it says of it, and what is given up. ``price`` is
        what :meth:`price_of_recovery` gave, if it was asked before: so nothing is given up but what was shown.

        Raises:
            UsageError: It sees a quorum, and there is nothing to recover.
        """
        return await self._admin.recover(price)

    async def verify(self) -> Verified:
        """Compares the copies of every arc with its owner's, while they are served, and returns what differs.

        Raises:
            UnavailableError: An arc has no holder that is up.
        """
        return await self._admin.verify()

    # --- users ---------------------------------------------------------------------------------------------------
    # All but whoami are for admins, and for everybody while the hive has no users. A change returns when the hive has
    # it, and may raise TimeoutError where it can't decide, or UsageError where somebody else was at it meanwhile.

    async def whoami(self) -> WhoIs:
        """Returns who this client is to the hive, and what it may do."""
        return await self._user_admin.who_am_i()

    async def users(self) -> tuple[HiveUser, ...]:
        """Returns the users of the hive by name; none in a hive that asks nobody who he is."""
        return await self._user_admin.users()

    async def add_user(
        self, name: str, role: str, password: str | Sequence[str], prefixes: Iterable[Alias] = ()
    ) -> None:
        """Adds a user who may ``read``, ``write``, or is an ``admin``: with ``prefixes`` only entries whose alias
        begins with one of them. Several passwords may be valid at a time; they are hashed here, and never sent. From
        the first user on, who is an admin, every connection has to say who it is, and this client goes on as him.

        Raises:
            AlreadyExistsError: There is a user of that name.
            UsageError: The name, the role, a password or a prefix can't be one; or it would be the first user, and is
                no admin, or a node does not have ``--tls-mode require``.
        """
        await self._user_admin.add_user(name, role, password, prefixes)

    async def set_password(self, name: str, password: str, keep: bool = False) -> None:
        """Gives a user a password. The others end, and the connections that stand on them; with ``keep`` they stay
        valid, at most 4 in all, until one is set without it.

        Raises:
            NotFoundError: There is no such user.
        """
        await self._user_admin.set_password(name, password, keep)

    async def remove_user(self, name: str) -> None:
        """Removes a user, and ends his connections. After the last one nobody is asked any more who he is.

        Raises:
            NotFoundError: There is no such user.
            UsageError: He is the last admin, and there are other users.
        """
        await self._user_admin.remove_user(name)

    async def remove_users(self) -> None:
        """Removes all users at once: from one view to the next the hive is open, and no program that said who it is
        fails.

        Raises:
            NotFoundError: There are none.
        """
        await self._user_admin.remove_users()


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
