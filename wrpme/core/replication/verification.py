"""Compares the copies of an arc while it is served: the owner's digests travel in the stream to each holder.

A comparison in the stream sees exactly what the writes before it have made, here and there, so that nothing has to
stop for it and no difference in time is taken for a difference of copies.
"""

from __future__ import annotations

import json
from wrpme.core.outbox import Origin
from wrpme.core.layout import alias_in, digest_of
from wrpme.core.replication.replica import Replica
from wrpme.core.replication.sender import Sender
from wrpme.errors import UnstableError
from wrpme.core.limits import COPY_WINDOW_RANGES, VERIFY_ALIASES_MAX
from wrpme.protocol.messages import Answer, Text, VerifyArc
from wrpme.protocol.quoting import shown


class Verification:
    """Of one arc, which this node owns and serves."""

    def __init__(self, replica: Replica, origin: Origin, request: VerifyArc) -> None:
        self.replica = replica
        self._origin = origin
        self._request = request
        self._cursor = replica.writes.low
        self._entries = 0
        self._open = 0
        self._over = False
        self._differing: dict[Sender, list[str]] = {
            copy: [] for copy in replica.copies.values() if copy.node in replica.arc.holders
        }
        replica.on_change.append(self._changed)

    def go_on(self) -> None:
        """Sends comparisons up to the window; answers when all have come back."""
        replica = self.replica
        if not self._differing:  # nothing to compare with, so nothing to look at
            self._cursor, self._entries = replica.writes.high, replica.counts()[0]
        while not self._over and self._cursor < replica.writes.high and self._open < COPY_WINDOW_RANGES:
            low = self._cursor
            pairs, _, self._cursor = replica.writes.range_of(low, replica.writes.high)
            self._entries += len(pairs)
            self._open += len(self._differing)
            for copy in self._differing:
                self._compare(copy, low, self._cursor)
        if not self._over and not self._open:
            self._answer()

    def _compare(self, copy: Sender, low: bytes, high: bytes) -> None:
        """With one copy: as much of the range as goes into one comparison, then the rest."""
        pairs, _, until = self.replica.writes.range_of(low, high)

        def take(answer: Answer | None) -> None:
            if self._over:
                return
            if answer is None:
                self._compare(copy, low, high)
                return
            told_until = answer.until or until
            if not answer.same:
                here = {key: value[:16] for key, value in pairs if key < told_until}
                there = dict(answer.have)
                keys = [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]
                # Where versions agree and digests do not, any of the range may be it.
                names = sorted(shown(alias_in(key)) for key in keys or here)
                self._differing[copy] += names or ["?"]
            if told_until < high:
                self._compare(copy, told_until, high)
                return
            self._open -= 1
            self.go_on()

        copy.compare(low, until, digest_of(pairs), take)

    def _answer(self) -> None:
        self._over = True
        self.replica.on_change.remove(self._changed)
        context = self.replica.context
        copies = [
            {
                "node": context.address_of(copy.node),
                "differing": len(aliases),
                "aliases": sorted(aliases)[:VERIFY_ALIASES_MAX],
            }
            for copy, aliases in self._differing.items()
        ]
        wanted = len(self.replica.arc.wanted)
        found = {"entries": self._entries, "wanted": wanted, "copies": copies}
        context.outbox.reply(self._origin, Text(self._request.id, json.dumps(found)))

    def _changed(self) -> None:
        """Another version of the arc: the streams are others now."""
        self._over = True
        error = UnstableError("the hive changed while copies were compared; try again")
        self.replica.context.outbox.fail(self._origin, self._request.id, error)
