"""Whether the wall clocks of members agree: each acknowledgement of a heartbeat tells what the other one's shows, and
was made between the sending of the heartbeat and its own arrival. So half of that time is all that is uncertain.

A life span ends by the clock of the owner. Where that differs from what most of its neighbours show, it is this node's
own that is wrong, and what has to live would be gone for good: there the owner goes by theirs. It takes the median. Of
two in the middle it takes the one that is behind to end a life span, and the one that is ahead to begin one, as what
lives too long does less harm than what is lost.

A node whose neighbours are all away can't know whether it was its own clock that was set meanwhile. It goes by what was
agreed on last as well: a life span ends by whichever is behind, and begins by whichever is ahead. The disk has by how
much that differed from the own clock, for a node that starts again alone.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from wrpme.core.layout import CLOCK_KEY
from wrpme.core.limits import CLOCK_DIFFERENCE_SECONDS_MAX
from wrpme.protocol.stats import ClockApart, clock_sentence
from wrpme.protocol.view import NodeId

if TYPE_CHECKING:
    from wrpme.core.context import NodeContext

_DIFFERENCES = Struct(">qq")


class Clocks:
    """Of the neighbours, as this node sees them."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._found: dict[NodeId, tuple[float, float]] = {}
        """How many milliseconds its wall clock is ahead of this node's own clock, which nobody sets, and how many
        seconds that may be wrong."""
        self._apart: dict[NodeId, float] = {}
        """Those that were told to differ, and since when."""
        raw = context.reader.get(CLOCK_KEY)
        self._noted: tuple[int, int] = _DIFFERENCES.unpack(raw) if raw else (0, 0)
        """So many milliseconds what was agreed on, early and late, is ahead of the wall clock, as the disk has it."""
        self._kept: tuple[float, float] | None = None
        """How far the two are ahead of this node's own clock, which nobody sets."""

    def heard(self, node: NodeId, wall: int, sent: float) -> None:
        """``node`` has answered a heartbeat that left at ``sent``, and its clock showed ``wall`` milliseconds."""
        now = self._context.now
        uncertain = (now - sent) / 2
        # One that was late, or came again, tells less than one before it did.
        if wall and 0 <= uncertain <= CLOCK_DIFFERENCE_SECONDS_MAX / 2:
            is_new = node not in self._found
            self._found[node] = wall - 1000 * (now - uncertain), uncertain
            if is_new:  # this node may serve from here on
                self._agree()

    def forget(self) -> None:
        """The own clock of this node did not count for a while: what was measured by it is void."""
        self._found.clear()
        self._agree()

    def look(self) -> None:
        """Tells whose clock is more than a second ahead or behind, and whose is not any more."""
        context = self._context
        for node in {*self._found, *self._apart}.difference(context.heartbeats.neighbours):
            self._found.pop(node, None)
            self._apart.pop(node, None)
        self._agree()
        for node, (_, uncertain) in self._found.items():
            ahead = self._ahead(node)
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

    def _ahead(self, node: NodeId) -> float:
        """By so many seconds its wall clock is ahead of this node's."""
        return (self._found[node][0] - self._context.process.wall_offset_milliseconds) / 1000

    def _agree(self) -> None:
        """Finds the time that most agree on; that of this node, where it is not far from that. It goes on by the clock
        that nobody sets, so that a wall clock that is set now changes nothing before it was compared."""
        context = self._context
        own = context.process.wall_offset_milliseconds
        offsets = sorted([own, *(offset for offset, _ in self._found.values())])
        early, late = offsets[(len(offsets) - 1) // 2], offsets[len(offsets) // 2]
        if not self._found and len(context.members) > 1:
            if self._kept is None:
                self._kept = own + self._noted[0], own + self._noted[1]
            early, late = min(own, *self._kept), max(own, *self._kept)
        near = 1000 * CLOCK_DIFFERENCE_SECONDS_MAX
        agreed = context.agreed_offset_milliseconds = own if abs(early - own) <= near else early
        context.disagreed_milliseconds = late - early if late - early > near else 0.0
        context.clocks_heard = len(self._found)
        if self._found:
            self._kept = agreed, agreed + context.disagreed_milliseconds
        self._note()  # also where it is alone: its wall clock may have been set, and it may start again

    def _note(self) -> None:
        if self._kept is None:
            return
        own = self._context.process.wall_offset_milliseconds
        differences = round(self._kept[0] - own), round(self._kept[1] - own)
        far = 1000 * CLOCK_DIFFERENCE_SECONDS_MAX
        if any(abs(now - noted) > far for now, noted in zip(differences, self._noted, strict=True)):
            self._noted = differences
            self._context.commits.write([(CLOCK_KEY, _DIFFERENCES.pack(*differences))])

    @property
    def apart(self) -> tuple[ClockApart, ...]:
        """Those that differ, and how many seconds they are ahead."""
        return tuple(
            ClockApart(self._context.address_of(node), round(self._ahead(node), 3))
            for node in self._apart
            if node in self._found
        )
