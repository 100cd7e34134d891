"""What nodes say about who and where they are, also to clients and to nodes of other hives; and what clients published:
the messages that stand apart from those of entries and views."""

from __future__ import annotations

from msgspec import Struct

from wrpme.protocol.view import NodeId


class GetHive(Struct, frozen=True, array_like=True, tag=30, gc=False):
    """The id of the hive that the asked node is in, as Content; empty while it is in none."""

    id: int


class Refused(Struct, frozen=True, array_like=True, tag=124):
    """The sender will not listen to that ``incarnation`` of the receiver (0: to whatever life of it). ``others`` are
    addresses of the hive, for whoever has to join it anew."""

    code: int
    sentence: str
    incarnation: int = 0
    others: tuple[str, ...] = ()


class Where(Struct, frozen=True, array_like=True, tag=135):
    """Who is here? The sender says that it is at ``address`` itself; ``asked`` is its own clock, below 0 where the
    question goes back on a connection."""

    asked: float
    address: str


class Here(Struct, frozen=True, array_like=True, tag=136):
    """The sender is at ``address``: the answer to Where, or to a message that was meant for another node or hive
    (``asked`` is below 0). ``others`` are nodes, their lives and addresses, that are not where the view has them."""

    asked: float
    address: str
    others: tuple[tuple[NodeId, int, str], ...] = ()


class Publication(Struct, frozen=True, array_like=True, gc=False):
    """A message that a client published to a channel; the channels of ``sharded`` ones are others of the same names."""

    channel: bytes
    content: bytes
    sharded: bool = False


class Published(Struct, frozen=True, array_like=True, tag=128):
    """To all members: what was published at the sender, in order. Nothing answers it, and it is never said again."""

    messages: tuple[Publication, ...]
