"""How long clients waited for the answers to their requests on entries, and how these ended; by kind of request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from wrpme.core.outbox import Origin
from wrpme.protocol.histogram import Latency, Pairs, merged
from wrpme.protocol.messages import Failed, Many, Reply

Kind = type[Any]


class ResponseTimes:
    """Only of requests that clients asked here: whoever passed one on counts it. A request is counted with its answer,
    and its failure with it, so that what succeeded is the difference at any time."""

    def __init__(self) -> None:
        self.at_once: defaultdict[Kind, int] = defaultdict(int)
        """Requests of this turn that were not put off: they are answered at its end."""
        self.latencies: defaultdict[Kind, Latency] = defaultdict(Latency)
        self.failures: defaultdict[tuple[Kind, int], int] = defaultdict(int)
        """By kind and code of the error."""
        self.parts: defaultdict[Kind, int] = defaultdict(int)
        """Those of messages with many, which were answered together."""
        self._failed_at_once: list[tuple[Kind, int]] = []

    def put_off(self, origin: Origin, kind: Kind) -> None:
        """A request is answered later than in this turn: see :meth:`answered`."""
        if type(origin) is int:
            self.at_once[kind] -= 1

    def failed(self, origin: Origin, kind: Kind, code: int) -> None:
        """A request that was not put off failed."""
        if type(origin) is int:
            self.at_once[kind] += 0  # the turn has something to count
            self._failed_at_once.append((kind, code))

    def answered(self, origin: Origin, kind: Kind, seconds: float, reply: Reply) -> None:
        """A request that was put off is answered now."""
        if type(origin) is int:
            self.latencies[kind].add(seconds)
            if type(reply) is Failed:
                self.failures[kind, reply.code] += 1

    def committed(self, kind: Kind, seconds: float, count: int) -> None:
        """So many writes that clients asked here one by one are answered, and none of them failed."""
        if count:
            self.latencies[kind].add(seconds, count)

    def many(self, kinds: Iterable[Kind], replies: Sequence[Reply | None], seconds: float) -> None:
        """A message with many requests is answered."""
        self.latencies[Many].add(seconds)
        for kind, reply in zip(kinds, replies, strict=True):
            self.parts[kind] += 1
            if type(reply) is Failed:
                self.failures[kind, reply.code] += 1

    def burst(self, kind: Kind, seconds: float, count: int, failed: Iterable[Failed]) -> None:
        """So many that were put off together are answered."""
        self.latencies[kind].add(seconds, count)
        for reply in failed:
            self.failures[kind, reply.code] += 1

    def end_turn(self, seconds: float) -> None:
        """All that was not put off is answered."""
        for kind, count in self.at_once.items():
            if count:
                self.latencies[kind].add(seconds, count)
        self.at_once.clear()
        if self._failed_at_once:
            for failure in self._failed_at_once:
                self.failures[failure] += 1
            self._failed_at_once.clear()

    def pairs(self) -> Pairs:
        """Of all requests on entries that were asked one by one: buckets and their counts."""
        return merged(latency.pairs() for kind, latency in self.latencies.items() if kind is not Many)

    def outcomes(self) -> dict[tuple[Kind, int], int]:
        """How many answers there were by kind and code of the error, 0 for those that succeeded."""
        found: dict[tuple[Kind, int], int] = {}
        for kind in {*self.latencies, *self.parts} - {Many}:
            failed = {(kind, code): count for (of, code), count in self.failures.items() if of is kind}
            answered = (self.latencies[kind].count() if kind in self.latencies else 0) + self.parts.get(kind, 0)
            found |= failed
            found[kind, 0] = answered - sum(failed.values())
        return found
