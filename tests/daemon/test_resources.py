"""What the process tells of itself and its disk."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.daemon_parts import PATIENCE_SECONDS
from wrpme.daemon import resources
from wrpme.daemon.resources import Machine, directory_sizes, memory_bytes


def test_the_size_of_a_directory_is_that_of_all_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b").write_bytes(b"x" * 234)
    (tmp_path / "elsewhere").symlink_to("/usr")
    (tmp_path / "below" / "7.ldb").write_bytes(b"x" * 50)
    sizes = directory_sizes(str(tmp_path))
    assert sizes[".ldb"] == 50 and 1284 <= sizes.total() < 1350
    assert not directory_sizes(str(tmp_path / "gone"))


def test_memory_is_that_of_this_process() -> None:
    before = memory_bytes()
    kept = bytearray(b"x" * 50_000_000)
    assert memory_bytes() - before > 0.8 * len(kept) > 0


def test_it_looks_when_it_is_started_and_until_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    looked = threading.Semaphore(0)

    def look(path: str) -> Counter[str]:
        looks.append(path)
        looked.release()
        return Counter({".ldb": 1000, ".log": 200, "": 34})

    monkeypatch.setattr(resources, "directory_sizes", look)
    monkeypatch.setattr(resources, "DISK_LOOK_SECONDS", 0.001)
    made = Machine(str(tmp_path))
    assert made.stats().disk_bytes == made.stats().disk_free_bytes == 0 and made.stats().memory_bytes > 0
    made.start()
    for _ in range(3):  # the third look begins when the second one is told of
        assert looked.acquire(timeout=PATIENCE_SECONDS)
    assert (made.stats().table_bytes, made.stats().log_bytes, made.stats().disk_bytes) == (1000, 200, 1234)
    assert made.stats().disk_free_bytes > 0
    made.close()
    made._thread.join(PATIENCE_SECONDS)
    assert not made._thread.is_alive() and set(looks) == {str(tmp_path)}


def test_a_disk_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(resources, "directory_sizes", lambda path: Counter(x=goes_on.wait(PATIENCE_SECONDS)))
    made = Machine(str(tmp_path))
    made.start()
    assert made.stats().disk_bytes == 0
    made.close()
    goes_on.set()


def test_without_a_directory_nobody_looks() -> None:
    made = Machine("")
    made.start()
    assert not made._thread.is_alive()
    assert made.stats().disk_bytes == 0
