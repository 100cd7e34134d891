"""The store on disk: one LevelDB in the data directory of the node.

LevelDB itself would take any directory, and make an empty database over the remains of a damaged one. So the
directory is looked at first: it is ours, or empty, or it is left alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import pairwise

from wrpme.core.io import Memory, Operation
from wrpme.core.layout import ENTRIES, HINTS, Stored
from wrpme.daemon import resources
from wrpme.daemon.limits import ENTRY_BYTES, SLICE_BYTES, SLICES_MAX, TABLE_BYTES
from wrpme.daemon.storage import _plyvel, large_files, privacy, rejoin, torn
from wrpme.daemon.storage.pacing import Pace
from wrpme.errors import DamagedError, DiskFullError, ShortageError, StorageError
from wrpme.limits import WRITE_BUFFER_BYTES

BLOOM_BITS = 10
"""Of each key: one read of a missing key in a hundred touches a table for nothing."""
FORMAT_KEY = b"m:format"
FORMAT = b"wrpme 1"
WITH_FILES = b"wrpme 1 with files"
"""The format once a large value has a file: earlier releases would give the stub for the value."""
REPAIRED = b"wrpme 1 repaired"
"""The format of what wrpme-data could save of a damaged directory: a node that started on it would take its copies for
complete."""
_EXPECTED_FILE = re.compile(
    r"(lost\+found|lost|CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp)|large-[0-9a-f]{16}|torn-\d+(\.new)?)\Z"
)
_LOG_FILE = re.compile(r"\d+\.log\Z")
_TABLE_FILE = re.compile(r"\d+\.(ldb|sst)\Z")
_BEYOND_END = re.compile(r"(\d+\.(?:ldb|sst)): Invalid argument\Z")
"""How LevelDB says that a table ends before a block that it should have."""
_LEVEL_0 = b"leveldb.num-files-at-level0"
_FLOCK = struct.Struct("hhqqi4x") if sys.platform == "linux" else None


class LevelStore:
    """Keeps keys and values in one LevelDB; :func:`open_store` makes it. Reads may run beside one write in another
    thread; ``close`` may not. ``repaired`` is a line about what had to be done to open it, or empty, and
    ``closed_to_others`` one about who could look into its directory."""

    def __init__(self, database: _plyvel.Database, directory: str, repaired: str = "") -> None:
        self.repaired = repaired
        self.closed_to_others = ""
        self._database: _plyvel.Database | None = database
        self._get = database.get
        self._directory = directory
        self._refusal: StorageError | None = None
        self._files = large_files.LargeFiles(directory, self._raw(*large_files.INDEX), unusable)
        self._says_large = False
        """Its format says that there are large values beside it."""
        self._pace = Pace(lambda: int(database.get_property(_LEVEL_0) or 0))

    def get(self, key: bytes) -> bytes | None:
        """Returns the value, or None.

        Raises:
            StorageError: the disk can't be read, or what it holds is damaged.
        """
        value = self.stored(key)
        return value.whole() if type(value) is Stored else value

    def stored(self, key: bytes) -> bytes | None:
        """Returns the same, but a large value as a :class:`wrpme.core.layout.Stored`; raises as ``get`` does."""
        try:
            value = self._get(key, None, verify_checksums=True)
        except _plyvel.Error as error:
            raise _explained(error, self._directory) from None
        while value is not None and len(value) == large_files.STUB_BYTES and large_files.is_stub(key, value):
            try:
                return self._files.stored(key, value)
            except large_files.Lost:
                stub, value = value, self._get(key, None, verify_checksums=True)
                if stub == value:
                    raise
        return value

    def scan(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yields keys and values with ``low <= key < high``, in order; raises as ``get`` does."""
        for key, value in self.scan_stored(low, high):
            yield key, value.whole() if type(value) is Stored else value

    def scan_stored(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yields the same, but large values as ``stored`` gives them."""
        for key, value in self._raw(low, high):
            if len(value) == large_files.STUB_BYTES and large_files.is_stub(key, value):
                try:
                    yield key, self._files.stored(key, value)
                except large_files.Lost:  # it was written again, or removed, since the scan began
                    now = self.stored(key)
                    if now is not None:
                        yield key, now
            else:
                yield key, value

    def _raw(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self._database is None:
            raise StorageError(f"the data directory {self._directory} is closed")
        try:
            yield from self._database.iterator(start=low, stop=high, verify_checksums=True, fill_cache=False)
        except _plyvel.Error as error:
            raise _explained(error, self._directory) from None

    def snapshot(self) -> LevelSnapshot:
        """Returns what it holds now; raises StorageError where it is closed."""
        if self._database is None:
            raise StorageError(f"the data directory {self._directory} is closed")
        self._files.pin(1)  # before: from then on no file goes that it sees
        return LevelSnapshot(self._database.snapshot(), self._directory, self._files)

    def write(self, operations: list[Operation], sync: bool) -> None:
        """Applies the batch, and with ``sync`` waits for the disk.

        After a failure no further batch is taken: LevelDB would append behind a half-written record, and lose what
        follows it at the next start.
        """
        if self._refusal is not None:
            raise type(self._refusal)(self._refusal.sentence)
        if self._database is None:
            raise StorageError(f"the data directory {self._directory} is closed")
        try:
            operations, gone = self._files.laid_out(operations)
            if self._files.made and not self._says_large:
                self._says_large, operations = True, [(FORMAT_KEY, WITH_FILES), *operations]
            self._write(operations, sync or bool(gone))  # a file goes only when its stub has gone for good
        except _plyvel.Error as error:
            self._refusal = _explained(error, self._directory)
            raise self._refusal from None
        except OSError as error:
            self._refusal = unusable(self._directory, error)
            raise self._refusal from None
        if gone:
            self._files.dropped(gone)

    def _write(self, operations: list[Operation], sync: bool) -> None:
        assert self._database is not None
        batch = self._database.write_batch(sync=sync)
        put, delete = batch.put, batch.delete
        for key, value in operations:
            if value is None:
                delete(key)
            else:
                put(key, value)
        self._pace.before_write()
        batch.write()
        self._pace.wrote(batch.approximate_size())

    def clear_away(self) -> None:
        """Removes the files that no entry has; not where LevelDB may have lost some of its entries."""
        self._files.clear_away()

    def broken(self) -> list[bytes]:
        """Returns the keys of the entries whose file is not there, or is not what was written."""
        broken = []
        for key, value in self._raw(*ENTRIES):
            try:
                if large_files.is_stub(key, value):
                    for _ in self._files.stored(key, value).parts():
                        pass
            except DamagedError:
                broken.append(key)
        return broken

    def drop_broken(self) -> list[bytes]:
        """Removes these entries, where a directory was repaired; returns their keys."""
        broken = self.broken()
        self.write([(key, None) for key in broken], sync=True)
        return broken

    # --- what was removed ----------------------------------------------------------------------------------------

    def slices(self) -> list[tuple[bytes, bytes]]:
        """Returns the index, the hints, and parts of the entries, which lie evenly; see
        :class:`wrpme.daemon.storage.compaction.Compactable`."""
        low, high = ENTRIES
        parts = min(SLICES_MAX, 1 + self._size(low, high) // SLICE_BYTES)
        bounds = [low, *(low + struct.pack(">Q", (at << 64) // parts) for at in range(1, parts)), high]
        return [(b"a", b"b"), HINTS, *pairwise(bounds)]

    def has_room(self) -> bool:
        """Returns whether there is more free space than the log and a slice may take."""
        return resources.has_space(self._directory)

    def compact(self, low: bytes, high: bytes) -> None:
        """Writes anew what lies between, without what was removed. This may run beside reads and writes, but not beside
        ``close``. The next write tells of a failure."""
        if self._database is not None:
            self._database.compact_range(start=low, stop=high)

    def excess_bytes(self, entries: int, bytes_used: int) -> int:
        """Returns how many bytes more the files take than so many entries need, which have ``bytes_used``."""
        return max(0, self._size(b"", b"\xff") + self._files.bytes - bytes_used - ENTRY_BYTES * entries)

    def _size(self, low: bytes, high: bytes) -> int:
        return 0 if self._database is None else self._database.approximate_size(low, high)

    def close(self) -> None:
        """Ends the use of the directory and lets go of its lock."""
        if self._database is not None:
            self._database.close()
            self._database = None


class LevelSnapshot:
    """What a store held at one moment. LevelDB keeps all that it sees until it is closed, or the store is."""

    def __init__(self, snapshot: _plyvel.Snapshot, directory: str, files: large_files.LargeFiles) -> None:
        self._snapshot = snapshot
        self._directory = directory
        self._files: large_files.LargeFiles | None = files

    def scan(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See :meth:`LevelStore.scan`."""
        try:
            found = self._snapshot.iterator(start=low, stop=high, verify_checksums=True, fill_cache=False)
            for key, value in found:
                if len(value) == large_files.STUB_BYTES and large_files.is_stub(key, value) and self._files is not None:
                    value = self._files.stored(key, value).whole()
                yield key, value
        except _plyvel.Error as error:
            raise _explained(error, self._directory) from None
        except RuntimeError:  # what LevelDB's binding says of one that is closed, as its database is
            raise StorageError(f"the data directory {self._directory} is closed") from None

    def close(self) -> None:
        """Lets go of it."""
        self._snapshot.close()
        if self._files is not None:
            self._files.pin(-1)
            self._files = None


def open_store(directory: str, formats: Collection[bytes] = (FORMAT, WITH_FILES), cache_bytes: int = 0) -> LevelStore:
    """Returns the store in ``directory``, which is made where it is missing, and has one of these formats.

    Raises:
        StorageError: the directory can't be used; the sentence says why, and nothing in it was changed.
    """
    try:
        if not os.path.isdir(directory):
            privacy.make_directory(directory)
        _check_names(directory, os.listdir(directory))
    except FileExistsError:
        raise StorageError(f"{directory} is no directory; give another one with --root") from None
    except OSError as error:
        raise unusable(directory, error) from None
    store = _opened(directory, cache_bytes)
    try:
        _check_format(store, directory, formats)
        if REPAIRED not in formats:
            store.clear_away()
        store.closed_to_others = privacy.close_to_others(directory)
    except StorageError:
        store.close()
        raise
    return store


def opened_as_it_is(directory: str) -> LevelStore:
    """Returns the store in ``directory``, whatever its format; for who looks at what is left of one."""
    return LevelStore(_database(directory), directory)


def _opened(directory: str, cache_bytes: int) -> LevelStore:
    """Opens the LevelDB once nothing is wrong with its logs; a write that was under way when the power went is no
    damage."""
    try:
        with locked(directory):
            if flaw := torn.flaw(directory):
                raise damaged(directory, flaw)
        try:
            return LevelStore(_database(directory, cache_bytes), directory)
        except _plyvel.CorruptionError as error:
            with locked(directory):
                repaired = torn.cut_end(directory)
            if not repaired:
                raise _explained(error, directory) from None
        return LevelStore(_database(directory, cache_bytes), directory, repaired)
    except _plyvel.Error as error:
        raise _explained(error, directory) from None
    except OSError as error:
        raise unusable(directory, error) from None


def _database(directory: str, cache_bytes: int = 0) -> _plyvel.Database:
    return _plyvel.open_database(
        directory,
        create_if_missing=True,
        paranoid_checks=True,
        write_buffer_size=WRITE_BUFFER_BYTES,
        max_file_size=TABLE_BYTES,
        lru_cache_size=cache_bytes or Memory().cache,
        bloom_filter_bits=BLOOM_BITS,
        compression=None,  # each merge would do it again, which takes several times the processor where it saves much
    )


@contextmanager
def locked(directory: str) -> Iterator[None]:
    """Holds the lock that LevelDB takes, where this process has no LevelDB open: what looks damaged may be what another
    process is at work on."""
    with open(os.path.join(directory, "LOCK"), "ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise _in_use(directory, _holder(directory)) from None
        yield


def _check_names(directory: str, names: list[str]) -> None:
    """Refuses what is not a LevelDB, and remains of one that LevelDB would clear away."""
    log = any(_LOG_FILE.match(name) for name in names)
    tables = any(_TABLE_FILE.match(name) or large_files.NAME.match(name) for name in names)
    if "CURRENT" in names:
        return
    info = rejoin.read(directory)
    ours = {rejoin.NAME, rejoin.NAME + ".new"} if info else set()
    strange = sorted(name for name in names if not _EXPECTED_FILE.match(name) and name not in ours)
    if strange:
        raise StorageError(
            f"the directory {directory} holds other things ({strange[0][:80]}) and no data of wrpme; nothing was "
            "changed there, give an empty or a new directory with --root"
        )
    if log or tables or (info is not None and info.had_data):
        raise damaged(directory, "its file CURRENT is missing")


def _check_format(store: LevelStore, directory: str, formats: Collection[bytes]) -> None:
    """Marks an empty database as ours; refuses one that has other contents, or those of a later version."""
    found = store.get(FORMAT_KEY)
    if found in formats:
        return
    if found == REPAIRED:
        raise StorageError(
            f"the directory {directory} is what wrpme-data could save of a damaged one, and may lack entries: no node "
            "starts on it; write a backup of it (wrpme-data dump), and bring that into the hive (hive_restore --keep)"
        )
    if found is not None:
        raise StorageError(
            f"the data directory {directory} is of another version of wrpme "
            f"({found[:40].decode('ascii', 'backslashreplace')}); start it with that version"
        )
    for _ in store.scan(b"", b"\xff" * 16):
        raise StorageError(
            f"the directory {directory} holds a LevelDB that is not of wrpme; nothing was changed there, give an empty "
            "or a new directory with --root"
        )
    store.write([(FORMAT_KEY, FORMAT)], sync=True)


# --- from LevelDB's words to sentences ---------------------------------------------------------------------------


def _explained(error: Exception, directory: str) -> StorageError:
    text = str(error)
    if error.args and isinstance(error.args[0], bytes):
        text = error.args[0].decode("utf-8", "backslashreplace")
    reason = text.rpartition(": ")[2] or text
    if "lock " in text and ("temporarily unavailable" in text or "already held" in text):
        return _in_use(directory, "this process" if "already held" in text else _holder(directory))
    if isinstance(error, _plyvel.CorruptionError):
        return damaged(directory, text.removeprefix("Corruption: ").replace(directory + "/", ""))
    if "No such file or directory" in text:
        name = re.search(r"([^/]+): No such file", text)
        return damaged(directory, f"its file {name[1]} is missing" if name else reason)
    if table := _BEYOND_END.search(text):
        return damaged(directory, f"its file {table[1]} is shorter than it was")
    number = next((number for number in errno.errorcode if os.strerror(number) == reason), 0)
    return unusable(directory, OSError(number, reason if text.startswith("IO error") else text))


_UNUSABLE = "the data directory {directory} can't be used ({reason}); "
_NO_RIGHT = _UNUSABLE + "give this user the right to read and write it, or another directory with --root"
_FULL = "the disk of the data directory {directory} is full; free some space on it"
_TROUBLES: dict[int | None, tuple[type[StorageError], str]] = {
    errno.ENOSPC: (DiskFullError, _FULL),
    errno.EDQUOT: (DiskFullError, _FULL),
    errno.EMFILE: (
        ShortageError,
        "this process has as many open files as it may (ulimit -n), and the data directory {directory} needs more; "
        "close connections to it, or start it with a higher limit",
    ),
    errno.ENFILE: (
        ShortageError,
        "the system has no open file left for the data directory {directory}; end what has so many, or raise "
        "fs.file-max",
    ),
    errno.ENOMEM: (
        ShortageError,
        "the system has no memory left for the data directory {directory}; end what takes so much of it",
    ),
    errno.EACCES: (StorageError, _NO_RIGHT),
    errno.EPERM: (StorageError, _NO_RIGHT),
    errno.EROFS: (
        StorageError,
        "the disk of the data directory {directory} is read-only, as the system makes one that fails (dmesg tells); "
        "mount it for writing again, then start the node",
    ),
    errno.EIO: (
        StorageError,
        "the disk of the data directory {directory} fails ({reason}; dmesg tells more); start the node again when the "
        "disk works, or with an empty directory on another one (--root), and with --peer if its hive has other nodes",
    ),
    errno.ESTALE: (
        StorageError,
        "the data directory {directory} is on a network disk that does not know it any more ({reason}); mount that "
        "again, then start the node",
    ),
}
"""What the system may say of a disk, and what the operator is told."""


def unusable(directory: str, error: OSError) -> StorageError:
    """Returns what the system said of the directory, as an error for the operator."""
    usual = (StorageError, _UNUSABLE + "dmesg may tell more, and another directory is given with --root")
    kind, sentence = _TROUBLES.get(error.errno, usual)
    return kind(sentence.format(directory=directory, reason=error.strerror or str(error)))


def damaged(directory: str, reason: str) -> DamagedError:
    """Returns the error of a directory that is not what it was; what becomes of it is for others to say."""
    return DamagedError(f"the data directory {directory} is damaged ({reason})")


def _in_use(directory: str, holder: str) -> StorageError:
    return StorageError(f"the data directory {directory} is in use by {holder}; stop that first")


def _holder(directory: str) -> str:
    """Returns who has the lock, as far as the system tells."""
    if _FLOCK is None:
        return "another process"
    try:
        with open(os.path.join(directory, "LOCK"), "rb+") as file:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            process = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))[4]
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
            return f"another process ({file.read().strip()}, number {process})"
    except OSError:
        return "another process"
