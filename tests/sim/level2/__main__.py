"""``python -m tests.sim.level2``: any number of seeds, or one of them with its whole story."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

from tests.sim.level2.run import Level2Error, Run


def one(seed: int, trace: bool = False) -> int | str:
    """How many operations were answered, or the story of a failure."""
    try:
        return Run(seed, trace).run()
    except Level2Error as error:
        return str(error)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.level2", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--trace", action="store_true", help="with --seed: tell everything as it happens")
    parser.add_argument("--seeds", type=int, default=30, metavar="N", help="how many (30)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first of them (1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (2)")
    options = parser.parse_args()
    if options.seed is not None:
        outcome = one(options.seed, options.trace)
        print(outcome)
        return int(isinstance(outcome, str))
    begun, failed, operations = perf_counter(), [], 0
    with ProcessPoolExecutor(options.jobs) as pool:
        seeds = range(options.first, options.first + options.seeds)
        for seed, outcome in zip(seeds, pool.map(one, seeds), strict=True):
            if isinstance(outcome, str):
                failed.append(seed)
                print(outcome if len(failed) == 1 else outcome.splitlines()[0])
            else:
                operations += outcome
    print(f"{options.seeds} seeds from {options.first} in {perf_counter() - begun:.0f} s: {len(failed)} failed; "
          f"{operations} operations", *failed)  # fmt: skip
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
