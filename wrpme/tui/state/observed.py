"""What was observed of the hive beside its view: with the layout of the ring, all that a scene is made of."""

from __future__ import annotations

from msgspec import Struct

from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import NodeId
from wrpme.tui.limits import STALE_SECONDS


class Rates(Struct, frozen=True, array_like=True):
    """Rates per second over the last moments. None where they are not known yet; the quantiles also where no request
    came."""

    operations: float | None = None
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    received_bytes: float | None = None
    sent_bytes: float | None = None


class Report(Struct, frozen=True, array_like=True):
    """The figures that a node reported ``at`` a time. Its counters have become ``rates``; ``neighbours`` are addresses,
    each with the seconds since it was heard; ``suspected_since`` has the order of ``stats.suspected``."""

    at: float
    stats: NodeStats
    rates: Rates
    neighbours: tuple[tuple[str, float], ...] = ()
    suspected_since: tuple[float, ...] = ()


class ObservedNode(Struct, array_like=True):
    """What was observed of the node at an address: its last report, ``heard_since`` when it reports after a silence,
    and ``gone_at``, with the reason, when it was lost. Another node ceased to suspect it at ``cleared_at``."""

    report: Report | None = None
    heard_since: float | None = None
    gone_at: float | None = None
    reason: str = ""
    cleared_at: float | None = None

    def is_gone(self) -> bool:
        """Returns whether no report came since the node was lost."""
        return self.gone_at is not None and (self.report is None or self.report.at <= self.gone_at)

    def is_fresh(self, now: float) -> bool:
        """Returns whether the last report may be shown as the present. One from the future may not: the clock was set
        back."""
        return self.report is not None and not self.is_gone() and abs(now - self.report.at) <= STALE_SECONDS


class Membership(Struct, array_like=True):
    """A member's state in the view: ``since`` when it is so, None if it was from the first view on; ``settling`` while
    it does not hold yet what is wanted on it, ``returned`` if it was a member before."""

    since: float | None
    settling: bool = False
    returned: bool = False


class LastEvent(Struct, array_like=True):
    """The latest event by which the node at an address began or ended."""

    at: float
    kind: str


class Observed(Struct):
    """All of it, by address, or by id for memberships. ``began`` is the time of the first watch record, ``word_at``
    that of the last one that a node told; ``arrived`` counts the slots of copies that were moved since copying
    began."""

    began: float
    word_at: float | None = None
    arrived: int = 0
    nodes: dict[str, ObservedNode] = {}
    memberships: dict[NodeId, Membership] = {}
    last_events: dict[str, LastEvent] = {}
