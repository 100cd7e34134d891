"""Rules of the design, each broken on purpose by putting another function in the place of one of the product's.

A simulation that does not notice one of them within 200 seeds is not worth its time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wrpme import consensus, copying, council, draft, replica
from wrpme.daemon import identity
from wrpme.messages import Accept, Item, Prepare, Stream
from wrpme.picture import Arc, NodeId, Synced
from wrpme.store import Store

Broken = tuple[Any, str, Callable[..., Any]]
"""A module or class, the name of the function in it, and what stands there instead."""


def no_prev_confirmation() -> Broken:
    """The new owner serves without a word of the former ones."""

    def awaited(
        arc: Arc, me: NodeId, alive: Collection[NodeId], told: Collection[NodeId], over: Callable[[NodeId], bool]
    ) -> list[NodeId]:
        return [node for node in arc.holders if node != me and node in alive and node not in told]

    return replica, "awaited", awaited


def late_synced() -> Broken:
    """A report that a copy is complete counts whatever has happened to the arc since."""

    def synced_fits(report: Synced, arc: Arc, owner: NodeId | None, incarnation: int) -> bool:
        return report.node in arc.incoming

    return draft, "synced_fits", synced_fits


def older_writes() -> Broken:
    """A receiver takes what was sent at an older version of the arc."""

    def take(message: Stream, version: int, run: int, taken: int) -> tuple[list[tuple[int, Item]], int]:
        fits = message.run == run if message.version == version else message.version < version
        if not fits or message.first > taken + 1:
            return [], taken
        items = list(enumerate(message.items, message.first))[taken + 1 - message.first :]
        return items, taken + len(items)

    return copying, "take", take


def told_before_disk() -> Broken:
    """A promise or acceptance is told before it is on disk."""
    honest = council.Council.on_vote

    def on_vote(self: council.Council, source: NodeId, message: Prepare | Accept) -> None:
        ground: Any = self.ground
        if source != ground.me:
            ground.after_disk = lambda then: then()
        try:
            honest(self, source, message)
        finally:
            vars(ground).pop("after_disk", None)

    return council.Council, "on_vote", on_vote


def same_incarnation() -> Broken:
    """A node that starts again says that it is in its first life."""
    honest = identity.next_life

    def next_life(store: Store, random_bytes: Callable[[int], bytes]) -> identity.Identity:
        life = honest(store, random_bytes)
        return identity.Identity(life.id, 1 << 32, life.starts)

    return identity, "next_life", next_life


def small_quorum() -> Broken:
    """Less than half of the voters decide."""

    def is_quorum(voters: Sequence[NodeId], present: Collection[NodeId]) -> bool:
        return 3 * sum(voter in present for voter in voters) >= len(voters)

    return consensus, "is_quorum", is_quorum


CORNER = {"late_synced": "joining", "older_writes": "echoes", "told_before_disk": "voting"}
"""Where a mutation that does harm only in rare moments is looked for; the others are noticed anywhere."""
ALL: dict[str, Callable[[], Broken]] = {
    function.__name__: function
    for function in (no_prev_confirmation, late_synced, older_writes, told_before_disk, same_incarnation, small_quorum)
}


@contextmanager
def applied(name: str) -> Iterator[None]:
    """That rule is broken within; no name breaks none."""
    if not name:
        yield
        return
    place, function, broken = ALL[name]()
    honest = getattr(place, function)
    setattr(place, function, broken)
    try:
        yield
    finally:
        setattr(place, function, honest)
