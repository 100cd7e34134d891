"""Replies of both versions of the protocol, and what becomes of the errors of a node."""

from __future__ import annotations

import pytest

from wrpme.daemon.net.redis.replies import Status, encoded, error, failed
from wrpme.errors import (
    BusyError, DiskFullError, IndeterminateError, ShortageError, StorageError, TooLargeError, UnavailableError,
    UnstableError, UsageError, WrpmeError,
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "two", "three"),
    [
        (None, b"$-1\r\n", b"_\r\n"),
        ("a", b"$1\r\na\r\n", b"$1\r\na\r\n"),
        (Status("a"), b"+a\r\n", b"+a\r\n"),
        ([1, b"\r\n"], b"*2\r\n:1\r\n$2\r\n\r\n\r\n", b"*2\r\n:1\r\n$2\r\n\r\n\r\n"),
        ({"a": [None]}, b"*2\r\n$1\r\na\r\n*1\r\n$-1\r\n", b"%1\r\n$1\r\na\r\n*1\r\n_\r\n"),
        (frozenset(["a"]), b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
    ],
)
def test_values(value: object, two: bytes, three: bytes) -> None:
    assert (encoded(value, False), encoded(value, True)) == (two, three)


@pytest.mark.parametrize(
    ("cause", "answer"),
    [
        (UnstableError("x"), b"-TRYAGAIN x\r\n"),
        (BusyError("x"), b"-TRYAGAIN x\r\n"),
        (UnavailableError("x"), b"-CLUSTERDOWN x\r\n"),
        (DiskFullError("x"), b"-CLUSTERDOWN x\r\n"),
        (ShortageError("x"), b"-CLUSTERDOWN x\r\n"),
        (StorageError("x"), b"-ERR x\r\n"),
        (IndeterminateError("x"), b"-INDETERMINATE x\r\n"),
        (UsageError("x"), b"-ERR x\r\n"),
        (TooLargeError("the content has"), b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
    ],
)
def test_errors_of_a_node(cause: WrpmeError, answer: bytes) -> None:
    assert failed(cause) == answer


def test_an_error_is_one_line() -> None:
    assert error("ERR a\r\nb") == b"-ERR a  b\r\n"
