"""What a node clears away, a few milliseconds at a time: entries whose time has come, and those that live elsewhere.

Expiry is a write of the owner: a removal with a version, which every holder gets like any other. So a hint says
something only to the owner of its entry. The sweep goes once over the hints whose time has come, and never looks at one
again: those of other owners are passed over, and go with their entries. What was passed over is looked for again when
this node has become the owner, or has its lease back.
"""

from __future__ import annotations


from wrpme.core.context import NodeContext
from wrpme.core.io import Compact
from wrpme.core.layout import (
    HINTS, expiry_and_key_in, expiry_in, hash_in, hints_end,
)  # fmt: skip
from wrpme.core.replication.replica import Role
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.limits import (
    EXPIRE_ENTRIES_MAX, EXPIRE_HINTS_MAX, EXPIRE_QUEUE_MAX, EXPIRE_SECONDS, REMOVED_BYTES_AT_REST_MAX,
    REMOVED_BYTES_MAX, REMOVED_ENTRIES_AT_REST_MAX, REMOVED_ENTRIES_MAX, STEP_SECONDS,
)  # fmt: skip


class Sweep:
    """See the module. What lives elsewhere is deleted by :class:`wrpme.core.replication.wiping.Wiping`, at its pace."""

    def __init__(self, context: NodeContext, table: ReplicaTable) -> None:
        self._context = context
        self._table = table
        self._wiping = table.wiping
        self._due = self._expire_at = context.now
        self._left = HINTS[1]
        """The first hint that was passed over."""
        self._halfway = False
        self._removed = (0, 0)

    @property
    def due(self) -> float:
        """When there is something to do next."""
        return self._context.now if self._wiping.noted else self._due

    def step(self) -> None:
        """Does a little of what is due."""
        context = self._context
        if context.now < self.due:
            return
        self._wiping.noted = False
        if context.disk.hung:
            self._due = context.now + EXPIRE_SECONDS
            return
        wiping = self._wiping.step()
        if context.now >= self._expire_at:
            self._expire_at = context.now + self._expire()
            self._give_back()
        self._due = min(self._expire_at, context.now + STEP_SECONDS) if wiping else self._expire_at

    def _give_back(self) -> None:
        """Asks the disk for the space of what was removed, where that is much beside what is there."""
        slots = self._context.slots
        rests = (slots.removed, slots.removed_bytes) == self._removed
        entries = REMOVED_ENTRIES_AT_REST_MAX if rests else REMOVED_ENTRIES_MAX
        size = REMOVED_BYTES_AT_REST_MAX if rests else REMOVED_BYTES_MAX
        if slots.removed > max(entries, slots.entries // 2) or slots.removed_bytes > max(size, slots.bytes // 2):
            slots.removed = slots.removed_bytes = 0
            self._context.outbox.effects.append(Compact())
        self._removed = (slots.removed, slots.removed_bytes)

    def _expire(self) -> float:
        """Removes entries whose time has come where this node owns them; gives the time until it is to go on."""
        context, reminders = self._context, self._context.commits.reminders
        if not context.clock_is_checked():
            return EXPIRE_SECONDS
        if not self._halfway:
            self._look_again()
        high = hints_end(int(context.time.early))
        looked = removed = 0
        for hint, _ in context.reader.scan(reminders.cursor, high):
            expiry, key = expiry_and_key_in(hint)
            replica = self._table.at(hash_in(key))
            waits = replica is not None and len(replica.writes.queue) >= EXPIRE_QUEUE_MAX
            if waits or looked >= EXPIRE_HINTS_MAX or removed >= EXPIRE_ENTRIES_MAX:
                reminders.cursor = hint
                self._halfway = True
                return STEP_SECONDS
            looked += 1
            if replica is None or replica.role is not Role.OWNER or context.now >= replica.lease_until():
                self._left = min(self._left, hint)
                if replica is not None:
                    replica.swept = False
                continue
            removed += 1
            held = replica.writes.current(key)
            if held is not None and expiry_in(held) == expiry:
                replica.expire(key, held)
            else:
                context.commits.write([(hint, None)])
        reminders.cursor = max(reminders.cursor, high)
        self._halfway = False
        return EXPIRE_SECONDS

    def _look_again(self) -> None:
        """From the first hint that was passed over, where this node may now remove what it reminds of."""
        context = self._context
        found = [
            replica for replica in self._table.mine
            if not replica.swept and replica.role is Role.OWNER and context.now < replica.lease_until()
        ]  # fmt: skip
        if found:
            for replica in found:
                replica.swept = True
            context.commits.reminders.cursor = min(context.commits.reminders.cursor, self._left)
            self._left = HINTS[1]
