"""What is known now: takes sightings, and gives the scene and the events. Knows no clock: ``now`` is told to it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from wrpme.client.watch.records import FiguresSeen, Gone, Happened, Missed, Reached, ViewSeen, WatchRecord
from wrpme.limits import MEMBERS_MAX
from wrpme.protocol.events import UNENDED, Happening
from wrpme.protocol.stats import Figures
from wrpme.protocol.view import Arc, Member, NodeId, State, View
from wrpme.tui.limits import STALE_SECONDS
from wrpme.tui.state import derive, events, sentences
from wrpme.tui.state.facts import Facts, Known, Life, Told, Turn
from wrpme.tui.state.rates import Meter
from wrpme.tui.state.ring_layout import Places, gained, places_of
from wrpme.tui.state.scene import EventShown, Scene

TURNS = ("founded", "joined", "back", "restarted", "stopped", "down", "left", "expelled", "forgotten")
"""Happenings with which a node begins or ends."""
FRESH_SHARE = 0.5
"""A member that holds less than this of what it shall when it is first seen is taken for one that has just come."""
ADDRESSES_MAX = 2 * MEMBERS_MAX


class Model:
    """``facts`` and ``places`` are all that the scene is made of; ``version`` grows with each sighting."""

    def __init__(self) -> None:
        self.facts = Facts(began=0.0)
        self.places: Places | None = None
        self.version = 0
        self._at = 0.0
        self._events = events.Events()
        self._meters: dict[str, Meter] = {}
        self._drawn: tuple[int, float, Scene] | None = None

    def take(self, sighting: WatchRecord) -> None:
        """The next sighting. With a clock that was set back all times that are known are of no use any more."""
        if not self.version or sighting.at < self._at - STALE_SECONDS:
            self.facts = Facts(began=sighting.at)
        self._at = sighting.at
        self.version += 1
        match sighting:
            case FiguresSeen():
                self._figures(sighting.at, sighting.node, sighting.figures)
            case ViewSeen():
                self._view(sighting.at, sighting.view)
            case Happened():
                self._happening(sighting.at, sighting.node, sighting.happening)
            case Reached():
                self._reached(sighting.at, sighting.node)
            case Gone():
                self._gone(sighting.at, sighting.node, sighting.reason)
            case Missed():
                self._notice(sighting.at, "missed", sighting.node, sentences.missed(sighting.count))
        if not isinstance(sighting, Gone):
            self.facts.word_at = sighting.at

    def scene(self, now: float) -> Scene:
        """What is to be shown at ``now``, seconds since 1970; the same object while nothing is new."""
        if self._drawn is None or self._drawn[:2] != (self.version, now):
            self._drawn = (self.version, now, derive.scene(self.facts, self.places, now))
        return self._drawn[2]

    def events(self, until: float | None = None) -> Sequence[EventShown]:
        """All events that were known at ``until``, the oldest first; with None all."""
        return self._events.until(until)

    def seen_at(self, event: EventShown) -> float | None:
        """When an event of :meth:`events` was seen."""
        return self._events.seen_at(event)

    # --- what was seen -------------------------------------------------------------------------------------------

    def _known(self, address: str) -> Known:
        known = self.facts.known.get(address)
        if known is None:
            if len(self.facts.known) >= ADDRESSES_MAX:
                oldest = next(iter(self.facts.known))
                del self.facts.known[oldest]
                self._meters.pop(oldest, None)
            known = self.facts.known[address] = Known()
        return known

    def _figures(self, at: float, address: str, figures: Figures) -> None:
        known = self._known(address)
        before = known.told
        if before is not None and not known.is_fresh(at):
            known.heard_since = at
        rates = self._meters.setdefault(address, Meter()).take(figures)
        since: tuple[float, ...] = ()
        if figures.suspected or (before is not None and before.suspected_since):
            since = self._suspicions(at, figures, before)
        neighbours = tuple((one.address, one.age) for one in figures.neighbours)
        kept = replace(figures, operations={}, latency=(), neighbours=())
        known.told = Told(at, kept, rates, neighbours, since)

    def _suspicions(self, at: float, figures: Figures, before: Told | None) -> tuple[float, ...]:
        former = dict(zip(before.figures.suspected, before.suspected_since, strict=True)) if before else {}
        for address in former.keys() - set(figures.suspected):
            self._known(address).cleared_at = at
        return tuple(former.get(address, at) for address in figures.suspected)

    def _happening(self, at: float, teller: str, happening: Happening) -> None:
        if happening.hive and happening.kind in TURNS and happening.node:
            turns = self.facts.turns
            last = turns.get(happening.node)
            if last is None or last.at <= happening.at / 1000:
                turns.pop(happening.node, None)
                turns[happening.node] = Turn(happening.at / 1000, happening.kind)
            if len(turns) > ADDRESSES_MAX:
                del turns[next(iter(turns))]
        self._events.add(at, events.told(teller, happening))

    def _reached(self, at: float, address: str) -> None:
        known = self._known(address)
        if known.gone_at is not None:
            self._notice(at, "reached", address, "answers here again", at - known.gone_at)
        known.gone_at, known.reason = None, ""

    def _gone(self, at: float, address: str, reason: str) -> None:
        known, reason = self._known(address), sentences.why(address, reason)
        verb = "does not answer here any more" if known.told is not None else "does not answer here"
        self._notice(at, "gone", address, f"{verb}: {reason}")
        known.gone_at, known.reason = at, reason

    def _notice(self, at: float, kind: str, address: str, sentence: str, seconds: float = UNENDED) -> None:
        epoch = self.places.view.epoch if self.places else 0
        self._events.add(at, events.noticed(at, kind, epoch, address, sentence, seconds))

    # --- views ---------------------------------------------------------------------------------------------------

    def _view(self, at: float, view: View) -> None:
        facts = self.facts
        before = self.places.view if self.places is not None and self.places.view.hive == view.hive else None
        if before is not None:
            view = _thrifty(before, view)
        self.places = places_of(view, self.places)
        facts.arrived = (facts.arrived + gained(before, view)) if before and self.places.moving else 0
        former = {member.id: member for member in before.members} if before is not None else None
        facts.lives = {member.id: self._life(at, member, former) for member in view.members}
        addresses = {member.address for member in view.members}
        for address in [known for known in facts.known if known not in addresses]:
            del facts.known[address]
            self._meters.pop(address, None)
        for address in [known for known in facts.turns if known not in addresses]:
            del facts.turns[address]

    def _life(self, at: float, member: Member, former: dict[NodeId, Member] | None) -> Life:
        """``former`` are the members of the view before, None if there was none."""
        assert self.places is not None
        receives = member.id in self.places.receiving
        if former is None:
            return Life(None, receives and _held(self.places.view, member.id) < FRESH_SHARE)
        before, life = former.get(member.id), self.facts.lives.get(member.id)
        if before is None or life is None:
            return Life(at, True)
        if before.state is not member.state or before.incarnation != member.incarnation:
            returned = member.state is State.UP
            return Life(at, returned, returned)
        return Life(at) if life.settling and not receives else life


def _held(view: View, node: NodeId) -> float:
    """The part of what a node shall hold that it holds, by arcs."""
    wanted = [arc for arc in view.arcs if node in arc.wanted]
    return sum(node in arc.holders for arc in wanted) / len(wanted) if wanted else 1.0


def _thrifty(before: View, view: View) -> View:
    """The view with the very arcs of the one before where they are equal: then many views take little memory."""
    former: dict[int, Arc] = {arc.end: arc for arc in before.arcs}
    return replace(view, arcs=tuple(known if (known := former.get(arc.end)) == arc else arc for arc in view.arcs))
