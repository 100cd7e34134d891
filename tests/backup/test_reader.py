"""What is written to a backup file is read of it, or the file is said to be no whole one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from wrpme.backup import frames
from wrpme.backup.frames import Counts, Header, SavedEntry, frame_of
from wrpme.backup.reader import Reader
from wrpme.backup.writer import Writer
from wrpme.errors import BackupError
from wrpme.protocol.ring import RING

HALF = RING // 2
HEADER = Header("1.0", b"h" * 16, 3, 1_700_000_000_000, True)
KEPT = Path(__file__).with_name("kept-1.backup")
"""A file that a former release wrote: it is read for ever."""


def written(covers_all: bool = True) -> bytes:
    """Two sections side by side, one that broke off, and a content of several parts."""
    out = io.BytesIO()
    writer = Writer(out.write, Header("1.0", b"h" * 16, 3, 1_700_000_000_000, covers_all))
    writer.begin(1, 0, HALF - 1)
    writer.begin(2, HALF, RING - 1)
    writer.add(1, b"a", 0, b"v" * 16, 3, 0, b"abc")
    writer.add(2, b"lost", 0, b"v" * 16, 1, 0, b"x")
    writer.add(2, b"begun", 0, b"v" * 16, 10, 0, b"x")
    writer.void(2)
    writer.begin(3, HALF, RING - 1)
    writer.add(3, b"large", 7, b"w" * 16, 6, 0, b"123")
    writer.add(1, b"empty", 0, b"v" * 16, 0, 0, b"")
    writer.add(3, b"large", 7, b"w" * 16, 6, 3, b"456")
    writer.end(3)
    writer.end(1)
    assert writer.finish() == Counts(2, 3, 9)
    assert writer.written_bytes == len(out.getvalue())
    return out.getvalue()


ENTRIES = {
    b"a": SavedEntry(b"a", 0, b"v" * 16, b"abc"),
    b"empty": SavedEntry(b"empty", 0, b"v" * 16, b""),
    b"large": SavedEntry(b"large", 7, b"w" * 16, b"123456"),
}


def read(data: bytes) -> dict[bytes, SavedEntry]:
    reader = Reader(io.BytesIO(data), "FILE")
    counts = reader.check()
    found = list(reader.entries())
    assert len(found) == counts.entries and sum(len(entry.content) for entry in found) == counts.size_bytes
    return {entry.alias: entry for entry in found}


def test_what_is_written_is_read() -> None:
    data = written()
    assert read(data) == ENTRIES
    assert Reader(io.BytesIO(data), "FILE").header == HEADER


def test_a_file_of_a_former_release_is_read() -> None:
    assert read(KEPT.read_bytes()) == ENTRIES


def test_a_file_that_is_cut_anywhere_is_known_as_cut() -> None:
    data = written()
    for length in range(len(data)):
        with pytest.raises(BackupError, match=r"^backup: FILE is (cut|empty)"):
            read(data[:length])


def test_each_flipped_byte_is_noticed() -> None:
    data = written()
    for at in range(len(data)):
        for change in (0x01, 0x80):
            wrong = bytearray(data)
            wrong[at] ^= change
            with pytest.raises(BackupError, match=r"^backup: FILE "):
                read(bytes(wrong))


def test_what_follows_the_end_is_noticed() -> None:
    with pytest.raises(BackupError, match="something follows its end"):
        read(written() + b"\0")


@pytest.mark.parametrize(
    "values",
    [
        (frames.BLOCK, 1, b"no zlib"), (frames.END, 7, 0), (frames.BEGIN, 1, 0, 5), (frames.BEGIN, 9, 5, 4),
        (frames.END, 1, 99), (frames.VOID,), (77, 1), ("word",), (frames.TRAILER, 0, 0, 0, b""), (None,), (),
    ],
)  # fmt: skip
def test_frames_that_are_right_by_themselves_and_wrong_here_are_refused(values: tuple[object, ...]) -> None:
    out = io.BytesIO()
    writer = Writer(out.write, HEADER)
    writer.begin(1, 0, RING - 1)
    strange = frame_of(*values) if values else frame_of(frames.BLOCK)  # type: ignore[arg-type]
    with pytest.raises(BackupError, match=r"^backup: FILE "):
        read(out.getvalue() + strange + frame_of(frames.END, 1, 0) + frame_of(frames.TRAILER, 1, 0, 0, b""))


def test_absurd_lengths_take_no_memory() -> None:
    out = io.BytesIO()
    writer = Writer(out.write, HEADER)
    writer.begin(1, 0, RING - 1)
    writer._put(frame_of(frames.BLOCK, 1, __import__("zlib").compress(bytes(2 * frames.BLOCK_BYTES_MAX))))
    writer.end(1)
    writer.finish()
    with pytest.raises(BackupError, match="a block is larger than"):
        read(out.getvalue())


@pytest.mark.parametrize(("ranges", "how"), [
    ([(0, 4), (4, RING - 1)], "twice"), ([(0, 4), (6, RING - 1)], "not at all"), ([(0, 4)], "nothing of the positions"),
])  # fmt: skip
def test_sections_that_do_not_make_the_ring_are_noticed(ranges: list[tuple[int, int]], how: str) -> None:
    out = io.BytesIO()
    writer = Writer(out.write, HEADER)
    for section, (first, end) in enumerate(ranges):
        writer.begin(section, first, end)
        writer.end(section)
    writer.finish()
    with pytest.raises(BackupError, match=how):
        read(out.getvalue())


def test_a_part_of_the_ring_is_enough_where_no_more_is_told() -> None:
    out = io.BytesIO()
    writer = Writer(out.write, Header("1.0", b"h" * 16, 3, 0, False))
    writer.begin(5, 3, 9)
    writer.end(5)
    writer.finish()
    assert read(out.getvalue()) == {}


@pytest.mark.parametrize("parts", [[(0, b"12"), (4, b"56")], [(2, b"3456")], [(0, b"12")], [(0, b"123456"), (2, b"3")]])
def test_a_part_of_a_content_that_is_missing_is_noticed_before_anything_is_read(parts: list[tuple[int, bytes]]) -> None:
    out = io.BytesIO()
    writer = Writer(out.write, HEADER)
    writer.begin(1, 0, RING - 1)
    for offset, part in parts:
        writer.add(1, b"a", 0, b"v" * 16, 6, offset, part)
    writer.end(1)
    writer.finish()
    with pytest.raises(BackupError, match="a part of a content is missing"):
        Reader(io.BytesIO(out.getvalue()), "FILE").check()
