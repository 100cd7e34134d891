"""What nodes say and do, in the words of a script: one line for each message, each write to a disk, each answer.

Ids are the names of nodes, an arc is named by the first byte of its end (``arc 7f``), a version is ``v3:1``: the first
write at version 3 of the arc.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from wrpme.core.io import Operation
from wrpme.core.layout import (
    ACCEPTOR_KEY, REMOVED, SETTLED_PREFIX, VIEW_KEY, VIEW_PATCH_PREFIX, Version, alias_in, content_in,
    expiry_in, settled_in, version_in,
)  # fmt: skip
from wrpme.errors import BY_CODE
from wrpme.protocol.identities import Here, Refused, Where
from wrpme.protocol.administration import ForgetNode
from wrpme.protocol.messages import (
    Accept, Accepted, Aliases, Answer, AskView, Heartbeat, HeartbeatAck, Body, Committed, Compare, FailureReport,
    Content, Count, Done, Failed, Fill, Forward, Forwarded, Get, GetSuffix, Item, NextView, Number, Pair,
    PrefixScan, Prepare, Promise, Put, Rejected, Remove, RemoveAll, Reply, Report, Request, Stream, StreamAck,
    StreamAcks, Streams, Suffix, Text, Update, WholeView, Writes,
)  # fmt: skip
from wrpme.protocol.quoting import shown
from wrpme.protocol.view import (
    Activated, Arc, Back, Ballot, Change, Choice, Down, DropUser, Elect, Expel, Forget, Join, Leave, NodeId, Proposal,
    PutUser, Replicate, State, Synced, View,
)  # fmt: skip

KINDS: dict[type[Body], str] = {
    Report: "report", FailureReport: "failure-report", Prepare: "prepare", Promise: "promise", Accept: "accept",
    Accepted: "accepted", Rejected: "reject", NextView: "view", WholeView: "view", AskView: "ask-view",
    Heartbeat: "heartbeat", HeartbeatAck: "heartbeat-ack", Forward: "forward", Forwarded: "answer",
    GetSuffix: "get-suffix", Suffix: "suffix", Committed: "committed", Streams: "stream", StreamAcks: "ack",
    Where: "where", Here: "here", Refused: "refuse",
}  # fmt: skip
"""By the type of a message the word that a script has for it."""
TOPICS = {"heartbeat": "heartbeats", "heartbeat-ack": "heartbeats", "where": "whereabouts", "here": "whereabouts"}
"""What is told only where it is asked for, and travels by itself also where nothing else does."""
SHOWN_BYTES_MAX = 20


def name_of(node: NodeId) -> str:
    """The name that the id was made of."""
    return node.rstrip(b"\0").decode() if node else "whoever is there"


def names_of(nodes: Iterable[NodeId]) -> str:
    return ", ".join(map(name_of, nodes))


def arc_name(end: int) -> str:
    return f"{end >> 56:02x}"


def version_words(version: Version) -> str:
    return f"v{version[0]}:{version[1]}"


def content_words(content: bytes) -> str:
    return bytes(content).decode() if len(content) <= SHOWN_BYTES_MAX else f"<{len(content)} bytes>"


def entry_words(key: bytes, value: bytes) -> str:
    """An entry with its version; a removal is one, too."""
    alias, version, expiry = shown(alias_in(key)), version_words(version_in(value)), expiry_in(value)
    if expiry == REMOVED:
        return f"remove {alias} {version}"
    return f"{alias}={content_words(content_in(value))} {version}{' expires' if expiry else ''}"


def pairs_words(pairs: Iterable[Pair]) -> str:
    return ", ".join(entry_words(key, value) for key, value in pairs) or "nothing"


# --- views -----------------------------------------------------------------------------------------------------------


def ballot_words(ballot: Ballot) -> str:
    return f"ballot {ballot.round}.{name_of(ballot.node)}"


def choice_words(choice: Choice) -> str:
    return f"arc {arc_name(choice.end)} from {name_of(choice.node) if choice.node else 'nothing'}"


def change_words(change: Change) -> str:
    """A change of the view, as it is asked for."""
    if isinstance(change, Synced | Activated):
        what = f"arc {arc_name(change.end)} v{change.version}"
        if isinstance(change, Synced):
            return f"{name_of(change.node)} has all of {what}"
        return f"{name_of(change.reporter)} has taken over {what}"
    if isinstance(change, Replicate):
        return f"{change.replication} copies instead of {change.known}"
    if isinstance(change, PutUser):
        return f"user {change.user.name} as {change.user.role.name.lower()}, known as of {change.known}"
    if isinstance(change, DropUser):
        return f"no user {change.name}, known as of {change.known}"
    node = name_of(change.node)
    if isinstance(change, Join):
        return f"{node} joins"
    if isinstance(change, Back):
        marks = "".join(f", arc {arc_name(m.end)} up to v{m.written}:{m.sequence}" for m in change.marks)
        return f"{node} comes back in life {change.incarnation}{marks}"
    if isinstance(change, Down):
        return f"{node} {'stops' if change.planned else 'has a disk that hangs' if change.hung else 'is down'}"
    if isinstance(change, Forget):
        return ", ".join([f"an operator gives {node} up", *map(choice_words, change.choices)])
    verbs = {Elect: "becomes a voter", Leave: "leaves for good", Expel: "is not waited for any longer"}
    return f"{node} {verbs[type(change)]}"


def changes_words(changes: Iterable[Change]) -> str:
    return "; ".join(map(change_words, changes)) or "nothing"


def proposal_words(proposal: Proposal) -> str:
    return changes_words(proposal.changes)


def arc_words(arc: Arc) -> str:
    """A line of the table of arcs."""
    parts = [f"arc {arc_name(arc.end)} v{arc.version}: replicas {names_of(arc.holders)}"]
    if arc.incoming:
        parts.append(f"learners {names_of(arc.incoming)}")
    if arc.prev:
        parts.append(f"former primaries {names_of(arc.prev)}")
    if arc.settled:
        parts.append(f"settled {', '.join(sorted({f'v{version}' for _, version in arc.settled}))}")
    return "; ".join(parts)


def view_words(view: View, arcs: Iterable[Arc]) -> list[str]:
    """The view, and some of its arcs."""
    states = {State.UP: "", State.LEAVING: " (leaving)", State.DOWN: " (down)"}
    members = ", ".join(name_of(member.id) + states[member.state] for member in view.members)
    generation = f", generation {view.generation}" if view.generation > 1 else ""
    head = f"view {view.epoch}{generation}: {members}; voters {names_of(view.voters)}"
    return [head, *map(arc_words, arcs)]


# --- streams ---------------------------------------------------------------------------------------------------------


def _item_words(number: int, item: Item) -> str:
    if isinstance(item, Writes):
        return f"#{number} replicate {pairs_words(item.pairs)}"
    if isinstance(item, Fill):
        return f"#{number} fill in {pairs_words(item.pairs)}"
    return f"#{number} {'compare' if isinstance(item, Compare) else 'in sync from here'}"


def _stream_words(stream: Stream) -> str:
    items = ", ".join(_item_words(number, item) for number, item in enumerate(stream.items, stream.first))
    said = [items] if items else []
    if stream.settled:
        said.append(f"all replicas have #{stream.settled}")
    return f"arc {arc_name(stream.end)} v{stream.version} {'; '.join(said)}"


def _answer_words(answer: Answer) -> str:
    if answer.same:
        return f"#{answer.number} is the same"
    have = ", ".join(
        f"{shown(alias_in(key))} {version_words(version_in(head + bytes(8)))}" for key, head in answer.have
    )
    return f"#{answer.number} differs, here is {have or 'nothing'}"


def _ack_words(ack: StreamAck) -> str:
    arc = f"arc {arc_name(ack.end)} v{ack.version}"
    if ack.upto < 0:
        return f"{arc} not now"
    return ", ".join([f"{arc} #{ack.upto} is on disk", *map(_answer_words, ack.answers)])


# --- messages --------------------------------------------------------------------------------------------------------


def about(body: Body, ends: Collection[int]) -> Body | None:
    """What a message says of arcs with these ends, or of none at all; None where that is nothing."""
    if isinstance(body, Streams):
        streams = tuple(stream for stream in body.streams if stream.end in ends)
        return Streams(streams) if streams else None
    if isinstance(body, StreamAcks):
        acks = tuple(ack for ack in body.acks if ack.end in ends)
        return StreamAcks(acks) if acks else None
    if isinstance(body, Report):
        changes = tuple(
            replace(change, marks=tuple(mark for mark in change.marks if mark.end in ends))
            if isinstance(change, Back) else change
            for change in body.changes if getattr(change, "end", None) in (None, *ends)
        )  # fmt: skip
        return Report(changes) if changes else None
    return body if getattr(body, "end", None) in (None, *ends) else None


def body_words(body: Body) -> str:
    """A message to another node: its kind, and what it says."""
    kind = KINDS[type(body)]
    said = _said(body)
    return f"{kind}: {said}" if said else kind


def _said(body: Body) -> str:
    if isinstance(body, Report):
        return changes_words(body.changes)
    if isinstance(body, FailureReport):
        return f"no sign of {names_of(node for node, _ in body.lives)}" if body.lives else "all are heard again"
    if isinstance(body, Prepare | Promise | Accept | Accepted | Rejected):
        return f"view {body.epoch}, {_vote_words(body)}"
    if isinstance(body, NextView):
        return f"{body.epoch}, {proposal_words(body.proposal)}"
    if isinstance(body, WholeView):
        return f"{body.view.epoch}, whole"
    if isinstance(body, Forward):
        return request_words(body.request)
    if isinstance(body, Forwarded):
        return reply_words(body.reply)
    if isinstance(body, GetSuffix | Suffix | Committed):
        arc = f"arc {arc_name(body.end)} v{body.version}"
        return f"{arc}, {pairs_words(body.pairs)}" if isinstance(body, Suffix) else arc
    if isinstance(body, Streams):
        return "; ".join(map(_stream_words, body.streams))
    if isinstance(body, StreamAcks):
        return "; ".join(map(_ack_words, body.acks))
    if isinstance(body, Where | Here):
        return f"at {body.address}"
    return body.sentence if isinstance(body, Refused) else ""


def _vote_words(body: Prepare | Promise | Accept | Accepted | Rejected) -> str:
    ballot = ballot_words(body.ballot)
    if isinstance(body, Promise) and body.accepted is not None and body.value is not None:
        return f"{ballot}; accepted before at {ballot_words(body.accepted)}: {proposal_words(body.value)}"
    if isinstance(body, Accept):
        return f"{ballot}: {proposal_words(body.value)}"
    return f"{ballot}; promised {ballot_words(body.promised)}" if isinstance(body, Rejected) else ballot


def request_words(request: Request) -> str:
    """What a client asks."""
    if isinstance(request, Put | Update):
        return f"{type(request).__name__.lower()} {shown(request.alias)}={content_words(request.content)}"
    if isinstance(request, Get | Remove):
        return f"{type(request).__name__.lower()} {shown(request.alias)}"
    if isinstance(request, ForgetNode):
        return f"forget {name_of(request.member)}"
    words = {PrefixScan: "scan", Count: "count", RemoveAll: "remove_all"}
    return words.get(type(request), type(request).__name__.removesuffix("Node").removesuffix("Arc").lower())


def reply_words(reply: Reply) -> str:
    """What a client is told."""
    if isinstance(reply, Done):
        return "ok"
    if isinstance(reply, Content):
        return content_words(reply.content)
    if isinstance(reply, Failed):
        return f"{BY_CODE[reply.code].word}: {reply.sentence}"
    if isinstance(reply, Number):
        return f"{reply.number}{', and there is more' if reply.cursor else ''}"
    if isinstance(reply, Aliases):
        return f"{', '.join(map(shown, reply.aliases)) or 'nothing'}{', and there is more' if reply.more else ''}"
    return reply.text if isinstance(reply, Text) else type(reply).__name__


# --- disks -----------------------------------------------------------------------------------------------------------


def operation_words(operation: Operation, ends: Collection[int] | None) -> str:
    """What a batch writes, as far as it is worth a word: index and hints come and go with their entry. Of notes of arcs
    only those with these ends, if any are given."""
    key, value = operation
    if key.startswith(b"e"):
        return entry_words(key, value) if value is not None else f"remove {shown(alias_in(key))}"
    if key == VIEW_KEY or key.startswith(VIEW_PATCH_PREFIX):
        return "view" if value is not None else ""
    if key == ACCEPTOR_KEY:
        return "vote" if value is not None else ""
    if key.startswith(SETTLED_PREFIX) and value is not None:
        _, last, version = settled_in(key, value)
        return "" if ends is not None and last not in ends else f"arc {arc_name(last)} settled v{version}"
    return ""


def batch_words(operations: Iterable[Operation], ends: Collection[int] | None) -> str:
    return ", ".join(dict.fromkeys(filter(None, (operation_words(one, ends) for one in operations))))
