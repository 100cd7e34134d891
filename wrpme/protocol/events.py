"""What happens in a hive, as a node tells it to those who watch.

Some of it every node sees alike, as it follows from the views (``hive``); the rest only the node that tells it.
"""

from __future__ import annotations

from msgspec import Struct

UNENDED = -1.0
"""``seconds`` of an event that ended nothing."""

KINDS: dict[str, str] = {
    # of the hive as a whole: from one view to the next
    "founded": "the hive begins",
    "joined": "a node became a member",
    "back": "a member that was down is up again",
    "restarted": "a member has started again",
    "stopped": "a member has stopped as planned",
    "down": "a member is dead",
    "leaving": "a member goes for good, its data first",
    "left": "a member has gone for good",
    "expelled": "a dead member is not waited for any longer",
    "forgotten": "an operator gave a dead member up",
    "replication": "an operator wants another number of copies of each entry",
    "users": "an admin added, changed or removed a user",
    "recovered": "an operator began a new generation without the missing voters",
    "voter": "a member is one more voter",
    "copying": "a node begins to receive arcs",
    "copied": "a node has all arcs that it was to receive",
    "owners": "arcs go from one owner to another",
    "activated": "the new owners serve",
    "condition": "the hive as a whole is stable, stabilizing, degraded or unavailable",
    "view": "a view was decided: its changes, and by whom they were proposed",
    # of the node that tells it
    "serving": "this node serves from now on",
    "cut_off": "the hive took this node for dead",
    "suspected": "this node has had no sign of another one for too long",
    "heard": "a suspected node is heard again",
    "quorum_lost": "this node sees no quorum",
    "quorum": "this node sees a quorum again",
    "address": "somebody else answers at the address of a node, or nobody",
    "copy": "a process runs on an older copy of a node's data directory",
    "foreign": "a node of another hive answers at the address of a member, or the other way round",
    "generations": "a generation was begun twice, and the nodes of one of them give way",
    "stopping": "this node was asked to stop",
    "clock": "time passed that the clock of this node did not count",
    "late": "this node was held up, and doubts itself rather than others",
    "disk_hangs": "the disk of this node takes nothing",
    "disk_slow": "the disk of this node is slow again and again",
    "disk": "the disk of this node works as it should again",
    "full": "this node holds as much as its limit allows",
    "room": "this node takes data again",
    "clock_differs": "the clock of another node is more than a second ahead of this one's, or behind",
    "clock_agrees": "the clocks agree again",
}
"""Every kind, with what it says; a node of a later version may tell others."""


class ClusterEvent(Struct, frozen=True, array_like=True, gc=False):
    """``number`` grows within one life of the node that tells it; ``at`` is milliseconds since 1970 by its clock;
    ``kind`` is one of :data:`KINDS`; ``epoch`` that of its view then; ``node`` the address of the node it is about,
    empty for the hive as a whole; ``sentence`` is for the operator; ``seconds`` how long that lasted which ended here,
    below 0 if nothing did; with ``hive`` each node tells the same of that epoch."""

    number: int
    at: int
    kind: str
    epoch: int
    node: str
    sentence: str
    seconds: float = UNENDED
    hive: bool = False
