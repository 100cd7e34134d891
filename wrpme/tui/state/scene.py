"""A scene: what is shown at one moment, with everything decided but how it is drawn. It is the same for now, the past
and a replay.

Nodes are named by their place in :attr:`Scene.nodes`, which is that of the view: seniority. Positions on the ring are
slots, 0 to ``SLOTS``. Times are seconds since 1970; ``None`` is what nobody knows.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from wrpme.protocol.view import NodeId


class Mode(Enum):
    """The time that is shown."""

    LIVE = "live"
    PAST = "past"
    REPLAY = "replay"


class Mood(Enum):
    """The condition of the hive, the word in the center of the ring."""

    STABLE = "STABLE"
    STABILIZING = "STABILIZING"
    DEGRADED = "DEGRADED"
    UNAVAILABLE = "UNAVAILABLE"
    DISCONNECTED = "DISCONNECTED"
    """No node tells anything: all that is shown is as of the last word."""
    CONNECTING = "CONNECTING"
    """No node has told anything yet."""


class NodeState(Enum):
    """The state of a node."""

    UP = "up"
    SUSPECTED = "suspected"
    """Another node misses its heartbeats."""
    SILENT = "silent"
    """The hive has it as up, but it does not tell its figures here."""
    JOINING = "joining"
    """A member, or one that has started again, that does not hold yet what it shall."""
    LEAVING = "leaving"
    DOWN = "down"


class CopyShown(Struct, frozen=True):
    """What one node sends to another: a ``share`` of the ring (0 to 1), of which the part ``done`` (0 to 1) has
    arrived."""

    source: int
    target: int
    share: float
    done: float


class NodeShown(Struct, frozen=True):
    """A node. ``name`` is its address without what all nodes have in common; ``key`` is a character that tells it from
    others where there is no colour, empty beyond 62 nodes; ``colour`` is a small number that it keeps for good;
    ``place`` is the slot where it stands on the ring, within the largest arc that it owns, and stays while it owns
    that."""

    id: NodeId
    address: str
    name: str
    key: str
    colour: int
    place: int
    state: NodeState
    since: float | None
    """When it came into this state."""
    reason: str
    """Why it is not up, in a few words; else empty."""
    share: float
    """Of the ring, as owner: 0 to 1."""
    age: float | None
    """Seconds since it told its figures; None: never. All below is as of then."""
    stale: bool
    """So old that it must not be shown as fresh."""
    voter: bool = False
    senior: bool = False
    entries: int | None = None
    copies: int | None = None
    bytes: int | None = None
    operations_per_second: float | None = None
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    received_bytes_per_second: float | None = None
    sent_bytes_per_second: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    disk_free_bytes: int | None = None
    sessions: int | None = None
    redis_sessions: int | None = None
    """Of these: of Redis clients."""
    uptime_seconds: float | None = None
    lease_seconds: float | None = None
    heartbeat_age_seconds: float | None = None
    """Of the neighbour that was not heard for longest."""
    neighbours: tuple[tuple[str, float], ...] = ()
    """Address, and seconds since it was heard."""
    suspects: tuple[str, ...] = ()
    epoch: int = 0
    version: str = ""


class Incoming(Struct, frozen=True):
    """A copy of an arc on its way to ``node``, ``done`` from 0 to 1."""

    node: int
    done: float


class ArcShown(Struct, frozen=True):
    """The slots from ``first`` up to, not including, ``end``. ``holders`` in their order, the owner first, and
    ``wanted`` so many there should be. ``served``: its owner lives. ``changing``: a new owner does not serve yet.
    ``awaited`` are the nodes that held it, or were to, and are down."""

    first: int
    end: int
    holders: tuple[int, ...]
    incoming: tuple[Incoming, ...]
    wanted: int
    served: bool
    changing: bool
    awaited: tuple[int, ...] = ()

    @property
    def lacking(self) -> int:
        """Copies that are missing (an arc that is not served lacks all of them)."""
        return max(0, self.wanted - (len(self.holders) if self.served else 0))


class Way(Struct, frozen=True):
    """The way of a request: the entry of ``alias`` lies at ``slot``; the node at ``asked`` was asked, ``owner``
    answers, ``holders`` have a copy. -1 means that there is none."""

    alias: str
    slot: int
    asked: int
    owner: int
    holders: tuple[int, ...]


class EventShown(Struct, frozen=True):
    """An event as it is listed. ``gravity`` is 0 good, 1 plain, 2 worth a look, 3 bad. ``seconds`` below 0 means no
    duration. ``teller`` is the address of the node that told it, ``others`` are those of further nodes that told the
    same, ``node`` is that of the node that it is about."""

    at: float
    kind: str
    epoch: int
    node: str
    teller: str
    sentence: str
    seconds: float
    gravity: int
    others: tuple[str, ...] = ()


class Scene(Struct, frozen=True):
    """All that is shown of the moment ``at``. ``heard`` nodes tell their figures; if none does, ``silent_since`` is
    when the last word came. ``progress`` (0 to 1) is that of all that moves, None if nothing does. ``entries`` and
    ``operations_per_second`` are None if no node told them; ``partial`` says that some did not. ``warning`` is
    about certificates that expire soon, or have; empty while all are well."""

    mode: Mode
    at: float
    mood: Mood
    sentence: str
    progress: float | None = None
    hive: str = ""
    epoch: int = 0
    generation: int = 0
    replication: int = 0
    heard: int = 0
    silent_since: float | None = None
    entries: int | None = None
    operations_per_second: float | None = None
    partial: bool = False
    nodes: tuple[NodeShown, ...] = ()
    arcs: tuple[ArcShown, ...] = ()
    moves: tuple[CopyShown, ...] = ()
    tags: bool = False
    warning: str = ""
    open: bool = False
    """Whether the hive never had users, and others may reach it."""
