"""What an alias and a content may be: checked by the client before it asks, and by the node that is asked."""

from __future__ import annotations

import re

from wrpme.errors import TooLargeError, UsageError
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX

_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


def check_alias(alias: str) -> bytes:
    """The alias in UTF-8.

    Raises:
        UsageError: it is empty, or has spaces or control characters.
        TooLargeError: it is over ``ALIAS_BYTES_MAX`` bytes.
    """
    if not alias:
        raise UsageError("an alias has at least one character")
    if _FORBIDDEN.search(alias):
        raise UsageError(f"the alias {alias[:40]!r} has a space or a control character, which no alias may have")
    try:
        encoded = alias.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the alias {alias[:40]!r} is not valid text, an alias is UTF-8") from None
    if len(encoded) > ALIAS_BYTES_MAX:
        raise TooLargeError(f"the alias has {len(encoded)} bytes, the limit is {ALIAS_BYTES_MAX}")
    return encoded


def check_content(content: bytes) -> None:
    """Raises TooLargeError if the content is over ``CONTENT_BYTES_MAX`` bytes."""
    if len(content) > CONTENT_BYTES_MAX:
        raise TooLargeError(f"the content has {len(content)} bytes, the limit is {CONTENT_BYTES_MAX} (64 MiB)")
