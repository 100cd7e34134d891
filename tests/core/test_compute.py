"""Computing a view: what everybody patches is what the proposer computed, and nothing comes of what is void."""

from __future__ import annotations

from tests.view_parts import down, grown, join, next_view
from wrpme.core.io import ComputeView, ViewComputed
from wrpme.core.membership.compute import compute
from wrpme.protocol import view_index


def test_the_patch_makes_the_view_that_was_computed() -> None:
    view = grown(4)
    changes = (join(4), down(2))
    computed = compute(ComputeView(view, changes))
    assert (computed.epoch, computed.changes) == (view.epoch, changes)
    assert computed.outcome is not None and computed.outcome.view == next_view(view, *changes)
    assert view_index.patched(view, computed.outcome.patch) == computed.outcome.view
    assert computed.outcome.digest == view_index.digest(computed.outcome.view)


def test_of_void_changes_comes_nothing() -> None:
    view = grown(4)
    assert compute(ComputeView(view, (join(3),))) == ViewComputed(view.epoch, (join(3),), None)
