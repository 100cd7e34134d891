"""What a node clears away, a few milliseconds at a time: entries whose time has come, and those that live elsewhere.

Expiry is a write of the owner: a removal with a version, which every holder gets like any other. So a hint says
something only to the owner of its entry. The sweep goes once over the hints whose time has come, and never looks at one
again: those of other owners are passed over, and go with their entries. What was passed over is looked for again when
this node has become the owner, or has its lease back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wrpme.core.io import Compact
from wrpme.core.layout import (
    HINTS, expiry_and_key_in, expiry_in, hash_in, hints_end, key_range, operations_for, removal,
)  # fmt: skip
from wrpme.core.replication.replica import Role
from wrpme.core.slot_counts import size_of
from wrpme.limits import (
    EXPIRE_ENTRIES_MAX, EXPIRE_HINTS_MAX, EXPIRE_QUEUE_MAX, EXPIRE_SECONDS, REMOVED_BYTES_AT_REST_MAX,
    REMOVED_BYTES_MAX, REMOVED_ENTRIES_AT_REST_MAX, REMOVED_ENTRIES_MAX, STEP_SECONDS, WIPE_BYTES_MAX,
    WIPE_ENTRIES_MAX,
)  # fmt: skip

if TYPE_CHECKING:
    from wrpme.core.context import NodeContext
    from wrpme.core.replication.replica_table import ReplicaTable


class _Foreign:
    """A range that this node has no part in, but entries of; ``after`` is the batch with the last of its writes."""

    def __init__(self, first: int, last: int, after: int) -> None:
        self.cursor, self.high = key_range(first, last)
        self.after = after


class Sweep:
    """``due`` is when there is something to do next."""

    def __init__(self, context: NodeContext, table: ReplicaTable) -> None:
        self.due = context.now
        self.wiped = 0
        """The last batch that has something of a wiping."""
        self._context = context
        self._table = table
        self._foreign: dict[tuple[int, int], _Foreign] = {}
        self._former: dict[tuple[int, int], _Foreign] = {}
        self._expire_at = context.now
        self._left = HINTS[1]
        """The first hint that was passed over."""
        self._halfway = False
        self._removed = (0, 0)

    def step(self) -> None:
        """Does a little of what is due."""
        context = self._context
        if context.now < self.due:
            return
        if context.disk.hung:
            self.due = context.now + EXPIRE_SECONDS
            return
        wiping = self._wipe()
        if context.now >= self._expire_at:
            self._expire_at = context.now + self._expire()
            self._give_back()
        self.due = min(self._expire_at, context.now + STEP_SECONDS) if wiping else self._expire_at

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

    # --- elsewhere -----------------------------------------------------------------------------------------------

    def begin_view(self, changed: Sequence[tuple[int, int]] | None) -> None:
        """Another view: what lives elsewhere in these stretches, or anywhere, is noted anew."""
        if changed is None:
            self._former, self._foreign = self._foreign, {}
            return
        ends = [last for _, last in changed]
        self._former = {}
        for first, last in list(self._foreign):
            index = bisect_left(ends, first)
            if index < len(ends) and changed[index][0] <= last:
                self._former[first, last] = self._foreign.pop((first, last))

    def note_foreign(self, first: int, last: int) -> None:
        """Entries of that range may be deleted here."""
        known = self._former.get((first, last))
        self._foreign[first, last] = known or _Foreign(first, last, self._context.commits.last_batch)
        self.due = self._context.now

    def _wipe(self) -> bool:
        """Deletes some entries that live elsewhere, once what was on its way to the disk has arrived; whether there are
        more."""
        context = self._context
        for place, range_ in list(self._foreign.items()):
            if context.commits.persisted < max(range_.after, self.wiped):
                return True
            size = 0
            for count, (key, value) in enumerate(context.reader.scan(range_.cursor, range_.high)):
                if count >= WIPE_ENTRIES_MAX or size >= WIPE_BYTES_MAX:
                    range_.cursor = key
                    return True
                self.wiped = context.commits.write(operations_for(key, removal((0, 0)), value))
                context.slots.add(hash_in(key), -1, -size_of(key, value))
                size += len(value)
            del self._foreign[place]
        return False

    # --- expired -------------------------------------------------------------------------------------------------

    def _expire(self) -> float:
        """Removes entries whose time has come where this node owns them; gives the time until it is to go on."""
        context, reminders = self._context, self._context.commits.reminders
        if not self._halfway:
            self._look_again()
        high = hints_end(int(context.wall()))
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
                replica.remove(key, held)
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
