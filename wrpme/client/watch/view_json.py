"""A view as plain data for people and scripts: ids in hex, members by their address where arcs name them.

It loses nothing that a client is told. An address that a dead member and a living one share would be ambiguous: these,
and whoever is no member any more, are named by their id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from wrpme.errors import ProtocolError
from wrpme.protocol import ring
from wrpme.protocol.view import Arc, Member, NodeId, State, View


class TopologyMember(Struct, frozen=True):
    """See :class:`wrpme.protocol.view.Member`; ``id`` in hex, ``state`` one of up, leaving, down."""

    address: str
    id: str
    incarnation: int
    joined: int
    state: str
    secured: bool = False


class TopologyArc(Struct, frozen=True):
    """See :class:`wrpme.protocol.view.Arc`; ``start`` is its first position; all positions in hex."""

    start: str
    end: str
    version: int
    holders: tuple[str, ...]
    incoming: tuple[str, ...]
    prev: tuple[str, ...]
    wanted: tuple[str, ...]
    settled: tuple[tuple[str, int], ...] = ()


class Topology(Struct, frozen=True):
    """See :class:`wrpme.protocol.view.View`; ``hive`` in hex."""

    hive: str
    generation: int
    epoch: int
    replication: int
    members: tuple[TopologyMember, ...]
    voters: tuple[str, ...]
    arcs: tuple[TopologyArc, ...]
    branch: int = 0
    tags: bool = False
    users_since: int = 0


def topology(now: View) -> Topology:
    """The view in words."""
    at = Counter(member.address for member in now.members)
    known = {member.id: member.address for member in now.members if at[member.address] == 1}

    def names(nodes: Sequence[NodeId]) -> tuple[str, ...]:
        return tuple(known.get(node) or node.hex() for node in nodes)

    return Topology(
        hive=now.hive.hex(),
        generation=now.generation,
        epoch=now.epoch,
        replication=now.replication,
        members=tuple(
            TopologyMember(one.address, one.id.hex(), one.incarnation, one.joined, one.state.name.lower(), one.secured)
            for one in now.members
        ),
        voters=names(now.voters),
        arcs=tuple(
            TopologyArc(
                f"{ring.arc_start(now, index):016x}", f"{arc.end:016x}", arc.version, names(arc.holders),
                names(arc.incoming), names(arc.prev), names(arc.wanted),
                tuple((f"{end:016x}", version) for end, version in arc.settled),
            )
            for index, arc in enumerate(now.arcs)
        ),
        branch=now.branch,
        tags=now.tags,
        users_since=now.users_since,
    )  # fmt: skip


def view_in(shown: Topology) -> View:
    """The view that :func:`topology` put into words; ProtocolError if these are none."""
    try:
        members = tuple(
            Member(
                bytes.fromhex(one.id), one.incarnation, one.address, one.joined, State[one.state.upper()], one.secured
            )
            for one in shown.members
        )
        at = {member.address: member.id for member in members}

        def ids(names: Sequence[str]) -> tuple[NodeId, ...]:
            return tuple(at[name] if name in at else bytes.fromhex(name) for name in names)

        arcs = tuple(
            Arc(
                int(arc.end, 16),
                arc.version,
                ids(arc.holders),
                ids(arc.incoming),
                ids(arc.prev),
                ids(arc.wanted),
                tuple((int(end, 16), version) for end, version in arc.settled),
            )
            for arc in shown.arcs
        )
        hive, voters = bytes.fromhex(shown.hive), ids(shown.voters)
    except (ValueError, KeyError) as error:
        raise ProtocolError(f"a view is malformed ({error})") from None
    return View(
        shown.epoch, hive, shown.generation, shown.replication, members, arcs, voters, shown.branch, shown.tags,
        users_since=shown.users_since,
    )  # fmt: skip
