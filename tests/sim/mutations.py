"""Rules broken on purpose, each by putting something else in the place of one function of the product.

The simulation has to notice every one of them: a checker that never fails proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from unittest import mock

from tests.sim import world
from wrpme import consensus, council, life, replica, view
from wrpme.consensus import AcceptorState
from wrpme.council import Council
from wrpme.ground import Ground
from wrpme.picture import Arc, NodeId, Synced


def _no_awaiting(
    arc: Arc, me: NodeId, alive: Collection[NodeId], told: Collection[NodeId], promise_is_over: Callable[[NodeId], bool]
) -> list[NodeId]:
    return []


def _synced_whenever(report: Synced, arc: Arc, owner: NodeId | None, incarnation: int) -> bool:
    return report.node in arc.incoming


def _any_version(arc: Arc, version: int) -> bool:
    return True


def _told_at_once(self: Ground, then: Callable[[], None]) -> None:
    if "Council" in then.__qualname__:
        then()
    else:
        _after_disk(self, then)


_after_disk = Ground.after_disk


def _same_incarnation(starts: int, random: Random) -> int:
    random.getrandbits(32)
    return 1 << 32


def _third(voters: Sequence[NodeId], present: Collection[NodeId]) -> bool:
    return 3 * sum(voter in present for voter in voters) >= len(voters)


@contextmanager
def _patched(*places: tuple[object, str, object]) -> Iterator[None]:
    patches = [mock.patch.object(owner, name, other) for owner, name, other in places]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


MUTATIONS: dict[str, tuple[tuple[object, str, object], ...]] = {
    "skip the prev confirmation": ((replica, "awaited", _no_awaiting),),
    "accept a late synced": ((view, "synced_fits", _synced_whenever),),
    "accept writes at an older version": ((replica, "accepts", _any_version),),
    "promise told before it is on disk": ((Ground, "after_disk", _told_at_once),),
    "a restarted node keeps its incarnation": ((world, "next_incarnation", _same_incarnation),),
    "a quorum of less than half": ((consensus, "is_quorum", _third), (council, "is_quorum", _third), (life, "is_quorum", _third)),
}


def mutated(name: str) -> contextmanager[None]:  # type: ignore[valid-type]
    """While it is open, the rule of that name is broken."""
    return _patched(*MUTATIONS[name])  # type: ignore[return-value]
