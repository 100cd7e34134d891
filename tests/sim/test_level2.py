"""The daemon and the client in virtual time: 4 seeds, or as many as ``--level2-seeds`` says. A failure prints its
seed and the end of its story."""

from __future__ import annotations

import pytest

from tests.sim.level2 import run as run_module
from tests.sim.level2.run import Level2Error, Run

SEEDS = "--level2-seeds", 1


def test_daemons_and_clients_keep_the_promises(seeds: range) -> None:
    for seed in seeds:
        try:
            answered = Run(seed).run()
        except Level2Error as error:
            pytest.fail(str(error), pytrace=False)
        assert answered > 100, f"seed {seed} asked for almost nothing"


@pytest.mark.parametrize("seed", [2, 3, 5])
def test_nodes_that_are_far_from_each_other_are_a_hive_too(seed: int) -> None:
    """A message takes 75 to 225 ms, an answer 300 ms."""
    try:
        Run(seed, latency=0.15).run()
    except Level2Error as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little goes wrong, and all of the story is kept: what a seed does is not what is tested here."""
    monkeypatch.setattr(run_module, "STORM_SECONDS", 2.0)
    monkeypatch.setattr(run_module, "LINES_KEPT", None)


def test_a_run_is_a_function_of_its_seed_and_a_failure_tells_it_and_the_story(
    short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run fails close to its end: up to there it is the first."""
    first, second = Run(3), Run(3)
    first.run()

    def judge() -> None:
        raise AssertionError("the copies differ")

    monkeypatch.setattr(second, "_judge_copies", judge)
    with pytest.raises(Level2Error) as caught:
        second.run()
    assert "the copies differ" in str(caught.value) and "--seed 3 --trace" in str(caught.value)
    assert "everything is healed" in str(caught.value)
    lines = list(second.lines)
    assert lines == list(first.lines)[: len(lines)]
    assert second.load.outcomes == first.load.outcomes and second.load.histories == first.load.histories
