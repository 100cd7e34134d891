"""The client library for programs without asyncio: the same operations, each of which waits for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar

from wrpme import errors
from wrpme.client.admin import LossEstimate, Verified
from wrpme.client.client import Bytes, Client, Time
from wrpme.client.cluster import Location, Removed
from wrpme.client.watch.records import WatchRecord
from wrpme.client.watch.watcher import Watcher
from wrpme.limits import TIMEOUT_SECONDS
from wrpme.protocol.stats import HiveStatus
from wrpme.protocol.view import View

R = TypeVar("R")


class BlockingClient:
    """Like :class:`wrpme.Client`, whose methods and errors it has; may be used from several threads at once.

    A loop in a thread of its own keeps the connections alive between the calls.

        with BlockingClient("192.168.1.1:5909") as client:
            client.put("entry", b"content")
    """

    def __init__(self, addresses: str | Sequence[str], timeout: float = TIMEOUT_SECONDS) -> None:
        self._loop = asyncio.new_event_loop()
        try:
            self._client = Client(addresses, timeout)
        except errors.WrpmeError:
            self._loop.close()
            raise
        self._thread: Thread | None = Thread(target=self._loop.run_forever, name="wrpme-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all connections; may be called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join()
        self._loop.close()

    async def _close(self) -> None:
        await self._client.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)  # they end now, with an error

    def _wait(self, coroutine: Coroutine[Any, Any, R]) -> R:
        if self._thread is None:
            coroutine.close()
            raise errors.ConnectionError("this client is closed")
        future: Future[R] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # of use after Ctrl-C alone: otherwise it is done
            raise

    def get(self, alias: str) -> bytes:
        """See :meth:`Client.get`."""
        return self._wait(self._client.get(alias))

    def put(self, alias: str, content: Bytes, expires: Time = 0) -> None:
        """See :meth:`Client.put`."""
        self._wait(self._client.put(alias, content, expires))

    def update(self, alias: str, content: Bytes, expires: Time = 0) -> None:
        """See :meth:`Client.update`."""
        self._wait(self._client.update(alias, content, expires))

    def get_update(self, alias: str, content: Bytes, expires: Time = 0) -> bytes:
        """See :meth:`Client.get_update`."""
        return self._wait(self._client.get_update(alias, content, expires))

    def get_remove(self, alias: str) -> bytes:
        """See :meth:`Client.get_remove`."""
        return self._wait(self._client.get_remove(alias))

    def cas(self, alias: str, content: Bytes, comparand: Bytes, expires: Time = 0) -> bytes:
        """See :meth:`Client.cas`."""
        return self._wait(self._client.cas(alias, content, comparand, expires))

    def remove(self, alias: str) -> None:
        """See :meth:`Client.remove`."""
        self._wait(self._client.remove(alias))

    def remove_if(self, alias: str, comparand: Bytes) -> None:
        """See :meth:`Client.remove_if`."""
        self._wait(self._client.remove_if(alias, comparand))

    def expires_at(self, alias: str, time: Time) -> None:
        """See :meth:`Client.expires_at`."""
        self._wait(self._client.expires_at(alias, time))

    def expires_from_now(self, alias: str, span: timedelta | float) -> None:
        """See :meth:`Client.expires_from_now`."""
        self._wait(self._client.expires_from_now(alias, span))

    def get_expiry(self, alias: str) -> datetime | None:
        """See :meth:`Client.get_expiry`."""
        return self._wait(self._client.get_expiry(alias))

    def prefix_get(self, prefix: str, count_max: int | None = None) -> list[str]:
        """See :meth:`Client.prefix_get`."""
        return self._wait(self._client.prefix_get(prefix, count_max))

    def count(self) -> int:
        """See :meth:`Client.count`."""
        return self._wait(self._client.count())

    def remove_all(self) -> Removed:
        """See :meth:`Client.remove_all`."""
        return self._wait(self._client.remove_all())

    def locate(self, alias: str) -> Location:
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
        watcher = self._client.watch()
        try:
            while (record := self._wait(_next(watcher))) is not None:
                yield record
        finally:
            if self._thread is not None:
                self._wait(watcher.aclose())

    @property
    def answered_by(self) -> str:
        """See :attr:`Client.answered_by`."""
        return self._client.answered_by

    def leave(self, address: str) -> None:
        """See :meth:`Client.leave`."""
        self._wait(self._client.leave(address))

    def price_of(self, address: str) -> LossEstimate:
        """See :meth:`Client.price_of`."""
        return self._wait(self._client.price_of(address))

    def forget(self, address: str, price: LossEstimate | None = None) -> None:
        """See :meth:`Client.forget`."""
        self._wait(self._client.forget(address, price))

    def recover(self) -> str:
        """See :meth:`Client.recover`."""
        return self._wait(self._client.recover())

    def verify(self) -> Verified:
        """See :meth:`Client.verify`."""
        return self._wait(self._client.verify())

    def stop_node(self, address: str) -> None:
        """See :meth:`Client.stop_node`."""
        self._wait(self._client.stop_node(address))


async def _next(watcher: Watcher) -> WatchRecord | None:
    return await anext(watcher, None)
