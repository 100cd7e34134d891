"""Notes of what was reconciled: in memory, on disk, and for how long."""

from __future__ import annotations


from tests.core.context_parts import A, persists
from wrpme.core.context import NodeContext
from wrpme.core.io import Settings
from wrpme.daemon.storage.store import MemoryStore


def test_what_was_settled_is_known_after_a_restart_and_of_parts_of_the_arc() -> None:
    store = MemoryStore()
    before = NodeContext(Settings(A, 1, "host-a:1"), store, 0.0)
    before.reconciled.note(0, 99, 7)
    before.flush_disk()
    store.write(persists(before)[0].operations, sync=True)
    after = NodeContext(Settings(A, 2, "host-a:1"), store, 0.0)
    known = after.reconciled
    assert (known.version(0, 99), known.version(50, 99), known.version(50, 100)) == (7, 7, 0)
    after.reconciled.forget(0, 99)
    after.flush_disk()
    store.write(persists(after)[0].operations, sync=True)
    assert NodeContext(Settings(A, 3, "host-a:1"), store, 0.0).reconciled.version(0, 99) == 0


def test_a_note_of_what_was_settled_goes_with_the_last_arc_that_needs_it(context: NodeContext) -> None:
    """Also one of a larger arc, which was divided since."""
    context.reconciled.note(0, 99, 7)
    context.reconciled.keep([(50, 60)])
    assert context.reconciled.version(50, 60) == 7
    context.reconciled.keep([(100, 120)])
    assert context.reconciled.version(50, 60) == 0
    context.flush_disk()
    (batch,) = persists(context)
    assert batch.operations[-1][1] is None
