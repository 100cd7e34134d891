"""Broken rules of a change of the number of copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from tests.sim.broken import Broken
from wrpme.core.membership.draft import Draft
from wrpme.protocol.view import NodeId, Patch, Replicate, View
from wrpme.protocol.view_index import Index


def _and_then(spoil: Callable[[Draft], None]) -> Broken:
    """What spoils the draft after the change."""
    honest = Draft.replicate

    def replicated(self: Draft, change: Replicate) -> None:
        fits = self._is_replicated(change)
        honest(self, change)
        if fits:
            spoil(self)

    return Draft, "replicate", replicated


def numbers_are_changed_unseen() -> Broken:
    """The number of copies is changed also for an operator who knows of another one."""

    def is_replicated(self: Draft, change: Replicate) -> bool:
        return change.replication != self.replication

    return Draft, "_is_replicated", is_replicated


def more_copies_count_at_once() -> Broken:
    """When more copies are wanted, those who shall have them are holders before they have them."""

    def spoil(draft: Draft) -> None:
        for arc in list(draft.table.arcs):
            if arc.incoming and not draft.live().isdisjoint(arc.holders):
                draft._set_holders(arc.end, (*arc.holders, *arc.incoming), ())

    return _and_then(spoil)


def copies_that_are_down_are_given_up() -> Broken:
    """When another number is wanted, an arc whose holders are down starts again at those who shall have it."""

    def spoil(draft: Draft) -> None:
        for end in sorted(draft.table.unserved):
            arc = draft.table.arc(end)
            there = tuple(node for node in arc.wanted if node in draft.live())
            if there:
                draft._set_holders(end, there, ())

    return _and_then(spoil)


def another_number_forgets_owners() -> Broken:
    """When another number of copies is wanted, former owners are forgotten."""

    def spoil(draft: Draft) -> None:
        for arc in list(draft.table.arcs):
            draft.table.put(replace(arc, prev=()))

    return _and_then(spoil)


def the_number_alone() -> Broken:
    """Another number of copies is noted, and nobody is chosen to hold them."""

    def replicated(self: Draft, change: Replicate) -> None:
        if self._is_replicated(change):
            self._begin()
            self.replication = change.replication

    return Draft, "replicate", replicated


def patches_without_the_number() -> Broken:
    """The patch of a view leaves out that another number of copies is wanted."""
    honest: Any = Index.patch

    def patch(self: Index, base: View, voters: Sequence[NodeId], replication: int, *rest: Any) -> Patch:
        made: Patch = honest(self, base, voters, base.replication, *rest)
        return made

    return Index, "patch", patch
