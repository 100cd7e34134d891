"""Computing the next view: the one long piece of work of a node, which whoever runs it may do beside its loop.

It is asked for with an effect and answered with an event, so that a node neither knows nor cares where it was done.
Only the proposer computes: what is decided is the outcome, and everybody else patches the view with it.
"""

from __future__ import annotations

from wrpme.core.io import ComputeView, Outcome, ViewComputed
from wrpme.core.membership import transitions as views
from wrpme.protocol import view_index


def compute(asked: ComputeView) -> ViewComputed:
    """Carries out a :class:`ComputeView`: a pure function, safe in any thread."""
    made = views.next_view(asked.view, asked.changes)
    outcome = Outcome(*made, view_index.digest(made[0])) if made is not None else None
    return ViewComputed(asked.view.epoch, asked.changes, outcome)
