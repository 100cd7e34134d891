"""Records: what is written is what is read, for its owner alone, and older records are read as well; what is wrong with
a file is said in a sentence."""

from __future__ import annotations

import resource
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.scenes import STATES, sightings_of
from wrpme.client.watch.records import Gone, Missed, WatchRecord, to_line, to_object
from wrpme.errors import StorageError
from wrpme.tui import limits
from wrpme.tui.state import recording
from wrpme.tui.state.recording import Recorder, Replay, open_record
from wrpme.tui.state.scene import Mood, NodeState
from wrpme.tui.state.timeline import Timeline

OLD = Path(__file__).parent / "records" / "lines"
"""A record as it was written before there were frames: a hive of three nodes, and one of them goes down."""
HEADER = {"wrpme": "record", "format": 1}


def written(path: Path, sightings: list[WatchRecord]) -> Path:
    recorder = Recorder(path)
    for sighting in sightings:
        recorder.take(sighting)
    recorder.close()
    return path


@pytest.mark.parametrize("state", STATES)
def test_what_is_written_is_read_again(tmp_path: Path, state: str) -> None:
    sightings = sightings_of(state, 3)
    read = list(open_record(written(tmp_path / "record", sightings)).watch_records)
    assert [to_line(one) for one in read] == [to_line(one) for one in sightings]
    assert [type(one) for one in read] == [type(one) for one in sightings]


def test_it_is_for_its_owner_alone_and_knows_its_size(tmp_path: Path) -> None:
    path = tmp_path / "record"
    recorder = Recorder(path)
    assert recorder.bytes == path.stat().st_size and recorder.path == path
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
    replay = open_record(tmp_path / "record")
    read = list(replay.watch_records)
    assert 2 < len(read) < len(sightings), "what was written whole can be read"
    assert replay.notice, "the rest of what was being written stands at the end"


# --- reading -----------------------------------------------------------------------------------------------------


def frames(objects: Sequence[Any]) -> bytes:
    return b"".join(msgpack.packb(one) for one in objects)


def lines(sightings: Sequence[WatchRecord]) -> bytes:
    return b"".join(to_line(one) + b"\n" for one in sightings)


def test_a_record_is_a_stream_of_msgpack_that_any_library_reads(tmp_path: Path) -> None:
    sightings = sightings_of("degraded", 3)
    with written(tmp_path / "record", sightings).open("rb") as file:
        header, *objects = msgpack.Unpacker(file)
    assert header == HEADER
    assert [one["saw"] for one in objects[:4]] == ["reached", "reached", "reached", "view"]
    assert objects == [msgpack.unpackb(msgpack.packb(to_object(one))) for one in sightings]


def test_an_older_record_is_read_and_shows_the_same() -> None:
    replay = open_record(OLD)
    timeline = Timeline(replay=True)
    for sighting in replay.watch_records:
        timeline.take(sighting)
    timeline.finish()
    timeline.to_now()
    scene = timeline.scene(0.0)
    assert [node.address for node in scene.nodes if node.state is NodeState.DOWN] == ["127.0.0.1:5911"]
    assert scene.mood is Mood.DEGRADED and len(scene.nodes) == 3 and scene.entries
    assert replay.notice == "" and replay.bytes_read == OLD.stat().st_size


def test_an_older_record_written_anew_is_the_same_and_smaller(tmp_path: Path) -> None:
    sightings = list(open_record(OLD).watch_records)
    new = written(tmp_path / "record", sightings)
    assert list(open_record(new).watch_records) == sightings
    assert new.stat().st_size < OLD.stat().st_size


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_frames_are_found_wherever_a_read_ends(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "RECORD_READ_BYTES", chunk)
    sightings = sightings_of("stable", 3)[:6]
    replay = open_record(written(tmp_path / "record", sightings))
    assert [to_line(one) for one in replay.watch_records] == [to_line(one) for one in sightings]
    assert replay.notice == "" and replay.bytes_read == replay.path.stat().st_size


SHORT: list[WatchRecord] = [Gone(1.0, "a:1", "no answer"), Missed(2.0, "a:1", 3), Gone(3.0, "b:1", "no answer")]


@pytest.mark.parametrize("written_as", [lambda some: frames([HEADER, *map(to_object, some)]), lines])
def test_wherever_it_was_cut_off_the_rest_is_read_and_it_is_told(written_as: Any, tmp_path: Path) -> None:
    """All sightings that are whole are there; a notice says where the others begin, and there is none without them."""
    path = tmp_path / "record"
    whole = written_as(SHORT)
    ends = [len(written_as(SHORT[:count])) for count in range(len(SHORT) + 1)]
    for size in range(ends[1], len(whole) + 1):
        path.write_bytes(whole[:size])
        replay = open_record(path)
        read = list(replay.watch_records)
        count = max(count for count, end in enumerate(ends) if end <= size)
        if written_as is lines and size + 1 in ends:
            assert read == SHORT[: count + 1] and not replay.notice, "only the end of the line is missing"
            continue
        assert read == SHORT[:count]
        cut = f"{path} was cut off: what begins at byte {ends[count]} is incomplete, all before it is shown"
        assert replay.notice == ("" if size == ends[count] else cut)


@pytest.mark.parametrize("junk", [b"{}\n", b"\xff\xfe\n", b'{"saw": "weather", "at": 1}\n', b"\n", b"[[[[\n"])
def test_a_damaged_line_is_named_by_its_number(tmp_path: Path, junk: bytes) -> None:
    some = sightings_of("stable", 3)[:6]
    path = tmp_path / "record"
    path.write_bytes(lines(some[:4]) + junk + lines(some[4:]))
    read: list[WatchRecord] = []
    with pytest.raises(StorageError, match=rf"damaged at line 5: .*; head -n 4 {path} > FILE makes a record"):
        read.extend(open_record(path).watch_records)


@pytest.mark.parametrize(
    ("junk", "why"),
    [
        (frames([{}]), "the object is no watch record"),
        (b"\0\0\0\0", "the object is no watch record"),
        (frames([{"saw": "weather", "at": 1.0, "node": "a:1"}]), "the object is no watch record"),
        (frames([{"saw": "reached", "at": "now", "node": "a:1"}]), "the object is no watch record"),
        (frames([{1: 2}]), "is no msgpack"),
        (b"\xc1", "is no msgpack"),
        (b"\xa2\xff\xfe", "is no msgpack"),
        (b"\xdd\x00\x01\x00\x01", "is no msgpack"),
        (b"\x91" * 5000, "is no msgpack"),
    ],
    ids=["empty", "zeros", "weather", "time", "number", "code", "text", "array", "deep"],
)
def test_a_damaged_frame_is_named_by_its_byte_and_all_before_it_can_be_saved(
    tmp_path: Path, junk: bytes, why: str
) -> None:
    path, saved = tmp_path / "record", tmp_path / "saved"
    before = frames([HEADER, *map(to_object, SHORT)])
    path.write_bytes(before + junk + frames([to_object(SHORT[0])]))
    with pytest.raises(StorageError) as caught:
        list(open_record(path).watch_records)
    remedy = f"head -c {len(before)} {path} > FILE makes a record of all before it"
    assert f"damaged at byte {len(before)}: " in caught.value.sentence and caught.value.sentence.endswith(remedy)
    assert why in caught.value.sentence and "\n" not in caught.value.sentence
    saved.write_bytes(path.read_bytes()[: len(before)])
    assert list(open_record(saved).watch_records) == SHORT


def test_no_frame_and_no_line_is_longer_than_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = Gone(1.0, "a:1", "x" * 5000)
    framed = written(tmp_path / "frames", [*SHORT, long, *SHORT])
    lined = tmp_path / "lines"
    lined.write_bytes(lines([*SHORT, long, *SHORT]))
    monkeypatch.setattr(recording, "RECORD_FRAME_BYTES_MAX", 1000)
    monkeypatch.setattr(recording, "RECORD_READ_BYTES", 100)
    for path in (framed, lined):
        read: list[WatchRecord] = []
        with pytest.raises(StorageError, match="is damaged at"):
            read.extend(Replay(path).watch_records)
    assert limits.RECORD_FRAME_BYTES_MAX > 1000


def test_a_record_of_a_later_version_is_told_from_one_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(frames([{**HEADER, "format": 2}, {"something": "else"}]))
    with pytest.raises(StorageError, match="is a record in the format 2, and this version of wrpme reads the format 1"):
        open_record(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (frames([HEADER]), "empty"),
        (frames([HEADER])[:-3], "is no record"),
        (b"hello\n", "is no record"),
        (b"{hello}\n", "is no record"),
        (b"\x7fELF\0\0\0" * 1000, "is no record"),
        (b"[1, 2", "is no record"),
        (b"\xff\xd8\xff\xe0", "is no record"),
        (frames([to_object(SHORT[0])]), "is no record"),
        (frames([["record"]]), "is no record"),
    ],
)
def test_what_is_no_record_is_said_to_be_none(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "record"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=words):
        open_record(path)


@given(st.binary(max_size=200), st.booleans())
def test_whatever_a_file_holds_is_read_or_refused_in_a_sentence(content: bytes, framed: bool) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "record"
        path.write_bytes((frames([HEADER]) if framed else b"") + content)
        with suppress(StorageError):
            list(Replay(path).watch_records)


def test_what_is_not_there_or_no_file_can_not_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(StorageError, match="can't be read"):
            open_record(path)
