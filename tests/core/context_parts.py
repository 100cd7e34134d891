"""A node's context for tests: of node ``A`` in a hive of two, with an empty disk."""

from __future__ import annotations

from tests.harness import HIVE, identity
from wrpme.core.context import NodeContext
from wrpme.core.io import Persist, Settings
from wrpme.daemon.storage.store import MemoryStore
from wrpme.protocol.view import Arc, Member, State, View

A, B, C = (identity(name) for name in "abc")


def view(epoch: int = 5, incarnation: int = 1, b: State = State.UP, a: State = State.UP) -> View:
    members = (Member(A, incarnation, "host-a:1", 1, a), Member(B, 1, "host-b:1", 2, b))
    return View(epoch, HIVE, 3, 1, members, (Arc((1 << 64) - 1, 1, (A,)),), (A,))


def new_context() -> NodeContext:
    return NodeContext(Settings(A, 1, "host-a:1"), MemoryStore(), 100.0)


def persists(context: NodeContext) -> list[Persist]:
    """The batches that left for the disk; all effects are taken."""
    return [effect for effect in context.outbox.take() if isinstance(effect, Persist)]
