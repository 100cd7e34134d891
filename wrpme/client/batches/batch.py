"""Batches: operations that a client collects, and commits together or each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from wrpme import errors
from wrpme.client.batches import calls
from wrpme.client.batches.arguments import Alias, Bytes
from wrpme.client.batches.calls import Call, Outcome, Result
from wrpme.client.batches.many import outcomes
from wrpme.client.dispatcher import Dispatcher
from wrpme.client.life_span import Span, Time
from wrpme.limits import TRANSACTION_REQUESTS_MAX
from wrpme.protocol.messages import Results, Transaction
from wrpme.protocol.ring import position_of
from wrpme.protocol.validation import apart


class Batch:
    """The operations of a batch, in their order. Each method adds one, and returns the batch; what they give is in the
    results of the commit. See :meth:`wrpme.Client.batch`."""

    def __init__(self) -> None:
        self.calls: list[Call[Result]] = []

    def _add(self, call: Call[Result]) -> Self:
        self.calls.append(call)
        return self

    # --- conditions ----------------------------------------------------------------------------------------------

    def if_version(self, alias: Alias, version: int) -> Self:
        """Goes on only if the entry has that version; gives None."""
        return self._add(calls.if_version(0, alias, version))

    def if_absent(self, alias: Alias) -> Self:
        """Goes on only if there is no such entry; gives None."""
        return self._add(calls.if_absent(0, alias))

    def if_content(self, alias: Alias, comparand: Bytes) -> Self:
        """Goes on only if the content is ``comparand``; gives None."""
        return self._add(calls.if_content(0, alias, comparand))

    # --- reads ---------------------------------------------------------------------------------------------------

    def get(self, alias: Alias) -> Self:
        """Gives the content."""
        return self._add(calls.get(0, alias))

    def get_entry(self, alias: Alias) -> Self:
        """Gives the content with its version, as an :class:`Entry`."""
        return self._add(calls.get_entry(0, alias))

    def get_range(self, alias: Alias, first: int, last: int = -1) -> Self:
        """Gives the bytes of the content from ``first`` to ``last``, both included."""
        return self._add(calls.get_range(0, alias, first, last))

    def get_expiry(self, alias: Alias) -> Self:
        """Gives the moment until which the entry lives; None is for ever."""
        return self._add(calls.get_expiry(0, alias))

    def exists(self, alias: Alias) -> Self:
        """Gives whether there is such an entry."""
        return self._add(calls.exists(0, alias))

    # --- writes --------------------------------------------------------------------------------------------------

    def put(self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None) -> Self:
        """Adds an entry; gives its version."""
        return self._add(calls.put(0, alias, content, expires, ttl))

    def update(
        self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> Self:
        """Adds or replaces an entry; gives its version."""
        return self._add(calls.update(0, alias, content, expires, ttl, keep_expiry))

    def get_update(
        self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> Self:
        """Replaces the content; gives the former one."""
        return self._add(calls.get_update(0, alias, content, expires, ttl, keep_expiry))

    def cas(
        self,
        alias: Alias,
        content: Bytes,
        comparand: Bytes,
        expires: Time = 0,
        ttl: Span | None = None,
        keep_expiry: bool = False,
    ) -> Self:
        """Replaces the content if it is ``comparand``; gives the former one."""
        return self._add(calls.cas(0, alias, content, comparand, expires, ttl, keep_expiry))

    def cas_version(
        self,
        alias: Alias,
        content: Bytes,
        version: int,
        expires: Time = 0,
        ttl: Span | None = None,
        keep_expiry: bool = False,
    ) -> Self:
        """Replaces the content if the entry has that version; gives the new one."""
        return self._add(calls.cas_version(0, alias, content, version, expires, ttl, keep_expiry))

    def add(self, alias: Alias, number: int = 1, expires: Time = 0, ttl: Span | None = None) -> Self:
        """Adds to a counter; gives the sum."""
        return self._add(calls.add(0, alias, number, expires, ttl))

    def append(self, alias: Alias, content: Bytes, expires: Time = 0, ttl: Span | None = None) -> Self:
        """Puts bytes behind the content; gives its size."""
        return self._add(calls.append(0, alias, content, expires, ttl))

    def set_range(self, alias: Alias, first: int, content: Bytes) -> Self:
        """Writes over the content from byte ``first`` on; gives its size."""
        return self._add(calls.set_range(0, alias, first, content))

    def get_expire(self, alias: Alias, expires: Time = 0, ttl: Span | None = None) -> Self:
        """Sets the life span; gives the content."""
        return self._add(calls.get_expire(0, alias, expires, ttl))

    def expires_at(self, alias: Alias, time: Time) -> Self:
        """Sets the moment until which the entry lives; gives None."""
        return self._add(calls.expires_at(0, alias, time))

    def expires_from_now(self, alias: Alias, span: Span) -> Self:
        """Sets how long the entry lives from now on; gives None."""
        return self._add(calls.expires_from_now(0, alias, span))

    def touch(self, alias: Alias) -> Self:
        """Gives the entry a new version; gives None."""
        return self._add(calls.touch(0, alias))

    def remove(self, alias: Alias) -> Self:
        """Removes an entry; gives None."""
        return self._add(calls.remove(0, alias))

    def get_remove(self, alias: Alias) -> Self:
        """Removes an entry; gives its content."""
        return self._add(calls.get_remove(0, alias))

    def remove_if(self, alias: Alias, comparand: Bytes) -> Self:
        """Removes an entry if its content is ``comparand``; gives None."""
        return self._add(calls.remove_if(0, alias, comparand))

    def remove_version(self, alias: Alias, version: int) -> Self:
        """Removes an entry if it has that version; gives None."""
        return self._add(calls.remove_version(0, alias, version))


class AsyncBatch(Batch):
    """A batch of a :class:`wrpme.Client`; as ``async with`` it is committed at the end, unless an error ended it, and
    ``results`` has what the operations gave."""

    def __init__(self, dispatcher: Dispatcher, each: bool) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._each = each
        self.results: Sequence[Outcome] = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.commit()

    async def commit(self) -> Sequence[Outcome]:
        """Carries out the operations, and returns what they gave, in order. See :meth:`wrpme.Client.batch`."""
        committed, self.calls = self.calls, []
        if self._each:
            self.results = await outcomes(self._dispatcher, committed)
        else:
            self.results = await transaction(self._dispatcher, committed)
        return self.results


async def transaction(dispatcher: Dispatcher, committed: Sequence[Call[Result]]) -> list[Result]:
    """Carries out the calls together, or none of them."""
    if not committed:
        return []
    if len(committed) > TRANSACTION_REQUESTS_MAX:
        raise errors.UsageError(
            f"a transaction has at most {TRANSACTION_REQUESTS_MAX} operations, not {len(committed)}"
        )
    view = dispatcher.view or await dispatcher.fresh_view()
    first = committed[0].request.alias
    position = position_of(view, first)
    for call in committed:
        if position_of(view, call.request.alias) != position:
            raise apart(first, call.request.alias)
    request = Transaction(dispatcher.next_id(), tuple(call.request for call in committed))
    reply = await dispatcher.ask(request, Results, position=position)
    given: list[Result] = []
    for call, part in zip(committed, reply.replies, strict=True):
        outcome = call.outcome(part)
        if isinstance(outcome, errors.WrpmeError):
            raise outcome
        given.append(outcome)
    return given
