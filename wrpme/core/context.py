"""What the parts of a node stand on: who it is, what time it is, which view it has, and what it knows of the others.

It has the one way to the outside (:class:`wrpme.core.outbox.Outbox`), and the one to the disk
(:class:`wrpme.core.group_commit.GroupCommit`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from wrpme.core.health.disk_pace import DiskPace
from wrpme.core.event_log import EventLog
from wrpme.core.health.failure_detector import HeartbeatLeases
from wrpme.core.health.room import Room
from wrpme.core.group_commit import GroupCommit
from wrpme.core.hot_values import HotValues
from wrpme.core.io import Process, Reader, LogLine, Settings, Emit
from wrpme.core.layout import MARK_PREFIX, mark_in, successor
from wrpme.core.outbox import Origin, Outbox, Part
from wrpme.core.replication.marks import Marks
from wrpme.core.replication.reconciled import Reconciled
from wrpme.core.stats.response_times import ResponseTimes
from wrpme.core.stats.audit import Audit
from wrpme.core.stats.slow_requests import SlowRequests
from wrpme.core.stats.traces import Traces
from wrpme.core.stats.slot_counts import SlotCounts, known_counts
from wrpme.core.limits import STORY_LINES_MAX, ROUND_TRIP_SECONDS_MAX, SILENCE_SECONDS
from wrpme.errors import WrpmeError
from wrpme.protocol import view_index
from wrpme.protocol.events import UNENDED
from wrpme.protocol.messages import Many, Request
from wrpme.protocol.histogram import Latency
from wrpme.protocol.view import Member, NodeId, Patch, View
from wrpme.protocol.view_index import index_of


class Lateness:
    """How late this node itself was: it says nothing bad of others ``until`` then."""

    def __init__(self) -> None:
        self.until = -inf
        self.seconds = 0.0


class Committed:
    """By key the latest write that was acknowledged: its value, and whether it removes what had expired. ``bytes`` are
    those of keys and values."""

    def __init__(self) -> None:
        self.writes: dict[bytes, tuple[bytes, bool]] = {}
        self.bytes = 0

    def note(self, key: bytes, value: bytes, by_clock: bool) -> None:
        """A write is acknowledged; it takes the place of an earlier one of that entry."""
        before = self.writes.get(key)
        self.bytes += len(value) - len(before[0]) if before is not None else len(key) + len(value)
        self.writes[key] = value, by_clock


class HiveTime:
    """The time that life spans go by, see :class:`wrpme.core.replication.operations.Now`. It is worked out where
    somebody asks for it, as most requests do not."""

    __slots__ = ("_context",)

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    @property
    def early(self) -> float:
        """Milliseconds since 1970, at the earliest."""
        context = self._context
        agreed = context.agreed_offset_milliseconds
        return context.now * 1000 + (context.process.wall_offset_milliseconds if agreed is None else agreed)

    @property
    def late(self) -> float:
        """Milliseconds since 1970, at the latest."""
        return self.early + self._context.disagreed_milliseconds


class NodeContext:
    """``now`` is the node's monotonic clock in seconds at this call."""

    known: View | None = None
    """A later view that waits for a disk that hangs: clients, which promise nothing, go elsewhere by it."""
    lives = False
    """The view has this very life of this node as up: else it votes, and does nothing else."""
    followed: Committed | None = None
    """Where anybody follows entries: what was acknowledged and is still to be told."""
    wrong_passwords = 0
    """Since the start."""
    asker = ""
    """While a request is looked at that another node passed on: who asked there, if that node said it."""
    this_life = False
    """The view has this very life of this node, up or down: it has been there throughout."""

    def __init__(
        self,
        settings: Settings,
        reader: Reader,
        now: float,
        slots: SlotCounts | None = None,
        process: Process | None = None,
    ) -> None:
        self.settings = settings
        self.process = process or Process()
        self.me: NodeId = settings.id
        self.reader = reader
        self.now = now
        self.view: View | None = None
        self.era = 1
        """See :func:`wrpme.protocol.view_index.era`; of the view."""
        self.members: dict[NodeId, Member] = {}
        self.alive: frozenset[NodeId] = frozenset()
        self._begin_knowledge()
        self.agreed_offset_milliseconds: float | None = None
        """So far the time that life spans end by is ahead of this node's own clock, see
        :mod:`wrpme.core.health.clocks`; None where this node has not compared wall clocks yet."""
        self.disagreed_milliseconds = 0.0
        """By so much that may be behind."""
        self.time = HiveTime(self)
        self.clocks_heard = 0
        """So many neighbours have told what their wall clocks show."""
        self.marks = Marks(mark_in(key, value) for key, value in reader.scan(MARK_PREFIX, successor(MARK_PREFIX)))
        self.slots = slots or known_counts(reader, settings.lives)
        if settings.lives:
            self.slots.begin(settings.incarnation)
        self.commits = GroupCommit(self.marks, self.slots)
        self.hot = HotValues(reader, self.process.memory.hot)
        self.disk: DiskPace = self.commits.disk
        """How this node's own disk takes batches."""
        self.traces = Traces(self.say, lambda: self.now)
        self.slow = SlowRequests(settings.slow_seconds, self.say)
        self.audit = Audit(self.note, self.address_of, lambda: self.now)
        self.users: dict[int, str] = {}
        """The users that clients have proven to be, by session."""
        self.outbox = Outbox(settings, self.routes, self.process, self.traces, self.audit)
        self.reconciled = Reconciled(reader, self.commits)
        self.heartbeats = HeartbeatLeases(now, settings.id[0])
        self.lateness = Lateness()
        self.room = Room(self.slots, settings.bytes_max)
        self.responses = ResponseTimes()
        self.replication = Latency()
        """From when writes left for a node that keeps copies until it acknowledged them."""
        self.adopted = 0
        """Views, since the start."""
        self.event_log = EventLog()
        self.story: deque[str] = deque(maxlen=STORY_LINES_MAX)
        """The last lines of the log."""

    def _begin_knowledge(self) -> None:
        """Of others, nothing is known at the start."""
        self.linked: dict[str, bool] = {}
        """By address: whether messages arrive there, as far as it was tried."""
        self.link_troubles: dict[str, str] = {}
        """By address: why the last attempt to reach it failed."""
        self.foreign: dict[str, tuple[bytes, float]] = {}
        """Addresses of members at which nodes of other hives answer: the hive, and when that was seen last."""
        self.replaced: dict[str, tuple[NodeId, float]] = {}
        """Addresses of members at which other nodes answer: who, and when that was seen last."""
        self.known_epochs: dict[NodeId, int] = {}
        """The epoch that each member was last heard to have."""
        self.proven: dict[NodeId, tuple[int, str]] = {}
        """Lives later than those in the view, and their addresses, see :mod:`wrpme.core.membership.whereabouts`."""
        self.routes: dict[NodeId, str] = {}
        """The address that leads to each other member, as far as is known: not always the one in the view."""
        self.heard_at: dict[NodeId, float] = {}
        """When each member last said anything but data, in whatever life."""
        self.heard: dict[NodeId, int] = {}
        """The highest incarnation of each member that was heard since this node's own start."""
        self.returning: dict[NodeId, float] = {}
        """When a member was heard last in a newer life than the view has: it votes, and does nothing else yet."""
        self.down_since: dict[NodeId, float] = {}
        self._round_trips: dict[NodeId, float] = {}
        """Seconds to each node and back, as its acknowledgements of heartbeats show."""

    def wall(self) -> float:
        """Milliseconds since 1970 as the machine of this node has them, for what is told."""
        return self.now * 1000 + self.process.wall_offset_milliseconds

    def clock_is_checked(self) -> bool:
        """Whether the wall clock was compared with that of a neighbour, or there is none. Before that nothing expires:
        the clock may be hours ahead, and nothing brings back what it removes."""
        if self.heartbeats.neighbours or self.clocks_heard:
            return self.clocks_heard > 0
        return self.agreed_offset_milliseconds is not None or len(self.members) <= 1

    def adopt(self, view: View, patch: Patch | None = None) -> None:
        """From now on messages carry this view's epoch and go to its members. ``patch`` is what differs from the view
        before; where nobody knows that, all that is known of members is looked through."""
        self.view, self.known = view, None
        self.adopted += 1
        index = index_of(view)
        self.era = view_index.era(view)
        self.outbox.stamp(view)
        self.alive, self.members = index.alive, index.members
        if patch is None:
            changed: Iterable[NodeId] = self.members
            left = [node for node in (*self.known_epochs, *self.heard, *self.heard_at) if node not in self.members]
        else:
            changed, left = [member.id for member in patch.members], list(patch.left)
        for node in changed:
            self._note_member(self.members[node])
        for node in left:
            self.outbox.forget(node)
            self.room.forget(node)
            for known in (
                self.known_epochs, self.heard, self.heard_at, self.returning, self.down_since, self.routes,
            ):  # fmt: skip
                known.pop(node, None)
        self.known_epochs[self.me] = view.epoch
        self.heard[self.me] = self.settings.incarnation
        mine = self.members.get(self.me)
        self.this_life = mine is not None and mine.incarnation == self.settings.incarnation
        self.lives = self.this_life and self.me in self.alive

    def _note_member(self, member: Member) -> None:
        """A member is new, or another than before."""
        node = member.id
        self.known_epochs.setdefault(node, 0)
        if self.heard.get(node, 0) <= member.incarnation:
            self.returning.pop(node, None)
        if node in self.alive:
            self.down_since.pop(node, None)
        else:
            self.down_since.setdefault(node, self.now)
        self.reroute(node)

    def reroute(self, node: NodeId) -> None:
        """Decides anew which address leads to a member. What is at this node's own address is this node."""
        member = self.members.get(node)
        address = member.address if member is not None else ""
        life, proven = self.proven.get(node, (0, ""))
        if member is not None and life > member.incarnation:
            address = proven
        if address and node != self.me and address != self.settings.address:
            self.routes[node] = address
        else:
            self.routes.pop(node, None)

    def is_returning(self, node: NodeId) -> bool:
        """Whether a member is there in a newer life than the view has, and was heard lately."""
        if node == self.me:
            return not self.this_life
        return self.now - self.returning.get(node, -inf) < SILENCE_SECONDS

    def address_of(self, node: NodeId) -> str:
        """The address of a member; for anyone else its id, for a sentence."""
        address = self.routes.get(node)
        if address is None:
            member = self.members.get(node)
            address = member.address if member is not None else node.hex()[:8]
        return address

    def refuse(self, origin: Origin, request: Request, error: WrpmeError) -> None:
        """The answer, at once, that a request failed."""
        self.responses.failed(origin, type(request), error.code)
        self.outbox.fail(origin, request.id, error)

    def flush_disk(self) -> None:
        """The gathered batch leaves for the disk, unless one is on its way."""
        batch = self.commits.flush(self.now)
        if batch is not None:
            self.outbox.effects.append(batch)

    def note_round_trip(self, node: NodeId, seconds: float) -> None:
        """So long an answer took; one that is late for once counts for a quarter."""
        seconds = min(max(0.0, seconds), ROUND_TRIP_SECONDS_MAX)
        known = self._round_trips.get(node, seconds)
        self._round_trips[node] = known + (seconds - known) / 4

    def round_trip(self, nodes: Iterable[NodeId]) -> float:
        """To the farthest of these nodes and back, as far as is known."""
        return max((self._round_trips.get(node, 0.0) for node in nodes), default=0.0)

    # --- what is told of this node ----------------------------------------------------------------------------------

    def asked(self, origin: Origin, what: str) -> None:
        """Leaves a line in the log of an operator's request, with who made it."""
        self.say("warning", f"{what}; asked by {self.who(origin)}")

    def who(self, origin: Origin) -> str:
        """The client that asked, or the node that passed its request on."""
        if isinstance(origin, Part):
            origin = origin.collected.origin
        if isinstance(origin, int):
            user, address = self.users.get(origin), self.process.clients.get(origin, "a client")
            return f"{user} at {address}" if user else address
        if self.asker:
            return f"{self.asker} through {self.address_of(origin[1])}"
        return f"a client of {self.address_of(origin[1])}, whose log has its address"

    def slow_turn(self, counts: Mapping[type[Any], int], seconds: float) -> None:
        """So many requests were answered together in a turn that took long: this node was busy with others."""
        for kind, count in counts.items():
            if count > 0:
                self.slow.note(
                    kind, b"", seconds, self.now, self.wall(), count=count, others=seconds, waited_for="this node, busy"
                )

    def slow_answer(
        self, origin: Origin, number: int, kind: type[Any], alias: bytes, since: float, error: int, waited_for: str
    ) -> None:
        """A request that was not answered at once is answered now; all the time it waited for somebody else."""
        seconds, count = self.now - since, 1
        if seconds < self.slow.threshold_seconds:
            return
        if isinstance(origin, Part):
            together = origin.collected
            if together.left > 1:
                return  # the last one tells of all
            origin, number, kind, count = together.origin, together.number, Many, len(together.replies)
        self.slow.note(
            kind, alias, seconds, self.now, self.wall(), count=count, source=self.who(origin), error=error,
            others=seconds, waited_for=waited_for, request_id=self.traces.request_id((origin, number)),
        )  # fmt: skip

    def note(self, level: str, line: str) -> None:
        """A line for a file of its own, if there is one, so that it is no part of the story."""
        self.outbox.effects.append(LogLine(level, line))

    def say(self, level: str, line: str) -> None:
        """A line of the log."""
        self.story.append(f"{self.now:.3f} {line}")
        self.outbox.effects.append(LogLine(level, line))

    def tell(self, kind: str, sentence: str, node: str = "", seconds: float = UNENDED, level: str = "") -> None:
        """Something happened here, see :mod:`wrpme.protocol.events`; with a ``level`` it is a line of the log too."""
        epoch = self.view.epoch if self.view is not None else 0
        self.outbox.effects.append(Emit(self.event_log.note(self.wall(), kind, epoch, node, sentence, seconds)))
        if level:
            self.say(level, sentence)
