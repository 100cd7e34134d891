"""The whole hive in virtual time: 30 seeds, or as many as ``--sim-seeds`` says.

A failure prints its seed, the schedule and the story.
"""

from __future__ import annotations

import pytest

from tests.sim.clock import Clock
from tests.sim.disk import Disk
from tests.sim.run import Run, SimulationError

SEEDS = "--sim-seeds", 5


def test_the_hive_keeps_its_promises(seeds: range) -> None:
    for seed in seeds:
        try:
            outcome = Run(seed).run()
        except SimulationError as error:
            pytest.fail(str(error), pytrace=False)
        assert not outcome.undecided, f"a history of seed {seed} is too tangled to judge"


def test_no_step_of_a_counter_is_lost_or_doubled_and_versions_grow() -> None:
    for seed in range(1, 7):
        try:
            Run(seed, corner="counting").run()
        except SimulationError as error:
            pytest.fail(str(error), pytrace=False)


def test_a_follower_hears_of_all_that_is_acknowledged_in_order_and_of_nothing_else() -> None:
    for seed in range(1, 5):
        try:
            Run(seed, corner="following").run()
        except SimulationError as error:
            pytest.fail(str(error), pytrace=False)


@pytest.mark.parametrize("seed", [3, 7])
def test_a_run_is_a_function_of_its_seed(seed: int) -> None:
    stories = []
    for _ in range(2):
        run = Run(seed)
        outcome = run.run()
        stories.append((outcome, list(run.world.lines)))
    assert stories[0] == stories[1]


def test_a_failure_tells_its_seed_the_schedule_and_the_story(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(3)
    alias = run.workload.aliases[0]

    def judge() -> int:
        raise AssertionError(f"the history of {alias} is not linearizable")

    monkeypatch.setattr(run, "_judge", judge)
    with pytest.raises(SimulationError) as caught:
        run.run()
    story = str(caught.value)
    assert "seed 3 at" in story and "--seed 3 --trace" in story
    assert "everything is healed" in story or "adopts view" in story or f"get {alias}" in story
    assert f"the history of {alias}:" in story and f"n1 on {alias}:" in story


def test_a_disk_that_lied_has_lost_its_last_batches_but_no_vote() -> None:
    disk = Disk(sync=True)
    disk.lies = True
    disk.write([(b"m:view", b"1")], sync=True)
    disk.write([(b"a", b"1")], sync=False)
    disk.write([(b"a", b"2"), (b"b", b"1")], sync=False)
    assert disk.cut(1) == 1
    assert list(disk.scan(b"", b"z")) == [(b"a", b"1"), (b"m:view", b"1")]
    assert disk.cut(5) == 1
    assert list(disk.scan(b"", b"z")) == [(b"m:view", b"1")]


def test_the_clock_of_a_paused_virtual_machine_stands_still() -> None:
    clock = Clock(offset=100.0, rate=1.02)
    before = clock.local(5.0)
    clock.stop(5.0)
    assert clock.local(25.0) == before
    clock.go(25.0)
    assert clock.local(25.0) == before
    assert clock.true(clock.local(30.0)) == pytest.approx(30.0)
    assert clock.local(26.0) - clock.local(25.0) == pytest.approx(1.02)
