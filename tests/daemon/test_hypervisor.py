"""The page in which a hypervisor tells of pauses, as a file of its layout."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import pytest

from wrpme.daemon.hypervisor import disruptions


def page(
    magic: bytes = b"VCLK", version: int = 1, size: int = mmap.PAGESIZE, marker: int = 7, generation: int = 1
) -> bytes:
    """Field by field, as the kernel's header has them."""
    head = struct.pack("<4sIHBBI", magic, size, version, 1, 0, 2)
    times = struct.pack("<QQ2xBBHBB", marker, 0x100, 2, 0, 37, 0, 0)
    body = head + times + struct.pack("<8Q", *range(8)) + struct.pack("<Q", generation)
    return body.ljust(mmap.PAGESIZE, b"\0")


def write(path: Path, content: bytes) -> None:
    with open(path, "r+b" if path.exists() else "wb") as file:
        file.write(content)


@pytest.mark.parametrize("change", [{"marker": 8}, {"generation": 2}])
def test_a_move_and_a_snapshot_are_told(tmp_path: Path, change: dict[str, int]) -> None:
    path = tmp_path / "vmclock0"
    write(path, page())
    told = disruptions(str(path))
    assert told is not None
    before = told()
    assert told() == before
    write(path, page(**change))  # type: ignore[arg-type]
    assert told() != before


def test_of_a_short_page_only_what_is_there_counts(tmp_path: Path) -> None:
    path = tmp_path / "vmclock0"
    write(path, page(size=104))
    told = disruptions(str(path))
    assert told is not None
    before = told()
    write(path, page(size=104, generation=2))
    assert told() == before


@pytest.mark.parametrize("content", [b"", page(magic=b"KLCV"), page(version=2), b"VCLK"])
def test_what_is_no_such_page_tells_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vmclock0"
    path.write_bytes(content)
    assert disruptions(str(path)) is None


def test_most_machines_have_none(tmp_path: Path) -> None:
    assert disruptions(str(tmp_path / "vmclock0")) is None
