"""Watch records: the views, events and figures of all nodes, in the order in which a watcher sees them.

``at`` is seconds since 1970 by the watcher's clock, ``node`` the address of the node that told it. ``wrpmesh watch``
prints watch records as lines of JSON (:func:`to_line`, :func:`from_line`); the dashboard's ``--record`` keeps the same
objects in another encoding (:func:`to_object`, :func:`from_object`).
"""

from __future__ import annotations

from typing import Any, Union

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from wrpme.errors import ProtocolError
from wrpme.protocol.events import UNENDED, ClusterEvent
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import View
from wrpme.client.watch.view_json import Topology, topology, view_in


class ViewSeen(Struct, frozen=True, tag="view", tag_field="saw"):
    """A node has adopted a view that is newer than all before, or of another hive than before."""

    at: float
    node: str
    view: View


class EventSeen(Struct, frozen=True, tag="event", tag_field="saw"):
    """Something happened in the hive. What several nodes tell alike makes one record."""

    at: float
    node: str
    event: ClusterEvent


class StatsSeen(Struct, frozen=True, tag="figures", tag_field="saw"):
    """A node has told its figures. Where it can't be reached from here, ``through`` is the address of the node that
    was asked for them instead."""

    at: float
    node: str
    stats: NodeStats = msgspec.field(name="figures")
    through: str = ""


class Reached(Struct, frozen=True, tag="reached", tag_field="saw"):
    """The node can be reached, and tells from now on."""

    at: float
    node: str


class Gone(Struct, frozen=True, tag="gone", tag_field="saw"):
    """The node is not heard any more, or can't be reached; ``reason`` is a sentence. There is one such record until the
    node is reached again."""

    at: float
    node: str
    reason: str


class Missed(Struct, frozen=True, tag="missed", tag_field="saw"):
    """``count`` events of the node were left out, as they were not read in time."""

    at: float
    node: str
    count: int


WatchRecord = Union[ViewSeen, EventSeen, StatsSeen, Reached, Gone, Missed]

# --- as plain objects, and as lines of JSON ----------------------------------------------------------------------


class _ViewLine(Struct, frozen=True, tag="view", tag_field="saw"):
    at: float
    node: str
    view: Topology


class _EventFields(Struct, frozen=True, omit_defaults=True):
    """A :class:`ClusterEvent`, by the names of its fields."""

    number: int
    at: int
    kind: str
    epoch: int
    node: str
    sentence: str
    hive: bool
    seconds: float = UNENDED


class _EventLine(Struct, frozen=True, tag="event", tag_field="saw"):
    at: float
    node: str
    event: _EventFields = msgspec.field(name="happening")


_Line = Union[_ViewLine, _EventLine, StatsSeen, Reached, Gone, Missed]
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(_Line).decode


def to_line(record: WatchRecord) -> bytes:
    """Returns the watch record as one object of JSON in a line, without the line end. ``at`` is rounded to the
    millisecond; an event that has no ``seconds`` is written without them."""
    return _ENCODE(_written(record))


def to_object(record: WatchRecord) -> dict[str, Any]:
    """Returns what :func:`to_line` encodes, made of dictionaries, lists, strings and numbers."""
    plain: dict[str, Any] = msgspec.to_builtins(_written(record))
    return plain


def _written(record: WatchRecord) -> _Line:
    at = round(record.at, 3)
    if isinstance(record, ViewSeen):
        return _ViewLine(at, record.node, topology(record.view))
    if isinstance(record, EventSeen):
        fields = asdict(record.event)
        if fields["seconds"] < 0:
            fields["seconds"] = UNENDED  # the very object: what is a default is known by that
        return _EventLine(at, record.node, _EventFields(**fields))
    return replace(record, at=at)


def from_line(line: bytes) -> WatchRecord:
    """Returns the watch record that :func:`to_line` made the line of.

    Raises:
        ProtocolError: the line is none of these.
    """
    try:
        return _read(_DECODE(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the line is no watch record ({error})") from None


def from_object(plain: object) -> WatchRecord:
    """Returns the watch record that :func:`to_object` made the object of.

    Raises:
        ProtocolError: the object is none of these.
    """
    try:
        return _read(msgspec.convert(plain, _Line))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProtocolError(f"the object is no watch record ({error})") from None


def _read(decoded: _Line) -> WatchRecord:
    if isinstance(decoded, _ViewLine):
        return ViewSeen(decoded.at, decoded.node, view_in(decoded.view))
    if isinstance(decoded, _EventLine):
        return EventSeen(decoded.at, decoded.node, ClusterEvent(**asdict(decoded.event)))
    return decoded
