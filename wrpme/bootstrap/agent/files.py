"""Files and directories that are whole or not there, also if this process or the machine ends at any point."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from wrpme.bootstrap.agent import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NEW = ".new"
"""The end of the name of a file that is not complete yet. What is left of one is written over."""


def sync_directory(path: str) -> None:
    """Writes the entries of that directory to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: str) -> bytes | None:
    """Returns what is in that file, or None if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path: str, content: bytes, mode: int = 0o644) -> bool:
    """Makes the file have that content and mode, on the disk; returns whether it had to be written.

    Raises:
        AgentError: it can't be written; the file is as it was before.
    """
    try:
        if read(path) == content and os.stat(path).st_mode & 0o777 == mode:
            return False
        fresh = path + NEW
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
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
        sync_directory(os.path.dirname(path))
    except OSError as error:
        raise errors.from_os_error(error, path) from None
    return True


def read_json(path: str) -> dict[str, Any] | None:
    """Returns the JSON object in that file, or None if there is none."""
    try:
        found = json.loads(read(path) or b"null")
    except (ValueError, OSError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: str, content: dict[str, Any]) -> bool:
    """Does the same as :func:`write` for an object, which is always written as the same bytes."""
    return write(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def make_directory(path: str, mode: int = 0o755) -> None:
    """Makes that directory unless it is there; its parent must exist.

    Raises:
        AgentError: it can't be made.
    """
    try:
        os.mkdir(path, mode)
        sync_directory(os.path.dirname(path))
    except OSError as error:
        if not (isinstance(error, FileExistsError) and os.path.isdir(path)):
            raise errors.from_os_error(error, path) from None


def remove(path: str) -> bool:
    """Removes that file; returns whether there was one.

    Raises:
        AgentError: it can't be removed.
    """
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise errors.from_os_error(error, path) from None
    return True


def remove_tree(path: str) -> None:
    """Removes that directory, if it is there, and all that is in it.

    Raises:
        AgentError: something in it can't be removed.
    """
    try:
        with os.scandir(path) as found:
            entries = list(found)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                os.unlink(entry.path)
        os.rmdir(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.from_os_error(error) from None


def remove_empty(path: str) -> bool:
    """Removes that directory if nothing is in it; returns whether it does not exist afterwards."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def is_open_at(handle: int, path: str) -> bool:
    """Returns whether ``handle`` is what lies at that path now."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def size_bytes(path: str) -> int:
    """Returns the bytes of all files below that directory, as far as they can be seen."""
    total = 0
    try:
        with os.scandir(path) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    total += size_bytes(entry.path)
                else:
                    with suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        return total
    return total
