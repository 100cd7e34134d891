"""What nodes tell of themselves, and how the hive is by all of that together."""

from __future__ import annotations

from msgspec import Struct

from wrpme import errors
from wrpme.protocol import health
from wrpme.protocol import address as addresses
from wrpme.protocol.view import Member, State, View


class Copy(Struct, frozen=True):
    """A copy of an arc (by its end, in hex) to or from ``peer``; ``done`` is from 0 to 1."""

    end: str
    peer: str
    done: float


class Neighbour(Struct, frozen=True, array_like=True):
    """A node that this one sends heartbeats to, and the seconds since its last sign of life."""

    address: str
    age: float


class ClockApart(Struct, frozen=True, array_like=True):
    """A node whose wall clock is so many seconds ahead of that of the one that tells it; below 0: behind."""

    address: str
    ahead: float


def clock_sentence(address: str, ahead: float, others: str) -> str:
    """For the log, and for ``hive_status``."""
    way = "ahead of" if ahead > 0 else "behind"
    return (
        f"the clock of {address} is {abs(ahead):,.1f} s {way} that of {others}: life spans go by what most "
        "clocks show, so let NTP set the clocks of all hosts"
    )


CERTIFICATE_OF = "the certificate of "


class NodeStats(Struct, frozen=True):
    """What a node tells of itself; see the reference of ``node_status``. Counters begin at 0 with each start."""

    address: str
    epoch: int
    state: str
    version: str
    uptime_seconds: float
    share: float
    entries: int
    bytes: int
    voter: bool
    id: str = ""
    """In hex."""
    incarnation: int = 0
    """Of this life: another one at each start."""
    hive: str = ""
    generation: int = 0
    branch: int = 0
    serving: bool = True
    copies: int = 0
    """Entries held beside those that it owns."""
    at_risk_share: float = 0.0
    at_risk_entries: int = 0
    """Of the arcs that it owns: those with fewer live holders than wanted."""
    grace_seconds: float = 0.0
    suspected: tuple[str, ...] = ()
    quorum: str = ""
    troubles: tuple[str, ...] = ()
    """What an operator should look at: addresses and directories that are not what the hive takes them for, and a
    certificate with little of its life left, which begins with ``CERTIFICATE_OF``."""
    joining: int = 0
    """Nodes that have asked this one to be taken in, and wait for it; a voter tells."""
    copies_out: tuple[Copy, ...] = ()
    copies_in: tuple[Copy, ...] = ()
    operations: dict[str, int] = {}
    """Requests of clients by kind, those included that were passed on."""
    latency: tuple[tuple[int, int], ...] = ()
    """Answered requests on entries by how long they took here: pairs of a bucket of :mod:`wrpme.protocol.histogram`
    and a count."""
    received_bytes: int = 0
    sent_bytes: int = 0
    """Over all connections, those of other nodes included."""
    sessions: int = 0
    """Connections of clients."""
    redis_sessions: int = 0
    """Of these: of Redis clients."""
    memory_bytes: int = 0
    disk_bytes: int = 0
    """Of the data directory; with ``disk_free_bytes`` 0, nobody looked."""
    disk_free_bytes: int = 0
    disk_seconds: float = 0.0
    disk_seconds_max: float = 0.0
    """How long the batches of the last half minute took to reach its disk: on average, and the longest."""
    disk_waits_seconds: float = 0.0
    """How long the batch that is under way has waited for the disk."""
    late_seconds: float = 0.0
    """By how much it was late within the last L: it doubts itself rather than others then."""
    lease_seconds: float | None = None
    """How much longer it may serve all its arcs if nobody answers any more; None where it needs nobody."""
    held_bytes: int = 0
    """Of all data here, copies included."""
    bytes_max: int = 0
    """What that may be at most; 0: no limit."""
    hot_bytes: int = 0
    """Of values that were read or overwritten lately, which it keeps in memory."""
    store_reads: int = 0
    """Gets and writes since its start that found the value before not there, and looked into the store."""
    slow_requests: int = 0
    """Those that took longer than the threshold."""
    wrong_passwords: int = 0
    """Said here since its start."""
    certificate_seconds: float | None = None
    """For how long its certificate is valid, below 0 once that has expired; None without TLS."""
    slow_last: str = ""
    """The last one of them, and where its time went."""
    neighbours: tuple[Neighbour, ...] = ()
    clocks: tuple[ClockApart, ...] = ()
    """Of its neighbours those whose clock differs from its own by more than a second."""


class NodeStatus(Struct, frozen=True):
    """A member and its figures; where it did not tell them, ``stats`` is None and ``error`` says why."""

    member: Member
    stats: NodeStats | None
    error: errors.WrpmeError | None


class HiveStatus(Struct, frozen=True):
    """The view of one node, and what each member told; ``open`` tells that the hive has no users."""

    view: View
    nodes: tuple[NodeStatus, ...]
    open: bool = False


def condition_of(status: HiveStatus, by_view: health.Condition | None = None) -> health.Condition:
    """As the view has it (``by_view``, where that is known already); but a view may be old: nodes that have no quorum,
    or do not answer, know or show better."""
    condition = by_view or health.condition(status.view)
    if condition.word == "unavailable":
        return condition
    for node in status.nodes:
        if node.stats is not None and node.stats.quorum:
            sentence = node.stats.quorum.replace("this node", node.member.address, 1)
            return health.Condition("unavailable", sentence)
    silent = [node.member.address for node in status.nodes if node.error and node.member.state is not State.DOWN]
    if silent:
        names = addresses.listed(silent)
        answers = "does not answer; what lives there is served when it does"
        if len(silent) > 1:
            answers = "do not answer; what lives there is served when they do"
        return health.Condition("unavailable", f"{names} {answers}")
    joining = max((node.stats.joining for node in status.nodes if node.stats), default=0)
    if joining and condition.word in ("stable", "stabilizing"):
        there = len(status.view.members)
        sentence = f"{there} of {there + joining} nodes have joined"
        if condition.word == "stabilizing":
            sentence = f"{sentence}; {condition.sentence}"
        return health.Condition("stabilizing", sentence)
    starting = [node.member.address for node in status.nodes if node.stats and not node.stats.serving]
    if starting and condition.word == "stable":
        are = "is" if len(starting) == 1 else "are"
        return health.Condition("stabilizing", f"{addresses.listed(starting)} {are} being taken back")
    return condition
