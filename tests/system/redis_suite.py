"""Redis' own tests against a hive of three nodes: what a unit of its suite makes of the Redis door, test by test.

    git clone --depth 1 --branch 7.2.5 https://github.com/redis/redis /tmp/redis
    python -m tests.system.redis_suite /tmp/redis unit/type/string unit/expire

It needs ``tclsh``. What a test that fails, or hangs, does to the others is bounded: see ``redis_suite.tcl``.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import NamedTuple

from tests.system.daemons import Daemons

UNITS = (
    "unit/type/string", "unit/type/incr", "unit/expire", "unit/keyspace", "unit/scan", "unit/other", "unit/multi",
    "unit/protocol", "unit/pubsub", "unit/querybuf", "unit/info", "unit/info-command", "unit/bitops", "unit/limits",
    "unit/quit", "unit/bitfield", "unit/introspection-2",
)  # fmt: skip
OF_A_NODE = ("unit/pubsub", "unit/querybuf", "unit/info", "unit/limits")
"""Units that ask what one node has to tell of itself; in the others each connection is to another node."""
SILENCE_SECONDS = 300.0
"""A test that takes so long hangs."""
RUNNER = Path(__file__).with_suffix(".tcl")
REASONS = {
    "other data types": r"is a command of the data type|: expected '\*-1', got|equal to ':1'|stats: blocking commands",
    "replication": r"replication_stream|REPLICAOF|keeps its copies by itself|replicas?\b|NOREPLICAS|slave",
    "scripts": r"'(eval|script|function)'|script timeout|within LUA|NOSCRIPT|HELP commands|\"eval\"",
    "databases": r"DB index is out of range|in different DBs|there is one database",
    "buffers": r"^query buffer",
    "event loop": r"^stats: (eventloop|instantaneous|debug)",
    "files": r"manifest|nothing to save|AOF|appendonly|dirty|'dump'",
    "`DEBUG`": r"DEBUG command not allowed|measure latency",
    "the process": r"exec is not there|maxclients",
    "`CONFIG SET`": r"can't set immutable config|OOM|^latencystats: (disable|configure|bad)",
    "users": r"'setuser'|authorization error",
    "use": r"last access time",
    "notifications": r"^Keyspace notifications",
    "`MONITOR`": r"MONITOR state",
    "tracking": r"client-side caching",
    "`SHUTDOWN`": r"^MULTI with SHUTDOWN",
    "64 MiB": r"UINT_MAX|UINT32_MAX",
    "other commands": r"Invalid command specified|movablekeys|GETKEYSANDFLAGS",
    "first bytes": r"^Protocol desync regression test #1",
    "`DBSIZE`": r"^Redis should lazy expire keys",
}
"""Why a test fails, and by what in its name, or in what it dies of, that is known; the first that fits. All else is a
defect. What these words mean is said in docs/redis.md."""


class Result(NamedTuple):
    """What became of a test: ``ok``, ``eased``, ``fail``, or ``outside`` for what stands between two tests."""

    kind: str
    name: str
    reason: str


def run(suite: Path, ports: Sequence[int], resp: int, unit: str) -> list[Result]:
    """The results of a unit's tests, in their order. A test that hangs fails, and is left out when the others are run
    again."""
    ports = ports[:1] if unit in OF_A_NODE else ports
    hung: list[str] = []
    while True:
        results: list[Result] = []
        begun = ""
        with _started([str(suite), ",".join(map(str, ports)), str(resp), unit, *hung]) as lines:
            for line in lines:
                kind, name, *rest = line.split("\t")
                if kind == "end":
                    return results + [Result("fail", one, "it hangs") for one in hung]
                if kind == "begin":
                    begun = name
                else:
                    results.append(Result(kind, name, rest[0] if rest else ""))
        if begun in hung or not begun:
            return [*results, Result("outside", begun, "the unit ended before its last test")]
        hung.append(begun)


@contextmanager
def _started(arguments: list[str]) -> Iterator[Iterator[str]]:
    """The lines of the runner, until it ends or is silent for too long."""
    process = subprocess.Popen(["tclsh", str(RUNNER), *arguments], stdout=subprocess.PIPE, bufsize=0)
    try:
        yield _lines(process)
    finally:
        process.kill()
        process.wait()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    assert process.stdout is not None
    rest = b""
    while select([process.stdout], [], [], SILENCE_SECONDS)[0]:
        read = process.stdout.read(65536)
        if not read:
            return
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")


def reason(result: Result) -> str:
    """Why a test fails; empty if nobody knows."""
    told = f"{result.name}: {result.reason}"
    return next((why for why, pattern in REASONS.items() if re.search(pattern, told)), "")


def show(unit: str, results: list[Result]) -> int:
    """Prints a row of a table: how many pass, and why the others do not. Then what nobody can explain, whose number is
    returned."""
    tests = [result for result in results if result.kind != "outside"]
    failed = [result for result in tests if result.kind == "fail"]
    unknown = [result for result in failed if not reason(result)]
    reasons: dict[str, Counter[str]] = {}
    for result in failed:
        reasons.setdefault(reason(result) or "DEFECT", Counter())[result.name.replace("|", "\\|")] += 1
    row = "<br>".join(
        f"**{why}**: " + "; ".join(f"{name} ({count})" if count > 1 else name for name, count in reasons[why].items())
        for why in [*REASONS, "DEFECT"]
        if why in reasons
    )
    print(f"| `{unit}` | {len(tests) - len(failed)} of {len(tests)} | {row} |", flush=True)
    for result in unknown:
        print(f"  {result.name}: {result.reason}", flush=True)
    return len(unknown)


async def main() -> None:
    """Runs the units that are named, or all that a store of strings can be asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("suite", type=Path, help="a copy of Redis, of which tests/ is needed")
    parser.add_argument("units", nargs="*", default=UNITS)
    parser.add_argument("--resp", type=int, choices=(2, 3), default=2, help="the protocol that is spoken")
    parser.add_argument("--ports", type=int, nargs="+", help="of nodes that run already, rather than three of its own")
    given = parser.parse_args()
    if given.ports:
        unknown = sum(show(unit, run(given.suite, given.ports, given.resp, unit)) for unit in given.units)
        raise SystemExit(bool(unknown))
    with tempfile.TemporaryDirectory() as directory, Daemons(Path(directory), 3) as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        ports = [int(address.rpartition(":")[2]) for address in daemons.addresses]
        unknown = 0
        for unit in given.units:
            unknown += show(unit, await asyncio.to_thread(run, given.suite, ports, given.resp, unit))
            daemons.check_alive()
    raise SystemExit(bool(unknown))


if __name__ == "__main__":
    asyncio.run(main())
