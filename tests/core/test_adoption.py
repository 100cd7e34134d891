"""Following a view by what changed in it is as following it whole: for every node, through any history of a hive."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from tests.view_parts import any_life, id_of
from wrpme.core.context import NodeContext
from wrpme.core.io import Settings
from wrpme.core.membership import transitions as views
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.daemon.storage.store import MemoryStore
from wrpme.limits import SLOTS
from wrpme.protocol.ring import SLOT
from wrpme.protocol.view import Patch, View


class Follower:
    """A node's context and table, with entries everywhere: what is not its own is foreign."""

    def __init__(self, number: int) -> None:
        self.context = NodeContext(Settings(id_of(number), 1, f"n{number}"), MemoryStore(), 10.0)
        self.table = ReplicaTable(self.context)
        for slot in range(0, SLOTS, 97):
            self.context.slots.add(slot * SLOT, 1, 10)

    def adopt(self, view: View, patch: Patch | None) -> None:
        self.context.now += 1.0
        self.context.adopt(view, patch)
        self.table.adopt(view, patch)
        self.context.outbox.effects.clear()

    def state(self) -> dict[str, Any]:
        context, table = self.context, self.table
        return {
            "members": context.members,
            "alive": context.alive,
            "routes": context.routes,
            "epochs": context.known_epochs,
            "down": context.down_since,
            "lives": (context.lives, context.this_life),
            "arcs": [(replica.first, replica.arc, replica.role, replica.serving) for replica in table.mine],
            "foreign": set(table.wiping._foreign),
            "settled": context.reconciled._known,
        }


@pytest.mark.parametrize("replication", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_a_patch_is_followed_as_the_whole_view(seed: int, replication: int) -> None:
    for number in range(4):
        by_patch, whole = Follower(number), Follower(number)
        started = False
        for before, _, after in islice(any_life(seed, replication), 40):
            if not started:
                by_patch.adopt(before, None)
                whole.adopt(before, None)
                started = True
            by_patch.adopt(after, views.difference(before, after))
            whole.adopt(after, None)
            assert by_patch.state() == whole.state()
            for replica in by_patch.table.mine:
                replica.validate()
