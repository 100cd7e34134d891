"""Ids that a program gives to its requests, so that the logs of all nodes that they touch tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from wrpme import errors
from wrpme.protocol.messages import Count, EntryRequest, Many, PrefixScan, Request, RingScan, Traced, Transaction
from wrpme.protocol.administration import request_id_of

_ID: ContextVar[str] = ContextVar("wrpme_request_id", default="")
_TRACED: tuple[Any, ...] = (*EntryRequest.__args__, Transaction, Many, RingScan, PrefixScan, Count)  # type: ignore[attr-defined]


@contextmanager
def request_id(text: str) -> Iterator[None]:
    """All operations on entries that begin within, of whatever client, have this id: 1 to 64 characters of ASCII that
    can be seen. Each node that such a request touches tells of it in its log.

    Raises:
        UsageError: it can't be an id.
    """
    try:
        before = _ID.set(request_id_of(text))
    except ValueError as error:
        raise errors.UsageError(str(error)) from None
    try:
        yield
    finally:
        _ID.reset(before)


def with_id(request: Request) -> Request:
    """Returns the request as it is sent: with the id of whoever makes it, if there is one."""
    found = _ID.get()
    if not found or not isinstance(request, _TRACED):
        return request
    return Traced(request.id, found, request)
