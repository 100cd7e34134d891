"""A copy of a data directory to look at: LevelDB writes even where it is only to be read.

Tables, and the files of large contents, never change, so they are linked, but for a table whose number LevelDB would
give to a new one, as it would write through the link; that, the logs and the few small files are copied. What LevelDB
makes of them when it opens the copy is made there. The directory itself is locked while it is copied, and nothing in it
is touched.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from wrpme.daemon.storage import large_files, leveldb, rejoin, torn
from wrpme.daemon.storage.leveldb import LevelStore
from wrpme.errors import StorageError, UsageError

_TABLE = re.compile(r"(\d+)\.(ldb|sst)\Z")
_COPIED = re.compile(r"(CURRENT|MANIFEST-\d+|\d+\.log)\Z")


def check_is_one(directory: str) -> None:
    """Raises UsageError where there is no data directory of a node."""
    if not os.path.isdir(directory):
        what = "is no directory" if os.path.exists(directory) else "is not there"
        raise UsageError(f"{directory} {what}; give the data directory of a node (--root of wrpmed)")
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise leveldb.unusable(directory, error) from None
    if not any(_TABLE.match(name) or _COPIED.match(name) for name in names):
        raise UsageError(f"{directory} holds no data of wrpme; give the data directory of a node (--root of wrpmed)")


def copied(directory: str, target: str) -> None:
    """Makes ``target`` what the directory is, which is not in use meanwhile.

    Raises:
        StorageError: It is in use, or can't be read, or there is no room for its copy.
    """
    check_is_one(directory)
    try:
        with leveldb.locked(directory):
            reused = torn.next_number(directory)
            for name in os.listdir(directory):
                source, place = os.path.join(directory, name), os.path.join(target, name)
                table = _TABLE.match(name)
                if (table and int(table[1]) < reused) or large_files.NAME.match(name):
                    _link(source, place)
                elif table or _COPIED.match(name) or name == rejoin.NAME:
                    shutil.copyfile(source, place)
    except OSError as error:
        raise leveldb.unusable(directory, error) from None


def _link(source: str, place: str) -> None:
    try:
        os.link(source, place)
    except OSError:  # another file system, or one that has no links
        shutil.copyfile(source, place)


@contextmanager
def opened(directory: str) -> Iterator[LevelStore]:
    """A store that has what the directory has. Sentences name the directory, not the copy."""
    directory = os.path.abspath(directory)
    check_is_one(directory)
    copy = _place(directory)
    try:
        copied(directory, copy)
        store = leveldb.open_store(copy, (leveldb.FORMAT, leveldb.WITH_FILES, leveldb.REPAIRED))
        try:
            yield store
        finally:
            store.close()
    except StorageError as error:
        raise type(error)(error.sentence.replace(copy, directory)) from None
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _place(directory: str) -> str:
    """Beside it, where links are possible; else among the temporary files."""
    try:
        return tempfile.mkdtemp(prefix=f".{os.path.basename(directory)}-wrpme-data-", dir=os.path.dirname(directory))
    except OSError:
        return tempfile.mkdtemp(prefix="wrpme-data-")
