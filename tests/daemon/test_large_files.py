"""Large values beside LevelDB: what is read is what was written, whatever comes between, and no file is left."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from random import Random

import pytest

from wrpme.core.layout import Stored, content_in, key_of, value_of
from wrpme.core.stats.slot_counts import counts_of
from wrpme.daemon.data import copies
from wrpme.daemon.storage.large_files import LARGE_VALUE_BYTES, PART_BYTES
from wrpme.daemon.storage.leveldb import FORMAT, FORMAT_KEY, WITH_FILES, LevelStore, open_store
from wrpme.errors import DamagedError, DiskFullError, StorageError

KEY, OTHER = key_of(5, b"a"), key_of(5, b"b")
SIZE = LARGE_VALUE_BYTES + PART_BYTES + 7


def large(number: int, size: int = SIZE) -> bytes:
    return value_of((3, number), 0, Random(number).randbytes(size))


def files(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.startswith("large-"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(directory: Path) -> LevelStore:
    return open_store(str(directory))


def test_what_is_read_is_what_was_written(store: LevelStore, directory: Path) -> None:
    for number, size in enumerate((SIZE, 4 * PART_BYTES, LARGE_VALUE_BYTES - 24)):
        value = large(number, size)
        store.write([(KEY, value), (OTHER, b"x" * 40)], True)
        assert store.get(KEY) == value and store.get(OTHER) == b"x" * 40
        assert list(store.scan(b"e", b"f")) == [(KEY, value), (OTHER, b"x" * 40)]
        assert len(files(directory)) == 1, "the one before is gone"
    store.write([(KEY, b"x" * 30)], True)
    assert store.get(KEY) == b"x" * 30 and not files(directory)
    store.write([(KEY, large(1)), (KEY, None)], True)
    assert store.get(KEY) is None and not files(directory)
    store.write([(KEY, large(1)), (KEY, large(2))], True)
    store.close()
    store = open_store(str(directory))
    assert store.get(KEY) == large(2) and len(files(directory)) == 1
    store.close()


def test_small_values_are_as_they_were(store: LevelStore, directory: Path) -> None:
    store.write([(KEY, value_of((1, 1), 0, bytes(LARGE_VALUE_BYTES - 25)))], True)
    assert not files(directory) and store.get(FORMAT_KEY) == FORMAT, "an earlier release may start on it"
    store.write([(KEY, large(1))], True)
    assert store.get(FORMAT_KEY) == WITH_FILES
    store.close()
    with pytest.raises(StorageError, match="of another version"):
        open_store(str(directory), (FORMAT,))


def test_who_needs_no_content_reads_none(store: LevelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    value = value_of((3, 1), 77, Random(1).randbytes(SIZE))
    store.write([(KEY, value)], True)
    read: list[int] = []
    honest = os.pread

    def pread(file: int, size: int, at: int) -> bytes:
        read.append(size)
        return honest(file, size, at)

    monkeypatch.setattr(os, "pread", pread)
    stored = store.stored(KEY)
    assert isinstance(stored, Stored)
    assert (len(stored), stored[:24], stored.startswith(value[16:24], 16)) == (len(value), value[:24], True)
    assert sum(read) < 100
    parts = stored.parts()
    assert next(parts) == value[24 : 24 + PART_BYTES] and sum(read) < PART_BYTES + 100, "and then bit by bit"
    assert bytes(content_in(stored)) == value[24:]
    del read[:]
    assert counts_of(store).between(0, (1 << 64) - 1) == (1, SIZE + 1) and sum(read) < 100, "nor does a start"
    store.close()


def test_who_reads_goes_on_after_it_was_written_again(store: LevelStore, directory: Path) -> None:
    store.write([(KEY, large(1))], True)
    stored, scan, snapshot = store.stored(KEY), store.scan(b"e", b"f"), store.snapshot()
    assert isinstance(stored, Stored)
    store.write([(KEY, large(2))], True)
    store.write([(KEY, None)], True)
    assert stored.whole() == large(1)
    assert list(snapshot.scan(b"e", b"f")) == [(KEY, large(1))] and len(files(directory)) == 2
    snapshot.close()
    assert not files(directory) and not list(scan)
    store.close()


def test_what_a_crash_left_goes_at_the_next_start(store: LevelStore, directory: Path) -> None:
    store.write([(KEY, large(1))], True)
    (directory / "large-00000000000000aa").write_bytes(b"begun")
    honest = LevelStore._write

    def fail(self: LevelStore, operations: object, sync: bool) -> None:
        raise OSError(errno.EIO, "it fails")

    LevelStore._write = fail  # type: ignore[method-assign]
    try:
        with pytest.raises(StorageError):
            store.write([(KEY, large(2))], True)
    finally:
        LevelStore._write = honest  # type: ignore[method-assign]
    assert len(files(directory)) == 3
    store.close()
    store = open_store(str(directory))
    assert store.get(KEY) == large(1) and files(directory) == ["large-0000000000000001"]
    store.close()


def test_a_full_disk_leaves_what_was_there(store: LevelStore, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write([(KEY, large(1))], True)
    written: list[int] = []
    honest = os.write

    def write(file: int, data: memoryview) -> int:
        if len(data) == PART_BYTES and written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(len(data))
        return honest(file, data[: PART_BYTES // 3])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        with pytest.raises(DiskFullError, match="is full"):
            store.write([(KEY, large(2))], True)
        with pytest.raises(DiskFullError):
            store.write([(OTHER, b"x" * 30)], True)
    assert len(files(directory)) == 1 and store.get(KEY) == large(1) and len(written) > 2
    store.close()


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_damage_is_found_and_an_entry_is_never_another_one(store: LevelStore, directory: Path, change: str) -> None:
    store.write([(KEY, large(1)), (OTHER, b"x" * 30)], True)
    path = directory / files(directory)[0]
    raw = path.read_bytes()
    if change == "remove":
        path.unlink()
    else:
        path.write_bytes(
            raw[:-1] if change == "cut" else raw[:PART_BYTES] + bytes([raw[PART_BYTES] ^ 1]) + raw[PART_BYTES + 1 :]
        )
    with pytest.raises(DamagedError, match="large-0000000000000001"):
        store.get(KEY)
    assert store.drop_broken() == [KEY], "where it is repaired, the entry goes"
    assert list(store.scan(b"e", b"f")) == [(OTHER, b"x" * 30)]
    store.close()


def test_a_copy_of_the_directory_has_them(store: LevelStore, directory: Path) -> None:
    store.write([(KEY, large(1))], True)
    store.close()
    with copies.opened(str(directory)) as copy:
        assert copy.get(KEY) == large(1)
    assert len(files(directory)) == 1


def test_without_sync_too_a_file_goes_after_its_stub(
    store: LevelStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, int]] = []
    honest = LevelStore._write

    def write(self: LevelStore, operations: object, sync: bool) -> None:
        honest(self, operations, sync)  # type: ignore[arg-type]
        synced.append((sync, len(files(directory))))

    monkeypatch.setattr(LevelStore, "_write", write)
    store.write([(KEY, large(1))], False)
    store.write([(KEY, None)], False)
    assert synced == [(False, 1), (True, 1)] and not files(directory)
    store.close()


def test_where_only_they_are_left_the_directory_is_damaged(store: LevelStore, directory: Path) -> None:
    store.write([(KEY, large(1))], True)
    store.close()
    for path in directory.iterdir():
        if not path.name.startswith("large-"):
            path.unlink()
    with pytest.raises(DamagedError, match="CURRENT is missing"):
        open_store(str(directory))
    assert len(files(directory)) == 1
