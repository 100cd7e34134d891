"""Entries that live elsewhere are deleted, some at a time, once nobody can need them here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from wrpme.core.context import NodeContext
from wrpme.core.layout import hash_in, key_range, operations_for, removal
from wrpme.core.stats.slot_counts import user_bytes_of
from wrpme.core.limits import WIPE_BYTES_MAX, WIPE_ENTRIES_MAX


class _Foreign:
    """A range that this node has no part in, but entries of; ``after`` is the batch with the last of its writes."""

    def __init__(self, first: int, last: int, after: int) -> None:
        self.cursor, self.high = key_range(first, last)
        self.after = after


class Wiping:
    """``noted``: there is something to delete since somebody last set this to False."""

    def __init__(self, context: NodeContext) -> None:
        self.noted = False
        self.wiped = 0
        """The last batch that has something of a wiping."""
        self._context = context
        self._foreign: dict[tuple[int, int], _Foreign] = {}
        self._former: dict[tuple[int, int], _Foreign] = {}

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
        self.noted = True

    def step(self) -> bool:
        """Deletes some entries that live elsewhere, once what was on its way to the disk has arrived; whether there are
        more."""
        context = self._context
        for place, range_ in list(self._foreign.items()):
            if context.commits.persisted < max(range_.after, self.wiped):
                return True
            size = 0
            for count, (key, value) in enumerate(context.reader.scan_stored(range_.cursor, range_.high)):
                if count >= WIPE_ENTRIES_MAX or size >= WIPE_BYTES_MAX:
                    range_.cursor = key
                    return True
                self.wiped = context.commits.write(operations_for(key, removal((0, 0)), value))
                context.slots.add(hash_in(key), -1, -user_bytes_of(key, len(value)))
                size += len(value)
            del self._foreign[place]
        return False
