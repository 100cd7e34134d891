"""``python -m tests.sim --seeds 1000 --first 1 --jobs 2``; ``--seed 42 --trace`` replays one."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.sim.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Simulated lives of a hive, one a seed.")
    parser.add_argument("--first", type=int, default=1, metavar="SEED")
    parser.add_argument("--seeds", type=int, default=300, metavar="COUNT")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, help="replay this one alone")
    parser.add_argument("--trace", action="store_true", help="print what happened in it")
    asked = parser.parse_args()
    if asked.seed is not None:
        report = run(asked.seed)
        if asked.trace:
            print("\n".join(report.trace))
        print(report.failure or "all was well", f"({report.operations} operations, {report.epochs} epochs)")
        return 1 if report.failure else 0
    start, failures, operations = time.monotonic(), 0, 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        for report in pool.map(run, range(asked.first, asked.first + asked.seeds), chunksize=4):
            operations += report.operations
            if report.failure:
                failures += 1
                print(f"seed {report.seed}: {report.failure[:400]}", flush=True)
    spent = time.monotonic() - start
    print(f"{asked.seeds} seeds, {failures} failed, {operations} operations, {spent:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
