"""Group commit: writes gather into one batch while the batch before it is on its way to the disk.

Batches are numbered and reach the disk in order. What may be said only of what is on disk (an acknowledgement, a
promise, a vote) is held here with the number of the last batch that it depends on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from wrpme.core.health.disk_pace import DiskPace
from wrpme.core.io import Operation, Persist
from wrpme.core.replication.marks import Marks
from wrpme.core.replication.reminders import Reminders
from wrpme.core.stats.slot_counts import SlotCounts


BATCHES_REMEMBERED = 128
"""Of so many it is known when they were written, for those who ask why a write took long."""


class GroupCommit:
    """``batch`` is the number of the batch that gathers, ``persisted`` that of the last one on disk."""

    def __init__(self, marks: Marks, slots: SlotCounts) -> None:
        self._marks = marks
        self._slots = slots
        self.reminders = Reminders()
        self.disk = DiskPace()
        """How this node's own disk takes batches; what follows from it see :mod:`wrpme.core.health.own_disk`."""
        self.batch = 1
        self.persisted = 0
        self.serial = 0
        """Of the last write that a replica made or received."""
        self.pending_bytes = 0
        """Of all writes that this node has taken as an owner, and not acknowledged."""
        self._operations: list[Operation] = []
        self._must_sync = False
        self._in_flight = False
        self._left_at = 0.0
        self._times: deque[tuple[int, float, float]] = deque(maxlen=BATCHES_REMEMBERED)
        self._held: deque[tuple[int, Callable[[], None]]] = deque()

    def write(self, operations: list[Operation], must_sync: bool = False) -> int:
        """Adds to the batch that gathers; gives its number."""
        self._operations += operations
        self._must_sync = self._must_sync or must_sync
        return self.batch

    def next_serial(self) -> int:
        """The number of a further write of a replica, in the order of all that it makes or receives."""
        self.serial += 1
        return self.serial

    def after_disk(self, then: Callable[[], None]) -> None:
        """Does ``then`` once everything written so far is on disk."""
        last = self.last_batch
        if last <= self.persisted:
            then()
        else:
            self._held.append((last, then))

    @property
    def last_batch(self) -> int:
        """The batch that all written so far is on disk with."""
        return self.batch if self._operations else self.batch - 1

    @property
    def idle(self) -> bool:
        """Nothing is on its way to the disk, and nothing gathers."""
        return not self._in_flight and not self._operations

    @property
    def disk_is_free(self) -> bool:
        """What gathered may leave for the disk, and for the holders with it."""
        return not self._in_flight

    @property
    def may_leave(self) -> bool:
        """Something gathered, and no batch is on its way to the disk."""
        return bool(self._operations) and not self._in_flight

    def flush(self, now: float) -> Persist | None:
        """The gathered batch, which leaves for the disk now; None while another one is on its way: it gathers on."""
        if not self._operations or self._in_flight:
            return None
        self._operations += self._marks.operations()  # in one batch with the writes that they tell of
        self._operations += self._slots.operations()
        leaving = Persist(self.batch, self._operations, self._must_sync)
        self.disk.begin(self._operations, now)
        self._operations = []
        self._must_sync = False
        self._in_flight = True
        self._left_at = now
        self.batch += 1
        self.reminders.left()
        return leaving

    def on_persisted(self, batch: int, now: float) -> None:
        """Everything up to ``batch`` is on disk."""
        self.disk.end(now)
        self._times.append((batch, self._left_at, now))
        self.persisted = batch
        self._in_flight = False
        self.reminders.flushed()
        while self._held and self._held[0][0] <= batch:
            self._held.popleft()[1]()

    def times(self, batch: int) -> tuple[float, float] | None:
        """When a batch left for the disk, and when it was there; None where it is not, or that is too long ago."""
        return next(((left, landed) for number, left, landed in reversed(self._times) if number == batch), None)
