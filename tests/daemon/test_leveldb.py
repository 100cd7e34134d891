"""The store on disk: a directory that may be wrong in many ways. What every store has to do is in test_store.py."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wrpme.core.io import Operation
from wrpme.core.layout import ENTRIES, key_of, operations_for, removal, value_of
from wrpme.daemon.storage import _plyvel, rejoin
from wrpme.daemon.storage.leveldb import FORMAT, FORMAT_KEY, open_store, unusable
from wrpme.daemon.storage.store import Store
from wrpme.errors import DamagedError, DiskFullError, ShortageError, StorageError
from wrpme.protocol import ring

NOBODY = 65534


def keys(store: Store, low: bytes = b"a", high: bytes = b"m") -> list[bytes]:
    return [key for key, _ in store.scan(low, high)]


def put(store: Store, *names: bytes) -> None:
    store.write([(name, b"=" + name) for name in names], sync=False)


def filled(directory: Path) -> str:
    """A data directory with a table and a log in it, closed."""
    store = open_store(str(directory))
    for first in range(0, 40_000, 1000):
        store.write([(b"k%06d" % number, os.urandom(600)) for number in range(first, first + 1000)], sync=False)
    store.close()
    store = open_store(str(directory))
    put(store, *(b"l%03d" % number for number in range(100)))
    put(store, b"m-last")
    store.close()
    return str(directory)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("template") / "data"
    filled(directory)
    return directory


def the(directory: Path, pattern: str) -> Path:
    return min(directory.glob(pattern))


def scratch(path: Path, place: float = 0.5) -> None:
    """Overwrites a few bytes."""
    content = bytearray(path.read_bytes())
    at = int(len(content) * place)
    content[at : at + 8] = bytes(byte ^ 0x55 for byte in content[at : at + 8])
    path.write_bytes(content)


def hole(path: Path) -> None:
    """Zeros in the place of the first half, whose header LevelDB takes for the end of the log."""
    content = path.read_bytes()
    path.write_bytes(bytes(len(content) // 2) + content[len(content) // 2 :])


def refused(directory: Path, kind: type[StorageError] = StorageError) -> str:
    """The sentence with which the directory is refused, as it is opened or as it is read."""
    with pytest.raises(StorageError) as caught:
        store = open_store(str(directory))
        try:
            keys(store)
        finally:
            store.close()
    assert type(caught.value) is kind
    assert "\n" not in caught.value.sentence
    assert str(directory) in caught.value.sentence
    return caught.value.sentence


def test_it_is_there_after_reopening(tmp_path: Path) -> None:
    store = open_store(filled(tmp_path / "a" / "b"))
    assert len(keys(store, b"k", b"l")) == 40_000
    assert store.get(b"l007") == b"=l007"
    assert store.get(FORMAT_KEY) == FORMAT
    store.close()


DAMAGES: list[tuple[str, Callable[[Path], Any]]] = [
    ("no CURRENT", lambda directory: (directory / "CURRENT").unlink()),
    ("empty CURRENT", lambda directory: os.truncate(directory / "CURRENT", 0)),
    ("no MANIFEST", lambda directory: the(directory, "MANIFEST-*").unlink()),
    ("bad MANIFEST", lambda directory: scratch(the(directory, "MANIFEST-*"))),
    ("no table", lambda directory: the(directory, "*.ldb").unlink()),
    ("bad table", lambda directory: scratch(the(directory, "*.ldb"))),
    ("no log", lambda directory: the(directory, "*.log").unlink()),
    ("bad log", lambda directory: scratch(the(directory, "*.log"))),
    ("hole in the log", lambda directory: hole(the(directory, "*.log"))),
]


@pytest.mark.parametrize("damage", [damage for _, damage in DAMAGES], ids=[name for name, _ in DAMAGES])
def test_a_damaged_directory_is_told(tmp_path: Path, template: Path, damage: Callable[[Path], Any]) -> None:
    directory = tmp_path / "data"
    shutil.copytree(template, directory)
    damage(directory)
    tables = set(directory.glob("*.ldb"))
    assert "damaged" in refused(directory, DamagedError)
    assert tables <= set(directory.glob("*.ldb")), "the remains are left as they are"


def test_a_log_that_ends_in_the_middle_of_a_batch_is_no_damage(tmp_path: Path, template: Path) -> None:
    directory = tmp_path / "data"
    shutil.copytree(template, directory)
    log = the(directory, "*.log")
    os.truncate(log, log.stat().st_size - 5)
    store = open_store(str(directory))
    assert store.repaired == ""
    assert len(keys(store, b"k", b"l")) == 40_000
    assert len(keys(store, b"l", b"m")) == 100
    assert keys(store, b"m-", b"m.") == []
    store.close()


def test_a_log_whose_last_batch_is_not_whole_is_cut(tmp_path: Path, template: Path) -> None:
    directory = tmp_path / "data"
    shutil.copytree(template, directory)
    log = the(directory, "*.log")
    whole = log.read_bytes()
    log.write_bytes(whole[:-5] + bytes(5))
    store = open_store(str(directory))
    assert f"{directory}/torn-{log.stem}" in store.repaired
    assert keys(store, b"m-", b"m.") == []
    assert len(keys(store, b"k", b"l")) == 40_000
    assert len(keys(store, b"l", b"m")) == 100
    put(store, b"m-after")
    store.close()
    kept = (directory / f"torn-{log.stem}").read_bytes()
    assert whole.endswith(kept[:-5] + b"-last") and b"m-last" in kept
    store = open_store(str(directory))
    assert (store.repaired, keys(store, b"m-", b"m.")) == ("", [b"m-after"])
    store.close()
    (directory / "CURRENT").unlink()
    assert "its file CURRENT is missing" in refused(directory, DamagedError), "what was kept is no foreign file"


def test_a_first_log_that_is_missing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    put(store, b"k")
    store.close()
    log = the(tmp_path, "*.log")
    log.unlink()
    assert f"its log {log.name} is missing" in refused(tmp_path, DamagedError)


def test_a_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"picture")
    assert "holiday.jpg" in refused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_the_way_back_to_the_hive_is_no_foreign_thing(tmp_path: Path) -> None:
    (tmp_path / "hive").write_text("bees: 40000\n")
    assert "hive" in refused(tmp_path)
    rejoin.write(str(tmp_path), rejoin.RejoinInfo("ab", ("127.0.0.1:5910",), "elsewhere"))
    open_store(str(tmp_path)).close()
    open_store(str(tmp_path)).close()
    assert rejoin.read(str(tmp_path)) is not None


def test_a_foreign_leveldb_is_left_alone(tmp_path: Path) -> None:
    database = _plyvel.open_database(str(tmp_path), create_if_missing=True)
    batch = database.write_batch(sync=True)
    batch.put(b"theirs", b"1")
    batch.write()
    database.close()
    assert "not of wrpme" in refused(tmp_path)
    database = _plyvel.open_database(str(tmp_path))
    assert list(database.iterator(start=b"", stop=b"\xff", verify_checksums=True, fill_cache=False)) == [
        (b"theirs", b"1")
    ]
    database.close()


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write([(FORMAT_KEY, b"wrpme 2")], sync=True)
    store.close()
    assert "another version of wrpme (wrpme 2)" in refused(tmp_path)


def test_a_full_disk_where_the_directory_shall_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "makedirs", full)
    with pytest.raises(DiskFullError, match="is full"):
        open_store(str(tmp_path / "data"))


def test_an_empty_file_system_is_taken(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    open_store(str(tmp_path)).close()
    open_store(str(tmp_path)).close()


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "no directory" in refused(tmp_path / "file")
    assert "can't be used" in refused(tmp_path / "file" / "data")


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A directory that whoever runs the test may look into and not write; root puts on the user of nobody for it."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        if root:
            os.seteuid(0)
        directory.chmod(0o700)
        directory.rmdir()


def test_an_unwritable_directory(unwritable: Path) -> None:
    assert "can't be used (Permission denied)" in refused(unwritable / "data")
    assert "can't be used (Permission denied)" in refused(unwritable)


HOLDER = """
import sys
from wrpme.daemon.storage.leveldb import open_store
store = open_store(sys.argv[1])
store.write([(b"k", b"acknowledged")], sync=False)
print("open", flush=True)
sys.stdin.read()
"""


def test_a_directory_that_another_process_has_open(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        sentence = refused(tmp_path)
        assert "in use by another process" in sentence
        if sys.platform == "linux":
            assert f"number {process.pid}" in sentence
        process.send_signal(signal.SIGKILL)
        process.wait()
    store = open_store(str(tmp_path))
    assert store.get(b"k") == b"acknowledged", "the death of a process loses nothing, synced or not"
    store.close()


TROUBLES = [
    (errno.ENOSPC, DiskFullError, "is full; free some space on it"),
    (errno.EDQUOT, DiskFullError, "is full; free some space on it"),
    (errno.EMFILE, ShortageError, "this process has as many open files as it may"),
    (errno.ENFILE, ShortageError, "the system has no open file left"),
    (errno.ENOMEM, ShortageError, "the system has no memory left"),
    (errno.EIO, StorageError, "fails (Input/output error; dmesg tells more)"),
    (errno.EROFS, StorageError, "is read-only"),
    (errno.ESTALE, StorageError, "network disk"),
    (errno.EACCES, StorageError, "give this user the right"),
    (errno.EFBIG, StorageError, "can't be used (File too large); dmesg may tell more"),
]


@pytest.mark.parametrize(("number", "kind", "part"), TROUBLES, ids=lambda value: str(value)[:20])
def test_what_the_system_says_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StorageError], part: str
) -> None:
    """As LevelDB passes it on, and as we hear it ourselves."""
    store = open_store(str(tmp_path))
    monkeypatch.setattr(store, "_database", Failing(tmp_path, os.strerror(number)))
    with pytest.raises(StorageError) as caught:
        put(store, b"b")
    heard = unusable(str(tmp_path), OSError(number, os.strerror(number)))
    assert type(caught.value) is type(heard) is kind
    assert caught.value.sentence == heard.sentence
    assert part in heard.sentence and str(tmp_path) in heard.sentence
    assert ("give this user the right" in heard.sentence) == (number == errno.EACCES)


class Failing:
    """A LevelDB that can't write, and its batch."""

    def __init__(self, directory: Path, reason: str) -> None:
        self._text = f"IO error: {directory}/000005.log: {reason}".encode()

    def write_batch(self, *, sync: bool) -> Failing:
        return self

    def put(self, key: bytes, value: bytes) -> None:
        pass

    def delete(self, key: bytes) -> None:
        pass

    def write(self) -> None:
        raise _plyvel.Error(self._text)


def test_a_full_disk_stops_all_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path))
    proper = store._database
    monkeypatch.setattr(store, "_database", Failing(tmp_path, "No space left on device"))
    with pytest.raises(DiskFullError, match="is full"):
        put(store, b"b")
    monkeypatch.setattr(store, "_database", proper)
    with pytest.raises(DiskFullError, match="is full"):
        put(store, b"b")
    assert store.get(b"b") is None
    store.close()


def test_small_entries_that_are_all_there_are_no_excess(tmp_path: Path) -> None:
    """Else a start would write all of them anew."""
    store = open_store(str(tmp_path))
    aliases = [b"entry/%d" % number for number in range(20_000)]
    for first in range(0, len(aliases), 1000):
        operations = list[Operation]()
        for alias in aliases[first : first + 1000]:
            operations += operations_for(key_of(ring.hash_of(alias), alias), value_of((1, 1), 0, os.urandom(85)))
        store.write(operations, sync=False)
    for low, high in store.slices():
        store.compact(low, high)
    size = sum(len(alias) + 85 for alias in aliases)
    assert store._size(b"", b"\xff") > 1.5 * size, "half as much again is no excess"
    assert store.excess_bytes(len(aliases), size) < 0.05 * size
    store.close()


def test_the_space_of_what_was_removed_returns(tmp_path: Path) -> None:
    def size() -> int:
        return sum(path.stat().st_size for path in tmp_path.iterdir())

    store = open_store(str(tmp_path))
    keys = [key_of(ring.hash_of(b"k%d" % number), b"k%d" % number) for number in range(2000)]
    values = {key: value_of((1, 1), 0, os.urandom(10_000)) for key in keys}
    for key in keys:
        store.write(operations_for(key, values[key]), sync=False)
    for key in keys[:1500]:
        store.write(operations_for(key, removal((1, 2)), values[key]), sync=False)
    store.close()
    store = open_store(str(tmp_path))
    assert size() > 15_000_000, "nobody has given anything back"
    assert store.excess_bytes(500, 500 * 10_000) > 10_000_000
    slices = store.slices()
    assert len(slices) >= 4 and slices[2][0] == ENTRIES[0] and slices[-1][1] == ENTRIES[1]
    for low, high in slices:
        store.compact(low, high)
    assert size() < 7_000_000 and store.excess_bytes(500, 500 * 10_000) < 1_000_000
    assert dict(store.scan(*ENTRIES)) == {key: values[key] for key in keys[1500:]}
    store.close()
    store.compact(*ENTRIES)
