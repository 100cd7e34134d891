"""Whether the wall clocks of members agree: each acknowledgement of a heartbeat tells what the other one's shows, and
was made between the sending of the heartbeat and its own arrival. So half of that time is all that is uncertain.

Nothing is decided by it: an entry expires by the clock of its owner; a clock that is wrong is for an operator to set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wrpme.core.limits import CLOCK_DIFFERENCE_SECONDS_MAX
from wrpme.protocol.stats import ClockApart, clock_sentence
from wrpme.protocol.view import NodeId

if TYPE_CHECKING:
    from wrpme.core.context import NodeContext


class Clocks:
    """Of the neighbours, as this node sees them."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._found: dict[NodeId, tuple[float, float]] = {}
        """How many seconds its clock is ahead of this node's, and how many that may be wrong."""
        self._apart: dict[NodeId, float] = {}
        """Those that were told to differ, and since when."""

    def heard(self, node: NodeId, wall: int, sent: float) -> None:
        """``node`` has answered a heartbeat that left at ``sent``, and its clock showed ``wall`` milliseconds."""
        context = self._context
        if wall and sent <= context.now:
            uncertain = (context.now - sent) / 2
            self._found[node] = (wall - context.wall()) / 1000 + uncertain, uncertain

    def look(self) -> None:
        """Tells whose clock is more than a second ahead or behind, and whose is not any more."""
        context = self._context
        for node in [node for node in self._found if node not in context.heartbeats.neighbours]:
            del self._found[node]
            self._apart.pop(node, None)
        for node, (ahead, uncertain) in self._found.items():
            if node in self._apart:
                if abs(ahead) + uncertain < CLOCK_DIFFERENCE_SECONDS_MAX:
                    seconds = context.now - self._apart.pop(node)
                    address = context.address_of(node)
                    agrees = f"the clock of {address} agrees with that of {context.settings.address} again"
                    context.tell("clock_agrees", agrees, address, seconds, "info")
            elif abs(ahead) - uncertain > CLOCK_DIFFERENCE_SECONDS_MAX:
                self._apart[node] = context.now
                address = context.address_of(node)
                differs = clock_sentence(address, ahead, context.settings.address)
                context.tell("clock_differs", differs, address, level="warning")

    @property
    def apart(self) -> tuple[ClockApart, ...]:
        """Those that differ, and how many seconds they are ahead."""
        return tuple(ClockApart(self._context.address_of(node), round(self._found[node][0], 3)) for node in self._apart)
