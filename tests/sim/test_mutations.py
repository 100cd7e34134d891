"""The checkers are proven: a rule is broken on purpose, and the simulation has to notice it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim import mutations

QUICK = [name for name, sought in mutations.SOUGHT.items() if not sought.long]
DOCUMENT = Path(__file__).parents[2] / "docs" / "simulation.md"


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_rule_is_noticed(name: str) -> None:
    found = mutations.look_for(name)
    assert found is not None, f"{name}: nobody noticed in {mutations.SEEDS_MAX} seeds"


def test_each_mutation_is_taken_back() -> None:
    for name, mutation in mutations.ALL.items():
        place, function, broken = mutation()
        honest = getattr(place, function)
        with mutations.applied(name):
            assert getattr(place, function) is not honest, name
        assert getattr(place, function) is honest and broken is not honest, name


def test_each_broken_rule_is_sought_or_known_to_do_no_harm() -> None:
    assert sorted([*mutations.SOUGHT, *mutations.HARMLESS, *mutations.OPEN]) == sorted(mutations.ALL)


def test_the_document_has_the_table() -> None:
    assert mutations.table() in DOCUMENT.read_text(), "python -m tests.sim --table prints it"
