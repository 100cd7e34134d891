"""What each request does to one entry: pure functions of the request, the value held and the wall clock.

An outcome is either an answer alone, or a write: new content and expiry (or removal), and the answer once it is
acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from wrpme.core.layout import content_in, expiry_in
from wrpme.errors import AlreadyExistsError, MismatchError, NotFoundError, UsageError, WrpmeError
from wrpme.limits import EXPIRY_MILLISECONDS_MAX
from wrpme.protocol.messages import (
    KEEP_EXPIRY, Cas, Content, Done, EntryRequest, Expire, Failed, Get, GetExpiry, GetRemove, GetUpdate, Number, Put,
    Remove, RemoveIf, Reply, Update,
)  # fmt: skip


class Write(Struct, frozen=True, gc=False):
    """The entry gets this content; None: it is removed."""

    content: bytes | None
    expiry: int
    reply: Reply


Outcome = Reply | Write


def _failed(request: EntryRequest, error: WrpmeError) -> Failed:
    return Failed(request.id, error.code, error.sentence)


def _missing(request: EntryRequest) -> Failed:
    return Failed(request.id, NotFoundError.code, f'there is no entry "{request.alias}"')


def _get(request: Get, held: bytes | None, now: float) -> Outcome:
    return _missing(request) if held is None else Content(request.id, content_in(held))


def _expiry(request: Put | Update | GetUpdate | Cas, held: bytes | None, now: float) -> int:
    """Until when the new content lives."""
    if request.ttl == KEEP_EXPIRY:
        return expiry_in(held) if held is not None else 0
    return min(int(now) + request.ttl, EXPIRY_MILLISECONDS_MAX) if request.ttl else request.expiry


def _put(request: Put, held: bytes | None, now: float) -> Outcome:
    if held is not None:
        sentence = f'there is an entry "{request.alias}" already; update replaces it'
        return Failed(request.id, AlreadyExistsError.code, sentence)
    return Write(request.content, _expiry(request, held, now), Done(request.id))


def _update(request: Update, held: bytes | None, now: float) -> Outcome:
    return Write(request.content, _expiry(request, held, now), Done(request.id))


def _get_update(request: GetUpdate, held: bytes | None, now: float) -> Outcome:
    if held is None:
        return _missing(request)
    return Write(request.content, _expiry(request, held, now), Content(request.id, content_in(held)))


def _get_remove(request: GetRemove, held: bytes | None, now: float) -> Outcome:
    return _missing(request) if held is None else Write(None, 0, Content(request.id, content_in(held)))


def _mismatch(request: Cas | RemoveIf) -> Failed:
    error = MismatchError(f'the content of "{request.alias}" is not the comparand; nothing was changed')
    return _failed(request, error)


def _cas(request: Cas, held: bytes | None, now: float) -> Outcome:
    if held is None:
        return _missing(request)
    former = content_in(held)
    if former != request.comparand:
        return _mismatch(request)
    return Write(request.content, _expiry(request, held, now), Content(request.id, former))


def _remove(request: Remove, held: bytes | None, now: float) -> Outcome:
    return _missing(request) if held is None else Write(None, 0, Done(request.id))


def _remove_if(request: RemoveIf, held: bytes | None, now: float) -> Outcome:
    if held is None:
        return _missing(request)
    if content_in(held) != request.comparand:
        return _mismatch(request)
    return Write(None, 0, Done(request.id))


def _expire(request: Expire, held: bytes | None, now: float) -> Outcome:
    if held is None:
        return _missing(request)
    expiry = int(now) + request.milliseconds if request.relative else request.milliseconds
    if not 0 <= expiry <= EXPIRY_MILLISECONDS_MAX:
        return _failed(request, UsageError("a time is between 1970 and the year 9999, or 0 for ever"))
    if expiry and expiry <= now:
        return Write(None, 0, Done(request.id))
    return Write(content_in(held), expiry, Done(request.id))


def _get_expiry(request: GetExpiry, held: bytes | None, now: float) -> Outcome:
    return _missing(request) if held is None else Number(request.id, expiry_in(held))


_DECISIONS: dict[type[Any], Callable[[Any, bytes | None, float], Outcome]] = {
    Get: _get,
    Put: _put,
    Update: _update,
    GetUpdate: _get_update,
    GetRemove: _get_remove,
    Cas: _cas,
    Remove: _remove,
    RemoveIf: _remove_if,
    Expire: _expire,
    GetExpiry: _get_expiry,
}


def decide(request: EntryRequest, held: bytes | None, now: float) -> Outcome:
    """What the request does where ``held`` is the value of the entry (None: there is none, or it has expired).

    ``now`` is the wall clock in milliseconds since 1970.
    """
    return _DECISIONS[type(request)](request, held, now)
