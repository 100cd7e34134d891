"""For tests of the client: a node that answers by a script, over real loopback, and a loop whose time jumps."""

from __future__ import annotations

import asyncio
import logging
import selectors
import threading
from collections.abc import Callable, Sequence
from ssl import SSLContext
from typing import Any

import pytest

from wrpme.errors import AlreadyExistsError, NotFoundError, WrpmeError
from wrpme.protocol import ring
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.identities import GetHive
from wrpme.protocol.messages import (
    Aliases, Content, Done, Failed, Get, GetView, Notice, Number, PrefixScan, Put, Remove, RemoveAll, Reply, Request,
    Update, ViewIs, Watch,
)  # fmt: skip
from wrpme.protocol.quoting import bytes_of, named, text_of
from wrpme.protocol.view import Arc, Member, NodeId, State, View

HANG_SECONDS = 20.0
GRACE_SECONDS = 0.004


class Close:
    """In place of a reply: the connection ends."""


Answer = Reply | tuple[Reply, ...] | type[Close] | None
Script = Callable[[Request], Answer]
"""What a stub answers; None: nothing at all."""


def content(request: Request) -> Reply:
    """The answer of a node where every entry holds its own alias."""
    assert isinstance(request, Get)
    return Content(request.id, request.alias)


def in_turn(*answers: Script) -> Script:
    """Each request gets the next answer, the last one for ever."""
    left = list(answers)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


def failed(error: WrpmeError) -> Script:
    return lambda request: Failed(request.id, error.code, error.sentence)


def done(request: Request) -> Reply:
    return Done(request.id)


def silent(request: Request) -> None:
    return None


def close(request: Request) -> type[Close]:
    return Close


class _JumpSelector(selectors.DefaultSelector):
    """Where nothing happens until the next timer, time jumps there."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            events = super().select(HANG_SECONDS)
            assert events, "the test hangs: nothing is to come, and no timer is set"
            return events
        events = super().select(min(timeout, GRACE_SECONDS))
        if not events and timeout > GRACE_SECONDS:
            self.jumped += timeout - GRACE_SECONDS
        return events


class JumpLoop(asyncio.SelectorEventLoop):
    """Its time jumps to the next timer wherever nothing else is to come."""

    def __init__(self) -> None:
        self._jumps = _JumpSelector()
        super().__init__(self._jumps)

    @property
    def jumped(self) -> float:
        return self._jumps.jumped

    def time(self) -> float:
        return super().time() + self.jumped


def jumped() -> float:
    """Seconds that were waited for in a test on a :class:`JumpLoop`: time that jumped, whatever the machine took."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpLoop)
    return loop.jumped


def complaints_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What no task and no callback took care of: errors in asyncio's log, also while the loop is closed."""
    told = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    return [one.getMessage() for one in told if one.name == "asyncio" and one.levelno >= logging.ERROR]


class StubNode:
    """``script`` answers all requests but GetHive and GetView, which ``view`` answers, unless ``script_views``. With a
    ``context`` all of it is by TLS."""

    def __init__(self, script: Script, node: NodeId = b"a" * 16, context: SSLContext | None = None) -> None:
        self.script = script
        self.context = context
        self.node = node
        self.view: View | None = None
        self.script_views = False
        self.hive = b""
        """Of which it says that it is; else that of the view."""
        self.greeting = PREFACE
        self.seen: list[Request] = []
        self.sessions: list[_Session] = []
        self.sessions_opened = 0
        self.address = ""
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> StubNode:
        loop = asyncio.get_running_loop()
        port = int(self.address.rpartition(":")[2] or 0)  # at a second life that of the first
        self._server = await loop.create_server(lambda: _Session(self), "127.0.0.1", port, ssl=self.context)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """Ends all connections, and listens no more."""
        if self._server is not None:
            self._server.close()
        for session in list(self.sessions):
            session.transport.abort()

    def notice(self, epoch: int) -> None:
        """Tells all sessions of a new epoch."""
        for session in self.sessions:
            session.transport.write(encode(Notice(0, epoch)))

    def answer(self, request: Request) -> Answer:
        if isinstance(request, GetHive) and not self.script_views:
            return Content(request.id, self.hive or (self.view.hive if self.view is not None else b""))
        self.seen.append(request)
        if isinstance(request, GetView) and not self.script_views:
            return ViewIs(request.id, self.node, self.view) if self.view is not None else None
        return self.script(request)

    def seen_of(self, kind: type[Any]) -> list[Any]:
        """The requests of a kind that came."""
        return [request for request in self.seen if isinstance(request, kind)]


class _Session(asyncio.Protocol):
    def __init__(self, stub: StubNode) -> None:
        self.stub = stub
        self.decoder: Decoder[Request] = Decoder(Request)
        self.transport: asyncio.Transport
        self.watch: Watch | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.stub.sessions.append(self)
        self.stub.sessions_opened += 1
        transport.write(self.stub.greeting)

    def data_received(self, data: bytes) -> None:
        for request in self.decoder.feed(data):
            if isinstance(request, Watch):
                self.watch = request
            answer = self.stub.answer(request)
            if isinstance(answer, type):
                self.transport.abort()
                return
            for reply in answer if isinstance(answer, tuple) else (answer,):
                if reply is not None:
                    self.transport.write(encode(reply))

    def connection_lost(self, exc: Exception | None) -> None:
        self.stub.sessions.remove(self)


def view_of(stubs: Sequence[StubNode], epoch: int = 1, arcs: int = 8, down: Sequence[StubNode] = ()) -> View:
    """A hive of these nodes, whose arcs they own in turn; every node gets its own as its answer."""
    members = tuple(Member(stub.node, 1, stub.address, 1, State.DOWN if stub in down else State.UP) for stub in stubs)
    part = ring.RING // arcs
    table = tuple(Arc((index + 1) * part - 1, 1, (stubs[index % len(stubs)].node,)) for index in range(arcs))
    view = View(epoch, b"h" * 16, 1, 1, members, table, (stubs[0].node,))
    for stub in stubs:
        stub.view = view
    return view


def alias_owned_by(view: View, node: NodeId) -> bytes:
    """An alias that lives there."""
    numbers = (b"alias-%d" % number for number in range(10_000))
    return next(alias for alias in numbers if view.arcs[ring.arc_at(view, ring.hash_of(alias))].holders[0] == node)


class StubThread:
    """A stub in a thread, in real time: for clients in other processes, and for the blocking one."""

    def __init__(self, script: Script, context: SSLContext | None = None) -> None:
        self.stub = StubNode(script, context=context)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> StubNode:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.stub.__aenter__(), self._loop).result()
        view_of([self.stub])
        return self.stub

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Lets nothing stay in the loop: a connection that comes just now is taken by a task of the loop's own."""
        self.stub.die()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class Entries:
    """A script: a node that keeps entries, by the text of their aliases, well enough for a shell to be tried on."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def __call__(self, request: Request) -> Answer:
        if isinstance(request, Get):
            content = self.contents.get(text_of(request.alias))
            if content is None:
                return Failed(request.id, NotFoundError.code, f"there is no entry {named(request.alias)}")
            return Content(request.id, content)
        if isinstance(request, Put | Update):
            alias = text_of(request.alias)
            if isinstance(request, Put) and alias in self.contents:
                return Failed(request.id, AlreadyExistsError.code, f"there is an entry {named(request.alias)} already")
            self.contents[alias] = request.content
            return Done(request.id)
        if isinstance(request, Remove):
            return None  # never answered
        if isinstance(request, RemoveAll):
            count = len(self.contents)
            self.contents.clear()
            return Number(request.id, count)
        if isinstance(request, PrefixScan):
            aliases = sorted(map(bytes_of, self.contents))
            return Aliases(request.id, tuple(one for one in aliases if one.startswith(request.prefix)), False, b"")
        return Number(request.id, len(self.contents))
