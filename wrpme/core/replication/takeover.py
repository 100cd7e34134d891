"""What an owner waits for, and what it takes over, before it serves: see docs/how-it-works.md, "Changing the owner".

A former owner does not know which of its last writes were acknowledged, and hands them over until it is told. So it
may hand over a write that an earlier takeover has settled long ago, and whose entry was removed since: nothing but
the suffix of that removal's own owner would say so, and that is gone. Therefore the view keeps the version at which
each stretch of the ring was settled (``Arc.settled``, since the former owners were forgotten); of suffixes, what is
older than that counts for nothing. From a takeover until ``activated`` is in a view each node that serves or holds the
arc remembers it by itself, on disk, before it acknowledges a write; a holder learns it from the owner's stream, once
that has brought all that the suffixes held.

A node that is down need not be outwaited where it hands over its suffix itself: a planned stop, or one that the hive
was wrong about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from wrpme.core.layout import hash_in, version_in
from wrpme.protocol.messages import Pair, Suffix
from wrpme.protocol.ring import settled_at
from wrpme.protocol.view import Arc, NodeId


def awaited(
    arc: Arc, me: NodeId, alive: Collection[NodeId], told: Collection[NodeId], promise_is_over: Callable[[NodeId], bool]
) -> list[NodeId]:
    """Whom the owner still has to hear from, or to outwait, before it serves."""
    waiting = [
        node for node in arc.prev if node != me and node not in told and (node in alive or not promise_is_over(node))
    ]
    waiting += [node for node in arc.holders if node in alive and node not in (me, *told, *waiting)]
    return waiting


def accepts(arc: Arc, version: int) -> bool:
    """A holder accepts what the owner sends at exactly its own version of the arc."""
    return arc.version == version


class Suffixes:
    """What was handed over for one takeover. ``settled`` is the version from which on a write of the arc counts, at
    most: of some stretches older ones may count, too."""

    def __init__(self, arc: Arc, noted: int = 0) -> None:
        self._arc = arc
        self._noted = noted
        self.settled = max(noted, *(version for _, version in arc.settled)) if arc.settled else noted
        self.told: set[NodeId] = set()
        self.best: dict[bytes, bytes] = {}
        """By key the value, or removal, of the highest version."""
        self._cursors: dict[NodeId, bytes] = {}
        self._parts: dict[NodeId, list[Pair]] = {}
        """What came of suffixes that are not whole yet. It counts for nothing: whoever hands one over may die before
        the rest of a transaction has come, and then is not waited for."""

    def cursor(self, source: NodeId) -> bytes:
        """The key up to which a node has handed over its suffix."""
        return self._cursors.get(source, b"")

    def take(self, source: NodeId, message: Suffix, low: bytes, high: bytes) -> None:
        """A node hands over the next part of its suffix, and has told all with the last one; what lies outside of
        ``[low, high)`` is none of this arc. A part that is not the next one was doubled, or asked for twice."""
        if source in self.told or message.after != self.cursor(source):
            return
        if message.more and message.pairs:
            self._cursors[source] = message.pairs[-1][0]
            self._parts.setdefault(source, []).extend(message.pairs)
            return
        self.told.add(source)
        for key, value in (*self._parts.pop(source, ()), *message.pairs):
            if not low <= key < high or self.is_void(key, value):
                continue
            version = version_in(value)
            known = self.best.get(key)
            if known is None or version > version_in(known):
                self.best[key] = value

    def is_void(self, key: bytes, value: bytes) -> bool:
        """Whether a write of a suffix was settled before, with its suffix or without it."""
        return version_in(value)[0] < max(self._noted, settled_at(self._arc, hash_in(key)))
