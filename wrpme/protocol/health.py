"""How a hive is, in the words of an operator: from the view alone, see :mod:`wrpme.protocol.stats` for the rest."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from wrpme.limits import SLOTS
from wrpme.protocol.address import is_loopback, listed
from wrpme.protocol.view import Member, NodeId, View
from wrpme.protocol.view_index import Index, index_of, seniority


class Condition(Struct, frozen=True):
    """How the hive is: ``word`` is one of stable, stabilizing, degraded, unavailable."""

    word: str
    sentence: str


def condition(view: View) -> Condition:
    """What an operator needs to know first, from the view alone."""
    index = index_of(view)
    table = index.table
    if table.waiting:
        names = listed((found.address for found in _in_order(index, table.waiting)), " or ")
        returns = "it returns" if len(table.waiting) == 1 else "they return"
        share = _share(table.unserved_slots)
        return Condition("unavailable", f"{share} of the ring is on {names}, down; served again when {returns}")
    if index.down:
        fewer = _share(table.lacking)
        at_risk = f", {fewer} of the ring has fewer copies than wanted" if table.lacking else ""
        down = listed(found.address for found in _in_order(index, index.down))
        return Condition("degraded", f"{down} down; all data is served{at_risk}")
    if table.copied or index.leaving:
        leaving = listed(found.address for found in _in_order(index, index.leaving))
        who = f"{leaving} leaving; " if leaving else ""
        return Condition("stabilizing", f"{who}{table.copied} of {len(table.arcs)} arcs are being copied")
    if table.changing:
        return Condition("stabilizing", f"{table.changing} of {len(table.arcs)} arcs change their owner")
    count = len(view.members)
    everything = "1 node is up" if count == 1 else f"all {count} nodes are up and every arc has its copies"
    if count < view.replication:
        everything = (
            f"{everything}; {copies_in_words(count)} of each entry, not {view.replication}, until more nodes join"
        )
    return Condition("stable", everything)


def copies_in_words(count: int) -> str:
    """So many copies."""
    return "1 copy" if count == 1 else f"{count} copies"


def _in_order(index: Index, nodes: Collection[NodeId]) -> list[Member]:
    """The members among these nodes, the senior ones first."""
    return sorted((found for node in nodes if (found := index.members.get(node)) is not None), key=seniority)


def _share(slots: int) -> str:
    share = 100 * slots / SLOTS
    return f"{share:.0f} %" if share >= 1 or not slots else "a little"


# --- who is let in -------------------------------------------------------------------------------------------------

OPEN = "the hive has no users: whoever reaches a port of it reads, writes and stops it"


def is_exposed(view: View) -> bool:
    """Whether somebody on another machine may reach a node."""
    return not all(is_loopback(member.address) for member in view.members)
