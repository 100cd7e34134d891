"""How fast the disk of a node takes batches: one that hangs, and one that is slow again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf

from wrpme.core.io import Operation
from wrpme.core.limits import (
    HEARTBEAT_SECONDS, DISK_LATELY_SECONDS, DISK_SLOW_BATCHES, DISK_SLOW_SECONDS, STREAM_BYTES_PER_SECOND_MIN,
)  # fmt: skip
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.histogram import Latency

_STEP_SECONDS_MAX = 1.5 * HEARTBEAT_SECONDS


class _Second:
    """The batches that ended in one second."""

    __slots__ = ("batches", "number", "seconds", "seconds_max", "slow", "slow_seconds")

    def __init__(self, number: int) -> None:
        self.number = number
        self.batches = self.slow = 0
        self.seconds = self.slow_seconds = self.seconds_max = 0.0


class DiskPace:
    """One batch is under way at a time. Time counts only as far as the node looked: what passes while its own process,
    or its machine, stands still is not the disk's doing. What the node does about a disk that hangs is noted here by
    :class:`wrpme.core.health.own_disk.OwnDisk`."""

    def __init__(self) -> None:
        self.quiet = False
        """A batch has waited for half of L: no heartbeats are sent."""
        self.silent = False
        """It has waited for L: no heartbeat is acknowledged, and nothing is said that others take for a sign of
        life."""
        self.hung = False
        """The same, also where it can't be silent: no write begins, and no vote is given."""
        self.hung_until = -inf
        self._operations: Sequence[Operation] | None = None
        self._looked = 0.0
        self._waited = 0.0
        self._lately: deque[_Second] = deque()
        self.batches = Latency()
        """How long each took."""

    def begin(self, operations: Sequence[Operation], now: float) -> None:
        """A batch leaves for the disk."""
        self._operations, self._looked, self._waited = operations, now, 0.0

    def end(self, now: float) -> None:
        """It is on disk."""
        if self._operations is None:
            return
        seconds = self.look(now)
        self.batches.add(seconds)
        number = int(now)
        lately = self._lately
        if not lately or lately[-1].number != number:
            lately.append(_Second(number))
            self._forget(number)
        last = lately[-1]
        last.batches += 1
        last.seconds += seconds
        last.seconds_max = max(last.seconds_max, seconds)
        if seconds > DISK_SLOW_SECONDS and seconds > DISK_SLOW_SECONDS + self._transfer_seconds():
            last.slow += 1
            last.slow_seconds += seconds
        self._operations = None

    def look(self, now: float) -> float:
        """The node runs; gives for how many seconds the batch under way has waited, 0 where there is none."""
        if self._operations is None:
            return 0.0
        self._waited += min(now - self._looked, _STEP_SECONDS_MAX)
        self._looked = now
        return self._waited

    @property
    def waited(self) -> float:
        """The seconds at the last look."""
        return self._waited if self._operations is not None else 0.0

    @property
    def hangs(self) -> bool:
        """The batch under way has waited for L, and as long as what is in it may take."""
        return self.waited >= LEASE_SECONDS and self.waited >= LEASE_SECONDS + self._transfer_seconds()

    def hang_text(self, address: str) -> str:
        """For the operator."""
        return f"the disk of {address} has taken nothing for {self.waited:.0f} s"

    def _transfer_seconds(self) -> int:
        """A slow disk may take so long for this very batch."""
        size = sum(len(key) + len(value or b"") for key, value in self._operations or ())
        return size // STREAM_BYTES_PER_SECOND_MIN

    def _forget(self, number: int) -> None:
        while self._lately and self._lately[0].number <= number - DISK_LATELY_SECONDS:
            self._lately.popleft()

    def lately(self, now: float) -> tuple[float, float]:
        """Mean and maximum of the last batches, in seconds; 0 where there were none."""
        self._forget(int(now))
        batches = sum(second.batches for second in self._lately)
        if not batches:
            return 0.0, 0.0
        mean = sum(second.seconds for second in self._lately) / batches
        return mean, max(second.seconds_max for second in self._lately)

    def slow(self, now: float) -> tuple[int, float] | None:
        """How many of the last batches were slow, and how long they took each; None where that is the exception: they
        were few, or the disk was busy with others for longer."""
        self._forget(int(now))
        count = sum(second.slow for second in self._lately)
        seconds = sum(second.slow_seconds for second in self._lately)
        if count < DISK_SLOW_BATCHES or 2 * seconds < sum(second.seconds for second in self._lately):
            return None
        return count, seconds / count
