"""Derives a scene: a function of what was observed, the layout of the ring and the time, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from msgspec import Struct
from msgspec.structs import replace

from wrpme.limits import SLOTS
from wrpme.protocol.address import listed
from wrpme.protocol.health import is_exposed
from wrpme.protocol.stats import CERTIFICATE_OF, NodeStats, HiveStatus, NodeStatus, condition_of
from wrpme.protocol.view import Member, NodeId, State, View
from wrpme.shell.format import at_risk_texts, clock_texts
from wrpme.tui.limits import STALE_SECONDS
from wrpme.tui.state import sentences
from wrpme.tui.state.observed import Membership, Observed, ObservedNode, Rates
from wrpme.tui.state.ring_layout import RingLayout, key_of
from wrpme.tui.state.scene import ArcShown, CopyShown, Incoming, Mode, Mood, NodeShown, NodeState, Scene

NOTHING = ObservedNode()
ALWAYS = Membership(None)
Suspicions = dict[str, list[tuple[str, float]]]
"""The nodes that suspect the one at an address, each with the time since when."""
ENDS = ("down", "stopped")
"""Kinds of events after which a node is down."""
LATE_SECONDS = 5.0
"""An event that is older than this when the view has the node as down was an earlier end of it."""


class _Seen(Struct, frozen=True):
    """A member and what was observed of it. ``stats`` are None if the last ones at its address are not its own;
    ``fresh`` says that they are as of now."""

    member: Member
    known: ObservedNode
    membership: Membership
    stats: NodeStats | None
    fresh: bool


class _Moving(Struct, frozen=True):
    """What moves; ``arrived`` counts, for each receiver, the slots that it has of those that are incoming."""

    arrived: dict[NodeId, float]
    arcs: tuple[ArcShown, ...]
    moves: tuple[CopyShown, ...]
    progress: float | None


WHATS = ("operations", "p50", "p99", "received", "sent", "entries", "memory", "disk")
"""The figures that there are series of."""
Figures = tuple[Union[float, None], ...]
"""Those of one node at one time, in the order of :data:`WHATS`; None where one is not known."""
NO_FIGURES: Figures = (None,) * len(WHATS)


def scene(observed: Observed, layout: RingLayout | None, now: float, mode: Mode = Mode.LIVE) -> Scene:
    """Returns the scene at ``now``; ``layout`` is None while no view is known."""
    reasons = [(address, known.reason) for address, known in observed.nodes.items() if known.is_gone()]
    if layout is None:
        return Scene(mode, now, Mood.CONNECTING, sentences.connecting(reasons))
    view = layout.view
    seen = [_seen(observed, layout, member, now) for member in view.members]
    suspicions = _suspicions(seen)
    moving = _moving(observed, layout, seen)
    nodes = tuple(_node(layout, one, now, _state(observed, layout, one, now, suspicions, moving)) for one in seen)
    fresh = [one for one in seen if one.fresh]
    waiting = any(node.state is NodeState.UP and node.stale for node in nodes)
    if not fresh and not waiting:
        since = observed.word_at if observed.word_at is not None else observed.began
        mood, sentence = Mood.DISCONNECTED, sentences.disconnected(since, now, reasons)
    else:
        since = None
        mood, sentence = _mood(layout, seen, nodes, moving, now)
    rates = [node.operations_per_second for node in nodes if node.operations_per_second is not None]
    entries = [node.entries for one, node in zip(seen, nodes, strict=True) if one.fresh and node.entries is not None]
    return Scene(
        mode, now, mood, sentence,
        progress=moving.progress,
        hive=view.hive.hex(),
        epoch=view.epoch,
        generation=view.generation,
        replication=view.replication,
        tags=view.tags,
        open=not view.users_since and is_exposed(view),
        warning=sentences.certificates(_certificates(fresh)),
        heard=len(fresh),
        silent_since=since,
        entries=sum(entries) if entries else None,
        operations_per_second=sum(rates) if rates else None,
        partial=any(_counts(one, layout) and not (one.fresh and _agrees(one, layout)) for one in seen),
        nodes=nodes,
        arcs=moving.arcs,
        moves=moving.moves,
    )  # fmt: skip


def _certificates(seen: list[_Seen]) -> list[tuple[str, float]]:
    """Returns the addresses of nodes whose certificates an operator has to look at, and the seconds that are left."""
    return [
        (one.member.address, one.stats.certificate_seconds)
        for one in seen
        if one.stats is not None
        and one.stats.certificate_seconds is not None
        and any(trouble.startswith(CERTIFICATE_OF) for trouble in one.stats.troubles)
    ]


def figures(observed: Observed, layout: RingLayout | None, now: float) -> list[Figures]:
    """Returns the figures of each node of :func:`scene` that are of ``now``, and in the place of others None."""
    members = layout.view.members if layout is not None else ()
    return [_figures(_seen(observed, layout, member, now)) for member in members if layout is not None]


def _figures(one: _Seen) -> Figures:
    report, stats = one.known.report, one.stats
    if not one.fresh or report is None or stats is None:
        return NO_FIGURES
    rates = report.rates
    return (
        rates.operations, rates.p50_seconds, rates.p99_seconds, rates.received_bytes, rates.sent_bytes,
        stats.entries, _memory_of(stats), _disk_of(stats),
    )  # fmt: skip


def _memory_of(stats: NodeStats) -> int | None:
    return stats.memory_bytes or None


def _disk_of(stats: NodeStats) -> int | None:
    return stats.disk_bytes if stats.disk_bytes or stats.disk_free_bytes else None


def _seen(observed: Observed, layout: RingLayout, member: Member, now: float) -> _Seen:
    known = observed.nodes.get(member.address, NOTHING)
    stats = known.report.stats if known.report else None
    mine = stats.id == member.id.hex() if stats and stats.id else layout.living_at[member.address] == member.id
    if not mine:
        known, stats = NOTHING, None
    fresh = stats is not None and known.is_fresh(now)
    return _Seen(member, known, observed.memberships.get(member.id, ALWAYS), stats, fresh)


def _counts(one: _Seen, layout: RingLayout) -> bool:
    """Returns whether the sums are incomplete without its figures."""
    return one.member.state is not State.DOWN or bool(layout.owned.get(one.member.id))


def _suspicions(seen: list[_Seen]) -> Suspicions:
    """Returns the suspicions by address. Those of a node without a quorum, or that is down in the view, are left out:
    it is itself the one that is cut off."""
    found: Suspicions = {}
    for one in seen:
        if one.fresh and one.stats and not one.stats.quorum and one.member.state is not State.DOWN:
            report = one.known.report
            assert report is not None
            for address, since in zip(one.stats.suspected, report.suspected_since, strict=True):
                found.setdefault(address, []).append((one.member.address, since))
    return found


# --- what moves --------------------------------------------------------------------------------------------------


def _moving(observed: Observed, layout: RingLayout, seen: list[_Seen]) -> _Moving:
    if not layout.moving:
        return _Moving({}, layout.arcs, (), None)
    done = {
        (copy.end, copy.peer): min(1.0, max(0.0, copy.done))
        for one in seen
        if one.fresh and one.stats
        for copy in one.stats.copies_out
    }
    members, arcs = layout.view.members, list(layout.arcs)
    arrived: dict[NodeId, float] = {}
    shares: dict[tuple[int, int], list[float]] = {}
    for at, end, owner in layout.moving:
        arc = arcs[at]
        slots = arc.end - arc.first
        coming = tuple(Incoming(one.node, done.get((end, members[one.node].address), 0.0)) for one in arc.incoming)
        arcs[at] = replace(arc, incoming=coming)
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
    total = observed.arrived + sum(layout.receiving.values())
    progress = (observed.arrived + sum(arrived.values())) / total
    return _Moving(arrived, tuple(arcs), moves, min(1.0, progress))


# --- one node ----------------------------------------------------------------------------------------------------


Why = tuple[NodeState, Union[float, None], str]
"""The state, since when, and why it is not up."""


def _node(layout: RingLayout, one: _Seen, now: float, why: Why) -> NodeShown:
    member, known, stats = one.member, one.known, one.stats
    state, since, reason = why
    colour = layout.colours[member.id]
    report = known.report if stats is not None else None
    rates = report.rates if report is not None and one.fresh else Rates()
    shown = NodeShown(
        id=member.id,
        address=member.address,
        name=layout.names[layout.index[member.id]],
        key=key_of(colour),
        colour=colour,
        place=layout.slots[member.id],
        state=state,
        since=since,
        reason=reason,
        share=layout.owned.get(member.id, 0) / SLOTS,
        age=max(0.0, now - report.at) if report is not None else None,
        stale=not one.fresh,
        voter=member.id in layout.view.voters,
        senior=member.id == layout.view.voters[0],
        neighbours=report.neighbours if report is not None and one.fresh else (),
        operations_per_second=rates.operations,
        p50_seconds=rates.p50_seconds,
        p99_seconds=rates.p99_seconds,
        received_bytes_per_second=rates.received_bytes,
        sent_bytes_per_second=rates.sent_bytes,
    )
    return shown if stats is None else _with_stats(shown, stats, one.fresh)


def _with_stats(shown: NodeShown, stats: NodeStats, fresh: bool) -> NodeShown:
    """What changes from moment to moment is not shown once it is stale."""
    return replace(
        shown,
        entries=stats.entries,
        copies=stats.copies,
        bytes=stats.bytes,
        memory_bytes=_memory_of(stats),
        disk_bytes=_disk_of(stats),
        disk_free_bytes=stats.disk_free_bytes or None,
        sessions=stats.sessions if fresh else None,
        redis_sessions=stats.redis_sessions if fresh else None,
        uptime_seconds=stats.uptime_seconds,
        lease_seconds=stats.lease_seconds if fresh else None,
        heartbeat_age_seconds=max((age for _, age in shown.neighbours), default=None),
        suspects=stats.suspected if fresh else (),
        epoch=stats.epoch,
        version=stats.version,
    )


def _state(
    observed: Observed, layout: RingLayout, one: _Seen, now: float, suspicions: Suspicions, moving: _Moving
) -> Why:
    member, known, membership = one.member, one.known, one.membership
    suspected = suspicions.get(member.address)
    if member.state is State.DOWN:
        last = observed.last_events.get(member.address)
        since = membership.since
        if last is None or last.kind not in ENDS or (since is not None and last.at < since - LATE_SECONDS):
            return NodeState.DOWN, since, "no sign of life"
        return NodeState.DOWN, last.at, "stopped as planned" if last.kind == "stopped" else "no sign of life"
    if suspected:
        names = listed(teller for teller, _ in suspected)
        return NodeState.SUSPECTED, min(since for _, since in suspected), f"{names} missed its heartbeats"
    if member.state is State.LEAVING:
        return NodeState.LEAVING, membership.since, "its data goes to others first"
    if not one.fresh:
        heard_at = known.report.at if known.report else observed.began
        silent_since, gone = max(heard_at, membership.since or 0.0), known.is_gone()
        lost = gone and (known.gone_at or 0.0) >= (membership.since or 0.0)  # else it was lost before its last start
        if lost or now - silent_since > STALE_SECONDS:
            return NodeState.SILENT, silent_since, known.reason if gone else "does not tell its figures here"
    elif one.stats is not None and not one.stats.serving:
        return NodeState.JOINING, membership.since, "is being taken back, serves nothing yet"
    receiving = layout.receiving.get(member.id, 0)
    if membership.settling and receiving:
        done = moving.arrived.get(member.id, 0.0) / receiving
        came = "back," if membership.returned else "new,"
        return NodeState.JOINING, membership.since, sentences.receives(came, receiving / SLOTS, done)
    known_since = [at for at in (membership.since, known.heard_since, known.cleared_at) if at is not None]
    return NodeState.UP, max(known_since, default=None), ""


# --- the hive ----------------------------------------------------------------------------------------------------


def _mood(
    layout: RingLayout, seen: list[_Seen], nodes: tuple[NodeShown, ...], moving: _Moving, now: float
) -> tuple[Mood, str]:
    """As hive_status has it from those who are heard; who is not is named, and before all else where all else is
    well: the sentence may be cut."""
    view = layout.view
    told = [(one.member, one.stats if one.fresh and _is_up(one) else None) for one in seen]
    condition = condition_of(_status(view, told), layout.condition)
    of_this_view = [(member, stats if stats and stats.epoch >= view.epoch else None) for member, stats in told]
    parts = [condition.sentence, *at_risk_texts(_status(view, of_this_view)), *_moving_texts(layout, moving)]
    parts += clock_texts(_status(view, told))
    mood, unwell = Mood(condition.word.upper()), []
    for state in (NodeState.SUSPECTED, NodeState.SILENT, NodeState.DOWN):
        found = [node for node in nodes if node.state is state]
        since = min((node.since for node in found if node.since is not None), default=None)
        if found and (since is not None or state is not NodeState.DOWN):
            unwell.append(sentences.unwell(state, [node.address for node in found], since, now))
    return mood, "; ".join([*unwell, *parts] if mood is Mood.STABLE else [*parts, *unwell])


def _agrees(one: _Seen, layout: RingLayout) -> bool:
    """Returns whether it counts entries by this view: while owners change, an arc is counted by two of them, or by
    none."""
    return one.stats is not None and one.stats.epoch == layout.view.epoch


def _status(view: View, told: list[tuple[Member, NodeStats | None]]) -> HiveStatus:
    return HiveStatus(view, tuple(NodeStatus(member, stats, None) for member, stats in told))


def _is_up(one: _Seen) -> bool:
    return one.member.state is not State.DOWN


def _moving_texts(layout: RingLayout, moving: _Moving) -> Iterator[str]:
    """Yields for each node that receives arcs how much that is and how far it has come, as hive_status does; for many
    nodes the sum."""
    addresses = {member.id: member.address for member in layout.view.members}
    found = [(addresses[node], slots, moving.arrived.get(node, 0.0)) for node, slots in layout.receiving.items()]
    if len(found) <= sentences.NAMES_MAX:
        for address, slots, arrived in found:
            yield sentences.receives(address, slots / SLOTS, arrived / slots)
    else:
        slots, done = sum(slots for _, slots, _ in found), sum(arrived for _, _, arrived in found)
        yield sentences.receives(f"{len(found)} nodes", slots / SLOTS, done / slots, several=True)
