"""What goes wrong on the machine, as one sentence for the operator; whose machine it is says the other end."""

from __future__ import annotations

import errno
import os

FULL = (errno.ENOSPC, errno.EDQUOT)


class Trouble(Exception):
    """``word`` is one of :mod:`wrpme.errors`."""

    def __init__(self, sentence: str, word: str = "remote") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.word = word


class Gone(Exception):
    """Nobody is at the other end of the channel any more."""


def user() -> str:
    """The name of the user that this is, or its number."""
    return user_named(os.getuid())


def user_named(uid: int) -> str:
    """The name of that user, or the number."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def existing(path: str) -> str:
    """That path, or the nearest directory above it that exists."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def free_bytes(path: str) -> int:
    """What a user may still write where that path is or would be."""
    found = os.statvfs(existing(path))
    return found.f_bavail * found.f_frsize


def full(path: str, quota: bool = False) -> str:
    """The sentence for a disk without space."""
    try:
        free = f"{free_bytes(path) / 1024 / 1024:.1f} MiB free"
    except OSError:
        free = "nothing can be told of it"
    what = f"the disk quota of user {user()} is used up at" if quota else "the disk is full at"
    return f"{what} {path} ({free}); make room there and give the command again"


def of(error: OSError, path: str = "") -> Trouble:
    """What the system refused, to which path, and what to do."""
    path = path or (error.filename if isinstance(error.filename, str) else "") or "a file"
    number = error.errno
    if number in FULL:
        return Trouble(full(path, quota=number == errno.EDQUOT), "disk_full")
    if number == errno.EROFS:
        return Trouble(f"{path} is on a read-only file system; mount it for writing, or give another directory")
    if number in (errno.EACCES, errno.EPERM):
        return Trouble(f"user {user()} may not use {path}; let it, log in as another user, or give another directory")
    if number in (errno.ENOTDIR, errno.EEXIST):
        return Trouble(f"{_file_in_the_way(path)} is a file where a directory is needed; move it away")
    if number == errno.EISDIR:
        return Trouble(f"{path} is a directory where a file is needed; move it away")
    return Trouble(f"{path} can't be used ({error.strerror or error})")


def _file_in_the_way(path: str) -> str:
    while os.path.isdir(path) or not os.path.lexists(path):
        if path == os.path.dirname(path):
            break
        path = os.path.dirname(path)
    return path
