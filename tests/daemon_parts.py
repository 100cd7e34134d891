"""What the tests of the daemon share: a node that does as it is told, a clock that is set, a raw connection."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, Union

import msgspec

from wrpme.core.access.sessions import NobodyAsked
from wrpme.core.fast_path import NoFastPath
from wrpme.core.io import Process, Effect, Input, Exit, Received, ReplyTo, SessionClosed, TurnEnded
from wrpme.core.membership.speakers import Names, Objection
from wrpme.core.stats.measured import Measured
from wrpme.daemon.log import Log
from wrpme.daemon.net.gate import Gate
from wrpme.daemon.net.listen import listen
from wrpme.daemon.runner import Runner
from wrpme.daemon.security.tls import Tls
from wrpme.daemon.storage.store import MemoryStore
from wrpme.daemon.storage.writer import DirectDisk, Disk
from wrpme.protocol.address import Address
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.messages import Body, Content, Done, Envelope, Get, Reply, Request, ViewIs
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import NOBODY, View

PATIENCE_SECONDS = 20.0
"""After so long a test that waits has failed; none waits for time to pass."""
E = TypeVar("E")


def turns_of(node: ScriptedNode) -> list[int]:
    """How many requests there were at the end of each turn from now on."""
    turns: list[int] = []

    def count(event: Input) -> list[Effect]:
        if isinstance(event, TurnEnded):
            turns.append(len(node.requests))
        return []

    node.on_input = count
    return turns


class ScriptedNode:
    """Keeps what it hears; ``on_input`` and ``on_request`` say what it answers."""

    def __init__(self) -> None:
        self.wake_at = inf
        self.fast_path = NoFastPath()
        self.sessions = NobodyAsked()
        self.process = Process()
        self.events: list[ClusterEvent] = []
        self.view: View | None = None
        self.told_stats = 0
        self.figures: tuple[NodeStats, Measured] | None = None
        self.inputs: list[Input] = []
        self.requests: list[tuple[int, Request]] = []
        self.on_input: Callable[[Input], list[Effect]] = lambda event: []
        self.on_request: Callable[[int, Request], list[Effect]] = echo
        self.objects: Callable[[Envelope, Names], Objection | None] = lambda envelope, names: None
        self._heard = asyncio.Event()

    def start(self, now: float) -> list[Effect]:
        return []

    def handle(self, event: Input, now: float) -> list[Effect]:
        if not isinstance(event, TurnEnded):
            self.inputs.append(event)
            self._heard.set()
        return self.on_input(event)

    def request(self, session: int, request: Request, now: float) -> list[Effect]:
        self.requests.append((session, request))
        self._heard.set()
        return self.on_request(session, request)

    def objection(self, envelope: Envelope, names: Names) -> Objection | None:
        return self.objects(envelope, names)

    def stats(self, now: float) -> str:
        self.told_stats += 1
        return msgspec.json.encode({"told": self.told_stats, **msgspec.structs.asdict(self.process.stats())}).decode()

    def measured(self, now: float) -> tuple[NodeStats, Measured] | None:
        return self.figures

    def view_for(self, number: int) -> ViewIs | None:
        return ViewIs(number, b"n" * 16, self.view) if self.view is not None else None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something that the node heard makes it true."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._heard.clear()
                await self._heard.wait()

    def heard(self, kind: type[E]) -> list[E]:
        return [event for event in self.inputs if isinstance(event, kind)]

    async def hears(self, kind: type[E], count: int = 1) -> E:
        """The ``count``-th event of that kind, once it has come."""
        await self.until(lambda: len(self.heard(kind)) >= count)
        return self.heard(kind)[count - 1]

    def bodies(self) -> list[Body]:
        return [event.envelope.body for event in self.heard(Received)]


def echo(session: int, request: Request) -> list[Effect]:
    """Every entry holds its alias."""
    if isinstance(request, Get):
        return [ReplyTo(session, Content(request.id, request.alias))]
    return [ReplyTo(session, Done(request.id))]


def silence(session: int, request: Request) -> list[Effect]:
    return []


def envelope(body: Body) -> Envelope:
    return Envelope(b"h" * 16, 1, b"s" * 16, 1, NOBODY, 0, body)


class KeptLog(Log):
    """Keeps its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, level: str, line: str) -> None:
        self.lines.append(f"{level} {line}")

    def defect(self, error: BaseException) -> None:
        self.lines += traceback.format_exception(error)


def until_written(path: Path, part: str) -> None:
    """Waits until the file has this in it: a thread writes it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not path.exists() or part not in path.read_text():
        assert time.monotonic() < end, f"{part!r} was not written to {path}"
        time.sleep(0.005)


class Daemon:
    """A runner with a scripted node, listening at a free port of loopback."""

    def __init__(
        self,
        clients_max: int = 100,
        disk: Disk | None = None,
        sync: bool = True,
        sessions_max: int = 1000,
        tls: Tls | None = None,
    ) -> None:
        self.tls = tls
        self.now: float | None = None
        self.wall_seconds = 1_000_000.0
        self.log = KeptLog()
        self.node = ScriptedNode()
        self.store = MemoryStore()
        self.runner = Runner(
            node=self.node,
            process=self.node.process,
            disk=disk or DirectDisk(self.store),
            log=self.log,
            clock=self._clock,
            wall=lambda: self.wall_seconds,
            clients_max=clients_max,
            sessions_max=sessions_max,
            sync=sync,
            tls=tls,
        )
        self._gate: Gate | None = None
        self._listening: list[socket.socket] = []
        self.port = 0

    def _clock(self) -> float:
        return self.now if self.now is not None else asyncio.get_running_loop().time()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def listen(self, port: int = 0) -> None:
        self._listening = listen(Address("127.0.0.1", port))
        self.port = self._listening[0].getsockname()[1]
        server = self.runner.server
        self._gate = Gate(self._listening, server.accept, server.places, self.log.say, self.log.say, self.tls)
        self._gate.open()

    async def stop_listening(self) -> None:
        assert self._gate is not None
        await self._gate.close()
        for made in self._listening:
            made.close()

    async def finished(self) -> Exit:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.runner.finished


@asynccontextmanager
async def daemon(
    clients_max: int = 100,
    disk: Disk | None = None,
    sync: bool = True,
    listening: bool = True,
    sessions_max: int = 1000,
    tls: Tls | None = None,
) -> AsyncIterator[Daemon]:
    made = Daemon(clients_max, disk, sync, sessions_max, tls)
    if listening:
        await made.listen()
    made.runner.start()
    try:
        yield made
    finally:
        if listening:
            await made.stop_listening()
        await made.runner.close()


class Raw:
    """A connection on which anything can be said."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls
        self._decoder: Decoder[Reply | Envelope] = Decoder(Union[Reply, Envelope])
        self._replies: list[Reply | Envelope] = []

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()

    def say(self, *messages: Request | Envelope, preface: bool = False) -> None:
        self.writer.write((PREFACE if preface else b"") + b"".join(encode(message) for message in messages))

    async def replies(self, count: int) -> list[Reply | Envelope]:
        """The next so many replies; fewer if the connection ends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self._replies) < count:
                data = await self.reader.read(1 << 16)
                if not data:
                    break
                self._replies += self._decoder.feed(data)
        taken, self._replies = self._replies[:count], self._replies[count:]
        return taken

    async def reply(self) -> Reply | Envelope:
        (reply,) = await self.replies(1)
        return reply

    async def rest(self) -> bytes:
        """All bytes up to the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read()


class ServiceManager:
    """The listening side of ``sd_notify``; ``address`` is for ``NOTIFY_SOCKET``."""

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self.said: list[str] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.bind(self.address.replace("@", "\0", 1) if self.address.startswith("@") else self.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hears(self, part: str) -> str:
        """What is said next that has this in it."""
        while True:
            self.said.append(self.socket.recv(65_536).decode())
            if part in self.said[-1]:
                return self.said[-1]

    def heard(self) -> list[str]:
        """All that is there to be heard now."""
        said: list[str] = []
        while select.select([self.socket], [], [], 0)[0]:
            said.append(self.socket.recv(65_536).decode())
        return said


def closed(node: ScriptedNode, session: int) -> bool:
    return SessionClosed(session) in node.inputs
