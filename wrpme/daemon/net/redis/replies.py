"""Replies in the protocol of Redis, RESP2 and RESP3, and the sentences of its errors. No socket here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wrpme.errors import (
    ApartError, BusyError, DeniedError, DiskFullError, FullError, IndeterminateError, ShortageError, TooLargeError,
    UnauthenticatedError, UnavailableError, UnstableError, WrpmeError,
)  # fmt: skip
from wrpme.protocol.messages import Failed

OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"
PONG = b"+PONG\r\n"
ZERO, ONE = b":0\r\n", b":1\r\n"
NIL2, NIL3, NO_ARRAY2 = b"$-1\r\n", b"_\r\n", b"*-1\r\n"

SYNTAX = "ERR syntax error"
NOT_INTEGER = "ERR value is not an integer or out of range"
NOT_FLOAT = "ERR value is not a valid float"
OVERFLOW = "ERR increment or decrement would overflow"
CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot"


class Refusal(Exception):
    """A command can't be carried out; the text begins with the word that clients look at."""


class Status(str):
    """A text that is a simple string in a reply."""

    __slots__ = ()


def error(text: str) -> bytes:
    """Returns an error; its text is one line."""
    return b"-%b\r\n" % text.replace("\r", " ").replace("\n", " ").encode("utf-8", "surrogateescape")


def integer(number: int) -> bytes:
    """Returns a number."""
    return b":%d\r\n" % number


def bulk(content: bytes) -> bytes:
    """Returns a bulk string."""
    return b"$%d\r\n%b\r\n" % (len(content), content)


def array(parts: Sequence[bytes]) -> bytes:
    """Returns an array of replies."""
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def encoded(value: Any, three: bool) -> bytes:
    """Returns a value of Python as a reply: a ``dict`` is a map in RESP3 and a flat array in RESP2, a ``set`` likewise
    a set or an array."""
    if value is None:
        return NIL3 if three else NIL2
    if isinstance(value, Status):
        return b"+%b\r\n" % value.encode()
    if isinstance(value, str):
        return bulk(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, bytes):
        return bulk(value)
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, dict):
        parts = b"".join(encoded(part, three) for pair in value.items() for part in pair)
        return (b"%%%d\r\n" % len(value) if three else b"*%d\r\n" % (2 * len(value))) + parts
    parts = b"".join(encoded(part, three) for part in (sorted(value) if isinstance(value, frozenset) else value))
    return (b"~%d\r\n" if three and isinstance(value, frozenset) else b"*%d\r\n") % len(value) + parts


_WORDS: dict[int, str] = {
    UnavailableError.code: "CLUSTERDOWN",
    DiskFullError.code: "CLUSTERDOWN",
    ShortageError.code: "CLUSTERDOWN",
    IndeterminateError.code: "INDETERMINATE",
    UnstableError.code: "TRYAGAIN",
    BusyError.code: "TRYAGAIN",
    FullError.code: "OOM",
    UnauthenticatedError.code: "NOAUTH",
    DeniedError.code: "NOPERM",
}
"""What clients of Redis know of what may happen to a request; all else is ERR."""


def words_of(reply: Failed) -> str:
    """Returns what is said of a request that failed."""
    if reply.code == ApartError.code:
        return CROSS_SLOT
    if reply.code == TooLargeError.code and "content" in reply.sentence:
        return "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    return f"{_WORDS.get(reply.code, 'ERR')} {reply.sentence}"


def failure(reply: Failed) -> bytes:
    """Returns the error of a request that failed."""
    return error(words_of(reply))


class Unexpected(Refusal):
    """A request of a command of several steps failed, not by what the command asks about."""

    def __init__(self, reply: Failed) -> None:
        super().__init__(words_of(reply))
        self.reply = reply


def failed(cause: WrpmeError) -> bytes:
    """Returns the same for an error that the door itself found."""
    return failure(Failed(0, cause.code, cause.sentence))
