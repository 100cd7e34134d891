"""Connections to other nodes, by address: dialled when the first message wants to leave, and kept.

A link is three connections ("lanes"): what may be large travels on one, small requests that are passed on and their
answers on another one, and the rest on the third, so that neither a heartbeat nor a small request waits behind a copy.
They are dialled, reported up and given up together. While nobody has sent anything for
``LINK_IDLE_SECONDS``, a link is closed without a word: the next message dials it again.

What clients publish leaves for another node only where nothing else waits for it on the lane: no request waits for more
than one batch. What waits for too long is dropped, and what was published while a link is down never leaves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Protocol, Union

from wrpme.core.io import HANGING, LinkDown, LinkUp, Send, SendToAll
from wrpme.daemon.limits import (
    FAREWELL_SECONDS_MAX, LINK_IDLE_SECONDS, LINK_PUBLISHED_BYTES_MAX, WIRE_WRITE_BYTES,
)  # fmt: skip
from wrpme.daemon.log import Throttle
from wrpme.daemon.net.connection import Host, Message, Wire, reason_of, watch_closely
from wrpme.daemon.net.names import Names
from wrpme.daemon.net.outbox import Frame, Large
from wrpme.daemon.net.view_frames import ViewFrames
from wrpme.daemon.security.certificate import Speaker
from wrpme.daemon.security.tls import REFUSED, Tls, failed_handshake
from wrpme.errors import ProtocolError, UsageError, WrpmeError
from wrpme.limits import (
    CONNECT_SECONDS_MAX, LARGE_BYTES, LINK_RETRY_SECONDS_MAX, LINK_RETRY_SECONDS_MIN, LOOKUP_SECONDS_MAX,
)  # fmt: skip
from wrpme.protocol import address as addresses
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.messages import BULK, Envelope, Failed

_BULK = frozenset(BULK)
_CONTROL_LANE, _BULK_LANE, _APART_LANE = 0, 1, 2
LANES = (_CONTROL_LANE, _BULK_LANE, _APART_LANE)


class LinkHost(Host, Protocol):
    """What links need of the runner beyond what every connection needs."""

    def link_event(self, event: LinkUp | LinkDown) -> None:
        """Tells the node."""

    def not_sent(self, address: str, envelope: Envelope) -> None:
        """Tells the node, in a later turn, that the message will not arrive."""


class Links:
    """All links of a node."""

    def __init__(self, host: LinkHost, numbers: Iterable[int], tls: Tls | None = None) -> None:
        self.host = host
        self.tls = tls if tls is not None and tls.dials else None
        self.numbers = iter(numbers)
        self.names = Names()
        self.view_frames = ViewFrames()
        self.throttle = Throttle(host.say)
        self._links: dict[str, Link] = {}

    def send(self, message: Send, now: float) -> None:
        """Sends the message at the end of the turn, or when the link is up for the first time. Where it never leaves,
        the node is told by the end of the link or of the message."""
        self._link(message.address, now).send(message)

    def send_to_all(self, message: SendToAll, now: float) -> None:
        """Sends the message to each where nothing else waits to leave, encoded once for all; or never, without a
        word."""
        frame = encode(message.envelope)
        pieces = [frame[at : at + WIRE_WRITE_BYTES] for at in range(0, len(frame), WIRE_WRITE_BYTES)]
        for address in message.addresses:
            self._link(address, now).send_behind(pieces, len(frame))

    def _link(self, address: str, now: float) -> Link:
        link = self._links.get(address)
        if link is None:
            link = self._links[address] = Link(address, self)
            link.dial()
        link.wanted_at = now
        return link

    def tick(self, now: float) -> None:
        """Closes what nobody needs; is called about once a second."""
        self.throttle.settle(now)
        for link in list(self._links.values()):
            if now - link.wanted_at > LINK_IDLE_SECONDS:
                self.forget(link)

    @property
    def waiting_bytes(self) -> int:
        """What waits to leave on the fullest connection to another node."""
        return max((link.waiting_bytes for link in self._links.values()), default=0)

    def forget(self, link: Link) -> None:
        """Closes the link without a word."""
        self._links.pop(link.address, None)
        link.close()

    async def close(self) -> None:
        """Ends all links; what was written leaves first."""
        attempts = [link.attempt for link in self._links.values() if link.attempt is not None]
        for link in list(self._links.values()):
            self.forget(link)
        await asyncio.gather(*attempts, return_exceptions=True)


class Link:
    """The link to one address."""

    def __init__(self, address: str, links: Links) -> None:
        self.address = address
        self.wanted_at = 0.0
        self.host = links.host
        self._links = links
        self._lanes: list[Lane] = []
        self._up = False
        self._closed = False
        self._queue: list[tuple[int, Frame, Envelope]] | None = []
        """Frames for the first time that it is up, with their lane. None after the first attempt."""
        self._queue_bytes = 0
        self._behind: deque[tuple[list[bytes], int]] = deque()
        """What leaves where nothing else waits, in pieces, and the size of each."""
        self._behind_bytes = 0
        self._behind_due = False
        self._pause = LINK_RETRY_SECONDS_MIN
        self._up_since = 0.0
        self._down_at = 0.0
        self.attempt: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None

    @property
    def waiting_bytes(self) -> int:
        """See :attr:`Links.waiting_bytes`."""
        return max((lane.unsent_bytes for lane in self._lanes), default=self._queue_bytes)

    def send(self, message: Send) -> None:
        """See :meth:`Links.send`."""
        if not self._up and self._queue is None:
            self._hurry()
            self.host.not_sent(self.address, message.envelope)
            return
        envelope = message.envelope
        lane = _APART_LANE if message.apart else _BULK_LANE if type(envelope.body) in _BULK else _CONTROL_LANE
        size = message.size
        frame: Frame
        if size > LARGE_BYTES:
            frame = Large(envelope, size, lost=lambda error: self._unsendable(envelope, error))
        else:
            try:
                frame = self._links.view_frames.frame(envelope)
            except WrpmeError as error:
                self._unsendable(envelope, error)
                return
            size = len(frame)
        if self._up:
            if not self._lanes[lane].put_bounded(frame):
                self.host.not_sent(self.address, envelope)
        elif self._queue is not None and self._queue_bytes + size <= self.host.process.memory.link:
            self._queue.append((lane, frame, envelope))
            self._queue_bytes += size
        else:
            self.host.not_sent(self.address, envelope)

    def send_behind(self, pieces: list[bytes], size: int) -> None:
        """See :meth:`Links.send_to_all`."""
        if not self._up and self._queue is None:
            self._hurry()
            return
        if self._up and not self._behind and self._lanes[_BULK_LANE].is_free:
            self._lanes[_BULK_LANE].put_all(pieces)
        elif self._behind_bytes + size <= LINK_PUBLISHED_BYTES_MAX:
            self._behind.append((pieces, size))
            self._behind_bytes += size
        else:
            line = f"{self.address} takes more slowly what is published here than it comes: some of it was dropped"
            self._links.throttle.say(self.host.clock(), "warning", line)

    def go_on_behind(self) -> None:
        """Lets what waits behind everything else leave, in a later turn."""
        if self._behind and not self._behind_due:
            self._behind_due = True
            self.host.work.put(WIRE_WRITE_BYTES, self._leave_behind)

    def _leave_behind(self) -> None:
        self._behind_due = False
        lane = self._lanes[_BULK_LANE] if self._up else None
        if lane is None or not self._behind or not lane.is_free:
            return
        pieces, size = self._behind.popleft()
        self._behind_bytes -= size
        lane.put_all(pieces)
        lane.flush()

    def _forget_behind(self) -> None:
        self._behind.clear()
        self._behind_bytes = 0

    def _unsendable(self, envelope: Envelope, error: WrpmeError) -> bytes:
        self.host.say("error", f"a message for {self.address} was not sent: {error.sentence}")
        self.host.not_sent(self.address, envelope)
        return b""

    def _hurry(self) -> None:
        """Dials now rather than after the pause: a node is wanted that was not there a moment ago."""
        if self._retry is not None and self.host.clock() - self._down_at >= LINK_RETRY_SECONDS_MIN:
            self._retry.cancel()
            self.dial()

    def dial(self) -> None:
        """Begins an attempt."""
        self._retry = None
        self.attempt = asyncio.get_running_loop().create_task(self._dial())

    def close(self) -> None:
        """Ends the link for good."""
        self._closed = True
        self._up = False
        self._forget_behind()
        if self.attempt is not None:
            self.attempt.cancel()
        if self._retry is not None:
            self._retry.cancel()
        self._hang_up(for_good=True)

    async def _dial(self) -> None:
        try:
            reason = await self._connect()
        except Exception as error:
            self.host.defect(error)
            return
        self.attempt = None
        if reason:
            self.down(reason)
            return
        self._up = True
        self._up_since = self.host.clock()
        queue, self._queue, self._queue_bytes = self._queue, None, 0
        for lane, frame, envelope in queue or ():
            if not self._lanes[lane].put_bounded(frame):
                self.host.not_sent(self.address, envelope)
        self.go_on_behind()
        self.host.link_event(LinkUp(self.address))

    async def _connect(self) -> str:
        """Opens the lanes and hears them answer; returns why not, or an empty text."""
        try:
            host, port = addresses.parse(self.address)
        except UsageError as error:
            return error.sentence
        try:
            found = await self._links.names.addresses(host)
        except TimeoutError:
            return f"its name was not resolved within {LOOKUP_SECONDS_MAX:g} s"
        except OSError as error:
            return reason_of(error)
        reason = ""
        for number in found:
            reason = await self._open_lanes(number, port, host)
            if not reason:
                return await self._hear_lanes()
        return reason

    async def _open_lanes(self, number: str, port: int, host: str) -> str:
        """Opens the lanes; returns why not, or an empty text. Each has its time: the network may be slow, or have lost
        the first packet."""
        loop, tls = asyncio.get_running_loop(), self._links.tls
        try:
            for _ in LANES:
                if tls is None:
                    async with asyncio.timeout(CONNECT_SECONDS_MAX):
                        await loop.create_connection(self._new_lane, number, port)
                    continue
                async with asyncio.timeout(2 * CONNECT_SECONDS_MAX):
                    await loop.create_connection(
                        self._new_lane, number, port, ssl=tls.client, server_hostname=host,
                        ssl_shutdown_timeout=FAREWELL_SECONDS_MAX,
                    )  # fmt: skip
        except OSError as error:  # a TimeoutError is one
            self._hang_up(for_good=False)
            return (tls is not None and failed_handshake(error)) or reason_of(error)
        return ""

    async def _hear_lanes(self) -> str:
        """Waits until the other side has answered on each; returns why not, or an empty text."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                for lane in list(self._lanes):
                    await lane.ready
        except TimeoutError:
            return HANGING
        return next((lane.reason for lane in self._lanes if lane.ended), "")

    def _new_lane(self) -> Lane:
        lane = Lane(next(self._links.numbers), self)
        self._lanes.append(lane)
        return lane

    def ignored(self, sentence: str) -> None:
        """Hears that something which came was not heeded."""
        self._links.throttle.say(self.host.clock(), "info", f"from {self.address}, {sentence}")

    def lane_ended(self, reason: str) -> None:
        """Hears that a lane ended by itself; while dialling, the attempt learns of it by itself too."""
        if self._up:
            self.down(reason)

    def down(self, reason: str) -> None:
        """Hangs up a link that has broken, or an attempt that failed; says so, and tries again if it is still
        wanted."""
        now = self.host.clock()
        if self._up and now - self._up_since > LINK_RETRY_SECONDS_MAX:
            self._pause = LINK_RETRY_SECONDS_MIN
        self._up = False
        self._down_at = now
        self._queue, self._queue_bytes = None, 0
        self._forget_behind()
        self._hang_up(for_good=False)
        if self._closed:
            return
        self._retry = asyncio.get_running_loop().call_later(self._pause, self.dial)
        self._pause = min(LINK_RETRY_SECONDS_MAX, 2 * self._pause)
        self.host.link_event(LinkDown(self.address, reason))

    def _hang_up(self, for_good: bool) -> None:
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.hang_up(for_good)


class Lane(Wire):
    """One of the connections of a link. It is always read: what comes is the answer to what was sent."""

    def __init__(self, number: int, link: Link) -> None:
        super().__init__(number, link.host)
        self._link = link
        self._decoder: Decoder[Envelope | Failed] = Decoder(Union[Envelope, Failed])
        self._preface_bytes = 0
        self._speaker: Speaker | None = None
        """What is heard there of nodes, where the connection is secured: who may be dialled is not yet any node."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reason = ""

    def put_bounded(self, frame: Frame) -> bool:
        """Puts the frame; returns False where too much waits already, and the frame is not sent."""
        size = frame.size if isinstance(frame, Large) else len(frame)
        if self.unsent_bytes + size > self.host.process.memory.link:
            return False
        if isinstance(frame, Large):
            self.put_large(frame)
        else:
            self.put(frame)
        return True

    @property
    def full(self) -> bool:
        """Never, so that it is read also while it has much to send: else two nodes might wait for each other."""
        return False

    @property
    def is_free(self) -> bool:
        """Whether nothing waits here that the system has not taken, but for what is one write of this turn."""
        return not self._paused and not self.outbox and self.gathered_bytes < WIRE_WRITE_BYTES

    def put_all(self, pieces: list[bytes]) -> None:
        """Puts the pieces of a frame."""
        for piece in pieces:
            self.put(piece)

    def flush(self) -> None:
        super().flush()
        self._link.go_on_behind()

    def pumped(self) -> None:
        self._link.go_on_behind()

    def hang_up(self, for_good: bool) -> None:
        """Ends the connection; what was handed to the system leaves first if it can, and ``for_good`` all that
        waits."""
        self.flush()
        if for_good and not self.ended:
            self.write_out()
        self.ended = True
        self.drop_outbox()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
            if self.transport.get_write_buffer_size():
                asyncio.get_running_loop().call_later(CONNECT_SECONDS_MAX, self.transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        watch_closely(self.transport.get_extra_info("socket"))
        secured = self.transport.get_extra_info("ssl_object")
        if secured is not None:
            self._speaker = Speaker(secured, self.host.objection, self._ignored)
        self.host.opened(self)
        self.transport.write(PREFACE)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        self.host.process.received_bytes += len(data)
        self.count_read(len(data))
        try:
            messages = self._decoder.feed_lazily(data)
        except WrpmeError as error:
            self._end(error.sentence)
            return
        if self._preface_bytes < len(PREFACE):
            self._preface_bytes += len(data)
            if self._preface_bytes >= len(PREFACE) and not self.ready.done():
                self.ready.set_result(None)
        for message in messages:
            if isinstance(message, Failed):
                self._end(message.sentence)
                return
        if messages:
            self.arrived(messages, self._decoder.has_later, self.host.clock())  # type: ignore[arg-type]

    def take(self, messages: list[Message], now: float) -> None:
        """Serves all messages: what comes is the answer to what was sent."""
        if self._speaker is not None:
            try:
                messages = self._speaker.heard(messages)
            except ProtocolError as error:
                self._end(error.sentence)
                return
        while messages and not self.ended:
            messages = messages[self.host.serve(self, messages, now) :]

    def _ignored(self, sentence: str) -> None:
        self._link.ignored(sentence)

    def on_nonsense(self, error: WrpmeError) -> None:
        self._end(error.sentence)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(REFUSED if self._speaker is not None and not self._preface_bytes else reason_of(exc))
        self.backlog.clear()
        self.drop_outbox()
        self.host.closed(self)
        self.transport = self._speaker = None  # which lead back here

    def _end(self, reason: str) -> None:
        if self.ended:
            return
        self.reason = reason
        self.ended = True
        if self.transport is not None:
            self.transport.abort()
        if not self.ready.done():
            self.ready.set_result(None)
        self._link.lane_ended(reason)
