"""From facts to a scene: a function of what is known and the time, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from msgspec import Struct
from msgspec.structs import replace

from wrpme.limits import SLOTS
from wrpme.protocol.address import listed
from wrpme.protocol.stats import Figures, HiveStatus, NodeStatus, condition_of
from wrpme.protocol.view import Member, NodeId, State, View
from wrpme.shell.format import at_risk_texts, clock_texts
from wrpme.tui.limits import STALE_SECONDS
from wrpme.tui.state import sentences
from wrpme.tui.state.facts import Facts, Known, Life, Rates
from wrpme.tui.state.ring_layout import Places, key_of
from wrpme.tui.state.scene import ArcShown, CopyShown, Incoming, Mode, Mood, NodeShown, NodeState, Scene

NOTHING = Known()
ALWAYS = Life(None)
Suspicions = dict[str, list[tuple[str, float]]]
"""By address: who suspects it, and since when."""
ENDS = ("down", "stopped")
"""Kinds of happenings that end the life of a node."""
LATE_SECONDS = 5.0
"""What happened so long before the view was seen that has a node as down was another death of it."""


class _Seen(Struct, frozen=True):
    """A member and what is known of it; ``figures`` None where none are its own, ``fresh`` if they are as of now."""

    member: Member
    known: Known
    life: Life
    figures: Figures | None
    fresh: bool


class _Moving(Struct, frozen=True):
    """``arrived`` are the slots that are there of those that are incoming, by who receives them."""

    arrived: dict[NodeId, float]
    arcs: tuple[ArcShown, ...]
    moves: tuple[CopyShown, ...]
    progress: float | None


def scene(facts: Facts, places: Places | None, now: float, mode: Mode = Mode.LIVE) -> Scene:
    """All that is shown of that moment; ``places`` None while no view is known."""
    reasons = [(address, known.reason) for address, known in facts.known.items() if known.is_gone()]
    if places is None:
        return Scene(mode, now, Mood.CONNECTING, sentences.connecting(reasons))
    view = places.view
    seen = [_seen(facts, places, member, now) for member in view.members]
    suspicions = _suspicions(seen)
    moving = _moving(facts, places, seen)
    nodes = tuple(
        _node(places, one, now, _state(facts, places, one, now, suspicions, moving)) for one in seen
    )
    fresh = [one for one in seen if one.fresh]
    waiting = any(node.state is NodeState.UP and node.stale for node in nodes)
    if not fresh and not waiting:
        since = facts.word_at if facts.word_at is not None else facts.began
        mood, sentence = Mood.DISCONNECTED, sentences.disconnected(since, now, reasons)
    else:
        since = None
        mood, sentence = _mood(places, seen, nodes, moving, now)
    rates = [node.operations_per_second for node in nodes if node.operations_per_second is not None]
    entries = [node.entries for one, node in zip(seen, nodes, strict=True) if one.fresh and node.entries is not None]
    return Scene(
        mode, now, mood, sentence,
        progress=moving.progress,
        hive=view.hive.hex(),
        epoch=view.epoch,
        generation=view.generation,
        replication=view.replication,
        heard=len(fresh),
        silent_since=since,
        entries=sum(entries) if entries else None,
        operations_per_second=sum(rates) if rates else None,
        partial=any(_counts(one, places) and not (one.fresh and _agrees(one, places)) for one in seen),
        nodes=nodes,
        arcs=moving.arcs,
        moves=moving.moves,
    )  # fmt: skip


def _seen(facts: Facts, places: Places, member: Member, now: float) -> _Seen:
    known = facts.known.get(member.address, NOTHING)
    figures = known.told.figures if known.told else None
    mine = figures.id == member.id.hex() if figures and figures.id else places.living_at[member.address] == member.id
    if not mine:
        known, figures = NOTHING, None
    fresh = figures is not None and known.is_fresh(now)
    return _Seen(member, known, facts.lives.get(member.id, ALWAYS), figures, fresh)


def _counts(one: _Seen, places: Places) -> bool:
    """Whether the sums lack something without its figures."""
    return one.member.state is not State.DOWN or bool(places.owned.get(one.member.id))


def _suspicions(seen: list[_Seen]) -> Suspicions:
    """Whoever has no quorum, or was taken for dead, does not count: it is the lonely one."""
    found: Suspicions = {}
    for one in seen:
        if one.fresh and one.figures and not one.figures.quorum and one.member.state is not State.DOWN:
            told = one.known.told
            assert told is not None
            for address, since in zip(one.figures.suspected, told.suspected_since, strict=True):
                found.setdefault(address, []).append((one.member.address, since))
    return found


# --- what moves --------------------------------------------------------------------------------------------------


def _moving(facts: Facts, places: Places, seen: list[_Seen]) -> _Moving:
    if not places.moving:
        return _Moving({}, places.arcs, (), None)
    done = {
        (copy.end, copy.peer): min(1.0, max(0.0, copy.done))
        for one in seen
        if one.fresh and one.figures
        for copy in one.figures.copies_out
    }
    members, arcs = places.view.members, list(places.arcs)
    arrived: dict[NodeId, float] = {}
    shares: dict[tuple[int, int], list[float]] = {}
    for at, end, owner in places.moving:
        arc = arcs[at]
        slots = arc.end - arc.first
        coming = tuple(Incoming(one.node, done.get((end, members[one.node].address), 0.0)) for one in arc.incoming)
        arcs[at] = ArcShown(arc.first, arc.end, arc.holders, coming, arc.wanted, arc.served, arc.changing)
        for one in coming:
            target = members[one.node].id
            arrived[target] = arrived.get(target, 0.0) + slots * one.done
            if owner >= 0:
                move = shares.setdefault((owner, one.node), [0.0, 0.0])
                move[0] += slots
                move[1] += slots * one.done
    moves = tuple(
        CopyShown(source, target, slots / SLOTS, there / slots) for (source, target), (slots, there) in shares.items()
    )
    total = facts.arrived + sum(places.receiving.values())
    progress = (facts.arrived + sum(arrived.values())) / total
    return _Moving(arrived, tuple(arcs), moves, min(1.0, progress))


# --- one node ----------------------------------------------------------------------------------------------------


Why = tuple[NodeState, Union[float, None], str]
"""The state, since when, and why it is not up."""


def _node(places: Places, one: _Seen, now: float, why: Why) -> NodeShown:
    member, known, figures = one.member, one.known, one.figures
    state, since, reason = why
    colour = places.colours[member.id]
    told = known.told if figures is not None else None
    rates = told.rates if told is not None and one.fresh else Rates()
    shown = NodeShown(
        id=member.id,
        address=member.address,
        name=places.names[places.index[member.id]],
        key=key_of(colour),
        colour=colour,
        place=places.slots[member.id],
        state=state,
        since=since,
        reason=reason,
        share=places.owned.get(member.id, 0) / SLOTS,
        age=max(0.0, now - told.at) if told is not None else None,
        stale=not one.fresh,
        voter=member.id in places.view.voters,
        senior=member.id == places.view.voters[0],
        neighbours=told.neighbours if told is not None and one.fresh else (),
        operations_per_second=rates.operations,
        p50_seconds=rates.p50_seconds,
        p99_seconds=rates.p99_seconds,
        received_bytes_per_second=rates.received_bytes,
        sent_bytes_per_second=rates.sent_bytes,
    )
    return shown if figures is None else _with_figures(shown, figures, one.fresh)


def _with_figures(shown: NodeShown, figures: Figures, fresh: bool) -> NodeShown:
    """What changes from moment to moment is not shown once it is stale."""
    return replace(
        shown,
        entries=figures.entries,
        copies=figures.copies,
        bytes=figures.bytes,
        memory_bytes=figures.memory_bytes or None,
        disk_bytes=figures.disk_bytes if figures.disk_bytes or figures.disk_free_bytes else None,
        disk_free_bytes=figures.disk_free_bytes or None,
        sessions=figures.sessions if fresh else None,
        uptime_seconds=figures.uptime_seconds,
        lease_seconds=figures.lease_seconds if fresh else None,
        beacon_age_seconds=max((age for _, age in shown.neighbours), default=None),
        suspects=figures.suspected if fresh else (),
        epoch=figures.epoch,
        version=figures.version,
    )


def _state(
    facts: Facts, places: Places, one: _Seen, now: float, suspicions: Suspicions, moving: _Moving
) -> Why:
    member, known, life = one.member, one.known, one.life
    suspected = suspicions.get(member.address)
    if member.state is State.DOWN:
        turn = facts.turns.get(member.address)
        if turn is None or turn.kind not in ENDS or (life.since is not None and turn.at < life.since - LATE_SECONDS):
            return NodeState.DOWN, life.since, "no sign of life"
        return NodeState.DOWN, turn.at, "stopped as planned" if turn.kind == "stopped" else "no sign of life"
    if suspected:
        names = listed(teller for teller, _ in suspected)
        return NodeState.SUSPECTED, min(since for _, since in suspected), f"{names} missed its beacons"
    if member.state is State.LEAVING:
        return NodeState.LEAVING, life.since, "its data goes to others first"
    if not one.fresh:
        told = known.told.at if known.told else facts.began
        last, gone = max(told, life.since or 0.0), known.is_gone()
        lost = gone and (known.gone_at or 0.0) >= (life.since or 0.0)  # else that was in its life before
        if lost or now - last > STALE_SECONDS:
            return NodeState.SILENT, last, known.reason if gone else "does not tell its figures here"
    elif one.figures is not None and not one.figures.serving:
        return NodeState.JOINING, life.since, "is being taken back, serves nothing yet"
    receiving = places.receiving.get(member.id, 0)
    if life.settling and receiving:
        done = moving.arrived.get(member.id, 0.0) / receiving
        came = "back," if life.returned else "new,"
        return NodeState.JOINING, life.since, sentences.receives(came, receiving / SLOTS, done)
    known_since = [at for at in (life.since, known.heard_since, known.cleared_at) if at is not None]
    return NodeState.UP, max(known_since, default=None), ""


# --- the hive ----------------------------------------------------------------------------------------------------


def _mood(
    places: Places, seen: list[_Seen], nodes: tuple[NodeShown, ...], moving: _Moving, now: float
) -> tuple[Mood, str]:
    """As hive_status has it from those who are heard; who is not is named."""
    view = places.view
    told = [(one.member, one.figures if one.fresh and _is_up(one) else None) for one in seen]
    condition = condition_of(_status(view, told), places.condition)
    of_this_view = [(member, figures if figures and figures.epoch >= view.epoch else None) for member, figures in told]
    parts = [condition.sentence, *at_risk_texts(_status(view, of_this_view)), *_moving_texts(places, moving)]
    parts += clock_texts(_status(view, told))
    for state in (NodeState.SUSPECTED, NodeState.SILENT, NodeState.DOWN):
        found = [node for node in nodes if node.state is state]
        since = min((node.since for node in found if node.since is not None), default=None)
        if found and (since is not None or state is not NodeState.DOWN):
            parts.append(sentences.unwell(state, [node.address for node in found], since, now))
    return Mood(condition.word.upper()), "; ".join(parts)


def _agrees(one: _Seen, places: Places) -> bool:
    """Whether it counts by this view: while owners change, an arc is counted by two of them, or by none."""
    return one.figures is not None and one.figures.epoch == places.view.epoch


def _status(view: View, told: list[tuple[Member, Figures | None]]) -> HiveStatus:
    return HiveStatus(view, tuple(NodeStatus(member, figures, None) for member, figures in told))


def _is_up(one: _Seen) -> bool:
    return one.member.state is not State.DOWN


def _moving_texts(places: Places, moving: _Moving) -> Iterator[str]:
    """For each node that receives arcs how much, and how far that is, as hive_status has it; of many the sum."""
    addresses = {member.id: member.address for member in places.view.members}
    found = [(addresses[node], slots, moving.arrived.get(node, 0.0)) for node, slots in places.receiving.items()]
    if len(found) <= sentences.NAMES_MAX:
        for address, slots, arrived in found:
            yield sentences.receives(address, slots / SLOTS, arrived / slots)
    else:
        slots, done = sum(slots for _, slots, _ in found), sum(arrived for _, _, arrived in found)
        yield sentences.receives(f"{len(found)} nodes", slots / SLOTS, done / slots, several=True)
