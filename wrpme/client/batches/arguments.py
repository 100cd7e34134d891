"""What the methods of the clients take, checked before anything is sent."""

from __future__ import annotations

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
    if not isinstance(alias, str):
        raise errors.UsageError(f"an alias is a str, not {type(alias).__name__}")
    validation.check_alias(alias)
    return alias
