"""What a node writes belongs to the user that it runs as: a data directory is closed to all others."""

from __future__ import annotations

import os
import stat

OTHERS = stat.S_IRWXG | stat.S_IRWXO
DIRECTORY_MODE = 0o700
LOG_MODE = 0o640
"""A log collector that is in the group of the node may read it."""


def make_directory(path: str) -> None:
    """Makes a directory of mode 0700, and those above it that are missing as the umask has it.

    Raises:
        FileExistsError: There is something there.
        OSError: It can't be made.
    """
    os.makedirs(path, DIRECTORY_MODE)
    os.chmod(path, DIRECTORY_MODE)  # whatever the umask


def close_to_others(path: str) -> str:
    """Takes the directory from the group and from others, and returns what is to be told of it: nothing where it was
    its owner's alone."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if not mode & OTHERS:
        return ""
    try:
        os.chmod(path, mode & ~OTHERS)
    except OSError as error:
        reason = error.strerror or error
        return (
            f"other users of this machine may look into the data directory {path} (mode {mode:04o}), and this process "
            f"can't close it ({reason}); have its owner run chmod go= {path}"
        )
    return f"the data directory {path} was open to other users of this machine (mode {mode:04o}) and is closed now"


def create(path: str, flags: int) -> int:
    """Opens a file, and gives it the mode 0640 where it is made here, whatever the umask: for ``open(opener=)`` too.

    Raises:
        OSError: It can't be opened.
    """
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, LOG_MODE)
    except FileExistsError:
        return os.open(path, flags | os.O_CREAT, LOG_MODE)
    os.fchmod(file, LOG_MODE)
    return file
