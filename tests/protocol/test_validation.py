"""What an alias and a content may be."""

from __future__ import annotations

import pytest

from wrpme.errors import TooLargeError, UsageError
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX
from wrpme.protocol import validation


@pytest.mark.parametrize("alias", ["a", "été", "a/b:c", "x" * ALIAS_BYTES_MAX, "é" * (ALIAS_BYTES_MAX // 2), "😀"])
def test_an_alias_is_its_utf_8(alias: str) -> None:
    assert validation.check_alias(alias.encode()) == alias.encode()


@pytest.mark.parametrize("alias", ["", "a b", " ", "a\n", "a\t", "\0", "\x7f", "\x85", "a\u2003b", "\ud800"])
def test_no_alias(alias: str) -> None:
    with pytest.raises(UsageError):
        validation.check_alias(alias.encode())


@pytest.mark.parametrize("alias", ["x" * (ALIAS_BYTES_MAX + 1), "é" * (ALIAS_BYTES_MAX // 2 + 1)])
def test_an_alias_is_measured_in_bytes(alias: str) -> None:
    with pytest.raises(TooLargeError):
        validation.check_alias(alias.encode())


def test_a_content_has_its_limit() -> None:
    validation.check_content(bytes(CONTENT_BYTES_MAX))
    with pytest.raises(TooLargeError):
        validation.check_content(bytes(CONTENT_BYTES_MAX + 1))
