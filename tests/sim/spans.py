"""Life spans in histories: an entry vanishes by itself, at its expiry by the clock of whoever owns it then.

The wall clocks of machines are at most ``skew_seconds`` away from the true time, and what a hive makes of them may be
``lag_seconds`` more behind. So an entry is there until its expiry less the first, is gone for whoever asks after its
expiry and both, and never comes back. For the judge this is one more
operation in the history of the entry, between these two moments, which removes that one content if it is still there.
An ``expire`` that sets another expiry is an operation with a mark of its own, which its deadline looks for.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from tests.sim.linear import Operation
from tests.sim.machine import WALL_MILLISECONDS

if TYPE_CHECKING:
    from tests.sim.world import World

LIFE_SECONDS = (0.2, 1.0, 3.0, 8.0)


@dataclass(slots=True)
class Deadline:
    """In true seconds; ``latest`` is known once the request has succeeded, ``done`` is when it had."""

    alias: str
    comparand: bytes
    earliest: float
    latest: float = inf
    done: float = inf
    refused: bool = False


class Deadlines:
    """All of one run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.all: list[Deadline] = []

    def write(self, alias: str, content: bytes, seconds: float) -> tuple[Deadline, int]:
        """Of a content that is written with an expiry, which is given too, in milliseconds since 1970."""
        at = self.world.agenda.now + seconds
        deadline = Deadline(alias, content, at, at)
        self.all.append(deadline)
        return deadline, round(WALL_MILLISECONDS + 1000.0 * at)

    def expire(self, alias: str, seconds: float) -> tuple[Deadline, bytes]:
        """Of whatever is there when an owner is told that it has so many seconds more; and the mark of that."""
        mark = b"\0%d" % len(self.all)
        deadline = Deadline(alias, mark, self.world.agenda.now + seconds)
        self.all.append(deadline)
        return deadline, mark

    def finish(self, deadline: Deadline, result: str, seconds: float) -> None:
        """The request is over; it asked for ``seconds`` from then on."""
        now = self.world.agenda.now
        if result == "ok":
            deadline.done = now
            deadline.latest = min(deadline.latest, now + seconds)
        elif result:
            deadline.refused = True

    def judge(self, histories: dict[str, list[Operation]], skew_seconds: float, lag_seconds: float) -> None:
        """Into the histories."""
        times, end = self.world.moment_times, self.world.agenda.now

        def moment(at: float) -> float:
            return bisect_right(times, at) + 0.5

        for deadline in self.all:
            if deadline.refused or deadline.earliest - skew_seconds > end:
                continue
            gone = max(deadline.latest + skew_seconds + lag_seconds, deadline.done)
            operation = Operation("deadline", moment(deadline.earliest - skew_seconds), comparand=deadline.comparand)
            if gone < end:
                operation = Operation("deadline", operation.call, moment(gone), "ok", comparand=deadline.comparand)
            histories[deadline.alias].append(operation)
