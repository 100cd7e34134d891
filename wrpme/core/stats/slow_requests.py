"""Requests that took longer than the threshold, and where their time went: the last ones are kept for ``slow_log``.

They cost nothing but a comparison while requests are fast. Where all are slow they are bounded: few are kept, and a
line of the log tells of many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

from wrpme.protocol.quoting import named
from wrpme.protocol.administration import SlowRequest, kind_in_words, place_in_words

SLOW_REQUESTS_MAX = 256
ALIAS_BYTES_SHOWN = 128
LINE_SECONDS = 10.0
"""A line of the log at most each so often."""


class SlowRequests:
    """``threshold_seconds`` may change at any time; ``say`` leaves a line in the log."""

    def __init__(self, threshold_seconds: float, say: Callable[[str, str], None]) -> None:
        self.threshold_seconds = threshold_seconds
        self.noted = 0
        """Since the start."""
        self._say = say
        self._kept: deque[SlowRequest] = deque(maxlen=SLOW_REQUESTS_MAX)
        self._told, self._told_at = 0, -inf

    def note(
        self,
        kind: type[Any],
        alias: bytes,
        seconds: float,
        now: float,
        at: float,
        *,
        count: int = 1,
        source: str = "",
        request_id: str = "",
        error: int = 0,
        queued: float = 0.0,
        disk: float = 0.0,
        others: float = 0.0,
        waited_for: str = "",
    ) -> None:
        """A request was slow. Parts are in seconds; ``at`` is milliseconds since 1970, see
        :class:`wrpme.protocol.administration.SlowRequest`."""
        self.noted += 1
        slow = SlowRequest(
            self.noted, at, kind.__name__, alias[:ALIAS_BYTES_SHOWN], count, source, request_id, error,
            seconds * 1000, queued * 1000, disk * 1000, others * 1000, waited_for,
        )  # fmt: skip
        self._kept.append(slow)
        if now - self._told_at >= LINE_SECONDS:
            self._tell()
            self._told, self._told_at = self.noted, now

    def _tell(self) -> None:
        new = self.noted - self._told
        threshold = f"{self.threshold_seconds * 1000:g} ms"
        begin = f"{new} requests took over {threshold}, the last of them" if new > 1 else f"over {threshold}:"
        self._say("info", f"{begin} {self.sentence()}")

    def sentence(self) -> str:
        """The last one, in words; empty where there is none."""
        if not self._kept:
            return ""
        slow = self._kept[-1]
        what = kind_in_words(slow.kind) + (f" {named(slow.alias)}" if slow.count == 1 and slow.alias else "")
        named_so = f" (request {slow.request_id})" if slow.request_id else ""
        return f"{what}{named_so} took {slow.milliseconds:.0f} ms: {place_in_words(slow)}"

    def last(self, count: int) -> tuple[SlowRequest, ...]:
        """So many of those that are kept at most, the latest first."""
        found = list(self._kept)[::-1]
        return tuple(found[: max(0, count)])

    def forget(self) -> None:
        """Keeps none of those that there were; they stay counted."""
        self._kept.clear()
