"""A connection that speaks the protocol of Redis: its commands go the way of a client's requests.

What one read brought is handed to the node together, and the answers of a turn leave in one write. The bounds are those
of every session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from random import randrange
from typing import Any

from wrpme.daemon.limits import (
    SESSION_OUTBOX_BYTES_MAX, SESSION_REQUESTS_MAX, SUBSCRIBER_BEHIND_BYTES_MAX,
    WIRE_WRITE_BYTES,
)  # fmt: skip
from wrpme.core.io import BurstDone
from wrpme.daemon.net.connection import Message, Wire
from wrpme.daemon.net.redis.channels import Channels, Kind
from wrpme.daemon.net.redis.client import NO_OPTIONS, Client, Options
from wrpme.daemon.net.redis.figures import Figures
from wrpme.daemon.net.redis.parser import Foreign, Parser
from wrpme.daemon.net.redis.pipeline import Pipeline
from wrpme.daemon.net.redis.replies import error
from wrpme.daemon.net.redis.commands.table import begin
from wrpme.daemon.net.server import FOREIGN, Server, Session
from wrpme.errors import BusyError, ProtocolError, WrpmeError
from wrpme.limits import LARGE_BYTES, TURN_BYTES
from wrpme.protocol.messages import Envelope, Reply, Request


class RedisSession(Session):
    """One connection of a Redis client. A request is counted as waiting until its reply is there."""

    takes_replies = True

    def __init__(
        self, number: int, server: Server, channels: Channels, figures: Figures, options: Options = NO_OPTIONS
    ) -> None:
        super().__init__(number, server)
        self._channels = channels
        self._pushes: deque[bytes] = deque()
        """What was published for this client and has not been written."""
        self._pushes_bytes = 0
        self._parser = Parser()
        self._began_at = self.heard_at = self.host.clock()
        self._lapsed = False
        self._client = Client(number, "", self._wall, options)
        self._client.age = lambda: self.host.clock() - self._began_at
        self._client.idle = lambda: self.host.clock() - self.heard_at
        self._client.kill = self.abort
        self._client.others = self._all_clients
        self._client.chance = randrange
        self._client.stats = self._stats
        self._client.access = self.host.access
        self._client.forget_user = lambda: self.host.forget_user(number)
        self._client.channels = channels
        self._client.figures = figures
        self._client.push = self._push
        self._client.tell = self._tell
        self._client.resume = self.go_on
        self._pipeline = Pipeline(self._client, self, begin)

    # --- what comes in -------------------------------------------------------------------------------------------

    def take_over(self, transport: asyncio.Transport, first: bytes) -> None:
        self.transport = transport
        self._client.address = self.peer
        name: Any = transport.get_extra_info("sockname")
        self._client.local_address = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""
        super().take_over(transport, first)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        now = self.heard_at = self.host.clock()
        self.host.process.received_bytes += len(data)
        commands = self._parser.feed(data)
        if commands:
            self._pipeline.take(commands)
        if self._pipeline.queue or self._parser.error is not None or self._client.ends:
            self._after_commands()
        elif self.frames:
            self.host.flush_soon()
        if (self._partial_bytes or self._parser.pending_bytes) and not self.ended:
            self.count_partial(now)

    def _after_commands(self) -> None:
        """Writes what was answered without the node, and holds back where commands wait."""
        if self.ended:
            return
        if self._client.ends and not self._pipeline.waits_for_answers:
            self.server.strangers[self] = None
            Session.flush(self)
            self.say_last(b"")
            return
        wrong = self._parser.error
        if wrong is not None and not self._pipeline.waits_for_answers:
            self.on_nonsense(wrong)
            return
        if self._pipeline.queue or wrong is not None:
            self.hold()
        if self.frames:
            self.host.flush_soon()

    def take(self, messages: list[Message], now: float) -> None:
        before = self._pipeline.begin_work()
        try:
            super().take(messages, now)
        finally:
            self._pipeline.end_work(before)

    def replied(self, reply: Reply | Envelope, valid_until: float = inf) -> None:
        self.waiting -= 1
        if valid_until != inf and not self._pipeline.leased:
            self._lapsed = False
        self._pipeline.replied(reply, valid_until)
        if self._held and not self.waiting:
            self.go_on()

    def burst_done(self, done: BurstDone, now: float) -> None:
        self.waiting -= self._pipeline.burst_done(done.number, done.failed, now)
        if self._held and not self.waiting:
            self.go_on()

    def lapse(self) -> None:
        self._lapsed = True
        super().lapse()

    # --- what the pipeline needs ---------------------------------------------------------------------------------

    def hand_in(self, requests: list[Request]) -> None:
        """See :class:`Way`."""
        if not self.ended:
            self.arrived(requests, False, self.host.clock())  # type: ignore[arg-type]

    def update(self, number: int, pairs: list[tuple[bytes, bytes]]) -> int:
        """See :class:`Way`."""
        begun = self.host.update(self, number, pairs[: SESSION_REQUESTS_MAX - self.waiting], self.heard_at)
        self.waiting += begun
        return begun

    def answer(self, answer: bytes) -> None:
        """See :class:`Way`."""
        if answer:
            self.put(answer)

    def has_room(self) -> bool:
        """See :class:`Way`."""
        if self._pushes:
            self._tell()
            if self._pushes and not self._client.inside:
                return False
        return not (self.ended or self.backlog or self.outbox or self.full)

    def now(self) -> float:
        """See :class:`Way`."""
        return self.host.clock()

    def lapsed(self) -> bool:
        """See :class:`Way`."""
        return self._lapsed

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """See :class:`Way`."""

        def due() -> None:
            if not self.ended:
                call()
                self.flush()

        asyncio.get_running_loop().call_later(seconds, due)

    # --- what is published ---------------------------------------------------------------------------------------

    def _push(self, frame: bytes) -> None:
        if self.ended:
            return
        self._pushes.append(frame)
        self._count_pushes(len(frame))
        everybody_is_behind = self._channels.behind_bytes > self.host.process.memory.behind
        if self._pushes_bytes > (SESSION_OUTBOX_BYTES_MAX if everybody_is_behind else SUBSCRIBER_BEHIND_BYTES_MAX):
            waiting = f"{self._pushes_bytes} bytes wait" + ", and more than 1 GiB for all" * everybody_is_behind
            self.give_up(f"it takes what is published more slowly than it comes ({waiting})")

    def _count_pushes(self, change: int) -> None:
        self._pushes_bytes += change
        self._channels.behind_bytes += change

    def _tell(self) -> int:
        """Puts what was published, as far as it leaves at once, and returns how many bytes. What waits is shared with
        other subscribers, and no answer of this node."""
        told = 0
        while self._pushes and told < TURN_BYTES and self._may_tell:
            self.took_at = self.host.clock()
            frame = self._pushes.popleft()
            self._count_pushes(-len(frame))
            self.put(frame)
            told += len(frame)
            if self.gathered_bytes >= WIRE_WRITE_BYTES:
                Wire.flush(self)
        return told

    @property
    def behind_bytes(self) -> int:
        return super().behind_bytes + self._pushes_bytes

    @property
    def _may_tell(self) -> bool:
        return not (self.outbox or self._paused or self.ended or self._client.inside)

    # --- bounds and manners --------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        return (
            self.waiting >= SESSION_REQUESTS_MAX
            or self.gathered_bytes + self.outbox.bytes >= SESSION_OUTBOX_BYTES_MAX
            or self._pipeline.parked_bytes >= LARGE_BYTES * 4
        )

    @property
    def _is_quiet(self) -> bool:
        """Whether all that is to be done is to write what gathered."""
        return not (
            self.outbox.bytes or self._pushes or self._held or self._paused or self.ended or self._pipeline.queue
            or self._parser.error is not None or self._client.ends
        ) and 0 < self.gathered_bytes <= WIRE_WRITE_BYTES  # fmt: skip

    def count_answered(self) -> None:
        """Replies were counted when they came."""

    def flush(self) -> None:
        if self._is_quiet:
            frames, size = self.frames, self.gathered_bytes
            self.transport.write(frames[0] if len(frames) == 1 else b"".join(frames))  # type: ignore[union-attr, arg-type]
            self.host.process.sent_bytes += size
            self.gathered_bytes = 0
            frames.clear()
            return
        self._tell()
        super().flush()
        if not self.ended:
            self._pipeline.go_on()
            self._after_commands()

    def pumped(self) -> None:
        super().pumped()
        if self._pushes and self._may_tell:
            self._channels.tell_soon(self._client)
        if not self.ended and self._pipeline.queue:
            self._pipeline.go_on()
            self._after_commands()

    def _serve(self) -> None:
        super()._serve()
        if not self.ended:
            self._pipeline.go_on()
            self._after_commands()

    def pending_bytes(self) -> int:
        return self._parser.pending_bytes

    def forget_pending(self) -> None:
        self._parser = Parser()

    def on_nonsense(self, error: WrpmeError) -> None:
        self.refuse(error, FOREIGN if isinstance(error, Foreign) else None)

    def refusal(self, error_: WrpmeError) -> bytes:
        if isinstance(error_, ProtocolError):
            return error(f"ERR Protocol error: {error_.sentence}")
        if isinstance(error_, BusyError):
            return error(f"ERR max number of clients reached: {error_.sentence}")
        return error(f"ERR {error_.sentence}")

    def end(self, farewell: bytes) -> None:
        """What has no answer gets none, as by Redis: clients connect anew and say it again. An error they would hand to
        the application, and take it for the answer to their next command where they wait for none."""
        if not self.ended:
            self._pipeline.end()
            super().end(b"")

    def enter(self, is_client: bool = True) -> bool:
        has_room = super().enter(is_client)
        self.host.process.redis_sessions += has_room
        return has_room

    def connection_lost(self, exc: Exception | None) -> None:
        self.host.process.redis_sessions -= self._is_client
        self._pipeline.drop()
        self._channels.gone(self._client)
        self._pushes.clear()
        self._count_pushes(-self._pushes_bytes)
        super().connection_lost(exc)

    # --- what commands ask ---------------------------------------------------------------------------------------

    def _wall(self) -> int:
        return int(1000 * self.host.clock() + self.host.process.wall_offset_milliseconds)

    def _all_clients(self) -> list[Client]:
        return [session._client for session in self.server.sessions if isinstance(session, RedisSession)]

    def _stats(self) -> dict[str, dict[str, Any]]:
        return {
            "clients": {
                "maxclients": self.server.clients_max,
                "pubsub_clients": sum(client.subscription_count > 0 for client in self._all_clients()),
            },
            "stats": {
                "total_connections_received": self.server.accepted,
                "pubsub_channels": len(self._channels.names(Kind.CHANNEL)),
                "pubsub_patterns": len(self._channels.names(Kind.PATTERN)),
            },
        }
