"""What this node tells the voters: at once, and in a large hive only as often as five voters can hear of all nodes.

What a view changes, each node that has a part in it reports when it is done; and says it again until a view has it. In
a large hive there are so many of both that the voters would come to nothing else, so there a node gathers what can wait
for the next view, and does not say the same again for a while.
"""

from __future__ import annotations

from math import inf

from wrpme.core.context import NodeContext
from wrpme.core.health.failure_detector import far_pace, is_large
from wrpme.core.limits import REPORTS_PER_PACE
from wrpme.protocol.view import Activated, Change, NodeId, Synced

CAN_WAIT = (Synced, Activated)
"""Nobody is served earlier for these: what they end lasts a little longer."""


class Reports:
    """``due`` is when something that gathered is to leave; inf where nothing has."""

    def __init__(self, context: NodeContext) -> None:
        self.context = context
        self.due = inf
        self._told: dict[Change, float] = {}
        """When the present voters were told what may be said again."""
        self._voters: tuple[NodeId, ...] = ()
        self._gathered: dict[Change, None] = {}
        self._sent_at = -inf

    def take(self) -> tuple[Change, ...]:
        """What is to be sent now, of what was reported since the last time and what has gathered before."""
        context, now = self.context, self.context.now
        said, context.outbox.reports = dict.fromkeys(context.outbox.reports), []
        if not is_large(len(context.members)):
            self._gathered.update(said)
            return self._leave()
        pace = far_pace(len(context.members))
        voters = context.view.voters if context.view is not None else ()
        since = now - pace if voters == self._voters else inf
        self._voters = voters
        self._told = {change: at for change, at in self._told.items() if at > since}
        fresh = [change for change in said if change not in self._told]
        self._gathered.update(dict.fromkeys(fresh))
        may_leave_at = self._sent_at + pace / REPORTS_PER_PACE
        if self._gathered and (now >= may_leave_at or not all(isinstance(change, CAN_WAIT) for change in fresh)):
            self._told.update(dict.fromkeys(self._gathered, now))
            self._sent_at = now
            return self._leave()
        self.due = may_leave_at if self._gathered else inf
        return ()

    def _leave(self) -> tuple[Change, ...]:
        leaving = tuple(self._gathered)
        self._gathered.clear()
        self.due = inf
        return leaving
