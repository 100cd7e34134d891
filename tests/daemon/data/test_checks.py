"""Each key of a data directory is looked at beside the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.data.parts import ENTRIES, HIVE, NODE, VIEW, key, made
from wrpme.core.io import Operation
from wrpme.core.layout import MARK_PREFIX, VIEW_KEY, hint_of, removal, value_of
from wrpme.daemon.data import checks
from wrpme.daemon.storage import identity
from wrpme.daemon.storage.leveldb import open_store
from wrpme.errors import DamagedError, StorageError


def looked(directory: Path, *operations: Operation) -> checks.Contents:
    store = open_store(made(directory / "data"))
    store.write(list(operations), True)
    try:
        return checks.look(store)
    finally:
        store.close()


def test_what_is_whole(tmp_path: Path) -> None:
    found = looked(tmp_path)
    assert not found.wrong and not found.damage and not found.stale and not found.foreign
    assert (found.entries, found.expiring, found.node, found.starts, found.view) == (len(ENTRIES), 1, NODE, 1, VIEW)
    assert found.size_bytes == sum(len(content) for _, content in ENTRIES.values())
    assert found.largest == max(len(content) for _, content in ENTRIES.values())


END = 1_900_000_000_000


@pytest.mark.parametrize(
    ("operation", "what"),
    [
        ((b"aa", None), "the index does not tell of an entry as it is"),
        ((b"aa", b"\0" * 8), "the index does not"), ((b"aa", (5).to_bytes(8, "big")), "the index does not"),
        ((b"aa", b"?"), "the index does not"),
        ((hint_of(END, key(b"\xff\r\n")), None), "nothing reminds of the end"),
        ((key(b"a"), b"short"), "a length that no entry has"),
        ((b"e12345678", value_of((1, 1), 0, b"")), "a length that no entry has"),
        ((b"e" + b"\0" * 8 + b"a", value_of((1, 1), 0, b"")), "where its alias does not belong"),
        ((key(b"a"), removal((1, 9))), "an end of its life that is none"),
        ((key(b"a"), value_of((1, 9), 1 << 62, b"")), "an end of its life that is none"),
        ((MARK_PREFIX + b"x", b"y"), "a note about an arc"), ((identity.KEY, b"short"), "the identity of the node"),
        ((b"xshort", b""), "a reminder has a length"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_must_be(tmp_path: Path, operation: Operation, what: str) -> None:
    if operation == (b"aa", b"\0" * 8):
        operation = (b"aa", (7).to_bytes(8, "big"))
    found = looked(tmp_path, operation)
    assert found.wrong == 1 and what in next(iter(found.damage)), found.damage


def test_what_tells_of_entries_that_are_gone_does_no_harm(tmp_path: Path) -> None:
    found = looked(tmp_path, (b"agone", b""), (hint_of(5, key(b"gone")), b""), (hint_of(7, key(b"a")), b""))
    assert not found.wrong and found.stale == 3 and found.gone == ['"gone"']


def test_a_view_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="the view in it is none"):
        looked(tmp_path, (VIEW_KEY, b"?"))


def test_entries_of_arcs_that_live_elsewhere_are_told_apart(tmp_path: Path) -> None:
    found = looked(tmp_path, (identity.KEY, b"o" * 16 + bytes(4)))
    assert found.foreign == found.entries == len(ENTRIES) and not found.wrong
    assert found.view is not None and found.view.hive == HIVE


def test_formats(tmp_path: Path) -> None:
    store = open_store(made(tmp_path / "data"))
    assert checks.check_format(store, "DIR") == "wrpme 1"
    store.write([(b"m:format", None)], True)
    with pytest.raises(StorageError, match="not of wrpme"):
        checks.check_format(store, "DIR")
    store.write([(b"m:format", b"\xff")], True)
    with pytest.raises(DamagedError, match="its format can't be read"):
        checks.check_format(store, "DIR")
    store.close()
