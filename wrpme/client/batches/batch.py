"""Batches: operations that a client collects, and commits together or each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from wrpme import errors
from wrpme.client.batches import call as calls
from wrpme.client.batches.arguments import Bytes, check_alias, check_content, version_bytes
from wrpme.client.batches.call import Call, Outcome, Result
from wrpme.client.dispatcher import Dispatcher
from wrpme.client.life_span import Span, Time, life_span
from wrpme.client.batches.many import outcomes
from wrpme.limits import TRANSACTION_REQUESTS_MAX
from wrpme.protocol import validation
from wrpme.protocol.messages import (
    NO_VERSION, Add, Append, Cas, CasVersion, Exists, Get, GetRemove, GetUpdate, IfContent, IfVersion, Put, Remove,
    RemoveIf, RemoveVersion, Results, Touch, Transaction, Update,
)  # fmt: skip
from wrpme.protocol.ring import position_of
from wrpme.protocol.validation import apart


class Batch:
    """The operations of a batch, in their order. Each method adds one, and returns the batch; what they give is in the
    results of the commit. See :meth:`wrpme.Client.batch`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def _add(self, call: Call) -> Self:
        check_alias(call.request.alias)
        self.calls.append(call)
        return self

    # --- conditions ----------------------------------------------------------------------------------------------

    def if_version(self, alias: str, version: int) -> Self:
        """Goes on only if the entry has that version; gives None."""
        return self._add(calls.nothing(IfVersion(0, alias, version_bytes(version))))

    def if_absent(self, alias: str) -> Self:
        """Goes on only if there is no such entry; gives None."""
        return self._add(calls.nothing(IfVersion(0, alias, NO_VERSION)))

    def if_content(self, alias: str, comparand: Bytes) -> Self:
        """Goes on only if the content is ``comparand``; gives None."""
        return self._add(calls.nothing(IfContent(0, alias, check_content(comparand))))

    # --- reads ---------------------------------------------------------------------------------------------------

    def get(self, alias: str) -> Self:
        """Gives the content."""
        return self._add(calls.content(Get(0, alias)))

    def exists(self, alias: str) -> Self:
        """Gives whether there is such an entry."""
        return self._add(calls.truth(Exists(0, alias)))

    # --- writes --------------------------------------------------------------------------------------------------

    def put(self, alias: str, content: Bytes, expires: Time = 0, ttl: Span | None = None) -> Self:
        """Adds an entry; gives its version."""
        life = life_span(expires, ttl)
        return self._add(calls.version(Put(0, alias, check_content(content), *life, versioned=True)))

    def update(
        self, alias: str, content: Bytes, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> Self:
        """Adds or replaces an entry; gives its version."""
        life = life_span(expires, ttl, keep_expiry)
        return self._add(calls.version(Update(0, alias, check_content(content), *life, versioned=True)))

    def get_update(
        self, alias: str, content: Bytes, expires: Time = 0, ttl: Span | None = None, keep_expiry: bool = False
    ) -> Self:
        """Replaces the content; gives the former one."""
        life = life_span(expires, ttl, keep_expiry)
        return self._add(calls.content(GetUpdate(0, alias, check_content(content), *life)))

    def cas(
        self,
        alias: str,
        content: Bytes,
        comparand: Bytes,
        expires: Time = 0,
        ttl: Span | None = None,
        keep_expiry: bool = False,
    ) -> Self:
        """Replaces the content if it is ``comparand``; gives the former one."""
        life = life_span(expires, ttl, keep_expiry)
        return self._add(calls.content(Cas(0, alias, check_content(content), check_content(comparand), *life)))

    def cas_version(
        self,
        alias: str,
        content: Bytes,
        version: int,
        expires: Time = 0,
        ttl: Span | None = None,
        keep_expiry: bool = False,
    ) -> Self:
        """Replaces the content if the entry has that version; gives the new one."""
        life = life_span(expires, ttl, keep_expiry)
        return self._add(calls.version(CasVersion(0, alias, check_content(content), version_bytes(version), *life)))

    def add(self, alias: str, number: int = 1, expires: Time = 0, ttl: Span | None = None) -> Self:
        """Adds to a counter; gives the sum."""
        if not isinstance(number, int):
            raise errors.UsageError(f"what is added is a whole number, not {type(number).__name__}")
        validation.check_number(number)
        life = life_span(expires, ttl, keep=not expires and ttl is None)
        return self._add(calls.number(Add(0, alias, number, *life)))

    def append(self, alias: str, content: Bytes, expires: Time = 0, ttl: Span | None = None) -> Self:
        """Puts bytes behind the content; gives its size."""
        life = life_span(expires, ttl, keep=not expires and ttl is None)
        return self._add(calls.number(Append(0, alias, check_content(content), *life)))

    def touch(self, alias: str) -> Self:
        """Gives the entry a new version; gives None."""
        return self._add(calls.nothing(Touch(0, alias)))

    def remove(self, alias: str) -> Self:
        """Removes an entry; gives None."""
        return self._add(calls.nothing(Remove(0, alias)))

    def get_remove(self, alias: str) -> Self:
        """Removes an entry; gives its content."""
        return self._add(calls.content(GetRemove(0, alias)))

    def remove_if(self, alias: str, comparand: Bytes) -> Self:
        """Removes an entry if its content is ``comparand``; gives None."""
        return self._add(calls.nothing(RemoveIf(0, alias, check_content(comparand))))

    def remove_version(self, alias: str, version: int) -> Self:
        """Removes an entry if it has that version; gives None."""
        return self._add(calls.nothing(RemoveVersion(0, alias, version_bytes(version))))


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


async def transaction(dispatcher: Dispatcher, committed: Sequence[Call]) -> list[Result]:
    """Carries out the calls together, or none of them."""
    if not committed:
        return []
    if len(committed) > TRANSACTION_REQUESTS_MAX:
        raise errors.UsageError(
            f"a transaction has at most {TRANSACTION_REQUESTS_MAX} operations, not {len(committed)}"
        )
    view = dispatcher.view or await dispatcher.fresh_view()
    first = committed[0].request.alias
    position = position_of(view, first.encode())
    for call in committed:
        if position_of(view, call.request.alias.encode()) != position:
            raise errors.UsageError(apart(first, call.request.alias))
    request = Transaction(dispatcher.next_id(), tuple(call.request for call in committed))
    reply = await dispatcher.ask(request, Results, position=position)
    given: list[Result] = []
    for call, part in zip(committed, reply.replies, strict=True):
        outcome = call.outcome(part)
        if isinstance(outcome, errors.WrpmeError):
            raise outcome
        given.append(outcome)
    return given
