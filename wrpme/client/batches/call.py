"""Requests on entries, before they are sent: what is asked, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from wrpme import errors
from wrpme.client.scan import number_of
from wrpme.protocol.messages import Content, Done, EntryReply, EntryRequest, Failed, Number

Result = bytes | int | bool | None
"""What an operation gives: a content, a version or a number, whether there is an entry, or nothing."""
Outcome = Result | errors.WrpmeError


class Call(NamedTuple):
    """A request, the ``kind`` of its answer, and what ``result`` makes of that."""

    request: EntryRequest
    kind: type[Any]
    result: Callable[[Any], Result]

    def outcome(self, reply: EntryReply, address: str = "its owner") -> Outcome:
        """What it gives with that answer, or why it failed."""
        if isinstance(reply, self.kind):
            return self.result(reply)
        if isinstance(reply, Failed):
            return errors.from_wire(reply.code, reply.sentence)
        return errors.ProtocolError(f"{address} gave an answer of the wrong kind ({type(reply).__name__})")


def content(request: EntryRequest) -> Call:
    """One that is answered with a content."""
    return Call(request, Content, _content)


def version(request: EntryRequest) -> Call:
    """A write that is answered with the version of the entry."""
    return Call(request, Done, _version)


def nothing(request: EntryRequest) -> Call:
    """One that gives nothing."""
    return Call(request, Done, _nothing)


def number(request: EntryRequest) -> Call:
    """One that is answered with a number."""
    return Call(request, Number, _number)


def truth(request: EntryRequest) -> Call:
    """One that is answered with 1 or 0."""
    return Call(request, Number, _truth)


def _content(reply: Content) -> bytes:
    return reply.content


def _version(reply: Done) -> int:
    return number_of(reply.version)


def _nothing(reply: Done) -> None:
    return None


def _number(reply: Number) -> int:
    return reply.number


def _truth(reply: Number) -> bool:
    return reply.number > 0
