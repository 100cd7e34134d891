"""The checkers are proven: a rule is broken on purpose, and the simulation has to notice it within 200 seeds."""

from __future__ import annotations

import pytest

from tests.sim import mutations
from tests.sim.run import Run, SimulationError

SEEDS_MAX = 200


@pytest.mark.parametrize("name", mutations.ALL)
def test_a_broken_rule_is_noticed(name: str) -> None:
    with mutations.applied(name):
        for seed in range(1, SEEDS_MAX + 1):
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
