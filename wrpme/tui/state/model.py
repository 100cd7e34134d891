"""The model of the hive as it is now: it takes watch records, and returns scenes and events. The caller passes the
time."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from wrpme.client.watch.records import StatsSeen, Gone, EventSeen, Missed, Reached, ViewSeen, WatchRecord
from wrpme.limits import MEMBERS_MAX
from wrpme.protocol.events import UNENDED, ClusterEvent
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import Arc, Member, NodeId, State, View
from wrpme.tui.limits import STALE_SECONDS
from wrpme.tui.state import derive, events, sentences
from wrpme.tui.state.observed import LastEvent, Membership, Observed, ObservedNode, Report
from wrpme.tui.state.rates import Meter
from wrpme.tui.state.ring_layout import RingLayout, gained, layout_of
from wrpme.tui.state.scene import EventShown, Scene

MEMBERSHIP_KINDS = ("founded", "joined", "back", "restarted", "stopped", "down", "left", "expelled", "forgotten")
"""Kinds of events that begin or end the membership of a node."""
FRESH_SHARE = 0.5
"""A member that holds less than this of what it shall when it is first seen is taken for a new one."""
ADDRESSES_MAX = 2 * MEMBERS_MAX


class Model:
    """Holds in ``observed`` and ``layout`` all that a scene is made of; ``version`` grows with each watch record."""

    def __init__(self) -> None:
        self.observed = Observed(began=0.0)
        self.layout: RingLayout | None = None
        self.version = 0
        self._at = 0.0
        self._events = events.Events()
        self._meters: dict[str, Meter] = {}
        self._drawn: tuple[int, float, Scene] | None = None

    def take(self, record: WatchRecord) -> None:
        """Takes the next watch record. If the clock was set back, all that was observed is dropped, because its times
        mean nothing any more."""
        if not self.version or record.at < self._at - STALE_SECONDS:
            self.observed = Observed(began=record.at)
        self._at = record.at
        self.version += 1
        match record:
            case StatsSeen():
                self._stats(record.at, record.node, record.stats)
            case ViewSeen():
                self._view(record.at, record.view)
            case EventSeen():
                self._event(record.at, record.node, record.event)
            case Reached():
                self._reached(record.at, record.node)
            case Gone():
                self._gone(record.at, record.node, record.reason)
            case Missed():
                self._notice(record.at, "missed", record.node, sentences.missed(record.count))
        if not isinstance(record, Gone):
            self.observed.word_at = record.at

    def scene(self, now: float) -> Scene:
        """Returns the scene at ``now``, in seconds since 1970; the same object while nothing is new."""
        if self._drawn is None or self._drawn[:2] != (self.version, now):
            self._drawn = (self.version, now, derive.scene(self.observed, self.layout, now))
        return self._drawn[2]

    def events(self, until: float | None = None) -> Sequence[EventShown]:
        """Returns the events that were known at ``until``, or with None all of them, the oldest first."""
        return self._events.until(until)

    def seen_at(self, event: EventShown) -> float | None:
        """Returns when an event of :meth:`events` was seen, or None if it is kept no longer."""
        return self._events.seen_at(event)

    # --- what was seen -------------------------------------------------------------------------------------------

    def _known(self, address: str) -> ObservedNode:
        known = self.observed.nodes.get(address)
        if known is None:
            if len(self.observed.nodes) >= ADDRESSES_MAX:
                oldest = next(iter(self.observed.nodes))
                del self.observed.nodes[oldest]
                self._meters.pop(oldest, None)
            known = self.observed.nodes[address] = ObservedNode()
        return known

    def _stats(self, at: float, address: str, stats: NodeStats) -> None:
        known = self._known(address)
        before = known.report
        if before is not None and not known.is_fresh(at):
            known.heard_since = at
        rates = self._meters.setdefault(address, Meter()).take(stats)
        since: tuple[float, ...] = ()
        if stats.suspected or (before is not None and before.suspected_since):
            since = self._suspicions(at, stats, before)
        neighbours = tuple((one.address, one.age) for one in stats.neighbours)
        kept = replace(stats, operations={}, latency=(), neighbours=())
        known.report = Report(at, kept, rates, neighbours, since)

    def _suspicions(self, at: float, stats: NodeStats, before: Report | None) -> tuple[float, ...]:
        former = dict(zip(before.stats.suspected, before.suspected_since, strict=True)) if before else {}
        for address in former.keys() - set(stats.suspected):
            self._known(address).cleared_at = at
        return tuple(former.get(address, at) for address in stats.suspected)

    def _event(self, at: float, teller: str, event: ClusterEvent) -> None:
        if event.hive and event.kind in MEMBERSHIP_KINDS and event.node:
            latest = self.observed.last_events
            last = latest.get(event.node)
            if last is None or last.at <= event.at / 1000:
                latest.pop(event.node, None)
                latest[event.node] = LastEvent(event.at / 1000, event.kind)
            if len(latest) > ADDRESSES_MAX:
                del latest[next(iter(latest))]
        self._events.add(at, events.told_by(teller, event))

    def _reached(self, at: float, address: str) -> None:
        known = self._known(address)
        if known.gone_at is not None:
            self._notice(at, "reached", address, "answers here again", at - known.gone_at)
        known.gone_at, known.reason = None, ""

    def _gone(self, at: float, address: str, reason: str) -> None:
        known, reason = self._known(address), sentences.why(address, reason)
        verb = "does not answer here any more" if known.report is not None else "does not answer here"
        self._notice(at, "gone", address, f"{verb}: {reason}")
        known.gone_at, known.reason = at, reason

    def _notice(self, at: float, kind: str, address: str, sentence: str, seconds: float = UNENDED) -> None:
        epoch = self.layout.view.epoch if self.layout else 0
        self._events.add(at, events.noticed_here(at, kind, epoch, address, sentence, seconds))

    # --- views ---------------------------------------------------------------------------------------------------

    def _view(self, at: float, view: View) -> None:
        observed = self.observed
        before = self.layout.view if self.layout is not None and self.layout.view.hive == view.hive else None
        if before is not None:
            view = _sharing_arcs(before, view)
        self.layout = layout_of(view, self.layout)
        observed.arrived = (observed.arrived + gained(before, view)) if before and self.layout.moving else 0
        former = {member.id: member for member in before.members} if before is not None else None
        observed.memberships = {member.id: self._membership(at, member, former) for member in view.members}
        addresses = {member.address for member in view.members}
        for address in [known for known in observed.nodes if known not in addresses]:
            del observed.nodes[address]
            self._meters.pop(address, None)
        for address in [known for known in observed.last_events if known not in addresses]:
            del observed.last_events[address]

    def _membership(self, at: float, member: Member, former: dict[NodeId, Member] | None) -> Membership:
        """Returns the membership as of the new view; ``former`` are the members of the view before, None if there was
        none."""
        assert self.layout is not None
        receives = member.id in self.layout.receiving
        if former is None:
            return Membership(None, receives and _held(self.layout.view, member.id) < FRESH_SHARE)
        before, known = former.get(member.id), self.observed.memberships.get(member.id)
        if before is None or known is None:
            return Membership(at, True)
        if before.state is not member.state or before.incarnation != member.incarnation:
            returned = member.state is State.UP
            return Membership(at, returned, returned)
        return Membership(at) if known.settling and not receives else known


def _held(view: View, node: NodeId) -> float:
    """Returns the part of the arcs wanted on a node that it holds, from 0 to 1."""
    wanted = [arc for arc in view.arcs if node in arc.wanted]
    return sum(node in arc.holders for arc in wanted) / len(wanted) if wanted else 1.0


def _sharing_arcs(before: View, view: View) -> View:
    """Returns the view with the arc objects of the one before where they are equal, so that many views take little
    memory."""
    former: dict[int, Arc] = {arc.end: arc for arc in before.arcs}
    return replace(view, arcs=tuple(known if (known := former.get(arc.end)) == arc else arc for arc in view.arcs))
