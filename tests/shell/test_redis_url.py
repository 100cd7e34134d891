"""A Redis as a line: what is one, and that no sentence shows its password."""

from __future__ import annotations

from typing import Any

import pytest

from wrpme import errors
from wrpme.shell.imports.redis_url import RedisUrl, parse


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://a:1", ("a:1", "", "", 0)),
        ("redis://a", ("a:6379", "", "", 0)),
        ("redis://[::1]/3", ("[::1]:6379", "", "", 3)),
        ("redis://[::1]:7/", ("[::1]:7", "", "", 0)),
        ("redis://:s%40%2Fc@a:1", ("a:1", "", "s@/c", 0)),
        ("redis://me:a:b@a:1/12", ("a:1", "me", "a:b", 12)),
    ],
)
def test_urls(url: str, expected: tuple[Any, ...]) -> None:
    found = parse(url)
    assert (str(found.address), found.user, found.password, found.db) == expected
    assert "s@" not in repr(found) and str(RedisUrl(found.address)) == expected[0]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("dump.rdb", '"dump.rdb" is no URL of a Redis (its beginning is another one); it is written: redis://'),
        ("rediss://a:1", "a Redis behind TLS can't be read yet"),
        ("redis://a:1/x", "the database is a number"),
        ("redis://a:1/1?db=2", "nothing follows"),
        ("redis://me@a:1", '"redis://...@a:1" is no URL of a Redis (there is no password behind the user)'),
        ("redis://me:secret@a:1/x", '"redis://...@a:1/x" is no URL'),
        ("redis://[a:1", "is no URL of a Redis"),
        ("redis://a:x", "is not a number"),
        ("redis://:6379", "no host"),
    ],
)
def test_what_is_no_url(url: str, why: str) -> None:
    with pytest.raises(errors.UsageError) as refused:
        parse(url)
    assert why in refused.value.sentence and "secret" not in refused.value.sentence
