"""What an operator asks of the hive and of its nodes, and what changes who is there and what they hold.

Part of what is said on the wire, see :mod:`wrpme.protocol.messages`.
"""

from __future__ import annotations

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
