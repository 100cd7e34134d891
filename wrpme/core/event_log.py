"""What a node remembers of what happened, and the words for it.

What happens to the hive as a whole follows from one view and the next, and from what was proposed; so every node tells
the same of an epoch, but for times, which each takes by its own clock, and for views that it missed. The rest is what
the node itself goes through.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Container, Iterable

from wrpme.core.limits import CHANGES_NAMED_MAX, CLUSTER_EVENTS_KEPT
from wrpme.limits import SLOTS
from wrpme.protocol import health, view_index
from wrpme.protocol import ring
from wrpme.protocol.address import listed
from wrpme.protocol.events import UNENDED, ClusterEvent
from wrpme.protocol.ring import owner_among
from wrpme.protocol.view import (
    Activated, Back, Change, Down, DropUser, Elect, Expel, Forget, Join, Leave, Member, NodeId, Patch, Proposal,
    PutUser, Replicate, State, Synced, View,
)  # fmt: skip
from wrpme.protocol.view_index import index_of


class _Under:
    """Something that a node is at: since when, and slots of the ring."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.slots = 0


class EventLog:
    """The memory of one node. ``now`` is its own clock in seconds, ``at`` milliseconds since 1970."""

    def __init__(self) -> None:
        self.kept: deque[ClusterEvent] = deque(maxlen=CLUSTER_EVENTS_KEPT)
        self.condition = health.Condition("", "")
        """Of the last view."""
        self._condition_since = 0.0
        self._number = 0
        self._down: dict[NodeId, float] = {}
        self._receiving: dict[NodeId, _Under] = {}
        self._taking: dict[NodeId, _Under] = {}

    def note(
        self, at: float, kind: str, epoch: int, node: str, sentence: str, seconds: float = UNENDED, hive: bool = False
    ) -> ClusterEvent:
        """Remembers one more; gives it."""
        self._number += 1
        ended = round(seconds, 3) if seconds >= 0 else UNENDED
        event = ClusterEvent(self._number, int(at), kind, epoch, node, sentence, ended, hive)
        self.kept.append(event)
        return event

    def adopt(
        self, before: View | None, after: View, patch: Patch | None, proposal: Proposal | None, now: float, at: float
    ) -> list[ClusterEvent]:
        """A view was adopted, which differs from the one before by ``patch``, and which ``proposal`` made where this
        node knows: what that means."""
        former, self.condition = self.condition, health.condition(after)
        if before is None or patch is None:
            self._condition_since = now
            return []
        names = _Names(before, after)
        told = _members(before, after, patch, proposal, self._down, now)
        told += self._moves(before, after, patch, names, now)
        if former.word != self.condition.word:
            sentence = f"the hive is {self.condition.word}: {self.condition.sentence}"
            told.append(("condition", "", sentence, now - self._condition_since))
            self._condition_since = now
        told.append(("view", "", _view_sentence(before, after, proposal, names), UNENDED))
        return [self.note(at, kind, after.epoch, node, words, seconds, True) for kind, node, words, seconds in told]

    # --- what moves ----------------------------------------------------------------------------------------------

    def _moves(self, before: View, after: View, patch: Patch, names: _Names, now: float) -> list[_Told]:
        """Copies that begin and are done, owners that change and serve."""
        begun: dict[NodeId, list[tuple[int, NodeId | None]]] = {}
        owners: dict[tuple[NodeId | None, NodeId], int] = {}
        alive, alive_before = view_index.live(after), view_index.live(before)
        ends, ends_before = index_of(after).ends, index_of(before).ends
        for arc in patch.arcs:
            if arc.version <= before.epoch:
                continue
            old = before.arcs[bisect_left(ends_before, arc.end)]
            slots = ring.width(after.arcs, bisect_left(ends, arc.end))
            owner, owner_before = owner_among(alive, arc), owner_among(alive_before, old)
            for node in arc.incoming:
                if node not in old.incoming:
                    begun.setdefault(node, []).append((slots, owner))
            for node in old.incoming:
                if node in arc.holders and node in self._receiving:
                    self._receiving[node].slots += slots
            if owner is not None and owner != owner_before:
                owners[owner_before, owner] = owners.get((owner_before, owner), 0) + slots
        table = index_of(after).table
        incoming, changing = table.receiving, table.taking
        return [
            *self._begin(begun, names, now),
            *self._end(self._receiving, incoming, alive, names, now, "copied", "has all that it was to receive"),
            *self._give(owners, changing, names, now),
            *self._end(self._taking, changing, alive, names, now, "activated", "serves what it took over"),
        ]

    def _begin(
        self, begun: dict[NodeId, list[tuple[int, NodeId | None]]], names: _Names, now: float
    ) -> Iterable[_Told]:
        for node, arcs in begun.items():
            more = " more" if node in self._receiving else ""
            self._receiving.setdefault(node, _Under(now))
            count = f"{len(arcs)}{more} arc{'s' * (len(arcs) != 1)}"
            share = _share(sum(slots for slots, _ in arcs))
            sources = listed(sorted({names[owner] for _, owner in arcs if owner is not None and owner in names}))
            yield "copying", names[node], f"{names[node]} receives {count}, {share}, from {sources}", UNENDED

    def _give(
        self, owners: dict[tuple[NodeId | None, NodeId], int], changing: Container[NodeId], names: _Names,
        now: float,
    ) -> Iterable[_Told]:  # fmt: skip
        for (source, target), slots in owners.items():
            if target in changing:
                self._taking.setdefault(target, _Under(now)).slots += slots
            to = names[target]
            if source is None:
                yield "owners", to, f"{_share(slots)}, which had no owner, is served by {to} again", UNENDED
            else:
                yield "owners", to, f"{_share(slots)} goes from {names.get(source, source.hex()[:8])} to {to}", UNENDED

    def _end(
        self, under: dict[NodeId, _Under], still: Container[NodeId], alive: frozenset[NodeId],
        names: _Names, now: float, kind: str, words: str,
    ) -> Iterable[_Told]:  # fmt: skip
        """Who is at it no longer: done, or dead, or not needed any more."""
        for node in [node for node in under if node not in still]:
            done = under.pop(node)
            if node in alive and done.slots:
                yield kind, names[node], f"{names[node]} {words}: {_share(done.slots)}", now - done.since


_Told = tuple[str, str, str, float]
"""Kind, address, sentence, seconds."""


class _Names:
    """Addresses of the members of both views, by id."""

    def __init__(self, before: View, after: View) -> None:
        self._before, self._after = index_of(before).members, index_of(after).members

    def get(self, node: NodeId, other: str) -> str:
        """The address; ``other`` where nobody has that id."""
        member = self._after.get(node) or self._before.get(node)
        return member.address if member is not None else other

    def __getitem__(self, node: NodeId) -> str:
        return (self._after.get(node) or self._before[node]).address

    def __contains__(self, node: NodeId) -> bool:
        return node in self._after or node in self._before


def _members(
    before: View, after: View, patch: Patch, proposal: Proposal | None, down: dict[NodeId, float], now: float
) -> list[_Told]:
    """Who came, went, died and returned; ``down`` is kept: since when who is down."""
    changes = proposal.changes if proposal is not None else ()
    downs = {change.node: change for change in changes if isinstance(change, Down)}
    forgotten = {change.node for change in changes if isinstance(change, Forget)}
    known, gone = index_of(before).members, [index_of(before).members[node] for node in patch.left]
    told: list[_Told] = []
    if after.replication != before.replication:
        wanted = health.copies_in_words(after.replication)
        words = f"an operator wants {wanted} of each entry, instead of {before.replication}"
        told.append(("replication", "", words, UNENDED))
    told += [("users", "", words, UNENDED) for words in _users(before, patch)]
    for member in patch.members:
        old = known.get(member.id)
        if old is None:
            told.append(("joined", member.address, f"{member.address} joined", UNENDED))
        elif old.state != member.state:
            told.append(_new_state(member, downs.get(member.id), down, now))
        elif old.incarnation != member.incarnation:
            told.append(("restarted", member.address, f"{member.address} has started again", UNENDED))
    if after.generation != before.generation:
        without = listed(member.address for member in gone) or "none"
        words = f"an operator began generation {after.generation} of the hive; without {without}"
        told.append(("recovered", "", words, UNENDED))
    else:
        told += [_gone(member, member.id in forgotten, down, now) for member in gone]
    for node in patch.left:
        down.pop(node, None)
    addresses = _Names(before, after)
    for voter in patch.voters:
        if voter not in before.voters:
            told.append(("voter", addresses[voter], f"{addresses[voter]} is a voter now", UNENDED))
    return told


def _users(before: View, patch: Patch) -> Iterable[str]:
    """What became of users."""
    known = {user.name: user for user in before.users}
    for user in patch.users:
        bound = f", to entries of {len(user.prefixes)} prefix{'es' * (len(user.prefixes) > 1)}" if user.prefixes else ""
        if user.name in known:
            yield f"the user {user.name} was changed"
        else:
            yield f"the user {user.name} was added, with the role {user.role.name.lower()}{bound}"
    if patch.gone and not patch.users and len(patch.gone) == len(known):
        yield f"an admin removed all users ({len(known)}): nobody is asked who he is any more"
        return
    for name in patch.gone:
        yield f"the user {name} was removed"


def _new_state(member: Member, change: Down | None, down: dict[NodeId, float], now: float) -> _Told:
    address = member.address
    if member.state is State.DOWN:
        down[member.id] = now
        if change is not None and change.planned:
            return "stopped", address, f"{address} has stopped as planned", UNENDED
        return "down", address, f"{address} is down{_why(change)}", UNENDED
    if member.state is State.LEAVING:
        return "leaving", address, f"{address} is leaving", UNENDED
    return "back", address, f"{address} is up again", _since(down, member.id, now)


def _why(change: Down | None) -> str:
    return ": its own disk takes nothing" if change is not None and change.hung else ""


def _gone(member: Member, forgotten: bool, down: dict[NodeId, float], now: float) -> _Told:
    address = member.address
    if member.state is State.LEAVING:
        return "left", address, f"{address} has left", UNENDED
    seconds = _since(down, member.id, now)
    if forgotten:
        return "forgotten", address, f"{address} was given up by an operator, and is no member now", seconds
    return "expelled", address, f"{address} is not waited for any longer, and no member now", seconds


def _since(down: dict[NodeId, float], node: NodeId, now: float) -> float:
    since = down.pop(node, None)
    return now - since if since is not None else UNENDED


def _share(slots: int) -> str:
    percent = 100 * slots / SLOTS
    return f"{percent:.1f} % of the ring" if percent >= 0.1 else "less than 0.1 % of the ring"


# --- why ---------------------------------------------------------------------------------------------------------


def _view_sentence(before: View, after: View, proposal: Proposal | None, names: _Names) -> str:
    if proposal is None:
        if after.generation != before.generation:
            return f"view {after.epoch}: the first of generation {after.generation}, by an operator's word"
        return f"view {after.epoch}: learnt as a whole; what was proposed, and by whom, is not known here"
    words = _changes_in_words(proposal.changes, names)
    if len(words) > CHANGES_NAMED_MAX:
        words = [*words[:CHANGES_NAMED_MAX], f"and {len(words) - CHANGES_NAMED_MAX} more changes"]
    by = f"; proposed by {names.get(proposal.proposer, proposal.proposer.hex()[:8])}" if proposal.proposer else ""
    return f"view {after.epoch}: {'; '.join(words)}{by}"


def _changes_in_words(changes: Iterable[Change], names: _Names) -> list[str]:
    """A sentence for each, those of arcs counted."""
    words: list[str] = []
    synced: Counter[tuple[NodeId, NodeId]] = Counter()
    serving: Counter[NodeId] = Counter()
    for change in changes:
        if isinstance(change, Synced):
            synced[change.node, change.reporter] += 1
        elif isinstance(change, Activated):
            serving[change.reporter] += 1
        else:
            words.append(_in_words(change, names))

    def name(node: NodeId) -> str:
        return names.get(node, node.hex()[:8])

    words += [
        f"{name(node)} has {_arcs(count)} that it was to receive, says {name(reporter)}"
        for (node, reporter), count in synced.items()
    ]
    words += [f"{name(node)} says that it serves {_arcs(count)} it took over" for node, count in serving.items()]
    return words


def _arcs(count: int) -> str:
    return "1 arc" if count == 1 else f"{count} arcs"


def _in_words(change: Change, names: _Names) -> str:
    address = names.get(getattr(change, "node", b""), "")
    if isinstance(change, Join):
        return f"{change.address} joins"
    if isinstance(change, Back):
        return f"{change.address} comes back"
    if isinstance(change, Down):
        return f"{address} stops as planned" if change.planned else f"{address} is down{_why(change)}"
    if isinstance(change, Elect):
        return f"{address} becomes a voter"
    if isinstance(change, Leave):
        return f"{address} leaves for good"
    if isinstance(change, Expel):
        return f"{address} has been down for longer than the grace and is not waited for"
    if isinstance(change, Replicate):
        return f"an operator wants {health.copies_in_words(change.replication)} of each entry"
    if isinstance(change, PutUser):
        return f"an admin wants the user {change.user.name} as he says"
    if isinstance(change, DropUser):
        return f"an admin wants no user {change.name}" if change.name else "an admin wants no users at all"
    return f"an operator gives {address} up"
