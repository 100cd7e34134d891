"""Data directories as nodes leave them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from wrpme.core.layout import VIEW_KEY, key_of, mark_key, mark_value, operations_for, value_of
from wrpme.core.membership import transitions as views
from wrpme.daemon.storage import identity
from wrpme.daemon.storage.leveldb import open_store
from wrpme.protocol import ring, view_index

NODE, HIVE = b"n" * 16, b"h" * 16
VIEW = views.found(HIVE, NODE, 1, "127.0.0.1:5909", 2)
ENTRIES: Mapping[bytes, tuple[int, bytes]] = {
    b"a": (0, b"1"), b"empty": (0, b""), b"\xff\r\n": (1_900_000_000_000, b"x"),
    b"large": (0, Random(1).randbytes(1_000_000)),  # which can't be compressed
    **{b"entry/%d" % number: (0, Random(number).randbytes(500)) for number in range(100)},
}  # fmt: skip


def key(alias: bytes) -> bytes:
    """Where the entry lies."""
    return key_of(ring.position_of(VIEW, alias), alias)


def made(directory: Path) -> str:
    """One with these entries, a view and an identity."""
    store = open_store(str(directory))
    identity.next_life(store, lambda count: NODE[:count])
    store.write([(VIEW_KEY, view_index.pack(VIEW)), (mark_key(0, ring.RING - 1), mark_value((1, 4)))], True)
    for number, (alias, (expiry, content)) in enumerate(ENTRIES.items()):
        store.write(operations_for(key(alias), value_of((1, number), expiry, content)), True)
    store.close()
    return str(directory)
