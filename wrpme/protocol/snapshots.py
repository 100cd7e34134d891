"""What is said of arcs as of one moment, for a backup; see :mod:`wrpme.core.snapshots`."""

from __future__ import annotations

from typing import Union

from msgspec import Struct

from wrpme.protocol.view import NodeId


class OpenSnapshot(Struct, frozen=True, array_like=True, tag=60, gc=False):
    """Begins a snapshot of the arc with that ``end``, which ``node`` owns at that epoch: all its entries as of one
    moment, answered by Snapshot."""

    id: int
    node: NodeId
    epoch: int
    end: int


class SnapshotPage(Struct, frozen=True, array_like=True, tag=61, gc=False):
    """What follows in a snapshot of that node: ``after`` and ``offset`` are those of the page before, nothing and 0 at
    first. Answered by SnapshotPart."""

    id: int
    node: NodeId
    snapshot: int
    after: bytes = b""
    offset: int = 0


class CloseSnapshot(Struct, frozen=True, array_like=True, tag=62, gc=False):
    """A snapshot is not needed any more."""

    id: int
    node: NodeId
    snapshot: int


SnapshotRequest = Union[OpenSnapshot, SnapshotPage, CloseSnapshot]
SNAPSHOT_REQUESTS = (OpenSnapshot, SnapshotPage, CloseSnapshot)


class Snapshot(Struct, frozen=True, array_like=True, tag=74, gc=False):
    """The snapshot with that ``number`` has about so many ``entries`` of an arc that begins at ``first``."""

    id: int
    number: int
    first: int
    entries: int


class Saved(Struct, frozen=True, array_like=True):
    """An entry of a snapshot with its version; or a ``part`` of its content of ``size`` bytes, from ``offset`` on."""

    alias: bytes
    expiry: int
    version: bytes
    size: int
    offset: int
    part: bytes

    @property
    def is_last(self) -> bool:
        """Whether the part reaches the end of the content."""
        return self.offset + len(self.part) >= self.size


class SnapshotPart(Struct, frozen=True, array_like=True, tag=75):
    """A page of a snapshot, which may be empty; ``more`` tells that others follow it, from ``after`` on, which only the
    node understands, and with an ``offset`` in the content of the last entry."""

    id: int
    entries: tuple[Saved, ...]
    more: bool
    after: bytes = b""
    offset: int = 0
