"""How long clients waited for the answers to their requests on entries."""

from __future__ import annotations

from wrpme.core.outbox import Origin
from wrpme.protocol.histogram import Latency


class ResponseTimes:
    """Only of requests that clients asked here: whoever passed one on counts it."""

    def __init__(self) -> None:
        self.latency = Latency()
        self.at_once = 0
        """Requests of this turn that were not put off: they are answered at its end."""

    def put_off(self, origin: Origin) -> None:
        """A request is answered later than in this turn: see :meth:`answered`."""
        if type(origin) is int:
            self.at_once -= 1

    def answered(self, origin: Origin, seconds: float) -> None:
        """A request that was put off is answered now."""
        if type(origin) is int:
            self.latency.add(seconds)

    def end_turn(self, seconds: float) -> None:
        """All that was not put off, one request at least, is answered."""
        self.latency.add(seconds, self.at_once)
        self.at_once = 0
