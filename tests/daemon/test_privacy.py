"""Who may look into what a node writes: nobody but the user that it runs as, whatever the umask and the starter."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_parts import KeptLog
from wrpme.daemon.log_handlers import LogFile
from wrpme.daemon.storage import leveldb, privacy, quarantine
from wrpme.daemon.storage.rejoin import RejoinInfo
from wrpme.errors import StorageError
from wrpme.shell.local_hive import LocalHive


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids="umask-{:03o}".format)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    former = os.umask(request.param)
    try:
        yield request.param
    finally:
        os.umask(former)


def test_a_data_directory_and_a_log_have_their_mode_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = leveldb.open_store(str(data))
    store.close()
    assert mode_of(data) == 0o700 and not store.closed_to_others
    log = LogFile(str(tmp_path / "log"), lambda *_: None)
    log.close()
    assert mode_of(tmp_path / "log") == 0o640


def test_a_directory_that_is_wider_is_closed_at_the_start_and_that_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o2755)
    store = leveldb.open_store(str(data))
    store.close()
    assert mode_of(data) == 0o2700
    assert "was open to other users" in store.closed_to_others and "2755" in store.closed_to_others


def test_a_directory_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    tmp_path.chmod(0o755)
    with pytest.raises(StorageError, match="holds other things"):
        leveldb.open_store(str(tmp_path))
    assert mode_of(tmp_path) == 0o755


def test_a_directory_that_can_not_be_closed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    tmp_path.chmod(0o750)
    monkeypatch.setattr(os, "chmod", refuse)
    assert "have its owner run chmod go= " in privacy.close_to_others(str(tmp_path))


def test_a_directory_in_quarantine_and_the_one_in_its_place_are_closed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    leveldb.open_store(str(data)).close()
    data.chmod(0o755)
    kept = quarantine.isolate(str(data), quarantine.DAMAGED, RejoinInfo("", ("127.0.0.1:1",)))
    assert mode_of(Path(kept)) == mode_of(data) == 0o700


def test_a_log_that_is_there_keeps_the_mode_that_was_given_to_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    path.chmod(0o600)
    LogFile(str(path), KeptLog().say).close()
    assert mode_of(path) == 0o600


def test_what_a_hive_on_this_machine_writes(umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if umask == 0o777:  # it would close the directory to its owner, too
        os.umask(0o077)
    hive = LocalHive(tmp_path / "hive", 1, lambda _: None)
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: None)
    hive.start()
    assert mode_of(tmp_path / "hive") & 0o077 == 0
    assert mode_of(tmp_path / "hive" / "node-1.log") == 0o640
