"""What the methods of the clients take, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wrpme import errors
from wrpme.protocol import validation
from wrpme.protocol.messages import NO_VERSION
from wrpme.protocol.quoting import bytes_of

Bytes = bytes | bytearray | memoryview
Alias = str | bytes
"""An alias is bytes; a text is taken for its UTF-8, and a surrogate escape in it for the byte that it stands for."""
Entries = Mapping[str, Bytes] | Mapping[bytes, Bytes]


def version_bytes(version: int) -> bytes:
    """Returns a version as it is on the wire; raises UsageError where it is none."""
    try:
        return version.to_bytes(len(NO_VERSION), "big")
    except (OverflowError, AttributeError):
        raise errors.UsageError(f"the version is {version}, but should be one that a client returned, or 0") from None


def check_content(content: Bytes) -> bytes:
    """Returns a content as bytes; raises UsageError or TooLargeError where it is none."""
    if not isinstance(content, bytes):
        if not isinstance(content, (bytearray, memoryview)):
            raise errors.UsageError(f"a content is bytes, not {type(content).__name__}")
        content = bytes(content)
    validation.check_content(content)
    return content


def alias_bytes(alias: Alias) -> bytes:
    """Returns an alias as it is on the wire; raises UsageError or TooLargeError where it is none."""
    encoded = _bytes_of(alias)
    validation.check_alias(encoded)
    return encoded


def prefix_bytes(prefix: Alias) -> bytes:
    """Returns what aliases begin with, or follow; raises UsageError or TooLargeError where none can."""
    encoded = _bytes_of(prefix)
    validation.check_prefix(encoded)
    return encoded


def _bytes_of(alias: Alias) -> bytes:
    if isinstance(alias, str):
        return bytes_of(alias)
    if not isinstance(alias, bytes):
        raise errors.UsageError(f"an alias is a str or bytes, not {type(alias).__name__}")
    return alias


def check_aliases(aliases: Iterable[Alias]) -> list[Alias]:
    """Returns what should be several aliases; raises UsageError where it is one text."""
    if isinstance(aliases, (str, bytes)) or not isinstance(aliases, Iterable):
        raise errors.UsageError(f"several aliases are given as a list, not as {type(aliases).__name__}")
    return list(aliases)


def check_entries(entries: Entries) -> Entries:
    """Returns what should be aliases with their contents; raises UsageError where it is no mapping."""
    if not isinstance(entries, Mapping):
        raise errors.UsageError(f"several entries are given as a dict, not as {type(entries).__name__}")
    return entries
