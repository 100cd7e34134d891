"""What is said on the wire: requests and replies of clients, and what nodes say to each other.

Each class is an array on the wire that begins with its tag. Tags and field orders are stable; a field may only be added
at the end, with a default. ``id`` of a request is chosen by the client and comes back in the reply, in any order.

An alias is 1 to 4096 bytes of any value. Node ids and hive ids are 16 bytes; an incarnation, an epoch, a generation
are integers that grow; positions on the ring and hashes are integers of 64 bits; an expiry is milliseconds since 1970,
0 for never. A version of an entry is 16 bytes: a later write of the entry has a greater one. Requests that are
``versioned`` are answered with the version of the entry as it is then.
"""

from __future__ import annotations

from typing import Union

from msgspec import Struct

from wrpme.protocol.access.messages import GetUsers, Identity, UserRequest, Users, WhoAmI
from wrpme.protocol.administration import (
    SNAPSHOT_REQUESTS, ForgetNode, GetSlow, Kept, LeaveNode, Recover, SetReplication, SlowLog, Snapshot, SnapshotPart,
    SnapshotRequest, StopNode,
)  # fmt: skip
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.identities import GetHive, Here, Published, Refused, Where
from wrpme.protocol.view import Ballot, Change, NodeId, Proposal, View

# --- requests ----------------------------------------------------------------------------------------------------


class Get(Struct, frozen=True, array_like=True, tag=1, gc=False):
    id: int
    alias: bytes
    versioned: bool = False


KEEP_EXPIRY = -1
"""As the ``ttl`` of a write: the entry keeps its life span. A ttl above 0 is in milliseconds from now by the clock of
the owner, and counts instead of the expiry; 0 leaves it to the expiry."""


class Put(Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Adds an entry; AlreadyExistsError if there is one."""

    id: int
    alias: bytes
    content: bytes
    expiry: int = 0
    ttl: int = 0
    versioned: bool = False


class Update(Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Adds or replaces. The life span belongs to the content: a new content has a new one."""

    id: int
    alias: bytes
    content: bytes
    expiry: int = 0
    ttl: int = 0
    versioned: bool = False


class GetUpdate(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """Replaces and gives the former content."""

    id: int
    alias: bytes
    content: bytes
    expiry: int = 0
    ttl: int = 0


class GetRemove(Struct, frozen=True, array_like=True, tag=5, gc=False):
    """Removes and gives the former content."""

    id: int
    alias: bytes


class Cas(Struct, frozen=True, array_like=True, tag=6, gc=False):
    """Replaces if the content is ``comparand``, and gives the former content."""

    id: int
    alias: bytes
    content: bytes
    comparand: bytes
    expiry: int = 0
    ttl: int = 0


class Remove(Struct, frozen=True, array_like=True, tag=7, gc=False):
    id: int
    alias: bytes


class RemoveIf(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """Removes if the content is ``comparand``."""

    id: int
    alias: bytes
    comparand: bytes


class Expire(Struct, frozen=True, array_like=True, tag=9, gc=False):
    """Sets the life span: until ``milliseconds`` since 1970, or from now if ``relative``; else 0 is for ever."""

    id: int
    alias: bytes
    milliseconds: int
    relative: bool = False


class GetExpiry(Struct, frozen=True, array_like=True, tag=10, gc=False):
    id: int
    alias: bytes
    versioned: bool = False


class PrefixScan(Struct, frozen=True, array_like=True, tag=11, gc=False):
    """A page of the sorted aliases after ``after`` that begin with ``prefix``, of the arcs that ``node`` owns at
    ``epoch``, with their contents or versions where these are asked for. A client asks every owner at one epoch; any
    other epoch there is an UnstableError."""

    id: int
    node: NodeId
    epoch: int
    prefix: bytes
    after: bytes = b""
    count_max: int = 1000
    contents: bool = False
    versions: bool = False


class Count(Struct, frozen=True, array_like=True, tag=12, gc=False):
    """Entries of the arcs that ``node`` owns at ``epoch``."""

    id: int
    node: NodeId
    epoch: int


class RemoveAll(Struct, frozen=True, array_like=True, tag=13, gc=False):
    """Removes a page of the entries after the cursor ``after`` of the arcs that ``node`` owns at ``epoch``; gives how
    many, and the next cursor: where that is empty, nothing is left there."""

    id: int
    node: NodeId
    epoch: int
    after: bytes = b""


class GetView(Struct, frozen=True, array_like=True, tag=14, gc=False):
    """The view of the node that is asked; with ``follow`` the connection is told of each later epoch by Notice."""

    id: int
    follow: bool = False


class GetStatus(Struct, frozen=True, array_like=True, tag=15, gc=False):
    """Figures of a node, as JSON."""

    id: int
    node: NodeId


class GetConfig(Struct, frozen=True, array_like=True, tag=16, gc=False):
    """Configuration of a node, as JSON."""

    id: int
    node: NodeId


class VerifyArc(Struct, frozen=True, array_like=True, tag=21, gc=False):
    """Compares all copies of the arc with that end, which ``node`` owns at ``epoch``; answered as JSON."""

    id: int
    node: NodeId
    epoch: int
    end: int


class Watch(Struct, frozen=True, array_like=True, tag=22, gc=False):
    """The node tells what it goes through until the connection ends, see Told; with ``hive`` also what each node could
    tell: views as ViewIs, the present one at once, and what happens to the hive."""

    id: int
    hive: bool = False


class GetLog(Struct, frozen=True, array_like=True, tag=23, gc=False):
    """The latest lines of the log of the node that is asked, as JSON: a list, the oldest first."""

    id: int


class GetHoldings(Struct, frozen=True, array_like=True, tag=24, gc=False):
    """What the node has on its disk, whether it is a holder or not."""

    id: int
    node: NodeId


class Add(Struct, frozen=True, array_like=True, tag=40, gc=False):
    """Adds to the whole number of 64 bits that the content is, in decimal digits (0 where there is no entry); gives the
    sum. NumberError where the content is none, or the sum would be none. An entry keeps its life span, unless it is
    given a new one."""

    id: int
    alias: bytes
    number: int
    expiry: int = 0
    ttl: int = KEEP_EXPIRY


class Append(Struct, frozen=True, array_like=True, tag=41, gc=False):
    """Puts bytes behind the content, or adds an entry; gives the size of the content. An entry keeps its life span,
    unless it is given a new one."""

    id: int
    alias: bytes
    content: bytes
    expiry: int = 0
    ttl: int = KEEP_EXPIRY


class GetRange(Struct, frozen=True, array_like=True, tag=42, gc=False):
    """Gives the bytes of the content from ``first`` to ``last``, both included, as far as there are any. A number below
    0 counts from the end: -1 is the last byte."""

    id: int
    alias: bytes
    first: int
    last: int


class SetRange(Struct, frozen=True, array_like=True, tag=43, gc=False):
    """Writes over the content from byte ``first`` on, which grows where it is too short: with zero bytes up to there.
    Gives the size of the content. An entry keeps its life span; where there is none, one is added."""

    id: int
    alias: bytes
    first: int
    content: bytes


class GetExpire(Struct, frozen=True, array_like=True, tag=44, gc=False):
    """Gives the content, and sets the life span as Expire does."""

    id: int
    alias: bytes
    milliseconds: int
    relative: bool = False


class Exists(Struct, frozen=True, array_like=True, tag=45, gc=False):
    """Gives 1 where there is such an entry, else 0."""

    id: int
    alias: bytes


class Touch(Struct, frozen=True, array_like=True, tag=46, gc=False):
    """The entry has a new version; its content and its life span stay."""

    id: int
    alias: bytes


class CasVersion(Struct, frozen=True, array_like=True, tag=47, gc=False):
    """Replaces the content if the entry has that ``version``, and gives the new version. With ``NO_VERSION`` there must
    be no such entry, and one is added."""

    id: int
    alias: bytes
    content: bytes
    version: bytes
    expiry: int = 0
    ttl: int = 0


class RemoveVersion(Struct, frozen=True, array_like=True, tag=48, gc=False):
    """Removes if the entry has that ``version``."""

    id: int
    alias: bytes
    version: bytes


class IfVersion(Struct, frozen=True, array_like=True, tag=50, gc=False):
    """Changes nothing, and fails unless the entry has that ``version``; with ``NO_VERSION``, if there is one."""

    id: int
    alias: bytes
    version: bytes


class IfContent(Struct, frozen=True, array_like=True, tag=51, gc=False):
    """Changes nothing, and fails unless the content is ``comparand``."""

    id: int
    alias: bytes
    comparand: bytes


class Follow(Struct, frozen=True, array_like=True, tag=56, gc=False):
    """From now on the connection is told, as Changes, of each write that is acknowledged to an entry whose alias begins
    with ``prefix``, of the arcs that ``node`` owns at ``epoch``; with the contents, if these are asked for. A client
    asks every owner at one epoch, and scans after that."""

    id: int
    node: NodeId
    epoch: int
    prefix: bytes
    contents: bool = False


class Unfollow(Struct, frozen=True, array_like=True, tag=57, gc=False):
    """Takes one Follow of that ``channel`` back."""

    id: int
    channel: int


class ConfirmFollow(Struct, frozen=True, array_like=True, tag=58, gc=False):
    """Answered when all that was acknowledged before has been told on the ``channel``; UnstableError where that has
    ended, or the node can't tell whether it still owns what it did."""

    id: int
    channel: int


class RingScan(Struct, frozen=True, array_like=True, tag=59, gc=False):
    """A page of aliases in the order of the ring, from ``cursor`` on, which is 0 at first and has 53 bits; see
    :func:`wrpme.protocol.ring.cursor_of`. Whoever owns the arc that it lies in answers with Aliases: ``last`` is the
    next cursor in 8 bytes, and where there is none, not ``more``. An entry that exists while all pages are asked for is
    in one of them, whoever owns its arc meanwhile. A page may have none, and may have more than ``count_max``. With
    ``prefixes`` only aliases that begin with one of them are told."""

    id: int
    cursor: int
    count_max: int = 1000
    prefixes: tuple[bytes, ...] = ()


NO_VERSION = bytes(16)
"""Below every version: that of an entry that there is not."""

EntryRequest = Union[
    Get, Put, Update, GetUpdate, GetRemove, Cas, Remove, RemoveIf, Expire, GetExpiry, Add, Append, GetRange, SetRange,
    GetExpire, Exists, Touch, CasVersion, RemoveVersion, IfVersion, IfContent,
]  # fmt: skip


class Many(Struct, frozen=True, array_like=True, tag=52):
    """Requests on entries that ``node`` owns, each of which is carried out by itself, in their order; answered by
    Results. One whose entry has another owner by then is refused as unstable: nothing of it was carried out."""

    id: int
    node: NodeId
    requests: tuple[EntryRequest, ...]


class Transaction(Struct, frozen=True, array_like=True, tag=53):
    """Requests on entries of one position, carried out together: each sees what those before it did, and if one fails
    nothing is changed. Answered by Results, or by Failed with the number of the operation that failed."""

    id: int
    requests: tuple[EntryRequest, ...]


NodeRequest = Union[
    PrefixScan, Count, RemoveAll, GetStatus, GetConfig, StopNode, LeaveNode, VerifyArc, GetHoldings, Many,
    SnapshotRequest, GetSlow,
]  # fmt: skip
FollowRequest = Union[Follow, Unfollow, ConfirmFollow]


class Traced(Struct, frozen=True, array_like=True, tag=27):
    """A request that its client gave an id, under which the logs of all nodes that it touches name it. It is answered
    as the request is, under the number ``id``, which the request has too."""

    id: int
    request_id: str
    request: Union[EntryRequest, Transaction, Many, RingScan, PrefixScan, Count]


Request = Union[
    EntryRequest, Transaction, RingScan, NodeRequest, GetView, ForgetNode, Recover, SetReplication, Watch, GetLog,
    GetHive, FollowRequest, Traced, UserRequest,
]  # fmt: skip
READS = (
    Get, GetExpiry, GetRange, Exists, PrefixScan, RingScan, Count, GetStatus, GetConfig, GetView, VerifyArc, Watch,
    GetLog, GetHoldings, GetHive, Follow, Unfollow, ConfirmFollow, IfVersion, IfContent, GetSlow,
    WhoAmI, GetUsers, *SNAPSHOT_REQUESTS,
)  # fmt: skip
"""Requests that change nothing."""


def is_read(request: Request) -> bool:
    """Whether a request changes nothing, and so may be sent again whatever became of it."""
    if type(request) is Traced:
        return is_read(request.request)
    if type(request) is Many or type(request) is Transaction:
        return all(isinstance(part, READS) for part in request.requests)
    return isinstance(request, READS)


# --- replies -----------------------------------------------------------------------------------------------------


class Done(Struct, frozen=True, array_like=True, tag=64, gc=False):
    id: int
    version: bytes = b""


class Content(Struct, frozen=True, array_like=True, tag=65, gc=False):
    id: int
    content: bytes
    version: bytes = b""


class Failed(Struct, frozen=True, array_like=True, tag=66, gc=False):
    """``code`` is one of :mod:`wrpme.errors`, ``sentence`` for the operator; ``operation`` is that of a transaction
    which failed, counted from 0."""

    id: int
    code: int
    sentence: str
    operation: int = -1


class Number(Struct, frozen=True, array_like=True, tag=67, gc=False):
    """A count, or an expiry in milliseconds; ``cursor`` is for who asks for more."""

    id: int
    number: int
    cursor: bytes = b""
    version: bytes = b""


EntryReply = Union[Done, Content, Failed, Number]


class Results(Struct, frozen=True, array_like=True, tag=78):
    """The answers to the requests of Many or of a Transaction, in their order."""

    id: int
    replies: tuple[EntryReply, ...]


class Aliases(Struct, frozen=True, array_like=True, tag=68):
    """``more`` tells that the scan stopped at the size of a page; it goes on after ``last``. Contents and versions, if
    they were asked for, are in the order of the aliases; a large content is left out, and got by itself."""

    id: int
    aliases: tuple[bytes, ...]
    more: bool
    last: bytes
    contents: tuple[Union[bytes, None], ...] = ()
    versions: tuple[bytes, ...] = ()


class ViewIs(Struct, frozen=True, array_like=True, tag=69):
    """``node`` is the one that answers."""

    id: int
    node: NodeId
    view: View


class Text(Struct, frozen=True, array_like=True, tag=70, gc=False):
    """JSON."""

    id: int
    text: str


class Notice(Struct, frozen=True, array_like=True, tag=71, gc=False):
    """Told to followers, unasked (id 0): the node has adopted a view of this epoch."""

    id: int
    epoch: int


class Told(Struct, frozen=True, array_like=True, tag=72):
    """To a watcher: what happened (the remembered past at once), and every half second the node's figures as GetStatus
    has them. ``missed`` events were left out before these, as the watcher did not read in time."""

    id: int
    events: tuple[ClusterEvent, ...] = ()
    stats: str = ""
    missed: int = 0


class Holding(Struct, frozen=True, array_like=True, gc=False):
    """What a node has of the arc with that ``end`` at that ``version``: so many entries, and the mark of its copy, see
    Mark."""

    end: int
    version: int
    written: int
    sequence: int
    entries: int


class Holdings(Struct, frozen=True, array_like=True, tag=73):
    """Of all arcs of the view of that ``epoch`` that the node has anything of, or a mark."""

    id: int
    epoch: int
    holdings: tuple[Holding, ...]


class Following(Struct, frozen=True, array_like=True, tag=80, gc=False):
    """What is told comes as Changes of that ``channel``, the same one for all who follow the same."""

    id: int
    channel: int


WRITTEN, REMOVED, EXPIRED = 0, 1, 2
"""What became of an entry."""


class EntryChange(Struct, frozen=True, array_like=True, gc=False):
    """``version`` is that of the write or the removal. The content is left out where it is large or was not asked
    for."""

    what: int
    alias: bytes
    version: bytes
    content: Union[bytes, None] = None


class Changes(Struct, frozen=True, array_like=True, tag=81):
    """To followers, unasked (id 0): what was acknowledged, of each entry in order. Where an entry was changed twice
    between two of these, only the later change is told."""

    id: int
    channel: int
    changes: tuple[EntryChange, ...]


class FollowEnded(Struct, frozen=True, array_like=True, tag=82, gc=False):
    """To followers, unasked (id 0): nothing more is told on that channel, as the node owns other arcs now, or as this
    follower was ``behind`` with reading. It asks the owners again."""

    id: int
    channel: int
    behind: bool = False


FollowReply = Union[Following, Changes, FollowEnded]
Reply = Union[
    EntryReply, Results, Aliases, ViewIs, Text, Notice, Told, Holdings, FollowReply, Snapshot, SnapshotPart, SlowLog,
    Identity, Users,
]  # fmt: skip

# --- between nodes -----------------------------------------------------------------------------------------------

Pair = tuple[bytes, bytes]
"""Key and value of an entry as :mod:`wrpme.core.layout` lays them out; a removal is a value too, and has a version."""


class Report(Struct, frozen=True, array_like=True, tag=101):
    """Changes that the sender asks the voters for; a node that is no voter passes it on to them."""

    changes: tuple[Change, ...]


class FailureReport(Struct, frozen=True, array_like=True, tag=102):
    """The sender has had no sign of these members, each in that incarnation, for too long; others that it named before
    it hears again."""

    lives: tuple[tuple[NodeId, int], ...]


class Prepare(Struct, frozen=True, array_like=True, tag=103):
    """Paxos 1a for the view of ``epoch``."""

    epoch: int
    ballot: Ballot


class Promise(Struct, frozen=True, array_like=True, tag=104):
    """Paxos 1b."""

    epoch: int
    ballot: Ballot
    accepted: Union[Ballot, None]
    value: Union[Proposal, None]


class Accept(Struct, frozen=True, array_like=True, tag=105):
    """Paxos 2a."""

    epoch: int
    ballot: Ballot
    value: Proposal


class Accepted(Struct, frozen=True, array_like=True, tag=106):
    """Paxos 2b."""

    epoch: int
    ballot: Ballot


class Rejected(Struct, frozen=True, array_like=True, tag=107):
    """The acceptor has promised ``promised``, which is higher than ``ballot``."""

    epoch: int
    ballot: Ballot
    promised: Ballot


class NextView(Struct, frozen=True, array_like=True, tag=108):
    """The view of ``epoch`` is the one before with these changes."""

    epoch: int
    proposal: Proposal


class WholeView(Struct, frozen=True, array_like=True, tag=109):
    view: View


class AskView(Struct, frozen=True, array_like=True, tag=110):
    """The sender has seen a higher epoch: it is told what it lacks; ``whole``: patches did not make that view of its
    own."""

    whole: bool = False


class Heartbeat(Struct, frozen=True, array_like=True, tag=111):
    """``sent`` is the sender's own clock; only the sender reads it."""

    sent: float


class HeartbeatAck(Struct, frozen=True, array_like=True, tag=112):
    """A promise for 1.2 L (docs/how-it-works.md, Leases) to the incarnation of the heartbeat; ``wall`` is this node's
    wall clock, in milliseconds since 1970; ``full``: it takes no more data."""

    sent: float
    incarnation: int
    wall: int = 0
    full: bool = False


class Forward(Struct, frozen=True, array_like=True, tag=113):
    """A client's request, under the forwarder's own number; a content in the answer may have ``room`` bytes. Of what is
    audited ``who`` says who asked."""

    request: Request
    room: int = 0
    who: str = ""


class Forwarded(Struct, frozen=True, array_like=True, tag=114):
    reply: Reply
    wanted: int = 0  # unless 0: so large a content had no room, and nothing was carried out


class GetSuffix(Struct, frozen=True, array_like=True, tag=115):
    """The new owner asks former owners and holders for their suffixes: for the part with keys above ``after``."""

    end: int
    version: int
    after: bytes = b""


class Suffix(Struct, frozen=True, array_like=True, tag=116):
    """The sender has adopted the version, serves and acknowledges nothing of older ones, and hands over its suffix: the
    part that follows ``after``, in order of keys. While there is ``more``, it counts for nothing by itself."""

    end: int
    version: int
    pairs: tuple[Pair, ...]
    after: bytes = b""
    more: bool = False


class Committed(Struct, frozen=True, array_like=True, tag=117):
    """The new owner serves at this version: what your suffix held of versions from ``settled`` on is committed, tell
    your clients so. What is older was settled before, with your suffix or without it."""

    end: int
    version: int
    settled: int = 0


class Compare(Struct, frozen=True, array_like=True, tag=118):
    """Compare the keys in ``[low, high)`` with this digest. The sender has no more there than one range may hold."""

    low: bytes
    high: bytes
    digest: bytes


class Fill(Struct, frozen=True, array_like=True, tag=119):
    """What differed in ``[low, high)``; the digest of the range is ``digest`` once applied."""

    low: bytes
    high: bytes
    pairs: tuple[Pair, ...]
    digest: bytes


class Writes(Struct, frozen=True, array_like=True, tag=120):
    """Writes of the owner, in order. Of each that changes more than the bytes of a content, ``changes`` has its place,
    and the size (0: none) and the expiry of the value before; only for who has all that the owner has."""

    pairs: tuple[Pair, ...]
    changes: Union[tuple[tuple[int, int, int], ...], None] = None


class Counts(Struct, frozen=True, array_like=True, tag=125):
    """The receiver has all that any suffix held, and if it was incoming all of the arc: from here on every write and
    the lease need it too."""


Item = Union[Compare, Fill, Writes, Counts]


class Stream(Struct, frozen=True, array_like=True, tag=121):
    """Items ``first``, ``first + 1``... of the numbered stream of one arc to one node; ``run`` tells one attempt from
    the next. What came with the items up to ``settled`` is acknowledged by all holders. The first one of a copy tells
    the ``size`` of the arc's data in bytes."""

    end: int
    version: int
    run: int
    first: int
    items: tuple[Item, ...]
    settled: int = 0
    size: int = 0


class Answer(Struct, frozen=True, array_like=True, tag=122):
    """To item ``number``: ``same`` digest or not; where not, the keys of that range with their versions (only those
    before ``until``, where these are more than one range may hold)."""

    number: int
    same: bool
    have: tuple[tuple[bytes, bytes], ...] = ()
    until: bytes = b""


class StreamAck(Struct, frozen=True, array_like=True, tag=123):
    """All items up to ``upto`` are on disk; ``answers`` to comparisons among them. ``upto`` -1: not now, the receiver
    takes part in as many copies as it may, or has no room for this one."""

    end: int
    version: int
    run: int
    upto: int
    answers: tuple[Answer, ...] = ()


class Streams(Struct, frozen=True, array_like=True, tag=126):
    """All that a turn has for one node, which answers by the ``number``."""

    streams: tuple[Stream, ...]
    number: int = 0


class StreamAcks(Struct, frozen=True, array_like=True, tag=127):
    """All that a batch on disk acknowledges to one node: all items of the messages with these ``numbers``, which it
    sent in its ``life``. Below 0: that message is dealt with, and ``acks`` say what of it was taken."""

    acks: tuple[StreamAck, ...]
    numbers: tuple[int, ...] = ()
    life: int = 0


Body = Union[
    Report, FailureReport, Prepare, Promise, Accept, Accepted, Rejected, NextView, WholeView, AskView, Heartbeat,
    HeartbeatAck, Forward, Forwarded, GetSuffix, Suffix, Committed, Streams, StreamAcks, Published, Refused, Where,
    Here, Kept,
]  # fmt: skip


class Envelope(Struct, frozen=True, array_like=True, tag=100):
    """``hive`` is empty from a node that is in none yet, ``destination`` where the sender knows only an address;
    ``epoch`` and ``generation`` (and 2**16 times the branch of the hive, at first 0) are of the sender's view, or 0."""

    hive: bytes
    generation: int
    source: NodeId
    incarnation: int
    destination: NodeId
    epoch: int
    body: Body


Inbound = Union[Request, Envelope]
"""What a daemon may hear on a connection that it accepted."""

BULK = (Forward, Forwarded, Suffix, Streams, StreamAcks, Published)  # may be large: no heartbeat waits behind them
