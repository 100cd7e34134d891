"""LevelDB's format of logs, against logs that the real one has written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from wrpme.daemon.storage import _plyvel, recordlog
from wrpme.daemon.storage.recordlog import BLOCK_BYTES

SIZES = (100, 50, 40_000, 200, 90_000, 300, 20, 5000, 100)
EDGES = (BLOCK_BYTES - 200, *range(1, 12), 2 * BLOCK_BYTES)


def written(directory: Path, sizes: tuple[int, ...]) -> bytes:
    """The log of a LevelDB that has taken a write of each size."""
    database = _plyvel.open_database(str(directory), create_if_missing=True)
    chance = random.Random(1)
    for number, size in enumerate(sizes):
        batch = database.write_batch(sync=False)
        batch.put(b"%03d" % number, chance.randbytes(size))
        batch.write()
    database.close()
    (path,) = directory.glob("*.log")
    return path.read_bytes()


@pytest.mark.parametrize(("content", "checksum"), [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA)])
def test_the_checksum(content: bytes, checksum: int) -> None:
    assert recordlog.crc32c(content) == checksum


@pytest.mark.parametrize("sizes", [SIZES, EDGES, tuple(range(32_720, 32_760))], ids=["usual", "edges", "at the end"])
def test_what_was_written_is_read(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    log = written(tmp_path, sizes)
    found, end = recordlog.records(log)
    assert end >= len(log)
    assert all(record.is_right(log) for record in found)
    assert [recordlog.number_of(record.content(log)) for record in found] == list(range(1, len(sizes) + 1))
    assert [record.content(log)[14:17] for record in found] == [b"%03d" % number for number in range(len(sizes))]


def test_every_end_is_told(tmp_path: Path) -> None:
    log = written(tmp_path, (30, BLOCK_BYTES, 30))
    whole = [record.end for record in recordlog.records(log)[0]]
    for size in [*range(200), *range(BLOCK_BYTES - 20, BLOCK_BYTES + 20), *range(len(log) - 100, len(log))]:
        found, end = recordlog.records(log[:size])
        assert [record.end for record in found] == [at for at in whole if at <= size]
        assert end == max((at for at in whole if at <= size), default=0)
        assert not recordlog.a_record_begins(log[:size], end + 1, len(found))


def test_a_changed_byte_is_seen(tmp_path: Path) -> None:
    log = written(tmp_path, (500, 500))
    first, second = recordlog.records(log)[0]
    log = log[:300] + bytes([log[300] ^ 1]) + log[301:]
    assert not first.is_right(log) and second.is_right(log)
    assert recordlog.a_record_begins(log, first.start + 1, 0)
    assert not recordlog.a_record_begins(log, first.start + 1, 2), "an old write lies there by chance"
