"""Numbers as Redis reads and writes them."""

from __future__ import annotations

import re
from fractions import Fraction

from wrpme.daemon.net.redis.replies import NOT_FLOAT, NOT_INTEGER, Refusal
from wrpme.limits import NUMBER_MAX, NUMBER_MIN

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_FLOAT = re.compile(rb"([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,5}))?")
_INFINITE = re.compile(rb"[+-]?inf(inity)?", re.IGNORECASE)
MANTISSA_BITS = 64
"""Of a ``long double`` on x86-64, which Redis calculates with."""
EXPONENT_MAX = 4932


def integer_in(text: bytes) -> int | None:
    """Returns the number of 64 bits that Redis reads there: no zeros in front, no sign before 0; None for anything
    else."""
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if NUMBER_MIN <= number <= NUMBER_MAX else None


def integer(text: bytes, wrong: str = NOT_INTEGER) -> int:
    """Returns the same, and raises Refusal where there is none."""
    number = integer_in(text)
    if number is None:
        raise Refusal(wrong)
    return number


def database(text: bytes, wrong: str = "") -> None:
    """Raises Refusal unless it is the number of the one database, 0; ``wrong`` is said where it is none at all."""
    number = integer(text, wrong or NOT_INTEGER)
    if not -(1 << 31) <= number < 1 << 31:
        raise Refusal(wrong or "ERR value is out of range, value must between -2147483648 and 2147483647")
    if number:
        raise Refusal("ERR DB index is out of range")


def real(text: bytes) -> Fraction | None:
    """Returns the number that a ``long double`` has for a text; None for infinity.

    Raises:
        Refusal: it is no number.
    """
    if _INFINITE.fullmatch(text):
        return None
    found = _FLOAT.fullmatch(text) if len(text) <= 5000 else None
    if found is None or not (found[2] or found[3]):
        raise Refusal(NOT_FLOAT)
    exponent = int(found[4] or b"0")
    if abs(exponent) > EXPONENT_MAX:
        raise Refusal(NOT_FLOAT)
    value = Fraction(int(found[2] + found[3])) * Fraction(10) ** (exponent - len(found[3]))
    return rounded(-value if found[1] == b"-" else value)


def rounded(value: Fraction) -> Fraction:
    """Returns the nearest number that a ``long double`` can have."""
    if not value:
        return value
    size = abs(value)
    shift = MANTISSA_BITS - (size.numerator.bit_length() - size.denominator.bit_length())
    for _ in range(2):
        mantissa = round(value * Fraction(2) ** shift)
        over = abs(mantissa).bit_length() - MANTISSA_BITS
        if over == 0:
            break
        shift -= over
    return Fraction(mantissa) / Fraction(2) ** shift


def shown(value: Fraction) -> bytes:
    """Returns a number as INCRBYFLOAT writes it: up to 17 decimals, no zeros at the end, no exponent."""
    digits = round(abs(value) * 10**17)
    whole, part = divmod(digits, 10**17)
    text = f"{whole}.{part:017d}".rstrip("0").rstrip(".")
    return (("-" if value < 0 and digits else "") + text).encode()
