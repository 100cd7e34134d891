"""What the node hears and what it asks of the world: no I/O here.

Inputs and the time go into :class:`wrpme.core.node.Node`, effects come out as a list and are carried out in its order.

- ``Persist``: the operations are written as one batch, and together with all batches before it, in order; when they
  are on disk the runner reports ``Persisted(batch)``. ``must_sync`` asks for the disk also under ``--no-sync``.
  What depends on the disk (a promise, an acknowledgement, a reply) the node itself holds back until then. At most one
  ``Persist`` is outstanding at a time: the next batch gathers meanwhile (group commit).
- ``Compact``: much was removed; the store gives the space back when it can.
- ``Send``: to another node's address; may be lost or late, never doubled, never reordered within one connection.
- ``ReplyTo``: to the session (a number that the runner gave to a connection); an answer to a request that another
  node passed on goes back in an envelope, on the connection that it came by. If ``valid_until`` has passed on the
  runner's clock when the reply leaves, an ``UnstableError`` goes out in its place: the lease is checked after the read.
  Of Results those lapse whose numbers are ``leased``, and the others, which were carried out, stay.
- ``BurstDone``: to the session; updates that came together, see :mod:`wrpme.core.fast_path`, are answered.
- ``LogLine``: a line of the log.
- ``Emit``: something happened that watchers want to know.
- ``HostRequest``: a request that the process answers rather than its node: ``Watch``, ``GetLog``; or ``GetView``, which
  the node answers, but whoever asked follows the views from now on.
- ``SendToAll``: to other nodes, to each where nothing else waits to leave; may be lost, and nobody is told.
- ``Deliver``: what clients published at another node, for the subscribers of this one.
- ``Adopted``: followers are told of the new epoch.
- ``TellFollowers``: what those hear who follow entries, in this order.
- ``ComputeView``: the next view is computed, beside the loop where that takes long; ``ViewComputed`` tells the outcome.
- ``Verify``: a password is looked at, beside the loop, as that takes long; ``Verified`` tells the outcome.
- ``EndSessions``: connections end whose user is gone.
- ``Exit``: the process ends, with that code and, unless planned, a sentence; or it begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Protocol, Union

from msgspec import Struct
from msgspec.structs import replace

from wrpme.core.limits import ANSWERS_BYTES_MAX, FORWARDS_BYTES_MAX, NODE_PENDING_BYTES_MAX
from wrpme.limits import GRACE_SECONDS, MIB, SLOW_SECONDS, WRITE_BUFFER_BYTES
from wrpme.protocol.access.users import Password
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.identities import Published
from wrpme.protocol.messages import Done, Envelope, Failed, FollowReply, GetLog, GetView, Reply, Request, Watch
from wrpme.protocol.view import Change, Patch, View

HANGING = "it takes the connection but says nothing"
"""Why a connection was given up whose other side is there, and does not answer."""

# --- inputs ------------------------------------------------------------------------------------------------------


class Requested(Struct, frozen=True):
    """A client's request on a session. Hot: the runner calls :meth:`Node.request` for it directly."""

    session: int
    request: Request


class Received(Struct, frozen=True):
    """A message of another node; ``session`` is the connection it came on, where it can be answered by ``Reply``."""

    session: int
    envelope: Envelope


class Verified(Struct, frozen=True):
    """A password was looked at, see :class:`Verify`: it is the one of that ``salt``, or none of the user (empty). It
    was not even looked at where too many were wrong (``looked``), or too many wait (``busy``)."""

    session: int
    number: int
    name: str
    salt: bytes
    looked: bool = True
    busy: bool = False
    since: int = 0
    """As in Verify."""


class SessionClosed(Struct, frozen=True):
    """Replies to that session are of no use any more."""

    session: int


class Persisted(Struct, frozen=True):
    """Everything up to this batch is on disk."""

    batch: int


class PersistFailed(Struct, frozen=True):
    """The disk refused; nothing of the batch may be taken as written."""

    reason: str


class LinkUp(Struct, frozen=True):
    """Messages to this address can leave from now on; also told again after a reconnection."""

    address: str


class LinkDown(Struct, frozen=True):
    """The connection ended or can't be made; what was sent lately may be lost."""

    address: str
    reason: str


class NotSent(Struct, frozen=True):
    """This message will not arrive: there was no room for it, or no link that is up. Told of each such message, but not
    of those that were on their way when a link went down."""

    address: str
    envelope: Envelope


class Woken(Struct, frozen=True):
    """The time that :attr:`Node.wake_at` named has come."""


class ClockJumped(Struct, frozen=True):
    """Time passed that the node's clock did not count: about so many seconds, 0 where nobody knows. Nothing that it
    was promised before may be relied on; answers that were not sent yet under such a promise have lapsed."""

    seconds: float


class TurnEnded(Struct, frozen=True):
    """All that arrived in this turn of the loop has been handed in: writes gathered so far leave as one batch. The
    runner says so after any input. ``since`` is when the first of it arrived; ``telling``: followers of entries have
    yet to be told what they were to be told before, so what is new for them gathers."""

    since: float = inf
    telling: bool = False


class Outcome(Struct, frozen=True):
    """The next view, the patch that makes it, and its digest."""

    view: View
    patch: Patch
    digest: bytes


class ViewComputed(Struct, frozen=True):
    """What the changes make of the view of ``epoch``; no outcome: nothing."""

    epoch: int
    changes: tuple[Change, ...]
    outcome: Union[Outcome, None]


class FollowersBehind(Struct, frozen=True):
    """The clients of these sessions do not take in time what they are told on that channel of followed entries."""

    channel: int
    sessions: tuple[int, ...]


class Publish(Struct, frozen=True):
    """Clients published this here: the other nodes of the hive are told."""

    published: Published


class StopAsked(Struct, frozen=True):
    """A signal asks for a planned stop."""


class SettingsChanged(Struct, frozen=True):
    """The operator has changed what a node takes while it runs."""

    grace_seconds: float
    slow_seconds: float
    bytes_max: int
    config: str


Input = Union[
    Requested, Received, SessionClosed, Persisted, PersistFailed, LinkUp, LinkDown, NotSent, Woken, TurnEnded,
    StopAsked, ClockJumped, ViewComputed, FollowersBehind, Publish, SettingsChanged, Verified,
]  # fmt: skip

# --- effects -----------------------------------------------------------------------------------------------------

Operation = tuple[bytes, Union[bytes, None]]
"""A key of the store and its new value; no value: the key is deleted."""


class Persist(Struct, frozen=True):
    """A batch for the disk."""

    batch: int
    operations: list[Operation]
    must_sync: bool


class Compact(Struct, frozen=True):
    """Much was removed."""


class Send(Struct, frozen=True):
    """A message for another node. ``size`` is about how many bytes it has, where that may be much. What goes ``apart``
    does not wait behind what is large, and may overtake it."""

    address: str
    envelope: Envelope
    size: int = 0
    apart: bool = False


class SendToAll(Struct, frozen=True):
    """The same message for several nodes, none of which it names."""

    addresses: tuple[str, ...]
    envelope: Envelope


class Deliver(Struct, frozen=True):
    """What subscribers are told."""

    published: Published


class ReplyTo(Struct, frozen=True):
    """An answer to a session."""

    session: int
    reply: Union[Reply, Envelope]
    valid_until: float = inf
    leased: tuple[int, ...] = ()


class Verify(Struct, frozen=True):
    """Which of a user's ``passwords`` this is, is to be found out without holding anybody up. With ``slowed`` only one
    that was found right lately is taken, and no other is looked at. Answered by Verified."""

    session: int
    number: int
    name: str
    password: str
    passwords: tuple[Password, ...]
    slowed: bool = False
    since: int = 0
    """The epoch of the view whose passwords these are."""

    def __repr__(self) -> str:
        return f"Verify(session={self.session}, number={self.number}, name={self.name!r})"  # no password in any log

    __str__ = __repr__


class EndSessions(Struct, frozen=True):
    """These connections end once what they asked for is answered; the sentence tells them why."""

    sessions: tuple[int, ...]
    sentence: str


class BurstDone(Struct, frozen=True):
    """The updates that came from a session together, under that number, are answered: all are done but those that
    ``failed``, each with its place among them as its id."""

    session: int
    number: int
    failed: tuple[Failed, ...] = ()


class LogLine(Struct, frozen=True):
    """``level`` is one of debug, info, warning, error."""

    level: str
    line: str


class Emit(Struct, frozen=True):
    """Something happened; the node remembers it too."""

    event: ClusterEvent


class HostRequest(Struct, frozen=True):
    """A request for the process of this very node."""

    session: int
    request: Union[Watch, GetLog, GetView]


class TellFollowers(Struct, frozen=True):
    """The same for each of these sessions, in the order of these effects. To a client that is behind no ``Changes`` of
    the channel are told from then on until it has ended, and no confirmation; the node hears of it. ``valid_until`` as
    in ``ReplyTo``."""

    sessions: tuple[int, ...]
    channel: int
    reply: Union[FollowReply, Done]
    valid_until: float = inf


class Adopted(Struct, frozen=True):
    """The node has a new view."""

    epoch: int


class ComputeView(Struct, frozen=True):
    """Asks for the view that these changes make of ``view``."""

    view: View
    changes: tuple[Change, ...]


class Exit(Struct, frozen=True):
    """The process ends. With ``rejoin`` it sets its data directory aside instead, and joins the hive of these addresses
    as a new node."""

    code: int
    sentence: str = ""
    rejoin: tuple[str, ...] = ()


Effect = Union[
    Persist, Compact, Send, SendToAll, ReplyTo, BurstDone, LogLine, Emit, HostRequest, Adopted, ComputeView,
    TellFollowers, Deliver, Verify, EndSessions, Exit,
]  # fmt: skip

# --- what the node reads -----------------------------------------------------------------------------------------


class Reader(Protocol):
    """The reading half of a store: as of the last ``Persisted``, or with the whole batch that is on its way; keys in
    order of their bytes."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""

    def stored(self, key: bytes) -> bytes | None:
        """The same, or where the value is large, a :class:`wrpme.core.layout.Stored`: nothing of the content is read
        before it is needed."""

    def scan(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values with ``low <= key < high``, in order. Closed by exhaustion or by being dropped."""

    def scan_stored(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The same, with values as :meth:`stored` gives them."""

    def snapshot(self) -> ReaderSnapshot:
        """The same as it is now, whatever is written later."""


class ReaderSnapshot(Protocol):
    """What a store held at one moment; the store keeps all of that until it is closed."""

    def scan(self, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See :meth:`Reader.scan`."""

    def close(self) -> None:
        """Lets go of it; it must not be read any more."""


class ProcessStats(Struct, frozen=True):
    """What only the process knows, for the figures of its node; see :class:`wrpme.protocol.stats.NodeStats`."""

    received_bytes: int = 0
    sent_bytes: int = 0
    sessions: int = 0
    redis_sessions: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    disk_free_bytes: int = 0
    table_bytes: int = 0
    log_bytes: int = 0
    """Of the files of the data directory: those of LevelDB's tables, and those of its logs."""
    certificate_seconds: float | None = None
    """For how long the certificate of the node is valid; None without TLS."""
    troubles: tuple[str, ...] = ()
    """What an operator should look at."""


class Memory(Struct, frozen=True):
    """How many bytes a node keeps at most of what waits, in all, and of what it has read."""

    answers: int = ANSWERS_BYTES_MAX
    """Large answers that wait to leave."""
    forwards: int = FORWARDS_BYTES_MAX
    """Requests that were passed on."""
    pending: int = NODE_PENDING_BYTES_MAX
    """Writes that are not acknowledged; one more may come."""
    link: int = 256 * MIB
    """Messages that wait on one link to another node. Those beyond it are dropped, as a network would, and sent again
    by their owner; who asked for something is told."""
    frames: int = 1024 * MIB
    """Frames that have begun to arrive, of all connections; a connection that would exceed it is closed."""
    behind: int = 1024 * MIB
    """What all subscribers of Redis have not taken. Beyond it those that have much to take are closed when there is
    more for them."""
    hot: int = 64 * MIB
    """Values that were read or overwritten lately."""
    cache: int = 64 * MIB
    """Blocks of LevelDB's tables."""

    @staticmethod
    def of(most: int) -> Memory:
        """The shares of so many bytes; of more than all that waits may need, the cache has the rest. 0 for the usual
        ones."""
        usual = Memory()
        if not most:
            return usual
        eighth = most // 8
        answers, forwards, pending = (min(each, eighth) for each in (usual.answers, usual.forwards, usual.pending))
        link, frames, behind = min(usual.link, eighth), min(usual.frames, 2 * eighth), min(usual.behind, eighth)
        hot = min(usual.hot, eighth // 4)
        rest = most - hot - answers - forwards - pending - link - frames - behind - 2 * WRITE_BUFFER_BYTES
        return Memory(answers, forwards, pending, link, frames, behind, hot, rest)


class Process:
    """What only the process knows: it keeps this up to date, and its node reads it. ``measure`` gives its memory and
    its disk, ``memory`` is what it may use; ``wall_offset_milliseconds`` is the wall clock in milliseconds less 1000 x
    the node's clock."""

    def __init__(self, measure: Callable[[], ProcessStats] | None = None, memory: Memory | None = None) -> None:
        self._measure = measure or ProcessStats
        self.memory = memory or Memory()
        self.wall_offset_milliseconds = 0.0
        self.received_bytes = self.sent_bytes = 0
        self.sessions = 0
        """Connections of clients."""
        self.redis_sessions = 0
        """Of these: of Redis clients."""
        self.clients: dict[int, str] = {}
        """By session the address of a client, for what the log says of who asked."""
        self.answers_bytes = 0
        """Of large answers that wait to leave."""

    def stats(self) -> ProcessStats:
        """As of now."""
        return replace(
            self._measure(),
            received_bytes=self.received_bytes,
            sent_bytes=self.sent_bytes,
            sessions=self.sessions,
            redis_sessions=self.redis_sessions,
        )

    def room_for_answers(self) -> int:
        """How many bytes of large answers may wait beside those that do."""
        return self.memory.answers - self.answers_bytes


class Settings(Struct, frozen=True):
    """What the process gives to its node; nothing in it changes while it runs, except by :class:`SettingsChanged`."""

    id: bytes
    incarnation: int
    address: str
    """As told to others: ``--advertise``."""
    peers: tuple[str, ...] = ()
    replication: int = 0
    """Copies of each entry: for the hive that this node founds, and what a hive that it joins must have; 0 for that
    of any hive that it joins."""
    grace_seconds: float = GRACE_SECONDS
    """How long a dead node is waited for before its copies are made elsewhere."""
    new_hive: bytes = b""
    """Random id of the hive that this node founds where it has neither a view nor a peer."""
    config: str = "{}"
    """JSON, as GetConfig answers it."""
    former: str = ""
    """Where the data directory of this node was set aside, which begins anew in an empty one; else empty."""
    lives: tuple[int, ...] = ()
    """The incarnations of the last starts of this directory, in order; without any, none is called a copy by them."""
    slow_seconds: float = SLOW_SECONDS
    """Requests that take longer are kept for ``slow_log``."""
    bytes_max: int = 0
    """So much data this node holds at most, copies included; 0: no limit."""
    secured: bool = False
    """It takes nothing but TLS: ``--tls-mode require``."""
