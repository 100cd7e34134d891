"""A data directory is looked at without being touched."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.daemon.data.parts import key, made
from wrpme.daemon.data import copies
from wrpme.daemon.storage import torn
from wrpme.daemon.storage.leveldb import open_store
from wrpme.errors import DamagedError, StorageError, UsageError


def state(directory: str) -> dict[str, tuple[bytes, int]]:
    return {
        name: (Path(directory, name).read_bytes(), os.stat(os.path.join(directory, name)).st_mtime_ns)
        for name in os.listdir(directory)
    }


def test_nothing_in_it_is_touched_and_nothing_is_left(tmp_path: Path) -> None:
    directory = made(tmp_path / "data")
    before = state(directory)
    with copies.opened(directory) as store:
        assert store.get(key(b"a")) is not None
        store.write([(key(b"a"), None)], True)
        store.compact(b"", b"\xff")
    assert state(directory) == before and [found.name for found in tmp_path.iterdir()] == ["data"]


def test_a_table_that_is_in_no_manifest_yet_is_not_written_over(tmp_path: Path) -> None:
    """As a process leaves it that was killed between the two: the next one gives its number to another table."""
    directory = made(tmp_path / "data")
    first = torn.next_number(directory)
    places = [Path(directory, f"{number:06d}.ldb") for number in range(first, first + 9)]
    for place in places:
        place.write_bytes(b"what it was")
    with copies.opened(directory) as store:
        assert store.get(key(b"large")) is not None
    assert {place.read_bytes() for place in places} == {b"what it was"}


def test_where_there_are_no_links_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: str, target: str) -> None:
        raise OSError(errno.EXDEV, "another file system")

    directory = made(tmp_path / "data")
    open_store(directory).close()  # so that there is a table
    monkeypatch.setattr(os, "link", link)
    with copies.opened(directory) as store:
        assert store.get(key(b"large")) is not None


def test_one_in_use_is_left_alone(tmp_path: Path) -> None:
    directory = made(tmp_path / "data")
    (opened, tell_opened), (end, tell_end) = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:  # another process has it: a lock of this one would let it in
        os.close(tell_end)
        store = open_store(directory)
        os.write(tell_opened, b"!")
        os.read(end, 1)
        store.close()
        os._exit(0)
    os.close(end)
    try:
        assert os.read(opened, 1) == b"!"
        with pytest.raises(StorageError, match="is in use by another process"), copies.opened(directory):
            pass
    finally:
        os.close(tell_end)
        os.waitpid(pid, 0)
    for left in (opened, tell_opened):
        os.close(left)


@pytest.mark.parametrize(
    ("name", "said"), [("none", "is not there"), ("file", "is no directory"), ("empty", "no data")]
)
def test_what_is_no_data_directory(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=said), copies.opened(str(tmp_path / name)):
        pass
    assert sorted(found.name for found in tmp_path.iterdir()) == ["empty", "file"]


def test_sentences_name_the_directory_and_not_the_copy(tmp_path: Path) -> None:
    directory = made(tmp_path / "data")
    os.unlink(os.path.join(directory, "CURRENT"))
    with pytest.raises(DamagedError) as refused, copies.opened(directory):
        pass
    assert f"the data directory {directory} is damaged" in refused.value.sentence
