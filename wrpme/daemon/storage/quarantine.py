"""Puts a data directory in quarantine: renames it, never deletes or overwrites it, and gives its place to an empty one.

The empty one knows from its first moment which hive it is of (see :mod:`wrpme.daemon.storage.rejoin`): it is made under
another name, and has its file before it gets the name of the directory. Where the process dies between the two renames,
the next start finishes them.
"""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec

from wrpme.daemon.storage import privacy, rejoin
from wrpme.daemon.storage.leveldb import locked, unusable
from wrpme.daemon.storage.rejoin import RejoinInfo
from wrpme.errors import DiskFullError, ShortageError, StorageError

DAMAGED, FORMER = "damaged", "former"


def isolate(directory: str, reason: str, info: RejoinInfo) -> str:
    """Renames ``directory`` to ``directory.REASON-N`` with the next free number, and puts an empty one with ``info`` in
    its place. Returns the new name of the old one. The store in it must be closed.

    Raises:
        StorageError: it can't be done, or another process uses the directory, which is where it was.
    """
    fresh = _fresh(directory)
    try:
        with locked(directory):
            kept = _free_name(directory, reason)
            _make(fresh, msgspec.structs.replace(info, former=kept))
            privacy.close_to_others(directory)
            os.rename(directory, kept)
            os.rename(fresh, directory)
            rejoin.sync_directory(os.path.dirname(directory))
    except OSError as error:
        explained = unusable(directory, error)
        if isinstance(explained, DiskFullError | ShortageError):
            raise explained from None
        raise StorageError(
            f"the data directory {directory} can't be set aside ({error.strerror or error}); move it away yourself, "
            f"then start the node with an empty one and --peer {info.others[0] if info.others else 'HOST:PORT'}"
        ) from None
    return kept


def finish(directory: str) -> None:
    """Gives the empty directory its name where a process died before it could; comes before a directory is opened."""
    fresh = _fresh(directory)
    if rejoin.read(fresh) is not None and not os.path.lexists(directory):
        with suppress(OSError):
            os.rename(fresh, directory)


def _fresh(directory: str) -> str:
    return f"{directory}.fresh"


def _make(fresh: str, info: RejoinInfo) -> None:
    with suppress(FileExistsError):
        privacy.make_directory(fresh)
    rejoin.write(fresh, info)


def _free_name(directory: str, reason: str) -> str:
    number = 1
    while os.path.lexists(f"{directory}.{reason}-{number}"):
        number += 1
    return f"{directory}.{reason}-{number}"
