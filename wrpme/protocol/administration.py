"""What an operator asks of the hive and of its nodes, and what changes who is there and what they hold.

Part of what is said on the wire, see :mod:`wrpme.protocol.messages`.
"""

from __future__ import annotations

import re

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


# --- where the time of requests went ------------------------------------------------------------------------------

REQUEST_ID_CHARACTERS_MAX = 64
ROUNDED_TO_NOTHING = 0.5
"""Milliseconds."""


class GetSlow(Struct, frozen=True, array_like=True, tag=26, gc=False):
    """Asks a node for its last slow requests, the latest first, at most ``count`` of them; with ``forget`` they are
    forgotten with the answer. Answered by SlowLog."""

    id: int
    node: NodeId
    count: int
    forget: bool = False


class SlowRequest(Struct, frozen=True, array_like=True):
    """A request that took a node longer than its threshold, from when it came until it was answered. ``number`` counts
    them from the node's start, ``at`` is milliseconds since 1970 by its clock when it was answered, ``kind`` is the
    name of the message, ``count`` how many requests were answered together. ``alias`` is that of the only one, or of
    one of them, or the beginning of it, where it is known. ``source`` is the client, or the node that passed it on.
    ``error`` is the code of the error that it was answered with, 0 for none.

    Of the milliseconds it waited ``queued`` until its batch left for the disk, ``disk`` until that was on disk, and
    ``others`` for somebody else, who is ``waited_for``."""

    number: int
    at: float
    kind: str
    alias: bytes
    count: int
    source: str
    request_id: str
    error: int
    milliseconds: float
    queued: float = 0.0
    disk: float = 0.0
    others: float = 0.0
    waited_for: str = ""


class SlowLog(Struct, frozen=True, array_like=True, tag=76):
    """``noted`` requests took longer than the threshold since the node's start; of these it keeps the last ones."""

    id: int
    threshold_milliseconds: float
    noted: int
    requests: tuple[SlowRequest, ...]


class Kept(Struct, frozen=True, array_like=True, tag=129):
    """The owner tells a node that keeps copies: the write of the request with that id, which is of ``what``, was
    acknowledged by it."""

    request_id: str
    what: str


def request_id_of(text: str) -> str:
    """Returns the text, which may be the id of a request.

    Raises:
        ValueError: it may not.
    """
    if not 0 < len(text) <= REQUEST_ID_CHARACTERS_MAX or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"an id of a request has 1 to {REQUEST_ID_CHARACTERS_MAX} characters of ASCII that can be seen, no spaces"
        )
    return text


def kind_in_words(kind: str) -> str:
    """Returns the words for a kind of request: ``get_update`` for ``GetUpdate``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()


def place_in_words(slow: SlowRequest) -> str:
    """Returns where the time of a slow request went."""
    parts = [
        (slow.queued, "queued"),
        (slow.disk, "its disk"),
        (slow.others, slow.waited_for),
    ]
    told = [f"{milliseconds:.0f} ms {where}" for milliseconds, where in parts if milliseconds >= ROUNDED_TO_NOTHING]
    return ", ".join(told) or "computing"
