"""A backup file is written in blocks, and little of it is kept in memory."""

from __future__ import annotations

import io

import pytest

from tests.backup.test_reader import HEADER, read
from wrpme.backup import frames
from wrpme.backup.writer import Writer
from wrpme.protocol.ring import RING


def test_blocks_are_written_when_they_are_full_and_memory_stays_bounded() -> None:
    out = io.BytesIO()
    writer = Writer(out.write, HEADER)
    writer.begin(1, 0, RING - 1)
    for number in range(40):
        writer.add(1, b"%d" % number, 0, b"v" * 16, frames.BLOCK_BYTES // 8, 0, bytes(frames.BLOCK_BYTES // 8))
        assert len(writer._open[1]) < frames.BLOCK_BYTES
    writer.end(1)
    assert writer.finish().entries == 40 and len(read(out.getvalue())) == 40


def test_a_file_ends_only_when_all_its_sections_have() -> None:
    writer = Writer(io.BytesIO().write, HEADER)
    writer.begin(1, 0, RING - 1)
    with pytest.raises(AssertionError):
        writer.finish()
    writer.void(1)
    assert writer.finish().sections == 0
