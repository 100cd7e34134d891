"""What is looked up in a view, worked out once and carried forward from view to view by what changed.

From nothing it costs a pass over all members and arcs; a patch costs its own size, beside copies of lists and
dictionaries. It is kept beside the view, where neither its equality nor its encoding knows of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from wrpme.protocol.access.users import User
from wrpme.protocol.arc_table import ArcTable
from wrpme.protocol.ring import owner_among
from wrpme.protocol.view import Arc, Member, NodeId, Patch, State, View

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(View).decode
GENERATIONS, BRANCHES = 1 << 16, 1 << 24
_KEY, _PUBLIC = "index", "public"
_SUM_BYTES = 16
_SUMS = 1 << 8 * _SUM_BYTES


def seniority(member: Member) -> tuple[int, NodeId]:
    """The order of members: who joined first comes first."""
    return member.joined, member.id


def _hash(kind: bytes, part: Member | Arc | None) -> int:
    if part is None:
        return 0
    if type(part) is Member and not part.secured:  # as members of former releases are, whose digests have to agree
        told: object = (part.id, part.incarnation, part.address, part.joined, part.state)
        return int.from_bytes(blake2b(_ENCODE(told), digest_size=_SUM_BYTES, person=kind).digest(), "big")
    return int.from_bytes(blake2b(_ENCODE(part), digest_size=_SUM_BYTES, person=kind).digest(), "big")


class Index:
    """``order`` has the members in order of seniority. That of a view is never changed, see :class:`ArcTable`."""

    def __init__(self, members: Sequence[Member], arcs: Sequence[Arc]) -> None:
        self.order: list[Member] = list(members)
        self.members: dict[NodeId, Member] = {found.id: found for found in members}
        self.alive = frozenset(found.id for found in members if found.state is not State.DOWN)
        self.down = frozenset(found.id for found in members if found.state is State.DOWN)
        self.leaving = frozenset(found.id for found in members if found.state is State.LEAVING)
        self.before: dict[NodeId, Member | None] = {}
        """By its id each member that was touched since the index was copied, as it was then."""
        self._arcs = arcs
        self._table: ArcTable | None = None
        self._sum: int | None = None
        self._sum_before: int | None = None

    @property
    def table(self) -> ArcTable:
        """The arcs; worked out at the first use."""
        if self._table is None:
            self._table = ArcTable(self._arcs, self.alive)
        return self._table

    @property
    def ends(self) -> list[int]:
        """Ends of the arcs, in their order."""
        return self.table.ends

    def parts(self, node: NodeId) -> frozenset[int]:
        """Ends of the arcs that name the node as holder, incoming, former owner, or one that shall hold it."""
        return self.table.parts(node)

    @property
    def sum(self) -> int:
        """Of the hashes of all members and arcs: a part is taken off and put on without looking at the others."""
        if self._sum is None:
            if self._sum_before is None:
                total = sum(_hash(b"member", found) for found in self.order)
                total += sum(_hash(b"arc", arc) for arc in self.table.arcs)
            else:
                total = self._sum_before
                for node, former in self.before.items():
                    total += _hash(b"member", self.members.get(node)) - _hash(b"member", former)
                for end, arc in self.table.before.items():
                    index = self.table.at(end)
                    total += _hash(b"arc", None if index is None else self.table.arcs[index]) - _hash(b"arc", arc)
            self._sum = total % _SUMS
        return self._sum

    def copy(self) -> Index:
        """An index to be changed."""
        made = Index((), ())
        made.order, made.members = self.order.copy(), self.members.copy()
        made.alive, made.down, made.leaving = self.alive, self.down, self.leaving
        made._table = self.table.copy()
        made._sum_before = self.sum
        return made

    def put(self, member: Member) -> None:
        """The member of that id is this one from now on."""
        former = self.members.get(member.id)
        if former is not None and former.joined == member.joined:
            self.order[self._place(former)] = member
        else:
            if former is not None:
                del self.order[self._place(former)]
            self.order.insert(self._place(member), member)
        self._touch(member.id, former)
        self.members[member.id] = member
        self._sort(member.id, member.state)

    def drop(self, node: NodeId) -> None:
        """Nobody has that id any more."""
        former = self.members.pop(node, None)
        if former is not None:
            del self.order[self._place(former)]
            self._touch(node, former)
            self._sort(node, None)

    def _place(self, member: Member) -> int:
        return bisect_left(self.order, seniority(member), key=seniority)

    def _touch(self, node: NodeId, former: Member | None) -> None:
        self.before.setdefault(node, former)

    def _sort(self, node: NodeId, state: State | None) -> None:
        def with_or_without(nodes: frozenset[NodeId], belongs: bool) -> frozenset[NodeId]:
            return nodes if (node in nodes) is belongs else nodes ^ {node}

        self.down = with_or_without(self.down, state is State.DOWN)
        self.leaving = with_or_without(self.leaving, state is State.LEAVING)
        alive = with_or_without(self.alive, state is not None and state is not State.DOWN)
        if alive is not self.alive:
            self.alive = alive
            self.table.live(alive)

    def patch(
        self, base: View, voters: Sequence[NodeId], replication: int, users: Sequence[User] | None = None
    ) -> Patch:
        """What was changed since the index was copied, which was that of ``base``."""
        members = [(found, former) for node, former in self.before.items() if (found := self.members.get(node))]
        arcs, ends = self.table.changes()
        return Patch(
            tuple(sorted((found for found, former in members if found != former), key=seniority)),
            tuple(sorted(node for node, former in self.before.items() if former and node not in self.members)),
            arcs,
            ends,
            tuple(voters) if tuple(voters) != base.voters else (),
            replication if replication != base.replication else 0,
            *users_changed(base.users, base.users if users is None else users),
        )

    def view(self, base: View, voters: Sequence[NodeId], replication: int, users: Sequence[User] | None = None) -> View:
        """The view after ``base`` that this is the index of; ``users`` where they are others."""
        since = base.users_since if users is None else base.epoch + 1
        made = View(
            base.epoch + 1, base.hive, base.generation, replication, tuple(self.order), tuple(self.table.arcs),
            tuple(voters), base.branch, base.tags, base.users if users is None else tuple(users), since,
        )  # fmt: skip
        made.__dict__[_KEY] = self
        return made


def index_of(view: View) -> Index:
    """The index of a view, kept beside it."""
    found = view.__dict__.get(_KEY)
    if found is None:
        found = view.__dict__[_KEY] = Index(view.members, view.arcs)
    assert isinstance(found, Index)
    return found


def arcs_of(view: View, node: NodeId) -> list[Arc]:
    """The arcs that name the node as holder, incoming, former owner, or one that shall hold it, in their order."""
    index = index_of(view)
    return [index.table.arcs[bisect_left(index.ends, end)] for end in sorted(index.parts(node))]


def patched(view: View, patch: Patch) -> View:
    """Returns the view after ``view``. Whether the patch was made for it, only the digest of the result tells."""
    index = index_of(view).copy()
    for node in patch.left:
        index.drop(node)
    for member in patch.members:
        index.put(member)
    for end in patch.ends:
        index.table.drop(end)
    for arc in patch.arcs:
        index.table.put(arc)
    users: list[User] | None = None
    if patch.users or patch.gone:
        changed = {user.name: user for user in (*view.users, *patch.users)}
        users = [changed[name] for name in sorted(changed) if name not in patch.gone]
    return index.view(view, patch.voters or view.voters, patch.replication or view.replication, users)


def users_changed(before: Sequence[User], after: Sequence[User]) -> tuple[tuple[User, ...], tuple[str, ...]]:
    """Returns the users that are new or differ, and the names of those that are gone."""
    known, names = {user.name: user for user in before}, {user.name for user in after}
    changed = tuple(user for user in after if known.get(user.name) != user)
    return changed, tuple(user.name for user in before if user.name not in names)


def digest(view: View) -> bytes:
    """Equal digests, equal views. It is a hash of the sum of the hashes of all parts (AdHash; Bellare and Micciancio
    1997), so that the next view's costs what changed. It guards against divergence and faults of the program, not
    against enemies: who may choose many parts can find two sets with one sum."""
    about = (view.epoch, view.hive, view.generation, view.replication, view.voters, view.branch)
    rules = (view.tags,) if view.tags else ()  # so that the views on the disks of former hives have the digest they had
    users = (view.users, view.users_since) if view.users_since else ()
    whole = (*about, *rules, *users, index_of(view).sum.to_bytes(_SUM_BYTES, "big"))
    return blake2b(_ENCODE(whole), digest_size=16).digest()


# --- questions to a view -------------------------------------------------------------------------------------------


def member(view: View, node: NodeId) -> Member | None:
    """The member of that id."""
    return index_of(view).members.get(node)


def member_at(view: View, address: str) -> Member | None:
    """The member at that address; where a dead one had it before, the living one."""
    at = [found for found in view.members if found.address == address]
    return min(at, key=lambda found: (found.state is State.DOWN, -found.joined)) if at else None


def live(view: View) -> frozenset[NodeId]:
    """Ids of the members that are not down."""
    return index_of(view).alive


def owner(view: View, arc: Arc) -> NodeId | None:
    """The first live holder; None while all are down."""
    return owner_among(live(view), arc)


def pack(view: View) -> bytes:
    """The view for the disk."""
    return _ENCODE(view)


def unpack(raw: bytes) -> View:
    """The view from the disk; raises msgspec.MsgspecError if it is none."""
    return _DECODE(raw)


def era(view: View) -> int:
    """Generation and branch in one number, as messages carry it; generations of one number differ in it."""
    return view.branch * GENERATIONS + view.generation


def public(view: View) -> View:
    """Returns the view as it is told to clients: without what is kept of passwords, and who the users are; where there
    are none, ``users_since`` is 0."""
    if not view.users_since:
        return view
    told = view.__dict__.get(_PUBLIC)
    if told is None:
        told = view.__dict__[_PUBLIC] = replace(view, users=(), users_since=view.users_since if view.users else 0)
        told.__dict__[_KEY] = index_of(view)
    assert isinstance(told, View)
    return told


def age(view: View) -> tuple[int, int, int]:
    """Of two views of a hive the greater one is the later one."""
    return view.generation, view.branch, view.epoch


def order_of(era: int) -> tuple[int, int]:
    """For comparing: the later generation is the greater one; of two of one number a fixed one."""
    return era % GENERATIONS, era // GENERATIONS
