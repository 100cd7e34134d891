"""What an alias and a content may be: checked by the client before it asks, and by the node that is asked."""

from __future__ import annotations

import re

from wrpme.errors import ApartError, TooLargeError, UsageError
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, NUMBER_MAX, NUMBER_MIN
from wrpme.protocol.quoting import named

_NUMBER = re.compile(rb"-?[0-9]{1,19}")


def check_alias(alias: bytes) -> None:
    """Raises UsageError if the alias is empty, TooLargeError if it is over ``ALIAS_BYTES_MAX`` bytes."""
    if not alias:
        raise UsageError("an alias has at least one byte")
    check_prefix(alias)


def check_prefix(prefix: bytes) -> None:
    """Raises TooLargeError if no alias can begin so."""
    if len(prefix) > ALIAS_BYTES_MAX:
        raise TooLargeError(f"the alias has {len(prefix)} bytes, the limit is {ALIAS_BYTES_MAX}")


def check_content(content: bytes) -> None:
    """Raises TooLargeError if the content is over ``CONTENT_BYTES_MAX`` bytes."""
    if len(content) > CONTENT_BYTES_MAX:
        raise TooLargeError(f"the content has {len(content)} bytes, the limit is {CONTENT_BYTES_MAX} (64 MiB)")


def check_number(number: int) -> None:
    """Raises UsageError if the number has more than 64 bits."""
    if not NUMBER_MIN <= number <= NUMBER_MAX:
        raise UsageError(f"{number} has more than 64 bits; a number is from {NUMBER_MIN} to {NUMBER_MAX}")


def check_first(first: int, size: int) -> None:
    """Raises UsageError if a content has no byte of that number, TooLargeError if it would be over
    ``CONTENT_BYTES_MAX`` with so many bytes from there on."""
    if first < 0:
        raise UsageError(f"the first byte to be written is {first}, but should be 0 or more")
    if first + size > CONTENT_BYTES_MAX:
        raise TooLargeError(f"the content would have {first + size} bytes, the limit is {CONTENT_BYTES_MAX} (64 MiB)")


def apart(first: bytes, other: bytes) -> ApartError:
    """The error that says that a transaction can't have both entries."""
    return ApartError(
        f"{named(first)} and {named(other)} are not together, and a transaction needs that: give their aliases one "
        "{tag}, or let each be changed by itself"
    )


def number_in(content: bytes) -> int | None:
    """The whole number of 64 bits that a content is, in decimal digits without anything else; None where it is none."""
    if not _NUMBER.fullmatch(content):
        return None
    number = int(bytes(content))
    return number if NUMBER_MIN <= number <= NUMBER_MAX else None
