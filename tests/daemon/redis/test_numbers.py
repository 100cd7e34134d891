"""Numbers as Redis reads and writes them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from wrpme.daemon.net.redis.commands.numbers import integer, integer_in, real, rounded, shown
from wrpme.daemon.net.redis.replies import Refusal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0", 0),
        (b"-1", -1),
        (b"9223372036854775807", (1 << 63) - 1),
        (b"-9223372036854775808", -(1 << 63)),
        (b"9223372036854775808", None),
        (b"", None),
        (b"01", None),
        (b"-0", None),
        (b"+1", None),
        (b" 1", None),
        (b"1\n", None),
        (b"1.0", None),
    ],
)
def test_whole_numbers(text: bytes, number: int | None) -> None:
    assert integer_in(text) == number


def test_no_number_is_refused_in_the_words_of_redis() -> None:
    with pytest.raises(Refusal, match="ERR value is not an integer or out of range"):
        integer(b"x")


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [
        (b"3.0e3", b"200", b"3200"),
        (b"10.5", b"0.1", b"10.6"),
        (b"1", b"-1", b"0"),
        (b"0", b"-0.0000000000000000001", b"0"),
        (b"123456789", b"0.1", b"123456789.09999999999854481"),
        (b".5", b"5.", b"5.5"),
    ],
)
def test_sums_have_the_digits_of_a_long_double(first: bytes, second: bytes, total: bytes) -> None:
    one, other = real(first), real(second)
    assert one is not None and other is not None
    assert shown(rounded(one + other)) == total


@pytest.mark.parametrize("text", [b"", b".", b"abc", b" 1", b"1 ", b"nan", b"1e", b"1e99999", b"0x"])
def test_what_is_no_real_number(text: bytes) -> None:
    with pytest.raises(Refusal, match="ERR value is not a valid float"):
        real(text)


def test_infinity_is_a_number_without_a_sum() -> None:
    assert real(b"-inf") is None
    assert rounded(Fraction(0)) == 0
