"""Scenes to draw, made from real views: nodes are numbers, see ``view_parts``. Times begin at ``NOW``."""

from __future__ import annotations

import random
from functools import cache

from msgspec.structs import replace

from tests.view_parts import HIVE, activate_all, down, id_of, join, next_view, sync_all
from wrpme.core.membership import transitions as views
from wrpme.limits import SLOTS
from wrpme.protocol import health, view_index
from wrpme.protocol import ring
from wrpme.protocol.view import Arc, Leave, Member, State, View
from wrpme.tui.state.scene import ArcShown, CopyShown, Incoming, Mode, Mood, NodeShown, NodeState, Scene, Way

NOW = 1_700_000_000.0
KEYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
REAL_MAX = 50
"""A larger hive takes long to grow: its views are made up."""


@cache
def stable(count: int, replication: int = 2) -> View:
    """A stable hive of that many nodes."""
    if count > REAL_MAX:
        return _made(count, replication)
    view = views.found(HIVE, id_of(0), 1, "n0", replication)
    if count > 1:
        view = next_view(view, *(join(number) for number in range(1, count)))
    for _ in range(replication + 2):
        view = activate_all(sync_all(view))
    return view


def _made(count: int, replication: int) -> View:
    chance = random.Random(count)
    ends = sorted(chance.sample(range(1, SLOTS), 16 * count - 1)) + [SLOTS]
    arcs = []
    for end in ends:
        holders = tuple(id_of(number) for number in chance.sample(range(count), replication))
        arcs.append(Arc(ring.end_of_slot(end), 1, holders, wanted=holders))
    members = tuple(Member(id_of(number), 1, f"n{number}", number, State.UP) for number in range(count))
    return View(1, HIVE, 1, replication, members, tuple(arcs), tuple(id_of(number) for number in range(3)))


def without(count: int, *dead: int, replication: int = 2) -> View:
    """That many nodes, some of them dead."""
    return next_view(stable(count, replication), *(down(number) for number in dead))


def joining(count: int, replication: int = 2) -> View:
    """One more node than that many: the copies for it have begun."""
    return next_view(stable(count, replication), join(count))


def changing(count: int, replication: int = 2) -> View:
    """A node has all copies, and is the owner of arcs that it does not serve yet."""
    return sync_all(joining(count, replication))


def leaving(count: int, number: int, replication: int = 2) -> View:
    """One of that many nodes leaves."""
    return next_view(stable(count, replication), Leave(id_of(number), 1))


_MOODS = {
    "stable": Mood.STABLE,
    "stabilizing": Mood.STABILIZING,
    "degraded": Mood.DEGRADED,
    "unavailable": Mood.UNAVAILABLE,
}


def scene_of(view: View, done: float = 0.4) -> Scene:
    """The scene of a view; every copy that is on its way is that far."""
    index = {member.id: number for number, member in enumerate(view.members)}
    alive = view_index.live(view)
    arcs = []
    for number, arc in enumerate(view.arcs):
        first = ring.slot_of(ring.arc_start(view, number))
        incoming = tuple(Incoming(index[node], min(1.0, done * (1 + number % 3) / 2)) for node in arc.incoming)
        served = ring.owner_among(alive, arc) is not None
        holders = tuple(index[node] for node in arc.holders)
        end = ring.slot_of(arc.end) + 1
        awaited = tuple(index[node] for node in arc.wanted if node not in alive)
        arcs.append(ArcShown(first, end, holders, incoming, len(arc.wanted), served, bool(arc.prev), awaited))
    condition = health.condition(view)
    receiving = {node for arc in view.arcs for node in arc.incoming}
    nodes = tuple(_node(view, member, number, member.id in receiving) for number, member in enumerate(view.members))
    moves = _moves(tuple(arcs), done)
    return Scene(
        Mode.LIVE, NOW, _MOODS[condition.word], condition.sentence, done if moves else None, "7f3a9c21", view.epoch,
        1, view.replication, len(alive), None, 128_400, 12_345.0, False, nodes, tuple(arcs), moves,
    )  # fmt: skip


def _node(view: View, member: Member, number: int, receives: bool) -> NodeShown:
    state, reason = NodeState.UP, ""
    if member.state is State.DOWN:
        state, reason = NodeState.DOWN, "killed"
    elif member.state is State.LEAVING:
        state = NodeState.LEAVING
    elif receives and number == len(view.members) - 1:
        state = NodeState.JOINING
    mine = [place for place, arc in enumerate(view.arcs) if arc.holders[0] == member.id]
    largest = max(mine, key=lambda place: ring.width(view.arcs, place), default=None)
    place = 24_001 * number % SLOTS
    if largest is not None:
        place = ring.slot_of(ring.arc_start(view, largest)) + ring.width(view.arcs, largest) // 2
    share = sum(ring.width(view.arcs, arc) for arc in mine) / SLOTS
    since = NOW - 12 if state is NodeState.DOWN else None
    name = str(5909 + number)
    key = KEYS[number] if len(view.members) <= len(KEYS) else ""
    return NodeShown(member.id, f"127.0.0.1:{name}", name, key, number, place, state, since, reason, share, 0.4, False)


def _moves(arcs: tuple[ArcShown, ...], done: float) -> tuple[CopyShown, ...]:
    shares: dict[tuple[int, int], float] = {}
    for arc in arcs:
        for incoming in arc.incoming:
            pair = (arc.holders[0], incoming.node)
            shares[pair] = shares.get(pair, 0.0) + (arc.end - arc.first) / SLOTS
    return tuple(CopyShown(source, target, share, done) for (source, target), share in shares.items())


def with_state(scene: Scene, number: int, state: NodeState, reason: str = "") -> Scene:
    """The scene with one node in another state, for 12 s."""
    node = replace(scene.nodes[number], state=state, since=NOW - 12, reason=reason)
    return replace(scene, nodes=(*scene.nodes[:number], node, *scene.nodes[number + 1 :]))


def disconnected(scene: Scene) -> Scene:
    """Nobody has told anything for 14 s."""
    nodes = tuple(replace(node, stale=True, age=14.0) for node in scene.nodes)
    return replace(scene, mood=Mood.DISCONNECTED, heard=0, silent_since=NOW - 14, nodes=nodes)


def past(scene: Scene, mode: Mode = Mode.PAST) -> Scene:
    """The same, as a moment of the past."""
    return replace(scene, mode=mode)


def way(scene: Scene, arc: int, alias: str = "entry") -> Way:
    """The way of a request for an entry in the middle of that arc, asked of the last node."""
    shown = scene.arcs[arc]
    return Way(alias, (shown.first + shown.end) // 2, len(scene.nodes) - 1, shown.holders[0], shown.holders[1:])
