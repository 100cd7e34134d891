"""What commands on keys do and say."""

from __future__ import annotations

import pytest

from tests.daemon.redis.acted import NOW, Acted
from wrpme.daemon.net.redis.commands.keys import fixed_beginning, matcher
from wrpme.daemon.net.redis.replies import Refusal

OK, ZERO, ONE = b"+OK\r\n", b":0\r\n", b":1\r\n"


def test_what_is_there() -> None:
    Acted().hears(
        ("SET a 1", OK),
        ("EXISTS a a b", b":2\r\n"),
        ("TOUCH a b", ONE),
        ("TYPE a", b"+string\r\n"),
        ("TYPE b", b"+none\r\n"),
    )


def test_life_spans() -> None:
    Acted().hears(
        ("SET a 1", OK),
        ("TTL none", b":-2\r\n"),
        ("PTTL a", b":-1\r\n"),
        ("EXPIRE none 1", ZERO),
        ("EXPIRE a 100 XX", ZERO),
        ("EXPIRE a 100 NX", ONE),
        ("EXPIRE a 200 NX", ZERO),
        ("EXPIRE a 50 GT", ZERO),
        ("EXPIRE a 200 GT", ONE),
        ("EXPIRE a 300 LT", ZERO),
        ("PEXPIRE a 1500 LT", ONE),
        ("TTL a", b":2\r\n"),
        ("PTTL a", b":1500\r\n"),
        ("PEXPIRETIME a", b":%d\r\n" % (NOW + 1500)),
        ("EXPIRETIME a", b":%d\r\n" % ((NOW + 2000) // 1000)),
        ("PERSIST a", ONE),
        ("PERSIST a", ZERO),
        ("EXPIREAT a 9999999999", ONE),
        ("EXPIRETIME a", b":9999999999\r\n"),
        ("PEXPIREAT a 1 XX", ONE),
        ("EXISTS a", ZERO),
        ("SET a 1", OK),
        ("EXPIRE a 1000000000000", ONE),
        ("EXPIRETIME a", b":253402300800\r\n"),
        ("GETEX a EX 1000000000000", b"$1\r\n1\r\n"),
        ("SET a 1 EX 1000000000000", OK),
        ("EXPIRETIME a", b":253402300800\r\n"),
        ("EXPIRE a -1", ONE),
        ("EXISTS a", ZERO),
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("EXPIRE a x", "value is not an integer or out of range"),
        ("EXPIRE a -9223372036854776", "invalid expire time in 'expire' command"),
        ("EXPIRE a 9223372036854775807", "invalid expire time in 'expire' command"),
        ("PEXPIRE a 9223372036854775807", "invalid expire time in 'pexpire' command"),
        ("EXPIRE a 1 ZZ", "Unsupported option ZZ"),
        ("EXPIRE a 1 NX XX", "NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a 1 GT LT", "GT and LT options at the same time are not compatible"),
        ("RENAME none b", "no such key"),
        ("COPY a a", "source and destination objects are the same"),
        ("COPY a b DB 1", "DB index is out of range"),
        ("COPY a b DB x", "value is not an integer or out of range"),
        ("MOVE a 10", "DB index is out of range"),
        ("MOVE a notanumber", "value is not an integer or out of range"),
        ("MOVE a 2147483648", "value is out of range, value must between -2147483648 and 2147483647"),
        ("MOVE a 0", "source and destination objects are the same"),
        ("SWAPDB 0 1", "DB index is out of range"),
        ("SWAPDB x 0", "invalid first DB index"),
        ("SWAPDB 0 2147483648", "invalid second DB index"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_redis(line: str, sentence: str) -> None:
    assert Acted().say(line) == b"-ERR %b\r\n" % sentence.encode()


def test_other_names() -> None:
    Acted().hears(
        ("SET a 1 PX 50", OK),
        ("COPY a b", ONE),
        ("COPY a b", ZERO),
        ("COPY a b REPLACE", ONE),
        ("PTTL b", b":50\r\n"),
        ("RENAMENX a b", ZERO),
        ("RENAME a c", OK),
        ("EXISTS a c", ONE),
        ("PTTL c", b":50\r\n"),
        ("RENAME c c", OK),
        ("RENAMENX c c", ZERO),
        ("RENAMENX c d", ONE),
    )


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        (b"*", b"a\n", True),
        (b"a*c", b"a\nbc", True),
        (b"a?c", b"abc", True),
        (b"a?c", b"ac", False),
        (b"[a-c]x", b"bx", True),
        (b"[c-a]x", b"bx", True),
        (b"[^a]x", b"ax", False),
        (b"[^a]x", b"bx", True),
        (b"a\\*", b"a*", True),
        (b"a\\*", b"ab", False),
        (b"[\\]]", b"]", True),
        (b"[abc", b"b", True),
        (b"a.c", b"abc", False),
        (b"\xff*", b"\xff\xfe", True),
        (b"a*b*c", b"abbc", True),
        (b"a*b*c", b"acbcb", False),
        (b"*ab", b"aab", True),
        (b"*a?*b", b"aab", True),
        (b"**a**", b"bab", True),
        (b"[]", b"]", False),
        (b"[-a^.]", b"^", True),
        (b"*?" * 5000, b"a" * 4096, False),
    ],
)
def test_patterns(pattern: bytes, key: bytes, matches: bool) -> None:
    assert bool(matcher(pattern)(key)) is matches
    assert not matches or key.startswith(fixed_beginning(pattern))


def test_a_pattern_with_many_stars_takes_no_longer_than_others() -> None:
    """Whoever sends it would hold up the node for years."""
    assert not matcher(b"a*" * 1000 + b"b")(b"a" * 4000)
    assert not matcher(b"*a?" * 1000 + b"b")(b"a" * 4000)


def test_a_pattern_that_is_too_long_is_refused() -> None:
    assert not matcher(b"a" * 65_536)(b"a")
    with pytest.raises(Refusal, match="ERR a pattern has at most 65536 bytes"):
        matcher(b"a" * 65_537)
