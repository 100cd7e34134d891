"""Connections between processes: bytes that take time, in pieces, in order; cut, reset, refused, or lost in silence."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from random import Random
from typing import Any

from tests.sim.level2.loop import PROCESS, Process, VirtualLoop

GIVEN_UP_SECONDS = (2.0, 4.0)
"""So long a connection bears that nothing gets through."""
CLIENT = "client"


class End(asyncio.Transport):
    """One end of a connection, of a process at ``here``; what is written arrives at ``other``."""

    def __init__(self, net: Net, here: str, there: str, process: Process | None) -> None:
        super().__init__()
        self.net, self.here, self.there, self.process = net, here, there, process
        self.other: End | None = None
        self.protocol: Any = None
        self.context: Context = copy_context()
        self.closing = False
        self.lost = False
        self._inbox: deque[bytes | None] = deque()
        self._reading = True
        self._arrives_at = 0.0
        self.stalled_until = 0.0
        """Nothing that is written before arrives earlier."""
        self._on_the_way = 0
        self._broken = False

    # --- what protocols call -------------------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        if not self.closing and not self.lost and data:
            self._send(bytes(data))

    def write_eof(self) -> None:
        self._send(None)

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closing or self.lost

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return self._on_the_way

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self.net.loop.call_soon(self._deliver, context=self.context)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def close(self) -> None:
        if not self.closing:
            self._send(None)
            self.closing = True
            self._lose(None)

    def abort(self) -> None:
        if not self.lost:
            self.closing = True
            if self.other is not None:
                self.other.hear_of_end(ConnectionResetError(errno.ECONNRESET, "reset"))
            self._lose(None)

    # --- the way -------------------------------------------------------------------------------------------------

    def _send(self, data: bytes | None) -> None:
        random, loop = self.net.random, self.net.loop
        pieces: list[bytes | None] = [data]
        if data is not None and len(data) > 1 and random.random() < 0.1:
            at = random.randrange(1, len(data))
            pieces = [data[:at], data[at:]]
        for piece in pieces:
            delay = self.net.latency * (0.5 + random.random())
            self._arrives_at = max(self._arrives_at + 1e-6, loop.now + delay, self.stalled_until)
            self._on_the_way += len(piece or b"")
            loop.call_at(self._arrives_at, self._arrive, piece, context=self.net.context)

    def _arrive(self, piece: bytes | None) -> None:
        self._on_the_way -= len(piece or b"")
        other = self.other
        self._broken = self._broken or (self.here, self.there) in self.net.cuts
        if other is None or other.lost or self._broken:
            return  # nothing arrives behind what was lost; such a connection is given up, see Net.cut
        other._inbox.append(piece)
        self.net.loop.call_soon(other._deliver, context=other.context)

    def _deliver(self) -> None:
        while self._inbox and self._reading and not self.lost:
            piece = self._inbox.popleft()
            if piece is not None:
                self.protocol.data_received(piece)
            elif not self.closing:
                self.protocol.eof_received()
                self.close()

    def hear_of_end(self, error: Exception | None) -> None:
        """The other end is no more: this one learns it a little later, after what was still on its way."""
        at = self.net.loop.now + self.net.latency * 2
        self.net.loop.call_at(at, self._lose, error, context=self.context)

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.net.ends.pop(self, None)
            self.net.loop.call_soon(self.protocol.connection_lost, error, context=self.context)


class Net:
    """``cuts`` are pairs (from, to) of hosts between which nothing travels that way."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self.loop = loop
        self.random = random
        self.latency = 0.0005
        self.cuts: set[tuple[str, str]] = set()
        self.listeners: dict[str, tuple[Process, Context, Callable[[], Any]]] = {}
        self.dead_hosts: set[str] = set()
        """Without power: nobody answers for them."""
        self.ends: dict[End, None] = {}
        self.context = copy_context()
        self.host_of: Callable[[Process | None], str] = lambda process: CLIENT
        loop.connect = self.connect

    async def connect(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Any, Any]:
        """For ``create_connection``; raises OSError as the system does."""
        process = PROCESS.get()
        here = self.host_of(process)
        await asyncio.sleep(self.latency * (1 + self.random.random()))
        found = self.listeners.get(host)
        if (here, host) in self.cuts or (host, here) in self.cuts or host in self.dead_hosts:
            await asyncio.sleep(3600)
        if found is None or not found[0].alive:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        if found[0].hangs and self.random.random() < 0.3:
            await asyncio.sleep(3600)
        near, far = End(self, here, host, process), End(self, host, here, found[0])
        near.other, far.other = far, near
        far.context = found[1].copy()
        near.protocol, far.protocol = factory(), found[1].copy().run(found[2])
        self.ends[near] = self.ends[far] = None
        self.loop.call_soon(far.protocol.connection_made, far, context=far.context)
        near.protocol.connection_made(near)
        return near, near.protocol

    def cut(self, source: str, target: str) -> None:
        """Nothing travels this way any more; connections between the two end after a while."""
        self.cuts.add((source, target))
        for end in list(self.ends):
            if {end.here, end.there} == {source, target}:
                seconds = self.random.uniform(*GIVEN_UP_SECONDS)
                error = TimeoutError(errno.ETIMEDOUT, "nothing gets through")
                self.loop.call_later(seconds, end._lose, error, context=end.context)

    def heal(self) -> None:
        """All ways are open; connections that have lost something are given up in their own time."""
        self.cuts.clear()

    def process_ended(self, process: Process, silently: bool) -> None:
        """Its connections end; with ``silently`` nobody tells the others before they notice."""
        for end in list(self.ends):
            if end.process is process:
                end.lost = True
                del self.ends[end]
                if end.other is not None:
                    if silently:
                        seconds = self.random.uniform(*GIVEN_UP_SECONDS)
                        reset = TimeoutError(errno.ETIMEDOUT, "gone")
                        self.loop.call_later(seconds, end.other._lose, reset, context=end.other.context)
                    else:
                        end.other.hear_of_end(ConnectionResetError(errno.ECONNRESET, "reset"))
