"""The directory of a hive with its CA: found again, never written over, and its key for this user alone."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from wrpme.bootstrap.credentials import authority, store
from wrpme.errors import StorageError
from wrpme.files import hives

NODES = ("10.0.0.1:5909", "10.0.0.2:5909")


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "wrpme/hives"


def test_a_ca_is_found_by_what_is_from_it_and_else_by_the_nodes(config: Path) -> None:
    assert store.find(NODES, ()) is None
    made = store.create(NODES, time.time())
    assert Path(made.directory) == config / "10.0.0.1-5909"
    (key,) = config.glob("*/*.key")
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    for nodes, ids in ((NODES[1:], ()), (("elsewhere:1",), (made.issuer.id,))):
        found = store.find(nodes, ids)
        assert found is not None and found.issuer == made.issuer and found.trusted == made.trusted
    assert store.find(NODES, ("ffffffff",)) is None, "the nodes have certificates of another one"
    assert store.find(("elsewhere:1",), ()) is None


def test_nothing_is_written_over(config: Path) -> None:
    first = store.create(NODES, time.time())
    before = {path: path.read_bytes() for path in config.rglob("*") if path.is_file()}
    second = store.create(NODES, time.time())
    assert Path(second.directory).name == "10.0.0.1-5909.2" and second.issuer.id != first.issuer.id
    assert all(path.read_bytes() == content for path, content in before.items())
    (config / "10.0.0.1-5909/hive.json").unlink()
    assert Path(store.create(NODES, time.time()).directory).name == "10.0.0.1-5909.3", "a key may be worth something"


def test_the_ca_changes(config: Path) -> None:
    made = store.create(NODES, time.time())
    old = made.issuer.id
    made.add(time.time())
    assert made.changing and made.issuer.id == old != made.newest.id
    made.prepare()
    made.change_over()
    made.drop()
    found = store.find(NODES, ())
    assert found is not None and found.state == made.state and not found.changing and not found.state.prepared
    assert found.issuer.id != old and sorted(path.suffix for path in config.glob("*/*")) == [
        ".json", ".key", ".pem", ".pem",
    ]  # fmt: skip


def test_a_ca_whose_key_is_elsewhere() -> None:
    made = store.create(NODES, time.time())
    Path(made.directory, f"{made.issuer.id}.key").unlink()
    found = store.find(NODES, ())
    assert found is not None and not found.issuer.key and found.issuer.certificate
    shutil.copytree(made.directory, f"{made.directory}.copied")
    Path(f"{made.directory}.copied", f"{made.issuer.id}.key").write_text(made.issuer.key)
    found = store.find(NODES, ())
    assert found is not None and found.issuer == made.issuer, "wherever it was copied to"


def test_what_was_known_before_serves_no_more() -> None:
    former = store.create(NODES, time.time())
    former.tell(NODES, secured=True)
    fresh = store.adopt(NODES[1:], authority.read_all(authority.make(time.time()).certificate)[0])
    assert hives.ca_of(NODES) == ""
    fresh.tell(NODES, secured=True)
    assert hives.ca_of(NODES) == f"{fresh.directory}/ca.pem"


def test_what_can_t_be_read_or_written(config: Path) -> None:
    made = store.create(NODES, time.time())
    Path(made.directory, f"{made.issuer.id}.pem").unlink()
    with pytest.raises(StorageError, match=r"with the CA of the hive, can't be read .*: No such file"):
        store.find(NODES, ())
    (config / "10.0.0.1-5909/ca.pem.new").mkdir()
    with pytest.raises(StorageError, match="where the CA of the hive is kept, can't be written"):
        made.tell(NODES, secured=True)


def test_of_a_key_that_could_not_be_written_nothing_is_left(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"can't be written \(No space left on device\)"):
        store.create(NODES, time.time())
    assert not [path for path in config.rglob("*") if path.is_file()]
