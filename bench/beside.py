"""What is seen beside other work: small gets at each node, and the memory of each node, until standard input ends.

Started as ``python -m bench.beside ALIAS,... ADDRESS=PROCESS...`` in a process of its own, so that nothing which the
other work does to its client delays a look. Each node is asked each ``GAP_SECONDS``, whether it has answered or not;
the entries are owned by all nodes, so that most gets are passed on. Written to standard output, as JSON, when it ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, field

from tests.system.daemons import environment
from wrpme.client.connection import Connection, dial
from wrpme.errors import WrpmeError
from wrpme.protocol.messages import Content, Get, Reply

GAP_SECONDS = 0.01
MEMORY_SECONDS = 0.01
TIMEOUT_SECONDS = 30.0


class Seen(Struct):
    """Gets, as the time of the question and the seconds it took, below 0 where it failed; and moments, with the bytes
    of anonymous memory of each process."""

    gets: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, list[int]]] = field(default_factory=list)

    def latencies(self, since: float, until: float) -> list[float]:
        """Of the gets that were asked in that time, sorted."""
        return sorted(seconds for at, seconds in self.gets if since <= at < until)

    def peaks(self, since: float, until: float) -> list[int]:
        """The most memory that each process had in that time."""
        return [max(each) for each in zip(*(used for at, used in self.memory if since <= at < until), strict=True)]


def own_memory(process: int) -> int:
    """The bytes of anonymous memory of a process: what it has for itself, without the files that are mapped."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not tell how much anonymous memory a process has (RssAnon)")


class Beside:
    """The process, seen from the one that started it: an async context manager; ``seen`` is there after it."""

    def __init__(self, aliases: Sequence[str], addresses: Sequence[str], processes: Sequence[int]) -> None:
        nodes = [f"{address}={process}" for address, process in zip(addresses, processes, strict=True)]
        self._arguments = [",".join(aliases), *nodes]
        self._process: Process | None = None
        self.seen = Seen()

    async def __aenter__(self) -> Beside:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.beside", *self._arguments, env=environment(), stdin=PIPE, stdout=PIPE
        )
        assert self._process.stdout is not None
        await self._process.stdout.readline()
        return self

    async def __aexit__(self, *raised: object) -> None:
        assert self._process is not None
        told, _ = await self._process.communicate(b"")
        if told:
            found = json.loads(told)
            self.seen = Seen([tuple(get) for get in found["gets"]], [tuple(each) for each in found["memory"]])


class Looker:
    """Asks the nodes, within the process."""

    def __init__(self, aliases: Sequence[bytes]) -> None:
        self.seen = Seen()
        self._aliases = itertools.cycle(aliases)
        self._numbers = itertools.count(1)

    def heard(self, connection: Connection, reply: Reply) -> None:
        """Nothing is said unasked."""

    def closed(self, connection: Connection) -> None:
        """Each get under way says so itself."""

    async def get(self, connection: Connection) -> None:
        """One small get."""
        loop, since = asyncio.get_running_loop(), time.perf_counter()
        request = Get(next(self._numbers), next(self._aliases))
        try:
            reply = await connection.send(request, loop.time() + TIMEOUT_SECONDS)
        except (WrpmeError, TimeoutError):
            reply = None
        took = time.perf_counter() - since
        self.seen.gets.append((since, took if isinstance(reply, Content) else -1.0))

    async def until_ended(self, addresses: Sequence[str], processes: Sequence[int]) -> None:
        """Asks and looks until standard input ends."""
        connections = []
        for address in addresses:
            connection = await dial(address, self)
            if isinstance(connection, WrpmeError):
                raise connection
            connections.append(connection)
        print("ready", flush=True)
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        under_way: set[asyncio.Task[None]] = set()
        while not ended.done():
            for connection in connections:
                task = asyncio.create_task(self.get(connection))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                await asyncio.sleep(GAP_SECONDS / len(connections))
            self.seen.memory.append((time.perf_counter(), [own_memory(process) for process in processes]))
        await asyncio.gather(*under_way)


def main() -> int:
    """Looks, and tells what was seen."""
    nodes = [argument.rpartition("=") for argument in sys.argv[2:]]
    looker = Looker([alias.encode() for alias in sys.argv[1].split(",")])
    asyncio.run(looker.until_ended([node[0] for node in nodes], [int(node[2]) for node in nodes]))
    json.dump({"gets": looker.seen.gets, "memory": looker.seen.memory}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
