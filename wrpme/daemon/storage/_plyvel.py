"""The one place that knows which binding of LevelDB is used: plyvel up to Python 3.11, its successor from 3.12 on.

Neither has types; what is used of them is written down here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

_MODULE: Any = import_module("plyvel_next" if sys.version_info >= (3, 12) else "plyvel")

Error: type[Exception] = _MODULE.Error
"""Root of what LevelDB raises; the message begins with ``IO error:``, ``Corruption:``, ``Invalid argument:``..."""
CorruptionError: type[Exception] = _MODULE.CorruptionError


class Batch(Protocol):
    """Writes that are applied together."""

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def write(self) -> None: ...

    def approximate_size(self) -> int: ...


class Snapshot(Protocol):
    """What a database held at one moment."""

    def iterator(
        self, *, start: bytes, stop: bytes, include_value: bool = True, verify_checksums: bool, fill_cache: bool
    ) -> Iterator[tuple[bytes, bytes]]: ...

    def close(self) -> None: ...


class Database(Protocol):
    """An open LevelDB; ``close`` while another thread is inside of it ends the process."""

    def get(self, key: bytes, default: None = None, *, verify_checksums: bool = False) -> bytes | None: ...

    def iterator(
        self, *, start: bytes, stop: bytes, include_value: bool = True, verify_checksums: bool, fill_cache: bool
    ) -> Iterator[tuple[bytes, bytes]]: ...

    def write_batch(self, *, sync: bool) -> Batch: ...

    def compact_range(self, *, start: bytes, stop: bytes) -> None: ...

    def approximate_size(self, start: bytes, stop: bytes) -> int: ...

    def get_property(self, name: bytes) -> bytes | None: ...

    def snapshot(self) -> Snapshot: ...

    def close(self) -> None: ...


def repair(directory: str) -> None:
    """Lets LevelDB make of the directory what it can still read; what it can't, it moves away."""
    _MODULE.repair_db(directory, paranoid_checks=True)  # else it keeps blocks whose checksum is wrong


def open_database(directory: str, **options: object) -> Database:
    """Opens the LevelDB in ``directory``; the options are those of ``plyvel.DB``."""
    database: Database = _MODULE.DB(directory, **options)
    return database
