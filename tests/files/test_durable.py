"""Files that a crash leaves as they were, or as they were to become."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wrpme.files import durable


def test_a_file_gets_its_content_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content, mode in ((b"one", 0o644), (b"another", 0o600)):
        durable.write(str(path), content, mode)
        assert path.read_bytes() == content and path.stat().st_mode & 0o777 == mode
    assert os.listdir(tmp_path) == ["key"]


@pytest.mark.parametrize("fails", ["fsync", "rename"])
def test_of_what_could_not_be_written_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"before")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space"):
        durable.write(str(path), b"after", 0o600)
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["key"]
