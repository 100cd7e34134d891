"""A data directory in quarantine: nothing of it is lost, and an empty one stands in its place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from wrpme.daemon.storage import quarantine, rejoin
from wrpme.daemon.storage.leveldb import open_store
from wrpme.daemon.storage.rejoin import RejoinInfo
from wrpme.errors import StorageError

INFO = RejoinInfo("ab" * 16, ("127.0.0.1:5910",))


def made(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    store = open_store(str(directory))
    store.write([(b"k", b"v")], sync=True)
    store.close()
    return directory


def test_it_is_renamed_and_an_empty_one_rejoins(tmp_path: Path) -> None:
    directory = made(tmp_path)
    assert quarantine.isolate(str(directory), quarantine.DAMAGED, INFO) == f"{directory}.damaged-1"
    assert sorted(os.listdir(tmp_path)) == ["data", "data.damaged-1"]
    assert os.listdir(directory) == ["hive"]
    assert rejoin.read(str(directory)) == msgspec.structs.replace(INFO, former=f"{directory}.damaged-1")
    former = open_store(f"{directory}.damaged-1")
    assert former.get(b"k") == b"v"
    former.close()
    store = open_store(str(directory))
    assert store.get(b"k") is None
    store.close()


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    directory = made(tmp_path)
    (tmp_path / "data.damaged-2").write_text("a letter")
    kept = [quarantine.isolate(str(directory), quarantine.DAMAGED, INFO) for _ in range(3)]
    assert kept == [f"{directory}.damaged-{number}" for number in (1, 3, 4)]
    assert (tmp_path / "data.damaged-2").read_text() == "a letter"
    assert quarantine.isolate(str(directory), quarantine.FORMER, INFO) == f"{directory}.former-1"


def test_one_that_another_process_uses_stays(tmp_path: Path) -> None:
    directory = made(tmp_path)
    holder = (
        "import sys; from wrpme.daemon.storage.leveldb import open_store; s = open_store(sys.argv[1]); "
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StorageError, match="in use by another process"):
            quarantine.isolate(str(directory), quarantine.DAMAGED, INFO)
        process.kill()
    assert os.listdir(tmp_path) == ["data"]


def test_one_that_can_not_be_renamed_stays(tmp_path: Path) -> None:
    directory = made(tmp_path)
    (tmp_path / "data.fresh").write_text("in the way")
    with pytest.raises(StorageError, match=r"can't be set aside .* --peer 127\.0\.0\.1:5910"):
        quarantine.isolate(str(directory), quarantine.DAMAGED, INFO)
    assert "CURRENT" in os.listdir(directory)


def test_a_process_that_died_between_the_renames(tmp_path: Path) -> None:
    directory = made(tmp_path)
    rejoin_only = tmp_path / "data.fresh"
    rejoin_only.mkdir()
    rejoin.write(str(rejoin_only), INFO)
    quarantine.finish(str(directory))
    assert "CURRENT" in os.listdir(directory), "what is there stays"
    directory.rename(tmp_path / "data.damaged-1")
    quarantine.finish(str(directory))
    assert os.listdir(directory) == ["hive"]


def test_nothing_to_finish(tmp_path: Path) -> None:
    quarantine.finish(str(tmp_path / "data"))
    assert os.listdir(tmp_path) == []
