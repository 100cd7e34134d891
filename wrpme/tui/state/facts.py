"""What is known at one moment beside the view: all that a scene is made of, ready to be remembered."""

from __future__ import annotations

from msgspec import Struct

from wrpme.protocol.stats import Figures
from wrpme.protocol.view import NodeId
from wrpme.tui.limits import STALE_SECONDS


class Rates(Struct, frozen=True, array_like=True):
    """Over the last moments, a second; None where nobody can tell yet, quantiles also where nobody asked."""

    operations: float | None = None
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    received_bytes: float | None = None
    sent_bytes: float | None = None


class Told(Struct, frozen=True, array_like=True):
    """Figures, when they came, and since when each node was suspected in them (in the order of ``suspected``). Counters
    became ``rates``; ``neighbours`` are addresses, and seconds since each was heard."""

    at: float
    figures: Figures
    rates: Rates
    neighbours: tuple[tuple[str, float], ...] = ()
    suspected_since: tuple[float, ...] = ()


class Known(Struct, array_like=True):
    """Of the node at an address: what it told last, ``heard_since`` when after a silence, and ``gone_at`` with the
    reason. ``cleared_at`` is when another one ceased to suspect it."""

    told: Told | None = None
    heard_since: float | None = None
    gone_at: float | None = None
    reason: str = ""
    cleared_at: float | None = None

    def is_gone(self) -> bool:
        """Whether nothing came since it was lost."""
        return self.gone_at is not None and (self.told is None or self.told.at <= self.gone_at)

    def is_fresh(self, now: float) -> bool:
        """Whether what it told may be shown as what is; not if it is of a time to come, as the clock was set back."""
        return self.told is not None and not self.is_gone() and abs(now - self.told.at) <= STALE_SECONDS


class Life(Struct, array_like=True):
    """Of a member: ``since`` when the view has it so, None if always; ``settling`` while it does not hold yet what it
    shall, ``returned`` if it was a member before."""

    since: float | None
    settling: bool = False
    returned: bool = False


class Turn(Struct, array_like=True):
    """The last that happened to the node at an address: it began or ended."""

    at: float
    kind: str


class Facts(Struct):
    """``began`` is the first sighting, ``word_at`` the last that was told; ``arrived`` the slots of copies that were
    moved since copying began."""

    began: float
    word_at: float | None = None
    arrived: int = 0
    known: dict[str, Known] = {}
    lives: dict[NodeId, Life] = {}
    turns: dict[str, Turn] = {}
