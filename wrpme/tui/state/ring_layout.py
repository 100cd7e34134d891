"""The layout of the ring, which follows from the view alone: the arcs, and names, keys, colours and positions of nodes.

Colours and positions are kept from one view to the next, so that an operator finds a node again where it was.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from wrpme.errors import UsageError
from wrpme.limits import SLOTS
from wrpme.protocol import address as addresses
from wrpme.protocol import health, ring, view_index
from wrpme.protocol.view import Arc, Member, NodeId, State, View
from wrpme.tui.limits import COLOURS_USUAL
from wrpme.tui.state.scene import ArcShown, Incoming

APART = 2
"""Nodes stand at least 1/APART of their fair share from each other, where there is room."""
KEYS = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class RingLayout:
    """A view, with the colour of each member and the slot where it stands. The first ``given`` colours have been used.
    It is immutable, as a view is; what follows from it is computed when it is first asked for."""

    def __init__(self, view: View, colours: dict[NodeId, int], given: int, slots: dict[NodeId, int]) -> None:
        self.view = view
        self.colours = colours
        self.given = given
        self.slots = slots

    def bare(self) -> RingLayout:
        """Returns an equal layout of which nothing has been computed yet."""
        return RingLayout(self.view, self.colours, self.given, self.slots)

    @cached_property
    def index(self) -> dict[NodeId, int]:
        """The place of each node in the order of the members."""
        return {member.id: at for at, member in enumerate(self.view.members)}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The short names of the members, in their order."""
        return short_names([member.address for member in self.view.members])

    @cached_property
    def living_at(self) -> dict[str, NodeId]:
        """The member at each address; the living one where a dead one had the address before."""
        ordered = sorted(self.view.members, key=lambda found: (found.state is not State.DOWN, found.joined))
        return {member.address: member.id for member in ordered}

    @cached_property
    def owned(self) -> dict[NodeId, int]:
        """The number of slots of each owner, as hive_status has them."""
        return ring.owned(self.view.arcs)

    @cached_property
    def condition(self) -> health.Condition:
        """The condition of the hive by the view alone."""
        return health.condition(self.view)

    @cached_property
    def arcs(self) -> tuple[ArcShown, ...]:
        """All arcs; of copies that are incoming nothing is done yet."""
        alive = view_index.live(self.view)
        index, shown, first = self.index, [], 0
        for arc in self.view.arcs:
            end = (arc.end + 1) // ring.SLOT
            shown.append(
                ArcShown(
                    first,
                    end,
                    tuple(index[node] for node in arc.holders if node in index),
                    tuple(Incoming(index[node], 0.0) for node in arc.incoming if node in index),
                    len(arc.wanted),
                    ring.owner_among(alive, arc) is not None,
                    bool(arc.prev),
                    tuple(index[node] for node in arc.wanted if node in index and node not in alive),
                )
            )
            first = end
        return tuple(shown)

    @cached_property
    def moving(self) -> tuple[tuple[int, str, int], ...]:
        """Of each arc that is being copied: its place among the arcs, its end in hex, and the present owner or -1."""
        alive = view_index.live(self.view)
        found = []
        for at, arc in enumerate(self.view.arcs):
            if arc.incoming:
                owner = ring.owner_among(alive, arc)
                found.append((at, f"{arc.end:016x}", -1 if owner is None else self.index[owner]))
        return tuple(found)

    @cached_property
    def receiving(self) -> dict[NodeId, int]:
        """Slots that are incoming, by who receives them."""
        found: dict[NodeId, int] = {}
        for at, _, _ in self.moving:
            for node in self.view.arcs[at].incoming:
                found[node] = found.get(node, 0) + ring.width(self.view.arcs, at)
        return found


def layout_of(view: View, before: RingLayout | None = None) -> RingLayout:
    """Returns the layout of a view that follows the one of ``before``; that of a first view if ``before`` is None or of
    another hive."""
    known = before if before is not None and before.view.hive == view.hive else None
    colours, given = _colours(view.members, known.colours if known else {}, known.given if known else 0)
    return RingLayout(view, colours, given, _slots(view, known.slots if known else {}))


def _colours(members: Sequence[Member], before: Mapping[NodeId, int], given: int) -> tuple[dict[NodeId, int], int]:
    """Returns the colours, and how many have been used. A node keeps its colour; that of a node that left is given
    again only when there is no fresh one."""
    found = {member.id: before[member.id] for member in members if member.id in before}
    taken = set(found.values())
    for member in members:
        if member.id in found:
            continue
        colour = given if given < COLOURS_USUAL else next(free for free in range(len(taken) + 1) if free not in taken)
        given = max(given, colour + 1)
        taken.add(colour)
        found[member.id] = colour
    return found, given


def key_of(colour: int) -> str:
    """Returns the character for a colour, or an empty text if there are more colours than characters."""
    return KEYS[colour] if colour < len(KEYS) else ""


# --- where a node stands -----------------------------------------------------------------------------------------


def _slots(view: View, before: Mapping[NodeId, int]) -> dict[NodeId, int]:
    """Returns the slot of each member: the one where it stood while that slot is its own or becomes so, else the middle
    of what it owns or receives."""
    owners, coming = _runs(view.arcs, lambda arc: arc.holders[:1]), _runs(view.arcs, lambda arc: arc.incoming)

    def keeps(node: NodeId, slot: int) -> bool:
        runs = [*owners.get(node, ()), *coming.get(node, ())]
        return node not in owners or any((slot - first) % SLOTS < width for first, width in runs)

    known = ((member.id, before[member.id]) for member in view.members if member.id in before)
    found = {node: slot for node, slot in known if keeps(node, slot)}
    taken = sorted(found.values())
    apart = SLOTS // (APART * len(view.members))
    for member in sorted(view.members, key=lambda one: one.id not in owners):
        if member.id not in found:
            runs = owners.get(member.id) or coming.get(member.id) or [(_by_id(member.id), 1)]
            slot = _free(_candidates(runs), taken, apart)
            insort(taken, slot)
            found[member.id] = slot
    return found


def _candidates(runs: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Yields the middles, then the quarters, of the runs, the widest first."""
    widest = sorted(runs, key=lambda run: (-run[1], run[0]))
    for quarters in (2, 1, 3):
        for first, width in widest:
            yield (first + quarters * width // 4) % SLOTS


def _free(candidates: Iterable[int], taken: Sequence[int], apart: int) -> int:
    """Returns the first candidate that is ``apart`` from all taken slots, else the one that is furthest from them;
    never a taken one."""
    best, distance_best = 0, -1
    for slot in candidates:
        at = bisect_left(taken, slot)
        beside = (taken[at - 1], taken[at % len(taken)]) if taken else ()
        distance = min((min((slot - one) % SLOTS, (one - slot) % SLOTS) for one in beside), default=SLOTS)
        if distance >= apart:
            return slot
        if distance > distance_best:
            best, distance_best = slot, distance
    while best in taken:
        best = (best + 1) % SLOTS
    return best


Runs = dict[NodeId, list[tuple[int, int]]]
"""First slot and width of the arcs of a node that lie together."""


def _runs(arcs: Sequence[Arc], nodes_of: Callable[[Arc], Sequence[NodeId]]) -> Runs:
    open_at: dict[NodeId, tuple[int, int]] = {}
    found: Runs = {}
    first = 0
    for arc in arcs:
        end = (arc.end + 1) // ring.SLOT
        for node in nodes_of(arc):
            began, until = open_at.get(node, (first, first))
            if until != first:
                found.setdefault(node, []).append((began, until - began))
                began = first
            open_at[node] = (began, end)
        first = end
    for node, (began, until) in open_at.items():
        found.setdefault(node, []).append((began, until - began))
    for runs in found.values():  # the last run and the first one meet at position 0
        (first_began, first_width), (last_began, last_width) = runs[0], runs[-1]
        if len(runs) > 1 and first_began == 0 and last_began + last_width == SLOTS:
            del runs[0]
            runs[-1] = (last_began, last_width + first_width)
    return found


def _by_id(node: NodeId) -> int:
    return ring.slot_of(int.from_bytes(node[:8].ljust(8, b"\0"), "big"))


# --- names -------------------------------------------------------------------------------------------------------


def short_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Returns the addresses without what all have in common: the host, the port, or the port and the network."""
    parts = [_split(text) for text in texts]
    hosts, ports = {host for host, _ in parts}, {port for _, port in parts}
    if len(set(texts)) < 2 or "" in ports:
        return tuple(texts)
    if len(hosts) == 1:
        return tuple(port for _, port in parts)
    if len(ports) > 1:
        return tuple(texts)
    networks = {host.rpartition(".")[0] for host in hosts}
    if len(networks) == 1 and all(_is_ipv4(host) for host in hosts):
        return tuple("." + host.rpartition(".")[2] for host, _ in parts)
    return tuple(host for host, _ in parts)


def _split(text: str) -> tuple[str, str]:
    try:
        found = addresses.parse(text)
    except UsageError:
        return (text, "")
    return (found.host, str(found.port))


def _is_ipv4(host: str) -> bool:
    return host.count(".") == 3 and host.replace(".", "").isdigit()


def gained(before: View, after: View) -> int:
    """Returns the number of slots of copies that were incoming in the one view and are held in the next."""
    found, at, first = 0, 0, 0
    for arc in after.arcs:
        while before.arcs[at].end < arc.end:
            at += 1
        end = (arc.end + 1) // ring.SLOT
        found += (end - first) * sum(node in arc.holders for node in before.arcs[at].incoming)
        first = end
    return found
