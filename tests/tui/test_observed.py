"""When what a node told may be shown as what is."""

from __future__ import annotations

import pytest

from tests.tui.scenes import stats_of, stable_view
from wrpme.tui.limits import STALE_SECONDS
from wrpme.tui.state.observed import ObservedNode, Rates, Report

TOLD = Report(100.0, stats_of(stable_view(3), 0, 1.0), Rates())


@pytest.mark.parametrize(
    ("known", "now", "fresh", "gone"),
    [
        (ObservedNode(), 100.0, False, False),
        (ObservedNode(TOLD), 100.0, True, False),
        (ObservedNode(TOLD), 100.0 + STALE_SECONDS, True, False),
        (ObservedNode(TOLD), 100.1 + STALE_SECONDS, False, False),
        (ObservedNode(TOLD), 99.0, True, False),
        (ObservedNode(TOLD), 90.0, False, False),
        (ObservedNode(TOLD, gone_at=100.0), 100.0, False, True),
        (ObservedNode(TOLD, gone_at=100.5), 100.6, False, True),
        (ObservedNode(TOLD, gone_at=99.0), 100.5, True, False),
        (ObservedNode(gone_at=99.0), 100.5, False, True),
    ],
    ids=[
        "never",
        "now",
        "just",
        "old",
        "a clock a little off",
        "a clock set back",
        "gone at once",
        "gone",
        "told through another since",
        "never reached",
    ],
)
def test_fresh_is_what_was_told_lately_by_one_that_is_not_gone(
    known: ObservedNode, now: float, fresh: bool, gone: bool
) -> None:
    assert (known.is_fresh(now), known.is_gone()) == (fresh, gone)
