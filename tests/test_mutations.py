"""The checkers are proven: a rule is broken on purpose, and the simulation has to notice it within 200 seeds."""

from __future__ import annotations

import pytest

from tests.sim import mutations
from tests.sim.run import Run, SimulationError

SEEDS_MAX = 200
NOTICED_AT = {
    "no_prev_confirmation": 8, "no_tails": 7, "lost_tail": 14, "no_lease": 8, "acknowledged_before_sync": 8,
    "acknowledged_after_freeze": 8, "keeps_removed": 8, "keeps_its_role": 7, "forgotten_count": 5, "late_synced": 15,
    "older_writes": 17, "reads_what_is_pending": 10, "retried_write": 10, "not_found_without_owner": 4,
    "told_before_disk": 47, "same_incarnation": 7,
}  # fmt: skip
"""The seed to begin with: it was cheap and noticed the mutation once. What happens in a seed changes with the product;
then the others find it, and this one costs nothing but its time."""


@pytest.mark.parametrize("name", mutations.ALL)
def test_a_broken_rule_is_noticed(name: str) -> None:
    with mutations.applied(name):
        for seed in sorted(range(1, SEEDS_MAX + 1), key=lambda seed: seed != NOTICED_AT.get(name)):
            try:
                Run(seed, corner=mutations.CORNER.get(name, "")).run()
            except SimulationError:
                return
    pytest.fail(f"{name}: nobody noticed in {SEEDS_MAX} seeds")


@pytest.mark.parametrize("name", mutations.ALL)
def test_a_mutation_is_taken_back(name: str) -> None:
    place, function, broken = mutations.ALL[name]()
    honest = getattr(place, function)
    with mutations.applied(name):
        assert getattr(place, function) is not honest
    assert getattr(place, function) is honest and broken is not honest
