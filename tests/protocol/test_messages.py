"""Tags and fields of everything on the wire are stable: a field may only be added at the end, with a default."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import fields

from tests.samples import BALLOT, CHANGES, FOR_SERVER, PROPOSAL, REPLY_SAMPLES, TAGGED, UNTAGGED, VIEW
from wrpme.protocol import administration, events, messages, view
from wrpme.protocol.access import messages as access, users
from wrpme.protocol.messages import (
    BULK, NO_VERSION, READS, Cas, Get, IfVersion, Many, Put, Transaction, is_read,
)  # fmt: skip
from wrpme.protocol.view import Ballot, State

MESSAGES = {
    1: "Get id alias versioned?",
    2: "Put id alias content expiry? ttl? versioned?",
    3: "Update id alias content expiry? ttl? versioned?",
    4: "GetUpdate id alias content expiry? ttl?",
    5: "GetRemove id alias",
    6: "Cas id alias content comparand expiry? ttl?",
    7: "Remove id alias",
    8: "RemoveIf id alias comparand",
    9: "Expire id alias milliseconds relative?",
    10: "GetExpiry id alias versioned?",
    11: "PrefixScan id node epoch prefix after? count_max? contents? versions?",
    12: "Count id node epoch",
    13: "RemoveAll id node epoch after?",
    14: "GetView id follow?",
    15: "GetStatus id node",
    16: "GetConfig id node",
    17: "StopNode id node",
    18: "LeaveNode id node",
    19: "ForgetNode id member incarnation choices?",
    20: "Recover id choices?",
    21: "VerifyArc id node epoch end",
    22: "Watch id hive?",
    23: "GetLog id",
    24: "GetHoldings id node",
    25: "SetReplication id replication known",
    26: "GetSlow id node count forget?",
    27: "Traced id request_id request",
    28: "Authenticate id name password",
    29: "WhoAmI id",
    30: "GetHive id",
    31: "GetUsers id",
    32: "AddUser id user",
    33: "SetPasswords id name passwords known",
    34: "RemoveUser id name known",
    40: "Add id alias number expiry? ttl?",
    41: "Append id alias content expiry? ttl?",
    42: "GetRange id alias first last",
    43: "SetRange id alias first content",
    44: "GetExpire id alias milliseconds relative?",
    45: "Exists id alias",
    46: "Touch id alias",
    47: "CasVersion id alias content version expiry? ttl?",
    48: "RemoveVersion id alias version",
    50: "IfVersion id alias version",
    51: "IfContent id alias comparand",
    52: "Many id node requests",
    53: "Transaction id requests",
    56: "Follow id node epoch prefix contents?",
    57: "Unfollow id channel",
    58: "ConfirmFollow id channel",
    59: "RingScan id cursor count_max? prefixes?",
    60: "OpenSnapshot id node epoch end",
    61: "SnapshotPage id node snapshot after? offset?",
    62: "CloseSnapshot id node snapshot",
    64: "Done id version?",
    65: "Content id content version?",
    66: "Failed id code sentence operation?",
    67: "Number id number cursor? version?",
    68: "Aliases id aliases more last contents? versions?",
    69: "ViewIs id node view",
    70: "Text id text",
    71: "Notice id epoch",
    72: "Told id events? stats? missed?",
    73: "Holdings id epoch holdings",
    74: "Snapshot id number first entries",
    75: "SnapshotPart id entries more after? offset?",
    76: "SlowLog id threshold_milliseconds noted requests",
    77: "Identity id name role prefixes? open?",
    78: "Results id replies",
    79: "Users id users epoch",
    80: "Following id channel",
    81: "Changes id channel changes",
    82: "FollowEnded id channel behind?",
    100: "Envelope hive generation source incarnation destination epoch body",
    101: "Report changes",
    102: "FailureReport lives",
    103: "Prepare epoch ballot",
    104: "Promise epoch ballot accepted value",
    105: "Accept epoch ballot value",
    106: "Accepted epoch ballot",
    107: "Rejected epoch ballot promised",
    108: "NextView epoch proposal",
    109: "WholeView view",
    110: "AskView whole?",
    111: "Heartbeat sent",
    112: "HeartbeatAck sent incarnation wall? full?",
    113: "Forward request room? who?",
    114: "Forwarded reply wanted?",
    115: "GetSuffix end version after?",
    116: "Suffix end version pairs after? more?",
    117: "Committed end version settled?",
    118: "Compare low high digest",
    119: "Fill low high pairs digest",
    120: "Writes pairs changes?",
    121: "Stream end version run first items settled? size?",
    122: "Answer number same have? until?",
    123: "StreamAck end version run upto answers?",
    124: "Refused code sentence incarnation? others?",
    125: "Counts",
    126: "Streams streams number?",
    127: "StreamAcks acks numbers? life?",
    128: "Published messages",
    129: "Kept request_id what",
    135: "Where asked address",
    136: "Here asked address others?",
}
"""The number on the wire, the name, the fields in their order; ? is one with a default."""
CHANGES_OF_THE_VIEW = {
    1: "Join node incarnation address replication? secured?",
    2: "Back node incarnation address epoch? marks? known? secured?",
    3: "Down node incarnation planned? hung?",
    4: "Synced end version node reporter incarnation",
    5: "Activated end version reporter incarnation",
    6: "Elect node",
    7: "Leave node incarnation",
    8: "Expel node incarnation",
    9: "Forget node incarnation choices?",
    10: "Replicate replication known",
    11: "PutUser user known",
    12: "DropUser name known",
}
"""Numbers of their own: they travel inside messages only."""
PARTS = [
    "View epoch hive generation replication members arcs voters branch? tags? users? users_since?",
    "Member id incarnation address joined state secured?",
    "Arc end version holders incoming? prev? wanted? settled?",
    "Mark end version written sequence",
    "Choice end version node",
    "Holding end version written sequence entries",
    "Saved alias expiry version size offset part",
    "SlowRequest number at kind alias count source request_id error milliseconds queued? disk? others? waited_for?",
    "EntryChange what alias version content?",
    "Publication channel content sharded?",
    "Patch members? left? arcs? ends? voters? replication? users? gone?",
    "Proposal changes patch digest proposer?",
    "Ballot round node incarnation",
    "ClusterEvent number at kind epoch node sentence seconds? hive?",
    "User name role prefixes? passwords? changed?",
    "Password salt hash cost?",
]
"""Arrays without a number: their place says what they are."""


def shape(kind: type[msgspec.Struct]) -> str:
    return " ".join([kind.__name__, *(field.name + "?" * (not field.required) for field in fields(kind))])


def tag(kind: type[msgspec.Struct]) -> Any:
    return kind.__struct_config__.tag


def test_messages_are_stable() -> None:
    assert {tag(kind): shape(kind) for kind in TAGGED} == MESSAGES


def test_changes_of_the_view_are_stable() -> None:
    assert {tag(kind): shape(kind) for kind in CHANGES} == CHANGES_OF_THE_VIEW


def test_parts_are_stable() -> None:
    assert [shape(kind) for kind in UNTAGGED] == PARTS
    assert all(tag(kind) is None for kind in UNTAGGED)


def test_the_tables_know_every_class() -> None:
    known = {*TAGGED, *CHANGES, *UNTAGGED}
    for module in (administration, messages, view, events, access, users):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct:
                assert kind in known, f"{kind.__name__} is on the wire and in no table"


def test_tags_are_unique() -> None:
    assert len({tag(kind) for kind in TAGGED}) == len(TAGGED)
    assert len({tag(kind) for kind in CHANGES}) == len(CHANGES)


def test_nothing_on_the_wire_can_be_changed_in_place() -> None:
    for kind in (*TAGGED, *CHANGES, *UNTAGGED):
        assert kind.__struct_config__.frozen and kind.__struct_config__.array_like, kind
        required = [field.required for field in fields(kind)]
        assert required == sorted(required, reverse=True), f"{kind}: a field with a default stands at the end"


def test_on_the_wire_the_number_comes_first() -> None:
    for message in (*FOR_SERVER, *REPLY_SAMPLES, *PROPOSAL.changes):
        array = msgspec.msgpack.decode(msgspec.msgpack.encode(message))
        assert array[0] == tag(type(message)), message
        assert len(array) == 1 + len(fields(message)), message


def test_a_request_begins_with_its_id_and_so_does_its_reply() -> None:
    for number, told in MESSAGES.items():
        if number < 100:
            assert told.split()[1] == "id", told


def test_what_changes_nothing() -> None:
    assert [kind.__name__ for kind in READS] == [
        "Get", "GetExpiry", "GetRange", "Exists", "PrefixScan", "RingScan", "Count", "GetStatus", "GetConfig",
        "GetView", "VerifyArc", "Watch", "GetLog", "GetHoldings", "GetHive", "Follow", "Unfollow", "ConfirmFollow",
        "IfVersion", "IfContent", "GetSlow", "WhoAmI", "GetUsers", "OpenSnapshot", "SnapshotPage", "CloseSnapshot",
    ]  # fmt: skip
    reads, writes = (Get(0, b"a"), IfVersion(0, b"b", NO_VERSION)), (Get(0, b"a"), Put(0, b"b", b""))
    for together in (Many(1, b"", reads), Transaction(1, reads), reads[0]):
        assert is_read(together)
    for changing in (Many(1, b"", writes), Transaction(1, writes), writes[1]):
        assert not is_read(changing)
    assert not {kind.__name__ for kind in BULK} & {"Heartbeat", "HeartbeatAck"}, "heartbeats wait for nothing large"


def test_a_view_is_the_same_after_a_journey() -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(VIEW), type=view.View) == VIEW
    assert VIEW.members[1].state is State.DOWN


def test_ballots_are_in_order_of_their_rounds() -> None:
    assert Ballot(BALLOT.round + 1, b"", 0) > BALLOT
    assert Ballot(BALLOT.round, BALLOT.node, BALLOT.incarnation + 1) > BALLOT


def test_messages_are_compared_by_value() -> None:
    assert Get(1, b"a") == Get(1, b"a") != Get(2, b"a")
    assert Cas(1, b"a", b"", b"").expiry == 0
