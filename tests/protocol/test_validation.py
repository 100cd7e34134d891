"""What an alias and a content may be."""

from __future__ import annotations

import pytest

from wrpme.errors import TooLargeError, UsageError
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX
from wrpme.protocol import validation

ALIASES = [b"a", "été".encode(), b"a b", b" ", b"\n", b"\0", b"\x7f", b"\xff", b"\xc3", b"-", b'"', b"\xed\xa0\x80"]
"""The last one is half of a character, as some encode it."""


@pytest.mark.parametrize("alias", [*ALIASES, bytes(range(256)), bytes(ALIAS_BYTES_MAX)])
def test_an_alias_is_any_bytes(alias: bytes) -> None:
    validation.check_alias(alias)
    validation.check_prefix(alias)


def test_no_alias_is_empty() -> None:
    with pytest.raises(UsageError, match="at least one byte"):
        validation.check_alias(b"")
    validation.check_prefix(b"")


def test_an_alias_has_its_limit() -> None:
    for check in (validation.check_alias, validation.check_prefix):
        with pytest.raises(TooLargeError, match="4097 bytes, the limit is 4096"):
            check(bytes(ALIAS_BYTES_MAX + 1))


def test_a_content_has_its_limit() -> None:
    validation.check_content(bytes(CONTENT_BYTES_MAX))
    with pytest.raises(TooLargeError):
        validation.check_content(bytes(CONTENT_BYTES_MAX + 1))


def test_entries_that_are_not_together_are_named_so_that_they_can_be_read() -> None:
    assert validation.apart(b"a\n", b"\xff").sentence.startswith(r'"a\n" and "\xff" are not together')
    assert "{tag}" in validation.apart(b"a", b"b").sentence
