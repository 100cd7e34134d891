"""Which copy an arc starts again from, where its last holders never return: pure functions of what each node tells.

The choice is made before the operator gives his word, so that he can be told what it costs; it is part of the change
that is decided, so that every node carries out the very same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct

from wrpme.limits import SLOTS
from wrpme.protocol import ring
from wrpme.protocol.messages import Holding
from wrpme.protocol.view import NOBODY, Arc, Choice, NodeId, View

Told = Mapping[NodeId, Sequence[Holding]]
"""By node what it has on its disk."""


class Loss(Struct, frozen=True):
    """What becomes of the arcs that start again: ``share`` (0 to 1) is their part of the ring, ``empty`` the part that
    nobody has anything of. ``sources`` are the nodes whose copies are taken, with the share and the entries of each."""

    share: float
    empty: float
    sources: tuple[tuple[NodeId, float, int], ...]


def orphans(view: View, lost: Collection[NodeId]) -> list[int]:
    """Indexes of the arcs that nobody else than the ``lost`` holds."""
    return [index for index, arc in enumerate(view.arcs) if set(arc.holders) <= set(lost)]


def choose(view: View, indexes: Sequence[int], told: Told) -> tuple[tuple[Choice, ...], Loss]:
    """For each of these arcs the node with the most complete copy, and what that means."""
    choices: list[Choice] = []
    shares: dict[NodeId, float] = {}
    entries: dict[NodeId, int] = {}
    for index in indexes:
        arc, share = view.arcs[index], ring.width(view.arcs, index) / SLOTS
        best, node = _best(arc, told)
        choices.append(Choice(arc.end, arc.version, node))
        shares[node] = shares.get(node, 0.0) + share
        entries[node] = entries.get(node, 0) + (best.entries if best is not None else 0)
    empty = shares.pop(NOBODY, 0.0)
    sources = tuple((node, share, entries[node]) for node, share in sorted(shares.items(), key=lambda pair: -pair[1]))
    return tuple(choices), Loss(empty + sum(shares.values()), empty, sources)


def _best(arc: Arc, told: Told) -> tuple[Holding | None, NodeId]:
    """The most complete copy and its node: by the mark, and where that tells nothing by the number of entries."""
    found: tuple[Holding | None, NodeId] = (None, NOBODY)
    order = (0, 0, 0)
    for node, holdings in sorted(told.items()):
        for holding in holdings:
            rank = (holding.written, holding.sequence, holding.entries)
            if (holding.end, holding.version) == (arc.end, arc.version) and rank > order:
                found, order = (holding, node), rank
    return found


def in_words(loss: Loss, address: Callable[[NodeId], str]) -> str:
    """What the operator has to know before he gives his word."""
    told = [
        f"{_percent(share)} of the ring starts again from the copy that {address(node)} has ({_entries(entries)}; what "
        "was written since it held it is lost)"
        for node, share, entries in loss.sources
    ]
    if loss.empty:
        told.append(f"of {_percent(loss.empty)} of the ring no living node has a copy: it starts again empty")
    return "; ".join(told)


def given_up(view: View, loss: Loss, told: Told) -> str:
    """About how many entries lie where nobody has a copy, by what lies on the rest of the ring; empty for none."""
    if not loss.empty:
        return ""
    held: dict[int, int] = {}
    for holding in (holding for holdings in told.values() for holding in holdings):
        held[holding.end] = max(holding.entries, held.get(holding.end, 0))
    share = sum(ring.width(view.arcs, index) for index, arc in enumerate(view.arcs) if arc.end in held) / SLOTS
    if not share:
        return "how many entries are given up, nobody can tell"
    about = _entries(round(sum(held.values()) / share * loss.empty))
    return f"by what lies on the rest of the ring, about {about} are given up"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "less than 0.1 %"


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"
