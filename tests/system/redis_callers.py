"""Redis clients among those of the nemesis: the same entries, counters and tags, through the Redis door of any node.

What a door answers is judged as what the hive protocol answers: TRYAGAIN and CLUSTERDOWN change nothing; after
INDETERMINATE, or without an answer, nobody knows. Any other error is one that this load does not provoke.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from tests.sim.linear import WRITES, Operation
from tests.sim.serial import Step, Together
from tests.system.callers import NAMES
from wrpme import errors
from wrpme.protocol import address as addresses

if TYPE_CHECKING:
    from tests.system.clients import Load

ANSWER_SECONDS_MAX = 15.0
"""A door tries for 10 s itself."""
CONNECT_SECONDS_MAX = 2.0
KNOWN = 8
"""A comparand is one of the contents that were last written, as far as this process knows."""
BEGUN_ANEW = 0.02
"""The chance that a connection is left for one to another node, though nothing is wrong with it."""
SCANNED = 0.01
"""The chance that it is a scan."""
PIPELINED = 3
INCREMENTED = 2
"""Which of the counters, see :class:`tests.system.clients.Load`."""
KINDS = ("get", "get", "get", "update", "update", "put", "cas", "cas_given", "remove", "get_remove", "get_update")
Command = tuple[bytes, ...]


class NeitherError(errors.MismatchError):
    """A comparison failed, and it is not told whether there is another content or none."""

    word = "not_found or mismatch"


class Said(Exception):
    """An error that a door answered."""


Reply = bytes | int | str | None | Said | list["Reply"]


class Door:
    """A connection to the door of a node, any one each time that it is made."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing has gone wrong with it that was noticed."""
        return self._streams is not None

    async def say(self, *commands: Command) -> list[Reply | errors.IndeterminateError]:
        """Returns the answers to commands that are said in one piece, an error in the place of each that is missing.

        Raises:
            ConnectionError: nothing was said.
        """
        reader, writer = self._streams or await self._connect()
        answers: list[Reply | errors.IndeterminateError] = []
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                writer.write(b"".join(map(encoded, commands)))
                for _ in commands:
                    answers.append(await reply_of(reader))
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            missing = errors.IndeterminateError(f"{type(error).__name__} {error}")
            answers += [missing] * (len(commands) - len(answers))
        return answers

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        random, loop = self._load.random, asyncio.get_running_loop()
        address = addresses.parse(random.choice(self._load.addresses))
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                context = self._load.context
                name = address.host if context is not None else None
                transport, _ = await loop.create_connection(
                    lambda: protocol, address.host, address.port, ssl=context, server_hostname=name
                )
                self._streams = reader, asyncio.StreamWriter(transport, protocol, reader, loop)
                if random.random() < 0.5:
                    self._streams[1].write(encoded((b"HELLO", b"3")))
                    await reply_of(reader)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise errors.ConnectionError(f"{type(error).__name__} {error}") from None
        return self._streams

    def close(self) -> None:
        """Ends the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def reply_of(reader: asyncio.StreamReader) -> Reply:
    line = await reader.readuntil(b"\r\n")
    kind, text = line[:1], line[1:-2]
    if kind == b"$":
        if text == b"-1":
            return None
        return (await reader.readexactly(int(text) + 2))[:-2]
    if kind == b":":
        return int(text)
    if kind == b"-":
        return Said(text.decode("utf-8", "replace"))
    if kind in b"*%~":
        parts = int(text) * (2 if kind == b"%" else 1)
        return None if parts < 0 else [await reply_of(reader) for _ in range(parts)]
    return None if kind == b"_" else text.decode("utf-8", "replace")


def encoded(command: Command) -> bytes:
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command)


class RedisCallers:
    """Each call of :meth:`call` is one client. ``wrong`` is what was answered that can't be."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.wrong: list[str] = []

    async def call(self) -> None:
        """Until the load is stopped."""
        load, door = self._load, Door(self._load)
        while not load.stopped.is_set():
            if load.random.random() < BEGUN_ANEW:
                door.close()
            some = self._entries, self._entries, self._entries, self._together, self._count
            what = self._scan if load.random.random() < SCANNED else load.random.choice(some)
            try:
                await what(door)
            except errors.WrpmeError:  # what it asked was judged where it was asked
                door.close()
            await asyncio.sleep(load.random.random() * 2 * load.pause)
        door.close()

    # --- entries -------------------------------------------------------------------------------------------------

    async def _entries(self, door: Door) -> None:
        """One to three operations in one piece, on any entries that others write too."""
        load = self._load
        asked = [self._drawn() for _ in range(load.random.choice((1, 1, 1, PIPELINED)))]

        async def call(at: int) -> bytes | None:
            return self._heard(*asked[at][1:], (await said)[at])

        asking = asyncio.gather(
            *(
                load.ask(alias, operation, partial(call, at), f"door {what}")
                for at, (alias, what, operation) in enumerate(asked)
            )
        )
        said = asyncio.ensure_future(door.say(*(_command(*one) for one in asked)))  # it begins after those
        await asking

    def _drawn(self) -> tuple[str, str, Operation]:
        """An alias, what is asked, and that as an operation."""
        load = self._load
        alias, what = load.key(), load.random.choice(KINDS)
        content = f"{alias}:{load.next_number()}".encode()
        written = [one.content for one in load.histories.get(alias, ())[-KNOWN:] if one.content]
        kind = what.removesuffix("_given")
        writes = content if kind in WRITES else None
        compares = load.random.choice(written or [b"?"]) if kind == "cas" else None
        return alias, what, Operation(kind, 0, content=writes, comparand=compares)

    def _heard(self, what: str, asked: Operation, reply: Reply | errors.WrpmeError) -> bytes | None:
        """What an operation gives.

        Raises:
            WrpmeError: It was not carried out, or nobody knows.
        """
        self._raise_refused(what, reply)
        match what, reply:
            case ("get" | "get_remove" | "get_update", bytes()):
                return reply
            case ("get" | "get_remove" | "get_update", None) | ("remove", 0):
                raise errors.NotFoundError("")
            case ("update" | "put", "OK") | ("remove", 1):
                return None
            case ("put", None):
                raise errors.AlreadyExistsError("")
            case ("cas", "OK"):
                return asked.comparand
            case ("cas", None):
                raise NeitherError("")
            case ("cas_given", bytes()) if reply == asked.comparand:
                return reply
            case ("cas_given", _) if reply is None or isinstance(reply, bytes):
                raise errors.NotFoundError("") if reply is None else errors.MismatchError("")
        self.wrong.append(f"a door answers {asked} with {reply!r}")
        raise errors.IndeterminateError("")

    def _raise_refused(self, what: str, reply: Reply | errors.WrpmeError) -> None:
        """Raises what an error of a door means, or that an answer is missing."""
        if isinstance(reply, errors.WrpmeError):
            raise reply
        if not isinstance(reply, Said):
            return
        word, _, sentence = str(reply).partition(" ")
        kinds = {"TRYAGAIN": errors.UnstableError, "CLUSTERDOWN": errors.UnavailableError}
        if word not in (*kinds, "INDETERMINATE"):
            self.wrong.append(f"a door answers {what} with {reply}")
        raise kinds.get(word, errors.IndeterminateError)(sentence)

    # --- counters ------------------------------------------------------------------------------------------------

    async def _count(self, door: Door) -> None:
        """One of the counters, which clients of the hive protocol increment too."""
        load = self._load
        try:
            (reply,) = await door.say((b"INCR", b"counter-%d" % INCREMENTED))
            self._raise_refused("INCR", reply)
        except errors.WrpmeError as error:
            load.outcomes[f"door incr {error.word}"] += 1
            load.increments[INCREMENTED][1] += isinstance(error, errors.IndeterminateError)
            raise
        load.increments[INCREMENTED][0] += 1
        load.outcomes["door incr ok"] += 1

    # --- scans ---------------------------------------------------------------------------------------------------

    async def _scan(self, door: Door) -> None:
        """All entries of the set, which are written once and never removed; at another node where one has no answer."""
        load, before, found, cursor = self._load, set(self._load.acknowledged), list[Reply](), b""
        while cursor != b"0":
            if load.stopped.is_set():
                return
            try:
                (page,) = await door.say((b"SCAN", cursor or b"0", b"MATCH", b"set-*", b"COUNT", b"1000"))
                self._raise_refused("SCAN", page)
            except errors.WrpmeError as error:
                load.outcomes[f"door scan {error.word}"] += 1
                door.close()
                await asyncio.sleep(load.pause)
                continue
            match page:
                case [bytes() as cursor, [*keys]]:
                    found += keys
                case _:
                    self.wrong.append(f"a door answers SCAN with {page!r}")
                    return
        load.outcomes["door scan ok"] += 1
        times = Counter(key.decode() for key in found if isinstance(key, bytes))
        self.wrong += [f"SCAN leaves out {alias}" for alias in sorted(before.difference(times))]
        self.wrong += [f"SCAN gives {alias} {number} times" for alias, number in times.items() if number > 1]

    # --- transactions --------------------------------------------------------------------------------------------

    async def _together(self, door: Door) -> None:
        """MULTI on the entries of one tag; or WATCH, a look at one of them, and MULTI."""
        load = self._load
        tag = load.transactions.tag()
        first, second, third = (tag + name for name in load.random.sample(NAMES, 3))
        content = b"%d" % load.next_number()
        steps = load.random.choice(
            (
                tuple(Step("fetch", alias) for alias in (first, second, third)),
                tuple(Step("update", alias, content) for alias in (first, second, third)),
                (Step("drop", first), Step("update", second, content), Step("fetch", first)),
                (Step("add", tag + "n", b"1"), Step("update", first, content), Step("add", tag + "n", b"2")),
            )
        )
        if load.random.random() < 0.5:
            watched, seen = await door.say((b"WATCH", first.encode()), (b"GET", first.encode()))
            self._raise_refused("WATCH", watched)
            self._raise_refused("GET", seen)
            same = Step("same", first, seen) if isinstance(seen, bytes) else Step("absent", first)
            await self._commit(door, tag, (same, Step("update", first, content), *steps))
        else:
            await self._commit(door, tag, steps)

    async def _commit(self, door: Door, tag: str, steps: tuple[Step, ...]) -> None:
        load = self._load
        watched = steps[0].kind in ("same", "absent")
        queued = [_step_command(step) for step in steps[watched:]]
        call, back, told, outcome = next(load.moments), inf, None, "indeterminate"
        try:
            *_, reply = await door.say((b"MULTI",), *queued, (b"EXEC",))
            self._raise_refused("EXEC", reply)
            if reply is None and watched:
                load.outcomes["door exec null"] += 1
                return
            told = self._told(steps, watched, reply)
            outcome = "ok" if told is not None else outcome
        except errors.WrpmeError as error:
            load.outcomes[f"door exec {error.word}"] += 1
            if error.not_carried_out or isinstance(error, errors.ConnectionError):
                raise
            load.transactions.histories.setdefault(tag, []).append(Together(steps, call))
            raise
        load.outcomes[f"door exec {outcome}"] += 1
        if told is not None:
            back = next(load.moments)
        load.transactions.histories.setdefault(tag, []).append(Together(steps, call, back, told))

    def _told(
        self, steps: Sequence[Step], watched: bool, reply: Reply | errors.WrpmeError
    ) -> tuple[bytes | int | None, ...] | None:
        given: list[bytes | int | None] = [None] if watched else []
        if isinstance(reply, list) and len(reply) == len(steps) - watched:
            for step, part in zip(steps[watched:], reply, strict=True):
                match step.kind, part:
                    case ("update", "OK"):
                        given.append(None)
                    case ("fetch", None):
                        given.append(None)
                    case ("fetch", bytes() as found) | ("add" | "drop", int() as found):
                        given.append(found)
        if len(given) == len(steps):
            return tuple(given)
        self.wrong.append(f"a door answers EXEC of {steps} with {reply!r}")
        return None


def _command(alias: str, what: str, asked: Operation) -> Command:
    key, content, comparand = alias.encode(), asked.content or b"", asked.comparand or b""
    commands: dict[str, Callable[[], Command]] = {
        "get": lambda: (b"GET", key),
        "update": lambda: (b"SET", key, content),
        "put": lambda: (b"SET", key, content, b"NX"),
        "cas": lambda: (b"SET", key, content, b"IFEQ", comparand),
        "cas_given": lambda: (b"SET", key, content, b"IFEQ", comparand, b"GET"),
        "remove": lambda: (b"DEL", key),
        "get_remove": lambda: (b"GETDEL", key),
        "get_update": lambda: (b"SET", key, content, b"XX", b"GET"),
    }
    return commands[what]()


def _step_command(step: Step) -> Command:
    key = step.alias.encode()
    match step.kind:
        case "fetch":
            return b"GET", key
        case "drop":
            return b"DEL", key
        case "add":
            return b"INCRBY", key, step.content
    return b"SET", key, step.content
