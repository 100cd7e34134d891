"""What a watcher of a hive in a named state has seen: real views and plausible figures, the same at each call.

``sightings_of(state, nodes)`` ends a fraction of a second before ``now_of(state)``; ``timeline_of`` has taken them all.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection
from functools import cache, lru_cache
from itertools import islice

from msgspec.structs import replace

from wrpme.client.watch.records import StatsSeen, Gone, EventSeen, Reached, ViewSeen, WatchRecord
from wrpme.core.membership import transitions as views
from wrpme.limits import LEASE_SECONDS, SLOTS
from wrpme.protocol import view_index
from wrpme.protocol import ring
from wrpme.protocol.arc_table import lacks_copies
from wrpme.protocol.events import UNENDED, ClusterEvent
from wrpme.protocol.histogram import bucket_of
from wrpme.protocol.stats import CERTIFICATE_OF, Copy, NodeStats, Neighbour
from wrpme.protocol.view import (
    Activated, Arc, Back, Change, Down, Elect, Join, Leave, Member, NodeId, State, Synced, View,
)  # fmt: skip
from wrpme.tui.state.model import Model
from wrpme.tui.state.timeline import Timeline

START = 1_700_000_000.0
"""14 November 2023, 22:13:20 UTC."""
HIVE = bytes.fromhex("7f3a9c21d4e8b6051f2c3a4b5c6d7e8f")
STATES = (
    "connecting", "stable", "joining", "copying", "suspected", "silent", "degraded", "unavailable", "disconnected",
    "leaving",
)  # fmt: skip
GROWN_MAX = 12
"""A larger hive takes long to grow: its first view is made up, and a valid one."""
STRETCHES = 16
REPLICATION = 2
STATS_SECONDS = 0.5
REFUSED = "{} (connection refused)"
CUT = "the connection to {} ended (connection reset by peer)"


def id_of(number: int) -> NodeId:
    return random.Random(number).randbytes(16)


def address_of(number: int) -> str:
    return f"127.0.0.1:{5909 + number}"


# --- views -------------------------------------------------------------------------------------------------------


@cache
def stable_view(nodes: int, replication: int = REPLICATION) -> View:
    """A stable hive of that many nodes."""
    if nodes > GROWN_MAX:
        return _made_up(nodes, replication)
    view = views.found(HIVE, id_of(0), 1, address_of(0), replication)
    for number in range(1, nodes):
        view = settled(changed(view, Join(id_of(number), 1, address_of(number))))
        view = views.apply(view, [Elect(id_of(number))]) or view
    return view


def _made_up(nodes: int, replication: int) -> View:
    chance = random.Random(nodes)
    ends = [*sorted(chance.sample(range(1, SLOTS), STRETCHES * nodes - 1)), SLOTS]
    owners = [number for number in range(nodes) for _ in range(STRETCHES)]
    chance.shuffle(owners)
    arcs = []
    for end, owner in zip(ends, owners, strict=True):
        partner = (owner + 1 + chance.randrange(nodes - 1)) % nodes
        holders = (id_of(owner), *[id_of((partner + more) % nodes) for more in range(nodes) if more < replication - 1])
        arcs.append(Arc(ring.end_of_slot(end), nodes, holders, wanted=holders))
    members = tuple(Member(id_of(number), 1, address_of(number), number + 1, State.UP) for number in range(nodes))
    voters = tuple(id_of(number) for number in range(5))
    return View(nodes, HIVE, 1, replication, members, tuple(arcs), voters)


def changed(view: View, *changes: Change) -> View:
    """The next view, a good one."""
    after = views.apply(view, changes)
    assert after is not None, f"{changes} changed nothing"
    views.validate(after)
    return after


def _membership(view: View, node: NodeId) -> int:
    found = view_index.member(view, node)
    assert found is not None
    return found.incarnation


def synced(view: View, part: float = 1.0) -> View:
    """That part of the copies that are on their way is there."""
    pairs = [(arc, node) for arc in view.arcs for node in arc.incoming]
    reports: list[Change] = []
    for arc, node in pairs[: round(part * len(pairs))]:
        if (owner := view_index.owner(view, arc)) is not None:
            reports.append(Synced(arc.end, arc.version, node, owner, _membership(view, owner)))
    return changed(view, *reports) if reports else view


def activated(view: View) -> View:
    """All owners serve."""
    reports: list[Change] = []
    for arc in view.arcs:
        if arc.prev and (owner := view_index.owner(view, arc)) is not None:
            reports.append(Activated(arc.end, arc.version, owner, _membership(view, owner)))
    return changed(view, *reports) if reports else view


def settled(view: View) -> View:
    """All copies end, all owners serve."""
    for _ in range(view.replication + 2):
        view = activated(synced(view))
    return view


# --- what is told ------------------------------------------------------------------------------------------------


class _Sums:
    """Slots of each node by what they are to it, the copies that it sends, and its neighbours: once for a view."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.owned: Counter[NodeId] = Counter()
        self.held: Counter[NodeId] = Counter()
        self.risky: Counter[NodeId] = Counter()
        self.sent: dict[NodeId, list[tuple[str, NodeId]]] = {}
        self.addresses = {one.id: one.address for one in view.members}
        alive = view_index.live(view)
        for at, arc in enumerate(view.arcs):
            width, owner = ring.width(view.arcs, at), ring.owner_among(alive, arc)
            self.held.update(dict.fromkeys(arc.holders[1:], width))
            if owner is not None:
                self.owned[owner] += width
                self.risky[owner] += width * lacks_copies(arc, alive)
                self.sent.setdefault(owner, []).extend((f"{arc.end:016x}", node) for node in arc.incoming)
        self._neighbours: dict[int, tuple[Neighbour, ...]] = {}

    def neighbours(self, place: int) -> tuple[Neighbour, ...]:
        """Of the member at that place."""
        if place not in self._neighbours:
            others = (one for at, one in enumerate(self.view.members) if at != place and one.state is not State.DOWN)
            self._neighbours[place] = tuple(
                Neighbour(one.address, 0.05 * (1 + (place + at) % 8)) for at, one in enumerate(islice(others, 30))
            )
        return self._neighbours[place]


_last: list[_Sums] = []


def _sums(view: View) -> _Sums:
    if not _last or _last[0].view is not view:
        _last[:] = [_Sums(view)]
    return _last[0]


def stats_of(
    view: View, place: int, uptime: float, suspected: Collection[int] = (), done: float = 0.5, serving: bool = True
) -> NodeStats:
    """What the member at that place tells after so much uptime (seconds); ``done`` is how far its copies are."""
    member, number, sums = view.members[place], place, _sums(view)
    share, held, risky = (slots[member.id] / SLOTS for slots in (sums.owned, sums.held, sums.risky))
    count = int((200 + 40 * (number % 7)) * uptime)
    copies = tuple(Copy(end, sums.addresses[node], done) for end, node in sums.sent.get(member.id, ()))
    neighbours = sums.neighbours(place)
    return NodeStats(
        address=member.address,
        epoch=view.epoch,
        state=member.state.name.lower(),
        version="1.0",
        uptime_seconds=uptime,
        share=share,
        entries=round(128_400 * share),
        bytes=round(128_400 * share) * 512,
        voter=member.id in view.voters,
        id=member.id.hex(),
        incarnation=member.incarnation,
        hive=view.hive.hex(),
        generation=view.generation,
        serving=serving,
        copies=round(128_400 * held),
        at_risk_share=risky,
        at_risk_entries=round(128_400 * risky),
        grace_seconds=60.0,
        suspected=tuple(address_of(one) for one in suspected),
        copies_out=copies,
        operations={"Get": count * 3 // 4, "Put": count - count * 3 // 4},
        latency=_latency(count, number),
        received_bytes=count * 600,
        sent_bytes=count * 900,
        sessions=3 + number % 5,
        redis_sessions=number % 3,
        memory_bytes=(48 + number % 9) << 20,
        disk_bytes=(96 + 3 * number) << 20,
        disk_free_bytes=80 << 30,
        lease_seconds=LEASE_SECONDS - 0.1 * (1 + number % 4) if neighbours else None,
        neighbours=neighbours,
    )


def _latency(count: int, number: int) -> tuple[tuple[int, int], ...]:
    parts = ((0.0002, 0.6), (0.0006, 0.3), (0.0015, 0.08), (0.004 * (1 + number % 3), 0.02))
    return tuple(sorted((bucket_of(seconds), int(count * part)) for seconds, part in parts))


class Story:
    """Sightings in the making: ``at`` is the time, seconds since 1970; nodes are told apart by their number."""

    def __init__(self, view: View, at: float, uptime: float = 3600.0) -> None:
        self.view = view
        self.at = at
        self.sightings: list[WatchRecord] = []
        self.silent: set[int] = set()
        self.suspected: tuple[int, ...] = ()
        self.certificates: dict[int, float] = {}
        """For how many seconds those are valid that should be looked at."""
        self.done = 0.5
        self.numbers = {id_of(number): number for number in range(len(view.members) + 1)}
        self._uptime_began = at - uptime
        self._started: dict[int, float] = {}
        self._told = 0

    def start(self) -> None:
        """All nodes are reached, and tell the view."""
        for number in range(len(self.view.members)):
            self.sightings.append(Reached(self.at, address_of(number)))
        self.sightings.append(ViewSeen(self.at, address_of(0), self.view))

    def tell(self, kind: str, sentence: str, number: int | None, teller: int = 0, seconds: float = UNENDED) -> None:
        """Something happens."""
        self._told += 1
        about = address_of(number) if number is not None else ""
        event = ClusterEvent(
            self._told, int(self.at * 1000), kind, self.view.epoch, about, sentence, seconds, kind != "suspected"
        )
        self.sightings.append(EventSeen(self.at, address_of(teller), event))

    def see(self, *changes: Change) -> None:
        """The next view."""
        self.show(changed(self.view, *changes))

    def show(self, view: View) -> None:
        """This view is decided."""
        self.view = view
        self.sightings.append(ViewSeen(self.at, address_of(0), view))

    def show_if_new(self, view: View) -> None:
        """This view is decided, if it is another one."""
        if view is not self.view:
            self.show(view)

    def lose(self, *numbers: int, reason: str = REFUSED) -> None:
        """These are not heard any more."""
        for number in numbers:
            self.silent.add(number)
            self.sightings.append(Gone(self.at, address_of(number), reason.format(address_of(number))))

    def restart(self, number: int) -> None:
        """A new process."""
        self._started[number] = self.at
        self.silent.discard(number)
        self.sightings.append(Reached(self.at, address_of(number)))

    def go(self, seconds: float) -> None:
        """Time passes, in which all that are not silent tell their figures, one after the other."""
        nodes = len(self.view.members)
        for turn in range(round(seconds / STATS_SECONDS)):
            for place, member in enumerate(self.view.members):
                number = self.numbers[member.id]
                if number in self.silent or member.state is State.DOWN:
                    continue
                at = self.at + STATS_SECONDS * (turn + (place + 1) / (nodes + 1))
                suspected = [one for one in self.suspected if one != number]
                uptime = at - self._started.get(number, self._uptime_began)
                stats = stats_of(self.view, place, uptime, suspected, self.done)
                if number in self.certificates:
                    troubles = (f"{CERTIFICATE_OF}{member.address} expires",)
                    stats = replace(stats, certificate_seconds=self.certificates[number], troubles=troubles)
                self.sightings.append(StatsSeen(at, member.address, stats))
        self.at += seconds


# --- states ------------------------------------------------------------------------------------------------------


def story_of(state: str, nodes: int, start: float = START) -> Story:
    """How a hive of that many nodes came into that state, from ``start`` on; its ``at`` is now."""
    last = nodes - 1
    story = Story(stable_view(nodes), start)
    if state == "connecting":
        story.lose(*range(nodes))
        story.at += 0.5
        return story
    story.start()
    story.go(6.0)
    match state:
        case "stable":
            pass
        case "expiring":
            story.certificates = {0: 40_000.0, last: -3600.0}
            story.go(1.0)
        case "joining":
            story.see(Join(id_of(nodes), 1, address_of(nodes)))
            story.tell("joined", f"{address_of(nodes)} joined and receives its share", nodes)
            story.restart(nodes)
            story.done = 0.2
            story.go(1.0)
        case "copying":
            _kill(story, last)
            story.go(3.0)
            member = story.view.members[last]
            story.see(Back(member.id, 2, member.address))
            story.restart(last)
            story.tell("back", f"{member.address} is back and gets what it missed", last, seconds=3.0)
            story.go(1.0)
            story.show(synced(story.view, 0.5))
            story.go(1.0)
        case "suspected":
            story.silent.add(last)
            story.suspected = (last,)
            story.go(1.5)
            story.tell("suspected", f"no sign of {address_of(last)} for 1.5 s", last)
            story.go(0.5)
        case "silent":
            story.lose(last, reason=CUT)
            story.go(4.0)
        case "degraded":
            _kill(story, last)
            story.go(12.0)
        case "unavailable":
            _kill(story, last)
            story.go(2.0)
            _kill(story, last - 1)
            story.go(7.0)
        case "disconnected":
            story.lose(*range(nodes), reason=CUT)
            story.at += 14.0
        case "leaving":
            member = story.view.members[last]
            story.see(Leave(member.id, member.incarnation))
            story.tell("leaving", f"{member.address} leaves; its data goes to others first", last)
            story.go(1.0)
            story.show(synced(story.view, 0.4))
            story.go(1.0)
        case _:
            raise AssertionError(f"no such state: {state}")
    return story


def _kill(story: Story, number: int) -> None:
    member = story.view.members[number]
    story.lose(number)
    story.see(Down(member.id, member.incarnation))
    story.tell("down", f"{member.address} is dead; its copies elsewhere serve", number)


@lru_cache(maxsize=8)
def _told(state: str, nodes: int, start: float) -> tuple[tuple[WatchRecord, ...], float]:
    """All that is seen of a hive that came into that state, and now; several tests look at the same one."""
    story = story_of(state, nodes, start)
    return tuple(story.sightings), story.at


def sightings_of(state: str, nodes: int, start: float = START) -> list[WatchRecord]:
    """What a watcher has seen of a hive in that state."""
    return list(_told(state, nodes, start)[0])


def model_of(state: str, nodes: int, start: float = START) -> tuple[Model, float]:
    """A model that has taken all of it, and now."""
    timeline, now = timeline_of(state, nodes, start)
    return timeline.live, now


def timeline_of(state: str, nodes: int, start: float = START, replay: bool = False) -> tuple[Timeline, float]:
    """A timeline that has taken all of it, and now; a replay stands at its end."""
    sightings, now = _told(state, nodes, start)
    timeline = Timeline(replay)
    for sighting in sightings:
        timeline.take(sighting)
    if replay:
        timeline.finish()
        timeline.to_now()
    return timeline, now
