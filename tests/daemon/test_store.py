"""One suite that every store passes, in memory and on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrpme.core.io import Operation
from wrpme.daemon.storage.leveldb import FORMAT_KEY, open_store
from wrpme.daemon.storage.store import MemoryStore, Store

ALL = (b"a", b"m")
"""All that a test writes; the mark of the format lies behind it."""


@pytest.fixture(params=["memory", "leveldb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else open_store(str(tmp_path / "data"))
    yield made
    made.close()


def keys(store: Store, low: bytes = ALL[0], high: bytes = ALL[1]) -> list[bytes]:
    return [key for key, _ in store.scan(low, high)]


def put(store: Store, *names: bytes) -> None:
    store.write([(name, b"=" + name) for name in names], sync=False)


def test_what_is_written_is_read(store: Store) -> None:
    assert store.get(b"b") is None
    store.write([(b"b", b"1"), (b"c", b"")], sync=True)
    assert store.get(b"b") == b"1"
    assert store.get(b"c") == b""
    store.write([(b"b", b"2"), (b"c", None), (b"none", None)], sync=False)
    assert store.get(b"b") == b"2"
    assert store.get(b"c") is None


def test_a_batch_is_applied_in_order(store: Store) -> None:
    store.write([(b"b", b"1"), (b"b", None), (b"c", None), (b"c", b"1"), (b"c", b"2")], sync=False)
    assert list(store.scan(*ALL)) == [(b"c", b"2")]


def test_a_scan_has_its_first_bound_and_not_its_last(store: Store) -> None:
    put(store, b"b", b"c", b"c\0", b"d", b"da")
    assert keys(store, b"c", b"d") == [b"c", b"c\0"]
    assert keys(store, b"bb", b"da") == [b"c", b"c\0", b"d"]
    assert keys(store, b"d", b"c") == []
    assert keys(store, b"e", b"m") == []


def test_keys_are_in_order_of_their_bytes(store: Store) -> None:
    names = [b"b\xff", b"b", b"b\x00\x00", b"b\x00", b"B" + b"\xff" * 3, b"ba"]
    put(store, *names)
    assert keys(store, b"A", b"m") == sorted(names)


def test_a_scan_may_be_dropped_half_way(store: Store) -> None:
    put(store, *(b"b%d" % number for number in range(100)))
    for _ in range(50):
        scan = store.scan(*ALL)
        next(scan)
        del scan
    store.close()
    store.close()


def test_a_scan_goes_on_while_something_is_written(store: Store) -> None:
    put(store, b"b", b"d", b"f", b"h")
    scan = store.scan(*ALL)
    seen = [next(scan)[0], next(scan)[0]]
    store.write([(b"a", b""), (b"b", None), (b"c", b""), (b"d", None), (b"e", b""), (b"f", None)], sync=False)
    seen += [key for key, _ in scan]
    assert seen == sorted(set(seen))
    assert seen[:2] == [b"b", b"d"]
    assert seen[-1] == b"h"


def test_large_values(store: Store) -> None:
    value = os.urandom(8 << 20)
    store.write([(b"b", value)], sync=True)
    assert store.get(b"b") == value


OPERATIONS = st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.none() | st.binary(max_size=3)), max_size=20)


@settings(max_examples=100)
@given(batches=st.lists(OPERATIONS, max_size=6), bounds=st.tuples(st.binary(max_size=2), st.binary(max_size=2)))
def test_stores_do_the_same_as_a_dict(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Operation]], bounds: tuple[bytes, bytes]
) -> None:
    directory = tmp_path_factory.mktemp("store")
    on_disk = open_store(str(directory))
    stores: list[Store] = [MemoryStore(), on_disk]
    on_disk.write([(FORMAT_KEY, None)], sync=False)  # so that both begin with nothing
    model: dict[bytes, bytes] = {}
    for batch in batches:
        for key, value in batch:
            model[key] = value or b""
            if value is None:
                del model[key]
        for store in stores:
            store.write(batch, sync=False)
    expected = sorted(item for item in model.items() if bounds[0] <= item[0] < bounds[1])
    for store in stores:
        assert list(store.scan(*bounds)) == expected
        store.close()
    shutil.rmtree(directory)
