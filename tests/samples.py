"""A message of every kind, and the list of all kinds: for the tests of the codec, the table and the documents."""

from __future__ import annotations

from typing import Any, get_args

from msgspec import Struct
from msgspec.structs import replace

from wrpme.protocol.access.messages import (
    AddUser, Authenticate, GetUsers, Identity, RemoveUser, SetPasswords, Users, WhoAmI,
)  # fmt: skip
from wrpme.protocol.access.users import Password, Role, User
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.identities import GetHive, Here, Publication, Published, Refused, Where
from wrpme.protocol.administration import ForgetNode, LeaveNode, Recover, SetReplication, StopNode
from wrpme.protocol.messages import (
    Accept, Accepted, Add, Aliases, Answer, Append, AskView, Body, Cas, CasVersion, Changes, Committed, Compare,
    ConfirmFollow, Content, EntryChange, Follow, FollowEnded, Following, Count, Counts, Done, Envelope, Exists,
    Expire, Failed, FailureReport, Fill, Forward, Forwarded, Get, GetConfig, GetExpire, GetExpiry, GetHoldings,
    GetLog, GetRange, GetRemove, GetStatus, GetSuffix, GetUpdate, GetView, Heartbeat, HeartbeatAck, Holding,
    Holdings, IfContent, IfVersion, Item, Many, NextView, Notice, Number, PrefixScan, Prepare, Promise, Put,
    Rejected, Remove, RemoveAll, RemoveIf, RemoveVersion, Reply, Report, Request, Results, RingScan, SetRange,
    Stream, StreamAck, StreamAcks, Streams, Suffix, Text, Told, Touch, Traced, Transaction, Unfollow, Update,
    VerifyArc, ViewIs, Watch, WholeView, Writes,
)  # fmt: skip
from wrpme.protocol.administration import CloseSnapshot, OpenSnapshot, Saved, Snapshot, SnapshotPage, SnapshotPart
from wrpme.protocol.administration import GetSlow, Kept, SlowLog, SlowRequest
from wrpme.protocol.view import (
    Activated, Arc, Back, Ballot, Change, Choice, Down, DropUser, Elect, Expel, Forget, Join, Leave, Mark, Member,
    Patch, Proposal, PutUser, Replicate, State, Synced, View,
)  # fmt: skip


def kinds(union: Any) -> list[type[Struct]]:
    """The classes of a union, unions within it included."""
    return [kind for part in get_args(union) for kind in kinds(part)] if get_args(union) else [union]


REQUESTS = kinds(Request)
REPLIES = kinds(Reply)
BODIES = kinds(Body)
ITEMS = kinds(Item)
CHANGES = kinds(Change)
TAGGED: list[type[Struct]] = [*REQUESTS, *REPLIES, Envelope, *BODIES, Stream, StreamAck, *ITEMS, Answer]
"""Everything with a tag of its own on the connection; changes of the view have a row of tags for themselves."""
UNTAGGED: list[type[Struct]] = [
    View, Member, Arc, Mark, Choice, Holding, Saved, SlowRequest, EntryChange, Publication, Patch, Proposal, Ballot,
    ClusterEvent, User, Password,
]  # fmt: skip

ID, OTHER = bytes(range(16)), bytes(range(16, 32))
BIG = (1 << 64) - 1
CONTENT = bytes(range(256))
ALIAS = "naïve-\u20ac-\U0001f41d".encode() + b" \0\xff"
BALLOT = Ballot(3, ID, 7)
USER = User("ann", Role.WRITE, (b"app:",), (Password(b"s" * 16, b"h" * 32),), 7)
PROPOSAL = Proposal(
    (
        Join(ID, 1, "127.0.0.1:5909"),
        Back(ID, 2, "[::1]:5909", 3, (Mark(BIG, 4, 3, 17),)),
        Down(OTHER, 3, planned=True),
        Synced(BIG, 4, ID, OTHER, 5),
        Activated(0, 5, ID, 6),
        Elect(OTHER),
        Leave(ID, 7),
        Expel(OTHER, 8),
        Forget(OTHER, BIG, (Choice(BIG, 4, ID),)),
        Replicate(3, 2),
        PutUser(USER, 0),
        DropUser("bob", 7),
    ),
    Patch(
        (Member(ID, 7, "127.0.0.1:5909", 1, State.UP),),
        (OTHER,),
        (Arc(BIG, 4, (ID,), wanted=(ID,)),),
        (0,),
        (ID,),
        3,
        (USER,),
        ("bob",),
    ),
    b"d" * 32,
    OTHER,
)
VIEW = View(
    9,
    ID,
    1,
    1,
    (Member(ID, 7, "127.0.0.1:5909", 1, State.UP), Member(OTHER, 8, "127.0.0.1:5910", 2, State.DOWN)),
    (Arc(1 << 63, 9, (ID,), (OTHER,), (OTHER,), (ID, OTHER), ((1 << 63, 8),)), Arc(BIG, 4, (OTHER,), wanted=(OTHER,))),
    (ID, OTHER),
)
PAIRS = ((b"e" + bytes(8) + b"alias", CONTENT), (b"", b""))
EVENTS = (
    ClusterEvent(1, 1_700_000_000_000, "down", 9, "127.0.0.1:5910", "127.0.0.1:5910 is down", hive=True),
    ClusterEvent(2, 1_700_000_000_001, "quorum", 9, "", "this node sees a quorum again", 1.5),
)
ANSWER = Answer(3, False, ((b"key", b"version"),))

REQUEST_SAMPLES: list[Any] = [
    Get(1, ALIAS),
    Put(2, ALIAS, CONTENT),
    Update(3, ALIAS, b"", 253_402_300_799_999),
    GetUpdate(4, ALIAS, CONTENT, 1),
    GetRemove(5, ALIAS),
    Cas(6, ALIAS, CONTENT, b"comparand", 2),
    Remove(7, b""),
    RemoveIf(8, b"a" * 4096, CONTENT),
    Expire(9, ALIAS, 90_000, relative=True),
    GetExpiry(10, ALIAS),
    Add(40, ALIAS, -BIG // 2, 5, 6),
    Append(41, ALIAS, CONTENT),
    GetRange(42, ALIAS, 0, -1),
    SetRange(43, ALIAS, 3, CONTENT),
    GetExpire(44, ALIAS, 90_000, relative=True),
    Exists(45, ALIAS),
    Touch(46, ALIAS),
    CasVersion(47, ALIAS, CONTENT, bytes(16), ttl=7),
    RemoveVersion(48, ALIAS, bytes(16)),
    IfVersion(50, ALIAS, bytes(16)),
    IfContent(51, ALIAS, CONTENT),
    Many(52, ID, (Get(0, ALIAS), Put(1, b"{x}a", b"", ttl=5))),
    Transaction(53, (IfVersion(0, b"{x}a", bytes(16)), Put(0, b"{x}a", CONTENT), Remove(0, b"{x}b"))),
    PrefixScan(11, ID, 12, b"pre", b"prefix", 5),
    Count(12, ID, 1),
    RemoveAll(13, ID, BIG, b"cursor"),
    GetView(BIG, follow=True),
    GetStatus(15, ID),
    GetConfig(16, b""),
    StopNode(17, OTHER),
    LeaveNode(18, ID),
    ForgetNode(19, OTHER, BIG, (Choice(BIG, 4, ID),)),
    Recover(20),
    SetReplication(25, 3, 2),
    VerifyArc(21, ID, 9, BIG),
    GetHoldings(24, ID),
    GetSlow(28, ID, 9, True),
    Traced(29, "deploy-7", Put(29, ALIAS, CONTENT)),
    OpenSnapshot(25, ID, 7, BIG),
    SnapshotPage(26, ID, 3, b"e" * 9, 512),
    CloseSnapshot(27, ID, 3),
    Follow(56, ID, 7, b"with", contents=True),
    Unfollow(57, 3),
    ConfirmFollow(58, 3),
    RingScan(59, 1 << 40, 10),
    Watch(22, hive=True),
    GetLog(23),
    GetHive(30),
    Authenticate(28, "ann", "correct horse"),
    WhoAmI(29),
    GetUsers(31),
    AddUser(32, USER),
    SetPasswords(33, "ann", USER.passwords, 7),
    RemoveUser(34, "ann", 7),
]
REPLY_SAMPLES: list[Any] = [
    Done(1),
    Content(2, CONTENT),
    Content(2, b"x" * 70_000),
    Failed(3, 5, '"entry" lives on 127.0.0.1:5910'),
    Failed(3, 2, 'operation 2 of 3: there is no entry "x"', 1),
    Results(3, (Done(0, bytes(16)), Content(0, CONTENT), Failed(0, 2, ""), Number(0, 7))),
    Number(4, BIG, b"", bytes(16)),
    Aliases(5, (ALIAS, b"b"), True, b"b"),
    Aliases(5, (), False, b""),
    Aliases(5, (ALIAS, b"b"), True, b"b", (CONTENT, None), (bytes(16), b"v" * 16)),
    ViewIs(6, ID, VIEW),
    Text(7, '{"state": "up"}'),
    Notice(0, 12),
    Told(8, EVENTS, '{"state": "up"}', 3),
    Told(8),
    Holdings(9, 7, (Holding(BIG, 4, 3, 17, 12),)),
    Snapshot(10, 3, 17, 1000),
    SnapshotPart(11, (Saved(b"alias", 1_700_000_000_000, bytes(16), 9, 4, b"parts"),), True, b"e" * 9, 9),
    SlowLog(
        12,
        100.0,
        9,
        (SlowRequest(9, 1.7e12, "Put", ALIAS, 1, "127.0.0.1:1", "deploy-7", 0, 413.5, 3.0, 200.5, 210.0, "n2"),),
    ),
    Identity(13, "ann", Role.WRITE, (b"app:",)),
    Users(14, (USER,), 9),
    Following(10, 3),
    Changes(0, 3, (EntryChange(0, b"with", bytes(16), CONTENT), EntryChange(2, b"without", bytes(16)))),
    FollowEnded(0, 3, behind=True),
]
ITEM_SAMPLES: list[Any] = [
    Compare(b"low", b"high", b"digest"),
    Fill(b"", b"\xff", PAIRS, b"digest"),
    Writes(PAIRS),
    Writes(PAIRS, ((0, 0, 0), (1, 99, 7))),
    Counts(),
]
BODY_SAMPLES: list[Any] = [
    Report(PROPOSAL.changes),
    FailureReport(((OTHER, 3), (ID, 7))),
    Prepare(10, BALLOT),
    Promise(10, BALLOT, None, None),
    Promise(10, BALLOT, BALLOT, PROPOSAL),
    Accept(10, BALLOT, PROPOSAL),
    Accepted(10, BALLOT),
    Rejected(10, BALLOT, Ballot(4, OTHER, 1)),
    NextView(10, PROPOSAL),
    WholeView(VIEW),
    WholeView(replace(VIEW, users=(USER,), users_since=7)),
    AskView(),
    Heartbeat(1234.5),
    HeartbeatAck(1234.5, 7, 1_700_000_000_000),
    *(Forward(request) for request in REQUEST_SAMPLES),
    *(Forwarded(reply) for reply in REPLY_SAMPLES),
    GetSuffix(BIG, 9),
    Suffix(BIG, 9, PAIRS),
    Committed(BIG, 9),
    Streams((Stream(BIG, 9, 1, 0, tuple(ITEM_SAMPLES)), Stream(0, 10, 2, 7, (), 6)), 12),
    StreamAcks((StreamAck(BIG, 9, 1, -1), StreamAck(BIG, 9, 1, 3, (ANSWER, Answer(4, True))))),
    StreamAcks((), (3, -4), 5),
    Published((Publication(b"channel", b"content"), Publication(b"", b"", True))),
    Kept("deploy-7", "put entry"),
    Refused(24, "this is an older copy", 7, ("n1", "n2")),
    Where(1.5, "n1"),
    Here(1.5, "n1", ((b"n" * 16, 7, "n2"),)),
]
ENVELOPE_SAMPLES: list[Any] = [
    *(Envelope(ID, 1, ID, 7, OTHER, 9, body) for body in BODY_SAMPLES),
    Envelope(b"", 0, ID, 1, b"", 0, AskView()),
]
FOR_SERVER: list[Any] = [*REQUEST_SAMPLES, *ENVELOPE_SAMPLES]
"""What a daemon hears."""
