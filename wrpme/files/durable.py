"""Files that a crash leaves as they were, or as they were to become."""

from __future__ import annotations

import os
from contextlib import suppress


def write(path: str, content: bytes, mode: int) -> None:
    """Makes the file have that content and that mode, on the disk; what is made beside it first is gone afterwards,
    also where this fails, so that no part of a key lies about that nobody knows of.

    Raises:
        OSError: it can't be written, and is what it was.
    """
    fresh = f"{path}.new"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with open(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.rename(fresh, path)
    except OSError:
        with suppress(OSError):
            os.unlink(fresh)
        raise
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
