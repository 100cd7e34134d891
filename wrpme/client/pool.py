"""The open connections of a client, one to each node, and which addresses did not answer lately."""

from __future__ import annotations

import asyncio
from ssl import SSLContext
from typing import Protocol

from wrpme import errors
from wrpme.client.access.credentials import Credentials
from wrpme.client.connection import Connection, Owner, dial
from wrpme.client.limits import RETIRED_SECONDS_MAX, SILENT_SECONDS_MAX
from wrpme.client.requests.outcomes import Lost
from wrpme.limits import LINK_RETRY_SECONDS_MAX
from wrpme.protocol.identities import GetHive
from wrpme.protocol.messages import Content


class PoolOwner(Owner, Protocol):
    """Who uses a pool, and decides which nodes are let into it."""

    def next_id(self) -> int:
        """Returns an id for a request of the pool's own."""

    def meet(self, address: str, hive: bytes) -> errors.AnotherHiveError | None:
        """Returns why the node at that address, which is of that hive, is not let in; None if it is."""


class Pool:
    """Keeps one connection for each address, with TLS if there is a ``context``; if there are ``credentials`` each of
    them says first who the client is. Used from one event loop.

    No request waits for an address that did not answer the last time: another attempt is made beside the requests.
    """

    def __init__(
        self, owner: PoolOwner, context: SSLContext | None = None, credentials: Credentials | None = None
    ) -> None:
        self._owner = owner
        self._context = context
        self._credentials = credentials
        self._open: dict[str, Connection] = {}
        self._dialling: dict[str, asyncio.Task[Connection | errors.WrpmeError]] = {}
        self._failed: dict[str, float] = {}
        self._retired: dict[Connection, None] = {}

    def ready(self, address: str) -> Connection | None:
        """Returns the open connection to that address, or None."""
        connection = self._open.get(address)
        return connection if connection is not None and connection.usable else None

    def any_ready(self) -> Connection | None:
        """Returns an open connection to any node, or None."""
        return next((connection for connection in self._open.values() if connection.usable), None)

    def failing(self, address: str) -> bool:
        """Returns whether the last connection to that address failed or ended. If it did, another attempt is begun
        here, at most one each ``LINK_RETRY_SECONDS_MAX``, and nobody needs to wait for it."""
        failed = self._failed.get(address)
        if failed is None:
            return False
        if asyncio.get_running_loop().time() - failed > LINK_RETRY_SECONDS_MAX and address not in self._dialling:
            self._dialling[address] = asyncio.create_task(self._dial(address))
        return True

    async def open(self, address: str) -> Connection:
        """Returns the connection to that address, made if need be.

        Raises:
            ConnectionError: it can't be reached, or does not answer.
            ProtocolError: what answers there is no daemon of a release that this one can talk to.
            AnotherHiveError: the node there is of another hive.
        """
        connection = self.ready(address)
        if connection is not None:
            return connection
        task = self._dialling.get(address)
        if task is None:
            task = self._dialling[address] = asyncio.create_task(self._dial(address))
        try:
            outcome = await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise errors.ConnectionError("this client is closed") from None  # it was closed while others waited
        if isinstance(outcome, errors.WrpmeError):
            raise outcome
        return outcome

    async def _dial(self, address: str) -> Connection | errors.WrpmeError:
        try:
            outcome = await dial(address, self._owner, self._context, self._credentials)
            if isinstance(outcome, Connection):
                outcome = await self._introduced(outcome)
        finally:
            del self._dialling[address]
        if isinstance(outcome, Connection):
            self._open[address] = outcome
            self._failed.pop(address, None)
        else:
            self._failed[address] = asyncio.get_running_loop().time()
        return outcome

    async def _introduced(self, connection: Connection) -> Connection | errors.WrpmeError:
        """Returns the connection if its node is of the known hive, or says nothing of its hive; else why it was
        closed."""
        deadline = asyncio.get_running_loop().time() + SILENT_SECONDS_MAX
        try:
            reply = await connection.send(GetHive(self._owner.next_id()), deadline)
        except Lost as lost:
            return lost.reason
        except errors.WrpmeError as error:
            connection.close(error)
            return error
        refusal = self._owner.meet(connection.address, reply.content) if isinstance(reply, Content) else None
        if refusal is not None:
            connection.close(refusal)
        return refusal or connection

    def forget(self, connection: Connection) -> None:
        """Takes note that the connection has ended: other addresses are tried first for a while, unless all that its
        node wants is to hear who the client is."""
        self._retired.pop(connection, None)
        if self._open.get(connection.address) is connection:
            del self._open[connection.address]
            if not isinstance(connection.reason, errors.UnauthenticatedError):
                self._failed[connection.address] = asyncio.get_running_loop().time()

    def renew(self, connection: Connection) -> None:
        """Takes a connection out of use on which the client is nobody, or nobody any more: the next request to its node
        gets another one. What is in flight is answered by a node that ends it."""
        if self._open.get(connection.address) is connection:
            del self._open[connection.address]
            self._close_soon(connection, errors.ConnectionError(f"{connection.address} asks who the client is"))

    def retire(self, connection: Connection) -> None:
        """Takes the connection to a node that is down out of use. Where requests are in flight it stays open for
        ``RETIRED_SECONDS_MAX``: a node that stops as planned answers what it has taken; one that hangs, or is cut off,
        would never end the connection by itself."""
        self.forget(connection)
        self._close_soon(connection, errors.ConnectionError(f"{connection.address} is down"))

    def _close_soon(self, connection: Connection, reason: errors.WrpmeError) -> None:
        if not connection.in_flight:
            connection.close(reason)
            return
        self._retired[connection] = None
        asyncio.get_running_loop().call_later(RETIRED_SECONDS_MAX, connection.close, reason)

    def abandon(self) -> None:
        """Lets go of all connections in a process that was forked: they belong to the other one."""
        for connection in (*self._open.values(), *self._retired):
            connection.abandon()

    async def close(self) -> None:
        """Ends all connections and attempts, and returns when none is left."""
        tasks = list(self._dialling.values())
        for task in tasks:
            task.cancel()
        connections = [*self._open.values(), *self._retired]
        for connection in connections:
            connection.close()
        await asyncio.gather(*tasks, *(connection.ended for connection in connections), return_exceptions=True)
