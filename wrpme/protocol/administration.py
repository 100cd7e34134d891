"""What an operator asks of the hive and of its nodes, and what changes who is there and what they hold.

Part of what is said on the wire, see :mod:`wrpme.protocol.messages`.
"""

from __future__ import annotations

from typing import Union

from msgspec import Struct

from wrpme.protocol.view import Choice, NodeId


class StopNode(Struct, frozen=True, array_like=True, tag=17, gc=False):
    """Planned stop of a node; answered when the stop has begun."""

    id: int
    node: NodeId


class LeaveNode(Struct, frozen=True, array_like=True, tag=18, gc=False):
    """The node moves its data away, then stops for good; answered when that has begun."""

    id: int
    node: NodeId


class ForgetNode(Struct, frozen=True, array_like=True, tag=19, gc=False):
    """The operator's word that ``member``, which is down in that incarnation, never returns; answered when the voters
    have been asked. ``choices`` are those of the change."""

    id: int
    member: NodeId
    incarnation: int
    choices: tuple[Choice, ...] = ()


class Recover(Struct, frozen=True, array_like=True, tag=20, gc=False):
    """The operator's word that the voters that the asked node does not see are dead: it starts a new generation. An arc
    that none of its nodes holds starts again as ``choices`` say, or empty."""

    id: int
    choices: tuple[Choice, ...] = ()


class SetReplication(Struct, frozen=True, array_like=True, tag=25, gc=False):
    """There shall be ``replication`` copies of each entry, where the operator knows of ``known`` ones; answered when
    the voters have been asked."""

    id: int
    replication: int
    known: int


# --- backups: arcs as of one moment, see :mod:`wrpme.core.snapshots` -------------------------------------------------


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
