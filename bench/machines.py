"""From a bare host to a node that is ready, over SSH: one host, and eight at once, each in a network of its own on this
machine with nothing but sshd and its Python. For root, as the hosts are network namespaces.

Usage: python -m bench.machines [ROUNDS]
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from bench.hive import percentile
from tests.bootstrap.hives import Operator
from tests.bootstrap.ssh_hosts import SshHosts, why_not

GOAL_SECONDS = 3.0
COUNTS = (1, 8)
_ROW = re.compile(r"^192\.\S+ +([\d.]+) s ", re.MULTILINE)


def apply_once(count: int, cache: Path) -> tuple[float, float, float]:
    """The seconds until the last node was ready, until the hive was stable and the command had ended, and those of a
    second application, which has nothing to do."""
    with (
        tempfile.TemporaryDirectory(prefix="wrpme-bench-") as directory,
        SshHosts(Path(directory) / "hosts", count) as hosts,
    ):
        operator = Operator(hosts, Path(directory), cache=cache)
        file = operator.topology(list(hosts.numbers))
        start = time.perf_counter()
        applied = operator.wrpmesh("hive_apply", file).ok()
        whole = time.perf_counter() - start
        start = time.perf_counter()
        operator.wrpmesh("hive_apply", file).ok()
        again = time.perf_counter() - start
        operator.wrpmesh("hive_destroy", file, "--yes").ok()
        return max(float(found) for found in _ROW.findall(applied.out)), whole, again


def main() -> int:
    """Prints the figures; 1 if half of the rounds took longer than the goal."""
    if reason := why_not():
        print(f"no hosts can be made here: {reason}")
        return 1
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    rounds = parser.parse_args().rounds
    missed = False
    with tempfile.TemporaryDirectory(prefix="wrpme-bench-") as cache:
        for count in COUNTS:
            found = [apply_once(count, Path(cache)) for _ in range(rounds)]
            ready, whole, again = (percentile(sorted(column), 0.5) for column in zip(*found, strict=True))
            hosts = "1 bare host" if count == 1 else f"{count} bare hosts at once"
            print(f"{hosts}: every node ready after {ready:.2f} s (slowest of {rounds} rounds {max(found)[0]:.2f} s),")
            print(f"  the hive stable and the command ended after {whole:.2f} s; with nothing to do {again:.2f} s")
            missed |= ready > GOAL_SECONDS
    print(f"the goal is {GOAL_SECONDS:g} s from a bare host to a ready node; the first round collects what is sent")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
