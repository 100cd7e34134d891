"""What is no file of frames is said to be none, whatever it is, and takes no memory."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrpme.backup.frames import END, MARK, TRAILER, frame_of, frames_in
from wrpme.errors import BackupError


def kinds(data: bytes) -> list[int]:
    return [kind for kind, _, _ in frames_in(io.BytesIO(data), "FILE")]


def test_frames_end_with_the_trailer() -> None:
    frames = frame_of(END, 1, 2) + frame_of(TRAILER, 1, 2, 3, b"digest")
    assert kinds(MARK + frames) == [END, TRAILER]
    with pytest.raises(BackupError, match="something follows its end"):
        kinds(MARK + frames + b"\0")


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_foreign_files_are_refused(data: bytes, is_marked: bool) -> None:
    with pytest.raises(BackupError, match=r"^backup: FILE "):
        kinds(MARK * is_marked + data)


def test_absurd_lengths_are_not_believed() -> None:
    with pytest.raises(BackupError, match="says that it has 4294967295 bytes"):
        kinds(MARK + b"\xff" * 8)


def test_a_later_format_is_named() -> None:
    with pytest.raises(BackupError, match="of a later release"):
        kinds(MARK.replace(b"1", b"2"))


def test_a_later_release_is_named() -> None:
    with pytest.raises(BackupError, match="of a later release"):
        kinds(MARK + frame_of(77, 1))
