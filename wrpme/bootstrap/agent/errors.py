"""Errors on this machine, each as one sentence for the operator. The other end puts the name of the host before it."""

from __future__ import annotations

import errno
import os

FULL = (errno.ENOSPC, errno.EDQUOT)


class AgentError(Exception):
    """A request can't be carried out; ``word`` is that of an error of :mod:`wrpme.errors`."""

    def __init__(self, sentence: str, word: str = "remote") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.word = word


class ChannelClosedError(Exception):
    """Nobody is at the other end of the channel any more."""


def user() -> str:
    """Returns the name of the user that the agent runs as, or the number if it has no name."""
    return user_named(os.getuid())


def user_named(uid: int) -> str:
    """Returns the name of that user, or the number if it has no name."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def existing(path: str) -> str:
    """Returns that path if it exists, else the nearest directory above it that does."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def free_bytes(path: str) -> int:
    """Returns how many bytes a user may still write on the file system where that path is or would be."""
    found = os.statvfs(existing(path))
    return found.f_bavail * found.f_frsize


def free_files(path: str) -> int:
    """Returns how many files and directories may still be made there, or -1 where nothing but the space counts."""
    found = os.statvfs(existing(path))
    return found.f_favail if found.f_files else -1


def full(path: str, quota: bool = False) -> str:
    """Returns the sentence for a disk without space, or with ``quota`` for a user whose quota is used up."""
    try:
        if not quota and free_files(path) == 0:
            return f"no file can be made at {path}: the inodes of its disk are used up; remove files there"
        free = f"{free_bytes(path) / 1024 / 1024:.1f} MiB free"
    except OSError:
        free = "nothing can be told of it"
    what = f"the disk quota of user {user()} is used up at" if quota else "the disk is full at"
    return f"{what} {path} ({free}); make room there and give the command again"


def from_os_error(error: OSError, path: str = "") -> AgentError:
    """Returns the error that says what the system refused, at which path, and what to do about it."""
    path = path or (error.filename if isinstance(error.filename, str) else "") or "a file"
    number = error.errno
    if number in FULL:
        return AgentError(full(path, quota=number == errno.EDQUOT), "disk_full")
    if number == errno.EROFS:
        sentence = f"{path} is on a read-only file system; mount it for writing, or give another directory"
    elif number in (errno.EACCES, errno.EPERM):
        sentence = f"user {user()} may not use {path}; let it, log in as another user, or give another directory"
    elif number in (errno.ENOTDIR, errno.EEXIST):
        sentence = f"{_file_in_the_way(path)} is a file where a directory is needed; move it away"
    elif number == errno.EISDIR:
        sentence = f"{path} is a directory where a file is needed; move it away"
    else:
        sentence = f"{path} can't be used ({error.strerror or error})"
    return AgentError(sentence)


def _file_in_the_way(path: str) -> str:
    """Returns what exists of that path and is no directory."""
    while os.path.isdir(path) or not os.path.lexists(path):
        if path == os.path.dirname(path):
            break
        path = os.path.dirname(path)
    return path
