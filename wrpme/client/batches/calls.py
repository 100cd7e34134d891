"""Requests on entries, before they are sent: what is asked, and what becomes of the answer.

There is one function for each operation; the clients and the batches share them. They check all that they are given,
and raise UsageError or TooLargeError. The ``id`` is that of the request; that of one in a batch is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from wrpme import errors
from wrpme.client.batches.arguments import Alias, Bytes, alias_bytes, check_content, version_bytes
from wrpme.client.life_span import Span, Time, life_span, milliseconds, span_milliseconds
from wrpme.client.scan import number_of
from wrpme.protocol import validation
from wrpme.protocol.messages import (
    NO_VERSION, Add, Append, Cas, CasVersion, Content, Done, EntryReply, EntryRequest, Exists, Expire, Failed, Get,
    GetExpire, GetExpiry, GetRange, GetRemove, GetUpdate, IfContent, IfVersion, Number, Put, Remove, RemoveIf,
    RemoveVersion, SetRange, Touch, Update,
)  # fmt: skip


class Entry(NamedTuple):
    """What an entry was when its owner answered. The ``version`` is that of the write that made it: a number of 128
    bits, and each later write of the entry has a greater one."""

    content: bytes
    version: int


Result = bytes | int | bool | Entry | datetime | None
"""What an operation gives: a content, a version or a number, whether there is an entry, a moment, or nothing."""
Outcome = Result | errors.WrpmeError
R = TypeVar("R", bound=Result, covariant=True)


class Call(NamedTuple, Generic[R]):
    """A request, the ``kind`` of its answer, and what ``result`` makes of that."""

    request: EntryRequest
    kind: type[Any]
    result: Callable[[Any], R]

    def outcome(self, reply: EntryReply, address: str = "its owner") -> R | errors.WrpmeError:
        """Returns what it gives with that answer, or why it failed."""
        if isinstance(reply, self.kind):
            return self.result(reply)
        if isinstance(reply, Failed):
            return errors.from_wire(reply.code, reply.sentence)
        return errors.ProtocolError(f"{address} gave an answer of the wrong kind ({type(reply).__name__})")


# --- conditions --------------------------------------------------------------------------------------------------


def if_version(id: int, alias: Alias, version: int) -> Call[None]:
    """See :meth:`wrpme.client.batches.batch.Batch.if_version`."""
    return Call(IfVersion(id, alias_bytes(alias), version_bytes(version)), Done, _nothing)


def if_absent(id: int, alias: Alias) -> Call[None]:
    """See :meth:`wrpme.client.batches.batch.Batch.if_absent`."""
    return Call(IfVersion(id, alias_bytes(alias), NO_VERSION), Done, _nothing)


def if_content(id: int, alias: Alias, comparand: Bytes) -> Call[None]:
    """See :meth:`wrpme.client.batches.batch.Batch.if_content`."""
    return Call(IfContent(id, alias_bytes(alias), check_content(comparand)), Done, _nothing)


# --- reads -------------------------------------------------------------------------------------------------------


def get(id: int, alias: Alias) -> Call[bytes]:
    """See :meth:`wrpme.Client.get`."""
    return Call(Get(id, alias_bytes(alias)), Content, _content)


def get_entry(id: int, alias: Alias) -> Call[Entry]:
    """See :meth:`wrpme.Client.get_entry`."""
    return Call(Get(id, alias_bytes(alias), versioned=True), Content, _entry)


def get_range(id: int, alias: Alias, first: int, last: int) -> Call[bytes]:
    """See :meth:`wrpme.Client.get_range`."""
    return Call(GetRange(id, alias_bytes(alias), first, last), Content, _content)


def get_expiry(id: int, alias: Alias) -> Call[datetime | None]:
    """See :meth:`wrpme.Client.get_expiry`."""
    return Call(GetExpiry(id, alias_bytes(alias)), Number, _moment)


def exists(id: int, alias: Alias) -> Call[bool]:
    """See :meth:`wrpme.Client.exists`."""
    return Call(Exists(id, alias_bytes(alias)), Number, _truth)


# --- writes ------------------------------------------------------------------------------------------------------


def put(id: int, alias: Alias, content: Bytes, expires: Time, ttl: Span | None) -> Call[int]:
    """See :meth:`wrpme.Client.put`."""
    life = life_span(expires, ttl)
    return Call(Put(id, alias_bytes(alias), check_content(content), *life, versioned=True), Done, _version)


def update(id: int, alias: Alias, content: Bytes, expires: Time, ttl: Span | None, keep_expiry: bool) -> Call[int]:
    """See :meth:`wrpme.Client.update`."""
    life = life_span(expires, ttl, keep_expiry)
    return Call(Update(id, alias_bytes(alias), check_content(content), *life, versioned=True), Done, _version)


def get_update(
    id: int, alias: Alias, content: Bytes, expires: Time, ttl: Span | None, keep_expiry: bool
) -> Call[bytes]:
    """See :meth:`wrpme.Client.get_update`."""
    life = life_span(expires, ttl, keep_expiry)
    return Call(GetUpdate(id, alias_bytes(alias), check_content(content), *life), Content, _content)


def cas(
    id: int, alias: Alias, content: Bytes, comparand: Bytes, expires: Time, ttl: Span | None, keep_expiry: bool
) -> Call[bytes]:
    """See :meth:`wrpme.Client.cas`."""
    life = life_span(expires, ttl, keep_expiry)
    request = Cas(id, alias_bytes(alias), check_content(content), check_content(comparand), *life)
    return Call(request, Content, _content)


def cas_version(
    id: int, alias: Alias, content: Bytes, version: int, expires: Time, ttl: Span | None, keep_expiry: bool
) -> Call[int]:
    """See :meth:`wrpme.Client.cas_version`."""
    life = life_span(expires, ttl, keep_expiry)
    request = CasVersion(id, alias_bytes(alias), check_content(content), version_bytes(version), *life)
    return Call(request, Done, _version)


def add(id: int, alias: Alias, number: int, expires: Time, ttl: Span | None) -> Call[int]:
    """See :meth:`wrpme.Client.add`."""
    if not isinstance(number, int):
        raise errors.UsageError(f"what is added is a whole number, not {type(number).__name__}")
    validation.check_number(number)
    return Call(Add(id, alias_bytes(alias), number, *_kept_or(expires, ttl)), Number, _number)


def append(id: int, alias: Alias, content: Bytes, expires: Time, ttl: Span | None) -> Call[int]:
    """See :meth:`wrpme.Client.append`."""
    return Call(Append(id, alias_bytes(alias), check_content(content), *_kept_or(expires, ttl)), Number, _number)


def set_range(id: int, alias: Alias, first: int, content: Bytes) -> Call[int]:
    """See :meth:`wrpme.Client.set_range`."""
    checked = check_content(content)
    validation.check_first(first, len(checked))
    return Call(SetRange(id, alias_bytes(alias), first, checked), Number, _number)


def get_expire(id: int, alias: Alias, expires: Time, ttl: Span | None) -> Call[bytes]:
    """See :meth:`wrpme.Client.get_expire`."""
    moment, span = life_span(expires, ttl)
    return Call(GetExpire(id, alias_bytes(alias), span or moment, relative=span > 0), Content, _content)


def expires_at(id: int, alias: Alias, time: Time) -> Call[None]:
    """See :meth:`wrpme.Client.expires_at`."""
    return Call(Expire(id, alias_bytes(alias), milliseconds(time, "expires_from_now {0}")), Done, _nothing)


def expires_from_now(id: int, alias: Alias, span: Span) -> Call[None]:
    """See :meth:`wrpme.Client.expires_from_now`."""
    wanted = span_milliseconds(span, "the life span")
    return Call(Expire(id, alias_bytes(alias), wanted, relative=wanted > 0), Done, _nothing)


def touch(id: int, alias: Alias) -> Call[None]:
    """See :meth:`wrpme.Client.touch`."""
    return Call(Touch(id, alias_bytes(alias)), Done, _nothing)


def remove(id: int, alias: Alias) -> Call[None]:
    """See :meth:`wrpme.Client.remove`."""
    return Call(Remove(id, alias_bytes(alias)), Done, _nothing)


def get_remove(id: int, alias: Alias) -> Call[bytes]:
    """See :meth:`wrpme.Client.get_remove`."""
    return Call(GetRemove(id, alias_bytes(alias)), Content, _content)


def remove_if(id: int, alias: Alias, comparand: Bytes) -> Call[None]:
    """See :meth:`wrpme.Client.remove_if`."""
    return Call(RemoveIf(id, alias_bytes(alias), check_content(comparand)), Done, _nothing)


def remove_version(id: int, alias: Alias, version: int) -> Call[None]:
    """See :meth:`wrpme.Client.remove_version`."""
    return Call(RemoveVersion(id, alias_bytes(alias), version_bytes(version)), Done, _nothing)


def _kept_or(expires: Time, ttl: Span | None) -> tuple[int, int]:
    """The life span of what is added to: it stays, unless another one is given."""
    return life_span(expires, ttl, keep=not expires and ttl is None)


# --- answers -----------------------------------------------------------------------------------------------------


def _content(reply: Content) -> bytes:
    return reply.content


def _entry(reply: Content) -> Entry:
    return Entry(reply.content, number_of(reply.version))


def _version(reply: Done) -> int:
    return number_of(reply.version)


def _nothing(reply: Done) -> None:
    return None


def _number(reply: Number) -> int:
    return reply.number


def _truth(reply: Number) -> bool:
    return reply.number > 0


def _moment(reply: Number) -> datetime | None:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=reply.number) if reply.number else None
