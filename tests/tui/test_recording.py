"""Records: what is written is what is read, for its owner alone; what is wrong with a file is said in a sentence."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from tests.tui.scenes import STATES, sightings_of
from wrpme.client.watch.records import Sighting, to_line
from wrpme.errors import StorageError
from wrpme.tui.state.recording import Recorder, open_record


def written(path: Path, sightings: list[Sighting]) -> Path:
    recorder = Recorder(path)
    for sighting in sightings:
        recorder.take(sighting)
    recorder.close()
    return path


@pytest.mark.parametrize("state", STATES)
def test_what_is_written_is_read_again(tmp_path: Path, state: str) -> None:
    sightings = sightings_of(state, 3)
    read = list(open_record(written(tmp_path / "record", sightings)).sightings)
    assert [to_line(one) for one in read] == [to_line(one) for one in sightings]
    assert [type(one) for one in read] == [type(one) for one in sightings]


def test_it_is_for_its_owner_alone_and_knows_its_size(tmp_path: Path) -> None:
    path = tmp_path / "record"
    recorder = Recorder(path)
    assert recorder.bytes == 0 and recorder.path == path
    for sighting in sightings_of("stable", 3)[:10]:
        recorder.take(sighting)
        assert recorder.bytes == path.stat().st_size, "each is there at once"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    recorder.close()
    recorder.close()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_text("precious")
    with pytest.raises(StorageError, match="there already"):
        Recorder(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["nowhere/record", "x" * 300, "nul\0byte", ""])
def test_where_no_record_can_be_made_it_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError):
        Recorder(tmp_path / name if name else tmp_path)


def test_a_disk_that_takes_no_more_ends_the_record_with_a_sentence(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "record")
    sightings = sightings_of("stable", 3)
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, former[1]))
    try:
        with pytest.raises(StorageError, match=r"recording has stopped: .*what was seen until then"):
            for sighting in sightings:
                recorder.take(sighting)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    recorder.close()
    read = list(open_record(tmp_path / "record").sightings)
    assert 2 < len(read) < len(sightings), "what was written whole can be read"


# --- reading -----------------------------------------------------------------------------------------------------


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    sightings = sightings_of("stable", 3)
    path = written(tmp_path / "record", sightings)
    os.truncate(path, path.stat().st_size - 7)
    assert len(list(open_record(path).sightings)) == len(sightings) - 1


def test_a_last_line_without_its_end_is_read_if_it_is_whole(tmp_path: Path) -> None:
    sightings = sightings_of("stable", 3)
    path = written(tmp_path / "record", sightings)
    os.truncate(path, path.stat().st_size - 1)
    assert len(list(open_record(path).sightings)) == len(sightings)


@pytest.mark.parametrize("junk", [b"{}\n", b"\xff\xfe\n", b'{"saw": "weather", "at": 1}\n', b"\n", b"[[[[\n"])
def test_a_damaged_line_is_named_by_its_number(tmp_path: Path, junk: bytes) -> None:
    lines = [to_line(one) + b"\n" for one in sightings_of("stable", 3)[:6]]
    path = tmp_path / "record"
    path.write_bytes(b"".join([*lines[:4], junk, *lines[4:]]))
    read: list[Sighting] = []
    with pytest.raises(StorageError, match="damaged at line 5"):
        read.extend(open_record(path).sightings)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"hello\n", "is no record"), (b"\x7fELF\0\0\0" * 1000, "is no record"), (b"[1, 2", "no record")],
)
def test_what_is_no_record_is_said_to_be_none(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "record"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=words):
        open_record(path)


def test_what_is_not_there_or_no_file_can_not_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(StorageError, match="can't be read"):
            open_record(path)
