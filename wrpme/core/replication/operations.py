"""What each request does to one entry: pure functions of the request, the value held and the time.

An outcome is either an answer alone, or a write: new content and expiry (or removal), and the answer once it is
acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from wrpme.core.layout import HEADER_BYTES, VERSION_BYTES, Stored, content_in, expiry_in
from wrpme.errors import (
    AlreadyExistsError, MismatchError, NotFoundError, NumberError, TooLargeError, UsageError, WrpmeError,
)  # fmt: skip
from wrpme.limits import CONTENT_BYTES_MAX, EXPIRY_MILLISECONDS_MAX, NUMBER_MAX, NUMBER_MIN
from wrpme.protocol.frames.large import Unread
from wrpme.protocol.messages import (
    KEEP_EXPIRY, NO_VERSION, Add, Append, Cas, CasVersion, Content, Done, EntryRequest, Exists, Expire, Failed, Get,
    GetExpire, GetExpiry, GetRange, GetRemove, GetUpdate, IfContent, IfVersion, Number, Put, Remove, RemoveIf,
    RemoveVersion, Reply, SetRange, Touch, Update,
)  # fmt: skip
from wrpme.protocol.quoting import named
from wrpme.protocol.validation import number_in


class Write(Struct, frozen=True, gc=False):
    """The entry gets this content; None: it is removed."""

    content: bytes | None
    expiry: int
    reply: Reply


Outcome = Reply | Write


class Now(Protocol):
    """The time in milliseconds since 1970, at the earliest and at the latest: these differ where nobody knows which of
    two wall clocks is wrong. What has to live has not ended before the early one, and ends after the late one."""

    @property
    def early(self) -> float:
        """By which life spans end."""

    @property
    def late(self) -> float:
        """By which they begin."""


def _failed(request: EntryRequest, error: WrpmeError) -> Failed:
    return Failed(request.id, error.code, error.sentence)


def _missing(request: EntryRequest) -> Failed:
    return Failed(request.id, NotFoundError.code, f"there is no entry {named(request.alias)}")


def _get(request: Get, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    version = held[:VERSION_BYTES] if request.versioned else b""
    if type(held) is Stored:  # it is read while it leaves
        return Content(request.id, Unread(len(held) - HEADER_BYTES, held.parts), version)  # type: ignore[arg-type]
    return Content(request.id, content_in(held), version)


def _expiry(request: Put | Update | GetUpdate | Cas | CasVersion | Add | Append, held: bytes | None, now: Now) -> int:
    """Until when the new content lives."""
    if request.ttl == KEEP_EXPIRY:
        return expiry_in(held) if held is not None else 0
    return min(int(now.late) + request.ttl, EXPIRY_MILLISECONDS_MAX) if request.ttl else request.expiry


def _put(request: Put, held: bytes | None, now: Now) -> Outcome:
    if held is not None:
        sentence = f"there is an entry {named(request.alias)} already; update replaces it"
        return Failed(request.id, AlreadyExistsError.code, sentence)
    return Write(request.content, _expiry(request, held, now), Done(request.id))


def _update(request: Update, held: bytes | None, now: Now) -> Outcome:
    return Write(request.content, _expiry(request, held, now), Done(request.id))


def _get_update(request: GetUpdate, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    return Write(request.content, _expiry(request, held, now), Content(request.id, content_in(held)))


def _get_remove(request: GetRemove, held: bytes | None, now: Now) -> Outcome:
    return _missing(request) if held is None else Write(None, 0, Content(request.id, content_in(held)))


def _mismatch(request: Cas | RemoveIf | IfContent) -> Failed:
    error = MismatchError(f"the content of {named(request.alias)} is not the comparand; nothing was changed")
    return _failed(request, error)


def _cas(request: Cas, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    former = content_in(held)
    if former != request.comparand:
        return _mismatch(request)
    return Write(request.content, _expiry(request, held, now), Content(request.id, former))


def _remove(request: Remove, held: bytes | None, now: Now) -> Outcome:
    return _missing(request) if held is None else Write(None, 0, Done(request.id))


def _remove_if(request: RemoveIf, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    if content_in(held) != request.comparand:
        return _mismatch(request)
    return Write(None, 0, Done(request.id))


def _expire(request: Expire | GetExpire, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    expiry = int(now.late) + request.milliseconds if request.relative else request.milliseconds
    if not 0 <= expiry <= EXPIRY_MILLISECONDS_MAX:
        return _failed(request, UsageError("a time is between 1970 and the year 9999, or 0 for ever"))
    content = content_in(held)
    reply = Done(request.id) if type(request) is Expire else Content(request.id, content)
    if expiry and expiry <= now.early:
        return Write(None, 0, reply)
    return Write(content, expiry, reply)


def _get_expiry(request: GetExpiry, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    return Number(request.id, expiry_in(held), version=held[:VERSION_BYTES] if request.versioned else b"")


def _add(request: Add, held: bytes | None, now: Now) -> Outcome:
    present = 0
    if held is not None:
        found = number_in(content_in(held))
        if found is None:
            error = NumberError(
                f"the content of {named(request.alias)} is no whole number of 64 bits; nothing was changed"
            )
            return _failed(request, error)
        present = found
    total = present + request.number
    if not NUMBER_MIN <= total <= NUMBER_MAX:
        error = NumberError(
            f"{named(request.alias)} is {present}, and the sum has more than 64 bits; nothing was changed"
        )
        return _failed(request, error)
    return Write(b"%d" % total, _expiry(request, held, now), Number(request.id, total))


def _joined(request: Append | SetRange, held: bytes | None, expiry: int, first: int) -> Outcome:
    """The content with that of the request from byte ``first`` on."""
    former = content_in(held) if held is not None else b""
    end = first + len(request.content)
    size = max(len(former), end)
    if size > CONTENT_BYTES_MAX:
        limit = f"the limit is {CONTENT_BYTES_MAX} (64 MiB)"
        error = TooLargeError(
            f"the content of {named(request.alias)} would have {size} bytes, {limit}; nothing was changed"
        )
        return _failed(request, error)
    if not request.content:
        return Number(request.id, len(former))
    gap = bytes(max(0, first - len(former)))
    return Write(b"".join((former[:first], gap, request.content, former[end:])), expiry, Number(request.id, size))


def _append(request: Append, held: bytes | None, now: Now) -> Outcome:
    size = len(content_in(held)) if held is not None else 0
    return _joined(request, held, _expiry(request, held, now), size)


def _set_range(request: SetRange, held: bytes | None, now: Now) -> Outcome:
    return _joined(request, held, expiry_in(held) if held is not None else 0, request.first)


def _get_range(request: GetRange, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    content = content_in(held)
    first, last = (max(0, at + len(content)) if at < 0 else at for at in (request.first, request.last))
    if request.last < -len(content):
        last = -1
    return Content(request.id, content[first : last + 1])


def _exists(request: Exists, held: bytes | None, now: Now) -> Outcome:
    return Number(request.id, int(held is not None))


def _touch(request: Touch, held: bytes | None, now: Now) -> Outcome:
    return _missing(request) if held is None else Write(content_in(held), expiry_in(held), Done(request.id))


def _other_version(request: CasVersion | RemoveVersion | IfVersion) -> Failed:
    alias, wants_none = named(request.alias), request.version == NO_VERSION
    what = f"there is an entry {alias} already" if wants_none else f"{alias} has another version"
    return _failed(request, MismatchError(f"{what}; nothing was changed"))


def _cas_version(request: CasVersion, held: bytes | None, now: Now) -> Outcome:
    if held is None and request.version != NO_VERSION:
        return _missing(request)
    if held is not None and request.version != held[:VERSION_BYTES]:
        return _other_version(request)
    return Write(request.content, _expiry(request, held, now), Done(request.id))


def _remove_version(request: RemoveVersion, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    if request.version != held[:VERSION_BYTES]:
        return _other_version(request)
    return Write(None, 0, Done(request.id))


def _if_version(request: IfVersion, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return Done(request.id) if request.version == NO_VERSION else _missing(request)
    return Done(request.id) if request.version == held[:VERSION_BYTES] else _other_version(request)


def _if_content(request: IfContent, held: bytes | None, now: Now) -> Outcome:
    if held is None:
        return _missing(request)
    return Done(request.id) if content_in(held) == request.comparand else _mismatch(request)


_DECISIONS: dict[type[Any], Callable[[Any, bytes | None, Now], Outcome]] = {
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
    Add: _add,
    Append: _append,
    GetRange: _get_range,
    SetRange: _set_range,
    GetExpire: _expire,
    Exists: _exists,
    Touch: _touch,
    CasVersion: _cas_version,
    RemoveVersion: _remove_version,
    IfVersion: _if_version,
    IfContent: _if_content,
}


def decide(request: EntryRequest, held: bytes | None, now: Now) -> Outcome:
    """What the request does where ``held`` is the value of the entry (None: there is none, or it has expired)."""
    return _DECISIONS[type(request)](request, held, now)


_VERSIONED_IF_ASKED = (Put, Update)


def is_versioned(request: EntryRequest) -> bool:
    """Whether the answer to a write is the version that it has."""
    return request.versioned if isinstance(request, _VERSIONED_IF_ASKED) else type(request) is CasVersion
