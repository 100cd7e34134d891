"""Those who follow entries: what is told to many becomes a frame once, and leaves some of them at a time.

Where ten thousand follow, one change is ten thousand calls of the system: so each turn of the loop tells a part of
them, and requests are served in between. Everything that followers are told goes this one way, and stays in its order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Protocol

from msgspec.structs import replace

from wrpme.core.io import FollowersBehind, TellFollowers
from wrpme.daemon.limits import FOLLOW_BEHIND_BYTES_MAX, FOLLOWERS_TOLD_MAX
from wrpme.daemon.net.connection import Wire
from wrpme.errors import UnstableError
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import Changes, Done, Failed, FollowEnded, Following

LAPSED = "this node can't say that all was told; follow again"


class FollowersHost(Protocol):
    """What this needs of the runner."""

    def flush(self) -> None:
        """Writes what was put on wires."""

    def defect(self, error: BaseException) -> None:
        """Ends the process, as something happened that can't."""


class Followers:
    """``wires`` are the connections by their numbers; ``behind`` hears of those that do not take what they are told,
    ``told`` is called when all have been told what took more than one turn."""

    def __init__(
        self,
        host: FollowersHost,
        wires: Mapping[int, Wire],
        behind: Callable[[FollowersBehind], None],
        told: Callable[[], None],
    ) -> None:
        self._host = host
        self._wires = wires
        self._behind = behind
        self._told = told
        self._waiting: deque[tuple[TellFollowers, bytes]] = deque()
        self._place = 0
        """How many have been told the first of those that wait."""
        self._later = False
        self._missing: set[tuple[int, int]] = set()
        """Sessions that miss something of a channel, until they have been told that it has ended for them: nothing that
        was said behind that may reach them as if nothing were missing."""

    @property
    def due(self) -> bool:
        """Whether something is to be told at the end of this turn."""
        return bool(self._waiting) and not self._later

    @property
    def busy(self) -> bool:
        """Whether somebody has yet to be told what was put here in an earlier turn."""
        return self._later

    def put(self, effect: TellFollowers) -> None:
        """Tells it behind what waits."""
        self._waiting.append((effect, encode(effect.reply)))

    def go_on(self) -> None:
        """Tells the next ones; the others in a later turn."""
        left = FOLLOWERS_TOLD_MAX
        while self._waiting and left > 0:
            effect, frame = self._waiting[0]
            part = effect.sessions[self._place : self._place + left]
            self._place += len(part)
            left -= len(part)
            if self._place >= len(effect.sessions):
                self._waiting.popleft()
                self._place = 0
            self._tell(part, effect, frame)
        if self._waiting:
            self._later = True
            asyncio.get_running_loop().call_soon(self._go_on_later)

    def _go_on_later(self) -> None:
        self._later = False
        try:
            self.go_on()
        except Exception as error:
            self._host.defect(error)
        self._host.flush()
        if not self._later:
            self._told()

    def lapse(self) -> None:
        """Lets no lease hold any more of those that wait."""
        self._waiting = deque(
            (replace(effect, valid_until=-inf) if effect.valid_until < inf else effect, frame)
            for effect, frame in self._waiting
        )

    def _tell(self, sessions: tuple[int, ...], effect: TellFollowers, frame: bytes) -> None:
        reply, channel = effect.reply, effect.channel
        behind: list[int] = []
        for session in sessions:
            wire = self._wires.get(session)
            if wire is None:
                self._missing.discard((session, channel))
            elif isinstance(reply, Done):
                refusal = partial(encode, Failed(reply.id, UnstableError.code, LAPSED))
                wire.put(refusal() if (session, channel) in self._missing else frame)
                if effect.valid_until != inf:
                    wire.valid_until(effect.valid_until, refusal)
            elif isinstance(reply, Following):
                wire.put(frame)
            elif isinstance(reply, Changes) and (session, channel) in self._missing:
                continue
            elif isinstance(reply, Changes) and wire.unsent_bytes > FOLLOW_BEHIND_BYTES_MAX:
                self._missing.add((session, channel))
                behind.append(session)
            else:
                if isinstance(reply, FollowEnded):
                    self._missing.discard((session, channel))
                wire.waiting += 1  # it answers no request
                wire.put(frame)
        if behind:
            self._behind(FollowersBehind(channel, tuple(behind)))
