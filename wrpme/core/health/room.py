"""How much data this node may hold, and which of its neighbours may take no more: see ``--bytes-max``.

Data are the aliases and contents of all entries that it has on its disk, copies included. A node that is full says so
with its answers to heartbeats, and whoever owns an arc that it keeps a copy of refuses what would make that larger:
nobody may have an acknowledged write that a holder had no room for. What makes it smaller, or leaves it as large, goes
on, and so do reads. A node takes no copy that it has nothing of and that does not fit: that stays where it is, until
there is room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wrpme.core.limits import DECLINED_SECONDS, NEARLY_FULL
from wrpme.core.stats.slot_counts import SlotCounts
from wrpme.errors import FullError
from wrpme.protocol.quoting import size_text
from wrpme.protocol.view import NodeId


class Room:
    """``bytes_max`` is the limit of this node in bytes, 0 for none; it may change at any time."""

    def __init__(self, slots: SlotCounts, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._slots = slots
        self._others: set[NodeId] = set()
        self._declined: dict[int, float] = {}
        """By the end of its arc: when a copy was declined last."""
        self._coming: dict[tuple[int, int], int] = {}
        """Copies that were admitted and are not there yet: the bounds of the arc, and how many bytes it has."""
        self._was_full = False

    @property
    def is_full(self) -> bool:
        """Whether this node takes no more data."""
        return 0 < self.bytes_max <= self._slots.bytes

    @property
    def is_short(self) -> bool:
        """Whether this node is full, or one that it hears."""
        return bool(self._others) or 0 < self.bytes_max <= self._slots.bytes

    def heard(self, node: NodeId, is_full: bool) -> None:
        """A neighbour told whether it is full."""
        (self._others.add if is_full else self._others.discard)(node)

    def forget(self, node: NodeId) -> None:
        """It is no member any more."""
        self._others.discard(node)

    def refusal(self, me: NodeId, holders: Iterable[NodeId], address_of: Callable[[NodeId], str]) -> FullError | None:
        """Why what these nodes hold must not grow; None where it may. ``me`` is this node, and one of them."""
        full = next((node for node in holders if (self.is_full if node == me else node in self._others)), None)
        if full is None:
            return None
        return FullError(
            f"{address_of(full)} holds as much as its --bytes-max allows, and keeps a copy of this entry; nothing was "
            "changed: remove entries, add a node, or raise --bytes-max"
        )

    def may_take(self, first: int, end: int, size: int, now: float) -> bool:
        """Whether this node takes a copy of the arc from ``first`` to ``end``, which has ``size`` bytes. What it has
        some of was admitted before, and is brought up to date whatever became of it meanwhile."""
        if not self.bytes_max:
            return True
        held = self._slots.between(first, end)[1]
        coming = sum(max(0, size - self._slots.between(*arc)[1]) for arc, size in self._coming.items() if arc[1] != end)
        if held or self._slots.bytes + coming + size <= self.bytes_max:
            self._declined.pop(end, None)
            self._coming[first, end] = size
            return True
        self._declined[end] = now
        return False

    def taken(self, first: int, end: int) -> None:
        """That copy is there, or not coming."""
        self._coming.pop((first, end), None)

    def trouble(self, address: str, now: float) -> str:
        """What the operator should know of it; empty if nothing."""
        if not self.bytes_max:
            return ""
        self._declined = {end: at for end, at in self._declined.items() if now - at < DECLINED_SECONDS}
        held, most = self._slots.bytes, self.bytes_max
        word = "full" if held >= most else "nearly full" if held >= NEARLY_FULL * most else ""
        waits = len(self._declined)
        if not word and not waits:
            return ""
        holds = f"it holds {size_text(held)} of the {size_text(most)} that its --bytes-max allows"
        copies = "a copy that it should take does" if waits == 1 else f"{waits} copies that it should take do"
        first = f"{address} is {word}: {holds}" if word else f"{address} has no room: {holds}"
        what = f"{first}; {copies} not fit" if waits else first
        return f"{what}; remove entries, add a node, or raise --bytes-max"

    def turned(self) -> bool | None:
        """Whether it is full since the last look, or no longer; None where nothing has changed."""
        full = self.is_full
        if full == self._was_full:
            return None
        self._was_full = full
        return full
