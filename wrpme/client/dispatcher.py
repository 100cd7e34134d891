"""How a request reaches the hive: the view says who owns what, the pool has a connection to each node, and what was
refused for a moment is sent again.

Any node serves any request, so the view is only a short cut: with none, or an old one, the request goes to a node
that answers, and that one passes it on. It is fetched again, beside the requests, when a node tells of a new epoch.

Only what was certainly not carried out is sent again: what a node refused as unstable, what had not left when a
connection ended, and what changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from ssl import SSLContext
from typing import TypeVar

from wrpme import errors
from wrpme.client.access.credentials import Credentials
from wrpme.client.connection import Connection
from wrpme.client.limits import CLIENT_REQUESTS_MAX, COMPARE_SECONDS_MAX
from wrpme.client.one_loop import OneLoop
from wrpme.client.pool import Pool
from wrpme.client.race import first_of
from wrpme.client.follow.tellers import Tellers
from wrpme.client.requests import outcomes, tracing
from wrpme.client.requests.request_ids import with_id
from wrpme.client.requests.outcomes import Lost, Unheard
from wrpme.client.requests.routing import Routes
from wrpme.limits import RETRY_SECONDS_MIN
from wrpme.protocol.messages import Failed, GetView, Notice, Reply, Request, ViewIs
from wrpme.protocol.view import View

R = TypeVar("R")


class Dispatcher:
    """Sends requests of one client; used from one event loop.

    ``addresses`` are HOST:PORT of any nodes of the hive, tried in order; ``timeout`` in seconds is for each request,
    its retries included. With a ``context`` all connections have TLS; with ``credentials`` each of them says first who
    the client is.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        timeout: float,
        random: Random | None = None,
        context: SSLContext | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.routes = Routes(addresses)
        self.credentials = credentials if credentials is not None else Credentials()
        self.timeout = timeout
        self.context = context
        self.answered_by = ""
        """The address of the node that answered the latest request of an entry."""
        self._ids = count(1)
        self.random = random or Random()
        self._compared = len(self.addresses) < 2
        self._closed = False
        self._answered = False
        self._begin()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that were given."""
        return self.routes.addresses

    @property
    def view(self) -> View | None:
        """The latest view that a node told, if any has."""
        return self.routes.view

    def _begin(self) -> None:
        self._pool = Pool(self, self.context, self.credentials)
        self._loop = OneLoop()
        self._room = asyncio.Semaphore(CLIENT_REQUESTS_MAX)
        self._home: Connection | None = None
        self._asking = False
        self.routes.unfollowed()
        self.tellers = Tellers()
        self.epoch_seen = asyncio.Event()
        """Set whenever a node told of a later epoch; whoever waits for it clears it."""

    def start_afresh(self) -> None:
        """Begins again in a process that was forked: the loop, the connections and the requests in flight are those of
        the other one. What is known of the hive stays known."""
        self._pool.abandon()
        self._begin()

    def next_id(self) -> int:
        """Returns an id for the next request."""
        return next(self._ids)

    def deadline(self, seconds: float | None = None) -> float:
        """Returns the end of a request that starts now, in seconds on the clock of the loop. ``seconds`` is what it may
        take; None is the timeout of the client."""
        return self._loop.running().time() + (self.timeout if seconds is None else seconds)

    async def close(self) -> None:
        """Ends all connections; requests in flight get an error."""
        self._loop.running()
        self._closed = True
        await self._pool.close()

    def meet(self, address: str, hive: bytes) -> errors.AnotherHiveError | None:
        """See :meth:`Routes.meet`."""
        return self.routes.meet(address, hive)

    # --- requests ------------------------------------------------------------------------------------------------

    async def ask(
        self,
        request: Request,
        kind: type[R],
        position: int | None = None,
        address: str | None = None,
        deadline: float | None = None,
        until_stable: bool = True,
        after: errors.WrpmeError | None = None,
    ) -> R:
        """Returns the reply, which is of ``kind``. The request is sent to the owner of ``position`` or to ``address``
        if that can be reached, else to any node. With ``until_stable`` it is sent again until the deadline where a
        node refuses it as the hive is changing. ``after`` is what came of an attempt that was made elsewhere.

        Raises:
            WrpmeError: what the node answered, or what became of the request; see the module.
        """
        if deadline is None:
            deadline = self.deadline()
        pause = 0.0
        last = after
        request = with_id(request)
        if self.routes.conflict is not None:
            raise self.routes.conflict
        async with self._room:
            if last is not None:
                pause = await self.back_off(pause, deadline, last)
            while True:
                connection = self._choose(position, address)
                if connection is None:
                    try:
                        connection = await self._reach(position, address, deadline)
                    except errors.TimeoutError:
                        if last is None:
                            raise
                        raise outcomes.final(last) from None  # the time ran out on the way to one more try
                try:
                    reply: Reply = await connection.send(request, deadline)
                except Lost as lost:
                    last = outcomes.repeatable(request, lost)
                else:
                    self._answered = True
                    tracing.answered_by(connection.address)
                    if position is not None:
                        self.answered_by = connection.address
                    if isinstance(reply, kind):
                        return reply
                    last = outcomes.error_in(reply, connection.address)
                    self.routes.refused(last)
                    if not (last.retry and until_stable) and not self.renewed(connection, last):
                        raise last
                pause = await self.back_off(pause, deadline, last)

    async def ask_there(self, request: Request, kind: type[R], address: str, deadline: float) -> R:
        """Returns the reply of the very node at that address, which is asked once: no other node can answer for it."""
        last: errors.WrpmeError | None = None
        while True:
            connection = await self._connect(lambda: [address], deadline)
            reply = await connection.send(request, deadline)
            if isinstance(reply, kind):
                return reply
            error = outcomes.error_in(reply, connection.address)
            if last is not None or not self.renewed(connection, error):
                raise error
            last = error

    def renewed(self, connection: Connection, error: errors.WrpmeError) -> bool:
        """Returns whether the request may be sent again on another connection: the node wants to know who the client
        is, as the hive had no users yet when this connection was opened, or it was somebody else. The request was not
        carried out, and where the next connection is not let in, that is told."""
        if not self.credentials or not isinstance(error, errors.UnauthenticatedError):
            return False
        self._pool.renew(connection)
        self._unfollow(connection)
        return True

    async def connection_to(self, address: str, deadline: float) -> Connection:
        """Returns a connection to the very node at that address."""
        if self._closed:
            raise errors.ConnectionError("this client is closed")
        return await self._connect(lambda: [address], deadline)

    async def back_off(self, pause: float, deadline: float, last: errors.WrpmeError) -> float:
        """Waits before the next attempt, longer than the ``pause`` before, which it returned (0 at first); raises
        ``last`` if no time is left. After a lost connection the first attempt elsewhere is made at once."""
        if not pause and isinstance(last, Lost):
            return RETRY_SECONDS_MIN
        pause = outcomes.next_pause(pause)
        delay = pause * self.random.uniform(0.5, 1.0)
        if self.deadline(delay) >= deadline:
            raise outcomes.final(last)
        await asyncio.sleep(delay)
        return pause

    # --- choosing a connection -----------------------------------------------------------------------------------

    def _choose(self, position: int | None, address: str | None) -> Connection | None:
        """Returns an open connection to the right node, or None where one has to be made first."""
        if self.routes.stale and self._answered and not self._asking:
            self._ask_view()
        if address is None:
            address = self.routes.owner_at(position)
        if address:
            connection = self._pool.ready(address)
            if connection is not None or not self._pool.failing(address):
                return connection
        if self._home is None or not self._home.usable:
            self._home = self._pool.any_ready()
        return self._home

    async def _reach(self, position: int | None, address: str | None, deadline: float) -> Connection:
        if self._closed:
            raise errors.ConnectionError("this client is closed")
        if address is None:
            address = self.routes.owner_at(position)
        if not self._compared:
            await self._compare(deadline)
        connection = await self._connect(lambda: self._candidates(address), deadline)
        if self._home is None or not self._home.usable:
            self._home = connection
        return connection

    async def _connect(self, candidates: Callable[[], list[str]], deadline: float) -> Connection:
        """Returns a connection to the first candidate that answers. Where all of them refuse, that is told at once;
        where one does not answer, or has no time yet, all are tried until the deadline: that is no refusal."""
        told: errors.WrpmeError | None = None
        pause = 0.0
        while True:
            failures: dict[str, Exception] = {}
            tried = candidates()
            try:
                async with asyncio.timeout_at(deadline):
                    connection = await first_of(tried, self._pool.open, lambda _: None, failures)
            except TimeoutError:
                missed = f"no node could be reached in the time given; tried {', '.join(tried)}"
                raise told or errors.TimeoutError(missed) from None
            if connection is not None:
                return connection
            told = outcomes.nobody(failures)
            if not isinstance(told, errors.ConnectionError) or not any(
                isinstance(error, Unheard) for error in failures.values()
            ):
                raise told
            pause = await self.back_off(pause, deadline, told)

    async def _compare(self, deadline: float) -> None:
        """Looks at all given addresses once, for a moment: nothing is sent to a hive while they are of several."""
        self._compared = True
        attempts = [asyncio.ensure_future(self._pool.open(address)) for address in self.addresses]
        done, late = await asyncio.wait(attempts, timeout=min(COMPARE_SECONDS_MAX, deadline - self.deadline(0)))
        for attempt in late:
            attempt.cancel()  # the dialling itself goes on
        for attempt in done:
            attempt.exception()  # why somebody can't be reached is told when he is needed
        if self.routes.conflict is not None:
            raise self.routes.conflict

    def _candidates(self, first: str | None) -> list[str]:
        return self.routes.candidates(first, self._pool.failing, self._pool.ready)

    # --- the view ------------------------------------------------------------------------------------------------

    async def fresh_view(self, deadline: float | None = None) -> View:
        """Returns the view as a node has it now."""
        answer = await self.ask(GetView(self.next_id(), follow=True), ViewIs, deadline=deadline)
        if refusal := self.meet(self._home.address if self._home else "its daemon", answer.view.hive):
            raise refusal
        self._adopt(answer)
        return answer.view

    def _ask_view(self) -> None:
        """Sends for the view beside the requests; the answer is adopted when it comes."""
        if self._home is None or not self._home.usable:
            self._home = self._pool.any_ready()
        if self._home is None:
            return
        self._asking, self.routes.stale = True, False
        home = self._home
        future = home.send(GetView(self.next_id(), follow=True), self.deadline())
        future.add_done_callback(lambda done: self._view_came(home, done))

    def _view_came(self, home: Connection, future: asyncio.Future[Reply]) -> None:
        self._asking = False
        if future.cancelled() or future.exception() is not None:
            self.routes.stale = True
            return
        reply = future.result()
        if isinstance(reply, Failed):
            self.routes.stale = self.renewed(home, outcomes.error_in(reply, home.address))
        elif isinstance(reply, ViewIs) and self.routes.is_known(reply.view.hive):
            self._adopt(reply)

    def _adopt(self, answer: ViewIs) -> None:
        for address in self.routes.adopt(answer.view) or ():
            connection = self._pool.ready(address)
            if connection is not None:
                self._pool.retire(connection)
                self._unfollow(connection)

    # --- told by connections -------------------------------------------------------------------------------------

    def heard(self, connection: Connection, reply: Reply) -> None:
        """Takes note that the node that is followed has adopted a view."""
        if not isinstance(reply, Notice):
            self.tellers.heard(connection, reply)
            return
        self.routes.told(reply.epoch)
        self.epoch_seen.set()

    def closed(self, connection: Connection) -> None:
        """Takes note that a connection ended; if its node was the one that is followed, another will be."""
        self._pool.forget(connection)
        self._unfollow(connection)
        self.tellers.closed(connection)

    def _unfollow(self, connection: Connection) -> None:
        if connection is self._home:
            self._home = None
            self.routes.unfollowed()
            self.epoch_seen.set()
