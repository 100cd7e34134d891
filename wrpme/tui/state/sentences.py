"""What the dashboard says in words, and whether words are found in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wrpme.protocol.address import listed
from wrpme.shell.format import span_text
from wrpme.tui.state.format import clock
from wrpme.tui.state.scene import NodeState

NAMES_MAX = 3
"""So many reasons are told, and so many nodes that receive arcs have a line each."""

GRAVITY: dict[str, int] = {
    "founded": 0,
    "joined": 0,
    "back": 0,
    "stopped": 2,
    "down": 3,
    "expelled": 2,
    "forgotten": 3,
    "recovered": 3,
    "copied": 0,
    "activated": 0,
    "serving": 0,
    "cut_off": 3,
    "suspected": 2,
    "heard": 0,
    "quorum_lost": 3,
    "quorum": 0,
    "stopping": 2,
    "clock": 2,
    "late": 2,
    "disk_hangs": 3,
    "disk_slow": 2,
    "disk": 0,
    "clock_differs": 3,
    "clock_agrees": 0,
    "reached": 0,
    "gone": 2,
    "missed": 2,
}
"""0 good, 2 worth a look, 3 bad; all others are 1."""
CONDITION_GRAVITY = {"stable": 0, "stabilizing": 1, "degraded": 2, "unavailable": 3}


def gravity_of(kind: str, sentence: str) -> int:
    """How much an event matters, 0 to 3; that of a new condition is in its words: "the hive is stable: ..."."""
    if kind == "condition":
        return CONDITION_GRAVITY.get(sentence.partition(":")[0].removeprefix("the hive is "), 1)
    return GRAVITY.get(kind, 1)


def why(address: str, reason: str) -> str:
    """The reason without the address that it is about, which stands beside it."""
    short = reason.replace(f" to {address}", "").removeprefix(address).lstrip(": ")
    return short[1:-1] if short.startswith("(") and short.endswith(")") else short


def _lost(reasons: Iterable[tuple[str, str]]) -> str:
    """Addresses with the reason why they do not answer, those with the same one together."""
    alike: dict[str, list[str]] = {}
    for address, reason in reasons:
        alike.setdefault(reason, []).append(address)
    return "; ".join(f"{listed(addresses)}: {reason}" for reason, addresses in list(alike.items())[:NAMES_MAX])


def connecting(reasons: Sequence[tuple[str, str]]) -> str:
    """Nobody has told anything yet; ``reasons`` are addresses, and why each does not."""
    if not reasons:
        return "no node has told anything yet"
    return f"no node has told anything yet ({_lost(reasons)}); is wrpmed running there?"


def disconnected(since: float, now: float, reasons: Sequence[tuple[str, str]]) -> str:
    """Nobody tells anything any more; ``reasons`` are addresses, and why each does not."""
    said = f"no node has told anything since {clock(since)} ({span_text(max(0.0, now - since))})"
    lost = f" ({_lost(reasons)})" if reasons else ""
    return f"{said}; all else here is as of then; see whether the nodes run and the network is up{lost}"


def unwell(state: NodeState, addresses: Sequence[str], since: float | None, now: float) -> str:
    """Of nodes that are suspected, silent or down: who, and since when."""
    one = len(addresses) == 1
    if state is NodeState.DOWN:
        verb = "has been down for" if one else "have been down for up to"
        return f"{listed(addresses)} {verb} {span_text(max(0.0, now - since)) if since is not None else '?'}"
    if state is NodeState.SUSPECTED:
        verb = "is" if one else "are"
        return f"{listed(addresses)} {verb} suspected{_since(since)}: beacons are missing"
    verb = "does" if one else "do"
    return f"{listed(addresses)} {verb} not answer here{_since(since)}"


def _since(since: float | None) -> str:
    return f" since {clock(since)}" if since is not None else ""


def receives(who: str, share: float, done: float, several: bool = False) -> str:
    """What is on its way to a node, or to several, as hive_status says it."""
    return f"{who} receive{'' if several else 's'} {100 * share:.1f} % of the ring, {100 * done:.0f} % done"


def missed(count: int) -> str:
    """Of a watcher that was too slow."""
    return "1 event of it was not seen here" if count == 1 else f"{count} events of it were not seen here"
