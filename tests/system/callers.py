"""Clients that do more than one thing at a time, or see more than one entry: transactions, scans, followers; and those
that give entries a life span. Each judges by itself what it saw, and says what was wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from tests.sim.serial import Step, Together, Told, is_serializable
from wrpme import Client, errors
from wrpme.client.batches.batch import AsyncBatch
from wrpme.client.follow.follower import Change

if TYPE_CHECKING:
    from tests.system.clients import Load

TAGS = 2
NAMES = "abc"
LIFE_SECONDS = 0.5, 4.0
SLACK_SECONDS = 1.0
"""What clocks of one machine, and a request on its way, may make of a life span."""
MORTALS = 20
FOLLOWED = "set-", "key-", ""
CAUGHT_UP_SECONDS = 60.0
"""In a stable hive that nobody writes to, a follower has heard of all after so long."""
FAILED_FOR_CERTAIN = (errors.NotFoundError, errors.AlreadyExistsError, errors.MismatchError)
NOTHING_DONE = (errors.TimeoutError, errors.ConnectionError, errors.DiskFullError)


class Transactions:
    """Change entries of one tag together, and add to one of them."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.histories: dict[str, list[Together]] = {}

    def tag(self) -> str:
        """One of those that are written to now."""
        return f"{{tag-{self._load.generation()}-{self._load.random.randrange(TAGS)}}}"

    async def call(self) -> None:
        """One client, until the load is stopped."""
        load = self._load
        async with load.client() as client:
            while not load.stopped.is_set():
                tag = self.tag()
                await self._ask(client, tag, self._drawn(tag))
                await asyncio.sleep(load.random.random() * 4 * load.pause)

    def _drawn(self, tag: str) -> tuple[Step, ...]:
        load = self._load
        content = b"%d" % load.next_number()
        first, second, third = (tag + name for name in load.random.sample(NAMES, 3))
        match load.random.choice(("read", "write", "move", "same", "add")):
            case "read":
                return tuple(Step("get", alias) for alias in (first, second, third))
            case "write":
                return tuple(Step("update", alias, content) for alias in (first, second, third))
            case "move":
                return Step("remove", first), Step("update", second, content), Step("exists", first)
            case "same":
                read = [one.told for one in self.histories.get(tag, ()) if one.told and one.steps[0].kind == "get"]
                known = [given for told in read for given in told if isinstance(given, bytes)]
                same = Step("same", first, load.random.choice(known)) if known else Step("absent", first)
                return same, Step("update", first, content), Step("put", second, content)
        return Step("add", tag + "n", b"1"), Step("update", first, content), Step("add", tag + "n", b"2")

    async def _ask(self, client: Client, tag: str, steps: tuple[Step, ...]) -> None:
        load, batch = self._load, client.batch()
        for step in steps:
            _add(batch, step)
        call, back = next(load.moments), inf
        told: Told | None = None
        try:
            told = _told(steps, await batch.commit())
        except errors.WrpmeError as error:
            load.outcomes[f"batch {error.word}"] += 1
            if isinstance(error, FAILED_FOR_CERTAIN) and error.operation is not None:
                told = (error.operation, error.word)
            elif error.not_carried_out or isinstance(error, NOTHING_DONE) or steps[0].kind == "get":
                return
        else:
            load.outcomes["batch ok"] += 1
        if told is not None:
            back = next(load.moments)
        self.histories.setdefault(tag, []).append(Together(steps, call, back, told))

    async def wrong(self, client: Client) -> list[str]:
        """Reads all once more, and says which histories are not strictly serializable."""
        for tag in self.histories:
            await self._ask(client, tag, tuple(Step("exists", tag + name) for name in (*NAMES, "n")))
        return [
            f"the history of {tag} is not serializable:\n" + "\n".join(map(str, sorted(history, key=lambda o: o.call)))
            for tag, history in self.histories.items()
            if is_serializable(history) is False
        ]


def _add(batch: AsyncBatch, step: Step) -> None:
    match step.kind:
        case "same":
            batch.if_content(step.alias, step.content)
        case "absent":
            batch.if_absent(step.alias)
        case "add":
            batch.add(step.alias, int(step.content))
        case "update" | "put":
            getattr(batch, step.kind)(step.alias, step.content)
        case _:
            getattr(batch, step.kind)(step.alias)


def _told(steps: tuple[Step, ...], results: Sequence[object]) -> Told:
    told: list[bytes | int | None] = []
    for step, given in zip(steps, results, strict=True):
        assert step.kind not in ("get", "add", "exists") or isinstance(given, bytes | int)
        told.append(given if step.kind in ("get", "add", "exists") else None)  # type: ignore[arg-type]
    return tuple(told)


class Scanner:
    """Scans the entries of the set, which are written once and never removed: each one that was acknowledged before is
    among them, each once, and in order."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.wrong: list[str] = []

    async def call(self) -> None:
        """One client, until the load is stopped."""
        load = self._load
        async with load.client() as client:
            while not load.stopped.is_set():
                before = set(load.acknowledged)
                try:
                    async with aclosing(client.scan("set-", contents=True)) as scan:
                        found = [(entry.alias, entry.content) async for entry in scan]
                except errors.WrpmeError as error:
                    load.outcomes[f"scan {error.word}"] += 1
                else:
                    load.outcomes["scan ok"] += 1
                    self._judge(before, found)
                await asyncio.sleep(load.random.random() * 20 * load.pause)

    def _judge(self, before: set[str], found: list[tuple[str, bytes | None]]) -> None:
        aliases = [alias for alias, _ in found]
        self.wrong += [f"a scan gives {other} after {one}" for one, other in pairwise(aliases) if not one < other]
        self.wrong += [f"a scan leaves out {alias}" for alias in sorted(before.difference(aliases))]
        self.wrong += [
            f"a scan gives {alias} with {content!r}" for alias, content in found if content != alias.encode()
        ]


class Followers:
    """Follow entries, and keep what they last heard of each: in the end that is what there is."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.wrong: list[str] = []
        self._last: dict[str, dict[str, int | None]] = {prefix: {} for prefix in FOLLOWED}
        """The version of each entry; None where it is gone."""
        self._heard = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """They go on after the load has stopped, until :meth:`end`."""
        self._tasks = [asyncio.create_task(self._follow(prefix)) for prefix in FOLLOWED]

    async def _follow(self, prefix: str) -> None:
        async with self._load.client() as client:
            while True:
                try:
                    async with client.follow(prefix) as follower:
                        await self._hear(prefix, follower)
                except errors.WrpmeError as error:  # nobody could be asked at all
                    self._load.outcomes[f"follow {error.word}"] += 1
                    await asyncio.sleep(self._load.pause)

    async def _hear(self, prefix: str, changes: AsyncIterator[Change]) -> None:
        last = self._last[prefix] = {}
        async for change in changes:
            if not change.alias:
                self._load.outcomes[f"follow {change.kind}"] += 1
                continue
            known = last.get(change.alias)
            if change.version is not None and known is not None and change.version <= known:
                self.wrong.append(f"a follower of {prefix!r} hears {change} after version {known}")
            last[change.alias] = change.version if change.kind in ("present", "put", "replaced") else None
            self._heard.set()

    async def end(self, client: Client) -> None:
        """What each knows becomes what there is, in a stable hive."""
        for prefix in FOLLOWED:
            present = {entry.alias: entry.version async for entry in client.scan(prefix, versions=True)}
            try:
                async with asyncio.timeout(CAUGHT_UP_SECONDS):
                    while self._known(prefix) != present:
                        self._heard.clear()
                        await self._heard.wait()
            except TimeoutError:
                differ = sorted({*self._known(prefix).items()} ^ {*present.items()})[:6]
                self.wrong.append(
                    f"a follower of {prefix!r} has not heard of {differ} (what there is, or what it knows)"
                )
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in self._tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _known(self, prefix: str) -> dict[str, int]:
        return {alias: version for alias, version in self._last[prefix].items() if version is not None}


class Mortals:
    """Entries with a life span, each written once: it is there until that ends, gone after it, and never comes back.
    ``slack_seconds`` are what the clocks of the nodes make of that; where one of them is set anew it is ``late`` too,
    and an entry may live too long, but not too short."""

    def __init__(self, load: Load, slack_seconds: float = SLACK_SECONDS) -> None:
        self._load = load
        self.slack_seconds = slack_seconds
        self.late_seconds = 0.0
        self.wrong: list[str] = []

    async def call(self) -> None:
        """One client, until the load is stopped."""
        load, number = self._load, 0
        living: dict[str, tuple[float, float]] = {}
        gone: list[str] = []
        async with load.client() as client:
            while not load.stopped.is_set():
                number += 1
                seconds = load.random.uniform(*LIFE_SECONDS)
                alias, begun = f"mortal-{number}", load.clock()
                try:
                    await client.put(alias, b"x", ttl=seconds)
                except errors.WrpmeError as error:
                    load.outcomes[f"mortal {error.word}"] += 1
                else:
                    load.outcomes["mortal ok"] += 1
                    living[alias] = begun + seconds, load.clock() + seconds
                for looked in load.random.sample(list(living), min(len(living), 3)):
                    if not await self._is_there(client, looked, living[looked]):
                        del living[looked]
                        gone = [*gone[1 - MORTALS :], looked]
                for looked in load.random.sample(gone, min(len(gone), 2)):
                    if await self._is_there(client, looked, (-inf, inf)):
                        self.wrong.append(f"{looked} was gone, and is there again")
                await asyncio.sleep(load.random.random() * 4 * load.pause)

    async def end(self, client: Client) -> None:
        """Removes those that are left, in a stable hive: where a clock was set they may live for hours."""
        left = [entry.alias async for entry in client.scan("mortal-")]
        failed = [error for error in await client.remove_many(left) if error is not None]
        self.wrong += [str(error) for error in failed if not isinstance(error, errors.NotFoundError)]

    async def _is_there(self, client: Client, alias: str, ends: tuple[float, float]) -> bool:
        """Whether it was found; where nobody can say it is taken for what it was: there if it has an end to come."""
        asked, slack = self._load.clock(), self.slack_seconds
        try:
            found = await client.exists(alias)
        except errors.WrpmeError as error:
            self._load.outcomes[f"exists {error.word}"] += 1
            return ends[0] > -inf
        heard = self._load.clock()
        if found and asked > ends[1] + slack + self.late_seconds:
            self.wrong.append(f"{alias} lives {asked - ends[1]:.2f} s too long")
        if not found and heard < ends[0] - slack:
            self.wrong.append(f"{alias} is gone {ends[0] - heard:.2f} s too early")
        return found
