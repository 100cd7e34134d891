"""The picture of the hive: the view, the changes that make the next one, and what Paxos decides about them.

Part of what is said on the wire, see :mod:`wrpme.protocol.messages`; the rules are in docs/how-it-works.md, "Views".
"""

from __future__ import annotations

from enum import IntEnum
from typing import Union

from msgspec import Struct

from wrpme.protocol.access.users import User

NodeId = bytes
NOBODY: NodeId = b""

# --- the view -------------------------------------------------------------------------------------


class State(IntEnum):
    """What the hive agreed on about a member."""

    UP = 0
    LEAVING = 1
    DOWN = 2


class Member(Struct, frozen=True, array_like=True):
    """A node of the hive; ``joined`` is the epoch of its first view, and so its seniority. One that is ``secured``
    takes nothing but TLS."""

    id: NodeId
    incarnation: int
    address: str
    joined: int
    state: State
    secured: bool = False


class Arc(Struct, frozen=True, array_like=True):
    """The stretch of the ring after the end of the arc before, up to ``end`` itself; see docs/how-it-works.md.
    ``wanted`` are the nodes that shall hold it, in their order, those included that are down and waited for.
    ``settled`` are pairs (end of a stretch, version): a write of a suffix that is older than the version of the stretch
    that its hash lies in is void, everywhere and for ever. Stretches are in the order of the ring; one that ends beyond
    the arc, or before it begins, stems from a time when the arc was larger."""

    end: int
    version: int
    holders: tuple[NodeId, ...]
    incoming: tuple[NodeId, ...] = ()
    prev: tuple[NodeId, ...] = ()
    wanted: tuple[NodeId, ...] = ()
    settled: tuple[tuple[int, int], ...] = ()


class View(Struct, frozen=True, array_like=True, dict=True):
    """The agreed, numbered picture of the whole hive. ``members`` are in order of seniority, ``arcs`` of the ring;
    the first of ``voters`` is the senior. ``branch`` tells generations of one number apart: two may have been begun on
    both sides of a cut. ``tags`` says by which rule the positions of its entries are computed, for as long as the hive
    exists, see :func:`wrpme.protocol.ring.position_of`; hives of former releases have none. ``users`` are in the order
    of their names, and ``users_since`` is the epoch of the view that changed them last. What is looked up in it is
    worked out once and kept beside it, see :mod:`wrpme.protocol.view_index`."""

    epoch: int
    hive: bytes
    generation: int
    replication: int
    members: tuple[Member, ...]
    arcs: tuple[Arc, ...]
    voters: tuple[NodeId, ...]
    branch: int = 0
    tags: bool = False
    users: tuple[User, ...] = ()
    users_since: int = 0


# --- changes of the view -----------------------------------------------------------------------------------------


class Join(Struct, frozen=True, array_like=True, tag=1):
    """A new node asks to become a member; of a hive with that many copies, if it says how many (not 0)."""

    node: NodeId
    incarnation: int
    address: str
    replication: int = 0
    secured: bool = False


class Mark(Struct, frozen=True, array_like=True):
    """How complete a node's copy of the arc with that ``end`` is, at that ``version`` of the arc: ``written`` and
    ``sequence`` are the version of the last write that it has on disk. Of two copies the one with the higher pair of
    these has all that the other has."""

    end: int
    version: int
    written: int
    sequence: int


class Back(Struct, frozen=True, array_like=True, tag=2):
    """A member started again, or was wrongly taken for dead. In the latter case it asks at ``epoch``, and of that view
    alone: a word that was late must not revive a node that has not seen that it died once more. ``marks`` are those of
    the arcs that it holds together with others; ``known`` is the life that its own view has of it, which its directory
    has lived through (0 from a node of a former release)."""

    node: NodeId
    incarnation: int
    address: str
    epoch: int = 0
    marks: tuple[Mark, ...] = ()
    known: int = 0
    secured: bool = False


class Down(Struct, frozen=True, array_like=True, tag=3):
    """A member is dead (or ``planned``: stops; or ``hung``: its own disk takes nothing, as it says itself);
    ``incarnation`` says which life of it ended."""

    node: NodeId
    incarnation: int
    planned: bool = False
    hung: bool = False


class Synced(Struct, frozen=True, array_like=True, tag=4):
    """The owner of the arc says that ``node`` has all of it."""

    end: int
    version: int
    node: NodeId
    reporter: NodeId
    incarnation: int


class Activated(Struct, frozen=True, array_like=True, tag=5):
    """The owner serves the arc at this version: nobody else can believe to be its owner any more."""

    end: int
    version: int
    reporter: NodeId
    incarnation: int


class Elect(Struct, frozen=True, array_like=True, tag=6):
    """One more voter, which has acknowledged the present view."""

    node: NodeId


class Leave(Struct, frozen=True, array_like=True, tag=7):
    """A member goes for good: others get its copies first."""

    node: NodeId
    incarnation: int


class Expel(Struct, frozen=True, array_like=True, tag=8):
    """A dead member is not waited for any longer."""

    node: NodeId
    incarnation: int


class Choice(Struct, frozen=True, array_like=True):
    """The arc with that ``end``, whose last holder is given up at that ``version``, starts again from the copy that
    ``node`` has on its disk; from nothing if it is nobody."""

    end: int
    version: int
    node: NodeId


class Forget(Struct, frozen=True, array_like=True, tag=9):
    """The operator's word that a dead member never returns. Of each arc that it alone held ``choices`` say where it
    starts again; without that, or if it is not as they say, the change is void."""

    node: NodeId
    incarnation: int
    choices: tuple[Choice, ...] = ()


class Replicate(Struct, frozen=True, array_like=True, tag=10):
    """An operator wants ``replication`` copies of each entry, where he knows of ``known`` ones: so of two
    operators who ask at one time the second one does not undo unseen what the first one did."""

    replication: int
    known: int


class PutUser(Struct, frozen=True, array_like=True, tag=11):
    """An admin wants that user, where he knows him as of the view ``known``, or knows of none of that name (0)."""

    user: User
    known: int


class DropUser(Struct, frozen=True, array_like=True, tag=12):
    """An admin wants no user of that name, whom he knows as of the view ``known``; without a name no users at all, as
    that view left them."""

    name: str
    known: int


Change = Union[Join, Back, Down, Synced, Activated, Elect, Leave, Expel, Forget, Replicate, PutUser, DropUser]


class Patch(Struct, frozen=True, array_like=True):
    """What makes the next view of one: members and arcs that are new or differ, and those that are gone (members by id,
    arcs by their end); the voters if they differ, else nobody; the number of copies if it differs, else 0; users that
    are new or differ, and the names of those that are gone. Its size is that of the change, not of the hive."""

    members: tuple[Member, ...] = ()
    left: tuple[NodeId, ...] = ()
    arcs: tuple[Arc, ...] = ()
    ends: tuple[int, ...] = ()
    voters: tuple[NodeId, ...] = ()
    replication: int = 0
    users: tuple[User, ...] = ()
    gone: tuple[str, ...] = ()


class Proposal(Struct, frozen=True, array_like=True):
    """What Paxos decides: the outcome, as a patch of the view before, and the digest of the view that results. The
    ``changes`` are the reasons, and ``proposer`` is the node that made it, for those who want to know."""

    changes: tuple[Change, ...]
    patch: Patch
    digest: bytes
    proposer: NodeId = NOBODY


class Ballot(Struct, frozen=True, array_like=True, order=True):
    """Number of an attempt; the incarnation keeps attempts of one node's different lives apart."""

    round: int
    node: NodeId
    incarnation: int
