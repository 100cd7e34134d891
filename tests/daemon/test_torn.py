"""The end of a log after a power loss: each case against the real LevelDB, and what we make of it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.test_recordlog import SIZES
from wrpme.daemon.storage import recordlog
from wrpme.daemon.storage.leveldb import LevelStore, open_store
from wrpme.daemon.storage.recordlog import Whole
from wrpme.errors import DamagedError

KIB = 1024
BIG, LAST = SIZES.index(90_000), len(SIZES) - 1
"""Which of the writes has parts in several blocks, and which is the last."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("template") / "data"
    store = open_store(str(directory))
    chance = random.Random(1)
    for number, size in enumerate(SIZES):
        store.write([(b"k%03d" % number, chance.randbytes(size))], sync=False)
    store.close()
    return directory


def numbers(store: LevelStore) -> list[int]:
    return [int(key[1:]) for key, _ in store.scan(b"k", b"l")]


def log_of(directory: Path) -> tuple[Path, bytes, list[Whole]]:
    """The log, and the records of the writes."""
    (path,) = directory.glob("*.log")
    content = path.read_bytes()
    found, _ = recordlog.records(content)
    return path, content, found[-len(SIZES) :]


def zeros(content: bytes, start: int, end: int) -> bytes:
    return content[:start] + bytes(end - start) + content[end:]


def big(change: Callable[[bytes, Whole], bytes]) -> Callable[[bytes, list[Whole]], bytes]:
    """The large write is the last one."""
    return lambda content, writes: change(content[: writes[BIG].end], writes[BIG])


def last(change: Callable[[bytes, Whole], bytes]) -> Callable[[bytes, list[Whole]], bytes]:
    return lambda content, writes: change(content, writes[LAST])


ENDS: dict[str, tuple[int, bool, Callable[[bytes, list[Whole]], bytes]]] = {
    # how many writes are left, whether LevelDB itself takes it for damage, and what happened
    "whole": (9, False, last(lambda log, it: log)),
    "zeros after it": (9, False, last(lambda log, it: log + bytes(100 * KIB))),
    "end in zeros": (8, True, last(lambda log, it: zeros(log, it.end - 30, it.end))),
    "end in zeros, and more of them": (8, True, last(lambda log, it: log[: it.start + 30] + bytes(100 * KIB))),
    "all in zeros": (8, False, last(lambda log, it: zeros(log, it.start, it.end))),
    "header in zeros": (8, False, last(lambda log, it: zeros(log, it.start, it.start + 7))),
    "cut in the header": (8, False, last(lambda log, it: log[: it.start + 3])),
    "cut in the header, then zeros": (8, False, last(lambda log, it: log[: it.start + 3] + bytes(100 * KIB))),
    "cut in the content": (8, False, last(lambda log, it: log[: it.start + 30])),
    "one bit": (8, True, last(lambda log, it: log[:-5] + bytes([log[-5] ^ 1]) + log[-4:])),
    "noise": (8, False, last(lambda log, it: log[: it.start] + random.Random(2).randbytes(5000))),
    "large, cut at a block": (4, False, big(lambda log, it: log[: it.parts[0].end])),
    "large, cut in a header": (4, False, big(lambda log, it: log[: it.parts[1].start + 3])),
    "large, cut in a later part": (4, False, big(lambda log, it: log[: it.parts[1].start + 100])),
    "large, first block in zeros": (4, True, big(lambda log, it: zeros(log, it.start, it.parts[0].end))),
    "large, a later block in zeros": (4, True, big(lambda log, it: zeros(log, it.parts[1].start, it.parts[1].end))),
    "large, a page in zeros": (
        4,
        True,
        big(lambda log, it: zeros(log, it.parts[1].start + 4 * KIB, it.parts[1].start + 8 * KIB)),
    ),
    "large, from a block on in zeros": (4, True, big(lambda log, it: zeros(log, it.parts[1].start, it.end))),
    "large, from a byte on in zeros": (4, True, big(lambda log, it: zeros(log, it.parts[1].start + 50, it.end))),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_that_is_not_whole_is_the_end(tmp_path: Path, template: Path, name: str) -> None:
    left, cut, change = ENDS[name]
    directory = tmp_path / "data"
    shutil.copytree(template, directory)
    path, content, writes = log_of(directory)
    torn = change(content, writes)
    path.write_bytes(torn)
    store = open_store(str(directory))
    assert numbers(store) == list(range(left))
    kept = directory / f"torn-{path.stem}"
    assert (str(kept) in store.repaired, kept.exists()) == (cut, cut)
    if cut:
        assert torn.endswith(kept.read_bytes())
        assert writes[left].start == len(torn) - kept.stat().st_size, "no more than the last write was cut off"
    store.write([(b"k999", b"")], sync=True)
    store.close()
    store = open_store(str(directory))
    assert (numbers(store), store.repaired) == ([*range(left), 999], "")
    store.close()


DAMAGES: dict[str, Callable[[bytes, list[Whole]], bytes]] = {
    "a write in zeros": lambda log, writes: zeros(log, writes[3].start, writes[3].end),
    "a block in zeros": lambda log, writes: zeros(log, 32 * KIB, 64 * KIB),
    "a bit of a write": lambda log, writes: log[: writes[3].end - 5] + b"\x01" + log[writes[3].end - 4 :],
    "the last but one": lambda log, writes: zeros(log, writes[LAST - 1].end - 9, writes[LAST - 1].end),
    "the last two": lambda log, writes: zeros(zeros(log, writes[-2].end - 9, writes[-2].end), len(log) - 9, len(log)),
    "a length": lambda log, writes: log[: writes[-2].start + 4] + b"\xff\xff" + log[writes[-2].start + 6 :],
    "the header of the last but one": lambda log, writes: zeros(log, writes[-2].start, writes[-2].start + 7),
    "all over": lambda log, writes: bytes(b ^ 0x55 if at % 64 == 63 else b for at, b in enumerate(log)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_another_write_follows_is_damage(tmp_path: Path, template: Path, name: str) -> None:
    """Also where LevelDB takes it for the end of the log, and what follows for nothing."""
    directory = tmp_path / "data"
    shutil.copytree(template, directory)
    path, content, writes = log_of(directory)
    path.write_bytes(DAMAGES[name](content, writes))
    before = {found.name: found.read_bytes() for found in directory.iterdir() if not found.name.startswith("LO")}
    with pytest.raises(DamagedError, match="is damaged"):
        open_store(str(directory))
    after = {found.name: found.read_bytes() for found in directory.iterdir() if not found.name.startswith("LO")}
    assert after == before, "nothing was changed"


def test_an_older_log_that_ends_early_is_damage(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    store = open_store(str(directory))
    store.write([(b"k001", b"1")], sync=True)
    store.close()
    (older,) = directory.glob("*.log")
    (directory / "000999.log").write_bytes(b"")
    older.write_bytes(older.read_bytes()[:-3])
    with pytest.raises(DamagedError, match=f"its log {older.name} ends too early, at byte"):
        open_store(str(directory))


def test_a_log_that_is_needed_no_more_may_be_as_it_is(tmp_path: Path) -> None:
    """A start dies after it has made a table of the former log, and before that is gone."""
    directory = tmp_path / "data"
    store = open_store(str(directory))
    store.write([(b"k001", b"1")], sync=True)
    store.close()
    (former,) = directory.glob("*.log")
    content = former.read_bytes()
    open_store(str(directory)).close()
    assert not former.exists()
    former.write_bytes(content[:-3])
    store = open_store(str(directory))
    assert numbers(store) == [1]
    store.close()


def test_a_manifest_that_is_no_manifest_is_for_leveldb_to_tell(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    open_store(str(directory)).close()
    (manifest,) = directory.glob("MANIFEST-*")
    for content in (b"", b"nonsense" * 20, manifest.read_bytes()[:-1]):
        manifest.write_bytes(content)
        with pytest.raises(DamagedError):
            open_store(str(directory))
