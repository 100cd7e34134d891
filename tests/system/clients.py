"""The clients of the nemesis: a process that asks for entries until it is told to stop, and tells what it saw.

``python -m tests.system.clients SEED RESULT PAUSE_SECONDS CA ADDRESS...``; with the file of a CA all is said by TLS. It
is told ``stop`` and ``final`` by lines on its standard input: the first ends the load, and writes the last backup to
RESULT.backup; the second makes it read everything once more, also of the hive at the address that follows it, into
which that backup was restored, and write RESULT, see :class:`Saw`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import monotonic

import msgspec

from tests.sim.linear import Operation
from tests.system.backups import Backups
from tests.system.callers import Followers, Mortals, Scanner, Transactions
from tests.system.redis_callers import RedisCallers
from wrpme import Client, TlsFiles, errors
from wrpme.files.certificates import client_context

CALLERS = 8
DOORS = 3
"""Redis clients beside them."""
KEYS = 6
KEYS_LIVE_SECONDS = 4.0
"""So long each set of keys is written to: a history that is too long can't be judged."""
COUNTERS = 3
THINK_SECONDS = 0.01
PROBE_SECONDS = 0.01
TIMEOUT_SECONDS = 8.0
KINDS = ("get", "get", "get", "put", "update", "update", "cas", "remove", "get_update", "get_remove", "remove_if")
ANSWERED = (errors.NotFoundError, errors.AlreadyExistsError, errors.MismatchError)
NOTHING_DONE = (errors.TimeoutError, errors.ConnectionError, errors.DiskFullError)


class Saw(msgspec.Struct):
    """What the clients saw. ``longest_seconds`` is the longest time without any success of the probe, and when that
    began, in seconds of the machine's monotonic clock."""

    histories: dict[str, list[Operation]]
    outcomes: dict[str, int]
    set_acknowledged: int
    set_lost: list[str]
    set_wrong: list[str]
    """Entries of the set that hold another content, or were there although only this load writes them, and once."""
    counters: list[tuple[int, int, int]]
    """For each: acknowledged increments, unknown ones, and the value at the end."""
    wrong: list[str]
    """What transactions, scans, followers and life spans were not as they should be."""
    longest_seconds: float
    longest_at: float


class Load:
    """See the module."""

    def __init__(
        self,
        seed: int,
        addresses: list[str],
        clock: Callable[[], float] = monotonic,
        callers: int = CALLERS,
        doors: int = DOORS,
        pause: float = THINK_SECONDS,
        tls: TlsFiles | None = None,
    ) -> None:
        self.clock = clock
        self.tls = tls
        self.context = client_context(tls) if tls is not None else None
        self.pause = pause
        self.callers = callers
        self.doors = doors
        self.random = random.Random(seed)
        self.addresses = addresses
        self.moments = count(1)
        self.histories: dict[str, list[Operation]] = {}
        self.outcomes: Counter[str] = Counter()
        self.acknowledged: list[str] = []
        self.wrong: list[str] = []
        self.increments = [[0, 0] for _ in range(COUNTERS)]
        self.stopped = asyncio.Event()
        self.begun = clock()
        self.longest, self.longest_at = 0.0, 0.0
        self._written = count(1)
        self.transactions = Transactions(self)
        self.scanner = Scanner(self)
        self.followers = Followers(self)
        self.mortals = Mortals(self)
        self.redis_callers = RedisCallers(self)
        self.backups = Backups(self, self.transactions)

    def client(self) -> Client:
        """Each begins with another node."""
        order = self.random.sample(self.addresses, len(self.addresses))
        client = Client(order, timeout=TIMEOUT_SECONDS, tls=self.tls)
        client._dispatcher.random = random.Random(self.random.random())  # so that the seed alone decides
        return client

    def begin(self) -> list[asyncio.Task[None]]:
        """All callers."""
        self.followers.begin()
        tasks = [asyncio.create_task(self.call_entries()) for _ in range(self.callers)]
        tasks += [asyncio.create_task(self.call_counter(at % COUNTERS)) for at in range(2 * COUNTERS)]
        others = (self.transactions, self.transactions, self.scanner, self.mortals, self.backups)
        tasks += [asyncio.create_task(other.call()) for other in others]
        tasks += [asyncio.create_task(self.redis_callers.call()) for _ in range(self.doors)]
        return [*tasks, asyncio.create_task(self.call_set()), asyncio.create_task(self.probe())]

    def generation(self) -> int:
        """Which set of keys is written to now."""
        return int((self.clock() - self.begun) / KEYS_LIVE_SECONDS)

    def key(self) -> str:
        """One of those that are written to now."""
        return f"key-{self.generation()}-{self.random.randrange(KEYS)}"

    def next_number(self) -> int:
        """For a content that nobody else writes."""
        return next(self._written)

    # --- asking --------------------------------------------------------------------------------------------------

    async def ask(
        self, alias: str, asked: Operation, call: Callable[[], Awaitable[bytes | None]], what: str = ""
    ) -> Operation | None:
        """Asks and remembers; None where nothing was carried out. ``what`` it is called among the outcomes."""
        what = what or asked.kind
        operation = replace(asked, call=next(self.moments))
        try:
            given = await call()
            operation = replace(operation, back=next(self.moments), result="ok", given=given)
        except errors.WrpmeError as error:
            self.outcomes[f"{what} {error.word}"] += 1
            if isinstance(error, ANSWERED):
                operation = replace(operation, back=next(self.moments), result=error.word)
            elif error.not_carried_out or isinstance(error, NOTHING_DONE) or asked.kind == "get":
                return None
        else:
            self.outcomes[f"{what} ok"] += 1
        self.histories.setdefault(alias, []).append(operation)
        return operation

    async def entry(self, client: Client, alias: str, kind: str, content: bytes, comparand: bytes) -> Operation | None:
        """One operation on an entry."""

        async def nothing(call: Awaitable[object]) -> None:
            await call

        calls: dict[str, Callable[[], Awaitable[bytes | None]]] = {
            "get": lambda: client.get(alias),
            "put": lambda: nothing(client.put(alias, content)),
            "update": lambda: nothing(client.update(alias, content)),
            "get_update": lambda: client.get_update(alias, content),
            "cas": lambda: client.cas(alias, content, comparand),
            "remove": lambda: nothing(client.remove(alias)),
            "get_remove": lambda: client.get_remove(alias),
            "remove_if": lambda: nothing(client.remove_if(alias, comparand)),
        }
        writes = kind in ("put", "update", "get_update", "cas")
        compares = kind in ("cas", "remove_if")
        asked = Operation(kind, 0, content=content if writes else None, comparand=comparand if compares else None)
        return await self.ask(alias, asked, calls[kind])

    # --- callers -------------------------------------------------------------------------------------------------

    async def call_entries(self) -> None:
        """All kinds of operations on a few entries that others write too."""
        known: dict[str, bytes] = {}
        async with self.client() as client:
            while not self.stopped.is_set():
                alias = self.key()
                content = f"{alias}:{self.next_number()}".encode()
                kind = self.random.choice(KINDS)
                done = await self.entry(client, alias, kind, content, known.get(alias, b"?"))
                if done is not None and done.result == "ok" and (done.given or done.content):
                    known[alias] = done.content or done.given or b""
                await asyncio.sleep(self.random.random() * 2 * self.pause)

    async def call_set(self) -> None:
        """Entries that nobody else writes: each that is acknowledged must be there at the end."""
        async with self.client() as client:
            for number in count():
                if self.stopped.is_set():
                    return
                alias = f"set-{number}"
                try:
                    await client.put(alias, alias.encode())
                    self.acknowledged.append(alias)
                    self.outcomes["put ok"] += 1
                except errors.WrpmeError as error:
                    self.outcomes[f"put {error.word}"] += 1
                    if isinstance(error, errors.AlreadyExistsError):  # somebody has sent it twice
                        self.wrong.append(alias)
                await asyncio.sleep(self.pause)

    async def call_counter(self, which: int) -> None:
        """Increments: the last of the counters by ``add``, the others by compare-and-swap."""
        alias, kind = f"counter-{which}", "add" if which == COUNTERS - 1 else "cas"
        async with self.client() as client:
            while not self.stopped.is_set():
                try:
                    if kind == "add":
                        await client.add(alias)
                    else:
                        value = await client.get(alias)
                        await client.cas(alias, str(int(value) + 1).encode(), value)
                    self.increments[which][0] += 1
                    self.outcomes[f"{kind} ok"] += 1
                except errors.NotFoundError:
                    await self._create(client, alias)
                except errors.MismatchError:
                    self.outcomes["cas mismatch"] += 1
                except errors.WrpmeError as error:
                    self.outcomes[f"{kind} {error.word}"] += 1
                    if not (error.not_carried_out or isinstance(error, NOTHING_DONE)):
                        self.increments[which][1] += 1
                await asyncio.sleep(self.random.random() * 4 * self.pause)

    async def _create(self, client: Client, alias: str) -> None:
        try:
            await client.put(alias, b"0")
        except errors.WrpmeError as error:
            self.outcomes[f"put {error.word}"] += 1

    async def probe(self) -> None:
        """How long nothing at all can be written."""
        last = self.clock()
        async with self.client() as client:
            while not self.stopped.is_set():
                try:
                    await client.update("probe", b"!")
                except errors.WrpmeError:
                    pass
                else:
                    last = self._served(last)
                await asyncio.sleep(max(PROBE_SECONDS, self.pause / 2))
        self._served(last)  # what is still unavailable at the end counts as well

    def _served(self, last: float) -> float:
        now = self.clock()
        if now - last > self.longest:
            self.longest, self.longest_at = now - last, last
        return now

    # --- the end -------------------------------------------------------------------------------------------------

    async def final(self) -> Saw:
        """Reads everything once more."""
        counters: list[tuple[int, int, int]] = []
        async with self.client() as client:
            for alias in self.histories:
                await self.entry(client, alias, "get", b"", b"")
            lost = []
            for alias in self.acknowledged:
                try:
                    if await client.get(alias) != alias.encode():
                        self.wrong.append(alias)
                except errors.NotFoundError:
                    lost.append(alias)
            for which, (sure, unsure) in enumerate(self.increments):
                try:
                    value = int(await client.get(f"counter-{which}"))
                except errors.NotFoundError:
                    value = 0
                counters.append((sure, unsure, value))
            await self.mortals.end(client)
            await self.followers.end(client)
            wrong = await self.transactions.wrong(client)
        wrong += [
            *self.scanner.wrong,
            *self.followers.wrong,
            *self.mortals.wrong,
            *self.redis_callers.wrong,
            *self.backups.wrong,
        ]
        return Saw(
            self.histories, dict(self.outcomes), len(self.acknowledged), lost, self.wrong, counters, wrong,
            self.longest, self.longest_at,
        )  # fmt: skip


async def main() -> None:
    """The command."""
    seed, result, pause, ca, *addresses = sys.argv[1:]
    load = Load(int(seed), addresses, pause=float(pause), tls=TlsFiles(ca=ca) if ca else None)
    tasks = load.begin()
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    load.stopped.set()
    await asyncio.gather(*tasks)
    Path(result).with_suffix(".backup").write_bytes(load.backups.last)
    print("stopped", flush=True)
    _, restored = (await loop.run_in_executor(None, sys.stdin.readline)).split()
    await load.backups.judge_restored(restored)
    Path(result).write_bytes(msgspec.msgpack.encode(await load.final()))
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
