"""What waits to leave on one connection: in order, in pieces that a connection takes without holding up the loop.

Large messages wait as they are, not as frames: whatever they carry they share with the store, with pending writes and
with the same message to others, and leave so: only the rest of a frame is made, when it is its turn. No socket here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from wrpme.daemon.limits import WIRE_WRITE_BYTES
from wrpme.errors import WrpmeError
from wrpme.protocol.codec import encode_pieces
from wrpme.protocol.frames.large import Unread


class Large:
    """A message that becomes a frame when it leaves. ``size`` is about that of the frame; ``content`` what it shares
    with others; ``counted`` what it adds to the count of what waits; ``lost`` is told why it can't leave, and gives
    the frame that leaves in its place, or none."""

    __slots__ = ("content", "counted", "lost", "message", "size")

    def __init__(
        self,
        message: msgspec.Struct,
        size: int,
        content: bytes | None = None,
        lost: Callable[[WrpmeError], bytes] = lambda error: b"",
    ) -> None:
        self.message = message
        self.size = size
        self.content = content
        self.counted = 0
        self.lost = lost


Frame = bytes | Large


class Outbox:
    """``bytes`` wait here; ``count`` is told how that changes what a node holds for all its connections together: a
    content that several answers in a row share is counted once, with the last of them."""

    def __init__(self, count: Callable[[int], None] = lambda change: None) -> None:
        self.bytes = 0
        self._count = count
        self._frames: deque[Frame] = deque()
        self._leaving: deque[memoryview | Iterator[bytes]] = deque()
        """Of the large message that leaves now."""
        self._left: Large | None = None
        self._last: Large | None = None

    def __bool__(self) -> bool:
        return bool(self._frames or self._leaving)

    def note(self, large: Large) -> None:
        """Counts a message that will be put here at the end of the turn."""
        last, self._last = self._last, large
        if last is not None and last.content is not None and last.content is large.content and last.counted:
            large.counted, last.counted = last.counted, 0
        else:
            large.counted = large.size
            self._count(large.size)

    def forget(self, large: Large) -> None:
        """Counts a message no more: it leaves, or something else leaves in its place."""
        self._count(-large.counted)
        large.counted = 0
        if self._last is large:
            self._last = None

    def put(self, frames: list[Frame]) -> None:
        """Adds frames at the end; those that are large were noted before."""
        for frame in frames:
            if isinstance(frame, Large):
                self.bytes += frame.size
            else:
                self.bytes += len(frame)
                self._count(len(frame))
            self._frames.append(frame)

    @property
    def next_is_large(self) -> bool:
        """Whether a message has to become a frame before anything leaves."""
        return not self._leaving and bool(self._frames) and isinstance(self._frames[0], Large)

    def prepare(self) -> None:
        """Makes a frame of the large message that is next."""
        large = self._frames.popleft()
        assert isinstance(large, Large)
        try:
            pieces = encode_pieces(large.message)
        except WrpmeError as error:
            self.bytes -= large.size
            self.forget(large)
            instead = large.lost(error)
            if instead:
                self._frames.appendleft(instead)
                self.bytes += len(instead)
                self._count(len(instead))
            return
        self.bytes += sum(map(len, pieces)) - large.size
        if not large.counted:
            large.counted = large.size
            self._count(large.size)
        self._left = large
        self._leaving.extend(iter(piece) if type(piece) is Unread else memoryview(piece) for piece in pieces)

    def piece(self) -> bytes | memoryview:
        """Returns what leaves next, at most ``WIRE_WRITE_BYTES`` or one frame that is not large; :meth:`prepare` comes
        first where it is due."""
        if self._leaving:
            piece = self._next_leaving()
            self.bytes -= len(piece)
            if not self._leaving and self._left is not None:
                self.forget(self._left)
                self._left = None
            return piece
        gathered: list[bytes] = []
        size = 0
        while self._frames and size < WIRE_WRITE_BYTES:
            frame = self._frames[0]
            if isinstance(frame, Large):
                break
            gathered.append(frame)
            size += len(frame)
            self._frames.popleft()
        self.bytes -= size
        self._count(-size)
        return gathered[0] if len(gathered) == 1 else b"".join(gathered)

    def _next_leaving(self) -> bytes | memoryview:
        first = self._leaving.popleft()
        while not isinstance(first, memoryview):  # it is read from the disk as it leaves
            part = next(first, None)
            if part is not None:
                self._leaving.appendleft(first)
                first = memoryview(part)
            elif self._leaving:
                first = self._leaving.popleft()
            else:
                return b""
        if len(first) > WIRE_WRITE_BYTES:
            self._leaving.appendleft(first[WIRE_WRITE_BYTES:])
        return first[:WIRE_WRITE_BYTES]

    def clear(self) -> None:
        """Drops everything: the connection has ended."""
        for frame in self._frames:
            if isinstance(frame, Large):
                self.forget(frame)
            else:
                self._count(-len(frame))
        if self._left is not None:
            self.forget(self._left)
        self._frames.clear()
        self._leaving.clear()
        self._left = self._last = None
        self.bytes = 0
