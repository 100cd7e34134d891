"""Requests that their clients gave ids: a line of the log at each step, at each node that they touch.

Who sets ids decides how many lines there are, so that they are bounded: beyond :data:`TRACES_PER_SECOND_MAX` begun in a
second, requests are carried out without a line, and one says how many.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from wrpme.errors import BY_CODE, WrpmeError
from wrpme.protocol.messages import Failed, Reply

TRACES_MAX = 256
"""So many may be unanswered at a time; of more the oldest are followed no longer."""
TRACES_PER_SECOND_MAX = 50

Place = tuple[Any, int]
"""Who asked, and under which number."""


class Trace:
    """A request with an id. ``what`` names its kind and its entry, ``since`` is when it came."""

    __slots__ = ("request_id", "since", "what")

    def __init__(self, request_id: str, what: str, since: float) -> None:
        self.request_id = request_id
        self.what = what
        self.since = since


class Traces:
    """``say`` leaves a line in the log, ``clock`` is the node's time of this call."""

    def __init__(self, say: Callable[[str, str], None], clock: Callable[[], float]) -> None:
        self._say = say
        self._clock = clock
        self.open: dict[Place, Trace] = {}
        self._second, self._begun, self._untold = -inf, 0, 0

    def begin(self, place: Place, trace: Trace, source: str) -> None:
        """A request with an id came from a client or another node."""
        if trace.since - self._second >= 1.0:
            if self._untold:
                self._say("info", f"{self._untold} more requests with ids came, which have no lines")
            self._second, self._begun, self._untold = trace.since, 0, 0
        self._begun += 1
        if self._begun > TRACES_PER_SECOND_MAX:
            self._untold += 1
            return
        if len(self.open) >= TRACES_MAX:
            del self.open[next(iter(self.open))]
        self.open[place] = trace
        self.step(trace.request_id, f"{trace.what}, {source}")

    def step(self, request_id: str, sentence: str) -> None:
        """Something happened to it."""
        self._say("info", f"request {request_id}: {sentence}")

    def request_id(self, place: Place) -> str:
        """The id of a request that is not answered yet; empty where it has none."""
        trace = self.open.get(place)
        return trace.request_id if trace is not None else ""

    def ended(self, place: Place, reply: Reply) -> None:
        """A reply leaves; a request with an id may be that which it answers."""
        trace = self.open.pop(place, None)
        if trace is not None:
            failed = type(reply) is Failed
            word = BY_CODE.get(reply.code, WrpmeError).word if type(reply) is Failed else ""
            what = f"answered with {word}" if failed else "answered"
            self.step(trace.request_id, f"{what} after {(self._clock() - trace.since) * 1000:.1f} ms")
