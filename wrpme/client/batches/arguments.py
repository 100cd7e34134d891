"""What the methods of the clients take, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wrpme import errors
from wrpme.protocol import validation
from wrpme.protocol.messages import NO_VERSION

Bytes = bytes | bytearray | memoryview


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


def check_alias(alias: str) -> str:
    """Returns the alias; raises UsageError or TooLargeError where it is none."""
    validation.check_alias(alias)
    return alias


def check_aliases(aliases: Iterable[str]) -> list[str]:
    """Returns the aliases; raises UsageError or TooLargeError where one is none, or they are one text."""
    if isinstance(aliases, (str, bytes)) or not isinstance(aliases, Iterable):
        raise errors.UsageError(f"several aliases are given as a list, not as {type(aliases).__name__}")
    return [check_alias(alias) for alias in aliases]


def check_entries(entries: Mapping[str, Bytes]) -> list[tuple[str, bytes]]:
    """Returns aliases and contents; raises UsageError or TooLargeError where one is none."""
    if not isinstance(entries, Mapping):
        raise errors.UsageError(f"several entries are given as a dict, not as {type(entries).__name__}")
    return [(check_alias(alias), check_content(content)) for alias, content in entries.items()]
