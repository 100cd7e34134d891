"""``python -m tests.sim``: any number of seeds, or one of them with its whole story."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

from tests.sim import growth, mutations, storm
from tests.sim.run import Outcome, Run, SimulationError
from tests.sim.scenario import CORNERS


def one(seed: int, trace: bool = False, mutation: str = "", corner: str = "") -> Outcome | str:
    """What came of it: an outcome, or the story of a failure."""
    try:
        with mutations.applied(mutation):
            return Run(seed, trace, corner).run()
    except SimulationError as error:
        return str(error)


def many(first: int, count: int, jobs: int, mutation: str, corner: str) -> int:
    """Runs them all; how many failed."""
    begun = perf_counter()
    failed: list[int] = []
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(jobs) as pool:
        seeds = range(first, first + count)
        outcomes_of = pool.map(one, seeds, [False] * count, [mutation] * count, [corner] * count, chunksize=4)
        for seed, outcome in zip(seeds, outcomes_of, strict=True):
            if isinstance(outcome, str):
                failed.append(seed)
                print(outcome if len(failed) == 1 else outcome.splitlines()[0])
            else:
                outcomes.append(outcome)
    hours = sum(outcome.seconds for outcome in outcomes) / 3600
    operations = sum(outcome.operations for outcome in outcomes)
    undecided = sum(outcome.undecided for outcome in outcomes)
    print(
        f"{count} seeds from {first} in {perf_counter() - begun:.0f} s: {len(failed)} failed; the others lived "
        f"{hours:.1f} hours and served {operations} requests; {undecided} histories were too tangled to judge"
    )
    if failed:
        print("failed seeds:", *failed)
    return len(failed)


def noticed(names: list[str]) -> int:
    """Looks for each broken rule from the first seed of its corner on, and prints how many it took; how many are
    noticed by none."""
    missed = 0
    for name in names:
        begun, took = perf_counter(), mutations.look_for(name, from_the_first=True)
        missed += took is None
        where, seconds = mutations.SOUGHT[name].corner or "any", perf_counter() - begun
        print(f"{name:32} {where:10} {took or 'nobody':>6} {seconds:6.1f} s", flush=True)
    return missed


def storms(options: argparse.Namespace) -> int:
    """One storm with its story, or many."""
    if options.seed is None:
        return 1 if storm.many(options.storm, options.first, options.seeds, options.jobs) else 0
    weathered = storm.one(options.storm, options.seed, options.trace)
    print(weathered)
    return 1 if isinstance(weathered, str) else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--trace", action="store_true", help="with --seed: tell everything as it happens")
    parser.add_argument("--seeds", type=int, default=300, metavar="N", help="how many (300)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first of them (1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (2)")
    parser.add_argument("--mutation", default="", choices=["", *mutations.ALL], help="break this rule on purpose")
    parser.add_argument("--corner", default="", choices=["", *CORNERS], help="only scenarios of this kind")
    parser.add_argument("--storm", type=int, metavar="NODES", help="storms of so many nodes; computing costs time")
    parser.add_argument("--nodes", type=int, metavar="N", help="a hive that grows to so many")
    parser.add_argument("--mutations", nargs="*", metavar="NAME", help="how many seeds each (or these) takes")
    parser.add_argument("--table", action="store_true", help="print the table of docs/simulation.md")
    options = parser.parse_args()
    for name, least in (("storm", 3), ("nodes", 10), ("seeds", 1), ("jobs", 1)):
        number = getattr(options, name)
        if number is not None and number < least:
            parser.error(f"--{name} is {least} or more")
    if options.table:
        print(mutations.table())
        return 0
    if options.mutations is not None:
        return 1 if noticed(options.mutations or list(mutations.SOUGHT)) else 0
    if options.nodes:
        return growth.grow(options.nodes, options.seed or 1)
    if options.storm:
        return storms(options)
    if options.seed is None:
        return 1 if many(options.first, options.seeds, options.jobs, options.mutation, options.corner) else 0
    outcome = one(options.seed, options.trace, options.mutation, options.corner)
    print(outcome)
    return 1 if isinstance(outcome, str) else 0


if __name__ == "__main__":
    sys.exit(main())
